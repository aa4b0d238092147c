//! Uploaded artifacts: storing, listing, deleting.
//!
//! An upload goes to the storage piece by piece as it arrives: a few pieces are in memory, however large the file is. An
//! upload that fails or is left off is thrown away; what the storage keeps of one whose server died is removed at the
//! next start (folders) or by the rules of the bucket.

use std::collections::BTreeMap;

use axum::extract::multipart::Field;
use axum::http::{HeaderMap, StatusCode, header};
use drey_model::artifact_file::{self, ArtifactFile, ArtifactFiles, LIST_MAX};
use drey_model::causes::causes;
use drey_model::{Deployment, Problem};
use futures::StreamExt;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, WriteMultipart};

use super::Writer;
use crate::api::artifacts::{discard, patiently};
use crate::app::Shared;
use crate::artifacts::ArtifactStorage;
use crate::error::Error;

/// Size of the pieces that go to the storage; the smallest that S3 takes.
const PIECE_BYTES: usize = 5 << 20;
/// Pieces of one upload that are on their way at once.
const PIECES_MAX: usize = 2;
/// What a form adds to its file, generously.
const FORM_BYTES: u64 = 64 << 10;

impl Shared {
    /// The first artifacts of a namespace, by name.
    pub(crate) async fn artifacts(&self, ns: &str) -> Result<ArtifactFiles, Error> {
        let mut found: BTreeMap<String, ArtifactFile> = BTreeMap::new();
        let folder = Path::from(artifact_file::folder(ns));
        let mut listed = self.artifacts.store.list(Some(&folder));
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| unavailable("list artifacts", error))?;
            if let Some((owner, name)) = artifact_file::parse_path(meta.location.as_ref())
                && owner == ns
            {
                found.insert(name.to_owned(), shown(&self.artifacts, name, &meta));
                // The storage lists in its own order: the first names are known only at the end.
                if found.len() > LIST_MAX {
                    found.pop_last();
                }
            }
        }
        Ok(ArtifactFiles { artifacts: found.into_values().collect() })
    }

    /// One artifact.
    pub(crate) async fn artifact(&self, ns: &str, name: &str) -> Result<ArtifactFile, Error> {
        let meta = self.artifacts.store.head(&path(ns, name)?).await;
        let meta = meta.map_err(|error| absent_or(ns, name, "look for an artifact", error))?;
        Ok(shown(&self.artifacts, name, &meta))
    }

    /// Refuses a body that says by itself that it is too large.
    pub(crate) fn check_upload_size(&self, headers: &HeaderMap) -> Result<(), Error> {
        let declared =
            headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let most = self.artifacts.bytes_max.saturating_add(FORM_BYTES);
        match declared.is_some_and(|length: u64| length > most) {
            true => Err(too_large(self.artifacts.bytes_max)),
            false => Ok(()),
        }
    }
}

impl Writer {
    /// Stores a file under the name that it has.
    pub(crate) async fn store_artifact(
        &self,
        ns: &str,
        file: Field<'_>,
    ) -> Result<ArtifactFile, Error> {
        let name = file.file_name().unwrap_or_default().to_owned();
        let path = path(ns, &name)?;
        let room = self.present_room(ns).await?;
        let Ok(_turn) = self.artifacts.turns.try_acquire() else {
            return Err(Error::unavailable(
                "Too many uploads at once. Nothing was stored; try again in a few seconds.",
            ));
        };
        if self.is_rehearsal() {
            self.receive(file, None).await?;
            let create_time = time(self.world.now());
            let uri = self.artifacts.uri(path.as_ref());
            return Ok(ArtifactFile { filename: name, uri, create_time });
        }
        let begun = self.artifacts.store.put_multipart(&path).await;
        let begun = begun.map_err(|error| unavailable("store an artifact", error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(begun, PIECE_BYTES);
        if let Err(error) = self.receive(file, Some(&mut upload)).await {
            if let Err(left) = upload.abort().await {
                tracing::warn!(
                    error = causes(&left),
                    "an upload that failed could not be thrown away"
                );
            }
            return Err(error);
        }
        upload.finish().await.map_err(|error| unavailable("store an artifact", error))?;
        // Who empties a namespace meanwhile may have looked here before this file was there; and the one that is there
        // now may be another one.
        let now = self.room(ns).await?.filter(|now| !now.is_terminating());
        if now.is_none_or(|now| now.namespace.create_time != room.namespace.create_time) {
            self.remove(&path).await?;
            return Err(Error::conflict(format!(
                "Namespace {ns:?} was deleted during the upload. Nothing was stored."
            )));
        }
        self.artifact(ns, &name).await
    }

    /// Reads a file to its end, and passes it on.
    async fn receive(
        &self,
        mut file: Field<'_>,
        mut to: Option<&mut WriteMultipart>,
    ) -> Result<(), Error> {
        let mut bytes = 0;
        while let Some(piece) = patiently(file.chunk()).await? {
            bytes += piece.len() as u64;
            if bytes > self.artifacts.bytes_max {
                discard(file).await;
                return Err(too_large(self.artifacts.bytes_max));
            }
            if let Some(to) = &mut to {
                let room = to.wait_for_capacity(PIECES_MAX).await;
                room.map_err(|error| unavailable("store an artifact", error))?;
                to.put(piece);
            }
        }
        if bytes == 0 {
            return Err(Error::bad_request(
                "The file is empty. Nothing was stored; check the path that was given to the upload.",
            ));
        }
        Ok(())
    }

    /// Deletes an artifact. Returns a warning for each Deployment that uses it.
    pub(crate) async fn delete_artifact(
        &self,
        ns: &str,
        name: &str,
    ) -> Result<Vec<Problem>, Error> {
        let gone = self.artifact(ns, name).await?;
        if !self.is_rehearsal() {
            let deleted = self.artifacts.store.delete(&path(ns, name)?).await;
            deleted.map_err(|error| absent_or(ns, name, "delete an artifact", error))?;
        }
        let mut users = self.deployments(ns, None).await?;
        users.retain(|deployment| uses(deployment, &gone.uri));
        users.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let warn = |deployment: &Deployment| {
            let name = &deployment.metadata.name;
            Problem::new(
                "",
                format!("Deployment {name} uses this artifact: its next start will fail."),
            )
        };
        Ok(users.iter().map(warn).collect())
    }
}

impl Writer {
    /// Deletes all artifacts of a namespace.
    pub(crate) async fn delete_artifacts(&self, ns: &str) -> Result<(), Error> {
        let folder = Path::from(artifact_file::folder(ns));
        let mut listed = self.artifacts.store.list(Some(&folder));
        while let Some(meta) = listed.next().await {
            let meta = meta.map_err(|error| unavailable("list artifacts", error))?;
            self.remove(&meta.location).await?;
        }
        Ok(())
    }

    /// Deletes a file, if it is there.
    async fn remove(&self, path: &Path) -> Result<(), Error> {
        match self.artifacts.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable("delete an artifact", error)),
        }
    }
}

fn path(ns: &str, name: &str) -> Result<Path, Error> {
    match artifact_file::check_filename(name) {
        Some(why) => Err(Error::invalid(&[Problem::new("filename", why)])),
        None => Ok(Path::from(format!("{}/{name}", artifact_file::folder(ns)))),
    }
}

fn shown(storage: &ArtifactStorage, name: &str, meta: &ObjectMeta) -> ArtifactFile {
    let at = Timestamp::from_second(meta.last_modified.timestamp()).unwrap_or_default();
    ArtifactFile {
        filename: name.to_owned(),
        uri: storage.uri(meta.location.as_ref()),
        create_time: time(at),
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether a Deployment runs this artifact; a query or a fragment behind a URI does not make it another one.
fn uses(deployment: &Deployment, uri: &str) -> bool {
    let artifact = &deployment.spec.template.spec.artifact;
    let main = artifact.jar_uri.iter().chain(&artifact.python_artifact_uri);
    let mut all = main.chain(artifact.additional_dependencies.iter().flatten());
    all.any(|used| used.split(['?', '#']).next() == Some(uri))
}

fn too_large(bytes_max: u64) -> Error {
    Error::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "The file is larger than {bytes_max} bytes, the most that is stored. Nothing was stored. Whoever runs the \
             server can raise the limit: artifacts: {{maxBytes: …}} in the file of drey serve --config."
        ),
    )
}

fn absent_or(ns: &str, name: &str, doing: &str, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => {
            Error::not_found(format!("No artifact {name:?} in namespace {ns:?}."))
        }
        other => unavailable(doing, other),
    }
}

fn unavailable(doing: &str, error: object_store::Error) -> Error {
    let message = format!(
        "The storage of artifacts did not answer as it should (to {doing}). Nothing was changed; try again. The \
         server's log has the details."
    );
    Error::unavailable(message).because(error)
}
