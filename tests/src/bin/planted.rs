//! `planted [PART OF A NAME]`: plants bugs in a copy of the code, one at a time, and counts the histories that it takes
//! to find each.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use harness::histories::planted::{BUGS, Planted};

/// So many histories are played before a bug counts as not found: in a debug build, which is made sooner.
const SEEDS: &str = "0..3000";

/// What the copy consists of.
const PARTS: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "proto",
    "shared",
    "tracker",
    "peer",
    "webserver",
    "tests",
];

fn main() -> Result<ExitCode> {
    let only = std::env::args().nth(1).unwrap_or_default();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let copy = tempfile::tempdir().context("make a directory for the copy")?;
    for part in PARTS {
        let copied = Command::new("cp")
            .arg("-r")
            .arg(root.join(part))
            .arg(copy.path())
            .status()?;
        ensure!(copied.success(), "cannot copy {part}");
    }
    // Never the workspace's own: cargo would take what was built from the copy for what is built from here.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = target.join("planted");
    println!("| invariant | planted | found at history | as |\n|---|---|---|---|");
    let mut is_every_found = true;
    for bug in BUGS.iter().filter(|bug| bug.what.contains(&only)) {
        let (history, violation) = hunt(bug, copy.path(), &target)?;
        is_every_found &= history.is_some();
        let history = history.unwrap_or_else(|| "not".to_owned());
        println!("| {} | {} | {history} | {violation} |", bug.invariant, bug.what);
    }
    Ok(ExitCode::from(u8::from(!is_every_found)))
}

/// Plants a bug, plays histories, and takes the bug out again.
fn hunt(bug: &Planted, copy: &Path, target: &Path) -> Result<(Option<String>, String)> {
    let path = copy.join(bug.path);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(
        text.matches(bug.from).count() == 1,
        "{} must have {:?} once",
        bug.path,
        bug.from
    );
    std::fs::write(&path, text.replace(bug.from, bug.to))?;
    let output = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--locked",
            "-p",
            "tests",
            "--bin",
            "histories",
            "--",
        ])
        .args(["--seeds", SEEDS, "--lines", "1"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .context("run cargo")?;
    std::fs::write(&path, text)?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        said.contains("histories"),
        "with {:?}: {}",
        bug.what,
        String::from_utf8_lossy(&output.stderr)
    );
    let found = said
        .lines()
        .find_map(|line| line.strip_prefix("found at history "));
    let history = found.and_then(|rest| rest.split(';').next()).map(str::to_owned);
    let violation = said
        .lines()
        .find(|line| line.starts_with("seed "))
        .and_then(|line| line.splitn(3, ": ").nth(2).map(str::to_owned));
    Ok((history, violation.unwrap_or_default()))
}
