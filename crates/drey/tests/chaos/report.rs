//! What is shown: the checks, the table of starts, and, of a failed run, the story and the folder.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::harness::Server;
use crate::journal::Run;
use crate::proof::{Acknowledgements, Start, Verdict};
use crate::witness::Seen;

/// Everything that is known at the end.
#[derive(Default)]
pub(crate) struct Report {
    passed: u32,
    failed: Vec<String>,
    pub(crate) story: Vec<String>,
    pub(crate) counts: BTreeMap<String, u32>,
    pub(crate) failures: Vec<String>,
    kept: Option<std::path::PathBuf>,
}

impl Report {
    /// Counts a check, and says why it failed.
    pub(crate) fn check(&mut self, claim: &str, holds: bool, otherwise: &str) {
        println!("{} {claim}", if holds { "ok    " } else { "FAILED" });
        if holds {
            self.passed += 1;
        } else {
            println!("{otherwise}");
            self.failed.push(claim.to_owned());
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Ends all processes and moves the folder of a failed run to where nobody deletes it.
    pub(crate) fn keep(&mut self, server: &mut Server) {
        crate::end_processes(server);
        let place = tempfile::Builder::new().prefix("drey-chaos-kept-").tempdir().unwrap().keep();
        let data_dir = server.data_dir();
        let folder = data_dir.parent().unwrap();
        for name in ["data", "stderr.log"] {
            let _ = std::fs::rename(folder.join(name), place.join(name));
        }
        let _ = std::fs::write(place.join("story.txt"), self.story.join("\n"));
        self.kept = Some(place);
    }

    /// The starts of the job, each with what it began with and what it had to.
    pub(crate) fn table(
        &self,
        verdict: &Verdict,
        runs: &[Run],
        acknowledged: &Acknowledgements,
        seen: &Seen,
    ) {
        let begin = runs.first().map_or(0, |run| run.opened);
        println!(
            "\n  at s  job           start       restored (checkpoint)   acknowledged before (checkpoint)"
        );
        for start in &verdict.starts {
            println!("{}", row(start, begin));
        }
        let jobs = verdict.starts.iter().filter(|start| start.is_first).count();
        let restores = verdict.starts.iter().filter(|start| start.from > 0).count();
        println!("\nmishaps: {:?}", self.counts);
        println!(
            "starts: {} of {jobs} Jobs, {restores} with state; acknowledgements: {}; runs of one Job that overlap: {}",
            verdict.starts.len(),
            acknowledged.all.len(),
            verdict.inner_overlaps.len()
        );
        for overlap in &verdict.inner_overlaps {
            println!("  {overlap}");
        }
        println!(
            "witness: {} looks, {} answers, at most {} JobManagers at once",
            seen.looks, seen.answers, seen.job_managers_max
        );
        println!("FAILED and helped by an edit: {}", self.failures.len());
    }

    /// The last words, for people and for `cargo xtask`.
    pub(crate) fn close(&self, seed: u64) -> ExitCode {
        let failed = self.failed.len();
        if self.has_failed() {
            println!("\nfailed with seed {seed}: {:#?}", self.failed);
        }
        if let Some(place) = &self.kept {
            println!("kept: {}", place.display());
        }
        let verdict = if failed == 0 { "ok" } else { "FAILED" };
        println!("\ntest result: {verdict}. {} passed; {failed} failed; 0 ignored", self.passed);
        println!("{} passed, {failed} failed", self.passed);
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn row(start: &Start, begin: u64) -> String {
    let at = start.opened.saturating_sub(begin) as f64 / 1000.0;
    let job = start.job.get(start.job.len().saturating_sub(12)..).unwrap_or(&start.job);
    let kind = if start.is_first { "new Job" } else { "restart" };
    let restored = format!("{} ({})", start.restored, start.from);
    let floor =
        start.floor.map_or_else(|| "nothing".to_owned(), |(id, total)| format!("{total} ({id})"));
    let fault = start.fault.as_ref().map(|fault| format!("  ◄ {fault}")).unwrap_or_default();
    format!("{at:>6.1}  {job}  {kind:<10}  {restored:<22}  {floor}{fault}")
}
