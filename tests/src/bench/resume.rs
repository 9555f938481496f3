//! Killing a receiver in the middle of a fetch: how much comes again after it.
//!
//! *Verified* are the bytes received at the receiver's last report before it died; *held* are those that it
//! has after its restart; *lost* is the difference. *Sent again* is counted at the source: all bytes sent in
//! both attempts beyond the content's length, including those on their way when the receiver died.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use shared::model::ByteRate;

use super::process;
use super::report::{Table, mebibytes};
use super::stopwatch::Stopwatch;
use crate::{Cluster, Outcome, content, eventually, is_interrupted};

/// A node that was just started again finds its tracker, and the fetch goes through, within this.
const PATIENCE: Duration = Duration::from_secs(120);

/// The receiver is killed when it has at least this part of the content…
const EARLIEST: f64 = 0.02;

/// …and at most this.
const LATEST: f64 = 0.9;

/// One kill.
#[derive(Clone, Copy, Debug)]
struct Kill {
    verified: u64,
    held: u64,
    received_after: u64,
    wasted_after: u64,
    sent_again: u64,
    /// Time until the node was ready again, and CPU time by then.
    restart: Duration,
    restart_cpu: Duration,
}

/// Kills a receiver `runs` times, each at another moment of a fetch of `length` bytes at most at this rate.
///
/// # Errors
/// When a program fails, or a copy differs.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(length: u64, rate: ByteRate, runs: u32, seed: u64) -> Result<(Table, Value)> {
    let mut cluster = Cluster::builder().timing("").peers(1).start()?;
    println!("    peer limit --download {} --data-dir R", rate.get());
    println!(
        "    peer get file --output OUT --json --data-dir R   (twice: R is killed with SIGKILL and started again)"
    );
    println!("    seed {seed}");
    let file = cluster.path("original.bin");
    content::write(&file, length, 7)?;
    let path = file.to_str().context("the file's path is not text")?;
    let add = ["add", path, "--name", "file", "--replicas", "1", "--wait", "10m"];
    succeeded(cluster.peer(0).run(add))?;
    let digest = content::sha256(&file)?;
    let mut random = SmallRng::seed_from_u64(seed);
    let mut table = Table::new(&[
        "killed at %",
        "verified MiB",
        "held MiB",
        "lost MiB",
        "received after MiB",
        "sent again MiB",
        "s at the limit",
        "restart ms",
        "its CPU ms",
    ]);
    let mut kills = Vec::new();
    for _ in 0..runs {
        ensure!(!is_interrupted(), "interrupted");
        let at = random.random_range(EARLIEST..LATEST);
        let receiver = cluster.add_peer(None)?;
        succeeded(
            cluster
                .peer(receiver)
                .run(["limit", "--download", &rate.get().to_string()]),
        )?;
        // Progress comes every 200 ms: kill somewhere in between.
        let pause = Duration::from_millis(random.random_range(0..200));
        let kill = kill(&mut cluster, receiver, (length, at), pause)?;
        let output = cluster.path(&format!("copy-{receiver}"));
        ensure!(
            content::sha256(&output)? == digest,
            "the copy differs from the file"
        );
        std::fs::remove_file(output)?;
        let lost = kill.verified.saturating_sub(kill.held);
        table.row([
            format!("{:.0}", at * 100.0),
            mebibytes(kill.verified),
            mebibytes(kill.held),
            mebibytes(lost),
            mebibytes(kill.received_after),
            mebibytes(kill.sent_again),
            format!("{:.2}", kill.sent_again.max(lost) as f64 / rate.get() as f64),
            kill.restart.as_millis().to_string(),
            kill.restart_cpu.as_millis().to_string(),
        ]);
        kills.push(json!({
            "killed_at": at,
            "verified": kill.verified,
            "held_after_restart": kill.held,
            "lost": lost,
            "received_after": kill.received_after,
            "wasted_after": kill.wasted_after,
            "sent_again": kill.sent_again,
            "restart_ms": kill.restart.as_secs_f64() * 1e3,
            "restart_cpu_ms": kill.restart_cpu.as_secs_f64() * 1e3,
        }));
        // Otherwise it would be a source for the next one.
        cluster.peer_mut(receiver).program.kill();
    }
    Ok((
        table,
        json!({ "length": length, "rate": rate.get(), "seed": seed, "kills": kills }),
    ))
}

fn kill(cluster: &mut Cluster, receiver: usize, (length, at): (u64, f64), pause: Duration) -> Result<Kill> {
    let sent_before = sent(cluster)?;
    let output = cluster.path(&format!("copy-{receiver}"));
    let output = output.to_str().context("the output's path is not text")?;
    let get = ["get", "file", "--json", "--output", output];
    let mut command = cluster.peer(receiver).command(get);
    let mut fetching = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = fetching.stdout.take().context("piped")?;
    let (words, said) = mpsc::channel::<Value>();
    let listener = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Ok(word) = serde_json::from_str(&line) {
                drop(words.send(word));
            }
        }
    });
    let verified = |word: &Value| {
        let bytes = |field: &str| word[field].as_u64().unwrap_or(0);
        bytes("received") - bytes("wasted")
    };
    let mut last = 0;
    while (last as f64) < length as f64 * at {
        let word = said.recv_timeout(PATIENCE).context("the fetch says nothing")?;
        ensure!(
            word["event"] != "done",
            "the fetch was over before it could be killed"
        );
        last = verified(&word);
    }
    std::thread::sleep(pause); // the moment of the kill is random, and this is a part of it
    cluster.peer_mut(receiver).program.kill();
    fetching.wait()?;
    listener.join().ok().context("the listener failed")?;
    last = said.try_iter().map(|word| verified(&word)).fold(last, u64::max);

    let watch = Stopwatch::start();
    cluster.peer_mut(receiver).program.restart()?;
    let restart = watch.elapsed();
    let process = cluster.peer(receiver).program.id().context("it runs")?;
    let restart_cpu = process::usage(process).cpu;
    let ask = || cluster.peer(receiver).run(get);
    let outcome = eventually("the fetch to go through", PATIENCE, ask, |outcome| {
        outcome.code == 0
    })?;
    let started: Value = serde_json::from_str(outcome.stdout.lines().next().context("a first line")?)?;
    let done = outcome.json();
    let number = |value: &Value| value.as_u64().context("a number");
    Ok(Kill {
        verified: last,
        held: number(&started["already_held"])?,
        received_after: number(&done["received"])?,
        wasted_after: number(&done["wasted"])?,
        sent_again: (sent(cluster)? - sent_before).saturating_sub(length),
        restart,
        restart_cpu,
    })
}

/// Bytes that the source has sent to anyone.
fn sent(cluster: &Cluster) -> Result<u64> {
    let status = succeeded(cluster.peer(0).run(["status", "--json"]))?.json();
    status["bytes_sent"]
        .as_u64()
        .context("the source says how much it sent")
}

fn succeeded(outcome: Outcome) -> Result<Outcome> {
    ensure!(outcome.code == 0, "{}{}", outcome.stdout, outcome.stderr);
    Ok(outcome)
}
