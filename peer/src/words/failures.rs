//! Why something was not done.

use shared::ErrorCode;

shared::messages! {
    /// `what` is an infinitive and what it is about.
    fn cannot(what, why) { en: "cannot {what}: {why}", es: "no se puede {what}: {why}" }
    /// What another program reported: a kind of failure, and its own words for it, which are English.
    fn reported(kind, reason) { en: "{kind} ({reason})", es: "{kind} («{reason}»)" }

    // What cannot be done, as infinitives.
    fn add(path) { en: "add {path}", es: "añadir {path}" }
    fn remove(name) { en: "remove {name}", es: "retirar {name}" }
    fn list_held() { en: "list what this peer holds", es: "listar lo que hay en este nodo" }

    // Kinds of failures.
    fn invalid_argument() { en: "invalid argument", es: "la petición no es válida" }
    fn not_found() { en: "not found", es: "no existe" }
    fn permission_denied() { en: "permission denied", es: "no está permitido" }
    fn conflict() { en: "conflict", es: "ya existe o ha cambiado entretanto" }
    fn failed_precondition() { en: "failed precondition", es: "antes hay que hacer otra cosa" }
    fn stale() { en: "stale", es: "el mensaje es de antes de un reinicio" }
    fn exhausted() { en: "exhausted", es: "no queda sitio o capacidad" }
    fn unavailable() { en: "unavailable", es: "no hay conexión o no responde" }
    fn deadline_exceeded() { en: "deadline exceeded", es: "ha tardado demasiado" }
    fn corrupt() { en: "corrupt", es: "los bytes no coinciden con su hash" }
    fn cancelled() { en: "cancelled", es: "se ha cancelado" }
    fn internal() { en: "internal", es: "error interno" }
}

/// What kind of failure it is.
#[must_use]
pub(crate) fn kind(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => invalid_argument(),
        ErrorCode::NotFound => not_found(),
        ErrorCode::PermissionDenied => permission_denied(),
        ErrorCode::Conflict => conflict(),
        ErrorCode::FailedPrecondition => failed_precondition(),
        ErrorCode::Stale => stale(),
        ErrorCode::Exhausted => exhausted(),
        ErrorCode::Unavailable => unavailable(),
        ErrorCode::DeadlineExceeded => deadline_exceeded(),
        ErrorCode::Corrupt => corrupt(),
        ErrorCode::Cancelled => cancelled(),
        ErrorCode::Internal => internal(),
    }
}
