//! Connections: one lane for the writer, one for a few readers.
//!
//! A file has one writing connection and up to [`READERS_MAX`] reading ones; thanks to write-ahead logging nobody who
//! reads waits for the writer. A database in memory lives in a single connection, which then is both lanes.
//!
//! sqlx's own pool is not used: it gives connections back in background tasks and measures waits with tokio's timers,
//! and neither fits a simulator that owns the clock. A connection that is dropped halfway is closed, and closing rolls
//! back; that is all the cancel safety there is, and all that is needed.

use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Executor};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Error;
use crate::error::already_undone;

/// Reading connections of a file; with the writer that makes four.
pub(crate) const READERS_MAX: usize = 3;

/// `synchronous = FULL`: a committed intent survives a power cut. The cache sizes are in KiB (negative by SQLite's
/// convention): 1 MiB for the writer and half of that for each reader.
pub(crate) const WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 16777216;";
pub(crate) const READER: &str =
    "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA cache_size = -512;";
pub(crate) const MEMORY: &str = "PRAGMA foreign_keys = ON;";
pub(crate) const MEMORY_URL: &str = "sqlite::memory:";

/// A bounded set of connections with the same settings.
pub(crate) struct Lane {
    url: String,
    settings: &'static str,
    /// Whether closing a connection would lose the database.
    precious: bool,
    permits: Semaphore,
    idle: Mutex<Vec<AnyConnection>>,
}

/// A connection in use. Dropping it closes it; [`Lane::give`] keeps it.
pub(crate) struct Held<'a> {
    pub(crate) connection: AnyConnection,
    _permit: SemaphorePermit<'a>,
}

impl Lane {
    /// Connections to a file, opened when first needed.
    pub(crate) fn file(url: String, settings: &'static str, size: usize) -> Self {
        Self {
            url,
            settings,
            precious: false,
            permits: Semaphore::new(size),
            idle: Mutex::default(),
        }
    }

    /// The one connection of a database in memory.
    pub(crate) async fn memory() -> Result<Self, Error> {
        let connection = connect(MEMORY_URL, MEMORY).await?;
        Ok(Self {
            url: MEMORY_URL.to_owned(),
            settings: MEMORY,
            precious: true,
            permits: Semaphore::new(1),
            idle: Mutex::new(vec![connection]),
        })
    }

    /// A connection, as soon as one is free.
    pub(crate) async fn take(&self) -> Result<Held<'_>, Error> {
        let permit = self.permits.acquire().await.map_err(|_| Error::Stopped)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.url, self.settings).await?,
        };
        Ok(Held { connection, _permit: permit })
    }

    /// Gives a connection back. One that misbehaved (`healthy` is false) is closed instead, and replaced on demand.
    pub(crate) fn give(&self, held: Held<'_>, healthy: bool) {
        if healthy || self.precious {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(held.connection);
        }
    }

    /// Opens a write transaction, which takes the database's write lock at once.
    pub(crate) async fn begin(&self) -> Result<Transaction<'_>, Error> {
        let mut held = self.take().await?;
        match held.connection.execute("BEGIN IMMEDIATE").await {
            Ok(_) => Ok(Transaction { lane: self, held }),
            Err(source) => {
                let error = Error::of("beginning a transaction", source);
                self.give(held, matches!(error, Error::Busy));
                Err(error)
            }
        }
    }

    /// Closes idle connections and refuses new users.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            if let Err(error) = sqlx::Connection::close(connection).await {
                tracing::warn!(%error, "closing a database connection");
            }
        }
    }
}

/// A write transaction. Dropping it undoes it.
pub(crate) struct Transaction<'a> {
    lane: &'a Lane,
    held: Held<'a>,
}

impl Transaction<'_> {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.held.connection
    }

    /// Commits when the work went well and undoes everything otherwise.
    pub(crate) async fn finish<T>(mut self, work: Result<T, Error>) -> Result<T, Error> {
        let result = match work {
            Ok(value) => match self.held.connection.execute("COMMIT").await {
                Ok(_) => Ok(value),
                Err(source) => Err(Error::of("committing", source)),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(value) => {
                self.lane.give(self.held, true);
                Ok(value)
            }
            Err(error) => self.undo(Err(error)).await,
        }
    }

    /// Undoes everything, however the work went.
    pub(crate) async fn undo<T>(mut self, work: Result<T, Error>) -> Result<T, Error> {
        let healthy = match self.held.connection.execute("ROLLBACK").await {
            Ok(_) => true,
            Err(error) => already_undone(&error),
        };
        self.lane.give(self.held, healthy);
        work
    }
}

/// Opens one connection.
pub(crate) async fn connect(url: &str, settings: &'static str) -> Result<AnyConnection, Error> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(url).map_err(|e| Error::of("opening", e))?;
    let mut connection =
        options.disable_statement_logging().connect().await.map_err(|e| Error::of("opening", e))?;
    if !settings.is_empty() {
        sqlx::raw_sql(settings)
            .execute(&mut connection)
            .await
            .map_err(|e| Error::of("opening", e))?;
    }
    Ok(connection)
}

/// The URL of a file; `mode` is `ro` or `rwc`.
pub(crate) fn url(path: &Path, mode: &str) -> Result<String, Error> {
    let place = |source| Error::Place { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(place)?;
    let text = absolute.to_str().ok_or_else(|| {
        place(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8"))
    })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                url.push(char::from(byte));
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(format!("{url}?mode={mode}"))
}
