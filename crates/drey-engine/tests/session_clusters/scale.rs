//! The TaskManagers of a SessionCluster: more, fewer, and those that die.

use drey_engine::session_cluster::SessionAction;
use drey_model::{ClusterState, EventName, Seen};

use super::{World, alive, manager, managers};

#[test]
fn more_task_managers_are_started_and_idle_ones_go_first() {
    let mut world = World::up(1);
    let run = world.run();
    world.record.cluster.spec.number_of_task_managers = 3;
    assert!(
        matches!(&world.look()[..], [SessionAction::Ensure(r)] if r.spec.number_of_task_managers == 3)
    );
    assert_eq!(world.state(), ClusterState::Updating);
    world.cluster = alive(3);
    world.managers = managers(3);
    world.look();
    assert_eq!((world.state(), world.run()), (ClusterState::Running, run));

    world.record.cluster.spec.number_of_task_managers = 1;
    let busy = vec![manager("tm-0", 0), manager("tm-1", 2), manager("tm-2", 1)];
    world.managers = Seen::unknown("no answer");
    assert!(world.look().is_empty(), "nothing goes before Flink says who is idle");
    assert_eq!(world.state(), ClusterState::Updating);
    world.managers = Seen::Present(busy);
    let expected = ["tm-1".to_owned(), "tm-2".to_owned()];
    let released = |actions: Vec<SessionAction>| match &actions[..] {
        [SessionAction::Release { task_managers, .. }] => task_managers.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(released(world.look()), expected);
    // They stay the chosen ones, whatever they do meanwhile.
    world.managers =
        Seen::Present(vec![manager("tm-0", 2), manager("tm-1", 0), manager("tm-2", 0)]);
    assert_eq!(released(world.look()), expected);
    world.cluster = alive(2);
    world.managers = Seen::Present(vec![manager("tm-0", 2), manager("tm-2", 0)]);
    assert_eq!(released(world.look()), ["tm-2".to_owned()]);
    world.cluster = alive(1);
    world.managers = Seen::Present(vec![manager("tm-0", 2)]);
    assert!(world.look().is_empty());
    assert_eq!((world.state(), world.run()), (ClusterState::Running, run));
}

#[test]
fn of_those_that_were_to_go_only_as_many_go_as_are_still_too_many() {
    let mut world = World::up(4);
    let released = |world: &World| world.record.facts.run.clone().unwrap().releasing;
    world.record.cluster.spec.number_of_task_managers = 2;
    world.look();
    assert_eq!(released(&world), ["tm-0", "tm-1"]);
    world.record.cluster.spec.number_of_task_managers = 3;
    let actions = world.look();
    assert!(
        matches!(&actions[..], [SessionAction::Release { task_managers, .. }] if task_managers[..] == ["tm-0"]),
        "{actions:?}"
    );
    // One has ended; Flink still names it, and it may be either of them.
    world.record.cluster.spec.number_of_task_managers = 2;
    world.managers = Seen::unknown("no answer");
    world.look();
    world.managers = managers(4);
    world.cluster = alive(3);
    world.look();
    assert_eq!(released(&world), ["tm-0"], "no other is chosen before Flink says who is left");
}

#[test]
fn a_task_manager_that_dies_is_replaced_while_the_cluster_stays_running() {
    let mut world = World::up(2);
    world.cluster = alive(1);
    assert!(matches!(world.look()[..], [SessionAction::Ensure(_)]));
    assert_eq!(world.state(), ClusterState::Running);
    world.look();
    let told = world.events.iter().filter(|e| **e == EventName::GeneralFailure).count();
    assert_eq!(told, 1, "said once");
}
