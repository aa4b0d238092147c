//! The handle: opening, sharing, and the two ways into the database (one read, one transaction).
//!
//! In a file, a commit runs in its own task: a caller that goes away in the middle (a closed HTTP connection) neither
//! stops it nor keeps watchers from hearing of it. In memory, every call finishes within one poll, so that tests and
//! the simulator see the same order of events in every run, whatever clock they use.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Executor};
use tokio::sync::watch;

use crate::connection::{Lane, READER, READERS_MAX, WRITER, url};
use crate::{Error, Write, commit, schema};

/// SQLite reports a lock at once, without waiting, where waiting would be a deadlock. That, and nothing slower, is
/// tried once more.
const BUSY_WAIT_MIN: Duration = Duration::from_secs(1);

/// The database. Cheap to clone; all clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) writer: Arc<Lane>,
    readers: Arc<Lane>,
    in_memory: bool,
    hint: watch::Sender<i64>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    rows_written: AtomicU64,
    reads: AtomicU64,
    retries: AtomicU64,
}

/// What the store has done since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Transactions that were committed by [`Store::commit`].
    pub commits: u64,
    /// Changes within them; a deletion counts once, however much goes with it.
    pub rows_written: u64,
    /// Queries that only read.
    pub reads: u64,
    /// Commits that were tried once more because another process was in the way for a moment.
    pub retries: u64,
}

/// Makes the file when it is missing, for this user only: specs and the audit log are not for everybody. The files that
/// SQLite puts beside it get the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // What is wrong with a file that is there is said by those who read it.
        Err(error) if !path.exists() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Store {
    /// Opens the database in this file; makes the folder and the file when they are missing.
    ///
    /// # Errors
    /// [`Error::Newer`] and [`Error::Foreign`] when the file is not for this program; it is left as it is.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(|source| Error::Place { path: path.to_owned(), source })?;
        }
        make_private(path).map_err(|source| Error::Place { path: path.to_owned(), source })?;
        schema::inspect(path).await?;
        let url = url(path, "rwc")?;
        let writer = Lane::file(url.clone(), WRITER, 1);
        let readers = Lane::file(url, READER, READERS_MAX);
        Self::over(Arc::new(writer), Arc::new(readers), false).await
    }

    /// An empty database that is gone with its last handle; for tests and the simulator.
    ///
    /// # Errors
    /// Only when there is no memory left.
    pub async fn in_memory() -> Result<Self, Error> {
        let lane = Arc::new(at_once(Lane::memory())?);
        Self::over(Arc::clone(&lane), lane, true).await
    }

    async fn over(writer: Arc<Lane>, readers: Arc<Lane>, in_memory: bool) -> Result<Self, Error> {
        let hint = watch::Sender::new(0);
        let store = Self {
            inner: Arc::new(Inner { writer, readers, in_memory, hint, counts: Counts::default() }),
        };
        store.run(schema::migrate(&store.inner.writer)).await?;
        let newest = store.revision().await?;
        store.inner.hint.send_replace(newest);
        Ok(store)
    }

    /// Applies all changes, or none. Every row that is written gets its own next number, in the order given; what a
    /// deletion takes along comes after it. Returns the last number given out.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Taken`], [`Error::Fenced`] as [`Write`] says; [`Error::Busy`] and [`Error::Full`]
    /// pass by themselves.
    pub async fn commit(&self, writes: &[Write]) -> Result<i64, Error> {
        if self.inner.in_memory {
            return at_once(self.commit_here(writes));
        }
        let (store, writes) = (self.clone(), writes.to_vec());
        let task = tokio::spawn(async move { store.commit_here(&writes).await });
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Stopped),
            },
        }
    }

    /// Applies all changes and undoes them at once: fails as [`Store::commit`] would, and changes nothing.
    ///
    /// # Errors
    /// Those of [`Store::commit`].
    pub async fn rehearse(&self, writes: &[Write]) -> Result<(), Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let applied = commit::apply(transaction.connection(), writes).await;
            transaction.undo(applied.map(|_| ())).await
        };
        self.run(work).await
    }

    /// The newest revision that this process committed or found when it opened the database. Other processes' commits
    /// show only in [`Store::changes`], so a watcher looks there now and then as well.
    #[must_use]
    pub fn hint(&self) -> watch::Receiver<i64> {
        self.inner.hint.subscribe()
    }

    /// Counters since the database was opened.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counts = &self.inner.counts;
        Statistics {
            commits: counts.commits.load(Ordering::Relaxed),
            rows_written: counts.rows_written.load(Ordering::Relaxed),
            reads: counts.reads.load(Ordering::Relaxed),
            retries: counts.retries.load(Ordering::Relaxed),
        }
    }

    /// Closes the database for all handles, once the calls under way are done. Optional: everything committed is safe
    /// without it. Later calls fail with [`Error::Stopped`].
    pub async fn close(&self) {
        let closing = async {
            self.inner.readers.close().await;
            self.inner.writer.close().await;
        };
        self.run(closing).await;
    }

    /// Runs a statement on the writing connection. For tests, which use it to fill up the disk.
    ///
    /// # Errors
    /// Whatever the database says.
    #[doc(hidden)]
    pub async fn raw(&self, sql: &'static str) -> Result<(), Error> {
        let work = async {
            let mut held = self.inner.writer.take().await?;
            let result = held.connection.execute(sql).await;
            self.inner.writer.give(held, result.is_ok());
            result.map(|_| ()).map_err(|source| Error::of("running a statement", source))
        };
        self.run(work).await
    }

    /// Reads; the one way to the readers.
    pub(crate) async fn rows(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, Error> {
        let work = async {
            let mut held = self.inner.readers.take().await?;
            let result = query.fetch_all(&mut held.connection).await;
            self.inner.readers.give(held, result.is_ok());
            self.inner.counts.reads.fetch_add(1, Ordering::Relaxed);
            result.map_err(|source| Error::of("reading", source))
        };
        self.run(work).await
    }

    /// Runs one writing statement as a transaction of its own; how many rows it changed. Outside of objects: their
    /// writes get numbers, in [`Store::commit`].
    pub(crate) async fn execute(&self, query: Query<'_, Any, AnyArguments>) -> Result<u64, Error> {
        let work = async {
            let mut transaction = self.inner.writer.begin().await?;
            let done = query.execute(transaction.connection()).await;
            transaction.finish(done.map_err(|source| Error::of("writing", source))).await
        };
        self.run(work).await.map(|done| done.rows_affected())
    }

    /// Finishes `work` within one poll when the database is in memory; see the head of this file.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        if self.inner.in_memory { at_once(work) } else { work.await }
    }

    async fn commit_here(&self, writes: &[Write]) -> Result<i64, Error> {
        let started = Instant::now();
        let mut result = self.commit_once(writes).await;
        if matches!(result, Err(Error::Busy)) && started.elapsed() < BUSY_WAIT_MIN {
            self.inner.counts.retries.fetch_add(1, Ordering::Relaxed);
            result = self.commit_once(writes).await;
        }
        let last = result?;
        let counts = &self.inner.counts;
        counts.commits.fetch_add(1, Ordering::Relaxed);
        counts.rows_written.fetch_add(commit::rows(writes).unsigned_abs(), Ordering::Relaxed);
        self.announce(last);
        Ok(last)
    }

    /// Says that something up to this revision was written.
    pub(crate) fn announce(&self, last: i64) {
        self.inner.hint.send_if_modified(|newest| {
            let newer = last > *newest;
            *newest = last.max(*newest);
            newer
        });
    }

    async fn commit_once(&self, writes: &[Write]) -> Result<i64, Error> {
        let mut transaction = self.inner.writer.begin().await?;
        let applied = commit::apply(transaction.connection(), writes).await;
        transaction.finish(applied).await
    }
}

/// Drives a future to its end on this thread. The database's own thread does the work meanwhile, and tokio's fairness
/// budget is set aside because nobody would renew it.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(tokio::task::unconstrained(work));
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
