//! `cargo bench-enjambre pair|swarm|add|small|tree|outbox|resume|watch|floods|tracker|all`: our times beside
//! those of the tools installed here, in one run.
//!
//! docs/benchmarks.md has the requirements and explains the results.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use harness::bench::report::{Table, save};
use harness::bench::{add, floods, outbox, pair, resume, small, swarm, tracker, tree, watch};
use harness::lab::obstacle;
use harness::{binaries, until_interrupted};
use serde_json::Value;
use shared::model::{ByteCount, ByteRate, parse_duration};

/// Measures Enjambre beside the tools that are installed on this machine.
///
/// Prints the commands that are used and a table, and writes target/bench/NAME-N.json. Files are made below
/// TMPDIR.
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
        /// Number of turns of each tool
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Let ours take turns with itself in a secured network
        #[arg(long)]
        tls: bool,
    },
    /// One file to many hosts with shaped links; needs root, Linux and iproute2
    Swarm {
        /// 16x50, 16x25, mixed, 32x20, arrivals, slow, source-killed; all when none is named
        scenarios: Vec<String>,
        /// Let ours take turns with itself in a secured network
        #[arg(long)]
        tls: bool,
        /// Let libtorrent take turns with ours
        #[arg(long)]
        libtorrent: bool,
        /// Number of runs of each scenario
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Publishing a large file, beside sha256sum and reading it
    Add {
        /// The file's length
        #[arg(long, default_value = "4GiB")]
        size: ByteCount,
        /// Number of turns of each command
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Files of 1 byte and of 1 MiB, from one running node to another
    Small {
        /// Number of files of each length
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=256))]
        runs: u32,
    },
    /// Many small files, published one by one by one node, and its status meanwhile
    Outbox {
        /// Number of files
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
        files: u32,
    },
    /// Fetch a directory of many small files, beside rsync -a, and again after a small change
    Tree {
        /// Number of files
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
        files: u32,
        /// Number of runs
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
    },
    /// Killing a receiver in the middle of a fetch: how much comes again
    Resume {
        /// The file's length
        #[arg(long, default_value = "1GiB")]
        size: ByteCount,
        /// Rate limit of the receiver
        #[arg(long, default_value = "200MB/s")]
        limit: ByteRate,
        /// Number of kills
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Chooses the moments
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Let many watchers follow one tracker while names are published as fast as possible
    Watch {
        /// Number of watchers
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1000))]
        watchers: u32,
        /// Duration of the publishing
        #[arg(long, default_value = "10s", value_parser = parse_duration)]
        load: Duration,
    },
    /// Honest commands while strangers and members take connections, sessions and streams
    Floods {
        /// Number of lists under each flood
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        lists: u32,
        /// Number of gets of 28 MiB under each flood
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
        gets: u32,
        /// Secure the network, and let strangers hold 10,000 half-open handshakes and idle connections
        #[arg(long)]
        tls: bool,
    },
    /// The tracker alone: memory, restart, durable publications, lookups beside empty calls
    Tracker(tracker::Options),
    /// An empty service, for `tracker`
    #[command(hide = true)]
    Echo,
    /// All of them with their defaults; the swarm only on machines that can have one
    All,
}

/// Exit code when this machine cannot run a benchmark, as for wrong usage.
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
        Benchmark::Pair { size, runs, tls } => show("pair", pair::run(size.get(), runs, tls)?),
        Benchmark::Swarm {
            scenarios,
            tls,
            libtorrent,
            runs,
        } => show(
            "swarm",
            swarm::run(&swarm::scenarios(&scenarios)?, runs, tls, libtorrent)?,
        ),
        Benchmark::Add { size, runs } => show("add", add::run(size.get(), runs)?),
        Benchmark::Tree { files, runs } => show("tree", tree::run(files, runs)?),
        Benchmark::Outbox { files } => show("outbox", outbox::run(files)?),
        Benchmark::Small { runs } => show("small", small::run(runs)?),
        Benchmark::Resume {
            size,
            limit,
            runs,
            seed,
        } => show("resume", resume::run(size.get(), limit, runs, seed)?),
        Benchmark::Watch { watchers, load } => show("watch", watch::run(watchers, load)?),
        Benchmark::Floods { lists, gets, tls } => show("floods", floods::run(lists, gets, tls)?),
        Benchmark::Tracker(options) => show("tracker", tracker::run(options)?),
        Benchmark::Echo => Ok(()),
        Benchmark::All => all(),
    }
}

/// Runs every benchmark with its defaults; the swarm only on machines that can have one.
fn all() -> Result<()> {
    let with_defaults =
        |words: &[&str]| run(Arguments::try_parse_from([&["bench"], words].concat())?.benchmark);
    for name in [
        "pair", "add", "small", "tree", "watch", "floods", "tracker", "resume",
    ] {
        with_defaults(&[name])?;
    }
    if let Some(obstacle) = obstacle() {
        println!("swarm: skipped, {obstacle}");
        return Ok(());
    }
    with_defaults(&["swarm", "--libtorrent"])
}

fn show(name: &str, (table, results): (Table, Value)) -> Result<()> {
    let path = save(name, &results)?;
    println!("\n{table}\nwritten to {}\n", path.display());
    Ok(())
}
