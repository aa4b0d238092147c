//! Submitting a Job to a cluster that it shares: its program is uploaded unless it is there, then it is run.
//!
//! ```text
//!   jars of the cluster ─► one named after the content? ─ no ─► upload ─┐
//!                                 └─ yes ──────────────────────────────┴─► run, under the Job's own id
//! ```
//!
//! The name of an upload is the hash of its content, so programs are recognised after any crash, and each is uploaded once
//! per cluster however many Jobs run it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use drey_engine::Report;
use drey_flink::api::Error;
use drey_flink::{FlinkApi, Submission};
use drey_model::Job;
use drey_model::seen::{Jar, Program, Seen};

const PREFIX: &str = "drey-";
const SUFFIX: &str = ".jar";

/// Programs that somebody is uploading or deleting at this moment, by address of the cluster and name.
#[derive(Debug, Default)]
pub struct Uploads(Mutex<BTreeSet<(String, String)>>);

/// The right to upload or delete one program of one cluster.
pub(crate) struct Turn<'a> {
    uploads: &'a Uploads,
    program: (String, String),
}

impl Uploads {
    /// The right, unless somebody has it. Nobody waits for it: who does not get it comes again.
    pub(crate) fn begin(&self, rest: &str, name: &str) -> Option<Turn<'_>> {
        let program = (rest.to_owned(), name.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Made only if it is ours: its end gives the right back.
        all.insert(program.clone()).then(|| Turn { uploads: self, program })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.uploads.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.program);
    }
}

/// The name that a program is uploaded under.
pub(crate) fn jar_name(sha256: &str) -> String {
    format!("{PREFIX}{sha256}{SUFFIX}")
}

/// Whether an upload is one of ours, and so ours to delete.
pub(crate) fn is_ours(jar: &Jar) -> bool {
    jar.name.starts_with(PREFIX) && jar.name.ends_with(SUFFIX)
}

/// Submits a Job.
pub(crate) async fn submit<F: FlinkApi>(
    flink: &F,
    uploads: &Uploads,
    rest: Option<String>,
    program: Option<&Seen<Program>>,
    job: &Job,
) -> Report {
    let id = job.metadata.id;
    let not_sent = |why: &str| Report::SubmitFailed { job: id, why: why.to_owned() };
    let Some(rest) = rest else { return not_sent("its JobManager has no address") };
    let Some(Seen::Present(Program::Ready { path, sha256, class, args, settings })) = program
    else {
        return not_sent("its program is not at hand");
    };
    let jar = {
        let name = jar_name(sha256);
        let Some(_turn) = uploads.begin(&rest, &name) else {
            return Report::SubmitPostponed { job: id };
        };
        let known = match flink.jars(&rest).await {
            Seen::Present(jars) => jars.into_iter().find(|jar| jar.name == name),
            Seen::Absent => None,
            Seen::Unknown { why } => return not_sent(&why),
        };
        match known {
            Some(jar) => jar.id,
            None => match flink.upload(&rest, path, &name).await {
                Ok(jar) => jar,
                Err(error) => return not_sent(&error.to_string()),
            },
        }
    };
    let s = Submission { job, jar: &jar, class, args, settings };
    match flink.run(&rest, s).await {
        Ok(()) => Report::SubmitAccepted { job: id },
        Err(error @ Error::Refused { .. }) => {
            Report::SubmitRefused { job: id, why: error.to_string() }
        }
        Err(error @ Error::NotAsked { .. }) => not_sent(&error.to_string()),
        Err(error @ Error::Unknown { .. }) => {
            Report::SubmitUnanswered { job: id, why: error.to_string() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_changes_a_program_of_a_cluster() {
        let uploads = Uploads::default();
        let first = uploads.begin("http://a", "x").unwrap();
        assert!(uploads.begin("http://a", "x").is_none());
        assert!(uploads.begin("http://a", "x").is_none(), "who is refused takes nothing away");
        assert!(
            uploads.begin("http://b", "x").is_some() && uploads.begin("http://a", "y").is_some()
        );
        drop(first);
        assert!(uploads.begin("http://a", "x").is_some());
    }
}
