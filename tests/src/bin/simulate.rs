//! `simulate [SCENARIO…]`: how long a swarm takes on virtual links, with the scheduler that peers really use.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use harness::swarm_sim::{self, Outcome, Size};
use shared::model::{ByteCount, parse_duration};

/// Simulates swarms and compares them with the lower bound.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Scenarios to simulate: equal-15, equal-100, equal-1000, mixed, arrivals, crowd, source-leaves,
    /// one-slow, slow-source, liars.
    #[arg(default_value = "equal-15")]
    scenarios: Vec<String>,
    /// Number of receivers; each scenario has a number of its own by default.
    #[arg(long)]
    receivers: Option<usize>,
    /// The content's length.
    #[arg(long, default_value = "64MiB")]
    content: ByteCount,
    /// Uplink of the source and of ordinary receivers, in bits a second, such as 50Mbit or 1Gbit.
    #[arg(long, default_value = "50Mbit", value_parser = rate)]
    up: u64,
    /// Downlink of each; by default the same as the uplink.
    #[arg(long, value_parser = rate)]
    down: Option<u64>,
    /// Delay of every message between hosts, besides its time on their links. A queue for a busy link delays
    /// everything behind it: 50 to 100 ms are usual at the ports of a swarm.
    #[arg(long, default_value = "1ms", value_parser = parse_duration)]
    latency: Duration,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of simulations of each scenario, with consecutive seeds.
    #[arg(long, default_value_t = 1)]
    runs: u64,
}

fn main() -> ExitCode {
    match simulate(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn simulate(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.content.get() > 0,
        "the content is empty; give a length of at least 1"
    );
    println!(
        "{:<14} {:>5} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>9}",
        "scenario",
        "seed",
        "complete",
        "T* s",
        "last s",
        "last/T*",
        "med/T*",
        "max/T*",
        "copies",
        "waste%",
        "uplinks%"
    );
    for name in &arguments.scenarios {
        for seed in arguments.seed..arguments.seed + arguments.runs {
            let size = Size {
                content: arguments.content.get(),
                receivers: arguments.receivers,
                up: arguments.up,
                down: arguments.down.unwrap_or(arguments.up),
                latency: arguments.latency,
                seed,
            };
            let known = swarm_sim::NAMES.join(", ");
            let plan = swarm_sim::scenario(name, size)
                .with_context(|| format!("there is no scenario {name:?}; choose from {known}"))?;
            print(name, seed, &swarm_sim::run(&plan));
        }
    }
    println!("last: until the last receiver had everything; med, max: a receiver's time from its arrival.");
    Ok(())
}

fn print(name: &str, seed: u64, outcome: &Outcome) {
    let bound = outcome.lower_bound.as_secs_f64();
    let slowest = outcome.took.last().copied().unwrap_or_default().as_secs_f64();
    println!(
        "{name:<14} {seed:>5} {:>9} {bound:>8.2} {:>8.2} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>7.2} {:>9.1}",
        format!("{}/{}", outcome.completed.0, outcome.completed.1),
        outcome.makespan.as_secs_f64(),
        outcome.ratio(),
        outcome.median().as_secs_f64() / bound,
        slowest / bound,
        outcome.source_copies,
        outcome.wasted * 100.0,
        outcome.utilisation * 100.0,
    );
}

/// Reads a rate in bits a second, such as `50Mbit`, and returns bytes a second.
fn rate(text: &str) -> Result<u64, String> {
    let error = || format!("{text:?} is not a rate; write bits a second, such as 50Mbit or 1Gbit");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor: u64 = match text[split..].to_ascii_lowercase().as_str() {
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        "bit" | "" => 1,
        _ => return Err(error()),
    };
    let bits = text[..split]
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    bits.map(|bits| bits / 8)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(error)
}
