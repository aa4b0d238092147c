//! One page about one Deployment: what it is, how it fares, why, and what to do next.
//!
//! Pure: what is shown depends on the page and on `now` alone.

use std::fmt::Write;

use drey_model::deployment::ConditionStatus;
use drey_model::deployment::RestoreKind;
use drey_model::explanation::Wait;
use drey_model::meta::Failure;
use drey_model::{DeploymentState, Event, Explanation, Savepoint};
use jiff::Timestamp;
use url::Url;

use crate::client::View;
use crate::duration::{age, short};
use crate::output::health::health;
use crate::output::style::{Style, colour_of};
use crate::output::table::{flink_version, newest};

/// Events at the end of the page.
const EVENTS_SHOWN: usize = 5;

/// Everything that the page is made of.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The Deployment and its explanation.
    pub(crate) view: View,
    /// Oldest first.
    pub(crate) events: Vec<Event>,
    /// In any order.
    pub(crate) savepoints: Vec<Savepoint>,
}

/// The page as text.
pub(crate) fn deployment(page: &Page, now: Timestamp, style: Style) -> String {
    let deployment = &page.view.deployment;
    let (metadata, spec) = (&deployment.metadata, &deployment.spec);
    let explained = page.view.explanation.clone().unwrap_or_default();
    let how = health(deployment);
    let mut lines = vec![
        format!(
            "Name: {}   Namespace: {}   ID: {}   Revision: {}   Age: {}",
            metadata.name,
            metadata.namespace,
            metadata.id,
            deployment.spec_version(),
            age(metadata.created_at, now)
        ),
        labelled(
            "Health:",
            &format!(
                "{}    Desired {}, actual {}. {}",
                style.paint(colour_of(how), &how.to_string()),
                spec.state,
                deployment.status.state,
                explained.summary
            ),
        ),
    ];
    lines.extend(reasons(&explained, now));
    lines.extend(conditions(page, now));
    lines.extend(job(page, now));
    lines.push(labelled("Restore:", &restore(page, &explained, now)));
    lines.push(labelled("Program:", &program(page)));
    for (at, next) in explained.next.iter().enumerate() {
        lines.push(labelled(if at == 0 { "Next:" } else { "" }, next));
    }
    let mut text = lines.iter().fold(String::new(), |text, line| text + line.trim_end() + "\n");
    events(&mut text, &page.events, now);
    text
}

/// `1 restart`, `2 restarts`.
fn counted(n: i32, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

pub(super) fn labelled(label: &str, text: &str) -> String {
    format!("{label:<10} {text}")
}

/// What is being waited for, what failed, what was tried.
fn reasons(explained: &Explanation, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(explained.wait.iter().map(|wait| waiting(wait, now)));
    lines.extend(explained.next_attempt_at.map(|at| retrying(at, now)));
    let tries = [
        ("job starts", explained.failed_job_attempts, explained.max_job_attempts),
        ("savepoints", explained.failed_savepoint_attempts, explained.max_savepoint_attempts),
    ];
    let failed = tries.iter().filter(|(_, failed, _)| *failed > 0);
    let failed: Vec<String> =
        failed.map(|(what, failed, max)| format!("{failed} of {max} {what} failed")).collect();
    if !failed.is_empty() {
        lines.push(labelled("Attempts:", &failed.join(", ")));
    }
    lines.extend(explained.failure.iter().map(|failure| told(failure, now)));
    lines
}

pub(super) fn waiting(wait: &Wait, now: Timestamp) -> String {
    let left = wait.until.as_second().saturating_sub(now.as_second()).max(0).unsigned_abs();
    let since = age(wait.since, now);
    let text = format!("for {} since {since}, at most {} more", wait.what, short(left));
    labelled("Waiting:", &text)
}

pub(super) fn retrying(at: Timestamp, now: Timestamp) -> String {
    let left = at.as_second().saturating_sub(now.as_second()).max(0).unsigned_abs();
    labelled("Retry:", &format!("in {}", short(left)))
}

pub(super) fn told(failure: &Failure, now: Timestamp) -> String {
    let text = failure.message.trim_end().replace('\n', &format!("\n{:<11}", ""));
    let ago = age(failure.failed_at, now);
    labelled("Failure:", &format!("{text} ({}, {ago} ago)", failure.reason))
}

fn conditions(page: &Page, now: Timestamp) -> Vec<String> {
    let running = page.view.deployment.status.running.iter();
    let odd = running.flat_map(|r| &r.conditions).filter(|c| c.status != ConditionStatus::False);
    odd.map(|c| {
        let since = age(c.last_transition_time, now);
        labelled("Condition:", &format!("{} is {} since {since}: {}", c.kind, c.status, c.message))
    })
    .collect()
}

fn job(page: &Page, now: Timestamp) -> Option<String> {
    let job = page.view.job()?;
    let mut text = format!(
        "{} {} since {}",
        job.metadata.id,
        job.status.state,
        age(job.metadata.created_at, now)
    );
    if let Some(started) = &job.status.started {
        let seen = page.view.observed_at.unwrap_or(started.last_update_time);
        let _ = write!(
            text,
            "; Flink says {}, {} (seen {} ago)",
            started.observed_flink_job_status,
            counted(started.observed_flink_job_restarts, "restart"),
            age(seen, now)
        );
    }
    Some(labelled("Job:", &text))
}

fn restore(page: &Page, explained: &Explanation, now: Timestamp) -> String {
    let deployment = &page.view.deployment;
    let strategy = deployment.spec.restore_strategy.kind;
    let newest = newest(deployment, &page.savepoints);
    let by_location = |from: &String| {
        page.savepoints.iter().find(|s| s.spec.savepoint_location.as_ref() == Some(from))
    };
    let (location, source) = match &explained.restores_from {
        Some(from) => (Some(from.clone()), by_location(from)),
        None => (newest.and_then(|s| s.spec.savepoint_location.clone()), newest),
    };
    let runs = deployment.status.state == DeploymentState::Running;
    if runs && strategy == RestoreKind::LatestState && explained.has_checkpoint {
        let older = location.map(|l| format!("; before it: {l}")).unwrap_or_default();
        return format!("{strategy} -> the newest checkpoint of the running job{older}");
    }
    match (location, source) {
        (None, _) if runs && strategy == RestoreKind::LatestState => {
            let is_off = page.view.job().is_some_and(|job| {
                !job.spec.flink_configuration.contains_key("execution.checkpointing.interval")
            });
            let off = "; execution.checkpointing.interval is not set";
            format!(
                "{strategy}; nothing yet: no checkpoint has completed, a failure starts it empty{}",
                if is_off { off } else { "" }
            )
        }
        (None, _) => format!("{strategy}; there is no snapshot yet"),
        (Some(location), None) => format!("{strategy} -> {location}"),
        (Some(location), Some(from)) => {
            let old = age(from.metadata.modified_at, now);
            format!("{strategy} -> {location} ({old} old, {})", from.metadata.origin)
        }
    }
}

fn program(page: &Page) -> String {
    let spec = &page.view.deployment.spec;
    let template = &spec.template.spec;
    let artifact = &template.artifact;
    let what = artifact.jar_uri.as_deref().or(artifact.python_artifact_uri.as_deref());
    let what = what.map(|uri| {
        Url::parse(uri).map_or_else(|_| uri.to_owned(), |url| drey_flink::artifact::redacted(&url))
    });
    let script = artifact.sql_script.as_deref();
    let what = what.or_else(|| Some(format!("of {} lines", script?.lines().count())));
    let place = match (&spec.session_cluster_name, &spec.deployment_target_name) {
        (Some(cluster), _) => format!("on session cluster {cluster}"),
        (None, target) => format!("in {}", target.as_deref().unwrap_or("-")),
    };
    format!(
        "{} {}; Flink {}, parallelism {}, {place}; upgrades {}",
        artifact.kind,
        what.as_deref().unwrap_or("-"),
        flink_version(&page.view.deployment, page.view.newest_job()),
        template.effective_parallelism(),
        spec.upgrade_strategy.kind
    )
}

pub(super) fn events(text: &mut String, events: &[Event], now: Timestamp) {
    let shown = &events[events.len().saturating_sub(EVENTS_SHOWN)..];
    if shown.is_empty() {
        text.push_str("Events:    none yet\n");
        return;
    }
    let _ = writeln!(text, "Events (last {} of {}):", shown.len(), events.len());
    for event in shown {
        let message = event.spec.message.replace('\n', " ");
        let _ = writeln!(text, "  {:>5}  {message}", age(event.metadata.created_at, now));
    }
}
