//! Upkeep: once an hour, what nobody will ask for again leaves the database.
//!
//! Owns when and how much. Does not own what stays safe to remove: see `drey_store`'s own upkeep. A round that fails is
//! told to the log, and the next one makes up for it.

use std::num::NonZeroU32;
use std::time::Duration;

use drey_model::Kind;
use drey_server::World;
use drey_store::{Error, Store};
use jiff::SignedDuration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Between two rounds; the first one is at once.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// How long a watcher may have been away and still learn of a deletion.
const TOMBSTONE_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What to keep up.
pub(super) struct Upkeep {
    pub(super) store: Store,
    pub(super) world: World,
    /// Events that each Deployment keeps, the newest ones; all when not given.
    pub(super) events_per_deployment: Option<NonZeroU32>,
    /// Days for which the audit log is kept.
    pub(super) audit_days: u32,
}

impl Upkeep {
    /// Works until `shutdown`. A round may end in its middle: each of its steps is a transaction.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let rounds = async {
            let mut due = tokio::time::interval(INTERVAL);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                match self.round().await {
                    Ok((0, 0)) => {}
                    Ok((traces, events)) => {
                        tracing::info!(
                            traces,
                            events,
                            "old traces of deletions and old events were removed"
                        );
                    }
                    Err(error) => {
                        tracing::warn!(%error, "upkeep of the database failed; trying again in an hour");
                    }
                }
            }
        };
        // The loop never ends by itself.
        let _: Option<()> = shutdown.run_until_cancelled(rounds).await;
    }

    /// Returns how many traces of deletions and how many events went.
    async fn round(&self) -> Result<(u64, u64), Error> {
        let traces = match self.world.now().checked_sub(TOMBSTONE_AGE) {
            Ok(before) => self.store.purge_tombstones(before).await?,
            Err(_) => 0,
        };
        let mut events = 0;
        if let Some(keep) = self.events_per_deployment {
            for deployment in self.store.ids(Kind::Deployment).await? {
                events += self.store.trim_events(deployment, keep.get()).await?;
            }
        }
        let now = self.world.now();
        self.store.purge_sessions(now).await?;
        let kept = SignedDuration::from_hours(24 * i64::from(self.audit_days));
        if let Ok(before) = now.checked_sub(kept) {
            let entries = self.store.purge_audit(before).await?;
            if entries > 0 {
                tracing::info!(entries, "old entries of the audit log were removed");
            }
        }
        Ok((traces, events))
    }
}

#[cfg(test)]
mod tests {
    use drey_store::{AuditEntry, AuditWindow, Filter, Object, Write};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn row(kind: Kind, owner: Option<Uuid>) -> Object {
        let id = Uuid::now_v7();
        Object {
            kind,
            namespace: "default".to_owned(),
            name: id.to_string(),
            id,
            owner,
            open: false,
            revision: 0,
            doc: "{}".to_owned(),
            facts: None,
            deleted: false,
        }
    }

    fn upkeep(store: &Store, days: i64, keep: u32) -> Upkeep {
        let now = Timestamp::now() + SignedDuration::from_hours(24 * days);
        Upkeep {
            store: store.clone(),
            world: World::of(move || now, Uuid::now_v7),
            events_per_deployment: NonZeroU32::new(keep),
            audit_days: 7,
        }
    }

    #[tokio::test]
    async fn old_traces_go_and_each_deployment_keeps_its_newest_events() {
        let store = Store::in_memory().await.unwrap();
        let (deployment, gone) = (row(Kind::Deployment, None), row(Kind::Deployment, None));
        let events = (0..5).map(|_| Write::Create(row(Kind::Event, Some(deployment.id))));
        let writes = [Write::Create(gone.clone()), Write::Create(deployment.clone())];
        store.commit(&writes.into_iter().chain(events).collect::<Vec<_>>()).await.unwrap();
        let deletion = Write::Delete { kind: Kind::Deployment, id: gone.id, revision: 1 };
        store.commit(&[deletion]).await.unwrap();

        assert_eq!(upkeep(&store, 6, 0).round().await.unwrap(), (0, 0));
        assert_eq!(upkeep(&store, 8, 0).round().await.unwrap(), (1, 0));
        assert_eq!(upkeep(&store, 8, 2).round().await.unwrap(), (0, 3));
        assert_eq!(store.list(Kind::Event, &Filter::default()).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn old_entries_of_the_audit_log_and_sessions_that_ended_go() {
        let store = Store::in_memory().await.unwrap();
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: Timestamp::now(),
            actor: "user:a".to_owned(),
            address: String::new(),
            method: "POST".to_owned(),
            route: "/".to_owned(),
            namespace: String::new(),
            object: String::new(),
            request_id: "1".to_owned(),
            status: Some(200),
            detail: String::new(),
        };
        store.add_audit(&entry).await.unwrap();
        let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
        store.open_session("s", "{}", tomorrow).await.unwrap();
        let all =
            AuditWindow { from: Timestamp::MIN, to: Timestamp::MAX, below: Uuid::nil(), limit: 10 };
        upkeep(&store, 0, 0).round().await.unwrap();
        assert_eq!(store.audit(&all).await.unwrap().len(), 1);
        assert!(store.session("s", Timestamp::now()).await.unwrap().is_some());
        upkeep(&store, 8, 0).round().await.unwrap();
        assert_eq!(store.audit(&all).await.unwrap(), []);
        assert_eq!(store.session("s", Timestamp::now()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_round_is_run_at_once_and_failures_and_the_end_are_survived() {
        let store = Store::in_memory().await.unwrap();
        let gone = row(Kind::Deployment, None);
        store.commit(&[Write::Create(gone.clone())]).await.unwrap();
        let deletion = Write::Delete { kind: Kind::Deployment, id: gone.id, revision: 1 };
        store.commit(&[deletion]).await.unwrap();
        let shutdown = CancellationToken::new();
        let working = tokio::spawn(upkeep(&store, 8, 1).run(shutdown.clone()));
        while store.oldest_change().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        store.close().await;
        shutdown.cancel();
        working.await.unwrap();
        upkeep(&store, 8, 1).run(shutdown).await;
    }
}
