//! Paths of the programs: built once per run, in the harness's own profile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of `tracker`, `webserver` or `peer`.
///
/// # Panics
/// When they cannot be built.
#[must_use]
pub fn path(program: &str) -> PathBuf {
    build().join(program)
}

/// Builds the programs once per run, and returns their directory.
///
/// # Panics
/// When they cannot be built.
pub fn build() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(cargo_build)
}

/// Cargo builds binaries for tests of their own package only, so the harness asks for them itself.
fn cargo_build() -> PathBuf {
    if let Some(directory) = std::env::var_os("ENJAMBRE_BIN_DIR") {
        return directory.into();
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().expect("cargo is there: it built this harness");
    assert!(status.success(), "the programs do not build");
    // target/<profile>/deps/<this> for a test, target/<profile>/<this> for a binary.
    let own = std::env::current_exe().expect("a running program has a path");
    let directory = own
        .ancestors()
        .skip(1)
        .find(|directory| !directory.ends_with("deps"));
    directory.expect("a program lies in a directory").to_owned()
}
