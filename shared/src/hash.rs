//! The BitTorrent v2 hash tree (BEP 52): from bytes to leaves, fragment roots and content ids, and back again
//! as proofs.
//!
//! Leaves are SHA-256 of 16 KiB blocks (the last one short, not padded); missing leaves are 32 zero bytes;
//! the tree is padded to a power of two. A fragment's root is the node of the tree that covers it; a content
//! of one fragment has only its own root, over its own blocks padded to a power of two.
//!
//! Trust flows down: a [`Manifest`] proves fragment roots against the content id, [`FragmentProof`] proves
//! the leaves of one fragment against its root, and checks blocks against the leaves.
//!
//! This module opens no file: [`hash_content`] reads through [`ReadAt`].

mod tree;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sha2::{Digest as _, Sha256};

pub use tree::{content_root, fragment_root, leaf, leaves};

use crate::model::{BLOCK_LENGTH, Digest, FragmentIndex, FragmentLength, Manifest, ManifestError, Sample};

/// Bytes read at a time while hashing: large enough for the disk, small enough for the cache.
const READ_LENGTH: usize = 256 << 10;

/// The leaves of one fragment, proven against the fragment's root.
#[derive(Clone, Debug)]
pub struct FragmentProof {
    index: FragmentIndex,
    root: Digest,
    leaves: Vec<Digest>,
}

/// Bytes or hashes that do not match the content's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaves do not combine to the root that the manifest has for the fragment.
    #[error("the leaf hashes of fragment {index} do not match its root")]
    Leaves {
        /// The fragment.
        index: FragmentIndex,
    },
    /// A block does not match its leaf, or has the wrong length.
    #[error("block {block} of fragment {index} does not match its hash")]
    Block {
        /// The fragment.
        index: FragmentIndex,
        /// The block, counted from 0 at the start of the fragment.
        block: u32,
    },
}

impl FragmentProof {
    /// Proves the leaves of a fragment against the manifest.
    ///
    /// # Errors
    /// When they are not the fragment's leaves.
    pub fn verify(
        manifest: &Manifest,
        index: FragmentIndex,
        leaves: Vec<Digest>,
    ) -> Result<Self, ProofError> {
        Self::verify_sample(&Sample::of(manifest, index, 0), leaves)
    }

    /// Proves the leaves of a fragment against a sample of it.
    ///
    /// # Errors
    /// When they are not the fragment's leaves.
    pub fn verify_sample(sample: &Sample, leaves: Vec<Digest>) -> Result<Self, ProofError> {
        let (index, root) = (sample.fragment(), sample.root());
        let fits = leaves.len() == sample.blocks() as usize;
        if fits && fragment_root(&leaves, sample.fragment_length(), sample.is_only()) == root {
            return Ok(Self { index, root, leaves });
        }
        Err(ProofError::Leaves { index })
    }

    /// The fragment that the leaves are of.
    #[must_use]
    pub const fn index(&self) -> FragmentIndex {
        self.index
    }

    /// The leaves, in order.
    #[must_use]
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    /// Checks consecutive blocks of the fragment, beginning with block `first`.
    ///
    /// A block that is too long or too short simply has another hash; nothing, or more than the fragment has,
    /// is refused as well.
    ///
    /// # Errors
    /// Names the first block that does not match.
    pub fn check<'a>(&self, first: u32, blocks: &'a [u8]) -> Result<VerifiedBlocks<'a>, ProofError> {
        let bad = |block| ProofError::Block {
            index: self.index,
            block,
        };
        if blocks.is_empty() {
            return Err(bad(first));
        }
        for (block, bytes) in (first..).zip(blocks.chunks(BLOCK_LENGTH as usize)) {
            if self.leaves.get(block as usize) != Some(&leaf(bytes)) {
                return Err(bad(block));
            }
        }
        Ok(VerifiedBlocks {
            index: self.index,
            root: self.root,
            first,
            bytes: blocks,
        })
    }
}

/// Consecutive blocks of a fragment that have been checked; only [`FragmentProof::check`] makes them.
///
/// A store takes bytes in this form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedBlocks<'a> {
    index: FragmentIndex,
    root: Digest,
    first: u32,
    bytes: &'a [u8],
}

impl<'a> VerifiedBlocks<'a> {
    /// The fragment that they are of.
    #[must_use]
    pub const fn index(&self) -> FragmentIndex {
        self.index
    }

    /// The root of that fragment: the same number means other bytes where the content is cut in another way.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// The first block, from 0 at the start of the fragment.
    #[must_use]
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Computes the leaves of one fragment from bytes that arrive in pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct FragmentHasher {
    block: Sha256,
    filled: usize,
    leaves: Vec<Digest>,
}

impl FragmentHasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK_LENGTH as usize - self.filled));
            self.block.update(now);
            self.filled += now.len();
            if self.filled == BLOCK_LENGTH as usize {
                self.finish_block();
            }
            bytes = rest;
        }
    }

    /// The leaves of all bytes taken in; the hasher is ready for the next fragment.
    pub fn finish(&mut self) -> Vec<Digest> {
        if self.filled > 0 {
            self.finish_block();
        }
        std::mem::take(&mut self.leaves)
    }

    fn finish_block(&mut self) {
        self.leaves
            .push(Digest::from_bytes(self.block.finalize_reset().into()));
        self.filled = 0;
    }
}

/// Computes a manifest from a stream of bytes whose length is known beforehand.
#[derive(Debug)]
pub struct ContentHasher {
    length: u64,
    fragment_length: FragmentLength,
    fragment: FragmentHasher,
    filled: u32,
    roots: Vec<Digest>,
}

impl ContentHasher {
    /// Begins a content of `length` bytes.
    #[must_use]
    pub fn new(length: u64, fragment_length: FragmentLength) -> Self {
        Self {
            length,
            fragment_length,
            fragment: FragmentHasher::default(),
            filled: 0,
            roots: Vec::new(),
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (self.fragment_length.get() - self.filled) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(room));
            self.fragment.update(now);
            // The length is at most the fragment length, which is a u32.
            self.filled += u32::try_from(now.len()).unwrap_or(u32::MAX);
            if self.filled == self.fragment_length.get() {
                self.finish_fragment();
            }
            bytes = rest;
        }
    }

    /// The manifest of all bytes taken in.
    ///
    /// # Errors
    /// When there were more or fewer bytes than announced, or too many fragments.
    pub fn finish(mut self) -> Result<Manifest, ManifestError> {
        if self.filled > 0 {
            self.finish_fragment();
        }
        Manifest::from_roots(self.length, self.fragment_length, self.roots)
    }

    fn finish_fragment(&mut self) {
        let is_only = self.length <= u64::from(self.fragment_length.get());
        let leaves = self.fragment.finish();
        self.roots
            .push(fragment_root(&leaves, self.fragment_length, is_only));
        self.filled = 0;
    }
}

/// Bytes that can be read at any position by several threads at once.
pub trait ReadAt: Sync {
    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// When they cannot be read, or there are not as many.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start
            .checked_add(buffer.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Reads the leaves of one fragment's blocks.
///
/// # Errors
/// When the bytes cannot be read.
pub fn read_leaves(source: &(impl ReadAt + ?Sized), range: std::ops::Range<u64>) -> io::Result<Vec<Digest>> {
    let mut hasher = FragmentHasher::default();
    let mut buffer = vec![0; READ_LENGTH];
    let mut at = range.start;
    while at < range.end {
        let step = usize::try_from(range.end - at)
            .unwrap_or(READ_LENGTH)
            .min(READ_LENGTH);
        source.read_exact_at(&mut buffer[..step], at)?;
        hasher.update(&buffer[..step]);
        at += step as u64;
    }
    Ok(hasher.finish())
}

/// Hashes a whole content with several threads.
///
/// `on_fragment` is called once a fragment, from any of the threads and in any order, with the fragment's
/// number and leaves; an error from it (a full disk, a cancellation) stops the work and is returned. The
/// threads' buffers and the fragment roots bound the memory, for contents of any length.
///
/// # Errors
/// When the source cannot be read, `on_fragment` fails, or the content has too many fragments.
pub fn hash_content(
    source: &(impl ReadAt + ?Sized),
    length: u64,
    fragment_length: FragmentLength,
    threads: NonZeroUsize,
    on_fragment: impl Fn(u32, &[Digest]) -> io::Result<()> + Sync,
) -> io::Result<Manifest> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let count = Manifest::count_fragments(length, fragment_length).map_err(invalid)?;
    let roots = Mutex::new(vec![Digest::ZERO; count as usize]);
    let next = AtomicU32::new(0);
    let has_failed = AtomicBool::new(false);
    let step = u64::from(fragment_length.get());

    let work = || -> io::Result<()> {
        while !has_failed.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                break;
            }
            let start = u64::from(n) * step;
            let leaves = read_leaves(source, start..(start + step).min(length))?;
            on_fragment(n, &leaves)?;
            let root = fragment_root(&leaves, fragment_length, count == 1);
            roots.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[n as usize] = root;
        }
        Ok(())
    };
    let guarded = || work().inspect_err(|_| has_failed.store(true, Ordering::Relaxed));
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads.get().min(count.max(1) as usize))
            .map(|_| scope.spawn(guarded))
            .collect();
        let own = guarded();
        helpers.into_iter().try_fold((), |(), helper| {
            helper
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        own
    })?;
    let roots = roots
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Manifest::from_roots(length, fragment_length, roots).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::tree::parent;
    use super::*;

    /// BEP 52 written down as plainly as it can be: all leaves, padded to a power of two, halved until one is
    /// left.
    fn plain_root(bytes: &[u8]) -> Digest {
        let mut nodes = leaves(bytes);
        nodes.resize(nodes.len().next_power_of_two(), Digest::ZERO);
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(|pair| parent(pair[0], pair[1])).collect();
        }
        nodes[0]
    }

    fn pattern(length: usize, seed: u8) -> Vec<u8> {
        (0..length)
            .map(|i| u8::try_from(i * 31 / 7 % 251).expect("below 251") ^ seed)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_way_of_hashing_agrees(length in 1_usize..600_000, exponent in 16_u64..19, threads in 1_usize..4, cut in 1_usize..50_000, seed: u8) {
            let bytes = pattern(length, seed);
            let fragment_length = FragmentLength::new(1 << exponent).expect("in bounds");
            let sink = Mutex::new(BTreeMap::new());
            let manifest = hash_content(bytes.as_slice(), length as u64, fragment_length, NonZeroUsize::new(threads).expect("positive"), |n, leaves| {
                sink.lock().expect("no panic").insert(n, leaves.to_vec());
                Ok(())
            }).expect("memory is readable");
            prop_assert_eq!(Digest::from(manifest.content()), plain_root(&bytes));

            let mut streamed = ContentHasher::new(length as u64, fragment_length);
            bytes.chunks(cut).for_each(|piece| streamed.update(piece));
            prop_assert_eq!(streamed.finish().expect("the length is right"), manifest.clone());

            for (index, (_, leaves)) in manifest.indices().zip(sink.into_inner().expect("no panic")) {
                let range = manifest.range(index);
                let fragment = &bytes[usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")];
                let proof = FragmentProof::verify(&manifest, index, leaves).expect("true leaves");
                prop_assert!(proof.check(0, fragment).is_ok());
            }
        }

        #[test]
        fn a_flipped_bit_is_found_in_its_block(length in 1_usize..200_000, at: prop::sample::Index, bit in 0_u8..8) {
            let mut bytes = pattern(length, 0);
            let manifest = {
                let mut hasher = ContentHasher::new(length as u64, FragmentLength::MAX);
                hasher.update(&bytes);
                hasher.finish().expect("the length is right")
            };
            let index = manifest.index(0).expect("not empty");
            let proof = FragmentProof::verify(&manifest, index, leaves(&bytes)).expect("true leaves");
            let at = at.index(length);
            bytes[at] ^= 1 << bit;
            let block = u32::try_from(at).expect("small") / BLOCK_LENGTH;
            prop_assert_eq!(proof.check(0, &bytes), Err(ProofError::Block { index, block }));
            prop_assert!(proof.check(0, &[]).is_err());
            prop_assert!(FragmentProof::verify(&manifest, index, leaves(&bytes)).is_err());
        }
    }

    #[test]
    fn a_short_or_long_stream_makes_no_manifest_of_whole_fragments() {
        let mut hasher = ContentHasher::new(200_000, FragmentLength::MIN);
        hasher.update(&pattern(100, 0));
        assert!(hasher.finish().is_err());
    }

    #[test]
    fn a_failing_sink_stops_the_work() {
        let bytes = pattern(1 << 20, 0);
        let two = NonZeroUsize::new(2).expect("positive");
        let result = hash_content(bytes.as_slice(), 1 << 20, FragmentLength::MIN, two, |n, _| {
            if n == 3 {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                Ok(())
            }
        });
        assert_eq!(
            result.map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
    }
}
