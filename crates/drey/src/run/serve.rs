//! `drey serve`: the whole server in one process.
//!
//! ```text
//! data dir (locked) ─► store ─► bootstrap ─► backend ─► handle ─► controller
//!                                                          └────► HTTP  "listening on http://…"
//! SIGINT, SIGTERM ─► stop accepting ─► finish requests ─► controller ends ─► backend lets go; Flink jobs go on
//! ```
//!
//! Owns the order of starting and stopping. Everything that is started is in [`Server`] and is joined by its `stop`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use drey_cluster::local::{DataDir, LocalBackend, LocalConfig};
use drey_controller::Handle;
use drey_flink::dist::Cache;
use drey_server::{App, Build, World};
use drey_store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::options::ServeOptions;
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
    http: JoinHandle<std::io::Result<()>>,
    controller: JoinHandle<()>,
    _lock: DataDir,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the server cannot start, or stops by itself.
pub async fn run(options: ServeOptions) -> anyhow::Result<()> {
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
/// When the data folder is in use, the database cannot be opened, or the address is taken.
pub(crate) async fn start(options: &ServeOptions) -> anyhow::Result<Server> {
    let lock = DataDir::lock(&options.data_dir).context("starting the server")?;
    let data_dir = lock.path().to_owned();
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| {
        format!("listening on {} (--listen 127.0.0.1:0 picks a free port)", options.listen)
    })?;
    let address = listener.local_addr().context("asking for the port")?;
    let database = data_dir.join("drey.db");
    let store = Store::open(&database).await;
    let store = store.with_context(|| format!("opening the database {}", database.display()))?;
    let world = World::real();
    drey_server::bootstrap(&store, world.now(), world.id()).await.context("preparing the database")?;
    let cache = Cache::open().context("finding the cache")?;
    let config = LocalConfig::new(&data_dir, cache.root());
    let backend = LocalBackend::open(config).await.context("opening the local backend")?;
    let backend = Arc::new(backend);
    let (handle, woken) = Handle::new(Arc::clone(&backend));
    let shutdown = CancellationToken::new();
    let controller =
        start_controller(&store, &backend, handle.clone(), woken, shutdown.child_token());
    let app = App {
        store,
        handle,
        world,
        layers: drey_model::defaults::Layers::default(),
        metrics: drey_server::SharedRegistry::default(),
        build: Build::current(),
        shutdown: shutdown.clone(),
    };
    let http = tokio::spawn(drey_server::serve(listener, app, shutdown.clone()));
    tracing::info!(%address, data_dir = %data_dir.display(), "serving");
    Ok(Server { address, data_dir, backend, shutdown, http, controller, _lock: lock })
}

/// Starts the control loop.
fn start_controller(
    _store: &Store,
    _backend: &Arc<LocalBackend>,
    _handle: Handle,
    mut woken: tokio::sync::mpsc::UnboundedReceiver<uuid::Uuid>,
    cancel: CancellationToken,
) -> JoinHandle<()> {
    // WIRE: drey_controller::start(ControllerConfig { .. }, store, backend, flink, handle, woken, cancel)
    tokio::spawn(async move {
        let drain = async { while woken.recv().await.is_some() {} };
        tokio::select! {
            () = drain => {}
            () = cancel.cancelled() => {}
        }
    })
}

impl Server {
    /// Returns when the server stops by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            served = &mut self.http => served.context("serving")?.context("serving"),
            ended = &mut self.controller => {
                ended.context("controlling")?;
                anyhow::bail!("the controller ended by itself")
            }
        }
    }

    /// Stops serving and controlling, in order. Flink jobs go on.
    ///
    /// # Errors
    /// When a part of the server did not end well.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        if !self.http.is_finished() {
            self.http.await.context("stopping the HTTP server")?.context("serving")?;
        }
        if !self.controller.is_finished() {
            self.controller.await.context("stopping the controller")?;
        }
        self.backend.close().await;
        tracing::info!("stopped");
        Ok(())
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
