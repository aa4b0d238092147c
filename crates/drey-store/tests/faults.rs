//! Files in trouble: full disks, other processes, kills in the middle, and files that are not ours.

// Helpers of tests are tests, which clippy cannot see.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use drey_model::Kind;
use drey_store::{Error, Filter, Object, Store, Write};
use sqlx::{AnyConnection, Connection, Executor};
use uuid::Uuid;

fn job(doc_len: usize) -> Write {
    let id = Uuid::now_v7();
    Write::Create(Object {
        kind: Kind::Job,
        namespace: "default".to_owned(),
        name: id.to_string(),
        id,
        owner: None,
        open: false,
        revision: 0,
        doc: format!("\"{}\"", "x".repeat(doc_len)),
        facts: None,
        deleted: false,
    })
}

async fn jobs(store: &Store) -> usize {
    store.list(Kind::Job, &Filter::default()).await.unwrap().len()
}

async fn raw(path: &Path) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap()
}

#[tokio::test]
async fn what_is_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder with space/drey #1%.db");
    let store = Store::open(&path).await.unwrap();
    let last = store.commit(&[job(1), job(1)]).await.unwrap();
    store.close().await;
    assert!(matches!(store.commit(&[job(1)]).await, Err(Error::Stopped)));
    assert!(matches!(store.revision().await, Err(Error::Stopped)));

    assert!(path.is_file());
    for _ in 0..2 {
        let store = Store::open(&path).await.unwrap();
        assert_eq!((jobs(&store).await, *store.hint().borrow()), (2, last));
    }
}

/// What a kill or a power cut leaves is the files as they are, without any goodbye.
#[tokio::test]
async fn what_is_committed_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drey.db");
    let store = Store::open(&path).await.unwrap();
    for round in 1..=5 {
        store.commit(&[job(5_000), job(1)]).await.unwrap();
        let copy = folder.path().join(format!("copy-{round}.db"));
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(
            folder.path().join("drey.db-wal"),
            folder.path().join(format!("copy-{round}.db-wal")),
        )
        .unwrap();
        assert_eq!(jobs(&Store::open(&copy).await.unwrap()).await, round * 2);
    }
}

/// What is left when the program is killed between making the file and filling it.
#[tokio::test]
async fn an_empty_file_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drey.db");
    std::fs::write(&path, "").unwrap();
    assert_eq!(Store::open(&path).await.unwrap().revision().await.unwrap(), 0);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drey.db");
    let store = Store::open(&path).await.unwrap();
    store.commit(&[job(1)]).await.unwrap();
    store.raw("INSERT INTO migrations VALUES (999, 'from the future', 0)").await.unwrap();

    // Also while the new version still sits in the write-ahead log.
    assert!(matches!(Store::open(&path).await, Err(Error::Newer { found: 999, known: 3 })));
    store.close().await;
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path).await.err().unwrap();
    assert!(matches!(error, Error::Newer { found: 999, known: 3 }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn files_that_are_not_ours_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "no database at all, but long enough to be looked at closely".repeat(20))
        .unwrap();
    let before = std::fs::read(&text).unwrap();
    assert!(matches!(Store::open(&text).await, Err(Error::Corrupt { .. })));
    assert_eq!(std::fs::read(&text).unwrap(), before);

    let foreign = folder.path().join("foreign.db");
    let mut other = raw(&foreign).await;
    other.execute("CREATE TABLE music (title TEXT)").await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(Store::open(&foreign).await, Err(Error::Foreign { .. })));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let folder_itself = Store::open(folder.path()).await.err().unwrap();
    assert!(matches!(folder_itself, Error::Database { .. }), "{folder_itself:?}");
    assert!(matches!(Store::open(&text.join("below")).await, Err(Error::Place { .. })));
}

async fn a_full_disk_refuses_and_recovers(store: Store) {
    let mut read = store.commit(&[job(1)]).await.unwrap();
    store.raw("PRAGMA max_page_count = 60").await.unwrap();
    let error = loop {
        match store.commit(&[job(10_000), job(10_000)]).await {
            Ok(revision) => read = revision,
            Err(error) => break error,
        }
        assert!(read < 100, "the limit is not in force");
    };
    assert!(matches!(error, Error::Full) && error.is_transient(), "{error:?}");
    let left = usize::try_from(read).unwrap();
    for _ in 0..3 {
        assert!(matches!(store.commit(&[job(1), job(300_000)]).await, Err(Error::Full)));
        assert_eq!((jobs(&store).await, store.revision().await.unwrap()), (left, read));
    }
    store.raw("PRAGMA max_page_count = 100000").await.unwrap();
    assert_eq!(store.commit(&[job(10_000), job(300_000)]).await.unwrap(), read + 2);
    assert_eq!(jobs(&store).await, left + 2);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    a_full_disk_refuses_and_recovers(Store::open(&folder.path().join("drey.db")).await.unwrap())
        .await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_in_memory() {
    a_full_disk_refuses_and_recovers(Store::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn a_locked_database_is_busy_for_writers_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drey.db");
    let store = Store::open(&path).await.unwrap();
    store.commit(&[job(1)]).await.unwrap();
    store.raw("PRAGMA busy_timeout = 1200").await.unwrap();

    let mut other = raw(&path).await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let started = Instant::now();
    let error = store.commit(&[job(1)]).await.unwrap_err();
    assert!(matches!(error, Error::Busy) && error.is_transient(), "{error:?}");
    assert!(started.elapsed() >= Duration::from_millis(1200), "it did not wait");
    assert_eq!(jobs(&store).await, 1);

    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(&[job(1)]).await }
    });
    tokio::task::yield_now().await;
    other.execute("ROLLBACK").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(jobs(&store).await, 2);
}

/// Polls a commit a few times and walks away: both rows are there, or none, and the next caller is served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_commit_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("drey.db")).await.unwrap();
    for micros in (0..3_000).step_by(100) {
        let writes = [job(1), job(1)];
        let commit = store.commit(&writes);
        let _ = tokio::time::timeout(Duration::from_micros(micros), commit).await;
        assert_eq!(jobs(&store).await % 2, 0);
    }
    store.commit(&[job(1)]).await.unwrap();
    assert_eq!(i64::try_from(jobs(&store).await).unwrap(), store.revision().await.unwrap());
}

/// The same for calls that have no task of their own: their connection closes, which undoes the transaction.
#[tokio::test]
async fn an_abandoned_lease_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("drey.db")).await.unwrap();
    let (ttl, now) = (Duration::from_secs(1), jiff::Timestamp::UNIX_EPOCH);
    for polls in 0..12 {
        let mut taking = Box::pin(store.acquire_lease("controller", "a", ttl, now));
        for _ in 0..polls {
            if poll_once(&mut taking).await {
                break;
            }
        }
        drop(taking);
        store.revision().await.unwrap();
    }
    let lease = store.acquire_lease("controller", "a", ttl, now).await.unwrap().unwrap();
    assert_eq!(lease.epoch, 1);
    store.commit(&[job(1)]).await.unwrap();
}

/// Polls once, after giving the database's thread a moment; tells whether the future is done.
async fn poll_once<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    tokio::time::sleep(Duration::from_millis(1)).await;
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())
    })
    .await
}

/// The simulator owns the clock; a wait for the database must not let it jump.
#[tokio::test(flavor = "current_thread")]
async fn in_memory_everything_happens_within_one_poll() {
    let store = Store::in_memory().await.unwrap();
    let writes = [job(1)];
    let mut commit = Box::pin(store.commit(&writes));
    assert!(poll_once(&mut commit).await);
    let mut reading = Box::pin(store.changes(0, 10));
    assert!(poll_once(&mut reading).await);
}
