//! What a SessionCluster owes to the Deployments on it.

use drey_controller::{FaultPoint, Memory, Next};
use drey_engine::facts::SessionJob;
use drey_engine::{JobFacts, SessionFacts};
use drey_model::Kind;
use drey_model::seen::{Cluster, ClusterPhase, Jar, TaskManager};
use drey_store::Write;
use uuid::Uuid;

use crate::world::{Deed, cluster, deployment, reconciler, row, store};

#[tokio::test]
async fn deployments_are_told_of_a_change_even_if_they_could_not_be_found_at_first() {
    let (store, _) = store(0).await;
    let on_it = deployment(&store, "on-it", |d| {
        d.spec.session_cluster_name = Some("shared".to_owned());
    })
    .await;
    let shared = cluster(&store, "shared", 1).await;
    let reconciler = reconciler(store.clone(), 0);
    let hide = Deed::Raw("ALTER TABLE objects RENAME TO hidden");
    let due = (FaultPoint::AfterRecord, store.clone(), hide);
    *reconciler.world.meanwhile.lock().unwrap() = Some(due);
    let mut memory = Memory::default();
    let next = reconciler.reconcile(shared, &mut memory).await;
    assert!(matches!(next, Next::At(_)) && memory.wakes.is_empty(), "{next:?}");
    assert!(!memory.is_empty(), "it would be forgotten");
    store.raw("ALTER TABLE hidden RENAME TO objects").await.unwrap();
    reconciler.reconcile(shared, &mut memory).await;
    assert_eq!(memory.wakes, [on_it]);
    memory.wakes.clear();
    reconciler.reconcile(shared, &mut memory).await;
    assert!(memory.wakes.is_empty(), "told again of nothing new");
}

#[tokio::test]
async fn a_program_that_a_job_needs_by_now_is_not_deleted() {
    let (store, _) = store(0).await;
    let owner = deployment(&store, "on-it", |d| {
        d.spec.session_cluster_name = Some("shared".to_owned());
    })
    .await;
    let shared = cluster(&store, "shared", 1).await;
    let reconciler = reconciler(store.clone(), 0);
    let mut memory = Memory::default();
    reconciler.reconcile(shared, &mut memory).await;
    let object = store.by_id(Kind::SessionCluster, shared).await.unwrap().unwrap();
    let run = object.decode_facts::<SessionFacts>().unwrap().run.unwrap().launched.id;
    let (phase, rest) = (ClusterPhase::Alive, Some("http://jm".to_owned()));
    *reconciler.backend.cluster.lock().unwrap() = Some(Cluster { phase, rest, task_managers: 1 });
    let manager = TaskManager { id: "tm-1".to_owned(), slots: 1, free_slots: 1 };
    reconciler.backend.task_managers.lock().unwrap().push(manager);
    reconciler.reconcile(shared, &mut memory).await;

    let jar =
        |id: &str, sha256: &str| Jar { id: id.to_owned(), name: format!("drey-{sha256}.jar") };
    *reconciler.backend.jars.lock().unwrap() = vec![jar("1", "aa"), jar("2", "bb")];
    let binding = SessionJob {
        name: "shared".to_owned(),
        run,
        artifact: Some("aa".to_owned()),
        submission: None,
        orphaned_at: None,
        late: None,
    };
    let facts = JobFacts { session: Some(binding), ..JobFacts::default() };
    let id = Uuid::now_v7();
    let mut job = row(Kind::Job, &id.to_string(), id, &serde_json::json!({}));
    (job.owner, job.facts) = (Some(owner), Some(serde_json::to_string(&facts).unwrap()));
    let due =
        (FaultPoint::BeforeEffect("delete-jar"), store.clone(), Deed::Write(Write::Create(job)));
    *reconciler.world.meanwhile.lock().unwrap() = Some(due);
    reconciler.reconcile(shared, &mut memory).await;
    assert!(reconciler.world.meanwhile.lock().unwrap().is_none(), "nothing was to be deleted");
    assert_eq!(*reconciler.backend.deleted.lock().unwrap(), ["2"]);
}
