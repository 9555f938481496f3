//! Failures, mistakes and reasons.

use proto::listen::{ListenError, ListenFault};
use shared::collection::{MAX_PATTERN, SelectionError};
use shared::language::{self, Language};
use shared::model::{ByteCount, ByteRate, NameError, Reason, ReasonCode, Waiting};
use shared::{Coded, ErrorCode};

use super::foreign::{io_error, quoted};
use super::reports;

shared::messages! {
    /// A failure; `what` is an infinitive and its object.
    fn cannot(what, why) { en: "cannot {what}: {why}", es: "no se puede {what}: {why}" }
    /// A failure that another program reported: its kind, and its report.
    fn reported(kind, reason) { en: "{kind} ({reason})", es: "{kind}: {reason}" }

    // Infinitives.
    fn add(path) { en: "add {path}", es: "añadir {path}" }
    fn remove(name) { en: "remove {name}", es: "retirar {name}" }
    fn list_held() { en: "list what this peer holds", es: "listar lo que hay en este nodo" }

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
    fn name_invisible(name) {
        en: "a part of a name must show something: {name}",
        es: "cada parte de un nombre debe mostrar algo: {name}"
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
    fn too_slow(text, rate) {
        en: "{text} means {rate}, which is too slow for any transfer; give a unit, such as 8MB/s or 80Mbit/s, or none",
        es: "{text} significa {rate}, demasiado poco para cualquier transferencia; dé una unidad, como 8MB/s u 80Mbit/s, o none"
    }
    fn too_little_capacity(size) {
        en: "{size} is less than one fragment; give a unit, such as 50GiB, or 0 to lend nothing",
        es: "{size} es menos que un fragmento; dé una unidad, como 50GiB, o 0 para no prestar nada"
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
    fn wildcard_host(host) {
        en: "--host {host} listens on every address of this machine, and others must be told which one to dial: add --advertise HOST:PORT",
        es: "--host {host} escucha en todas las direcciones de esta máquina, y hay que decir a los demás a cuál llamar: añada --advertise HOST:PUERTO"
    }
    fn many_hosts(host) {
        en: "--host {host} stands for many machines; give an address of this one",
        es: "--host {host} designa muchas máquinas; indique una dirección de esta"
    }
    fn undialable(address) {
        en: "nobody can dial --advertise {address}: it stands for every address, or for many machines; give the one at which others reach this machine",
        es: "nadie puede llamar a --advertise {address}: designa todas las direcciones, o muchas máquinas; indique aquella en la que los demás alcanzan esta máquina"
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

    // Listening.
    fn listen(address) { en: "listen on {address}", es: "escuchar en {address}" }
    fn host_unresolvable() {
        en: "no address is known for this host; give --host a name or address of this machine, and --port the port",
        es: "no se conoce ninguna dirección de ese host; dé en --host un nombre o una dirección de esta máquina, y en --port el puerto"
    }
    fn host_not_of_this_machine() {
        en: "this machine does not have the address; give --host one of its own",
        es: "esta máquina no tiene esa dirección; dé en --host una suya"
    }
    fn host_is_a_group() {
        en: "this is an address of many machines; give --host one of this machine's own",
        es: "es una dirección de muchas máquinas; dé en --host una de esta máquina"
    }
    fn host_needs_interface() {
        en: "a link-local address needs its interface; give --host both, such as fe80::1%eth0",
        es: "una dirección de enlace local necesita su interfaz; dé las dos en --host, por ejemplo fe80::1%eth0"
    }
    fn port_in_use() {
        en: "the port is in use; choose another with --port, or 0 for any free one",
        es: "el puerto está ocupado; elija otro con --port, o 0 para uno cualquiera que esté libre"
    }
    fn port_needs_rights() {
        en: "ports below 1024 need special rights; choose another with --port",
        es: "los puertos por debajo de 1024 exigen permisos especiales; elija otro con --port"
    }
    fn address_refused(error) {
        en: "the system refuses the address ({error}); check --host and --port",
        es: "el sistema rechaza la dirección ({error}); revise --host y --port"
    }

    // Patterns.
    fn glob_length(max, got) {
        en: "a pattern has 1 to {max} bytes, this one has {got}",
        es: "un patrón tiene de 1 a {max} bytes, este tiene {got}"
    }
    fn too_many_globs(max) { en: "at most {max} patterns are possible", es: "se admiten como mucho {max} patrones" }
}

/// Returns the Spanish words for a kind of failure; English errors say it themselves.
fn kind(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "la petición no es válida",
        ErrorCode::NotFound => "no existe",
        ErrorCode::Unauthenticated => "falta probar quién lo pide",
        ErrorCode::PermissionDenied => "no está permitido",
        ErrorCode::Conflict => "ya existe o ha cambiado entretanto",
        ErrorCode::FailedPrecondition => "antes hay que hacer otra cosa",
        ErrorCode::Stale => "el mensaje es de antes de un reinicio",
        ErrorCode::Exhausted => "no queda sitio o capacidad",
        ErrorCode::Unavailable => "no hay conexión o no responde",
        ErrorCode::Unimplemented => "allí no se conoce la petición",
        ErrorCode::DeadlineExceeded => "ha tardado demasiado",
        ErrorCode::Corrupt => "los bytes están dañados o no se pueden leer",
        ErrorCode::Cancelled => "se ha cancelado",
        ErrorCode::Internal => "error interno",
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
        NameError::Invisible(name) => name_invisible(format_args!("{name:?}")),
    }
}

/// Returns an error's words in the language in force: in Spanish its report, or its kind and a quotation.
#[must_use]
pub(crate) fn error(error: &impl Coded) -> String {
    match language::current() {
        Language::English => error.to_string(),
        Language::Spanish => match reports::spanish(&error.to_string()) {
            Some(told) => told,
            None => reported(kind(error.code()), quoted(&error.to_string())),
        },
    }
}

/// Says why an address cannot be listened on.
#[must_use]
pub(crate) fn listen_error(error: &ListenError) -> String {
    let why = match error.fault {
        ListenFault::Unresolvable => host_unresolvable().to_owned(),
        ListenFault::NotOfThisMachine => host_not_of_this_machine().to_owned(),
        ListenFault::Group => host_is_a_group().to_owned(),
        ListenFault::NeedsInterface => host_needs_interface().to_owned(),
        ListenFault::InUse => port_in_use().to_owned(),
        ListenFault::LowPort => port_needs_rights().to_owned(),
        ListenFault::Other => address_refused(io_error(&error.source)),
    };
    cannot(listen(&error.address), why)
}

/// Says why a pattern is refused.
#[must_use]
pub(crate) fn glob_error(error: &SelectionError) -> String {
    match error {
        SelectionError::Length(got) => glob_length(MAX_PATTERN, got),
        SelectionError::TooMany => too_many_globs(MAX_PATTERN),
    }
}

/// Returns a reason: in English its details, in Spanish the words for its code and the details.
#[must_use]
pub(crate) fn reason(reason: &Reason) -> String {
    match language::current() {
        Language::English => reason.detail.clone(),
        Language::Spanish => reported(reason_code(reason.code), told(&reason.detail)),
    }
}

/// Returns a remark of a node in the language in force, as a quotation when it has no Spanish.
#[must_use]
pub(crate) fn told(remark: &str) -> String {
    match language::current() {
        Language::English => remark.to_owned(),
        Language::Spanish => reports::spanish(remark).unwrap_or_else(|| quoted(remark)),
    }
}

/// Returns the reason for which a fetch waits, in the language in force. Only the words of another version of
/// this program are a quotation.
#[must_use]
pub(crate) fn waiting(why: &Waiting) -> String {
    if language::current() == Language::English {
        return why.to_string();
    }
    let sends = |rate: &Option<ByteRate>| match rate {
        Some(rate) => format!("envía {rate}"),
        None => "no envía nada".to_owned(),
    };
    match why {
        Waiting::Searching => "buscando nodos que lo tengan".to_owned(),
        Waiting::Connecting(1) => "conectando con 1 nodo".to_owned(),
        Waiting::Connecting(n) => format!("conectando con {n} nodos"),
        Waiting::Unreached(failures) => {
            format!("hay nodos que lo tienen, pero no se alcanzan: {}", told(failures))
        }
        Waiting::Foreign(addresses) => {
            format!(
                "donde debía haber nodos que lo tienen responde otro programa, u otra versión: {addresses}"
            )
        }
        Waiting::NoSource => "ningún nodo conectado tiene lo que falta".to_owned(),
        Waiting::NoSourceOfSome(n) => format!("ningún nodo conectado tiene {n} de los fragmentos"),
        Waiting::SourcesBusy(1) => "la única fuente está ocupada".to_owned(),
        Waiting::SourcesBusy(n) => format!("las {n} fuentes están ocupadas"),
        Waiting::SourcesSilent(1) => "la fuente a la que se pidió no envía nada".to_owned(),
        Waiting::SourcesSilent(n) => format!("las {n} fuentes a las que se pidió no envían nada"),
        Waiting::SlowSource(peer, rate) => format!("lento: {} {}", peer.short(), sends(rate)),
        Waiting::SlowSources(n, None) => format!("lento: {n} fuentes no envían nada"),
        Waiting::SlowSources(n, Some(rate)) => format!("lento: {n} fuentes envían juntas {rate}"),
        Waiting::Memory(bytes) => format!(
            "otras descargas han pedido todo lo que cabe en la memoria ({})",
            ByteCount::new(*bytes)
        ),
        Waiting::Disk => "el disco de este nodo es más lento que sus fuentes".to_owned(),
        Waiting::Limit(rate) => format!("este nodo descarga como mucho a {rate}"),
        Waiting::Other(words) => told(words),
    }
}

/// Returns the Spanish words for a reason's code; English reasons say it themselves.
fn reason_code(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::SafeMode => "el tracker espera a sus nodos tras reiniciar",
        ReasonCode::JournalGap => "al registro del tracker le falta una parte",
        ReasonCode::NoSource => "algún fragmento no está en ningún nodo vivo",
        ReasonCode::Unreachable => "los demás nodos no alcanzan a algunos que lo tienen",
        ReasonCode::Foreign => "donde debía haber nodos responde otro programa, u otra versión",
        ReasonCode::Unconfirmed => "ningún otro nodo ha llamado aún a uno que lo guarda",
        ReasonCode::SourceAway => "algún fragmento solo está en nodos que acaban de callar",
        ReasonCode::GraceRunning => "un nodo que lo guarda acaba de callar",
        ReasonCode::Maintenance => "un nodo que lo guarda está en mantenimiento",
        ReasonCode::Draining => "un nodo que lo guarda se está vaciando",
        ReasonCode::Copying => "hay copias en curso",
        ReasonCode::Queued => "el contenido espera su turno",
        ReasonCode::RepairBudget => "el presupuesto de reparación está agotado por ahora",
        ReasonCode::TooFewPeers => "hay demasiado pocos nodos",
        ReasonCode::NoRoom => "ningún otro nodo tiene sitio",
        ReasonCode::PeersBusy => "los demás nodos están ocupados",
        ReasonCode::CoolingDown => "hace poco fallaron copias",
        ReasonCode::InventoryPending => "un nodo aún no ha dicho todo lo que tiene",
        ReasonCode::ProofPending => "ningún otro nodo ha mirado aún una copia",
        ReasonCode::ZonesShared => "varias réplicas comparten zona",
        ReasonCode::Unpublished => "aún no está publicado",
        ReasonCode::NotConnected => "el nodo no está conectado",
        ReasonCode::FileAway => "un archivo compartido no está",
        ReasonCode::SourcesBusy => "las fuentes están ocupadas",
        ReasonCode::SourcesSlow => "las fuentes son lentas",
        ReasonCode::DownloadLimit => "se alcanza el límite de descarga",
        ReasonCode::MemoryBudget => "la memoria para transferencias está agotada",
        ReasonCode::DiskBusy => "el disco es más lento que la red",
        ReasonCode::Other => "otro motivo",
    }
}

#[cfg(test)]
mod tests {
    use shared::language::here;

    use super::*;

    #[test]
    fn in_spanish_a_reason_is_spanish_and_foreign_words_are_quoted() {
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
            "ningún otro nodo tiene sitio: a: 1 de 1 nodo sin sitio para una copia"
        );
        assert_eq!(waiting(&Waiting::SourcesBusy(2)), "las 2 fuentes están ocupadas");
        assert_eq!(
            waiting(&Waiting::NoSourceOfSome(1)),
            "ningún nodo conectado tiene 1 de los fragmentos"
        );
        assert_eq!(told("refused"), "«refused»");
        assert_eq!(
            io_error(&std::io::ErrorKind::StorageFull.into()),
            "no queda sitio en el disco"
        );
    }
}
