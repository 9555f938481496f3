//! How things stand: contents, peers, roles, offences.

use proto::messages::control::LocalRole;
use shared::model::{ContentState, FaultKind, PeerMode, PeerState};

use super::{lied, slow, stalled};

shared::messages! {
    fn unavailable_content() { en: "unavailable", es: "no disponible" }
    fn degraded() { en: "degraded", es: "degradado" }
    fn replicated() { en: "replicated", es: "replicado" }

    fn published() { en: "published", es: "publicado" }
    fn assigned() { en: "assigned", es: "asignado" }
    fn fetched_role() { en: "fetched", es: "descargado" }

    fn active() { en: "active", es: "activo" }
    fn maintenance() { en: "maintenance", es: "mantenimiento" }
    fn draining() { en: "draining", es: "vaciándose" }

    fn safe_mode() {
        en: "the tracker has restarted and waits for its peers to report: nothing is evicted meanwhile",
        es: "el tracker ha reiniciado y espera noticias de sus nodos: entretanto no se desaloja nada"
    }

    fn live() { en: "live", es: "vivo" }
    fn suspect() { en: "suspect", es: "dudoso" }
    fn lost() { en: "lost", es: "perdido" }
}

/// Why a content is here.
#[must_use]
pub(crate) fn role(role: LocalRole) -> &'static str {
    match role {
        LocalRole::Published => published(),
        LocalRole::Assigned => assigned(),
        LocalRole::Fetched => fetched_role(),
    }
}

/// What a source did.
#[must_use]
pub(crate) fn offence(offence: FaultKind) -> &'static str {
    match offence {
        FaultKind::Lied => lied(),
        FaultKind::Stalled => stalled(),
        FaultKind::Slow => slow(),
    }
}

/// What a peer is used for, in a word.
#[must_use]
pub(crate) fn mode_word(mode: PeerMode) -> &'static str {
    match mode {
        PeerMode::Active => active(),
        PeerMode::Maintenance { .. } => maintenance(),
        PeerMode::Draining => draining(),
    }
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
