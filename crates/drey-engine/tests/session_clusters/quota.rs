//! SessionClusters and the CPU quota: whose launch waits, who holds how much.

use drey_engine::Quota;
use drey_engine::session_cluster::SessionAction;
use drey_model::meta::NON_PRODUCTION;
use drey_model::quota::{Cores, Holder, Limit};
use drey_model::{ClusterState, DesiredClusterState, EventName};

use super::{World, alive, dead, managers};

/// A limit, and what a Deployment holds of it.
fn limited(limit: f64, held: f64) -> Quota {
    let other = Holder {
        namespace: "default".to_owned(),
        kind: drey_model::Kind::Deployment,
        name: "fraud".to_owned(),
        cpu: Cores::new(held),
    };
    let limit = Limit { cpu: Cores::new(limit), tolerated: Cores::ZERO };
    Quota { limit: Some(limit), others: Some(vec![other]) }
}

#[test]
fn a_launch_waits_for_cores_is_told_who_has_them_and_starts_when_they_come_free() {
    let mut world = World::new(3);
    world.quota = limited(6.0, 3.0);
    world.want(DesiredClusterState::Running);
    assert!(world.look().is_empty());
    assert_eq!((world.state(), world.run()), (ClusterState::Starting, None));
    assert_eq!(world.events, [EventName::ResourceQuotaExceeded]);
    let said = world.record.cluster.status.failure.clone().unwrap().message;
    assert!(said.contains("4 needed, 3 of 6 free, 1 missing. In use: fraud 3"), "{said}");
    assert!(world.record.facts.wait.clone().unwrap().what.contains("free CPU cores"));
    world.pass(60);
    assert_eq!(world.events.len(), 1, "it is told once");
    world.quota.others = None;
    assert!(world.pass(60).is_empty(), "what is not known is not free");

    world.quota = limited(6.0, 2.0);
    let actions = world.pass(60);
    assert!(matches!(actions.as_slice(), [SessionAction::Ensure(_)]), "{actions:?}");
    assert_eq!(world.record.facts.claim.held, Cores::new(4.0));
    assert_eq!(
        (world.record.facts.claim.refused.clone(), world.record.cluster.status.failure.clone()),
        (None, None)
    );
}

#[test]
fn a_cluster_that_is_recovered_keeps_its_cores_and_a_stopped_one_gives_them_back() {
    let mut world = World::up(2);
    assert_eq!(world.record.facts.claim.held, Cores::new(3.0));
    // Lowered below what is used, it stops nothing and keeps nobody from being recovered.
    world.quota = limited(1.0, 1.0);
    world.cluster = dead("killed");
    world.pass(5);
    let lost = world.run();
    world.gone();
    assert_ne!(world.run(), lost);
    assert_eq!(world.record.facts.claim.held, Cores::new(3.0));
    world.want(DesiredClusterState::Stopped);
    world.look();
    world.gone();
    assert_eq!((world.run(), world.record.facts.claim.held), (None, Cores::ZERO));
}

#[test]
fn more_taskmanagers_are_counted_and_not_judged_and_testing_is_neither() {
    let mut world = World::up(1);
    world.quota = limited(2.0, 0.0);
    world.record.cluster.spec.number_of_task_managers = 4;
    let actions = world.pass(5);
    assert!(matches!(actions.as_slice(), [SessionAction::Ensure(_)]), "{actions:?}");
    assert_eq!(world.record.facts.claim.held, Cores::new(5.0));

    let mut testing = World::new(9);
    testing.quota = limited(1.0, 1.0);
    let annotations = &mut testing.record.cluster.metadata.annotations;
    annotations.insert(NON_PRODUCTION.to_owned(), "true".to_owned());
    testing.want(DesiredClusterState::Running);
    assert_eq!(testing.look().len(), 1);
    assert_eq!(testing.record.facts.claim.held, Cores::ZERO);
}

#[test]
fn a_change_while_it_starts_is_counted_at_once_and_forgotten_when_it_is_taken_back() {
    let mut world = World::new(1);
    world.quota = limited(9.0, 0.0);
    world.want(DesiredClusterState::Running);
    world.look();
    world.record.cluster.spec.number_of_task_managers = 3;
    world.pass(1);
    assert_eq!(world.record.facts.claim.held, Cores::new(4.0), "three are being started");
    world.record.cluster.spec.number_of_task_managers = 2;
    (world.cluster, world.managers) = (alive(3), managers(3));
    let actions = world.pass(1);
    assert!(matches!(actions.as_slice(), [SessionAction::Release { .. }]), "{actions:?}");
    assert_eq!(world.record.facts.claim.held, Cores::new(4.0), "three live");
    (world.cluster, world.managers) = (alive(2), managers(2));
    world.pass(1);
    assert_eq!(world.state(), ClusterState::Running);
    assert_eq!(world.record.facts.claim.held, Cores::new(3.0));
    world.record.cluster.spec.number_of_task_managers = 1;
    world.pass(1);
    (world.cluster, world.managers) = (alive(1), managers(1));
    world.pass(1);
    assert_eq!(world.record.facts.claim.held, Cores::new(2.0));
}
