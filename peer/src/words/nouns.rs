//! Numbers of things, and the words for their states.

use proto::messages::control::LocalRole;
use shared::model::{Absence, ContentState, FaultKind, PeerMode, PeerState, RevisionState};

shared::messages! {
    fn contents(count) { en: ["1 content", "{count} contents"], es: ["1 contenido", "{count} contenidos"] }
    fn directories(count) { en: ["1 directory", "{count} directories"], es: ["1 directorio", "{count} directorios"] }
    fn downloads(count) { en: ["1 download", "{count} downloads"], es: ["1 descarga", "{count} descargas"] }
    fn files(count) { en: ["1 file", "{count} files"], es: ["1 archivo", "{count} archivos"] }
    fn parts(count) { en: ["1 part", "{count} parts"], es: ["1 parte", "{count} partes"] }
    fn fragments(count) { en: ["1 fragment", "{count} fragments"], es: ["1 fragmento", "{count} fragmentos"] }
    fn links(count) { en: ["1 link", "{count} links"], es: ["1 enlace", "{count} enlaces"] }
    fn peers(count) { en: ["1 peer", "{count} peers"], es: ["1 nodo", "{count} nodos"] }
    fn publications(count) { en: ["1 publication", "{count} publications"], es: ["1 publicación", "{count} publicaciones"] }
    fn replicas(count) { en: ["1 replica", "{count} replicas"], es: ["1 réplica", "{count} réplicas"] }
    fn transfers(count) { en: ["1 transfer", "{count} transfers"], es: ["1 transferencia", "{count} transferencias"] }
    fn uploads(count) { en: ["1 upload", "{count} uploads"], es: ["1 envío", "{count} envíos"] }

    // Contents and peers.
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
        en: "the tracker has restarted and waits for its peers to report: nothing is evicted until then",
        es: "el tracker ha reiniciado y espera noticias de sus nodos: hasta entonces no se desaloja nada"
    }

    fn live() { en: "live", es: "vivo" }
    fn suspect() { en: "suspect", es: "dudoso" }
    fn gone() { en: "gone", es: "no está" }
    fn changed() { en: "changed", es: "cambiado" }
    fn unreadable() { en: "unreadable", es: "ilegible" }
    fn failing() { en: "failing", es: "con fallos" }
    fn lost() { en: "lost", es: "perdido" }

    // Faults of sources.
    fn lied() { en: "lied", es: "mintió" }
    fn stalled() { en: "stalled", es: "se atascó" }
    fn slow() { en: "slow", es: "lento" }

    // Revisions.
    fn current() { en: "current", es: "actual" }
    fn current_pinned() { en: "current, pinned", es: "actual, fijada" }
    fn kept() { en: "kept", es: "guardada" }
    fn pinned() { en: "pinned", es: "fijada" }
    fn collected() { en: "collected", es: "recogida" }
    fn removed_revision() { en: "removed", es: "retirada" }
}

/// Returns the word for the role of a held content.
#[must_use]
pub(crate) fn role(role: LocalRole) -> &'static str {
    match role {
        LocalRole::Published => published(),
        LocalRole::Assigned => assigned(),
        LocalRole::Fetched => fetched_role(),
    }
}

/// Returns the word for a source's fault.
#[must_use]
pub(crate) fn fault_kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Lied => lied(),
        FaultKind::Stalled => stalled(),
        FaultKind::Slow => slow(),
    }
}

/// Returns the word for a peer's mode.
#[must_use]
pub(crate) fn mode_word(mode: PeerMode) -> &'static str {
    match mode {
        PeerMode::Active => active(),
        PeerMode::Maintenance { .. } => maintenance(),
        PeerMode::Draining => draining(),
    }
}

/// Returns the word for the state of a content's replicas.
#[must_use]
pub(crate) fn content_state(state: ContentState) -> &'static str {
    match state {
        ContentState::Unavailable => unavailable_content(),
        ContentState::Degraded => degraded(),
        ContentState::Replicated => replicated(),
    }
}

/// Returns the word for a peer's state.
#[must_use]
pub(crate) fn peer_state(state: PeerState) -> &'static str {
    match state {
        PeerState::Live => live(),
        PeerState::Suspect => suspect(),
        PeerState::Lost => lost(),
    }
}

/// Returns the word for the absence of a file.
#[must_use]
pub(crate) fn absence(absence: Absence) -> &'static str {
    match absence {
        Absence::Gone => gone(),
        Absence::Changed => changed(),
        Absence::Unreadable => unreadable(),
        Absence::Failing => failing(),
    }
}

/// Returns the word for a revision's state.
#[must_use]
pub(crate) fn revision_state(state: RevisionState) -> &'static str {
    match state {
        RevisionState::Current => current(),
        RevisionState::Kept => kept(),
        RevisionState::Pinned => pinned(),
        RevisionState::Collected => collected(),
        RevisionState::Removed => removed_revision(),
    }
}
