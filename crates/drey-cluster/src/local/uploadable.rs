//! Programs of Jobs in session mode: fetched into the cache, so that they can be uploaded.
//!
//! What is known of them is in memory only. Losing it costs a look into the cache, or another fetch.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use drey_model::Job;
use drey_model::seen::Program;
use uuid::Uuid;

use super::secrets::Lack;
use super::{Shared, fetch};

/// Programs that are remembered; a few hundred bytes each.
const PROGRAMS_MAX: usize = 10_000;

impl Shared {
    /// Begins to fetch a Job's program, once for each Job: a failure ends the start of that Job, and the next attempt is
    /// a Job of its own, which fetches again.
    pub(super) fn begin_fetch(self: &Arc<Self>, job: &Job) {
        let id = job.metadata.id;
        let what = "the artifact to be fetched".to_owned();
        {
            let mut programs = self.programs();
            if programs.contains_key(&id) {
                return;
            }
            if programs.len() >= PROGRAMS_MAX {
                programs.retain(|_, program| matches!(program, Program::Preparing { .. }));
            }
            programs.insert(id, Program::Preparing { what });
        }
        let (shared, job) = (self.clone(), job.clone());
        self.tasks.spawn(async move {
            let (job, mask) = match shared.fill_artifact(&job).await {
                Ok(filled) => filled,
                Err(Lack::Refused(why)) => {
                    shared.programs().insert(id, Program::Failed { why });
                    return;
                }
                Err(Lack::Unavailable(why)) => {
                    // Nothing was begun; who comes next begins.
                    tracing::warn!(job = %id, why, "secrets could not be looked up");
                    shared.programs().remove(&id);
                    return;
                }
            };
            let say = |what: String| {
                shared.programs().insert(id, Program::Preparing { what: mask.text(&what) });
            };
            let limit = shared.config.limits.prepare_max;
            let fetched = tokio::select! {
                () = shared.cancel.cancelled() => return,
                fetched = fetch::uploadable(&shared.config, &shared.tools, &job, &say) => fetched,
                () = tokio::time::sleep(limit) => Err("fetching the artifact took too long".to_owned()),
            };
            let program = fetched.unwrap_or_else(|why| {
                let why = mask.text(&why);
                tracing::warn!(job = %id, why, "program cannot be fetched");
                Program::Failed { why }
            });
            shared.programs().insert(id, program);
        });
    }

    /// How far a Job's program is; `None`: nobody fetches it.
    pub(super) fn program(&self, id: Uuid) -> Option<Program> {
        self.programs().get(&id).cloned()
    }

    fn programs(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Program>> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
