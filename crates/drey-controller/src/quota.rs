//! What others hold of the CPU quota, and who waits for cores.
//!
//! ```text
//! look: revision, then every claim ─► decide ─► commit, unless a Job was created after that revision
//! end of a look: cores came free ─► everybody who waits is looked at again
//! ```
//!
//! A claim that was judged grows only with the creation of a Job. So of two launches that were judged on the same figures only the first
//! is recorded, and the second is judged anew, also when another replica made the first. Owns the figures and the list
//! of those who wait; does not own the judgement (`drey-engine`).

use std::collections::BTreeSet;

use drey_engine::{DeploymentFacts, Quota};
use drey_model::Kind;
use drey_model::quota::{Claim, Cores, Holder, Limit};
use drey_store::{Error, Filter, Store};
use serde::Deserialize;
use uuid::Uuid;

use crate::reconcile::Memory;

/// The quota, and the revision before which the figures were true.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) quota: Quota,
    pub(crate) as_of: i64,
}

/// As much of a Deployment's facts as adding up needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claimed {
    claim: Claim,
}

/// What everybody but this Deployment holds. SessionClusters add theirs here.
pub(crate) async fn figures(store: &Store, limit: Limit, own: Uuid) -> Result<Figures, Error> {
    let as_of = store.revision().await?;
    let mut others = Vec::new();
    for row in store.list(Kind::Deployment, &Filter::default()).await? {
        if row.id == own {
            continue;
        }
        match row.decode_facts::<Claimed>() {
            Ok(Claimed { claim }) if claim.held == Cores::ZERO => {}
            Ok(Claimed { claim }) => others.push(Holder {
                namespace: row.namespace,
                deployment_name: row.name,
                cpu: claim.held,
            }),
            // One damaged row must not keep everybody else from starting.
            Err(error) => {
                tracing::error!(deployment = %row.id, %error, "its cores are not counted");
            }
        }
    }
    Ok(Figures { quota: Quota { limit: Some(limit), others: Some(others) }, as_of })
}

/// Who waits for cores, and how often some came free.
#[derive(Debug, Default)]
pub struct Waiters {
    waiting: BTreeSet<Uuid>,
    freed: u64,
}

impl Waiters {
    /// A look begins: what comes free from now on may be missing in its figures.
    pub fn begin(&self, memory: &mut Memory) {
        memory.freed = self.freed;
    }

    /// A look has ended; returns who is to be looked at again because of it.
    pub fn end(&mut self, id: Uuid, memory: &Memory) -> Vec<Uuid> {
        if memory.frees_cores {
            self.freed += 1;
        }
        self.waiting.remove(&id);
        let mut woken: Vec<Uuid> = Vec::new();
        if memory.frees_cores {
            woken.extend(&self.waiting);
        }
        if memory.waits_for_cores {
            if memory.freed != self.freed {
                woken.push(id);
            }
            self.waiting.insert(id);
        }
        woken
    }
}

/// Notes what a decision means for those who wait.
pub(crate) fn note(memory: &mut Memory, before: &DeploymentFacts, after: &DeploymentFacts) {
    memory.frees_cores = after.claim.held < before.claim.held;
    memory.waits_for_cores = after.claim.refused.is_some();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(waits: bool, frees: bool) -> Memory {
        let mut memory = Memory::default();
        (memory.waits_for_cores, memory.frees_cores) = (waits, frees);
        memory
    }

    fn look(waiters: &mut Waiters, id: u128, waits: bool, frees: bool) -> Vec<u128> {
        let mut memory = memory(waits, frees);
        waiters.begin(&mut memory);
        waiters.end(Uuid::from_u128(id), &memory).iter().map(Uuid::as_u128).collect()
    }

    #[test]
    fn who_waits_is_woken_when_cores_come_free_and_not_again_once_it_waits_no_more() {
        let mut waiters = Waiters::default();
        assert!(look(&mut waiters, 1, true, false).is_empty());
        assert!(look(&mut waiters, 2, true, false).is_empty());
        assert_eq!(look(&mut waiters, 9, false, true), [1, 2]);
        assert!(look(&mut waiters, 1, false, false).is_empty());
        assert_eq!(look(&mut waiters, 9, false, true), [2]);
    }

    #[test]
    fn cores_that_come_free_during_a_look_that_is_refused_are_not_missed() {
        let mut waiters = Waiters::default();
        let mut refused = memory(true, false);
        waiters.begin(&mut refused);
        look(&mut waiters, 9, false, true);
        assert_eq!(waiters.end(Uuid::from_u128(1), &refused), [Uuid::from_u128(1)]);
    }
}
