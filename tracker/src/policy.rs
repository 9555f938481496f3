//! Policy of the tracker, which operators may change while it runs: durations, and how much repair may be
//! under way.
//!
//! Repair shares links and disks with people. Assignments cannot be called back or put in another order, so
//! little is assigned at a time: then the most endangered content comes next however long the queue, and a
//! peer that is back after a while has cost little. A copy begins while *less* than a limit is under way, so
//! nothing is too large to be repaired, and a limit is exceeded by one extent (1 GiB) at most. None of these
//! limits holds up a content of which one replica is left (see `state/replicas/repair.rs`).

use std::fmt;

use shared::model::{ByteCount, ByteRate, NetworkDefaults};
use shared::settings::{Key, Setting as _, Table, Values, text};

use crate::timing::Timing;

static PER_TARGET: Key<ByteCount> = Key::new("repair.per_target", text).or("512MiB").at_once();
static PER_SOURCE: Key<ByteCount> = Key::new("repair.per_source", text).or("512MiB").at_once();
static TOTAL: Key<ByteCount> = Key::new("repair.total", text).or("32GiB").at_once();
static RATE: Key<ByteRate> = Key::new("repair.rate", text).at_once();

/// The settings of the budget; [`Budget`] says what each is and why that much.
pub(crate) static TABLE: Table = &[&PER_TARGET, &PER_SOURCE, &TOTAL, &RATE];

/// Policy of a tracker: when it acts, and how much at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Durations.
    pub timing: Timing,
    /// Limits of the repair that is under way.
    pub budget: Budget,
    /// Defaults for publishers, of which peers are told.
    pub defaults: NetworkDefaults,
}

impl From<Timing> for Policy {
    /// Adds the default budget.
    fn from(timing: Timing) -> Self {
        Self {
            timing,
            ..Self::default()
        }
    }
}

/// Limits of repair under way, in bytes; in the configuration file as strings such as `"512MiB"` in the table
/// `repair`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Limit of bytes on their way to one peer: by default those that 10 Gbit/s move between two looks at a
    /// peer's work.
    pub per_target: u64,
    /// Limit of bytes on their way from one peer; a copy that has several sources counts for each with its
    /// share.
    pub per_source: u64,
    /// Limit in the whole cluster: by default 64 peers that are busy with it.
    pub total: u64,
    /// Bytes of copies begun in a second, in the whole cluster. None by default: the limits above follow what
    /// peers get done.
    pub rate: Option<ByteRate>,
}

impl Default for Budget {
    fn default() -> Self {
        Self::from(default_of, None)
    }
}

/// The default that the setting itself states.
fn default_of(key: &Key<ByteCount>) -> u64 {
    let text = key.default().unwrap_or_default();
    let default = key
        .read(text.as_ref())
        .expect("every default is a number of bytes");
    default.get()
}

impl fmt::Display for Budget {
    /// Writes what the whole cluster may do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", ByteCount::new(self.total))?;
        self.rate.map_or(Ok(()), |rate| write!(f, " and {rate}"))
    }
}

impl Budget {
    /// Least limit: below it each fragment would wait for the one before.
    const LEAST: u64 = 1 << 20;

    /// Reads the settings.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        let bytes = |key| values.get(key).map_or_else(|| default_of(key), ByteCount::get);
        Self::from(bytes, values.get(&RATE))
    }

    fn from(get: impl Fn(&'static Key<ByteCount>) -> u64, rate: Option<ByteRate>) -> Self {
        Self {
            per_target: get(&PER_TARGET),
            per_source: get(&PER_SOURCE),
            total: get(&TOTAL),
            rate,
        }
    }

    /// Checks that repair can get on with it; the complaint is in words.
    ///
    /// # Errors
    /// When repair could not get on with it.
    pub fn validate(&self) -> Result<(), &'static str> {
        let limits = [self.per_target, self.per_source, self.total];
        if limits.into_iter().any(|limit| limit < Self::LEAST) {
            return Err("repair: per_target, per_source and total must be at least 1MiB");
        }
        if self.rate.is_some_and(|rate| rate.get() < Self::LEAST) {
            return Err("repair: the rate must be at least 1MiB/s; leave it out for no limit");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_would_stop_repair_are_refused() {
        assert_eq!(Budget::default().validate(), Ok(()));
        let none = Budget {
            per_source: 0,
            ..Budget::default()
        };
        assert!(none.validate().is_err());
        let slow = Budget {
            rate: ByteRate::new(1),
            ..Budget::default()
        };
        assert!(slow.validate().is_err());
    }
}
