//! The key file: one key a line, the first one seals.
//!
//! ```text
//! # made by: openssl rand -base64 32
//! qUtEyHkzE0C4t4iQXo2YbYxvVq4lY8c5TjBvOq0mZ1w=
//! 5f0c…                                          the one before, still needed for what it sealed
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use secrecy::zeroize::Zeroizing;

use super::{BASE64, KEY_BYTES, Key, Keyring, random_key};

/// Name of the key file in a data folder.
pub const KEY_FILE: &str = "secret.key";
/// Far more keys than anyone keeps.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Permissions of the group and of others.
const OTHERS: u32 = 0o077;

/// Why there are no keys. No variant shows any.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("reading the key file {} (`openssl rand -base64 32` makes a key)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("making the key file {}", path.display())]
    Make {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no key.
    #[error(
        "line {line} of the key file {} is not a key: expected 32 bytes in base64 or as 64 hex digits, as \
         `openssl rand -base64 32` prints them",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// There is no key in it.
    #[error(
        "the key file {} holds no key; restore it from a backup, or put one in with `openssl rand -base64 32`",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Keyring {
    /// The keys of a file that a person made.
    ///
    /// # Errors
    /// It cannot be read, or holds something else than keys.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let meta = fs::metadata(path).map_err(failed)?;
        if meta.len() > FILE_BYTES_MAX {
            return Err(failed(io::Error::other("it is far too large for a file of keys")));
        }
        if meta.mode() & OTHERS != 0 {
            tracing::warn!(
                path = %path.display(), mode = format!("{:o}", meta.mode() & 0o777),
                "the key file can be read by other users of this machine; chmod 600 makes it private"
            );
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        let mut keys: Vec<Key> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || FileError::Line { path: path.to_owned(), line: at + 1 };
            let bytes = decode(line).ok_or_else(bad)?;
            keys.push(Key::new(&bytes).ok_or_else(bad)?);
        }
        if keys.is_empty() {
            return Err(FileError::Empty { path: path.to_owned() });
        }
        Ok(Self { keys })
    }

    /// The keys of a data folder; made for its owner only at the first start.
    ///
    /// # Errors
    /// As [`Self::read`], or the file cannot be made.
    pub fn of_folder(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(KEY_FILE);
        let failed = |source| FileError::Make { path: path.clone(), source };
        if !path.try_exists().map_err(failed)? {
            make(folder, &path).map_err(failed)?;
            tracing::info!(
                path = %path.display(),
                "made a key for secret values; back it up: without it they cannot be read"
            );
        }
        Self::read(&path)
    }
}

/// Makes the file whole or not at all, and never over another one.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let key = random_key().map_err(io::Error::other)?;
    let text = Zeroizing::new(format!(
        "# Key of Drey's secret values. Back it up: without it they cannot be read.\n\
         # One key a line; the first one seals, the others still open what they sealed.\n{}\n",
        *Zeroizing::new(BASE64.encode(*key))
    ));
    let temporary = folder.join(format!(".{KEY_FILE}.{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(folder)?.sync_all(),
    }
}

fn decode(line: &str) -> Option<Zeroizing<Vec<u8>>> {
    let hex = |line: &str| -> Option<Vec<u8>> {
        let digits = line.as_bytes().chunks_exact(2);
        digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>()
    };
    let is_hex = line.len() == 2 * KEY_BYTES && line.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = if is_hex { hex(line) } else { BASE64.decode(line).ok() };
    bytes.map(Zeroizing::new).filter(|bytes| bytes.len() == KEY_BYTES)
}
