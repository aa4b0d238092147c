//! What users do: they create, edit, start, suspend, cancel and delete Deployments, and ask for, register and forget
//! savepoints. Their writes are made as the server makes them: read, change, commit against what was read.

use std::collections::BTreeMap;

use drey_model::deployment::{
    Artifact, DeploymentTemplate, RestoreKind, TemplateSpec, UpgradeKind,
};
use drey_model::meta::{Metadata, NON_PRODUCTION, SPEC_VERSION};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    Deployment, DeploymentSpec, DeploymentState, DeploymentTarget, DesiredState, Kind, Savepoint,
    SavepointOrigin, SavepointState,
};
use drey_store::{Error, Filter, Object, Write};
use uuid::Uuid;

use crate::core::{Core, Entry, SECOND, short};
use crate::history::{History, row};
use crate::oracle::SECRET;
use crate::session::share;
use crate::universe::{Origin, Snapshot};
use crate::wait::now_or_never;

pub(crate) const NAMESPACE: &str = "default";
/// Where savepoints go.
const SAVEPOINTS: &str = "file:///savepoints";

#[derive(Debug, Clone, Copy)]
enum Wish {
    Run,
    Suspend,
    Cancel,
    Template,
    Upgrade,
    Restore,
    Limits,
    Target,
    Drain,
    Label,
    TakeSavepoint,
    RegisterSavepoint,
    ForgetSavepoint,
    Delete,
}

const WISHES: [(u32, Wish); 14] = [
    (22, Wish::Run),
    (14, Wish::Suspend),
    (12, Wish::Cancel),
    (22, Wish::Template),
    (8, Wish::Upgrade),
    (8, Wish::Restore),
    (4, Wish::Limits),
    (2, Wish::Target),
    (2, Wish::Drain),
    (3, Wish::Label),
    (10, Wish::TakeSavepoint),
    (4, Wish::RegisterSavepoint),
    (2, Wish::ForgetSavepoint),
    (3, Wish::Delete),
];

/// Programs, and how often users choose them.
const PROGRAMS: [(u32, &str); 8] = [
    (60, "good"),
    (10, "flaky"),
    (8, "finite"),
    (4, "missing"),
    (4, "throws"),
    (6, "incompatible"),
    (1, "starved"),
    (2, "refused"),
];

impl History {
    /// The targets and the first Deployments.
    pub(crate) fn first_deployments(&mut self) {
        let id = self.core.lock().id();
        let metadata = Metadata {
            id,
            name: "local".to_owned(),
            namespace: NAMESPACE.to_owned(),
            ..Metadata::default()
        };
        let spec = DeploymentTargetSpec {
            local: Some(LocalTarget::default()),
            ..DeploymentTargetSpec::default()
        };
        let target = DeploymentTarget::new(metadata, spec);
        self.write(&[Write::Create(row(Kind::DeploymentTarget, "local", id, None, &target))]);
        if self.core.lock().is_session {
            self.create_session_cluster();
        }
        let count = self.core.lock().first_deployments();
        for number in 0..count {
            self.create(number);
        }
    }

    fn create(&mut self, number: usize) {
        let (deployment, id) = {
            let mut core = self.core.lock();
            let id = core.id();
            let name = format!("job-{number}-{}", short(id));
            let now = core.true_time();
            let mut annotations = BTreeMap::from([(SPEC_VERSION.to_owned(), "1".to_owned())]);
            if core.weather.quota.is_some() && core.rng.chance(150) {
                annotations.insert(NON_PRODUCTION.to_owned(), "true".to_owned());
            }
            let metadata = Metadata {
                id,
                name,
                namespace: NAMESPACE.to_owned(),
                created_at: now,
                modified_at: now,
                annotations,
                resource_version: 1,
                ..Metadata::default()
            };
            (Deployment::new(metadata, spec(&mut core)), id)
        };
        let name = deployment.metadata.name.clone();
        if self.write(&[Write::Create(row(Kind::Deployment, &name, id, None, &deployment))]) {
            let text = describe(&deployment.spec);
            self.core.lock().tell("user", || format!("creates {name}: {text}"));
            self.deployments.push(id);
            self.wake(id);
        }
    }

    /// A user does something, and the next time is put on the agenda.
    pub(crate) fn user_acts(&mut self) {
        let (wish, target) = {
            let mut core = self.core.lock();
            if core.now >= self.storm_ends {
                return;
            }
            let after = if core.rng.chance(250) {
                core.rng.between(0, 2 * SECOND)
            } else {
                core.rng.between(2 * SECOND, 60 * SECOND)
            };
            core.schedule(after, Entry::User);
            let count = self.deployments.len() as u64;
            let target = self.deployments.get(core.rng.below(count) as usize).copied();
            (core.rng.weighted(&WISHES), target)
        };
        let Some(id) = target else { return self.create(0) };
        if self.is_forcing() {
            return self.force(id);
        }
        match wish {
            Wish::TakeSavepoint => self.take_savepoint(id),
            Wish::RegisterSavepoint => self.register_savepoint(id),
            Wish::ForgetSavepoint => self.forget_savepoint(id),
            Wish::Delete => self.delete(id),
            _ => self.edit(id, |core, deployment| apply(core, wish, deployment)),
        }
    }

    /// The last edits, in calm weather: most Deployments get a spec that can be fulfilled.
    pub(crate) fn last_wishes(&mut self) {
        for id in self.deployments.clone() {
            if self.core.lock().rng.chance(600) {
                self.edit(id, |core, deployment| {
                    let spec = &mut deployment.spec;
                    spec.state = core.rng.pick(&[
                        DesiredState::Running,
                        DesiredState::Running,
                        DesiredState::Suspended,
                        DesiredState::Cancelled,
                    ]);
                    if spec.session_cluster_name.is_none() {
                        spec.deployment_target_name = Some("local".to_owned());
                    }
                    spec.template.spec.artifact.jar_uri = Some(jar(core, "good"));
                });
                self.core.lock().fresh_specs.insert(id);
            }
        }
    }

    /// Reads, changes and writes a Deployment as the server does.
    pub(crate) fn edit(&mut self, id: Uuid, change: impl FnOnce(&mut Core, &mut Deployment)) {
        let Some(mut object) = self.read(Kind::Deployment, id) else { return };
        let Ok(mut deployment) = object.decode::<Deployment>() else { return };
        let before = deployment.clone();
        change(&mut self.core.lock(), &mut deployment);
        if deployment == before {
            return;
        }
        let m = &mut deployment.metadata;
        if deployment.spec != before.spec {
            let version = before.spec_version() + 1;
            m.annotations.insert(SPEC_VERSION.to_owned(), version.to_string());
        }
        m.resource_version += 1;
        m.modified_at = self.core.lock().true_time();
        let revision = object.revision;
        if object.encode(&deployment).is_ok() && self.write(&[Write::Update(object, revision)]) {
            let (name, text) = (deployment.metadata.name.clone(), describe(&deployment.spec));
            self.core.lock().tell("user", || format!("edits {name}: {text}"));
            self.wake(id);
        }
    }

    fn take_savepoint(&mut self, deployment: Uuid) {
        let id = self.core.lock().id();
        let spec = SavepointSpec::default();
        if self.post_savepoint(
            deployment,
            id,
            SavepointOrigin::UserRequest,
            spec,
            SavepointState::Started,
        ) {
            self.core.lock().tell("user", || format!("asks for savepoint {}", short(id)));
            self.wake(deployment);
        }
    }

    fn register_savepoint(&mut self, deployment: Uuid) {
        let (id, location, snapshot) = {
            let mut core = self.core.lock();
            let id = core.id();
            let location = format!("file:///elsewhere/{}/savepoint-abcdef", id.simple());
            let snapshot = Snapshot {
                location: location.clone(),
                directory: String::new(),
                deployment,
                job: None,
                origin: Origin::Registered(id),
                records: 1_000_000,
                completed_at: core.now,
                is_deleted: false,
            };
            (id, location, snapshot)
        };
        let spec = SavepointSpec {
            savepoint_location: Some(location),
            flink_savepoint_id: Some(Uuid::nil()),
        };
        if self.post_savepoint(
            deployment,
            id,
            SavepointOrigin::Copied,
            spec,
            SavepointState::Completed,
        ) {
            let mut core = self.core.lock();
            core.universe.snapshots.push(snapshot);
            core.tell("user", || format!("registers savepoint {}", short(id)));
            drop(core);
            self.wake(deployment);
        }
    }

    fn post_savepoint(
        &mut self,
        deployment: Uuid,
        id: Uuid,
        origin: SavepointOrigin,
        spec: SavepointSpec,
        state: SavepointState,
    ) -> bool {
        let Some(owner) = self.read(Kind::Deployment, deployment) else { return false };
        let now = self.core.lock().true_time();
        let metadata = SavepointMetadata {
            id,
            namespace: NAMESPACE.to_owned(),
            created_at: now,
            modified_at: now,
            deployment_id: deployment,
            job_id: None,
            origin,
            kind: SavepointType::Unknown,
            annotations: BTreeMap::new(),
            resource_version: 1,
        };
        let savepoint = Savepoint::new(metadata, spec, state);
        // Not a guard: a decision that did not see this snapshot has to fail, and it only checks the Deployment's row.
        let revision = owner.revision;
        let touch = Write::Update(owner, revision);
        let create =
            Write::Create(row(Kind::Savepoint, &id.to_string(), id, Some(deployment), &savepoint));
        self.write(&[touch, create])
    }

    /// Deletes the record of a complete savepoint, as with `?force=true`.
    fn forget_savepoint(&mut self, deployment: Uuid) {
        let filter = Filter { owner: Some(deployment), limit: Some(20), ..Filter::default() };
        let Some(Ok(rows)) = now_or_never(self.store.list(Kind::Savepoint, &filter)) else {
            return;
        };
        let is_open = |job: Option<Uuid>| {
            let row = job.and_then(|job| self.read(Kind::Job, job));
            row.is_some_and(|row| row.open)
        };
        // Not the one with which a job is stopping: the record still tells how the job ends.
        let complete = rows.into_iter().find(|row| {
            let savepoint = row.decode::<Savepoint>().ok();
            savepoint.is_some_and(|s| {
                s.status.state == SavepointState::Completed && !is_open(s.metadata.job_id)
            })
        });
        let Some(row) = complete else { return };
        let Some(owner) = self.read(Kind::Deployment, deployment) else { return };
        let revision = owner.revision;
        let mut writes = vec![
            Write::Delete { kind: Kind::Savepoint, id: row.id, revision: row.revision },
            Write::Update(owner, revision),
        ];
        writes.extend(self.reopened(deployment, row.id));
        if self.write(&writes) {
            self.core.lock().tell("user", || format!("forgets savepoint {}", short(row.id)));
            self.wake(deployment);
        }
    }

    /// Older snapshots are shown to the controller again when a newer one is deleted.
    fn reopened(&self, deployment: Uuid, without: Uuid) -> Vec<Write> {
        let filter = Filter { owner: Some(deployment), ..Filter::default() };
        let rows = now_or_never(self.store.list(Kind::Savepoint, &filter)).and_then(Result::ok);
        let closed = rows.unwrap_or_default().into_iter().filter(|row| {
            let state = row.decode::<Savepoint>().map(|s| s.status.state);
            row.id != without && !row.open && state.is_ok_and(|s| s == SavepointState::Completed)
        });
        closed
            .map(|row| Write::Update(Object { open: true, ..row.clone() }, row.revision))
            .collect()
    }

    /// Deletes a Deployment at rest, as the server allows it, and creates another one.
    fn delete(&mut self, id: Uuid) {
        let Some(object) = self.read(Kind::Deployment, id) else { return };
        let Ok(deployment) = object.decode::<Deployment>() else { return };
        let is_moving = matches!(
            deployment.status.state,
            DeploymentState::Running | DeploymentState::Transitioning
        );
        let filter = Filter { owner: Some(id), ..Filter::default() };
        let Some(Ok(jobs)) = now_or_never(self.store.list(Kind::Job, &filter)) else { return };
        if is_moving || jobs.iter().any(|j| j.open) {
            return;
        }
        if self.write(&[Write::Delete { kind: Kind::Deployment, id, revision: object.revision }]) {
            self.core.lock().tell("user", || format!("deletes {}", deployment.metadata.name));
            self.deployments.retain(|d| *d != id);
            self.wake(id);
            let number = self.deployments.len();
            self.create(number);
        }
    }

    pub(crate) fn read(&self, kind: Kind, id: Uuid) -> Option<Object> {
        now_or_never(self.store.by_id(kind, id)).and_then(Result::ok).flatten()
    }

    /// Commits as a user; `false` when the database does not take it.
    pub(crate) fn write(&mut self, writes: &[Write]) -> bool {
        let done = now_or_never(self.store.commit(writes));
        let mut core = self.core.lock();
        core.sync();
        match done {
            Some(Ok(_)) => true,
            Some(Err(Error::Full | Error::ReadOnly | Error::Conflict { .. })) => false,
            other => {
                core.oracle.object("simulator", || {
                    format!("a user's write: {:?}", other.map(std::result::Result::err))
                });
                false
            }
        }
    }
}

fn jar(core: &mut Core, program: &str) -> String {
    format!("file:///jars/{program}-{}.jar", core.rng.below(1000))
}

fn template(core: &mut Core) -> DeploymentTemplate {
    let program = core.rng.weighted(&PROGRAMS);
    let mut configuration = BTreeMap::from([
        ("execution.checkpointing.timeout".to_owned(), "30 s".to_owned()),
        ("s3.secret-key".to_owned(), SECRET.to_owned()),
    ]);
    if core.rng.chance(960) {
        configuration
            .insert("execution.checkpointing.savepoint-dir".to_owned(), SAVEPOINTS.to_owned());
    }
    let artifact = Artifact { jar_uri: Some(jar(core, program)), ..Artifact::default() };
    let managers = core.rng.between(1, 2) as i32;
    let spec = TemplateSpec {
        artifact,
        parallelism: Some(managers),
        number_of_task_managers: Some(managers),
        flink_configuration: configuration,
        ..TemplateSpec::default()
    };
    DeploymentTemplate { spec, ..DeploymentTemplate::default() }
}

fn spec(core: &mut Core) -> DeploymentSpec {
    let mut spec = DeploymentSpec {
        state: core.rng.pick(&[
            DesiredState::Running,
            DesiredState::Running,
            DesiredState::Running,
            DesiredState::Cancelled,
        ]),
        deployment_target_name: Some("local".to_owned()),
        max_savepoint_creation_attempts: core.rng.between(1, 4) as i32,
        max_job_creation_attempts: core.rng.between(1, 4) as i32,
        template: template(core),
        ..DeploymentSpec::default()
    };
    spec.upgrade_strategy.kind = upgrade(core);
    spec.restore_strategy.kind = restore(core);
    if core.has_shared {
        share(&mut spec, true);
    }
    spec
}

fn upgrade(core: &mut Core) -> UpgradeKind {
    core.rng.weighted(&[
        (6, UpgradeKind::Stateful),
        (3, UpgradeKind::Stateless),
        (1, UpgradeKind::None),
    ])
}

fn restore(core: &mut Core) -> RestoreKind {
    core.rng.weighted(&[
        (6, RestoreKind::LatestState),
        (3, RestoreKind::LatestSavepoint),
        (1, RestoreKind::None),
    ])
}

fn apply(core: &mut Core, wish: Wish, deployment: &mut Deployment) {
    let spec = &mut deployment.spec;
    match wish {
        Wish::Run => spec.state = DesiredState::Running,
        Wish::Suspend => spec.state = DesiredState::Suspended,
        Wish::Cancel => spec.state = DesiredState::Cancelled,
        Wish::Template => spec.template = template(core),
        Wish::Upgrade => spec.upgrade_strategy.kind = upgrade(core),
        Wish::Restore => {
            spec.restore_strategy.kind = restore(core);
            spec.restore_strategy.allow_non_restored_state = core.rng.chance(500);
        }
        Wish::Limits => {
            spec.max_savepoint_creation_attempts = core.rng.between(1, 4) as i32;
            spec.max_job_creation_attempts = core.rng.between(1, 4) as i32;
            spec.job_failure_expiration_time = core.rng.chance(300).then(|| "20 s".to_owned());
        }
        Wish::Target if core.is_session => {
            let wants_shared = core.rng.chance(600) && core.has_shared;
            if wants_shared != spec.session_cluster_name.is_some() {
                let kind = if wants_shared { "moved onto it" } else { "moved off it" };
                core.coverage.count("session", kind);
            }
            share(spec, wants_shared);
        }
        Wish::Target => {
            let name = if core.rng.chance(500) { "nowhere" } else { "local" };
            spec.deployment_target_name = Some(name.to_owned());
        }
        Wish::Drain => {
            let key = drey_model::meta::STOP_WITH_DRAIN.to_owned();
            deployment.metadata.annotations.insert(key, core.rng.chance(500).to_string());
        }
        Wish::Label => {
            let value = core.rng.below(100).to_string();
            deployment.metadata.labels.insert("team".to_owned(), value);
        }
        Wish::TakeSavepoint | Wish::RegisterSavepoint | Wish::ForgetSavepoint | Wish::Delete => {}
    }
}

fn describe(spec: &DeploymentSpec) -> String {
    format!(
        "{}, {}, upgrade {}, restore {}, target {}, attempts {}/{}, savepoint dir {}",
        spec.state,
        spec.template.spec.artifact.jar_uri.as_deref().unwrap_or(""),
        spec.upgrade_strategy.kind,
        spec.restore_strategy.kind,
        spec.deployment_target_name.as_deref().unwrap_or(""),
        spec.max_job_creation_attempts,
        spec.max_savepoint_creation_attempts,
        spec.template
            .spec
            .flink_configuration
            .contains_key("execution.checkpointing.savepoint-dir"),
    )
}
