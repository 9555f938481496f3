//! `cargo campaign wipes`: as soon as a content is acknowledged as replicated R times, R−1 of its keepers are
//! killed and their data directories removed. The content must be readable.
//!
//! Wiped peers come back empty, as others. A content is removed after its trial: the next wipe may hit its
//! last copy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::{IteratorRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use super::{ChaosRun, Fleet, Host, Report, locked};
use crate::bench::report::{median, seconds};
use crate::{Stopwatch, content, is_interrupted, keepers};

/// Peers besides the keepers: one reads, others take over while the wiped ones come back.
const SPARE: usize = 3;

/// Some contents have one fragment, some have several.
const MOST_BYTES: u64 = 256 << 10;

/// Time after which an unreadable content counts as lost.
const READ_LIMIT: Duration = Duration::from_secs(60);

/// Trials that were acknowledged, by how they went.
#[derive(Debug, Default)]
struct Trials {
    acknowledged: u64,
    publisher_wiped: u64,
    read_at_once: u64,
    readings: Vec<Duration>,
}

/// Wipes `replicas` − 1 keepers right after each of `count` acknowledgements.
///
/// # Errors
/// When there is nothing to wipe, or a program does not start again.
pub fn run(replicas: u32, count: u64, seed: u64) -> Result<Report> {
    ensure!(replicas >= 2, "of one replica none can be spared");
    let keepers = usize::try_from(replicas).context("a number of peers")?;
    let chaos = ChaosRun::new(Fleet::start(keepers + SPARE)?)?;
    let outcome = chaos.trials(keepers, count, seed);
    chaos.end(outcome)
}

impl ChaosRun {
    fn trials(&self, replicas: usize, count: u64, seed: u64) -> Result<()> {
        let rng = &mut SmallRng::seed_from_u64(seed);
        let watch = Stopwatch::start();
        let mut trials = Trials::default();
        for number in 0..count {
            if is_interrupted() {
                break;
            }
            self.trial(number, replicas, rng, &mut trials)?;
        }
        let took = watch.elapsed();
        for line in self.fleet.panics() {
            self.violated(format_args!("a panic: {line}"));
        }
        let mut tally = locked(&self.tally);
        tally.figure(
            "acknowledged as replicated",
            format!("{} of {count}", trials.acknowledged),
        );
        tally.figure("trials in which the publisher was wiped", trials.publisher_wiped);
        tally.figure("readable by the first get", trials.read_at_once);
        let longest = trials.readings.iter().max().copied().unwrap_or_default();
        let middle = median(trials.readings.iter().copied()).unwrap_or_default();
        tally.figure("seconds to read, median", seconds(middle));
        tally.figure("seconds to read, longest", seconds(longest));
        tally.figure("seconds in all", seconds(took));
        Ok(())
    }

    fn trial(&self, number: u64, replicas: usize, rng: &mut SmallRng, trials: &mut Trials) -> Result<()> {
        let hosts = self.fleet.hosts();
        let publisher = &hosts[rng.random_range(0..hosts.len())];
        let (name, path) = (format!("trial-{number}"), self.fleet.path("files/trial"));
        content::write(&path, rng.random_range(1..=MOST_BYTES), rng.random())?;
        let digest = content::sha256(&path)?;
        locked(&self.tally).asks("add --wait");
        if !publish(publisher, &path, &name, replicas) {
            return self.clean_up(&name, publisher);
        }
        trials.acknowledged += 1;
        locked(&self.tally).acknowledges("add --wait");

        let located = publisher.run(["locate", &name, "--json"]);
        ensure!(located.code == 0, "cannot locate {name}: {}", located.stderr);
        let keeping = keeping(&located.json(), &hosts);
        if keeping.len() < replicas {
            self.violated(format_args!(
                "lost: {name} was acknowledged with {replicas} replicas and is kept by {} peers",
                keeping.len()
            ));
            return self.clean_up(&name, publisher);
        }
        let victims = victims(&keeping, publisher, number.is_multiple_of(2), rng);
        trials.publisher_wiped += u64::from(victims.iter().any(|victim| victim.number == publisher.number));
        let numbers: Vec<_> = victims.iter().map(|victim| victim.number).collect();
        self.note(format_args!(
            "{name} of peer {}: wiping {numbers:?}",
            publisher.number
        ));
        wipe(&victims)?;
        locked(&self.tally).fault("peers wiped right after an acknowledgement");

        let others = hosts
            .iter()
            .filter(|host| keeping.iter().all(|keeper| keeper.number != host.number));
        let reader = others.choose(rng).context("more peers than replicas")?;
        let watch = Stopwatch::start();
        self.read(reader, &name, &digest, trials);
        trials.readings.push(watch.elapsed());
        for victim in &victims {
            locked(&victim.program).restart()?;
        }
        self.clean_up(&name, reader)
    }

    fn read(&self, reader: &Host, name: &str, digest: &str, trials: &mut Trials) {
        let output = self.fleet.path("got/trial");
        let begun = Stopwatch::start();
        let mut attempts = 0;
        loop {
            attempts += 1;
            locked(&self.tally).asks("get");
            let text = output.to_str().expect("the harness makes text paths");
            let outcome = reader.run(["get", name, "--output", text, "--force", "--quiet"]);
            if outcome.code == 0 {
                locked(&self.tally).acknowledges("get");
                locked(&self.tally).compared += 1;
                trials.read_at_once += u64::from(attempts == 1);
                let read = content::sha256(&output).unwrap_or_default();
                if read != digest {
                    self.violated(format_args!(
                        "wrong bytes: {name} was read as {read}, it is {digest}"
                    ));
                }
                break;
            }
            if begun.elapsed() > READ_LIMIT || is_interrupted() {
                let said = outcome.stderr;
                self.violated(format_args!("lost: {name} ({digest}) cannot be read: {said}"));
                break;
            }
        }
        drop(std::fs::remove_file(output));
    }

    /// A failed removal is harmless: the name is one of many.
    fn clean_up(&self, name: &str, host: &Host) -> Result<()> {
        if host.run(["remove", name]).code != 0 {
            locked(&self.tally).fault("names left behind");
        }
        Ok(())
    }
}

fn publish(publisher: &Host, path: &Path, name: &str, replicas: usize) -> bool {
    let (path, replicas) = (
        path.to_str().expect("the harness makes text paths"),
        replicas.to_string(),
    );
    let add = [
        "add",
        path,
        "--name",
        name,
        "--replicas",
        &replicas,
        "--fragment-length",
        "64KiB",
        "--wait=9s",
        "--quiet",
    ];
    publisher.run(add).code == 0
}

/// The peers that keep all of it as a replica.
fn keeping(located: &Value, hosts: &[Arc<Host>]) -> Vec<Arc<Host>> {
    let kept = keepers(located);
    let keeps_all = |id: &str| kept.iter().all(|ids| ids.contains(id));
    let peers = located["peers"].as_array().into_iter().flatten();
    let of_all = peers.filter(|peer| peer["id"].as_str().is_some_and(keeps_all));
    let addresses: Vec<_> = of_all.filter_map(|peer| peer["addr"].as_str()).collect();
    let hosts = hosts.iter().filter(|host| addresses.contains(&&*host.address));
    hosts.cloned().collect()
}

/// All keepers but one, with the publisher or without.
fn victims(
    keeping: &[Arc<Host>],
    publisher: &Host,
    with_publisher: bool,
    rng: &mut SmallRng,
) -> Vec<Arc<Host>> {
    let mut order: Vec<_> = keeping.to_vec();
    order.shuffle(rng);
    order.sort_by_key(|host| (host.number == publisher.number) != with_publisher);
    order.truncate(keeping.len() - 1);
    order
}

/// Kills the victims at once, then removes their data.
fn wipe(victims: &[Arc<Host>]) -> Result<()> {
    std::thread::scope(|scope| {
        for victim in victims {
            scope.spawn(|| locked(&victim.program).kill());
        }
    });
    for victim in victims {
        std::fs::remove_dir_all(&victim.data_dir)
            .with_context(|| format!("remove {}", victim.data_dir.display()))?;
    }
    Ok(())
}
