//! The inside of a transaction: numbers first, then one statement per change.
//!
//! The single row of `clock` hands out the numbers. Touching it first makes writers queue up there on every database,
//! so that numbers appear in commit order and everything read afterwards stays true until the commit.

use drey_model::Kind;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use crate::namespace::check_active;
use crate::{Error, Object, Write};

const NUMBERS: &str = "UPDATE clock SET revision = revision + $1 WHERE id = 1 RETURNING revision";
const NEWEST: &str = "SELECT revision FROM clock WHERE id = 1";
const CREATE: &str = "INSERT INTO objects \
     (kind, namespace, name, id, owner, open, deleted, created, revision, doc, facts) \
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7, $8, $9) ON CONFLICT DO NOTHING";
const HOLDER: &str =
    "SELECT COUNT(*) FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND deleted = 0";
const UPDATE: &str = "UPDATE objects SET owner = $1, open = $2, doc = $3, facts = $4, revision = $5 \
     WHERE id = $6 AND kind = $7 AND revision = $8 AND deleted = 0";
const BURY: &str = "UPDATE objects SET deleted = 1, open = 0, facts = NULL, deleted_at = $1, revision = $2 \
     WHERE id = $3 AND kind = $4 AND revision = $5 AND deleted = 0";
const ERASE: &str =
    "DELETE FROM objects WHERE id = $1 AND kind = $2 AND revision = $3 AND deleted = 0";
const ERASE_EVENTS: &str =
    "DELETE FROM objects WHERE owner = $1 AND kind = 'Event' AND deleted = 0";
const NUMBERS_OF_OWNED: &str = "UPDATE clock SET revision = revision + \
     (SELECT COUNT(*) FROM objects WHERE owner = $1 AND deleted = 0) WHERE id = 1 RETURNING revision";
const BURY_OWNED: &str = "UPDATE objects SET deleted = 1, open = 0, facts = NULL, deleted_at = $1, \
     revision = $2 + ranked.place \
     FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY created) AS place FROM objects \
           WHERE owner = $3 AND deleted = 0) AS ranked \
     WHERE objects.id = ranked.id";
const GUARD: &str =
    "SELECT COUNT(*) FROM objects WHERE id = $1 AND kind = $2 AND revision = $3 AND deleted = 0";
const RAISE: &str = "UPDATE clock SET ledger = ledger + 1 WHERE id = 1";
const RAISE_FROM: &str = "UPDATE clock SET ledger = ledger + 1 WHERE id = 1 AND ledger = $1";
// An update that changes nothing holds the row until the commit, so that nobody can take the lease in between.
const FENCE: &str =
    "UPDATE leases SET epoch = epoch WHERE name = $1 AND epoch = $2 AND holder <> ''";

/// How many of these changes get a number.
pub(crate) fn rows(writes: &[Write]) -> i64 {
    let counted = writes.iter().filter(|write| match write {
        Write::Create(_) | Write::Update(..) | Write::Delete { .. } => true,
        Write::Guard { .. } | Write::Ledger { .. } | Write::Fence { .. } => false,
    });
    i64::try_from(counted.count()).unwrap_or(i64::MAX)
}

/// Applies the changes in order and returns the last number given out.
pub(crate) async fn apply(connection: &mut AnyConnection, writes: &[Write]) -> Result<i64, Error> {
    let count = rows(writes);
    let newest = if count == 0 {
        sqlx::query(NEWEST).fetch_one(&mut *connection).await
    } else {
        sqlx::query(NUMBERS).bind(count).fetch_one(&mut *connection).await
    };
    let newest: i64 = newest.and_then(|row| row.try_get(0)).map_err(failed)?;
    let mut batch = Batch { connection, next: newest - count + 1, newest };
    for write in writes {
        match write {
            Write::Create(object) => batch.create(object).await?,
            Write::Update(object, revision) => batch.update(object, *revision).await?,
            Write::Delete { kind, id, revision } => batch.delete(*kind, *id, *revision).await?,
            Write::Guard { kind, id, revision } => batch.guard(*kind, *id, *revision).await?,
            Write::Ledger { read } => batch.raise(*read).await?,
            Write::Fence { lease, epoch } => batch.fence(lease, *epoch).await?,
        }
    }
    Ok(batch.newest)
}

struct Batch<'a> {
    connection: &'a mut AnyConnection,
    /// The number of the next row.
    next: i64,
    /// The last number that is ours.
    newest: i64,
}

impl Batch<'_> {
    async fn create(&mut self, object: &Object) -> Result<(), Error> {
        if object.owner.is_none() {
            check_active(self.connection, &object.namespace).await?;
        }
        let revision = self.number();
        let created = sqlx::query(CREATE)
            .bind(object.kind.to_string())
            .bind(object.namespace.as_str())
            .bind(object.name.as_str())
            .bind(object.id.to_string())
            .bind(object.owner.map(|owner| owner.to_string()))
            .bind(i64::from(object.open))
            .bind(revision)
            .bind(object.doc.as_str())
            .bind(object.facts.as_deref())
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        if created.rows_affected() == 1 {
            return Ok(());
        }
        let holders: i64 = sqlx::query(HOLDER)
            .bind(object.kind.to_string())
            .bind(object.namespace.as_str())
            .bind(object.name.as_str())
            .fetch_one(&mut *self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        if holders == 0 {
            return Err(Error::Conflict { kind: object.kind, id: object.id });
        }
        Err(Error::Taken {
            kind: object.kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        })
    }

    async fn update(&mut self, object: &Object, read: i64) -> Result<(), Error> {
        let revision = self.number();
        let updated = sqlx::query(UPDATE)
            .bind(object.owner.map(|owner| owner.to_string()))
            .bind(i64::from(object.open))
            .bind(object.doc.as_str())
            .bind(object.facts.as_deref())
            .bind(revision)
            .bind(object.id.to_string())
            .bind(object.kind.to_string())
            .bind(read)
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        unless(updated.rows_affected() == 1, object.kind, object.id)
    }

    /// Events leave no trace: they would be the bulk of the table, and nobody waits for their end.
    async fn delete(&mut self, kind: Kind, id: Uuid, read: i64) -> Result<(), Error> {
        let revision = self.number();
        let (id_text, kind_text) = (id.to_string(), kind.to_string());
        let query = match kind {
            Kind::Event => sqlx::query(ERASE).bind(id_text).bind(kind_text).bind(read),
            Kind::Deployment
            | Kind::DeploymentTarget
            | Kind::DeploymentDefaults
            | Kind::SessionCluster
            | Kind::Job
            | Kind::Savepoint
            | Kind::SecretValue => sqlx::query(BURY)
                .bind(now())
                .bind(revision)
                .bind(id_text)
                .bind(kind_text)
                .bind(read),
        };
        let deleted = query.execute(&mut *self.connection).await.map_err(failed)?;
        unless(deleted.rows_affected() == 1, kind, id)?;
        match kind {
            Kind::Deployment | Kind::SessionCluster => self.delete_owned(id).await,
            Kind::DeploymentTarget
            | Kind::DeploymentDefaults
            | Kind::Job
            | Kind::Savepoint
            | Kind::Event
            | Kind::SecretValue => Ok(()),
        }
    }

    async fn delete_owned(&mut self, owner: Uuid) -> Result<(), Error> {
        let owner = owner.to_string();
        sqlx::query(ERASE_EVENTS)
            .bind(owner.as_str())
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        let before = self.newest;
        self.newest = sqlx::query(NUMBERS_OF_OWNED)
            .bind(owner.as_str())
            .fetch_one(&mut *self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        if self.newest == before {
            return Ok(());
        }
        sqlx::query(BURY_OWNED)
            .bind(now())
            .bind(before)
            .bind(owner.as_str())
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn guard(&mut self, kind: Kind, id: Uuid, read: i64) -> Result<(), Error> {
        let found: i64 = sqlx::query(GUARD)
            .bind(id.to_string())
            .bind(kind.to_string())
            .bind(read)
            .fetch_one(&mut *self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(failed)?;
        unless(found == 1, kind, id)
    }

    async fn raise(&mut self, read: Option<i64>) -> Result<(), Error> {
        let query = match read {
            Some(read) => sqlx::query(RAISE_FROM).bind(read),
            None => sqlx::query(RAISE),
        };
        let raised = query.execute(&mut *self.connection).await.map_err(failed)?;
        if raised.rows_affected() == 1 { Ok(()) } else { Err(Error::Outdated) }
    }

    async fn fence(&mut self, lease: &str, epoch: i64) -> Result<(), Error> {
        let held = sqlx::query(FENCE)
            .bind(lease)
            .bind(epoch)
            .execute(&mut *self.connection)
            .await
            .map_err(failed)?;
        if held.rows_affected() == 1 {
            return Ok(());
        }
        Err(Error::Fenced { lease: lease.to_owned(), epoch })
    }

    fn number(&mut self) -> i64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

fn unless(unchanged: bool, kind: Kind, id: Uuid) -> Result<(), Error> {
    if unchanged { Ok(()) } else { Err(Error::Conflict { kind, id }) }
}

/// When a tombstone was made; only its age matters, so the wall clock will do.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn failed(source: sqlx::Error) -> Error {
    Error::of("writing", source)
}
