//! Reading and changing the defaults of Deployments. A change touches no Deployment: each keeps what it was stored
//! with, and what it lacks is filled in with its own next change.

use drey_model::defaults::DEFAULTS_NAME;
use drey_model::document::Document;
use drey_model::write::{self, Accepted};
use drey_model::{DeploymentDefaults, GlobalDeploymentDefaults, SessionCluster};
use drey_store::{Object, Write};
use serde_json::Value;

use super::setting::{hold, stored_defaults};
use super::{Attempts, Writer, decode};
use crate::app::Shared;
use crate::error::Error;
use crate::wire::IfMatch;

impl Shared {
    /// What holds in every namespace.
    pub(crate) fn global_defaults(&self) -> Result<GlobalDeploymentDefaults, Error> {
        let merged = self.layers.merged().map_err(|problems| Error::invalid(&problems))?;
        let spec = merged.get("spec").cloned().unwrap_or_default();
        Ok(GlobalDeploymentDefaults::new(spec))
    }
}

impl Writer {
    /// The defaults of a namespace. They are implicitly there: the first look brings them into being.
    pub(crate) async fn defaults(&self, ns: &str) -> Result<DeploymentDefaults, Error> {
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the defaults").await?;
            let found = self.defaults_row(ns).await?;
            if !found.is_new {
                return Ok(found.object);
            }
            match self.commit(&[Write::Create(found.row)]).await {
                Ok(false) => {}
                Ok(true) => return Ok(found.object),
                // A namespace on its way out, a full disk: what would be there can be read all the same.
                Err(_) => return Ok(found.object),
            }
        }
    }

    /// Changes what the document gives.
    pub(crate) async fn patch_defaults(
        &self,
        ns: &str,
        document: &Document,
        if_match: &IfMatch,
    ) -> Result<Accepted<DeploymentDefaults>, Error> {
        let _turn = self.turns.take(&format!("{ns}/{DEFAULTS_NAME}")).await;
        let mut attempts = Attempts::default();
        loop {
            attempts.next("the defaults").await?;
            let found = self.defaults_row(ns).await?;
            let version = found.object.metadata.resource_version;
            if_match.check(DEFAULTS_NAME, Some(version))?;
            let (targets, decoded) = self.target_rows(ns).await?;
            let cluster_rows = self.cluster_rows(ns).await?;
            let clusters: Vec<SessionCluster> =
                cluster_rows.iter().map(decode).collect::<Result<_, _>>()?;
            let mut context = self.context(ns, &decoded);
            context.session_clusters = &clusters;
            let accepted = write::patch_defaults(&found.object, document, &context)
                .map_err(|problems| Error::invalid(&problems))?;
            let mut row = stored_defaults(&accepted.object)?;
            row.id = found.row.id;
            let mut writes = vec![if found.is_new {
                Write::Create(row)
            } else {
                Write::Update(row, found.row.revision)
            }];
            let begins = |is_named: fn(&DeploymentDefaults, &Object) -> bool, row: &Object| {
                is_named(&accepted.object, row) && (found.is_new || !is_named(&found.object, row))
            };
            writes.extend(targets.iter().filter(|row| begins(names, row)).map(hold));
            writes.extend(cluster_rows.iter().filter(|row| begins(names_cluster, row)).map(hold));
            if self.commit(&writes).await? {
                return Ok(accepted);
            }
        }
    }
}

/// Whether Deployments that say nothing run on this target.
pub(super) fn names(defaults: &DeploymentDefaults, target: &Object) -> bool {
    let is =
        |member: &str, text: &str| defaults.spec.get(member).and_then(Value::as_str) == Some(text);
    is("deploymentTargetName", &target.name) || is("deploymentTargetId", &target.id.to_string())
}

/// Whether Deployments that say nothing run on this SessionCluster.
pub(super) fn names_cluster(defaults: &DeploymentDefaults, cluster: &Object) -> bool {
    let named = defaults.spec.get("sessionClusterName").and_then(Value::as_str);
    named == Some(cluster.name.as_str())
}
