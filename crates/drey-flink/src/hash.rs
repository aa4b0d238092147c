//! SHA-256 and SHA-512 of files, as lower-case hex digits.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256, Sha512};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// SHA-256 of a file.
pub(crate) fn sha256_of(path: &Path) -> std::io::Result<String> {
    of::<Sha256>(path)
}

/// SHA-512 of a file.
pub(crate) fn sha512_of(path: &Path) -> std::io::Result<String> {
    of::<Sha512>(path)
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn of<D: Digest>(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = file.read(&mut chunk)?;
        if n == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&chunk[..n]);
    }
}
