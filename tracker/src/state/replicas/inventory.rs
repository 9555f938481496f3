//! What a peer that is back has to list: only what the tracker does not know of it already.
//!
//! Both sides have the digest of every bucket (see [`HoldingsDigest`]). A bucket on which the same stands is believed as it
//! is, for the tracker would learn nothing else. Invariant: what is listed, and what was believed on the other buckets, is
//! together what the peer holds.

use shared::model::{DigestBuckets, HoldingsDigest, PeerId};

use super::{Fragments, Replicas};
use crate::state::names::Names;

impl Replicas {
    /// The buckets of the peer that it has to list.
    pub(crate) fn unknown_buckets(
        &self,
        peer: PeerId,
        said: &HoldingsDigest,
        names: &Names,
    ) -> DigestBuckets {
        let mut known = HoldingsDigest::default();
        let mut evicting = Vec::new();
        for content in self.holders.contents_of(peer).into_iter().flatten().copied() {
            let Some(held) = self.holders.get(content, peer) else {
                continue;
            };
            match &held.fragments {
                Fragments::All => {
                    let of = names.content(content);
                    let count = of.map_or(0, |content| content.manifest().fragment_count());
                    known.put(content, count, None, held.keeps, held.is_assigned);
                }
                Fragments::Some(set) => {
                    let is_all = set.is_full() && !set.is_empty();
                    known.put(
                        content,
                        set.capacity(),
                        (!is_all).then_some(set),
                        held.keeps,
                        held.is_assigned,
                    );
                }
            }
            if held.is_evicting {
                evicting.push(content);
            }
        }
        let mut unknown = known.differing(said);
        // An order to drop it may have got lost, or been refused: only an announce says what has become of it.
        evicting.into_iter().for_each(|content| unknown.insert(content));
        unknown
    }
}
