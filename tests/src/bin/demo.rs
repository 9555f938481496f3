//! `cargo demo [FILE]`: the whole system in a minute, with real programs on free loopback ports.
//!
//! A webserver, a tracker and five peers; a file is published with three replicas; two peers are killed, the
//! publisher among them; the cluster repairs itself; a sixth peer fetches the file by way of the webserver;
//! digests are compared.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use harness::{Cluster, Outcome, binaries, content, eventually, interrupt};
use serde_json::Value;
use shared::model::ByteCount;

const PEERS: usize = 5;
const REPLICAS: u64 = 3;
const GENERATED: u64 = 256 << 20;

/// Publishes a file on a small cluster of real programs, breaks the cluster, and gets the file back.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The file to publish; without one, 256 MiB are generated.
    file: Option<PathBuf>,
    /// Leave the cluster running at the end, and say where it is.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.context("start the runtime").and_then(|runtime| {
        runtime.block_on(async {
            let mut story = tokio::task::spawn_blocking(move || demo(&arguments));
            tokio::select! {
                told = &mut story => told?,
                _ = tokio::signal::ctrl_c() => {
                    // The story ends at its next wait; its programs end with it.
                    interrupt();
                    story.await?
                }
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(arguments: &Arguments) -> Result<()> {
    println!("Building the programs …");
    binaries::build();
    println!("Starting a webserver, a tracker and {PEERS} peers …");
    // Production timing: the demonstration behaves as a real cluster does.
    let builder = Cluster::builder().timing("").peers(PEERS);
    let builder = if arguments.keep { builder.keep() } else { builder };
    let mut cluster = builder.start()?;
    println!(
        "  webserver {}   tracker {}",
        cluster.webserver.address(),
        cluster.tracker.address()
    );

    let file = match &arguments.file {
        Some(file) => std::path::absolute(file).context("find the file")?,
        None => generate(&cluster.path("demo.bin"))?,
    };
    let digest = content::sha256(&file).with_context(|| format!("read {}", file.display()))?;
    let length = publish(&cluster, &file)?;
    lose_two_peers(&mut cluster)?;
    fetch(&cluster, length, &digest)?;
    if arguments.keep {
        leave(&mut cluster);
    } else {
        println!("\nDone; the programs are stopped and their files removed.");
    }
    Ok(())
}

fn publish(cluster: &Cluster, file: &Path) -> Result<u64> {
    let length = std::fs::metadata(file)?.len();
    println!(
        "\nPublishing {} ({}) from peer 0, with {REPLICAS} replicas …",
        file.display(),
        ByteCount::new(length)
    );
    let replicas = REPLICAS.to_string();
    let path = file.to_str().context("the file's path is not text")?;
    let add = [
        "add",
        path,
        "--name",
        "demo",
        "--replicas",
        &replicas,
        "--wait",
        "--no-progress",
        "--json",
    ];
    let ((), took) = timed(|| succeed(&cluster.peer(0).run(add), "add"))?;
    println!(
        "  published and replicated in {}",
        rate(length * (REPLICAS - 1), took)
    );
    show(&cluster.peer(0).locate("demo"));
    Ok(length)
}

fn lose_two_peers(cluster: &mut Cluster) -> Result<()> {
    let victims = victims(cluster)?;
    println!("\nKilling peers {} and {} (SIGKILL) …", victims[0], victims[1]);
    for victim in victims {
        cluster.peer_mut(victim).program.kill();
    }
    let witness = (0..PEERS)
        .find(|number| !victims.contains(number))
        .context("some peer is left")?;
    let lost = lost_replicas(&cluster.peer(witness).locate("demo"), cluster, &victims);
    let (located, took) = timed(|| {
        let ask = || cluster.peer(witness).locate("demo");
        // Three live holders of everything, none of them dead.
        eventually("the repair", Duration::from_secs(120), ask, |located| {
            fewest_live(located) >= REPLICAS && lost_replicas(located, cluster, &victims) == 0
        })
    })?;
    println!(
        "  {lost} fragment replicas were lost; noticed and repaired in {:.1} s",
        took.as_secs_f64()
    );
    show(&located);
    Ok(())
}

fn fetch(cluster: &Cluster, length: u64, digest: &str) -> Result<()> {
    println!("\nFetching on a sixth peer, by way of the webserver …");
    let output = cluster.path("fetched.bin");
    let get = [
        "get",
        "demo",
        "--webserver",
        cluster.webserver.address(),
        "--json",
        "--output",
    ];
    let get = get.into_iter().map(OsStr::new).chain([output.as_os_str()]);
    let (outcome, took) = timed(|| Ok(cluster.outsider("peer-sixth", get)))?;
    succeed(&outcome, "get")?;
    println!("  fetched in {}", rate(length, took));
    ensure!(
        content::sha256(&output).context("read the output")? == digest,
        "the fetched file differs"
    );
    println!("  SHA-256 of both files: {digest}");
    Ok(())
}

fn generate(path: &Path) -> Result<PathBuf> {
    println!(
        "Generating {} of pseudo-random bytes …",
        ByteCount::new(GENERATED)
    );
    content::write(path, GENERATED, 1).context("write the demo's file")?;
    Ok(path.to_owned())
}

fn leave(cluster: &mut Cluster) {
    println!("\nThe cluster stays up:");
    println!("  console  http://{}/", cluster.webserver.address());
    println!("  tracker  {}", cluster.tracker.address());
    for number in 0..cluster.peer_count() {
        let peer = cluster.peer(number);
        println!(
            "  peer {number}   {}   --data-dir {}",
            peer.program.address(),
            peer.data_dir().display()
        );
    }
    let directory = cluster.directory().display().to_string();
    let ids: Vec<_> = cluster.leave_running().iter().map(ToString::to_string).collect();
    println!("Stop it with: kill {} ; rm -r {directory}", ids.join(" "));
}

/// The publisher, and one of the peers that hold its replicas.
fn victims(cluster: &Cluster) -> Result<[usize; 2]> {
    let located = cluster.peer(0).locate("demo");
    let holders = &located["fragments"][0]["holders"];
    let other = (1..cluster.peer_count()).find(|number| {
        let id = &cluster.peer(*number).status()["id"];
        holders.as_array().is_none_or(|holders| holders.contains(id))
    });
    Ok([0, other.context("some other peer holds a replica")?])
}

fn holders(located: &Value) -> impl Iterator<Item = Vec<&str>> {
    let fragments = located["fragments"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    fragments.iter().map(|fragment| {
        let holders = fragment["holders"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        holders.iter().filter_map(Value::as_str).collect()
    })
}

/// Holders of the fragment that has the fewest.
fn fewest_live(located: &Value) -> u64 {
    holders(located)
        .map(|holders| holders.len() as u64)
        .min()
        .unwrap_or(REPLICAS)
}

/// Returns the number of replicas that `locate` shows on killed peers.
fn lost_replicas(located: &Value, cluster: &Cluster, victims: &[usize]) -> usize {
    let addresses: Vec<_> = victims
        .iter()
        .map(|victim| cluster.peer(*victim).program.address())
        .collect();
    let peers = located["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let dead: Vec<_> = peers
        .iter()
        .filter(|peer| addresses.iter().any(|address| peer["addr"] == *address))
        .filter_map(|peer| peer["id"].as_str())
        .collect();
    holders(located)
        .map(|holders| holders.iter().filter(|holder| dead.contains(*holder)).count())
        .sum()
}

fn show(located: &Value) {
    let fragments = holders(located).count();
    println!(
        "  {fragments} fragments; each is on {} peers or more:",
        fewest_live(located)
    );
    let peers = located["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    for peer in peers {
        let (id, addr) = (
            peer["id"].as_str().unwrap_or_default(),
            peer["addr"].as_str().unwrap_or_default(),
        );
        let held = holders(located).filter(|holders| holders.contains(&id)).count();
        let state = peer["state"].as_str().unwrap_or_default();
        println!(
            "    {}  {addr:<21} {state:<8} {held:>5} fragments",
            id.get(..10).unwrap_or(id)
        );
    }
}

fn succeed(outcome: &Outcome, what: &str) -> Result<()> {
    ensure!(
        outcome.code == 0,
        "{what} ended with {}: {}{}",
        outcome.code,
        outcome.stdout,
        outcome.stderr
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the demo tells how long things took")]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let value = work()?;
    Ok((value, begun.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn rate(bytes: u64, took: Duration) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!(
        "{:.2} s ({:.0} MiB/s)",
        took.as_secs_f64(),
        mebibytes / took.as_secs_f64().max(0.001)
    )
}
