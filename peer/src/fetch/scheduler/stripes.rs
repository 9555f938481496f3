//! Stripes: the share of the fragments that each member of the swarm gets first.
//!
//! Every fragment belongs to one of the peers that fetch the content: the one with the highest weight, a hash
//! of fragment and peer (rendezvous hashing). Each peer computes that by itself from the peers that it knows,
//! so the members share a seeder's uplink without a word, and a peer that comes or goes moves only its own
//! share.
//!
//! A member asks for its own fragments from the heaviest down. For those of the others it stands in from the
//! lightest up: a fragment that is light for this peer and for few others is one for which its owner asks
//! last.

use std::cmp::Reverse;

use shared::model::{FragmentIndex, PeerId};

/// The place of this peer among the members, by fragment.
#[derive(Debug)]
pub(super) struct Stripes {
    /// Weight of this peer for each fragment.
    weights: Vec<u64>,
    /// Number of members with a higher weight; 0 when the fragment belongs to this peer.
    above: Vec<u32>,
    members: u32,
}

/// Place of a fragment in the order of requests: the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// The fragment belongs to this peer; the heaviest comes first.
    Own(Reverse<u64>),
    /// This number of members comes before this peer; the lightest comes first.
    After(u32, u64),
}

impl Stripes {
    /// Starts with this peer as the only member.
    pub(super) fn new(own: PeerId, count: u32) -> Self {
        let key = key(own);
        Self {
            weights: (0..count).map(|fragment| weight(key, fragment)).collect(),
            above: vec![0; count as usize],
            members: 0,
        }
    }

    /// Number of other members.
    pub(super) const fn members(&self) -> u32 {
        self.members
    }

    /// Adds a peer that fetches the content.
    pub(super) fn join(&mut self, member: PeerId) {
        self.members += 1;
        self.each_above(member, |above| *above += 1);
    }

    /// Removes a peer that has joined.
    pub(super) fn leave(&mut self, member: PeerId) {
        self.members -= 1;
        self.each_above(member, |above| *above -= 1);
    }

    /// Returns this peer's turn to ask a seeder for the fragment.
    pub(super) fn turn(&self, fragment: FragmentIndex) -> Turn {
        let weight = self.weight(fragment);
        match self.above[fragment.get() as usize] {
            0 => Turn::Own(Reverse(weight)),
            above => Turn::After(above, weight),
        }
    }

    /// Returns the fragment's place in an order that is random, and different for every peer.
    pub(super) fn weight(&self, fragment: FragmentIndex) -> u64 {
        self.weights[fragment.get() as usize]
    }

    fn each_above(&mut self, member: PeerId, change: impl Fn(&mut u32)) {
        let key = key(member);
        for ((fragment, own), above) in (0..).zip(&self.weights).zip(&mut self.above) {
            if weight(key, fragment) > *own {
                change(above);
            }
        }
    }
}

/// Returns a peer's identity in one word; identities are random, so nothing better than this is needed.
fn key(peer: PeerId) -> u64 {
    let (mut high, mut low) = ([0; 8], [0; 8]);
    high.copy_from_slice(&peer.as_bytes()[..8]);
    low.copy_from_slice(&peer.as_bytes()[8..]);
    mix(u64::from_le_bytes(high)) ^ u64::from_le_bytes(low)
}

fn weight(key: u64, fragment: u32) -> u64 {
    mix(key ^ mix(u64::from(fragment)))
}

/// Makes one step of SplitMix64 (Steele, Lea & Flood, 2014): every bit of the result depends on every bit of
/// `n`. Peers of different versions must agree on it.
const fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
