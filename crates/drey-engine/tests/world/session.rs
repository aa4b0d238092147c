//! Session mode in this world: what the controller would ask for, and how submissions are answered.

use drey_engine::session_cluster::{Run, SessionFacts};
use drey_engine::{Action, JobRecord, Observation, Report, SessionClusterRecord};
use drey_model::job::JobTarget;
use drey_model::meta::{Metadata, TextMap};
use drey_model::seen::{ClusterPhase, FlinkStatus, Program};
use drey_model::session_cluster::SessionClusterSpec;
use drey_model::{ClusterState, DesiredClusterState, JobState, Seen, SessionCluster, SessionRun};
use uuid::Uuid;

use super::{Answer, Sight, World, cluster, flink_job, is_alive};

/// What there is of a Job that was just recorded: its cluster lives, and knows nothing of it.
pub(super) fn first_sight(record: &JobRecord, program: Option<&Seen<Program>>) -> Option<Sight> {
    record.facts.session.as_ref()?;
    let lives = cluster(ClusterPhase::Alive, 3);
    let program = program.cloned().unwrap_or(Seen::Absent);
    Some(Sight { cluster: lives, job: Seen::Absent, program, ..Sight::default() })
}

/// The program, as far as the controller asks for it.
pub(super) fn program(
    record: &JobRecord,
    seen: &Observation,
    sight: &Sight,
) -> Option<Seen<Program>> {
    let is_starting = record.job.status.state == JobState::Starting;
    let is_asked = record.facts.session.is_some() && is_starting && seen.job == Seen::Absent;
    is_asked.then(|| sight.program.clone())
}

/// A program at hand.
pub(crate) fn ready() -> Seen<Program> {
    Seen::Present(Program::Ready {
        path: "/cache/job.jar".into(),
        sha256: "ab12".to_owned(),
        class: "a.Main".to_owned(),
        args: Vec::new(),
        settings: TextMap::new(),
    })
}

impl World {
    /// Has the cluster that the Deployment names be in a state, with this run.
    pub(crate) fn set_session_cluster(&mut self, state: ClusterState, run: u128) {
        let name = self.deployment.spec.session_cluster_name.clone().unwrap_or_default();
        let metadata =
            Metadata { id: Uuid::from_u128(0x5e), name: name.clone(), ..Metadata::default() };
        let desired = match state {
            ClusterState::Stopped | ClusterState::Stopping => DesiredClusterState::Stopped,
            _ => DesiredClusterState::Running,
        };
        let spec = SessionClusterSpec {
            state: desired,
            number_of_task_managers: 3,
            ..SessionClusterSpec::default()
        };
        let launched = SessionRun {
            id: Uuid::from_u128(run),
            session_cluster_id: metadata.id,
            name,
            namespace: "default".to_owned(),
            spec: spec.clone(),
            flink_configuration: [(
                "execution.checkpointing.savepoint-dir".to_owned(),
                "file:///sp".to_owned(),
            )]
            .into(),
            target: JobTarget::default(),
        };
        let run = Run {
            launched,
            since: self.now,
            alive_since: Some(self.now),
            running_since: Some(self.now),
            scaled_to: 3,
            managers_max: 3,
            changed_at: None,
            is_short: false,
            releasing: Vec::new(),
            end: None,
            removed: false,
        };
        let mut cluster = SessionCluster::new(metadata, spec);
        cluster.status.state = state;
        let facts = SessionFacts { run: Some(run), ..SessionFacts::default() };
        self.session_cluster = Some(SessionClusterRecord { cluster, facts });
    }

    /// A friendly world has the cluster running; what has died there is cleared away, and programs are at hand.
    pub(super) fn serve_session_mode(&mut self) {
        if self.deployment.spec.session_cluster_name.is_some() {
            self.set_session_cluster(ClusterState::Running, 9);
        }
        let shared: Vec<Uuid> =
            self.jobs.iter().filter(|r| r.facts.session.is_some()).map(JobRecord::id).collect();
        for id in shared {
            let sight = self.sight(id);
            match &mut sight.cluster {
                Seen::Present(c) if matches!(c.phase, ClusterPhase::Dead { .. }) => {
                    sight.cluster = Seen::Absent;
                }
                Seen::Present(c) => c.phase = ClusterPhase::Alive,
                Seen::Absent | Seen::Unknown { .. } => {}
            }
            sight.program = ready();
        }
    }

    pub(super) fn submit_or_fetch(&mut self, action: &Action) -> Option<Report> {
        let job = action.job();
        let answer = self.answers.submit.clone();
        let sight = self.sight(job);
        if let Action::Fetch(_) = action {
            sight.program = ready();
            return None;
        }
        let begin = |sight: &mut Sight| {
            if is_alive(&sight.cluster) && sight.job == Seen::Absent {
                sight.job = Seen::Present(flink_job(FlinkStatus::Created, 0, 2));
            }
        };
        let why = || "no answer".to_owned();
        Some(match answer {
            Answer::Lost => return None,
            Answer::Accepted => {
                begin(sight);
                Report::SubmitAccepted { job }
            }
            Answer::Ignored => Report::SubmitFailed { job, why: "connection refused".to_owned() },
            Answer::Refused(why) => Report::SubmitRefused { job, why },
            Answer::Silent => Report::SubmitUnanswered { job, why: why() },
            Answer::SilentlyDone => {
                begin(sight);
                Report::SubmitUnanswered { job, why: why() }
            }
        })
    }
}
