//! Where a backend gets the values of secrets: asked once for each cluster, when it is about to be launched.
//!
//! The binary brings the way; a backend keeps what a cluster was launched with as long as that cluster lives, so that a
//! value that changes or goes meanwhile changes nothing that runs.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

/// Values by name.
pub type Values = BTreeMap<String, SecretString>;

/// Why there are no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// These names have no value that can be read, each with the reason as the rest of a sentence. Trying again does not
    /// help.
    Names(Vec<(String, String)>),
    /// They could not be looked up. Trying again may help.
    Unavailable(String),
}

type Answer = Pin<Box<dyn Future<Output = Result<Values, Unresolved>> + Send>>;

/// A way to look up secrets: by namespace and names.
#[derive(Clone)]
pub struct SecretSource(Arc<dyn Fn(String, Vec<String>) -> Answer + Send + Sync>);

impl SecretSource {
    /// A way to look them up.
    pub fn new<F: Future<Output = Result<Values, Unresolved>> + Send + 'static>(
        look_up: impl Fn(String, Vec<String>) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |namespace, names| Box::pin(look_up(namespace, names))))
    }

    /// The values of these secrets.
    ///
    /// # Errors
    /// See [`Unresolved`].
    pub async fn look_up(&self, namespace: &str, names: Vec<String>) -> Result<Values, Unresolved> {
        (self.0)(namespace.to_owned(), names).await
    }
}

impl Default for SecretSource {
    /// Knows no secrets.
    fn default() -> Self {
        Self::new(|namespace, names| async move {
            let unknown = |name| (name, format!("does not exist in namespace '{namespace}'"));
            match names.is_empty() {
                true => Ok(Values::new()),
                false => Err(Unresolved::Names(names.into_iter().map(unknown).collect())),
            }
        })
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSource")
    }
}
