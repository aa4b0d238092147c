//! Keys of secret values at the start of the server, and the way to the values for everything that launches jobs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use drey_cluster::secrets::SecretSource;
use drey_controller::secrets::{look_up, reseal};
use drey_store::{Keyring, Store};

/// Names in a message before the rest is only counted.
const NAMES_MAX: usize = 10;

/// The keys and the way to the values: of the file that was named, else of the data folder, where the first start makes
/// one. Values that an older key sealed are sealed anew.
///
/// # Errors
/// There is no file where one was named, it holds something else than keys, or the database fails.
pub(super) async fn open(
    store: &Store,
    file: Option<&Path>,
    data_dir: &Path,
) -> anyhow::Result<(Arc<Keyring>, SecretSource)> {
    let keyring = match file {
        Some(file) => Keyring::read(file),
        None => Keyring::of_folder(data_dir),
    };
    let keyring = Arc::new(keyring.context("finding the key of secret values")?);
    renew(store, &keyring).await?;
    let values = source(store, &keyring);
    Ok((keyring, values))
}

/// Seals what older keys sealed with the first one, and tells what no key opens.
async fn renew(store: &Store, keyring: &Keyring) -> anyhow::Result<()> {
    let done = reseal(store, keyring).await.context("sealing secret values with the first key")?;
    if done.count > 0 {
        tracing::info!(count = done.count, "secret values were sealed anew with the first key");
    }
    if !done.unreadable.is_empty() {
        let shown: Vec<&str> = done.unreadable.iter().map(String::as_str).take(NAMES_MAX).collect();
        tracing::error!(
            count = done.unreadable.len(),
            secrets = shown.join(", "),
            "secret values cannot be read with the keys of this server; put the lost key back into the key file, or \
             give them their values again"
        );
    }
    Ok(())
}

/// The way to the values.
fn source(store: &Store, keyring: &Arc<Keyring>) -> SecretSource {
    let (store, keyring) = (store.clone(), Arc::clone(keyring));
    SecretSource::new(move |namespace, names| {
        let (store, keyring) = (store.clone(), Arc::clone(&keyring));
        async move { look_up(&store, &keyring, &namespace, names).await }
    })
}
