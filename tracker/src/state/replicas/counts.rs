//! Worth of a copy: what it counts for. All counts, displays, acknowledgements and orders ask here. The table
//! in ARCHITECTURE.md ("What a copy counts for") says the same in words.

use shared::model::SourceRank;

use super::{Held, Proof};
use crate::state::names::Publishers;
use crate::state::peers::{Peers, Standing};

/// Purposes that a copy may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Readers are told of the copy; those out of reach come last.
    Offer,
    /// Others can read the copy, now or when its peer is back: content that lacks such a copy is unavailable.
    Read,
    /// Others read the copy at this moment.
    ReadNow,
    /// Users are promised that the copy will be there when others are lost.
    Durable,
    /// Other copies are dropped, or switched off, because there is this one.
    Spare,
    /// The copy is [`Purpose::Spare`] as soon as it is proved.
    Stay,
    /// No other copy need be made.
    Suffice,
    /// No other copy need be made even of an endangered content.
    SufficeAtOnce,
    /// The copy is there, or is there again in a moment.
    Remain,
    /// The copy is there, or will be when an outage is over.
    Expect,
    /// The copy is noted for the time that its peer is away for maintenance.
    Note,
}

impl Held {
    /// Returns whether the copy counts for a purpose; the one place that decides it.
    pub(crate) fn counts(&self, purpose: Purpose, peers: &Peers) -> bool {
        let Some(peer) = peers.get(self.peer).filter(|peer| !peer.is_lost()) else {
            return false;
        };
        if self.is_evicting {
            return false;
        }
        let (is_live, is_staying) = (peer.is_live(), !peers.is_draining(self.peer));
        let is_kept = self.keeps && !peer.is_transient();
        // An inventory that is late is not waited for: the peer may have lost what it has not confirmed.
        let is_believed = self.is_confirmed || !peer.is_inventory_late();
        let is_believed = is_believed && self.proof != Proof::Denied;
        let is_proved = matches!(self.proof, Proof::Seen(_)) || !self.needs_proof(peers);
        // Doubts that have lasted, and the word of a peer that was found to lie, put off no repair.
        let is_trusted = is_proved || (self.proof == Proof::None && !peer.is_distrusted());
        let standing = peer.standing();
        let is_there = is_believed && !matches!(standing, Standing::Unreachable { .. });
        let is_waited_for = is_believed && matches!(standing, Standing::Unreachable { grace: Some(_), .. });
        let is_sure = is_live && is_believed && self.is_confirmed && *standing == Standing::Reachable;
        match purpose {
            Purpose::Offer => true,
            Purpose::Read => is_there,
            Purpose::ReadNow => is_there && is_live,
            Purpose::Durable => is_kept && is_sure,
            Purpose::Spare => is_kept && is_sure && is_staying && is_proved,
            Purpose::Stay => is_kept && is_sure && is_staying,
            Purpose::Suffice => is_kept && is_trusted && is_staying && (is_there || is_waited_for),
            Purpose::SufficeAtOnce => is_kept && is_trusted && is_staying && is_live && is_there,
            Purpose::Remain => is_kept && (is_there || is_waited_for),
            Purpose::Expect => is_kept && is_there && (is_live || peers.is_excused(self.peer)),
            Purpose::Note => is_kept && self.is_confirmed && (is_there || is_waited_for),
        }
    }

    /// Returns the reason for which readers should believe in the copy: those with the best one are named
    /// first, so that no crowd of others takes their places in an answer.
    pub(crate) fn rank(&self, publishers: &Publishers, peers: &Peers) -> SourceRank {
        let publishes = publishers.contains(self.peer) && !self.is_assigned;
        match () {
            () if publishes && self.counts(Purpose::ReadNow, peers) => SourceRank::Publisher,
            () if self.counts(Purpose::Durable, peers) => SourceRank::Keeper,
            () => SourceRank::Holder,
        }
    }

    /// Returns whether the copy counts for less until another member has seen its bytes.
    pub(crate) fn needs_proof(&self, peers: &Peers) -> bool {
        peers.needs_proof(self.peer, self.keeps && !self.is_assigned)
    }
}
