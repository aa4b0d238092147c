//! What can go wrong in the store, in words that say what to do, and how database codes become those words.

use std::path::PathBuf;

use drey_model::Kind;
use uuid::Uuid;

/// Why the store did not do what it was asked. Nothing of a failed call stays behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else wrote or deleted the object first.
    #[error("{kind} {id} was changed meanwhile; read it again and repeat")]
    Conflict {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: Uuid,
    },
    /// Somebody else took from what all share first.
    #[error("what all share was taken from meanwhile; add it up again and repeat")]
    Outdated,
    /// The name belongs to another object.
    #[error("{kind} {name:?} already exists in namespace {namespace:?}")]
    Taken {
        /// Kind of the object.
        kind: Kind,
        /// The namespace.
        namespace: String,
        /// The name that is taken.
        name: String,
    },
    /// The namespace does not exist, or is being deleted.
    #[error(
        "namespace {namespace:?} does not exist or is being deleted, so nothing new can be created in it"
    )]
    Closed {
        /// The namespace.
        namespace: String,
    },
    /// The lease belongs to somebody else now, so this writer must not act any more.
    #[error("lease {lease:?} is no longer held under epoch {epoch}; another instance took over")]
    Fenced {
        /// Name of the lease.
        lease: String,
        /// The epoch of the refused writer.
        epoch: i64,
    },
    /// Another process held the database for too long.
    #[error("the database is locked by another process; trying again later helps")]
    Busy,
    /// No room on the disk.
    #[error(
        "the database cannot grow: the disk is full; free some space and it continues by itself"
    )]
    Full,
    /// The file or its folder cannot be written.
    #[error("the database cannot be written; check the permissions of the file and its folder")]
    ReadOnly,
    /// The database was written by a newer Drey. It was not touched.
    #[error(
        "the database has schema {found}, and this version knows {known} at most; start a newer version"
    )]
    Newer {
        /// Schema version of the database.
        found: i64,
        /// Newest schema version that this program knows.
        known: i64,
    },
    /// The file is a database of another program. It was not touched.
    #[error("{} is a database of another program; choose another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is no database, or is broken.
    #[error("the database is damaged ({what}); restore it from a backup")]
    Corrupt {
        /// What was being done.
        what: &'static str,
        /// The database's words.
        #[source]
        source: sqlx::Error,
    },
    /// One object cannot be read; all others still can.
    #[error("the stored {part} of {kind} {name:?} ({id}) cannot be read")]
    Damaged {
        /// `document` or `facts`.
        part: &'static str,
        /// Kind of the object.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its id.
        id: Uuid,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A document cannot be written as JSON.
    #[error("{kind} {id} cannot be written as JSON")]
    Unwritable {
        /// Kind of the object.
        kind: Kind,
        /// Its id.
        id: Uuid,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The folder of the database cannot be made, or the path is unusable.
    #[error("{} cannot hold a database", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program is stopping.
    #[error("the store is closing")]
    Stopped,
    /// Anything else that the database says.
    #[error("{what} in the database failed")]
    Database {
        /// What was being done.
        what: &'static str,
        /// The database's words.
        #[source]
        source: sqlx::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing it.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy | Self::Full | Self::Stopped => true,
            Self::Database { source, .. } => {
                matches!(
                    source,
                    sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut
                ) || code(source) == Some(CODE_IO)
            }
            Self::Conflict { .. }
            | Self::Outdated
            | Self::Taken { .. }
            | Self::Closed { .. }
            | Self::Fenced { .. }
            | Self::ReadOnly => false,
            Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::Corrupt { .. }
            | Self::Place { .. } => false,
            Self::Damaged { .. } | Self::Unwritable { .. } => false,
        }
    }

    /// Turns an error of the driver into ours; `what` names the operation.
    pub(crate) fn of(what: &'static str, source: sqlx::Error) -> Self {
        match code(&source) {
            Some(CODE_BUSY | CODE_LOCKED) => Self::Busy,
            Some(CODE_FULL) => Self::Full,
            Some(CODE_READ_ONLY) => Self::ReadOnly,
            Some(CODE_CORRUPT | CODE_NOT_A_DATABASE) => Self::Corrupt { what, source },
            _ => Self::Database { what, source },
        }
    }
}

// Primary result codes of SQLite; the extended ones (517, 261, 778, ...) carry them in their low byte.
const CODE_MISUSE: i32 = 1;
const CODE_BUSY: i32 = 5;
const CODE_LOCKED: i32 = 6;
const CODE_READ_ONLY: i32 = 8;
const CODE_IO: i32 = 10;
const CODE_CORRUPT: i32 = 11;
const CODE_FULL: i32 = 13;
const CODE_NOT_A_DATABASE: i32 = 26;

/// Whether a ROLLBACK failed only because the database had already undone everything by itself.
pub(crate) fn already_undone(error: &sqlx::Error) -> bool {
    code(error) == Some(CODE_MISUSE)
}

fn code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}
