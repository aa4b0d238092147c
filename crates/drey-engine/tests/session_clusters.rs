//! Decisions about SessionClusters: short histories, and chains of random looks that no chain may break.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;

use drey_engine::session_cluster::{
    SessionAction, SessionObservation, SessionPlan, SessionReport, SessionSituation,
};
use drey_engine::{Quota, SessionClusterRecord, SessionFacts, decide_session};
use drey_model::meta::Metadata;
use drey_model::seen::{Cluster, ClusterPhase, Jar, TaskManager};
use drey_model::session_cluster::SessionClusterSpec;
use drey_model::target::{DeploymentTargetSpec, LocalTarget};
use drey_model::{
    ClusterState, DeploymentTarget, DesiredClusterState, EventName, Seen, SessionCluster,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

#[path = "session_clusters/quota.rs"]
mod quota;
#[path = "session_clusters/scale.rs"]
mod scale;

/// Records as a store would keep them, and what each look shows.
struct World {
    now: Timestamp,
    record: SessionClusterRecord,
    has_target: bool,
    quota: Quota,
    cluster: Seen<Cluster>,
    managers: Seen<Vec<TaskManager>>,
    jars: Option<Vec<Jar>>,
    needed: BTreeSet<String>,
    reports: Vec<SessionReport>,
    ids: u128,
    events: Vec<EventName>,
    /// Every run that was ever launched.
    launched: BTreeSet<Uuid>,
}

fn alive(task_managers: u32) -> Seen<Cluster> {
    let rest = Some("http://jm".to_owned());
    Seen::Present(Cluster { phase: ClusterPhase::Alive, rest, task_managers })
}

fn dead(why: &str) -> Seen<Cluster> {
    let phase = ClusterPhase::Dead { why: why.to_owned() };
    Seen::Present(Cluster { phase, rest: None, task_managers: 1 })
}

fn manager(id: &str, free_slots: u32) -> TaskManager {
    TaskManager { id: id.to_owned(), slots: 2, free_slots }
}

fn managers(count: usize) -> Seen<Vec<TaskManager>> {
    Seen::Present((0..count).map(|n| manager(&format!("tm-{n}"), 2)).collect())
}

impl World {
    fn new(task_managers: i32) -> Self {
        let (name, namespace) = ("shared".to_owned(), "default".to_owned());
        let metadata = Metadata { id: Uuid::from_u128(1), name, namespace, ..Metadata::default() };
        let spec = SessionClusterSpec {
            deployment_target_name: "local".to_owned(),
            number_of_task_managers: task_managers,
            ..SessionClusterSpec::default()
        };
        let cluster = SessionCluster::new(metadata, spec);
        Self {
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            record: SessionClusterRecord { cluster, facts: SessionFacts::default() },
            has_target: true,
            quota: Quota::default(),
            cluster: Seen::Absent,
            managers: Seen::unknown("connection refused"),
            jars: None,
            needed: BTreeSet::new(),
            reports: Vec::new(),
            ids: 0,
            events: Vec::new(),
            launched: BTreeSet::new(),
        }
    }

    fn want(&mut self, state: DesiredClusterState) {
        self.record.cluster.spec.state = state;
    }

    fn state(&self) -> ClusterState {
        self.record.cluster.status.state
    }

    fn run(&self) -> Option<Uuid> {
        self.record.facts.run.as_ref().map(|run| run.launched.id)
    }

    fn plan(&mut self) -> SessionPlan {
        self.ids += 1;
        let spec =
            DeploymentTargetSpec { local: Some(LocalTarget {}), ..DeploymentTargetSpec::default() };
        decide_session(SessionSituation {
            now: self.now,
            id: Uuid::from_u128(self.ids << 8),
            record: self.record.clone(),
            target: self.has_target.then(|| DeploymentTarget::new(Metadata::default(), spec)),
            quota: self.quota.clone(),
            seen: SessionObservation {
                cluster: self.cluster.clone(),
                task_managers: self.managers.clone(),
                jars: self.jars.clone(),
                needed: self.needed.clone(),
            },
            reports: std::mem::take(&mut self.reports),
        })
    }

    /// Looks, records and carries out once. What is checked holds of every decision.
    fn look(&mut self) -> Vec<SessionAction> {
        let mut before = self.record.clone();
        let is_accepted = |r: &SessionReport| matches!(r, SessionReport::RemovalAccepted { .. });
        if let Some(run) =
            before.facts.run.as_mut().filter(|_| self.reports.iter().any(is_accepted))
        {
            run.removed = true;
        }
        let plan = self.plan();
        check(&before, &self.cluster, &plan);
        quota::check(&before, &self.cluster, &plan);
        if plan.record.facts.run.as_ref().map(|r| r.launched.id) != self.run() {
            // A run that is new has no processes yet.
            self.cluster = Seen::Absent;
            self.managers = Seen::unknown("connection refused");
        }
        self.record = plan.record;
        self.events.extend(plan.events.iter().map(|event| event.name));
        for action in &plan.actions {
            match action {
                SessionAction::Ensure(run) => {
                    self.launched.insert(run.id);
                }
                SessionAction::Remove { run } => {
                    self.reports.push(SessionReport::RemovalAccepted { run: *run });
                }
                SessionAction::Release { .. } | SessionAction::DeleteJar { .. } => {}
            }
        }
        plan.actions
    }

    fn pass(&mut self, seconds: i64) -> Vec<SessionAction> {
        self.now += SignedDuration::from_secs(seconds);
        self.look()
    }

    /// RUNNING, with as many TaskManagers as asked for.
    fn up(task_managers: i32) -> Self {
        let mut world = Self::new(task_managers);
        world.want(DesiredClusterState::Running);
        world.look();
        let count = usize::try_from(task_managers).unwrap();
        world.cluster = alive(u32::try_from(count).unwrap());
        world.managers = managers(count);
        world.look();
        assert_eq!(world.state(), ClusterState::Running);
        world
    }

    /// Every process of the run is gone.
    fn gone(&mut self) {
        self.look();
        self.cluster = Seen::Absent;
        self.look();
    }
}

/// What must hold of every decision.
fn check(before: &SessionClusterRecord, seen: &Seen<Cluster>, plan: &SessionPlan) {
    let after = &plan.record;
    let run = after.facts.run.as_ref();
    for action in &plan.actions {
        match action {
            SessionAction::Ensure(launch) => {
                let run = run.expect("a run that nobody recorded");
                assert_eq!(launch.id, run.launched.id, "another run than the recorded one");
                assert!(run.end.is_none(), "a run that is to end is launched");
                let old = before.facts.run.as_ref().filter(|r| r.launched.id == launch.id);
                let was_alive = old.is_some_and(|r| r.alive_since.is_some());
                assert!(!(was_alive && *seen == Seen::Absent), "a run is launched a second time");
            }
            SessionAction::Remove { run: id } => {
                let run = run.expect("a run that nobody recorded");
                assert!(
                    run.launched.id == *id && run.end.is_some(),
                    "a run that goes on is removed"
                );
            }
            SessionAction::Release { task_managers, .. } => {
                assert_eq!(*task_managers, run.unwrap().releasing, "what goes is recorded first");
            }
            SessionAction::DeleteJar { .. } => {}
        }
    }
    let (old, new) = (before.facts.run.as_ref(), run);
    if let (Some(old), true) = (old, new.map(|r| r.launched.id) != old.map(|r| r.launched.id)) {
        assert!(old.removed && *seen == Seen::Absent, "a run is forgotten while it may live");
    }
    let is_unknown = matches!(seen, Seen::Unknown { .. });
    if let (true, DesiredClusterState::Running, Some(old)) =
        (is_unknown, after.cluster.spec.state, old)
    {
        assert_eq!(new.unwrap().end, old.end, "a run ends although nothing was seen");
    }
    let status = &after.cluster.status;
    let takes_jobs = matches!(status.state, ClusterState::Running | ClusterState::Updating);
    assert_eq!(status.running.is_some(), takes_jobs);
    assert_eq!(status.state == ClusterState::Failed, after.facts.gave_up.is_some());
    let is_moving = matches!(
        status.state,
        ClusterState::Starting | ClusterState::Stopping | ClusterState::Updating
    );
    if is_moving {
        assert!(plan.wake_at.is_some(), "{} and never looked at again", status.state);
        assert!(after.facts.wait.is_some() || !plan.actions.is_empty() || plan.wake_at.is_some());
    }
}

#[test]
fn it_starts_takes_jobs_and_stops() {
    let mut world = World::new(2);
    world.want(DesiredClusterState::Running);
    assert!(matches!(world.look()[..], [SessionAction::Ensure(_)]));
    assert_eq!(world.state(), ClusterState::Starting);
    world.cluster = alive(2);
    world.managers = managers(1);
    world.look();
    assert_eq!(world.state(), ClusterState::Starting, "one TaskManager has not registered");
    assert!(world.record.facts.wait.as_ref().unwrap().what.contains("2 TaskManagers to register"));
    world.managers = managers(2);
    world.look();
    assert_eq!(world.state(), ClusterState::Running);
    assert!(world.look().is_empty(), "a settled cluster calls for nothing");
    world.want(DesiredClusterState::Stopped);
    assert!(matches!(world.look()[..], [SessionAction::Remove { .. }]));
    assert_eq!(world.state(), ClusterState::Stopping);
    world.gone();
    assert_eq!(world.state(), ClusterState::Stopped);
    assert_eq!(
        world.events,
        [
            EventName::SpinningUpAClusterForASessionCluster,
            EventName::SessionClusterSuccessfullyStarted,
            EventName::SessionClusterSuccessfullyStopped,
        ]
    );
}

#[test]
fn a_stable_cluster_changes_nothing_in_its_record() {
    let mut world = World::up(2);
    world.look();
    let before = world.record.clone();
    for _ in 0..20 {
        world.pass(6);
        assert_eq!(world.record, before);
    }
    // Nor does a Flink that gives no answer, or a backend that gives none; but it is said that one is waited for.
    world.managers = Seen::unknown("time-out");
    world.pass(600);
    let since = world.now;
    assert_eq!(world.record.cluster, before.cluster);
    world.pass(700);
    let wait = world.record.facts.wait.clone().unwrap();
    assert!(wait.what.contains("an answer from Flink") && wait.until > world.now, "{wait:?}");
    assert_eq!(wait.since, since, "since when it has been missing");
    world.managers = managers(2);
    world.pass(5);
    assert_eq!(world.record, before);
    world.cluster = Seen::unknown("time-out");
    assert!(world.pass(600).is_empty());
    assert_eq!(world.record.cluster, before.cluster);
}

#[test]
fn a_job_manager_that_dies_gets_a_new_run_when_the_old_one_is_gone() {
    let mut world = World::up(1);
    let old = world.run();
    world.cluster = dead("killed (signal 9)");
    assert!(matches!(world.look()[..], [SessionAction::Remove { .. }]));
    assert_eq!(world.state(), ClusterState::Starting);
    assert!(world.record.cluster.status.failure.as_ref().unwrap().message.contains("signal 9"));
    for _ in 0..5 {
        world.pass(1);
        assert_eq!(world.run(), old, "its TaskManagers may still work");
    }
    world.gone();
    assert!(world.run().is_some() && world.run() != old);
    world.cluster = alive(1);
    world.managers = managers(1);
    world.look();
    assert_eq!(world.state(), ClusterState::Running);
    assert_eq!(world.record.cluster.status.failure, None);
}

#[test]
fn starts_that_fail_are_tried_four_times_and_then_a_person_has_to_act() {
    let mut world = World::new(1);
    world.want(DesiredClusterState::Running);
    for _ in 0..200 {
        if world.record.facts.run.as_ref().is_some_and(|run| run.end.is_none()) {
            world.cluster = dead("exit code 1");
        }
        world.pass(10);
        if world.record.facts.run.as_ref().is_some_and(|run| run.removed) {
            world.cluster = Seen::Absent;
        }
    }
    assert_eq!((world.state(), world.launched.len()), (ClusterState::Failed, 4));
    assert!(world.record.cluster.status.failure.as_ref().unwrap().message.contains("exit code 1"));
    world.want(DesiredClusterState::Stopped);
    world.look();
    assert_eq!(world.state(), ClusterState::Stopped);
    world.want(DesiredClusterState::Running);
    world.look();
    assert_eq!(world.state(), ClusterState::Starting);
}

#[test]
fn a_target_that_is_gone_and_a_backend_that_refuses_fail_it_at_once() {
    let mut world = World::new(1);
    world.want(DesiredClusterState::Running);
    world.has_target = false;
    world.look();
    assert_eq!(world.state(), ClusterState::Failed);

    let mut world = World::new(1);
    world.want(DesiredClusterState::Running);
    world.look();
    let run = world.run().unwrap();
    world.reports.push(SessionReport::EnsureRefused { run, why: "no Kubernetes here".to_owned() });
    world.look();
    assert_eq!(world.state(), ClusterState::Failed);
    world.want(DesiredClusterState::Stopped);
    world.gone();
    world.look();
    assert_eq!(world.state(), ClusterState::Stopped);
}

#[test]
fn a_removal_that_fails_is_told_and_tried_again() {
    let mut world = World::up(1);
    world.want(DesiredClusterState::Stopped);
    world.look();
    let run = world.run().unwrap();
    world.reports = vec![SessionReport::RemovalFailed { run, why: "disk full".to_owned() }];
    assert!(matches!(world.look()[..], [SessionAction::Remove { .. }]));
    assert!(world.events.contains(&EventName::FailedToStopSessionCluster));
    assert_eq!(world.state(), ClusterState::Stopping);
}

#[test]
fn programs_that_no_job_needs_are_deleted() {
    let mut world = World::up(1);
    let jar = |id: &str, name: &str| Jar { id: id.to_owned(), name: name.to_owned() };
    world.jars = Some(vec![jar("1_a", "a"), jar("2_b", "b"), jar("3_a", "a")]);
    world.needed = BTreeSet::from(["a".to_owned()]);
    let deleted = world.look();
    assert!(
        matches!(&deleted[..], [SessionAction::DeleteJar { jar, .. }] if jar.id == "2_b"),
        "{deleted:?}"
    );
}

/// One random thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Want(bool),
    Scale(i32),
    See(u8, u32),
    Managers(Option<u8>),
    Pass(u16),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Want),
        (1..4).prop_map(Step::Scale),
        (0_u8..5, 0_u32..4).prop_map(|(what, n)| Step::See(what, n)),
        prop::option::of(0_u8..4).prop_map(Step::Managers),
        (0_u16..1000).prop_map(Step::Pass),
        Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is seen in whatever order: what [`check`] says holds, and a world that cooperates settles.
    #[test]
    fn no_history_breaks_the_rules_and_every_one_settles(steps in prop::collection::vec(step(), 1..40)) {
        let mut world = World::new(1);
        for step in steps {
            match step {
                Step::Want(true) => world.want(DesiredClusterState::Running),
                Step::Want(false) => world.want(DesiredClusterState::Stopped),
                Step::Scale(n) => world.record.cluster.spec.number_of_task_managers = n,
                Step::See(0, _) => world.cluster = Seen::unknown("?"),
                Step::See(1, n) => world.cluster = alive(n),
                Step::See(2, _) => world.cluster = dead("gone"),
                Step::See(3, _) => {
                    let phase = ClusterPhase::Preparing { what: "Flink".to_owned() };
                    world.cluster = Seen::Present(Cluster { phase, rest: None, task_managers: 0 });
                }
                Step::See(_, _) => world.cluster = Seen::Absent,
                Step::Managers(n) => {
                    world.managers = n.map_or(Seen::unknown("?"), |n| managers(usize::from(n)));
                }
                Step::Pass(seconds) => world.now += SignedDuration::from_secs(i64::from(seconds)),
                Step::Forget => world.reports.clear(),
            }
            world.look();
        }
        // From here on everything asked for comes about.
        for _ in 0..400 {
            let count = world.record.cluster.spec.number_of_task_managers;
            let is_ending = world.record.facts.run.as_ref().is_none_or(|run| run.end.is_some());
            world.cluster = if is_ending { Seen::Absent } else { alive(u32::try_from(count).unwrap()) };
            world.managers = managers(usize::try_from(count).unwrap());
            world.pass(5);
        }
        let expected: &[ClusterState] = match world.record.cluster.spec.state {
            DesiredClusterState::Running => &[ClusterState::Running, ClusterState::Failed],
            DesiredClusterState::Stopped => &[ClusterState::Stopped],
        };
        prop_assert!(expected.contains(&world.state()), "{}", world.state());
        quota::check_at_rest(&world.record);
    }
}
