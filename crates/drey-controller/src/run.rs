//! The running controller: feeds the queue, gives each look a task of its own, and sweeps orphans at the start.
//!
//! A look that hangs on a silent Flink holds nothing but its own task, so it delays nobody.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use drey_cluster::ClusterBackend;
use drey_flink::FlinkApi;
use drey_model::Kind;
use drey_model::quota::Limit;
use drey_store::Store;
use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use uuid::Uuid;

use crate::handle::Handle;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::quota::Waiters;
use crate::reconcile::{Memory, Next, Reconciler};
use crate::record::{Configure, ConfigureSession};
use crate::session_cluster::runs;
use crate::submit::Uploads;
use crate::world::{RealWorld, World};

/// Looks that may be under way at once. One look needs a few kilobytes and mostly waits.
const LOOKS_MAX: usize = 1024;
/// Looks at which the scan of a start pauses, so that users' wishes find free hands.
const SCAN_LOOKS_MAX: usize = 8;
/// How often the change feed is read when nobody hints: the truth behind the hints.
const FEED_INTERVAL: Duration = Duration::from_secs(5);
const FEED_ROWS_MAX: u32 = 500;
/// How long looks under way may take to end at shutdown.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Pause after a look that ended in a bug.
const PANIC_RETRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

type Done = (Uuid, Memory, Next);

/// What a controller works with.
pub struct Parts<B, F> {
    /// Where records are.
    pub store: Store,
    /// Where clusters run.
    pub backend: Arc<B>,
    /// How Flink is asked.
    pub flink: Arc<F>,
    /// Renders the configuration of new Jobs.
    pub configure: Arc<Configure>,
    /// How many cores may be used; `None`: as many as there are.
    pub quota: Option<Limit>,
    /// Renders the configuration of SessionClusters.
    pub configure_session: Arc<ConfigureSession>,
    /// Counters.
    pub metrics: Metrics,
}

/// Starts the loop on the machine's clock. It runs until `cancel`; then the task ends within seconds.
pub fn start<B: ClusterBackend, F: FlinkApi>(
    parts: Parts<B, F>,
    cancel: CancellationToken,
) -> (Handle, JoinHandle<()>) {
    let (handle, woken) = Handle::new(Arc::clone(&parts.backend));
    let reconciler = Arc::new(Reconciler {
        world: Arc::new(RealWorld::default()),
        store: parts.store,
        backend: parts.backend,
        flink: parts.flink,
        configure: parts.configure,
        configure_session: parts.configure_session,
        uploads: Uploads::default(),
        board: handle.board(),
        quota: parts.quota,
        leadership: None,
        metrics: parts.metrics,
    });
    (handle, tokio::spawn(run(reconciler, woken, cancel)))
}

/// Runs the loop until `cancel`; then waits for the looks under way.
pub async fn run<W: World, B: ClusterBackend, F: FlinkApi>(
    reconciler: Arc<Reconciler<W, B, F>>,
    mut woken: mpsc::UnboundedReceiver<Uuid>,
    cancel: CancellationToken,
) {
    let tracker = TaskTracker::new();
    let (done_sender, mut done) = mpsc::unbounded_channel::<Done>();
    let mut queue = Queue::default();
    let mut waiters = Waiters::default();
    let mut running = 0_usize;
    let mut feed = start_scan(&reconciler.store, &mut queue).await;
    tracker.spawn(sweep_orphans(Arc::clone(&reconciler)));
    let mut next_feed = tokio::time::interval(FEED_INTERVAL);
    next_feed.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = reconciler.world.now();
        while running < LOOKS_MAX {
            let Some((id, mut memory)) = queue.take(now, running < SCAN_LOOKS_MAX) else { break };
            running += 1;
            waiters.begin(&mut memory);
            let look = look(Arc::clone(&reconciler), id, memory, done_sender.clone());
            tracker.spawn(look.instrument(tracing::info_span!("look", deployment = %id)));
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(id) = woken.recv() => queue.wake(id),
            Some((id, mut memory, next)) = done.recv() => {
                running -= 1;
                let wakes = std::mem::take(&mut memory.wakes);
                let woken = waiters.end(id, &memory);
                queue.done(id, memory, next);
                wakes.into_iter().chain(woken).for_each(|other| queue.wake(other));
            }
            () = sleep_until(queue.next_due(), now), if running < LOOKS_MAX => {}
            _ = next_feed.tick() => feed = read_feed(&reconciler.store, &mut queue, feed).await,
        }
    }
    tracker.close();
    if tokio::time::timeout(SHUTDOWN, tracker.wait()).await.is_err() {
        tracing::info!(
            "some looks had not ended; what they had recorded is taken up at the next start"
        );
    }
}

async fn sleep_until(due: Option<Timestamp>, now: Timestamp) {
    match due {
        None => std::future::pending().await,
        Some(at) => {
            let wait = Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
            tokio::time::sleep(wait).await;
        }
    }
}

async fn look<W: World, B: ClusterBackend, F: FlinkApi>(
    reconciler: Arc<Reconciler<W, B, F>>,
    id: Uuid,
    mut memory: Memory,
    done: mpsc::UnboundedSender<Done>,
) {
    let metrics = reconciler.metrics.clone();
    metrics.look_began();
    let began = reconciler.world.now();
    let look = AssertUnwindSafe(reconciler.reconcile(id, &mut memory)).catch_unwind().await;
    let took = reconciler.world.now().duration_since(began);
    metrics.look_ended(took.as_secs_f64().max(0.0));
    let next = look.unwrap_or_else(|_| {
        metrics.panicked();
        tracing::error!("a look ended in a bug; this Deployment is looked at again later");
        Next::At(crate::world::later(reconciler.world.now(), PANIC_RETRY))
    });
    // The receiver is gone only at shutdown.
    let _ = done.send((id, memory, next));
}

/// Queues every SessionCluster and every Deployment once. The change feed is read from here on.
async fn start_scan(store: &Store, queue: &mut Queue) -> i64 {
    let feed = store.revision().await.unwrap_or(0);
    // SessionClusters first: Deployments wait for them.
    for kind in [Kind::SessionCluster, Kind::Deployment] {
        match store.ids(kind).await {
            Ok(ids) => ids.into_iter().for_each(|id| queue.scan(id)),
            Err(error) => {
                tracing::error!(%error, %kind, "these could not be listed; reading the change feed from its beginning");
                return 0;
            }
        }
    }
    feed
}

/// Wakes what somebody else has written: another replica, or a server whose hint was lost.
async fn read_feed(store: &Store, queue: &mut Queue, mut after: i64) -> i64 {
    loop {
        let rows = match store.changes(after, FEED_ROWS_MAX).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "the change feed could not be read; trying again");
                return after;
            }
        };
        let is_last = rows.len() < FEED_ROWS_MAX as usize;
        for row in rows {
            after = after.max(row.revision);
            match (row.kind, row.owner) {
                (Kind::Deployment | Kind::SessionCluster, _) if !row.deleted => {
                    queue.changed(row.id, row.revision);
                }
                (Kind::Savepoint, Some(owner)) => queue.changed(owner, row.revision),
                _ => {}
            }
        }
        if is_last {
            return after;
        }
    }
}

/// Removes clusters whose Job or run is not in the store, or is closed there: left over from a data directory that was
/// restored from a backup, for example.
async fn sweep_orphans<W: World, B: ClusterBackend, F: FlinkApi>(
    reconciler: Arc<Reconciler<W, B, F>>,
) {
    let clusters = match reconciler.backend.list().await {
        Ok(clusters) => clusters,
        Err(error) => return tracing::warn!(%error, "clusters could not be listed"),
    };
    // After the clusters: a run is recorded before its processes are started.
    let runs = match runs(&reconciler.store).await {
        Ok(runs) => runs,
        Err(error) => return tracing::warn!(%error, "session clusters could not be listed"),
    };
    for id in clusters.into_iter().filter(|id| !runs.contains(id)) {
        match reconciler.store.by_id(Kind::Job, id).await {
            Ok(Some(job)) if job.open => {}
            Ok(_) => {
                tracing::warn!(job = %id, "removing a cluster that belongs to no open Job and no SessionCluster");
                if let Err(error) = reconciler.backend.remove(id).await {
                    tracing::warn!(job = %id, %error, "removing an orphan");
                }
            }
            Err(error) => tracing::warn!(job = %id, %error, "looking up a cluster's Job"),
        }
    }
}
