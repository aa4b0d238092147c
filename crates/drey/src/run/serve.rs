//! `drey serve`: the whole server in one process.
//!
//! ```text
//! data dir (locked) ─► store ─► bootstrap ─► backend ─► handle ─► controller
//!                                                          └────► HTTP  "listening on http://…"
//! SIGINT, SIGTERM ─► stop accepting ─► finish requests ─► controller ends ─► backend lets go; Flink jobs go on
//! ```
//!
//! Owns the order of starting and stopping. Everything that is started is in [`Server`] and is joined by its `stop`.
//! Beside these run two small tasks: one wakes the controller when a process ends, one keeps the database small.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use drey_cluster::local::{DataDir, LocalBackend, LocalConfig};
use drey_controller::{Handle, Metrics, Parts};
use drey_flink::client::Client;
use drey_flink::config::{Inputs, SessionInputs};
use drey_flink::dist::Cache;
use drey_model::SessionRun;
use drey_model::defaults::Layers;
use drey_model::job::Job;
use drey_model::meta::TextMap;
use drey_model::quota::Limit;
use drey_server::{AccessControl, App, Build, Hosts, World};
use drey_store::Store;
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use super::access::AccessOptions;
use super::options::ServeOptions;
use super::preflight::preflight;
use super::upkeep::Upkeep;
use super::{artifacts, secrets, storage};
use crate::args::LogFormat;
use crate::output::{put_line, say};

/// What is logged unless `RUST_LOG` says otherwise.
const LOG_DEFAULT: &str = "info,sqlx=warn,hyper=warn,reqwest=warn";

/// A server that runs in this process.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where its data is, absolute.
    pub(crate) data_dir: PathBuf,
    /// What runs the clusters.
    pub(crate) backend: Arc<LocalBackend>,
    shutdown: CancellationToken,
    http: Option<JoinHandle<std::io::Result<()>>>,
    controller: Option<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    _lock: DataDir,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the server cannot start, or stops by itself.
pub(crate) async fn run(options: ServeOptions) -> anyhow::Result<()> {
    log_to_stderr(options.log_format);
    let mut server = start(&options).await?;
    put_line(&format!("listening on http://{}", server.address))?;
    let ended = tokio::select! {
        signal = signalled() => {
            say(&format!("{signal}: stopping. Flink jobs go on; the next start finds them again"));
            Ok(())
        }
        ended = server.ended() => ended,
    };
    let stopped = server.stop().await;
    ended.and(stopped)
}

/// Starts a server; it serves when this returns.
///
/// # Errors
/// When the data folder is in use or cannot be named to Flink, the database cannot be opened, or the address is taken.
pub(crate) async fn start(options: &ServeOptions) -> anyhow::Result<Server> {
    let wanted = std::path::absolute(&options.data_dir).context("finding the data folder")?;
    storage::address(&wanted)?;
    let lock = DataDir::lock(&wanted).context("starting the server")?;
    let data_dir = lock.path().to_owned();
    // Once more: a link may lead to a path that is written otherwise.
    let storage = storage::address(&data_dir)?;
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| {
        format!("listening on {} (--listen 127.0.0.1:0 picks a free port)", options.listen)
    })?;
    let address = listener.local_addr().context("asking for the port")?;
    let database = data_dir.join("drey.db");
    let store = Store::open(&database).await;
    let store = store.with_context(|| format!("opening the database {}", database.display()))?;
    let world = World::real();
    drey_server::bootstrap(&store, world.now(), || world.id())
        .await
        .context("preparing the database")?;
    let access = access(options, &data_dir)?;
    let (keyring, values) =
        secrets::open(&store, options.secret_key_file.as_deref(), &data_dir).await?;
    let (artifacts, uploads) = artifacts::open(&options.artifacts, &data_dir)?;
    let cache = Cache::open().context("finding the cache")?;
    let preflight = preflight(cache.root(), uploads.clone(), values.clone())
        .context("preparing the artifact cache")?;
    let config = LocalConfig {
        uploads: Some(uploads),
        secrets: values,
        ..LocalConfig::new(&data_dir, cache.root())
    };
    let backend = LocalBackend::open(config).await.context("opening the local backend")?;
    let backend = Arc::new(backend);
    let shutdown = CancellationToken::new();
    let metrics = drey_server::SharedRegistry::default();
    let parts = controller_parts(&store, &backend, storage, &metrics, options.quota)?;
    let (handle, controller) = drey_controller::start(parts, shutdown.child_token());
    let helpers = helpers(&store, &backend, &handle, &world, options, &shutdown);
    let app = App {
        store,
        handle,
        world,
        preflight,
        artifacts,
        keyring,
        layers: Layers::new(
            &drey_flink::versions::DEFAULT.to_string(),
            options.global_defaults.clone(),
        ),
        metrics,
        quota: options.quota,
        build: Build::current(),
        hosts: Hosts::of(address, host_names(options)),
        access,
        shutdown: shutdown.clone(),
    };
    let http = tokio::spawn(drey_server::serve(listener, app, shutdown.clone()));
    tracing::info!(%address, data_dir = %data_dir.display(), "serving");
    Ok(Server {
        address,
        data_dir,
        backend,
        shutdown,
        http: Some(http),
        controller: Some(controller),
        helpers,
        _lock: lock,
    })
}

/// Whether callers must say who they are, and how.
fn access(options: &ServeOptions, data_dir: &Path) -> anyhow::Result<AccessControl> {
    match &options.access {
        Some(access) => access.prepare(data_dir).context("preparing access control"),
        None => Ok(AccessControl::Off),
    }
}

/// The names that the server answers to, with the one that browsers log in at.
fn host_names(options: &ServeOptions) -> Vec<String> {
    let public = options.access.as_ref().and_then(AccessOptions::host_name);
    options.host_names.iter().cloned().chain(public).collect()
}

/// The small tasks beside the server and the controller.
fn helpers(
    store: &Store,
    backend: &LocalBackend,
    handle: &Handle,
    world: &World,
    options: &ServeOptions,
    shutdown: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let upkeep = Upkeep {
        store: store.clone(),
        world: world.clone(),
        events_per_deployment: options.events_per_deployment,
        audit_days: options.audit_days,
    };
    vec![
        tokio::spawn(wake_on_ends(backend.process_ends(), handle.clone(), shutdown.clone())),
        tokio::spawn(upkeep.run(shutdown.clone())),
    ]
}

/// What the control loop works with.
fn controller_parts(
    store: &Store,
    backend: &Arc<LocalBackend>,
    storage: String,
    metrics: &drey_server::SharedRegistry,
    quota: Option<Limit>,
) -> anyhow::Result<Parts<LocalBackend, Client>> {
    let counters = Metrics::default();
    let flink = Arc::new(Client::new().context("preparing the Flink client")?);
    let asked = Arc::clone(&flink);
    {
        let mut registry = metrics.lock().unwrap_or_else(PoisonError::into_inner);
        counters.register(&mut registry);
        let what =
            ("drey_flink_rest_requests", "Requests sent to JobManagers, by what they asked", "op");
        drey_server::count_by(&mut registry, what, move || asked.requests_total().collect());
    }
    let of_sessions = storage.clone();
    Ok(Parts {
        store: store.clone(),
        backend: Arc::clone(backend),
        flink,
        configure: Arc::new(move |job| configuration(job, &storage)),
        quota,
        configure_session: Arc::new(move |run| session_configuration(run, &of_sessions)),
        metrics: counters,
    })
}

/// Has a Deployment or a SessionCluster looked at as soon as one of its processes ends.
async fn wake_on_ends(mut ends: Receiver<Uuid>, handle: Handle, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            end = ends.recv() => match end {
                Ok(owner) => handle.wake(owner),
                Err(RecvError::Lagged(missed)) => tracing::debug!(missed, "ends of processes were missed"),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// The configuration that a Job's cluster will run with.
fn configuration(job: &Job, storage: &str) -> TextMap {
    if job.metadata.session_cluster_name.is_some() {
        let (cluster, user) = (&job.spec.flink_configuration, &job.spec.user_flink_configuration);
        return drey_flink::config::effective_in_session(cluster, user, job.spec.parallelism);
    }
    let effective = drey_flink::config::effective(&Inputs {
        user: &job.spec.user_flink_configuration,
        namespace: &job.metadata.namespace,
        deployment_id: job.metadata.deployment_id,
        job_id: job.metadata.id,
        resources: &job.spec.resources,
        parallelism: Some(job.spec.parallelism),
        storage,
        is_local: true,
    });
    for note in &effective.notes {
        tracing::info!(job = %job.metadata.id, "{note}");
    }
    effective.config
}

/// The configuration that a run of a SessionCluster will have.
fn session_configuration(run: &SessionRun, storage: &str) -> TextMap {
    let effective = drey_flink::config::effective_session(&SessionInputs {
        user: &run.spec.flink_configuration,
        namespace: &run.namespace,
        name: &run.name,
        resources: &run.spec.resources,
        storage,
        is_local: true,
    });
    for note in &effective.notes {
        tracing::info!(session_cluster = run.name, "{note}");
    }
    effective.config
}

impl Server {
    /// Returns when the server stops by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let (Some(http), Some(controller)) = (self.http.as_mut(), self.controller.as_mut()) else {
            return Ok(());
        };
        // A handle that has answered must not be asked again.
        tokio::select! {
            served = http => {
                self.http = None;
                served.context("serving")?.context("serving")?;
                anyhow::bail!("the HTTP server ended by itself")
            }
            ended = controller => {
                self.controller = None;
                ended.context("controlling")?;
                anyhow::bail!("the controller ended by itself")
            }
        }
    }

    /// Stops serving and controlling, in order. Flink jobs go on.
    ///
    /// # Errors
    /// When a part of the server did not end well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let halted = self.halt().await;
        self.backend.shutdown().await;
        tracing::info!("stopped");
        halted
    }

    /// Stops serving and controlling; the backend still obeys.
    ///
    /// # Errors
    /// When a part of the server did not end well.
    pub(crate) async fn halt(&mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        // Each part is waited for, also when one before it ended badly.
        let mut ended = Ok(());
        if let Some(http) = self.http.take() {
            let served = http.await.context("stopping the HTTP server");
            ended = ended.and(served.and_then(|served| served.context("serving")));
        }
        if let Some(controller) = self.controller.take() {
            ended = ended.and(controller.await.context("stopping the controller"));
        }
        for helper in self.helpers.drain(..) {
            ended = ended.and(helper.await.context("stopping a helper"));
        }
        ended
    }
}

/// Returns the name of the signal that asks the process to stop.
pub(crate) async fn signalled() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = match signal(SignalKind::terminate()) {
            Ok(terminate) => terminate,
            Err(_) => return interrupted().await,
        };
        tokio::select! {
            name = interrupted() => name,
            _ = terminate.recv() => "SIGTERM",
        }
    }
    #[cfg(not(unix))]
    interrupted().await
}

async fn interrupted() -> &'static str {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without signals the process ends with its terminal.
        std::future::pending::<()>().await;
    }
    "SIGINT"
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let done = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(terminal).with_target(false).try_init(),
    };
    if let Err(error) = done {
        say(&format!("warning: no log: {error}"));
    }
}

/// Logs into a file, for commands that talk to people themselves.
pub(crate) fn log_to_file(path: &std::path::Path) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| format!("opening the log {}", path.display()))?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    // Only the first subscriber of a process counts, and this is the first.
    let _ = builder.with_writer(std::sync::Mutex::new(file)).try_init();
    Ok(())
}
