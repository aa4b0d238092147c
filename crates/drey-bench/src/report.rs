//! Figures beside their goals: as a table on the terminal, and between markers in docs/benchmarks.md.
//!
//! Owns how a figure is compared and written. A partial run replaces only the parts of the document that it measured.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::stats::Sample;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");
const HEAD: [&str; 6] = ["what", "figure (least to most)", "ratio", "goal", "reached", "best peer"];

/// Rows that were measured together.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its marker in the document.
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// What a figure is compared with.
#[derive(Debug, Clone, PartialEq)]
enum Goal {
    None,
    /// At most so much.
    Limit(f64),
    /// At most so many times what was measured beside it.
    Ratio {
        beside: f64,
        most: f64,
    },
}

/// One figure: the median of what was measured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    figure: f64,
    least: f64,
    most: f64,
    count: usize,
    goal: Goal,
    peer: &'static str,
}

impl Row {
    fn new(what: &str, sample: &Sample, unit: &'static str, goal: Goal) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            figure: sample.median(),
            least: sample.least(),
            most: sample.most(),
            count: sample.0.len(),
            goal,
            peer: "–",
        }
    }

    /// A figure that has no goal.
    pub(crate) fn plain(what: &str, sample: &Sample, unit: &'static str) -> Self {
        Self::new(what, sample, unit, Goal::None)
    }

    /// A figure that must not exceed a limit.
    pub(crate) fn limit(what: &str, sample: &Sample, unit: &'static str, limit: f64) -> Self {
        Self::new(what, sample, unit, Goal::Limit(limit))
    }

    /// A figure that must not exceed a multiple of another one of the same run.
    pub(crate) fn beside(
        what: &str,
        sample: &Sample,
        unit: &'static str,
        beside: &Sample,
        most: f64,
    ) -> Self {
        Self::new(what, sample, unit, Goal::Ratio { beside: beside.median(), most })
    }

    /// What the best peer was measured to do.
    pub(crate) fn peer(mut self, peer: &'static str) -> Self {
        self.peer = peer;
        self
    }

    fn ratio(&self) -> Option<f64> {
        let against = match self.goal {
            Goal::None => return None,
            Goal::Limit(limit) => limit,
            Goal::Ratio { beside, .. } => beside,
        };
        (against > 0.0).then(|| self.figure / against)
    }

    /// A figure without a goal has nothing to miss.
    pub(crate) fn is_reached(&self) -> bool {
        match self.goal {
            Goal::None => true,
            Goal::Limit(limit) => self.figure <= limit,
            Goal::Ratio { most, .. } => self.ratio().is_some_and(|ratio| ratio <= most),
        }
    }

    fn cells(&self) -> [String; 6] {
        let unit = |number: f64| format!("{} {}", digits(number), self.unit).trim_end().to_owned();
        let figure = match self.count {
            0 | 1 => unit(self.figure),
            _ => format!("{} ({} to {})", unit(self.figure), digits(self.least), digits(self.most)),
        };
        let ratio = self.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let goal = match self.goal {
            Goal::None => "–".to_owned(),
            Goal::Limit(limit) => format!("≤ {}", unit(limit)),
            Goal::Ratio { beside, most } => format!("≤ {most} × {}", unit(beside)),
        };
        let verdict = match (&self.goal, self.is_reached()) {
            (Goal::None, _) => "–",
            (_, true) => "PASS",
            (_, false) => "MISS",
        };
        [self.what.clone(), figure, ratio, goal, verdict.to_owned(), self.peer.to_owned()]
    }
}

/// Three digits that mean something.
fn digits(number: f64) -> String {
    match number.abs() {
        n if n == 0.0 || n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// A table that people and Markdown read alike.
fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.map(Row::cells));
    let width = |at: usize| lines.iter().map(|cells| cells[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, cells) in lines.iter().enumerate() {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
            text.push_str("|\n");
        }
    }
    text
}

/// Prints all figures as one table.
pub(crate) fn print(sections: &[Section]) {
    println!("{}", machine());
    print!("{}", table(sections.iter().flat_map(|s| &s.rows)));
}

/// What it ran on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (memory, load) = (read("/proc/meminfo"), read("/proc/loadavg"));
    let kib = memory.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cpu = cpu.map_or("unknown CPU", |(_, name)| name.trim());
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores ({cpu}), {:.0} GiB, Linux {}, load average at the end {load}",
        kib as f64 / f64::from(1 << 20),
        kernel.trim(),
    )
}

/// Replaces what lies between the markers of the sections that were measured.
pub(crate) fn write(sections: &[Section], date: &str, is_quick: bool) -> Result<()> {
    let path = Path::new(DOCUMENT);
    let mut text = std::fs::read_to_string(path).with_context(|| format!("reading {DOCUMENT}"))?;
    let quick = if is_quick { ", --quick" } else { "" };
    for section in sections {
        let figures = table(section.rows.iter());
        let content = format!("Measured {date}{quick}; {}.\n\n{figures}", machine());
        text = replace(&text, section.name, &content)?;
    }
    std::fs::write(path, text).with_context(|| format!("writing {DOCUMENT}"))
}

fn replace(text: &str, name: &str, content: &str) -> Result<String> {
    let (open, close) = (format!("<!-- bench:{name} -->"), format!("<!-- /bench:{name} -->"));
    let missing = || format!("{DOCUMENT} has no {open} … {close}");
    let (before, rest) = text.split_once(&open).with_context(missing)?;
    let (_, after) = rest.split_once(&close).with_context(missing)?;
    Ok(format!("{before}{open}\n{content}{close}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: f64) -> Sample {
        Sample(vec![number])
    }

    #[test]
    fn goals_are_limits_or_ratios() {
        assert!(Row::limit("a", &sample(59.0), "MiB", 60.0).is_reached());
        assert!(!Row::limit("a", &sample(0.1), "", 0.0).is_reached());
        assert!(Row::limit("a", &sample(0.0), "", 0.0).is_reached());
        assert!(Row::beside("a", &sample(10.9), "s", &sample(10.0), 1.1).is_reached());
        assert!(!Row::beside("a", &sample(11.2), "s", &sample(10.0), 1.1).is_reached());
    }

    #[test]
    fn a_row_says_what_it_is_compared_with() {
        let row =
            Row::beside("up", &Sample(vec![11.0, 13.0]), "s", &sample(10.0), 1.1).peer("20 s");
        let expected = ["up", "12.0 s (11.0 to 13.0)", "1.20", "≤ 1.1 × 10.0 s", "MISS", "20 s"];
        assert_eq!(row.cells(), expected);
    }

    #[test]
    fn only_the_named_part_of_a_document_changes() {
        let text = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n";
        let new = replace(text, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n");
        assert!(replace(text, "y", "new\n").is_err());
    }
}
