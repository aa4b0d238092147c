//! Writes of Savepoints (platform API reference §1.6): a document either asks for a snapshot or registers one.

use uuid::Uuid;

use super::{Accepted, Draft, WriteContext};
use crate::deployment::Deployment;
use crate::document::Document;
use crate::meta::SPEC_VERSION;
use crate::problem::Problem;
use crate::savepoint::{
    Savepoint, SavepointMetadata, SavepointOrigin, SavepointSpec, SavepointState, SavepointType,
};
use crate::shape::normalise;
use crate::shape::tables::SAVEPOINT;
use crate::validate::check_uri;

/// What a Savepoint document asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewSavepoint {
    /// Take a snapshot: STARTED, origin USER_REQUEST. Job and trigger id are the caller's to fill in.
    Trigger(Savepoint),
    /// Record a snapshot that exists: COMPLETED, origin COPIED.
    Register(Savepoint),
}

/// The Deployment that a Savepoint document names, so that the caller can look it up first.
///
/// # Errors
/// The id is missing, or not a UUID.
pub fn savepoint_deployment_id(document: &Document) -> Result<Uuid, Vec<Problem>> {
    const PATH: &str = "metadata.deploymentId";
    let mut found = normalise(document, &SAVEPOINT, "Savepoint");
    let id = found.value.pointer("/metadata/deploymentId").and_then(|id| id.as_str());
    if let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) {
        return Ok(id);
    }
    if !found.problems.iter().any(|p| p.path == PATH || p.path == "metadata" || p.path.is_empty()) {
        let message = "A Savepoint needs the id of its Deployment.";
        found.problems.push(Problem::new(PATH, message));
    }
    crate::shape::point(&mut found.problems, &found.places);
    Err(found.problems)
}

/// A new Savepoint from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create_savepoint(
    document: &Document,
    ctx: &WriteContext<'_>,
    deployment: &Deployment,
) -> Result<Accepted<NewSavepoint>, Vec<Problem>> {
    let mut draft = Draft::read(document, &SAVEPOINT, "Savepoint", ctx);
    if draft.text("/metadata/deploymentId") != Some(deployment.metadata.id.to_string().as_str()) {
        let message =
            format!("Expected {}, the id of {}.", deployment.metadata.id, deployment.metadata.name);
        draft.add(vec![Problem::new("metadata.deploymentId", message)]);
    }
    let spec = SavepointSpec {
        savepoint_location: draft.text("/spec/savepointLocation").map(str::to_owned),
        flink_savepoint_id: draft
            .text("/spec/flinkSavepointId")
            .and_then(|id| Uuid::try_parse(id).ok()),
    };
    let is_registered = spec != SavepointSpec::default();
    if is_registered {
        draft.add(check_registered(&spec));
    }
    let origin = if is_registered { SavepointOrigin::Copied } else { SavepointOrigin::UserRequest };
    let metadata = metadata(&draft, origin, ctx, deployment);
    let state = if is_registered { SavepointState::Completed } else { SavepointState::Started };
    let savepoint = Savepoint::new(metadata, spec, state);
    let new = if is_registered { NewSavepoint::Register } else { NewSavepoint::Trigger };
    draft.finish(Some(new(savepoint)))
}

fn check_registered(spec: &SavepointSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let path = "spec.savepointLocation";
    match &spec.savepoint_location {
        None => {
            let message = "To register a snapshot, say where it is; to take one, leave spec out.";
            problems.push(Problem::new(path, message));
        }
        Some(location) => problems.extend(check_uri(location).map(|why| Problem::new(path, why))),
    }
    if spec.flink_savepoint_id.is_none() {
        let message = format!(
            "To register a snapshot, give the id that Flink had for it, or {}.",
            Uuid::nil()
        );
        problems.push(Problem::new("spec.flinkSavepointId", message));
    }
    problems
}

/// The annotation with the version of the spec is the document's when it registers, else the Deployment's.
fn metadata(
    draft: &Draft,
    origin: SavepointOrigin,
    ctx: &WriteContext<'_>,
    deployment: &Deployment,
) -> SavepointMetadata {
    let mut annotations = draft.texts("/metadata/annotations");
    let version = annotations.remove(SPEC_VERSION);
    let is_version = |text: &String| text.parse::<u32>().is_ok();
    let given = version.filter(|text| origin == SavepointOrigin::Copied && is_version(text));
    let version = given.unwrap_or_else(|| deployment.spec_version().to_string());
    annotations.insert(SPEC_VERSION.to_owned(), version);
    let kind = match draft.text("/metadata/type") {
        Some("FULL") => SavepointType::Full,
        Some("INCREMENTAL") => SavepointType::Incremental,
        _ => SavepointType::Unknown,
    };
    SavepointMetadata {
        id: ctx.id,
        namespace: ctx.namespace.to_owned(),
        created_at: ctx.now,
        modified_at: ctx.now,
        deployment_id: deployment.metadata.id,
        job_id: None,
        origin,
        kind,
        annotations,
        resource_version: 1,
    }
}
