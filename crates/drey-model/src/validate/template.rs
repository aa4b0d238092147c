//! The template: artifact, sizes, resources, configuration, logging, pods.

use super::{check_labels, check_uri, session};
use crate::configuration::is_high_availability;
use crate::deployment::{
    Artifact, ArtifactKind, DeploymentSpec, KubernetesOptions, Logging, TemplateSpec,
};
use crate::document::quoted;
use crate::log_template::{LOGGERS_MAX, Template};
use crate::problem::{Problem, join_path};
use crate::quantity::{
    CPU_MAX, CPU_MIN, JOB_MANAGER_BYTES_MIN, TASK_MANAGER_BYTES_MIN, memory, memory_text,
};
use crate::{args, nearest};

/// Flink's own upper bound of the parallelism of an operator.
pub const PARALLELISM_MAX: i32 = 1 << 15;
/// More than any machine park that Flink runs on.
pub const TASK_MANAGERS_MAX: i32 = 100_000;

/// Where a template's own spec stands.
pub(super) const SPEC: &str = "spec.template.spec";
const SLOTS: &str = "taskmanager.numberOfTaskSlots";
const LEVELS: [&str; 8] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"];

/// Configuration that Drey sets itself, old names included: with another value it could no longer find the cluster,
/// recognise its job or see how the job ended. `drey-flink` has the values, and a test that both agree.
pub const OWNED_KEYS: &[&str] = &[
    "$internal.pipeline.job-id",
    "blob.server.port",
    "completed-application-store.expiration-time",
    "execution.savepoint.ignore-unclaimed-state",
    "execution.savepoint.path",
    "execution.shutdown-on-application-finish",
    "execution.state-recovery.ignore-unclaimed-state",
    "execution.state-recovery.path",
    "execution.submit-failed-job-on-application-error",
    "jobmanager.bind-host",
    "jobmanager.memory.flink.size",
    "jobmanager.rpc.address",
    "jobmanager.rpc.port",
    "jobmanager.web.refresh-interval",
    "jobstore.expiration-time",
    "parallelism.default",
    "rest.address",
    "rest.async.store-duration",
    "rest.bind-address",
    "rest.bind-port",
    "rest.port",
    "rest.url-prefix",
    "security.ssl.rest.enabled",
    "taskmanager.bind-host",
    "taskmanager.host",
    "taskmanager.memory.flink.size",
    "user.artifacts.base-dir",
    "web.refresh-interval",
    "web.tmpdir",
    "web.upload.dir",
];

/// The same for session clusters only: programs come to them over REST.
pub(super) const OWNED_OF_SESSIONS: &[&str] = &["web.submit.enable"];

pub(super) fn check(spec: &TemplateSpec, problems: &mut Vec<Problem>) {
    artifact(&spec.artifact, problems);
    check_cluster(spec, problems);
}

/// The part that says what a cluster is made of.
pub(super) fn check_cluster(spec: &TemplateSpec, problems: &mut Vec<Problem>) {
    sizes(spec, problems);
    resources(spec, problems);
    if let Some(logging) = &spec.logging {
        levels(logging, problems);
    }
    if let Some(kubernetes) = &spec.kubernetes {
        pods(kubernetes, problems);
    }
}

pub(super) fn warn(spec: &DeploymentSpec, warnings: &mut Vec<Problem>) {
    let template = &spec.template.spec;
    warn_owned(template, OWNED_KEYS, warnings);
    warn_high_availability(template, warnings);
    if spec.session_cluster_name.is_some() {
        return session::warn(template, warnings);
    }
    warn_cluster(template, warnings);
    let (slots, managers) = (template.slots(), template.number_of_task_managers);
    if let Some(managers) =
        managers.filter(|n| n.saturating_mul(slots) < template.effective_parallelism())
    {
        let message = format!(
            "{managers} TaskManagers with {slots} slots each are fewer slots than parallelism {} needs: the job waits for more.",
            template.effective_parallelism()
        );
        warnings.push(Problem::new(format!("{SPEC}.numberOfTaskManagers"), message));
    }
}

/// Lines that do not hold because Drey sets the same keys.
pub(super) fn warn_owned(template: &TemplateSpec, owned: &[&str], warnings: &mut Vec<Problem>) {
    let configuration = format!("{SPEC}.flinkConfiguration");
    for key in template.flink_configuration.keys().filter(|key| owned.contains(&key.trim())) {
        let message = format!("Drey sets {} itself, so this value is ignored.", key.trim());
        warnings.push(Problem::new(join_path(&configuration, key), message));
    }
}

/// Lines that hold on no cluster of local processes, shared or not.
pub(super) fn warn_high_availability(template: &TemplateSpec, warnings: &mut Vec<Problem>) {
    let configuration = format!("{SPEC}.flinkConfiguration");
    let is_wish = |value: &str| !value.trim().eq_ignore_ascii_case("none");
    let lines = template.flink_configuration.iter();
    for (key, _) in lines.filter(|(key, value)| is_high_availability(key) && is_wish(value)) {
        let message = format!(
            "{} is ignored: local processes run without it. Drey restarts the job from its newest snapshot.",
            key.trim()
        );
        warnings.push(Problem::new(join_path(&configuration, key), message));
    }
}

/// The part that says what a cluster is made of.
pub(super) fn warn_cluster(template: &TemplateSpec, warnings: &mut Vec<Problem>) {
    let configuration = format!("{SPEC}.flinkConfiguration");
    for (role, resource) in &template.resources {
        let key = format!("{role}.memory.process.size");
        let (Some(size), Some(memory)) =
            (template.flink_configuration.get(&key), resource.memory.as_deref())
        else {
            continue;
        };
        let message = format!(
            "{key} decides the size of the process: {size}, and not {memory} as resources.{role}.memory says."
        );
        warnings.push(Problem::new(join_path(&configuration, &key), message));
    }
    let profile = template.logging.as_ref().and_then(|l| l.logging_profile.as_deref());
    if let Some(profile) = profile.filter(|p| *p != "default") {
        let message = format!(
            "There is no logging profile {}; the profile default is used.",
            quoted(profile)
        );
        warnings.push(Problem::new(format!("{SPEC}.logging.loggingProfile"), message));
    }
}

fn artifact(artifact: &Artifact, problems: &mut Vec<Problem>) {
    let mut add = |name: &str, message: String| {
        problems.push(Problem::new(format!("{SPEC}.artifact.{name}"), message));
    };
    let (name, value) = match artifact.kind {
        ArtifactKind::Jar => ("jarUri", &artifact.jar_uri),
        ArtifactKind::SqlScript => ("sqlScript", &artifact.sql_script),
        ArtifactKind::Python => ("pythonArtifactUri", &artifact.python_artifact_uri),
    };
    match value.as_deref().filter(|text| !text.trim().is_empty()) {
        None => add(name, format!("An artifact of kind {} needs {name}.", artifact.kind)),
        Some(text) if artifact.kind != ArtifactKind::SqlScript => {
            if let Some(why) = check_uri(text) {
                add(name, why);
            }
            let is_zip = text.split(['?', '#']).next().is_some_and(|path| path.ends_with(".zip"));
            if artifact.kind == ArtifactKind::Python && is_zip && artifact.entry_module.is_none() {
                add(
                    "entryModule",
                    "A zip of Python modules needs entryModule, the module to run.".to_owned(),
                );
            }
        }
        Some(_) => {}
    }
    let uris = artifact.additional_dependencies.as_deref().unwrap_or_default();
    for (at, uri) in uris.iter().enumerate() {
        if let Some(why) = check_uri(uri) {
            add(&format!("additionalDependencies[{at}]"), why);
        }
    }
    if let Some(Err(why)) = artifact.main_args.as_deref().map(args::split) {
        add("mainArgs", format!("The text {why}"));
    }
}

/// What is wrong with the Flink version of a template. On a SessionCluster it is a warning.
pub(super) fn version(spec: &TemplateSpec) -> Option<Problem> {
    let why = spec.artifact.flink_version.as_deref().and_then(flink_version)?;
    Some(Problem::new(format!("{SPEC}.artifact.flinkVersion"), why))
}

/// Why a text is not a Flink version. A number that lost its last zero on the way here gets its own hint.
pub(crate) fn flink_version(text: &str) -> Option<String> {
    let meant = match text {
        "1.1" | "1.2" => format!("{text}0"),
        _ if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => format!("{text}.0"),
        _ => String::new(),
    };
    if !meant.is_empty() {
        return Some(format!(
            "{text} is not a supported version. YAML reads unquoted {meant} as the number {text}. Write flinkVersion: \"{meant}\"."
        ));
    }
    let (numbers, suffix) = text.split_once('-').map_or((text, None), |(n, s)| (n, Some(s)));
    let parts: Vec<&str> = numbers.split('.').collect();
    let are_numbers = parts
        .iter()
        .all(|p| !p.is_empty() && p.len() <= 4 && p.bytes().all(|b| b.is_ascii_digit()));
    let is_suffix = |s: &str| {
        !s.is_empty()
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
    };
    let is_version = are_numbers && (2..=3).contains(&parts.len()) && suffix.is_none_or(is_suffix);
    (!is_version).then(|| {
        format!("{} is not a Flink version. Use for example \"1.20\" or \"2.2.1\".", quoted(text))
    })
}

fn sizes(spec: &TemplateSpec, problems: &mut Vec<Problem>) {
    for (name, value, max) in [
        ("parallelism", spec.parallelism, PARALLELISM_MAX),
        ("numberOfTaskManagers", spec.number_of_task_managers, TASK_MANAGERS_MAX),
        ("latestCheckpointFetchInterval", spec.latest_checkpoint_fetch_interval, i32::MAX),
    ] {
        let bound = match value {
            Some(value) if value < 1 => Some(format!("Must be at least 1, found {value}.")),
            Some(value) if value > max => Some(format!("Must be at most {max}, found {value}.")),
            Some(_) | None => None,
        };
        problems.extend(bound.map(|message| Problem::new(format!("{SPEC}.{name}"), message)));
    }
    let slots = spec.flink_configuration.get(SLOTS);
    if let Some(text) = slots.filter(|text| !text.trim().parse::<i32>().is_ok_and(|n| n >= 1)) {
        let path = join_path(&format!("{SPEC}.flinkConfiguration"), SLOTS);
        problems.push(Problem::new(
            path,
            format!("Expected a whole number of at least 1, found {}.", quoted(text)),
        ));
    }
}

fn resources(spec: &TemplateSpec, problems: &mut Vec<Problem>) {
    for (name, resource) in &spec.resources {
        let mut add = |member: &str, message: String| {
            problems.push(Problem::new(format!("{SPEC}.resources.{name}.{member}"), message));
        };
        if resource.cpu < CPU_MIN || resource.cpu.is_nan() {
            add("cpu", format!("{} is below the minimum {CPU_MIN}.", resource.cpu));
        } else if resource.cpu > CPU_MAX {
            add("cpu", format!("{} is above the maximum {CPU_MAX}.", resource.cpu));
        }
        let min = match name.as_str() {
            "jobmanager" => JOB_MANAGER_BYTES_MIN,
            _ => TASK_MANAGER_BYTES_MIN,
        };
        match resource.memory.as_deref().map(|text| (text, memory(text))) {
            Some((text, Err(why))) => add("memory", format!("{} {why}", quoted(text))),
            Some((text, Ok(bytes))) if bytes < min => {
                add("memory", format!("{text} is below the minimum {}.", memory_text(min)));
            }
            Some((_, Ok(_))) | None => {}
        }
    }
}

fn levels(logging: &Logging, problems: &mut Vec<Problem>) {
    if let Some(Err(fault)) = logging
        .log4j2_configuration_template
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        .map(Template::parse)
    {
        let path = format!("{SPEC}.logging.log4j2ConfigurationTemplate");
        problems.push(Problem::new(path, fault.to_string()));
    }
    let loggers = logging.log4j_loggers.as_ref();
    if let Some(count) = loggers.map(std::collections::BTreeMap::len).filter(|n| *n > LOGGERS_MAX) {
        let message = format!("At most {LOGGERS_MAX} loggers, found {count}.");
        problems.push(Problem::new(format!("{SPEC}.logging.log4jLoggers"), message));
    }
    for (logger, level) in loggers.into_iter().flatten() {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '$' | '-');
        if !logger.chars().all(is_name) {
            let path = join_path(&format!("{SPEC}.logging.log4jLoggers"), logger);
            let message = "A logger's name is a class or package, such as org.apache.flink, or empty for the root logger.";
            problems.push(Problem::new(path, message));
        }
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            let path = join_path(&format!("{SPEC}.logging.log4jLoggers"), logger);
            let near = nearest::nearest(level, LEVELS)
                .map(|l| format!(" Did you mean {l}?"))
                .unwrap_or_default();
            let message = format!(
                "{} is not a log level. Use one of {}.{near}",
                quoted(level),
                LEVELS.join(", ")
            );
            problems.push(Problem::new(path, message));
        }
    }
}

fn pods(kubernetes: &KubernetesOptions, problems: &mut Vec<Problem>) {
    let path = format!("{SPEC}.kubernetes");
    let has_template = kubernetes.job_manager_pod_template.is_some()
        || kubernetes.task_manager_pod_template.is_some();
    if kubernetes.pods.is_some() && has_template {
        let message = "Set either pods or the pod templates, not both: a pod template says everything that pods can say.";
        problems.push(Problem::new(format!("{path}.pods"), message));
    }
    for (name, value) in [
        ("pods", &kubernetes.pods),
        ("jobManagerPodTemplate", &kubernetes.job_manager_pod_template),
        ("taskManagerPodTemplate", &kubernetes.task_manager_pod_template),
    ] {
        if value.as_ref().is_some_and(|value| !value.is_object()) {
            problems.push(Problem::new(format!("{path}.{name}"), "Expected an object."));
        }
    }
    if let Some(labels) = &kubernetes.labels {
        problems.extend(check_labels(&format!("{path}.labels"), labels));
    }
}
