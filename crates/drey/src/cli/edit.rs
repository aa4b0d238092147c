//! `drey edit`: an object in the user's editor.
//!
//! What is sent is the difference between the text before and after (a merge patch), on the version that was read: so
//! nobody else's change is overwritten, and a member that was deleted in the editor is removed.

use std::path::{Path, PathBuf};
use std::process::Command;

use drey_model::document::{self, Content, Document, Node, Place};
use reqwest::Method;
use serde_json::Value;

use super::documents::written;
use super::{Shell, one};
use crate::args::Edit;
use crate::client::Body;
use crate::failure::{Exit, Failure, Result};
use crate::output::yaml;
use crate::subject::{self, Kind, singular};

pub(super) async fn run(shell: &Shell, args: Edit) -> Result<()> {
    let (kind, name) = one(args.one.subject, args.one.name)?;
    let word = singular(kind);
    let is_editable = matches!(
        kind,
        Kind::Deployment | Kind::DeploymentDefaults | Kind::SessionCluster | Kind::Namespace
    );
    if !is_editable {
        return Err(Failure::usage(format!("a {word} cannot be edited"))
            .why("deployments, deployment defaults, session clusters and namespaces can")
            .next("drey apply -f FILE"));
    }
    let rehearsing = args.dry_run.then(|| shell.rehearsing());
    let shell = rehearsing.as_ref().unwrap_or(shell);
    let object = shell.client.object(&shell.ns, kind, &name).await?;
    let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_i64);
    let version = version.and_then(|version| i32::try_from(version).ok());
    let before = written(&object);
    let original = yaml(&before)?;
    let file = new_file(&format!("drey-{word}-{name}-"))?;
    let mut text = original.clone();
    let mut refused: Option<Failure> = None;
    loop {
        let shown = with_message(&text, refused.as_ref(), word, &name);
        let edited = without_message(&open(&file, &shown)?);
        if edited.trim().is_empty() || edited == text {
            return give_up(&file, refused, edited != original && edited == text);
        }
        text = edited;
        match send(shell, kind, &name, &before, &text, version).await {
            Ok(after) => {
                // The edit is on the server now; the file has done its work.
                let _ = std::fs::remove_file(&file);
                let did = if written(&after) == before { "unchanged" } else { "configured" };
                return shell.report(kind, &after, did);
            }
            Err(failure) if matches!(failure.exit, Exit::Invalid | Exit::Conflict) => {
                refused = Some(failure);
            }
            Err(failure) => return Err(failure.next(format!("your text is in {}", file.display()))),
        }
    }
}

/// The editor was closed without a change: nothing to do, or the last refusal stands.
fn give_up(file: &Path, refused: Option<Failure>, keep: bool) -> Result<()> {
    match refused {
        Some(failure) if keep => Err(failure.next(format!("your text is in {}", file.display()))),
        Some(failure) => Err(failure),
        None => {
            let _ = std::fs::remove_file(file);
            Err(Failure::new(Exit::No, "nothing was changed"))
        }
    }
}

async fn send(
    shell: &Shell,
    kind: Kind,
    name: &str,
    before: &Value,
    text: &str,
    version: Option<i32>,
) -> Result<Value> {
    let doing = format!("editing {}/{name}", singular(kind));
    let parsed = document::parse(text.as_bytes(), document::Format::Yaml).map_err(|problems| {
        let mut failure = Failure::new(Exit::Invalid, format!("{doing} failed"));
        failure.why.extend(problems.into_iter().map(|problem| problem.message));
        failure
    })?;
    let root = difference(&Node::from_value(before), &parsed.root).unwrap_or_else(nothing);
    // As literal text, so that `1.20` does not turn into 1.2 on the way.
    let patch = Document { root, has_lines: false }.to_json_text();
    let body = Some(Body::Text("application/json", patch));
    let place = subject::Place::one(&shell.ns, kind, name);
    shell.client.send(&doing, Method::PATCH, &place, body, version).await
}

/// The merge patch (RFC 7386) that leads from one document to the other; `None` when they are equal.
fn difference(from: &Node, to: &Node) -> Option<Node> {
    let (Content::Map(old), Content::Map(new)) = (&from.content, &to.content) else {
        let same = from.to_value() == to.to_value() && from.text() == to.text();
        return (!same).then(|| to.clone());
    };
    let find = |members: &[(String, Node)], key: &str| {
        members.iter().find(|(name, _)| name == key).map(|(_, node)| node.clone())
    };
    let mut patch = Vec::new();
    for (key, _) in old.iter().filter(|(key, _)| find(new, key).is_none()) {
        patch.push((key.clone(), Node::from_value(&Value::Null)));
    }
    for (key, value) in new {
        let changed = match find(old, key) {
            Some(before) => difference(&before, value),
            None => Some(value.clone()),
        };
        patch.extend(changed.map(|changed| (key.clone(), changed)));
    }
    let content = Content::Map(patch);
    let is_empty = matches!(&content, Content::Map(members) if members.is_empty());
    (!is_empty).then_some(Node { place: Place::START, content })
}

fn nothing() -> Node {
    Node { place: Place::START, content: Content::Map(Vec::new()) }
}

fn with_message(text: &str, refused: Option<&Failure>, word: &str, name: &str) -> String {
    let head = match refused {
        None => format!("{word}/{name}. Save and close to send it; leave it as it is to give up."),
        Some(failure) => format!("Not saved: {failure}"),
    };
    let head: String = head.lines().map(|line| format!("#: {line}\n")).collect();
    format!("{head}{text}")
}

fn without_message(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with("#:")).collect()
}

/// A file that only this user can read, and that nobody else has put there.
fn new_file(prefix: &str) -> Result<PathBuf> {
    let made = tempfile::Builder::new().prefix(prefix).suffix(".yaml").tempfile();
    let kept = made.and_then(|file| Ok(file.into_temp_path().keep()?));
    kept.map_err(|e| Failure::usage("making a file to edit").why(e.to_string()))
}

/// Lets the user edit the text in a file.
fn open(file: &PathBuf, text: &str) -> Result<String> {
    let given = |name: &&str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let editor = ["VISUAL", "EDITOR"].iter().find_map(given).unwrap_or_else(|| "vi".to_owned());
    let unusable = |what: String, why: String| Failure::usage(what).why(why);
    std::fs::write(file, text)
        .map_err(|e| unusable(format!("writing {}", file.display()), e.to_string()))?;
    // Through the shell, because EDITOR may hold arguments: EDITOR='code --wait'.
    let status =
        Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => {
            let what = format!("the editor \"{editor}\" ended with {status}");
            return Err(unusable(what, "nothing was changed".to_owned())
                .next(format!("your text is in {}", file.display())));
        }
        Err(e) => return Err(unusable(format!("starting the editor \"{editor}\""), e.to_string())),
    }
    std::fs::read_to_string(file)
        .map_err(|e| unusable(format!("reading {}", file.display()), e.to_string()))
}

#[cfg(test)]
mod tests {
    use drey_model::document::{self, Document, Node};
    use serde_json::json;

    use super::{difference, with_message, without_message};

    #[test]
    fn the_difference_removes_what_was_deleted_and_keeps_silent_about_the_rest() {
        let from = json!({"spec": {"a": 1, "b": {"x": 1, "y": [1, 2]}, "c": "t"}});
        let text = "spec: {a: 1, b: {y: [2]}, c: t, d: 1.20}";
        let to = document::parse(text.as_bytes(), document::Format::Yaml).unwrap();
        let root = difference(&Node::from_value(&from), &to.root).unwrap();
        let patch = Document { root, has_lines: false }.to_json_text();
        assert_eq!(patch.replace(' ', ""), r#"{"spec":{"b":{"x":null,"y":[2]},"d":1.20}}"#);
        assert_eq!(difference(&Node::from_value(&from), &Node::from_value(&from)), None);
    }

    #[test]
    fn the_message_on_top_never_becomes_part_of_the_document() {
        let refused = crate::failure::Failure::usage("a").why("b\nc");
        let shown = with_message("# mine\nx: 1\n", Some(&refused), "deployment", "x");
        assert!(shown.starts_with("#: Not saved: a\n#:   why:  b\n"), "{shown}");
        assert_eq!(without_message(&shown), "# mine\nx: 1\n");
    }
}
