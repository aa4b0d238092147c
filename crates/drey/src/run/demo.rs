//! `drey demo`: from nothing to a Flink job that runs, with every step said aloud.
//!
//! ```text
//! JDK? ─► Flink (installed once) ─► jar (compiled once) ─► server in this process ─► Deployment over REST ─► RUNNING
//! Ctrl-C ─► SUSPENDED (savepoint) ─► server stops          Ctrl-C again ─► processes killed, newest checkpoint stays
//! ```
//!
//! Owns the story. Uses the same server and the same client as everybody else; after it ends, no process is left.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use drey_cluster::ClusterBackend;
use drey_flink::versions::Version;
use drey_flink::{dist::Cache, jdk};
use drey_model::{Deployment, DeploymentState, document};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::access::AUDIT_DAYS_DEFAULT;
use super::compile;
use super::options::{ArtifactOptions, ServeOptions, default_data_dir};
use super::serve::{self, Server};
use super::storage;
use crate::args::{Demo, Global, LogFormat};
use crate::cli::wait::{self, Pin, Plan, Target};
use crate::cli::{Shell, change};
use crate::client::{Body, typed};
use crate::failure::{Exit, Failure, Result};
use crate::output::{put, say};
use crate::subject::{Kind, Place};

/// The Deployment; `jarUri` and `flinkVersion` are filled in.
const MANIFEST: &str = include_str!("../../../../examples/top-speed-windowing/deployment.yaml");
/// Its name.
const NAME: &str = "top-speed-windowing-example";
/// Its namespace.
const NS: &str = "default";
/// Ports that are tried, one after the other.
const PORTS_TRIED: u16 = 20;
/// How long the job may take to run.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the job may take to stop with a savepoint.
const SUSPEND_TIMEOUT: Duration = Duration::from_secs(120);
/// How long processes may take to die: a little more than the backend's own grace.
const KILL_TIMEOUT: Duration = Duration::from_secs(12);

/// What has to be there before a server is started.
struct Ready {
    jar: PathBuf,
    version: String,
}

pub(crate) async fn run(args: Demo, global: &Global) -> Result<()> {
    let data_dir = match &args.data_dir {
        Some(folder) => folder.clone(),
        None => default_data_dir()?.join("demo"),
    };
    let data_dir = std::path::absolute(data_dir).context("finding the data folder")?;
    storage::address(&data_dir)?;
    std::fs::create_dir_all(&data_dir)
        .with_context(|| format!("making the folder {}", data_dir.display()))?;
    let log = data_dir.join("server.log");
    serve::log_to_file(&log)?;
    let ready = tokio::select! {
        ready = prepare(&args, global) => ready?,
        _ = serve::signalled() => return Err(interrupted("nothing was started")),
    };
    let listen = free_port(args.port).await?;
    let options = ServeOptions {
        listen,
        data_dir,
        log_format: LogFormat::Text,
        host_names: Vec::new(),
        events_per_deployment: None,
        quota: None,
        global_defaults: None,
        access: None,
        audit_days: AUDIT_DAYS_DEFAULT,
        secret_key_file: None,
        artifacts: ArtifactOptions::default(),
    };
    let mut server = serve::start(&options).await?;
    let url = format!("http://{}", server.address);
    say(&format!("Server: {url}"));
    let shell = Shell::new(&Global {
        server: Some(url),
        namespace: Some(NS.to_owned()),
        context: None,
        token_file: None,
        output: None,
        ..global.clone()
    })?;

    let data_dir = server.data_dir.clone();
    let shown = tokio::select! {
        shown = show(&shell, &ready, &data_dir, &log) => shown,
        _ = serve::signalled() => Ok(()),
        ended = server.ended() => ended.map_err(Failure::from),
    };
    let outcome = match shown {
        Err(failure) => Err(failure),
        Ok(()) if args.once => Ok(()),
        Ok(()) => tokio::select! {
            _ = stay(&shell) => Ok(()),
            ended = server.ended() => ended.map_err(Failure::from),
        },
    };
    let suspended = match &outcome {
        Ok(()) => suspend(&shell).await,
        Err(_) => Err(Failure::new(Exit::No, "not suspended")),
    };
    if suspended.is_err() {
        kill(&mut server).await;
    }
    let stopped = server.stop().await.map_err(Failure::from);
    outcome.and(suspended).and(stopped)
}

/// Java, Flink, and the jar.
async fn prepare(args: &Demo, global: &Global) -> Result<Ready> {
    let wanted: Version = args.flink_version.parse().map_err(|e| {
        Failure::usage(format!("\"{}\" is not a version of Flink", args.flink_version))
            .why(format!("{e}"))
    })?;
    let java = jdk::find(wanted.java_min().max(17)).await.context("looking for a JDK")?;
    let javac = java.javac.ok_or_else(|| {
        Failure::new(Exit::No, "the demo compiles a Java program, and there is no compiler")
            .why(format!(
                "{} is Java {}, but there is no javac beside it or on the PATH",
                java.java.display(),
                java.version
            ))
            .next("apt install openjdk-17-jdk-headless    (Debian, Ubuntu)")
            .next("brew install openjdk@17                (macOS)")
    })?;
    say(&format!("Java {}: {}", java.version, java.java.display()));
    let cache = Cache::open().context("finding the cache")?;
    let flink = crate::flink::install(&cache, &args.flink_version, None, global.quiet).await?;
    say(&format!("Flink {}: {}", flink.flink.version, flink.flink.home.display()));
    let jar = compile::jar(cache.root(), &flink, &javac).await?;
    say(&format!("Example job: {}", jar.display()));
    Ok(Ready { jar, version: flink.flink.version.to_string() })
}

/// The first free port from `first` on.
async fn free_port(first: u16) -> Result<SocketAddr> {
    for port in (first..=first.saturating_add(PORTS_TRIED)).take(usize::from(PORTS_TRIED)) {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).await.is_ok() {
            return Ok(address);
        }
    }
    let last = first.saturating_add(PORTS_TRIED - 1);
    Err(Failure::new(Exit::No, format!("no port from {first} to {last} is free"))
        .next("drey demo --port 0"))
}

/// Declares the Deployment, waits until it runs, and says where to look.
async fn show(shell: &Shell, ready: &Ready, data_dir: &Path, log: &Path) -> Result<()> {
    let (written, was) = declare(shell, ready).await?;
    say(&match was {
        Some(state) => format!("Deployment {NAME} was {state}; starting it again from its state:"),
        None => format!("Deployment {NAME} is declared; Drey starts it:"),
    });
    wait_for(shell, &written, START_TIMEOUT).await?;
    let view = shell.client.view(NS, NAME).await?;
    let job = view.job().map(|job| job.metadata.id.to_string()).unwrap_or_default();
    let base = shell.client.base();
    let restored = view.job().and_then(|job| job.spec.savepoint_location.clone());
    let state =
        restored.map_or("empty (first start)".to_owned(), |from| format!("restored from {from}"));
    put(&format!(
        "\n{NAME} is RUNNING on Flink {version}, state {state}.\n\n\
         Look:\n  \
           API               {base}/api/v1/namespaces/{NS}/deployments/{NAME}\n  \
           Flink's dashboard {base}/flink-ui/v1/namespaces/{NS}/jobs/{job}/\n  \
           Data              {data}\n  \
           Server log        {log}\n\n\
         Try in another terminal:\n  \
           export DREY_SERVER={base}\n  \
           drey get dep -o wide\n  \
           drey describe dep {NAME}\n  \
           drey logs {NAME} -c tm -f\n  \
           drey events {NAME} -f\n  \
           drey suspend {NAME} --wait && drey start {NAME} --wait\n\n\
         Ctrl-C suspends the job and stops everything; its state is kept.\n",
        version = ready.version,
        data = data_dir.display(),
        log = log.display(),
    ))
}

/// Creates the Deployment, or starts the one that is there; also says what the latter's state was.
async fn declare(shell: &Shell, ready: &Ready) -> Result<(Value, Option<String>)> {
    let unreadable = || Failure::new(Exit::Bug, "the demo's Deployment cannot be read");
    let parsed = document::parse(MANIFEST.as_bytes(), document::Format::Yaml);
    let mut wanted = parsed.map_err(|_| unreadable())?.to_value();
    let artifact = wanted.pointer_mut("/spec/template/spec/artifact").ok_or_else(unreadable)?;
    artifact["jarUri"] = json!(format!("file://{}", ready.jar.display()));
    artifact["flinkVersion"] = json!(ready.version);
    let doing = format!("declaring deployment/{NAME}");
    let send = |method: Method, place: Place| {
        let body = Some(Body::Json(wanted.clone()));
        let doing = doing.clone();
        async move { shell.client.send(&doing, method, &place, body, None).await }
    };
    match shell.client.object(NS, Kind::Deployment, NAME).await {
        Ok(before) => {
            let before: Deployment = typed(&doing, before)?;
            let place = Place::one(NS, Kind::Deployment, NAME);
            let mut written = send(Method::PATCH, place).await?;
            if before.status.state == DeploymentState::Failed {
                written = change::set(shell, &before, change::START).await?;
            }
            Ok((written, Some(before.status.state.to_string())))
        }
        Err(failure) if failure.exit == Exit::NotFound => {
            Ok((send(Method::POST, Place::all(NS, Kind::Deployment)).await?, None))
        }
        Err(failure) => Err(failure),
    }
}

async fn wait_for(shell: &Shell, written: &Value, timeout: Duration) -> Result<()> {
    let target = Target { kind: Kind::Deployment, name: NAME.to_owned(), pin: Pin::of(written) };
    wait::until(shell, vec![target], &Plan::as_declared(timeout)).await
}

/// Stays until a signal comes, and tells what happens meanwhile.
async fn stay(shell: &Shell) {
    tokio::select! {
        _ = serve::signalled() => {}
        // Whatever the user does to the Deployment meanwhile is theirs to see; this never returns by itself.
        () = tell(shell) => {}
    }
}

async fn tell(shell: &Shell) {
    let mut last = String::new();
    loop {
        sleep(Duration::from_secs(1)).await;
        let Ok(deployment) = shell.client.deployment(NS, NAME).await else { continue };
        let state = format!("{}: {}", deployment.metadata.name, deployment.status.state);
        if !last.is_empty() && last != state {
            say(&state);
        }
        last = state;
    }
}

/// Stops the job with a savepoint; gives up at a second signal.
async fn suspend(shell: &Shell) -> Result<()> {
    say("\nSuspending the job, so that its state is kept (Ctrl-C again stops at once):");
    let work = async {
        let before = match shell.client.deployment(NS, NAME).await {
            Err(failure) if failure.exit == Exit::NotFound => return Ok(()),
            before => before?,
        };
        if crate::output::table::at_rest(before.status.state)
            && before.spec.state.to_string() != "RUNNING"
        {
            return Ok(());
        }
        let written = change::set(shell, &before, change::SUSPEND).await?;
        wait_for(shell, &written, SUSPEND_TIMEOUT).await
    };
    unless_signalled(work).await?;
    say("Everything is stopped. `drey demo` goes on from here.");
    Ok(())
}

async fn unless_signalled(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        done = work => done,
        _ = serve::signalled() => Err(interrupted(
            "the job was stopped at once; the next `drey demo` starts from its newest snapshot",
        )),
    }
}

fn interrupted(now: &str) -> Failure {
    Failure::new(Exit::Interrupted, "interrupted").now(now)
}

/// Ends all Flink processes of this data folder. Checkpoints and savepoints stay.
async fn kill(server: &mut Server) {
    say("Stopping all Flink processes of the demo");
    // First the controller, which would replace what is killed.
    if let Err(error) = server.halt().await {
        tracing::warn!(?error, "the server did not stop well");
    }
    let deadline = Instant::now() + KILL_TIMEOUT;
    while Instant::now() < deadline {
        let clusters = server.backend.list().await.unwrap_or_default();
        if clusters.is_empty() {
            return;
        }
        for cluster in clusters {
            if let Err(error) = server.backend.remove(cluster).await {
                tracing::warn!(%cluster, %error, "a cluster cannot be removed");
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    say("warning: some Flink processes may still be running");
}
