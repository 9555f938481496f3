//! Byte ranges of requests: the part of a file that `Range` and `If-Range` ask for (RFC 9110, sections
//! 13.1.5 and 14). Pure.
//!
//! A request for several ranges gets the whole file, as the RFC allows. A range that is not understood is
//! ignored. The part that is asked for is read and verified by the content reader, as any other.

use std::ops::Range;

use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, Method};

use super::HttpError;

/// Reads the range that is asked for of a file of this length and tag; none for all of it. Only `GET` has
/// ranges.
///
/// # Errors
/// When the file has no such part.
pub fn range(
    method: &Method,
    headers: &HeaderMap,
    length: u64,
    tag: &str,
) -> Result<Option<Range<u64>>, HttpError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(asked) = text(RANGE).filter(|_| method == Method::GET) else {
        return Ok(None);
    };
    // The range is of another file: this one is sent whole.
    if headers.contains_key(IF_RANGE) && text(IF_RANGE) != Some(&format!("\"{tag}\"")) {
        return Ok(None);
    }
    match parse(asked) {
        None => Ok(None),
        // The last bytes of an empty file are all of it, which no Content-Range can say.
        Some(Asked::Last(count)) if count > 0 && length == 0 => Ok(None),
        Some(Asked::Last(count)) if count > 0 => Ok(Some(length.saturating_sub(count)..length)),
        Some(Asked::From(first, last)) if first < length => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Ok(Some(first..end))
        }
        Some(_) => Err(HttpError::range(length)),
    }
}

enum Asked {
    /// From a byte on, up to and including another.
    From(u64, Option<u64>),
    /// This number of bytes at the end.
    Last(u64),
}

fn parse(text: &str) -> Option<Asked> {
    let (unit, ranges) = text.trim().split_once('=')?;
    let mut ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (only, None) = (ranges.next()?, ranges.next()) else {
        return None;
    };
    let (first, last) = only
        .split_once('-')
        .filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number that does not fit is more than any file has.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first, last) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::From(first, Some(last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

    fn asked(text: &str, length: u64) -> Result<Option<Range<u64>>, ()> {
        range(&Method::GET, &headers(&[(&RANGE, text)]), length, "a").map_err(drop)
    }

    #[test]
    fn single_ranges_are_understood_and_others_mean_everything() {
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=2-99", 2..10),
            ("bytes=9-18446744073709551615", 9..10),
            ("bytes=0-99999999999999999999999", 0..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("Bytes=2-5", 2..6),
            ("BYTES=-3", 7..10),
            ("bytes=2-5,", 2..6),
            ("bytes= 2-5", 2..6),
        ] {
            assert_eq!(asked(text, 10), Ok(Some(range)), "{text}");
        }
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=--1",
            "bytes=1",
            "bytes= 1 - 2",
        ] {
            assert_eq!(asked(text, 10), Ok(None), "{text}");
        }
        for (text, length) in [
            ("bytes=10-", 10),
            ("bytes=10-11", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
            ("bytes=-0", 0),
        ] {
            assert_eq!(asked(text, length), Err(()), "{text}");
        }
    }

    #[test]
    fn only_get_has_ranges_and_the_end_of_nothing_is_all_of_it() {
        let headers = headers(&[(&RANGE, "bytes=2-5")]);
        for method in [Method::HEAD, Method::PUT] {
            assert_eq!(
                range(&method, &headers, 10, "a").map_err(drop),
                Ok(None),
                "{method}"
            );
        }
        assert_eq!(asked("bytes=-1", 0), Ok(None));
    }

    #[test]
    fn a_range_of_another_file_is_not_mixed_with_this_one() {
        let of = |tag| {
            let headers = headers(&[(&RANGE, "bytes=1-2"), (&IF_RANGE, tag)]);
            range(&Method::GET, &headers, 10, "a").map_err(drop)
        };
        assert_eq!(of("\"a\""), Ok(Some(1..3)));
        for other in ["\"b\"", "a", "W/\"a\"", "Sat, 29 Oct 1994 19:43:31 GMT"] {
            assert_eq!(of(other), Ok(None), "{other}");
        }
    }
}
