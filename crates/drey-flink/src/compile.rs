//! Java programs of our own: they travel in the binary as source, and are compiled on this machine for the Flink that
//! will run them.
//!
//! ```text
//! sources + Flink's lib ──javac──► .tmp/classes ──► .tmp/out/name.jar ──rename──► <folder>/<version>-<hash>/name.jar
//! ```
//!
//! The folder is named after the hash of sources, Flink version and recipe, and appears by one rename: so it is complete
//! or not there, and never stale. One process works at a time, under a lock, and first removes what an interrupted one
//! left. Owns compiling and packing; does not own what the programs do.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::artifact::cache;
use crate::hash::hex;
use crate::launch::Flink;

/// Java level of the classes: every Flink that Drey runs accepts it.
const RELEASE: &str = "11";
/// Raised when jars made by an older Drey must not be used any more.
const RECIPE: u32 = 2;
const JAVAC_TIMEOUT: Duration = Duration::from_mins(3);
const HASH_CHARS: usize = 16;

/// A program to compile.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of its jar, with `.jar`.
    pub jar: &'static str,
    /// File names and texts.
    pub sources: &'static [(&'static str, &'static str)],
    /// Class with `main`, for the manifest.
    pub main_class: &'static str,
}

/// Why there is no jar.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing.
    #[error("{what} {}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A jar cannot be read or written.
    #[error("packing {}", path.display())]
    Pack {
        /// The jar.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: zip::result::ZipError,
    },
    /// The compiler did not do it.
    #[error("compiling {jar} with {}: {why}", javac.display())]
    Compile {
        /// The jar to be.
        jar: &'static str,
        /// The compiler.
        javac: PathBuf,
        /// What it said.
        why: String,
    },
    /// A background thread died.
    #[error("compiling: the work was interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn pack(path: &Path) -> impl FnOnce(zip::result::ZipError) -> Self {
        let path = path.to_owned();
        move |source| Self::Pack { path, source }
    }
}

/// The jar of a program for this Flink, below `folder`; compiles it unless it is there already. `library`: a jar that it
/// needs beside Flink's `lib/`.
///
/// # Errors
/// The compiler or the disk refuses.
pub async fn jar(
    folder: &Path,
    program: &Program,
    flink: &Flink,
    javac: &Path,
    library: Option<&Path>,
) -> Result<PathBuf, Error> {
    let home = folder.join(key(program, &flink.version.to_string()));
    let target = home.join(program.jar);
    if is_there(&target) {
        return Ok(target);
    }
    let (place, program) = (folder.to_owned(), *program);
    let turn = blocking(move || Turn::take(&place)).await?;
    // Someone else may have made it while we waited.
    if target.is_file() {
        return Ok(target);
    }
    let classes = compile(&turn.temp, &program, flink, javac, library).await?;
    let made = target.clone();
    let work = move || turn.finish(&home, program.jar, |jar| pack(&program, &classes, jar));
    blocking(work).await?;
    Ok(made)
}

/// One jar with the entries of all, in a folder of its own below `folder` that `key` names. Made once.
///
/// # Errors
/// A jar cannot be read, or the disk refuses.
pub(crate) async fn merged(
    folder: &Path,
    key: &str,
    name: &'static str,
    jars: Vec<PathBuf>,
) -> Result<PathBuf, Error> {
    let (folder, home) = (folder.to_owned(), folder.join(key));
    let target = home.join(name);
    let work = move || {
        if is_there(&target) {
            return Ok(target);
        }
        let turn = Turn::take(&folder)?;
        if target.is_file() {
            return Ok(target);
        }
        turn.finish(&home, name, |path| {
            let file = fs::File::create(path).map_err(Error::io("creating", path))?;
            let mut writer = ZipWriter::new(file);
            let mut names = BTreeSet::new();
            for jar in &jars {
                copy_entries(jar, &mut names, &mut writer)?;
            }
            writer.finish().map(drop).map_err(Error::pack(path))
        })?;
        Ok(target)
    };
    blocking(work).await
}

/// Whether the jar is made already; if so, it counts as used now ([`crate::artifact::prune`]).
fn is_there(jar: &Path) -> bool {
    jar.is_file() && {
        jar.parent().into_iter().for_each(cache::mark_as_used);
        // It may have been pruned between the look and the mark.
        jar.is_file()
    }
}

/// A copy of the jar `base` with one more entry, as bytes: the same for the same input.
///
/// # Errors
/// The jar cannot be read.
pub(crate) fn with_entry(base: &Path, name: &str, content: &[u8]) -> Result<Vec<u8>, Error> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    copy_entries(base, &mut BTreeSet::new(), &mut writer)?;
    entry(&mut writer, base, name, content)?;
    writer.finish().map(Cursor::into_inner).map_err(Error::pack(base))
}

/// Copies what is not there yet, as it is: of entries that several jars have, such as the manifest, the first counts.
pub(crate) fn copy_entries<W: Write + Seek>(
    jar: &Path,
    names: &mut BTreeSet<String>,
    writer: &mut ZipWriter<W>,
) -> Result<(), Error> {
    let file = fs::File::open(jar).map_err(Error::io("opening", jar))?;
    let mut archive = ZipArchive::new(std::io::BufReader::new(file)).map_err(Error::pack(jar))?;
    for n in 0..archive.len() {
        let entry = archive.by_index_raw(n).map_err(Error::pack(jar))?;
        if names.insert(entry.name().to_owned()) {
            writer.raw_copy_file(entry).map_err(Error::pack(jar))?;
        }
    }
    Ok(())
}

/// The right to make a jar below a folder, and a temporary folder to make it in, which goes with it.
struct Turn {
    temp: PathBuf,
    _lock: fs::File,
}

impl Turn {
    /// Waits for the turn.
    fn take(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
        let path = folder.join(".lock");
        let lock = fs::File::create(&path).map_err(Error::io("creating", &path))?;
        lock.lock().map_err(Error::io("locking", &path))?;
        let temp = folder.join(".tmp");
        match fs::remove_dir_all(&temp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("removing", &temp)(error));
            }
            _ => fs::create_dir(&temp).map_err(Error::io("creating", &temp))?,
        }
        Ok(Self { temp, _lock: lock })
    }

    /// Makes the file `name`, and puts it into the folder `home` by one rename.
    fn finish(
        self,
        home: &Path,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let out = self.temp.join("out");
        fs::create_dir_all(&out).map_err(Error::io("creating", &out))?;
        make(&out.join(name))?;
        // Whatever is there is not complete: someone has deleted from it.
        if home.exists() {
            fs::remove_dir_all(home).map_err(Error::io("removing", home))?;
        }
        fs::rename(&out, home).map_err(Error::io("moving a jar to", home))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // If not now, then the next turn does it.
        let _ = fs::remove_dir_all(&self.temp);
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Interrupted))
}

fn key(program: &Program, version: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{RECIPE}\n{RELEASE}\n{}\n{version}\n", program.main_class));
    for (name, text) in program.sources {
        hash.update(format!("{name} {}\n", text.len()));
        hash.update(text);
    }
    let digest: String = hex(&hash.finalize()).chars().take(HASH_CHARS).collect();
    format!("{version}-{digest}")
}

/// Compiles into a folder of class files.
async fn compile(
    temp: &Path,
    program: &Program,
    flink: &Flink,
    javac: &Path,
    library: Option<&Path>,
) -> Result<PathBuf, Error> {
    let (sources, classes) = (temp.join("src"), temp.join("classes"));
    for folder in [&sources, &classes] {
        fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
    }
    let mut command = Command::new(javac);
    // The encoding of sources is ours, not that of this machine.
    command.args(["--release", RELEASE, "-encoding", "UTF-8", "-nowarn", "-proc:none", "-cp"]);
    let mut class_path = flink.home.join("lib").join("*").into_os_string();
    if let Some(jar) = library {
        class_path.push(":");
        class_path.push(jar);
    }
    command.arg(class_path).arg("-d").arg(&classes);
    for (name, text) in program.sources {
        let file = sources.join(name);
        fs::write(&file, text).map_err(Error::io("writing", &file))?;
        command.arg(file);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let fail = |why: String| Error::Compile { jar: program.jar, javac: javac.to_owned(), why };
    let output = tokio::time::timeout(JAVAC_TIMEOUT, command.output()).await;
    let output =
        output.map_err(|_| fail(format!("it was not done after {} s", JAVAC_TIMEOUT.as_secs())))?;
    let output = output.map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(classes)
}

/// Packs class files, with a manifest, in an order that does not depend on the file system.
fn pack(program: &Program, classes: &Path, target: &Path) -> Result<(), Error> {
    let file = fs::File::create(target).map_err(Error::io("creating", target))?;
    let mut writer = ZipWriter::new(file);
    let manifest = format!("Manifest-Version: 1.0\r\nMain-Class: {}\r\n\r\n", program.main_class);
    entry(&mut writer, target, "META-INF/MANIFEST.MF", manifest.as_bytes())?;
    let mut files = Vec::new();
    list(classes, "", &mut files)?;
    files.sort();
    for (name, path) in files {
        let mut content = Vec::new();
        let read = fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut content));
        read.map_err(Error::io("reading", &path))?;
        entry(&mut writer, target, &name, &content)?;
    }
    writer.finish().map(drop).map_err(Error::pack(target))
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), Error> {
    for found in fs::read_dir(folder).map_err(Error::io("reading", folder))? {
        let path = found.map_err(Error::io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

fn entry<W: Write + Seek>(
    writer: &mut ZipWriter<W>,
    jar: &Path,
    name: &str,
    content: &[u8],
) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    writer.start_file(name, options).map_err(Error::pack(jar))?;
    writer.write_all(content).map_err(Error::io("writing", jar))
}

#[cfg(test)]
mod tests;
