//! Child processes: started from the root of the workspace, shown before they run, timed, never fed from the keyboard.
//!
//! Owns no policy: what to run and what a failure means is the callers' business.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

/// A command line with dozens of files says no more than its beginning.
const SHOWN_CHARS_MAX: usize = 120;

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> Result<PathBuf> {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").context("start xtask with `cargo xtask`")?;
    let root = Path::new(&package).parent();
    Ok(root.context("xtask lies in a workspace")?.to_owned())
}

/// A command without standard input: a tool that asks a question must fail, not wait for an answer.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The cargo that started us, in the root of the workspace.
pub(crate) fn cargo() -> Result<Command> {
    let mut cargo = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?);
    Ok(cargo)
}

/// Runs to the end with output passed through; says whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    announce(command);
    let start = Instant::now();
    let status = command.status().with_context(|| cannot_start(command))?;
    elapsed(command, start);
    Ok(status.success())
}

/// Like [`run`], and hands every line of standard output to `line` after showing it.
pub(crate) fn run_reading(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    announce(command);
    let start = Instant::now();
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let mut output = BufReader::new(child.stdout.take().context("standard output is piped")?);
    let mut bytes = Vec::new();
    while output.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        print!("{text}");
        line(text.trim_end());
        bytes.clear();
    }
    let status = child.wait()?;
    elapsed(command, start);
    Ok(status.success())
}

/// Runs in silence and returns standard output; a failure is an error with what it wrote.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| cannot_start(command))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "`{}` failed: {errors}", shown(command));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn announce(command: &Command) {
    eprintln!("\n── {}", shown(command));
}

fn elapsed(command: &Command, start: Instant) {
    eprintln!("── {:.1} s: {}", start.elapsed().as_secs_f64(), shown(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`; is it installed?", shown(command))
}

/// The command as one would type it, the program without its folder.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    let text = words.join(" ");
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_typed() {
        assert_eq!(shown(command("/usr/bin/javac").args(["-d", "out"])), "javac -d out");
    }

    #[test]
    fn output_is_read_line_by_line_and_failure_is_seen() {
        let mut lines = Vec::new();
        let mut shell = command("sh");
        shell.args(["-c", "echo one; echo two; exit 3"]);
        let ok = run_reading(&mut shell, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!((lines, ok), (vec!["one".to_owned(), "two".to_owned()], false));
    }

    #[test]
    fn a_child_gets_no_input() {
        assert_eq!(capture(&mut command("cat")).unwrap(), "");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut command("no-such-tool")).unwrap_err();
        assert!(error.to_string().contains("no-such-tool"), "{error}");
    }
}
