//! A look at what a Deployment refers to outside the server, before it is stored.
//!
//! An upgrade takes the running job down before the new artifact is fetched, so a Deployment that is to run is refused
//! at the API when its artifact is not there. Owns when to look; the binary brings how.

use std::pin::Pin;
use std::sync::Arc;

use drey_model::deployment::Artifact;
use drey_model::{Deployment, DeploymentTarget, DesiredState, Problem};

type Problems = Pin<Box<dyn Future<Output = Vec<Problem>> + Send>>;

/// How to look at an artifact that local processes will run.
#[derive(Clone)]
pub struct Preflight(Arc<dyn Fn(Artifact) -> Problems + Send + Sync>);

impl Default for Preflight {
    /// Finds nothing wrong with anything.
    fn default() -> Self {
        Self::new(|_| async { Vec::new() })
    }
}

impl Preflight {
    /// A way to look. It should answer within seconds, and hold its tongue about what it cannot tell.
    pub fn new<F: Future<Output = Vec<Problem>> + Send + 'static>(
        look: impl Fn(Artifact) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |artifact| Box::pin(look(artifact))))
    }

    /// What is wrong with what the new Deployment refers to. Nothing is looked at again that has not changed.
    pub(crate) async fn check(
        &self,
        before: Option<&Deployment>,
        after: &Deployment,
        target: Option<&DeploymentTarget>,
    ) -> Vec<Problem> {
        let artifact = &after.spec.template.spec.artifact;
        let is_new = before.is_none_or(|d| d.spec.template.spec.artifact != *artifact);
        let is_local = target.is_some_and(|t| t.spec.local.is_some());
        if is_new && is_local && after.spec.state == DesiredState::Running {
            (self.0)(artifact.clone()).await
        } else {
            Vec::new()
        }
    }
}
