//! Sealing what must not be readable in the database, and the keys for it.
//!
//! ```text
//! key file ──► Keyring: the first key seals, all keys open          AES-256-GCM, a random nonce each time
//!
//! value ──seal──► { key: id, nonce, data } ──► Object.facts         bound to namespace, name and id of its object:
//! value ◄──open── { key: id, nonce, data } ◄── Object.facts         moved to another row, it cannot be opened
//! ```
//!
//! A key's id is made from the key, so the same key has the same id in every file, and a sealed value says which key it
//! needs. Rotation: put a new key first, start the server (it seals every value anew, [`Keyring::is_current`]), remove
//! the old key. Does not own what is sealed, nor where the file is.

mod file;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::Object;

pub use file::{FileError, KEY_FILE};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Hex digits of a key's id.
const ID_CHARS: usize = 16;

/// The keys of a server.
pub struct Keyring {
    /// The first one seals; never empty.
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: RandomizedNonceKey,
}

/// A sealed value, as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// Id of the key that opens it.
    key: String,
    /// Base64.
    nonce: String,
    /// Base64: the text as ciphertext, and the tag.
    data: String,
}

/// Why a sealed value cannot be read. It is there, and it is not empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key file lacks the key.
    #[error(
        "it is sealed with the key {key}, which is not in this server's key file; put that key back, or give the \
         secret its value again"
    )]
    Key {
        /// Id of the key.
        key: String,
    },
    /// What is stored is not what was sealed for this object.
    #[error(
        "what is stored of it was changed or belongs to another object; give the secret its value again"
    )]
    Damaged,
    /// Nothing is stored.
    #[error("no value is stored for it; give the secret its value again")]
    Nothing,
}

/// A value cannot be sealed; the cryptographic library refused, which it should not.
#[derive(Debug, thiserror::Error)]
#[error("a secret value could not be encrypted")]
pub struct SealError;

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Keyring {
    /// A keyring with one new key that nobody knows; for tests.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn random() -> Result<Self, SealError> {
        Ok(Self { keys: vec![Key::new(&*random_key()?).ok_or(SealError)?] })
    }

    /// Seals a value for the object that will store it.
    ///
    /// # Errors
    /// The cryptographic library refused.
    pub fn seal(&self, value: &SecretString, object: &Object) -> Result<Sealed, SealError> {
        let key = self.keys.first().ok_or(SealError)?;
        // Encrypted in place: what is left of the plain text in the buffer is nothing, also when that fails.
        let mut data = Zeroizing::new(value.expose_secret().as_bytes().to_vec());
        let nonce = key
            .cipher
            .seal_in_place_append_tag(Aad::from(context(object)), &mut *data)
            .map_err(|_| SealError)?;
        Ok(Sealed {
            key: key.id.clone(),
            nonce: BASE64.encode(nonce.as_ref()),
            data: BASE64.encode(&*data),
        })
    }

    /// The value that was sealed for this object.
    ///
    /// # Errors
    /// The key is missing, or what is stored is not what was sealed.
    pub fn open(&self, object: &Object) -> Result<SecretString, OpenError> {
        let sealed = sealed(object)?;
        let key = self.key(&sealed.key)?;
        let nonce = BASE64.decode(&sealed.nonce).map_err(|_| OpenError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| OpenError::Damaged)?;
        let data = BASE64.decode(&sealed.data).map_err(|_| OpenError::Damaged)?;
        let mut data = Zeroizing::new(data);
        let opened = key.cipher.open_in_place(nonce, Aad::from(context(object)), &mut data);
        let opened = opened.map_err(|_| OpenError::Damaged)?;
        let text = std::str::from_utf8(opened).map_err(|_| OpenError::Damaged)?;
        Ok(SecretString::from(text))
    }

    /// Whether the key is there that opens what is stored.
    ///
    /// # Errors
    /// It is not, or nothing is stored.
    pub fn can_open(&self, object: &Object) -> Result<(), OpenError> {
        self.key(&sealed(object)?.key).map(drop)
    }

    /// Whether what is stored was sealed with the first key.
    #[must_use]
    pub fn is_current(&self, object: &Object) -> bool {
        let first = self.keys.first().map(|key| key.id.as_str());
        sealed(object).is_ok_and(|sealed| Some(sealed.key.as_str()) == first)
    }

    fn key(&self, id: &str) -> Result<&Key, OpenError> {
        let found = self.keys.iter().find(|key| key.id == id);
        found.ok_or_else(|| OpenError::Key { key: shown(id) })
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Option<Self> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        let hash = digest(&SHA256, &[b"drey key id\0", bytes].concat());
        let mut id: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        id.truncate(ID_CHARS);
        Some(Self { id, cipher })
    }
}

fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut *key).map_err(|_| SealError)?;
    Ok(key)
}

fn sealed(object: &Object) -> Result<Sealed, OpenError> {
    let facts = object.facts.as_deref().ok_or(OpenError::Nothing)?;
    serde_json::from_str(facts).map_err(|_| OpenError::Damaged)
}

/// What a sealed value is bound to. Neither part can hold the separator.
fn context(object: &Object) -> String {
    format!("{}\0{}\0{}\0{}", object.kind, object.namespace, object.name, object.id)
}

/// An id as it stands in the database, in case that somebody else wrote it there.
fn shown(id: &str) -> String {
    id.chars().filter(char::is_ascii_hexdigit).take(ID_CHARS).collect()
}

#[cfg(test)]
mod tests;
