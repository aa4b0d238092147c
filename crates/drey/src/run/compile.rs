//! The jar of the demo: compiled on this machine, for the Flink that will run it, and kept.
//!
//! The source travels inside the binary; `drey_flink::compile` does the work.

use std::path::{Path, PathBuf};

use drey_flink::compile::{self, Program};
use drey_flink::dist::Installed;
use drey_model::causes::causes;

use crate::failure::{Exit, Failure};

macro_rules! source {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                "../../../../examples/top-speed-windowing/src/io/drey/examples/",
                $name
            )),
        )
    };
}

/// The program, file by file.
const PROGRAM: Program = Program {
    jar: "top-speed-windowing.jar",
    main_class: "io.drey.examples.TopSpeedWindowing",
    sources: &[
        source!("Drive.java"),
        source!("Options.java"),
        source!("Reading.java"),
        source!("TopSpeedWindowing.java"),
    ],
};

/// The jar for this Flink; compiles it unless it is there already.
///
/// # Errors
/// When the compiler or the disk refuses.
pub(crate) async fn jar(cache: &Path, flink: &Installed, javac: &Path) -> anyhow::Result<PathBuf> {
    let made = compile::jar(&cache.join("demo"), &PROGRAM, &flink.flink, javac, None).await;
    made.map_err(|e| Failure::new(Exit::No, "compiling the demo failed").why(causes(&e)).into())
}
