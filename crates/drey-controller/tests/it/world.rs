//! A world in which nothing happens but what a test says: a store in memory, a backend and a Flink that say what they are
//! told to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use drey_cluster::{ClusterBackend, Error as BackendError, logs};
use drey_controller::{Board, FaultPoint, Metrics, Reconciler, Uploads, World};
use drey_flink::api::Error as FlinkError;
use drey_flink::{FlinkApi, Submission, Trigger};
use drey_model::meta::{Metadata, SPEC_VERSION};
use drey_model::quota::{Cores, Limit};
use drey_model::secret::mask::Mask;
use drey_model::seen::{Cluster, FlinkJob, Jar, Operation, Program, Snapshot, TaskManager};
use drey_model::session_cluster::{DesiredClusterState, SessionClusterSpec};
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    Deployment, DeploymentSpec, DeploymentTarget, DesiredState, Job, Kind, Seen, SessionCluster,
    SessionRun,
};
use drey_store::{Object, Store, Write};
use jiff::Timestamp;
use tokio::sync::Barrier;
use uuid::Uuid;

/// Holds the first looks back until all of them have decided.
pub(crate) struct Together {
    barrier: Barrier,
    left: AtomicI64,
    /// What somebody else does at a moment, once.
    pub(crate) meanwhile: Mutex<Option<(FaultPoint, Store, Deed)>>,
}

/// What somebody else does to the store.
pub(crate) enum Deed {
    Write(Write),
    Raw(&'static str),
}

impl World for Together {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    async fn pass(&self, point: FaultPoint) {
        if point == FaultPoint::BeforeRecord && self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.barrier.wait().await;
        }
        let due = self.meanwhile.lock().unwrap().take_if(|(at, ..)| *at == point);
        match due {
            Some((_, store, Deed::Write(write))) => drop(store.commit(&[write]).await.unwrap()),
            Some((_, store, Deed::Raw(sql))) => store.raw(sql).await.unwrap(),
            None => {}
        }
    }
}

/// Processes and Flink as they are said to be; what is asked of them does nothing, and is told.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) cluster: Mutex<Option<Cluster>>,
    pub(crate) task_managers: Mutex<Vec<TaskManager>>,
    pub(crate) jars: Mutex<Vec<Jar>>,
    pub(crate) deleted: Mutex<Vec<String>>,
}

impl ClusterBackend for Stage {
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
    async fn mask(&self, _: Uuid) -> Result<Mask, BackendError> {
        Ok(Mask::default())
    }
    async fn inspect(&self, _: Uuid) -> Seen<Cluster> {
        self.cluster.lock().unwrap().clone().map_or(Seen::Absent, Seen::Present)
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
    async fn log(&self, _: Uuid, query: &logs::Query) -> Result<logs::Chunk, BackendError> {
        Err(BackendError::NotFound(query.file.clone()))
    }
    async fn log_files(&self, _: Uuid) -> Result<Vec<logs::File>, BackendError> {
        Ok(Vec::new())
    }
}

impl FlinkApi for Stage {
    async fn job(&self, _: &str, _: Uuid) -> Seen<FlinkJob> {
        Seen::Absent
    }
    async fn operation(&self, _: &str, _: Uuid, _: Uuid) -> Seen<Operation> {
        Seen::Absent
    }
    async fn savepoint(&self, _: &str, _: &Trigger) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn stop(&self, _: &str, _: &Trigger, _: bool) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn cancel(&self, _: &str, _: Uuid) -> Result<(), FlinkError> {
        Ok(())
    }
    async fn task_managers(&self, _: &str) -> Seen<Vec<TaskManager>> {
        Seen::Present(self.task_managers.lock().unwrap().clone())
    }
    async fn jars(&self, _: &str) -> Seen<Vec<Jar>> {
        Seen::Present(self.jars.lock().unwrap().clone())
    }
    async fn upload(&self, _: &str, _: &Path, _: &str) -> Result<String, FlinkError> {
        Ok(String::new())
    }
    async fn delete_jar(&self, _: &str, jar: &str) -> Result<(), FlinkError> {
        self.deleted.lock().unwrap().push(jar.to_owned());
        Ok(())
    }
    async fn run(&self, _: &str, _: Submission<'_>) -> Result<(), FlinkError> {
        Ok(())
    }
}

pub(crate) fn row<T: serde::Serialize>(kind: Kind, name: &str, id: Uuid, doc: &T) -> Object {
    Object {
        kind,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        id,
        owner: None,
        open: true,
        revision: 0,
        doc: serde_json::to_string(doc).unwrap(),
        facts: None,
        deleted: false,
    }
}

/// A store with so many Deployments that want to run; each needs 2 cores.
pub(crate) async fn store(count: u32) -> (Store, Vec<Uuid>) {
    let store = Store::in_memory().await.unwrap();
    let spec = DeploymentTargetSpec {
        local: Some(LocalTarget::default()),
        ..DeploymentTargetSpec::default()
    };
    let target = DeploymentTarget::new(Metadata::default(), spec);
    let target = row(Kind::DeploymentTarget, "local", Uuid::now_v7(), &target);
    store.commit(&[Write::Create(target)]).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(deployment(&store, &format!("job-{number}"), |_| {}).await);
    }
    (store, ids)
}

/// A Deployment that wants to run and needs 2 cores.
pub(crate) async fn deployment(
    store: &Store,
    name: &str,
    change: impl FnOnce(&mut Deployment),
) -> Uuid {
    let id = Uuid::now_v7();
    let metadata = Metadata {
        id,
        name: name.to_owned(),
        namespace: "default".to_owned(),
        annotations: BTreeMap::from([(SPEC_VERSION.to_owned(), "1".to_owned())]),
        ..Metadata::default()
    };
    let spec = DeploymentSpec {
        state: DesiredState::Running,
        deployment_target_name: Some("local".to_owned()),
        ..DeploymentSpec::default()
    };
    let mut deployment = Deployment::new(metadata, spec);
    change(&mut deployment);
    let object = row(Kind::Deployment, name, id, &deployment);
    store.commit(&[Write::Create(object)]).await.unwrap();
    id
}

/// Of whose first looks so many end together.
pub(crate) fn reconciler(store: Store, together: u32) -> Reconciler<Together, Stage, Stage> {
    let barrier = Barrier::new(together as usize);
    let stage = Arc::new(Stage::default());
    Reconciler {
        world: Arc::new(Together {
            barrier,
            left: AtomicI64::new(i64::from(together)),
            meanwhile: Mutex::new(None),
        }),
        store,
        backend: Arc::clone(&stage),
        flink: stage,
        configure: Arc::new(|job: &Job| job.spec.flink_configuration.clone()),
        configure_session: Arc::new(|run: &SessionRun| run.flink_configuration.clone()),
        uploads: Uploads::default(),
        board: Board::default(),
        quota: Some(Limit { cpu: Cores::new(4.0), tolerated: Cores::new(1.0) }),
        leadership: None,
        metrics: Metrics::default(),
    }
}

/// A SessionCluster that wants to run, with so many TaskManagers.
pub(crate) async fn cluster(store: &Store, name: &str, task_managers: i32) -> Uuid {
    let (id, name) = (Uuid::now_v7(), name.to_owned());
    let metadata = Metadata { id, name, namespace: "default".to_owned(), ..Metadata::default() };
    let spec = SessionClusterSpec {
        state: DesiredClusterState::Running,
        deployment_target_name: "local".to_owned(),
        number_of_task_managers: task_managers,
        ..SessionClusterSpec::default()
    };
    let cluster = SessionCluster::new(metadata, spec);
    let object = row(Kind::SessionCluster, &cluster.metadata.name, id, &cluster);
    store.commit(&[Write::Create(object)]).await.unwrap();
    id
}
