//! Upkeep: what keeps the database from growing without end.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{Error, Store};

// The mark moves before the traces go, in the same transaction: a watcher can see that it missed something.
const MARK: &str = "UPDATE clock SET purged = (SELECT MAX(known.revision) FROM \
       (SELECT purged AS revision FROM clock WHERE id = 1 UNION ALL \
        SELECT revision FROM objects WHERE deleted = 1 AND deleted_at < $1) AS known) WHERE id = 1";
const PURGE: &str = "DELETE FROM objects WHERE deleted = 1 AND deleted_at < $1";
const TRIM: &str = "DELETE FROM objects WHERE owner = $1 AND kind = 'Event' AND deleted = 0 AND created <= \
     (SELECT created FROM objects WHERE owner = $1 AND kind = 'Event' AND deleted = 0 \
      ORDER BY created DESC LIMIT 1 OFFSET $2)";

impl Store {
    /// Forgets objects that were deleted before this time (by the wall clock). Returns how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_tombstones(&self, before: Timestamp) -> Result<u64, Error> {
        let before = before.as_millisecond();
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let marked = sqlx::query(MARK).bind(before).execute(transaction.connection()).await;
            let purged = match marked {
                Ok(_) => sqlx::query(PURGE).bind(before).execute(transaction.connection()).await,
                Err(error) => Err(error),
            };
            transaction.finish(purged.map_err(failed)).await
        };
        self.run(work).await.map(|done| done.rows_affected())
    }

    /// Keeps the newest events of a Deployment and removes the others. Returns how many went.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn trim_events(&self, owner: Uuid, keep: u32) -> Result<u64, Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let query = sqlx::query(TRIM).bind(owner.to_string()).bind(i64::from(keep));
            let trimmed = query.execute(transaction.connection()).await;
            transaction.finish(trimmed.map_err(failed)).await
        };
        self.run(work).await.map(|done| done.rows_affected())
    }
}

fn failed(source: sqlx::Error) -> Error {
    Error::of("cleaning up", source)
}
