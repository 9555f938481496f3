//! Harms: faults that destroy copies, or history.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

use super::super::{ChaosRun, Host, flips, locked};
use super::{Fault, LONG};
use crate::eventually;

/// Longest wait for a moment of rest; after it the harm is left out.
const REST_LIMIT: Duration = Duration::from_secs(45);

/// Longest time for a peer to accept an order to verify.
const VERIFY_LIMIT: Duration = Duration::from_secs(60);

/// Bytes that are changed at once.
const FLIPS: std::ops::Range<u64> = 20..400;

/// Exit codes of `peer verify`: sound, and damaged.
const VERIFIED: [i32; 2] = [0, 8];

/// Number of copies of data directories: each has a name of its own.
#[derive(Debug, Default)]
pub(super) struct Past {
    made: u32,
}

impl ChaosRun {
    /// False when there was no moment for it.
    pub(super) fn do_harm(&self, fault: Fault, past: &mut Past, rng: &mut SmallRng) -> Result<bool> {
        let hosts = self.fleet.hosts();
        let host = hosts.choose(rng).context("there are peers")?;
        self.note(format_args!(
            "{} is due, of peer {} if of one",
            fault.word(),
            host.number
        ));
        let is_done = match fault {
            Fault::Flip => self.flip(host, rng)?,
            Fault::Rot => self.rot(host, rng)?,
            Fault::Wipe => self.at_rest(|| host.bounce(empty))?,
            Fault::Yesterday => self.yesterday(host, past)?,
            Fault::Restore => self.restore(past)?,
            _ => unreachable!("those are troubles"),
        };
        self.note(format_args!("{} is over: {is_done}", fault.word()));
        let mut tally = locked(&self.tally);
        if is_done {
            tally.fault(fault.word());
        } else {
            tally.fault("harms left out, not everything was at target in time");
        }
        Ok(is_done)
    }

    /// Does something while everything is at its target, no fault is present and no client is active. Returns
    /// false when there was no such moment.
    fn at_rest(&self, harm: impl FnOnce() -> Result<()>) -> Result<bool> {
        let _no_trouble = self.truce.write().unwrap_or_else(PoisonError::into_inner);
        let _no_load = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.note("waiting for rest");
        if let Err(error) = self.rest(REST_LIMIT) {
            self.note(format_args!("no rest: {error:#}"));
            return Ok(false);
        }
        self.note("harm");
        harm().map(|()| true)
    }

    /// Changes bytes, lets readers find them for a while, then has the peer verify.
    fn flip(&self, host: &Arc<Host>, rng: &mut SmallRng) -> Result<bool> {
        let count = rng.random_range(FLIPS);
        let is_done = self.at_rest(|| {
            let flipped = flips::flip(host, count, rng)?;
            locked(&self.tally).flipped += flipped;
            Ok(())
        })?;
        if is_done {
            std::thread::sleep(LONG);
            let verify = || host.run(["verify", "--json"]).code;
            eventually("a verification", VERIFY_LIMIT, verify, |code| {
                VERIFIED.contains(code)
            })?;
        }
        Ok(is_done)
    }

    /// Kills the peer and damages its index or the log of that. A peer that refuses to start is given a new
    /// index, as its refusal says.
    fn rot(&self, host: &Host, rng: &mut SmallRng) -> Result<bool> {
        self.at_rest(|| {
            let spoil = |data_dir: &Path| {
                let file = *["index.db", "index.db-wal"].choose(rng).expect("one of two");
                self.spoil(&data_dir.join(file), rng)
            };
            let Err(refused) = host.bounce(spoil) else {
                return Ok(());
            };
            self.note(format_args!("peer {} refuses: {refused:#}", host.number));
            let rebuilt = host.run_offline("rebuild-index");
            ensure!(rebuilt.code == 0, "cannot rebuild the index: {}", rebuilt.stderr);
            locked(&self.tally).fault("indexes rebuilt");
            host.bounce(|_| Ok(()))
        })
    }

    /// Changes a byte of a file, cuts it off, or removes it.
    fn spoil(&self, path: &Path, rng: &mut SmallRng) -> Result<()> {
        let mut bytes = std::fs::read(path).unwrap_or_default();
        let at = rng.random_range(0..bytes.len().max(1));
        let kind = rng.random_range(0..3);
        self.note(format_args!("spoiling {} at {at}, kind {kind}", path.display()));
        match kind {
            0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x55),
            1 => bytes.truncate(at),
            _ => return std::fs::remove_file(path).context("remove a file"),
        }
        std::fs::write(path, bytes).with_context(|| format!("spoil {}", path.display()))
    }

    /// Copies the peer's data directory, lets it go on, then goes back to the copy.
    fn yesterday(&self, host: &Host, past: &mut Past) -> Result<bool> {
        let copy = self
            .fleet
            .path(&format!("yesterday-{}-{}", host.number, past.made));
        past.made += 1;
        let today = self.at_rest(|| host.bounce(|data_dir| copy_tree(data_dir, &copy)))?;
        if !today {
            return Ok(false);
        }
        std::thread::sleep(LONG);
        let is_done = self.at_rest(|| {
            host.bounce(|data_dir| {
                empty(data_dir)?;
                copy_tree(&copy, data_dir)
            })
        })?;
        if is_done {
            self.wait_until_believed(host)?;
        }
        Ok(is_done)
    }

    /// An older index has an older incarnation, which the tracker refuses; every start counts one more.
    fn wait_until_believed(&self, host: &Host) -> Result<()> {
        let believed = || {
            let session = host.status().map(|status| status["session"].clone());
            if session.as_ref().is_some_and(|session| session == "connected") {
                return true;
            }
            let _trouble = self.truce.read().unwrap_or_else(PoisonError::into_inner);
            host.bounce(|_| Ok(())).is_err()
        };
        eventually(
            "an older peer to be welcome again",
            VERIFY_LIMIT,
            believed,
            |is| *is,
        )
        .map(drop)
    }

    /// Takes a backup, lets the load go on, then starts the tracker on the backup.
    fn restore(&self, past: &mut Past) -> Result<bool> {
        let backup = self.fleet.path(&format!("backup-{}", past.made));
        past.made += 1;
        let moment = {
            let _no_load = self.gate.write().unwrap_or_else(PoisonError::into_inner);
            let made = self.fleet.tracker_command(&["backup".as_ref(), backup.as_ref()]);
            ensure!(made.code == 0, "cannot back up: {}", made.stderr);
            locked(&self.ledger).moment()
        };
        let acknowledged = || locked(&self.ledger).acknowledged();
        let before = acknowledged();
        std::thread::sleep(LONG);
        // Peers know of an acknowledgement one heartbeat later.
        let is_missed = acknowledged() > before;
        std::thread::sleep(LONG);
        self.at_rest(|| {
            self.start_on(&backup)?;
            locked(&self.ledger).taken_back_to(moment);
            self.fleet.wait_until_connected()?;
            let mut tracker = locked(&self.fleet.tracker);
            tracker.kill();
            let accepted = self.fleet.tracker_command(&["accept-loss".as_ref()]);
            ensure!(accepted.code == 0, "cannot accept: {}", accepted.stderr);
            if is_missed && !accepted.stdout.contains("accepted") {
                self.violated("unnoticed: facts were acknowledged after the backup, and no peer missed them");
            }
            tracker.restart()?;
            drop(tracker);
            self.fleet.wait_until_connected()
        })
    }

    fn start_on(&self, backup: &Path) -> Result<()> {
        let mut tracker = locked(&self.fleet.tracker);
        tracker.kill();
        let data_dir = self.fleet.path("tracker");
        std::fs::remove_dir_all(&data_dir).context("lose the tracker's directory")?;
        copy_tree(backup, &data_dir)?;
        let declared = self.fleet.tracker_command(&["restored".as_ref()]);
        ensure!(declared.code == 0, "cannot restore: {}", declared.stderr);
        tracker.restart()
    }
}

/// Empties a directory, which may be a file system of its own.
fn empty(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory).context("list")?.flatten() {
        let path = entry.path();
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        removed.with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let mut all = from.as_os_str().to_owned();
    all.push("/.");
    std::fs::create_dir_all(to).context("make a directory")?;
    let status = Command::new("cp").arg("-a").arg(all).arg(to).status();
    ensure!(
        status.context("copy")?.success(),
        "cannot copy {} to {}",
        from.display(),
        to.display()
    );
    Ok(())
}
