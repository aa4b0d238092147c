//! The rows of the artifact service (platform API reference §1.12, §2.3). Its actions are written behind a colon.

use drey_model::artifact_file::{ArtifactFiles, OneArtifactFile};

use super::{Access, Body, Deadline, Docs, Handler, Method, Query, Resource, Route, Tag, may, to};
use crate::api::artifacts;
use crate::api::namespaces::EmptyResponse;

fn row(
    at: (Method, &'static str),
    id: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
    docs: Docs,
) -> Route {
    super::row(at, (Tag::Artifacts, id), summary, may(Resource::Artifacts, access), handler, docs)
}

pub(super) fn routes() -> [Route; 4] {
    let which = Query::text("filename", "The artifact's name.").required();
    let upload = row(
        (Method::Post, "/artifacts/v1/namespaces/{ns}/artifacts:upload"),
        "uploadArtifact",
        Access::Create,
        "Stores a file under its name, or replaces the one of that name.",
        to(artifacts::upload),
        Docs::gives::<OneArtifactFile>()
            .sending(Body::File(artifacts::FILE))
            .fails(&[408, 409])
            .writes(),
    );
    [
        row(
            (Method::Get, "/artifacts/v1/namespaces/{ns}/artifacts:list"),
            "listArtifacts",
            Access::List,
            "The artifacts of a namespace by name, at most 1000.",
            to(artifacts::list),
            Docs::gives::<ArtifactFiles>(),
        ),
        row(
            (Method::Get, "/artifacts/v1/namespaces/{ns}/artifacts:getMetadata"),
            "getArtifactMetadata",
            Access::GetMetadata,
            "One artifact: where it lies, and since when.",
            to(artifacts::metadata),
            Docs::gives::<OneArtifactFile>().query(&[which]),
        ),
        // Large files take longer than other requests may.
        Route { deadline: Deadline::Own, ..upload },
        row(
            (Method::Delete, "/artifacts/v1/namespaces/{ns}/artifacts:delete"),
            "deleteArtifact",
            Access::Delete,
            "Deletes an artifact, also one that Deployments use; a warning names them.",
            to(artifacts::delete),
            Docs::gives::<EmptyResponse>().query(&[which]).fails(&[409]).writes().warns(),
        ),
    ]
}
