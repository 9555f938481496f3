//! Selection of entries: globs that include and exclude.

use std::fmt;

/// The most bytes of a pattern, and the most patterns of either kind.
pub const MAX_PATTERN: usize = 1024;

/// Patterns by which entries of a collection are chosen.
///
/// `*` and `?` stand for any characters and one character of a name, `**` for any directories. A pattern
/// without `/` is about names wherever they are; with one, about paths from the collection's own directory. A
/// directory that is excluded is excluded with all that is in it; one that is included, too. Exclusion wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// A pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// It is empty or too long.
    #[error("a pattern has 1 to {MAX_PATTERN} bytes, this one has {0}")]
    Length(usize),
    /// There are too many of them.
    #[error("at most {MAX_PATTERN} patterns are possible")]
    TooMany,
}

impl crate::Coded for SelectionError {
    fn code(&self) -> crate::ErrorCode {
        crate::ErrorCode::InvalidArgument
    }
}

impl Selection {
    /// Selects the entries that match one of `include`, or all if there is none, except those that match one
    /// of `exclude`.
    ///
    /// # Errors
    /// When a pattern is empty or too long, or there are too many.
    pub fn new(include: Vec<String>, exclude: Vec<String>) -> Result<Self, SelectionError> {
        if include.len() > MAX_PATTERN || exclude.len() > MAX_PATTERN {
            return Err(SelectionError::TooMany);
        }
        let wrong = |pattern: &&String| pattern.is_empty() || pattern.len() > MAX_PATTERN;
        if let Some(pattern) = include.iter().chain(&exclude).find(wrong) {
            return Err(SelectionError::Length(pattern.len()));
        }
        Ok(Self { include, exclude })
    }

    /// Whether everything is wanted.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// The patterns that include.
    #[must_use]
    pub fn include(&self) -> &[String] {
        &self.include
    }

    /// The patterns that exclude.
    #[must_use]
    pub fn exclude(&self) -> &[String] {
        &self.exclude
    }

    /// Whether an entry, or a directory that it is in, is excluded.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|pattern| covers(pattern, path))
    }

    /// Whether an entry is selected, itself or through a directory above it. An unselected directory may
    /// still be needed for its entries.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let is_included = self.include.is_empty() || self.include.iter().any(|pattern| covers(pattern, path));
        is_included && !self.excludes(path)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |patterns: &[String]| patterns.join(" ");
        write!(f, "+ {} - {}", words(&self.include), words(&self.exclude))
    }
}

/// Whether a pattern matches a path or a directory that it is in.
fn covers(pattern: &str, path: &str) -> bool {
    let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
    if !pattern.contains('/') && pattern != "**" {
        return path.split('/').any(|name| matches_name(pattern, name));
    }
    let pattern: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    (1..=path.len()).any(|length| matches_path(&pattern, &path[..length]))
}

/// Directory by directory: `reached` are the numbers of path parts that the pattern so far can stand for.
fn matches_path(pattern: &[&str], path: &[&str]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            if *part == "**" {
                next[at] = reached[at] || at > 0 && next[at - 1];
            } else if at > 0 {
                next[at] = reached[at - 1] && matches_name(part, path[at - 1]);
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// Goes back to the last star only, so it takes at most pattern times name steps.
fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let owned = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Selection::new(owned(include), owned(exclude)).expect("patterns")
    }

    #[test]
    fn names_match_anywhere_and_paths_from_the_root() {
        let all = selection(&[], &["*.tmp", "build/", "/docs/*.md", "a/**/z", "x?y"]);
        for path in [
            "a.tmp",
            "d/e.tmp",
            "build/x/y",
            "c/build",
            "docs/a.md",
            "a/z",
            "a/b/c/z",
            "a/z/1",
            "q/xäy",
        ] {
            assert!(!all.takes(path), "{path}");
        }
        for path in ["a.tmpl", "builds", "docs/en/a.md", "src/docs/a.md", "b/z", "xy"] {
            assert!(all.takes(path), "{path}");
        }
        let some = selection(&["src", "**/*.rs"], &["src/gen"]);
        for path in ["src/a", "src/b/c.txt", "lib.rs", "x/y/z.rs"] {
            assert!(some.takes(path), "{path}");
        }
        for path in ["src/gen/a.rs", "x/y", "lib.rsx"] {
            assert!(!some.takes(path), "{path}");
        }
    }

    #[test]
    fn hostile_patterns_take_little_time() {
        let pattern = "*a".repeat(400);
        assert!(!selection(&[&pattern], &[]).takes(&"a".repeat(399)));
        let deep = "**/".repeat(200) + "b";
        assert!(!selection(&[&deep], &[]).takes(&"a/".repeat(100)));
    }

    #[test]
    fn patterns_are_not_empty() {
        assert_eq!(
            Selection::new(vec![String::new()], Vec::new()),
            Err(SelectionError::Length(0))
        );
    }
}
