//! The verbs of Drey: one pure function, [`decide`], from all facts about a Deployment to what to do about it.
//!
//! ```text
//!  spec (desired) ┐
//!  facts (recorded)├─► decide ─► records to store · events · actions · when to look again
//!  observed (seen) ┘
//! ```
//!
//! [`decide_session`] does the same for a SessionCluster. The two meet in the store only: a Job in session mode belongs to
//! one run of a SessionCluster, whose processes are the SessionCluster's business.
//!
//! Synchronous and repeatable: no clock, no randomness, no I/O, no logging. Time and ids come in as arguments, and
//! waiting goes out as `wake_at`. The engine never asks what changed, only what is.
//!
//! Rules that hold for every plan:
//!
//! * An action follows from the *records of the same plan*, so storing the plan first means that every effect's intent
//!   is stored before the effect.
//! * [`Seen::Unknown`](drey_model::Seen) never ends, restarts or fails anything. Only a user's wish and a deadline that
//!   the platform documents (3 minutes for a cancellation) act without an answer.
//! * A new Job is created only when every earlier one is closed: ended, its cluster (on a shared cluster: its Flink job)
//!   confirmed gone, its retained checkpoint looked for.

mod backoff;
mod cancel;
mod decide;
mod draft;
pub mod facts;
mod phase;
mod plan;
mod quota;
mod restarts;
mod restore;
mod run;
mod savepoint;
mod session;
pub mod session_cluster;
mod situation;
mod start;
mod submission;
mod suspend;
mod upgrade;

pub use decide::decide;
pub use facts::{
    DeploymentFacts, JobFacts, JobRecord, SavepointFacts, SavepointRecord, SessionJob, Submission,
};
pub use plan::{Action, NewEvent, Plan};
pub use session_cluster::{SessionClusterRecord, SessionFacts, decide_session};
pub use situation::{Observation, Quota, Report, Situation, Unreadable};
