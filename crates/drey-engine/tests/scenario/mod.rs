//! Scenario files: what they look like, and how they are run. See `scenarios/README.md` for the words.
//!
//! ```text
//! file  = title, blank line, block (==== block)*
//! block = [case NAME] (for NAME in A | B | C)* step* ---- golden
//! ```
//!
//! A block without `for` tells its story step by step. A block with `for` is a table: its steps are run once for each
//! combination, and each combination has one paragraph about what its last step led to.

mod step;
mod transcript;

use crate::world::{World, spec};

const RULE: &str = "----";
const BREAK: &str = "====";

/// A block of a scenario file.
struct Block {
    /// Everything above the rule, as it is.
    head: String,
    golden: String,
}

/// The result of a file: its text with fresh goldens, and how many cases it holds.
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) cases: usize,
}

/// Runs a file.
pub(crate) fn run(text: &str) -> Result<Outcome, String> {
    let (title, rest) =
        text.split_once("\n\n").ok_or("a file begins with a title and a blank line")?;
    let mut blocks = Vec::new();
    let (mut cases, mut problems) = (0, Vec::new());
    for part in rest.split(&format!("\n{BREAK}\n")) {
        let mut block = split(part);
        let run = std::panic::catch_unwind(|| run_block(&block.head));
        let run = run.unwrap_or_else(|_| Err("a rule was broken, see above".to_owned()));
        let (golden, count) = match run {
            Ok(run) => run,
            Err(why) => {
                problems.push(format!("{why}, in:\n{}", block.head));
                continue;
            }
        };
        block.golden = golden;
        cases += count;
        blocks.push(format!("{}\n{RULE}\n{}", block.head.trim_end(), block.golden));
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let text = format!("{title}\n\n{}", blocks.join(&format!("{BREAK}\n")));
    Ok(Outcome { text, cases })
}

fn split(part: &str) -> Block {
    let (head, golden) = part.split_once(&format!("\n{RULE}\n")).unwrap_or((part, ""));
    let head = head.trim_end().trim_end_matches(RULE).trim_end();
    Block { head: head.to_owned(), golden: golden.to_owned() }
}

fn run_block(head: &str) -> Result<(String, usize), String> {
    let lines: Vec<&str> = head.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let is_note = |l: &&&str| !l.starts_with('#') && !l.starts_with("case ");
    let (columns, steps): (Vec<&str>, Vec<&str>) =
        lines.iter().filter(is_note).partition(|l| l.starts_with("for "));
    let columns = columns.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok((story(&steps)?, 1));
    }
    let mut golden = String::new();
    let rows = combinations(&columns);
    for row in &rows {
        let steps: Vec<String> = steps.iter().map(|s| fill(s, row)).collect();
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let name: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let summary = summary(&steps).map_err(|why| format!("{}: {why}", name.join(" ")))?;
        golden.push_str(&format!("{}\n{summary}", name.join("  ")));
    }
    Ok((golden, rows.len()))
}

type Column = (String, Vec<String>);

fn column(line: &str) -> Result<Column, String> {
    let rest = line.trim_start_matches("for ");
    let (name, values) =
        rest.split_once(" in ").ok_or_else(|| format!("'{line}': for NAME in A | B"))?;
    Ok((name.trim().to_owned(), values.split('|').map(|v| v.trim().to_owned()).collect()))
}

fn combinations(columns: &[Column]) -> Vec<Vec<(String, String)>> {
    columns.iter().fold(vec![Vec::new()], |rows, (name, values)| {
        let extend = |row: &Vec<(String, String)>| {
            let row = row.clone();
            let more =
                values.iter().map(move |v| [row.clone(), vec![(name.clone(), v.clone())]].concat());
            more.collect::<Vec<_>>()
        };
        rows.iter().flat_map(extend).collect()
    })
}

fn fill(step: &str, row: &[(String, String)]) -> String {
    row.iter().fold(step.to_owned(), |step, (name, value)| step.replace(&format!("${name}"), value))
}

/// Each step with everything that it led to.
fn story(steps: &[&str]) -> Result<String, String> {
    let mut world = World::new(spec());
    let mut text = String::new();
    for line in steps {
        let rounds = step::apply(&mut world, line)?;
        if line.starts_with("given ") {
            text.push_str(&format!("> {line}\n{}", transcript::standing(&world)));
        } else {
            text.push_str(&format!("> {line}\n{}", transcript::told(&world, &rounds)));
        }
    }
    Ok(text)
}

/// What the last step led to.
fn summary(steps: &[&str]) -> Result<String, String> {
    let mut world = World::new(spec());
    let mut last = Vec::new();
    for line in steps {
        last = step::apply(&mut world, line)?;
    }
    Ok(transcript::summed_up(&world, &last))
}
