//! Bytes of what each peer has published: names and manifests are kept in memory, and a manifest may have 2
//! MiB. One peer has a bound, so that none takes the memory of all. A content counts for each of its
//! publishers, and a name for those who published it under that name: so one publication more changes the
//! accounts of its own publishers only, however many others the content has.

use std::collections::BTreeMap;

use proto::messages::Publish;
use shared::model::{Manifest, Parts, PeerId};

use super::Publishers;
use crate::state::steps::visited;

/// Limit of the bytes of one peer: 250,000 files under names of their own, or files with 5 million fragments.
pub(crate) const MOST_OF_PEER: u64 = 160 << 20;

/// Bytes of a name with its history, and of a content without its fragments.
pub(super) const NAME_BYTES: u64 = 512;
const CONTENT_BYTES: u64 = 128;

/// Bytes of a fragment in a manifest.
const FRAGMENT_BYTES: u64 = 32;

/// See the [module](self).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Published(BTreeMap<PeerId, u64>);

impl Published {
    /// Whether the peer has no room for what it is about to publish; parts that are known already count too.
    pub(super) fn is_beyond(&self, publish: &Publish) -> bool {
        let parts = publish.parts.iter().flat_map(Parts::manifests);
        let parts: u64 = parts.map(bytes_of).sum();
        let more = bytes_of(&publish.manifest) + NAME_BYTES + parts;
        self.of(publish.publisher).saturating_add(more) > MOST_OF_PEER
    }

    pub(super) fn of(&self, peer: PeerId) -> u64 {
        self.0.get(&peer).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, publishers: &Publishers, bytes: u64) {
        for peer in visited(publishers.as_slice().iter()) {
            *self.0.entry(*peer).or_default() += bytes;
        }
    }

    pub(super) fn take(&mut self, publishers: &Publishers, bytes: u64) {
        for peer in visited(publishers.as_slice().iter()) {
            if let Some(of_peer) = self.0.get_mut(peer) {
                *of_peer = of_peer.saturating_sub(bytes);
                if *of_peer == 0 {
                    self.0.remove(peer);
                }
            }
        }
    }
}

/// Returns the bytes of a content without its names.
pub(super) fn bytes_of(manifest: &Manifest) -> u64 {
    CONTENT_BYTES + u64::from(manifest.fragment_count()) * FRAGMENT_BYTES
}
