//! The effective Flink configuration of a Job: the user's lines, with what Drey needs added.
//!
//! ```text
//! user's map ── aliases renamed ── foreign keys dropped ── defaults filled in ── owned keys set ──► Effective
//! ```
//!
//! Owns which keys Drey sets, which of them a user may override, and the old names of keys. Every key appears once and
//! under the name that Flink 1.20 and 2.x share; [`for_version`] adds what only some versions read. Does not own addresses,
//! ports and memory of one cluster ([`crate::launch`] adds them), nor the file format ([`crate::yaml`]).

use std::collections::BTreeMap;

use drey_model::configuration::{is_high_availability, is_of_cluster};
use drey_model::deployment::ResourceSpec;
use drey_model::meta::TextMap;
use uuid::Uuid;

use crate::memory;
use crate::versions::Version;

/// Where checkpoints go.
pub const CHECKPOINT_DIR: &str = "execution.checkpointing.dir";
/// Where savepoints go when the request names no directory.
pub const SAVEPOINT_DIR: &str = "execution.checkpointing.savepoint-dir";
/// Slots of one TaskManager.
pub const SLOTS: &str = "taskmanager.numberOfTaskSlots";
const HA_TYPE: &str = "high-availability.type";

/// Settings that Drey depends on; they win over the user's. All of [`drey_model::validate::OWNED_KEYS`] are here, in
/// [`FOREIGN`], or set by [`crate::launch`] for each cluster.
const OWNED: &[(&str, &str)] = &[
    ("execution.shutdown-on-application-finish", "false"),
    ("execution.submit-failed-job-on-application-error", "true"),
    // Seconds, ten years: how a job ended must still be there when Drey comes back. So far no Flink forgets it in
    // application mode, whatever these keys say; should one begin to, the default would be an hour.
    ("jobstore.expiration-time", "315360000"),
    ("rest.async.store-duration", "30 s"),
    ("web.refresh-interval", "500"),
];

/// The same for session clusters, which live long and run many jobs: how a job ended is kept for a week, and programs are
/// submitted over REST.
const OWNED_OF_SESSION: &[(&str, &str)] =
    &[("jobstore.expiration-time", "604800"), ("web.submit.enable", "true")];

/// The same for keys that only newer versions know: major and minor number of the first one, key, value.
const OWNED_SINCE: &[(u32, u32, &str, &str)] =
    &[(2, 3, "completed-application-store.expiration-time", "3650 d")];

/// Settings that make a local cluster quick; the user's win over them. Milliseconds without a unit: versions before 1.20
/// read some of these as plain numbers, and the others understand both.
const DEFAULTS: &[(&str, &str)] = &[
    ("cluster.registration.error-delay", "200"),
    ("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"),
    ("heartbeat.interval", "1000"),
    ("heartbeat.timeout", "5000"),
    ("metrics.fetcher.update-interval", "1000"),
];

/// Settings that say the same thing as a member of the Deployment or the Job: that member decides.
const FOREIGN: &[(&str, &str)] = &[
    ("$internal.pipeline.job-id", "Drey chooses the job id"),
    (
        "execution.state-recovery.path",
        "the restore strategy decides which snapshot a job starts from",
    ),
    (
        "execution.state-recovery.ignore-unclaimed-state",
        "`restoreStrategy.allowNonRestoredState` decides it",
    ),
    (
        "completed-application-store.expiration-time",
        "Drey must still find a job that ended while it was away",
    ),
    (
        "jobmanager.memory.flink.size",
        "`resources.jobmanager.memory` decides the size of the process",
    ),
    (
        "taskmanager.memory.flink.size",
        "`resources.taskmanager.memory` decides the size of the process",
    ),
    ("security.ssl.rest.enabled", "Drey speaks plain HTTP to a JobManager on its own machine"),
    ("rest.url-prefix", "Drey expects the REST API at the root"),
];

/// New name, old name. Of several old names the first one listed wins.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    (CHECKPOINT_DIR, "state.checkpoints.dir"),
    (CHECKPOINT_DIR, "state.backend.fs.checkpointdir"),
    (SAVEPOINT_DIR, "state.savepoints.dir"),
    (SAVEPOINT_DIR, "savepoints.state.backend.fs.dir"),
    ("execution.checkpointing.storage", "state.checkpoint-storage"),
    ("execution.checkpointing.num-retained", "state.checkpoints.num-retained"),
    ("execution.checkpointing.incremental", "state.backend.incremental"),
    ("execution.checkpointing.create-subdir", "state.checkpoints.create-subdir"),
    ("execution.checkpointing.data-inline-threshold", "state.storage.fs.memory-threshold"),
    ("execution.checkpointing.data-inline-threshold", "state.backend.fs.memory-threshold"),
    ("execution.checkpointing.write-buffer-size", "state.storage.fs.write-buffer-size"),
    ("execution.checkpointing.write-buffer-size", "state.backend.fs.write-buffer-size"),
    ("execution.checkpointing.local-backup.dirs", "taskmanager.state.local.root-dirs"),
    (
        "execution.checkpointing.aligned-checkpoint-timeout",
        "execution.checkpointing.alignment-timeout",
    ),
    ("execution.checkpointing.unaligned.enabled", "execution.checkpointing.unaligned"),
    ("execution.state-recovery.path", "execution.savepoint.path"),
    (
        "execution.state-recovery.ignore-unclaimed-state",
        "execution.savepoint.ignore-unclaimed-state",
    ),
    ("execution.state-recovery.claim-mode", "execution.savepoint-restore-mode"),
    ("execution.state-recovery.from-local", "state.backend.local-recovery"),
    ("state.backend.type", "state.backend"),
    ("restart-strategy.type", "restart-strategy"),
    (HA_TYPE, "high-availability"),
    (HA_TYPE, "recovery.mode"),
    ("high-availability.storageDir", "high-availability.zookeeper.storageDir"),
    ("pipeline.operator-chaining.enabled", "pipeline.operator-chaining"),
    ("taskmanager.memory.managed.size", "taskmanager.memory.size"),
    ("taskmanager.memory.network.fraction", "taskmanager.network.memory.fraction"),
    ("taskmanager.memory.network.min", "taskmanager.network.memory.min"),
    ("taskmanager.memory.network.max", "taskmanager.network.memory.max"),
    ("env.java.opts.all", "env.java.opts"),
    ("web.refresh-interval", "jobmanager.web.refresh-interval"),
];

/// What the effective configuration of a Job is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// `spec.template.spec.flinkConfiguration`.
    pub user: &'a TextMap,
    /// Namespace of the Deployment.
    pub namespace: &'a str,
    /// The Deployment.
    pub deployment_id: Uuid,
    /// The Job.
    pub job_id: Uuid,
    /// `spec.template.spec.resources`.
    pub resources: &'a BTreeMap<String, ResourceSpec>,
    /// Default parallelism, when the Deployment sets it.
    pub parallelism: Option<i32>,
    /// URI below which state is kept, for example `file:///var/lib/drey`; no trailing slash.
    pub storage: &'a str,
    /// Whether the cluster is made of local processes, which run without Flink's high availability.
    pub is_local: bool,
}

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Each key once, under its new name. Goes into `Job.spec.flinkConfiguration`.
    pub config: TextMap,
    /// For people: which of the user's lines do not hold as written, and why.
    pub notes: Vec<String>,
}

/// Makes the effective configuration.
#[must_use]
pub fn effective(inputs: &Inputs<'_>) -> Effective {
    filled(inputs, &[])
}

/// `owned` wins over [`OWNED`].
fn filled(inputs: &Inputs<'_>, owned: &[(&str, &str)]) -> Effective {
    let (mut config, mut notes) = modern(inputs.user);
    for (key, why) in FOREIGN {
        if config.remove(*key).is_some() {
            notes.push(format!("`{key}` is dropped: {why}."));
        }
    }
    if inputs.is_local {
        drop_high_availability(&mut config, &mut notes);
    }
    let Inputs { namespace, job_id, deployment_id, storage, .. } = inputs;
    let storage = storage.trim_end_matches('/');
    let process_sizes = ["jobmanager", "taskmanager"].into_iter().filter_map(|role| {
        let memory = inputs.resources.get(role).and_then(|r| r.memory.as_deref());
        // What cannot be read is told at the launch.
        Some((role, memory::process_size(role, &config, memory).ok()?))
    });
    let process_sizes: Vec<_> = process_sizes.collect();
    let mut default = |key: &str, value: String| {
        config.entry(key.to_owned()).or_insert(value);
    };
    for (key, value) in DEFAULTS {
        default(key, (*value).to_owned());
    }
    for (role, bytes) in process_sizes {
        default(&format!("{role}.memory.process.size"), format!("{bytes}b"));
    }
    let jobs = format!("{storage}/flink-jobs/namespaces/{namespace}/jobs");
    default(CHECKPOINT_DIR, format!("{jobs}/{job_id}/checkpoints"));
    let savepoints = format!("{storage}/flink-savepoints/namespaces/{namespace}/deployments");
    default(SAVEPOINT_DIR, format!("{savepoints}/{deployment_id}"));
    default(SLOTS, "1".to_owned());
    let mut own = |key: &str, value: String| {
        let old = config.insert(key.to_owned(), value.clone());
        if old.as_ref().is_some_and(|old| *old != value) {
            notes.push(format!("`{key}` is always `{value}`: Drey depends on it."));
        }
    };
    let is_open = |key: &str| !owned.iter().any(|(own, _)| *own == key);
    for (key, value) in owned.iter().chain(OWNED.iter().filter(|(key, _)| is_open(key))) {
        own(key, (*value).to_owned());
    }
    if let Some(parallelism) = inputs.parallelism {
        own("parallelism.default", parallelism.to_string());
    }
    Effective { config, notes }
}

/// What the effective configuration of a session cluster is made from.
#[derive(Debug, Clone, Copy)]
pub struct SessionInputs<'a> {
    /// `spec.flinkConfiguration`.
    pub user: &'a TextMap,
    /// Namespace of the SessionCluster.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// `spec.resources`.
    pub resources: &'a BTreeMap<String, ResourceSpec>,
    /// URI below which state is kept; no trailing slash.
    pub storage: &'a str,
    /// Whether the cluster is made of local processes.
    pub is_local: bool,
}

/// Makes the effective configuration of a session cluster. Where its jobs keep their state: platform API reference
/// §3.12, Q33.
#[must_use]
pub fn effective_session(inputs: &SessionInputs<'_>) -> Effective {
    let SessionInputs { user, namespace, name, resources, storage, is_local } = *inputs;
    let storage = storage.trim_end_matches('/');
    let place = format!("namespaces/{namespace}/sessionclusters/{name}");
    let mut with_places = user.clone();
    for (key, value) in [
        (CHECKPOINT_DIR, format!("{storage}/flink-sessionclusters/{place}/checkpoints")),
        (SAVEPOINT_DIR, format!("{storage}/flink-savepoints/{place}")),
    ] {
        if first(user, key).is_none() {
            with_places.insert(key.to_owned(), value);
        }
    }
    let nobody = Uuid::nil();
    let inputs = Inputs {
        user: &with_places,
        namespace,
        deployment_id: nobody,
        job_id: nobody,
        resources,
        parallelism: None,
        storage,
        is_local,
    };
    filled(&inputs, OWNED_OF_SESSION)
}

/// The effective configuration of a Job on a session cluster: the user's lines over those of the cluster.
#[must_use]
pub fn effective_in_session(cluster: &TextMap, user: &TextMap, parallelism: i32) -> TextMap {
    let mut all = cluster.clone();
    all.extend(job_level(user));
    all.insert("parallelism.default".to_owned(), parallelism.to_string());
    all
}

/// What a Job may say for itself on a cluster that it shares: neither what Drey sets nor what holds for whole clusters.
#[must_use]
pub fn job_level(user: &TextMap) -> TextMap {
    let (mut config, _) = modern(user);
    let is_ours = |key: &str| {
        OWNED.iter().any(|(own, _)| *own == key)
            || FOREIGN.iter().any(|(own, _)| *own == key)
            || drey_model::validate::OWNED_KEYS.contains(&key)
    };
    config.retain(|key, _| !is_ours(key) && !is_of_cluster(key));
    config
}

/// Renames old keys to their new names, so that each setting appears once.
#[must_use]
pub fn modern(user: &TextMap) -> (TextMap, Vec<String>) {
    let mut config = TextMap::new();
    let mut notes = Vec::new();
    for (key, value) in user {
        config.insert(key.trim().to_owned(), value.clone());
    }
    for (new, old) in ALIASES {
        let Some(value) = config.remove(*old) else {
            continue;
        };
        if config.contains_key(*new) {
            notes.push(format!("`{old}` is dropped: `{new}` is set, and says the same thing."));
        } else {
            config.insert((*new).to_owned(), value);
        }
    }
    (config, notes)
}

/// The directory that Flink creates `<job id>/chk-<n>` in.
#[must_use]
pub fn checkpoint_dir(config: &TextMap) -> Option<&str> {
    first(config, CHECKPOINT_DIR)
}

/// Slots of one TaskManager; 1 when unset or not a number.
#[must_use]
pub fn slots(config: &TextMap) -> u32 {
    let text = config.get(SLOTS).map(|t| t.trim());
    text.and_then(|t| t.parse().ok()).filter(|n| *n >= 1).unwrap_or(1)
}

/// Adds what only some versions read: the old names before 1.20, and newer settings that Drey depends on.
#[must_use]
pub fn for_version(config: &TextMap, version: &Version) -> TextMap {
    let mut all = config.clone();
    if version.is_before(1, 20) {
        for (new, old) in ALIASES {
            if let Some(value) = config.get(*new) {
                all.entry((*old).to_owned()).or_insert_with(|| value.clone());
            }
        }
    }
    for (major, minor, key, value) in OWNED_SINCE {
        if !version.is_before(*major, *minor) {
            all.insert((*key).to_owned(), (*value).to_owned());
        }
    }
    all
}

/// The same for what a Job says on a session cluster: settings of whole clusters are none of its business.
#[must_use]
pub fn for_version_in_session(config: &TextMap, version: &Version) -> TextMap {
    let mut all = for_version(config, version);
    all.retain(|key, _| !OWNED_SINCE.iter().any(|(_, _, owned, _)| owned == key));
    all
}

/// The value under the new name, or under the best of its old ones.
fn first<'a>(config: &'a TextMap, key: &str) -> Option<&'a str> {
    let old =
        || ALIASES.iter().filter(|(new, _)| *new == key).find_map(|(_, old)| config.get(*old));
    config.get(key).or_else(old).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn drop_high_availability(config: &mut TextMap, notes: &mut Vec<String>) {
    let kind = config.get(HA_TYPE).filter(|kind| !kind.trim().eq_ignore_ascii_case("none"));
    if let Some(kind) = kind {
        notes.push(format!(
            "`{HA_TYPE}: {kind}` is dropped: Drey starts no JobManager a second time, it starts the job again from its \
             newest snapshot. What a JobManager found of earlier runs in an HA store would run beside that."
        ));
    }
    config.retain(|key, _| !is_high_availability(key));
}

#[cfg(test)]
mod tests;
