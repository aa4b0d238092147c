//! Claims about lists, the watch and upkeep.

use std::collections::BTreeSet;
use std::time::Duration;

use drey_model::Kind;
use drey_store::{Filter, Object, Store, Write};
use jiff::Timestamp;

use crate::{child, create, delete, names, new};

pub(crate) async fn purging_forgets_and_says_so(store: Store) {
    let (a, b) = (new(Kind::Job, "a"), new(Kind::Job, "b"));
    store.commit(&[create(&a), create(&b)]).await.unwrap();
    assert_eq!(store.oldest_change().await.unwrap(), 0);
    let gone = store.commit(&[delete(&a, 1)]).await.unwrap();
    assert_eq!(store.purge_tombstones(Timestamp::UNIX_EPOCH).await.unwrap(), 0);
    assert_eq!(store.oldest_change().await.unwrap(), 0);
    let later = Timestamp::now() + Duration::from_secs(3600);
    assert_eq!(store.purge_tombstones(later).await.unwrap(), 1);
    assert_eq!(store.purge_tombstones(later).await.unwrap(), 0);
    assert_eq!(store.oldest_change().await.unwrap(), gone);
    assert_eq!(names(&store.changes(0, 10).await.unwrap()), ["b"]);
    assert_eq!(store.revision().await.unwrap(), gone, "numbers are never given out twice");
}

pub(crate) async fn lists_are_newest_first_whatever_is_written_later(store: Store) {
    let owner = new(Kind::Deployment, "owner");
    let mut jobs: Vec<Object> = (0..5)
        .map(|n| Object { name: format!("j{n}"), ..child(Kind::Job, &owner, true) })
        .collect();
    jobs[4].namespace = "other".to_owned();
    jobs[3].owner = None;
    for job in &jobs {
        store.commit(&[create(job)]).await.unwrap();
    }
    store.commit(&[Write::Update(jobs[0].clone(), 1)]).await.unwrap();
    let list = async |filter: Filter| {
        let found = store.list(Kind::Job, &filter).await.unwrap();
        found.into_iter().map(|job| job.name).collect::<Vec<_>>()
    };
    let namespace = Some("default".to_owned());
    assert_eq!(list(Filter::default()).await, ["j4", "j3", "j2", "j1", "j0"]);
    assert_eq!(
        list(Filter { namespace: namespace.clone(), ..Filter::default() }).await,
        ["j3", "j2", "j1", "j0"]
    );
    assert_eq!(
        list(Filter { owner: Some(owner.id), ..Filter::default() }).await,
        ["j4", "j2", "j1", "j0"]
    );
    assert_eq!(list(Filter { limit: Some(2), ..Filter::default() }).await, ["j4", "j3"]);
    let page =
        Filter { namespace, owner: Some(owner.id), before: Some(jobs[2].id), limit: Some(1) };
    assert_eq!(list(page).await, ["j1"]);
    assert_eq!(store.ids(Kind::Job).await.unwrap().first(), Some(&jobs[0].id));
}

pub(crate) async fn a_deployment_comes_with_its_open_children(store: Store) {
    let owner = new(Kind::Deployment, "owner");
    let (done, running) = (child(Kind::Job, &owner, false), child(Kind::Job, &owner, true));
    let (savepoint, event) =
        (child(Kind::Savepoint, &owner, true), child(Kind::Event, &owner, true));
    let all = [&owner, &done, &running, &savepoint, &event].map(create);
    store.commit(&all).await.unwrap();
    let (found, children) = store.deployment(owner.id).await.unwrap().unwrap();
    assert_eq!(found.id, owner.id);
    assert_eq!(names(&children), [&savepoint.name, &running.name]);
    let closed = Object { open: false, ..savepoint };
    store.commit(&[Write::Update(closed, 4)]).await.unwrap();
    assert_eq!(names(&store.deployment(owner.id).await.unwrap().unwrap().1), [&running.name]);
}

pub(crate) async fn trimming_keeps_the_newest_events(store: Store) {
    let (owner, other) = (new(Kind::Deployment, "a"), new(Kind::Deployment, "b"));
    let mut writes =
        vec![create(&owner), create(&other), create(&child(Kind::Event, &other, false))];
    writes.extend(
        (0..6).map(|n| {
            create(&Object { name: format!("e{n}"), ..child(Kind::Event, &owner, false) })
        }),
    );
    store.commit(&writes).await.unwrap();
    assert_eq!(store.trim_events(owner.id, 6).await.unwrap(), 0);
    assert_eq!(store.trim_events(owner.id, 2).await.unwrap(), 4);
    let filter = Filter { owner: Some(owner.id), ..Filter::default() };
    assert_eq!(names(&store.list(Kind::Event, &filter).await.unwrap()), ["e5", "e4"]);
    assert_eq!(store.list(Kind::Event, &Filter::default()).await.unwrap().len(), 3);
    assert_eq!(store.trim_events(owner.id, 0).await.unwrap(), 2);
}

pub(crate) async fn a_damaged_document_names_its_object(store: Store) {
    let broken =
        Object { doc: "{".to_owned(), facts: Some("7".to_owned()), ..new(Kind::Job, "broken") };
    store.commit(&[create(&broken), create(&new(Kind::Job, "fine"))]).await.unwrap();
    let found = store.list(Kind::Job, &Filter::default()).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].decode_facts::<Vec<u8>>().unwrap(), Vec::<u8>::new());
    for error in [
        found[1].decode::<serde_json::Value>().unwrap_err(),
        found[1].decode_facts::<Vec<u8>>().unwrap_err(),
    ] {
        assert!(error.to_string().contains("broken"), "{error}");
        assert!(!error.is_transient());
    }
}

/// Eight writers, one watcher: it sees every number, in order, exactly once.
pub(crate) async fn a_watch_never_skips(store: Store) {
    const WRITERS: usize = 8;
    const COMMITS: usize = 25;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for _ in 0..COMMITS {
                store
                    .commit(&[create(&new(Kind::Event, "")), create(&new(Kind::Job, ""))])
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
        }));
    }
    let (mut seen, mut hint, mut ids) = (0, store.hint(), BTreeSet::new());
    let watch = async {
        loop {
            for object in store.changes(seen, 7).await.unwrap() {
                assert_eq!(object.revision, seen + 1, "a number is missing or late");
                seen = object.revision;
                assert!(ids.insert(object.id));
            }
            if ids.len() == WRITERS * COMMITS * 2 {
                break;
            }
            if seen >= *hint.borrow_and_update() {
                hint.changed().await.unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), watch).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.statistics().commits, (WRITERS * COMMITS) as u64);
    assert_eq!(store.statistics().rows_written, (WRITERS * COMMITS * 2) as u64);
}
