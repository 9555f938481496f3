//! A line of the log.

use sha2::{Digest as _, Sha256};
pub use shared::json::AuditLine as Line;
use shared::model::Timestamp;

use super::Entry;

/// Longest object and reason that are written: the longest name, and more than any reason.
const MAX_TEXT: usize = 1024;

pub(super) fn of(at: Timestamp, entry: Entry) -> Line {
    Line {
        from: entry.from.map(|from| from.to_string()),
        object: cut(entry.object),
        reason: cut(entry.reason),
        ..bare(at, entry.who, cut(entry.call), entry.outcome.as_str())
    }
}

/// Makes the line that counts calls of a caller that were denied or failed, and were not written.
pub(super) fn held_back(at: Timestamp, who: String, count: u64) -> Line {
    Line {
        count: Some(count),
        ..bare(at, who, String::new(), "held_back")
    }
}

/// Makes the line that counts lines for which the queue had no room.
pub(super) fn lost(at: Timestamp, count: u64) -> Line {
    Line {
        count: Some(count),
        ..bare(at, "tracker".to_owned(), String::new(), "lost")
    }
}

fn bare(at: Timestamp, who: String, call: String, result: &str) -> Line {
    Line {
        at: rfc3339(at),
        at_ms: at.as_millis(),
        who,
        from: None,
        call,
        object: String::new(),
        result: result.to_owned(),
        reason: String::new(),
        count: None,
        previous: String::new(),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Returns the link to a line that has been written.
pub(super) fn link_to(line: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(line))
}

/// Returns the link of the very first line.
pub(super) fn first_link() -> String {
    "0".repeat(64)
}

/// Writes a time as in RFC 3339, in UTC.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let millis = at.as_millis();
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    // Days to a date: years begin in March, and 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..=9 => (era * 400 + year_of_era, month + 3),
        _ => (era * 400 + year_of_era + 1, month - 9),
    };
    let (seconds, thousandths) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_200_001, "2024-03-01T00:00:00.001Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_millis(millis)), text);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = "ñ".repeat(MAX_TEXT);
        let cut = cut(text);
        assert!(cut.len() <= MAX_TEXT && cut.chars().all(|c| c == 'ñ'));
    }
}
