//! `vendor-swagger-ui`: the two files of Swagger UI that the server embeds, as they were published.
//!
//! They are kept packed in the repository, so that a build needs no network, and refreshed only by this verb: it fetches
//! the pinned release through npm, compares its checksum with the one below, and writes the files with their own
//! checksums, their licences and their notice. A test of the server holds what it serves against those checksums.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256, Sha512};

use crate::run;

/// The release, and the SHA-512 of its archive as the registry publishes it.
const RELEASE: &str = "swagger-ui-dist@5.35.0";
const ARCHIVE: &str = "swagger-ui-dist-5.35.0.tgz";
const SHA512: &str = "534eaba4cb56f55dd73c638179a993512af4674f63317e0826e00da44fc465b0\
                      21c341bc0a0c2bcd4e18997927fe1d3008336c5dd19aad334d1c2dec53cc9551";
const FOLDER: &str = "crates/drey-server/assets/swagger-ui";
/// Served; kept packed.
const SERVED: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];
/// Kept beside them as they are.
const TEXTS: [&str; 3] = ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"];

/// Fetches, verifies, writes.
pub(crate) fn swagger_ui() -> Result<()> {
    let place = tempfile::tempdir().context("making a folder")?;
    let mut npm = run::command("npm");
    let fetched = run::run(npm.current_dir(place.path()).args(["pack", "--silent", RELEASE]))?;
    ensure!(fetched, "npm cannot fetch {RELEASE}");
    let archive =
        fs::read(place.path().join(ARCHIVE)).with_context(|| format!("reading {ARCHIVE}"))?;
    let found = hex(&Sha512::digest(&archive));
    ensure!(found == SHA512, "{ARCHIVE} is not what it was: SHA-512 {found}, expected {SHA512}");

    let target = run::root()?.join(FOLDER);
    let mut sums = Vec::new();
    let mut files = tar::Archive::new(GzDecoder::new(archive.as_slice()));
    for entry in files.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(name) = path.strip_prefix("package").ok().and_then(Path::to_str) else { continue };
        let mut content = Vec::new();
        if SERVED.contains(&name) {
            entry.read_to_end(&mut content)?;
            sums.push(format!("{}  {name}\n", hex(&Sha256::digest(&content))));
            pack(&target.join(format!("{name}.gz")), &content)?;
        } else if TEXTS.contains(&name) {
            entry.read_to_end(&mut content)?;
            fs::write(target.join(name), content)?;
        }
    }
    ensure!(sums.len() == SERVED.len(), "{ARCHIVE} lacks one of {}", SERVED.join(", "));
    sums.sort();
    fs::write(target.join("SHA256SUMS"), sums.concat())?;
    Ok(())
}

/// Without a time or a name, so that equal content gives equal files.
fn pack(path: &Path, content: &[u8]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("writing {}", path.display()))?;
    let mut packed = GzBuilder::new().mtime(0).write(file, Compression::best());
    packed.write_all(content)?;
    packed.finish()?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
