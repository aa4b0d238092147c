//! The first start: when namespace `default` came to be, and its target that runs local processes.

use drey_model::defaults::Layers;
use drey_model::meta::DEFAULT_NAMESPACE;
use drey_model::target::LOCAL_TARGET;
use drey_model::write::WriteContext;
use drey_model::{Kind, write};
use drey_store::{Store, Write};
use jiff::Timestamp;
use uuid::Uuid;

use crate::ops;

pub use drey_store::Error;

/// Completes namespace `default`, which the schema creates, and creates the DeploymentTarget `local` in it when it is
/// missing.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn bootstrap(store: &Store, now: Timestamp, id: Uuid) -> Result<(), Error> {
    ops::complete_default_namespace(store, now).await?;
    if store.get(Kind::DeploymentTarget, DEFAULT_NAMESPACE, LOCAL_TARGET).await?.is_some() {
        return Ok(());
    }
    let layers = Layers { layers: Vec::new() };
    let context =
        WriteContext { now, id, namespace: DEFAULT_NAMESPACE, layers: &layers, targets: &[] };
    let target = write::local_target(&context);
    match store.commit(&[Write::Create(ops::stored_target(&target)?)]).await {
        // Another process was faster.
        Err(Error::Taken { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
