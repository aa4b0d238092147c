//! Claims about commits: numbers, names, guards, leases and deletions.

use std::time::Duration;

use drey_model::Kind;
use drey_store::{Error, Filter, Object, Store, Write};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{child, create, delete, names, new};

pub(crate) async fn a_created_object_is_found_every_way(store: Store) {
    let mut wanted = new(Kind::Deployment, "a b/ü'\"");
    wanted.doc = r#"{"metadata":{"name":"ü'"}}"#.to_owned();
    wanted.facts = Some("[1]".to_owned());
    wanted.revision = store.commit(&[create(&wanted)]).await.unwrap();

    assert_eq!(wanted.revision, 1);
    assert_eq!(
        store.get(wanted.kind, "default", &wanted.name).await.unwrap().as_ref(),
        Some(&wanted)
    );
    assert_eq!(store.by_id(wanted.kind, wanted.id).await.unwrap().as_ref(), Some(&wanted));
    assert_eq!(store.by_id(Kind::Job, wanted.id).await.unwrap(), None);
    assert_eq!(store.get(wanted.kind, "other", &wanted.name).await.unwrap(), None);
    assert_eq!(store.list(wanted.kind, &Filter::default()).await.unwrap(), vec![wanted.clone()]);
    assert_eq!(store.ids(wanted.kind).await.unwrap(), vec![wanted.id]);
    assert_eq!(store.deployment(wanted.id).await.unwrap(), Some((wanted.clone(), vec![])));
    assert_eq!(store.deployment(Uuid::now_v7()).await.unwrap(), None);
    assert_eq!(store.changes(0, 10).await.unwrap(), vec![wanted]);
}

pub(crate) async fn an_update_needs_the_revision_that_was_read(store: Store) {
    let mut object = new(Kind::Deployment, "a");
    let read = store.commit(&[create(&object)]).await.unwrap();
    object.doc = "[1]".to_owned();
    let newer = store.commit(&[Write::Update(object.clone(), read)]).await.unwrap();
    assert!(newer > read);

    object.doc = "[2]".to_owned();
    for late in [Write::Update(object.clone(), read), delete(&object, read)] {
        let error = store.commit(&[late]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { id, .. } if id == object.id), "{error}");
    }
    let found = store.by_id(object.kind, object.id).await.unwrap().unwrap();
    assert_eq!((found.doc.as_str(), found.revision), ("[1]", newer));
    assert_eq!(store.revision().await.unwrap(), newer);
}

pub(crate) async fn a_rehearsal_fails_like_the_real_thing_and_changes_nothing(store: Store) {
    let (first, second) = (new(Kind::Deployment, "a"), new(Kind::Deployment, "b"));
    let read = store.commit(&[create(&first)]).await.unwrap();
    let hint = store.hint();
    for writes in [
        vec![create(&second)],
        vec![Write::Update(Object { doc: "[1]".to_owned(), ..first.clone() }, read)],
        vec![create(&second), delete(&first, read)],
    ] {
        store.rehearse(&writes).await.unwrap();
    }
    let taken = store.rehearse(&[create(&second), create(&new(Kind::Deployment, "a"))]).await;
    assert!(matches!(taken, Err(Error::Taken { .. })), "{taken:?}");
    let late = store.rehearse(&[delete(&first, read + 1)]).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    assert_eq!((store.revision().await.unwrap(), hint.has_changed().unwrap()), (read, false));
    assert_eq!(names(&store.list(Kind::Deployment, &Filter::default()).await.unwrap()), ["a"]);
    assert_eq!(store.by_id(first.kind, first.id).await.unwrap().unwrap().doc, "{}");
    assert_eq!(store.commit(&[create(&second)]).await.unwrap(), read + 1, "no number is lost");
}

pub(crate) async fn of_two_who_added_up_the_same_only_the_first_takes(store: Store) {
    let read = store.ledger().await.unwrap();
    let after = |read| Write::Ledger { read };
    store.commit(&[create(&new(Kind::Job, "takes-nothing"))]).await.unwrap();
    assert_eq!(store.ledger().await.unwrap(), read, "who takes nothing is in nobody's way");
    store.rehearse(&[after(Some(read)), create(&new(Kind::Job, "first"))]).await.unwrap();
    store.commit(&[create(&new(Kind::Job, "first")), after(Some(read))]).await.unwrap();
    let second = store.commit(&[after(Some(read)), create(&new(Kind::Job, "second"))]).await;
    assert!(matches!(second, Err(Error::Outdated)), "{second:?}");
    assert!(second.is_err_and(|error| !error.is_transient()), "waiting does not help");
    let jobs = store.list(Kind::Job, &Filter::default()).await.unwrap();
    assert_eq!(names(&jobs), ["first", "takes-nothing"]);

    let read = store.ledger().await.unwrap();
    store.commit(&[create(&new(Kind::Job, "adds-nothing-up")), after(None)]).await.unwrap();
    let late = store.commit(&[after(Some(read))]).await;
    assert!(matches!(late, Err(Error::Outdated)), "{late:?}");
    let read = store.ledger().await.unwrap();
    store.commit(&[after(Some(read)), create(&new(Kind::Job, "second"))]).await.unwrap();
}

/// Whatever runs at the same moment.
pub(crate) async fn of_many_at_once_who_added_up_the_same_one_takes(store: Store) {
    let read = store.ledger().await.unwrap();
    let all = (0..8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let job = create(&new(Kind::Job, &number.to_string()));
            store.commit(&[job, Write::Ledger { read: Some(read) }]).await
        })
    });
    let all: Vec<_> = all.collect();
    let mut taken = 0;
    for one in all {
        match one.await.unwrap() {
            Ok(_) => taken += 1,
            Err(error) => assert!(matches!(error, Error::Outdated), "{error}"),
        }
    }
    assert_eq!((taken, store.ledger().await.unwrap()), (1, read + 1));
    assert_eq!(store.list(Kind::Job, &Filter::default()).await.unwrap().len(), 1);
}

pub(crate) async fn a_name_is_taken_per_kind_and_namespace(store: Store) {
    let first = new(Kind::Deployment, "a");
    let revision = store.commit(&[create(&first)]).await.unwrap();
    let error = store.commit(&[create(&new(Kind::Deployment, "a"))]).await.unwrap_err();
    assert!(matches!(&error, Error::Taken { name, .. } if name == "a"), "{error}");
    let same_id = Object { name: "b".to_owned(), ..first.clone() };
    assert!(matches!(store.commit(&[create(&same_id)]).await, Err(Error::Conflict { .. })));
    assert!(store.create_namespace("other", "{}", &[]).await.unwrap());
    let elsewhere = Object { namespace: "other".to_owned(), ..new(Kind::Deployment, "a") };
    store.commit(&[create(&elsewhere), create(&new(Kind::DeploymentTarget, "a"))]).await.unwrap();

    let again = new(Kind::Deployment, "a");
    store.commit(&[delete(&first, revision)]).await.unwrap();
    store.commit(&[create(&again)]).await.unwrap();
    assert_eq!(store.get(Kind::Deployment, "default", "a").await.unwrap().unwrap().id, again.id);
}

pub(crate) async fn nothing_is_written_when_a_part_fails(store: Store) {
    let seen = new(Kind::Deployment, "a");
    let read = store.commit(&[create(&seen)]).await.unwrap();
    let stale = Write::Guard { kind: seen.kind, id: seen.id, revision: read - 1 };
    let fenced = Write::Fence { lease: "controller".to_owned(), epoch: 1 };
    for last in [stale, fenced, create(&new(Kind::Deployment, "a"))] {
        let update = Write::Update(Object { doc: "[1]".to_owned(), ..seen.clone() }, read);
        store.commit(&[create(&new(Kind::Job, "")), update, last]).await.unwrap_err();
        assert_eq!(store.revision().await.unwrap(), read);
        assert_eq!(store.changes(0, 10).await.unwrap().len(), 1);
    }
    let fresh = Write::Guard { kind: seen.kind, id: seen.id, revision: read };
    assert_eq!(store.commit(std::slice::from_ref(&fresh)).await.unwrap(), read);
    assert_eq!(store.commit(&[]).await.unwrap(), read);
    assert_eq!(store.commit(&[fresh, create(&new(Kind::Job, ""))]).await.unwrap(), read + 1);
}

pub(crate) async fn each_row_of_a_commit_has_its_own_number(store: Store) {
    let (a, b, c) = (new(Kind::Job, "a"), new(Kind::Job, "b"), new(Kind::Job, "c"));
    let last = store.commit(&[create(&a), create(&b), create(&c)]).await.unwrap();
    let changes = store.changes(0, 10).await.unwrap();
    assert_eq!(names(&changes), ["a", "b", "c"]);
    assert_eq!(
        changes.iter().map(|object| object.revision).collect::<Vec<_>>(),
        [last - 2, last - 1, last]
    );
    assert_eq!(*store.hint().borrow(), last);
    assert_eq!(names(&store.changes(last - 2, 1).await.unwrap()), ["b"]);
}

pub(crate) async fn a_lease_changes_hands_and_fences_the_late(store: Store) {
    let (ttl, start) = (Duration::from_secs(10), Timestamp::from_second(1_000).unwrap());
    let at = |seconds| start + Duration::from_secs(seconds);
    let fence = |epoch| Write::Fence { lease: "controller".to_owned(), epoch };
    let acquire =
        async |holder, now| store.acquire_lease("controller", holder, ttl, now).await.unwrap();

    let first = acquire("a", at(0)).await.unwrap();
    assert_eq!((first.epoch, first.expires_at), (1, at(10)));
    assert_eq!(acquire("b", at(5)).await, None);
    let renewed = acquire("a", at(8)).await.unwrap();
    assert_eq!((renewed.epoch, renewed.expires_at), (1, at(18)));
    store.commit(&[fence(1), create(&new(Kind::Job, ""))]).await.unwrap();

    assert_eq!(acquire("b", at(18)).await.unwrap().epoch, 2);
    let error = store.commit(&[fence(1), create(&new(Kind::Job, ""))]).await.unwrap_err();
    assert!(matches!(error, Error::Fenced { epoch: 1, .. }), "{error}");
    store.commit(&[fence(2)]).await.unwrap();

    store.release_lease("controller", "a").await.unwrap();
    assert_eq!(acquire("a", at(19)).await, None, "only the holder gives it back");
    store.release_lease("controller", "b").await.unwrap();
    store.commit(&[fence(2)]).await.unwrap_err();
    assert_eq!(acquire("a", at(19)).await.unwrap().epoch, 3);
}

pub(crate) async fn a_deletion_takes_along_what_is_owned(store: Store) {
    let (doomed, other) = (new(Kind::Deployment, "doomed"), new(Kind::Deployment, "other"));
    let (job, savepoint) =
        (child(Kind::Job, &doomed, true), child(Kind::Savepoint, &doomed, false));
    let (event, survivor) = (child(Kind::Event, &doomed, false), child(Kind::Job, &other, true));
    let all = [&doomed, &other, &job, &savepoint, &event, &survivor].map(create);
    let written = store.commit(&all).await.unwrap();

    let before = store.changes(0, 1).await.unwrap();
    let last = store
        .commit(&[delete(&doomed, before[0].revision), create(&new(Kind::Job, "late"))])
        .await
        .unwrap();
    assert_eq!(last, written + 4);
    let changes = store.changes(written, 10).await.unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|object| (object.name.clone(), object.deleted, object.revision))
        .collect();
    let wanted = [
        ("doomed", true),
        ("late", false),
        (job.name.as_str(), true),
        (savepoint.name.as_str(), true),
    ];
    let wanted = wanted.map(|(name, deleted)| (name.to_owned(), deleted));
    let numbered: Vec<_> =
        (written + 1..).zip(wanted).map(|(n, (name, deleted))| (name, deleted, n)).collect();
    assert_eq!(seen, numbered);
    assert_eq!((changes[0].id, changes[0].doc.as_str(), changes[0].open), (doomed.id, "{}", false));

    for gone in [&doomed, &job, &savepoint, &event] {
        assert_eq!(store.by_id(gone.kind, gone.id).await.unwrap(), None);
        assert_eq!(store.get(gone.kind, "default", &gone.name).await.unwrap(), None);
    }
    assert_eq!(names(&store.list(Kind::Deployment, &Filter::default()).await.unwrap()), ["other"]);
    assert_eq!(store.deployment(doomed.id).await.unwrap(), None);
    assert_eq!(store.deployment(other.id).await.unwrap().unwrap().1.len(), 1);
    store.commit(&[delete(&doomed, written + 1)]).await.unwrap_err();
}
