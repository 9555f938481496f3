//! Attributes of files: mode, time, holes.

use std::fmt;
use std::ops::Range;

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

    /// The permissions without those of a mask.
    #[must_use]
    pub const fn without(self, mask: Self) -> Self {
        Self(self.0 & !mask.0)
    }
}

impl fmt::Display for Mode {
    /// Writes the bits as `ls` shows them: `rw-r--r--`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for bit in (0..9).rev() {
            let letter = ['x', 'w', 'r'][bit % 3];
            write!(f, "{}", if self.0 >> bit & 1 == 1 { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// Time of a last modification, as exactly as file systems know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModifiedAt {
    seconds: i64,
    nanos: u32,
}

impl ModifiedAt {
    /// Seconds since the Unix epoch, which may be negative, and nanoseconds after that; none when those are a
    /// second or more.
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

/// Attributes of files and directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: Mode,
    /// Time of the last modification.
    pub modified: ModifiedAt,
}

/// Metadata of a file that is a content by itself. Its name keeps them with each revision: bytes that are the
/// same are the same content, whatever their metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    attributes: Attributes,
    holes: Vec<Range<u64>>,
}

/// Complaint about holes that overlap or lie outside of the file, or bytes that are no metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metadata of a file make no sense")]
pub struct FileMetadataError;

impl FileMetadata {
    /// A file with more holes than this has the rest of them filled: a journal keeps them all.
    pub const MAX_HOLES: usize = 256;

    /// Metadata of a file; `holes` are runs of zeros that take no room, in order, apart and not empty.
    ///
    /// # Errors
    /// When they are not, or are too many.
    pub fn new(attributes: Attributes, holes: Vec<Range<u64>>) -> Result<Self, FileMetadataError> {
        let mut end = None;
        let are_apart = holes.iter().all(|hole| {
            let is_after = end.is_none_or(|end| hole.start > end);
            end = Some(hole.end);
            is_after && hole.start < hole.end
        });
        if are_apart && holes.len() <= Self::MAX_HOLES {
            Ok(Self { attributes, holes })
        } else {
            Err(FileMetadataError)
        }
    }

    /// Mode and time.
    #[must_use]
    pub const fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// Runs of zeros that take no room.
    #[must_use]
    pub fn holes(&self) -> &[Range<u64>] {
        &self.holes
    }

    /// Whether all holes lie in a file of this length.
    #[must_use]
    pub fn fits(&self, length: u64) -> bool {
        self.holes.last().is_none_or(|hole| hole.end <= length)
    }

    /// Returns the bytes that a journal or an index keeps: mode, seconds, nanoseconds, and the ends of all
    /// holes, as little-endian integers.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Attributes { mode, modified } = self.attributes;
        let mut bytes = mode.get().to_le_bytes().to_vec();
        bytes.extend(modified.seconds().to_le_bytes());
        bytes.extend(modified.nanos().to_le_bytes());
        for hole in &self.holes {
            bytes.extend(hole.start.to_le_bytes());
            bytes.extend(hole.end.to_le_bytes());
        }
        bytes
    }

    /// Reads those bytes.
    ///
    /// # Errors
    /// When they are no metadata.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileMetadataError> {
        let (mode, rest) = bytes.split_first_chunk().ok_or(FileMetadataError)?;
        let (seconds, rest) = rest.split_first_chunk().ok_or(FileMetadataError)?;
        let (nanos, rest) = rest.split_first_chunk().ok_or(FileMetadataError)?;
        let modified = ModifiedAt::new(i64::from_le_bytes(*seconds), u32::from_le_bytes(*nanos));
        let (holes, []) = rest.as_chunks::<16>() else {
            return Err(FileMetadataError);
        };
        let holes = holes.iter().map(|hole| {
            let hole = u128::from_le_bytes(*hole);
            #[expect(clippy::cast_possible_truncation, reason = "the halves of it")]
            let (start, end) = (hole as u64, (hole >> 64) as u64);
            start..end
        });
        let bits = u32::from_le_bytes(*mode);
        let mode = Mode::of(bits);
        if mode.get() != bits {
            return Err(FileMetadataError);
        }
        let attributes = Attributes {
            mode,
            modified: modified.ok_or(FileMetadataError)?,
        };
        Self::new(attributes, holes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_read_back_and_holes_are_checked() {
        let attributes = Attributes {
            mode: Mode::of(0o4755),
            modified: ModifiedAt::new(-5, 999_999_999).expect("within a second"),
        };
        assert_eq!(attributes.mode.get(), 0o755, "set-id bits are not kept");
        let metadata = FileMetadata::new(attributes, vec![0..4096, 8192..12_288]).expect("apart");
        assert!(metadata.fits(12_288) && !metadata.fits(12_287));
        let bytes = metadata.to_bytes();
        assert_eq!(FileMetadata::from_bytes(&bytes), Ok(metadata));
        for end in [0, 5, 15, bytes.len() - 1] {
            assert!(FileMetadata::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
        }
        // Bits that are not kept were not written.
        let mut set_id = bytes;
        set_id[1] |= 0b1000;
        assert_eq!(FileMetadata::from_bytes(&set_id), Err(FileMetadataError));
        let wrong: [&[(u64, u64)]; 4] = [&[(5, 5)], &[(0, 4), (4, 8)], &[(8, 9), (0, 1)], &[(9, 2)]];
        for holes in wrong {
            let holes = holes.iter().map(|&(start, end)| start..end).collect();
            assert!(FileMetadata::new(attributes, holes).is_err());
        }
        let many = (0..300).map(|n| 2 * n..2 * n + 1).collect();
        assert!(FileMetadata::new(attributes, many).is_err());
    }
}
