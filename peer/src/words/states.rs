//! How things stand: contents, peers, roles, offences.

use proto::control::LocalRole;
use shared::model::{ContentState, Duty, Offence, PeerState};

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
pub(crate) fn offence(offence: Offence) -> &'static str {
    match offence {
        Offence::Lied => lied(),
        Offence::Stalled => stalled(),
        Offence::Slow => slow(),
    }
}

/// What a peer is used for, in a word.
#[must_use]
pub(crate) fn duty_word(duty: Duty) -> &'static str {
    match duty {
        Duty::Active => active(),
        Duty::Maintenance { .. } => maintenance(),
        Duty::Draining => draining(),
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
