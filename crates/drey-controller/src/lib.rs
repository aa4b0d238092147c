//! The control loop: queue → load → observe → decide → record → execute.
//!
//! Owns when a Deployment or a SessionCluster is looked at and in what order things happen in a look. Does not own what is decided
//! (`drey-engine`), how Flink is asked (`drey-flink`), where processes run (`drey-cluster`) or how records are kept
//! (`drey-store`). Only this crate writes `status`.

mod execute;
pub mod handle;
mod hide;
mod load;
mod metrics;
mod observe;
mod queue;
mod quota;
mod reconcile;
mod record;
mod run;
pub mod secrets;
mod session_cluster;
mod submit;
pub mod world;

pub use handle::{Board, Handle};
pub use metrics::Metrics;
pub use quota::Waiters;
pub use reconcile::{Memory, Next, Reconciler};
pub use record::{Configure, ConfigureSession, Leadership};
pub use run::{Parts, run, start};
pub use submit::Uploads;
pub use world::{FaultPoint, RealWorld, World};
