//! `test-api`: the contract of the API against the real binary.
//!
//! ```text
//! prepare.py      both documents are valid OpenAPI 3.1 and Swagger 2.0; objects to try requests on
//! schemathesis    requests made from the document (and hooks.py): no 5xx, nothing that the document does not say
//! client-ts       a client generated from the document compiles, and leads a Deployment through its life
//! ```
//!
//! The tools are pinned (`xtask/api/requirements.txt`, `client-ts/package-lock.json`) and installed once into the cache
//! directory, outside of the checkout, Node.js too where the machine has none. Each part gets a server of its own on a data folder that is thrown away. The
//! client uses a real Flink when one is installed, and says so when none is.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::suite::cargo_test;
use crate::tally::{self, Tally};
use crate::{flink, run};

/// Where the generated client lives.
const CLIENT: &str = "crates/drey/tests/client-ts";
/// What it is installed and compiled from.
const CLIENT_FILES: [&str; 3] = ["package.json", "package-lock.json", "tsconfig.json"];
/// Seconds that requests are made for; with start and shutdown the whole verb stays below four minutes.
const FUZZING_S: &str = "120";
/// What is looked at. Not looked at: whether a document that its schema allows is accepted (references decide that too),
/// and whether one that it forbids is refused (reading is tolerant on purpose).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      allow_header_conformance,use_after_free,ensure_resource_availability";

/// Runs all parts, also after a failure.
pub(crate) fn test() -> Result<bool> {
    let mut total = Tally::default();
    match build() {
        Ok(binary) => {
            total += fuzz(&binary).unwrap_or_else(|e| failed("schemathesis", &e));
            total += client(&binary).unwrap_or_else(|e| failed("the generated client", &e));
        }
        Err(error) => total += failed("drey", &error),
    }
    tally::close(total)
}

fn failed(what: &str, error: &anyhow::Error) -> Tally {
    eprintln!("\nxtask: {what}: {error:#}");
    Tally::of(false)
}

fn build() -> Result<PathBuf> {
    ensure!(run::run(run::cargo()?.args(["build", "-p", "drey"]))?, "drey does not build");
    Ok(flink::target()?.join("debug").join(format!("drey{}", std::env::consts::EXE_SUFFIX)))
}

fn fuzz(binary: &Path) -> Result<Tally> {
    let python = python("python", "requirements.txt")?;
    let mut server = Server::start(binary, Flink::Hidden)?;
    let configuration = server.folder.path().join("schemathesis.toml");
    let script = run::root()?.join("xtask/api/prepare.py");
    let mut prepare = run::command(python.join("bin/python"));
    let is_prepared =
        run::run(prepare.arg(script).args([server.url.as_str()]).arg(&configuration))?;
    let mut total = Tally::of(is_prepared);
    if is_prepared {
        let mut fuzzer = run::command(python.join("bin/schemathesis"));
        fuzzer.current_dir(server.folder.path()).arg("--config-file").arg(&configuration);
        fuzzer.args(["run", &format!("{}/api/openapi.json", server.url), "--checks", CHECKS]);
        fuzzer.env("SCHEMATHESIS_HOOKS", run::root()?.join("xtask/api/hooks.py"));
        fuzzer.args(["--max-time", FUZZING_S, "--request-timeout", "35", "--no-color"]);
        total += Tally::of(run::run(&mut fuzzer)?);
        total += server.has_stayed_well()?;
    }
    Ok(total)
}

fn client(binary: &Path) -> Result<Tally> {
    let folder = client_folder()?;
    let server = Server::start(binary, Flink::Shown)?;
    let mut generate = node("npm")?;
    let document = format!("{}/api/openapi.json", server.url);
    generate.current_dir(&folder).args(["exec", "--", "openapi-typescript", &document]);
    ensure!(
        run::run(generate.args(["--output", "src/schema.d.ts"]))?,
        "no client can be generated"
    );
    let mut compile = node("npm")?;
    let is_compiled = run::run(compile.current_dir(&folder).args(["exec", "--", "tsc"]))?;
    let mut total = Tally::of(is_compiled);
    if is_compiled {
        let mut lifecycle = node("node")?;
        lifecycle.current_dir(&folder).arg("out/lifecycle.js").env("DREY_URL", &server.url);
        match installed_flink(binary)? {
            Some((version, jar)) => {
                let uri = format!("file://{}", jar.display());
                lifecycle.env("DREY_FLINK_VERSION", version).env("DREY_JAR", uri);
            }
            None => total += no_flink(),
        }
        total += cargo_test(&mut lifecycle)?;
    }
    Ok(total)
}

fn no_flink() -> Tally {
    eprintln!(
        "\nxtask: no Flink is installed, so the client's job does not run; `drey flink install` helps"
    );
    Tally::SKIPPED
}

/// A Flink that is there already, with a job for it.
fn installed_flink(binary: &Path) -> Result<Option<(String, PathBuf)>> {
    for version in flink::VERSIONS.split(',') {
        if run::capture(run::command(binary).args(["flink", "path", version])).is_ok() {
            return Ok(Some((version.to_owned(), flink::prepare(binary, version)?)));
        }
    }
    Ok(None)
}

/// A program of Node.js: the machine's, or one that is installed once.
fn node(program: &str) -> Result<Command> {
    if run::capture(run::command("node").arg("--version")).is_ok() {
        return Ok(run::command(program));
    }
    let programs = python("node", "node.txt")?.join("bin");
    let mut command = run::command(programs.join(program));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(programs).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(all)?);
    Ok(command)
}

/// A Python with the packages of a list, installed when the list has changed.
fn python(name: &str, list: &str) -> Result<PathBuf> {
    let list = run::root()?.join("xtask/api").join(list);
    let folder = tools(name, &[&list])?;
    if !folder.join("ready").exists() {
        let made = run::run(run::command("python3").args(["-m", "venv"]).arg(&folder))?;
        ensure!(
            made,
            "python3 cannot make a virtual environment; on Debian python3-venv is needed"
        );
        let mut pip = run::command(folder.join("bin/pip"));
        let installed = run::run(pip.args(["install", "--quiet", "--no-deps", "-r"]).arg(&list))?;
        ensure!(installed, "the tools of {} cannot be installed", list.display());
        File::create(folder.join("ready"))?;
    }
    Ok(folder)
}

/// The client's sources beside its installed packages.
fn client_folder() -> Result<PathBuf> {
    let sources = run::root()?.join(CLIENT);
    let files = CLIENT_FILES.map(|name| sources.join(name));
    let folder = tools("client-ts", &files.each_ref().map(PathBuf::as_path))?;
    for name in CLIENT_FILES {
        fs::copy(sources.join(name), folder.join(name))
            .with_context(|| format!("copying {name}"))?;
    }
    if !folder.join("ready").exists() {
        let mut npm = node("npm")?;
        npm.current_dir(&folder).args([
            "ci",
            "--prefer-offline",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ]);
        ensure!(run::run(&mut npm)?, "the packages of {CLIENT} cannot be installed");
        File::create(folder.join("ready"))?;
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::copy(sources.join("src/lifecycle.ts"), folder.join("src/lifecycle.ts"))?;
    Ok(folder)
}

/// A folder in the cache for what these lists describe: another one as soon as a list changes.
fn tools(name: &str, lists: &[&Path]) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    for list in lists {
        fs::read(list).with_context(|| format!("reading {}", list.display()))?.hash(&mut hasher);
    }
    let folder = cache()?.join("api-tools").join(format!("{name}-{:016x}", hasher.finish()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// `$DREY_CACHE`, as everywhere.
fn cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("DREY_CACHE") {
        return Ok(cache.into());
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    Ok(base.or_else(home).context("neither DREY_CACHE nor HOME is set")?.join("drey"))
}

/// Whether a server finds the installed Flinks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flink {
    Shown,
    Hidden,
}

/// A `drey serve` on a data folder of its own; ends with this value.
struct Server {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Server {
    fn start(binary: &Path, flink: Flink) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a data folder")?;
        let mut drey = run::command(binary);
        drey.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"));
        drey.stdout(Stdio::piped()).stderr(File::create(folder.path().join("log"))?);
        drey.env("RUST_LOG", "warn");
        if flink == Flink::Hidden {
            drey.env("DREY_CACHE", folder.path().join("cache"));
        }
        let mut child = drey.spawn().context("starting drey serve")?;
        let mut line = String::new();
        let output = child.stdout.take().context("standard output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let server = Self { child, url, folder };
        ensure!(!server.url.is_empty(), "drey serve did not start: {}", server.log()?);
        Ok(server)
    }

    fn log(&self) -> Result<String> {
        fs::read_to_string(self.folder.path().join("log")).context("reading the server's log")
    }

    /// It is still there, and nothing in it failed.
    fn has_stayed_well(&mut self) -> Result<Tally> {
        let has_ended = self.child.try_wait()?.is_some();
        let log = self.log()?;
        let errors: Vec<&str> = log.lines().filter(|l| l.contains("ERROR")).take(20).collect();
        if has_ended || !errors.is_empty() {
            eprintln!("\nxtask: the server ended: {has_ended}; its errors:\n{}", errors.join("\n"));
        }
        Ok(Tally::of(!has_ended && errors.is_empty()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
