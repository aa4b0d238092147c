//! A look at what a Deployment or a SessionCluster refers to outside the server, before it is stored.
//!
//! An upgrade takes the running job down before the new artifact is fetched, so a Deployment that is to run is refused
//! at the API when its artifact is not there. Owns when to look; the binary brings how.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use drey_model::deployment::{Artifact, ResourceSpec};
use drey_model::meta::TextMap;
use drey_model::validate::without_effect;
use drey_model::{Deployment, DeploymentTarget, DesiredState, Problem, SessionCluster};

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

/// What says how the processes of a Flink cluster are laid out.
#[derive(Debug, Clone, Copy)]
pub struct Processes<'a> {
    /// Where it stands in the document.
    pub path: &'a str,
    /// Keys `jobmanager` and `taskmanager`.
    pub resources: &'a BTreeMap<String, ResourceSpec>,
    /// Flink configuration.
    pub flink_configuration: &'a TextMap,
    /// How many TaskManagers.
    pub task_managers: i32,
    /// The Flink version of a SessionCluster; that of a Deployment is looked at with its artifact.
    pub flink_version: Option<&'a str>,
}

type Layout = dyn Fn(&Processes<'_>) -> Vec<Problem> + Send + Sync;
type Problems = Pin<Box<dyn Future<Output = Vec<Problem>> + Send>>;

/// How to look at what local processes will run: the artifact, and whether the processes can be laid out.
#[derive(Clone)]
pub struct Preflight {
    artifact: Arc<dyn Fn(String, Artifact) -> Problems + Send + Sync>,
    layout: Arc<Layout>,
    room: Arc<Layout>,
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
            room: Arc::new(|_| Vec::new()),
        }
    }

    /// The same, with a way to tell whether the processes can be laid out; it only computes.
    #[must_use]
    pub fn with_layout(
        self,
        layout: impl Fn(&Processes<'_>) -> Vec<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { layout: Arc::new(layout), ..self }
    }

    /// The same, with a way to tell whether there is room for all of them; it only computes.
    #[must_use]
    pub fn with_room(
        self,
        room: impl Fn(&Processes<'_>) -> Vec<Problem> + Send + Sync + 'static,
    ) -> Self {
        Self { room: Arc::new(room), ..self }
    }

    /// What is wrong with processes that are laid out anew, or else with their number if that has grown.
    fn look_at(&self, processes: &Processes<'_>, is_new: bool, has_grown: bool) -> Vec<Problem> {
        let mut problems = if is_new { (self.layout)(processes) } else { Vec::new() };
        if is_new || has_grown {
            problems.extend((self.room)(processes));
        }
        problems
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
        let is_laid_out_anew = old.is_none_or(|old| {
            old.resources != template.resources
                || old.flink_configuration != template.flink_configuration
        });
        let task_managers = template.effective_task_managers();
        let has_grown = old.is_some_and(|old| old.effective_task_managers() < task_managers);
        let is_local = target.is_some_and(|t| t.spec.local.is_some());
        let mut found = Found::default();
        if is_alone && is_local {
            let processes = Processes {
                path: "spec.template.spec",
                resources: &template.resources,
                flink_configuration: &template.flink_configuration,
                task_managers,
                flink_version: None,
            };
            found.problems = self.look_at(&processes, is_laid_out_anew, has_grown);
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

    /// What is wrong with the processes of a SessionCluster, unless they are as before.
    pub(crate) fn check_cluster(
        &self,
        before: Option<&SessionCluster>,
        after: &SessionCluster,
        targets: &[DeploymentTarget],
    ) -> Vec<Problem> {
        let spec = &after.spec;
        let target = targets.iter().find(|t| t.metadata.name == spec.deployment_target_name);
        if target.is_none_or(|t| t.spec.local.is_none()) {
            return Vec::new();
        }
        let is_new = before.is_none_or(|old| {
            old.spec.deployment_target_name != spec.deployment_target_name
                || old.spec.resources != spec.resources
                || old.spec.flink_version != spec.flink_version
                || old.spec.flink_configuration != spec.flink_configuration
        });
        let task_managers = spec.number_of_task_managers;
        let has_grown = before.is_some_and(|old| old.spec.number_of_task_managers < task_managers);
        let processes = Processes {
            path: "spec",
            resources: &spec.resources,
            flink_configuration: &spec.flink_configuration,
            task_managers,
            flink_version: spec.flink_version.as_deref(),
        };
        self.look_at(&processes, is_new, has_grown)
    }
}
