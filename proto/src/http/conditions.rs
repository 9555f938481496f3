//! Ranges and conditions of requests, as RFC 9110 has them (sections 13 and 14). Pure.
//!
//! The tag of a file is the id of its content, so a condition on the tag is one on the bytes. A request for
//! several ranges gets the whole file, as the RFC allows. A range that is not understood is ignored.

use std::ops::Range;

use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::{HeaderMap, Method};

use super::HttpError;

/// The tags that `If-Match` or `If-None-Match` lists.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    Listed(Vec<String>),
}

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, HttpError> {
        let mut listed = Vec::new();
        for value in headers.get_all(name) {
            let text = value
                .to_str()
                .map_err(|_| HttpError::invalid(format!("cannot read {name}")))?;
            for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                if tag == "*" {
                    return Ok(Some(Self::Any));
                }
                // Equal bytes are one content, so a weak comparison and a strong one are the same.
                let bare = tag.strip_prefix("W/").unwrap_or(tag);
                let inside = bare.strip_prefix('"').and_then(|bare| bare.strip_suffix('"'));
                let Some(inside) = inside else {
                    return Err(HttpError::invalid(format!("{name} takes * or tags in quotes")));
                };
                listed.push(inside.to_owned());
            }
        }
        Ok(headers.contains_key(name).then_some(Self::Listed(listed)))
    }

    fn matches(&self, current: Option<&str>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Listed(tags), Some(current)) => tags.iter().any(|tag| tag == current),
        }
    }
}

/// The conditions that a request makes about the file that is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// The consequence of [`Conditions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The conditions hold, or there are none.
    Go,
    /// The file is one that the caller does not want (again).
    Excluded,
    /// The file is not the one that the caller has seen.
    Other,
}

impl Conditions {
    /// Reads the conditions of a request.
    ///
    /// # Errors
    /// When a condition cannot be read: it must not be taken for none.
    pub fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        Ok(Self {
            if_match: Tags::of(headers, &IF_MATCH)?,
            if_none_match: Tags::of(headers, &IF_NONE_MATCH)?,
        })
    }

    /// Whether the request makes no condition.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Judges the conditions against the tag of the file that is there, or against the absence of one.
    #[must_use]
    pub fn judge(&self, current: Option<&str>) -> Verdict {
        let is = |tags: &Option<Tags>| tags.as_ref().map(|tags| tags.matches(current));
        match (is(&self.if_match), is(&self.if_none_match)) {
            (Some(false), _) => Verdict::Other,
            (_, Some(true)) => Verdict::Excluded,
            _ => Verdict::Go,
        }
    }
}

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
    use super::*;

    fn headers(all: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append((*name).clone(), value.parse().expect("a value"));
        }
        map
    }

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

    #[test]
    fn conditions_compare_with_what_is_there() {
        let judge = |all: &[(&HeaderName, &str)], current| {
            Conditions::of(&headers(all))
                .map(|conditions| conditions.judge(current))
                .ok()
        };
        assert_eq!(judge(&[], None), Some(Verdict::Go));
        let (a, b) = (Some("a"), Some("b"));
        for (tags, current, verdict) in [
            ("\"a\"", a, Verdict::Go),
            ("\"x\", \"a\"", a, Verdict::Go),
            ("*", a, Verdict::Go),
            ("\"a\"", b, Verdict::Other),
            ("\"a\"", None, Verdict::Other),
            ("*", None, Verdict::Other),
        ] {
            assert_eq!(
                judge(&[(&IF_MATCH, tags)], current),
                Some(verdict),
                "{tags} {current:?}"
            );
        }
        for (tags, current, verdict) in [
            ("*", None, Verdict::Go),
            ("*", a, Verdict::Excluded),
            ("W/\"a\"", a, Verdict::Excluded),
            ("\"a\"", b, Verdict::Go),
        ] {
            assert_eq!(
                judge(&[(&IF_NONE_MATCH, tags)], current),
                Some(verdict),
                "{tags} {current:?}"
            );
        }
        assert_eq!(
            judge(&[(&IF_MATCH, "\"a\""), (&IF_NONE_MATCH, "*")], a),
            Some(Verdict::Excluded)
        );
        assert_eq!(
            judge(&[(&IF_MATCH, "")], a),
            Some(Verdict::Other),
            "an empty list lists nothing"
        );
        for bad in ["a", "\"a", "a\"", "W/a"] {
            assert_eq!(judge(&[(&IF_MATCH, bad)], a), None, "{bad}");
        }
    }
}
