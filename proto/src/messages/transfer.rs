//! Requests for blocks, and the blocks.

use bytes::Bytes;
use shared::model::{ContentId, Digest};

use super::types::{concatenated, content_id, digests};
use super::{Invalid, bounded};
use crate::v1;

/// A run of blocks to fetch. The numbers come from outside: a `Manifest` decides whether such blocks exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchRange {
    /// The fragment, from 0.
    pub fragment: u32,
    /// The first block, from 0 at the start of the fragment.
    pub first_block: u32,
    /// Number of blocks.
    pub block_count: u32,
}

/// Send these blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Content of the fragments.
    pub content: ContentId,
    /// 1 to [`Fetch::MAX_RANGES`].
    pub ranges: Vec<FetchRange>,
    /// Whether the leaf hashes of each range's fragment should come along.
    pub with_leaves: bool,
    /// Whether to send only fragments that were not lately handed out to another peer.
    pub if_new: bool,
}

impl Fetch {
    /// Largest number of ranges in a request.
    pub const MAX_RANGES: usize = 64;
}

/// Blocks that are not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The fragment, from 0.
    pub fragment: u32,
    /// The first block, from 0 at the start of the fragment.
    pub first_block: u32,
    /// All leaf hashes of the fragment; empty when they were not asked for or came before.
    pub leaves: Vec<Digest>,
    /// Whole blocks; only the content's last block is short.
    pub data: Bytes,
}

impl TryFrom<v1::BlockRange> for FetchRange {
    type Error = Invalid;

    fn try_from(wire: v1::BlockRange) -> Result<Self, Invalid> {
        if wire.block_count == 0 {
            return Err(Invalid::field("block_count", "must be at least 1"));
        }
        Ok(Self {
            fragment: wire.fragment,
            first_block: wire.first_block,
            block_count: wire.block_count,
        })
    }
}

impl From<FetchRange> for v1::BlockRange {
    fn from(range: FetchRange) -> Self {
        Self {
            fragment: range.fragment,
            first_block: range.first_block,
            block_count: range.block_count,
        }
    }
}

impl TryFrom<v1::FetchRequest> for Fetch {
    type Error = Invalid;

    fn try_from(wire: v1::FetchRequest) -> Result<Self, Invalid> {
        if wire.ranges.is_empty() {
            return Err(Invalid::Missing("ranges"));
        }
        Ok(Self {
            content: content_id(&wire.content_id)?,
            ranges: bounded("ranges", Self::MAX_RANGES, wire.ranges)?,
            with_leaves: wire.with_leaves,
            if_new: wire.if_new,
        })
    }
}

impl From<Fetch> for v1::FetchRequest {
    fn from(fetch: Fetch) -> Self {
        Self {
            content_id: fetch.content.as_bytes().to_vec().into(),
            ranges: fetch.ranges.into_iter().map(Into::into).collect(),
            with_leaves: fetch.with_leaves,
            if_new: fetch.if_new,
        }
    }
}

impl TryFrom<v1::FetchChunk> for Chunk {
    type Error = Invalid;

    fn try_from(wire: v1::FetchChunk) -> Result<Self, Invalid> {
        Ok(Self {
            fragment: wire.fragment,
            first_block: wire.first_block,
            leaves: digests("leaves", &wire.leaves)?,
            data: wire.data,
        })
    }
}

impl From<Chunk> for v1::FetchChunk {
    fn from(chunk: Chunk) -> Self {
        Self {
            fragment: chunk.fragment,
            first_block: chunk.first_block,
            leaves: concatenated(&chunk.leaves).into(),
            data: chunk.data,
        }
    }
}
