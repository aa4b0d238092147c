//! What is in a jar or another zip: the class that starts the program, and whether a class or module is there.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Larger than any manifest that names a main class.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Why a jar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened.
    #[error("opening the file")]
    Open(#[source] std::io::Error),
    /// The file is no zip, and so no jar.
    #[error("reading it as a zip file: it is not a jar, or it is damaged")]
    Zip(#[source] zip::result::ZipError),
    /// The manifest cannot be read.
    #[error("reading its manifest")]
    Manifest(#[source] std::io::Error),
}

/// The Main-Class of a jar's manifest; `None` when it has none.
///
/// # Errors
/// The file is not a jar.
pub fn main_class(path: &Path) -> Result<Option<String>, Error> {
    let file = File::open(path).map_err(Error::Open)?;
    let mut jar = zip::ZipArchive::new(BufReader::new(file)).map_err(Error::Zip)?;
    let entry = match jar.by_name("META-INF/MANIFEST.MF") {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(Error::Zip(error)),
    };
    let mut bytes = Vec::new();
    entry.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes).map_err(Error::Manifest)?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Whether a jar holds a class, given as `package.Name`.
///
/// # Errors
/// The file is not a jar.
pub fn has_class(path: &Path, class: &str) -> Result<bool, Error> {
    let file = File::open(path).map_err(Error::Open)?;
    let jar = zip::ZipArchive::new(BufReader::new(file)).map_err(Error::Zip)?;
    let entry = format!("{}.class", class.trim().replace('.', "/"));
    Ok(jar.index_for_name(&entry).is_some())
}

/// Whether a zip holds a Python module, given as `package.name`: a file, or a package that can be run.
///
/// # Errors
/// The file is not a zip.
pub fn has_module(path: &Path, module: &str) -> Result<bool, Error> {
    let file = File::open(path).map_err(Error::Open)?;
    let zip = zip::ZipArchive::new(BufReader::new(file)).map_err(Error::Zip)?;
    let stem = module.trim().replace('.', "/");
    let files = [format!("{stem}.py"), format!("{stem}.pyc"), format!("{stem}/__main__.py")];
    Ok(files.iter().any(|name| zip.index_for_name(name).is_some()))
}

/// Reads the main section, which ends at the first blank line; a line that begins with a space continues the last one.
fn parse(manifest: &str) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in manifest.lines().take_while(|line| !line.trim().is_empty()) {
        match (line.strip_prefix(' '), lines.last_mut()) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => lines.push(line.to_owned()),
        }
    }
    let pairs = lines.iter().filter_map(|line| line.split_once(':'));
    let mut classes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("Main-Class"));
    classes.next().map(|(_, class)| class.trim().to_owned()).filter(|class| !class.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_as_tools_write_them() {
        let long = "Manifest-Version: 1.0\r\nMain-Class: a.very.long.pack\r\n age.Main\r\n\r\nMain-Class: no\r\n";
        assert_eq!(parse(long).as_deref(), Some("a.very.long.package.Main"));
        assert_eq!(parse("Manifest-Version: 1.0\n\nName: x\nMain-Class: no\n"), None);
        assert_eq!(parse("main-class:a.B\n").as_deref(), Some("a.B"));
        assert_eq!(parse("Main-Class: \n"), None);
        assert_eq!(parse(""), None);
    }
}
