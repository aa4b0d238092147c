//! What the write of a Deployment depends on beside its document: the targets, the session clusters and the defaults of
//! its namespace.
//!
//! They are read before the write is worked out, and the transaction that stores it fails when they have moved on:
//! then everything is read and worked out again. So a Deployment is filled up from the defaults that hold when it is
//! stored, and never from a mixture; neither write is lost. Writers of Deployments only look at the defaults
//! (`Write::Guard`), so any number of them keep no one from changing the defaults.

use drey_model::defaults::{DEFAULTS_NAME, DeploymentDefaults, Layers};
use drey_model::write::{self, WriteContext};
use drey_model::{
    Deployment, DeploymentState, DeploymentTarget, DesiredState, Kind, SessionCluster,
};
use drey_store::{Filter, Object, Write};
use uuid::Uuid;

use super::decode;
use super::objects::row;
use super::session_clusters::names_cluster;
use crate::app::Shared;
use crate::error::Error;

/// The targets and the defaults of a namespace, as they were read.
pub(super) struct Setting<'a> {
    shared: &'a Shared,
    namespace: &'a str,
    rows: Vec<Object>,
    targets: Vec<DeploymentTarget>,
    cluster_rows: Vec<Object>,
    clusters: Vec<SessionCluster>,
    defaults: Defaults,
    layers: Layers,
}

/// The DeploymentDefaults of a namespace and their row.
pub(super) struct Defaults {
    pub(super) row: Object,
    pub(super) object: DeploymentDefaults,
    /// Whether the row is yet to be created.
    pub(super) is_new: bool,
}

impl Shared {
    /// Reads what the write of a Deployment of this namespace depends on.
    pub(super) async fn setting<'a>(&'a self, ns: &'a str) -> Result<Setting<'a>, Error> {
        let defaults = self.defaults_row(ns).await?;
        let (rows, targets) = self.target_rows(ns).await?;
        let cluster_rows = self.cluster_rows(ns).await?;
        let clusters = cluster_rows.iter().map(decode).collect::<Result<_, _>>()?;
        let layers = self.layers.with(defaults.object.layer());
        let shared = self;
        Ok(Setting {
            shared,
            namespace: ns,
            rows,
            targets,
            cluster_rows,
            clusters,
            defaults,
            layers,
        })
    }

    /// The defaults of a namespace; those that it begins with when it has never set any.
    pub(super) async fn defaults_row(&self, ns: &str) -> Result<Defaults, Error> {
        if let Some(row) = self.store.get(Kind::DeploymentDefaults, ns, DEFAULTS_NAME).await? {
            let object = decode(&row)?;
            return Ok(Defaults { row, object, is_new: false });
        }
        let object = write::first_defaults(&self.context(ns, &[]));
        let row = stored_defaults(&object)?;
        Ok(Defaults { row, object, is_new: true })
    }

    /// The targets of a namespace, as rows and as what they say.
    pub(super) async fn target_rows(
        &self,
        ns: &str,
    ) -> Result<(Vec<Object>, Vec<DeploymentTarget>), Error> {
        let filter = Filter { namespace: Some(ns.to_owned()), ..Filter::default() };
        let rows = self.store.list(Kind::DeploymentTarget, &filter).await?;
        let targets = rows.iter().map(decode).collect::<Result<_, _>>()?;
        Ok((rows, targets))
    }

    /// The rows of the SessionClusters of a namespace.
    pub(super) async fn cluster_rows(&self, ns: &str) -> Result<Vec<Object>, Error> {
        let filter = Filter { namespace: Some(ns.to_owned()), ..Filter::default() };
        Ok(self.store.list(Kind::SessionCluster, &filter).await?)
    }

    /// What a write knows, of things that are not filled up from the defaults of a namespace.
    pub(super) fn context<'a>(
        &'a self,
        ns: &'a str,
        targets: &'a [DeploymentTarget],
    ) -> WriteContext<'a> {
        WriteContext {
            now: self.world.now(),
            id: self.world.id(),
            namespace: ns,
            layers: &self.layers,
            targets,
            session_clusters: &[],
        }
    }
}

impl Setting<'_> {
    /// What a write of a Deployment knows.
    pub(super) fn context(&self) -> WriteContext<'_> {
        WriteContext {
            layers: &self.layers,
            session_clusters: &self.clusters,
            ..self.shared.context(self.namespace, &self.targets)
        }
    }

    /// The target that a Deployment runs in: its own, or that of its SessionCluster.
    pub(super) fn target_of(&self, deployment: &Deployment) -> Option<&DeploymentTarget> {
        let spec = &deployment.spec;
        let name = match &spec.session_cluster_name {
            None => spec.deployment_target_name.clone(),
            Some(name) => {
                let cluster = self.clusters.iter().find(|cluster| cluster.metadata.name == *name);
                cluster.map(|cluster| cluster.spec.deployment_target_name.clone())
            }
        };
        self.targets.iter().find(|target| Some(&target.metadata.name) == name.as_ref())
    }

    /// What has to be written beside a Deployment so that what it was worked out from still holds.
    pub(super) fn holds(&self, before: Option<&Deployment>, after: &Deployment) -> Vec<Write> {
        let Defaults { row, is_new, .. } = &self.defaults;
        let defaults = if *is_new {
            Write::Create(row.clone())
        } else {
            Write::Guard { kind: row.kind, id: row.id, revision: row.revision }
        };
        let target = self.rows.iter().find(|row| refers(after, &row.name, row.id));
        let target = target.filter(|row| !before.is_some_and(|d| refers(d, &row.name, row.id)));
        // A stop of the cluster must see who begins to run on it, too.
        let cluster = self.cluster_rows.iter().find(|row| names_cluster(after, &row.name));
        let cluster = cluster.filter(|row| {
            let before = before.filter(|d| names_cluster(d, &row.name));
            before.is_none_or(|before| begins(before, after))
        });
        [defaults].into_iter().chain(target.map(hold)).chain(cluster.map(hold)).collect()
    }
}

/// Whether a Deployment is to run now that was not, or that was given up and is tried again with another spec.
fn begins(before: &Deployment, after: &Deployment) -> bool {
    let is_wanted = |d: &Deployment| d.spec.state == DesiredState::Running;
    let is_under_way =
        matches!(before.status.state, DeploymentState::Running | DeploymentState::Transitioning);
    let is_new = after.spec_version() > before.spec_version();
    is_wanted(after) && (!is_wanted(before) || (is_new && !is_under_way))
}

/// Moves a row to a new revision when something begins to refer to it, so that a deletion that did not see this
/// reference fails. A guard would not do: it leaves the row as it is, and the deletion would find what it had read.
pub(super) fn hold(row: &Object) -> Write {
    Write::Update(row.clone(), row.revision)
}

/// Whether a Deployment refers to this target.
pub(super) fn refers(deployment: &Deployment, target_name: &str, target_id: Uuid) -> bool {
    let spec = &deployment.spec;
    spec.deployment_target_name.as_deref() == Some(target_name)
        || spec.deployment_target_id == Some(target_id)
}

/// The row of the defaults of a namespace.
pub(crate) fn stored_defaults(defaults: &DeploymentDefaults) -> Result<Object, drey_store::Error> {
    let m = &defaults.metadata;
    let mut object = row(Kind::DeploymentDefaults, &m.namespace, &m.name, m.id);
    object.encode(defaults)?;
    Ok(object)
}
