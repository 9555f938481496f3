//! Measures one transfer: its duration and the resources of both ends.

use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::process::{Usage, forget_peak, usage};
use super::stopwatch::Stopwatch;
use crate::is_interrupted;

/// Polling interval: the error of a measured time.
const LOOK: Duration = Duration::from_millis(1);

/// Every how many looks the memory is read as well: the processes that end meanwhile take their peak along.
const LOOKS_PER_READING: u32 = 20;

/// Longest duration of a measurement.
const LIMIT: Duration = Duration::from_mins(15);

/// The processes at the two ends, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// Processes that send the bytes.
    pub senders: Vec<u32>,
    /// Processes that receive the bytes.
    pub receivers: Vec<u32>,
}

/// Result of a measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Time from the beginning to the end.
    pub took: Duration,
    /// Resources of the senders in that time.
    pub sender: Usage,
    /// Resources of the receivers in that time.
    pub receiver: Usage,
}

/// Measures a command from its start to its end; it counts among the receivers.
///
/// # Errors
/// When it cannot be started or fails.
pub fn command(mut ends: Ends, command: &mut Command) -> Result<Sample> {
    let before = Readings::begin(&ends);
    let watch = Stopwatch::start();
    let mut child = command.spawn().with_context(|| format!("run {command:?}"))?;
    ends.receivers.push(child.id());
    let id = Pid::from_child(&child);
    let measured = until(&ends, before, watch, || has_ended(id));
    if measured.is_err() {
        drop(child.kill());
    }
    let status = child.wait()?;
    let sample = measured?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(sample)
}

/// Measures work from its beginning until `is_done`.
///
/// # Errors
/// When `begin` or `is_done` fails, the work takes too long, or the user interrupts it.
pub fn work<T>(
    ends: &Ends,
    worker: &mut T,
    begin: impl FnOnce(&mut T) -> Result<()>,
    is_done: impl Fn(&T) -> Result<bool>,
) -> Result<Sample> {
    let before = Readings::begin(ends);
    let watch = Stopwatch::start();
    begin(worker)?;
    until(ends, before, watch, || is_done(worker))
}

/// Whether a child has ended; it is not waited for, so that its CPU time can still be read.
fn has_ended(id: Pid) -> Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(id), options).map_err(io::Error::from)?;
    Ok(status.is_some())
}

/// CPU times at the beginning, and peaks since.
struct Readings {
    sender: Usage,
    receiver: Usage,
}

impl Readings {
    /// Forgets peaks of before.
    fn begin(ends: &Ends) -> Self {
        ends.senders
            .iter()
            .chain(&ends.receivers)
            .copied()
            .for_each(forget_peak);
        Self {
            sender: Usage {
                peak: 0,
                ..of(&ends.senders)
            },
            receiver: Usage {
                peak: 0,
                ..of(&ends.receivers)
            },
        }
    }

    fn note_peaks(&mut self, ends: &Ends) {
        self.sender.peak = self.sender.peak.max(of(&ends.senders).peak);
        self.receiver.peak = self.receiver.peak.max(of(&ends.receivers).peak);
    }
}

/// Returns the resources of one end: the largest peak of its processes, and all of their CPU time.
fn of(processes: &[u32]) -> Usage {
    processes
        .iter()
        .map(|id| usage(*id))
        .fold(Usage::default(), |a, b| Usage {
            cpu: a.cpu + b.cpu,
            peak: a.peak.max(b.peak),
        })
}

fn until(
    ends: &Ends,
    mut readings: Readings,
    watch: Stopwatch,
    mut is_done: impl FnMut() -> Result<bool>,
) -> Result<Sample> {
    let mut looks = 0_u32;
    while !is_done()? {
        if is_interrupted() {
            bail!("interrupted");
        }
        if watch.elapsed() > LIMIT {
            bail!("not done within {LIMIT:?}");
        }
        if looks.is_multiple_of(LOOKS_PER_READING) {
            readings.note_peaks(ends);
        }
        looks = looks.wrapping_add(1);
        std::thread::sleep(LOOK); // not a wait for something to have happened: only how often to look
    }
    let took = watch.elapsed();
    readings.note_peaks(ends);
    let spent = |processes: &[u32], before: Usage| Usage {
        cpu: of(processes).cpu.saturating_sub(before.cpu),
        peak: before.peak,
    };
    Ok(Sample {
        took,
        sender: spent(&ends.senders, readings.sender),
        receiver: spent(&ends.receivers, readings.receiver),
    })
}

/// Ends a child that serves: SIGTERM, so that it can end its own children, and SIGKILL when it does not
/// listen.
pub(crate) fn end(child: &mut Child) {
    let asked = rustix::process::kill_process(Pid::from_child(child), rustix::process::Signal::TERM);
    let patience = Duration::from_secs(5);
    let ended = asked.is_ok()
        && crate::eventually(
            "its end",
            patience,
            || child.try_wait(),
            |status| !matches!(status, Ok(None)),
        )
        .is_ok();
    if !ended {
        drop(child.kill());
        drop(child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_a_command_that_has_ended_is_counted() {
        let mut busy = Command::new("sh");
        busy.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]);
        let sample = command(Ends::default(), &mut busy).expect("it succeeds");
        assert!(
            sample.receiver.cpu > Duration::ZERO && sample.receiver.peak > 0,
            "{sample:?}"
        );
        assert!(
            sample.receiver.cpu <= sample.took + Duration::from_millis(20),
            "{sample:?}"
        );
    }

    #[test]
    fn a_command_that_fails_is_no_measurement() {
        assert!(command(Ends::default(), &mut Command::new("false")).is_err());
    }
}
