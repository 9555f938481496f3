//! `cargo bench-enjambre pair|swarm|add|small|tree|resume|watch|tracker|all`: our times beside those of the tools installed here, in one run.
//!
//! docs/benchmarks.md says what to install and how to read the results.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use harness::bench::report::{Table, save};
use harness::bench::{add, pair, resume, small, swarm, tracker, tree, watch};
use harness::lab::obstacle;
use harness::{binaries, until_interrupted};
use serde_json::Value;
use shared::model::{ByteCount, ByteRate, parse_duration};

/// Measures Enjambre beside the tools that are installed on this machine.
///
/// Prints the commands that are used and a table, and writes target/bench/NAME-N.json. Files are made below TMPDIR.
#[derive(Debug, Parser)]
#[command(name = "cargo bench-enjambre", version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Clone, Debug, Subcommand)]
enum Benchmark {
    /// One file from one process to another over loopback: enjambre, rsync, curl, aria2c, libtorrent
    Pair {
        /// The file's length
        #[arg(long, default_value = "1GiB")]
        size: ByteCount,
        /// How often each tool has its turn
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// One file to many hosts with shaped links; needs root, Linux and iproute2
    Swarm {
        /// 16x50, 16x25, mixed, 32x20, arrivals, slow, source-killed; all when none is named
        scenarios: Vec<String>,
        /// Let libtorrent take turns with ours
        #[arg(long)]
        libtorrent: bool,
        /// How often each scenario is run
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Publishing a large file, beside sha256sum and reading it
    Add {
        /// The file's length
        #[arg(long, default_value = "4GiB")]
        size: ByteCount,
        /// How often each command has its turn
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Files of 1 byte and of 1 MiB, from one running node to another
    Small {
        /// How many files of each length
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=256))]
        runs: u32,
    },
    /// A directory of many small files, beside rsync -a, and what a small change moves
    Tree {
        /// How many files
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        files: u32,
        /// How often
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Killing a receiver in the middle of a fetch: how much comes again
    Resume {
        /// The file's length
        #[arg(long, default_value = "1GiB")]
        size: ByteCount,
        /// How fast the receiver may fetch
        #[arg(long, default_value = "200MB/s")]
        limit: ByteRate,
        /// How often it is killed
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Chooses the moments
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Many watchers on one tracker while names are published as quickly as it takes them
    Watch {
        /// How many watchers
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
        watchers: u32,
        /// For how long is published
        #[arg(long, default_value = "10s", value_parser = parse_duration)]
        load: Duration,
    },
    /// The tracker alone: memory, restart, durable publications, lookups beside empty calls
    Tracker {
        /// Fragments in all
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        fragments: u32,
        /// Fragments of each content
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=65_536))]
        each: u32,
        /// Replicas of every fragment
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
        replicas: u32,
        /// Simulated peers
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        peers: u32,
        /// Callers at once
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_024))]
        clients: u32,
        /// How long each rate is measured, each time
        #[arg(long, default_value = "5s", value_parser = parse_duration)]
        time: Duration,
        /// How often each rate is measured
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// An empty service, for `tracker`
    #[command(hide = true)]
    Echo,
    /// All of them with their defaults; the swarm only where there can be one
    All,
}

/// Exit code when this machine cannot run what was asked for, as for wrong usage.
const IMPOSSIBLE: u8 = 2;

fn main() -> ExitCode {
    let Arguments { benchmark } = Arguments::parse();
    if matches!(benchmark, Benchmark::Echo) {
        return match tracker::echo::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("failed: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let (Benchmark::Swarm { .. }, Some(obstacle)) = (&benchmark, obstacle()) {
        println!("{obstacle}");
        return IMPOSSIBLE.into();
    }
    match until_interrupted(move || run(benchmark)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(benchmark: Benchmark) -> Result<()> {
    binaries::build();
    match benchmark {
        Benchmark::Pair { size, runs } => show("pair", pair::run(size.get(), runs)?),
        Benchmark::Swarm {
            scenarios,
            libtorrent,
            runs,
        } => show(
            "swarm",
            swarm::run(&swarm::scenarios(&scenarios)?, runs, libtorrent)?,
        ),
        Benchmark::Add { size, runs } => show("add", add::run(size.get(), runs)?),
        Benchmark::Tree { files, runs } => show("tree", tree::run(files, runs)?),
        Benchmark::Small { runs } => show("small", small::run(runs)?),
        Benchmark::Resume {
            size,
            limit,
            runs,
            seed,
        } => show("resume", resume::run(size.get(), limit, runs, seed)?),
        Benchmark::Watch { watchers, load } => show("watch", watch::run(watchers, load)?),
        Benchmark::Tracker {
            fragments,
            each,
            replicas,
            peers,
            clients,
            time,
            runs,
        } => show(
            "tracker",
            tracker::run(tracker::Options {
                fragments,
                each,
                replicas,
                peers,
                clients,
                time,
                runs,
            })?,
        ),
        Benchmark::Echo => Ok(()),
        Benchmark::All => all(),
    }
}

fn all() -> Result<()> {
    show("pair", pair::run(1 << 30, 3)?)?;
    show("add", add::run(4 << 30, 3)?)?;
    show("small", small::run(20)?)?;
    show("tree", tree::run(10_000, 3)?)?;
    show("watch", watch::run(200, Duration::from_secs(10))?)?;
    show("tracker", tracker::run(tracker::Options::default())?)?;
    let limit = ByteRate::new(200_000_000).context("not 0")?;
    show("resume", resume::run(1 << 30, limit, 5, 1)?)?;
    if let Some(obstacle) = obstacle() {
        println!("swarm: skipped, {obstacle}");
        return Ok(());
    }
    show("swarm", swarm::run(&swarm::scenarios(&[])?, 3, true)?)
}

fn show(name: &str, (table, results): (Table, Value)) -> Result<()> {
    let path = save(name, &results)?;
    println!("\n{table}\nwritten to {}\n", path.display());
    Ok(())
}
