//! Why a process died: what its exit says, and what it said last.
//!
//! The exit code comes from the kernel, if Drey was its parent when it happened; the words come from the ends of its
//! log and its output. Of a Java stack trace the last `Caused by:` is the reason, and the lines above it are the way.

use std::path::Path;

use drey_model::causes::unstopped;

use super::logs;
use super::process::{Exit, Slot};

/// How much of the end of each file is searched.
const TAIL_BYTES: u64 = 256 << 10;
const LINE_CHARS_MAX: usize = 600;
/// How a JVM ends its complaint about an option; what is wrong stands in the line before.
const REFRAIN: [&str; 2] = [
    "Error: Could not create the Java Virtual Machine.",
    "Error: A fatal exception has occurred. Program will exit.",
];

/// One sentence or a few for people.
pub(super) fn why(slot: &Slot, logs: &Path) -> String {
    let exit = slot.exit();
    let mut text = format!("{} {}", title(&slot.name), ending(exit));
    // A signal says it all, and the last exception in the log may be hours old.
    let says_it_all = |e: Exit| e.signal.is_some() || matches!(e.code, Some(0 | 143));
    if !exit.is_some_and(says_it_all) {
        let output = logs::tail(&logs.join(format!("{}.out", slot.name)), TAIL_BYTES);
        let log = logs::tail(&logs.join(format!("{}.log", slot.name)), TAIL_BYTES);
        if let Some(cause) = cause(&output, &log) {
            text.push_str(if exit.is_some() { ": " } else { "; the last error that it logged: " });
            text.push_str(&cause);
        }
    }
    text
}

/// `jobmanager` → `the JobManager`, `taskmanager-2` → `TaskManager 2`.
pub(super) fn title(slot: &str) -> String {
    match slot.strip_prefix("taskmanager-") {
        Some(number) => format!("TaskManager {number}"),
        None => "the JobManager".to_owned(),
    }
}

fn ending(exit: Option<Exit>) -> String {
    match exit {
        None => "ended while Drey was not watching (exit code unknown)".to_owned(),
        Some(Exit { signal: Some(9), .. }) => {
            "was killed (signal 9): by someone, or by the system when memory ran out".to_owned()
        }
        Some(Exit { signal: Some(signal), .. }) => format!("was ended by signal {signal}"),
        Some(Exit { code: Some(code), .. }) => match meaning(code) {
            "" => format!("ended with exit code {code}"),
            meaning => format!("ended with exit code {code} ({meaning})"),
        },
        Some(Exit { code: None, signal: None }) => "ended in an unknown way".to_owned(),
    }
}

fn meaning(code: i32) -> &'static str {
    match code {
        0 => "an orderly end",
        1 => "it could not start",
        2 => "main() failed, or the restore did, or the shutdown took too long",
        126 | 127 => "the program could not be run",
        143 => "ended by SIGTERM",
        163 => "the job failed",
        239 => "halted: its shutdown hung, or a fatal error",
        _ => "",
    }
}

/// The root cause, from the process's output and its log.
fn cause(output: &str, log: &str) -> Option<String> {
    let last = |text: &str, wanted: &dyn Fn(&str) -> bool| {
        text.lines().rev().map(str::trim).find(|line| wanted(line)).map(str::to_owned)
    };
    let caused_by = |line: &str| line.starts_with("Caused by: ");
    let thrown = |line: &str| line.starts_with("Exception in thread");
    let jvm = |line: &str| line.starts_with("Error: ") || line.starts_with("Error occurred during");
    // The JVM's own complaints come before any log exists; uncaught exceptions end the process and name the reason.
    let found = refused(output)
        .or_else(|| last(output, &jvm))
        .map(|line| joined(output, line))
        .or_else(|| last(log, &caused_by))
        .or_else(|| last(output, &caused_by))
        .or_else(|| last(output, &thrown))
        .or_else(|| last(log, &|line| line.contains("Exception: ") || line.contains("Error: ")))
        .or_else(|| last(output, &|line| !line.is_empty()))?;
    let found = found.strip_prefix("Caused by: ").unwrap_or(&found);
    Some(unstopped(found).chars().take(LINE_CHARS_MAX).collect())
}

/// What the JVM says right before its refrain, at the end of the output.
fn refused(output: &str) -> Option<String> {
    let mut lines = output.lines().rev().map(str::trim).filter(|line| !line.is_empty()).peekable();
    lines.peek().filter(|line| REFRAIN.contains(line))?;
    lines.find(|line| !REFRAIN.contains(line)).map(str::to_owned)
}

/// `Error occurred during initialization of VM` is a title; the line below it is the news.
fn joined(output: &str, title: String) -> String {
    let mut lines = output.lines().map(str::trim).skip_while(|line| *line != title).skip(1);
    match lines.next().filter(|_| title.starts_with("Error occurred")) {
        Some(news) => format!("{title}: {news}"),
        None => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "2026-11-21 ERROR ... Fatal error\n\
        org.apache.flink.util.FlinkException: outer\n\tat a.b\n\
        Caused by: java.util.concurrent.CompletionException: middle\n\tat a.b\n\
        Caused by: java.net.BindException: Address already in use\n\tat a.b\n\t... 3 more\n\
        2026-11-21 INFO bye\n";

    #[test]
    fn the_last_cause_of_the_log_is_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let slot = Slot::new(dir.path(), "jobmanager");
        std::fs::write(dir.path().join("jobmanager.log"), TRACE).unwrap();
        slot.record_exit(Exit { code: Some(2), signal: None }).unwrap();
        let text = why(&slot, dir.path());
        assert!(text.starts_with("the JobManager ended with exit code 2 (main() failed"), "{text}");
        assert!(text.ends_with(": java.net.BindException: Address already in use"), "{text}");
        slot.record_exit(Exit { code: None, signal: Some(9) }).unwrap();
        assert!(!why(&slot, dir.path()).contains("BindException"));
    }

    #[test]
    fn the_words_of_the_virtual_machine_come_first() {
        let output = "Error occurred during initialization of VM\nToo small heap\n";
        assert_eq!(
            cause(output, "").unwrap(),
            "Error occurred during initialization of VM: Too small heap"
        );
        let output = "Exception in thread \"main\" java.lang.IllegalStateException: no\n\tat x\n";
        assert!(cause(output, "").unwrap().ends_with("IllegalStateException: no"));
        assert_eq!(cause("", ""), None);
    }

    #[test]
    fn an_option_that_the_virtual_machine_does_not_know_is_named() {
        let refrain = REFRAIN.join("\n");
        let output = format!("Unrecognized option: -Xbogus\n{refrain}\n");
        assert_eq!(cause(&output, "").unwrap(), "Unrecognized option: -Xbogus");
        assert_eq!(cause(&refrain, "").unwrap(), REFRAIN[1].trim_end_matches('.'));
        // The words before may be older than the end.
        assert_eq!(cause("Error: not found.\nbye\n", "").unwrap(), "Error: not found");
    }

    #[test]
    fn an_early_end_says_nothing_of_a_program_that_a_cluster_may_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let slot = Slot::new(dir.path(), "jobmanager");
        slot.record_exit(Exit { code: Some(1), signal: None }).unwrap();
        let text = why(&slot, dir.path());
        assert_eq!(text, "the JobManager ended with exit code 1 (it could not start)");
    }
}
