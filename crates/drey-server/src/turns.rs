//! One writer at a time per object: many concurrent writes of one Deployment take turns and do not collide with each
//! other, only with the controller.
//!
//! A courtesy, not a guarantee: what is stored is decided by compare-and-swap, also between replicas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Names kept before those that nobody holds are dropped.
const NAMES_MAX: usize = 1024;

type Turn = Arc<tokio::sync::Mutex<()>>;

/// Whose turn it is, by name or id.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Turn>>);

impl Turns {
    /// Waits for the turn of `name`; it ends when the guard is dropped.
    pub(crate) async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() >= NAMES_MAX {
                turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(turns.entry(name.to_owned()).or_default())
        };
        turn.lock_owned().await
    }
}
