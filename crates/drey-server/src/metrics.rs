//! `/metrics` in the OpenMetrics text format. Names: ux.md H.1.
//!
//! Counts of objects are taken from the store at each scrape; the process' own figures come from `/proc`. Others (the
//! controller) register theirs in the same [`crate::Registry`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use drey_model::quota::{Cores, Holder, Limit};
use drey_store::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::app::Build;

/// Seconds: from a read out of memory to the request deadline.
const DURATION_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Linux reports CPU time to user space in hundredths of a second on every architecture.
const TICKS_PER_S: f64 = 100.0;

/// The server's own metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    deployments: Family<DeploymentLabels, Gauge>,
    used_cores: Family<NamespaceLabels, Gauge<f64, AtomicU64>>,
    quota_cores: Family<QuotaLabels, Gauge<f64, AtomicU64>>,
    pub(crate) watch_clients: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    code: u16,
}

/// Where Deployments should be, and where they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DeploymentLabels {
    pub(crate) namespace: String,
    pub(crate) desired: String,
    pub(crate) actual: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceLabels {
    namespace: String,
}

/// `limit`, or `tolerated` above it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: String,
    commit: String,
}

impl Metrics {
    /// The metrics, registered in `registry`.
    pub(crate) fn register(registry: &mut Registry, build: &Build, store: &Store) -> Self {
        let metrics = Self {
            requests: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS_S)),
            deployments: Family::default(),
            used_cores: Family::default(),
            quota_cores: Family::default(),
            watch_clients: Gauge::default(),
        };
        let built = Family::<BuildLabels, Gauge>::default();
        let labels = BuildLabels { version: build.version.clone(), commit: build.commit.clone() };
        built.get_or_create(&labels).set(1);
        registry.register("drey_build_info", "What is running", built);
        let help = "Until the answer to a request began";
        registry.register_with_unit(
            "http_request_duration",
            help,
            Unit::Seconds,
            metrics.requests.clone(),
        );
        let help = "Deployments by desired and actual state";
        registry.register("drey_deployments", help, metrics.deployments.clone());
        let help = "CPU cores that production Deployments and SessionClusters hold";
        registry.register("drey_cpu_used_cores", help, metrics.used_cores.clone());
        let help = "CPU cores that may be used; absent without a quota";
        registry.register("drey_cpu_quota_cores", help, metrics.quota_cores.clone());
        let help = "Clients that watch for changes";
        registry.register("drey_watch_clients", help, metrics.watch_clients.clone());
        registry.register_collector(Box::new(Process));
        registry.register_collector(Box::new(Stored(store.clone())));
        metrics
    }

    /// Counts one answered request.
    pub(crate) fn answered(
        &self,
        route: &str,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let labels =
            RequestLabels { route: route.to_owned(), method: known(method), code: status.as_u16() };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Replaces the figures of the CPU quota.
    pub(crate) fn set_cores(&self, limit: Option<Limit>, holders: &[Holder]) {
        let mut used: BTreeMap<&str, Cores> = BTreeMap::new();
        for holder in holders {
            let sum = used.entry(&holder.namespace).or_default();
            *sum = *sum + holder.cpu;
        }
        self.used_cores.clear();
        for (namespace, cores) in used {
            let labels = NamespaceLabels { namespace: namespace.to_owned() };
            self.used_cores.get_or_create(&labels).set(cores.into());
        }
        if let Some(Limit { cpu, tolerated }) = limit {
            for (part, cores) in [("limit", cpu), ("tolerated", tolerated)] {
                self.quota_cores.get_or_create(&QuotaLabels { part }).set(cores.into());
            }
        }
    }

    /// Replaces the counts of Deployments.
    pub(crate) fn set_deployments(
        &self,
        counts: impl IntoIterator<Item = (DeploymentLabels, i64)>,
    ) {
        self.deployments.clear();
        for (labels, count) in counts {
            self.deployments.get_or_create(&labels).set(count);
        }
    }
}

/// Registers counters of another part of the process, one per value of a label, that are read at each scrape.
pub fn count_by(
    registry: &mut Registry,
    (name, help, label): (&'static str, &'static str, &'static str),
    read: impl Fn() -> Counts + Send + Sync + 'static,
) {
    registry.register_collector(Box::new(Counted { name, help, label, read: Box::new(read) }));
}

type Counts = Vec<(&'static str, u64)>;

/// Counters that somebody else keeps.
struct Counted {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    read: Box<dyn Fn() -> Counts + Send + Sync>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family =
            encoder.encode_descriptor(self.name, self.help, None, MetricType::Counter)?;
        for (value, count) in (self.read)() {
            let labels = [(self.label, value)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Clients may invent methods; labels may not multiply with them.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// `registry` as text.
pub(crate) fn text(registry: &Registry) -> Option<String> {
    let mut out = String::new();
    prometheus_client::encoding::text::encode(&mut out, registry).ok()?;
    Some(out)
}

/// What the store did, read at each scrape.
struct Stored(Store);

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored")
    }
}

impl Collector for Stored {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let did = self.0.statistics();
        for (name, help, value) in [
            ("drey_store_commits", "Transactions committed", did.commits),
            ("drey_store_rows_written", "Changes within transactions", did.rows_written),
            ("drey_store_reads", "Queries that only read", did.reads),
            ("drey_store_retries", "Commits tried once more", did.retries),
        ] {
            let counter = ConstCounter::new(value);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let gauge = ConstGauge::new(*self.0.hint().borrow());
        let (name, help) = ("drey_store_revision", "Number of the newest write");
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

/// Figures of this process, read at each scrape; absent where there is no `/proc`.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(bytes) = resident_bytes() {
            let gauge = ConstGauge::new(bytes);
            let (name, help) = ("process_resident_memory", "Memory in use");
            let kind = gauge.metric_type();
            gauge.encode(encoder.encode_descriptor(name, help, Some(&Unit::Bytes), kind)?)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let (name, help) = ("process_cpu", "CPU time used");
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), kind)?)?;
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            let gauge = ConstGauge::new(i64::try_from(entries.count()).unwrap_or(i64::MAX));
            let (name, help) = ("process_open_fds", "Open file descriptors");
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// `VmRSS:   12345 kB` of `/proc/self/status`.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the name in brackets, which may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}
