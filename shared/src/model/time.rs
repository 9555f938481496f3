//! Points in time and durations, as values that are passed in.

use std::fmt;
use std::time::Duration;

use super::id::Epoch;

/// Milliseconds since the Unix epoch, as one process sees them: it never runs backwards within a run.
///
/// Only `runtime::Clock` makes one from the machine's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Wraps milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `duration` later; saturates at the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Returns the time since `earlier`; zero when that lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Text was not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write a number with a unit, such as 500ms, 30s, 10m or 2h")]
pub struct ParseDurationError(pub(crate) String);

/// Reads `500ms`, `30s`, `1.5m`, `2h`, `1d`; a bare number is seconds.
///
/// # Errors
/// When the text is anything else, or more than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let error = || ParseDurationError(text.chars().take(80).collect());
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let factor = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(error()),
    };
    let seconds = number.parse::<f64>().map_err(|_| error())? * factor;
    const CENTURY_S: f64 = 3_155_760_000.0;
    if !(0.0..=CENTURY_S).contains(&seconds) {
        return Err(error());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Shows a duration in the two units that matter, such as `2h 5m`, `1m 3s`, `12.3s` or `45ms`.
#[must_use]
pub fn format_duration(duration: Duration) -> impl fmt::Display {
    let seconds = duration.as_secs();
    match seconds {
        86_400.. => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
        3_600.. => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        60.. => format!("{}m {}s", seconds / 60, seconds % 60),
        1.. => format!("{:.1}s", duration.as_secs_f64()),
        0 => format!("{}ms", duration.as_millis()),
    }
}

/// A durable moment in the tracker's history: peers receive it, and bring it back with every hello. A tracker
/// whose own history does not contain the mark has lost something (its data directory was restored from an
/// older backup), or is another tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The run of the tracker.
    pub epoch: Epoch,
    /// Start of that run, by its clock: distinguishes two runs of the same epoch, as diverged histories have
    /// them.
    pub began: Timestamp,
    /// Number of facts ever journaled.
    pub facts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("7", 7_000),
        ] {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), Ok(millis), "{text}");
        }
        for bad in ["", "s", "-1s", "1w", "1e400s", "99999999999d", "1s2"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
