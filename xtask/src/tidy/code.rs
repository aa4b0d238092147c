//! What code may not do: the core may not notice the world, nobody may read the clock in passing, and nothing may panic.
//!
//! The core (`drey-model`, `drey-engine`) decides from its arguments alone. That is what makes it possible to test every
//! decision with plain values, to replay one, and to simulate years in minutes; one call to a clock ends all three.

use super::{Source, Violation, tokens};
use tokens::Token;

const CORE: [&str; 2] = ["drey-model", "drey-engine"];

const CLOCKS: [&str; 4] =
    ["Timestamp :: now", "Zoned :: now", "SystemTime :: now", "Instant :: now"];

/// What the core may not touch besides clocks, and what to do instead.
const WORLD: &[(&str, &str)] = &[
    ("Uuid :: new_v4", "take the id as an argument"),
    ("Uuid :: now_v7", "take the id as an argument"),
    ("rand ::", "take the random number as an argument"),
    ("std :: fs", "take the content as an argument"),
    ("std :: net", "take what the network said as an argument"),
    ("std :: env", "take the setting as an argument"),
    ("std :: process", "return what should run"),
    ("std :: thread", "return a value; the shell decides where it is computed"),
    ("tokio ::", "return what should be done; the shell does it"),
    ("async fn", "return what should be done; the shell does it"),
    ("async move", "return what should be done; the shell does it"),
    ("async {", "return what should be done; the shell does it"),
    ("tracing ::", "put what happened into the returned value; the shell logs it"),
    ("println !", "put what happened into the returned value"),
    ("eprintln !", "put what happened into the returned value"),
];

/// Where the clock may be read: the beginning of a path, and why.
const CLOCK_READERS: &[(&str, &str)] = &[
    ("crates/drey-controller/src/world.rs", "the one place where the controller gets time and ids"),
    ("crates/drey-server/src/app.rs", "the one place where the server gets time and ids"),
    ("crates/drey-server/src/middleware/", "measures requests"),
    (
        "crates/drey-cluster/src/local/",
        "deadlines of processes, ages of files, lines of logs on this machine",
    ),
    ("crates/drey-store/src/commit.rs", "the age of tombstones"),
    ("crates/drey-store/src/schema.rs", "notes when a migration ran"),
    ("crates/drey-store/src/store.rs", "how long to try again on a busy database"),
    ("crates/drey/src/", "the command line shows ages and waits until deadlines"),
    ("crates/drey-bench/", "measures"),
    ("crates/drey-sim/src/runs.rs", "measures its own speed"),
    ("crates/drey-sim/src/model/mod.rs", "measures its own speed"),
    ("xtask/", "shows how long a step took"),
];

const PANICS: &[(&str, &str)] = &[
    (
        ". unwrap (",
        "return the error, or name the reason with #[expect(clippy::unwrap_used, reason = …)]",
    ),
    (
        ". expect (",
        "return the error, or name the reason with #[expect(clippy::expect_used, reason = …)]",
    ),
    ("panic !", "return an error, or name the reason with #[expect(clippy::panic, reason = …)]"),
];

/// How the server changes things, and the two files that may: elsewhere a dry run would be a real one.
const WRITES: [&str; 2] = ["store . commit", "handle . wake"];
const WRITERS: [&str; 2] =
    ["crates/drey-server/src/ops/writer.rs", "crates/drey-server/src/bootstrap.rs"];

pub(super) fn check(source: &Source) -> Vec<Violation> {
    if !source.is(&["rs"]) || source.is_test() {
        return Vec::new();
    }
    let mut rules = Vec::new();
    if CORE.contains(&source.package()) {
        rules.extend(CLOCKS.map(|p| (p, "the core takes the time as an argument".to_owned())));
        rules.extend(WORLD.iter().map(|(p, advice)| (*p, format!("not in the core: {advice}"))));
    } else if !CLOCK_READERS.iter().any(|(path, _)| source.path.starts_with(path)) {
        let advice =
            "take `now` as an argument, or add this file with its reason to CLOCK_READERS in xtask";
        rules.extend(CLOCKS.map(|p| (p, advice.to_owned())));
    }
    if source.package() == "drey-server" && !WRITERS.contains(&source.path.as_str()) {
        let advice = "go through ops::Writer, which knows dry runs";
        rules.extend(WRITES.map(|p| (p, advice.to_owned())));
    }
    let mut found = search(source, &rules, |_| false);
    let panics: Vec<_> = PANICS.iter().map(|(p, advice)| (*p, (*advice).to_owned())).collect();
    found.extend(search(source, &panics, |token| token.is_excused));
    found
}

/// Finds the patterns in the code and in what it imports; tests and the excused are free.
fn search(
    source: &Source,
    rules: &[(&str, String)],
    excused: impl Fn(&Token) -> bool,
) -> Vec<Violation> {
    let imports = tokens::imports(&source.tokens);
    let lists = std::iter::once(&source.tokens).chain(&imports);
    let mut found = Vec::new();
    for list in lists {
        for (at, token) in list.iter().enumerate().filter(|(_, t)| !t.is_test && !excused(t)) {
            for (pattern, advice) in
                rules.iter().filter(|(pattern, _)| tokens::matches(list, at, pattern))
            {
                let name = pattern.replace(' ', "");
                let name = name.replace("async", "async ");
                found.push(source.violation(token.line, format!("`{}`: {advice}", name.trim())));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::advice;
    use super::*;

    const CORE_FILE: &str = "crates/drey-engine/src/a.rs";
    const SHELL_FILE: &str = "crates/drey-flink/src/a.rs";

    fn lines(path: &str, text: &str) -> Vec<String> {
        let found = advice(check, path, text);
        found.iter().map(|v| v.split('`').take(2).collect::<Vec<_>>().join("")).collect()
    }

    #[test]
    fn the_core_reads_no_clock_and_no_dice() {
        let text = "fn a() {\n jiff::Timestamp::now();\n Uuid::new_v4();\n std::fs::read(1);\n}\nasync fn b() {}";
        let expected = ["2: Timestamp::now", "3: Uuid::new_v4", "4: std::fs", "6: async fn"];
        assert_eq!(lines(CORE_FILE, text), expected);
    }

    #[test]
    fn an_import_counts_as_use() {
        assert_eq!(
            lines(CORE_FILE, "use std::{collections::BTreeMap,\n fs};"),
            ["2: std::fs"].map(|s| s.replace("2:", "1:"))
        );
        assert_eq!(lines(CORE_FILE, "use tokio::time;"), ["1: tokio::"]);
    }

    #[test]
    fn tests_of_the_core_may_read_files() {
        let text = "#[cfg(test)]\nmod tests { fn a() { std::fs::read(1).unwrap(); } }";
        assert!(lines(CORE_FILE, text).is_empty());
        assert!(
            lines("crates/drey-engine/tests/a.rs", "fn a() { std::fs::read(1).unwrap(); }")
                .is_empty()
        );
    }

    #[test]
    fn the_shell_may_do_all_that_but_reads_the_clock_only_where_listed() {
        let text = "async fn a() { std::fs::read(1); Instant::now(); }";
        assert_eq!(lines(SHELL_FILE, text), ["1: Instant::now"]);
        assert!(lines("crates/drey-controller/src/world.rs", text).is_empty());
    }

    #[test]
    fn the_server_writes_in_one_place() {
        let text = "fn a() { self.store.commit(&b); shared.handle.wake(c); }";
        assert_eq!(lines("crates/drey-server/src/ops/a.rs", text).len(), 2);
        assert!(lines("crates/drey-server/src/ops/writer.rs", text).is_empty());
        assert!(lines("crates/drey-controller/src/a.rs", text).is_empty());
    }

    #[test]
    fn panics_need_a_reason() {
        let text = "fn a() { b().unwrap(); }\nfn c() { d()\n.expect(\"e\"); panic!(); }\nfn f() { g().unwrap_or(1); }";
        assert_eq!(lines(SHELL_FILE, text), ["1: .unwrap(", "3: .expect(", "3: panic!"]);
        let text = "#[expect(clippy::unwrap_used, reason = \"why\")]\nfn a() { b().unwrap(); }";
        assert!(lines(SHELL_FILE, text).is_empty());
    }

    #[test]
    fn words_in_comments_and_strings_are_free() {
        let text = "//! Never .unwrap() a Timestamp::now().\nfn a() { b(\"panic!() std::fs\"); }";
        assert!(lines(CORE_FILE, text).is_empty());
    }
}
