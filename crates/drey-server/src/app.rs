//! What the server is given, and what all handlers share.

use std::sync::{Arc, Mutex, PoisonError};

use drey_controller::Handle;
use drey_model::defaults::Layers;
use drey_model::quota::Limit;
use drey_store::{Keyring, Store};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::artifacts::ArtifactStorage;
use crate::auth::{AccessControl, Gate};
use crate::error::Error;
use crate::flink_ui::Proxy;
use crate::hosts::Hosts;
use crate::metrics::Metrics;
use crate::preflight::Preflight;
use crate::turns::Turns;

/// The metrics of the whole process; each part registers its own.
pub type SharedRegistry = Arc<Mutex<Registry>>;

/// Everything that the server needs. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Where objects are kept.
    pub store: Store,
    /// The door to the controller.
    pub handle: Handle,
    /// Time and ids.
    pub world: World,
    /// How to look at artifacts before a Deployment is stored.
    pub preflight: Preflight,
    /// Where uploaded artifacts are.
    pub artifacts: ArtifactStorage,
    /// Seals secret values.
    pub keyring: Arc<Keyring>,
    /// Defaults of Deployments.
    pub layers: Layers,
    /// Where metrics are registered and scraped from.
    pub metrics: SharedRegistry,
    /// How many CPU cores Deployments may use; `None`: as many as there are.
    pub quota: Option<Limit>,
    /// What is running.
    pub build: Build,
    /// The names that the server answers to.
    pub hosts: Hosts,
    /// Whether callers must say who they are, and how.
    pub access: AccessControl,
    /// Ends streams when cancelled.
    pub shutdown: CancellationToken,
}

/// The source of time and ids, so that tests can choose both.
#[derive(Clone)]
pub struct World {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    id: Arc<dyn Fn() -> Uuid + Send + Sync>,
}

impl World {
    /// The clock of the machine, and ids that sort by time.
    #[must_use]
    pub fn real() -> Self {
        Self::of(drey_controller::world::now, Uuid::now_v7)
    }

    /// A chosen clock and a chosen source of ids.
    pub fn of(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        id: impl Fn() -> Uuid + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), id: Arc::new(id) }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// A new id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        (self.id)()
    }
}

/// Which build of Drey this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The release.
    pub version: String,
    /// The commit it was made from, or `unknown`.
    pub commit: String,
    /// When it was made, or `unknown`.
    pub time: String,
}

impl Build {
    /// What the compiler was told: `DREY_COMMIT` and `DREY_BUILD_TIME` in its environment.
    #[must_use]
    pub fn current() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("DREY_COMMIT").unwrap_or("unknown").to_owned(),
            time: option_env!("DREY_BUILD_TIME").unwrap_or("unknown").to_owned(),
        }
    }
}

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) handle: Handle,
    pub(crate) world: World,
    pub(crate) preflight: Preflight,
    pub(crate) artifacts: ArtifactStorage,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) turns: Turns,
    pub(crate) layers: Layers,
    pub(crate) registry: SharedRegistry,
    pub(crate) metrics: Metrics,
    pub(crate) quota: Option<Limit>,
    pub(crate) build: Build,
    pub(crate) hosts: Hosts,
    /// None: access control is off.
    pub(crate) gate: Option<Gate>,
    /// Says that a namespace was ended just now.
    pub(crate) ending: Notify,
    pub(crate) shutdown: CancellationToken,
    pub(crate) proxy: Proxy,
}

impl Shared {
    pub(crate) fn new(app: App) -> Arc<Self> {
        let metrics = {
            // A poisoned registry still holds whole metrics: registering is all that happens under this lock.
            let mut registry = app.metrics.lock().unwrap_or_else(PoisonError::into_inner);
            Metrics::register(&mut registry, &app.build, &app.store)
        };
        Arc::new(Self {
            store: app.store,
            handle: app.handle,
            world: app.world,
            preflight: app.preflight,
            artifacts: app.artifacts,
            keyring: app.keyring,
            turns: Turns::default(),
            layers: app.layers,
            registry: app.metrics,
            metrics,
            quota: app.quota,
            build: app.build,
            hosts: app.hosts,
            gate: Gate::of(app.access),
            ending: Notify::new(),
            shutdown: app.shutdown,
            proxy: Proxy::new(),
        })
    }

    /// All metrics as text.
    pub(crate) fn scrape(&self) -> Result<String, Error> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        crate::metrics::text(&registry)
            .ok_or_else(|| Error::internal("The metrics cannot be written.", "OpenMetrics encoder"))
    }
}
