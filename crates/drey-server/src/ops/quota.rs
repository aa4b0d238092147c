//! The CPU quota as readers see it: the limit, what is used, by whom, and who waits.
//!
//! Adds up the claims that the controller recorded; judges nothing.

use drey_model::Kind;
use drey_model::quota::{Claim, Cores, Holder, QuotaUse, ResourceQuota, Waiter};
use drey_store::{Filter, Object};
use serde::Deserialize;

use crate::app::Shared;
use crate::error::Error;

/// The part of the controller's facts that tells of cores.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claimed {
    claim: Claim,
}

impl Shared {
    /// The quota and everybody's part in it.
    pub(crate) async fn quota_use(&self) -> Result<QuotaUse, Error> {
        let mut rows = self.store.list(Kind::Deployment, &Filter::default()).await?;
        rows.extend(self.store.list(Kind::SessionCluster, &Filter::default()).await?);
        let (mut holders, mut waiting, mut is_known) = (Vec::new(), Vec::new(), true);
        for row in rows {
            // A damaged row is no reason to tell nothing of the others; but it may hold any number of cores.
            let Ok(Claimed { claim }) = row.decode_facts() else {
                is_known = false;
                continue;
            };
            let Object { namespace, kind, name, .. } = row;
            if let Some(refusal) = claim.refused {
                waiting.push(Waiter {
                    namespace: namespace.clone(),
                    kind,
                    name: name.clone(),
                    cpu: refusal.needs,
                    since: refusal.since,
                });
            }
            if claim.held > Cores::ZERO {
                holders.push(Holder { namespace, kind, name, cpu: claim.held });
            }
        }
        holders.sort_by(|a, b| {
            let place = |h: &Holder| (h.namespace.clone(), h.kind.to_string(), h.name.clone());
            b.cpu.cmp(&a.cpu).then_with(|| place(a).cmp(&place(b)))
        });
        waiting.sort_by_key(|waiter| waiter.since);
        let used = holders.iter().map(|holder| holder.cpu).sum();
        let resource_quota = ResourceQuota::new(self.quota, is_known.then_some(used));
        Ok(QuotaUse { resource_quota, holders, waiting })
    }
}
