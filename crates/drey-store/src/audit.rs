//! The audit log: who did what, when, and how it ended. Entries are added, given their outcome once, and purged by age.
//!
//! An entry is committed before its request is carried out, so no crash can separate a change from its entry. Does not
//! own what is worth an entry (`drey-server`).

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::{Error, Store};

const ADD: &str = "INSERT INTO audit (id, at, actor, address, method, route, namespace, object, request_id, \
     status, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const SETTLE: &str = "UPDATE audit SET status = $1, object = CASE WHEN $2 = '' THEN object ELSE $2 END, \
     detail = $3 WHERE id = $4 AND status IS NULL";
// Row values are compared like words in a dictionary, so the index serves the page and its order.
const PAGE: &str = "SELECT id, at, actor, address, method, route, namespace, object, request_id, status, detail \
     FROM audit WHERE at >= $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4";
const PURGE: &str = "DELETE FROM audit WHERE at < $1";

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Unique.
    pub id: Uuid,
    /// When it was asked for.
    pub at: Timestamp,
    /// Who asked.
    pub actor: String,
    /// From where.
    pub address: String,
    /// The HTTP method.
    pub method: String,
    /// The route, with its parameters as names.
    pub route: String,
    /// The namespace; empty when there is none.
    pub namespace: String,
    /// The object within it; empty when there is none.
    pub object: String,
    /// The request id, which the server's log has too.
    pub request_id: String,
    /// The HTTP status of the answer; none while it is not known.
    pub status: Option<u16>,
    /// What the status does not say.
    pub detail: String,
}

/// A part of the audit log, the newest entries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditWindow {
    /// Not before this.
    pub from: Timestamp,
    /// Before this.
    pub to: Timestamp,
    /// Of entries at `to`, only those with smaller ids; the last entry of the page before goes in here.
    pub below: Uuid,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// Adds an entry.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_audit(&self, entry: &AuditEntry) -> Result<(), Error> {
        let query = sqlx::query(ADD)
            .bind(entry.id.to_string())
            .bind(entry.at.as_millisecond())
            .bind(entry.actor.as_str())
            .bind(entry.address.as_str())
            .bind(entry.method.as_str())
            .bind(entry.route.as_str())
            .bind(entry.namespace.as_str())
            .bind(entry.object.as_str())
            .bind(entry.request_id.as_str())
            .bind(entry.status.map(i64::from))
            .bind(entry.detail.as_str());
        self.execute(query).await.map(|_| ())
    }

    /// Says how a request ended that had no outcome yet, and which object it made, if any.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn settle_audit(
        &self,
        id: Uuid,
        status: u16,
        made: &str,
        detail: &str,
    ) -> Result<(), Error> {
        let query = sqlx::query(SETTLE).bind(i64::from(status)).bind(made).bind(detail);
        let query = query.bind(id.to_string());
        self.execute(query).await.map(|_| ())
    }

    /// Entries of a window, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit(&self, window: &AuditWindow) -> Result<Vec<AuditEntry>, Error> {
        let query = sqlx::query(PAGE)
            .bind(window.from.as_millisecond())
            .bind(window.to.as_millisecond())
            .bind(window.below.to_string())
            .bind(i64::from(window.limit));
        self.rows(query).await?.iter().map(entry).collect()
    }

    /// Forgets entries from before this time. Returns how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_audit(&self, before: Timestamp) -> Result<u64, Error> {
        self.execute(sqlx::query(PURGE).bind(before.as_millisecond())).await
    }
}

fn entry(row: &AnyRow) -> Result<AuditEntry, Error> {
    let id: String = row.try_get(0).map_err(unreadable)?;
    let at: i64 = row.try_get(1).map_err(unreadable)?;
    let status: Option<i64> = row.try_get(9).map_err(unreadable)?;
    Ok(AuditEntry {
        id: Uuid::parse_str(&id).map_err(|e| unreadable(sqlx::Error::Decode(Box::new(e))))?,
        at: Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH),
        actor: row.try_get(2).map_err(unreadable)?,
        address: row.try_get(3).map_err(unreadable)?,
        method: row.try_get(4).map_err(unreadable)?,
        route: row.try_get(5).map_err(unreadable)?,
        namespace: row.try_get(6).map_err(unreadable)?,
        object: row.try_get(7).map_err(unreadable)?,
        request_id: row.try_get(8).map_err(unreadable)?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        detail: row.try_get(10).map_err(unreadable)?,
    })
}

fn unreadable(source: sqlx::Error) -> Error {
    Error::Corrupt { what: "reading the audit log", source }
}
