//! The schema and its versions: which scripts exist, which a database has seen, and when to keep hands off.
//!
//! Scripts only move forward. A database that a newer program wrote, or that is not ours, is refused before anything
//! is opened for writing.

use std::path::Path;

use sqlx::{AnyConnection, Connection, Row};

use crate::Error;
use crate::connection::{Lane, connect, url};

/// All scripts in order; the position plus one is the schema version.
const SCRIPTS: [(&str, &str); 3] = [
    ("objects", include_str!("../migrations/sqlite/0001_objects.sql")),
    ("access", include_str!("../migrations/sqlite/0002_access.sql")),
    ("ledger", include_str!("../migrations/sqlite/0003_ledger.sql")),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations \
     (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";
const TABLES: &str =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' LIMIT 1000";
const VERSION: &str = "SELECT COALESCE(MAX(number), 0) FROM migrations";
const APPLIED: &str = "INSERT INTO migrations (number, name, applied_at) VALUES ($1, $2, $3)";

/// The newest schema that this program knows.
pub(crate) fn known() -> i64 {
    i64::try_from(SCRIPTS.len()).unwrap_or(i64::MAX)
}

/// Looks at an existing file through a connection that cannot write, and refuses what is not ours to open.
pub(crate) async fn inspect(path: &Path) -> Result<(), Error> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.len() > 0 => {}
        // Nothing there yet, or an empty file: ours to fill. Anything else shows itself when it is opened.
        _ => return Ok(()),
    }
    let mut connection = connect(&url(path, "ro")?, "PRAGMA busy_timeout = 5000").await?;
    let tables = table_names(&mut connection).await;
    let result = match tables {
        Err(error) => Err(error),
        Ok(tables) if tables.is_empty() => Ok(()),
        Ok(tables) if tables.iter().any(|name| name == "migrations") => {
            refuse_newer(&mut connection).await
        }
        Ok(_) => Err(Error::Foreign { path: path.to_owned() }),
    };
    connection.close().await.map_err(|e| Error::of("closing", e))?;
    result
}

/// Runs the scripts that the database has not seen, all in one transaction.
pub(crate) async fn migrate(writer: &Lane) -> Result<(), Error> {
    let mut transaction = writer.begin().await?;
    let applied = apply(transaction.connection()).await;
    transaction.finish(applied).await
}

async fn apply(connection: &mut AnyConnection) -> Result<(), Error> {
    let failed = |source| Error::of("changing the schema", source);
    sqlx::query(TABLE).execute(&mut *connection).await.map_err(failed)?;
    let found = refuse_newer_version(connection).await?;
    for (number, (name, script)) in (1_i64..).zip(SCRIPTS) {
        if number <= found {
            continue;
        }
        sqlx::raw_sql(script).execute(&mut *connection).await.map_err(failed)?;
        sqlx::query(APPLIED)
            .bind(number)
            .bind(name)
            .bind(jiff::Timestamp::now().as_millisecond())
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        tracing::info!(number, name, "changed the database schema");
    }
    Ok(())
}

async fn refuse_newer(connection: &mut AnyConnection) -> Result<(), Error> {
    refuse_newer_version(connection).await.map(|_| ())
}

async fn refuse_newer_version(connection: &mut AnyConnection) -> Result<i64, Error> {
    let failed = |source| Error::of("reading the schema version", source);
    let row = sqlx::query(VERSION).fetch_one(connection).await.map_err(failed)?;
    let found: i64 = row.try_get(0).map_err(failed)?;
    if found > known() { Err(Error::Newer { found, known: known() }) } else { Ok(found) }
}

async fn table_names(connection: &mut AnyConnection) -> Result<Vec<String>, Error> {
    let failed = |source| Error::of("reading the schema", source);
    let rows = sqlx::query(TABLES).fetch_all(connection).await.map_err(failed)?;
    rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
}
