//! Runs the stories and tables in `scenarios/`. `UPDATE_EXPECT=1 cargo test -p drey-engine --test scenarios` writes the
//! goldens anew; read the difference as you would read a bug report.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod scenario;
#[allow(dead_code, reason = "the properties use the rest of it")]
mod world;

use std::path::{Path, PathBuf};

/// What the tables are meant to cover; fewer means that some were lost.
const CASES_MIN: usize = 200;

fn files() -> Vec<PathBuf> {
    // Asked for when it runs: one target directory may serve several checkouts.
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let folder = Path::new(&package).join("tests/scenarios");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    files
}

#[test]
fn every_scenario_goes_as_its_golden_says() {
    let is_update = std::env::var_os("UPDATE_EXPECT").is_some();
    let (mut problems, mut cases) = (Vec::new(), 0);
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let outcome = match scenario::run(&text) {
            Ok(outcome) => outcome,
            Err(why) => {
                problems.push(format!("{name}: {why}"));
                continue;
            }
        };
        cases += outcome.cases;
        if outcome.text != text && is_update {
            std::fs::write(&path, &outcome.text).unwrap();
        } else if outcome.text != text {
            problems.push(format!("{name}: {}", first_difference(&text, &outcome.text)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    println!("{cases} cases");
    assert!(cases >= CASES_MIN, "{cases} cases");
}

fn first_difference(golden: &str, found: &str) -> String {
    let pairs = golden.lines().zip(found.lines()).enumerate();
    let different = pairs.into_iter().find(|(_, (a, b))| a != b);
    match different {
        Some((n, (golden, found))) => {
            format!("line {}\n  golden: {golden}\n  found:  {found}", n + 1)
        }
        None => "one text is longer than the other".to_owned(),
    }
}
