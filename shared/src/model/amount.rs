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

/// Files of a store to which nothing refers and that prove nothing: they are in the directory `lost` of its
/// data directory, and their owner decides about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostFiles {
    /// Their number.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// Text was not an amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a size; write a number and a unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB \
     (powers of 1024), such as 500MB or 50GiB"
)]
pub struct ParseByteCountError(pub(crate) String);

/// The unit of an amount, as far as its letters leave no doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many bytes.
    Bytes(u64),
    /// So many bits.
    Bits(u64),
    /// Bytes where only bytes make sense: `gb`, which is gigabits to many where there are rates.
    BytesInSizes(u64),
}

/// Reads a unit. `Mb` and `Mib` are megabits by the rules and megabytes by habit, and `M` alone is a power of
/// 1000 or of 1024: these are none.
fn unit(text: &str) -> Option<Unit> {
    let (prefix, rest) = match text.chars().next() {
        Some(first) if "kKmMgGtT".contains(first) => text.split_at(1),
        _ => ("", text),
    };
    let power = match prefix {
        "" => 0,
        "k" | "K" => 1,
        "m" | "M" => 2,
        "g" | "G" => 3,
        _ => 4,
    };
    let (base, rest) = match rest.strip_prefix(['i', 'I']) {
        Some(rest) if power > 0 => (1024_u64, rest),
        _ => (1000, rest),
    };
    let size = base.pow(power);
    let is_lower = text.chars().all(|c| c.is_ascii_lowercase());
    match rest {
        "" if text.is_empty() => Some(Unit::Bytes(1)),
        "B" => Some(Unit::Bytes(size)),
        "b" if is_lower && base == 1024 => Some(Unit::Bytes(size)),
        "b" if is_lower => Some(Unit::BytesInSizes(size)),
        "bps" => Some(Unit::Bits(size)),
        _ if rest.eq_ignore_ascii_case("bit") || rest.eq_ignore_ascii_case("bits") => Some(Unit::Bits(size)),
        _ => None,
    }
}

/// Reads a number and its unit.
fn number_and_unit(text: &str) -> Option<(&str, Unit)> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(split);
    Some((number, unit(rest.trim())?))
}

/// Multiplies a number in decimals with a unit; none for more than there can be, and for a part of a byte
/// that would become nothing.
fn bytes_of(number: &str, factor: u64, divisor: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).map(|bytes| bytes / divisor);
    }
    let value = number.parse::<f64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a fraction of a unit was asked for")]
    let bytes = value * factor as f64 / divisor as f64;
    // 2^63 is far above any disk and exactly representable.
    if bytes != 0.0 && !(1.0..9_223_372_036_854_775_808.0).contains(&bytes) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked above"
    )]
    Some(bytes as u64)
}

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
        let bytes = match number_and_unit(text) {
            Some((number, Unit::Bytes(factor) | Unit::BytesInSizes(factor))) => bytes_of(number, factor, 1),
            Some((_, Unit::Bits(_))) | None => None,
        };
        let error = || ParseByteCountError(text.chars().take(80).collect());
        bytes.map(Self).ok_or_else(error)
    }
}

/// Bytes per second: at least 1, since an unlimited transfer has no rate.
///
/// Text forms: those of [`ByteCount`], with or without `/s`, and bits: `10MB/s`, `1.5 MiB/s`, `300000`,
/// `80Mbit/s`, `80Mbps`; not `8Mb`, which may be either. [`fmt::Display`] prints binary units with one
/// decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(NonZeroU64);

/// Text was not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a rate; write a number and a unit: kB/s, MB/s, GB/s or KiB/s, MiB/s, GiB/s for bytes, \
     kbit/s, Mbit/s, Gbit/s for bits, such as 10MB/s or 80Mbit/s"
)]
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
        let amount = text.trim();
        let amount = amount
            .strip_suffix("/s")
            .or_else(|| amount.strip_suffix("/S"))
            .unwrap_or(amount);
        let bytes = match number_and_unit(amount) {
            Some((number, Unit::Bytes(factor))) => bytes_of(number, factor, 1),
            Some((number, Unit::Bits(factor))) => bytes_of(number, factor, 8),
            Some((_, Unit::BytesInSizes(_))) | None => None,
        };
        bytes.and_then(Self::new).ok_or_else(error)
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
            ("50gb", 50_000_000_000),
            ("1kB", 1000),
            ("0.5KiB", 512),
            ("0.0", 0),
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
            // Bits, perhaps.
            "8Mb",
            "8Mib",
            "50Gbit",
            "50Gbps",
            // A power of 1000 or of 1024.
            "8M",
            "8k",
            // Nothing, if it were read.
            "0.5",
            "0.0001KiB",
            "10MB/s",
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
            ("80mbit", 10_000_000),
            ("80 Mbits/s", 10_000_000),
            ("80Mbps", 10_000_000),
            ("80mbps", 10_000_000),
            ("8MB", 8_000_000),
            ("8MiB", 8 << 20),
            ("8mib/s", 8 << 20),
            ("8kB/s", 8000),
        ] {
            assert_eq!(text.parse::<ByteRate>().map(ByteRate::get), Ok(bytes), "{text}");
        }
        for bad in [
            "", "/s", "0", "0MB/s", "7bit", "-1", "fast", "10MB/m", "it", "10it", "1 MB/s/s", "MB/s",
            // Bits or bytes, 1000 or 1024.
            "8Mb", "8Mb/s", "8mb", "8mb/s", "8Mib/s", "8kb", "8gb/s", "8b", "8M", "8M/s", "8MBps",
        ] {
            assert!(bad.parse::<ByteRate>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_units() {
        let rate = "8Mb".parse::<ByteRate>().expect_err("bits or bytes").to_string();
        let size = "8Mb".parse::<ByteCount>().expect_err("bits or bytes").to_string();
        assert!(
            rate.contains("MB/s") && rate.contains("MiB/s") && rate.contains("Mbit/s"),
            "{rate}"
        );
        assert!(size.contains("MB") && size.contains("MiB"), "{size}");
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
