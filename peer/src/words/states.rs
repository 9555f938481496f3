//! How things stand: contents, peers, roles, offences.

use shared::model::{ContentState, PeerState};

shared::messages! {
    fn unavailable_content() { en: "unavailable", es: "no disponible" }
    fn degraded() { en: "degraded", es: "degradado" }
    fn replicated() { en: "replicated", es: "replicado" }

    fn safe_mode() {
        en: "the tracker has restarted and waits for its peers to report: nothing is evicted meanwhile",
        es: "el tracker ha reiniciado y espera noticias de sus nodos: entretanto no se desaloja nada"
    }

    fn live() { en: "live", es: "vivo" }
    fn suspect() { en: "suspect", es: "dudoso" }
    fn lost() { en: "lost", es: "perdido" }
}

/// How a content's replicas stand.
#[must_use]
pub(crate) fn content_state(state: ContentState) -> &'static str {
    match state {
        ContentState::Unavailable => unavailable_content(),
        ContentState::Degraded => degraded(),
        ContentState::Replicated => replicated(),
    }
}

/// How a peer stands.
#[must_use]
pub(crate) fn peer_state(state: PeerState) -> &'static str {
    match state {
        PeerState::Live => live(),
        PeerState::Suspect => suspect(),
        PeerState::Lost => lost(),
    }
}
