//! `globalDeploymentDefaults` of the settings file: what Deployments of every namespace are filled up with, over what
//! is built in (platform API reference §1.3).
//!
//! Given as an object, or as a text that begins at `spec:`, as the platform's Helm chart has it. Read by the rules of
//! documents and not by those of settings, so that `flinkVersion: 1.20` keeps its zero, and checked when the server
//! starts: it must not be the first Deployment that finds out.

use drey_model::document::{self, Document, Format};
use drey_model::{Problem, write};
use serde_json::Value;

/// The member of the settings file.
const MEMBER: &str = "globalDeploymentDefaults";

/// The layer that a settings file (YAML) gives; nothing when it gives none.
///
/// # Errors
/// Everything that is wrong with it, with the place in the file.
pub(super) fn layer(settings: &str) -> Result<Option<Value>, Vec<String>> {
    let document = document::parse(settings.as_bytes(), Format::Yaml).map_err(told)?;
    let Some(node) = document.find(&[MEMBER]).filter(|node| !node.is_null()) else {
        return Ok(None);
    };
    let given = match node.text() {
        // Places within the text would be taken for places in the file.
        Some(text) => match document::parse(text.as_bytes(), Format::Yaml) {
            Ok(document) => Document { has_lines: false, ..document },
            Err(problems) => {
                let within = |problem: String| format!("in the text of {MEMBER}: {problem}");
                return Err(told(problems).into_iter().map(within).collect());
            }
        },
        None => Document { root: node.clone(), has_lines: document.has_lines },
    };
    let version = drey_flink::versions::DEFAULT.to_string();
    write::global_defaults(&given, &version).map(Some).map_err(told)
}

fn told(problems: Vec<Problem>) -> Vec<String> {
    let line = |problem: Problem| match problem.path.as_str() {
        "" => problem.message,
        path => format!("{MEMBER}.{path}: {}", problem.message),
    };
    problems.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_and_a_text_mean_the_same() {
        let spec = "spec:\n      state: running\n      template:\n        spec:\n          artifact: {flinkVersion: 1.20}\n";
        let object = format!("listen: 127.0.0.1:0\n{MEMBER}:\n    {spec}");
        let text = format!("{MEMBER}: |\n    {spec}");
        let expected = json!({"spec": {
            "state": "RUNNING",
            "template": {"spec": {"artifact": {"flinkVersion": "1.20"}}},
        }});
        for settings in [object, text] {
            assert_eq!(layer(&settings), Ok(Some(expected.clone())), "{settings}");
        }
        for settings in
            ["listen: 127.0.0.1:0", "globalDeploymentDefaults:", "globalDeploymentDefaults: ~"]
        {
            assert_eq!(layer(settings), Ok(None), "{settings}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let settings = "globalDeploymentDefaults:\n  state: RUNNING\n  spec:\n    state: PAUSED\n    upgradeStratgy: {}\n    template:\n      spec:\n        parallelism: 0\n        artifact: {flinkVersion: 1.2}\n        kubernetes: {pods: {}, jobManagerPodTemplate: {}}\n";
        let told = layer(settings).unwrap_err();
        for expected in [
            "globalDeploymentDefaults.state: Not a member of GlobalDeploymentDefaults. Remove it. (2:3)",
            "upgradeStratgy: Not a member of spec. Remove it. Did you mean upgradeStrategy?",
            "To stop and keep state use SUSPENDED. (4:5)",
            "parallelism: Must be at least 1, found 0. (8:9)",
            "Write flinkVersion: \"1.20\".",
            "Set either pods or the pod templates",
        ] {
            assert!(told.iter().any(|line| line.contains(expected)), "{expected}: {told:#?}");
        }
        assert_eq!(told.len(), 6, "{told:#?}");
        let text = "globalDeploymentDefaults: 'spec: [1'";
        assert!(
            layer(text).unwrap_err()[0].starts_with("in the text of globalDeploymentDefaults: ")
        );
        let places =
            "globalDeploymentDefaults: {spec: {deploymentTargetName: a, sessionClusterName: b}}";
        assert_eq!(layer(places).unwrap_err().len(), 1);
        let elsewhere = "globalDeploymentDefaults: {spec: {deploymentTargetName: made-later}}";
        assert!(layer(elsewhere).is_ok());
    }
}
