//! `cargo campaign flips`: changed bytes on the disks of holders, and on the wires between peers, during
//! reads.
//!
//! In every round all copies but the publisher's (the user's own file) are changed, an empty peer reads
//! everything, and the holders verify their copies. Then the copies are repaired.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::proxy::Proxy;
use super::{Answer, ChaosRun, Content, Fleet, Host, Report, locked};
use crate::bench::report::seconds;
use crate::bench::stopwatch::Stopwatch;
use crate::{content, is_interrupted};

/// Contents read in every round: enough that thousands of bytes hit different blocks, and no more.
const CONTENTS: u64 = 4;
const LENGTH: u64 = 4 << 20;

/// The publisher and two peers whose copies are changed.
const HOLDERS: usize = 3;

/// Bytes changed in a holder's files in one round: about one in every block of 16 KiB.
const FLIPS: u64 = 1000;

/// Factor between bytes changed on disk and in flight, where each costs a request or a connection.
const IN_FLIGHT_PART: u64 = 40;

/// Holders are repaired within this time.
const REST_LIMIT: Duration = Duration::from_secs(120);

/// Time limit for beginning another round, on disk or in flight: after it something is much slower than it
/// should be.
const PHASE_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Changes `bytes` bytes on disk and a small part of that in flight, there one in `one_in`.
///
/// # Errors
/// When a program does not start or answer.
pub fn run(bytes: u64, one_in: u64, seed: u64) -> Result<Report> {
    let mut fleet = Fleet::start(0)?;
    fleet.be_patient();
    let chaos = ChaosRun::new(fleet)?;
    let outcome = chaos.flips(bytes, one_in, seed);
    chaos.end(outcome)
}

impl ChaosRun {
    fn flips(&self, bytes: u64, one_in: u64, seed: u64) -> Result<()> {
        let proxies: Vec<_> = (0..HOLDERS as u64)
            .map(|number| Proxy::start(seed ^ number))
            .collect::<Result<_>>()?;
        for proxy in &proxies {
            let host = self.fleet.add_host(&["--advertise", proxy.address()])?;
            proxy.lead_to(host.address.clone());
        }
        self.fleet.wait_until_connected()?;
        let rng = &mut SmallRng::seed_from_u64(seed);
        self.publish_all(rng)?;
        self.rest(REST_LIMIT)?;
        let reader = self.fleet.add_host(&[])?;

        let watch = Stopwatch::start();
        self.on_disk(bytes, &reader, rng)?;
        let on_disk = locked(&self.tally).flipped;
        locked(&self.tally).figure("bytes flipped on disk", on_disk);
        locked(&self.tally).figure("seconds for those on disk", seconds(watch.elapsed()));

        let watch = Stopwatch::start();
        self.in_flight(bytes / IN_FLIGHT_PART, one_in, &reader, &proxies)?;
        locked(&self.tally).figure("seconds for those in flight", seconds(watch.elapsed()));
        self.judge()
    }

    fn publish_all(&self, rng: &mut SmallRng) -> Result<()> {
        let host = &self.fleet.hosts()[0];
        for number in 0..CONTENTS {
            let (path, seed) = (self.fleet.path(&format!("files/{number}")), rng.random());
            content::write(&path, LENGTH, seed)?;
            let digest = content::sha256(&path)?;
            let content = Content {
                seed,
                length: LENGTH,
                digest,
            };
            let name = format!("n/{number}");
            let change = locked(&self.ledger).begin(&name, Some(content));
            let path = path.to_str().expect("the harness makes text paths");
            let replicas = HOLDERS.to_string();
            let add = [
                "add",
                path,
                "--name",
                &name,
                "--replicas",
                &replicas,
                "--fragment-length",
                "64KiB",
            ];
            let added = host.run(add);
            ensure!(added.code == 0, "cannot add: {}", added.stderr);
            locked(&self.ledger).end(change, Answer::Done);
        }
        Ok(())
    }

    fn on_disk(&self, bytes: u64, reader: &Host, rng: &mut SmallRng) -> Result<()> {
        let (mut damaged, mut begun) = (0, 0);
        let watch = Stopwatch::start();
        while locked(&self.tally).flipped < bytes && !is_interrupted() {
            let before = locked(&self.tally).flipped;
            ensure!(
                watch.elapsed() < PHASE_LIMIT,
                "only {before} bytes were flipped in time"
            );
            self.forget(reader)?;
            for host in &self.fleet.hosts()[1..] {
                let left = bytes.saturating_sub(locked(&self.tally).flipped);
                let flipped = flip(host, FLIPS.min(left), rng)?;
                locked(&self.tally).flipped += flipped;
            }
            ensure!(locked(&self.tally).flipped > before, "there was nothing to flip");
            locked(&self.tally).fault("rounds of bytes flipped on disk");
            begun += 1;
            self.read_all(reader, "all copies but one were damaged");
            for host in &self.fleet.hosts()[1..] {
                let verified = host.run(["verify", "--json"]);
                ensure!(
                    matches!(verified.code, 0 | 8),
                    "cannot verify: {}",
                    verified.stderr
                );
                damaged += damaged_in(&verified.stdout);
            }
        }
        let mut tally = locked(&self.tally);
        tally.figure("rounds on disk", begun);
        tally.figure(
            "fragments that verify found damaged after everything was read",
            damaged,
        );
        Ok(())
    }

    fn in_flight(&self, bytes: u64, one_in: u64, reader: &Host, proxies: &[Proxy]) -> Result<()> {
        let flipped = || proxies.iter().map(|proxy| proxy.counts().0).sum::<u64>();
        let mut under_fire = 0;
        let watch = Stopwatch::start();
        while flipped() < bytes && !is_interrupted() {
            ensure!(
                watch.elapsed() < PHASE_LIMIT,
                "only {} bytes were flipped in time",
                flipped()
            );
            self.forget(reader)?;
            let change = |one_in| proxies.iter().for_each(|proxy| proxy.change_one_in(one_in));
            change(one_in);
            locked(&self.tally).fault("rounds of bytes flipped in flight");
            under_fire += self.read_all(reader, "bytes were changed in flight");
            change(0);
        }
        let passed = proxies.iter().map(|proxy| proxy.counts().1).sum::<u64>();
        let mut tally = locked(&self.tally);
        tally.flipped += flipped();
        tally.figure("bytes flipped in flight", flipped());
        tally.figure("bytes that passed the wires", passed);
        tally.figure(
            "readings completed while bytes were flipped in flight",
            under_fire,
        );
        Ok(())
    }

    /// Empties the reader; its contents are on other peers again.
    fn forget(&self, reader: &Host) -> Result<()> {
        reader.bounce(|data_dir| std::fs::remove_dir_all(data_dir).context("wipe the reader"))?;
        self.rest(REST_LIMIT)
    }

    /// Reads every name; all of them can be read. Returns how many could.
    fn read_all(&self, reader: &Host, meanwhile: &str) -> u64 {
        let mut read = 0;
        let names = locked(&self.ledger).names();
        for name in names {
            if self.get(reader, &name, false) {
                read += 1;
            } else {
                self.violated(format_args!(
                    "unfinished: {name} could not be read while {meanwhile}"
                ));
            }
        }
        read
    }
}

/// Returns the number of damaged fragments in the output of `peer verify --json`; a failure's last line is
/// the error.
fn damaged_in(said: &str) -> u64 {
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut results = lines.filter(|line| line["event"] == "done");
    results
        .next()
        .and_then(|result| result["damaged"].as_u64())
        .unwrap_or(0)
}

/// Changes bytes anywhere in the fragments that a peer keeps for others; returns how many.
pub(super) fn flip(host: &Host, count: u64, rng: &mut SmallRng) -> Result<u64> {
    let files: Vec<_> = host.data_files().iter().filter_map(|path| open(path)).collect();
    let total: u64 = files.iter().map(|(_, length)| length).sum();
    if total == 0 {
        return Ok(0);
    }
    let mut flipped = 0;
    for _ in 0..count {
        let mut at = rng.random_range(0..total);
        for (file, length) in &files {
            if at < *length {
                flipped += u64::from(flip_at(file, at, 1 << rng.random_range(0..8_u32)).is_ok());
                break;
            }
            at -= length;
        }
    }
    Ok(flipped)
}

fn open(path: &Path) -> Option<(File, u64)> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Some((file, length))
}

fn flip_at(file: &File, at: u64, mask: u8) -> std::io::Result<()> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ mask], at)
}
