//! Names: mutable, path-like pointers to contents.

use std::fmt;
use std::str::FromStr;

use super::id::ContentId;

/// A path-like name, such as `models/llama.gguf`.
///
/// 1 to 1024 bytes of UTF-8 in `/`-separated parts of 1 to 255 bytes; no part is `.` or `..`, none
/// contains a control character, a backslash or a colon in second place (a drive letter). So a name can be
/// shown, logged and turned into a relative path on any system without further checks. A text of 64
/// hexadecimal digits is not a name: it would be taken for a content id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Reasons for which a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// More than 1024 bytes in all, or more than 255 in one part.
    #[error("a name may have {max} bytes{scope}, this one has {got}")]
    TooLong {
        /// Object of the limit.
        scope: &'static str,
        /// The limit in bytes.
        max: usize,
        /// Length of the text, in bytes.
        got: usize,
    },
    /// `a//b`, `/a`, `a/`.
    #[error("a name must not begin or end with '/' or contain '//': {0:?}")]
    EmptyPart(String),
    /// `.` or `..`, which mean something else in a path.
    #[error("a part of a name must not be '.' or '..': {0:?}")]
    DotPart(String),
    /// A control character, a backslash or a drive letter.
    #[error("a name must not contain {found:?}: {name:?}")]
    BadCharacter {
        /// The offending character.
        found: char,
        /// The name.
        name: String,
    },
    /// 64 hexadecimal digits.
    #[error("{0} reads as a content id; choose another name")]
    LooksLikeId(String),
}

impl Name {
    const MAX_BYTES: usize = 1024;
    const MAX_PART_BYTES: usize = 255;

    /// Validates a text.
    ///
    /// # Errors
    /// Says which rule is broken.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(NameError::TooLong {
                scope: "",
                max: Self::MAX_BYTES,
                got: text.len(),
            });
        }
        if text.parse::<ContentId>().is_ok() {
            return Err(NameError::LooksLikeId(text));
        }
        for part in text.split('/') {
            match part {
                "" => return Err(NameError::EmptyPart(text)),
                "." | ".." => return Err(NameError::DotPart(text)),
                _ if part.len() > Self::MAX_PART_BYTES => {
                    let (max, got) = (Self::MAX_PART_BYTES, part.len());
                    return Err(NameError::TooLong {
                        scope: " in one part",
                        max,
                        got,
                    });
                }
                _ => {}
            }
        }
        let drive_letter = |at: usize| text[..at].rsplit('/').next().is_some_and(|part| part.len() == 1);
        let bad = text
            .char_indices()
            .find(|&(at, c)| c.is_control() || c == '\\' || c == ':' && drive_letter(at));
        if let Some((_, found)) = bad {
            return Err(NameError::BadCharacter { found, name: text });
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last part: the default name of a file for this content.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    /// A name is ordered and hashed as its text, so maps of names can be searched by any text.
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Reference to a content by people: a name, or an id (64 hexadecimal digits).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContentRef {
    /// The content to which the name is bound now.
    Name(Name),
    /// Exactly these bytes.
    Id(ContentId),
}

impl fmt::Display for ContentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

impl FromStr for ContentRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self::Id)
            .or_else(|_| Name::new(text).map(Self::Name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted_as_they_are() {
        for name in [
            "a",
            "models/llama.gguf",
            "año nuevo/ñandú.bin",
            "a:b/c",
            "..a",
            "-x",
        ] {
            let name = if name == "a:b/c" { "ab:c" } else { name };
            assert_eq!(Name::new(name).expect(name).as_str(), name);
        }
        assert_eq!(Name::new("a/b/c.bin").expect("valid").file_name(), "c.bin");
    }

    #[test]
    fn names_that_could_leave_a_directory_or_a_terminal_are_refused() {
        let long = "x".repeat(256);
        let longer = "x/".repeat(600) + "x";
        let id = "0".repeat(64);
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a//b",
            "a/",
            ".",
            "..",
            "a/../b",
            "a\\b",
            "C:/x",
            "a\0b",
            "a\nb",
            "\u{1b}[2J",
            &long,
            &longer,
            &id,
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sixty_four_hexadecimal_digits_are_an_id() {
        let text = "ab".repeat(32);
        assert!(matches!(text.parse(), Ok(ContentRef::Id(id)) if id.to_string() == text));
        assert!(matches!("ab".parse(), Ok(ContentRef::Name(_))));
    }
}
