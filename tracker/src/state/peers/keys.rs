//! Keys of peers: whose id a hello or a call may use.
//!
//! A peer that has proved a key keeps it as a fact until it is forgotten, and nobody else is let in with its
//! id. Peers of earlier versions have no keys: whoever says their id is believed, as ever.
//!
//! [`Peers::check_speaker`] is the one place that decides whether a caller may act in a peer's name. The
//! border makes the [`Caller`] from what a call shows: today the secret of a session, one day a certificate.

use shared::model::{KeyHash, PeerId, RunId};

use super::Peers;
use super::copies::Run;
use crate::state::command::{Caller, Rejection};
use crate::state::record::Fact;

impl Peers {
    /// Returns the key of a peer; none of one that has never proved any, or is not known.
    pub(crate) fn key(&self, id: PeerId) -> Option<KeyHash> {
        self.get(id)?.key
    }

    /// Checks the key that a hello has proved, if any; returns the fact when the peer had none until now.
    pub(crate) fn check_key(&self, id: PeerId, given: Option<KeyHash>) -> Result<Option<Fact>, Rejection> {
        match (self.key(id), given) {
            (None, given) => Ok(given.map(|key| Fact::KeyRecorded { peer: id, key })),
            (Some(known), Some(given)) if known == given => Ok(None),
            (Some(_), Some(_)) => Err(Rejection::OtherKey(id)),
            (Some(_), None) => Err(Rejection::NoKey(id)),
        }
    }

    /// Checks that a caller may act in a peer's name.
    pub(crate) fn check_speaker(&self, caller: Caller, id: PeerId) -> Result<(), Rejection> {
        if let Caller::Peer { id: own, session } = caller
            && self.session_of(own) == Some(session)
        {
            return match own == id {
                true => Ok(()),
                false => Err(Rejection::NotItself(id)),
            };
        }
        match (self.key(id), caller) {
            (None, _) => Ok(()),
            (Some(_), Caller::Anonymous) => Err(Rejection::NoKey(id)),
            (Some(_), Caller::Former | Caller::Peer { .. }) => Err(Rejection::SessionOver(id)),
        }
    }

    /// Checks that a caller may let a peer's copy go: besides, the call names the run that has the peer's
    /// session, which proves something where the peer has no key. Peers of earlier versions do not say which
    /// run they are.
    pub(crate) fn check_releaser(
        &self,
        caller: Caller,
        id: PeerId,
        run: Option<RunId>,
    ) -> Result<(), Rejection> {
        self.check_speaker(caller, id)?;
        let Some(peer) = self.get(id).filter(|peer| peer.traits.can_check) else {
            return Ok(());
        };
        let own = peer.session.as_ref().map(|session| &session.run);
        match (own, run) {
            (Some(Run::Drawn(own)), Some(run)) if *own == run => Ok(()),
            (Some(Run::Counted(..)), _) => Ok(()),
            _ => Err(Rejection::NotItself(id)),
        }
    }

    /// Gives a peer its key, which it keeps until it is forgotten.
    pub(super) fn record_key(&mut self, id: PeerId, key: KeyHash) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.key = Some(key);
        }
    }
}
