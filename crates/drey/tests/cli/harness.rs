//! What the tests of the command line have in common: running `drey`, a server without Flink, and one that is scripted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const DREY: &str = env!("CARGO_BIN_EXE_drey");

/// Runs `drey` against a server.
pub(crate) fn drey(server: &str, args: &[&str]) -> Output {
    with_input(server, args, "")
}

pub(crate) fn with_input(server: &str, args: &[&str], input: &str) -> Output {
    with_env(&[("DREY_SERVER", server)], args, input)
}

/// Runs `drey` in an environment in which nothing of the user's own is left.
pub(crate) fn with_env(env: &[(&str, &str)], args: &[&str], input: &str) -> Output {
    let mut command = Command::new(DREY);
    for name in ["DREY_SERVER", "DREY_NAMESPACE", "DREY_CONTEXT", "DREY_TOKEN", "DREY_TOKEN_FILE"] {
        command.env_remove(name);
    }
    let mut child = command
        .args(args)
        .env("XDG_CONFIG_HOME", "/no/such/folder")
        .envs(env.iter().copied())
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub(crate) fn ends(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout: {}\nstderr: {}",
        out(output),
        err(output)
    );
}

/// A `drey serve` of its own.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One that asks who is calling; its administrator's token is in the file [`Server::admin`].
    pub(crate) fn guarded() -> Self {
        Self::start_with(&["--auth"])
    }

    /// The file with the administrator's token.
    pub(crate) fn admin(&self) -> String {
        self.dir.path().join("data").join("admin-token").display().to_string()
    }

    /// One with more flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(DREY)
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(flags)
            .env("DREY_CACHE", dir.path().join("cache"))
            .env_remove("DREY_LISTEN")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url =
            line.trim().strip_prefix("listening on ").expect("says where it listens").to_owned();
        Self { child, url, dir }
    }

    pub(crate) fn drey(&self, args: &[&str]) -> Output {
        drey(&self.url, args)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn manifest(name: &str, more: &str) -> String {
    format!(
        "kind: Deployment\nmetadata:\n  name: {name}\n  labels: {{team: a}}\nspec:\n  state: CANCELLED\n  \
         deploymentTargetName: local\n  template:\n    spec:\n      artifact:\n        kind: JAR\n        \
         jarUri: file:///app.jar\n        flinkVersion: 1.20\n{more}"
    )
}

impl Server {
    /// A server on the data of an earlier one.
    pub(crate) fn start_at(dir: &tempfile::TempDir) -> Self {
        let mut child = Command::new(DREY)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DREY_DATA_DIR", dir.path().join("data"))
            .env("DREY_CACHE", dir.path().join("cache"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url, dir: tempfile::tempdir().unwrap() }
    }
}

type Scripted = Box<dyn Fn(&str) -> (u16, String) + Send>;
type Answer = Arc<Mutex<Scripted>>;

/// A server with one answer per path, which a test may change while it runs.
pub(crate) struct Fake {
    pub(crate) url: String,
    answer: Answer,
    asked: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<String>>,
}

impl Fake {
    pub(crate) fn new(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer: Answer = Arc::new(Mutex::new(Box::new(answer)));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::<Mutex<String>>::default();
        let (shared, log, all) = (Arc::clone(&answer), Arc::clone(&asked), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                reply(stream, &shared, &log, &all);
            }
        });
        Self { url, answer, asked, heads }
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> String {
        self.heads.lock().unwrap().to_ascii_lowercase()
    }

    /// What was asked so far, as `METHOD path`; begins anew.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(crate) fn change(&self, answer: impl Fn(&str) -> (u16, String) + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }
}

fn reply(
    mut stream: TcpStream,
    answer: &Answer,
    asked: &Mutex<Vec<String>>,
    heads: &Mutex<String>,
) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    // What is not read makes the kernel reset the connection, and the answer is lost.
    let _ = std::io::copy(&mut (&stream).take(length.unwrap_or(0)), &mut std::io::sink());
    heads.lock().unwrap().push_str(&head);
    let mut words = head.split_whitespace();
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or("/").to_owned();
    asked.lock().unwrap().push(format!("{method} {path}"));
    let (status, body) = (answer.lock().unwrap())(&path);
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// A Deployment as `/ext/v1` shows it. Up to version 3 the explanation is about an older spec.
pub(crate) fn view(version: i32, state: &str) -> String {
    let failure = match state {
        "FAILED" => {
            r#","failure":{"message":"no such jar","reason":"Artifact","failedAt":"2026-01-01T00:00:00Z"}"#
        }
        _ => "",
    };
    let explained = if version > 3 { 2 } else { 1 };
    format!(
        r#"{{"deployment":{{"kind":"Deployment","apiVersion":"v1","metadata":{{"name":"x","resourceVersion":{version},
            "annotations":{{"com.dataartisans.appmanager.controller.deployment.spec.version":"2"}}}},
            "spec":{{"state":"RUNNING"}},"status":{{"state":"{state}"}}}},
            "explanation":{{"desired":"RUNNING","specVersion":{explained},"summary":"it is {state}","next":["drey edit dep x"]{failure}}},
            "revision":{version},"jobs":[]}}"#
    )
}

pub(crate) fn error(status: u16, reason: &str, message: &str) -> (u16, String) {
    let body = format!(
        r#"{{"kind":"Error","apiVersion":"v1","statusCode":{status},"reason":"{reason}","message":"{message}","context":{{}}}}"#
    );
    (status, body)
}

/// The view at `/ext`, no events, and no watch: the wait must do without.
pub(crate) fn stage(
    version: i32,
    state: &'static str,
) -> impl Fn(&str) -> (u16, String) + Send + 'static {
    move |path| {
        if path.starts_with("/ext/v1/watch") {
            error(404, "NotFound", "no watch here")
        } else if path.contains("/events") {
            (200, r#"{"kind":"EventList","apiVersion":"v1","metadata":{},"items":[]}"#.to_owned())
        } else {
            (200, view(version, state))
        }
    }
}

/// A `drey` that goes on until it is dropped, and the lines that it has written.
pub(crate) struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    pub(crate) fn start(server: &str, args: &[&str]) -> Self {
        let mut child = Command::new(DREY)
            .args(args)
            .env("DREY_SERVER", server)
            .env_remove("DREY_NAMESPACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        Self { child, lines }
    }

    /// The next line; an end of the program or of our patience ends the test.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).expect("one more line")
    }

    /// The next line with all these words; others are passed over.
    #[track_caller]
    pub(crate) fn line_with(&self, words: &[&str]) -> String {
        loop {
            let line = self.line();
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }

    /// The exit code of a program that ends by itself, and the lines that nobody has read.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.lines.iter().collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request as it is written here; the whole answer.
pub(crate) fn http(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "{request}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
