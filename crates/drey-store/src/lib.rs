//! Persistence: one table of objects, one revision counter, one transaction per change.
//!
//! Owns SQL, migrations, leases, the watch, and the sealing of secrets; beside the objects, namespaces, tokens, sessions
//! and the audit log. Does not know what the documents mean.
//!
//! Each write takes the next number of one counter inside its transaction, so the numbers appear in commit order and
//! `revision > last` never skips a row.

mod audit;
mod commit;
mod connection;
mod error;
mod keyring;
mod lease;
mod namespace;
mod read;
mod schema;
mod store;
mod token;
mod typed;
mod upkeep;

use drey_model::Kind;
use uuid::Uuid;

pub use audit::{AuditEntry, AuditWindow};
pub use error::Error;
pub use keyring::{FileError, KEY_FILE, Keyring, OpenError, SealError, Sealed};
pub use lease::Lease;
pub use namespace::Namespace;
pub use read::Filter;
pub use store::{Statistics, Store};
pub use token::ApiToken;

/// A stored object: identity, the document that the API shows, and facts that only the controller reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// The namespace that holds it.
    pub namespace: String,
    /// Unique per kind and namespace; Jobs, Savepoints and Events use their id.
    pub name: String,
    /// Unique.
    pub id: Uuid,
    /// The Deployment that it belongs to, for Jobs, Savepoints and Events; Events may belong to a SessionCluster.
    pub owner: Option<Uuid>,
    /// Whether the controller still has something to do with it; see [`Store::deployment`].
    pub open: bool,
    /// Number of its last write, unique in the store. Set by the store; ignored on writes.
    pub revision: i64,
    /// JSON document as the API shows it.
    pub doc: String,
    /// JSON facts of the controller; of a SecretValue its sealed value ([`Keyring`]).
    pub facts: Option<String>,
    /// Whether this is the trace of a deleted object (only in watches).
    pub deleted: bool,
}

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Stores a new object; fails with [`Error::Taken`] when the name exists, and with [`Error::Closed`] when its
    /// namespace is not active. What belongs to a Deployment comes and goes with it, whatever its namespace does.
    Create(Object),
    /// Replaces an object; fails with [`Error::Conflict`] unless it is still at this revision.
    Update(Object, i64),
    /// Removes an object and everything that it owns; fails with [`Error::Conflict`] unless it is still at this revision.
    Delete {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: Uuid,
        /// The revision that was read.
        revision: i64,
    },
    /// Writes nothing; fails with [`Error::Conflict`] unless the object is still at this revision.
    Guard {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: Uuid,
        /// The revision that was read.
        revision: i64,
    },
    /// Raises the ledger by one; fails with [`Error::Outdated`] unless it still stands where it was read. Everybody who
    /// takes from what all share raises it, so what was added up after that reading holds until the commit.
    Ledger {
        /// Where it stood ([`Store::ledger`]) before anything was added up; `None` for who takes without adding up.
        read: Option<i64>,
    },
    /// Writes nothing; fails with [`Error::Fenced`] unless the lease is still held under this epoch.
    Fence {
        /// Name of the lease.
        lease: String,
        /// The epoch that was acquired.
        epoch: i64,
    },
}
