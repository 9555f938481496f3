//! Campaigns: a cluster of real programs under load, harmed in every way that this machine allows, and a ledger beside it
//! of what it acknowledged.
//!
//! [`Ledger`] is the judge: pure, and told what clients ask, are answered and read. [`Fleet`] is the cluster. `load` are
//! its users, `nemesis` is what happens to it, `calm` reads everything back when the faults have stopped. [`kills`],
//! [`wipes`] and [`flips`] are campaigns of one kind of harm, many times over, and quick each time.
//!
//! The seed decides who asks for what and which faults come in which order; when exactly they hit is the machine's
//! business, so a seed repeats the kind of history and not the history (simulated ones do: [`crate::dst`]).

mod disk;
mod fleet;
pub mod flips;
mod general;
pub mod kills;
mod ledger;
mod load;
mod nemesis;
mod proxy;
mod quiescence;
mod tally;
pub mod wipes;

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::{Context as _, Result, ensure};

pub use fleet::{Fleet, Host, Listed};
pub use general::{Plan, run};
pub use ledger::{Answer, Change, Content, Ledger, Moment, Reading, Seen, Violation};
pub use nemesis::Fault;
pub use tally::{Report, Tally};

use crate::bench::stopwatch::Stopwatch;
use crate::is_interrupted;

/// What the threads of a campaign share.
#[derive(Debug)]
struct Campaign {
    fleet: Fleet,
    ledger: Mutex<Ledger>,
    tally: Mutex<Tally>,
    /// Held for reading by every client during an operation: whoever holds it for writing has the cluster to himself.
    gate: RwLock<()>,
    /// Held for reading by faults that destroy nothing: whoever holds it for writing knows that there is none.
    truce: RwLock<()>,
    /// The load and the nemeses are to end.
    is_over: AtomicBool,
    /// What happened and when, for whoever looks into a broken promise.
    diary: Mutex<File>,
    watch: Stopwatch,
}

impl Campaign {
    fn new(fleet: Fleet) -> Result<Self> {
        let diary = File::create(fleet.path("campaign.log")).context("begin a diary")?;
        Ok(Self {
            diary: Mutex::new(diary),
            watch: Stopwatch::start(),
            fleet,
            ledger: Mutex::default(),
            tally: Mutex::default(),
            gate: RwLock::default(),
            truce: RwLock::default(),
            is_over: AtomicBool::new(false),
        })
    }

    /// Notes what happens.
    fn note(&self, what: impl std::fmt::Display) {
        let at = self.watch.elapsed().as_secs_f64();
        // A diary with gaps is better than no campaign.
        drop(writeln!(locked(&self.diary), "{at:9.3} {what}"));
    }

    fn violated(&self, what: impl std::fmt::Display) {
        self.note(format_args!("BROKEN: {what}"));
        locked(&self.tally).violations.push(what.to_string());
    }

    /// Ends the campaign: the files stay when a promise was broken, or it could not go on.
    fn end(self, outcome: Result<()>) -> Result<Report> {
        // What was under way then says nothing about promises.
        ensure!(!is_interrupted(), "interrupted");
        if let Err(error) = outcome {
            self.violated(format_args!("stopped: {error:#}"));
        }
        let tally = self.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        let is_broken = !tally.violations.is_empty();
        let kept = is_broken.then(|| self.fleet.keep());
        Ok(Report { tally, kept })
    }
}

/// A panic elsewhere ends the campaign; what it left behind is still looked at.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
