//! What the handlers call: one method per operation, each one transaction. The rules of the platform that need the
//! store live here; the rules that need only the document live in `drey_model::write`.
//!
//! A write without `If-Match` reads, changes and writes under compare-and-set, and starts over when somebody else was
//! faster, so no update is lost and the user's change lands on what is current. References between objects hold because
//! the write that makes one also writes the row it refers to: a deletion that missed the reference then fails.

mod artifacts;
mod defaults;
mod deployments;
mod namespaces;
mod objects;
mod quota;
mod reads;
mod savepoints;
mod secrets;
mod session_clusters;
mod setting;
mod targets;
mod tokens;
mod writer;

pub(crate) use namespaces::{ExplainedNamespace, Room, WrittenRoom, complete_default_namespace};
pub(crate) use objects::{Attempts, decode, names};
pub(crate) use reads::Explained;
pub(crate) use session_clusters::{
    ExplainedCluster, Runs, Stage, cluster_at_rest, cluster_of, is_late, orphaned_on,
};
pub(crate) use setting::stored_defaults;
pub(crate) use targets::stored as stored_target;
pub(crate) use writer::Writer;
