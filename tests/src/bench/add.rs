//! Publishing a large file: Enjambre beside a program that only reads it, one that only hashes it, and the
//! processor's limit.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::measure::{self, Ends, Sample};
use super::report::{Table, cores, first_line, mebibytes, median, seconds};
use crate::{Cluster, content, is_interrupted};

/// Measures `peer add`, `sha256sum` and `cat` on the same file `runs` times, taking turns.
///
/// # Errors
/// When one fails.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(length: u64, runs: u32) -> Result<(Table, Value)> {
    println!("Making a file of {} MiB …", length >> 20);
    let mut cluster = Cluster::builder().timing("").start()?;
    let path = cluster.path("file.bin");
    content::write(&path, length, length ^ 0xadd)?;
    let core = core_speed();
    match core {
        Some(speed) => println!(
            "one core hashes {} MiB/s (openssl speed -evp sha256 -bytes 16384)",
            speed >> 20
        ),
        None => println!("openssl: skipped, not installed; there is nothing to compare the hashing with"),
    }
    let lines = [
        "peer add FILE --name NAME --replicas 1 --data-dir DIR",
        "sha256sum FILE",
        "cat FILE > /dev/null",
    ];
    lines.iter().for_each(|line| println!("    {line}"));
    let mut samples: [Vec<Sample>; 3] = Default::default();
    for turn in 1..=runs {
        ensure!(!is_interrupted(), "interrupted");
        rustix::fs::sync();
        let file = path.as_os_str();
        // A fresh node: one that has the file already would have nothing to hash.
        let number = cluster.add_peer(None)?;
        let peer = cluster.peer(number);
        let ends = Ends {
            senders: Vec::new(),
            receivers: peer.program.id().into_iter().collect(),
        };
        let name = format!("run-{turn}");
        let mut add = peer.command(["add", "--quiet", "--replicas", "1", "--name", &name]);
        let ours = measure::command(ends, add.arg(file).stdout(Stdio::null()))?;
        cluster.peer_mut(number).program.kill();
        let others = ["sha256sum", "cat"].map(|tool| {
            let mut command = Command::new(tool);
            measure::command(Ends::default(), command.arg(file).stdout(Stdio::null()))
        });
        let [hashed, read] = others;
        for (samples, sample) in samples.iter_mut().zip([ours, hashed?, read?]) {
            println!("run {turn}: {} s", seconds(sample.took));
            samples.push(sample);
        }
    }
    Ok(summary(length, core, &lines, &samples))
}

#[expect(clippy::cast_precision_loss, reason = "speeds are shown with few digits")]
fn summary(length: u64, core: Option<u64>, lines: &[&str; 3], samples: &[Vec<Sample>; 3]) -> (Table, Value) {
    let speed_of = |took: Duration| length as f64 / took.as_secs_f64().max(f64::EPSILON);
    let took = |samples: &[Sample]| median(samples.iter().map(|sample| sample.took)).unwrap_or_default();
    let read_speed = speed_of(took(&samples[2]));
    // No program adds faster than all cores hash, or than the file can be read.
    let all_cores = core.map(|speed| speed as f64 * cores() as f64);
    let possible = all_cores.map_or(read_speed, |hashing| hashing.min(read_speed));
    let mut table = Table::new(&[
        "command",
        "s",
        "MiB/s",
        "of what is possible",
        "CPU s",
        "peak MiB",
    ]);
    let mut commands = Vec::new();
    for (line, samples) in lines.iter().zip(samples) {
        let took = took(samples);
        let cpu = median(samples.iter().map(|sample| sample.receiver.cpu)).unwrap_or_default();
        let peak = samples
            .iter()
            .map(|sample| sample.receiver.peak)
            .max()
            .unwrap_or_default();
        let share = speed_of(took) / possible;
        table.row([
            line.split(" --").next().unwrap_or(line).to_owned(),
            seconds(took),
            format!("{:.0}", speed_of(took) / f64::from(1 << 20)),
            format!("{share:.2}"),
            seconds(cpu),
            mebibytes(peak),
        ]);
        commands.push(json!({
            "command": line,
            "seconds": took.as_secs_f64(),
            "cpu_s": cpu.as_secs_f64(),
            "peak_bytes": peak,
            "of_possible": share,
            "runs": samples.iter().map(|sample| sample.took.as_secs_f64()).collect::<Vec<_>>(),
        }));
    }
    let results = json!({
        "length": length,
        "core_hashes_bytes_per_second": core,
        "cores": cores(),
        "possible_bytes_per_second": possible,
        "commands": commands,
    });
    (table, results)
}

/// Bytes that one core hashes in a second, in pieces of one block; none without openssl.
fn core_speed() -> Option<u64> {
    let mut openssl = Command::new("openssl");
    openssl.args([
        "speed", "-evp", "sha256", "-bytes", "16384", "-seconds", "2", "-mr",
    ]);
    // "+F:22:sha256:2301233152.00" among other lines, some of them on stderr.
    first_line(Command::new("openssl").arg("version"))?;
    let output = openssl.output().context("run openssl").ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("+F:"))?;
    let whole = line.rsplit(':').next()?.split('.').next()?;
    whole.parse().ok()
}
