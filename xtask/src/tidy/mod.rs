//! `tidy`: the rules of this repository that no compiler checks.
//!
//! ```text
//! files of the checkout ──► Source { path, text, tokens } ──► one function per rule ──► violations, sorted
//! cargo metadata        ──► edges between crates ───────────┘
//! ```
//!
//! | rule | file |
//! |---|---|
//! | crates depend only where the walls allow; `sqlx` and `kube` stay in their crates | [`edges`] |
//! | files and functions are short; every module opens with an essay | [`shape`] |
//! | no clock, randomness, I/O or async in the core; time only at the listed places; no panics | [`code`] |
//! | no unfinished work, no disabled tests | [`text`] |
//! | links between documents lead somewhere | [`links`] |
//!
//! Every rule is a pure function over one file, tested on snippets. Rules look at tokens where comments and strings must
//! not count. There are no per-line exceptions: an exception is a constant with a reason next to the rule.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};

mod code;
mod edges;
mod links;
mod shape;
mod text;
mod tokens;

use tokens::Token;

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: [&str; 5] = [".git", "target", "node_modules", "dist", "test-results"];

/// One thing to repair, and how.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// A text file of the repository.
struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
    /// Empty for everything but Rust.
    tokens: Vec<Token>,
}

impl Source {
    fn new(path: &str, text: &str) -> Result<Self> {
        let tokens = if path.ends_with(".rs") { tokens::read(text)? } else { Vec::new() };
        Ok(Self { path: path.to_owned(), text: text.to_owned(), tokens })
    }

    fn is(&self, extensions: &[&str]) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| extensions.iter().any(|x| e == *x))
    }

    /// The crate that the file belongs to: `drey-store` for `crates/drey-store/src/lib.rs`.
    fn package(&self) -> &str {
        let path = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        path.split('/').next().unwrap_or(path)
    }

    /// Whether the whole file is test code (modules marked `#[cfg(test)]` are known by their tokens).
    fn is_test(&self) -> bool {
        let folders = ["/tests/", "/benches/", "/examples/"];
        let is_named_so = self.path.ends_with("tests.rs") || self.path.ends_with("/testing.rs");
        is_named_so || folders.iter().any(|f| self.path.contains(f))
    }

    fn violation(&self, line: usize, advice: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, advice: advice.into() }
    }
}

/// Prints every violation; says whether there was none.
pub(crate) fn report(root: &Path) -> Result<bool> {
    let start = std::time::Instant::now();
    let mut found = edges::check(root)?;
    let mut paths = Vec::new();
    collect(root, Path::new(""), &mut paths)?;
    for path in &paths {
        let text =
            std::fs::read_to_string(root.join(path)).with_context(|| format!("reading {path}"))?;
        match Source::new(path, &text) {
            Ok(source) => found.extend(judge(&source, root)),
            Err(error) => {
                found.push(Violation { path: path.clone(), line: 1, advice: error.to_string() });
            }
        }
    }
    found.sort();
    found.dedup();
    for violation in &found {
        println!("{violation}");
    }
    let (files, seconds) = (paths.len(), start.elapsed().as_secs_f64());
    eprintln!("\n── tidy: {} violations in {files} files, {seconds:.1} s", found.len());
    Ok(found.is_empty())
}

fn judge(source: &Source, root: &Path) -> Vec<Violation> {
    let rules = [shape::check, code::check, text::check, edges::owned_libraries];
    let mut found: Vec<_> = rules.iter().flat_map(|rule| rule(source)).collect();
    found.extend(links::check(source, |path| root.join(path).exists()));
    found
}

/// The files that rules look at, below `folder`.
fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) -> Result<()> {
    let here = root.join(folder);
    for entry in std::fs::read_dir(&here).with_context(|| format!("reading {}", here.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let path = folder.join(&name);
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|f| name == *f) {
                collect(root, &path, paths)?;
            }
        } else if path.extension().is_some_and(|e| text::EXTENSIONS.iter().any(|x| e == *x)) {
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

#[cfg(test)]
fn advice(rule: impl Fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> Vec<String> {
    let source = Source::new(path, text).unwrap();
    rule(&source).iter().map(|v| format!("{}: {}", v.line, v.advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_crate() {
        let package = |path| Source::new(path, "").unwrap().package().to_owned();
        assert_eq!(package("crates/drey-store/src/lib.rs"), "drey-store");
        assert_eq!(package("xtask/src/main.rs"), "xtask");
    }

    #[test]
    fn build_output_is_not_looked_at() {
        let root = tempfile::tempdir().unwrap();
        for file in ["target/a.rs", "src/b.rs", "ui/node_modules/c.ts", "ui/d.ts", "e.png"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut paths = Vec::new();
        collect(root.path(), Path::new(""), &mut paths).unwrap();
        paths.sort();
        assert_eq!(paths, ["src/b.rs", "ui/d.ts"]);
    }
}
