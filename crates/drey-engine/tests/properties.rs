//! Random histories: users edit, worlds turn, answers get lost. The oracle in `world` looks at every decision; here are
//! the histories, and what must hold of them as a whole.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[allow(dead_code, reason = "the scenarios use the rest of it")]
mod world;

use drey_engine::{JobRecord, Quota, SavepointRecord, decide};
use drey_model::deployment::{RestoreKind, UpgradeKind};
use drey_model::meta::{FORCE_CANCELLATION, NON_PRODUCTION};
use drey_model::quota::{Cores, Holder, Limit};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::seen::{ClusterPhase, FlinkStatus, Operation, Program, Snapshot};
use drey_model::{ClusterState, DesiredState, Savepoint, SavepointOrigin, SavepointState, Seen};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;
use strum::VariantArray as _;
use uuid::Uuid;

use world::{Answer, World, cluster, flink_job, oracle, spec};

const LOOKS_MAX: usize = 800;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Turn {
    State(DesiredState),
    Parallelism(i32),
    Upgrade(UpgradeKind),
    Restore(RestoreKind),
    Attempts(i32),
    Expiration(Option<&'static str>),
    AskForSavepoint,
    Register,
    Cluster(ClusterSight),
    Flink(FlinkStatus, bool),
    FlinkUnknown,
    FlinkAbsent,
    Operation(u8),
    Directory(u8),
    Retained(u8),
    Answers(u8, Answer),
    /// A limit, and what others hold; nobody looked what when it is `None`.
    Quota(f64, Option<f64>),
    Testing(bool),
    Target(bool),
    Shared(bool),
    SessionCluster(Option<ClusterState>, u8),
    Program(u8),
    Force(bool),
    Crash,
    Pass(i64),
    Sleep(i64),
}

#[derive(Debug, Clone, Copy)]
enum ClusterSight {
    Unknown,
    Absent,
    Preparing,
    Alive(u32),
    Dead,
}

fn turn() -> impl Strategy<Value = Turn> {
    use DesiredState::{Cancelled, Running, Suspended};
    let upgrades = vec![UpgradeKind::Stateful, UpgradeKind::Stateless, UpgradeKind::None];
    let restores = vec![RestoreKind::LatestState, RestoreKind::LatestSavepoint, RestoreKind::None];
    let answer = select(vec![
        Answer::Accepted,
        Answer::Accepted,
        Answer::Ignored,
        Answer::Refused("no".into()),
        Answer::Silent,
        Answer::SilentlyDone,
    ]);
    let sight = prop_oneof![
        Just(ClusterSight::Unknown),
        Just(ClusterSight::Absent),
        Just(ClusterSight::Preparing),
        (0_u32..3).prop_map(ClusterSight::Alive),
        Just(ClusterSight::Dead),
    ];
    let user = prop_oneof![
        4 => select(vec![Running, Running, Suspended, Cancelled]).prop_map(Turn::State),
        1 => (1_i32..4).prop_map(Turn::Parallelism),
        1 => select(upgrades).prop_map(Turn::Upgrade),
        1 => select(restores).prop_map(Turn::Restore),
        1 => (1_i32..4).prop_map(Turn::Attempts),
        1 => select(vec![None, Some("5 s"), Some("0"), Some("1 h")]).prop_map(Turn::Expiration),
        2 => any::<bool>().prop_map(Turn::Shared),
        1 => any::<bool>().prop_map(Turn::Force),
        2 => Just(Turn::AskForSavepoint),
        1 => Just(Turn::Register),
    ];
    let seen = prop_oneof![
        2 => sight.prop_map(Turn::Cluster),
        6 => (select(FlinkStatus::VARIANTS), any::<bool>()).prop_map(|(s, c)| Turn::Flink(s, c)),
        6 => any::<bool>().prop_map(|c| Turn::Flink(FlinkStatus::Running, c)),
        1 => Just(Turn::FlinkUnknown),
        1 => Just(Turn::FlinkAbsent),
        4 => (0_u8..5).prop_map(Turn::Operation),
        2 => (0_u8..3).prop_map(Turn::Directory),
        2 => (0_u8..3).prop_map(Turn::Retained),
    ];
    use ClusterState::{Running as Up, Starting, Stopped};
    let session_state =
        select(vec![Some(Up), Some(Up), Some(Up), Some(Starting), Some(Stopped), None]);
    let rest = prop_oneof![
        2 => (session_state, 0_u8..3).prop_map(|(s, run)| Turn::SessionCluster(s, run)),
        1 => (0_u8..4).prop_map(Turn::Program),
        2 => (0_u8..5, answer).prop_map(|(which, answer)| Turn::Answers(which, answer)),
        1 => any::<bool>().prop_map(Turn::Target),
        2 => (1_u8..6, select(vec![None, Some(0.0), Some(1.5), Some(4.0)]))
            .prop_map(|(limit, others)| Turn::Quota(f64::from(limit), others)),
        1 => any::<bool>().prop_map(Turn::Testing),
        1 => Just(Turn::Crash),
        3 => (0_i64..20_000).prop_map(Turn::Pass),
        1 => (0_i64..400_000).prop_map(Turn::Sleep),
    ];
    prop_oneof![2 => user, 4 => seen, 2 => rest]
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    proptest::collection::vec(turn(), 1..32)
}

/// How one kind of request is answered.
fn answered(world: &mut World, which: u8) -> &mut Answer {
    let answers = &mut world.answers;
    match which {
        0 => &mut answers.ensure,
        1 => &mut answers.remove,
        2 => &mut answers.cancel,
        3 => &mut answers.submit,
        _ => &mut answers.snapshot,
    }
}

fn take(world: &mut World, turn: Turn) {
    let now = world.now;
    let current = world.current();
    match turn {
        Turn::State(state) => world.edit(|s| s.state = state),
        Turn::Parallelism(n) => world.edit(|s| s.template.spec.parallelism = Some(n)),
        Turn::Upgrade(kind) => world.edit(|s| s.upgrade_strategy.kind = kind),
        Turn::Restore(kind) => world.edit(|s| s.restore_strategy.kind = kind),
        Turn::Attempts(n) => world.edit(|s| {
            s.max_job_creation_attempts = n;
            s.max_savepoint_creation_attempts = n;
        }),
        Turn::Expiration(text) => {
            world.edit(|s| s.job_failure_expiration_time = text.map(str::to_owned));
        }
        Turn::AskForSavepoint => add_savepoint(world, None),
        Turn::Register => add_savepoint(world, Some("file:///registered".to_owned())),
        Turn::Cluster(_)
        | Turn::Flink(..)
        | Turn::FlinkUnknown
        | Turn::FlinkAbsent
        | Turn::Retained(_) => {
            if let Some(id) = current {
                see(world, id, &turn);
            }
        }
        Turn::Operation(what) => operation(world, what),
        Turn::Directory(what) => directory(world, what),
        Turn::Answers(which, answer) => *answered(world, which) = answer,
        Turn::Target(has) => world.has_target = has,
        Turn::Quota(limit, others) => {
            let limit = Limit { cpu: Cores::new(limit), tolerated: Cores::new(0.5) };
            let holder = |cpu| Holder {
                namespace: "default".to_owned(),
                kind: drey_model::Kind::Deployment,
                name: "other".to_owned(),
                cpu: Cores::new(cpu),
            };
            world.quota = Quota {
                limit: Some(limit),
                others: others.map(|cpu| vec![holder(cpu)]),
                unreadable: None,
            };
        }
        Turn::Testing(is) => {
            let annotations = &mut world.deployment.metadata.annotations;
            annotations.insert(NON_PRODUCTION.to_owned(), is.to_string());
        }
        Turn::Shared(is_shared) => world.edit(|s| {
            s.session_cluster_name = is_shared.then(|| "shared".to_owned());
            s.deployment_target_name = (!is_shared).then(|| "local".to_owned());
        }),
        Turn::SessionCluster(None, _) => world.session_cluster = None,
        Turn::SessionCluster(Some(state), run) => world.set_session_cluster(state, run.into()),
        Turn::Program(what) => world.first_program = program(what),
        Turn::Force(is_current) => {
            let id = current.filter(|_| is_current).unwrap_or_default().to_string();
            world.deployment.metadata.annotations.insert(FORCE_CANCELLATION.to_owned(), id);
        }
        Turn::Crash => world.forget(),
        Turn::Pass(ms) => drop(world.pass(SignedDuration::from_millis(ms))),
        Turn::Sleep(ms) => world.now = now + SignedDuration::from_millis(ms),
    }
    world.settle();
}

fn see(world: &mut World, id: Uuid, turn: &Turn) {
    let (now, count) = (world.now, world.savepoints.len());
    // A cluster that is confirmed gone does not come back.
    let is_over = world.job(id).is_some_and(|r| r.facts.removed || r.facts.gone_at.is_some());
    let sight = world.sight(id);
    match *turn {
        Turn::Cluster(_) | Turn::Flink(..) if is_over => {}
        Turn::Cluster(seen) => {
            sight.cluster = match seen {
                ClusterSight::Unknown => Seen::unknown("?"),
                ClusterSight::Absent => Seen::Absent,
                ClusterSight::Preparing => {
                    cluster(ClusterPhase::Preparing { what: "it".into() }, 0)
                }
                ClusterSight::Alive(n) => cluster(ClusterPhase::Alive, n),
                ClusterSight::Dead => cluster(ClusterPhase::Dead { why: "exit code 1".into() }, 0),
            }
        }
        Turn::Flink(status, has_checkpoint) => {
            let mut job = flink_job(status, if status == FlinkStatus::Running { 2 } else { 0 }, 2);
            let location = format!("file:///chk/{count}");
            job.checkpoint = has_checkpoint.then_some(Snapshot { location, completed_at: now });
            sight.cluster = cluster(ClusterPhase::Alive, 2);
            sight.job = Seen::Present(job);
        }
        Turn::FlinkUnknown => sight.job = Seen::unknown("?"),
        Turn::FlinkAbsent => sight.job = Seen::Absent,
        Turn::Retained(0) => sight.retained = Seen::unknown("?"),
        Turn::Retained(1) => sight.retained = Seen::Absent,
        Turn::Retained(_) => {
            let location = format!("file:///retained/{count}");
            sight.retained = Seen::Present(Snapshot { location, completed_at: now });
        }
        _ => {}
    }
}

fn program(what: u8) -> Option<Seen<Program>> {
    match what {
        0 => None,
        1 => Some(Seen::unknown("?")),
        2 => Some(Seen::Present(Program::Preparing { what: "it".into() })),
        _ => Some(Seen::Present(Program::Failed { why: "404".into() })),
    }
}

/// The newest Savepoint of a Job, with its Job.
fn newest_pending(world: &World) -> Option<(Uuid, Uuid)> {
    let found = world
        .savepoints
        .iter()
        .rev()
        .find(|r| r.facts.is_some() && r.savepoint.status.state != SavepointState::Completed)?;
    Some((found.savepoint.metadata.job_id?, found.id()))
}

fn operation(world: &mut World, what: u8) {
    let Some((job, id)) = newest_pending(world) else { return };
    let now = world.now;
    let location = format!("file:///sp/{id}/savepoint");
    let sight = world.sight(job);
    let answer = match what {
        0 => Seen::unknown("?"),
        1 => Seen::Absent,
        2 => Seen::Present(Operation::InProgress),
        3 => Seen::Present(Operation::Failed { why: "disk full".into() }),
        _ => {
            let found = Snapshot { location: location.clone(), completed_at: now };
            sight.directories.insert(id, Seen::Present(found));
            Seen::Present(Operation::Completed { location })
        }
    };
    sight.operations.insert(id, answer);
}

fn directory(world: &mut World, what: u8) {
    let Some((job, id)) = newest_pending(world) else { return };
    let now = world.now;
    let location = format!("file:///sp/{id}/savepoint");
    let found = match what {
        0 => Seen::unknown("?"),
        1 => Seen::Absent,
        _ => Seen::Present(Snapshot { location, completed_at: now }),
    };
    world.sight(job).directories.insert(id, found);
}

fn add_savepoint(world: &mut World, location: Option<String>) {
    let id = world.fresh_id();
    let is_registered = location.is_some();
    let metadata = SavepointMetadata {
        id,
        namespace: "default".into(),
        created_at: world.now,
        modified_at: world.now,
        deployment_id: world.deployment.metadata.id,
        job_id: None,
        origin: if is_registered { SavepointOrigin::Copied } else { SavepointOrigin::UserRequest },
        kind: SavepointType::Unknown,
        annotations: [].into(),
        resource_version: 1,
    };
    let state = if is_registered { SavepointState::Completed } else { SavepointState::Started };
    let spec = SavepointSpec { savepoint_location: location, flink_savepoint_id: None };
    let savepoint = Savepoint::new(metadata, spec, state);
    world.savepoints.push(SavepointRecord { savepoint, facts: None, open: true });
}

fn after(turns: Vec<Turn>) -> World {
    let mut world = World::new(spec());
    for turn in turns {
        take(&mut world, turn);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Safety: the oracle looks at every decision of the history.
    #[test]
    fn no_history_breaks_a_rule(turns in turns()) {
        let world = after(turns);
        let living = world.jobs.iter().filter(|r| r.facts.end.is_none()).count();
        prop_assert!(living <= 1);
    }

    /// Liveness: whatever happened before, once the world cooperates, status and desire agree, or a person is told why.
    #[test]
    fn a_friendly_world_is_settled_soon(turns in turns()) {
        let mut world = after(turns);
        world.has_target = true;
        world.first_program = None;
        let settled = world.cooperate(LOOKS_MAX);
        prop_assert!(settled.is_some(), "{} {:?} {:?}", world.state(), world.facts, world.jobs.last());
        let explanation = world.explanation();
        let is_told = explanation.failure.is_some() || world.facts.gave_up.is_none();
        prop_assert!(is_told && !explanation.summary.is_empty());
    }

    /// Determinism: the order of records does not matter, nor does asking twice.
    #[test]
    fn the_same_situation_gives_the_same_plan(turns in turns()) {
        let mut world = after(turns);
        let situation = world.same_situation();
        let mut shuffled = situation.clone();
        shuffled.jobs.reverse();
        let (a, b) = (decide(situation), decide(shuffled));
        prop_assert!(oracle::is_same(&a, &b));
    }

    /// No panic, whatever the clocks and the counters say.
    #[test]
    fn odd_times_and_counters_are_survived(
        turns in turns(),
        now in odd_time(),
        times in proptest::collection::vec(odd_time(), 12),
        number in select(vec![0, 1, -1, i32::MAX, i32::MIN]),
    ) {
        let mut world = after(turns);
        let mut situation = world.same_situation();
        situation.now = now;
        let mut times = times.into_iter().cycle();
        let mut next = || times.next().unwrap_or(Timestamp::MIN);
        situation.facts.not_before = Some(next());
        situation.facts.failed_starts = vec![next(), next()];
        situation.facts.failed_runs = vec![next()];
        situation.facts.failed_savepoints = number.unsigned_abs();
        if let Some(transition) = &mut situation.facts.transition {
            transition.since = next();
        }
        situation.deployment.spec.max_job_creation_attempts = number;
        situation.deployment.spec.max_savepoint_creation_attempts = number;
        situation.deployment.spec.job_failure_expiration_time = Some("9999999999999 d".to_owned());
        for record in &mut situation.jobs {
            distort_job(record, &mut next);
        }
        for record in &mut situation.savepoints {
            record.savepoint.metadata.created_at = next();
            if let Some(facts) = &mut record.facts {
                facts.complete_by = next();
                facts.not_before = next();
                facts.completed_at = facts.completed_at.map(|_| next());
            }
        }
        for seen in situation.observed.values_mut() {
            seen.unreachable_since = Some(next());
            if let Seen::Present(job) = &mut seen.job {
                job.failures = vec![next(), next(), next()];
                job.restarts = Some(u32::MAX);
            }
        }
        let plan = decide(situation);
        prop_assert!(plan.jobs.len() <= world.jobs.len() + 1);
    }
}

fn odd_time() -> impl Strategy<Value = Timestamp> {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    select(vec![Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH, start])
}

fn distort_job(record: &mut JobRecord, next: &mut impl FnMut() -> Timestamp) {
    record.job.metadata.created_at = next();
    let facts = &mut record.facts;
    facts.alive_since = facts.alive_since.map(|_| next());
    facts.missing_since = facts.missing_since.map(|_| next());
    facts.gone_at = facts.gone_at.map(|_| next());
    if let Some(submission) = facts.session.as_mut().and_then(|s| s.submission.as_mut()) {
        submission.since = next();
        submission.counted_at = next();
    }
    if let Some(cancel) = &mut facts.cancel {
        cancel.since = next();
        cancel.not_before = next();
    }
    if let Some(end) = &mut facts.end {
        end.at = next();
    }
}
