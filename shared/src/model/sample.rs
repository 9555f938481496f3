//! Samples: one block of a copy, which one peer reads from another to see that the copy is there.

use super::fragment::{BLOCK_LENGTH, FragmentIndex, FragmentLength};
use super::{ContentId, Digest, Manifest, PeerId};

/// One block of a fragment, and everything that is needed to verify it without the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    content: ContentId,
    length: u64,
    fragment_length: FragmentLength,
    fragment: FragmentIndex,
    root: Digest,
    block: u32,
}

impl Sample {
    /// Chooses a block of a fragment: the one with this number, counted round its blocks.
    #[must_use]
    pub fn of(manifest: &Manifest, fragment: FragmentIndex, number: u32) -> Self {
        Self {
            content: manifest.content(),
            length: manifest.length(),
            fragment_length: manifest.fragment_length(),
            fragment,
            root: manifest.root(fragment),
            block: number % manifest.blocks_of(fragment),
        }
    }

    /// Puts a sample of a content of `length` bytes together; none when it has no such block.
    #[must_use]
    pub fn new(
        content: ContentId,
        length: u64,
        fragment_length: FragmentLength,
        fragment: u32,
        root: Digest,
        block: u32,
    ) -> Option<Self> {
        let count = Manifest::count_fragments(length, fragment_length).ok()?;
        let sample = Self {
            content,
            length,
            fragment_length,
            fragment: FragmentIndex::new(fragment),
            root,
            block,
        };
        (fragment < count && block < sample.blocks()).then_some(sample)
    }

    /// The content.
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

    /// The fragment.
    #[must_use]
    pub const fn fragment(&self) -> FragmentIndex {
        self.fragment
    }

    /// The fragment's root.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// The block, counted from 0 at the start of the fragment.
    #[must_use]
    pub const fn block(&self) -> u32 {
        self.block
    }

    /// Whether the content has no other fragment.
    #[must_use]
    pub const fn is_only(&self) -> bool {
        self.length <= self.fragment_length.get() as u64
    }

    /// Returns the number of blocks of the fragment.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        let step = u64::from(self.fragment_length.get());
        let start = u64::from(self.fragment.get()) * step;
        let bytes = self.length.saturating_sub(start).min(step);
        u32::try_from(bytes.div_ceil(u64::from(BLOCK_LENGTH))).unwrap_or(u32::MAX)
    }
}

/// Result of reading a sample from a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleOutcome {
    /// The block came and is right.
    Proved,
    /// The holder answered, and did not give the right bytes; the reason in words.
    Denied(String),
    /// No answer came from the holder: nothing is known about its copy. The reason in words.
    Unreached(String),
}

/// A holder that has delivered verified bytes of a content in an ordinary transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Received {
    /// The content.
    pub content: ContentId,
    /// The holder.
    pub from: PeerId,
}

impl Received {
    /// Deliveries that one heartbeat reports at most.
    pub const MOST: usize = 256;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_of_a_block_that_the_content_has() {
        let content = ContentId::from_bytes([1; 32]);
        let of = |length, fragment, block| {
            Sample::new(
                content,
                length,
                FragmentLength::MIN,
                fragment,
                Digest::ZERO,
                block,
            )
        };
        let fragment = u64::from(FragmentLength::MIN.get());
        assert!(of(fragment + 1, 1, 0).is_some_and(|sample| sample.blocks() == 1 && !sample.is_only()));
        assert!(of(fragment, 0, 3).is_some_and(|sample| sample.blocks() == 4 && sample.is_only()));
        for (length, fragment, block) in [
            (fragment + 1, 1, 1),
            (fragment, 1, 0),
            (fragment, 0, 4),
            (0, 0, 0),
        ] {
            assert_eq!(of(length, fragment, block), None, "{length} {fragment} {block}");
        }
    }
}
