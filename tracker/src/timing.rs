//! Durations: how long the tracker waits before it acts, as operators and tests may change it.
//!
//! Clocks decide only *when* to act, never what is true: a bad value of any of these costs time and traffic,
//! and loses nothing.

use std::time::Duration;

use shared::settings::{Key, Setting as _, Table, Values, duration};

// Peers are told the lease and the heartbeat when they connect, safe mode begins with a run, and the tick is
// what everything else is measured by: these need a restart.
static LEASE: Key<Duration> = Key::new("timing.lease", duration).or("10s");
static HEARTBEAT: Key<Duration> = Key::new("timing.heartbeat", duration).or("2s");
static GRACE: Key<Duration> = Key::new("timing.grace", duration).or("4s").at_once();
static SAFE_MODE: Key<Duration> = Key::new("timing.safe_mode", duration).or("30s");
static INVENTORY: Key<Duration> = Key::new("timing.inventory", duration).or("30s").at_once();
static TICK: Key<Duration> = Key::new("timing.tick", duration).or("250ms");
static STALL: Key<Duration> = Key::new("timing.stall", duration).or("60s").at_once();
static COOL_DOWN: Key<Duration> = Key::new("timing.cool_down", duration).or("30s").at_once();
static RETRY: Key<Duration> = Key::new("timing.retry", duration).or("2s").at_once();
static PROBE: Key<Duration> = Key::new("timing.probe", duration).or("60s").at_once();
static PROOF: Key<Duration> = Key::new("timing.proof", duration).or("7d").at_once();
static DOUBT: Key<Duration> = Key::new("timing.doubt", duration).or("10m").at_once();
static TRIM: Key<Duration> = Key::new("timing.trim", duration).or("5m").at_once();
static ORPHAN: Key<Duration> = Key::new("timing.orphan", duration).or("60s").at_once();
static REMOVED: Key<Duration> = Key::new("timing.removed", duration).or("2s").at_once();
static FORGET_NAMES: Key<Duration> = Key::new("timing.forget_names", duration).or("30d").at_once();
static FORGET: Key<Duration> = Key::new("timing.forget", duration).or("30d").at_once();

/// Setting that is not in the table `timing`, because it has a flag.
pub(crate) static HISTORY_GRACE: Key<Duration> = Key::new("history_grace", duration).or("1h").at_once();

/// The settings of all durations; [`Timing`] says what each is and why that long.
pub(crate) static TABLE: Table = &[
    &LEASE,
    &HEARTBEAT,
    &GRACE,
    &SAFE_MODE,
    &INVENTORY,
    &TICK,
    &STALL,
    &COOL_DOWN,
    &RETRY,
    &PROBE,
    &PROOF,
    &DOUBT,
    &TRIM,
    &ORPHAN,
    &REMOVED,
    &FORGET_NAMES,
    &FORGET,
];

/// Limit of the time for which unconfirmed copies put off repair.
const MAX_INVENTORY: Duration = Duration::from_mins(10);

/// The tracker's durations; in the configuration file as strings such as `"10s"` in the table `timing`. The
/// defaults stand with the settings above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time for which a peer counts as live after its last message: by default five heartbeats may get lost.
    pub lease: Duration,
    /// Time between two heartbeats of a peer.
    pub heartbeat: Duration,
    /// Time for which a suspect peer (its lease ran out or its session broke) still counts before it is lost
    /// and repair begins. By default a reconnect takes less, and with the lease a silent death is noticed
    /// within 15 s.
    pub grace: Duration,
    /// Time after a restart after which safe mode ends even when some peers have not reported: by default
    /// several back-offs of a peer that redials.
    pub safe_mode: Duration,
    /// Time for which copies that a connected peer has not confirmed yet put off repair. By default as long
    /// as the first part of safe mode: a peer that is back lists 100,000 contents within seconds.
    pub inventory: Duration,
    /// Time between two looks at leases and replicas.
    pub tick: Duration,
    /// Time for which an assigned peer may announce nothing before another is chosen.
    pub stall: Duration,
    /// Time for which a peer that failed an assignment is not asked again for that content.
    pub cool_down: Duration,
    /// Time after which a content is looked at again when its replicas cannot be made now.
    pub retry: Duration,
    /// Time after which a peer in reach is dialled again: a peer from which nobody reads may be out of reach
    /// for so long unnoticed. The default needs the pace that the tracker allows with 15,000 peers.
    pub probe: Duration,
    /// Time after which another peer looks again at a copy that was proved; the proof ends after twice that.
    /// By default a million fragments cost the whole network less than 100 KiB a second.
    pub proof: Duration,
    /// Time for which a copy that could not be proved still puts off repair: by default most peers and lines
    /// that fail are back by then.
    pub doubt: Duration,
    /// Time for which replicas may be over the target before the surplus is dropped: by default most peers
    /// that come and go do so faster.
    pub trim: Duration,
    /// Time for which a content may be announced without having a name before it is evicted: an announce may
    /// come before the publish that it belongs to.
    pub orphan: Duration,
    /// Time for which a content is left alone after its last name was removed.
    pub removed: Duration,
    /// Time for which a superseded revision keeps its contents at their target, unless it is pinned. By
    /// default longer than nearly every transfer that may have begun before, and long enough to notice a bad
    /// update; not so long that frequent updates of a large content fill the disks.
    pub history_grace: Duration,
    /// Time for which a removed name is remembered, with its revisions. To forget it at once is as safe, but
    /// until then people can see what became of it.
    pub forget_names: Duration,
    /// Time for which a lost peer is remembered.
    pub forget: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self::from(default_of)
    }
}

/// The default that the setting itself states.
fn default_of(key: &Key<Duration>) -> Duration {
    let text = key.default().unwrap_or_default();
    key.read(text.as_ref()).expect("every default is a duration")
}

impl Timing {
    /// Reads the settings.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        Self::from(|key| values.get(key).unwrap_or_else(|| default_of(key)))
    }

    fn from(get: impl Fn(&'static Key<Duration>) -> Duration) -> Self {
        Self {
            lease: get(&LEASE),
            heartbeat: get(&HEARTBEAT),
            grace: get(&GRACE),
            safe_mode: get(&SAFE_MODE),
            inventory: get(&INVENTORY),
            tick: get(&TICK),
            stall: get(&STALL),
            cool_down: get(&COOL_DOWN),
            retry: get(&RETRY),
            probe: get(&PROBE),
            proof: get(&PROOF),
            doubt: get(&DOUBT),
            trim: get(&TRIM),
            orphan: get(&ORPHAN),
            removed: get(&REMOVED),
            history_grace: get(&HISTORY_GRACE),
            forget_names: get(&FORGET_NAMES),
            forget: get(&FORGET),
        }
    }

    /// Checks that the durations make sense together; the complaint is in words.
    ///
    /// # Errors
    /// When heartbeats are not well within the lease, or something that repeats would never rest.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.heartbeat.is_zero() || self.lease < self.heartbeat * 2 {
            return Err(
                "timing: the lease must be at least two heartbeats, and a heartbeat more than nothing",
            );
        }
        if self.inventory > MAX_INVENTORY {
            return Err("timing: inventory must be at most 10m: a lost copy may go unnoticed for so long");
        }
        if self.tick < Duration::from_millis(10) || self.retry < Duration::from_millis(10) {
            return Err("timing: tick and retry must be at least 10ms");
        }
        if self.probe < Duration::from_secs(1) {
            return Err("timing: probe must be at least 1s");
        }
        if self.proof < Duration::from_mins(1) {
            return Err("timing: proof must be at least 1m");
        }
        // A tick that comes later than half a lease is taken for an absence of the tracker's own.
        if self.lease < self.tick * 4 {
            return Err("timing: the lease must be at least four ticks");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_notice_a_silent_death_within_fifteen_seconds() {
        let timing = Timing::default();
        assert_eq!(timing.validate(), Ok(()));
        assert!(timing.lease + timing.grace + timing.tick * 2 <= Duration::from_secs(15));
    }

    #[test]
    fn leases_that_run_out_between_two_heartbeats_or_ticks_are_refused() {
        let timing = Timing {
            lease: Duration::from_secs(1),
            ..Timing::default()
        };
        assert!(timing.validate().is_err());
        let timing = Timing {
            tick: Duration::from_secs(5),
            ..Timing::default()
        };
        assert!(timing.validate().is_err());
    }
}
