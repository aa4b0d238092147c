//! A look at what a Deployment refers to outside the server, before it is stored.
//!
//! An upgrade takes the running job down before the new artifact is fetched, so a Deployment that is to run is refused
//! at the API when its artifact is not there. Owns when to look; the binary brings how.

use std::pin::Pin;
use std::sync::Arc;

use drey_model::deployment::{Artifact, TemplateSpec};
use drey_model::validate::without_effect;
use drey_model::{Deployment, DeploymentTarget, DesiredState, Problem};

/// What a SessionCluster decides for the Deployments on it.
const FLINK_VERSION: &str = "spec.template.spec.artifact.flinkVersion";

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Reasons to refuse the Deployment.
    pub(crate) problems: Vec<Problem>,
    /// What is wrong and does no harm.
    pub(crate) warnings: Vec<Problem>,
}

type Layout = dyn Fn(&TemplateSpec) -> Vec<Problem> + Send + Sync;
type Problems = Pin<Box<dyn Future<Output = Vec<Problem>> + Send>>;

/// How to look at what local processes will run: the artifact, and whether the processes can be laid out.
#[derive(Clone)]
pub struct Preflight {
    artifact: Arc<dyn Fn(String, Artifact) -> Problems + Send + Sync>,
    layout: Arc<Layout>,
}

impl Default for Preflight {
    /// Finds nothing wrong with anything.
    fn default() -> Self {
        Self::new(|_, _| async { Vec::new() })
    }
}

impl Preflight {
    /// A way to look, by namespace and artifact. It should answer within seconds, and hold its tongue about what it cannot tell.
    pub fn new<F: Future<Output = Vec<Problem>> + Send + 'static>(
        look: impl Fn(String, Artifact) -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            artifact: Arc::new(move |namespace, artifact| Box::pin(look(namespace, artifact))),
            layout: Arc::new(|_| Vec::new()),
        }
    }

    /// The same, with a way to tell whether the processes can be laid out; it only computes.
    #[must_use]
    pub fn with_layout(
        self,
        layout: impl Fn(&TemplateSpec) -> Vec<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { layout: Arc::new(layout), ..self }
    }

    /// What is wrong with what the new Deployment refers to. Nothing is looked at again that has not changed.
    pub(crate) async fn check(
        &self,
        before: Option<&Deployment>,
        after: &Deployment,
        target: Option<&DeploymentTarget>,
    ) -> Found {
        let template = &after.spec.template.spec;
        // On a SessionCluster the processes are the cluster's, laid out by what it says, and so is the Flink version.
        let has_own_cluster = |d: &Deployment| d.spec.session_cluster_name.is_none();
        let is_alone = has_own_cluster(after);
        let before = before.filter(|before| has_own_cluster(before) || !is_alone);
        let old = before.map(|d| &d.spec.template.spec);
        let is_new = old.is_none_or(|old| old.artifact != template.artifact);
        let is_laid_out_anew = is_alone
            && old.is_none_or(|old| {
                old.resources != template.resources
                    || old.flink_configuration != template.flink_configuration
            });
        let is_local = target.is_some_and(|t| t.spec.local.is_some());
        let mut found = Found::default();
        if is_laid_out_anew && is_local {
            found.problems = (self.layout)(template);
        }
        if is_new && is_local && after.spec.state == DesiredState::Running {
            let namespace = after.metadata.namespace.clone();
            let all = (self.artifact)(namespace, template.artifact.clone()).await;
            let is_idle = |problem: &Problem| !is_alone && problem.path == FLINK_VERSION;
            let (idle, problems): (Vec<_>, Vec<_>) = all.into_iter().partition(is_idle);
            found.problems.extend(problems);
            found.warnings.extend(idle.into_iter().map(without_effect));
        }
        found
    }
}
