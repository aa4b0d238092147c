//! The environment that `cargo xtask test-flink` prepares.

use std::path::PathBuf;

fn var(name: &str) -> String {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.unwrap_or_else(|| {
        panic!("{name} is not set; start this suite with `cargo xtask test-flink`")
    })
}

/// The program under test.
pub(super) fn binary() -> PathBuf {
    let given = std::env::var_os("DREY_TEST_BIN").filter(|path| !path.is_empty());
    given.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_drey")), PathBuf::from)
}

/// The fixture jobs.
pub(crate) fn jar() -> String {
    var("DREY_TEST_JAR")
}

/// The Flink version to run.
pub(super) fn flink_version() -> String {
    var("DREY_TEST_FLINK")
}

/// Whether fewer crash points are enough.
pub(crate) fn is_quick() -> bool {
    std::env::var("DREY_TEST_QUICK").is_ok_and(|value| value == "1")
}
