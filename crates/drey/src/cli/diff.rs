//! `drey diff`: what `apply` would change, member by member, and what it would cost the job that runs.
//!
//! ```text
//! document ──► apply against a server that rehearses (dryRun) ──► before, after ──► changes ──► lines
//! ```
//!
//! So the server's own rules decide (merge, defaults, patch sets), and this only compares. What a change means to a
//! running job is `drey_model::diff`'s word. Exit code 0: nothing would change; 1: something would; 2 and more: an error.
//! Values of secrets are never shown: what stands in a SecretValue, or under a key that Flink itself holds for sensitive.

use drey_model::deployment::UpgradeKind;
use drey_model::diff::{Impact, impact, strongest};
use drey_model::problem::join_path;
use drey_model::{Deployment, DeploymentState, DesiredState};
use serde_json::{Value, json};

use super::apply::{self, Outcome};
use super::documents::{self, Declared, written};
use super::{Shell, printer};
use crate::args::{Diff, Format};
use crate::client::typed;
use crate::failure::{Exit, Failure, Result};
use crate::output::put;
use crate::output::style::{Colour, Style};
use crate::subject::{Kind, handle_of, singular};

/// Characters of a value.
const VALUE_CHARS_MAX: usize = 60;
/// What stands for a value that is not shown.
const HIDDEN: &str = "******";
/// Parts of keys whose values Flink hides in its own pages.
const SENSITIVE: [&str; 12] = [
    "password",
    "secret",
    "account.key",
    "apikey",
    "api-key",
    "access-key",
    "auth-params",
    "service-key",
    "token",
    "basic-auth",
    "jaas.config",
    "http-headers",
];

/// What would become of one document.
struct Preview {
    kind: Kind,
    name: String,
    /// `created`, `changed`, `unchanged`.
    did: &'static str,
    version: Option<i64>,
    changes: Vec<Line>,
    /// What it means as a whole.
    note: Option<String>,
}

/// One member that would change.
struct Line {
    path: String,
    before: Option<String>,
    after: Option<String>,
    cost: &'static str,
}

pub(super) async fn run(shell: &Shell, args: Diff) -> Result<()> {
    let declared = documents::read(&shell.client, &args.files).await?;
    let rehearsing = Shell { client: shell.client.rehearsing(), ..shell.clone() };
    let mut previews: Vec<Preview> = Vec::new();
    for document in &declared {
        let outcome = match apply::one(&rehearsing, document, None).await {
            Ok(outcome) => outcome,
            Err(failure) => return Err(beside(failure, &previews)),
        };
        previews.push(preview(document, &outcome)?);
    }
    let text = match shell.format {
        Some(Format::Json | Format::Yaml | Format::Jsonl) => {
            let all: Vec<Value> = previews.iter().map(Preview::json).collect();
            printer::document(shell.format, &json!({ "items": all }))?
        }
        Some(Format::Name) => {
            let changed = previews.iter().filter(|preview| preview.did != "unchanged");
            changed.map(|preview| format!("{}\n", preview.handle())).collect()
        }
        Some(Format::Table | Format::Wide) | None => page(&previews, shell.out),
    };
    put(&text)?;
    if let ([only], [_]) = (previews.as_slice(), declared.as_slice())
        && let (Some(version), "changed") = (only.version, only.did)
    {
        let files = args.files.join(" -f ");
        shell.note(&format!("to apply exactly this: drey apply -f {files} --if-version {version}"));
    }
    let differs = previews.iter().any(|preview| preview.did != "unchanged");
    if differs { Err(Failure::silent(Exit::No)) } else { Ok(()) }
}

/// A rehearsal makes nothing, so what needs something from the same files may be refused for lack of it.
pub(super) fn needs_what_is_not_there(made: &[String]) -> Option<String> {
    let rooms = made.iter().filter(|handle| !handle.starts_with("deployment/"));
    let rooms: Vec<&str> = rooms.map(String::as_str).collect();
    (!rooms.is_empty()).then(|| {
        format!(
            "nothing was created, so what needs {} cannot be checked yet; apply that first",
            rooms.join(", ")
        )
    })
}

fn beside(failure: Failure, previews: &[Preview]) -> Failure {
    let made: Vec<String> =
        previews.iter().filter(|p| p.did == "created").map(Preview::handle).collect();
    match needs_what_is_not_there(&made) {
        Some(now) => failure.now(now),
        None => failure,
    }
}

fn preview(document: &Declared, outcome: &Outcome) -> Result<Preview> {
    let name = handle_of(document.kind, &outcome.object);
    let version = |object: &Value| object.pointer("/metadata/resourceVersion")?.as_i64();
    let mut preview = Preview {
        kind: document.kind,
        name,
        did: "created",
        version: outcome.before.as_ref().and_then(version),
        changes: Vec::new(),
        note: None,
    };
    let Some(before) = &outcome.before else {
        let is_running = outcome.object.pointer("/spec/state") == Some(&json!("RUNNING"));
        preview.note = (document.kind == Kind::Deployment && is_running)
            .then(|| "a job is started".to_owned());
        return Ok(preview);
    };
    let (old, new) = (written(before), written(&outcome.object));
    match document.kind {
        Kind::Deployment => {
            let (old, new) = (old.get("metadata"), new.get("metadata"));
            leaves("metadata", old, new, &mut preview.changes);
            deployment(before, &outcome.object, &mut preview)?;
        }
        _ => {
            leaves("", Some(&old), Some(&new), &mut preview.changes);
            if document.sends_value {
                preview.changes.push(Line {
                    path: "spec.value".to_owned(),
                    before: Some(HIDDEN.to_owned()),
                    after: Some(HIDDEN.to_owned()),
                    cost: "sent again; nobody can see whether it differs",
                });
            }
            if document.kind == Kind::DeploymentDefaults && !preview.changes.is_empty() {
                preview.note = Some("no stored deployment changes".to_owned());
            }
        }
    }
    preview.did = if preview.changes.is_empty() { "unchanged" } else { "changed" };
    Ok(preview)
}

/// The changes of a spec, with what each does to the job.
fn deployment(before: &Value, after: &Value, preview: &mut Preview) -> Result<()> {
    let doing = "comparing";
    let old: Deployment = typed(doing, before.clone())?;
    let new: Deployment = typed(doing, after.clone())?;
    let has_job =
        matches!(old.status.state, DeploymentState::Running | DeploymentState::Transitioning);
    let stays = has_job && new.spec.state == DesiredState::Running;
    let changes = impact(&old.spec, &new.spec);
    for change in &changes {
        let cost = match (change.path.as_str(), change.impact) {
            ("spec.state", _) => goal(has_job, new.spec.state),
            (_, Impact::None) => "",
            (_, Impact::Restart) if stays => restart(new.spec.upgrade_strategy.kind),
            (_, Impact::NextStart | Impact::Restart) => "at the next start",
        };
        preview.changes.push(Line {
            before: shown(&change.path, change.before.as_ref()),
            after: shown(&change.path, change.after.as_ref()),
            path: change.path.clone(),
            cost,
        });
    }
    let is_restarted = stays && strongest(&changes) == Impact::Restart;
    preview.note = match (is_restarted, has_job) {
        (true, _) => Some(format!("the running job: {}", restart(new.spec.upgrade_strategy.kind))),
        (false, true) if stays => Some("the running job goes on".to_owned()),
        (false, _) => None,
    };
    Ok(())
}

fn restart(strategy: UpgradeKind) -> &'static str {
    match strategy {
        UpgradeKind::Stateful => "restart with state",
        UpgradeKind::Stateless => "restart without state",
        UpgradeKind::None => "at the next start",
    }
}

/// What a new desired state does.
fn goal(has_job: bool, state: DesiredState) -> &'static str {
    match (state, has_job) {
        (DesiredState::Running, true) => "",
        (DesiredState::Running, false) => "a job is started",
        (DesiredState::Suspended, true) => "the job is stopped with a savepoint",
        (DesiredState::Cancelled, true) => "the job is stopped without a savepoint",
        (DesiredState::Suspended | DesiredState::Cancelled, false) => "",
    }
}

/// The leaves in which two values differ.
fn leaves(path: &str, old: Option<&Value>, new: Option<&Value>, into: &mut Vec<Line>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(a)), Some(Value::Object(b))) = (old, new) {
        for (key, value) in a {
            leaves(&join_path(path, key), Some(value), b.get(key), into);
        }
        for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
            leaves(&join_path(path, key), None, Some(value), into);
        }
        return;
    }
    let (before, after) = (shown(path, old), shown(path, new));
    into.push(Line { path: path.to_owned(), before, after, cost: "" });
}

/// A value on one line, unless it is not to be seen.
fn shown(path: &str, value: Option<&Value>) -> Option<String> {
    let value = value.filter(|value| !value.is_null())?;
    let lower = path.to_ascii_lowercase();
    // A placeholder names a secret and is none.
    let is_placeholder = value.as_str().is_some_and(|t| t.starts_with("${") && t.ends_with('}'));
    if !is_placeholder && SENSITIVE.iter().any(|part| lower.contains(part)) {
        return Some(HIDDEN.to_owned());
    }
    let text = match value {
        Value::String(text) if !text.is_empty() && !text.contains(char::is_whitespace) => {
            text.clone()
        }
        // Members of an object may be secret one by one.
        Value::Object(members) if !members.is_empty() => {
            let inner = members.iter().map(|(key, member)| {
                format!("{key}: {}", shown(&join_path(path, key), Some(member)).unwrap_or_default())
            });
            format!("{{{}}}", inner.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) if !items.is_empty() => {
            let inner = items.iter().map(|item| shown(path, Some(item)).unwrap_or_default());
            format!("[{}]", inner.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    };
    let is_long = text.chars().count() > VALUE_CHARS_MAX;
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    Some(if is_long { format!("{cut}…") } else { cut })
}

impl Preview {
    fn handle(&self) -> String {
        format!("{}/{}", singular(self.kind), self.name)
    }

    fn json(&self) -> Value {
        let changes = self.changes.iter().map(|line| {
            json!({ "path": line.path, "before": line.before, "after": line.after, "cost": line.cost })
        });
        json!({
            "kind": self.kind.to_string(),
            "name": self.name,
            "action": self.did,
            "resourceVersion": self.version,
            "note": self.note,
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

/// Everything for people, and the sum.
fn page(previews: &[Preview], style: Style) -> String {
    let mut text = String::new();
    for preview in previews {
        let note = preview.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        text += &format!("{} would be {}{note}\n", preview.handle(), preview.did);
        let width = |of: fn(&Line) -> String| {
            preview.changes.iter().map(|line| of(line).chars().count()).max().unwrap_or(0)
        };
        let (paths, values) = (width(|line| line.path.clone()), width(arrow));
        for line in &preview.changes {
            let (sign, colour) = match (&line.before, &line.after) {
                (None, _) => ("+", Colour::Green),
                (_, None) => ("-", Colour::Red),
                (Some(_), Some(_)) => ("~", Colour::Yellow),
            };
            let rest = format!("{:paths$}  {:values$}  {}", line.path, arrow(line), line.cost);
            text += &format!("  {} {}\n", style.paint(colour, sign), rest.trim_end());
        }
    }
    let count = |did: &str| previews.iter().filter(|preview| preview.did == did).count();
    let (new, changed, same) = (count("created"), count("changed"), count("unchanged"));
    text + &format!("{changed} to change, {new} to create, {same} unchanged\n")
}

fn arrow(line: &Line) -> String {
    match (&line.before, &line.after) {
        (Some(before), Some(after)) if before == HIDDEN && after == HIDDEN => HIDDEN.to_owned(),
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (None, Some(value)) | (Some(value), None) => value.clone(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth_and_long_values_cut() {
        let value = json!({ "s3.secret-key": "abc", "x": 1, "in": { "password": "def" } });
        let text = shown("spec.c", Some(&value)).unwrap();
        assert!(!text.contains("abc") && !text.contains("def") && text.contains("x: 1"), "{text}");
        let list = shown("a", Some(&json!([{ "password": "ghi" }, 1]))).unwrap();
        assert_eq!(list, format!("[{{password: {HIDDEN}}}, 1]"));
        assert_eq!(shown("a[s3.secret-key]", Some(&json!("abc"))).unwrap(), HIDDEN);
        assert_eq!(shown("a", Some(&json!("x".repeat(100)))).unwrap().chars().count(), 61);
        assert_eq!(shown("a.password", Some(&json!("${pw}"))).unwrap(), "${pw}");
        assert_eq!(shown("a", Some(&json!("two words"))).unwrap(), "\"two words\"");
    }

    /// What would become of a running Deployment.
    fn running(strategy: &str, spec: &Value) -> Preview {
        let object = |spec: &Value| {
            let mut whole = json!({
                "kind": "Deployment", "apiVersion": "v1", "metadata": { "name": "a", "resourceVersion": 4 },
                "spec": { "state": "RUNNING", "upgradeStrategy": { "kind": strategy } },
                "status": { "state": "RUNNING" },
            });
            for (key, value) in spec.as_object().unwrap() {
                whole["spec"][key] = value.clone();
            }
            whole
        };
        let document = Declared {
            source: String::new(),
            kind: Kind::Deployment,
            name: None,
            namespace: None,
            body: crate::client::Body::Json(json!({})),
            sends_value: false,
        };
        let outcome = Outcome::of(Some(object(&json!({}))), object(spec));
        preview(&document, &outcome).unwrap()
    }

    #[test]
    fn a_change_is_shown_with_what_it_costs_the_running_job() {
        let wider = json!({ "template": { "spec": { "parallelism": 8 } } });
        for (strategy, cost) in [
            ("STATEFUL", "restart with state"),
            ("STATELESS", "restart without state"),
            ("NONE", "at the next start"),
        ] {
            let preview = running(strategy, &wider);
            let line = preview.changes.iter().find(|line| line.path.ends_with("parallelism"));
            assert_eq!(line.map(|line| line.cost), Some(cost), "{strategy}");
        }
        for (state, cost) in [
            ("SUSPENDED", "the job is stopped with a savepoint"),
            ("CANCELLED", "the job is stopped without a savepoint"),
        ] {
            assert_eq!(running("STATEFUL", &json!({ "state": state })).changes[0].cost, cost);
        }
        let quiet = running("STATEFUL", &json!({ "maxJobCreationAttempts": 9 }));
        assert_eq!(quiet.note.as_deref(), Some("the running job goes on"));
    }

    #[test]
    fn a_page_aligns_and_sums_up() {
        let line = |path: &str, before: Option<&str>, after: Option<&str>, cost| Line {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            cost,
        };
        let previews = [
            Preview {
                kind: Kind::Deployment,
                name: "a".into(),
                did: "changed",
                version: Some(3),
                changes: vec![
                    line("metadata.labels.team", None, Some("b"), ""),
                    line(
                        "spec.template.spec.parallelism",
                        Some("1"),
                        Some("2"),
                        "restart with state",
                    ),
                ],
                note: Some("the running job: restart with state".into()),
            },
            Preview {
                kind: Kind::SecretValue,
                name: "pw".into(),
                did: "unchanged",
                version: None,
                changes: Vec::new(),
                note: None,
            },
        ];
        assert_eq!(
            page(&previews, Style::PLAIN),
            "deployment/a would be changed; the running job: restart with state\n  \
             + metadata.labels.team            b\n  \
             ~ spec.template.spec.parallelism  1 -> 2  restart with state\n\
             secretvalue/pw would be unchanged\n1 to change, 0 to create, 1 unchanged\n"
        );
    }
}
