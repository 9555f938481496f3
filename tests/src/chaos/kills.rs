//! `cargo campaign kills`: kills the tracker, or peers, again and again under load, each time as soon as they
//! work again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::load::Mix;
use super::{ChaosRun, Fleet, Host, Report, locked};
use crate::bench::report::seconds;
use crate::bench::stopwatch::Stopwatch;
use crate::{eventually, is_interrupted};

/// Two replicas need two peers while one is away, and one more for a choice.
const PEERS: usize = 4;

/// Concurrent operations when a kill hits.
const CLIENTS: u64 = 4;

/// A kill comes at most this long after it is seen that the victim has acknowledged something since it was
/// killed last.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Time within which an operation is acknowledged again after a kill.
const RETURN_LIMIT: Duration = Duration::from_secs(60);

/// Names that are read after each kill: the latest, which a kill could have cut off.
const READ_AFTER: usize = 3;

/// Victims of the kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The tracker.
    Tracker,
    /// A peer, each time another.
    Peer,
}

/// Kills the victim `count` times under load, then reads everything back.
///
/// # Errors
/// When a program cannot be started again.
pub fn run(victim: Victim, count: u64, seed: u64) -> Result<Report> {
    let chaos = ChaosRun::new(Fleet::start(PEERS)?)?;
    let mix = Mix {
        length_bits: 0..=12,
        replicas: 2..=2,
        most_names: usize::MAX,
        gets: 15,
    };
    let watch = Stopwatch::start();
    let killed: Result<()> = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (chaos, mix) = (&chaos, &mix);
            scope.spawn(move || chaos.client(seed.wrapping_add(client), mix));
        }
        let killed = chaos.kill_often(victim, count, seed);
        chaos.is_over.store(true, Ordering::Relaxed);
        killed
    });
    locked(&chaos.tally).figure("seconds under load", seconds(watch.elapsed()));
    let outcome = killed.and_then(|()| chaos.judge());
    chaos.end(outcome)
}

impl ChaosRun {
    fn kill_often(&self, victim: Victim, count: u64, seed: u64) -> Result<()> {
        let rng = &mut SmallRng::seed_from_u64(seed ^ 0x6b11);
        let hosts = self.fleet.hosts();
        let victims = match victim {
            Victim::Tracker => 1,
            Victim::Peer => hosts.len(),
        };
        // Acknowledgements of each victim when it had just come back: with more, it works again.
        let mut marks = vec![0; victims];
        for _ in 0..count {
            if is_interrupted() {
                break;
            }
            let at = rng.random_range(0..victims);
            let acknowledged = || match victim {
                Victim::Tracker => locked(&self.ledger).acknowledged(),
                Victim::Peer => hosts[at].acknowledged.load(Ordering::Relaxed),
            };
            eventually("an acknowledgement", RETURN_LIMIT, acknowledged, |now| {
                *now > marks[at]
            })?;
            // The moment of the fault.
            std::thread::sleep(LONGEST_PAUSE.mul_f64(rng.random()));
            self.note(format_args!("killing {victim:?} {at}"));
            match victim {
                Victim::Tracker => {
                    locked(&self.fleet.tracker).restart()?;
                    locked(&self.tally).fault("kill -9 of the tracker");
                }
                Victim::Peer => {
                    hosts[at].bounce(|_| Ok(()))?;
                    locked(&self.tally).fault("kill -9 of a peer");
                }
            }
            marks[at] = acknowledged();
            self.read_latest(&hosts, rng);
        }
        Ok(())
    }

    /// Reads the latest changes, all at once, through a peer that answers.
    fn read_latest(&self, hosts: &[Arc<Host>], rng: &mut SmallRng) {
        let _turn = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let host = &hosts[rng.random_range(0..hosts.len())];
        let latest = locked(&self.ledger).latest(READ_AFTER);
        std::thread::scope(|scope| {
            for name in &latest {
                scope.spawn(|| self.get(host, name, false));
            }
        });
    }
}
