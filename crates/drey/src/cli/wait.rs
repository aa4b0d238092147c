//! `drey wait`, and the `--wait` of other verbs: watch until it is so, or cannot become so.
//!
//! ```text
//! watch (hint) or 2 s ──► GET the view of each target ──► Judge (pure) ──► Done | Pending | Failed | Gone
//!                          └► new Events ──► a line on stderr
//! ```
//!
//! Owns the clock, the connection and the words at the end. Whether it is so is [`judge`]'s business.
//!
//! [`judge`]: super::judge

use std::collections::HashSet;
use std::time::Duration;

use drey_model::{Deployment, DeploymentState, DesiredState};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::goal::Goal;
use super::judge::{self, Judge, Verdict};
use super::{Shell, printer};
use crate::args::{Format, Wait, WaitRules};
use crate::client::View;
use crate::client::watch::Watch;
use crate::duration::{age, clock, short};
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::subject::Kind;

/// Without any hint, look this often anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Hints come in bunches; one look answers them all.
const BUNCH: Duration = Duration::from_millis(100);

/// Whom to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The Deployment.
    pub(crate) name: String,
    /// The write that the wait is about.
    pub(crate) pin: Option<Pin>,
}

/// A write: nothing that was before it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pin {
    version: i32,
    at: Timestamp,
}

impl Pin {
    /// From the server's answer to a write.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let deployment: Deployment = serde_json::from_value(object.clone()).ok()?;
        let metadata = deployment.metadata;
        Some(Self { version: metadata.resource_version, at: metadata.modified_at })
    }
}

/// What to wait for, and when to give up.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The claims.
    pub(crate) goals: Vec<Goal>,
    /// Whether one of them is enough.
    pub(crate) any: bool,
    /// When to give up.
    pub(crate) rules: WaitRules,
}

/// A Deployment without what is known beside it.
pub(super) fn bare(deployment: &Deployment) -> View {
    View { deployment: deployment.clone(), explanation: None, jobs: Vec::new(), observed_at: None }
}

pub(super) async fn run(shell: &Shell, args: Wait) -> Result<()> {
    let mut targets = Vec::new();
    for subject in args.subjects {
        match (subject.kind, subject.name) {
            (Kind::Deployment, Some(name)) => targets.push(Target { name, pin: None }),
            (kind, _) => {
                let word = crate::subject::singular(kind);
                return Err(Failure::usage(format!(
                    "only deployments can be waited for, not {word}s"
                )));
            }
        }
    }
    until(shell, targets, &Plan { goals: args.goals, any: args.any, rules: args.rules }).await
}

/// One target under way.
struct Course {
    name: String,
    judge: Judge,
    since: Option<Timestamp>,
    told: Option<HashSet<Uuid>>,
    last: Option<View>,
    verdict: Verdict,
}

/// Waits until all targets are as planned.
pub(crate) async fn until(shell: &Shell, targets: Vec<Target>, plan: &Plan) -> Result<()> {
    let started = Instant::now();
    let deadline = started + plan.rules.timeout;
    let course = |target: Target| {
        let mut rules = plan.rules.clone();
        rules.since_version = target.pin.map(|pin| pin.version).or(rules.since_version);
        Course {
            name: target.name,
            judge: Judge::new(&plan.goals, plan.any, &rules),
            since: target.pin.map(|pin| pin.at),
            told: None,
            last: None,
            verdict: Verdict::Pending,
        }
    };
    let mut courses: Vec<Course> = targets.into_iter().map(course).collect();
    let several = courses.len() > 1;
    let mut watch = Watch::new(&shell.client, &shell.ns, &[Kind::Deployment, Kind::Event]);
    let mut lost = false;
    let outcome = loop {
        let looked = look_at_all(shell, &mut courses, started, several).await;
        match looked {
            Ok(()) => lost = false,
            // The first look must succeed; later, a lost server is waited for.
            Err(e) if e.exit == Exit::Unreachable && courses.iter().any(|c| c.last.is_some()) => {
                if !std::mem::replace(&mut lost, true) {
                    shell.note("connection lost; trying again until the timeout");
                }
            }
            Err(e) => break Err(e),
        }
        if let Some(ended) = verdict_of(&courses, plan) {
            break ended;
        }
        if Instant::now() >= deadline {
            break Err(timed_out(&courses, plan, lost, &shell.client));
        }
        let next_look = deadline.min(Instant::now() + LOOK_INTERVAL);
        if watch.next(next_look).await.is_some() {
            sleep(BUNCH).await;
            while watch.next(Instant::now()).await.is_some() {}
        }
    };
    conclude(shell, &courses, plan, started, &outcome)?;
    outcome
}

async fn look_at_all(
    shell: &Shell,
    courses: &mut [Course],
    started: Instant,
    several: bool,
) -> Result<()> {
    for course in courses {
        if course.verdict == Verdict::Done {
            continue;
        }
        let view = match shell.client.view(&shell.ns, &course.name).await {
            Ok(view) => Some(view),
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        if let Some(view) = &view {
            tell(shell, course, view, started, several).await;
        }
        course.verdict = course.judge.look(view.as_ref(), started.elapsed());
        course.last = view.or(course.last.take());
    }
    Ok(())
}

/// Prints Events that are new. Progress is a courtesy: when it cannot be had, the wait goes on without.
async fn tell(shell: &Shell, course: &mut Course, view: &View, started: Instant, several: bool) {
    if !shell.talks() {
        return;
    }
    let Ok(events) = shell.client.events(&shell.ns, &view.deployment).await else { return };
    let first = course.told.is_none();
    let told = course.told.get_or_insert_default();
    let since = course.since;
    for event in events {
        let fresh = told.insert(event.metadata.id);
        let old = first && since.is_none_or(|since| event.metadata.created_at < since);
        if fresh && !old {
            let name = if several { format!("{}  ", course.name) } else { String::new() };
            let state = view.deployment.status.state.to_string();
            let message = event.spec.message.replace('\n', " ");
            shell.note(&format!("{:>5} {name}{state:<13}  {message}", clock(started.elapsed())));
        }
    }
}

/// The end, when there is one: the first failure counts, success needs all.
fn verdict_of(courses: &[Course], plan: &Plan) -> Option<Result<()>> {
    for course in courses {
        match course.verdict {
            Verdict::Failed => return Some(Err(failed(course, plan))),
            Verdict::Gone => {
                let what = format!("deployment/{} does not exist", course.name);
                let mut failure = Failure::new(Exit::NotFound, what).next("drey get dep");
                if course.last.is_some() {
                    failure.what = format!("deployment/{} was deleted meanwhile", course.name);
                }
                return Some(Err(failure));
            }
            Verdict::Done | Verdict::Pending => {}
        }
    }
    courses.iter().all(|course| course.verdict == Verdict::Done).then_some(Ok(()))
}

fn goal_text(plan: &Plan) -> String {
    let texts: Vec<String> = plan.goals.iter().map(Goal::text).collect();
    texts.join(if plan.any { " or " } else { " and " })
}

fn failed(course: &Course, plan: &Plan) -> Failure {
    let what = format!("deployment/{} did not get to be {}", course.name, goal_text(plan));
    let exit = if waits_for_cores(course) { Exit::Quota } else { Exit::Failed };
    picture(Failure::new(exit, what), course)
}

fn waits_for_cores(course: &Course) -> bool {
    let view = course.last.as_ref();
    view.and_then(|view| view.explanation.as_ref()).is_some_and(judge::is_refused)
}

fn timed_out(
    courses: &[Course],
    plan: &Plan,
    lost: bool,
    client: &crate::client::Client,
) -> Failure {
    let pending: Vec<&Course> = courses.iter().filter(|c| c.verdict != Verdict::Done).collect();
    let names: Vec<String> = pending.iter().map(|c| format!("deployment/{}", c.name)).collect();
    let limit = short(plan.rules.timeout.as_secs());
    let verb = if pending.len() == 1 { "is" } else { "are" };
    let what = format!("{} {verb} not {} after {limit}", names.join(", "), goal_text(plan));
    let is_refused = pending.iter().any(|course| waits_for_cores(course));
    let exit = if is_refused { Exit::Quota } else { Exit::Timeout };
    let mut failure = Failure::new(exit, what);
    if lost {
        failure = failure.why(format!("{} does not answer any more", client.base()));
    }
    pending.first().map_or(failure.clone(), |course| picture(failure, course))
}

/// Why, now and next, from the last look at a Deployment.
fn picture(mut failure: Failure, course: &Course) -> Failure {
    let Some(view) = &course.last else { return failure };
    let explained = view.explanation.clone().unwrap_or_default();
    if let Some(cause) = explained.failure {
        failure = failure.why(cause.message);
    }
    if failure.why.is_empty() && !explained.summary.is_empty() {
        failure = failure.why(explained.summary);
    }
    if let Some(wait) = explained.wait {
        let now = Timestamp::now();
        let left = wait.until.as_second().saturating_sub(now.as_second()).max(0).unsigned_abs();
        let since = age(wait.since, now);
        failure = failure.why(format!(
            "waiting for {} since {since}, at most {} more",
            wait.what,
            short(left)
        ));
    }
    let deployment = &view.deployment;
    let alive = view.jobs.iter().any(|job| !job.status.state.is_terminal());
    let mut now = format!(
        "desired {}, actual {}; {}",
        deployment.spec.state,
        deployment.status.state,
        if alive { "a Flink job may still be alive" } else { "no Flink job is running" }
    );
    if let Some(from) = explained.restores_from {
        now.push_str(&format!("; the next start restores {from}"));
    }
    failure.now = Some(now);
    let name = &course.name;
    if deployment.spec.state != DesiredState::Running
        && deployment.status.state != DeploymentState::Failed
    {
        failure.next.push(format!("drey start {name} --wait"));
    }
    failure.next.extend(explained.next);
    for next in [format!("drey events {name}"), format!("drey logs {name}")] {
        if !failure.next.contains(&next) {
            failure.next.push(next);
        }
    }
    failure
}

/// The result on stdout: one line a target, or one object with `-o json`.
fn conclude(
    shell: &Shell,
    courses: &[Course],
    plan: &Plan,
    started: Instant,
    outcome: &Result<()>,
) -> Result<()> {
    if let Some(Format::Json | Format::Yaml | Format::Jsonl) = shell.format {
        let result = match outcome {
            Ok(()) => "done",
            Err(failure) => match failure.exit {
                Exit::Failed => "failed",
                Exit::Timeout => "timeout",
                Exit::Quota => "quota",
                Exit::NotFound => "gone",
                _ => "error",
            },
        };
        let each = courses.iter().map(|course| {
            let deployment = course.last.as_ref().map(|view| &view.deployment);
            json!({
                "name": course.name,
                "done": course.verdict == Verdict::Done,
                "state": deployment.map(|d| d.status.state),
                "resourceVersion": deployment.map(|d| d.metadata.resource_version),
                "explanation": course.last.as_ref().and_then(|view| view.explanation.clone()),
            })
        });
        let why = outcome.as_ref().err().map(|failure| failure.why.clone()).unwrap_or_default();
        let object = json!({
            "result": result, "for": goal_text(plan), "elapsedSeconds": started.elapsed().as_secs_f64(),
            "why": why, "deployments": each.collect::<Vec<Value>>(),
        });
        return put(&printer::document(shell.format, &object)?);
    }
    if outcome.is_ok() {
        let took = clock(started.elapsed());
        for course in courses {
            let state = course.last.as_ref().map(|view| view.deployment.status.state.to_string());
            let state = match plan.goals.contains(&Goal::Deleted) {
                true => "deleted".to_owned(),
                false => state.unwrap_or_default(),
            };
            put(&format!("deployment/{} is {state} ({took})\n", course.name))?;
        }
    }
    Ok(())
}
