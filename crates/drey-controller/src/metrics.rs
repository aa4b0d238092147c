//! Counters of the loop, for `/metrics`.

use drey_engine::Plan;
use drey_engine::facts::Transition;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabel {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: String,
}

/// What the loop counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    actions: Family<ActionLabel, Counter>,
    transitions: Family<OutcomeLabel, Histogram, fn() -> Histogram>,
    looks: Histogram,
    running: Gauge<i64>,
    panics: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            actions: Family::default(),
            transitions: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.05, 2.0, 16))
            }),
            looks: Histogram::new(exponential_buckets(0.000_25, 4.0, 10)),
            running: Gauge::default(),
            panics: Counter::default(),
        }
    }
}

impl Metrics {
    /// Puts the counters into a registry, under the prefix `drey`.
    pub fn register(&self, registry: &mut Registry) {
        let drey = registry.sub_registry_with_prefix("drey");
        drey.register("reconcile_actions", "Effects carried out", self.actions.clone());
        drey.register(
            "deployment_transition_duration_seconds",
            "Time from the beginning of a transition to its end, by the state it ended in",
            self.transitions.clone(),
        );
        drey.register("reconcile_duration_seconds", "Time of one look", self.looks.clone());
        drey.register("reconcile_running", "Looks under way", self.running.clone());
        drey.register("reconcile_panics", "Looks that ended in a bug", self.panics.clone());
    }

    pub(crate) fn action(&self, action: &'static str) {
        self.actions.get_or_create(&ActionLabel { action }).inc();
    }

    pub(crate) fn plan(&self, before: Option<&Transition>, plan: &Plan, now: Timestamp) {
        if let (Some(transition), None) = (before, &plan.facts.transition) {
            let outcome = plan.deployment.status.state.to_string().to_lowercase();
            let label = OutcomeLabel { outcome };
            let seconds = now.duration_since(transition.since).as_secs_f64().max(0.0);
            self.transitions.get_or_create(&label).observe(seconds);
        }
    }

    pub(crate) fn look_began(&self) {
        self.running.inc();
    }

    pub(crate) fn look_ended(&self, seconds: f64) {
        self.running.dec();
        self.looks.observe(seconds);
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }
}
