//! The words of scenario files: one line, one change, then decisions until nothing is due.

use std::collections::BTreeMap;

use drey_engine::SavepointRecord;
use drey_model::meta::{FORCE_CANCELLATION, NON_PRODUCTION, STOP_WITH_DRAIN, SUBMISSION_TIMEOUT};
use drey_model::quota::{Cores, Holder, Limit};
use drey_model::savepoint::{SavepointMetadata, SavepointSpec, SavepointType};
use drey_model::seen::{ClusterPhase, FlinkStatus, Operation, Program, Snapshot};
use drey_model::{DeploymentSpec, Savepoint, SavepointOrigin, SavepointState, Seen};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::world::{Answer, Round, World, cluster, flink_job};

/// Looks within which a cooperating world has to settle.
const LOOKS_MAX: usize = 400;

/// Applies one line: its changes, parted by semicolons, are seen at once.
pub(crate) fn apply(world: &mut World, line: &str) -> Result<Vec<Round>, String> {
    let mut changes: Vec<&str> = line.split(" ; ").collect();
    let last = changes.pop().unwrap_or_default();
    for change in changes {
        apply_one(world, change, false)?;
    }
    apply_one(world, last, true)
}

fn apply_one(world: &mut World, line: &str, is_last: bool) -> Result<Vec<Round>, String> {
    let words = words(line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let unknown = || format!("'{line}' is not understood");
    match words.as_slice() {
        ["given", state, edits @ ..] => {
            given(world, state, edits)?;
            return Ok(Vec::new());
        }
        ["time", by] => return Ok(world.pass(duration(by)?)),
        ["sleep", by] => world.now += duration(by)?,
        ["clock", "back", by] => world.now -= duration(by)?,
        ["look"] | ["nothing", ..] => {}
        ["cooperate"] => {
            return world
                .cooperate(LOOKS_MAX)
                .ok_or_else(|| format!("it does not settle: {}", world.state()));
        }
        ["crash"] => world.forget(),
        ["observe", "raw"] => world.is_raw = true,
        ["user", rest @ ..] => user(world, rest).ok_or_else(unknown)?,
        ["target", "vanishes"] => world.has_target = false,
        ["target", "appears"] => world.has_target = true,
        ["quota", rest @ ..] => quota(world, rest).ok_or_else(unknown)?,
        ["flink", rest @ ..] => flink(world, rest).ok_or_else(unknown)?,
        ["cluster", rest @ ..] => set_cluster(world, rest).ok_or_else(unknown)?,
        ["jobmanager", "dies", why] => {
            set_cluster(world, &["dead", why]).ok_or_else(unknown)?;
        }
        ["operation", rest @ ..] => operation(world, rest).ok_or_else(unknown)?,
        ["directory", rest @ ..] => directory(world, rest).ok_or_else(unknown)?,
        ["session", rest @ ..] => session(world, rest).ok_or_else(unknown)?,
        ["program", rest @ ..] => program(world, rest).ok_or_else(unknown)?,
        ["retained", rest @ ..] => retained(world, rest).ok_or_else(unknown)?,
        [subject, rest @ ..] => answer(world, subject, rest).ok_or_else(unknown)?,
        [] => {}
    }
    Ok(if is_last { world.settle() } else { Vec::new() })
}

/// Splits at spaces outside of double quotes, and drops the quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let text = text.trim_start_matches('+');
    drey_model::duration::parse(text).map_err(|e| format!("'{text}': {e:?}"))
}

fn seconds_ago(world: &World, text: &str) -> Option<jiff::Timestamp> {
    let ago = drey_model::duration::parse(text.trim_start_matches('-')).ok()?;
    world.now.checked_sub(ago).ok()
}

/// The ways to get to a state; each by the engine itself, so the records fit.
fn given(world: &mut World, state: &str, edits: &[&str]) -> Result<(), String> {
    if !edits.is_empty() {
        edit(world, edits).ok_or_else(|| format!("given {state} {edits:?}"))?;
    }
    let steps: &[&str] = match state {
        "CANCELLED" => &["look"],
        "CREATED" => &["user state=RUNNING"],
        "SHARED" => &[
            "user target=none session=shared",
            "session RUNNING",
            "user state=RUNNING",
            "flink RUNNING",
        ],
        "STARTING" => &["user state=RUNNING", "flink CREATED 0/2"],
        "RUNNING" => &["user state=RUNNING", "flink RUNNING"],
        "CHECKPOINTING" => &[
            "user state=RUNNING",
            "flink RUNNING",
            "flink RUNNING checkpoint=file:///chk/1",
            "retained file:///chk/1",
        ],
        "SUSPENDING" => &["user state=RUNNING", "flink RUNNING", "user state=SUSPENDED"],
        "CANCELLING" => &["user state=RUNNING", "flink RUNNING", "user state=CANCELLED"],
        "UPGRADING" => &["user state=RUNNING", "flink RUNNING", "user parallelism=4"],
        "SUSPENDED" => &[
            "user state=RUNNING",
            "flink RUNNING",
            "user state=SUSPENDED",
            "operation completes file:///sp/1",
            "flink FINISHED",
        ],
        "FINISHED" => &["user state=RUNNING", "flink RUNNING", "flink FINISHED"],
        "FAILED-START" => &["user state=RUNNING job-attempts=1", "jobmanager dies \"exit code 1\""],
        "FAILED-SUSPEND" => &[
            "user state=RUNNING savepoint-attempts=1",
            "flink RUNNING",
            "user state=SUSPENDED",
            "operation fails \"disk full\"",
            "time +2s",
        ],
        "FAILED-UPGRADE" => &[
            "user state=RUNNING savepoint-attempts=1",
            "flink RUNNING",
            "user parallelism=4",
            "operation fails \"disk full\"",
            "time +2s",
        ],
        "CLEARING" => &[
            "user state=RUNNING",
            "flink RUNNING",
            "removal ignored",
            "user state=CANCELLED",
            "flink CANCELED",
        ],
        other => return Err(format!("given {other}?")),
    };
    for step in steps {
        apply(world, step)?;
    }
    world.start = world.now;
    Ok(())
}

fn user(world: &mut World, words: &[&str]) -> Option<()> {
    match words {
        ["savepoint"] => savepoint(world, SavepointOrigin::UserRequest, None),
        ["registers", "savepoint", location] => {
            savepoint(world, SavepointOrigin::Copied, Some((*location).to_owned()));
        }
        ["deletes", name] => {
            let id = savepoint_id(world, name)?;
            let record = world.savepoints.iter_mut().find(|r| r.id() == id)?;
            record.savepoint.status.state = SavepointState::PendingDeletion;
            record.open = true;
        }
        edits => edit(world, edits)?,
    }
    Some(())
}

fn edit(world: &mut World, edits: &[&str]) -> Option<()> {
    let mut understood = Some(());
    for word in edits {
        let (key, value) = word.split_once('=')?;
        let current = world.current().unwrap_or_default().to_string();
        let annotations = &mut world.deployment.metadata.annotations;
        let own = match key {
            "drain" => Some((STOP_WITH_DRAIN, value.to_owned())),
            "testing" => Some((NON_PRODUCTION, value.to_owned())),
            "force" if value == "current" => Some((FORCE_CANCELLATION, current)),
            "force" => Some((FORCE_CANCELLATION, value.to_owned())),
            "submission-timeout" => Some((SUBMISSION_TIMEOUT, value.to_owned())),
            _ => None,
        };
        if let Some((key, value)) = own {
            annotations.insert(key.to_owned(), value);
            continue;
        }
        world.edit(|spec| understood = understood.and(edit_member(spec, key, value)));
    }
    understood
}

fn edit_member(spec: &mut DeploymentSpec, key: &str, value: &str) -> Option<()> {
    let word = || serde_json::Value::String(value.to_owned());
    let text = || (value != "none").then(|| value.to_owned());
    let template = &mut spec.template.spec;
    match key {
        "state" => spec.state = serde_json::from_value(word()).ok()?,
        "upgrade" => spec.upgrade_strategy.kind = serde_json::from_value(word()).ok()?,
        "restore" => spec.restore_strategy.kind = serde_json::from_value(word()).ok()?,
        "non-restored" => spec.restore_strategy.allow_non_restored_state = value == "true",
        "job-attempts" => spec.max_job_creation_attempts = value.parse().ok()?,
        "savepoint-attempts" => spec.max_savepoint_creation_attempts = value.parse().ok()?,
        "expiration" => spec.job_failure_expiration_time = text(),
        "target" => spec.deployment_target_name = text(),
        "session" => spec.session_cluster_name = text(),
        "parallelism" => template.parallelism = Some(value.parse().ok()?),
        "task-managers" => template.number_of_task_managers = Some(value.parse().ok()?),
        "jar" => template.artifact.jar_uri = text(),
        "args" => template.artifact.main_args = text(),
        "flink-version" => template.artifact.flink_version = text(),
        "savepoint-directory" => {
            set(&mut template.flink_configuration, "execution.checkpointing.savepoint-dir", text());
        }
        "timeout" => {
            set(&mut template.flink_configuration, "execution.checkpointing.timeout", text());
        }
        key => match key.split_once('.')? {
            ("config", key) => set(&mut template.flink_configuration, key, text()),
            ("annotation", key) => set(&mut spec.template.metadata.annotations, key, text()),
            (_, _) => return None,
        },
    }
    Some(())
}

fn set(map: &mut BTreeMap<String, String>, key: &str, value: Option<String>) {
    map.remove(key);
    map.extend(value.map(|value| (key.to_owned(), value)));
}

fn savepoint(world: &mut World, origin: SavepointOrigin, location: Option<String>) {
    let id = world.fresh_id();
    let metadata = SavepointMetadata {
        id,
        namespace: "default".to_owned(),
        created_at: world.now,
        modified_at: world.now,
        deployment_id: world.deployment.metadata.id,
        job_id: None,
        origin,
        kind: SavepointType::Unknown,
        annotations: BTreeMap::new(),
        resource_version: 1,
    };
    let state =
        if location.is_some() { SavepointState::Completed } else { SavepointState::Started };
    let spec = SavepointSpec { savepoint_location: location, flink_savepoint_id: None };
    let savepoint = Savepoint::new(metadata, spec, state);
    world.savepoints.push(SavepointRecord { savepoint, facts: None, open: true });
}

fn flink(world: &mut World, words: &[&str]) -> Option<()> {
    let named =
        words.first().and_then(|w| w.strip_prefix('J')).and_then(|n| n.parse::<usize>().ok());
    let words = words.get(usize::from(named.is_some())..)?;
    let job = match named {
        Some(n) => world.jobs.get(n.checked_sub(1)?)?.id(),
        None => world.current()?,
    };
    let now = world.now;
    let managers = world.job(job)?.job.spec.number_of_task_managers;
    let (first, rest) = words.split_first()?;
    match *first {
        "unreachable" | "unknown" => world.sight(job).job = Seen::unknown("connection refused"),
        "absent" => world.sight(job).job = Seen::Absent,
        status => {
            let status: FlinkStatus = status.parse().ok()?;
            let is_up = status == FlinkStatus::Running;
            let mut flink = flink_job(status, if is_up { 2 } else { 0 }, 2);
            flink.checkpoint = world.sight(job).job.present().and_then(|j| j.checkpoint.clone());
            for word in rest {
                match word.split_once('=') {
                    Some(("cause", why)) => flink.cause = Some(why.to_owned()),
                    Some(("restarts", n)) => flink.restarts = n.parse().ok(),
                    // Without a word about them there were as many restarts.
                    Some(("failed", ages)) => {
                        flink.failures =
                            ages.split(',').filter_map(|t| seconds_ago(world, t)).collect();
                        flink.restarts = u32::try_from(flink.failures.len()).ok();
                    }
                    Some(("since", age)) => flink.since = seconds_ago(world, age),
                    Some(("checkpoint", location)) => {
                        let location = location.to_owned();
                        flink.checkpoint = Some(Snapshot { location, completed_at: now });
                    }
                    Some(_) => return None,
                    None => {
                        let (running, total) = word.split_once('/')?;
                        (flink.tasks_running, flink.tasks_total) =
                            (running.parse().ok()?, total.parse().ok()?);
                    }
                }
            }
            world.sight(job).job = Seen::Present(flink);
            if world.is_raw {
                return Some(());
            }
        }
    }
    if !world.is_raw {
        world.sight(job).cluster = cluster(ClusterPhase::Alive, u32::try_from(managers).ok()?);
    }
    Some(())
}

/// The limit, and what others hold: `limit=4 tolerated=1 default/fraud=2.5`, or `none`.
fn quota(world: &mut World, words: &[&str]) -> Option<()> {
    world.quota = drey_engine::Quota::default();
    let mut others = Vec::new();
    let mut limit = Limit { cpu: Cores::ZERO, tolerated: Cores::ZERO };
    for word in words.iter().filter(|word| **word != "none") {
        let (key, value) = word.split_once('=')?;
        let cpu = Cores::new(value.parse().ok()?);
        match key {
            "limit" => limit.cpu = cpu,
            "tolerated" => limit.tolerated = cpu,
            name => {
                let (namespace, name) = name.split_once('/')?;
                let (namespace, name) = (namespace.to_owned(), name.to_owned());
                others.push(Holder { namespace, kind: drey_model::Kind::Deployment, name, cpu });
            }
        }
        world.quota.limit = Some(limit);
    }
    world.quota.others = world.quota.limit.map(|_| others);
    Some(())
}

fn set_cluster(world: &mut World, words: &[&str]) -> Option<()> {
    let job = world.current()?;
    let sight = world.sight(job);
    sight.cluster = match words {
        ["unknown"] => Seen::unknown("the API server does not answer"),
        ["absent" | "gone"] => Seen::Absent,
        ["preparing"] => {
            cluster(ClusterPhase::Preparing { what: "the artifact to be fetched".to_owned() }, 0)
        }
        ["preparing", what] => cluster(ClusterPhase::Preparing { what: (*what).to_owned() }, 0),
        ["alive"] => cluster(ClusterPhase::Alive, 2),
        ["alive", managers] => cluster(ClusterPhase::Alive, managers.parse().ok()?),
        ["dead"] => cluster(ClusterPhase::Dead { why: "exit code 1".to_owned() }, 0),
        ["dead", why] => cluster(ClusterPhase::Dead { why: (*why).to_owned() }, 0),
        _ => return None,
    };
    Some(())
}

/// A Savepoint by its name; without one, the newest that is or was in progress.
fn named<'a>(world: &World, words: &'a [&'a str]) -> Option<(Uuid, Uuid, &'a [&'a str])> {
    let (id, rest) = match words.split_first() {
        Some((name, rest)) if name.starts_with('S') => (savepoint_id(world, name)?, rest),
        Some(_) | None => {
            let of_job =
                |r: &&SavepointRecord| r.facts.as_ref().is_some_and(|f| !f.directory.is_empty());
            (world.savepoints.iter().rev().find(of_job)?.id(), words)
        }
    };
    let record = world.savepoints.iter().find(|r| r.id() == id)?;
    Some((record.savepoint.metadata.job_id?, id, rest))
}

fn savepoint_id(world: &World, name: &str) -> Option<Uuid> {
    let number: usize = name.strip_prefix('S')?.parse().ok()?;
    world.savepoints.get(number.checked_sub(1)?).map(SavepointRecord::id)
}

fn operation(world: &mut World, words: &[&str]) -> Option<()> {
    let (job, id, words) = named(world, words)?;
    let snapshot =
        |at: &str, now| Seen::Present(Snapshot { location: at.to_owned(), completed_at: now });
    let now = world.now;
    let sight = world.sight(job);
    let answer = match words {
        ["completes", location] => {
            sight.directories.insert(id, snapshot(location, now));
            Seen::Present(Operation::Completed { location: (*location).to_owned() })
        }
        ["fails", why] => Seen::Present(Operation::Failed { why: (*why).to_owned() }),
        ["runs"] => Seen::Present(Operation::InProgress),
        ["absent"] => Seen::Absent,
        ["unknown"] => Seen::unknown("time-out"),
        _ => return None,
    };
    sight.operations.insert(id, answer);
    Some(())
}

fn directory(world: &mut World, words: &[&str]) -> Option<()> {
    let (job, id, words) = named(world, words)?;
    let now = world.now;
    let found = match words {
        ["has", location] => {
            Seen::Present(Snapshot { location: (*location).to_owned(), completed_at: now })
        }
        ["empty"] => Seen::Absent,
        ["unknown"] => Seen::unknown("the storage does not answer"),
        _ => return None,
    };
    world.sight(job).directories.insert(id, found);
    Some(())
}

fn retained(world: &mut World, words: &[&str]) -> Option<()> {
    let job = world.current()?;
    let found = match words {
        ["none"] => Seen::Absent,
        ["unknown"] => Seen::unknown("the storage does not answer"),
        [location] => {
            Seen::Present(Snapshot { location: (*location).to_owned(), completed_at: world.now })
        }
        [location, age] => {
            let completed_at = seconds_ago(world, age)?;
            Seen::Present(Snapshot { location: (*location).to_owned(), completed_at })
        }
        _ => return None,
    };
    world.sight(job).retained = found;
    Some(())
}

/// The session cluster that the Deployment names; a number says which run of it.
fn session(world: &mut World, words: &[&str]) -> Option<()> {
    let (state, run) = match words {
        ["vanishes"] => {
            world.session_cluster = None;
            return Some(());
        }
        [state] => (*state, 0x51),
        [state, run] => (*state, run.parse::<u128>().ok()? + 0x50),
        _ => return None,
    };
    let state = serde_json::from_value(serde_json::Value::String(state.to_owned())).ok()?;
    world.set_session_cluster(state, run);
    Some(())
}

/// How far the program of the next Job is.
fn program(world: &mut World, words: &[&str]) -> Option<()> {
    world.first_program = Some(match words {
        ["absent"] => Seen::Absent,
        ["preparing", what] => Seen::Present(Program::Preparing { what: (*what).to_owned() }),
        ["failed", why] => Seen::Present(Program::Failed { why: (*why).to_owned() }),
        _ => return None,
    });
    Some(())
}

/// How effects are answered from now on.
fn answer(world: &mut World, subject: &str, words: &[&str]) -> Option<()> {
    let answer = match words {
        ["accepted"] => Answer::Accepted,
        ["ignored"] => Answer::Ignored,
        ["refused", why] => Answer::Refused((*why).to_owned()),
        ["unanswered"] => Answer::Silent,
        ["unanswered", "but", "begun"] => Answer::SilentlyDone,
        ["lost"] => Answer::Lost,
        _ => return None,
    };
    match subject {
        "launch" => world.answers.ensure = answer,
        "removal" => world.answers.remove = answer,
        "cancel" => world.answers.cancel = answer,
        "savepoint" => world.answers.snapshot = answer,
        "submission" => world.answers.submit = answer,
        _ => return None,
    }
    Some(())
}
