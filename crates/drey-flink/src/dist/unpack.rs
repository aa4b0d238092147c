//! Opens what a distribution comes in: a wheel (zip), a source package or release archive (tar.gz), or a folder.
//!
//! Only the folders a job needs are taken, and no entry may leave the target.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

use super::Error;

/// The folders of a distribution.
const FOLDERS: [&str; 4] = ["lib", "opt", "plugins", "bin"];
/// More than ten times the largest release: an archive that unpacks to more is not Flink.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;

/// Unpacks or copies `from` into the new folder `to`.
pub(super) fn any(from: &Path, to: &Path) -> Result<(), Error> {
    let name = from.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    let bad = |why: &str| Error::Unpack { path: from.to_owned(), why: why.to_owned() };
    if !from.exists() {
        return Err(bad("it does not exist"));
    }
    if from.is_dir() {
        return folder(from, to);
    }
    if name.ends_with(".whl") || name.ends_with(".zip") {
        return wheel(from, to);
    }
    if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        return tarball(from, to);
    }
    Err(bad("it is neither a folder nor a .whl, .tar.gz or .tgz"))
}

/// The SHA-256 of a file, as hex digits.
pub(super) fn sha256(path: &Path) -> Result<String, Error> {
    crate::hash::sha256_of(path).map_err(Error::io("reading", path))
}

fn wheel(from: &Path, to: &Path) -> Result<(), Error> {
    let bad =
        |why: zip::result::ZipError| Error::Unpack { path: from.to_owned(), why: why.to_string() };
    let file = File::open(from).map_err(Error::io("opening", from))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(bad)?;
    let mut left = UNPACKED_BYTES_MAX;
    for n in 0..archive.len() {
        let mut entry = archive.by_index(n).map_err(bad)?;
        let inner = entry.enclosed_name().and_then(|name| wanted(&name));
        if let Some(inner) = inner.filter(|_| entry.is_file()) {
            write(from, &mut entry, &to.join(inner), &mut left)?;
        }
    }
    Ok(())
}

fn tarball(from: &Path, to: &Path) -> Result<(), Error> {
    let bad = |why: std::io::Error| Error::Unpack { path: from.to_owned(), why: why.to_string() };
    let file = File::open(from).map_err(Error::io("opening", from))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let mut left = UNPACKED_BYTES_MAX;
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let inner = wanted(&entry.path().map_err(bad)?);
        if let Some(inner) = inner.filter(|_| entry.header().entry_type().is_file()) {
            write(from, &mut entry, &to.join(inner), &mut left)?;
        }
    }
    Ok(())
}

fn folder(from: &Path, to: &Path) -> Result<(), Error> {
    // The root of an unpacked source package holds the distribution in `deps`.
    let from = if from.join("lib").is_dir() { from.to_owned() } else { from.join("deps") };
    for name in FOLDERS {
        let part = from.join(name);
        if part.is_dir() {
            copy(&part, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("creating", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("reading", from))? {
        let path = entry.map_err(Error::io("reading", from))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = to.join(name);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(Error::io("copying", &path))?;
        }
    }
    Ok(())
}

/// The path inside of the distribution: `pyflink/lib/x`, `any/deps/lib/x` and `any/lib/x` are all `lib/x`.
fn wanted(path: &Path) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let inner = parts.get(1..)?;
    let inner = if inner.first().is_some_and(|p| *p == "deps") { inner.get(1..)? } else { inner };
    let first = inner.first()?.to_str()?;
    (FOLDERS.contains(&first) && inner.len() > 1).then(|| inner.iter().collect())
}

fn write(from: &Path, entry: &mut dyn Read, to: &Path, left: &mut u64) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io("creating", parent))?;
    }
    let mut file = File::create(to).map_err(Error::io("creating", to))?;
    let written =
        std::io::copy(&mut entry.take(*left), &mut file).map_err(Error::io("writing", to))?;
    *left -= written;
    if *left == 0 {
        let why = format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes");
        return Err(Error::Unpack { path: from.to_owned(), why });
    }
    Ok(())
}
