//! File work off the async threads, and for no longer than somebody may wait.
//!
//! ```text
//!   caller ──► room for one more? ──► a thread does the work ──► answer
//!                                          │ 5 s
//!                                          └──► "did not answer"; the thread hangs on, the caller does not
//! ```
//!
//! A file system that hangs (a lost NFS server, for example) takes the thread with it, and nothing can be done about
//! that. So that it takes only one: as long as work on a subject hangs, more work on it is refused at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

/// Work at the same time; the runtime has several times as many threads for it.
const THREADS_MAX: usize = 64;

/// Does file work and waits for it, within limits.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    threads: Arc<Semaphore>,
    /// The oldest unfinished work on each subject.
    under_way: Mutex<HashMap<String, (Instant, AbortHandle)>>,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        let threads = Arc::new(Semaphore::new(THREADS_MAX));
        Self { limit, threads, under_way: Mutex::default() }
    }

    /// The result of `work`, or an error of kind `TimedOut` after the limit; the work goes on then. `subject` names
    /// what the work may hang on. The error's text is always the same.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        subject: String,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let began = Instant::now();
        let deadline = began + self.limit;
        if self.is_hanging(&subject) {
            return Err(self.late());
        }
        let permit = timeout_at(deadline, self.threads.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| self.late())?.map_err(io::Error::other)?;
        let mut task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        // Only the oldest counts; noted before the wait, because this future may be dropped in it.
        let ours = (began, task.abort_handle());
        self.under_way().entry(subject.clone()).or_insert(ours);
        let done = timeout_at(deadline, &mut task).await.map_err(|_| self.late())?;
        let mut under_way = self.under_way();
        if under_way.get(&subject).is_some_and(|(_, oldest)| oldest.is_finished()) {
            under_way.remove(&subject);
        }
        done.unwrap_or_else(|_| Err(interrupted()))
    }

    fn is_hanging(&self, subject: &str) -> bool {
        let mut under_way = self.under_way();
        match under_way.get(subject) {
            Some((_, task)) if task.is_finished() => {
                under_way.remove(subject);
                false
            }
            Some((began, _)) => began.elapsed() >= self.limit,
            None => false,
        }
    }

    fn late(&self) -> io::Error {
        let limit = self.limit.as_secs_f32();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the file system did not answer within {limit} s"),
        )
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, (Instant, AbortHandle)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs file work where it may block; for tasks that nobody waits for.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(interrupted()))
}

/// The runtime's own text has a number in it.
fn interrupted() -> io::Error {
    io::Error::other("the work was interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_hangs_keeps_nobody_waiting_and_takes_one_thread() {
        let patience = Patience::new(Duration::from_millis(50));
        let (answer, hang) = std::sync::mpsc::channel::<()>();
        let hanging = move || hang.recv().map_err(io::Error::other);
        let first = patience.wait("a".to_owned(), hanging).await.unwrap_err();
        assert_eq!(first.kind(), io::ErrorKind::TimedOut);
        let refused = patience.wait("a".to_owned(), || -> io::Result<()> { unreachable!() }).await;
        assert_eq!(refused.unwrap_err().to_string(), first.to_string());
        assert_eq!(patience.wait("b".to_owned(), || Ok(1)).await.unwrap(), 1);
        answer.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while patience.wait("a".to_owned(), || Ok(())).await.is_err() {
            assert!(Instant::now() < deadline, "it never recovers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(patience.under_way().is_empty());
    }
}
