//! Two launches at once must not both take the last cores, and who takes none is in nobody's way.

use drey_controller::{Memory, Next};
use drey_engine::{DeploymentFacts, SessionFacts};
use drey_model::meta::NON_PRODUCTION;
use drey_model::quota::{Claim, Cores};
use drey_model::{Deployment, Kind, SessionCluster};
use drey_store::{Filter, Store, Write};
use uuid::Uuid;

use crate::world::{cluster, deployment, reconciler, store};

#[tokio::test]
async fn of_launches_that_were_judged_at_the_same_moment_only_those_with_room_are_recorded() {
    let (store, ids) = store(4).await;
    let reconciler = reconciler(store.clone(), 4);
    let looks = ids.iter().map(|id| async {
        let mut memory = Memory::default();
        // Whose figures are out of date is told to look again at once.
        let mut again = 0;
        loop {
            let next = reconciler.reconcile(*id, &mut memory).await;
            let (object, jobs) = store.deployment(*id).await.unwrap().unwrap();
            let facts: DeploymentFacts = object.decode_facts().unwrap();
            if !jobs.is_empty() || facts.claim.refused.is_some() {
                return (again, jobs.len(), facts.claim.held);
            }
            assert_eq!(next, Next::Now);
            again += 1;
            assert!(again < 10, "it goes round in circles");
        }
    });
    let outcomes = futures::future::join_all(looks).await;
    let launched = outcomes.iter().filter(|(_, jobs, _)| *jobs == 1).count();
    let held: Cores = outcomes.iter().map(|(_, _, held)| *held).sum();
    assert_eq!((launched, held), (2, Cores::new(4.0)), "{outcomes:?}");
    assert!(outcomes.iter().any(|(again, _, _)| *again > 0), "nobody was too late: {outcomes:?}");
    assert_eq!(store.list(Kind::Job, &Filter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn session_clusters_and_deployments_do_not_take_the_same_cores() {
    let (store, mut ids) = store(1).await;
    ids.push(cluster(&store, "a", 2).await);
    ids.push(cluster(&store, "b", 2).await);
    let reconciler = reconciler(store.clone(), 3);
    let looks = ids.iter().map(|id| async {
        let mut memory = Memory::default();
        for _ in 0..10 {
            let next = reconciler.reconcile(*id, &mut memory).await;
            let claim = match store.deployment(*id).await.unwrap() {
                Some((object, _)) => object.decode_facts::<DeploymentFacts>().unwrap().claim,
                None => {
                    let object = store.by_id(Kind::SessionCluster, *id).await.unwrap().unwrap();
                    object.decode_facts::<SessionFacts>().unwrap().claim
                }
            };
            if claim.refused.is_some() || claim.held > Cores::ZERO {
                return claim.held;
            }
            assert_eq!(next, Next::Now);
        }
        panic!("it goes round in circles");
    });
    let held = futures::future::join_all(looks).await;
    let sum: Cores = held.iter().copied().sum();
    assert!(sum > Cores::ZERO && sum <= Cores::new(5.0), "{held:?}");
}

async fn claim(store: &Store, id: Uuid) -> Claim {
    match store.deployment(id).await.unwrap() {
        Some((object, _)) => object.decode_facts::<DeploymentFacts>().unwrap().claim,
        None => {
            let object = store.by_id(Kind::SessionCluster, id).await.unwrap().unwrap();
            object.decode_facts::<SessionFacts>().unwrap().claim
        }
    }
}

#[tokio::test]
async fn a_launch_that_was_judged_before_a_session_cluster_grew_is_judged_again() {
    let (store, ids) = store(1).await;
    let shared = cluster(&store, "shared", 1).await;
    let launching = reconciler(store.clone(), 0);
    launching.reconcile(shared, &mut Memory::default()).await;
    assert_eq!(claim(&store, shared).await.held, Cores::new(2.0));
    let mut object = store.by_id(Kind::SessionCluster, shared).await.unwrap().unwrap();
    let mut grown: SessionCluster = object.decode().unwrap();
    grown.spec.number_of_task_managers = 3;
    object.encode(&grown).unwrap();
    let revision = object.revision;
    store.commit(&[Write::Update(object, revision)]).await.unwrap();

    // The Deployment arrives first and is held back; the cluster, which comes second, goes on at once.
    let reconciler = reconciler(store.clone(), 2);
    let (mut first, mut second) = (Memory::default(), Memory::default());
    let (next, _) = futures::join!(
        reconciler.reconcile(ids[0], &mut first),
        reconciler.reconcile(shared, &mut second)
    );
    assert_eq!((next, claim(&store, shared).await.held), (Next::Now, Cores::new(4.0)));
    reconciler.reconcile(ids[0], &mut first).await;
    let refused = claim(&store, ids[0]).await;
    assert_eq!((refused.held, refused.refused.unwrap().needs), (Cores::ZERO, Cores::new(2.0)));
}

#[tokio::test]
async fn who_takes_no_cores_asks_for_none_and_is_in_nobodys_way() {
    let (store, ids) = store(1).await;
    let testing = |d: &mut Deployment| {
        d.metadata.annotations.insert(NON_PRODUCTION.to_owned(), "true".to_owned());
    };
    let shared = |d: &mut Deployment| d.spec.session_cluster_name = Some("shared".to_owned());
    let testing = [deployment(&store, "a", testing).await, deployment(&store, "b", testing).await];
    let shared = [deployment(&store, "c", shared).await, deployment(&store, "d", shared).await];
    let limited = reconciler(store.clone(), 0);
    let mut unlimited = reconciler(store.clone(), 0);
    unlimited.quota = None;
    let ledger = store.ledger().await.unwrap();
    for pair in [testing, shared] {
        let mut reads = Vec::new();
        for (reconciler, id) in [&limited, &unlimited].into_iter().zip(pair) {
            let before = store.statistics().reads;
            reconciler.reconcile(id, &mut Memory::default()).await;
            reads.push(store.statistics().reads - before);
        }
        assert_eq!(reads[0], reads[1], "it adds up what others hold");
    }
    assert_eq!(store.list(Kind::Job, &Filter::default()).await.unwrap().len(), 2);
    assert_eq!(store.ledger().await.unwrap(), ledger, "others were judged on true figures");
    limited.reconcile(ids[0], &mut Memory::default()).await;
    assert_eq!(store.ledger().await.unwrap(), ledger + 1);
}

#[tokio::test]
async fn while_a_claim_cannot_be_read_no_cores_are_given_out_and_it_is_named() {
    let (store, ids) = store(2).await;
    let (mut object, _) = store.deployment(ids[1]).await.unwrap().unwrap();
    object.facts = Some(r#"{"claim": {"held": "a lot"}}"#.to_owned());
    let damaged = store.commit(&[Write::Update(object.clone(), object.revision)]).await.unwrap();
    let reconciler = reconciler(store.clone(), 0);
    reconciler.reconcile(ids[0], &mut Memory::default()).await;
    let (waiting, jobs) = store.deployment(ids[0]).await.unwrap().unwrap();
    let facts: DeploymentFacts = waiting.decode_facts().unwrap();
    assert!(jobs.is_empty() && facts.claim.refused.is_some(), "{facts:?}");
    let why = facts.last_failure.unwrap().message;
    assert!(why.contains("how many cores Deployment job-1 holds is damaged"), "{why}");

    // Facts that are damaged elsewhere are no reason.
    object.facts = Some(r#"{"ordinal": "many", "claim": {"held": 1}}"#.to_owned());
    store.commit(&[Write::Update(object, damaged)]).await.unwrap();
    reconciler.reconcile(ids[0], &mut Memory::default()).await;
    assert_eq!(claim(&store, ids[0]).await.held, Cores::new(2.0));
}
