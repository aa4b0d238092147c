//! What the histories exercised: faults, actions, fault points, transitions, events. A simulator that never reaches a
//! branch proves nothing about it, so a big run fails when anything that is expected stays at zero.

use std::fmt;

use drey_model::EventName;

use crate::core::Tally;

/// Faults that every big run has to see.
pub const FAULTS: [&str; 35] = [
    "request lost",
    "answer lost",
    "request late",
    "request twice",
    "leader election",
    "stale answer",
    "slow answer",
    "jobmanager killed",
    "taskmanager killed",
    "task failed",
    "cancelled from outside",
    "job vanished",
    "savepoint fails",
    "savepoint hangs",
    "savepoint completes, stop fails",
    "savepoint completes, jobmanager dies",
    "results forgotten",
    "flink unreachable",
    "backend unreachable",
    "storage unreachable",
    "ensure fails",
    "removal slow",
    "preparation slow",
    "disk full",
    "disk read-only",
    "clock forward",
    "clock back",
    "crash",
    "leader paused",
    "session jobmanager killed",
    "session taskmanager killed",
    "session cluster start fails",
    "taskmanagers never register",
    "release slow",
    "cancellation hangs",
];

/// What users do to session clusters, and what comes of it.
const SESSION: [&str; 19] = [
    "created stopped",
    "started",
    "started while STOPPING",
    "scaled up while serving",
    "scaled down while serving",
    "scaled while starting",
    "stop refused",
    "stopped",
    "stopped when FAILED",
    "mended in calm weather",
    "deleted",
    "moved onto it",
    "moved off it",
    "force cancellation asked for",
    "job given up",
    "job waits for slots",
    "busy TaskManager released",
    "idle TaskManager released",
    "program deleted",
];
const CLUSTER_STATES: [&str; 6] =
    ["STOPPED", "STARTING", "RUNNING", "UPDATING", "STOPPING", "FAILED"];
/// Why a session cluster is FAILED.
const CLUSTER_FAILURES: [&str; 3] =
    ["TooManyFailedAttempts", "ClusterRefused", "ReferenceDoesNotExist"];

/// Names of events that this controller never logs.
const NOT_OURS: [EventName; 8] = [
    EventName::FoundAJobToWaitForItsTermination,
    EventName::AwaitingSavepointCompletionToTransitionToSuspended,
    EventName::AwaitingAJobToTerminate,
    EventName::AwaitingForASavepointToComplete,
    EventName::AnUnRecoverableFailureWhileTriggeringASavepoint,
    EventName::RecoverableFailureWhileCheckingASavepointStatus,
    EventName::External,
    // Two live Jobs cannot come about; the oracle would have stopped the history before.
    EventName::MultipleNonTerminalJobs,
];

/// Counters by kind and name.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    counts: Tally<(&'static str, String)>,
}

impl Coverage {
    /// Counts one.
    pub fn count(&mut self, kind: &'static str, name: &str) {
        *self.counts.entry((kind, name.to_owned())).or_default() += 1;
    }

    /// Adds what another history counted.
    pub fn add(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += count;
        }
    }

    /// How often this was counted.
    #[must_use]
    pub fn of(&self, kind: &'static str, name: &str) -> u64 {
        self.counts.get(&(kind, name.to_owned())).copied().unwrap_or(0)
    }

    /// What should have been exercised and was not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        use strum::VariantArray as _;
        let actions = [
            "ensure-cluster",
            "ensure-session",
            "submit",
            "release",
            "cancel",
            "stop",
            "savepoint",
            "remove-cluster",
        ];
        let states = ["RUNNING", "SUSPENDED", "CANCELLED", "TRANSITIONING", "FAILED", "FINISHED"];
        let events = EventName::VARIANTS.iter().filter(|e| !NOT_OURS.contains(e));
        let expected = FAULTS
            .iter()
            .map(|f| ("fault", (*f).to_owned()))
            .chain(actions.iter().map(|a| ("action", (*a).to_owned())))
            .chain(states.iter().map(|s| ("state", (*s).to_owned())))
            .chain(SESSION.iter().map(|s| ("session", (*s).to_owned())))
            .chain(CLUSTER_STATES.iter().map(|s| ("cluster", (*s).to_owned())))
            .chain(CLUSTER_FAILURES.iter().map(|s| ("cluster failure", (*s).to_owned())))
            .chain(events.map(|e| ("event", e.to_string())));
        expected
            .filter(|(kind, name)| self.of(kind, name) == 0)
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((kind, name), count) in &self.counts {
            if *kind != last {
                writeln!(f, "{kind}")?;
                last = kind;
            }
            writeln!(f, "  {count:>10}  {name}")?;
        }
        Ok(())
    }
}
