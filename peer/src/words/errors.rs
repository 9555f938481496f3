//! Failures, mistakes and reasons.

use std::io;

use shared::collection::{MAX_PATTERN, SelectionError};
use shared::language::{self, Language};
use shared::model::{NameError, Reason, ReasonCode};
use shared::{Coded, ErrorCode};

shared::messages! {
    /// A failure; `what` is an infinitive and its object.
    fn cannot(what, why) { en: "cannot {what}: {why}", es: "no se puede {what}: {why}" }
    /// A failure that another program reported: its kind, and a quotation in English.
    fn reported(kind, reason) { en: "{kind} ({reason})", es: "{kind} («{reason}»)" }

    // Infinitives.
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

    // Values that were typed.
    fn name_empty() { en: "a name must not be empty", es: "un nombre no puede estar vacío" }
    fn name_too_long(max, got) {
        en: "a name may have {max} bytes, this one has {got}",
        es: "un nombre puede tener {max} bytes, este tiene {got}"
    }
    fn name_part_too_long(max, got) {
        en: "a name may have {max} bytes in one part, this one has {got}",
        es: "cada parte de un nombre puede tener {max} bytes, esta tiene {got}"
    }
    fn name_empty_part(name) {
        en: "a name must not begin or end with '/' or contain '//': {name}",
        es: "un nombre no puede empezar ni acabar con '/' ni contener '//': {name}"
    }
    fn name_dot_part(name) {
        en: "a part of a name must not be '.' or '..': {name}",
        es: "una parte de un nombre no puede ser '.' ni '..': {name}"
    }
    fn name_bad_character(found, name) {
        en: "a name must not contain {found}: {name}",
        es: "un nombre no puede contener {found}: {name}"
    }
    fn name_like_id(name) {
        en: "{name} reads as a content id; choose another name",
        es: "{name} parece el id de un contenido; elija otro nombre"
    }
    fn no_revision(text) {
        en: "{text} names no revision; write NAME@REVISION, such as models/a@3 (`peer history NAME` lists them)",
        es: "{text} no indica una revisión; escriba NOMBRE@REVISIÓN, como models/a@3 (`peer history NOMBRE` las lista)"
    }
    fn no_ticket(text) {
        en: "{text} is not a line of `peer send`: enjambre://HOST:PORT/ID/NAME",
        es: "{text} no es una línea de `peer send`: enjambre://HOST:PUERTO/ID/NOMBRE"
    }
    fn or_none(what) { en: "{what}; or none", es: "{what}; o none" }
    fn too_little_memory(size) {
        en: "{size} is too little memory for transfers; give at least 16MiB",
        es: "{size} es muy poca memoria para las transferencias; dé al menos 16MiB"
    }
    fn same_name() { en: "that is the same name", es: "es el mismo nombre" }
    fn bad_replicas(text, max) {
        en: "{text} is not a number of replicas; choose 1 to {max}",
        es: "{text} no es un número de réplicas; elija de 1 a {max}"
    }

    // The command line.
    fn see_help(what) { en: "{what}; see `peer --help`", es: "{what}; vea `peer --help`" }
    fn default_value(value) { en: "[default: {value}]", es: "[por omisión: {value}]" }
    fn values_are(values) { en: "[possible values: {values}]", es: "[valores: {values}]" }

    fn value_missing(argument) { en: "{argument} needs a value", es: "falta el valor de '{argument}'" }
    fn value_invalid(value, argument) {
        en: "'{value}' is no value for '{argument}'",
        es: "'{value}' no vale para '{argument}'"
    }
    fn values_possible(values) { en: "possible are {values}", es: "puede ser {values}" }
    fn values_wrong_number(argument) {
        en: "'{argument}' has the wrong number of values",
        es: "'{argument}' no lleva ese número de valores"
    }
    fn equals_missing(argument) {
        en: "'{argument}' needs an equals sign before its value",
        es: "'{argument}' necesita un signo igual delante de su valor"
    }
    fn argument_unexpected(argument) { en: "unexpected '{argument}'", es: "no se esperaba '{argument}'" }
    fn arguments_conflict(argument, prior) {
        en: "'{argument}' cannot be used with '{prior}'",
        es: "'{argument}' no puede ir con '{prior}'"
    }
    fn arguments_missing(arguments) { en: "{arguments} is missing", es: "falta {arguments}" }
    fn no_such_command(name) { en: "there is no command '{name}'", es: "no existe la orden '{name}'" }
    fn did_you_mean(what) { en: "did you mean '{what}'?", es: "¿quiso decir '{what}'?" }
    fn not_understood(english) { en: "{english}", es: "no se entiende la orden: «{english}»" }

    fn flags_once() {
        en: "write the flags for running a node once, after the command",
        es: "escriba las opciones para arrancar un nodo una vez, detrás de la orden"
    }
    fn never_runs_a_node() {
        en: "this command never runs a node: the flags for running one, such as --tracker or --capacity, have no effect on it",
        es: "esta orden nunca arranca un nodo: las opciones para arrancar uno, como --tracker o --capacity, no tienen efecto"
    }
    fn serve_and_peer() {
        en: "`serve` runs a node, --peer names one that is running; use --data-dir",
        es: "`serve` arranca un nodo, --peer indica uno ya en marcha; use --data-dir"
    }
    fn no_home() {
        en: "cannot tell where to keep data: HOME is not set; name a directory with --data-dir",
        es: "no se sabe dónde guardar los datos: HOME no está definida; indique un directorio con --data-dir"
    }
    fn bad_data_dir(path, reason) {
        en: "cannot use the data directory {path}: {reason}",
        es: "no vale el directorio de datos {path}: {reason}"
    }
    fn menu_has_no_json() {
        en: "--json goes with a command; the menu is for people",
        es: "--json va con una orden; el menú es para personas"
    }

    // The end of a command.
    fn interrupted() { en: "interrupted", es: "interrumpido" }
    fn gave_up(limit) {
        en: "gave up after {limit}, as --timeout asks",
        es: "se abandonó tras {limit}, como pide --timeout"
    }
    fn cannot_write_result(error) {
        en: "cannot write the result to standard output: {error}",
        es: "no se puede escribir el resultado en la salida estándar: {error}"
    }
    fn cannot_read_input(error) {
        en: "cannot read standard input: {error}",
        es: "no se puede leer la entrada estándar: {error}"
    }

    // The operating system's errors.
    fn no_such_path() { en: "no such file or directory", es: "no existe el archivo o directorio" }
    fn no_permission() { en: "no permission", es: "permiso denegado" }
    fn exists_already() { en: "the file exists", es: "el archivo ya existe" }
    fn no_directory() { en: "not a directory", es: "no es un directorio" }
    fn a_directory() { en: "is a directory", es: "es un directorio" }
    fn disk_full() { en: "no space left on the disk", es: "no queda sitio en el disco" }
    fn read_only() { en: "read-only file system", es: "el sistema de archivos es de solo lectura" }
    fn broken_pipe() { en: "broken pipe", es: "el lector se ha ido" }
    fn too_long() { en: "file name too long", es: "el nombre de archivo es demasiado largo" }
    fn no_resources() { en: "no resources at the moment", es: "el sistema no tiene recursos ahora" }

    // Patterns.
    fn glob_length(max, got) {
        en: "a pattern has 1 to {max} bytes, this one has {got}",
        es: "un patrón tiene de 1 a {max} bytes, este tiene {got}"
    }
    fn too_many_globs(max) { en: "at most {max} patterns are possible", es: "se admiten como mucho {max} patrones" }

    // Reasons, by their codes.
    fn safe_mode_reason() {
        en: "the tracker waits for its peers after a restart",
        es: "el tracker espera a sus nodos tras reiniciar"
    }
    fn journal_gap() { en: "the tracker's journal has a gap", es: "al registro del tracker le falta una parte" }
    fn no_source() { en: "a fragment is on no live peer", es: "algún fragmento no está en ningún nodo vivo" }
    fn source_away() {
        en: "a fragment is only on peers that have just fallen silent",
        es: "algún fragmento solo está en nodos que acaban de callar"
    }
    fn grace_running() { en: "a holder has just fallen silent", es: "un nodo que lo guarda acaba de callar" }
    fn holder_in_maintenance() { en: "a holder is in maintenance", es: "un nodo que lo guarda está en mantenimiento" }
    fn holder_draining() { en: "a holder is being drained", es: "un nodo que lo guarda se está vaciando" }
    fn copying() { en: "copies are under way", es: "hay copias en curso" }
    fn queued() { en: "the content waits for its turn", es: "el contenido espera su turno" }
    fn repair_budget() {
        en: "the budget of repair is used up for now",
        es: "el presupuesto de reparación está agotado por ahora"
    }
    fn too_few_peers() { en: "there are too few peers", es: "hay demasiado pocos nodos" }
    fn no_room() { en: "no other peer has room", es: "ningún otro nodo tiene sitio" }
    fn peers_busy() { en: "the other peers are busy", es: "los demás nodos están ocupados" }
    fn cooling_down() { en: "copies have failed lately", es: "hace poco fallaron copias" }
    fn inventory_pending() {
        en: "a peer has not reported all its fragments",
        es: "un nodo aún no ha dicho todo lo que tiene"
    }
    fn zones_shared() { en: "replicas share a zone", es: "varias réplicas comparten zona" }
    fn unpublished() { en: "it is not published yet", es: "aún no está publicado" }
    fn not_connected() { en: "the peer is not connected", es: "el nodo no está conectado" }
    fn sources_busy() { en: "the sources are busy", es: "las fuentes están ocupadas" }
    fn sources_slow() { en: "the sources are slow", es: "las fuentes son lentas" }
    fn download_limit() { en: "the download limit is reached", es: "se alcanza el límite de descarga" }
    fn memory_budget() { en: "the memory for transfers is used up", es: "la memoria para transferencias está agotada" }
    fn disk_busy() { en: "the disk is slower than the network", es: "el disco es más lento que la red" }
    fn other_reason() { en: "another reason", es: "otro motivo" }

    // Reasons why a fetch waits, as a node reports them.
    fn no_online_source() {
        en: "no peer that is online holds what is missing",
        es: "ningún nodo conectado tiene lo que falta"
    }
    fn no_online_source_of(fragments) {
        en: "no peer that is online holds {fragments} of the fragments",
        es: "ningún nodo conectado tiene {fragments} de los fragmentos"
    }
    fn only_source_busy() { en: "the only source is busy", es: "la única fuente está ocupada" }
    fn all_sources_busy(count) { en: "all {count} sources are busy", es: "las {count} fuentes están ocupadas" }
}

/// Returns the words for a kind of failure.
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

/// Says why a text is no name.
#[must_use]
pub(crate) fn name_error(error: &NameError) -> String {
    match error {
        NameError::Empty => name_empty().to_owned(),
        NameError::TooLong { scope: "", max, got } => name_too_long(max, got),
        NameError::TooLong { max, got, .. } => name_part_too_long(max, got),
        NameError::EmptyPart(name) => name_empty_part(format_args!("{name:?}")),
        NameError::DotPart(name) => name_dot_part(format_args!("{name:?}")),
        NameError::BadCharacter { found, name } => {
            name_bad_character(format_args!("{found:?}"), format_args!("{name:?}"))
        }
        NameError::LooksLikeId(name) => name_like_id(name),
    }
}

/// Returns an error's words in the language in force: in Spanish its kind, and its English words as a quotation.
#[must_use]
pub(crate) fn error(error: &impl Coded) -> String {
    match language::current() {
        Language::English => error.to_string(),
        Language::Spanish => reported(kind(error.code()), error),
    }
}

/// Returns the operating system's error in the language in force.
#[must_use]
pub(crate) fn io_error(error: &io::Error) -> String {
    if language::current() == Language::English {
        return error.to_string();
    }
    let known = match error.kind() {
        io::ErrorKind::NotFound => no_such_path(),
        io::ErrorKind::PermissionDenied => no_permission(),
        io::ErrorKind::AlreadyExists => exists_already(),
        io::ErrorKind::NotADirectory => no_directory(),
        io::ErrorKind::IsADirectory => a_directory(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(),
        io::ErrorKind::ReadOnlyFilesystem => read_only(),
        io::ErrorKind::BrokenPipe => broken_pipe(),
        io::ErrorKind::InvalidFilename => too_long(),
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => no_resources(),
        _ => return quoted(&error.to_string()),
    };
    known.to_owned()
}

/// Says why a pattern is refused.
#[must_use]
pub(crate) fn glob_error(error: &SelectionError) -> String {
    match error {
        SelectionError::Length(got) => glob_length(MAX_PATTERN, got),
        SelectionError::TooMany => too_many_globs(MAX_PATTERN),
    }
}

/// Returns a reason: in English its details, in Spanish the words for its code and the details as a quotation.
#[must_use]
pub(crate) fn reason(reason: &Reason) -> String {
    match language::current() {
        Language::English => reason.detail.clone(),
        Language::Spanish => {
            known_reason(&reason.detail).unwrap_or_else(|| reported(reason_code(reason.code), &reason.detail))
        }
    }
}

/// Returns a remark of a node in the language in force, as a quotation when it has no Spanish.
#[must_use]
pub(crate) fn told(remark: &str) -> String {
    match language::current() {
        Language::English => remark.to_owned(),
        Language::Spanish => known_reason(remark).unwrap_or_else(|| quoted(remark)),
    }
}

fn quoted(english: &str) -> String {
    format!("«{english}»")
}

/// Returns the Spanish of a reason why a fetch waits, if it is one of a node's own.
fn known_reason(detail: &str) -> Option<String> {
    let between = |begin, end| detail.strip_prefix(begin)?.strip_suffix(end);
    match detail {
        "no peer that is online holds what is missing" => Some(no_online_source().to_owned()),
        "the only source is busy" => Some(only_source_busy().to_owned()),
        _ => between("no peer that is online holds ", " of the fragments")
            .map(no_online_source_of)
            .or_else(|| between("all ", " sources are busy").map(all_sources_busy)),
    }
}

fn reason_code(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::SafeMode => safe_mode_reason(),
        ReasonCode::JournalGap => journal_gap(),
        ReasonCode::NoSource => no_source(),
        ReasonCode::SourceAway => source_away(),
        ReasonCode::GraceRunning => grace_running(),
        ReasonCode::Maintenance => holder_in_maintenance(),
        ReasonCode::Draining => holder_draining(),
        ReasonCode::Copying => copying(),
        ReasonCode::Queued => queued(),
        ReasonCode::RepairBudget => repair_budget(),
        ReasonCode::TooFewPeers => too_few_peers(),
        ReasonCode::NoRoom => no_room(),
        ReasonCode::PeersBusy => peers_busy(),
        ReasonCode::CoolingDown => cooling_down(),
        ReasonCode::InventoryPending => inventory_pending(),
        ReasonCode::ZonesShared => zones_shared(),
        ReasonCode::Unpublished => unpublished(),
        ReasonCode::NotConnected => not_connected(),
        ReasonCode::SourcesBusy => sources_busy(),
        ReasonCode::SourcesSlow => sources_slow(),
        ReasonCode::DownloadLimit => download_limit(),
        ReasonCode::MemoryBudget => memory_budget(),
        ReasonCode::DiskBusy => disk_busy(),
        ReasonCode::Other => other_reason(),
    }
}

#[cfg(test)]
mod tests {
    use shared::language::here;

    use super::*;

    #[test]
    fn in_spanish_a_reason_is_spanish_and_its_details_are_quoted() {
        let reason_of = |code, detail: &str| {
            reason(&Reason {
                code,
                detail: detail.to_owned(),
            })
        };
        let detail = "a: 1 of 1 peer without room for a copy";
        assert_eq!(reason_of(ReasonCode::NoRoom, detail), detail);
        let _spanish = here(Language::Spanish);
        assert_eq!(
            reason_of(ReasonCode::NoRoom, detail),
            format!("ningún otro nodo tiene sitio («{detail}»)")
        );
        assert_eq!(told("all 2 sources are busy"), "las 2 fuentes están ocupadas");
        assert_eq!(
            told("no peer that is online holds 1 of the fragments"),
            "ningún nodo conectado tiene 1 de los fragmentos"
        );
        assert_eq!(told("refused"), "«refused»");
        assert_eq!(
            io_error(&io::ErrorKind::StorageFull.into()),
            "no queda sitio en el disco"
        );
    }
}
