//! One file from one process to another over loopback: ours and the tools that are installed, taking turns.

mod enjambre;
mod http;
mod libtorrent;
mod rsync;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::measure::Sample;
use super::process::Usage;
use super::report::{Table, mebibytes, median, ratio, seconds};
use crate::{content, is_interrupted};

/// A transfer: a source file that stays in place, and the destinations of its copies.
#[derive(Debug)]
pub struct Course {
    directory: TempDir,
    digest: String,
    length: u64,
}

/// A way of moving the file, with its sender running.
trait Contestant {
    /// Returns the name of the contestant.
    fn name(&self) -> &'static str;
    /// Returns whether the contestant checks received bytes against a cryptographic hash known before.
    fn verifies(&self) -> bool;
    /// Returns the commands, for people who want to repeat them.
    fn commands(&self) -> Vec<String>;
    /// Moves the file to `output`, which is not there yet.
    fn run(&mut self, output: &Path) -> Result<Sample>;
}

/// Reason for leaving out a tool.
struct Missing {
    tool: &'static str,
    why: String,
}

type Entrance = Result<Box<dyn Contestant>, Missing>;

impl Course {
    fn new(length: u64) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("enjambre-bench-").tempdir()?;
        std::fs::create_dir(directory.path().join("in"))?;
        let mut course = Self {
            directory,
            digest: String::new(),
            length,
        };
        content::write(&course.file(), length, length ^ 0xbe7c)?;
        course.digest = content::sha256(&course.file())?;
        Ok(course)
    }

    /// The file; alone in its directory.
    fn file(&self) -> PathBuf {
        self.directory.path().join("in/file.bin")
    }

    /// The directory that the file is alone in.
    fn source(&self) -> PathBuf {
        self.directory.path().join("in")
    }

    /// A path for something of the benchmark's own.
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Measures all contestants `runs` times, ours also in a secured network if that is wanted; prints progress,
/// and returns the table and the results.
///
/// # Errors
/// When Enjambre fails; failures of others are reported as such.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(length: u64, runs: u32, with_tls: bool) -> Result<(Table, Value)> {
    println!("Making a file of {} MiB …", length >> 20);
    let course = Course::new(length)?;
    let secured: &[fn(&Course) -> Result<Entrance>] = if with_tls { &[enjambre::enter_by_tls] } else { &[] };
    let others: [fn(&Course) -> Result<Entrance>; 5] = [
        enjambre::enter,
        rsync::enter,
        http::enter_curl,
        http::enter_aria2,
        libtorrent::enter,
    ];
    let (mut contestants, mut skipped) = (Vec::new(), Vec::new());
    for enter in others.iter().take(1).chain(secured).chain(&others[1..]) {
        match enter(&course)? {
            Ok(contestant) => {
                println!("{}:", contestant.name());
                contestant
                    .commands()
                    .iter()
                    .for_each(|line| println!("    {line}"));
                contestants.push((contestant, Vec::new()));
            }
            Err(Missing { tool, why }) => {
                println!("{tool}: skipped, {why}");
                skipped.push(json!({ "tool": tool, "why": why }));
            }
        }
    }
    for turn in 1..=runs {
        for (contestant, samples) in &mut contestants {
            ensure!(!is_interrupted(), "interrupted");
            let sample = take_turn(&course, contestant.as_mut())
                .with_context(|| format!("{}, run {turn}", contestant.name()))?;
            println!("run {turn}: {:<12} {} s", contestant.name(), seconds(sample.took));
            samples.push(sample);
        }
    }
    Ok(summary(&course, &contestants, &skipped))
}

/// One transfer, and a check that the copy is right.
fn take_turn(course: &Course, contestant: &mut dyn Contestant) -> Result<Sample> {
    let output = course.path("out.bin");
    rustix::fs::sync(); // what earlier turns wrote must not be written during this one
    let sample = contestant.run(&output)?;
    ensure!(
        content::sha256(&output)? == course.digest,
        "the copy differs from the file"
    );
    std::fs::remove_file(&output)?;
    Ok(sample)
}

type Entry = (Box<dyn Contestant>, Vec<Sample>);

fn summary(course: &Course, contestants: &[Entry], skipped: &[Value]) -> (Table, Value) {
    let mut table = Table::new(&[
        "tool",
        "verified",
        "s",
        "min",
        "max",
        "MiB/s",
        "ours / it",
        "CPU s sender",
        "CPU s receiver",
        "peak MiB sender",
        "peak MiB receiver",
    ]);
    let mut tools = Vec::new();
    let ours = contestants.first().map(|(_, samples)| middle(samples).took);
    for (contestant, samples) in contestants {
        let middle = middle(samples);
        let times = || samples.iter().map(|sample| sample.took);
        let factor = ours.map_or(1.0, |ours| ratio(ours, middle.took));
        let rate = u128::from(course.length >> 10) * 1000 / middle.took.as_millis().max(1) / 1024;
        table.row([
            contestant.name().to_owned(),
            if contestant.verifies() { "yes" } else { "no" }.to_owned(),
            seconds(middle.took),
            seconds(times().min().unwrap_or_default()),
            seconds(times().max().unwrap_or_default()),
            rate.to_string(),
            format!("{factor:.2}"),
            seconds(middle.sender.cpu),
            seconds(middle.receiver.cpu),
            mebibytes(middle.sender.peak),
            mebibytes(middle.receiver.peak),
        ]);
        tools.push(json!({
            "tool": contestant.name(),
            "verifies": contestant.verifies(),
            "commands": contestant.commands(),
            "median": sample_json(&middle),
            "ours_over_it": factor,
            "runs": samples.iter().map(sample_json).collect::<Vec<_>>(),
        }));
    }
    (
        table,
        json!({ "length": course.length, "tools": tools, "skipped": skipped }),
    )
}

/// The median of every figure for itself.
fn middle(samples: &[Sample]) -> Sample {
    let usage = |end: fn(&Sample) -> Usage| Usage {
        cpu: median(samples.iter().map(|sample| end(sample).cpu)).unwrap_or_default(),
        peak: samples
            .iter()
            .map(|sample| end(sample).peak)
            .max()
            .unwrap_or_default(),
    };
    Sample {
        took: median(samples.iter().map(|sample| sample.took)).unwrap_or_default(),
        sender: usage(|sample| sample.sender),
        receiver: usage(|sample| sample.receiver),
    }
}

fn sample_json(sample: &Sample) -> Value {
    let end = |usage: Usage| json!({ "cpu_s": usage.cpu.as_secs_f64(), "peak_bytes": usage.peak });
    json!({
        "seconds": Duration::as_secs_f64(&sample.took),
        "sender": end(sample.sender),
        "receiver": end(sample.receiver),
    })
}
