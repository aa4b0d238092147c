//! The door of every route: who is it, may they, is there such a namespace, and is it open; then the audit log.
//!
//! It stands around each row of the table of routes with that row's permission, so no route can be without it. Handlers
//! find the [`Caller`] in the request's extensions.

use std::sync::Arc;

use axum::extract::{MatchedPath, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use drey_model::role::{Access, Resource};

use super::Address;
use super::origin::is_from_our_page;
use crate::app::Shared;
use crate::audit::{self, Entry};
use crate::auth::{Caller, Place, authenticate, decide};
use crate::error::Error;
use crate::ops::Room;
use crate::routes::Permission;

/// A route's door.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) permission: Permission,
}

/// Lets a request in, or says why not.
pub(crate) async fn admit(
    State(door): State<Door>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let shared = door.shared;
    let (mut head, body) = request.into_parts();
    let visit = Visit::of(&params, &head, door.permission);
    let from = head.extensions.get::<Address>().and_then(|address| address.0);
    let caller = match authenticate(&shared, &head.headers, from).await {
        Ok(caller) => caller,
        Err(error) => {
            audit::refused(&shared, visit.entry(&Caller::Nobody, &head), error.status()).await;
            // What is for everybody is for those with a wrong token too; their failure counts all the same.
            let is_about_them = matches!(error.status().as_u16(), 401 | 429);
            if !is_about_them || door.permission != Permission::Public {
                return error.into_response();
            }
            Caller::Nobody
        }
    };
    if let Err(error) = visit.check(&shared, &caller, &head).await {
        if matches!(error.status().as_u16(), 401 | 403) {
            audit::refused(&shared, visit.entry(&caller, &head), error.status()).await;
        }
        return error.into_response();
    }
    // Nobody may do nothing that is worth an entry, and could fill the log with it.
    let is_noted = visit.changes && caller != Caller::Nobody;
    let entry = is_noted.then(|| visit.entry(&caller, &head));
    head.extensions.insert(caller);
    let request = Request::from_parts(head, body);
    match entry {
        Some(entry) => audit::around(&shared, entry, next.run(request)).await,
        None => next.run(request).await,
    }
}

/// What a request is about.
struct Visit {
    permission: Permission,
    namespace: Option<String>,
    object: String,
    /// Whether it can change something.
    changes: bool,
}

impl Visit {
    fn of(params: &RawPathParams, head: &Parts, permission: Permission) -> Self {
        let param = |wanted: &str| {
            params.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let namespace = param("ns").map(|ns| short_name(ns, permission));
        let changes = can_change(&head.method, param("path").as_deref());
        let permission = by_method(permission, changes);
        let others = params.iter().filter(|(name, _)| !matches!(*name, "ns" | "path"));
        let object = match permission {
            Permission::Namespaced { resource: Resource::Artifacts, .. } => filename(head),
            _ => others.map(|(_, value)| value).collect::<Vec<_>>().join("/"),
        };
        Self { permission, namespace, object, changes }
    }

    /// 401, 403, 404 or 409, in this order.
    async fn check(&self, shared: &Shared, caller: &Caller, head: &Parts) -> Result<(), Error> {
        if let (Caller::Person { .. }, true) = (caller, self.changes)
            && !is_from_our_page(&shared.hosts, &head.uri, &head.headers)
        {
            return Err(not_our_page());
        }
        let room = match &self.namespace {
            Some(name) => shared.room(name).await?,
            None => None,
        };
        let namespace = room.as_ref().map(|room| &room.namespace);
        let place = Place { name: self.namespace.as_deref(), namespace };
        decide(shared, caller, self.permission, place)?;
        match (&self.namespace, &room) {
            (Some(name), None) => Err(no_such_namespace(name)),
            (Some(name), Some(room)) if self.is_closed_by(room, &head.method) => {
                Err(terminating(name))
            }
            _ => Ok(()),
        }
    }

    /// Whether this may not happen in a namespace on its way out: everything that makes or changes something, except
    /// what a Job's dashboard does to a Job that is there.
    fn is_closed_by(&self, room: &Room, method: &Method) -> bool {
        let is_flinks =
            matches!(self.permission, Permission::Namespaced { resource: Resource::FlinkUi, .. });
        room.is_terminating() && self.changes && *method != Method::DELETE && !is_flinks
    }

    fn entry(&self, caller: &Caller, head: &Parts) -> Entry {
        let matched = head.extensions.get::<MatchedPath>();
        let route = matched.map_or("", MatchedPath::as_str);
        Entry {
            namespace: self.namespace.clone().unwrap_or_default(),
            object: self.object.clone(),
            ..Entry::of(head, caller.name(), route)
        }
    }
}

/// Which artifact a request is about: the artifact service writes names as a query parameter.
fn filename(head: &Parts) -> String {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&head.uri);
    let pairs = pairs.map(|Query(pairs)| pairs).unwrap_or_default();
    pairs
        .into_iter()
        .rfind(|(name, _)| name == "filename")
        .map(|(_, value)| value)
        .unwrap_or_default()
}

/// Whether a request can change something. Flink has two paths that do upon GET too, wherever they stand in its API.
fn can_change(method: &Method, flinks: Option<&str>) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let acts = |path: &str| path.contains("yarn-cancel") || path.contains("yarn-stop");
    !is_safe || flinks.is_some_and(acts)
}

/// The namespace in a path: `{ns}:verb` is how the platform writes actions upon a namespace, and only upon those.
fn short_name(ns: String, permission: Permission) -> String {
    let is_of_namespaces =
        matches!(permission, Permission::Namespaced { resource: Resource::Namespaces, .. });
    match ns.split_once(':') {
        Some((short, _)) if is_of_namespaces => short.to_owned(),
        Some(_) | None => ns,
    }
}

/// The permission with what its method asks for.
fn by_method(permission: Permission, changes: bool) -> Permission {
    match permission {
        Permission::Namespaced { resource, access: Access::ByMethod } => {
            let access = if changes { Access::Update } else { Access::Get };
            Permission::Namespaced { resource, access }
        }
        other => other,
    }
}

fn no_such_namespace(name: &str) -> Error {
    let name: String = name.chars().take(100).collect();
    Error::not_found(format!(
        "No namespace {name:?}. GET /namespaces/v1/namespaces lists them; an administrator makes new ones there."
    ))
}

fn terminating(name: &str) -> Error {
    Error::conflict(format!(
        "Namespace {name:?} is being deleted (LIFECYCLE_PHASE_TERMINATING): nothing new is created in it and nothing is \
         changed. Its Deployments are being cancelled and removed; GET /ext/v1/namespaces/{name} says what it waits for."
    ))
}

fn not_our_page() -> Error {
    let message = "The session of a browser counts for changes only when the browser says that a page of this server sent \
                   them (Origin, Sec-Fetch-Site or Referer), so that no other site can act in your name. Programs send \
                   `Authorization: Bearer TOKEN` instead.";
    Error::new(StatusCode::FORBIDDEN, message)
}
