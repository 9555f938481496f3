//! `cargo campaign [kills|wipes|flips]`: runs a cluster of real programs under faults and checks that it
//! keeps everything that it acknowledged.
//!
//! docs/reliability.md describes the faults and the findings.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use harness::bench::report::save;
use harness::chaos::kills::Victim;
use harness::chaos::{self, Fault, Plan, Report, flips, kills, wipes};
use harness::strangers::Beginning;
use harness::{Stopwatch, liar, security, strangers, until_interrupted};

/// Length of a stranger's siege.
const SIEGE: Duration = Duration::from_secs(6);

/// Connections of it to each program.
const BESIEGERS: usize = 600;

/// Loads and harms a cluster of real programs, and compares its answers with a ledger of everything that it
/// acknowledged.
///
/// Prints a table and writes target/bench/campaign-NAME-N.json. Ends with 1, and keeps all files, when an
/// invariant was broken. Files are made below TMPDIR.
#[derive(Debug, Parser)]
#[command(name = "cargo campaign", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    kind: Option<Kind>,
    /// Seconds of faults; up to two minutes more until every kind of fault has occurred
    #[arg(long, conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// Minutes of faults [default: 5]
    #[arg(long)]
    minutes: Option<u64>,
    /// Seed of the requests and of the order of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of peers
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(4..=50))]
    peers: u8,
    /// The kinds of faults: kill-peer, kill-tracker, stop-peer, stop-tracker, cut, divide, fill, siege, page,
    /// change-network, liar, flip, rot, wipe, yesterday, restore [default: all]
    #[arg(long, value_delimiter = ',')]
    nemesis: Vec<Fault>,
    /// Secure the network first: programs join with the lines that `tracker init` prints. Members that lie
    /// and changes of the network are left out
    #[arg(long)]
    secured: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Kind {
    /// Kills programs again and again under load, each time as soon as they work again
    Kills {
        /// Victims of the kills
        #[arg(long)]
        of: Of,
        /// Number of kills
        #[arg(long, default_value_t = 100)]
        count: u64,
        /// Seed of the requests and of the times and victims of the kills
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Wipes all holders but one right after a content was acknowledged as replicated
    Wipes {
        /// Replicas of each content
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=8))]
        replicas: u32,
        /// Number of contents
        #[arg(long, default_value_t = 50)]
        trials: u64,
        /// Seed of the lengths and of the victims
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Changes bytes on disk and in flight, and reads everything
    Flips {
        /// Bytes changed on disk; besides, one for each 40 of them is changed in flight
        #[arg(long, default_value_t = 10_000)]
        bytes: u64,
        /// Change one byte in this many in flight; by default in every eighth fragment. Every get has to
        /// finish
        #[arg(long, value_name = "BYTES", default_value_t = 512 << 10, value_parser = clap::value_parser!(u64).range(1..))]
        one_in: u64,
        /// Decides where
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Acts as a stranger, or as a liar among the members, for a while: a part of a run
    #[command(hide = true)]
    Stranger {
        act: Act,
        /// HOST:PORT of each program; the words of a liar
        words: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Act {
    Siege,
    Page,
    Liar,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Of {
    Tracker,
    Peer,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let name = match &arguments.kind {
        None => "campaign",
        Some(Kind::Stranger { act, words }) => return stranger(*act, words),
        Some(Kind::Kills { of: Of::Tracker, .. }) => "campaign-kills-tracker",
        Some(Kind::Kills { of: Of::Peer, .. }) => "campaign-kills-peer",
        Some(Kind::Wipes { .. }) => "campaign-wipes",
        Some(Kind::Flips { .. }) => "campaign-flips",
    };
    match until_interrupted(move || run(arguments)).and_then(|report| show(name, &report)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<Report> {
    match arguments.kind {
        None => {
            let minutes = arguments.minutes.unwrap_or(5);
            let all = arguments.nemesis.is_empty();
            chaos::run(&Plan {
                length: Duration::from_secs(arguments.seconds.unwrap_or(minutes * 60)),
                seed: arguments.seed,
                peers: arguments.peers.into(),
                secured: arguments.secured || security::is_wanted(),
                faults: if all {
                    Fault::ALL.into()
                } else {
                    arguments.nemesis.into_iter().collect()
                },
            })
        }
        Some(Kind::Kills { of, count, seed }) => {
            let victim = match of {
                Of::Tracker => Victim::Tracker,
                Of::Peer => Victim::Peer,
            };
            kills::run(victim, count, seed)
        }
        Some(Kind::Wipes {
            replicas,
            trials,
            seed,
        }) => wipes::run(replicas, trials, seed),
        Some(Kind::Flips { bytes, one_in, seed }) => flips::run(bytes, one_in, seed),
        Some(Kind::Stranger { .. }) => unreachable!("it was done"),
    }
}

fn stranger(act: Act, words: &[String]) -> ExitCode {
    let watch = Stopwatch::start();
    let ended = match act {
        Act::Siege => strangers::siege(words, BESIEGERS, Beginning::Http2, &|| watch.elapsed() > SIEGE),
        Act::Page => {
            let answered = strangers::page(words);
            answered.iter().for_each(|answered| println!("{answered}"));
            Ok(())
        }
        Act::Liar => liar::run(words),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every invariant held.
fn show(name: &str, report: &Report) -> Result<bool> {
    let path = save(name, &report.tally.json())?;
    println!("{}\nwritten to {}", report.tally.table(), path.display());
    for violation in &report.tally.violations {
        println!("BROKEN: {violation}");
    }
    let Some(kept) = &report.kept else {
        return Ok(true);
    };
    let words: Vec<_> = std::env::args().skip(1).collect();
    println!("all files are in {}", kept.display());
    println!("to repeat it: cargo campaign {}", words.join(" "));
    Ok(false)
}
