//! Small files: how long one waits for the first byte, from a running node.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::report::{Table, median};
use super::stopwatch::Stopwatch;
use crate::{Cluster, Peer, content, is_interrupted};

/// Lengths that are fetched, and the seconds that each may take.
const LENGTHS: [(&str, u64, Duration); 2] = [
    ("1 byte", 1, Duration::from_millis(20)),
    ("1 MiB", 1 << 20, Duration::from_millis(50)),
];

/// Has a node fetch `count` files of each length from another, one after the other.
///
/// # Errors
/// When one fails.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(count: u32) -> Result<(Table, Value)> {
    let cluster = Cluster::builder().timing("").peers(2).start()?;
    println!(
        "    peer get NAME --output OUT --json --data-dir R   (R: a running node; another one shares the file)"
    );
    println!("    peer status --data-dir R   (what a command costs that moves nothing)");
    let mut table = Table::new(&["length", "ms", "ms, slowest", "ms, within the node", "ms wanted"]);
    let mut lengths = Vec::new();
    for (label, length, wanted) in LENGTHS {
        let (mut took, mut within) = (Vec::new(), Vec::new());
        for number in 0..count {
            ensure!(!is_interrupted(), "interrupted");
            let (whole, inner) = fetch(&cluster, length, number)?;
            took.push(whole);
            within.push(inner);
        }
        let slowest = took.iter().copied().max().unwrap_or_default();
        let middle = |times: &[Duration]| median(times.iter().copied()).unwrap_or_default();
        table.row([
            label.to_owned(),
            millis(middle(&took)),
            millis(slowest),
            millis(middle(&within)),
            millis(wanted),
        ]);
        lengths.push(json!({
            "length": length,
            "median_ms": middle(&took).as_secs_f64() * 1e3,
            "slowest_ms": slowest.as_secs_f64() * 1e3,
            "within_node_median_ms": middle(&within).as_secs_f64() * 1e3,
            "wanted_ms": wanted.as_secs_f64() * 1e3,
            "runs_ms": took.iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>(),
        }));
    }
    let floor = median(
        (0..count)
            .map(|_| timed(cluster.peer(1).command(["status"]).stdout(Stdio::null())).unwrap_or_default()),
    );
    let floor = floor.unwrap_or_default();
    table.row(["peer status".to_owned(), millis(floor)]);
    Ok((
        table,
        json!({ "count": count, "lengths": lengths, "status_median_ms": floor.as_secs_f64() * 1e3 }),
    ))
}

/// Publishes a new file and fetches it: returns the durations of the command, and of the fetch within the
/// node.
fn fetch(cluster: &Cluster, length: u64, number: u32) -> Result<(Duration, Duration)> {
    let name = format!("{length}-{number}");
    let (file, output) = (
        cluster.path(&format!("{name}.in")),
        cluster.path(&format!("{name}.out")),
    );
    write(&file, length, number)?;
    publish(cluster.peer(0), &file, &name)?;
    let said = cluster.path("said.json");
    let output_text = output.to_str().context("the output's path is not text")?;
    let mut get = cluster
        .peer(1)
        .command(["get", &name, "--json", "--output", output_text]);
    get.stdout(std::fs::File::create(&said)?);
    let took = timed(&mut get)?;
    ensure!(
        content::sha256(&file)? == content::sha256(&output)?,
        "the copy differs from the file"
    );
    let text = std::fs::read_to_string(&said)?;
    let last: Value = serde_json::from_str(text.lines().last().context("`get` says nothing")?)?;
    let within = last["elapsed_ms"].as_u64().context("`get` says no time")?;
    Ok((took, Duration::from_millis(within)))
}

/// Different bytes every time: a content that is held already is not fetched.
fn write(file: &Path, length: u64, number: u32) -> Result<()> {
    if length == 1 {
        let byte = u8::try_from(number).context("there are only 256 files of one byte")?;
        return Ok(std::fs::write(file, [byte])?);
    }
    Ok(content::write(file, length, u64::from(number))?)
}

fn publish(peer: &Peer, file: &Path, name: &str) -> Result<()> {
    let mut add = peer.command(["add", "--quiet", "--replicas", "1", "--wait=60s", "--name", name]);
    let output = add.arg(file).output()?;
    ensure!(
        output.status.success(),
        "cannot publish: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn timed(command: &mut Command) -> Result<Duration> {
    let watch = Stopwatch::start();
    let mut child = command.stderr(Stdio::inherit()).spawn()?;
    let status = child.wait()?;
    let took = watch.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

fn millis(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e3)
}
