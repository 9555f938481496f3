//! Limit of calls that were denied or failed: a flood of them must not fill the disk, nor push older lines out
//! of the log.
//!
//! Each caller has so many lines a minute, and so have all together. Those beyond are counted, and the count is
//! written once the minute is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use shared::model::Timestamp;

/// Lines of one caller in a minute.
const BY_CALLER: u64 = 20;

/// Lines of all callers in a minute.
const BY_ALL: u64 = 600;

/// Callers that are told apart in a minute; the others count as one.
const MAX_CALLERS: usize = 1024;

const MINUTE: Duration = Duration::from_mins(1);

/// Denials of the running minute.
#[derive(Debug, Default)]
pub(super) struct Denials {
    began: Timestamp,
    all: u64,
    callers: HashMap<String, u64>,
}

impl Denials {
    /// Counts a denial; returns whether it is to be written.
    pub(super) fn admit(&mut self, now: Timestamp, who: &str, from: Option<IpAddr>) -> bool {
        // A minute that is over and has counts waits until they were written.
        if self.is_over(now) && self.untold().next().is_none() {
            self.begin(now);
        }
        let caller = from.map_or_else(|| who.to_owned(), |from| format!("{who} at {from}"));
        let has_room = self.callers.len() < MAX_CALLERS || self.callers.contains_key(&caller);
        let caller = if has_room { caller } else { "others".to_owned() };
        let count = self.callers.entry(caller).or_default();
        *count += 1;
        if *count > BY_CALLER {
            return false;
        }
        if self.all >= BY_ALL {
            // It is one of those that are counted.
            *count = BY_CALLER + 1;
            return false;
        }
        self.all += 1;
        true
    }

    /// Returns the callers of whom denials were not written, and how many, once the minute is over.
    pub(super) fn take_untold(&mut self, now: Timestamp) -> Vec<(String, u64)> {
        if !self.is_over(now) {
            return Vec::new();
        }
        let mut untold: Vec<_> = self.untold().map(|(who, count)| (who.clone(), count)).collect();
        untold.sort();
        self.begin(now);
        untold
    }

    fn untold(&self) -> impl Iterator<Item = (&String, u64)> {
        let beyond = |(who, count): (_, &u64)| Some((who, count.checked_sub(BY_CALLER)?));
        self.callers
            .iter()
            .filter_map(beyond)
            .filter(|(_, count)| *count > 0)
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.began) >= MINUTE
    }

    fn begin(&mut self, now: Timestamp) {
        (self.began, self.all) = (now, 0);
        self.callers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn a_flood_of_one_caller_is_a_few_lines_and_a_count() {
        let mut denials = Denials::default();
        let from = "192.0.2.1".parse().ok();
        let written = (0..1000)
            .filter(|_| denials.admit(at(1), "anonymous", from))
            .count();
        assert_eq!(written, 20);
        assert!(
            denials.admit(at(2), "anonymous", "192.0.2.2".parse().ok()),
            "others have theirs"
        );
        assert_eq!(denials.take_untold(at(30)), []);
        let untold = denials.take_untold(at(62));
        assert_eq!(untold, [("anonymous at 192.0.2.1".to_owned(), 980)]);
        assert!(denials.admit(at(62), "anonymous", from));
    }

    #[test]
    fn many_callers_take_no_more_memory_and_disk_than_there_is() {
        let mut denials = Denials::default();
        let who = |n: u32| format!("token {n}");
        let written = (0..100_000)
            .filter(|n| denials.admit(at(1), &who(*n), None))
            .count();
        assert_eq!(written, 600);
        assert!(denials.callers.len() <= MAX_CALLERS + 1);
        let untold: u64 = denials.take_untold(at(70)).iter().map(|(_, count)| count).sum();
        assert!(untold > 90_000, "{untold}");
    }
}
