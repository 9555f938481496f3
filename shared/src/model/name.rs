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
    /// A part that nobody would see; see [`Name::require_visible`].
    #[error("a part of a name must show something: {0:?}")]
    Invisible(String),
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

    /// Refuses a name of which a part shows nothing: one of spaces, of characters without width, of marks
    /// that combine with others or turn the direction of the text. Nobody could tell such names apart or
    /// type them. Names that are bound already stay, so this is asked of those that are to be bound.
    ///
    /// # Errors
    /// [`NameError::Invisible`].
    pub fn require_visible(&self) -> Result<(), NameError> {
        match self.0.split('/').all(|part| part.chars().any(shows)) {
            true => Ok(()),
            false => Err(NameError::Invisible(self.0.clone())),
        }
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

/// Whether a character shows something by itself.
fn shows(c: char) -> bool {
    match c {
        // Escaped for another reason.
        '\'' | '"' => true,
        // Fillers, which count as letters and symbols.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => false,
        // The standard library's tables say what it would escape: characters that extend the one before, and
        // those that cannot be printed.
        _ => !c.is_whitespace() && c.escape_debug().len() == 1,
    }
}

/// Reference to a content by people: a name, an id (64 hexadecimal digits), or a path inside a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContentRef {
    /// The content to which the name is bound now; or a path inside a directory, if nothing has this name.
    Name(Name),
    /// Exactly these bytes.
    Id(ContentId),
    /// A path inside a directory that is no name, because files may be called what names may not:
    /// `photos/x:y`.
    Inside(PathInside),
}

/// The name or id of a directory, `/`, and a path inside, which together are no name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathInside(String);

impl PathInside {
    /// The longest text: the longest name and the longest path of a directory's entry.
    const MAX_BYTES: usize = Name::MAX_BYTES + 4096;

    /// Returns whether a text can be the path of an entry.
    fn is_path(text: &str) -> bool {
        !text.is_empty() && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ContentRef {
    /// Returns the directories and the paths in them that the text can mean, the longest directory first.
    pub fn splits(&self) -> impl Iterator<Item = (Self, &str)> {
        let text = match self {
            Self::Name(name) => name.as_str(),
            Self::Id(_) => "",
            Self::Inside(path) => path.as_str(),
        };
        let all = text.rmatch_indices('/');
        all.filter_map(|(at, _)| Some((text[..at].parse().ok()?, &text[at + 1..])))
            .filter(|(directory, _)| !matches!(directory, Self::Inside(_)))
    }

    /// Returns the last part, under which the content is saved; none of an id.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.file_name()),
            Self::Id(_) => None,
            Self::Inside(path) => path.as_str().rsplit('/').next(),
        }
    }
}

impl fmt::Display for ContentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Id(id) => id.fmt(f),
            Self::Inside(path) => f.pad(path.as_str()),
        }
    }
}

impl FromStr for ContentRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let error = match Name::new(text) {
            Ok(name) => return Ok(Self::Name(name)),
            Err(error) => error,
        };
        let is_directory = |text: &str| Name::new(text).is_ok() || text.parse::<ContentId>().is_ok();
        let mut splits = text.match_indices('/').map(|(at, _)| text.split_at(at));
        let is_inside =
            splits.any(|(directory, path)| is_directory(directory) && PathInside::is_path(&path[1..]));
        match is_inside && text.len() <= PathInside::MAX_BYTES {
            true => Ok(Self::Inside(PathInside(text.to_owned()))),
            false => Err(error),
        }
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
    fn names_of_which_nothing_can_be_seen_are_not_to_be_bound() {
        let check = |text: &str| Name::new(text).expect("a name").require_visible();
        for seen in [
            "a",
            "ñandú",
            "e\u{301}",
            "'",
            "\"",
            "日本",
            "क्",
            "🦙",
            "a b",
            "-",
            "\u{202e}x",
        ] {
            assert_eq!(check(seen), Ok(()), "{seen:?}");
        }
        let alone = [
            ' ',
            '\u{a0}',
            '\u{3000}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{301}',
            '\u{20dd}',
            '\u{fe0f}',
            '\u{180e}',
            '\u{e0061}',
            '\u{3164}',
            '\u{115f}',
            '\u{2800}',
            '\u{2028}',
            '\u{5b0}',
        ];
        for c in alone {
            for text in [
                format!("{c}"),
                format!("{c}{c}"),
                format!("a/{c}"),
                format!("{c}/a"),
            ] {
                assert!(matches!(check(&text), Err(NameError::Invisible(_))), "{text:?}");
            }
            assert_eq!(check(&format!("x{c}")), Ok(()), "{c:?}");
        }
    }

    #[test]
    fn sixty_four_hexadecimal_digits_are_an_id() {
        let text = "ab".repeat(32);
        assert!(matches!(text.parse(), Ok(ContentRef::Id(id)) if id.to_string() == text));
        assert!(matches!("ab".parse(), Ok(ContentRef::Name(_))));
    }

    #[test]
    fn paths_inside_directories_may_be_what_names_may_not() {
        let read = |text: &str| text.parse::<ContentRef>();
        let long = format!("d/{}/x", ["a"; 1000].map(|part| part.repeat(3)).join("/"));
        for text in ["d/back\\slash", "d/e/x:y", long.as_str(), "d/\u{1}"] {
            let inside = read(text).expect("a path inside");
            assert!(matches!(inside, ContentRef::Inside(_)), "{text}");
            assert_eq!(inside.to_string(), text);
            let (directory, path) = inside.splits().last().expect("the shortest directory");
            assert_eq!(
                (directory, path),
                (ContentRef::Name(Name::new("d").expect("a name")), &text[2..])
            );
        }
        for text in [
            "",
            "x:y",
            "back\\slash",
            "a/../b\\c",
            "d//x:y",
            "/d/x:y",
            "d/",
            &"d/".repeat(4000),
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        // A text that can be a name is read as one; it may be a path inside all the same.
        let name = read("d/e/x").expect("a name");
        let splits: Vec<_> = name.splits().map(|(of, path)| (of.to_string(), path)).collect();
        assert_eq!(splits, [("d/e".to_owned(), "x"), ("d".to_owned(), "e/x")]);
        let id = "ab".repeat(32);
        let inside: Vec<_> = read(&format!("{id}/x"))
            .expect("read")
            .splits()
            .map(|(of, _)| of)
            .collect();
        assert!(matches!(inside[..], [ContentRef::Id(_)]));
        assert_eq!(read("d/e/x:y").expect("read").file_name(), Some("x:y"));
    }
}
