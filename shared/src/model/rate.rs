//! Amounts of bytes in a second, as people write and read them.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use super::amount::ByteCount;

/// A number of bytes in a second: at least 1, for what is not limited has no rate.
///
/// Text forms: those of [`ByteCount`], with or without `/s`, and bits: `10MB/s`, `1.5 MiB/s`, `300000`, `80Mbit/s`.
/// [`fmt::Display`] prints binary units with one decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(NonZeroU64);

/// Text was not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rate; write a number with an optional unit, such as 10MB/s, 512KiB/s or 80Mbit/s")]
pub struct ParseByteRateError(pub(crate) String);

impl ByteRate {
    /// So many bytes per second; none for 0.
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
