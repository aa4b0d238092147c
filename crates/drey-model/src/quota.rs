//! The CPU quota: how many cores Deployments may use together, who holds how many, and what is left
//! (seed 002, "CPU Quota"; platform API reference §1.11, §3.10, §3.17, A.9).
//!
//! ```text
//! used = Σ over what is active of  jobManager.cpu + taskManager.cpu × numberOfTaskManagers
//! a launch of n cores fits when    used by others + n ≤ limit + tolerated overuse
//! ```
//!
//! Cores are counted in thousandths, so that sums are exact. Owns the arithmetic and what the API shows of it. Does not
//! own when a launch is judged (`drey-engine`) or what is active (`drey-controller` records it as a [`Claim`]).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Add;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::deployment::{DeploymentSpec, ResourceSpec};
use crate::job::Job;
use crate::meta::{API_VERSION, Kind, Metadata, NON_PRODUCTION};

/// Why a launch waits for cores: the reason word of its failure.
pub const EXCEEDED: &str = "ResourceQuotaExceeded";

/// A number of CPU cores, exact to a thousandth. In JSON a number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(from = "f64", into = "f64")]
#[schemars(with = "f64")]
pub struct Cores {
    thousandths: u64,
}

impl Cores {
    /// None.
    pub const ZERO: Self = Self { thousandths: 0 };

    /// The nearest number of thousandths; negative numbers and what is no number count as none.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates"
    )]
    pub fn new(cores: f64) -> Self {
        Self { thousandths: (cores * 1000.0).round() as u64 }
    }

    /// As many times.
    #[must_use]
    pub fn times(self, n: u64) -> Self {
        Self { thousandths: self.thousandths.saturating_mul(n) }
    }

    /// What is left when `other` is taken away; none when it is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self { thousandths: self.thousandths.saturating_sub(other.thousandths) }
    }

    /// What a Deployment written like this will use: nothing of its own on a SessionCluster, whose cores are the
    /// cluster's.
    #[must_use]
    pub fn of_spec(spec: &DeploymentSpec) -> Self {
        let template = &spec.template.spec;
        if spec.session_cluster_name.is_some() {
            return Self::ZERO;
        }
        Self::of_cluster(&template.resources, template.effective_task_managers())
    }

    /// What the cluster of a Job uses.
    #[must_use]
    pub fn of_job(job: &Job) -> Self {
        if job.metadata.session_cluster_name.is_some() {
            return Self::ZERO;
        }
        Self::of_cluster(&job.spec.resources, job.spec.number_of_task_managers)
    }

    /// What a cluster uses: one JobManager and its TaskManagers.
    #[must_use]
    pub fn of_cluster(resources: &BTreeMap<String, ResourceSpec>, task_managers: i32) -> Self {
        let of = |role: &str| {
            Self::new(resources.get(role).map_or(ResourceSpec::default().cpu, |r| r.cpu))
        };
        of("jobmanager") + of("taskmanager").times(u64::try_from(task_managers).unwrap_or(0))
    }
}

impl From<f64> for Cores {
    fn from(cores: f64) -> Self {
        Self::new(cores)
    }
}

impl From<Cores> for f64 {
    #[allow(clippy::cast_precision_loss, reason = "exact up to 9 billion cores")]
    fn from(cores: Cores) -> Self {
        cores.thousandths as Self / 1000.0
    }
}

impl Add for Cores {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { thousandths: self.thousandths.saturating_add(other.thousandths) }
    }
}

impl std::iter::Sum for Cores {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

/// How many cores may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The limit.
    pub cpu: Cores,
    /// How far above it launches are still let through.
    pub tolerated: Cores,
}

impl Limit {
    /// Up to where launches are let through.
    #[must_use]
    pub fn ceiling(&self) -> Cores {
        self.cpu + self.tolerated
    }
}

/// Who holds how many cores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Namespace of the Deployment or SessionCluster.
    pub namespace: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub cpu: Cores,
}

/// What a Deployment or a SessionCluster has of the quota; recorded by the controller, so that it can be added up without looking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claim {
    /// Cores of its cluster, held also between a run that failed and the one that replaces it.
    pub held: Cores,
    /// Set while its next launch waits for cores.
    pub refused: Option<Refusal>,
}

/// A launch that waits for cores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What it needs.
    pub needs: Cores,
    /// Since when it waits.
    pub since: Timestamp,
}

/// The quota with everybody's part in it: our addition under `/ext/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaUse {
    /// The quota.
    pub resource_quota: ResourceQuota,
    /// Who holds cores, the largest part first.
    pub holders: Vec<Holder>,
    /// Whose launch waits for cores, the longest first.
    pub waiting: Vec<Waiter>,
}

/// A launch that waits for cores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiter {
    /// Namespace of the Deployment or SessionCluster.
    pub namespace: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it needs.
    pub cpu: Cores,
    /// Since when it waits.
    pub since: Timestamp,
}

/// Whether a Deployment or a SessionCluster is in non-production mode, which the quota leaves out (platform API
/// reference §3.17).
#[must_use]
pub fn is_non_production(metadata: &Metadata) -> bool {
    let value = metadata.annotations.get(NON_PRODUCTION);
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// A limit to what may be used (platform API reference A.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuota {
    /// Always `ResourceQuota`.
    pub kind: String,
    /// Always `v1`.
    pub api_version: String,
    /// The limit.
    pub spec: ResourceQuotaSpec,
    /// What is used of it; absent when that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ResourceQuotaStatus>,
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuotaSpec {
    /// Whether there is one.
    #[serde(rename = "type")]
    pub kind: QuotaKind,
    /// The limit, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResourceConsumption>,
    /// How far above it launches are still let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_overuse: Option<ResourceConsumption>,
}

/// Whether there is a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum QuotaKind {
    /// There is.
    Limited,
    /// There is none.
    Unlimited,
}

/// What is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceQuotaStatus {
    /// By all active production Deployments and SessionClusters together.
    pub used: ResourceConsumption,
}

/// Amounts of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceConsumption {
    /// CPU cores.
    pub cpu: Cores,
}

impl ResourceQuota {
    /// The quota as the API shows it.
    #[must_use]
    pub fn new(limit: Option<Limit>, used: Option<Cores>) -> Self {
        let amount = |cpu| ResourceConsumption { cpu };
        Self {
            kind: "ResourceQuota".to_owned(),
            api_version: API_VERSION.to_owned(),
            spec: ResourceQuotaSpec {
                kind: limit.map_or(QuotaKind::Unlimited, |_| QuotaKind::Limited),
                limits: limit.map(|limit| amount(limit.cpu)),
                tolerated_overuse: limit.map(|limit| amount(limit.tolerated)),
            },
            status: used.map(|used| ResourceQuotaStatus { used: amount(used) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact() {
        let tenth = Cores::new(0.1);
        assert_eq!((0..10).map(|_| tenth).sum::<Cores>(), Cores::new(1.0));
        assert_eq!((tenth + Cores::new(0.2)).to_string(), "0.3");
        assert_eq!(Cores::new(2.0).to_string(), "2");
        assert_eq!(Cores::new(1.5).less(Cores::new(2.0)), Cores::ZERO);
    }

    #[test]
    fn what_is_no_amount_counts_as_none_and_too_much_as_the_most() {
        for cores in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(Cores::new(cores), Cores::ZERO, "{cores}");
        }
        assert!(Cores::new(f64::INFINITY).times(7) + Cores::new(1.0) >= Cores::new(1e15));
    }

    #[test]
    fn a_cluster_is_one_jobmanager_and_its_taskmanagers() {
        let cpu = |cpu| ResourceSpec { cpu, memory: None };
        let both = BTreeMap::from([
            ("jobmanager".to_owned(), cpu(0.5)),
            ("taskmanager".to_owned(), cpu(1.5)),
        ]);
        assert_eq!(Cores::of_cluster(&both, 3), Cores::new(5.0));
        assert_eq!(Cores::of_cluster(&BTreeMap::new(), 2), Cores::new(3.0));
    }

    #[test]
    fn a_session_job_uses_the_cores_of_its_cluster() {
        let session = DeploymentSpec {
            session_cluster_name: Some("shared".to_owned()),
            ..DeploymentSpec::default()
        };
        assert_eq!(Cores::of_spec(&session), Cores::ZERO);
        assert_eq!(Cores::of_spec(&DeploymentSpec::default()), Cores::new(2.0));
    }
}
