//! A server to talk to, a backend to lie to it, and objects to put into its store.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::from_fn;
use axum::response::Response;
use drey_cluster::{ClusterBackend, Error as BackendError, logs};
use drey_controller::Handle;
use drey_model::defaults::Layers;
use drey_model::job::{JobMetadata, JobSpec, Started};
use drey_model::meta::DEFAULT_NAMESPACE;
use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster, ClusterPhase, Program, Seen, Snapshot};
use drey_model::{DeploymentState, Event, EventName, Job, JobState, Kind, SessionRun};
use drey_server::{
    ARTIFACT_BYTES_MAX, App, ArtifactStorage, Build, Hosts, World, bootstrap, router,
};
use drey_store::{Keyring, Object, Store, Write};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::contract;

/// Where Deployments are.
pub(crate) const DEPLOYMENTS: &str = "/api/v1/namespaces/default/deployments";
/// Where targets are.
pub(crate) const TARGETS: &str = "/api/v1/namespaces/default/deployment-targets";
/// Where the defaults of Deployments are.
pub(crate) const DEFAULTS: &str = "/api/v1/namespaces/default/deployment-defaults";
/// Where Savepoints are.
pub(crate) const SAVEPOINTS: &str = "/api/v1/namespaces/default/savepoints";

/// A backend that shows what it is told to show.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) rest: Mutex<HashMap<Uuid, String>>,
    pub(crate) logs: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Whose logs they are; everybody's unless set.
    pub(crate) logs_of: Mutex<Option<Uuid>>,
    pub(crate) secrets: Mutex<Vec<String>>,
}

impl ClusterBackend for Fake {
    async fn ensure(&self, _: &Job) -> Result<(), BackendError> {
        Ok(())
    }

    async fn ensure_session(&self, _: &SessionRun) -> Result<(), BackendError> {
        Ok(())
    }

    async fn release(&self, _: Uuid, _: &[String]) -> Result<(), BackendError> {
        Ok(())
    }

    async fn fetch(&self, _: &Job) -> Result<(), BackendError> {
        Ok(())
    }

    async fn program(&self, _: Uuid) -> Seen<Program> {
        Seen::Absent
    }

    async fn inspect(&self, job_id: Uuid) -> Seen<Cluster> {
        match self.rest.lock().unwrap().get(&job_id) {
            Some(rest) => Seen::Present(Cluster {
                phase: ClusterPhase::Alive,
                rest: Some(rest.clone()),
                task_managers: 1,
            }),
            None => Seen::Absent,
        }
    }

    async fn remove(&self, _: Uuid) -> Result<(), BackendError> {
        Ok(())
    }

    async fn retained_checkpoint(&self, _: &Job) -> Seen<Snapshot> {
        Seen::Absent
    }

    async fn savepoint_in(&self, _: &str) -> Seen<Snapshot> {
        Seen::Absent
    }

    async fn list(&self) -> Result<Vec<Uuid>, BackendError> {
        Ok(Vec::new())
    }

    async fn mask(&self, _: Uuid) -> Result<Mask, BackendError> {
        Ok(Mask::of(self.secrets.lock().unwrap().iter().map(String::as_str)))
    }

    async fn log(&self, of: Uuid, query: &logs::Query) -> Result<logs::Chunk, BackendError> {
        if !self.has_logs(of) {
            return Err(BackendError::NotFound(query.file.clone()));
        }
        let files = self.logs.lock().unwrap();
        let bytes =
            files.get(&query.file).ok_or_else(|| BackendError::NotFound(query.file.clone()))?;
        let size = bytes.len() as u64;
        // As of a file that was begun anew.
        let asked = query.offset.map(|offset| if offset > size { 0 } else { offset });
        let offset = asked.unwrap_or(size.saturating_sub(query.limit));
        let end = (offset + query.limit).min(size);
        let text = String::from_utf8_lossy(&bytes[offset as usize..end as usize]).into_owned();
        Ok(logs::Chunk { text, offset, next_offset: end, size })
    }

    async fn log_files(&self, of: Uuid) -> Result<Vec<logs::File>, BackendError> {
        if !self.has_logs(of) {
            return Ok(Vec::new());
        }
        let files = self.logs.lock().unwrap();
        let file = |(name, bytes): (&String, &Vec<u8>)| logs::File {
            name: name.clone(),
            size: bytes.len() as u64,
        };
        Ok(files.iter().map(file).collect())
    }
}

impl Fake {
    fn has_logs(&self, of: Uuid) -> bool {
        self.logs_of.lock().unwrap().is_none_or(|id| id == of)
    }
}

/// A server without a socket.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) backend: Arc<Fake>,
    /// Only with the contract around it; see [`Server::serve`] and [`Server::open`].
    router: Router,
    pub(crate) woken: UnboundedReceiver<Uuid>,
    pub(crate) storage: Arc<object_store::memory::InMemory>,
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The body as JSON, of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    /// An error in the one layout; its message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, reason: &str) -> String {
        let body = self.expect(status);
        assert_eq!(body["kind"], "Error");
        assert_eq!(body["apiVersion"], "v1");
        assert_eq!(body["statusCode"], status);
        assert_eq!(body["reason"], reason);
        assert!(body["context"].is_object(), "{body}");
        body["message"].as_str().unwrap().to_owned()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

impl Server {
    /// An empty server with the target `local`, in memory: each call of the store is one step.
    pub(crate) async fn start() -> Self {
        Self::on(Store::in_memory().await.unwrap(), ARTIFACT_BYTES_MAX).await
    }

    /// The same with another limit of artifacts.
    pub(crate) async fn with_artifacts_up_to(bytes_max: u64) -> Self {
        Self::on(Store::in_memory().await.unwrap(), bytes_max).await
    }

    /// The same on a file, where calls of the store overlap.
    pub(crate) async fn on_disk(folder: &tempfile::TempDir) -> Self {
        let store = Store::open(&folder.path().join("drey.db")).await.unwrap();
        Self::on(store, ARTIFACT_BYTES_MAX).await
    }

    async fn on(store: Store, artifact_bytes_max: u64) -> Self {
        let storage = Arc::new(object_store::memory::InMemory::new());
        let backend = Arc::new(Fake::default());
        let (handle, woken) = Handle::new(Arc::clone(&backend));
        let ticks = AtomicI64::new(1_790_000_000_000);
        let now =
            move || Timestamp::from_millisecond(ticks.fetch_add(1, Ordering::Relaxed)).unwrap();
        let world = World::of(now, Uuid::now_v7);
        bootstrap(&store, world.now(), || world.id()).await.unwrap();
        let app = App {
            store,
            handle,
            world,
            preflight: drey_server::Preflight::default(),
            artifacts: ArtifactStorage::new(
                storage.clone(),
                "s3://bucket/drey/".parse().unwrap(),
                artifact_bytes_max,
            ),
            keyring: Arc::new(Keyring::random().unwrap()),
            layers: Layers::new("1.20", []),
            metrics: Arc::default(),
            quota: None,
            build: Build {
                version: "1.2.3".into(),
                commit: "0123456789".into(),
                time: "now".into(),
            },
            hosts: Hosts::of(([127, 0, 0, 1], 8080).into(), []),
            access: drey_server::AccessControl::Off,
            shutdown: CancellationToken::new(),
        };
        Self { router: held(app.clone()), app, backend, woken, storage }
    }

    /// Serves another `App` from now on.
    pub(crate) fn serve(&mut self, app: App) {
        self.router = held(app);
    }

    /// Sends a request; the answer may go on and on.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// The way to this server, for what sends requests of its own.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// The same store behind a router that is made of what `app` is now.
    pub(crate) fn restart(&mut self) {
        self.app.metrics = Arc::default();
        self.serve(self.app.clone());
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8(bytes.into()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[], Body::empty())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(request("DELETE", path, &[], Body::empty())).await
    }

    /// Sends JSON.
    pub(crate) async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(request(method, path, &headers, Body::from(body.to_string()))).await
    }

    /// Sends a text with these headers.
    pub(crate) async fn text(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        self.send(request(method, path, headers, Body::from(body.to_owned()))).await
    }

    /// Creates a Deployment on the target `local`; its id.
    pub(crate) async fn deploy(&self, name: &str) -> Uuid {
        let made = self.json("POST", DEPLOYMENTS, deployment(name)).await.expect(201);
        made["metadata"]["id"].as_str().unwrap().parse().unwrap()
    }

    /// Records a Job as the controller would.
    pub(crate) async fn job(&self, owner: Uuid, state: JobState) -> Uuid {
        let id = self.app.world.id();
        let now = self.app.world.now();
        let metadata = JobMetadata {
            id,
            namespace: DEFAULT_NAMESPACE.into(),
            deployment_id: owner,
            created_at: now,
            resource_version: 1,
            ..JobMetadata::default()
        };
        let mut job = Job::new(metadata, JobSpec::default());
        job.status.state = state;
        job.status.started = Some(Started {
            started_at: now,
            flink_job_id: job.flink_job_id(),
            last_update_time: now,
            observed_flink_job_restarts: 0,
            observed_flink_job_status: "RUNNING".into(),
        });
        let mut object = row(Kind::Job, id, owner);
        object.open = !state.is_terminal();
        object.encode(&job).unwrap();
        self.app.store.commit(&[Write::Create(object)]).await.unwrap();
        id
    }

    /// Records an Event as the controller would.
    pub(crate) async fn event(&self, owner: Uuid, job: Option<Uuid>, text: &str) {
        let event = self.event_row(owner, job, text);
        self.app.store.commit(&[Write::Create(event)]).await.unwrap();
    }

    /// The row of an Event.
    pub(crate) fn event_row(&self, owner: Uuid, job: Option<Uuid>, text: &str) -> Object {
        let id = self.app.world.id();
        let metadata = drey_model::event::EventMetadata {
            id,
            name: EventName::External,
            namespace: DEFAULT_NAMESPACE.into(),
            created_at: self.app.world.now(),
            deployment_id: Some(owner),
            job_id: job,
            session_cluster_id: None,
            resource_name: None,
            resource_version: 1,
        };
        let mut object = row(Kind::Event, id, owner);
        object.encode(&Event::new(metadata, text.into())).unwrap();
        object
    }

    /// Changes the stored row of a Deployment as the controller would.
    pub(crate) async fn edit(&self, id: Uuid, change: impl FnOnce(&mut Object, &mut Value)) {
        let mut object = self.app.store.by_id(Kind::Deployment, id).await.unwrap().unwrap();
        let revision = object.revision;
        let mut doc: Value = object.decode().unwrap();
        change(&mut object, &mut doc);
        object.encode(&doc).unwrap();
        self.app.store.commit(&[Write::Update(object, revision)]).await.unwrap();
    }

    /// Sets the observed state of a Deployment as the controller would.
    pub(crate) async fn observe(&self, id: Uuid, state: DeploymentState) {
        self.edit(id, |_, doc| {
            doc["status"]["state"] = json!(state);
            let version = doc["metadata"]["resourceVersion"].as_i64().unwrap();
            doc["metadata"]["resourceVersion"] = json!(version + 1);
        })
        .await;
    }
}

/// The router, with every answer held against the contract.
fn held(app: App) -> Router {
    router(app).layer(from_fn(contract::hold))
}

fn row(kind: Kind, id: Uuid, owner: Uuid) -> Object {
    Object {
        kind,
        namespace: DEFAULT_NAMESPACE.into(),
        name: id.to_string(),
        id,
        owner: Some(owner),
        open: false,
        revision: 0,
        doc: String::new(),
        facts: None,
        deleted: false,
    }
}

/// The smallest Deployment.
pub(crate) fn deployment(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "deploymentTargetName": "local",
            "template": { "spec": { "artifact": { "kind": "JAR", "jarUri": "https://x/app.jar" } } },
        },
    })
}

/// A request.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).unwrap()
}
