//! Attempts to enter a network that failed: each cause is logged when it is new and once a minute, however
//! often it is met in between. Pure.

use std::time::Duration;

use shared::model::Timestamp;

/// Time between two lines of the log about one cause.
const SELDOM: Duration = Duration::from_secs(60);

/// Causes that are logged within a minute; there are as many as ways into the network, mostly.
const CAUSES: usize = 8;

/// Failed attempts since the last success.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Causes that were logged in the last minute, and when.
    said: Vec<(String, Timestamp)>,
    attempts: u32,
}

impl Failures {
    /// Notes that an attempt has failed for this cause; returns the attempts since the last line of the log,
    /// this one included, if there is to be a line now.
    pub(super) fn note(&mut self, cause: &str, now: Timestamp) -> Option<u32> {
        self.attempts = self.attempts.saturating_add(1);
        self.said.retain(|(_, at)| now < at.after(SELDOM));
        if self.said.len() >= CAUSES || self.said.iter().any(|(said, _)| said == cause) {
            return None;
        }
        self.said.push((cause.to_owned(), now));
        Some(std::mem::take(&mut self.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_when_it_is_new_and_once_a_minute() {
        let mut failures = Failures::default();
        let mut note = |cause, second: u64| failures.note(cause, Timestamp::from_millis(second * 1_000));
        assert_eq!(note("away", 0), Some(1));
        assert_eq!([1, 2, 59].map(|second| note("away", second)), [None, None, None]);
        assert_eq!(note("away", 60), Some(4));
        assert_eq!(note("refused", 61), Some(1), "another cause is news");
        assert_eq!(note("refused", 62), None);
        assert_eq!(
            [63, 64].map(|second| note("away", second)),
            [None, None],
            "they take turns"
        );
        assert_eq!(note("away", 120), Some(4));
    }

    #[test]
    fn a_cause_that_reads_differently_each_time_fills_no_log() {
        let mut failures = Failures::default();
        let now = Timestamp::from_millis(0);
        let lines = (0..100)
            .filter(|n| failures.note(&n.to_string(), now).is_some())
            .count();
        assert_eq!(lines, CAUSES);
    }
}
