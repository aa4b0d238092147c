//! The first start: when namespace `default` came to be, and what it has from the beginning.

use drey_model::Kind;
use drey_model::defaults::{DEFAULTS_NAME, Layers};
use drey_model::meta::DEFAULT_NAMESPACE;
use drey_model::target::LOCAL_TARGET;
use drey_model::write::{self, WriteContext};
use drey_store::{Object, Store, Write};
use jiff::Timestamp;
use uuid::Uuid;

use crate::ops;

pub use drey_store::Error;

/// Completes namespace `default`, which the schema creates, and creates in it the DeploymentTarget `local`, which runs
/// local processes, and the DeploymentDefaults when they are missing.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn bootstrap(
    store: &Store,
    now: Timestamp,
    mut id: impl FnMut() -> Uuid,
) -> Result<(), Error> {
    ops::complete_default_namespace(store, now).await?;
    let layers = Layers { layers: Vec::new() };
    let mut context = || WriteContext {
        now,
        id: id(),
        namespace: DEFAULT_NAMESPACE,
        layers: &layers,
        targets: &[],
        session_clusters: &[],
    };
    let target = ops::stored_target(&write::local_target(&context()))?;
    let defaults = ops::stored_defaults(&write::first_defaults(&context()))?;
    if store.get(Kind::DeploymentTarget, DEFAULT_NAMESPACE, LOCAL_TARGET).await?.is_none() {
        create(store, target).await?;
    }
    if store.get(Kind::DeploymentDefaults, DEFAULT_NAMESPACE, DEFAULTS_NAME).await?.is_none() {
        create(store, defaults).await?;
    }
    Ok(())
}

async fn create(store: &Store, object: Object) -> Result<(), Error> {
    match store.commit(&[Write::Create(object)]).await {
        // Another process was faster.
        Err(Error::Taken { .. }) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}
