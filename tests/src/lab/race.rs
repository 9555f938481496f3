//! The receivers' commands of a distribution, their times, and its result.

use std::process::Child;
use std::time::Duration;

use anyhow::{Result, bail};

use super::network::Wire;
use crate::Stopwatch;

/// The receivers' commands, from when each is due to when it has ended.
#[derive(Debug)]
pub(super) struct Race {
    watch: Stopwatch,
    runners: Vec<Runner>,
}

#[derive(Debug)]
struct Runner {
    due: Duration,
    began: Option<Duration>,
    ended: Option<Duration>,
    child: Option<Child>,
}

impl Race {
    /// Starts the race now.
    pub(super) fn new(arrivals: &[Duration]) -> Self {
        let runner = |due: &Duration| Runner {
            due: *due,
            began: None,
            ended: None,
            child: None,
        };
        Self {
            watch: Stopwatch::start(),
            runners: arrivals.iter().map(runner).collect(),
        }
    }

    /// Since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.watch.elapsed()
    }

    /// Whether someone has not ended.
    pub(super) fn is_on(&self) -> bool {
        self.runners.iter().any(|runner| runner.ended.is_none())
    }

    /// Begins those whose time has come.
    pub(super) fn begin_due(&mut self, mut begin: impl FnMut(usize) -> Result<Child>) -> Result<()> {
        for (at, runner) in self.runners.iter_mut().enumerate() {
            let now = self.watch.elapsed();
            if runner.began.is_none() && runner.due <= now {
                runner.began = Some(now);
                runner.child = Some(begin(at)?);
            }
        }
        Ok(())
    }

    /// Notes finished receivers; fails, with its complaint, when one did not succeed.
    pub(super) fn see_who_ended(&mut self, complaint: impl Fn(usize) -> String) -> Result<()> {
        for (at, runner) in self.runners.iter_mut().enumerate() {
            let Some(child) = &mut runner.child else { continue };
            let Some(status) = child.try_wait()? else { continue };
            runner.child = None;
            runner.ended = Some(self.watch.elapsed());
            if !status.success() {
                bail!(
                    "host {} could not get the file ({status}): {}",
                    at + 1,
                    complaint(at)
                );
            }
        }
        Ok(())
    }

    /// Returns the planned beginning of a receiver, and its duration.
    pub(super) fn times(&self, at: usize) -> Option<(Duration, Duration)> {
        let runner = &self.runners[at];
        let began = runner.began?;
        Some((runner.due, runner.ended?.saturating_sub(began)))
    }

    /// Returns the time from the first beginning to the last end.
    pub(super) fn last(&self) -> Duration {
        let first = self.runners.iter().filter_map(|runner| runner.began).min();
        let last = self.runners.iter().filter_map(|runner| runner.ended).max();
        last.unwrap_or_default().saturating_sub(first.unwrap_or_default())
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        for child in self.runners.iter_mut().filter_map(|runner| runner.child.as_mut()) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Result of a distribution.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// The receivers, in the order of the hosts.
    pub receipts: Vec<Receipt>,
    /// Time from the first beginning to the last end.
    pub last: Duration,
    /// No way of distributing could have been quicker, were there no headers.
    pub bound: Duration,
    /// Bytes of the content that the source counts as sent; until it was killed, if it was.
    pub source_sent: u64,
    /// Bytes that left the source's interface, headers included.
    pub source_wire: u64,
    /// Bytes that all peers have read of each other to see that their copies are there.
    pub checked: u64,
}

/// Result of one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// Planned beginning, after the first.
    pub due: Duration,
    /// Duration from the real beginning, which is a few milliseconds later.
    pub took: Duration,
    /// Lower bound of the duration, without headers.
    pub bound: Duration,
    /// Bytes of the content that the receiver counts; more than the content has is waste.
    pub received: u64,
    /// Bytes that reached and left its interface, headers included.
    pub wire: Wire,
}
