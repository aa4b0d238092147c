//! A tiny world around the engine: the records as a store would keep them, what each look shows, and what becomes of
//! actions. It stands in for `drey-controller`, whose rules of looking and loading it repeats.
//!
//! ```text
//!   records ─┐                          ┌─► records (closed ones are never handed to the engine again)
//!   sights ──┴─► situation ─► decide ───┼─► events, actions ─► answers ─► reports, for the next round
//!   oracle looks at every decision      └─► wake_at
//! ```
//!
//! Nothing changes in this world by itself: who uses it says what Flink and the backend do next.

mod answer;
pub(crate) mod friendly;
pub(crate) mod oracle;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use drey_engine::{
    Action, DeploymentFacts, JobRecord, NewEvent, Observation, Plan, Quota, Report,
    SavepointRecord, SessionClusterRecord, Situation, decide,
};
use drey_model::meta::{Metadata, SPEC_VERSION};
use drey_model::seen::{
    Cluster, ClusterPhase, FlinkJob, FlinkStatus, Operation, Program, Snapshot,
};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    Deployment, DeploymentSpec, DeploymentState, DeploymentTarget, Explanation, JobState,
    SavepointState, Seen,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub(crate) use friendly::is_alive;
use friendly::is_dead;

pub(crate) use answer::{Answer, Answers};

/// Decisions in a row without time passing; more means that the engine goes round in circles.
const ROUNDS_MAX: usize = 40;
/// Looks during one passage of time.
const LOOKS_MAX: usize = 200_000;

/// What a look at one Job's world shows.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    pub(crate) cluster: Seen<Cluster>,
    pub(crate) job: Seen<FlinkJob>,
    pub(crate) operations: BTreeMap<Uuid, Seen<Operation>>,
    pub(crate) directories: BTreeMap<Uuid, Seen<Snapshot>>,
    pub(crate) retained: Seen<Snapshot>,
    /// Session mode: the program.
    pub(crate) program: Seen<Program>,
}

impl Default for Sight {
    fn default() -> Self {
        Self {
            cluster: Seen::Absent,
            job: Seen::unknown("no answer"),
            operations: BTreeMap::new(),
            directories: BTreeMap::new(),
            retained: Seen::Absent,
            program: Seen::Absent,
        }
    }
}

/// One decision and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) at: Timestamp,
    pub(crate) before: DeploymentState,
    pub(crate) after: DeploymentState,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) actions: Vec<Action>,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) start: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) deployment: Deployment,
    pub(crate) facts: DeploymentFacts,
    pub(crate) has_target: bool,
    pub(crate) quota: Quota,
    /// Session mode: the cluster that the Deployment names.
    pub(crate) session_cluster: Option<SessionClusterRecord>,
    /// Session mode: how far the program of a Job is when it is first asked for.
    pub(crate) first_program: Option<Seen<Program>>,
    /// All Jobs ever, closed ones too, oldest first.
    pub(crate) jobs: Vec<JobRecord>,
    /// All Savepoints ever, oldest first.
    pub(crate) savepoints: Vec<SavepointRecord>,
    pub(crate) sights: BTreeMap<Uuid, Sight>,
    pub(crate) answers: Answers,
    pub(crate) reports: Vec<Report>,
    pub(crate) wake_at: Option<Timestamp>,
    /// Whether looks show the whole sight, as no backend does, instead of what the controller would ask for.
    pub(crate) is_raw: bool,
    /// What the last decision was made from.
    observed: BTreeMap<Uuid, Observation>,
    unreachable: BTreeMap<Uuid, Timestamp>,
    ids: u128,
}

/// `Seen::Present` of a job in `status` with some of 2 tasks running.
pub(crate) fn flink_job(status: FlinkStatus, running: u32, total: u32) -> FlinkJob {
    FlinkJob {
        status,
        tasks_running: running,
        tasks_total: total,
        since: None,
        restarts: Some(0),
        failures: Vec::new(),
        cause: None,
        checkpoint: None,
    }
}

pub(crate) fn cluster(phase: ClusterPhase, task_managers: u32) -> Seen<Cluster> {
    Seen::Present(Cluster { phase, rest: Some("http://jobmanager".to_owned()), task_managers })
}

/// A valid Deployment spec with a savepoint directory and a parallelism of 2.
pub(crate) fn spec() -> DeploymentSpec {
    let mut spec = DeploymentSpec {
        deployment_target_name: Some("local".to_owned()),
        max_job_creation_attempts: 4,
        max_savepoint_creation_attempts: 4,
        ..DeploymentSpec::default()
    };
    spec.template.spec.parallelism = Some(2);
    spec.template.spec.artifact.jar_uri = Some("file:///job.jar".to_owned());
    let configuration = &mut spec.template.spec.flink_configuration;
    configuration
        .insert("execution.checkpointing.savepoint-dir".to_owned(), "file:///sp".to_owned());
    spec
}

impl World {
    /// A Deployment that was just created with the desired state CANCELLED.
    pub(crate) fn new(spec: DeploymentSpec) -> Self {
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut metadata = Metadata { id: Uuid::from_u128(1), ..Metadata::default() };
        metadata.name = "top-speed".to_owned();
        metadata.namespace = "default".to_owned();
        metadata.created_at = start;
        metadata.annotations.insert(SPEC_VERSION.to_owned(), "1".to_owned());
        Self {
            start,
            now: start,
            deployment: Deployment::new(metadata, spec),
            facts: DeploymentFacts::default(),
            has_target: true,
            quota: Quota::default(),
            session_cluster: None,
            first_program: None,
            jobs: Vec::new(),
            savepoints: Vec::new(),
            sights: BTreeMap::new(),
            answers: Answers::default(),
            reports: Vec::new(),
            wake_at: None,
            is_raw: false,
            observed: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            ids: 0,
        }
    }

    /// An id whose last byte is zero, so that pauses have no random share.
    pub(crate) fn fresh_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128((0xd0e0 << 112) | (self.ids << 8))
    }

    /// Changes the spec as the server does: a change that changes something raises the spec.version.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut DeploymentSpec)) {
        let before = self.deployment.spec.clone();
        change(&mut self.deployment.spec);
        if self.deployment.spec != before {
            let version = (self.deployment.spec_version() + 1).to_string();
            self.deployment.metadata.annotations.insert(SPEC_VERSION.to_owned(), version);
        }
    }

    /// What a crash of the controller loses.
    pub(crate) fn forget(&mut self) {
        self.reports.clear();
        self.unreachable.clear();
    }

    pub(crate) fn state(&self) -> DeploymentState {
        self.deployment.status.state
    }

    pub(crate) fn explanation(&self) -> &Explanation {
        &self.facts.explanation
    }

    /// The Job that the scenario talks about: the active one, else the newest.
    pub(crate) fn current(&self) -> Option<Uuid> {
        let active = self.jobs.iter().rev().find(|r| r.facts.end.is_none());
        active.or(self.jobs.last()).map(JobRecord::id)
    }

    pub(crate) fn job(&self, id: Uuid) -> Option<&JobRecord> {
        self.jobs.iter().find(|r| r.id() == id)
    }

    pub(crate) fn sight(&mut self, id: Uuid) -> &mut Sight {
        self.sights.entry(id).or_default()
    }

    pub(crate) fn situation(&mut self) -> Situation {
        let jobs: Vec<_> = self.jobs.iter().filter(|r| !r.is_closed()).cloned().collect();
        let savepoints: Vec<_> = self.savepoints.iter().filter(|r| r.open).cloned().collect();
        let mut ids: BTreeSet<Uuid> = jobs.iter().map(JobRecord::id).collect();
        ids.extend(
            savepoints.iter().filter(|r| is_pending(r)).filter_map(|r| r.savepoint.metadata.job_id),
        );
        let mut observed: BTreeMap<_, _> =
            ids.into_iter().map(|id| (id, self.look(id, &jobs, &savepoints))).collect();
        self.note_silence(&mut observed);
        let target =
            DeploymentTargetSpec { local: Some(LocalTarget {}), ..DeploymentTargetSpec::default() };
        Situation {
            now: self.now,
            ids: (0..6).map(|_| self.fresh_id()).collect(),
            deployment: self.deployment.clone(),
            facts: self.facts.clone(),
            target: self.has_target.then(|| DeploymentTarget::new(Metadata::default(), target)),
            quota: self.quota.clone(),
            session_cluster: self.session_cluster.clone(),
            jobs,
            savepoints,
            observed,
            reports: std::mem::take(&mut self.reports),
        }
    }

    /// The same look again, with the records as they are now.
    pub(crate) fn same_situation(&mut self) -> Situation {
        let reports = std::mem::take(&mut self.reports);
        let observed = self.observed.clone();
        let situation = Situation { observed, ..self.situation() };
        self.reports = reports;
        situation
    }

    /// What the controller would ask for, no more.
    fn look(&self, id: Uuid, jobs: &[JobRecord], savepoints: &[SavepointRecord]) -> Observation {
        let sight = self.sights.get(&id).cloned().unwrap_or_default();
        let record = jobs.iter().find(|r| r.id() == id);
        let has_ended = record.is_none_or(|r| r.facts.end.is_some());
        let cluster = if record.is_none() { Seen::Absent } else { sight.cluster.clone() };
        let mut seen = Observation { cluster, ..Observation::default() };
        let pending: Vec<_> = savepoints
            .iter()
            .filter(|r| {
                r.savepoint.metadata.job_id == Some(id) && is_pending(r) && r.facts.is_some()
            })
            .map(SavepointRecord::id)
            .collect();
        let is_asked = is_alive(&sight.cluster) && !has_ended;
        let is_cleared = record.is_some_and(JobRecord::asks_flink);
        if self.is_raw || is_asked || (is_cleared && is_alive(&sight.cluster)) {
            seen.job = sight.job.clone();
        }
        if is_asked {
            for savepoint in &pending {
                let answer = sight.operations.get(savepoint).cloned().unwrap_or(Seen::Absent);
                seen.operations.insert(*savepoint, answer);
            }
        }
        let is_over = has_ended
            || seen.cluster == Seen::Absent
            || is_dead(&seen.cluster)
            || seen.job.present().is_some_and(|j| j.status.is_terminal());
        for savepoint in &pending {
            let answer = seen.operations.get(savepoint);
            let is_needed = is_over
                || matches!(
                    answer,
                    Some(Seen::Absent | Seen::Present(Operation::Completed { .. }))
                );
            if is_needed {
                let found = sight.directories.get(savepoint).cloned().unwrap_or(Seen::Absent);
                seen.directories.insert(*savepoint, found);
            }
        }
        seen.program = record.and_then(|r| session::program(r, &seen, &sight));
        let is_gone =
            seen.cluster == Seen::Absent || record.is_some_and(|r| r.facts.gone_at.is_some());
        if has_ended && is_gone && record.is_some_and(|r| !r.facts.swept) {
            seen.retained = Some(sight.retained);
        }
        seen
    }

    fn note_silence(&mut self, observed: &mut BTreeMap<Uuid, Observation>) {
        for (id, seen) in observed {
            let is_silent = matches!(seen.job, Seen::Unknown { .. })
                && seen.cluster != Seen::Absent
                && !is_dead(&seen.cluster);
            if is_silent {
                seen.unreachable_since = Some(*self.unreachable.entry(*id).or_insert(self.now));
            } else {
                self.unreachable.remove(id);
            }
        }
    }

    /// One decision, recorded and carried out. Returns it with whether another look is due at once.
    pub(crate) fn round(&mut self) -> (Round, bool) {
        let situation = self.situation();
        let before = self.state();
        self.observed = situation.observed.clone();
        let plan = decide(situation.clone());
        oracle::check(self, &situation, &plan);
        self.record(&plan);
        let mut has_news = false;
        for action in &plan.actions {
            let report = self.carry_out(action);
            has_news |= report.as_ref().is_some_and(|r| self.is_news(r));
            self.reports.extend(report);
        }
        let is_due = has_news || plan.wake_at.is_some_and(|at| at <= self.now);
        let round = Round {
            at: self.now,
            before,
            after: self.state(),
            events: plan.events,
            actions: plan.actions,
        };
        (round, is_due)
    }

    /// Decides until nothing is due any more at this instant.
    pub(crate) fn settle(&mut self) -> Vec<Round> {
        let rounds = self.rounds();
        oracle::check_rest(self);
        rounds
    }

    fn rounds(&mut self) -> Vec<Round> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let (round, is_due) = self.round();
            rounds.push(round);
            if !is_due {
                return rounds;
            }
        }
        panic!("the engine asks to be looked at again and again: {:?}", rounds.last());
    }

    /// Lets time pass, looking whenever the engine asked for it.
    pub(crate) fn pass(&mut self, duration: SignedDuration) -> Vec<Round> {
        let until = self.now + duration;
        let mut rounds = Vec::new();
        for _ in 0..LOOKS_MAX {
            let next = self.wake_at.filter(|at| *at < until).unwrap_or(until);
            self.now = next.max(self.now + SignedDuration::from_millis(1)).min(until);
            let new = self.rounds();
            // A look that found nothing to do is like the one before it.
            let is_busy = new.iter().any(|r| !r.events.is_empty());
            rounds.extend(new);
            if is_busy || self.now >= until {
                oracle::check_rest(self);
            }
            if self.now >= until {
                return rounds;
            }
        }
        panic!("more than {LOOKS_MAX} looks within {duration}");
    }

    fn record(&mut self, plan: &Plan) {
        self.deployment = plan.deployment.clone();
        self.facts = plan.facts.clone();
        self.wake_at = plan.wake_at;
        for record in &plan.jobs {
            match self.jobs.iter_mut().find(|r| r.id() == record.id()) {
                Some(own) => *own = record.clone(),
                None => {
                    self.jobs.push(record.clone());
                    let sight = session::first_sight(record, self.first_program.as_ref());
                    self.sights.extend(sight.map(|sight| (record.id(), sight)));
                }
            }
        }
        for record in &plan.savepoints {
            match self.savepoints.iter_mut().find(|r| r.id() == record.id()) {
                Some(own) => *own = record.clone(),
                None => self.savepoints.push(record.clone()),
            }
        }
    }

    fn carry_out(&mut self, action: &Action) -> Option<Report> {
        let job = action.job();
        let has_address = self.sights.get(&job).is_some_and(|s| is_alive(&s.cluster));
        match action {
            Action::EnsureCluster(_) => match &self.answers.ensure {
                Answer::Refused(why) => Some(Report::EnsureRefused { job, why: why.clone() }),
                Answer::Accepted
                | Answer::Ignored
                | Answer::Silent
                | Answer::SilentlyDone
                | Answer::Lost => None,
            },
            Action::Fetch(_) | Action::Submit(_) => self.submit_or_fetch(action),
            Action::RemoveCluster { .. } => match self.answers.remove {
                Answer::Accepted => {
                    self.sight(job).cluster = Seen::Absent;
                    Some(Report::RemovalAccepted { job })
                }
                Answer::Ignored => Some(Report::RemovalAccepted { job }),
                Answer::Refused(_) | Answer::Silent | Answer::SilentlyDone | Answer::Lost => None,
            },
            Action::Cancel { .. } => Some(match &self.answers.cancel {
                _ if !has_address => Report::CancelFailed { job, why: "no address".to_owned() },
                Answer::Accepted | Answer::Ignored => Report::CancelAccepted { job },
                Answer::Refused(why) => Report::CancelFailed { job, why: why.clone() },
                Answer::Silent | Answer::SilentlyDone | Answer::Lost => {
                    Report::CancelFailed { job, why: "no answer".to_owned() }
                }
            }),
            Action::Snapshot { savepoint, .. } => Some(self.snapshot(job, *savepoint, has_address)),
        }
    }

    fn snapshot(&mut self, job: Uuid, savepoint: Uuid, has_address: bool) -> Report {
        let silence = |why: &str| Report::SavepointUnanswered { savepoint, why: why.to_owned() };
        if !has_address {
            return silence("no address");
        }
        let operations = &mut self.sights.entry(job).or_default().operations;
        match &self.answers.snapshot {
            Answer::Accepted => {
                operations.insert(savepoint, Seen::Present(Operation::InProgress));
                Report::SavepointAccepted { savepoint }
            }
            Answer::Ignored => Report::SavepointAccepted { savepoint },
            Answer::Refused(why) => Report::SavepointRefused { savepoint, why: why.clone() },
            Answer::Silent | Answer::Lost => silence("no answer"),
            Answer::SilentlyDone => {
                operations.insert(savepoint, Seen::Present(Operation::InProgress));
                silence("no answer")
            }
        }
    }

    fn is_news(&self, report: &Report) -> bool {
        match report {
            Report::RemovalAccepted { job } => self.job(*job).is_some_and(|r| !r.facts.removed),
            // A refusal for a job that runs changes nothing; taken for news, it would be asked for again at once.
            Report::EnsureRefused { job, .. } => {
                self.job(*job).is_some_and(|r| r.job.status.state == JobState::Starting)
            }
            Report::EnsureFailed { .. } | Report::RemovalFailed { .. } => false,
            Report::SubmitAccepted { .. }
            | Report::SubmitRefused { .. }
            | Report::SubmitFailed { .. }
            | Report::SubmitPostponed { .. }
            | Report::SubmitUnanswered { .. }
            | Report::CancelAccepted { .. }
            | Report::CancelFailed { .. }
            | Report::SavepointAccepted { .. }
            | Report::SavepointRefused { .. }
            | Report::SavepointUnanswered { .. } => true,
        }
    }
}

fn is_pending(record: &SavepointRecord) -> bool {
    matches!(record.savepoint.status.state, SavepointState::Started | SavepointState::Failed)
}
