//! Placeholders of secrets where they cannot work, or are not filled in (platform API reference §1.8).

use crate::deployment::{ArtifactKind, TemplateSpec};
use crate::problem::{Problem, join_path};
use crate::secret::placeholder::{is_filled, names};

/// Configuration that Drey itself reads while a job runs and after its end, old names included. It works with the text
/// that everyone may see, so a placeholder would send Flink to one place and Drey to another: no snapshot would be found
/// again. `drey-flink` has the names, and a test that none is forgotten.
pub const READ_KEYS: &[&str] = &[
    "execution.checkpointing.create-subdir",
    "execution.checkpointing.dir",
    "execution.checkpointing.savepoint-dir",
    "execution.checkpointing.timeout",
    "execution.runtime-mode",
    "savepoints.state.backend.fs.dir",
    "state.backend.fs.checkpointdir",
    "state.checkpoints.create-subdir",
    "state.checkpoints.dir",
    "state.savepoints.dir",
];

const SPEC: &str = "spec.template.spec";

pub(super) fn check(spec: &TemplateSpec, problems: &mut Vec<Problem>) {
    let configuration = format!("{SPEC}.flinkConfiguration");
    let is_refused = |key: &str| READ_KEYS.contains(&key.trim());
    for (key, _) in
        spec.flink_configuration.iter().filter(|(key, value)| is_refused(key) && is_filled(value))
    {
        let message = "Cannot hold a placeholder of a secret: Drey reads this setting itself, and shows it in Savepoints and events. Write the text here, and keep only credentials in secrets.";
        problems.push(Problem::new(join_path(&configuration, key), message));
    }
}

/// Placeholders in members in which the platform fills none.
pub(super) fn warn(spec: &TemplateSpec, warnings: &mut Vec<Problem>) {
    let artifact = &spec.artifact;
    let path = |member: &str| format!("{SPEC}.artifact.{member}");
    let mut members: Vec<(String, &str)> = Vec::new();
    members.extend(artifact.main_args.as_deref().map(|text| (path("mainArgs"), text)));
    let dependencies = artifact.additional_dependencies.iter().flatten().enumerate();
    members.extend(
        dependencies
            .map(|(at, uri)| (path(&format!("additionalDependencies[{at}]")), uri.as_str())),
    );
    if artifact.kind != ArtifactKind::Jar {
        let uri = artifact.python_artifact_uri.as_deref();
        members.extend(uri.map(|uri| (path("pythonArtifactUri"), uri)));
    }
    for (path, text) in members {
        if let Some(name) = names(text).first() {
            let message = format!(
                "${{{name}}} is passed on as it is: secrets are filled in only in flinkConfiguration and in jarUri."
            );
            warnings.push(Problem::new(path, message));
        }
    }
}
