//! Revisions of names, and small values under keys.

use shared::model::RevisionState;

shared::messages! {
    fn title_when() { en: "WHEN", es: "CUÁNDO" }
    fn current() { en: "current", es: "actual" }
    fn current_pinned() { en: "current, pinned", es: "actual, fijada" }
    fn kept() { en: "kept", es: "guardada" }
    fn pinned() { en: "pinned", es: "fijada" }
    fn collected() { en: "collected", es: "recogida" }
    fn removed_revision() { en: "removed", es: "retirada" }

    fn show_history(name) { en: "show the history of {name}", es: "mostrar la historia de {name}" }
    fn pin(revision) { en: "pin {revision}", es: "fijar {revision}" }
    fn unpin(revision) { en: "unpin {revision}", es: "soltar {revision}" }
    fn history_shows() {
        en: "`peer history NAME` shows what is there",
        es: "`peer history NOMBRE` muestra lo que hay"
    }
    fn unpinned_line(revision) {
        en: "unpinned {revision}: its content goes in its time, unless something else keeps it",
        es: "suelta {revision}: su contenido se irá a su tiempo, salvo que otra cosa lo guarde"
    }
    fn pinned_line(revision) {
        en: "pinned {revision}: its content stays until it is unpinned",
        es: "fijada {revision}: su contenido se queda hasta que se suelte"
    }
    fn with_replicas_now(line, fewest, replicas) {
        en: "{line}; there are {fewest} of {replicas} now",
        es: "{line}; ahora hay {fewest} de {replicas}"
    }

    fn value_of(key) { en: "the value of {key}", es: "el valor de {key}" }
    fn put(what) { en: "put {what}", es: "poner {what}" }
    fn read_value(key) { en: "read the value of {key}", es: "leer el valor de {key}" }
    fn put_stores_one() { en: "`peer put` stores one", es: "`peer put` guarda uno" }
    fn use_as_key(key) { en: "use {key} as a key", es: "usar {key} como clave" }
    fn put_the_value() { en: "put the value", es: "poner el valor" }
    fn cannot_read_input(error) {
        en: "cannot read standard input: {error}",
        es: "no se puede leer la entrada estándar: {error}"
    }
    fn value_too_long(most) {
        en: "it has more than {most}; add it as a file",
        es: "tiene más de {most}; añádalo como archivo"
    }
}

/// How a revision stands.
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
