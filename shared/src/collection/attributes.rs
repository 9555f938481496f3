//! What is kept of an entry besides its name and bytes.

use std::fmt;

/// Permission bits: read, write and execute for owner, group and others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mode(u16);

impl Mode {
    /// The permission bits of a file's mode; the others are not kept.
    #[must_use]
    pub const fn of(mode: u32) -> Self {
        Self((mode & 0o777) as u16)
    }

    /// The bits.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Mode {
    /// As `ls` shows them: `rw-r--r--`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for bit in (0..9).rev() {
            let letter = ['x', 'w', 'r'][bit % 3];
            write!(f, "{}", if self.0 >> bit & 1 == 1 { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// When something was last modified, as exactly as file systems know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModifiedAt {
    seconds: i64,
    nanos: u32,
}

impl ModifiedAt {
    /// Seconds since the Unix epoch, which may be negative, and nanoseconds after that; none when those are a second or
    /// more.
    #[must_use]
    pub const fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 {
            Some(Self { seconds, nanos })
        } else {
            None
        }
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after those.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }
}

/// What files and directories have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Who may do what.
    pub mode: Mode,
    /// When it was last modified.
    pub modified: ModifiedAt,
}
