//! Writes of DeploymentTargets (platform API reference §1.2): created once, then only their metadata changes.

use serde_json::Value;

use super::{Accepted, Draft, WriteContext};
use crate::document::Document;
use crate::merge::drop_nulls;
use crate::meta::Metadata;
use crate::problem::Problem;
use crate::shape::tables::DEPLOYMENT_TARGET;
use crate::target::{DeploymentTarget, DeploymentTargetSpec, LOCAL_TARGET, LocalTarget};
use crate::validate::validate_target;

/// A new target from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create_target(
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<DeploymentTarget>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT_TARGET, "DeploymentTarget", ctx);
    let name = draft.text("/metadata/name").unwrap_or_default().to_owned();
    let metadata = Metadata {
        id: ctx.id,
        name,
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        ..Metadata::default()
    };
    let spec = spec(&mut draft).unwrap_or_default();
    finish(draft, metadata, spec, ctx)
}

/// A target with other labels and annotations (PUT). The spec may be left out, or be the same.
///
/// # Errors
/// Everything that is wrong with it, a differing spec included.
pub fn replace_target(
    current: &DeploymentTarget,
    document: &Document,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<DeploymentTarget>, Vec<Problem>> {
    let mut draft = Draft::read(document, &DEPLOYMENT_TARGET, "DeploymentTarget", ctx);
    draft.check_same_name("DeploymentTarget", &current.metadata.name);
    let given = spec(&mut draft);
    if given.is_some_and(|given| given != current.spec) {
        let message = "The spec of a DeploymentTarget never changes. Leave it out, or create another target and move the Deployments.";
        draft.add(vec![Problem::new("spec", message)]);
    }
    finish(draft, current.metadata.clone(), current.spec.clone(), ctx)
}

/// The target that exists from the first start and runs local processes.
#[must_use]
pub fn local_target(ctx: &WriteContext<'_>) -> DeploymentTarget {
    let metadata = Metadata {
        id: ctx.id,
        name: LOCAL_TARGET.to_owned(),
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        modified_at: ctx.now,
        resource_version: 1,
        ..Metadata::default()
    };
    let spec = DeploymentTargetSpec { local: Some(LocalTarget::default()), ..Default::default() };
    DeploymentTarget::new(metadata, spec)
}

/// The spec of the document, if it has one that can be read.
fn spec(draft: &mut Draft) -> Option<DeploymentTargetSpec> {
    drop_nulls(&mut draft.value, &DEPLOYMENT_TARGET);
    let spec = draft.value.get("spec").filter(|spec| !spec.is_null())?;
    match serde_json::from_value(Value::clone(spec)) {
        Ok(spec) => Some(spec),
        Err(e) => {
            draft.add(vec![Problem::new("spec", format!("Cannot read the spec: {e}."))]);
            None
        }
    }
}

fn finish(
    mut draft: Draft,
    metadata: Metadata,
    spec: DeploymentTargetSpec,
    ctx: &WriteContext<'_>,
) -> Result<Accepted<DeploymentTarget>, Vec<Problem>> {
    let metadata = Metadata {
        labels: draft.texts("/metadata/labels"),
        annotations: draft.texts("/metadata/annotations"),
        modified_at: ctx.now,
        resource_version: metadata.resource_version.saturating_add(1),
        ..metadata
    };
    let target = DeploymentTarget::new(metadata, spec);
    draft.add(validate_target(&target));
    draft.check_size(&target);
    draft.finish(Some(target))
}
