//! Scopes: rights over the names with a prefix, as people write them: `publish:models/`, `read`.

use std::fmt;
use std::str::FromStr;

/// Longest prefix, in bytes: that of the longest name.
const MAX_PREFIX: usize = 1024;

/// A right over names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See names and fetch their contents.
    Read,
    /// Bind names, and keep their contents.
    Publish,
    /// Remove names.
    Remove,
    /// Everything, and with every prefix also the operation of the network.
    Admin,
}

/// Text was not a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a right is read, publish, remove or admin")]
pub struct RightError;

impl Right {
    /// Every right.
    pub const ALL: [Self; 4] = [Self::Read, Self::Publish, Self::Remove, Self::Admin];

    /// The word for the right.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Remove => "remove",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Right {
    type Err = RightError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let right = Self::ALL.into_iter().find(|right| right.as_str() == text);
        right.ok_or(RightError)
    }
}

/// A right over all names that begin with a prefix; over all names when it is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    right: Right,
    prefix: String,
}

/// Reasons for which a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The part before the colon is no right.
    #[error(transparent)]
    Right(#[from] RightError),
    /// No name begins with the prefix.
    #[error(
        "no name begins with the prefix of the scope: it has at most {MAX_PREFIX} bytes, no control characters \
         and no '/' at the beginning"
    )]
    Prefix,
}

impl Scope {
    /// Makes a scope.
    ///
    /// # Errors
    /// When no name can begin with the prefix.
    pub fn new(right: Right, prefix: impl Into<String>) -> Result<Self, ScopeError> {
        let prefix = prefix.into();
        let is_beginning = !prefix.starts_with('/') && !prefix.contains(char::is_control);
        if prefix.len() > MAX_PREFIX || !is_beginning {
            return Err(ScopeError::Prefix);
        }
        Ok(Self { right, prefix })
    }

    /// The right.
    #[must_use]
    pub const fn right(&self) -> Right {
        self.right
    }

    /// The beginning of the names.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns whether the scope gives a right over a name. Over a prefix, it gives the right over all names
    /// with it; over the empty one, over everything.
    #[must_use]
    pub fn covers(&self, right: Right, name: &str) -> bool {
        self.gives(right) && name.starts_with(&self.prefix)
    }

    /// Returns whether the scope gives a right over any name.
    #[must_use]
    pub fn gives(&self, right: Right) -> bool {
        self.right == right || self.right == Right::Admin
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.as_str() {
            "" => self.right.fmt(f),
            prefix => write!(f, "{}:{prefix}", self.right),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (right, prefix) = text.split_once(':').unwrap_or((text, ""));
        Self::new(right.parse()?, prefix)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().expect(text)
    }

    #[test]
    fn a_scope_covers_the_names_with_its_prefix() {
        let models = scope("publish:models/");
        assert!(models.covers(Right::Publish, "models/7b.gguf"));
        assert!(models.covers(Right::Publish, "models/"));
        for name in ["models", "other/models/7b", "", "model"] {
            assert!(!models.covers(Right::Publish, name), "{name:?}");
        }
        assert!(!models.covers(Right::Read, "models/7b.gguf"));
        assert!(!models.covers(Right::Remove, "models/7b.gguf"));
        assert!(scope("read").covers(Right::Read, ""));
    }

    #[test]
    fn an_administrator_has_every_right_below_the_prefix() {
        for right in Right::ALL {
            assert!(scope("admin").covers(right, ""));
            assert!(scope("admin:team/").covers(right, "team/x"));
            assert!(!scope("admin:team/").covers(right, ""));
            assert!(!scope("admin:team/").covers(right, "other/x"));
        }
        assert!(!scope("remove").gives(Right::Admin));
    }

    #[test]
    fn the_text_of_a_scope_is_read_and_written() {
        for text in ["read", "publish:models/", "remove:a", "admin", "read:x:y"] {
            assert_eq!(scope(text).to_string(), text);
        }
        assert_eq!(scope("read:"), scope("read"));
        for (bad, error) in [
            ("", ScopeError::Right(RightError)),
            ("write:models/", ScopeError::Right(RightError)),
            ("Read", ScopeError::Right(RightError)),
            ("read:/models", ScopeError::Prefix),
            ("read:a\nb", ScopeError::Prefix),
        ] {
            assert_eq!(bad.parse::<Scope>(), Err(error), "{bad:?}");
        }
        let long = format!("read:{}", "a".repeat(MAX_PREFIX + 1));
        assert_eq!(long.parse::<Scope>(), Err(ScopeError::Prefix));
    }

    proptest! {
        #[test]
        fn any_scope_survives_its_text(right in 0..Right::ALL.len(), prefix in "[^/\\pC][^\\pC]{0,20}|") {
            let scope = Scope::new(Right::ALL[right], prefix).expect("a prefix");
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }
}
