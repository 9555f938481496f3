//! Conditions of requests, as RFC 9110 has them (section 13). Pure.
//!
//! The tag of a file is the id of its content, so a condition on the tag is one on the bytes.

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

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

#[cfg(test)]
mod tests {
    use super::super::headers;
    use super::*;

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
