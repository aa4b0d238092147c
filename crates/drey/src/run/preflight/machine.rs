//! The look at the size of a whole cluster before it is stored: local processes share the memory of this machine, and a
//! number with a zero too many would take the machine down with everything on it.
//!
//! What other clusters need is not subtracted: they come and go. The CPU quota limits all of them together.

use std::sync::OnceLock;

use drey_flink::{config, memory};
use drey_model::Problem;
use drey_server::Processes;
use sysinfo::{MemoryRefreshKind, System};

const GB: f64 = 1_000_000_000.0;

/// A cluster that does not fit into this machine's memory.
pub(super) fn room(processes: &Processes<'_>) -> Vec<Problem> {
    let why = available().and_then(|available| more_than(available, processes));
    let path = format!("{}.numberOfTaskManagers", processes.path);
    why.map(|why| Problem::new(path, why)).into_iter().collect()
}

/// Bytes of memory that processes here may use; `None` when the system does not tell.
fn available() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let mut system = System::new().ok()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let limit = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
        Some(system.total_memory().min(limit)).filter(|bytes| *bytes > 0)
    })
}

fn more_than(available: u64, processes: &Processes<'_>) -> Option<String> {
    let (config, _) = config::modern(processes.flink_configuration);
    let size = |role: &str| {
        let memory = processes.resources.get(role).and_then(|r| r.memory.as_deref());
        memory::process_size(role, &config, memory).ok()
    };
    let (manager, each) = (size("jobmanager")?, size("taskmanager")?);
    let count = u64::try_from(processes.task_managers).unwrap_or(0);
    let all = each.saturating_mul(count).saturating_add(manager);
    if all <= available {
        return None;
    }
    let most = available.saturating_sub(manager) / each.max(1);
    Some(format!(
        "{count} TaskManagers of {} GB and a JobManager of {} GB need {} GB of memory, and this machine has {} GB: \
         at most {most} TaskManagers of this size fit",
        gb(each),
        gb(manager),
        gb(all),
        gb(available)
    ))
}

#[allow(clippy::cast_precision_loss, reason = "for people, one digit")]
fn gb(bytes: u64) -> String {
    let text = format!("{:.1}", bytes as f64 / GB);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drey_model::deployment::ResourceSpec;
    use drey_model::meta::TextMap;

    use super::*;

    #[test]
    fn a_cluster_may_take_all_memory_and_no_more() {
        let resource = |memory: &str| ResourceSpec { cpu: 1.0, memory: Some(memory.to_owned()) };
        let resources = BTreeMap::from([
            ("jobmanager".to_owned(), resource("1G")),
            ("taskmanager".to_owned(), resource("1.5G")),
        ]);
        let giga = 1_000_000_000;
        let none = TextMap::new();
        let look = |available, task_managers| {
            let path = "spec";
            let all = Processes {
                path,
                resources: &resources,
                flink_configuration: &none,
                task_managers,
                flink_version: None,
            };
            more_than(available, &all)
        };
        assert_eq!(look(4 * giga, 2), None);
        assert_eq!(
            look(4 * giga, 3).unwrap(),
            "3 TaskManagers of 1.5 GB and a JobManager of 1 GB need 5.5 GB of memory, and this machine has 4 GB: \
             at most 2 TaskManagers of this size fit"
        );
        assert!(look(giga, i32::MAX).unwrap().contains("at most 0 TaskManagers"));
        assert!(available().is_some_and(|bytes| bytes > giga / 4));
    }
}
