//! The driver: a small Java program of ours that runs SQL scripts and Python programs inside of Flink.
//!
//! ```text
//! SQLSCRIPT  driver.jar + the script as an entry ──► one jar, io.drey.driver.SqlScript
//! PYTHON     driver.jar + flink-python.jar       ──► one jar, io.drey.driver.PythonProgram
//! ```
//!
//! One jar in either case, so that both can also be uploaded to a session cluster. Each half is compiled once per version
//! of Flink ([`crate::compile`]), and by itself: scripts need nothing of Flink's Python side. Owns its source, its jars
//! and their names; does not own arguments ([`crate::program`]).

use std::fs;
use std::path::{Path, PathBuf};

use crate::compile::{self, Program};
use crate::launch::Flink;
use crate::sql::Script;

/// Class that runs a SQL script.
pub(crate) const SQL_CLASS: &str = "io.drey.driver.SqlScript";
/// Class that runs a Python program.
pub(crate) const PYTHON_CLASS: &str = "io.drey.driver.PythonProgram";
/// Where the jars are, in the cache.
pub(crate) const FOLDER: &str = "driver";
/// Where the driver looks for its script, in its own jar.
const SCRIPT: &str = "drey/script";

macro_rules! source {
    ($name:literal) => {
        ($name, include_str!(concat!("../driver/src/io/drey/driver/", $name)))
    };
}

/// The driver of scripts, file by file.
const SQL: Program = Program {
    jar: "drey-sql.jar",
    main_class: SQL_CLASS,
    sources: &[source!("ScriptError.java"), source!("SqlScript.java"), source!("Step.java")],
};

/// The driver of Python programs.
const PYTHON: Program = Program {
    jar: "drey-python.jar",
    main_class: PYTHON_CLASS,
    sources: &[
        source!("ContextGateway.java"),
        source!("PythonError.java"),
        source!("PythonProgram.java"),
    ],
};

/// Why there is no jar for a program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no compiler.
    #[error(
        "preparing to run a {kind} artifact: Drey compiles a small driver for it once, and {} is a Java without a \
         compiler. Install a JDK (Debian, Ubuntu: apt install openjdk-17-jdk-headless; macOS: brew install openjdk@17) \
         or set JAVA_HOME to one, then restart Drey",
        java.display()
    )]
    NoCompiler {
        /// The kind of artifact.
        kind: drey_model::deployment::ArtifactKind,
        /// The Java that was found.
        java: PathBuf,
    },
    /// Flink lacks its Python side.
    #[error(
        "looking for Flink's Python side: {} holds no flink-python-*.jar. Take a complete Flink: drey flink install",
        folder.display()
    )]
    NoFlinkPython {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Compiling or packing failed.
    #[error(transparent)]
    Compile(#[from] compile::Error),
}

/// The driver of scripts for this Flink, kept in `cache`.
///
/// # Errors
/// The compiler or the disk refuses.
pub async fn sql_jar(cache: &Path, flink: &Flink, javac: &Path) -> Result<PathBuf, Error> {
    Ok(compile::jar(&cache.join(FOLDER), &SQL, flink, javac, None).await?)
}

/// The driver of Python programs with Flink's Python side in it, kept in `cache`. Reads and writes tens of megabytes,
/// once.
///
/// # Errors
/// Flink has no Python side, or the compiler or the disk refuses.
pub async fn python_jar(cache: &Path, flink: &Flink, javac: &Path) -> Result<PathBuf, Error> {
    let opt = flink.home.join("opt");
    let is_python = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("flink-python") && name.ends_with(".jar")
    };
    let found =
        fs::read_dir(&opt).into_iter().flatten().flatten().map(|e| e.path()).find(is_python);
    let python = found.ok_or_else(|| Error::NoFlinkPython { folder: opt.clone() })?;
    // Jars of the same version but another build have other sizes.
    let size = fs::metadata(&python).map_err(compile::Error::io("reading", &python))?.len();
    let folder = cache.join(FOLDER);
    let driver = compile::jar(&folder, &PYTHON, flink, javac, Some(&python)).await?;
    let version = driver.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let key = format!("{version}-{size}");
    Ok(compile::merged(&folder, &key, "drey-python.jar", vec![driver.clone(), python]).await?)
}

/// A jar that runs a script, as bytes: the same for the same script and driver.
///
/// # Errors
/// The driver's jar cannot be read.
pub fn script_jar(driver: &Path, script: &Script) -> Result<Vec<u8>, Error> {
    Ok(compile::with_entry(driver, SCRIPT, &script.encode())?)
}
