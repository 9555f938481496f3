//! A directory of many small files: added and got, beside `rsync -a`; and how much a small change moves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use serde_json::{Value, json};

use super::Stopwatch;
use super::report::{Table, median, seconds};
use crate::{Cluster, Peer, is_interrupted};

/// Files are 100 B to 8 kB long.
const LENGTHS: std::ops::Range<usize> = 100..8_000;

/// Number of files that change between two gets.
const CHANGED: u32 = 10;

/// Measures `peer add` and `peer get` of a directory of `files` small files, `runs` times, taking turns with
/// `rsync -a`.
///
/// # Errors
/// When a command fails, or a tree differs after the round trip.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(files: u32, runs: u32) -> Result<(Table, Value)> {
    let (mut ours, mut theirs, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let mut moved = Vec::new();
    for turn in 0..runs {
        ensure!(!is_interrupted(), "interrupted");
        let cluster = Cluster::builder().timing("").peers(2).start()?;
        let (tree, out, copy) = (cluster.path("tree"), cluster.path("out"), cluster.path("rsync"));
        let length = plant(&tree, files, u64::from(turn))?;
        let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
        rustix::fs::sync();
        let added = timed(publisher.command(["add", text(&tree), "--quiet", "--replicas", "1"]))?;
        let got = timed(reader.command(["get", "tree", "--quiet", "--output", text(&out)]))?;
        rustix::fs::sync();
        let mut rsync = Command::new("rsync");
        rsync.args(["-a", &format!("{}/", text(&tree)), text(&copy)]);
        let synced = timed(rsync)?;
        same(&tree, &out)?;
        same(&tree, &copy)?;
        for n in 0..CHANGED {
            fs::write(path(&tree, n * (files / CHANGED)), format!("changed {turn}"))?;
        }
        let before = received(reader)?;
        timed(publisher.command(["add", text(&tree), "--quiet", "--replicas", "1", "--update"]))?;
        fs::create_dir(cluster.path("next"))?;
        fs::rename(&out, cluster.path("next/tree"))?;
        let again = timed(reader.command([
            "get",
            "tree",
            "--quiet",
            "--force",
            "--output",
            text(&cluster.path("next")),
        ]))?;
        same(&tree, &cluster.path("next/tree"))?;
        let came = received(reader)? - before;
        println!(
            "run {}: add {} s, get {} s, rsync {} s; after {CHANGED} changes: {came} of {length} bytes in {} s",
            turn + 1,
            seconds(added),
            seconds(got),
            seconds(synced),
            seconds(again)
        );
        ours.push(added + got);
        theirs.push(synced);
        parts.push((added, got, again));
        moved.push((came, length));
    }
    let middle = |times: &[Duration]| median(times.iter().copied()).unwrap_or_default();
    let ratio = middle(&ours).as_secs_f64() / middle(&theirs).as_secs_f64().max(f64::EPSILON);
    let mut table = Table::new(&["what", "s", "of rsync"]);
    table.row([
        "peer add, then get".to_owned(),
        seconds(middle(&ours)),
        format!("{ratio:.2}"),
    ]);
    table.row(["rsync -a".to_owned(), seconds(middle(&theirs)), "1.00".to_owned()]);
    let results = json!({
        "files": files,
        "of_rsync": ratio,
        "runs": parts.iter().zip(&theirs).zip(&moved).map(|((ours, theirs), moved)| json!({
            "add_s": ours.0.as_secs_f64(), "get_s": ours.1.as_secs_f64(), "rsync_s": theirs.as_secs_f64(),
            "again_s": ours.2.as_secs_f64(), "moved_bytes": moved.0, "tree_bytes": moved.1,
        })).collect::<Vec<_>>(),
    });
    Ok((table, results))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the harness makes text paths")
}

fn path(tree: &Path, n: u32) -> std::path::PathBuf {
    tree.join(format!("d{:03}/file{n:05}", n % 100))
}

/// Makes the files; returns their bytes.
fn plant(tree: &Path, files: u32, seed: u64) -> Result<u64> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut length = 0;
    for n in 0..files {
        let path = path(tree, n);
        fs::create_dir_all(path.parent().context("it is in a directory")?)?;
        let mut bytes = vec![0; rng.random_range(LENGTHS)];
        rng.fill_bytes(&mut bytes);
        length += bytes.len() as u64;
        fs::write(path, bytes)?;
    }
    fs::create_dir(tree.join("empty"))?;
    std::os::unix::fs::symlink("d000", tree.join("link"))?;
    Ok(length)
}

fn timed(mut command: Command) -> Result<Duration> {
    let watch = Stopwatch::start();
    let status = command.stdout(Stdio::null()).status().context("run it")?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(watch.elapsed())
}

fn received(peer: &Peer) -> Result<u64> {
    peer.status()["bytes_received"].as_u64().context("a number")
}

/// Whether two trees have the same paths, modes, times and bytes: `rsync` would change nothing.
fn same(one: &Path, other: &Path) -> Result<()> {
    let check = ["-a", "--delete", "--checksum", "--dry-run", "--itemize-changes"];
    let output = Command::new("rsync")
        .args(check)
        .args([format!("{}/", text(one)), text(other).to_owned()])
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && told.is_empty(), "they differ: {told}");
    Ok(())
}
