//! SessionClusters and the CPU quota: whose launch waits, who holds how much.

use drey_engine::session_cluster::{SessionAction, SessionPlan};
use drey_engine::{Quota, SessionClusterRecord, Unreadable};
use drey_model::meta::NON_PRODUCTION;
use drey_model::quota::{Cores, Holder, Limit, is_non_production};
use drey_model::seen::{Cluster, ClusterPhase, Seen};
use drey_model::{ClusterState, DesiredClusterState, EventName};
use jiff::SignedDuration;

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
    Quota { limit: Some(limit), others: Some(vec![other]), unreadable: None }
}

/// What must hold of every decision: whatever may live is counted, and nothing is kept that the next run does not need.
pub(super) fn check(before: &SessionClusterRecord, seen: &Seen<Cluster>, plan: &SessionPlan) {
    let after = &plan.record;
    if is_non_production(&after.cluster.metadata) {
        return assert_eq!(after.facts.claim.held, Cores::ZERO);
    }
    let held = after.facts.claim.held;
    let cores = |managers| Cores::of_cluster(&after.cluster.spec.resources, managers);
    let wanted = after.cluster.spec.number_of_task_managers;
    match after.facts.run.as_ref().filter(|run| run.end.is_none()) {
        Some(run) => {
            assert!(held >= cores(wanted), "{held} are held for {wanted}");
            assert_eq!(run.launched.spec.number_of_task_managers, wanted);
            let is_same =
                before.facts.run.as_ref().is_some_and(|r| r.launched.id == run.launched.id);
            if let (
                true,
                Seen::Present(Cluster { phase: ClusterPhase::Alive, task_managers, .. }),
            ) = (is_same, seen)
            {
                let living = i32::try_from(*task_managers).unwrap();
                assert!(held >= cores(living), "{held} are held while {living} live");
            }
        }
        None if after.facts.run.is_none() => assert!(held <= cores(wanted), "{held} for nothing"),
        None => {}
    }
}

/// At rest, a cluster holds what it is said to have, and nothing when it is stopped.
pub(super) fn check_at_rest(record: &SessionClusterRecord) {
    let spec = &record.cluster.spec;
    let expected = match record.cluster.status.state {
        ClusterState::Running => Cores::of_cluster(&spec.resources, spec.number_of_task_managers),
        _ => Cores::ZERO,
    };
    assert_eq!(record.facts.claim.held, expected);
}

impl World {
    fn scale(&mut self, managers: i32) -> Vec<SessionAction> {
        self.record.cluster.spec.number_of_task_managers = managers;
        self.pass(5)
    }

    /// So many TaskManagers live, and Flink knows them.
    fn live(&mut self, count: u32) -> Vec<SessionAction> {
        self.cluster = alive(count);
        self.managers = managers(usize::try_from(count).unwrap());
        self.pass(5)
    }

    /// Looks as often as each decision asks for, for so many seconds.
    fn follow(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        loop {
            let soon = self.now + SignedDuration::from_millis(50);
            let at = self.plan().wake_at.unwrap().max(soon);
            if at > end {
                return;
            }
            self.now = at;
            self.look();
        }
    }

    fn held(&self) -> Cores {
        self.record.facts.claim.held
    }
}

#[test]
fn a_scaling_that_is_taken_back_costs_what_lives_and_then_nothing() {
    let mut world = World::up(2);
    world.scale(6);
    assert_eq!((world.state(), world.held()), (ClusterState::Updating, Cores::new(7.0)));
    world.scale(2);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(7.0)));
    world.pass(30);
    let held = Cores::new(3.0);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, held), "nobody came");
    let said = [EventName::StateTransitionIsNeeded, EventName::StateTransitionIsCompleted];
    assert_eq!(world.events[world.events.len() - 2..], said);

    world.scale(6);
    world.live(6);
    assert_eq!(world.state(), ClusterState::Running);
    // Fewer than before are wanted, and while they all live they all count.
    for wanted in [2, 1] {
        world.scale(wanted);
        assert_eq!((world.state(), world.held()), (ClusterState::Updating, Cores::new(7.0)));
    }
    world.live(1);
    world.pass(30);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(2.0)));
}

#[test]
fn a_change_that_another_clock_dated_ahead_keeps_cores_no_longer() {
    let mut world = World::up(4);
    world.scale(1);
    world.live(1);
    let ahead = world.now + SignedDuration::from_hours(1);
    world.record.facts.run.as_mut().unwrap().changed_at = Some(ahead);
    world.look();
    assert_eq!(world.held(), Cores::new(5.0));
    world.follow(40);
    assert_eq!(world.held(), Cores::new(2.0));
}

#[test]
fn a_cluster_that_starts_costs_the_most_that_it_was_started_with() {
    let mut world = World::new(4);
    world.want(DesiredClusterState::Running);
    world.look();
    world.scale(1);
    assert_eq!(world.held(), Cores::new(5.0), "the backend goes on with four");
    let actions = world.live(4);
    assert!(
        matches!(&actions[..], [SessionAction::Release { task_managers, .. }] if task_managers.len() == 3),
        "{actions:?}"
    );
    assert_eq!((world.state(), world.held()), (ClusterState::Starting, Cores::new(5.0)));
    world.live(1);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(5.0)));
    world.follow(40);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(2.0)));

    let mut world = World::new(1);
    world.want(DesiredClusterState::Running);
    world.look();
    world.scale(3);
    assert_eq!(world.held(), Cores::new(4.0));
    world.live(1);
    assert_eq!((world.state(), world.held()), (ClusterState::Starting, Cores::new(4.0)));
    world.live(3);
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(4.0)));
}

#[test]
fn a_run_that_is_to_follow_keeps_no_more_than_it_needs() {
    let mut world = World::up(4);
    world.cluster = dead("killed");
    world.pass(5);
    world.scale(1);
    assert_eq!(world.held(), Cores::new(5.0), "its TaskManagers may still live");
    world.cluster = dead("killed again");
    world.gone();
    assert_eq!(world.held(), Cores::new(2.0));
}

#[test]
fn nothing_is_launched_while_somebodys_cores_cannot_be_read() {
    let mut world = World::new(1);
    world.quota = limited(100.0, 0.0);
    let row = |namespace: &str| Unreadable {
        namespace: namespace.to_owned(),
        kind: drey_model::Kind::SessionCluster,
        name: "broken".to_owned(),
    };
    world.quota.unreadable = Some(row("default"));
    world.want(DesiredClusterState::Running);
    assert!(world.look().is_empty());
    let said = world.record.cluster.status.failure.clone().unwrap().message;
    assert!(said.contains("how many cores SessionCluster broken holds is damaged"), "{said}");
    assert!(world.record.facts.wait.clone().unwrap().what.contains("SessionCluster broken"));
    world.quota.unreadable = Some(row("elsewhere"));
    world.pass(60);
    let what = world.record.facts.wait.clone().unwrap().what;
    assert!(what.contains("another namespace") && !what.contains("broken"), "{what}");
    world.quota.unreadable = None;
    assert_eq!(world.pass(60).len(), 1);
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
    assert_eq!((world.state(), world.held()), (ClusterState::Running, Cores::new(4.0)));
    world.pass(30);
    assert_eq!(world.held(), Cores::new(3.0), "nobody came");
    world.record.cluster.spec.number_of_task_managers = 1;
    world.pass(1);
    (world.cluster, world.managers) = (alive(1), managers(1));
    world.pass(30);
    assert_eq!(world.record.facts.claim.held, Cores::new(2.0));
}
