//! What happened, in words: the goldens of scenarios.

use drey_engine::{Action, JobRecord};
use drey_model::deployment::ConditionStatus;
use drey_model::{DeploymentState, SavepointState};
use jiff::{SignedDuration, Timestamp};

use crate::world::{Round, World};

const MESSAGE_MAX: usize = 130;

/// Everything that the rounds of a step decided, then how things stand.
pub(crate) fn told(world: &World, rounds: &[Round]) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for round in rounds {
        let at = since(world, round.at);
        if round.before != round.after {
            lines.push((at.clone(), format!("{} → {}", round.before, round.after)));
        }
        for event in &round.events {
            lines.push((at.clone(), format!("{}: {}", event.name, shown(world, &event.message))));
        }
        for action in &round.actions {
            lines.push((at.clone(), format!("do: {}", effect(world, action))));
        }
    }
    let mut text = String::new();
    let mut previous = String::new();
    for ((at, line), count) in runs(lines) {
        let at = if at == previous { String::new() } else { at };
        let times = if count > 1 { format!("  (×{count})") } else { String::new() };
        text.push_str(&format!("  {at:<11} {line}{times}\n"));
        if !at.is_empty() {
            previous = at;
        }
    }
    text + &standing(world)
}

/// Consecutive lines that say the same, with their number; the time is the first one's.
fn runs(lines: Vec<(String, String)>) -> Vec<((String, String), usize)> {
    let mut runs: Vec<((String, String), usize)> = Vec::new();
    for line in lines {
        match runs.last_mut() {
            Some((last, count)) if last.1 == line.1 => *count += 1,
            Some(_) | None => runs.push((line, 1)),
        }
    }
    runs
}

/// How things stand.
pub(crate) fn standing(world: &World) -> String {
    let mut text =
        format!("  = {}\n", [vec![world.state().to_string()], things(world)].concat().join(" · "));
    for line in attention(world) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

/// One paragraph: state and records, effects, events, attention.
pub(crate) fn summed_up(world: &World, rounds: &[Round]) -> String {
    let mut text =
        format!("    {}\n", [vec![world.state().to_string()], things(world)].concat().join(" · "));
    let effects = rounds.iter().flat_map(|r| &r.actions).map(|a| (String::new(), effect(world, a)));
    let events = rounds.iter().flat_map(|r| &r.events).map(|e| (String::new(), e.name.to_string()));
    for (word, lines) in [("does", effects.collect::<Vec<_>>()), ("events", events.collect())] {
        let counted = runs(lines).into_iter().map(|((_, line), count)| match count {
            1 => line,
            count => format!("{line} ×{count}"),
        });
        let counted: Vec<String> = counted.collect();
        if !counted.is_empty() {
            text.push_str(&format!("    {word}: {}\n", counted.join(", ")));
        }
    }
    for line in attention(world) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn things(world: &World) -> Vec<String> {
    let ended = world.jobs.iter().rposition(JobRecord::is_closed).unwrap_or(0);
    let jobs = world.jobs.iter().skip(ended).map(|r| {
        let from = r.job.spec.savepoint_location.as_ref();
        let from = from.map_or("empty".to_owned(), |l| format!("from {}", shown(world, l)));
        let ends = r.facts.end.as_ref().map_or(String::new(), |end| match r.is_closed() {
            true => format!(", {:?}", end.how),
            false => format!(", {:?}, not cleared", end.how),
        });
        format!("J{} {} ({from}{ends})", r.facts.ordinal, r.job.status.state)
    });
    let savepoints = world.savepoints.iter().enumerate().map(|(n, r)| {
        let location = r.savepoint.spec.savepoint_location.as_ref();
        let location = location.map_or(String::new(), |l| format!(" at {}", shown(world, l)));
        let origin = r.savepoint.metadata.origin;
        format!("S{} {origin} {}{location}", n + 1, r.savepoint.status.state)
    });
    jobs.chain(savepoints).collect()
}

/// What a person would want to know: waits, counters, failures, the next restore point, conditions.
fn attention(world: &World) -> Vec<String> {
    let e = world.explanation();
    let mut lines = Vec::new();
    if let Some(wait) = &e.wait {
        let until = since(world, wait.until);
        lines.push(format!("waits for {} until {until}", shown(world, &wait.what)));
    }
    if let (DeploymentState::Transitioning, Some(at)) = (world.state(), world.wake_at) {
        lines.push(format!("looks again after {}", length(at.duration_since(world.now))));
    }
    if e.failed_job_attempts > 0 || e.failed_savepoint_attempts > 0 {
        lines.push(format!(
            "failed attempts: starts {}/{}, savepoints {}/{}",
            e.failed_job_attempts,
            e.max_job_attempts,
            e.failed_savepoint_attempts,
            e.max_savepoint_attempts
        ));
    }
    if let Some(failure) = &e.failure {
        lines.push(format!("failure {}: {}", failure.reason, shown(world, &failure.message)));
    }
    if world.quota.limit.is_some() {
        lines.push(format!("holds {} cores", world.facts.claim.held));
    }
    let restores = e.restores_from.as_ref().filter(|_| world.state() != DeploymentState::Running);
    if let Some(location) = restores {
        lines.push(format!("a start would restore {}", shown(world, location)));
    }
    if let Some(running) = &world.deployment.status.running {
        let notable = running.conditions.iter().filter(|c| c.status != ConditionStatus::False);
        lines.extend(notable.map(|c| {
            format!("condition {} is {}: {}", c.kind, c.status, shown(world, &c.message))
        }));
    }
    let open = world
        .savepoints
        .iter()
        .filter(|r| r.open && r.savepoint.status.state == SavepointState::Failed);
    if open.count() > 0 {
        lines.push("a failed stop may still complete late".to_owned());
    }
    lines
}

fn effect(world: &World, action: &Action) -> String {
    let job = shown(world, &action.job().to_string());
    match action {
        Action::Snapshot { savepoint, drain, .. } => {
            let drained = if *drain { " and drains" } else { "" };
            format!(
                "{} {job} into {}{drained}",
                action.name(),
                shown(world, &savepoint.to_string())
            )
        }
        Action::EnsureCluster(_)
        | Action::Fetch(_)
        | Action::Submit(_)
        | Action::Cancel { .. }
        | Action::RemoveCluster { .. } => {
            format!("{} {job}", action.name())
        }
    }
}

/// A text with ids replaced by J1, S1, …, and cut to one line.
fn shown(world: &World, text: &str) -> String {
    let mut text = text.replace('\n', " ");
    for record in &world.jobs {
        text = text.replace(&record.id().to_string(), &format!("J{}", record.facts.ordinal));
        let flink_id = record.id().simple().to_string();
        text = text.replace(&flink_id, &format!("j{}", record.facts.ordinal));
    }
    for (n, record) in world.savepoints.iter().enumerate() {
        text = text.replace(&record.id().to_string(), &format!("S{}", n + 1));
    }
    match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn since(world: &World, at: Timestamp) -> String {
    format!("t+{}", length(at.duration_since(world.start)))
}

fn length(duration: SignedDuration) -> String {
    let ms = duration.as_millis();
    let (minutes, seconds) = (ms / 60_000, (ms % 60_000) as f64 / 1000.0);
    match minutes {
        0 => format!("{seconds}s"),
        minutes if ms % 60_000 == 0 => format!("{minutes}m"),
        minutes => format!("{minutes}m{seconds}s"),
    }
}
