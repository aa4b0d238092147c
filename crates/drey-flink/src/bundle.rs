//! One jar out of a program and its dependencies, for clusters that take only one file.
//!
//! Flink puts the jars below `lib/` of a program's jar on its class path, so the dependencies go there. Owns the file
//! only; what it is made from is fetched by [`crate::artifact`].

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::artifact::Fetched;
use crate::compile;
use crate::hash::hex;

/// Says how parts become a bundle: another way makes another hash.
const FORM: &str = "lib/drey-N.jar\n";

/// The bundle of a program with its dependencies, in the cache beside them. The same parts make the same hash.
///
/// # Errors
/// A part cannot be read, or the bundle cannot be written.
pub fn bundle(program: &Fetched, dependencies: &[Fetched]) -> io::Result<Fetched> {
    let mut digest = Sha256::new_with_prefix(FORM);
    for part in std::iter::once(program).chain(dependencies) {
        digest.update(part.sha256.as_bytes());
        digest.update(b"\n");
    }
    let sha256 = hex(&digest.finalize());
    let parent = program.path.parent().and_then(Path::parent);
    let folder = parent.ok_or_else(|| io::Error::other("the program is not in the cache"))?;
    let folder = folder.join(&sha256);
    let path = folder.join("bundle.jar");
    if !path.try_exists()? {
        fs::create_dir_all(&folder)?;
        let temporary = tempfile::NamedTempFile::new_in(&folder)?;
        write(temporary.as_file(), &program.path, dependencies)?;
        temporary.persist(&path)?;
    }
    Ok(Fetched { path, sha256 })
}

fn write(to: &File, program: &Path, dependencies: &[Fetched]) -> io::Result<()> {
    let mut out = ZipWriter::new(BufWriter::new(to));
    compile::copy_entries(program, &mut BTreeSet::new(), &mut out).map_err(io::Error::other)?;
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (number, part) in dependencies.iter().enumerate() {
        // Flink takes only what is called a jar, and an address need not end so.
        out.start_file(format!("lib/drey-{number}.jar"), stored.large_file(true))
            .map_err(io::Error::other)?;
        io::copy(&mut File::open(&part.path)?, &mut out)?;
    }
    out.finish().map_err(io::Error::other)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipArchive;

    use super::*;

    fn jar(folder: &Path, name: &str, entries: &[&str]) -> Fetched {
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
        Fetched { path, sha256: name.to_owned() }
    }

    #[test]
    fn dependencies_stand_in_lib_and_the_same_parts_make_the_same_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let program = jar(dir.path(), "app", &["META-INF/MANIFEST.MF", "a/", "a/Main.class"]);
        let mut dependency = jar(dir.path(), "dep", &["d/Dep.class"]);
        // As from `https://…/download?id=3`.
        let bare = dependency.path.with_extension("");
        fs::rename(&dependency.path, &bare).unwrap();
        dependency.path = bare;
        let made = bundle(&program, std::slice::from_ref(&dependency)).unwrap();
        let archive = ZipArchive::new(File::open(&made.path).unwrap()).unwrap();
        let mut names: Vec<&str> = archive.file_names().collect();
        names.sort_unstable();
        // Programs look for folders of their jar, too.
        assert_eq!(names, ["META-INF/MANIFEST.MF", "a/", "a/Main.class", "lib/drey-0.jar"]);
        assert_eq!(bundle(&program, std::slice::from_ref(&dependency)).unwrap(), made);
        assert_ne!(bundle(&program, &[]).unwrap().sha256, made.sha256);
    }
}
