//! `drey wait`, and the `--wait` of other verbs: watch until it is so, or cannot become so.
//!
//! ```text
//! watch (hint) or 2 s ──► GET the view of each target ──► Judge (pure) ──► Done | Pending | Failed | Gone
//!                          └► new Events ──► a line on stderr
//! ```
//!
//! Owns the clock, the connection and the words at the end. Whether it is so is [`judge`]'s business, and what a
//! Deployment or a SessionCluster says about itself is [`picture`]'s.
//!
//! [`judge`]: super::judge
//! [`picture`]: super::picture

use std::collections::HashSet;
use std::time::Duration;

use drey_model::Deployment;
use drey_model::meta::Metadata;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::goal::Goal;
use super::judge::{Judge, Verdict};
use super::picture::Picture;
use super::{Shell, printer};
use crate::args::{FailOn, Format, Wait, WaitRules};
use crate::client::View;
use crate::client::watch::Watch;
use crate::duration::{clock, short};
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::subject::{Kind, singular};

/// Without any hint, look this often anyway.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Hints come in bunches; one look answers them all.
const BUNCH: Duration = Duration::from_millis(100);

/// Whom to wait for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Deployment or SessionCluster.
    pub(crate) kind: Kind,
    /// Its name.
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
        let metadata: Metadata = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
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

impl Plan {
    /// What `--wait` of the verbs that change something waits for.
    pub(crate) fn as_declared(timeout: Duration) -> Self {
        let rules = WaitRules {
            timeout,
            fail_on: vec![FailOn::Failed],
            stable: Duration::ZERO,
            since_version: None,
        };
        Self { goals: vec![Goal::AsDeclared], any: false, rules }
    }
}

/// A Deployment without what is known beside it.
pub(super) fn bare(deployment: &Deployment) -> Picture {
    Picture::Deployment(Box::new(View {
        deployment: deployment.clone(),
        explanation: None,
        jobs: Vec::new(),
        observed_at: None,
    }))
}

pub(super) async fn run(shell: &Shell, args: Wait) -> Result<()> {
    let mut targets = Vec::new();
    for subject in args.subjects {
        let kind = subject.kind;
        let word = singular(kind);
        let (Kind::Deployment | Kind::SessionCluster, Some(name)) = (kind, subject.name) else {
            let what =
                format!("only deployments and session clusters can be waited for, not {word}s");
            return Err(Failure::usage(what));
        };
        if let Some(goal) = args.goals.iter().find(|goal| !goal.fits(kind)) {
            let what = format!("no {word} is ever {}", goal.text());
            return Err(Failure::usage(what).next(match kind {
                Kind::SessionCluster => format!("drey wait sc/{name} --for running"),
                _ => format!("drey wait dep/{name} --for running"),
            }));
        }
        targets.push(Target { kind, name, pin: None });
    }
    until(shell, targets, &Plan { goals: args.goals, any: args.any, rules: args.rules }).await
}

/// One target under way.
struct Course {
    kind: Kind,
    name: String,
    judge: Judge,
    since: Option<Timestamp>,
    told: Option<HashSet<Uuid>>,
    last: Option<Picture>,
    verdict: Verdict,
}

impl Course {
    /// As in `deployment/top-speed`.
    fn handle(&self) -> String {
        format!("{}/{}", singular(self.kind), self.name)
    }

    fn waits_for_cores(&self) -> bool {
        self.last.as_ref().is_some_and(Picture::is_refused)
    }
}

/// Waits until all targets are as planned.
pub(crate) async fn until(shell: &Shell, targets: Vec<Target>, plan: &Plan) -> Result<()> {
    let started = Instant::now();
    let deadline = started + plan.rules.timeout;
    let course = |target: Target| {
        let mut rules = plan.rules.clone();
        rules.since_version = target.pin.map(|pin| pin.version).or(rules.since_version);
        Course {
            kind: target.kind,
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
    let kinds = [Kind::Deployment, Kind::SessionCluster, Kind::Event];
    let mut watch = Watch::new(&shell.client, &shell.ns, &kinds);
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
        let picture = match Picture::of(shell, course.kind, &course.name).await {
            Ok(picture) => Some(picture),
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        if let Some(picture) = &picture {
            tell(shell, course, picture, started, several).await;
        }
        course.verdict = course.judge.look(picture.as_ref(), started.elapsed());
        course.last = picture.or(course.last.take());
    }
    Ok(())
}

/// Prints Events that are new. Progress is a courtesy: when it cannot be had, the wait goes on without.
async fn tell(
    shell: &Shell,
    course: &mut Course,
    picture: &Picture,
    started: Instant,
    several: bool,
) {
    if !shell.talks() {
        return;
    }
    let id = picture.metadata().id;
    let Ok(events) = shell.client.events(&shell.ns, course.kind, id).await else { return };
    let first = course.told.is_none();
    let told = course.told.get_or_insert_default();
    let since = course.since;
    for event in events {
        let fresh = told.insert(event.metadata.id);
        let old = first && since.is_none_or(|since| event.metadata.created_at < since);
        if fresh && !old {
            let name = if several { format!("{}  ", course.name) } else { String::new() };
            let state = picture.state();
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
                let handle = course.handle();
                let what = match course.last {
                    Some(_) => format!("{handle} was deleted meanwhile"),
                    None => format!("{handle} does not exist"),
                };
                let list = if course.kind == Kind::SessionCluster { "sc" } else { "dep" };
                let failure = Failure::new(Exit::NotFound, what);
                return Some(Err(failure.next(format!("drey get {list}"))));
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
    let what = format!("{} did not get to be {}", course.handle(), goal_text(plan));
    let exit = if course.waits_for_cores() { Exit::Quota } else { Exit::Failed };
    explained(Failure::new(exit, what), course)
}

/// With why, now and next from the last look.
fn explained(failure: Failure, course: &Course) -> Failure {
    match &course.last {
        Some(picture) => picture.explain(failure),
        None => failure,
    }
}

fn timed_out(
    courses: &[Course],
    plan: &Plan,
    lost: bool,
    client: &crate::client::Client,
) -> Failure {
    let pending: Vec<&Course> = courses.iter().filter(|c| c.verdict != Verdict::Done).collect();
    let names: Vec<String> = pending.iter().map(|course| course.handle()).collect();
    let limit = short(plan.rules.timeout.as_secs());
    let verb = if pending.len() == 1 { "is" } else { "are" };
    let what = format!("{} {verb} not {} after {limit}", names.join(", "), goal_text(plan));
    let is_refused = pending.iter().any(|course| course.waits_for_cores());
    let exit = if is_refused { Exit::Quota } else { Exit::Timeout };
    let mut failure = Failure::new(exit, what);
    if lost {
        failure = failure.why(format!("{} does not answer any more", client.base()));
    }
    pending.first().map_or(failure.clone(), |course| explained(failure, course))
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
        let each = |kind: Kind| -> Vec<Value> {
            courses.iter().filter(|course| course.kind == kind).map(told).collect()
        };
        let why = outcome.as_ref().err().map(|failure| failure.why.clone()).unwrap_or_default();
        let object = json!({
            "result": result, "for": goal_text(plan), "elapsedSeconds": started.elapsed().as_secs_f64(),
            "why": why, "deployments": each(Kind::Deployment), "sessionClusters": each(Kind::SessionCluster),
        });
        return put(&printer::document(shell.format, &object)?);
    }
    if outcome.is_ok() {
        let took = clock(started.elapsed());
        for course in courses {
            let state = course.last.as_ref().map(Picture::state);
            let state = match plan.goals.contains(&Goal::Deleted) {
                true => "deleted".to_owned(),
                false => state.unwrap_or_default(),
            };
            put(&format!("{} is {state} ({took})\n", course.handle()))?;
        }
    }
    Ok(())
}

/// How one target fares, for programs.
fn told(course: &Course) -> Value {
    let explanation = match &course.last {
        Some(Picture::Deployment(view)) => view.explanation.clone(),
        Some(Picture::SessionCluster(_)) | None => None,
    };
    let picture = course.last.as_ref();
    json!({
        "name": course.name,
        "done": course.verdict == Verdict::Done,
        "state": picture.map(Picture::state),
        "resourceVersion": picture.map(|picture| picture.metadata().resource_version),
        "failure": picture.and_then(Picture::failure),
        "explanation": explanation,
    })
}
