//! The users: clients that add, update, remove and get through the real command line, and tell the ledger.

use std::ops::RangeInclusive;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::{Answer, ChaosRun, Content, Host, Seen, locked};
use crate::{Outcome, content, is_interrupted};

/// Exit codes of `peer` that say something about the name; the others leave it open.
const DONE: i32 = 0;
const NOT_FOUND: i32 = 3;
const TARGET_NOT_MET: i32 = 10;

/// Attempts to read a name that must be readable. Names with the same bytes share the file that the first
/// reader asked for, and that reader removes it: a `get` at the same moment fails, and the next one fetches
/// it again.
const QUIESCENT_ATTEMPTS: u32 = 3;

/// Time that `add --wait` waits for replicas, in a cluster that is being harmed.
const WAIT: &str = "--wait=5s";

/// Mix of the users' operations.
#[derive(Clone, Debug)]
pub(super) struct Mix {
    /// Bytes of a content, as powers of two.
    pub(super) length_bits: RangeInclusive<u32>,
    /// Replicas wanted.
    pub(super) replicas: RangeInclusive<u32>,
    /// No more names than this: everything is read back at the end.
    pub(super) most_names: usize,
    /// Gets among a hundred operations.
    pub(super) gets: u32,
}

impl ChaosRun {
    /// Runs one client until the chaos run is over.
    pub(super) fn client(&self, seed: u64, mix: &Mix) {
        let rng = &mut SmallRng::seed_from_u64(seed);
        while !self.is_over.load(Ordering::Relaxed) && !is_interrupted() {
            let _turn = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            let hosts = self.fleet.hosts();
            let up: Vec<_> = hosts.iter().filter(|host| host.is_up()).collect();
            match up.choose(rng) {
                Some(host) => self.step(host, rng, mix),
                // Everybody is away for the moment.
                None => std::thread::yield_now(),
            }
        }
    }

    fn step(&self, host: &Host, rng: &mut SmallRng, mix: &Mix) {
        if rng.random_range(0..100) < mix.gets {
            let name = locked(&self.ledger).any(rng);
            if let Some(name) = name {
                self.get(host, &name, false);
            }
            return;
        }
        match rng.random_range(0..10) {
            0..6 if locked(&self.ledger).len() < mix.most_names => self.add(host, rng, mix, "add"),
            0..8 => self.add(host, rng, mix, "update"),
            _ => self.remove(host, rng),
        }
    }

    /// Publishes a new file under a new name, or under one that is bound to something else.
    fn add(&self, host: &Host, rng: &mut SmallRng, mix: &Mix, kind: &'static str) {
        let id = next_id();
        let path = self.fleet.path(&format!("files/{id}"));
        let content = self.recipe(rng, mix);
        if content::write(&path, content.0, content.1).is_err() {
            return;
        }
        let Ok(digest) = content::sha256(&path) else {
            return;
        };
        let content = Content {
            seed: content.1,
            length: content.0,
            digest,
        };
        let (name, change) = {
            let mut ledger = locked(&self.ledger);
            // A removed name is sometimes bound again.
            let is_new = kind == "add" && rng.random_bool(0.9);
            let name = if is_new {
                None
            } else {
                ledger.free(rng, kind == "update")
            };
            let name = name.unwrap_or_else(|| format!("n/{id}"));
            let change = ledger.begin(&name, Some(content));
            (name, change)
        };
        let replicas = rng.random_range(mix.replicas.clone()).to_string();
        let path = path.into_os_string();
        let mut arguments: Vec<&std::ffi::OsStr> = vec!["add".as_ref(), &path];
        arguments.extend(
            ["--name", &name, "--replicas", &replicas, "--json"].map(AsRef::<std::ffi::OsStr>::as_ref),
        );
        arguments.extend(["--fragment-length", "64KiB"].map(AsRef::<std::ffi::OsStr>::as_ref));
        if kind == "update" {
            arguments.push("--update".as_ref());
        }
        if rng.random_bool(0.25) {
            arguments.push(WAIT.as_ref());
        }
        locked(&self.tally).asks(kind);
        let outcome = host.run(arguments);
        let is_done = match outcome.code {
            // A pending change is only written down, to be published later.
            DONE => outcome.json()["state"] != "pending",
            TARGET_NOT_MET => outcome.stdout.contains("\"published\""),
            _ => false,
        };
        let answer = if is_done { Answer::Done } else { Answer::Unknown };
        locked(&self.ledger).end(change, answer);
        self.answered(host, kind, is_done);
    }

    /// A length and a seed; sometimes those of something that is there already.
    fn recipe(&self, rng: &mut SmallRng, mix: &Mix) -> (u64, u64) {
        if rng.random_bool(0.1)
            && let Some((_, known)) = locked(&self.ledger).bound(rng)
        {
            return (known.length, known.seed);
        }
        let bits = rng.random_range(mix.length_bits.clone());
        let length = rng.random_range(0..=1_u64 << bits);
        (length, rng.next_u64())
    }

    fn remove(&self, host: &Host, rng: &mut SmallRng) {
        let (name, change) = {
            let mut ledger = locked(&self.ledger);
            let Some(name) = ledger.free(rng, true) else {
                return;
            };
            let change = ledger.begin(&name, None);
            (name, change)
        };
        locked(&self.tally).asks("remove");
        let is_done = host.run(["remove", &name]).code == DONE;
        let answer = if is_done { Answer::Done } else { Answer::Unknown };
        locked(&self.ledger).end(change, answer);
        self.answered(host, "remove", is_done);
    }

    /// Reads a name and compares; a missing content is a violation only at quiescence. Returns false when the
    /// outcome is unknown.
    pub(super) fn get(&self, host: &Host, name: &str, is_quiescent: bool) -> bool {
        let output = self.fleet.path(&format!("got/{}", next_id()));
        let reading = locked(&self.ledger).begin_reading(name);
        locked(&self.tally).asks("get");
        let mut outcome = self.fetch(host, name, &output);
        for _ in 1..QUIESCENT_ATTEMPTS {
            if !is_quiescent || matches!(outcome.code, DONE | NOT_FOUND) {
                break;
            }
            self.note(format_args!(
                "{name} again, exit {}: {}",
                outcome.code,
                outcome.stderr.trim()
            ));
            outcome = self.fetch(host, name, &output);
        }
        let digest = match outcome.code {
            DONE => content::sha256(&output).ok(),
            _ => None,
        };
        drop(std::fs::remove_file(&output));
        let seen = match (outcome.code, &digest) {
            (DONE, Some(digest)) => Seen::Bytes(digest),
            (NOT_FOUND, _) => Seen::Absent,
            _ => Seen::Nothing,
        };
        let is_seen = seen != Seen::Nothing;
        {
            let mut tally = locked(&self.tally);
            tally.compared += u64::from(is_seen);
            if is_seen {
                tally.acknowledges("get");
            }
        }
        let mut ledger = locked(&self.ledger);
        let was = ledger.describe(&reading);
        let told = if is_quiescent {
            ledger.end_quiescent_reading(reading, seen)
        } else {
            ledger.end_reading(reading, seen)
        };
        drop(ledger);
        if let Err(violation) = told {
            let said = format!("exit {}: {}", outcome.code, outcome.stderr.trim());
            self.violated(format_args!("{violation}; peer {} said {said}", host.number));
        }
        if !is_seen {
            self.note(format_args!(
                "{name} by peer {}: exit {}: {}; it was {was}",
                host.number,
                outcome.code,
                outcome.stderr.trim()
            ));
        }
        is_seen
    }

    fn fetch(&self, host: &Host, name: &str, output: &std::path::Path) -> Outcome {
        let arguments: [&std::ffi::OsStr; 5] = [
            "get".as_ref(),
            name.as_ref(),
            "--output".as_ref(),
            output.as_ref(),
            "--quiet".as_ref(),
        ];
        host.run(arguments)
    }

    fn answered(&self, host: &Host, kind: &'static str, is_done: bool) {
        if is_done {
            host.acknowledged.fetch_add(1, Ordering::Relaxed);
            locked(&self.tally).acknowledges(kind);
        }
    }
}

/// Files have names of their own in one run.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
