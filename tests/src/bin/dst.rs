//! `dst [--seeds A..B]`: plays histories of a simulated cluster and checks its invariants. One seed is one
//! history.
#![expect(clippy::print_stdout, reason = "it talks to the person who started it")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use harness::dst::{self, Played};

/// Plays histories of a simulated cluster and looks for violated invariants.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The first seed and the one after the last, such as 0..1000.
    #[arg(long, default_value = "0..1000", value_parser = range)]
    seeds: std::ops::Range<u64>,
    /// One seed, with the end of its trace.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// The number of peers at first; every seed has one of its own.
    #[arg(long)]
    peers: Option<usize>,
    /// The number of lines of a trace that are shown.
    #[arg(long, default_value_t = 60)]
    lines: usize,
    /// Play all seeds, and list those that violate an invariant.
    #[arg(long)]
    all: bool,
    /// The number of histories side by side; as many as there are processors, if not given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic is a violation like others: it is shown with its history.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments.seed {
        Some(seed) => show(seed, &arguments),
        None => play_all(&arguments),
    }
}

fn show(seed: u64, arguments: &Arguments) -> ExitCode {
    let played = dst::play(seed, arguments.peers, true);
    let skipped = played.lines.len().saturating_sub(arguments.lines);
    for line in &played.lines[skipped..] {
        println!("{line}");
    }
    println!(
        "seed {seed}: {} events, digest {:016x}: {}",
        played.events,
        played.digest,
        played.violation.as_deref().unwrap_or("every invariant held")
    );
    ExitCode::from(u8::from(played.violation.is_some()))
}

/// Plays all seeds until one violates an invariant.
fn play_all(arguments: &Arguments) -> ExitCode {
    let available = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let threads = arguments.threads.unwrap_or(available);
    let (next, failed) = (AtomicU64::new(arguments.seeds.start), AtomicU64::new(u64::MAX));
    let (events, played, violations) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    // Seeds before a failed one are still played, so that the first one is shown.
                    if seed >= arguments.seeds.end.min(failed.load(Ordering::Relaxed)) {
                        return;
                    }
                    let one: Played = dst::play(seed, arguments.peers, false);
                    events.fetch_add(one.events, Ordering::Relaxed);
                    played.fetch_add(1, Ordering::Relaxed);
                    match one.violation {
                        Some(violation) if arguments.all => {
                            let first = violation.lines().next().unwrap_or_default();
                            println!("seed {seed}: {first}");
                            violations.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(_) => drop(failed.fetch_min(seed, Ordering::Relaxed)),
                        None => {}
                    }
                }
            });
        }
    });
    let (played, events) = (played.into_inner(), events.into_inner());
    let failed = failed.into_inner();
    if failed == u64::MAX {
        let violations = violations.into_inner();
        println!("{played} histories, {events} events, {violations} violations");
        return ExitCode::from(u8::from(violations > 0));
    }
    let peers = arguments.peers.map_or(String::new(), |n| format!(" --peers {n}"));
    let found = failed - arguments.seeds.start + 1;
    show(failed, arguments);
    println!("found at history {found}; replay: cargo histories --seed {failed}{peers}");
    ExitCode::FAILURE
}

/// Reads `A..B`.
fn range(text: &str) -> Result<std::ops::Range<u64>, String> {
    let parsed = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed.ok_or_else(|| format!("{text:?} is no range of seeds; write two numbers, such as 0..1000"))
}
