//! What `drey serve` has to find before it starts a cluster: Java, Flink, a jar. All three empty but for the names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cleanup::Folder;
use crate::documents::FLINK_VERSION;
use crate::fake::VERB;

/// A zip file with nothing in it: only the record that ends the directory.
const EMPTY_ZIP: [u8; 22] = *b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Folders for one server that starts fake Flinks.
#[derive(Debug)]
pub(crate) struct JavaHome {
    folder: Folder,
}

impl JavaHome {
    pub(crate) fn create() -> Result<Self> {
        let home = Self { folder: Folder::new("drey-bench-java-")? };
        let bin = home.path().join("bin");
        let lib = home.cache().join("flink").join(FLINK_VERSION).join("lib");
        for made in [&bin, &lib] {
            fs::create_dir_all(made).with_context(|| format!("making {}", made.display()))?;
        }
        fs::write(lib.join(format!("flink-dist-{FLINK_VERSION}.jar")), EMPTY_ZIP)?;
        fs::write(home.jar(), EMPTY_ZIP)?;
        let own = std::env::current_exe().context("finding this program")?;
        for (name, text) in [("java", java(&own)), ("javac", javac())] {
            let file = bin.join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        Ok(home)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// For `DREY_CACHE`.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    pub(crate) fn jar(&self) -> PathBuf {
        self.path().join("job.jar")
    }
}

/// A JobManager becomes this program, a TaskManager a sleeping process.
fn java(own: &Path) -> String {
    let own = own.display();
    format!(
        r#"#!/bin/sh
case "$1" in
-version) echo 'openjdk version "17.0.15" 2025-04-15' >&2; exit 0 ;;
esac
for word; do
  case "$word" in
  *.TaskManagerRunner) exec sleep 86400 ;;
  esac
done
exec '{own}' {VERB} "$@"
"#
    )
}

fn javac() -> String {
    "#!/bin/sh\necho 'javac 17.0.15'\n".to_owned()
}
