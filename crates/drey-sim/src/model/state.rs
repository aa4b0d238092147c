//! One state of the model: what is stored, what the controller has in memory, the world, and what may still happen.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use drey_engine::{
    Action, DeploymentFacts, JobRecord, Observation, Report, SavepointRecord, Situation, decide,
};
use drey_model::deployment::{RestoreKind, UpgradeKind};
use drey_model::meta::{Metadata, SPEC_VERSION};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    Deployment, DeploymentSpec, DeploymentState, DeploymentTarget, DesiredState, SavepointState,
    Seen,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::world::{Move, World};

/// Looks within one wait at most.
const LOOKS_MAX: u32 = 30;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Edit {
    Run,
    Suspend,
    Cancel,
    Template,
}

/// One transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A user edits.
    Edit(Edit),
    /// The controller looks, decides and records.
    Look,
    /// The controller looks and gets no answer at all, decides and records.
    LookBlind,
    /// The controller looks, and its answers take long.
    LookSlow,
    /// The controller decides on answers that may be out of date, and records.
    Decide,
    /// The next action is carried out.
    Act,
    /// The next action is lost on its way.
    ActLost,
    /// The next action is carried out, and its answer is lost.
    AnswerLost,
    /// The controller dies and starts again.
    Crash,
    /// The world moves.
    World(Move),
    /// Time passes until the controller wants to look again.
    Tick,
}

impl Step {
    /// Whether it happens by itself when nobody edits and nothing fails.
    #[must_use]
    pub fn is_calm(self) -> bool {
        match self {
            Self::Look | Self::Decide | Self::Act | Self::Tick => true,
            Self::World(m) => !m.is_failure(),
            Self::Edit(_)
            | Self::LookBlind
            | Self::LookSlow
            | Self::ActLost
            | Self::AnswerLost
            | Self::Crash => false,
        }
    }
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Edits of the user.
    pub edits: u8,
    /// Failures of the world and of messages.
    pub failures: u8,
    /// Crashes of the controller.
    pub crashes: u8,
}

impl Budget {
    /// Whether everything that can happen with the other one can happen with this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.edits >= other.edits
            && self.failures >= other.failures
            && self.crashes >= other.crashes
    }

    /// How much is left, all in all.
    #[must_use]
    pub fn left(self) -> usize {
        usize::from(self.edits) + usize::from(self.failures) + usize::from(self.crashes)
    }
}

/// One state.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) now: Timestamp,
    pub(super) deployment: Arc<Deployment>,
    pub(super) facts: Arc<DeploymentFacts>,
    pub(super) jobs: Vec<Arc<JobRecord>>,
    pub(super) savepoints: Vec<Arc<SavepointRecord>>,
    /// A look that is not decided on yet, with the spec.version that was loaded.
    pub(super) seen: Option<(i64, Arc<BTreeMap<Uuid, Observation>>)>,
    /// Actions to carry out, the next one last.
    pub(super) actions: Vec<Action>,
    pub(super) reports: Vec<Report>,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) world: World,
    pub(super) budget: Budget,
    /// Whether a user edited since the last look. Only the next look or decision can tell, so until then nothing else
    /// has to happen: what could, may as well happen before the edit.
    pub(super) is_edited: bool,
    next_id: u32,
}

impl State {
    /// A Deployment that wants to run, and nothing else.
    #[must_use]
    pub fn new(budget: Budget, upgrade: UpgradeKind, restore: RestoreKind) -> Self {
        let now = Timestamp::UNIX_EPOCH;
        let metadata = Metadata {
            id: Uuid::from_u128(0xD),
            name: "model".to_owned(),
            namespace: "default".to_owned(),
            annotations: BTreeMap::from([(SPEC_VERSION.to_owned(), "1".to_owned())]),
            ..Metadata::default()
        };
        let mut spec = DeploymentSpec {
            state: DesiredState::Running,
            deployment_target_name: Some("local".to_owned()),
            max_savepoint_creation_attempts: 2,
            max_job_creation_attempts: 2,
            ..DeploymentSpec::default()
        };
        spec.upgrade_strategy.kind = upgrade;
        spec.restore_strategy.kind = restore;
        spec.template.spec.flink_configuration =
            BTreeMap::from([("execution.checkpointing.savepoint-dir".to_owned(), "sp".to_owned())]);
        Self {
            now,
            deployment: Arc::new(Deployment::new(metadata, spec)),
            facts: Arc::default(),
            jobs: Vec::new(),
            savepoints: Vec::new(),
            seen: None,
            actions: Vec::new(),
            reports: Vec::new(),
            wake_at: None,
            world: World::default(),
            budget,
            is_edited: false,
            next_id: 0,
        }
    }

    /// Everything that can happen next.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let may_fail = self.budget.failures > 0;
        if self.seen.is_some() {
            steps.push(Step::Decide);
        } else if !self.actions.is_empty() {
            steps.push(Step::Act);
            if may_fail {
                steps.extend([Step::ActLost, Step::AnswerLost]);
            }
        } else {
            steps.push(Step::Look);
            if may_fail {
                steps.extend([Step::LookBlind, Step::LookSlow]);
            }
        }
        if self.budget.edits > 0 && self.actions.is_empty() {
            steps.extend(self.edits().into_iter().map(Step::Edit));
        }
        if self.is_edited {
            return steps;
        }
        let is_busy = self.seen.is_some() || !self.actions.is_empty();
        if self.budget.crashes > 0 && (is_busy || !self.reports.is_empty()) {
            steps.push(Step::Crash);
        }
        let moves = self.world.moves();
        let is_due = moves.iter().any(|m| m.is_due());
        // Between two actions only failures matter: what else happens there may as well happen before or after them, or
        // is the business of a slow look.
        let can_move = |m: &Move| if m.is_failure() { may_fail } else { self.actions.is_empty() };
        steps.extend(moves.into_iter().filter(can_move).map(Step::World));
        if !is_busy && !is_due && self.wake_at.is_some_and(|at| at > self.now) {
            steps.push(Step::Tick);
        }
        steps
    }

    fn edits(&self) -> Vec<Edit> {
        let state = self.deployment.spec.state;
        let states = [
            (Edit::Run, DesiredState::Running),
            (Edit::Suspend, DesiredState::Suspended),
            (Edit::Cancel, DesiredState::Cancelled),
        ];
        let mut edits: Vec<Edit> =
            states.into_iter().filter(|(_, s)| *s != state).map(|(e, _)| e).collect();
        if state == DesiredState::Running {
            edits.push(Edit::Template);
        }
        edits
    }

    /// The state after a step.
    #[must_use]
    pub fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        next.now = next.now.checked_add(SignedDuration::from_millis(1)).unwrap_or(next.now);
        match step {
            Step::Edit(edit) => next.edit(edit),
            Step::Look => {
                next.look(false);
                next.decide();
            }
            Step::LookBlind => {
                next.budget.failures -= 1;
                next.look(true);
                next.decide();
            }
            Step::LookSlow => {
                next.budget.failures -= 1;
                next.look(false);
            }
            Step::Decide => next.decide(),
            Step::Act => next.act(true, true),
            Step::ActLost => {
                next.budget.failures -= 1;
                next.act(false, false);
            }
            Step::AnswerLost => {
                next.budget.failures -= 1;
                next.act(true, false);
            }
            Step::Crash => {
                next.budget.crashes -= 1;
                next.seen = None;
                next.actions.clear();
                next.reports.clear();
            }
            Step::World(m) => {
                next.budget.failures -= u8::from(m.is_failure());
                next.world.apply(m, next.now);
            }
            Step::Tick => next.wait(),
        }
        // When nothing can come between two actions any more, they are one step.
        while next.budget.failures + next.budget.crashes == 0 && !next.actions.is_empty() {
            next.act(true, true);
        }
        next
    }

    /// Time passes, look after look, until something is different: looks that find nothing new are no steps of
    /// interest. They become rarer; a controller that is slow must do no harm either.
    fn wait(&mut self) {
        let before = self.key();
        let mut pause = SignedDuration::from_millis(500);
        for _ in 0..LOOKS_MAX {
            let Some(at) = self.wake_at.filter(|at| *at > self.now) else { return };
            self.now = at.max(self.now.checked_add(pause).unwrap_or(at));
            pause = pause.saturating_add(pause);
            let mut probe = self.clone();
            probe.look(false);
            probe.decide();
            if !probe.actions.is_empty() || probe.key() != before {
                return;
            }
            *self = probe;
        }
    }

    fn edit(&mut self, edit: Edit) {
        self.budget.edits -= 1;
        self.is_edited = true;
        let deployment = Arc::make_mut(&mut self.deployment);
        let version = deployment.spec_version() + 1;
        deployment.metadata.annotations.insert(SPEC_VERSION.to_owned(), version.to_string());
        let spec = &mut deployment.spec;
        match edit {
            Edit::Run => spec.state = DesiredState::Running,
            Edit::Suspend => spec.state = DesiredState::Suspended,
            Edit::Cancel => spec.state = DesiredState::Cancelled,
            Edit::Template => {
                let parallelism = spec.template.spec.parallelism.unwrap_or(1);
                spec.template.spec.parallelism = Some(parallelism + 1);
                spec.template.spec.number_of_task_managers = Some(1);
            }
        }
    }

    fn look(&mut self, is_blind: bool) {
        self.is_edited = false;
        let pending = |job: Uuid| -> Vec<(Uuid, String)> {
            let of_job = self
                .savepoints
                .iter()
                .filter(|r| r.open && r.savepoint.metadata.job_id == Some(job));
            let pending = of_job.filter(|r| {
                matches!(r.savepoint.status.state, SavepointState::Started | SavepointState::Failed)
            });
            pending.filter_map(|r| Some((r.id(), r.facts.as_ref()?.directory.clone()))).collect()
        };
        let mut seen = BTreeMap::new();
        for record in self.jobs.iter().filter(|r| !r.is_closed()) {
            let id = record.id();
            let savepoints = pending(id);
            let mut look =
                self.world.look(id, record.facts.end.is_some(), record.facts.swept, &savepoints);
            if is_blind {
                look = blind(&look);
            }
            if matches!(look.job, Seen::Unknown { .. }) {
                look.unreachable_since = Some(self.now);
            }
            seen.insert(id, look);
        }
        self.seen = Some((self.deployment.spec_version(), Arc::new(seen)));
    }

    fn decide(&mut self) {
        let Some((version, seen)) = self.seen.take() else { return };
        if version != self.deployment.spec_version() {
            return;
        }
        let ids = (1..=6).map(|n| Uuid::from_u128(u128::from(self.next_id + n) << 8)).collect();
        let metadata = Metadata { name: "local".to_owned(), ..Metadata::default() };
        let target_spec =
            DeploymentTargetSpec { local: Some(LocalTarget::default()), ..Default::default() };
        let open_jobs = self.jobs.iter().filter(|r| !r.is_closed());
        let open_savepoints = self.savepoints.iter().filter(|r| r.open);
        let plan = decide(Situation {
            now: self.now,
            ids,
            deployment: (*self.deployment).clone(),
            facts: (*self.facts).clone(),
            target: Some(DeploymentTarget::new(metadata, target_spec)),
            quota: drey_engine::Quota::default(),
            session_cluster: None,
            jobs: open_jobs.map(|r| (**r).clone()).collect(),
            savepoints: open_savepoints.map(|r| (**r).clone()).collect(),
            observed: (*seen).clone(),
            reports: std::mem::take(&mut self.reports),
        });
        self.deployment = Arc::new(plan.deployment);
        self.facts = Arc::new(plan.facts);
        for record in plan.jobs {
            let is_new = put(&mut self.jobs, record, JobRecord::id);
            self.next_id += u32::from(is_new);
        }
        for record in plan.savepoints {
            let is_new = put(&mut self.savepoints, record, SavepointRecord::id);
            self.next_id += u32::from(is_new);
        }
        self.actions = plan.actions;
        self.actions.reverse();
        self.wake_at = plan.wake_at;
    }

    fn act(&mut self, arrives: bool, is_answered: bool) {
        let Some(action) = self.actions.pop() else { return };
        let why = "no answer".to_owned();
        let report = match action {
            Action::EnsureCluster(job) => {
                if arrives {
                    self.world.ensure(job.metadata.id);
                }
                None
            }
            Action::RemoveCluster { job } => {
                if arrives {
                    self.world.remove(job);
                }
                is_answered.then_some(Report::RemovalAccepted { job })
            }
            // The model's Deployment has a cluster of its own.
            Action::Fetch(_) | Action::Submit(_) => None,
            Action::Cancel { job } => {
                let is_known = arrives && self.world.cancel(job);
                Some(match is_known && is_answered {
                    true => Report::CancelAccepted { job },
                    false => Report::CancelFailed { job, why },
                })
            }
            Action::Snapshot { job, savepoint, directory, .. } => {
                let begun = arrives.then(|| self.world.stop(savepoint, job, &directory));
                Some(match (begun, is_answered) {
                    (Some(Ok(())), true) => Report::SavepointAccepted { savepoint },
                    (Some(Err(())), true) => Report::SavepointRefused { savepoint, why },
                    (_, _) => Report::SavepointUnanswered { savepoint, why },
                })
            }
        };
        self.reports.extend(report);
    }

    /// Whether everything is where the spec says, or given up, and nothing is left to do.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let is_idle = self.seen.is_none() && self.actions.is_empty();
        let is_current = self.facts.seen_version == self.deployment.spec_version();
        let has_moves = self.world.moves().iter().any(|m| m.is_due());
        let is_there = match (self.deployment.spec.state, self.deployment.status.state) {
            (_, DeploymentState::Failed)
            | (DesiredState::Running, DeploymentState::Running | DeploymentState::Finished)
            | (DesiredState::Suspended, DeploymentState::Suspended)
            | (DesiredState::Cancelled, DeploymentState::Cancelled) => true,
            (_, _) => false,
        };
        is_idle && is_current && !has_moves && is_there
    }

    /// A number that stands for this state whatever may still happen; times count by how long they are ago, roughly.
    #[must_use]
    pub fn key(&self) -> u128 {
        let text = super::key::text(self);
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            text.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        (half(0) << 64) | half(1)
    }
}

fn blind(look: &Observation) -> Observation {
    let unknown = || "no answer".to_owned();
    Observation {
        cluster: Seen::unknown(unknown()),
        job: Seen::unknown(unknown()),
        unreachable_since: None,
        operations: look.operations.keys().map(|id| (*id, Seen::unknown(unknown()))).collect(),
        directories: look.directories.keys().map(|id| (*id, Seen::unknown(unknown()))).collect(),
        program: None,
        retained: None,
    }
}

/// Replaces or adds a record; whether it is new.
fn put<T>(records: &mut Vec<Arc<T>>, record: T, id: impl Fn(&T) -> Uuid) -> bool {
    let wanted = id(&record);
    match records.iter_mut().find(|r| id(r) == wanted) {
        Some(old) => {
            *old = Arc::new(record);
            false
        }
        None => {
            records.push(Arc::new(record));
            true
        }
    }
}
