//! Holdings of a peer and their digests: two sides find their differences without listing everything.
//!
//! Contents are sorted onto 256 *buckets* by the first byte of their id. The digest of a bucket is the sum of
//! the hashes of its holdings, so it does not depend on any order, and differs (but for a chance of 2^-128)
//! when a holding was lost, gained or changed. Digests do not protect against liars: a peer may announce
//! anything anyway.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{ContentId, FragmentSet};

/// One for each first byte of an id: of 100,000 contents 400 are listed again when one has changed.
const BUCKETS: usize = 256;

/// Bytes of a bucket's digest.
const WIDTH: usize = 16;

/// All fragments that a peer holds of one content; replaces earlier announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The content.
    pub content: ContentId,
    /// Verified and synced fragments; empty when nothing is held (any more, or yet).
    pub fragments: FragmentSet,
    /// Whether the peer keeps them as replicas (it published the content or was assigned to it).
    pub keeps: bool,
    /// Whether the peer keeps them by the tracker's order, among other reasons. A publisher with this flag
    /// has lost its own file, or some of it, and was given a copy, which can be trimmed like any other.
    pub is_assigned: bool,
    /// Whether the peer is fetching the content now: others may get fragments from it as they arrive.
    pub is_fetching: bool,
}

/// A set of buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestBuckets([u64; BUCKETS / 64]);

/// The digests of all buckets.
///
/// Byte form: 256 times 16 bytes, little endian.
#[derive(Clone, PartialEq, Eq)]
pub struct HoldingsDigest(Box<[u128; BUCKETS]>);

/// Bytes were not the form of a digest, or of some buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {expected} bytes, got {got}")]
pub struct DigestBucketsError {
    /// Bytes that it takes.
    pub expected: usize,
    /// Bytes that there are.
    pub got: usize,
}

impl DigestBuckets {
    /// Bytes of the byte form: bucket `n` is bit `n % 8` (least significant first) of byte `n / 8`.
    pub const BYTES: usize = BUCKETS / 8;

    /// Whether none is among them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; BUCKETS / 64]
    }

    /// Returns the number of buckets in the set.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether the content's bucket is among them.
    #[must_use]
    pub fn contains(&self, content: ContentId) -> bool {
        let bucket = bucket_of(content);
        self.0[bucket / 64] >> (bucket % 64) & 1 == 1
    }

    /// Adds the content's bucket.
    pub fn insert(&mut self, content: ContentId) {
        self.put(bucket_of(content));
    }

    fn put(&mut self, bucket: usize) {
        self.0[bucket / 64] |= 1 << (bucket % 64);
    }

    /// The byte form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// When it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DigestBucketsError> {
        let mut buckets = Self::default();
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != buckets.0.len() || !rest.is_empty() {
            return Err(DigestBucketsError {
                expected: Self::BYTES,
                got: bytes.len(),
            });
        }
        for (word, bytes) in buckets.0.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        Ok(buckets)
    }
}

impl HoldingsDigest {
    /// Bytes of the byte form.
    pub const BYTES: usize = BUCKETS * WIDTH;

    /// Adds a holding; each content once. One of nothing counts too: a peer may say that it has begun to
    /// fetch.
    pub fn add(&mut self, holding: &Holding) {
        let all = holding.fragments.is_full() && !holding.fragments.is_empty();
        let partial = (!all).then_some(&holding.fragments);
        self.put(
            holding.content,
            holding.fragments.capacity(),
            partial,
            holding.keeps,
            holding.is_assigned,
        );
    }

    /// Adds a holding of a content of `count` fragments, all of which are held when no set is given.
    pub fn put(
        &mut self,
        content: ContentId,
        count: u32,
        partial: Option<&FragmentSet>,
        keeps: bool,
        is_assigned: bool,
    ) {
        let mut hash = Sha256::new();
        hash.update(content.as_bytes());
        hash.update(count.to_le_bytes());
        let why = u8::from(keeps) | u8::from(is_assigned) << 1;
        hash.update([why, u8::from(partial.is_none())]);
        if let Some(set) = partial {
            hash.update(set.to_bytes());
        }
        let mut bytes = [0; WIDTH];
        bytes.copy_from_slice(&hash.finalize()[..WIDTH]);
        let bucket = &mut self.0[bucket_of(content)];
        *bucket = bucket.wrapping_add(u128::from_le_bytes(bytes));
    }

    /// The buckets on which not the same stands.
    #[must_use]
    pub fn differing(&self, other: &Self) -> DigestBuckets {
        let mut buckets = DigestBuckets::default();
        for bucket in (0..BUCKETS).filter(|bucket| self.0[*bucket] != other.0[*bucket]) {
            buckets.put(bucket);
        }
        buckets
    }

    /// The byte form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|digest| digest.to_le_bytes()).collect()
    }

    /// Reads the byte form.
    ///
    /// # Errors
    /// When it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DigestBucketsError> {
        let (digests, rest) = bytes.as_chunks::<WIDTH>();
        if digests.len() != BUCKETS || !rest.is_empty() {
            return Err(DigestBucketsError {
                expected: Self::BYTES,
                got: bytes.len(),
            });
        }
        let mut all = Self::default();
        for (digest, bytes) in all.0.iter_mut().zip(digests) {
            *digest = u128::from_le_bytes(*bytes);
        }
        Ok(all)
    }
}

impl Default for HoldingsDigest {
    /// Digest of no holdings.
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

impl<'a> FromIterator<&'a Holding> for HoldingsDigest {
    fn from_iter<I: IntoIterator<Item = &'a Holding>>(holdings: I) -> Self {
        let mut digest = Self::default();
        holdings.into_iter().for_each(|holding| digest.add(holding));
        digest
    }
}

impl fmt::Debug for HoldingsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().filter(|digest| **digest != 0).count();
        write!(f, "HoldingsDigest({used} buckets in use)")
    }
}

fn bucket_of(content: ContentId) -> usize {
    usize::from(content.as_bytes()[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holding() -> impl Strategy<Value = Holding> {
        let fragments = (0_u32..40, any::<u64>()).prop_map(|(count, bits)| {
            let mut set = FragmentSet::full(count);
            set.iter()
                .filter(|index| bits >> index.get() & 1 == 0)
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|index| {
                    set.remove(index);
                });
            set
        });
        (any::<[u8; 32]>(), fragments, any::<(bool, bool)>()).prop_map(|(id, fragments, why)| Holding {
            content: ContentId::from_bytes(id),
            fragments,
            keeps: why.0,
            is_assigned: why.1,
            is_fetching: false,
        })
    }

    proptest! {
        #[test]
        fn a_changed_holding_shows_in_its_bucket_alone_in_any_order(
            holdings in proptest::collection::vec(holding(), 1..60),
            at: prop::sample::Index,
            is_otherwise_kept: bool,
        ) {
            let digest: HoldingsDigest = holdings.iter().collect();
            prop_assert_eq!(&holdings.iter().rev().collect::<HoldingsDigest>(), &digest);
            prop_assert_eq!(&HoldingsDigest::from_bytes(&digest.to_bytes()).expect("our own"), &digest);
            let one = at.get(&holdings).clone();
            let mut expected = DigestBuckets::default();
            expected.insert(one.content);
            prop_assert_eq!(DigestBuckets::from_bytes(&expected.to_bytes()), Ok(expected));

            let without = holdings.iter().filter(|other| other.content != one.content);
            let without: HoldingsDigest = without.collect();
            prop_assert_eq!(without.differing(&digest), expected);
            let changed: HoldingsDigest = holdings.iter().map(|other| {
                let is_it = other.content == one.content;
                let keeps = other.keeps != (is_it && is_otherwise_kept);
                let is_assigned = other.is_assigned != (is_it && !is_otherwise_kept);
                Holding { keeps, is_assigned, ..other.clone() }
            }).collect::<Vec<_>>().iter().collect();
            prop_assert_eq!(changed.differing(&digest), expected);
            prop_assert!(digest.differing(&digest).is_empty());
        }
    }

    #[test]
    fn what_is_held_completely_can_be_put_without_its_set() {
        let content = ContentId::from_bytes([3; 32]);
        let fragments = FragmentSet::full(70);
        let (mut one, mut other) = (HoldingsDigest::default(), HoldingsDigest::default());
        one.put(content, 70, None, true, true);
        other.add(&Holding {
            content,
            fragments,
            keeps: true,
            is_assigned: true,
            is_fetching: false,
        });
        assert_eq!(one, other);
        assert_eq!(
            DigestBuckets::from_bytes(&[0; 31]).map_err(|error| error.got),
            Err(31)
        );
        assert!(HoldingsDigest::from_bytes(&[]).is_err());
    }
}
