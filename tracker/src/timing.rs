//! How long the tracker waits before it acts: every duration that operators and tests may change.
//!
//! Clocks decide only *when* to act, never what is true: any of these may be set badly and nothing is lost
//! but time and traffic.

use std::time::Duration;

use shared::settings::{Key, Table, Values, duration};

// Peers are told the lease and the heartbeat when they connect, safe mode begins with a run, and the tick is what everything
// else is measured by: these need a restart.
static LEASE: Key<Duration> = Key::new("timing.lease", duration).or("10s");
static HEARTBEAT: Key<Duration> = Key::new("timing.heartbeat", duration).or("2s");
static GRACE: Key<Duration> = Key::new("timing.grace", duration).or("4s").at_once();
static SAFE_MODE: Key<Duration> = Key::new("timing.safe_mode", duration).or("30s");
static TICK: Key<Duration> = Key::new("timing.tick", duration).or("250ms");
static STALL: Key<Duration> = Key::new("timing.stall", duration).or("60s").at_once();
static COOL_DOWN: Key<Duration> = Key::new("timing.cool_down", duration).or("30s").at_once();
static RETRY: Key<Duration> = Key::new("timing.retry", duration).or("2s").at_once();
static TRIM: Key<Duration> = Key::new("timing.trim", duration).or("5m").at_once();
static ORPHAN: Key<Duration> = Key::new("timing.orphan", duration).or("60s").at_once();
static REMOVED: Key<Duration> = Key::new("timing.removed", duration).or("2s").at_once();
static FORGET_NAMES: Key<Duration> = Key::new("timing.forget_names", duration).or("30d").at_once();
static FORGET: Key<Duration> = Key::new("timing.forget", duration).or("30d").at_once();

/// Not in the table `timing`: it has a flag.
pub(crate) static HISTORY_GRACE: Key<Duration> = Key::new("history_grace", duration).or("1h").at_once();

/// Their settings; [`Timing`] says what each is and why that long.
pub(crate) static TABLE: Table = &[
    &LEASE,
    &HEARTBEAT,
    &GRACE,
    &SAFE_MODE,
    &TICK,
    &STALL,
    &COOL_DOWN,
    &RETRY,
    &TRIM,
    &ORPHAN,
    &REMOVED,
    &FORGET_NAMES,
    &FORGET,
];

/// The tracker's durations; in the configuration file as strings such as `"10s"` in the table `timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a peer counts as live after its last message. Default 10 s: five heartbeats may get lost.
    pub lease: Duration,
    /// How often peers are told to send heartbeats. Default 2 s.
    pub heartbeat: Duration,
    /// How long a suspect peer (its lease ran out or its session broke) still counts before it is lost and repair
    /// begins. Default 4 s: a reconnect takes less, and with the lease a silent death is noticed within 15 s.
    pub grace: Duration,
    /// How long safe mode lasts after a restart when some peers do not report. Default 30 s: several back-offs of a
    /// peer that redials.
    pub safe_mode: Duration,
    /// How often leases and replicas are looked at. Default 250 ms.
    pub tick: Duration,
    /// How long an assigned peer may announce nothing before another is chosen. Default 60 s.
    pub stall: Duration,
    /// How long a peer that failed an assignment is not asked again for that content. Default 30 s.
    pub cool_down: Duration,
    /// How soon a content is looked at again when its replicas cannot be made now. Default 2 s.
    pub retry: Duration,
    /// How long replicas may be over the target before the surplus is dropped. Default 5 min: most peers that
    /// come and go do so faster.
    pub trim: Duration,
    /// How long a content may be announced without having a name before it is evicted. Default 60 s: an announce may
    /// come before the publish that it belongs to.
    pub orphan: Duration,
    /// How long a content is left alone after its last name was removed. Default 2 s.
    pub removed: Duration,
    /// How long what a revision bound a name to stays at its target after another has taken its place, unless it is
    /// pinned. Default 1 h: longer than nearly every transfer that may have begun before, and long enough to notice a
    /// bad update; not so long that frequent updates of a large content fill the disks.
    pub history_grace: Duration,
    /// How long a removed name is remembered, with its revisions. Default 30 days: as safe when it is forgotten at once, but
    /// until then people can see what became of it.
    pub forget_names: Duration,
    /// How long a lost peer is remembered. Default 30 days.
    pub forget: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            heartbeat: Duration::from_secs(2),
            grace: Duration::from_secs(4),
            safe_mode: Duration::from_secs(30),
            tick: Duration::from_millis(250),
            stall: Duration::from_secs(60),
            cool_down: Duration::from_secs(30),
            retry: Duration::from_secs(2),
            trim: Duration::from_secs(5 * 60),
            orphan: Duration::from_secs(60),
            removed: Duration::from_secs(2),
            history_grace: Duration::from_hours(1),
            forget_names: Duration::from_hours(30 * 24),
            forget: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

impl Timing {
    /// What the settings say.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        let default = Self::default();
        Self {
            lease: values.get(&LEASE).unwrap_or(default.lease),
            heartbeat: values.get(&HEARTBEAT).unwrap_or(default.heartbeat),
            grace: values.get(&GRACE).unwrap_or(default.grace),
            safe_mode: values.get(&SAFE_MODE).unwrap_or(default.safe_mode),
            tick: values.get(&TICK).unwrap_or(default.tick),
            stall: values.get(&STALL).unwrap_or(default.stall),
            cool_down: values.get(&COOL_DOWN).unwrap_or(default.cool_down),
            retry: values.get(&RETRY).unwrap_or(default.retry),
            trim: values.get(&TRIM).unwrap_or(default.trim),
            orphan: values.get(&ORPHAN).unwrap_or(default.orphan),
            removed: values.get(&REMOVED).unwrap_or(default.removed),
            history_grace: values.get(&HISTORY_GRACE).unwrap_or(default.history_grace),
            forget_names: values.get(&FORGET_NAMES).unwrap_or(default.forget_names),
            forget: values.get(&FORGET).unwrap_or(default.forget),
        }
    }

    /// What makes no sense together, in words.
    ///
    /// # Errors
    /// When heartbeats are not well within the lease, or something that repeats would never rest.
    pub fn validate(&self) -> Result<(), &'static str> {
        if self.heartbeat.is_zero() || self.lease < self.heartbeat * 2 {
            return Err(
                "timing: the lease must be at least two heartbeats, and a heartbeat more than nothing",
            );
        }
        if self.tick < Duration::from_millis(10) || self.retry < Duration::from_millis(10) {
            return Err("timing: tick and retry must be at least 10ms");
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
