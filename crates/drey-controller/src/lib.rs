//! The control loop: queue → load → observe → decide → record → execute.
//!
//! Owns when a Deployment is looked at and in what order things happen in a look. Does not own what is decided
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
pub mod world;

pub use handle::{Board, Handle};
pub use metrics::Metrics;
pub use quota::Waiters;
pub use reconcile::{Memory, Next, Reconciler};
pub use record::{Configure, Leadership};
pub use run::{Parts, run, start};
pub use world::{FaultPoint, RealWorld, World};
