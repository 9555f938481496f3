//! `mutants [PART OF A NAME]`: plants bugs in a copy of the code, one at a time, and counts the histories
//! until each is found, or sees a test fail.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use harness::dst::mutants::{Hunter, MUTANTS, Mutant};

/// The histories that are played before a mutant counts as not found: in a debug build, which is made sooner.
const SEEDS: &str = "0..3000";

/// The parts of the copy.
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
    // Never the workspace's own: cargo would take artifacts of the copy for its own.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = target.join("mutants");
    println!("| invariant | planted | found at history, or by | as |\n|---|---|---|---|");
    let mut is_every_found = true;
    for bug in MUTANTS.iter().filter(|bug| bug.what.contains(&only)) {
        let (history, violation) = hunt(bug, copy.path(), &target)?;
        is_every_found &= history.is_some();
        let history = history.unwrap_or_else(|| "not".to_owned());
        println!("| {} | {} | {history} | {violation} |", bug.invariant, bug.what);
    }
    Ok(ExitCode::from(u8::from(!is_every_found)))
}

/// Plants a mutant, has it hunted, and takes it out again.
fn hunt(bug: &Mutant, copy: &Path, target: &Path) -> Result<(Option<String>, String)> {
    let path = copy.join(bug.path);
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(
        text.matches(bug.from).count() == 1,
        "{} must have {:?} once",
        bug.path,
        bug.from
    );
    std::fs::write(&path, text.replace(bug.from, bug.to))?;
    let output = cargo(bug.by)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        // Nobody debugs these builds: each is a third smaller without the information.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .output()
        .context("run cargo")?;
    std::fs::write(&path, text)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let has_run = match bug.by {
        Hunter::Histories => said.contains("histories"),
        Hunter::Test { .. } => said.contains("test result:") && !said.contains("running 0 tests"),
    };
    ensure!(
        has_run,
        "with {:?}: {}",
        bug.what,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(match bug.by {
        Hunter::Histories => found_by_histories(&said),
        Hunter::Test { name, .. } => {
            let found = (!output.status.success()).then(|| "test".to_owned());
            (found, name.to_owned())
        }
    })
}

/// Returns the command that runs a hunter.
fn cargo(hunter: Hunter) -> Command {
    let mut cargo = Command::new("cargo");
    match hunter {
        Hunter::Histories => cargo
            .args(["run", "--quiet", "--locked", "-p", "tests", "--features", "lab"])
            .args(["--bin", "dst", "--", "--seeds", SEEDS, "--lines", "1"]),
        Hunter::Test {
            package,
            target,
            name,
        } => {
            let target = match target {
                "--lib" => vec!["--lib"],
                program => vec!["--test", program],
            };
            cargo
                .args(["test", "--quiet", "--locked", "-p", package])
                .args(target)
                .arg(name)
        }
    };
    cargo
}

/// Returns the number of the history that found it, and the violation.
fn found_by_histories(said: &str) -> (Option<String>, String) {
    let found = said
        .lines()
        .find_map(|line| line.strip_prefix("found at history "));
    let history = found.and_then(|rest| rest.split(';').next()).map(str::to_owned);
    let violation = said
        .lines()
        .find(|line| line.starts_with("seed "))
        .and_then(|line| line.splitn(3, ": ").nth(2).map(str::to_owned));
    (history, violation.unwrap_or_default())
}
