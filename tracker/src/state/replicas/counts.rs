//! Worth of a copy: what it counts for. All counts, displays, acknowledgements and orders ask here.
//!
//! | a copy on a peer that is | offered | read | durable, spare | suffices, remains | expected |
//! |---|---|---|---|---|---|
//! | lost, or told to drop it | no | no | no | no | no |
//! | out of reach | last | no | no | for the grace time | no |
//! | not confirmed to be in reach | yes | yes | no | yes | yes |
//! | silent | yes | yes | no | yes | in an outage |
//! | there for one command only, or a copy that it does not keep | yes | yes | no | no | no |
//!
//! A copy on a peer that is being drained is neither spare nor does it suffice; otherwise it counts.

use super::Held;
use crate::state::peers::{Peers, Standing};

/// Purposes that a copy may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Readers are told of the copy; those out of reach come last.
    Offer,
    /// Others read the copy: content that lacks such a copy is unavailable.
    Read,
    /// Users are promised that the copy will be there when others are lost.
    Durable,
    /// Other copies are dropped, or switched off, because there is this one.
    Spare,
    /// No other copy need be made.
    Suffice,
    /// No other copy need be made even of an endangered content.
    SufficeAtOnce,
    /// The copy is there, or is there again in a moment.
    Remain,
    /// The copy is there, or will be when an outage is over.
    Expect,
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
        let standing = peer.standing();
        let is_in_reach = !matches!(standing, Standing::Unreachable { .. });
        let is_waited_for = matches!(standing, Standing::Unreachable { grace: Some(_), .. });
        let is_sure = is_live && *standing == Standing::Reachable;
        match purpose {
            Purpose::Offer => true,
            Purpose::Read => is_in_reach,
            Purpose::Durable => is_kept && is_sure,
            Purpose::Spare => is_kept && is_sure && is_staying,
            Purpose::Suffice => is_kept && is_staying && (is_in_reach || is_waited_for),
            Purpose::SufficeAtOnce => is_kept && is_staying && is_live && is_in_reach,
            Purpose::Remain => is_kept && (is_in_reach || is_waited_for),
            Purpose::Expect => is_kept && is_in_reach && (is_live || peers.is_excused(self.peer)),
        }
    }
}
