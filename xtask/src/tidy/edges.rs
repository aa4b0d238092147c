//! The walls between crates: who may depend on whom, and which crate owns which heavy library.
//!
//! ```text
//!              ┌──────────── drey (all) ────────────┐
//!              ▼                                    ▼
//!         drey-server ─► drey-controller        drey-operator
//!              │          │   │     │   └──► drey-cluster ─► drey-flink
//!              ▼          ▼   ▼     ▼                            │
//!         drey-store   engine      ...      everything ──► drey-model
//! ```
//!
//! Cargo refuses cycles; it does not refuse a shortcut through a wall. This does, for development dependencies too.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Source, Violation, tokens};
use crate::run;

/// A crate and the crates of this workspace that it may depend on. `*`: all but the binary.
const WALLS: &[(&str, &[&str])] = &[
    ("drey-model", &[]),
    ("drey-engine", &["drey-model"]),
    ("drey-flink", &["drey-model"]),
    ("drey-store", &["drey-model"]),
    ("drey-cluster", &["drey-model", "drey-flink"]),
    ("drey-kubernetes", &["drey-model", "drey-cluster"]),
    ("drey-controller", &["drey-model", "drey-engine", "drey-flink", "drey-store", "drey-cluster"]),
    ("drey-server", &["drey-model", "drey-store", "drey-controller"]),
    ("drey-operator", &["drey-model"]),
    (
        "drey-sim",
        &[
            "drey-model",
            "drey-engine",
            "drey-flink",
            "drey-store",
            "drey-cluster",
            "drey-controller",
        ],
    ),
    ("drey", &["*"]),
    ("drey-bench", &["*"]),
    ("xtask", &[]),
];

/// What tests of any crate may use besides: the simulator, and the backend's trait, to fake it.
const FOR_TESTS: &[&str] = &["drey-sim", "drey-cluster"];

/// Libraries that only these crates may know.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["drey-store"]),
    ("kube", &["drey-kubernetes", "drey-operator"]),
    ("k8s-openapi", &["drey-kubernetes", "drey-operator"]),
];

/// All dependencies of all crates.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let text = run::capture(run::cargo()?.current_dir(root).args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
    ]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let names: Vec<_> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let path =
            Path::new(package["manifest_path"].as_str().context("a package has a manifest")?);
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let shown = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let manifest = Source::new(&shown, &text)?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let name = dependency["name"].as_str().unwrap_or_default();
            let is_dev = dependency["kind"] == "dev";
            let package = package["name"].as_str().unwrap_or_default();
            let advice = wall(package, name, is_dev, names.contains(&name))
                .or_else(|| library(package, name));
            found.extend(advice.map(|a| manifest.violation(line_of(&text, name), a)));
        }
    }
    Ok(found)
}

/// What is wrong with `package` depending on `other`, a crate of ours if `is_ours`.
fn wall(package: &str, other: &str, is_dev: bool, is_ours: bool) -> Option<String> {
    if !is_ours || (is_dev && FOR_TESTS.contains(&other)) {
        return None;
    }
    let Some((_, allowed)) = WALLS.iter().find(|(name, _)| *name == package) else {
        return Some(format!(
            "`{package}` is not in the table of walls: add it in xtask/src/tidy/edges.rs"
        ));
    };
    let is_allowed = allowed.contains(&other) || (allowed.contains(&"*") && other != "drey");
    (!is_allowed).then(|| {
        let list = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
        format!("`{package}` must not depend on `{other}`, only on {list}: move the shared part down or the caller up")
    })
}

fn library(package: &str, other: &str) -> Option<String> {
    let (_, owners) = OWNERS.iter().find(|(name, _)| *name == other)?;
    (!owners.contains(&package)).then(|| format!("only {} may use `{other}`", owners.join(" and ")))
}

/// Paths into a library that another crate owns, by whatever way it came in.
pub(super) fn owned_libraries(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (at, token) in source.tokens.iter().enumerate() {
        let name = token.text.replace('_', "-");
        if tokens::matches(&source.tokens, at + 1, "::") {
            found.extend(
                library(source.package(), &name).map(|advice| source.violation(token.line, advice)),
            );
        }
    }
    found
}

/// The line of a manifest that names `dependency`.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let names_it = |line: &str| {
        let rest = line.trim_start().strip_prefix(dependency);
        rest.is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_'))
    };
    manifest.lines().position(names_it).map_or(1, |n| n + 1)
}

#[cfg(test)]
mod tests {
    use super::super::advice;
    use super::*;

    #[test]
    fn the_core_knows_only_the_nouns() {
        assert_eq!(wall("drey-engine", "drey-model", false, true), None);
        assert!(wall("drey-engine", "drey-store", false, true).is_some());
        assert!(wall("drey-model", "drey-engine", false, true).is_some());
    }

    #[test]
    fn only_the_binary_depends_on_the_server() {
        assert_eq!(wall("drey", "drey-server", false, true), None);
        assert!(wall("drey-controller", "drey-server", false, true).is_some());
        assert!(wall("drey-bench", "drey", false, true).is_some());
    }

    #[test]
    fn tests_obey_the_walls_but_may_use_the_simulator() {
        assert_eq!(wall("drey-engine", "drey-sim", true, true), None);
        assert!(wall("drey-engine", "drey-sim", false, true).is_some());
        assert!(wall("drey-engine", "drey-store", true, true).is_some());
    }

    #[test]
    fn libraries_of_others_are_free_unless_owned() {
        assert_eq!(wall("drey-engine", "serde", false, false), None);
        assert_eq!(library("drey-store", "sqlx"), None);
        assert!(library("drey-server", "sqlx").is_some());
        assert!(library("drey-cluster", "kube").is_some());
    }

    #[test]
    fn a_new_crate_must_enter_the_table() {
        assert!(wall("drey-new", "drey-model", false, true).unwrap().contains("table of walls"));
    }

    #[test]
    fn an_owned_library_is_seen_in_code() {
        let code = "fn a() { sqlx::query(1); let kube = 2; k8s_openapi::b(); }";
        let found = advice(owned_libraries, "crates/drey-server/src/a.rs", code);
        let expected = [
            "1: only drey-store may use `sqlx`",
            "1: only drey-kubernetes and drey-operator may use `k8s-openapi`",
        ];
        assert_eq!(found, expected);
        assert!(advice(owned_libraries, "crates/drey-store/src/a.rs", "use sqlx::Row;").is_empty());
    }

    #[test]
    fn the_line_of_a_dependency_is_found() {
        let manifest =
            "[package]\nname = \"a\"\n[dependencies]\ndrey-model.workspace = true\ndrey = \"1\"\n";
        assert_eq!((line_of(manifest, "drey-model"), line_of(manifest, "drey")), (4, 5));
    }
}
