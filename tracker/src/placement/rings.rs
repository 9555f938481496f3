//! Rings: a few orders of all peers, from which replica sets are read off.
//!
//! In each order every peer has a place that follows from its id alone, so an order is the same after every
//! restart and on every machine, and a peer that joins or leaves moves nobody else. Neighbours change only
//! around that peer's place. Rings know nothing of zones, room or lives.

use std::collections::BTreeSet;
use std::ops::Bound;

use shared::model::PeerId;

/// Approximate number of peers that one peer shares replica sets with: as few as keep simultaneous losses
/// harmless, as many as rebuild a lost peer's replicas at ten times a single peer's rate (Cidon et al.,
/// "Copysets", USENIX ATC 2013).
pub const SCATTER_WIDTH: usize = 10;

/// Number of orders: with two replicas each order gives two neighbours, and no target needs more.
const RINGS: usize = SCATTER_WIDTH / 2;

/// The orders.
#[derive(Clone, Debug, Default)]
pub struct Rings {
    orders: [BTreeSet<Place>; RINGS],
}

/// A peer and its place in one order.
type Place = (u64, PeerId);

impl Rings {
    /// Returns how many of the orders are used for sets of this size: a set of R in one order has 2 (R - 1)
    /// possible neighbours.
    #[must_use]
    pub fn used(set_size: usize) -> usize {
        let neighbours = 2 * set_size.saturating_sub(1);
        SCATTER_WIDTH.div_ceil(neighbours.max(1)).min(RINGS)
    }

    /// Inserts a peer; nothing happens if it is there.
    pub fn insert(&mut self, peer: PeerId) {
        for (ring, order) in self.orders.iter_mut().enumerate() {
            order.insert(place(ring, peer));
        }
    }

    /// Removes a peer.
    pub fn remove(&mut self, peer: PeerId) {
        for (ring, order) in self.orders.iter_mut().enumerate() {
            order.remove(&place(ring, peer));
        }
    }

    /// Returns all peers, each once.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.orders[0].iter().map(|(_, peer)| *peer)
    }

    /// Returns the number of peers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.orders[0].len()
    }

    /// Returns whether there are no peers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.orders[0].is_empty()
    }

    /// Returns all other peers, from the one after `peer` and once around; `peer` need not be there itself.
    pub(super) fn after(&self, ring: usize, peer: PeerId) -> impl Iterator<Item = PeerId> + '_ {
        let (order, here) = (&self.orders[ring], place(ring, peer));
        let behind = order.range((Bound::Excluded(here), Bound::Unbounded));
        behind.chain(order.range(..here)).map(|(_, peer)| *peer)
    }

    /// Returns all other peers, from the one before `peer` and once around the other way.
    pub(super) fn before(&self, ring: usize, peer: PeerId) -> impl Iterator<Item = PeerId> + '_ {
        let (order, here) = (&self.orders[ring], place(ring, peer));
        let behind = order.range((Bound::Excluded(here), Bound::Unbounded)).rev();
        order.range(..here).rev().chain(behind).map(|(_, peer)| *peer)
    }
}

fn place(ring: usize, peer: PeerId) -> Place {
    let id = u128::from_be_bytes(*peer.as_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (high, low) = ((id >> 64) as u64, id as u64);
    let hash = mixed(mixed(high ^ mixed(ring as u64 + 1)) ^ low);
    (hash, peer)
}

/// Spreads bits (the finaliser of `splitmix64`, Steele et al., 2014); nobody gains by choosing an id for its
/// place.
const fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
