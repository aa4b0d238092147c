//! Namespaces: which exist, which are being emptied, and the one rule that binds them to objects.
//!
//! ```text
//! create_namespace ─► active ─ end_namespace ─► terminating ─ remove_namespace (only when empty) ─► gone
//! ```
//!
//! The rule: nothing new is created in a namespace that is not active. It is checked inside the transaction that
//! creates ([`crate::commit`], [`Store::create_api_token`]), so a request that was under way while the namespace was
//! ended leaves nothing behind. What the controller adds to a Deployment that is still there (Jobs, Events) is exempt.
//!
//! Does not own what the document says (`drey_model::namespace`), or who empties the namespace.

use drey_model::Kind;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use strum::VariantArray;

use crate::{Error, Store, Write, commit};

/// Namespaces of one installation.
const NAMESPACES_MAX: i64 = 10_000;

const GET: &str = "SELECT name, terminating, version, doc FROM namespaces WHERE name = $1";
const LIST: &str = "SELECT name, terminating, version, doc FROM namespaces ORDER BY name LIMIT $1";
const CREATE: &str = "INSERT INTO namespaces (name, terminating, version, doc) VALUES ($1, 0, 1, $2) \
     ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE namespaces SET doc = $1, version = version + 1 \
     WHERE name = $2 AND version = $3 AND terminating = 0";
const END: &str = "UPDATE namespaces SET terminating = 1, version = version + 1 \
     WHERE name = $1 AND version = $2 AND terminating = 0";
// In one statement, so that nothing can slip in between the question and the deed.
const REMOVE: &str = "DELETE FROM namespaces WHERE name = $1 AND terminating = 1 \
     AND NOT EXISTS (SELECT 1 FROM objects WHERE namespace = $1 AND deleted = 0) \
     AND NOT EXISTS (SELECT 1 FROM api_tokens WHERE namespace = $1)";
// The mark moves before the traces go: a watcher can see that it missed something.
const MARK: &str = "UPDATE clock SET purged = (SELECT MAX(known.revision) FROM \
       (SELECT purged AS revision FROM clock WHERE id = 1 UNION ALL \
        SELECT revision FROM objects WHERE deleted = 1 AND namespace = $1) AS known) WHERE id = 1";
const FORGET: &str = "DELETE FROM objects WHERE deleted = 1 AND namespace = $1";
const IS_ACTIVE: &str = "SELECT COUNT(*) FROM namespaces WHERE name = $1 AND terminating = 0";
const COUNT: &str =
    "SELECT COUNT(*) FROM objects WHERE kind = $1 AND namespace = $2 AND deleted = 0";

/// A namespace as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its short name.
    pub name: String,
    /// Whether it is being emptied, to be removed.
    pub is_terminating: bool,
    /// 1 on creation, one higher after each write.
    pub version: i64,
    /// JSON document: what an administrator wrote.
    pub doc: String,
}

impl Store {
    /// The namespace with this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn namespace(&self, name: &str) -> Result<Option<Namespace>, Error> {
        self.rows(sqlx::query(GET).bind(name)).await?.first().map(namespace).transpose()
    }

    /// All namespaces by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.rows(sqlx::query(LIST).bind(NAMESPACES_MAX)).await?.iter().map(namespace).collect()
    }

    /// Creates a namespace with what it has from the beginning, or nothing of it; `false` when the name is taken.
    ///
    /// # Errors
    /// When the database cannot be written; those of [`Store::commit`] for the content.
    pub async fn create_namespace(
        &self,
        name: &str,
        doc: &str,
        content: &[Write],
    ) -> Result<bool, Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let made = create(transaction.connection(), (name, doc), content).await;
            transaction.finish(made).await
        };
        let made = self.run(work).await?;
        made.into_iter().for_each(|last| self.announce(last));
        Ok(made.is_some())
    }

    /// Replaces the document; `false` unless the namespace is active and still at this version.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn update_namespace(
        &self,
        name: &str,
        version: i64,
        doc: &str,
    ) -> Result<bool, Error> {
        let query = sqlx::query(UPDATE).bind(doc).bind(name).bind(version);
        Ok(self.execute(query).await? == 1)
    }

    /// Closes a namespace for good: from now on nothing new is created in it. `false` unless it is active and still at
    /// this version.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_namespace(&self, name: &str, version: i64) -> Result<bool, Error> {
        Ok(self.execute(sqlx::query(END).bind(name).bind(version)).await? == 1)
    }

    /// Removes a namespace that is terminating and empty, with the traces of what was in it: another one of the same
    /// name must not show them. `false` when it is not, or is gone already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_namespace(&self, name: &str) -> Result<bool, Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let removed = remove(transaction.connection(), name).await;
            transaction.finish(removed.map_err(|e| Error::of("removing a namespace", e))).await
        };
        self.run(work).await
    }

    /// How many objects of each kind a namespace holds; kinds without any are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn contents(&self, name: &str) -> Result<Vec<(Kind, i64)>, Error> {
        let mut found = Vec::new();
        for kind in Kind::VARIANTS {
            let rows = self.rows(sqlx::query(COUNT).bind(kind.to_string()).bind(name)).await?;
            let count: i64 =
                rows.first().map_or(Ok(0), |row| row.try_get(0)).map_err(unreadable)?;
            if count > 0 {
                found.push((*kind, count));
            }
        }
        Ok(found)
    }
}

/// The last revision of the content; `None` when the name is taken.
async fn create(
    connection: &mut AnyConnection,
    (name, doc): (&str, &str),
    content: &[Write],
) -> Result<Option<i64>, Error> {
    let created = sqlx::query(CREATE).bind(name).bind(doc).execute(&mut *connection).await;
    let created = created.map_err(|source| Error::of("creating a namespace", source))?;
    if created.rows_affected() == 0 {
        return Ok(None);
    }
    commit::apply(connection, content).await.map(Some)
}

async fn remove(connection: &mut AnyConnection, name: &str) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query(REMOVE).bind(name).execute(&mut *connection).await?;
    let is_gone = removed.rows_affected() == 1;
    if is_gone {
        for statement in [MARK, FORGET] {
            sqlx::query(statement).bind(name).execute(&mut *connection).await?;
        }
    }
    Ok(is_gone)
}

/// [`Error::Closed`] unless the namespace is active; for use inside a transaction that creates something in it.
pub(crate) async fn check_active(connection: &mut AnyConnection, name: &str) -> Result<(), Error> {
    let failed = |source| Error::of("looking for a namespace", source);
    let row = sqlx::query(IS_ACTIVE).bind(name).fetch_one(connection).await.map_err(failed)?;
    let active: i64 = row.try_get(0).map_err(failed)?;
    if active == 1 { Ok(()) } else { Err(Error::Closed { namespace: name.to_owned() }) }
}

fn namespace(row: &AnyRow) -> Result<Namespace, Error> {
    let terminating: i64 = row.try_get(1).map_err(unreadable)?;
    Ok(Namespace {
        name: row.try_get(0).map_err(unreadable)?,
        is_terminating: terminating != 0,
        version: row.try_get(2).map_err(unreadable)?,
        doc: row.try_get(3).map_err(unreadable)?,
    })
}

fn unreadable(source: sqlx::Error) -> Error {
    Error::Corrupt { what: "reading a namespace", source }
}
