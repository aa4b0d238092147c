//! `SET` and `RESET`: their syntax, and which settings a script may not make.
//!
//! A script runs when the cluster is there, after Drey decided what the job starts from and where its snapshots go. So a
//! script cannot decide these things; the Deployment can, and the refusal says where.

use drey_model::configuration::is_high_availability;
use drey_model::validate::OWNED_KEYS;

use super::scan::Token;
use crate::config::{ALIASES, CHECKPOINT_DIR, SAVEPOINT_DIR};

/// Settings by which Drey finds the snapshots of a job, under their present names.
const SNAPSHOTS: &[&str] = &[
    CHECKPOINT_DIR,
    SAVEPOINT_DIR,
    "execution.checkpointing.create-subdir",
    "execution.checkpointing.externalized-checkpoint-retention",
    "execution.checkpointing.storage",
    "execution.state-recovery.claim-mode",
];

/// Settings that would take the job to another cluster, where Drey would not find it.
const PLACES: &[&str] = &["execution.attached", "execution.target"];

/// Settings that Flink reads once.
const EARLY: &[&str] = &["execution.runtime-mode"];

/// Settings that would take the program away from the TaskManagers.
const JARS: &[&str] = &["pipeline.classpaths", "pipeline.jars"];

/// Key and value of `SET 'key' = 'value'`, with or without quotes.
pub(super) fn pair(piece: &[Token<'_>]) -> Option<(String, String)> {
    let equals = piece.iter().position(|token| token.is_symbol('='))?;
    let (key, value) = (piece.get(1..equals)?, piece.get(equals + 1..)?);
    Some((joined(key)?, joined(value)?))
}

/// The key of `RESET`: `Some(None)` for all of them.
pub(super) fn key_of_reset(piece: &[Token<'_>]) -> Option<Option<String>> {
    match piece.get(1..)? {
        [] => Some(None),
        key => joined(key).map(Some),
    }
}

/// One string, or tokens that stand together without a space, such as `table.local-time-zone` and `-1`.
fn joined(tokens: &[Token<'_>]) -> Option<String> {
    let first = tokens.first()?;
    if tokens.len() == 1 {
        return Some(first.value());
    }
    let stands_together = tokens.windows(2).all(|pair| match pair {
        [a, b] => a.end() == b.start,
        _ => false,
    });
    let has_string = tokens.iter().any(|token| token.text.starts_with('\''));
    (stands_together && !has_string).then(|| tokens.iter().map(|token| token.text).collect())
}

/// Why this cannot be a key, or is none of Flink's, which would take it without a word and without an effect.
pub(super) fn misspelled(key: &str) -> Option<String> {
    if key.trim().is_empty() {
        return Some("the key is empty: SET 'key' = 'value';".to_owned());
    }
    if key.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '`' | '"')) {
        return Some(format!(
            "{key:?} is no key of Flink, so it would be without effect. Write keys in single quotes: SET 'key' = 'value';"
        ));
    }
    let aliases = ALIASES.iter().flat_map(|(new, old)| [new, old]);
    let lists = [SNAPSHOTS, PLACES, JARS, OWNED_KEYS, EARLY];
    let mut known = aliases.chain(lists.into_iter().flatten());
    let meant =
        known.find(|known| known.eq_ignore_ascii_case(key)).filter(|meant| **meant != key)?;
    Some(format!(
        "'{key}' would be without effect: Flink's keys have one case, and this one is '{meant}'."
    ))
}

/// Why a script may not make this setting.
pub(super) fn refusal(key: &str) -> Option<String> {
    let modern = ALIASES.iter().find(|(_, old)| *old == key).map_or(key, |(new, _)| *new);
    let elsewhere = |place: &str| Some(format!("'{key}' cannot be SET in a script: {place}"));
    if modern == "parallelism.default" {
        return elsewhere("spec.template.spec.parallelism decides it.");
    }
    if is_high_availability(key) {
        return elsewhere("it is a setting of the cluster, which has started by then.");
    }
    if SNAPSHOTS.contains(&modern) {
        return elsewhere(
            "Drey must know it before the script runs, or it would not find the job's snapshots. Write it into \
             spec.template.spec.flinkConfiguration.",
        );
    }
    if JARS.contains(&modern) {
        return elsewhere("list the files in spec.template.spec.artifact.additionalDependencies.");
    }
    if PLACES.contains(&modern) {
        return elsewhere("the job runs in the cluster that Drey started for it.");
    }
    let is_owned = OWNED_KEYS.contains(&key) || OWNED_KEYS.contains(&modern);
    if is_owned || key.starts_with("$internal.") {
        return elsewhere("Drey sets it itself.");
    }
    None
}

/// Whether Flink reads it once, when the table environment is created.
pub(super) fn is_early(key: &str) -> bool {
    EARLY.contains(&key)
        || key.starts_with("table.catalog-store.")
        || key.starts_with("table.builtin-")
}
