//! Bringing a cluster up: everything before the launch.
//!
//! ```text
//!   ensure ──► removed or failed? nothing to do
//!          ──► wanted ──► preparation, once at a time: secrets ─► JDK ─► Flink ─► artifact ─► start.rs
//!          ──► launched? replace lost TaskManagers
//! ```
//!
//! The preparation is a task of the backend. It may be cancelled or killed anywhere, with Drey or without: nothing was
//! launched, and the next `ensure` begins again, with everything fetched so far still in the cache.

use std::io;
use std::sync::Arc;

use super::folder::{Mark, create_private};
use super::patience::blocking;
use super::secrets::Lack;
use super::wanted::Wanted;
use super::{Cluster, Shared, fetch};

/// What `ensure` has to do.
enum Need {
    Nothing,
    Preparation,
    TaskManagers,
}

/// Says that nothing is being prepared any more, however the preparation ends.
struct Preparing(Arc<Cluster>);

impl Drop for Preparing {
    fn drop(&mut self) {
        self.0.now().preparing = None;
    }
}

impl Shared {
    pub(super) async fn ensure(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let (this, record) = (cluster.clone(), serde_json::to_vec(wanted)?);
        let subject = format!("start of {}", cluster.id);
        match self.files.wait(subject, move || this.need(&record)).await? {
            Need::Nothing => Ok(()),
            Need::Preparation => {
                self.begin_preparation(cluster, wanted.clone());
                Ok(())
            }
            Need::TaskManagers => self.replace_task_managers(cluster, wanted).await,
        }
    }

    /// Starts the preparation, unless one runs already.
    pub(super) fn begin_preparation(self: &Arc<Self>, cluster: &Arc<Cluster>, wanted: Wanted) {
        {
            let mut now = cluster.now();
            if now.preparing.is_some() || now.removing {
                return;
            }
            now.preparing = Some("starting".to_owned());
        }
        let guard = Preparing(cluster.clone());
        let (shared, cluster) = (self.clone(), cluster.clone());
        self.tasks.spawn(async move {
            let _guard = guard;
            let _turn = cluster.turn.lock().await;
            if let Err(why) = shared.prepare(&cluster, &wanted).await {
                let failing = cluster.clone();
                // Its own errors are logged and kept in memory.
                let _ = blocking(move || {
                    failing.fail(&why);
                    Ok(())
                })
                .await;
            }
        });
    }

    async fn prepare(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        wanted: &Wanted,
    ) -> Result<(), String> {
        let this = cluster.clone();
        if blocking(move || this.is_settled()).await.map_err(|e| e.to_string())? {
            return Ok(());
        }
        let wanted = &match self.fill(cluster, wanted).await {
            Ok(filled) => filled,
            Err(Lack::Refused(why)) => return Err(why),
            Err(Lack::Unavailable(why)) => {
                // Nothing was begun; the next ensure tries again.
                tracing::warn!(job = %cluster.id, why, "secrets could not be looked up");
                return Ok(());
            }
        };
        let say = |what: String| cluster.now().preparing = Some(cluster.hide(&what));
        let parts = tokio::select! {
            () = cluster.cancel.cancelled() => return Ok(()),
            parts = fetch::fetch(&self.config, &self.tools, wanted, &say) => parts?,
            () = tokio::time::sleep(self.config.limits.prepare_max) => {
                let what = cluster.now().preparing.clone().unwrap_or_default();
                return Err(format!("its preparation took too long; it was {what}"));
            }
        };
        say("starting the JobManager".to_owned());
        self.launch(cluster, wanted, parts).await
    }
}

impl Cluster {
    /// Whether there is nothing left to prepare.
    fn is_settled(&self) -> io::Result<bool> {
        for mark in [Mark::Launched, Mark::Failed, Mark::Removed] {
            if self.folder.has(mark)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is to be done; writes down that the cluster is wanted.
    fn need(&self, record: &[u8]) -> io::Result<Need> {
        let folder = &self.folder;
        let is_over = {
            let now = self.now();
            now.removing || now.failed.is_some()
        };
        if is_over || folder.has(Mark::Removed)? || folder.has(Mark::Failed)? {
            return Ok(Need::Nothing);
        }
        if folder.has(Mark::Launched)? {
            return Ok(Need::TaskManagers);
        }
        if !folder.has(Mark::Wanted)? {
            folder.create()?;
            folder.put(Mark::Wanted, record)?;
        }
        create_private(&self.logs)?;
        Ok(Need::Preparation)
    }
}
