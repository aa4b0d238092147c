//! Names of resources and labels (platform API reference §1.0.2).

use crate::meta::{Kind, TextMap};
use crate::problem::{Problem, join_path};
use crate::secret;

const DEPLOYMENT_NAME_CHARS_MAX: usize = 63;
const LABEL_CHARS_MAX: usize = 63;
const LABEL_PREFIX_CHARS_MAX: usize = 253;

/// Why a resource cannot have this name; nothing when it can.
#[must_use]
pub fn check_name(kind: Kind, name: &str) -> Option<String> {
    if name.is_empty() {
        return Some(format!("A {kind} needs a name."));
    }
    let why = match kind {
        // Both have the same rule.
        Kind::DeploymentTarget | Kind::SecretValue => (!secret::is_name(name)).then(|| {
            format!(
                "is not a name. Use at most {} letters, digits, hyphens and underscores.",
                secret::NAME_CHARS_MAX
            )
        }),
        Kind::Deployment
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::Job
        | Kind::Savepoint
        | Kind::Event => dns_label(name).map(str::to_owned),
    };
    why.map(|why| format!("{} {why}", crate::document::quoted(name)))
}

/// Why a namespace or an API token cannot have this name; nothing when it can.
#[must_use]
pub fn check_namespace_name(name: &str) -> Option<String> {
    dns_label(name).map(|why| format!("{} {why}", crate::document::quoted(name)))
}

/// Why a text is not a DNS label, as the rest of a sentence.
pub(super) fn dns_label(name: &str) -> Option<&'static str> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = !name.is_empty()
        && name.len() <= DEPLOYMENT_NAME_CHARS_MAX
        && name.chars().all(is_fine)
        && !name.starts_with('-')
        && !name.ends_with('-');
    (!is_name).then_some("is not a name. Use at most 63 lower-case letters, digits and hyphens, no hyphen first or last.")
}

/// A name made from free text: `Top Speed!` is `top-speed`. Empty when nothing of it can be used.
#[must_use]
pub fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(DEPLOYMENT_NAME_CHARS_MAX).collect();
    slug.trim_end_matches('-').to_owned()
}

/// Labels that Kubernetes would refuse.
#[must_use]
pub fn check_labels(path: &str, labels: &TextMap) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, value) in labels {
        let path = join_path(path, key);
        let (prefix, name) = key.rsplit_once('/').unwrap_or(("a", key));
        let is_prefix = !prefix.is_empty()
            && prefix.len() <= LABEL_PREFIX_CHARS_MAX
            && prefix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        if name.is_empty() || !is_label(name) || !is_prefix {
            let message = format!(
                "{key:?} is not a label. Use at most 63 letters, digits and -_. with a letter or digit first and last; a domain and / may stand before it."
            );
            problems.push(Problem::new(path.clone(), message));
        }
        if !is_label(value) {
            let message = format!(
                "{} is not a value of a label. Use at most 63 letters, digits and -_. with a letter or digit first and last.",
                crate::document::quoted(value)
            );
            problems.push(Problem::new(path, message));
        }
    }
    problems
}

fn is_label(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_end = |c: char| c.is_ascii_alphanumeric();
    let ends_well = text.is_empty() || (text.starts_with(is_end) && text.ends_with(is_end));
    text.len() <= LABEL_CHARS_MAX && ends_well && text.chars().all(is_fine)
}
