//! Parts of a content, and all arithmetic about fragments and blocks.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::fragment::{BLOCK_LENGTH, BlockSpan, FragmentIndex, FragmentLength, FragmentSet, MAX_FRAGMENTS};
use super::id::{ContentId, Digest};
use crate::hash::content_root;

/// Parts of a content: its length, its fragment length, and the hash tree's root of each fragment.
///
/// A manifest that exists is consistent: the fragment roots combine to the content id, so a fragment that
/// matches its root belongs to the content. Cloning is cheap (the roots are shared).
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    content: ContentId,
    length: u64,
    fragment_length: FragmentLength,
    roots: Arc<[Digest]>,
}

/// Reasons for which parts make no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// More than [`MAX_FRAGMENTS`] fragments.
    #[error(
        "a content of {length} bytes in fragments of {fragment_length} has more than {MAX_FRAGMENTS} fragments"
    )]
    TooManyFragments {
        /// Bytes of the content.
        length: u64,
        /// The fragment length.
        fragment_length: FragmentLength,
    },
    /// The number of roots does not fit the lengths.
    #[error("the content has {expected} fragments, got {got} fragment roots")]
    RootCount {
        /// Number that the lengths require.
        expected: u32,
        /// Number given.
        got: usize,
    },
    /// The fragment roots do not combine to the content id.
    #[error("the fragment roots are those of content {actual}, not of {claimed}")]
    WrongContent {
        /// The id that was claimed.
        claimed: ContentId,
        /// The id that the roots have.
        actual: ContentId,
    },
}

impl Manifest {
    /// Puts fragment roots together and computes the content id.
    ///
    /// # Errors
    /// When the number of roots does not fit the lengths, or is too large.
    pub fn from_roots(
        length: u64,
        fragment_length: FragmentLength,
        roots: Vec<Digest>,
    ) -> Result<Self, ManifestError> {
        let expected = Self::count_fragments(length, fragment_length)?;
        if roots.len() != expected as usize {
            return Err(ManifestError::RootCount {
                expected,
                got: roots.len(),
            });
        }
        let content = content_root(&roots, fragment_length).into();
        Ok(Self {
            content,
            length,
            fragment_length,
            roots: roots.into(),
        })
    }

    /// Puts fragment roots together and checks that they are those of `content`.
    ///
    /// # Errors
    /// As [`Self::from_roots`], and when they are those of another content.
    pub fn verified(
        content: ContentId,
        length: u64,
        fragment_length: FragmentLength,
        roots: Vec<Digest>,
    ) -> Result<Self, ManifestError> {
        let manifest = Self::from_roots(length, fragment_length, roots)?;
        if manifest.content != content {
            return Err(ManifestError::WrongContent {
                claimed: content,
                actual: manifest.content,
            });
        }
        Ok(manifest)
    }

    /// Returns the number of fragments of a content of this length.
    ///
    /// # Errors
    /// When they are more than [`MAX_FRAGMENTS`].
    pub fn count_fragments(length: u64, fragment_length: FragmentLength) -> Result<u32, ManifestError> {
        u32::try_from(length.div_ceil(u64::from(fragment_length.get())))
            .ok()
            .filter(|count| *count <= MAX_FRAGMENTS)
            .ok_or(ManifestError::TooManyFragments {
                length,
                fragment_length,
            })
    }

    /// The content's identity.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.content
    }

    /// The content's length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The length of every fragment but the last.
    #[must_use]
    pub const fn fragment_length(&self) -> FragmentLength {
        self.fragment_length
    }

    /// Returns the number of fragments; 0 for the empty content.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_FRAGMENTS")]
    pub fn fragment_count(&self) -> u32 {
        self.roots.len() as u32
    }

    /// The roots of the fragments, in order.
    #[must_use]
    pub fn roots(&self) -> &[Digest] {
        &self.roots
    }

    /// The index `n` (counted from 0), if the content has that many fragments.
    #[must_use]
    pub fn index(&self, n: u32) -> Option<FragmentIndex> {
        (n < self.fragment_count()).then_some(FragmentIndex::new(n))
    }

    /// Every index, in ascending order.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = FragmentIndex> + use<> {
        (0..self.fragment_count()).map(FragmentIndex::new)
    }

    /// The fragment that holds the byte at `offset`, if the content is that long.
    #[must_use]
    pub fn fragment_at(&self, offset: u64) -> Option<FragmentIndex> {
        if offset >= self.length {
            return None;
        }
        u32::try_from(offset / u64::from(self.fragment_length.get()))
            .ok()
            .map(FragmentIndex::new)
    }

    /// The fragments that hold any byte of a range; bytes after the end of the content are in none.
    #[must_use]
    pub fn fragments_in(&self, range: &Range<u64>) -> FragmentSet {
        let mut fragments = self.no_fragments();
        let end = range.end.min(self.length);
        let mut at = range.start;
        while at < end
            && let Some(index) = self.fragment_at(at)
        {
            fragments.insert(index);
            at = self.range(index).end;
        }
        fragments
    }

    /// Returns the fragments that hold any byte of some ranges: a file in a pack is as well off as these.
    #[must_use]
    pub fn fragments_in_any(&self, ranges: &[Range<u64>]) -> FragmentSet {
        let mut fragments = self.no_fragments();
        for range in ranges {
            fragments.union_with(&self.fragments_in(range));
        }
        fragments
    }

    /// The root of a fragment.
    ///
    /// # Panics
    /// When the index is of another, larger content; so do the other methods that take an index.
    #[must_use]
    pub fn root(&self, index: FragmentIndex) -> Digest {
        self.roots[index.get() as usize]
    }

    /// Returns the range of the fragment in the content, in bytes.
    #[must_use]
    pub fn range(&self, index: FragmentIndex) -> Range<u64> {
        assert!(
            index.get() < self.fragment_count(),
            "fragment {index} of a content of {}",
            self.fragment_count()
        );
        let step = u64::from(self.fragment_length.get());
        let start = u64::from(index.get()) * step;
        start..(start + step).min(self.length)
    }

    /// The fragment's length in bytes: at least 1, at most the fragment length.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most the fragment length")]
    pub fn len_of(&self, index: FragmentIndex) -> u32 {
        let range = self.range(index);
        (range.end - range.start) as u32
    }

    /// Returns the number of blocks of the fragment: at least 1.
    #[must_use]
    pub fn blocks_of(&self, index: FragmentIndex) -> u32 {
        self.len_of(index).div_ceil(BLOCK_LENGTH)
    }

    /// All blocks of the fragment.
    #[must_use]
    pub fn whole(&self, index: FragmentIndex) -> BlockSpan {
        BlockSpan::new(0, self.blocks_of(index))
    }

    /// The blocks `first .. first + count` of the fragment, if it has them and `count` is not 0.
    #[must_use]
    pub fn span(&self, index: FragmentIndex, first: u32, count: u32) -> Option<BlockSpan> {
        let end = first.checked_add(count)?;
        (count > 0 && end <= self.blocks_of(index)).then_some(BlockSpan::new(first, count))
    }

    /// Returns the range of a span of blocks in the content, in bytes; the content's last block may be short.
    #[must_use]
    pub fn span_range(&self, index: FragmentIndex, span: BlockSpan) -> Range<u64> {
        let range = self.range(index);
        let start = range.start + u64::from(span.first()) * u64::from(BLOCK_LENGTH);
        let end = start + u64::from(span.count()) * u64::from(BLOCK_LENGTH);
        start..end.min(range.end)
    }

    /// Returns the number of bytes of a set of this content's fragments.
    #[must_use]
    pub fn bytes_in(&self, fragments: &FragmentSet) -> u64 {
        let whole = u64::from(fragments.len()) * u64::from(self.fragment_length.get());
        let last = self.fragment_count().checked_sub(1).map(FragmentIndex::new);
        match last {
            Some(last) if fragments.contains(last) => {
                whole - u64::from(self.fragment_length.get() - self.len_of(last))
            }
            _ => whole,
        }
    }

    /// No fragment of this content.
    #[must_use]
    pub fn no_fragments(&self) -> FragmentSet {
        FragmentSet::empty(self.fragment_count())
    }

    /// The set of this one fragment.
    #[must_use]
    pub fn only(&self, index: FragmentIndex) -> FragmentSet {
        let mut set = self.no_fragments();
        set.insert(index);
        set
    }

    /// Every fragment of this content.
    #[must_use]
    pub fn all_fragments(&self) -> FragmentSet {
        FragmentSet::full(self.fragment_count())
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest")
            .field("content", &self.content)
            .field("length", &self.length)
            .field("fragment_length", &self.fragment_length)
            .finish_non_exhaustive()
    }
}

/// Contents to which a collection's catalog refers: packs of small files, and large files that are contents
/// of their own.
///
/// Sorted by id, each once. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Arc<[Manifest]>);

/// Contents do not make the parts of one collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// More than [`Parts::MAX`].
    #[error("a collection may have {max} parts, this one has more; split it", max = Parts::MAX)]
    TooMany,
    /// More than [`Parts::MAX_FRAGMENTS`] fragments in all.
    #[error(
        "the parts of a collection may have {max} fragments in all, these have more; split it",
        max = Parts::MAX_FRAGMENTS
    )]
    TooManyFragments,
}

impl Parts {
    /// No collection has more parts: a tracker remembers 32 bytes for each in every name that has it.
    pub const MAX: usize = 65_536;

    /// No collection has more fragments in all: their roots are 32 MiB.
    pub const MAX_FRAGMENTS: u64 = 1 << 20;

    /// Sorts contents and leaves out duplicates.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(mut manifests: Vec<Manifest>) -> Result<Self, PartsError> {
        manifests.sort_by_key(Manifest::content);
        manifests.dedup_by_key(|manifest| manifest.content());
        if manifests.len() > Self::MAX {
            return Err(PartsError::TooMany);
        }
        let fragments: u64 = manifests
            .iter()
            .map(|manifest| u64::from(manifest.fragment_count()))
            .sum();
        if fragments > Self::MAX_FRAGMENTS {
            return Err(PartsError::TooManyFragments);
        }
        Ok(Self(manifests.into()))
    }

    /// Returns the manifests in ascending order of ids.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.0
    }

    /// Returns the ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ContentId> + '_ {
        self.0.iter().map(Manifest::content)
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum: u64, manifest| sum.saturating_add(manifest.length()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    fn manifest(length: u64, fragment_length: FragmentLength) -> Manifest {
        let count = Manifest::count_fragments(length, fragment_length).expect("small");
        Manifest::from_roots(length, fragment_length, vec![Digest::ZERO; count as usize]).expect("roots fit")
    }

    #[test]
    fn fragment_length_follows_the_content() {
        for (length, chosen) in [
            (0, 64 * KIB),
            (MIB, 64 * KIB),
            (16 * MIB, 64 * KIB),
            (32 * MIB, 128 * KIB),
            (64 * MIB, 256 * KIB),
            (1024 * MIB, 4 * MIB),
            (4096 * MIB, 16 * MIB),
            (u64::MAX, 16 * MIB),
        ] {
            assert_eq!(
                u64::from(FragmentLength::for_content(length).get()),
                chosen,
                "{length}"
            );
        }
    }

    #[test]
    fn fragment_lengths_are_powers_of_two_within_bounds() {
        for bad in [0, 1, 32 * KIB, 65 * KIB, 32 * MIB, u64::MAX] {
            assert!(FragmentLength::new(bad).is_err(), "{bad}");
        }
        assert_eq!(
            "1MiB".parse::<FragmentLength>().map(FragmentLength::get),
            Ok(1 << 20)
        );
    }

    #[test]
    fn the_empty_content_has_no_fragments() {
        let empty = manifest(0, FragmentLength::MIN);
        assert_eq!((empty.content(), empty.fragment_count()), (ContentId::EMPTY, 0));
        assert!(empty.no_fragments().is_full());
    }

    #[test]
    fn a_content_of_too_many_fragments_is_refused() {
        let length = u64::from(MAX_FRAGMENTS) * 64 * KIB;
        assert!(Manifest::count_fragments(length, FragmentLength::MIN).is_ok());
        assert!(Manifest::count_fragments(length + 1, FragmentLength::MIN).is_err());
        assert!(Manifest::count_fragments(u64::MAX, FragmentLength::MAX).is_err());
    }

    proptest! {
        #[test]
        fn fragments_and_blocks_tile_the_content(length in 0_u64..3_000_000, exponent in 16_u32..20) {
            let manifest = manifest(length, FragmentLength::new(1 << exponent).expect("in bounds"));
            let mut at = 0;
            for index in manifest.indices() {
                let range = manifest.range(index);
                prop_assert_eq!(range.start, at);
                prop_assert_eq!(manifest.fragment_at(range.start), Some(index));
                prop_assert_eq!(manifest.fragment_at(range.end - 1), Some(index));
                for block in 0..manifest.blocks_of(index) {
                    let span = manifest.span(index, block, 1).expect("the block exists");
                    let bytes = manifest.span_range(index, span);
                    prop_assert_eq!(bytes.start, at);
                    prop_assert!(bytes.end - bytes.start <= u64::from(BLOCK_LENGTH));
                    at = bytes.end;
                }
                prop_assert_eq!(range.end, at);
                prop_assert_eq!(manifest.span(index, manifest.blocks_of(index), 1), None);
                prop_assert_eq!(manifest.span(index, u32::MAX, 2), None);
            }
            prop_assert_eq!(at, length);
            prop_assert_eq!(manifest.fragment_at(length), None);
            prop_assert_eq!(manifest.bytes_in(&manifest.all_fragments()), length);
        }
    }
}

#[cfg(test)]
mod parts_tests {
    use super::*;
    use crate::model::{Digest, FragmentLength};

    fn part(n: u8) -> Manifest {
        Manifest::from_roots(10, FragmentLength::MIN, vec![Digest::from_bytes([n; 32])]).expect("one root")
    }

    #[test]
    fn parts_are_in_order_and_there_once() {
        let parts = Parts::new(vec![part(3), part(1), part(3)]).expect("few");
        assert_eq!(parts.manifests(), [part(1), part(3)]);
        assert_eq!(parts.length(), 20);
    }

    #[test]
    fn too_many_parts_are_refused() {
        let many = |count: u32| {
            let root = |n: u32| {
                let mut bytes = [0; 32];
                bytes[..4].copy_from_slice(&n.to_le_bytes());
                vec![Digest::from_bytes(bytes)]
            };
            let all = (0..count).map(|n| Manifest::from_roots(10, FragmentLength::MIN, root(n)));
            Parts::new(all.collect::<Result<_, _>>().expect("one root each"))
        };
        assert!(many(65_536).is_ok());
        assert_eq!(many(65_537), Err(PartsError::TooMany));
    }
}
