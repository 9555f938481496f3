//! Callers: from what a request shows to who sends it.
//!
//! A session whose peer has proved its key has a secret, which the peer shows in its other calls. This is the
//! one place that knows the secrets; the state decides what a [`Caller`] may do.

use std::sync::Arc;

use dashmap::DashMap;
use proto::credentials::Credentials;
use shared::model::{PeerId, SessionSecret};
use tonic::Request;

use crate::state::{Caller, SessionId};

/// The sessions with secrets; cheap to clone. They are looked up by digests of the secrets, so that the time
/// of a look-up tells nothing about a secret.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers(Arc<DashMap<[u8; 32], Caller>>);

/// A session whose secret is known until this is dropped.
#[derive(Debug)]
pub(super) struct Known {
    callers: Callers,
    digest: [u8; 32],
}

impl Callers {
    /// Draws the secret of a session.
    pub(super) fn draw(&self, id: PeerId, session: SessionId) -> (SessionSecret, Known) {
        let secret = SessionSecret::random();
        let digest = secret.digest();
        self.0.insert(digest, Caller::Peer { id, session });
        let callers = self.clone();
        (secret, Known { callers, digest })
    }

    /// Returns the sender of a request.
    pub(super) fn of<T>(&self, request: &Request<T>) -> Caller {
        let Some(shown) = Credentials::shown(request) else {
            return Caller::Anonymous;
        };
        let known = shown.ok().and_then(|secret| self.0.get(&secret.digest()));
        known.map_or(Caller::Former, |known| *known)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.callers.0.remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_speaks_for_its_session_until_that_is_over() {
        let callers = Callers::default();
        let (id, session) = (PeerId::from_bytes([1; 16]), SessionId::new(7));
        let (secret, known) = callers.draw(id, session);
        let caller = |secret| callers.of(&Credentials::new(secret).request(()));
        assert_eq!(caller(Some(secret)), Caller::Peer { id, session });
        assert_eq!(caller(None), Caller::Anonymous);
        assert_eq!(caller(Some(SessionSecret::random())), Caller::Former);
        drop(known);
        assert_eq!(caller(Some(secret)), Caller::Former);
        assert!(callers.0.is_empty(), "nothing is left");
    }
}
