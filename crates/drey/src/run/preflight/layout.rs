//! The look at the memory of a Deployment's processes before it is stored: it has to suffice.

use drey_flink::{config, memory};
use drey_model::Problem;
use drey_model::causes::causes;
use drey_model::deployment::TemplateSpec;
use drey_model::problem::join_path;

use super::CONFIGURATION;

/// Memory that cannot be divided as the configuration asks: the launch would fail, and an upgrade would have taken the
/// running job down before.
pub(super) fn layout(template: &TemplateSpec) -> Vec<Problem> {
    let (config, _) = config::modern(&template.flink_configuration);
    let check = |role: &'static str| {
        let memory = template.resources.get(role).and_then(|r| r.memory.as_deref());
        let process = memory::process_size(role, &config, memory)?;
        match role {
            "jobmanager" => memory::JobManager::new(process, &config).map(|_| ()),
            _ => memory::TaskManager::new(process, &config).map(|_| ()),
        }
    };
    let roles = ["jobmanager", "taskmanager"].into_iter();
    let problem = |role: &'static str| {
        let error = check(role).err()?;
        let path = match &error {
            memory::Error::Option { key, .. } | memory::Error::TooSmall { key: Some(key), .. } => {
                join_path(CONFIGURATION, key)
            }
            memory::Error::Size { .. } => {
                join_path(CONFIGURATION, &format!("{role}.memory.process.size"))
            }
            memory::Error::Quantity { .. } | memory::Error::TooSmall { key: None, .. } => {
                format!("spec.template.spec.resources.{role}.memory")
            }
        };
        Some(Problem::new(path, causes(&error)))
    };
    roles.filter_map(problem).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drey_model::deployment::{ResourceSpec, TemplateSpec};

    use super::layout;

    fn paths(memory: &str, configuration: &[(&str, &str)]) -> Vec<String> {
        let resource = ResourceSpec { cpu: 1.0, memory: Some(memory.to_owned()) };
        let pairs = configuration.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let template = TemplateSpec {
            resources: BTreeMap::from([("taskmanager".to_owned(), resource)]),
            flink_configuration: pairs.collect(),
            ..TemplateSpec::default()
        };
        layout(&template).into_iter().map(|problem| problem.path).collect()
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
}
