//! Texts that mean harm: refused soon, and in little memory. Alone in its process, so that its peak is theirs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what went wrong by panicking"
)]

use std::time::{Duration, Instant};

use drey_model::document::{Format, parse};
use drey_model::shape::normalise;
use drey_model::shape::tables::DEPLOYMENT;

/// Bytes of the largest text here: the largest body that the server reads.
const TEXT_BYTES: usize = 1 << 20;
/// Much more than any of them takes, and much less than what they ask for.
const MEMORY_KIB_MAX: u64 = 128 * 1024;
/// Per text; a machine that is busy with other things included.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Highest use of memory of this process so far, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn filled(part: &str) -> String {
    part.repeat(TEXT_BYTES / part.len())
}

/// Each level repeats the one below it.
fn laughs(width: usize, levels: usize) -> String {
    let mut text = "a0: &a0 [ha]\n".to_owned();
    for level in 1..levels {
        let below = vec![format!("*a{}", level - 1); width].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    text
}

fn texts() -> Vec<(&'static str, String)> {
    let long = "x".repeat(TEXT_BYTES / 2);
    vec![
        ("a billion laughs", laughs(10, 10)),
        ("laughs of two", laughs(2, 60)),
        (
            "laughs in spec",
            format!(
                "spec: {{template: {{spec: {{kubernetes: {{pods: {{x: &x [{}]",
                filled("&y [*y, 1], ")
            ),
        ),
        ("copies of a long text", format!("a: &a {long}\nb: [{}]", "*a, ".repeat(100_000))),
        (
            "copies as keys",
            format!("a: &a {}\nb: {{{}}}", "k".repeat(900), "*a : 1, ".repeat(50_000)),
        ),
        (
            "copies by <<",
            format!(
                "a: &a {{{}}}\nb:\n{}",
                (0..20_000).map(|n| format!("k{n}: 1, ")).collect::<String>(),
                "- {<<: *a}\n".repeat(10_000)
            ),
        ),
        (
            "a list of << within itself",
            "a: &a {b: 1}\nc: {<<: [".to_owned() + &"*a, ".repeat(200_000) + "]}",
        ),
        ("deep JSON lists", filled("[")),
        ("deep JSON objects", filled("{\"a\":")),
        ("deep YAML lists", filled("- ")),
        ("deep YAML flow", filled("{a: ")),
        (
            "deep YAML by indentation",
            (0..1_400).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
        ),
        (
            "many members",
            format!("{{{}}}", (0..80_000).map(|n| format!("m{n}: 1, ")).collect::<String>()),
        ),
        ("many elements", format!("[{}]", filled("1,"))),
        ("many documents", filled("---\na\n")),
        ("many anchors", filled("- &a a\n")),
        (
            "nested anchors",
            (0..60).map(|n| format!("&a{n} [")).collect::<String>() + &filled("1, "),
        ),
        ("a long number", filled("9")),
        ("a long escape", format!("\"{}\"", filled("\\u0041"))),
        ("a long block", format!("a: |\n{}", filled(" x\n"))),
        ("many tags", filled("- !!str a\n")),
        ("a long comment", filled("#")),
        (
            "unknown members",
            format!("spec: {{{}}}", (0..60_000).map(|n| format!("m{n}: 1, ")).collect::<String>()),
        ),
    ]
}

#[test]
fn hostile_texts_cost_little_time_and_memory() {
    let before = peak_kib();
    for (name, text) in texts() {
        for format in [Format::Json, Format::Yaml] {
            let started = Instant::now();
            match parse(text.as_bytes(), format) {
                Ok(document) => {
                    let found = normalise(&document, &DEPLOYMENT, "Deployment");
                    assert!(found.problems.len() + found.warnings.len() <= 200, "{name}");
                }
                Err(problems) => {
                    assert_eq!(problems.len(), 1, "{name}");
                    assert!(problems[0].message.len() < 1_000, "{name}: {}", problems[0].message);
                }
            }
            let took = started.elapsed();
            assert!(took < TIME_MAX, "{name} as {format:?} takes {took:?}");
            let used = before.zip(peak_kib()).map_or(0, |(before, now)| now - before);
            assert!(used < MEMORY_KIB_MAX, "{name} as {format:?} takes {used} KiB");
        }
    }
}

#[test]
fn what_multiplies_is_refused() {
    for name in [
        "a billion laughs",
        "laughs of two",
        "copies of a long text",
        "copies by <<",
        "deep JSON lists",
        "deep YAML flow",
        "deep YAML by indentation",
    ] {
        let (_, text) = texts().into_iter().find(|(known, _)| *known == name).unwrap();
        for format in [Format::Json, Format::Yaml] {
            assert!(parse(text.as_bytes(), format).is_err(), "{name} is read as {format:?}");
        }
    }
}
