//! `FetchChunk` as gRPC bytes without copying its data.
//!
//! The generated encoder copies a message into a buffer; for the one message that carries fragments, this
//! copy is half of the cost of sending. This module encodes only the part before the data: the gRPC prefix,
//! the small fields, and the key and length of the data field, which comes last. With the data behind it the
//! result is exactly the message that any stock gRPC client reads.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use shared::model::Digest;

use crate::messages::Chunk;

/// The numbers of the fields in `transfer.proto`.
const FRAGMENT: u32 = 1;
const FIRST_BLOCK: u32 = 2;
const LEAVES: u32 = 3;
const DATA: u32 = 4;

/// One byte for "not compressed" and four for the message's length.
const PREFIX_BYTES: usize = 5;

/// Returns the bytes before a chunk's data on the wire; `chunk.data` completes the message.
///
/// # Panics
/// When the chunk has more than 4 GiB, which no chunk has.
#[must_use]
pub fn head_of(chunk: &Chunk) -> Bytes {
    let leaves_bytes = chunk.leaves.len() * Digest::LEN;
    let varint = |field: u32, value: u64| match value {
        // Default values are not sent (proto3).
        0 => 0,
        value => key_len(field) + encoded_len_varint(value),
    };
    let bytes = |field: u32, length: usize| match length {
        0 => 0,
        length => key_len(field) + encoded_len_varint(length as u64),
    };
    let fields = varint(FRAGMENT, chunk.fragment.into())
        + varint(FIRST_BLOCK, chunk.first_block.into())
        + bytes(LEAVES, leaves_bytes)
        + leaves_bytes
        + bytes(DATA, chunk.data.len());
    let message = u32::try_from(fields + chunk.data.len()).expect("a chunk has at most a mebibyte");

    let mut head = BytesMut::with_capacity(PREFIX_BYTES + fields);
    head.put_u8(0);
    head.put_u32(message);
    for (field, value) in [(FRAGMENT, chunk.fragment), (FIRST_BLOCK, chunk.first_block)] {
        if value != 0 {
            encode_key(field, WireType::Varint, &mut head);
            encode_varint(value.into(), &mut head);
        }
    }
    if leaves_bytes > 0 {
        encode_key(LEAVES, WireType::LengthDelimited, &mut head);
        encode_varint(leaves_bytes as u64, &mut head);
        chunk
            .leaves
            .iter()
            .for_each(|leaf| head.put_slice(leaf.as_bytes()));
    }
    if !chunk.data.is_empty() {
        encode_key(DATA, WireType::LengthDelimited, &mut head);
        encode_varint(chunk.data.len() as u64, &mut head);
    }
    head.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::v1;

    proptest! {
        #[test]
        fn head_and_data_are_what_the_generated_encoder_writes(
            fragment in prop_oneof![Just(0), any::<u32>()],
            first_block in prop_oneof![Just(0), any::<u32>()],
            leaves in 0_usize..20,
            data in proptest::collection::vec(any::<u8>(), 0..20_000),
        ) {
            let leaves = vec![Digest::from_bytes([7; 32]); leaves];
            let chunk = Chunk { fragment, first_block, leaves, data: data.into() };
            let mut ours = head_of(&chunk).to_vec();
            ours.extend_from_slice(&chunk.data);
            let theirs = v1::FetchChunk::from(chunk).encode_to_vec();
            let length = u32::try_from(theirs.len()).expect("small");
            prop_assert_eq!(&ours[..PREFIX_BYTES], &[&[0][..], &length.to_be_bytes()].concat()[..]);
            prop_assert_eq!(&ours[PREFIX_BYTES..], &theirs[..]);
        }
    }
}
