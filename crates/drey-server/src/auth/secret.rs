//! Secrets: made at random, recognisable, never kept.
//!
//! ```text
//! drey_ base64url( id of the token: 16 bytes │ random: 32 bytes │ checksum: 4 bytes )
//! ```
//!
//! The prefix lets scanners of repositories find a leaked one. The id finds the token's row without a search; the
//! checksum tells a typing error from an unknown token before the store is asked. With 256 random bits a plain SHA-256
//! is enough to keep: there is nothing to guess from it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const PREFIX: &str = "drey_";
const ID_BYTES: usize = 16;
const RANDOM_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// Characters that a secret of somebody else's making must have at least.
pub const SECRET_LEN_MIN: usize = 32;

/// A new secret of the token with this id; `None` only when the system has no randomness.
#[must_use]
pub fn new_secret(id: Uuid) -> Option<String> {
    let mut bytes = id.into_bytes().to_vec();
    bytes.extend(random::<RANDOM_BYTES>()?);
    bytes.extend(checksum(&bytes));
    Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The id in a secret; `None` when it cannot be one of ours.
pub(crate) fn id_of(secret: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    if bytes.len() != ID_BYTES + RANDOM_BYTES + CHECKSUM_BYTES {
        return None;
    }
    let (body, sum) = bytes.split_at(ID_BYTES + RANDOM_BYTES);
    (checksum(body) == sum).then(|| Uuid::from_slice(body.get(..ID_BYTES)?).ok())?
}

/// What is kept of a secret: its SHA-256 in hexadecimal.
pub(crate) fn hash(secret: &str) -> String {
    let digest = Sha256::digest(secret.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this secret has that hash; takes as long for a wrong one as for the right one.
pub(crate) fn matches(secret: &str, kept: &str) -> bool {
    hash(secret).as_bytes().ct_eq(kept.as_bytes()).into()
}

/// A random text that fits into a cookie and a URL.
pub(crate) fn random_text() -> Option<String> {
    random::<RANDOM_BYTES>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// What follows from a secret for one purpose, without telling anything about it for another.
pub(crate) fn derived(secret: &str, purpose: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{purpose}\n{secret}").as_bytes()))
}

/// The challenge to a PKCE verifier (RFC 7636, S256).
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Whether two texts are equal; takes as long when they are not.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

fn checksum(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).iter().take(CHECKSUM_BYTES).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_names_its_token_and_no_two_are_alike() {
        let id = Uuid::now_v7();
        let (one, other) = (new_secret(id).expect("random"), new_secret(id).expect("random"));
        assert_ne!(one, other);
        assert!(one.starts_with("drey_") && one.len() >= SECRET_LEN_MIN);
        assert_eq!(id_of(&one), Some(id));
        assert!(matches(&one, &hash(&one)) && !matches(&other, &hash(&one)));
    }

    #[test]
    fn what_was_mistyped_is_no_secret() {
        let secret = new_secret(Uuid::now_v7()).expect("random");
        let mut typo = secret.clone().into_bytes();
        typo[20] = if typo[20] == b'a' { b'b' } else { b'a' };
        let typo = String::from_utf8(typo).expect("text");
        for wrong in [typo.as_str(), &secret[1..], &secret[..secret.len() - 1], "drey_", "", "é"] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
