//! Amounts and rates of bytes, as people write and read them.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// A number of bytes.
///
/// Text forms: `1048576`, `1MiB`, `1.5 GiB`, `300MB` (binary units are powers of 1024, decimal ones of
/// 1000); [`fmt::Display`] prints binary units with one decimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteCount(u64);

/// Text was not an amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write a number with an optional unit, such as 500MB, 64KiB or 50GiB")]
pub struct ParseByteCountError(pub(crate) String);

const UNITS: [(&str, u64); 10] = [
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("", 1),
];

impl ByteCount {
    /// Wraps a number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ByteCount {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            n if n >= 1 << 40 => ("TiB", 1_u64 << 40),
            n if n >= 1 << 30 => ("GiB", 1 << 30),
            n if n >= 1 << 20 => ("MiB", 1 << 20),
            n if n >= 1 << 10 => ("KiB", 1 << 10),
            n => return f.pad(&format!("{n} B")),
        };
        f.pad(&format!("{:.1} {unit}", self.0 as f64 / size as f64))
    }
}

impl FromStr for ByteCount {
    type Err = ParseByteCountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseByteCountError(text.chars().take(80).collect());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let unit = unit.trim().to_ascii_lowercase();
        let &(_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(error);
        }
        let value = number.parse::<f64>().map_err(|_| error())?;
        #[expect(clippy::cast_precision_loss, reason = "a fraction of a unit was asked for")]
        let bytes = value * factor as f64;
        // 2^63 is far above any disk and exactly representable.
        if !(0.0..9_223_372_036_854_775_808.0).contains(&bytes) {
            return Err(error());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "range checked above"
        )]
        Ok(Self(bytes as u64))
    }
}

/// Bytes per second: at least 1, since an unlimited transfer has no rate.
///
/// Text forms: those of [`ByteCount`], with or without `/s`, and bits: `10MB/s`, `1.5 MiB/s`, `300000`,
/// `80Mbit/s`. [`fmt::Display`] prints binary units with one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(NonZeroU64);

/// Text was not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate; write a number with an optional unit, such as 10MB/s, 512KiB/s or 80Mbit/s")]
pub struct ParseByteRateError(pub(crate) String);

impl ByteRate {
    /// Makes a rate; `None` for 0.
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Option<Self> {
        match NonZeroU64::new(bytes_per_second) {
            Some(rate) => Some(Self(rate)),
            None => None,
        }
    }

    /// Bytes per second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", ByteCount::new(self.get())))
    }
}

impl FromStr for ByteRate {
    type Err = ParseByteRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseByteRateError(text.chars().take(80).collect());
        let lower = text.trim().to_ascii_lowercase();
        let amount = lower.strip_suffix("/s").unwrap_or(&lower);
        // `80mbit` without its `it` is `80mb`, of which eight make a byte.
        let (amount, bits) = match amount.strip_suffix("it") {
            Some(amount) if amount.ends_with('b') => (amount, 8),
            _ => (amount, 1),
        };
        let count: ByteCount = amount.parse().map_err(|_| error())?;
        Self::new(count.get() / bits).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("1KiB", 1024),
            ("1.5 gib", 3 << 29),
            ("300MB", 300_000_000),
            (" 64 KiB ", 65_536),
        ] {
            assert_eq!(text.parse::<ByteCount>().map(ByteCount::get), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "GiB",
            "-1",
            "1XB",
            "1e9",
            "18446744073709551615KiB",
            "1.2.3",
            "1 MiB x",
        ] {
            assert!(bad.parse::<ByteCount>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
        ] {
            assert_eq!(ByteCount::new(bytes).to_string(), text);
        }
    }
}

#[cfg(test)]
mod rate_tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("1", 1),
            ("300000", 300_000),
            ("10MB/s", 10_000_000),
            ("10MB", 10_000_000),
            ("1.5 MiB/s", 3 << 19),
            (" 64 kib/S ", 65_536),
            ("80Mbit/s", 10_000_000),
            ("8 bit", 1),
            ("1.5Gbit", 187_500_000),
            ("1Mibit/s", 1 << 17),
        ] {
            assert_eq!(text.parse::<ByteRate>().map(ByteRate::get), Ok(bytes), "{text}");
        }
        for bad in [
            "", "/s", "0", "0MB/s", "7bit", "-1", "fast", "10MB/m", "it", "10it", "1 MB/s/s", "MB/s",
        ] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn rates_are_shown_short_and_read_again() {
        for (bytes, text) in [(1, "1 B/s"), (1536, "1.5 KiB/s"), (10 << 20, "10.0 MiB/s")] {
            let rate = ByteRate::new(bytes).expect("not 0");
            assert_eq!(rate.to_string(), text);
            assert_eq!(text.parse(), Ok(rate));
        }
        assert_eq!(ByteRate::new(0), None);
    }
}
