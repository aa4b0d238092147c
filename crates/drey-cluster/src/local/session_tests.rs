//! Session clusters with a fake `java`: launched once, scaled, adopted, and programs fetched for their jobs.

use drey_model::seen::Program;
use drey_model::session_cluster::SessionClusterSpec;
use drey_model::target::LocalTarget;

use super::tests::{World, alive, dead, launched, until};
use super::*;

pub(super) fn run(task_managers: i32) -> SessionRun {
    let mut run = SessionRun {
        id: Uuid::now_v7(),
        session_cluster_id: Uuid::now_v7(),
        name: "shared".to_owned(),
        namespace: "default".to_owned(),
        spec: SessionClusterSpec {
            flink_version: Some("2.2.1".to_owned()),
            number_of_task_managers: task_managers,
            ..SessionClusterSpec::default()
        },
        flink_configuration: Default::default(),
        target: Default::default(),
    };
    run.target.local = Some(LocalTarget {});
    run
}

/// Names under which Flink knows the TaskManagers that live, by slot.
fn names(world: &World, id: Uuid) -> Vec<String> {
    let slots = world.folder(id).task_managers().unwrap();
    let living = slots.iter().filter(|slot| slot.look().unwrap().is_alive());
    living.map(|slot| slot.resource_id().unwrap()).collect()
}

#[tokio::test]
async fn a_session_cluster_needs_no_program_and_scales_both_ways() {
    let world = World::new();
    let backend = world.open().await;
    let mut run = run(1);
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 1).await;
    run.spec.number_of_task_managers = 3;
    until(
        async || {
            backend.ensure_session(&run).await.unwrap();
            names(&world, run.id).len()
        },
        |n| *n == 3,
    )
    .await;

    launched(&world, 3).await;
    // The first two go: the one that stays is not the first one.
    let before = names(&world, run.id);
    backend.release(run.id, &before[..2]).await.unwrap();
    alive(&backend, run.id, 1).await;
    run.spec.number_of_task_managers = 1;
    for _ in 0..5 {
        backend.ensure_session(&run).await.unwrap();
        assert_eq!(names(&world, run.id), before[2..], "nobody comes back");
    }
    // A name that means nothing any more ends nobody.
    backend.release(run.id, &before[..2]).await.unwrap();
    alive(&backend, run.id, 1).await;
    assert_eq!((world.launches("jm"), world.launches("tm")), (1, 3));
}

#[tokio::test]
async fn who_asked_for_far_too_many_task_managers_can_take_it_back() {
    let world = World::new();
    let backend = world.open().await;
    let mut run = run(1);
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 1).await;
    run.spec.number_of_task_managers = 100_000;
    backend.ensure_session(&run).await.unwrap();
    until(async || names(&world, run.id).len(), |n| *n > 1).await;
    run.spec.number_of_task_managers = 1;
    for _ in 0..5 {
        backend.ensure_session(&run).await.unwrap();
        let started = names(&world, run.id).len();
        assert!(started <= 5, "{started} are started although one is wanted");
    }
}

#[tokio::test]
async fn a_task_manager_that_does_not_want_to_go_is_killed() {
    let world = World::new();
    world.behave("tm", "trap '' TERM; while :; do sleep 0.05; done");
    let backend = world.open().await;
    let run = run(1);
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 1).await;
    backend.release(run.id, &names(&world, run.id)).await.unwrap();
    alive(&backend, run.id, 0).await;
}

#[tokio::test]
async fn the_next_backend_takes_a_session_cluster_over_and_its_end_names_the_owner() {
    let world = World::new();
    let run = run(2);
    let backend = world.open().await;
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 2).await;
    backend.shutdown().await;
    drop(backend);
    let backend = world.open().await;
    let mut ends = backend.process_ends();
    alive(&backend, run.id, 2).await;
    launched(&world, 2).await;
    world.folder(run.id).job_manager().signal(super::process::Signal::KILL).unwrap();
    dead(&backend, run.id).await;
    let owner = tokio::time::timeout(Duration::from_secs(20), ends.recv()).await.unwrap();
    assert_eq!(owner.unwrap(), run.session_cluster_id);
    backend.ensure_session(&run).await.unwrap();
    assert_eq!(world.launches("jm"), 1, "never a second JobManager for a run");
    backend.remove(run.id).await.unwrap();
    until(async || backend.inspect(run.id).await, |seen| *seen == Seen::Absent).await;
    assert_eq!(names(&world, run.id), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_cluster_for_kubernetes_is_refused() {
    let world = World::new();
    let backend = world.open().await;
    let mut run = run(1);
    run.target.local = None;
    let refused = backend.ensure_session(&run).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused(why) if why.contains("SessionCluster shared")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_program_is_fetched_once_asked_for_and_named_by_its_content() {
    let world = World::new();
    let backend = world.open().await;
    let job = world.job();
    let id = job.metadata.id;
    assert_eq!(backend.program(id).await, Seen::Absent);
    backend.fetch(&job).await.unwrap();
    let is_done = |seen: &Seen<Program>| {
        !matches!(seen, Seen::Present(Program::Preparing { .. }) | Seen::Unknown { .. })
    };
    let Seen::Present(Program::Ready { path, sha256, .. }) =
        until(async || backend.program(id).await, is_done).await
    else {
        panic!("no program");
    };
    assert!(path.is_file() && sha256.len() == 64);

    let folder = tempfile::tempdir().unwrap();
    let late = folder.path().join("late.jar");
    let attempt = || {
        let mut job = world.job();
        job.spec.artifact.jar_uri = Some(format!("file://{}", late.display()));
        job
    };
    let first = attempt();
    backend.fetch(&first).await.unwrap();
    let seen = until(async || backend.program(first.metadata.id).await, is_done).await;
    assert!(
        matches!(&seen, Seen::Present(Program::Failed { why }) if why.contains("late.jar")),
        "{seen:?}"
    );
    std::fs::copy(&path, &late).unwrap();
    let second = attempt();
    backend.fetch(&second).await.unwrap();
    let seen = until(async || backend.program(second.metadata.id).await, is_done).await;
    assert!(matches!(&seen, Seen::Present(Program::Ready { .. })), "the next attempt: {seen:?}");
    let mut nameless = world.job();
    nameless.spec.artifact.entry_class = None;
    backend.fetch(&nameless).await.unwrap();
    let seen = until(async || backend.program(nameless.metadata.id).await, is_done).await;
    assert!(
        matches!(&seen, Seen::Present(Program::Failed { why }) if why.contains("Main-Class")),
        "{seen:?}"
    );
}
