//! The door that the server uses: wake a Deployment, read logs, find a Job's dashboard, ask how fresh a fact is.
//!
//! Nothing here changes a stored object.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use drey_cluster::{ClusterBackend, Error as BackendError};
use drey_model::secret::mask::Mask;
use drey_model::seen::Seen;
use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

pub use drey_cluster::logs;

/// What is known about a Job at this moment beyond what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knowledge {
    /// When its JobManager last gave a trustworthy answer.
    pub observed_at: Timestamp,
    /// Flink's word then; `UNKNOWN` when later looks gave none.
    pub flink_status: String,
}

/// Facts of the last observations, by Job id. Volatile figures live here and not in the store.
pub type Board = Arc<Mutex<HashMap<Uuid, Knowledge>>>;

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The backend without its type, as far as readers need it.
trait Reader: Send + Sync {
    fn rest(&self, job_id: Uuid) -> Later<'_, Option<String>>;
    fn mask(&self, job_id: Uuid) -> Later<'_, Result<Mask, BackendError>>;
    fn log_files(&self, job_id: Uuid) -> Later<'_, Result<Vec<logs::File>, BackendError>>;
    fn log<'a>(
        &'a self,
        job_id: Uuid,
        query: &'a logs::Query,
    ) -> Later<'a, Result<logs::Chunk, BackendError>>;
}

struct Of<B>(Arc<B>);

impl<B: ClusterBackend> Reader for Of<B> {
    fn rest(&self, job_id: Uuid) -> Later<'_, Option<String>> {
        Box::pin(async move {
            match self.0.inspect(job_id).await {
                Seen::Present(cluster) => cluster.rest,
                Seen::Absent | Seen::Unknown { .. } => None,
            }
        })
    }

    fn mask(&self, job_id: Uuid) -> Later<'_, Result<Mask, BackendError>> {
        Box::pin(self.0.mask(job_id))
    }

    fn log_files(&self, job_id: Uuid) -> Later<'_, Result<Vec<logs::File>, BackendError>> {
        Box::pin(self.0.log_files(job_id))
    }

    fn log<'a>(
        &'a self,
        job_id: Uuid,
        query: &'a logs::Query,
    ) -> Later<'a, Result<logs::Chunk, BackendError>> {
        Box::pin(self.0.log(job_id, query))
    }
}

/// A cheap-to-clone handle to the running controller.
#[derive(Clone)]
pub struct Handle {
    wake: mpsc::UnboundedSender<Uuid>,
    board: Board,
    reader: Arc<dyn Reader>,
}

impl Handle {
    /// A handle, and the receiving end of its wake-ups.
    pub fn new<B: ClusterBackend>(backend: Arc<B>) -> (Self, mpsc::UnboundedReceiver<Uuid>) {
        let (wake, woken) = mpsc::unbounded_channel();
        let handle = Self { wake, board: Board::default(), reader: Arc::new(Of(backend)) };
        (handle, woken)
    }

    /// Says "look at this Deployment again"; never what changed.
    pub fn wake(&self, deployment_id: Uuid) {
        // The controller is gone only while the process shuts down; the next start scans everything.
        let _ = self.wake.send(deployment_id);
    }

    /// What is known about a Job at this moment; `None` when this process has not observed it.
    #[must_use]
    pub fn knowledge(&self, job_id: Uuid) -> Option<Knowledge> {
        self.board.lock().ok()?.get(&job_id).cloned()
    }

    /// The board that the loop writes to.
    #[must_use]
    pub fn board(&self) -> Board {
        Arc::clone(&self.board)
    }

    /// Base URL of the Job's Flink REST API and dashboard; `None` when its cluster is not up.
    pub async fn flink_rest(&self, job_id: Uuid) -> Option<String> {
        self.reader.rest(job_id).await
    }

    /// What must not be shown of what the Job's processes say: its secrets. Logs come without them already.
    ///
    /// # Errors
    /// When the secrets cannot be read; then nothing may be shown.
    pub async fn mask(&self, job_id: Uuid) -> Result<Mask, BackendError> {
        self.reader.mask(job_id).await
    }

    /// The logs that the Job has.
    ///
    /// # Errors
    /// When the backend has none or cannot read them.
    pub async fn log_files(&self, job_id: Uuid) -> Result<Vec<logs::File>, BackendError> {
        self.reader.log_files(job_id).await
    }

    /// A piece of a log.
    ///
    /// # Errors
    /// When the file does not exist or cannot be read.
    pub async fn log(
        &self,
        job_id: Uuid,
        query: &logs::Query,
    ) -> Result<logs::Chunk, BackendError> {
        self.reader.log(job_id, query).await
    }
}
