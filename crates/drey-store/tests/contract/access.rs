//! Claims about namespaces, tokens, sessions and the audit log.

use drey_model::Kind;
use drey_store::{ApiToken, AuditEntry, AuditWindow, Error, Object, Store};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{child, create, delete, new};

fn within(namespace: &str, object: Object) -> Object {
    Object { namespace: namespace.to_owned(), ..object }
}

fn token(namespace: &str, name: &str) -> ApiToken {
    ApiToken {
        id: Uuid::now_v7(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        role: "viewer".to_owned(),
        hash: "00ff".to_owned(),
        created_at: Timestamp::from_millisecond(1_000).unwrap(),
    }
}

pub(crate) async fn nothing_new_is_created_in_a_namespace_that_is_not_active(store: Store) {
    let lost = within("nowhere", new(Kind::Deployment, "a"));
    let is_closed = |error: &Error| matches!(error, Error::Closed { .. });
    assert!(is_closed(&store.commit(&[create(&lost)]).await.unwrap_err()));

    assert!(store.create_namespace("b", "{}", &[]).await.unwrap());
    let target = within("b", new(Kind::DeploymentTarget, "local"));
    let taken = store.create_namespace("b", "{}", &[create(&target)]).await.unwrap();
    assert!(!taken, "the name is taken");
    assert_eq!(store.contents("b").await.unwrap(), [], "and nothing came into it");
    let target = within("c", new(Kind::DeploymentTarget, "local"));
    assert!(store.create_namespace("c", "{}", &[create(&target)]).await.unwrap());
    assert_eq!(store.contents("c").await.unwrap(), [(Kind::DeploymentTarget, 1)]);
    let stranger = within("nowhere", new(Kind::Deployment, "a"));
    assert!(is_closed(&store.create_namespace("d", "{}", &[create(&stranger)]).await.unwrap_err()));
    assert_eq!(store.namespace("d").await.unwrap(), None, "all or nothing");
    let deployment = within("b", new(Kind::Deployment, "a"));
    store.commit(&[create(&deployment)]).await.unwrap();
    assert!(!store.end_namespace("b", 2).await.unwrap(), "it is at another version");
    assert!(store.end_namespace("b", 1).await.unwrap());
    assert!(!store.end_namespace("b", 2).await.unwrap(), "it ends once");
    for kind in [Kind::Deployment, Kind::DeploymentTarget] {
        let late = within("b", new(kind, "late"));
        assert!(is_closed(&store.commit(&[create(&late)]).await.unwrap_err()), "{kind}");
    }
    assert!(is_closed(&store.create_api_token(&token("b", "late")).await.unwrap_err()));
    // The controller must be able to say what it does while it cancels.
    let event = within("b", child(Kind::Event, &deployment, false));
    store.commit(&[create(&event)]).await.unwrap();
    assert_eq!(store.contents("b").await.unwrap(), [(Kind::Deployment, 1), (Kind::Event, 1)]);
}

pub(crate) async fn a_namespace_goes_when_it_is_empty_and_not_before(store: Store) {
    store.create_namespace("b", "{}", &[]).await.unwrap();
    let deployment = within("b", new(Kind::Deployment, "a"));
    let revision = store.commit(&[create(&deployment)]).await.unwrap();
    assert!(store.create_api_token(&token("b", "t")).await.unwrap());
    assert!(!store.remove_namespace("b").await.unwrap(), "it is active");
    store.end_namespace("b", 1).await.unwrap();
    assert!(!store.remove_namespace("b").await.unwrap(), "it has a Deployment");
    let deleted_at = store.commit(&[delete(&deployment, revision)]).await.unwrap();
    assert!(!store.remove_namespace("b").await.unwrap(), "it has a token");
    assert_eq!(store.delete_api_tokens("b").await.unwrap(), 1);
    assert!(store.remove_namespace("b").await.unwrap());
    assert!(!store.remove_namespace("b").await.unwrap());
    assert_eq!(store.namespace("b").await.unwrap(), None);
    assert!(store.create_namespace("b", "{}", &[]).await.unwrap(), "the name is free again");
    assert!(store.changes(0, 10).await.unwrap().is_empty(), "and nothing tells of the former one");
    assert_eq!(store.oldest_change().await.unwrap(), deleted_at, "which watchers can see");
}

pub(crate) async fn a_write_of_a_namespace_needs_the_version_that_was_read(store: Store) {
    let read = store.namespace("default").await.unwrap().unwrap();
    assert_eq!((read.version, read.is_terminating), (1, false));
    assert!(store.update_namespace("default", read.version, "[1]").await.unwrap());
    assert!(!store.update_namespace("default", read.version, "[2]").await.unwrap());
    let found = store.namespaces().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].doc.as_str(), found[0].version), ("[1]", 2));
    store.end_namespace("default", 2).await.unwrap();
    assert!(!store.update_namespace("default", 3, "[3]").await.unwrap(), "it is terminating");
}

pub(crate) async fn tokens_are_found_by_id_and_by_name_until_they_are_deleted(store: Store) {
    let (a, b) = (token("default", "a"), token("default", "b"));
    assert!(store.create_api_token(&b).await.unwrap());
    assert!(store.create_api_token(&a).await.unwrap());
    assert!(!store.create_api_token(&token("default", "a")).await.unwrap(), "the name is taken");
    assert_eq!(store.api_tokens("default").await.unwrap(), [a.clone(), b.clone()]);
    assert_eq!(store.api_tokens("other").await.unwrap(), []);
    assert_eq!(store.api_token_by_id(a.id).await.unwrap().as_ref(), Some(&a));
    assert_eq!(store.api_token("default", "b").await.unwrap().as_ref(), Some(&b));
    assert!(store.delete_api_token("default", "a").await.unwrap());
    assert!(!store.delete_api_token("default", "a").await.unwrap());
    assert_eq!(store.api_token_by_id(a.id).await.unwrap(), None);
}

pub(crate) async fn a_session_ends_by_its_clock_or_by_its_user(store: Store) {
    let at = |second| Timestamp::from_second(second).unwrap();
    for (hash, end) in [("a", 10), ("b", 10), ("c", 20)] {
        store.open_session(hash, "{}", at(end)).await.unwrap();
    }
    assert_eq!(store.session("a", at(9)).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(store.session("a", at(10)).await.unwrap(), None);
    assert_eq!(store.session("other", at(9)).await.unwrap(), None);
    store.close_session("a").await.unwrap();
    assert_eq!(store.session("a", at(9)).await.unwrap(), None);
    assert_eq!(store.purge_sessions(at(10)).await.unwrap(), 1);
    assert_eq!(store.session("c", at(10)).await.unwrap().as_deref(), Some("{}"));
}

pub(crate) async fn an_audit_entry_is_settled_once_and_pages_end_where_the_next_begins(
    store: Store,
) {
    let began = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
    let entry = |place: u128, seconds: i64| AuditEntry {
        id: Uuid::from_u128(place),
        at: began + SignedDuration::from_secs(seconds),
        actor: "user:a".to_owned(),
        address: "::1".to_owned(),
        method: "DELETE".to_owned(),
        route: "/x/{ns}".to_owned(),
        namespace: "default".to_owned(),
        object: String::new(),
        request_id: place.to_string(),
        status: None,
        detail: String::new(),
    };
    // Two of them at the same instant.
    for (place, seconds) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
        store.add_audit(&entry(place, seconds)).await.unwrap();
    }
    store.settle_audit(Uuid::from_u128(3), 200, "made", "how").await.unwrap();
    store.settle_audit(Uuid::from_u128(3), 500, "late", "").await.unwrap();

    let mut window = AuditWindow { from: began, to: Timestamp::MAX, below: Uuid::max(), limit: 2 };
    let page = store.audit(&window).await.unwrap();
    assert_eq!(page.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>(), [4, 3]);
    let settled = (Some(200), "made".to_owned(), "how".to_owned());
    assert_eq!((page[1].status, page[1].object.clone(), page[1].detail.clone()), settled);
    (window.to, window.below) = (page[1].at, page[1].id);
    let rest = store.audit(&window).await.unwrap();
    assert_eq!(rest, [entry(2, 1), entry(1, 0)]);
    assert_eq!(store.purge_audit(began + SignedDuration::from_secs(1)).await.unwrap(), 1);
}
