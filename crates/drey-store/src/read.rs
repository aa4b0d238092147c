//! Reading: single objects, lists, what the controller needs of a Deployment, and the watch.

use std::str::FromStr;

use drey_model::Kind;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::{Error, Object, Store};

/// The columns in the order that [`object`] reads them. A macro because SQL text is put together at compile time.
macro_rules! columns {
    () => {
        "kind, namespace, name, id, owner, open, revision, doc, facts, deleted"
    };
}

const BY_NAME: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM objects WHERE kind = $1 AND namespace = $2 AND name = $3 AND deleted = 0"
);
const BY_ID: &str =
    concat!("SELECT ", columns!(), " FROM objects WHERE id = $1 AND kind = $2 AND deleted = 0");
const LIST: &str = concat!("SELECT ", columns!(), " FROM objects WHERE deleted = 0 AND kind = $1");
const IDS: &str = "SELECT id FROM objects WHERE kind = $1 AND deleted = 0 ORDER BY created";
// The second half names no kind to be equal to, so that the small index `objects_open` serves it and not the long one.
const DEPLOYMENT: &str = concat!(
    "SELECT ",
    columns!(),
    ", 0 AS place, created FROM objects \
     WHERE id = $1 AND kind = 'Deployment' AND deleted = 0 \
     UNION ALL SELECT ",
    columns!(),
    ", 1 AS place, created FROM objects \
     WHERE owner = $1 AND open = 1 AND deleted = 0 AND kind <> 'Event' \
     ORDER BY place, created DESC"
);
// Deployments own themselves to nobody, so a range of owners leaves them out; the small index serves it.
const OPEN_JOBS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM objects WHERE owner > '' AND open = 1 AND deleted = 0 AND kind <> 'Event' AND namespace = $1"
);
const CHANGES: &str =
    concat!("SELECT ", columns!(), " FROM objects WHERE revision > $1 ORDER BY revision LIMIT $2");
const REVISION: &str = "SELECT revision FROM clock WHERE id = 1";
const LEDGER: &str = "SELECT ledger FROM clock WHERE id = 1";
const PURGED: &str = "SELECT purged FROM clock WHERE id = 1";

/// Which objects of a kind a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this namespace.
    pub namespace: Option<String>,
    /// Only those of this Deployment.
    pub owner: Option<Uuid>,
    /// Only those created before this object of the same kind: the last one of the previous page.
    pub before: Option<Uuid>,
    /// At most so many; all when not given.
    pub limit: Option<u32>,
}

impl Store {
    /// The object with this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, Error> {
        let query = sqlx::query(BY_NAME).bind(kind.to_string()).bind(namespace).bind(name);
        self.rows(query).await?.first().map(object).transpose()
    }

    /// The object with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn by_id(&self, kind: Kind, id: Uuid) -> Result<Option<Object>, Error> {
        let query = sqlx::query(BY_ID).bind(id.to_string()).bind(kind.to_string());
        self.rows(query).await?.first().map(object).transpose()
    }

    /// Objects of a kind, the one created last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, kind: Kind, filter: &Filter) -> Result<Vec<Object>, Error> {
        let sql = list_sql(filter);
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(kind.to_string());
        if let Some(namespace) = &filter.namespace {
            query = query.bind(namespace.as_str());
        }
        if let Some(owner) = filter.owner {
            query = query.bind(owner.to_string());
        }
        if let Some(before) = filter.before {
            query = query.bind(before.to_string());
        }
        let query = query.bind(filter.limit.map_or(i64::MAX, i64::from));
        self.rows(query).await?.iter().map(object).collect()
    }

    /// The ids of all objects of a kind, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ids(&self, kind: Kind) -> Result<Vec<Uuid>, Error> {
        let rows = self.rows(sqlx::query(IDS).bind(kind.to_string())).await?;
        rows.iter().map(|row| id_at(row, 0)).collect()
    }

    /// A Deployment and those of its Jobs and Savepoints that are open, the newest first; all as of one instant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deployment(&self, id: Uuid) -> Result<Option<(Object, Vec<Object>)>, Error> {
        let rows = self.rows(sqlx::query(DEPLOYMENT).bind(id.to_string())).await?;
        let mut objects = rows.iter().map(object).collect::<Result<Vec<_>, _>>()?.into_iter();
        match objects.next() {
            Some(first) if first.kind == Kind::Deployment => Ok(Some((first, objects.collect()))),
            _ => Ok(None),
        }
    }

    /// The Jobs of a namespace that are open, in no order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_jobs(&self, namespace: &str) -> Result<Vec<Object>, Error> {
        let rows = self.rows(sqlx::query(OPEN_JOBS).bind(namespace)).await?;
        let objects: Vec<Object> = rows.iter().map(object).collect::<Result<_, _>>()?;
        Ok(objects.into_iter().filter(|object| object.kind == Kind::Job).collect())
    }

    /// Everything that was written after this revision, in order, with traces of what was deleted. An object appears
    /// once, with its last write. Removed events leave no trace.
    ///
    /// A watcher calls [`Store::oldest_change`] *after* this; if that is above `after`, deletions may be missing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn changes(&self, after: i64, limit: u32) -> Result<Vec<Object>, Error> {
        let rows = self.rows(sqlx::query(CHANGES).bind(after).bind(i64::from(limit))).await?;
        rows.iter().map(object).collect()
    }

    /// The last number given out, by any process.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn revision(&self) -> Result<i64, Error> {
        self.number(REVISION).await
    }

    /// Where the ledger stands; for [`Write::Ledger`](crate::Write::Ledger).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ledger(&self) -> Result<i64, Error> {
        self.number(LEDGER).await
    }

    /// The highest revision of a trace that was purged; 0 when none was. A watcher that stands below must start anew.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn oldest_change(&self) -> Result<i64, Error> {
        self.number(PURGED).await
    }

    async fn number(&self, sql: &'static str) -> Result<i64, Error> {
        let rows = self.rows(sqlx::query(sql)).await?;
        let row = rows.first().ok_or_else(|| unreadable(sqlx::Error::RowNotFound))?;
        row.try_get(0).map_err(unreadable)
    }
}

/// Only parts that are asked for, so that the database picks the right index.
fn list_sql(filter: &Filter) -> String {
    let mut sql = String::from(LIST);
    let mut place = 1;
    let mut next = || {
        place += 1;
        place
    };
    if filter.namespace.is_some() {
        sql.push_str(&format!(" AND namespace = ${}", next()));
    }
    if filter.owner.is_some() {
        sql.push_str(&format!(" AND owner = ${}", next()));
    }
    if filter.before.is_some() {
        sql.push_str(&format!(
            " AND created < (SELECT created FROM objects WHERE id = ${})",
            next()
        ));
    }
    sql.push_str(&format!(" ORDER BY created DESC LIMIT ${}", next()));
    sql
}

fn object(row: &AnyRow) -> Result<Object, Error> {
    let kind: String = row.try_get(0).map_err(unreadable)?;
    let owner: Option<String> = row.try_get(4).map_err(unreadable)?;
    let open: i64 = row.try_get(5).map_err(unreadable)?;
    let deleted: i64 = row.try_get(9).map_err(unreadable)?;
    Ok(Object {
        kind: Kind::from_str(&kind).map_err(|e| unreadable(sqlx::Error::Decode(Box::new(e))))?,
        namespace: row.try_get(1).map_err(unreadable)?,
        name: row.try_get(2).map_err(unreadable)?,
        id: id_at(row, 3)?,
        owner: owner.as_deref().map(parse_id).transpose()?,
        open: open != 0,
        revision: row.try_get(6).map_err(unreadable)?,
        doc: row.try_get(7).map_err(unreadable)?,
        facts: row.try_get(8).map_err(unreadable)?,
        deleted: deleted != 0,
    })
}

fn id_at(row: &AnyRow, column: usize) -> Result<Uuid, Error> {
    let text: String = row.try_get(column).map_err(unreadable)?;
    parse_id(&text)
}

fn parse_id(text: &str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|e| unreadable(sqlx::Error::Decode(Box::new(e))))
}

fn unreadable(source: sqlx::Error) -> Error {
    Error::Corrupt { what: "reading a row", source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The history grows without end; looking at a Deployment must not get slower with it.
    #[tokio::test]
    async fn an_index_serves_every_query() {
        let store = Store::in_memory().await.unwrap();
        let owned =
            Filter { owner: Some(Uuid::nil()), before: Some(Uuid::nil()), ..Filter::default() };
        let (all, owned) = (list_sql(&Filter::default()), list_sql(&owned));
        for (sql, index) in [
            (BY_NAME, "objects_by_name (kind=? AND namespace=? AND name=?)"),
            (BY_ID, "sqlite_autoindex_objects_1 (id=?)"),
            (IDS, "objects_by_kind (kind=?)"),
            (&all, "objects_by_kind (kind=?)"),
            (&owned, "objects_by_owner (owner=? AND kind=? AND created<?)"),
            (DEPLOYMENT, "objects_open (owner=?)"),
            (OPEN_JOBS, "objects_open (owner>?)"),
            (CHANGES, "objects_by_revision (revision>?)"),
        ] {
            let rows = store
                .rows(sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))))
                .await
                .unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.try_get(3).unwrap()).collect();
            assert!(plan.iter().any(|step| step.contains(index)), "{sql}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{sql}: {plan:#?}");
        }
    }
}
