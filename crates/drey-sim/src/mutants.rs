//! Proof that the simulator finds bugs: each text in `mutations/` describes one, and has to be caught.
//!
//! ```text
//! mutations/NAME.txt ─► a copy of the workspace with that one change ─► cargo build ─► drey-sim run ─► a violation
//! ```
//!
//! Source patches rather than wrappers: what is proved is that the real code with a real mistake is caught. The copy
//! lives in the target directory and shares its compiled dependencies, so a mutant costs about half a minute.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What is copied; the rest of the workspace is not needed to build the simulator.
const COPIED: [&str; 4] = ["Cargo.toml", "Cargo.lock", "crates", "xtask"];
/// One seeded bug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// File name without its ending.
    pub name: String,
    /// What it does, for people.
    pub why: String,
    /// The file to change.
    pub file: String,
    /// What is there, once.
    pub find: String,
    /// What comes in its place.
    pub replace: String,
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The simulator found it; its words.
    Caught(String),
    /// The simulator did not find it.
    Missed,
    /// It could not be made or built.
    Broken(String),
}

/// Reads all mutations, in order of their names.
///
/// # Errors
/// When the folder cannot be read, or a text is not as it should be.
pub fn read(folder: &Path) -> io::Result<Vec<Mutation>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    paths.iter().filter(|p| p.extension().is_some_and(|e| e == "txt")).map(|p| parse(p)).collect()
}

fn parse(path: &Path) -> io::Result<Mutation> {
    let text = fs::read_to_string(path)?;
    let bad = || {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} has no such form", path.display()))
    };
    let (head, rest) = text.split_once("\n--- find\n").ok_or_else(bad)?;
    let (find, replace) = rest.split_once("\n--- replace\n").ok_or_else(bad)?;
    let (why, file) = head.split_once("\nfile: ").ok_or_else(bad)?;
    Ok(Mutation {
        name: path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned(),
        why: why.trim().to_owned(),
        file: file.trim().to_owned(),
        find: find.to_owned(),
        replace: replace.trim_end_matches('\n').to_owned(),
    })
}

impl Mutation {
    /// The changed text.
    ///
    /// # Errors
    /// When what is to be changed is not there exactly once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => Err(format!("{} has {count} places to change, not 1", self.file)),
        }
    }
}

/// A copy of the workspace in which mutants are built.
pub struct Nursery {
    workspace: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

impl Nursery {
    /// Copies the workspace.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn new(workspace: &Path, target: &Path) -> io::Result<Self> {
        let copy = target.join("mutants");
        fs::create_dir_all(&copy)?;
        for name in COPIED {
            copy_all(&workspace.join(name), &copy.join(name))?;
        }
        Ok(Self { workspace: workspace.to_owned(), copy, target: target.to_owned() })
    }

    /// Builds a mutant and lets the simulator look for it.
    ///
    /// # Errors
    /// When files cannot be written or cargo cannot be started.
    pub fn raise(&self, mutation: &Mutation, histories: u64) -> io::Result<Fate> {
        let original = fs::read_to_string(self.workspace.join(&mutation.file))?;
        let changed = match mutation.apply(&original) {
            Ok(text) => text,
            Err(why) => return Ok(Fate::Broken(why)),
        };
        let file = self.copy.join(&mutation.file);
        fs::write(&file, changed)?;
        let fate = self.judge(histories);
        fs::write(&file, original)?;
        fate
    }

    fn judge(&self, histories: u64) -> io::Result<Fate> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "drey-sim", "--profile", "sim"]);
        let built = cargo.current_dir(&self.copy).env("CARGO_TARGET_DIR", &self.target).output()?;
        if !built.status.success() {
            return Ok(Fate::Broken(last_lines(&built)));
        }
        let binary = self.target.join("sim").join("drey-sim");
        let histories = histories.to_string();
        let run = Command::new(binary)
            .args(["run", "--failures", "1", "--histories", &histories])
            .output()?;
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        let violation = text.lines().find(|line| line.starts_with("seed "));
        Ok(violation.map_or(Fate::Missed, |line| Fate::Caught(line.to_owned())))
    }
}

fn last_lines(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let first_error = text.lines().skip_while(|l| !l.starts_with("error"));
    first_error.take(8).collect::<Vec<_>>().join("\n")
}

/// Copies a file or a folder; a file that has not changed keeps its time, so that cargo builds nothing anew for it.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_file() {
        let text = fs::read(from)?;
        if fs::read(to).ok().as_ref() != Some(&text) {
            fs::write(to, text)?;
        }
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != "target" && name != "node_modules" {
            copy_all(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_still_fits_its_source() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = folder.ancestors().nth(2).unwrap();
        let mutations = read(&folder.join("mutations")).unwrap();
        assert!(mutations.len() >= 15);
        for mutation in mutations {
            let text = fs::read_to_string(workspace.join(&mutation.file)).unwrap();
            let changed =
                mutation.apply(&text).unwrap_or_else(|why| panic!("{}: {why}", mutation.name));
            assert_ne!(changed, text, "{} changes nothing", mutation.name);
        }
    }
}
