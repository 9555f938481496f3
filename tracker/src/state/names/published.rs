//! Bytes of what each peer has published: names and manifests are kept in memory, and a manifest may have
//! 2 MiB. One peer has a bound, so that none takes the memory of all. Contents of several publishers count for
//! each of them.

use std::collections::BTreeMap;

use proto::messages::Publish;
use shared::model::{Manifest, Parts, PeerId};

use super::Publishers;

/// Limit of the bytes of one peer: 250,000 files under names of their own, or files with 5 million fragments.
pub(crate) const MOST_OF_PEER: u64 = 160 << 20;

/// Bytes of a name with its history, and of a content without its fragments.
const NAME_BYTES: u64 = 512;
const CONTENT_BYTES: u64 = 128;

/// Bytes of a fragment in a manifest.
const FRAGMENT_BYTES: u64 = 32;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Published(BTreeMap<PeerId, u64>);

impl Published {
    /// Whether the peer has no room for what it is about to publish; parts that are known already count too.
    pub(super) fn is_beyond(&self, publish: &Publish) -> bool {
        let parts = publish.parts.iter().flat_map(Parts::manifests);
        let parts: u64 = parts.map(|manifest| bytes_of(manifest, 0)).sum();
        let more = bytes_of(&publish.manifest, 1) + parts;
        self.of(publish.publisher).saturating_add(more) > MOST_OF_PEER
    }

    pub(super) fn of(&self, peer: PeerId) -> u64 {
        self.0.get(&peer).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, publishers: &Publishers, bytes: u64) {
        for peer in publishers.as_slice() {
            *self.0.entry(*peer).or_default() += bytes;
        }
    }

    pub(super) fn take(&mut self, publishers: &Publishers, bytes: u64) {
        for peer in publishers.as_slice() {
            if let Some(of_peer) = self.0.get_mut(peer) {
                *of_peer = of_peer.saturating_sub(bytes);
                if *of_peer == 0 {
                    self.0.remove(peer);
                }
            }
        }
    }
}

/// Returns the bytes of a content with this many names.
pub(super) fn bytes_of(manifest: &Manifest, names: usize) -> u64 {
    CONTENT_BYTES + u64::from(manifest.fragment_count()) * FRAGMENT_BYTES + names as u64 * NAME_BYTES
}
