//! Chaos runs: a cluster of real programs under load, harmed in every way that this machine allows, and a
//! ledger beside it of everything that it acknowledged.
//!
//! [`Ledger`] is the judge: pure, and fed with the requests, answers and reads of clients. [`Fleet`] is the
//! cluster. `load` has its users, `nemesis` its faults, `quiescence` reads everything back when the faults
//! have stopped. [`kills`], [`wipes`] and [`flips`] are runs of one kind of fault, many times over, and quick
//! each time.
//!
//! The seed decides the requests, and the order of the faults; their exact times depend on the machine, so a
//! seed repeats the kind of history and not the history (simulated ones do: [`crate::dst`]).

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
pub use general::run;
pub use ledger::{Answer, Change, Content, Ledger, Moment, Reading, Seen, Violation};
pub use nemesis::{Fault, Plan};
pub use tally::{Report, Tally};

use crate::{Stopwatch, is_interrupted};

/// State that the threads of a chaos run share.
#[derive(Debug)]
struct ChaosRun {
    fleet: Fleet,
    ledger: Mutex<Ledger>,
    tally: Mutex<Tally>,
    /// Read lock of every client during an operation: the write lock excludes all clients.
    gate: RwLock<()>,
    /// Read lock of faults that destroy nothing: the write lock excludes them.
    truce: RwLock<()>,
    /// The load and the nemeses are to end.
    is_over: AtomicBool,
    /// Times of all operations and faults, for the analysis of a broken invariant.
    diary: Mutex<File>,
    watch: Stopwatch,
}

impl ChaosRun {
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

    /// Writes a line to the diary.
    fn note(&self, what: impl std::fmt::Display) {
        let at = self.watch.elapsed().as_secs_f64();
        // A diary with gaps is better than no run.
        drop(writeln!(locked(&self.diary), "{at:9.3} {what}"));
    }

    fn violated(&self, what: impl std::fmt::Display) {
        self.note(format_args!("BROKEN: {what}"));
        locked(&self.tally).violations.push(what.to_string());
    }

    /// Ends the run: the files stay when an invariant was broken, or the run failed.
    fn end(self, outcome: Result<()>) -> Result<Report> {
        // Operations interrupted by the user do not count.
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

/// A panic elsewhere ends the run; the state that it left is still judged.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
