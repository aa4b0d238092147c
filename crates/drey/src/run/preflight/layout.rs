//! The look at the memory of the processes of a Deployment or a SessionCluster before it is stored: it has to suffice.

use drey_flink::{config, memory};
use drey_model::Problem;
use drey_model::causes::causes;
use drey_model::problem::join_path;
use drey_server::Processes;

/// Memory that cannot be divided as the configuration asks: the launch would fail, and an upgrade would have taken the
/// running job down before.
pub(super) fn layout(processes: &Processes<'_>) -> Vec<Problem> {
    let (config, _) = config::modern(processes.flink_configuration);
    let check = |role: &'static str| {
        let memory = processes.resources.get(role).and_then(|r| r.memory.as_deref());
        let process = memory::process_size(role, &config, memory)?;
        match role {
            "jobmanager" => memory::JobManager::new(process, &config).map(|_| ()),
            _ => memory::TaskManager::new(process, &config).map(|_| ()),
        }
    };
    let configuration = format!("{}.flinkConfiguration", processes.path);
    let roles = ["jobmanager", "taskmanager"].into_iter();
    let problem = |role: &'static str| {
        let error = check(role).err()?;
        let path = match &error {
            memory::Error::Option { key, .. } | memory::Error::TooSmall { key: Some(key), .. } => {
                join_path(&configuration, key)
            }
            memory::Error::Size { .. } => {
                join_path(&configuration, &format!("{role}.memory.process.size"))
            }
            memory::Error::Quantity { .. } | memory::Error::TooSmall { key: None, .. } => {
                format!("{}.resources.{role}.memory", processes.path)
            }
        };
        Some(Problem::new(path, causes(&error)))
    };
    roles.filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drey_model::deployment::ResourceSpec;

    use super::{Processes, layout};

    fn paths_below(path: &str, memory: &str, configuration: &[(&str, &str)]) -> Vec<String> {
        let resource = ResourceSpec { cpu: 1.0, memory: Some(memory.to_owned()) };
        let pairs = configuration.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let resources = BTreeMap::from([("taskmanager".to_owned(), resource)]);
        let flink_configuration = pairs.collect();
        let flink_configuration = &flink_configuration;
        let processes = Processes {
            path,
            resources: &resources,
            flink_configuration,
            task_managers: 1,
            flink_version: None,
        };
        layout(&processes).into_iter().map(|problem| problem.path).collect()
    }

    fn paths(memory: &str, configuration: &[(&str, &str)]) -> Vec<String> {
        paths_below("spec.template.spec", memory, configuration)
    }

    #[test]
    fn memory_that_cannot_be_divided_is_a_problem_where_it_stands() {
        assert!(paths("1g", &[]).is_empty());
        let resources = "spec.template.spec.resources.taskmanager.memory";
        assert_eq!(paths("1g", &[("taskmanager.memory.managed.size", "2g")]), [resources]);
        let key = |key: &str| vec![format!("spec.template.spec.flinkConfiguration[\"{key}\"]")];
        let size = "taskmanager.memory.process.size";
        assert_eq!(paths("1g", &[(size, "plenty")]), key(size));
        assert_eq!(paths("2g", &[(size, "600m")]), key(size));
        let managed = "taskmanager.memory.managed.size";
        assert_eq!(paths("1g", &[("taskmanager.memory.size", "some")]), key(managed));
    }

    #[test]
    fn a_session_cluster_is_told_in_its_own_words() {
        let managed = [("taskmanager.memory.managed.size", "2g")];
        assert_eq!(paths_below("spec", "1g", &managed), ["spec.resources.taskmanager.memory"]);
    }
}
