//! One jar out of a program and its dependencies, for clusters that take only one file.
//!
//! Flink puts the jars below `lib/` of a program's jar on its class path, so the dependencies go there. Owns the file
//! only; what it is made from is there already ([`crate::artifact`], [`crate::driver`]).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::artifact::Fetched;
use crate::compile;
use crate::hash::hex;

/// Says how parts become a bundle: another way makes another hash.
const FORM: &str = "lib/drey-N.jar\n";

/// A program with its dependencies as one file, below `cache`: itself if there are none. The same parts make the same
/// hash.
///
/// # Errors
/// A part cannot be read, or the bundle cannot be written.
pub fn bundle(cache: &Path, program: PathBuf, dependencies: &[PathBuf]) -> io::Result<Fetched> {
    let program = Fetched::at(program)?;
    if dependencies.is_empty() {
        return Ok(program);
    }
    let mut digest = Sha256::new_with_prefix(FORM);
    digest.update(format!("{}\n", program.sha256));
    for path in dependencies {
        digest.update(format!("{}\n", Fetched::at(path.clone())?.sha256));
    }
    let sha256 = hex(&digest.finalize());
    let folder = cache.join("artifacts").join(&sha256);
    let path = folder.join("bundle.jar");
    if !path.try_exists()? {
        fs::create_dir_all(&folder)?;
        let temporary = tempfile::NamedTempFile::new_in(&folder)?;
        write(temporary.as_file(), &program.path, dependencies)?;
        temporary.persist(&path)?;
    }
    Ok(Fetched { path, sha256 })
}

fn write(to: &File, program: &Path, dependencies: &[PathBuf]) -> io::Result<()> {
    let mut out = ZipWriter::new(BufWriter::new(to));
    compile::copy_entries(program, &mut BTreeSet::new(), &mut out).map_err(io::Error::other)?;
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (number, part) in dependencies.iter().enumerate() {
        // Flink takes only what is called a jar, and an address need not end so.
        let entry = format!("lib/drey-{number}.jar");
        out.start_file(entry, stored.large_file(true)).map_err(io::Error::other)?;
        io::copy(&mut File::open(part)?, &mut out)?;
    }
    out.finish().map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipArchive;

    use super::*;

    fn jar(folder: &Path, name: &str, entries: &[&str]) -> PathBuf {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.jar"));
        let mut out = ZipWriter::new(File::create(&path).unwrap());
        for entry in entries {
            if entry.ends_with('/') {
                out.add_directory(*entry, SimpleFileOptions::default()).unwrap();
                continue;
            }
            out.start_file(*entry, SimpleFileOptions::default()).unwrap();
            out.write_all(entry.as_bytes()).unwrap();
        }
        out.finish().unwrap();
        path
    }

    #[test]
    fn dependencies_stand_in_lib_and_the_same_parts_make_the_same_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let program = jar(dir.path(), "app", &["META-INF/MANIFEST.MF", "a/", "a/Main.class"]);
        // As from `https://…/download?id=3`.
        let dependency = dir.path().join("download");
        fs::rename(jar(dir.path(), "dep", &["d/Dep.class"]), &dependency).unwrap();
        let bundle = |dependencies: &[PathBuf]| bundle(dir.path(), program.clone(), dependencies);
        let made = bundle(std::slice::from_ref(&dependency)).unwrap();
        let archive = ZipArchive::new(File::open(&made.path).unwrap()).unwrap();
        let mut names: Vec<&str> = archive.file_names().collect();
        names.sort_unstable();
        // Programs look for folders of their jar, too.
        assert_eq!(names, ["META-INF/MANIFEST.MF", "a/", "a/Main.class", "lib/drey-0.jar"]);
        assert_eq!(bundle(&[dependency]).unwrap(), made);
        let alone = bundle(&[]).unwrap();
        assert!(alone.path == program && alone.sha256 != made.sha256);
        assert_eq!(alone.sha256, hex(&Sha256::digest(fs::read(&program).unwrap())));
    }
}
