//! Nodes of the hash tree: leaves, and roots of fragments and contents.

use sha2::{Digest as _, Sha256};

use crate::model::{BLOCK_LENGTH, Digest, FragmentLength};

/// The leaf of one block.
#[must_use]
pub fn leaf(block: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(block).into())
}

/// The leaves of consecutive blocks; only the last block may be short.
#[must_use]
pub fn leaves(blocks: &[u8]) -> Vec<Digest> {
    blocks.chunks(BLOCK_LENGTH as usize).map(leaf).collect()
}

/// The root of a fragment from its leaves.
///
/// `is_only` means that the content has no other fragment: then the leaves are padded to the next power of
/// two, otherwise to a whole fragment.
#[must_use]
pub fn fragment_root(leaves: &[Digest], fragment_length: FragmentLength, is_only: bool) -> Digest {
    let width = if is_only {
        leaves.len().next_power_of_two()
    } else {
        fragment_length.blocks() as usize
    };
    root(leaves.to_vec(), width, Digest::ZERO)
}

/// The root of a content from the roots of its fragments; 32 zero bytes when there are none.
#[must_use]
pub fn content_root(roots: &[Digest], fragment_length: FragmentLength) -> Digest {
    match roots {
        [] => Digest::ZERO,
        [only] => *only,
        _ => {
            // Padding at this level is the root of a fragment of missing leaves.
            let padding =
                (0..fragment_length.blocks().ilog2()).fold(Digest::ZERO, |node, _| parent(node, node));
            root(roots.to_vec(), roots.len().next_power_of_two(), padding)
        }
    }
}

/// The root over `nodes` padded to `width` (a power of two) with `padding`.
fn root(mut nodes: Vec<Digest>, mut width: usize, mut padding: Digest) -> Digest {
    debug_assert!(nodes.len() <= width && width.is_power_of_two());
    while width > 1 {
        // Only the boundary needs an explicit padding node: beyond it everything is `padding` again, a level
        // up.
        nodes = nodes
            .chunks(2)
            .map(|pair| parent(pair[0], *pair.get(1).unwrap_or(&padding)))
            .collect();
        padding = parent(padding, padding);
        width /= 2;
    }
    nodes.first().copied().unwrap_or(padding)
}

pub(super) fn parent(left: Digest, right: Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    Digest::from_bytes(hasher.finalize().into())
}
