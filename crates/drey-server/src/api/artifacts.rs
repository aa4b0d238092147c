//! `/artifacts/v1/namespaces/{ns}/artifacts:…`: the artifact service of the platform (platform API reference §1.12, §2.3).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Request, State};
use axum::http::{StatusCode, header};
use bytes::Bytes;
use drey_model::artifact_file::OneArtifactFile;
use futures::future::ready;
use futures::{Stream, StreamExt};

use super::namespaces::EmptyResponse;
use crate::app::Shared;
use crate::error::Error;
use crate::ops::Writer;
use crate::wire::{Params, Reply};

type App = State<Arc<Shared>>;

/// The part of an upload that holds the file.
pub(crate) const FILE: &str = "file";
/// Parts that are looked at.
const PARTS_MAX: usize = 16;
/// Bytes of a part that is skipped.
const SKIPPED_BYTES_MAX: usize = 64 << 10;
/// How long what is not wanted is read.
const DISCARD_MAX: Duration = Duration::from_secs(5);
/// How long an upload may take: a trickle must not keep others out for ever.
const UPLOAD_MAX: Duration = Duration::from_secs(3600);
/// How long a client may send nothing.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The artifacts of a namespace, by name.
pub(crate) async fn list(State(shared): App, Path(ns): Path<String>) -> Result<Reply, Error> {
    Ok(Reply::ok(shared.artifacts(&ns).await?))
}

/// One of them. The platform documents the verb `GetMetadata` and not its path; this is the one that fits the others.
pub(crate) async fn metadata(
    State(shared): App,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let artifact = shared.artifact(&ns, filename(&params)?).await?;
    Ok(Reply::ok(OneArtifactFile { artifact }))
}

/// Stores a file under its name; one of that name is replaced when the last byte is there.
pub(crate) async fn upload(
    writer: Writer,
    Path(ns): Path<String>,
    mut request: Request,
) -> Result<Reply, Error> {
    if let Err(error) = writer.check_upload_size(request.headers()) {
        // Who asks first sends nothing.
        if !request.headers().contains_key(header::EXPECT) {
            discard(request.into_body().into_data_stream()).await;
        }
        return Err(error);
    }
    // The bytes are counted as they arrive.
    DefaultBodyLimit::disable().apply(&mut request);
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|_| not_a_form(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
    for _ in 0..PARTS_MAX {
        let Some(part) = patiently(parts.next_field()).await? else { break };
        if part.name() == Some(FILE) && part.file_name().is_some() {
            let stored = tokio::time::timeout(UPLOAD_MAX, writer.store_artifact(&ns, part)).await;
            let artifact = stored.unwrap_or_else(|_| Err(too_slow()))?;
            return Ok(writer.done(OneArtifactFile { artifact }));
        }
        skip(part).await?;
    }
    Err(not_a_form(StatusCode::BAD_REQUEST))
}

/// Deletes one, also when Deployments use it, as on the platform; a warning names them.
pub(crate) async fn delete(
    writer: Writer,
    Path(ns): Path<String>,
    params: Params,
) -> Result<Reply, Error> {
    let warnings = writer.delete_artifact(&ns, filename(&params)?).await?;
    Ok(writer.done(EmptyResponse {}).with_warnings(&warnings))
}

fn filename(params: &Params) -> Result<&str, Error> {
    let example = "for example ?filename=job.jar";
    params.text("filename").ok_or_else(|| {
        Error::bad_request(format!(
            "Query parameter filename is missing: which artifact? Write {example}."
        ))
    })
}

/// Reads over a part that is not the file.
async fn skip(mut part: Field<'_>) -> Result<(), Error> {
    let mut bytes = 0;
    while let Some(piece) = patiently(part.chunk()).await? {
        bytes += piece.len();
        if bytes > SKIPPED_BYTES_MAX {
            return Err(not_a_form(StatusCode::BAD_REQUEST));
        }
    }
    Ok(())
}

/// Reads what is not wanted for a while: many clients look for the answer only when they have sent everything.
pub(crate) async fn discard<E>(pieces: impl Stream<Item = Result<Bytes, E>>) {
    let rest = pieces.take_while(|piece| ready(piece.is_ok())).for_each(|_| ready(()));
    // Who is not done by then finds the connection closed.
    let _ = tokio::time::timeout(DISCARD_MAX, rest).await;
}

/// The next piece of an upload, unless the client sends nothing for too long or something else than a form.
pub(crate) async fn patiently<T>(
    next: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Error> {
    let Ok(next) = tokio::time::timeout(SILENCE_MAX, next).await else {
        let message = format!(
            "Nothing arrived for {} s. Nothing was stored; send the file again.",
            SILENCE_MAX.as_secs()
        );
        return Err(Error::new(StatusCode::REQUEST_TIMEOUT, message));
    };
    next.map_err(|error| {
        let why = error.body_text();
        let message = format!(
            "The upload cannot be read: {}. Nothing was stored; send it again.",
            why.trim_end_matches('.')
        );
        // A connection that broke is told as a mistake of ours.
        let status = error.status();
        Error::new(if status.is_client_error() { status } else { StatusCode::BAD_REQUEST }, message)
    })
}

fn too_slow() -> Error {
    let minutes = UPLOAD_MAX.as_secs() / 60;
    let message =
        format!("The upload took more than {minutes} minutes. Nothing was stored; send it again.");
    Error::new(StatusCode::REQUEST_TIMEOUT, message)
}

fn not_a_form(status: StatusCode) -> Error {
    Error::new(
        status,
        "Expected multipart/form-data with a part named file that has a file name, as `curl -F file=@job.jar URL` sends it.",
    )
}
