//! Quiescence: after the faults, everything returns to its target, and a fresh peer reads everything that was
//! acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::{ChaosRun, Fleet, Host, Listed, locked};
use crate::bench::report::seconds;
use crate::bench::stopwatch::Stopwatch;
use crate::is_interrupted;

/// Time within which everything is at its target after the faults; leases, grace and safe mode are some
/// seconds here.
const REST_LIMIT: Duration = Duration::from_secs(180);

/// Readers at once.
const READERS: usize = 3;

impl ChaosRun {
    /// Waits for rest, reads every name on a fresh peer and compares; then audits the tracker's data on disk.
    ///
    /// # Errors
    /// When a program cannot be started or asked. Broken invariants are
    /// noted, not returned.
    pub(super) fn judge(&self) -> Result<()> {
        self.note("the faults have stopped");
        let watch = Stopwatch::start();
        let rest = self.rest(REST_LIMIT);
        locked(&self.tally).figure("seconds to target", seconds(watch.elapsed()));
        if let Err(error) = rest {
            self.violated(format_args!("no rest: {error:#}"));
        }
        self.note("reading everything back");
        let watch = Stopwatch::start();
        let fresh = self.fleet.add_host(&[])?;
        self.fleet.wait_until_connected()?;
        let mut names = locked(&self.ledger).names();
        let excused = locked(&self.ledger).taken_back();
        for Listed { name, state } in self.fleet.listed()? {
            if !locked(&self.ledger).knows(&name) {
                self.violated(format_args!("{name} is listed, and nobody has ever added it"));
            }
            if state == "unavailable" && excused.contains(&name) {
                names.retain(|other| *other != name);
            }
        }
        self.read_back(&fresh, &names);
        {
            let (mut tally, ledger) = (locked(&self.tally), locked(&self.ledger));
            tally.figure("seconds to read all back", seconds(watch.elapsed()));
            tally.figure("names", ledger.len());
            tally.figure("changes acknowledged", ledger.acknowledged());
            tally.figure("names that nobody can tell of", ledger.open());
        }
        self.audit();
        Ok(())
    }

    /// Waits until everything that must be is at its target, and nothing is on its way.
    pub(super) fn rest(&self, limit: Duration) -> Result<()> {
        let excused = locked(&self.ledger).taken_back();
        self.fleet.wait_for_rest(limit, &excused)
    }

    fn read_back(&self, host: &Host, names: &[String]) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(|| {
                    while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if is_interrupted() {
                            return;
                        }
                        self.get(host, name, true);
                    }
                });
            }
        });
    }

    fn audit(&self) {
        let fleet: &Fleet = &self.fleet;
        locked(&fleet.tracker).kill();
        let audit = fleet.tracker_command(&["check".as_ref()]);
        if audit.code != 0 {
            self.violated(format_args!("the tracker's journal: {}", audit.stderr.trim()));
        }
        for line in fleet.panics() {
            self.violated(format_args!("a panic: {line}"));
        }
    }
}
