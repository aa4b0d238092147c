//! What others hold of the CPU quota, and who waits for cores.
//!
//! ```text
//! look: the ledger, then every claim ─► decide ─► commit; a claim that grows raises the ledger, from where it was read
//! end of a look: cores came free ─► everybody who waits is looked at again
//! ```
//!
//! One number in the store, the ledger, is raised by every commit that takes cores: a launch, an upgrade that is admitted,
//! a SessionCluster that grows, a Deployment that is counted from now on. So of two that were judged on the same figures
//! only the first is recorded, and the second is judged anew, also when another replica made the first. What was not
//! judged, because nothing is stopped for it, raises the ledger from wherever it stands. Cores that come free may be
//! missing in somebody's figures: then it waits, and is woken.
//!
//! Owns the figures and the list of those who wait; does not own the judgement (`drey-engine`).

use std::collections::BTreeSet;

use drey_engine::{Quota, Unreadable};
use drey_model::Kind;
use drey_model::causes::causes;
use drey_model::quota::{Claim, Cores, Holder, Limit};
use drey_store::{Error, Filter, Object, Store, Write};
use serde::Deserialize;
use uuid::Uuid;

use crate::reconcile::Memory;

/// The quota, and where the ledger stood before the figures were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) quota: Quota,
    ledger: Option<i64>,
}

impl Figures {
    /// No figures, for who needs none.
    pub(crate) fn none(limit: Option<Limit>) -> Self {
        Self { quota: Quota { limit, ..Quota::default() }, ledger: None }
    }

    /// What goes into the commit of a decision that takes cores: those that were free when they were added up still are,
    /// or nothing is written.
    pub(crate) fn guard(&self, before: &Claim, after: &Claim) -> Option<Write> {
        let takes_cores = self.quota.limit.is_some() && after.held > before.held;
        takes_cores.then_some(Write::Ledger { read: self.ledger })
    }
}

/// As much of the facts of a Deployment or a SessionCluster as adding up needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claimed {
    claim: Claim,
}

/// What everybody holds but this Deployment or SessionCluster.
pub(crate) async fn figures(store: &Store, limit: Limit, own: Uuid) -> Result<Figures, Error> {
    let ledger = Some(store.ledger().await?);
    let (mut others, mut unreadable) = (Vec::new(), None);
    let mut rows = store.list(Kind::Deployment, &Filter::default()).await?;
    rows.extend(store.list(Kind::SessionCluster, &Filter::default()).await?);
    for row in rows.into_iter().filter(|row| row.id != own) {
        match row.decode_facts::<Claimed>() {
            Ok(Claimed { claim }) if claim.held == Cores::ZERO => {}
            Ok(Claimed { claim }) => others.push(Holder {
                namespace: row.namespace,
                kind: row.kind,
                name: row.name,
                cpu: claim.held,
            }),
            // It may hold any number, so there is no sum.
            Err(error) => {
                let why = causes(&error);
                tracing::error!(id = %row.id, kind = %row.kind, namespace = row.namespace, name = row.name, why,
                    "how many cores it holds cannot be read, so no launch is let through that the CPU quota counts");
                let Object { namespace, kind, name, .. } = row;
                unreadable = Some(Unreadable { namespace, kind, name });
            }
        }
    }
    let quota = Quota { limit: Some(limit), others: Some(others), unreadable };
    Ok(Figures { quota, ledger })
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
pub(crate) fn note(memory: &mut Memory, before: &Claim, after: &Claim) {
    memory.frees_cores = after.held < before.held;
    memory.waits_for_cores = after.refused.is_some();
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
