//! How the bench talks to a fake JobManager, beside the REST API that Drey uses.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::clock::wait_for;
use crate::http::Http;

/// Far longer than any effect should take.
const EFFECT: Duration = Duration::from_secs(150);

/// How a fake JobManager behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers at once.
    Normal,
    /// Accepts connections and requests, and never answers.
    Silent,
    /// Answers everything but `/checkpoints`.
    AllButOne,
}

impl Mode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Silent => "silent",
            Self::AllButOne => "all-but-one",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        [Self::Normal, Self::Silent, Self::AllButOne].into_iter().find(|mode| mode.word() == word)
    }
}

/// Something that Drey did to a fake JobManager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Its process began.
    Start,
    /// It was asked to stop or cancel its job.
    End,
}

impl Effect {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// A file with one line per effect: it outlives the JobManagers that write it. One per Deployment.
#[derive(Debug)]
pub(crate) struct Diary(PathBuf);

impl Diary {
    /// The program's argument that names the file.
    pub(crate) const ARGUMENT: &str = "--diary";

    pub(crate) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The program arguments that make a fake JobManager write here.
    pub(crate) fn argument(&self) -> String {
        format!("{} {}", Self::ARGUMENT, self.0.display())
    }

    /// Adds a line; a fake that cannot is noticed by the line that is missing.
    pub(super) fn note(&self, effect: Effect, at_us: u64) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&self.0);
        if let Ok(mut file) = file {
            let _ = file.write_all(format!("{} {at_us}\n", effect.word()).as_bytes());
        }
    }

    /// When an effect first happened, not before `since_us`; waits for it.
    pub(crate) fn first(&self, effect: Effect, since_us: u64) -> Result<u64> {
        let what = format!("an effect: {}", effect.word());
        wait_for(&what, EFFECT, Duration::from_millis(5), || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            let times = lines.filter(|(word, _)| *word == effect.word());
            let mut times = times.filter_map(|(_, at)| at.parse::<u64>().ok());
            Ok(times.find(|at| *at >= since_us))
        })
    }
}

/// A running fake JobManager.
pub(crate) struct Fake {
    http: Http,
}

impl Fake {
    /// The one of a Job, found like a person would: by the port in the cluster's record.
    pub(crate) fn of(data_dir: &Path, job: &str) -> Result<Self> {
        Ok(Self { http: Http::new(rest_address(data_dir, job)?) })
    }

    pub(crate) fn set(&mut self, mode: Mode) -> Result<()> {
        let answer = self.http.call("POST", &format!("/bench/{}", mode.word()), None)?;
        answer.success("setting the mode of a fake Flink").map(|_| ())
    }

    /// Requests of Drey so far.
    pub(crate) fn requests(&mut self) -> Result<u64> {
        let seen = self.http.get("/bench/seen")?.success("asking a fake Flink")?;
        seen["requests"].as_u64().context("a fake Flink does not count")
    }
}

/// Where the JobManager of a Job serves REST.
pub(crate) fn rest_address(data_dir: &Path, job: &str) -> Result<SocketAddr> {
    let plan = data_dir.join("clusters").join(job).join("plan.json");
    let text = std::fs::read(&plan).with_context(|| format!("reading {}", plan.display()))?;
    let plan: Value = serde_json::from_slice(&text).context("reading a cluster's ports")?;
    let port = plan["ports"]["rest"].as_u64().and_then(|port| u16::try_from(port).ok());
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.context("the cluster has no REST port")?)))
}
