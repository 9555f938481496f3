//! A peer has been in another network, with the data directory that it has here: it comes back with an epoch,
//! a mark and holdings of that one. None of them says anything in this network, and everything that the peer
//! had of this one is as it was.

use rand::RngExt as _;
use shared::model::{Epoch, Mark, NetworkId, Timestamp};

use super::peer::{Apart, PeerNumber};
use super::world::World;

impl World {
    /// Stops a peer; it is in another network until it starts again.
    pub(super) fn go_abroad(&mut self, number: PeerNumber) {
        self.crash_for_a_while(number);
        let near = self.peers[number]
            .epoch
            .get()
            .saturating_add(self.rng.random_range(0..3));
        let epoch = Epoch::new([0, near, near.saturating_add(1_000), u64::MAX][self.rng.random_range(0..4)]);
        let mark = self.rng.random_bool(0.7).then(|| Mark {
            epoch,
            began: Timestamp::from_millis(self.rng.random()),
            facts: self.rng.random(),
        });
        let other = NetworkId::from_bytes(self.rng.random());
        let peer = &mut self.peers[number];
        // A peer of an earlier version tells networks from each other no more than its tracker does.
        let Some(network) = peer
            .network
            .filter(|_| peer.names_networks(number) && !peer.is_abroad())
        else {
            return;
        };
        peer.apart = Some(Apart {
            network,
            epoch: peer.epoch,
            mark: peer.mark,
        });
        (peer.network, peer.epoch, peer.mark) = (Some(other), epoch, mark);
        self.say(format_args!(
            "peer {number}: is in network {other}, epoch {epoch}"
        ));
    }

    /// Turns a peer to the network of its tracker.
    pub(super) fn turn_to(&mut self, number: PeerNumber, network: NetworkId) {
        let peer = &mut self.peers[number];
        let known = peer.network.replace(network);
        match peer.apart.take() {
            Some(apart) => {
                (peer.epoch, peer.mark) = (apart.epoch, apart.mark);
                self.is_still(apart.network, network);
            }
            None => known.into_iter().for_each(|known| self.is_still(known, network)),
        }
        self.say(format_args!("peer {number}: is in network {network}"));
    }

    /// Checks that this world's network keeps its id.
    fn is_still(&mut self, known: NetworkId, now: NetworkId) {
        if known != now {
            self.violated(format_args!("network {known} has become {now}"));
        }
    }
}
