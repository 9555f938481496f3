//! The trackers and the latest probe of each.
//!
//! Pure: probe results and the time come in, choices come out. Invariants: the trackers are those of the
//! configuration, in its order, also after that has changed; a tracker is live exactly when its latest probe
//! succeeded. One failure makes it dead and one success makes it live again: sending a client elsewhere for a
//! second costs nothing, sending it to a dead tracker costs it an error.
//!
//! Not promised: between two probes a tracker may die and still be chosen. That window is at most one probe
//! interval and one probe deadline (2 s with the defaults); a client's question causes no new probe.

use std::collections::BTreeSet;

use shared::model::{HostPort, Timestamp};

/// A webserver knows at most this many trackers: the bound that `Directory.Trackers` promises its clients.
pub const MAX_TRACKERS: usize = 64;

/// The trackers and their states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    trackers: Vec<Tracker>,
}

/// One tracker as the webserver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracker {
    address: HostPort,
    state: TrackerState,
    since: Timestamp,
}

/// Result of the latest probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerState {
    /// No probe has ended yet.
    Unchecked,
    /// The tracker answered that it serves.
    Live,
    /// The probe failed.
    Dead {
        /// Reason in words for a person.
        reason: String,
    },
}

/// Result of one probe of one tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The probed tracker.
    pub tracker: HostPort,
    /// Whether it serves; why not, in words for a person.
    pub outcome: Result<(), String>,
}

/// Change by a probe result, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The tracker can be used from now on.
    Up,
    /// The tracker is not chosen from now on.
    Down {
        /// Reason in words for a person.
        reason: String,
    },
}

/// Reasons for which a list of trackers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackersError {
    /// The list is empty.
    #[error(
        "no tracker is named; give at least one with --tracker HOST:PORT, or a join line of a secured network"
    )]
    None,
    /// The list has more than [`MAX_TRACKERS`].
    #[error("{0} trackers are named; a webserver takes at most {MAX_TRACKERS}")]
    TooMany(usize),
    /// One is named twice.
    #[error("the tracker {0} is named twice; name each one once")]
    Twice(HostPort),
}

/// Whether a webserver can have these trackers.
///
/// # Errors
/// When there is none, there are too many, or one is named twice.
pub fn check(addresses: &[HostPort]) -> Result<(), TrackersError> {
    if addresses.is_empty() {
        return Err(TrackersError::None);
    }
    if addresses.len() > MAX_TRACKERS {
        return Err(TrackersError::TooMany(addresses.len()));
    }
    let mut seen = BTreeSet::new();
    match addresses.iter().find(|address| !seen.insert(*address)) {
        Some(twice) => Err(TrackersError::Twice(twice.clone())),
        None => Ok(()),
    }
}

impl Directory {
    /// The trackers of the configuration, none of them checked yet.
    ///
    /// # Errors
    /// When there is none, there are too many, or one is named twice.
    pub fn new(addresses: Vec<HostPort>, now: Timestamp) -> Result<Self, TrackersError> {
        let nothing = Self { trackers: Vec::new() };
        nothing.with(addresses, now)
    }

    /// Returns the trackers of a changed configuration: results of those that stay are kept.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(&self, addresses: Vec<HostPort>, now: Timestamp) -> Result<Self, TrackersError> {
        check(&addresses)?;
        let one = |address: HostPort| {
            let known = self.trackers.iter().find(|tracker| tracker.address == address);
            known.cloned().unwrap_or(Tracker {
                address,
                state: TrackerState::Unchecked,
                since: now,
            })
        };
        let trackers = addresses.into_iter().map(one).collect();
        Ok(Self { trackers })
    }

    /// Takes in a probe result; returns the change, if people want to know of it.
    ///
    /// A result about a tracker that is not in the directory changes nothing.
    pub fn apply(&mut self, now: Timestamp, result: ProbeResult) -> Option<Change> {
        let tracker = self
            .trackers
            .iter_mut()
            .find(|tracker| tracker.address == result.tracker)?;
        let state = match result.outcome {
            Ok(()) => TrackerState::Live,
            Err(reason) => TrackerState::Dead { reason },
        };
        if !tracker.state.is_same_kind(&state) {
            tracker.since = now;
        }
        // A tracker that stays dead for another reason is news as well.
        let is_news = tracker.state != state;
        tracker.state = state;
        is_news.then(|| match &tracker.state {
            TrackerState::Dead { reason } => Change::Down {
                reason: reason.clone(),
            },
            TrackerState::Live | TrackerState::Unchecked => Change::Up,
        })
    }

    /// Every tracker in the order of the configuration.
    #[must_use]
    pub fn trackers(&self) -> &[Tracker] {
        &self.trackers
    }

    /// The live trackers in the order in which a client should try them: that of the configuration.
    ///
    /// The order is the same for every client, so that peers meet at the same tracker while it lives.
    pub fn live(&self) -> impl Iterator<Item = &Tracker> {
        self.trackers.iter().filter(|tracker| tracker.is_live())
    }

    /// Every tracker, live ones first, otherwise in the order of the configuration.
    pub fn live_first(&self) -> impl Iterator<Item = &Tracker> {
        self.live()
            .chain(self.trackers.iter().filter(|tracker| !tracker.is_live()))
    }

    /// The live tracker whose turn it is; consecutive turns go round the live ones.
    #[must_use]
    pub fn choose(&self, turn: u64) -> Option<&HostPort> {
        let live = u64::try_from(self.live().count()).ok()?;
        let index = usize::try_from(turn.checked_rem(live)?).ok()?;
        self.live().nth(index).map(Tracker::address)
    }

    /// Whether every tracker has been probed at least once.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.trackers
            .iter()
            .all(|tracker| tracker.state != TrackerState::Unchecked)
    }

    /// Returns the reasons for which no tracker can be chosen, tracker by tracker, in words.
    #[must_use]
    pub fn reasons(&self) -> String {
        let reasons: Vec<_> = self
            .trackers
            .iter()
            .filter(|tracker| !tracker.is_live())
            .map(|tracker| format!("{}: {}", tracker.address, tracker.reason()))
            .collect();
        reasons.join("; ")
    }
}

impl Tracker {
    /// Returns the address to dial.
    #[must_use]
    pub const fn address(&self) -> &HostPort {
        &self.address
    }

    /// Returns the result of its latest probe.
    #[must_use]
    pub const fn state(&self) -> &TrackerState {
        &self.state
    }

    /// Since when it has been live, dead, or waiting for its first probe.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether its latest probe succeeded.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == TrackerState::Live
    }

    /// Returns the reason for which it is not live, in words; empty when it is.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.state {
            TrackerState::Unchecked => "not checked yet",
            TrackerState::Live => "",
            TrackerState::Dead { reason } => reason,
        }
    }
}

impl TrackerState {
    /// Whether both are live, both dead or both unchecked.
    fn is_same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> HostPort {
        format!("tracker-{n}.test:50052").parse().expect("valid")
    }

    fn directory(count: u16) -> Directory {
        Directory::new((0..count).map(address).collect(), at(0)).expect("valid")
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn success(n: u16) -> ProbeResult {
        ProbeResult {
            tracker: address(n),
            outcome: Ok(()),
        }
    }

    fn failure(n: u16, reason: &str) -> ProbeResult {
        ProbeResult {
            tracker: address(n),
            outcome: Err(reason.to_owned()),
        }
    }

    fn down(reason: &str) -> Option<Change> {
        Some(Change::Down {
            reason: reason.to_owned(),
        })
    }

    #[test]
    fn nothing_is_chosen_before_a_probe_succeeded() {
        let mut directory = directory(2);
        assert!(!directory.is_checked());
        assert_eq!(directory.choose(0), None);
        directory.apply(at(1), failure(0, "connection refused"));
        assert_eq!(directory.choose(0), None);
        assert!(!directory.is_checked());
        directory.apply(at(1), success(1));
        assert!(directory.is_checked());
        assert_eq!(directory.choose(0), Some(&address(1)));
    }

    #[test]
    fn one_failure_takes_a_tracker_out_and_one_success_brings_it_back() {
        let mut directory = directory(1);
        assert_eq!(directory.apply(at(1), success(0)), Some(Change::Up));
        assert_eq!(directory.apply(at(2), failure(0, "no answer")), down("no answer"));
        assert_eq!(directory.choose(7), None);
        assert_eq!(directory.apply(at(3), success(0)), Some(Change::Up));
        assert_eq!(directory.choose(7), Some(&address(0)));
    }

    #[test]
    fn only_news_is_told_and_since_is_the_moment_of_the_change() {
        let mut directory = directory(1);
        let since = |directory: &Directory| directory.trackers()[0].since();
        assert_eq!(directory.apply(at(1), success(0)), Some(Change::Up));
        assert_eq!(directory.apply(at(2), success(0)), None);
        assert_eq!(since(&directory), at(1));
        assert_eq!(directory.apply(at(3), failure(0, "a")), down("a"));
        assert_eq!(directory.apply(at(4), failure(0, "a")), None);
        assert_eq!(directory.apply(at(5), failure(0, "b")), down("b"));
        assert_eq!(since(&directory), at(3));
        assert_eq!(directory.trackers()[0].reason(), "b");
    }

    #[test]
    fn turns_go_round_the_live_trackers_only() {
        let mut directory = directory(4);
        for n in [0, 2, 3] {
            directory.apply(at(1), success(n));
        }
        directory.apply(at(1), failure(1, "dead"));
        let chosen: Vec<_> = (0..6)
            .filter_map(|turn| directory.choose(turn).cloned())
            .collect();
        assert_eq!(chosen, [0, 2, 3, 0, 2, 3].map(address));
        assert_eq!(directory.choose(u64::MAX), Some(&address(0)));
    }

    #[test]
    fn new_trackers_are_added_and_results_of_those_that_stay_are_kept() {
        let mut before = directory(3);
        before.apply(at(1), success(0));
        before.apply(at(1), success(2));
        let after = before.with([2, 5, 1].map(address).into(), at(9)).expect("valid");
        let kept: Vec<_> = after
            .trackers()
            .iter()
            .map(|t| (t.address().clone(), t.since()))
            .collect();
        assert_eq!(
            kept,
            [(address(2), at(1)), (address(5), at(9)), (address(1), at(0))]
        );
        assert_eq!(after.choose(0), Some(&address(2)));
        assert_eq!(
            before.with(vec![address(1), address(1)], at(9)),
            Err(TrackersError::Twice(address(1)))
        );
        // A probe of one that is gone may still end.
        let mut after = after;
        assert_eq!(after.apply(at(10), success(0)), None);
    }

    #[test]
    fn live_trackers_come_first_in_the_order_of_the_configuration() {
        let mut directory = directory(4);
        directory.apply(at(1), failure(0, "dead"));
        for n in [3, 1] {
            directory.apply(at(1), success(n));
        }
        let order: Vec<_> = directory.live_first().map(|t| t.address().clone()).collect();
        assert_eq!(order, [1, 3, 0, 2].map(address));
        assert_eq!(
            directory.reasons(),
            "tracker-0.test:50052: dead; tracker-2.test:50052: not checked yet"
        );
    }

    #[test]
    fn a_result_about_a_stranger_changes_nothing() {
        let mut directory = directory(1);
        let before = directory.clone();
        assert_eq!(directory.apply(at(9), success(8)), None);
        assert_eq!(directory, before);
    }

    #[test]
    fn lists_that_make_no_sense_are_refused() {
        assert_eq!(Directory::new(Vec::new(), at(0)), Err(TrackersError::None));
        assert_eq!(
            Directory::new(vec![address(1), address(1)], at(0)),
            Err(TrackersError::Twice(address(1)))
        );
        assert_eq!(
            Directory::new((0..65).map(address).collect(), at(0)),
            Err(TrackersError::TooMany(65))
        );
        assert!(Directory::new((0..64).map(address).collect(), at(0)).is_ok());
    }
}
