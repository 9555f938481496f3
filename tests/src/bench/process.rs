//! Cost of processes: CPU time and peak memory, read from `/proc`.
//!
//! The figures of a process include its descendants, because some tools work in children: CPU times are added
//! up, and of the memory the largest counts, since counters do not show how much forked processes share.

use std::fs;
use std::time::Duration;

/// `/proc` counts CPU time in hundredths of a second on every architecture that we run on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Resources of a process and its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time, of children that have ended too.
    pub cpu: Duration,
    /// The most memory that one of them has had, in bytes.
    pub peak: u64,
}

/// Returns the resources used so far. Nothing for a process that is gone; no memory for one that has ended
/// and was not waited for.
#[must_use]
pub fn usage(process: u32) -> Usage {
    let mut total = Usage {
        cpu: fs::read_to_string(format!("/proc/{process}/stat"))
            .ok()
            .and_then(|stat| cpu_of(&stat))
            .unwrap_or_default(),
        peak: fs::read_to_string(format!("/proc/{process}/status"))
            .ok()
            .and_then(|status| peak_of(&status))
            .unwrap_or_default(),
    };
    for child in children(process) {
        let usage = usage(child);
        total.cpu += usage.cpu;
        total.peak = total.peak.max(usage.peak);
    }
    total
}

/// Resets the peak to the present memory, so that earlier use is not counted.
pub fn forget_peak(process: u32) {
    // A system that does not know how leaves the peak of the whole run, which is only less favourable.
    drop(fs::write(format!("/proc/{process}/clear_refs"), "5"));
}

fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// `utime`, `stime`, `cutime` and `cstime` (proc(5)): fields 14 to 17, the second of which may contain
/// blanks.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let times = rest.split_whitespace().skip(11).take(4);
    let ticks = times
        .map(|field| field.parse::<u32>().ok())
        .sum::<Option<u32>>()?;
    Some(TICK * ticks)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "17 (a ) b (c) S 1 17 17 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 8 0 77 1 2";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(1270)));
        assert_eq!(
            cpu_of("17 (a) S"),
            Some(Duration::ZERO),
            "a short line has nothing to add up"
        );
        assert_eq!(cpu_of(""), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id()).peak > 1 << 20);
    }
}
