//! API tokens and sessions: what a client shows to say who it is. Secrets are not kept, only their SHA-256.
//!
//! Does not own what a secret looks like or how it is compared (`drey-server`), or what a role allows (`drey_model`).

use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

use crate::namespace::check_active;
use crate::{Error, Store};

/// Tokens of one namespace.
const TOKENS_MAX: i64 = 10_000;

const BY_ID: &str =
    "SELECT id, namespace, name, role, hash, created_at FROM api_tokens WHERE id = $1";
const BY_NAME: &str = "SELECT id, namespace, name, role, hash, created_at FROM api_tokens \
     WHERE namespace = $1 AND name = $2";
const LIST: &str = "SELECT id, namespace, name, role, hash, created_at FROM api_tokens \
     WHERE namespace = $1 ORDER BY name LIMIT $2";
const CREATE: &str = "INSERT INTO api_tokens (id, namespace, name, role, hash, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
const DELETE: &str = "DELETE FROM api_tokens WHERE namespace = $1 AND name = $2";
const DELETE_ALL: &str = "DELETE FROM api_tokens WHERE namespace = $1";

const OPEN_SESSION: &str = "INSERT INTO sessions (hash, doc, expires_at) VALUES ($1, $2, $3)";
const SESSION: &str = "SELECT doc FROM sessions WHERE hash = $1 AND expires_at > $2";
const CLOSE_SESSION: &str = "DELETE FROM sessions WHERE hash = $1";
const PURGE_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at <= $1";

/// An API token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Unique; part of the secret, so that a token is found without searching.
    pub id: Uuid,
    /// The namespace that it is for.
    pub namespace: String,
    /// Unique in its namespace.
    pub name: String,
    /// What it may do there.
    pub role: String,
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// The token with this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn api_token_by_id(&self, id: Uuid) -> Result<Option<ApiToken>, Error> {
        self.rows(sqlx::query(BY_ID).bind(id.to_string())).await?.first().map(token).transpose()
    }

    /// The token of this namespace with this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn api_token(&self, namespace: &str, name: &str) -> Result<Option<ApiToken>, Error> {
        let query = sqlx::query(BY_NAME).bind(namespace).bind(name);
        self.rows(query).await?.first().map(token).transpose()
    }

    /// The tokens of a namespace by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn api_tokens(&self, namespace: &str) -> Result<Vec<ApiToken>, Error> {
        let query = sqlx::query(LIST).bind(namespace).bind(TOKENS_MAX);
        self.rows(query).await?.iter().map(token).collect()
    }

    /// Stores a new token; `false` when the name is taken.
    ///
    /// # Errors
    /// [`Error::Closed`] when the namespace is not active.
    pub async fn create_api_token(&self, token: &ApiToken) -> Result<bool, Error> {
        let query = sqlx::query(CREATE)
            .bind(token.id.to_string())
            .bind(token.namespace.as_str())
            .bind(token.name.as_str())
            .bind(token.role.as_str())
            .bind(token.hash.as_str())
            .bind(token.created_at.as_millisecond());
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let created = match check_active(transaction.connection(), &token.namespace).await {
                Ok(()) => query.execute(transaction.connection()).await.map_err(failed),
                Err(error) => Err(error),
            };
            transaction.finish(created).await
        };
        Ok(self.run(work).await?.rows_affected() == 1)
    }

    /// Removes a token; `false` when there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_api_token(&self, namespace: &str, name: &str) -> Result<bool, Error> {
        Ok(self.execute(sqlx::query(DELETE).bind(namespace).bind(name)).await? == 1)
    }

    /// Removes all tokens of a namespace. Returns how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_api_tokens(&self, namespace: &str) -> Result<u64, Error> {
        self.execute(sqlx::query(DELETE_ALL).bind(namespace)).await
    }

    /// Opens a session under the SHA-256 of its secret.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn open_session(
        &self,
        hash: &str,
        doc: &str,
        expires_at: Timestamp,
    ) -> Result<(), Error> {
        let until = expires_at.as_millisecond();
        self.execute(sqlx::query(OPEN_SESSION).bind(hash).bind(doc).bind(until)).await.map(|_| ())
    }

    /// The document of a session that has not expired.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session(&self, hash: &str, now: Timestamp) -> Result<Option<String>, Error> {
        let query = sqlx::query(SESSION).bind(hash).bind(now.as_millisecond());
        let rows = self.rows(query).await?;
        rows.first().map(|row| row.try_get(0).map_err(unreadable)).transpose()
    }

    /// Ends a session; nothing happens when there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn close_session(&self, hash: &str) -> Result<(), Error> {
        self.execute(sqlx::query(CLOSE_SESSION).bind(hash)).await.map(|_| ())
    }

    /// Forgets sessions that have expired. Returns how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_sessions(&self, now: Timestamp) -> Result<u64, Error> {
        self.execute(sqlx::query(PURGE_SESSIONS).bind(now.as_millisecond())).await
    }
}

fn token(row: &AnyRow) -> Result<ApiToken, Error> {
    let id: String = row.try_get(0).map_err(unreadable)?;
    let created_at: i64 = row.try_get(5).map_err(unreadable)?;
    Ok(ApiToken {
        id: Uuid::parse_str(&id).map_err(|e| unreadable(sqlx::Error::Decode(Box::new(e))))?,
        namespace: row.try_get(1).map_err(unreadable)?,
        name: row.try_get(2).map_err(unreadable)?,
        role: row.try_get(3).map_err(unreadable)?,
        hash: row.try_get(4).map_err(unreadable)?,
        created_at: Timestamp::from_millisecond(created_at).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

fn unreadable(source: sqlx::Error) -> Error {
    Error::Corrupt { what: "reading a token", source }
}

fn failed(source: sqlx::Error) -> Error {
    Error::of("storing a token", source)
}
