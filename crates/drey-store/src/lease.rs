//! Leases: who may act now, and a number that tells yesterday's holder from today's.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;

use crate::{Error, Store};

const ACQUIRE: &str = "INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, $2, 1, $3) \
     ON CONFLICT (name) DO UPDATE SET \
       epoch = leases.epoch + CASE WHEN leases.holder = excluded.holder THEN 0 ELSE 1 END, \
       holder = excluded.holder, expires_at = excluded.expires_at \
     WHERE leases.holder = excluded.holder OR leases.expires_at <= $4 \
     RETURNING epoch, expires_at";
const RELEASE: &str =
    "UPDATE leases SET holder = '', expires_at = 0 WHERE name = $1 AND holder = $2";

/// The right to act, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Grows at each change of holder; goes into [`Write::Fence`](crate::Write::Fence).
    pub epoch: i64,
    /// When others may take it.
    pub expires_at: Timestamp,
}

impl Store {
    /// Takes the lease, or renews it; `None` while somebody else holds it. A holder must be a name that no other run
    /// of the program ever uses: whoever comes back under the same name keeps the epoch.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Option<Lease>, Error> {
        let until =
            i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).saturating_add(now.as_millisecond());
        let query =
            sqlx::query(ACQUIRE).bind(name).bind(holder).bind(until).bind(now.as_millisecond());
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let taken = query.fetch_optional(transaction.connection()).await.map_err(failed);
            transaction.finish(taken).await
        };
        let Some(row) = self.run(work).await? else {
            return Ok(None);
        };
        let epoch = row.try_get(0).map_err(failed)?;
        let expires_at: i64 = row.try_get(1).map_err(failed)?;
        let expires_at = Timestamp::from_millisecond(expires_at).unwrap_or(Timestamp::MAX);
        Ok(Some(Lease { epoch, expires_at }))
    }

    /// Gives the lease back, so that another holder need not wait for its end. Nothing happens when it is not held.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let query = sqlx::query(RELEASE).bind(name).bind(holder);
            let released = query.execute(transaction.connection()).await.map_err(failed);
            transaction.finish(released).await
        };
        self.run(work).await.map(|_| ())
    }
}

fn failed(source: sqlx::Error) -> Error {
    Error::of("taking a lease", source)
}
