//! Fragments of a content: their indices, runs of blocks inside one, and sets of them.

use std::fmt;
use std::str::FromStr;

use super::amount::ByteCount;

/// The unit of hashing and of verification in flight: 16 KiB, as BEP 52 has it.
pub const BLOCK_LENGTH: u32 = 16 << 10;

/// Largest number of fragments: a manifest stays below 2 MiB, a bitmap below 8 KiB.
///
/// With the largest fragments that is a content of 1 TiB.
pub const MAX_FRAGMENTS: u32 = 65_536;

/// The length of every fragment of a content but the last: a power of two, 64 KiB to 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentLength(u32);

/// A number was not a fragment length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a fragment length; choose a power of two from 64KiB to 16MiB")]
pub struct FragmentLengthError(pub(crate) String);

impl FragmentLength {
    /// 64 KiB: below that, bookkeeping outweighs data.
    pub const MIN: Self = Self(64 << 10);
    /// 16 MiB: above that, one fragment takes too long to verify, store and pass on.
    pub const MAX: Self = Self(16 << 20);

    /// Validates a number of bytes.
    ///
    /// # Errors
    /// When it is no power of two or out of bounds.
    pub fn new(bytes: u64) -> Result<Self, FragmentLengthError> {
        match u32::try_from(bytes) {
            Ok(n) if n.is_power_of_two() && (Self::MIN.0..=Self::MAX.0).contains(&n) => Ok(Self(n)),
            _ => Err(FragmentLengthError(bytes.to_string())),
        }
    }

    /// Chooses a length that gives a large content 256 to 511 fragments (more above 8 GiB).
    ///
    /// A swarm's makespan over its lower bound is about `1 + log2(N) / M` for M fragments (Mundinger, Weber &
    /// Weiss), so M should not be small; the tracker's memory wants it bounded.
    #[must_use]
    pub fn for_content(length: u64) -> Self {
        let ideal = (length / 256).clamp(u64::from(Self::MIN.0), u64::from(Self::MAX.0));
        // The largest power of two not above the ideal.
        Self(1 << u32::try_from(ideal).unwrap_or(Self::MAX.0).ilog2())
    }

    /// The length in bytes.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the number of blocks of a whole fragment.
    #[must_use]
    pub const fn blocks(self) -> u32 {
        self.0 / BLOCK_LENGTH
    }
}

impl fmt::Display for FragmentLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ByteCount::new(u64::from(self.0)).fmt(f)
    }
}

impl FromStr for FragmentLength {
    type Err = FragmentLengthError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `64k` and `1M`: of these lengths every one is a power of two, which leaves no doubt.
        let binary = if text.trim_end().ends_with(['k', 'K', 'm', 'M']) {
            "iB"
        } else {
            ""
        };
        let bytes: ByteCount = format!("{}{binary}", text.trim_end())
            .parse()
            .map_err(|_| FragmentLengthError(format!("{text:?}")))?;
        Self::new(bytes.get())
    }
}

/// The position of a fragment in its content, counted from 0.
///
/// Only a [`Manifest`](super::Manifest) or a [`FragmentSet`] hands one out, so an index that exists has been
/// checked against a fragment count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentIndex(u32);

impl FragmentIndex {
    pub(super) const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The position, counted from 0.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FragmentIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FragmentIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A run of blocks inside one fragment; only a [`Manifest`](super::Manifest) hands one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockSpan {
    first: u32,
    count: u32,
}

impl BlockSpan {
    pub(super) const fn new(first: u32, count: u32) -> Self {
        Self { first, count }
    }

    /// The first block, counted from 0 at the start of the fragment.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// Returns the number of blocks; at least 1.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }
}

/// A set of fragments of one content, as a bitmap that knows the fragment count.
///
/// Byte form: bit `i` is bit `i % 8` (least significant first) of byte `i / 8`; the bits after the last
/// fragment are zero. A set costs an eighth of a byte a fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FragmentSet {
    count: u32,
    words: Box<[u64]>,
}

/// Bytes were not the form of a set for this many fragments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentSetError {
    /// The length does not fit the fragment count.
    #[error("a set of {count} fragments has {expected} bytes, got {got}")]
    Length {
        /// Fragments of the content.
        count: u32,
        /// Bytes that many fragments take.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A bit after the last fragment is set.
    #[error("a set of {count} fragments names a fragment after the last one")]
    BeyondEnd {
        /// Fragments of the content.
        count: u32,
    },
}

impl FragmentSet {
    /// No fragment of a content of `count` fragments.
    #[must_use]
    pub fn empty(count: u32) -> Self {
        Self {
            count,
            words: vec![0; count.div_ceil(64) as usize].into(),
        }
    }

    /// Every fragment of a content of `count` fragments.
    #[must_use]
    pub fn full(count: u32) -> Self {
        let mut set = Self {
            count,
            words: vec![u64::MAX; count.div_ceil(64) as usize].into(),
        };
        if let (Some(last), 1..) = (set.words.last_mut(), count % 64) {
            *last = (1 << (count % 64)) - 1;
        }
        set
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// When the length does not fit or a bit after the last fragment is set.
    pub fn from_bytes(count: u32, bytes: &[u8]) -> Result<Self, FragmentSetError> {
        let expected = count.div_ceil(8) as usize;
        if bytes.len() != expected {
            return Err(FragmentSetError::Length {
                count,
                expected,
                got: bytes.len(),
            });
        }
        let mut set = Self::empty(count);
        for (word, chunk) in set.words.iter_mut().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(padded);
        }
        if !set.is_subset(&Self::full(count)) {
            return Err(FragmentSetError::BeyondEnd { count });
        }
        Ok(set)
    }

    /// The byte form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.count.div_ceil(8) as usize);
        bytes
    }

    /// Returns the number of the content's fragments (not of those in the set).
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.count
    }

    /// Returns the number of fragments in the set.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether no fragment is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether every fragment of the content is in the set; so it is for the empty content.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.count
    }

    /// Whether this fragment is in the set. An index of another, larger content is not.
    #[must_use]
    pub fn contains(&self, index: FragmentIndex) -> bool {
        index.0 < self.count && self.words[index.0 as usize / 64] >> (index.0 % 64) & 1 == 1
    }

    /// Adds a fragment; true when it was not in the set.
    ///
    /// # Panics
    /// When the index is of another, larger content.
    pub fn insert(&mut self, index: FragmentIndex) -> bool {
        assert!(
            index.0 < self.count,
            "fragment {index} of a content of {}",
            self.count
        );
        let (word, bit) = (&mut self.words[index.0 as usize / 64], 1 << (index.0 % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes a fragment out; true when it was in the set.
    pub fn remove(&mut self, index: FragmentIndex) -> bool {
        let was_in = self.contains(index);
        if was_in {
            self.words[index.0 as usize / 64] &= !(1 << (index.0 % 64));
        }
        was_in
    }

    /// Adds every fragment of `other`.
    ///
    /// # Panics
    /// When the sets are of contents with different fragment counts, as all set operations do.
    pub fn union_with(&mut self, other: &Self) {
        self.combine(other, |a, b| a | b);
    }

    /// Takes out every fragment of `other`.
    ///
    /// # Panics
    /// When the fragment counts differ.
    pub fn subtract(&mut self, other: &Self) {
        self.combine(other, |a, b| a & !b);
    }

    /// Keeps only the fragments that are in `other` too.
    ///
    /// # Panics
    /// When the fragment counts differ.
    pub fn intersect_with(&mut self, other: &Self) {
        self.combine(other, |a, b| a & b);
    }

    /// Whether every fragment of this set is in `other`; false when the fragment counts differ.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.count == other.count && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    /// Whether the sets share a fragment.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// The fragments in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = FragmentIndex> + '_ {
        indices(self.words.iter().copied())
    }

    /// Returns the fragments that are in this set and not in `other`, in ascending order.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = FragmentIndex> + 'a {
        indices(self.words.iter().zip(&other.words).map(|(a, b)| a & !b))
    }

    /// Returns the fragments that are in both sets, in ascending order.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = FragmentIndex> + 'a {
        indices(self.words.iter().zip(&other.words).map(|(a, b)| a & b))
    }

    /// The fragments of the content that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut rest = Self::full(self.count);
        rest.subtract(self);
        rest
    }

    fn combine(&mut self, other: &Self, op: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.count, other.count, "sets of different contents");
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a = op(*a, *b);
        }
    }
}

/// Returns the positions of the bits that are set. Each step clears the lowest one, so sparse sets are quick
/// to walk.
fn indices(words: impl Iterator<Item = u64>) -> impl Iterator<Item = FragmentIndex> {
    words.zip(0_u32..).flat_map(|(word, at)| {
        std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)))
            .take_while(|rest| *rest != 0)
            .map(move |rest| FragmentIndex(at * 64 + rest.trailing_zeros()))
    })
}

impl fmt::Debug for FragmentSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FragmentSet({} of {})", self.len(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set_of(count: u32, members: &BTreeSet<u32>) -> FragmentSet {
        let mut set = FragmentSet::empty(count);
        for &member in members.iter().filter(|member| **member < count) {
            set.insert(FragmentIndex::new(member));
        }
        set
    }

    #[test]
    fn full_sets_end_at_the_last_fragment() {
        for count in [0, 1, 63, 64, 65, 128, 1000] {
            let full = FragmentSet::full(count);
            assert_eq!(full.len(), count);
            assert!(full.is_full());
            assert_eq!(full.iter().count(), count as usize);
            assert!(full.complement().is_empty());
        }
    }

    proptest! {
        #[test]
        fn a_set_behaves_like_a_set(
            count in 0_u32..300,
            a in proptest::collection::btree_set(0_u32..300, 0..80),
            b in proptest::collection::btree_set(0_u32..300, 0..80),
        ) {
            let (set_a, set_b) = (set_of(count, &a), set_of(count, &b));
            let model = |members: &BTreeSet<u32>| members.iter().copied().filter(|m| *m < count).collect::<BTreeSet<_>>();
            let (a, b) = (model(&a), model(&b));
            let members = |set: &FragmentSet| set.iter().map(FragmentIndex::get).collect::<BTreeSet<_>>();
            prop_assert_eq!(members(&set_a), a.clone());
            let mut union = set_a.clone();
            union.union_with(&set_b);
            prop_assert_eq!(members(&union), &a | &b);
            let mut difference = set_a.clone();
            difference.subtract(&set_b);
            prop_assert_eq!(members(&difference), &a - &b);
            let numbers = |indices: &mut dyn Iterator<Item = FragmentIndex>| -> Vec<u32> { indices.map(FragmentIndex::get).collect() };
            prop_assert_eq!(numbers(&mut set_a.difference(&set_b)), (&a - &b).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(numbers(&mut set_a.intersection(&set_b)), (&a & &b).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(set_a.intersects(&set_b), !a.is_disjoint(&b));
            prop_assert_eq!(set_a.is_subset(&set_b), a.is_subset(&b));
            prop_assert_eq!(FragmentSet::from_bytes(count, &set_a.to_bytes()), Ok(set_a));
        }

        #[test]
        fn arbitrary_bytes_never_make_an_invalid_set(count in 0_u32..100, bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(set) = FragmentSet::from_bytes(count, &bytes) {
                prop_assert!(set.iter().all(|index| index.get() < count));
                prop_assert_eq!(set.to_bytes(), bytes);
            }
        }
    }
}
