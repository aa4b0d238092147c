//! One `drey serve` with a data folder of its own: started, killed, restarted, and cleaned up after.
//!
//! Dropping it ends everything: the server, and whatever process of its data folder is left. When the test has failed,
//! it first says everything that it knows.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::Http;
use super::processes::{self, Cluster, Process, Signal};
use super::sentinel::Sentinel;
use super::setting;

const LISTENING: &str = "listening on ";
/// Far more than a start takes on a busy machine.
const START: Duration = Duration::from_secs(30);
/// Requests wait for at most this long.
const REQUEST: Duration = Duration::from_secs(15);
/// How much of each log a failed test shows.
const REPORT_LINES: usize = 60;

/// A server process, or the place of one.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    child: Option<Child>,
    pub(super) base: Option<String>,
    pub(super) http: Http,
    sentinel: Sentinel,
    is_guarded: bool,
    /// Further arguments of `drey serve`.
    args: Vec<String>,
}

impl Server {
    /// A running server on an empty data folder.
    pub(crate) fn start() -> Self {
        Self::begin(false, &[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::begin(false, args)
    }

    /// The same, which asks who is calling; requests show the token of an owner of namespace default.
    pub(crate) fn guarded() -> Self {
        let mut server = Self::begin(true, &[]);
        let admin = server.data_dir().join("admin-token");
        let admin = admin.to_str().unwrap();
        let create = ["token", "create", "tests", "--role", "owner", "--token-file", admin];
        server.http.token = Some(server.drey(&create, "").trim().to_owned());
        server
    }

    /// The token that requests show.
    pub(crate) fn token(&self) -> String {
        self.http.token.clone().unwrap_or_default()
    }

    /// What the command line prints to stdout; it has to end well. It shows the same token as the tests' requests.
    #[track_caller]
    pub(crate) fn drey(&self, args: &[&str], input: &str) -> String {
        let (code, text) = self.try_drey(args, input);
        assert_eq!(code, Some(0), "drey {args:?}: {text}");
        text
    }

    /// The exit code of the command line, and what it prints to stdout; when it fails, also to stderr.
    pub(crate) fn try_drey(&self, args: &[&str], input: &str) -> (Option<i32>, String) {
        let mut command = Command::new(setting::binary());
        command.args(args).env("XDG_CONFIG_HOME", self.data_dir());
        command.env("DREY_SERVER", self.base.as_deref().expect("a server"));
        command.env_remove("DREY_TOKEN").env_remove("DREY_NAMESPACE");
        command.envs(self.http.token.as_ref().map(|token| ("DREY_TOKEN", token)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // The program may end without reading its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            text.push_str(&String::from_utf8_lossy(&done.stderr));
        }
        (done.status.code(), text)
    }

    fn begin(is_guarded: bool, args: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("drey-flink-test-").tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(&data).unwrap();
        let sentinel = Sentinel::watch(&data);
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut server = Self {
            folder,
            child: None,
            base: None,
            http: Http::new(REQUEST),
            sentinel,
            is_guarded,
            args,
        };
        assert!(server.run(None), "drey serve does not listen");
        server
    }

    /// Starts the process again, with a fault to die of if one is named. Returns whether it came to listen.
    pub(crate) fn run(&mut self, fault: Option<&str>) -> bool {
        self.kill();
        let stderr = OpenOptions::new().create(true).append(true).open(self.stderr()).unwrap();
        let mut command = Command::new(setting::binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.data_dir());
        command.args(self.is_guarded.then_some("--auth"));
        command.args(&self.args);
        command.env_remove("DREY_FAULT").envs(fault.map(|fault| ("DREY_FAULT", fault)));
        command.env(
            "RUST_LOG",
            "info,drey_controller=debug,drey_cluster=debug,sqlx=warn,hyper=warn,reqwest=warn",
        );
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("DREY_TEST_BIN is a program");
        let stdout = child.stdout.take().unwrap();
        self.child = Some(child);
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Read to the end, or the server would block or die of a closed pipe.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let deadline = Instant::now() + START;
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if let Some(base) = line.strip_prefix(LISTENING) {
                self.base = Some(base.trim().to_owned());
                return true;
            }
        }
        false
    }

    /// `kill -9`, if it runs.
    pub(crate) fn kill(&mut self) {
        self.base = None;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM, and the end that follows.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("a server");
        processes::send(i32::try_from(child.id()).unwrap(), Signal::TERM);
        let deadline = Instant::now() + START;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "drey serve does not end within {START:?} of SIGTERM"
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        self.kill();
        status
    }

    /// Whether the process has ended by itself.
    pub(crate) fn has_died(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Flink ids of the jobs that were seen alive so far.
    pub(crate) fn jobs_seen_alive(&self) -> BTreeSet<String> {
        self.sentinel.jobs()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder of a Job's cluster.
    pub(crate) fn cluster(&self, job: &str) -> Cluster {
        Cluster::of(&self.data_dir(), job)
    }

    /// Flink processes of this data folder, wherever they come from.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let own = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        processes::mentioning(&self.data_dir(), own.as_slice())
    }

    pub(crate) fn stderr(&self) -> PathBuf {
        self.folder.path().join("stderr.log")
    }

    /// Kills what is left: pids that the clusters recorded, and everything with the data folder in its command line.
    fn kill_leftovers(&self) {
        let ours: Vec<i32> = self.processes().iter().map(|process| process.pid).collect();
        let recorded =
            Cluster::all(&self.data_dir()).into_iter().flat_map(|cluster| cluster.pids());
        // A recorded pid may be somebody else's by now; the command line tells.
        for pid in recorded.filter(|pid| ours.contains(pid)).chain(ours.iter().copied()) {
            processes::send(pid, Signal::CONT);
            processes::send(pid, Signal::KILL);
        }
    }

    /// Everything that is known, for whoever reads why a test failed.
    fn report(&self) {
        eprintln!("\n──── {} ────", self.data_dir().display());
        for deployment in self.try_list("deployments") {
            let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
            let id = deployment["metadata"]["id"].as_str().unwrap_or_default();
            let explained = self.try_get(&format!("/ext/v1/namespaces/default/deployments/{name}"));
            eprintln!("──── {name}, explained: {:#}", explained["explanation"]);
            eprintln!("──── {name}, status: {:#}", deployment["status"]);
            let mut events = self.try_list(&format!("events?deploymentId={id}"));
            events.reverse();
            for event in events {
                let m = &event["metadata"];
                eprintln!("{} {} {}", m["createdAt"], m["name"], event["spec"]["message"]);
            }
        }
        show(&self.stderr());
        let mut logs: Vec<_> =
            fs::read_dir(self.data_dir().join("logs")).into_iter().flatten().flatten().collect();
        logs.sort_by_key(|entry| entry.metadata().and_then(|m| m.modified()).ok());
        for newest in logs.iter().rev().take(1) {
            for name in ["drey.log", "jobmanager.out", "jobmanager.log", "taskmanager-1.log"] {
                show(&newest.path().join(name));
            }
        }
        for process in self.processes() {
            let line: String = process.command.chars().take(200).collect();
            eprintln!("──── still runs: {} {line}", process.pid);
        }
    }
}

/// Prints the end of a text file.
fn show(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
    eprintln!("──── {}, last {REPORT_LINES} of {} lines", path.display(), lines.len());
    for line in lines.iter().skip(lines.len().saturating_sub(REPORT_LINES)) {
        eprintln!("{line}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let has_failed = std::thread::panicking();
        if has_failed {
            self.report();
        }
        let violations = self.sentinel.stop();
        self.kill();
        self.kill_leftovers();
        if has_failed {
            eprintln!("──── two live jobs of one Deployment: {violations:#?}");
        } else {
            assert!(violations.is_empty(), "two live jobs of one Deployment: {violations:#?}");
        }
    }
}
