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
use harness::{Cluster, Outcome, binaries, content, fewest, interrupt, keepers, wait_for_replicas};
use serde_json::Value;
use shared::model::ByteCount;

const PEERS: usize = 5;
const REPLICAS: usize = 3;
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
        rate(length * (REPLICAS as u64 - 1), took)
    );
    show(&cluster.peer(0).locate("demo"));
    Ok(length)
}

fn lose_two_peers(cluster: &mut Cluster) -> Result<()> {
    let victims = victims(cluster)?;
    let dead = victims.map(|victim| id_of(cluster, victim));
    let witness = (0..PEERS)
        .find(|number| !victims.contains(number))
        .context("some peer is left")?;
    let kept = keepers(&cluster.peer(witness).locate("demo"));
    let lost: usize = kept
        .iter()
        .map(|ids| dead.iter().filter(|id| ids.contains(*id)).count())
        .sum();
    println!("\nKilling peers {} and {} (SIGKILL) …", victims[0], victims[1]);
    for victim in victims {
        cluster.peer_mut(victim).program.kill();
    }
    let (located, took) = timed(|| {
        wait_for_replicas(
            cluster.peer(witness),
            "demo",
            REPLICAS,
            &dead,
            Duration::from_secs(120),
        )
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

fn id_of(cluster: &Cluster, number: usize) -> String {
    let id = &cluster.peer(number).status()["id"];
    id.as_str().unwrap_or_default().to_owned()
}

/// The publisher, and one of the peers that keep its replicas.
fn victims(cluster: &Cluster) -> Result<[usize; 2]> {
    let kept = keepers(&cluster.peer(0).locate("demo"));
    let keeps = |number: &usize| kept.iter().all(|ids| ids.contains(&id_of(cluster, *number)));
    let other = (1..cluster.peer_count()).find(keeps);
    Ok([0, other.context("some other peer keeps a replica")?])
}

fn show(located: &Value) {
    let kept = keepers(located);
    println!(
        "  {} fragments; each is kept by {} peers or more:",
        kept.len(),
        fewest(located)
    );
    let peers = located["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    for peer in peers {
        let (id, addr) = (
            peer["id"].as_str().unwrap_or_default(),
            peer["addr"].as_str().unwrap_or_default(),
        );
        let held = kept.iter().filter(|ids| ids.contains(id)).count();
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
