//! How a command ends when it does not succeed: an exit code that scripts can rely on, and four parts for people.
//!
//! ```text
//! error: what failed, on which object
//!   why:  the cause, with the offending value; one line each
//!   now:  what the world looks like
//!   next: one command a line
//! ```
//!
//! Owns the table of exit codes and the layout. Does not own the texts: they come from the server or the verb.

use std::fmt;
use std::process::ExitCode;

/// The exit codes of `drey`. Documented in `drey --help`, and stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nobody listens to our output any more, as in `drey get dep | head -1`. Not a failure.
    Done = 0,
    /// A truthful "no", and failures of commands that need no server.
    No = 1,
    /// The command line or a local file cannot be used.
    Usage = 2,
    /// No such object.
    NotFound = 3,
    /// Not authenticated, or not allowed.
    Forbidden = 4,
    /// Someone else was faster, the name is taken, or a precondition does not hold.
    Conflict = 5,
    /// The server refused the document.
    Invalid = 6,
    /// `wait`: the object reached a failed state.
    Failed = 7,
    /// `wait`: the time is up.
    Timeout = 8,
    /// No answer from the server, or one that says it is broken.
    Unreachable = 9,
    /// A quota forbids it.
    Quota = 10,
    /// A mistake in drey.
    Bug = 70,
    /// Ctrl-C; what was asked of the server goes on there.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends without success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For programs.
    pub(crate) exit: Exit,
    /// First line: what failed, on which object.
    pub(crate) what: String,
    /// Causes.
    pub(crate) why: Vec<String>,
    /// What the world looks like.
    pub(crate) now: Option<String>,
    /// Commands that help.
    pub(crate) next: Vec<String>,
}

/// The result of every verb.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure with its first line.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: Vec::new(), now: None, next: Vec::new() }
    }

    /// An answer by exit code alone: everything has been said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The command line or a local file cannot be used.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds a cause.
    #[must_use]
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Says what the world looks like.
    #[must_use]
    pub(crate) fn now(mut self, now: impl Into<String>) -> Self {
        self.now = Some(now.into());
        self
    }

    /// Adds a command that helps.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(next.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        part(f, "why:", &self.why)?;
        part(f, "now:", self.now.as_slice())?;
        part(f, "next:", &self.next)
    }
}

fn part(f: &mut fmt::Formatter<'_>, label: &str, lines: &[String]) -> fmt::Result {
    let lines = lines.iter().flat_map(|text| text.lines());
    for (at, line) in lines.enumerate() {
        let label = if at == 0 { label } else { "" };
        write!(f, "\n  {label:<5} {line}")?;
    }
    Ok(())
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => {
                let mut causes = error.chain().map(ToString::to_string);
                let mut failure = Self::new(Exit::No, causes.next().unwrap_or_default());
                failure.why.extend(causes);
                failure
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};

    #[test]
    fn four_parts_stand_in_order_and_aligned() {
        let failure = Failure::new(Exit::Failed, "upgrade of fraud-detection to rev 18 failed")
            .why("image flink:1.20.9 not found")
            .now("desired RUNNING, actual FAILED")
            .next("drey events fraud-detection")
            .next("drey logs fraud-detection");
        assert_eq!(
            failure.to_string(),
            "upgrade of fraud-detection to rev 18 failed\n  why:  image flink:1.20.9 not found\n  now:  desired \
             RUNNING, actual FAILED\n  next: drey events fraud-detection\n        drey logs fraud-detection"
        );
    }

    #[test]
    fn causes_of_a_chain_are_listed_once() {
        let chain = anyhow::anyhow!("port taken").context("binding 127.0.0.1:8080");
        let failure = Failure::from(chain);
        assert_eq!(failure.what, "binding 127.0.0.1:8080");
        assert_eq!(failure.why, ["port taken"]);
    }
}
