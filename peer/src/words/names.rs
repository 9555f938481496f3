//! Lists, names, revisions and values, and the node itself.

use shared::security::authorization::Mode;

shared::messages! {
    // Titles of columns.
    fn title_name() { en: "NAME", es: "NOMBRE" }
    fn title_revision() { en: "REV", es: "REV." }
    fn title_pinned() { en: "PINNED", es: "FIJADAS" }
    fn title_size() { en: "SIZE", es: "TAMAÑO" }
    fn title_replicas() { en: "REPLICAS", es: "RÉPLICAS" }
    fn title_state() { en: "STATE", es: "ESTADO" }
    fn title_held() { en: "HELD", es: "TIENE" }
    fn title_role() { en: "ROLE", es: "PAPEL" }
    fn title_where() { en: "WHERE", es: "DÓNDE" }
    fn title_peer() { en: "PEER", es: "NODO" }
    fn title_address() { en: "ADDRESS", es: "DIRECCIÓN" }
    fn title_zone() { en: "ZONE", es: "ZONA" }
    fn title_free() { en: "FREE", es: "LIBRE" }
    fn title_capacity() { en: "CAPACITY", es: "CAPACIDAD" }
    fn title_contents() { en: "CONTENTS", es: "CONTENIDOS" }
    fn title_keeps() { en: "KEEPS", es: "GUARDA" }
    fn title_fragments() { en: "FRAGMENTS", es: "FRAGMENTOS" }
    fn title_endangered() { en: "ENDANGERED", es: "EN PELIGRO" }
    fn title_under_way() { en: "UNDER WAY", es: "EN CURSO" }

    fn in_the_store() { en: "store", es: "almacén" }
    fn refused() { en: "refused", es: "rechazado" }
    fn name_refused(name, reason, id) {
        en: "the tracker refused the name {name}: {reason}; add the file under another name, replace the other \
             with --update, or drop this with `peer forget {id}`",
        es: "el tracker rechazó el nombre {name}: «{reason}»; agréguelo con otro nombre, reemplace el otro con \
             --update o quite esto con `peer forget {id}`"
    }
    fn pending() { en: "pending", es: "pendiente" }
    fn yes() { en: "yes", es: "sí" }
    fn yes_proved() { en: "yes, proved", es: "sí, probada" }
    fn no() { en: "no", es: "no" }
    fn list_names() { en: "list the network's names", es: "listar los nombres de la red" }
    fn list_peers() { en: "list the network's peers", es: "listar los nodos de la red" }
    fn list(content) { en: "list {content}", es: "listar {content}" }
    fn removed_pinned(revisions) {
        en: "pinned revisions of removed names: {revisions}",
        es: "revisiones fijadas de nombres retirados: {revisions}"
    }
    fn no_names_yet() { en: "there are no names in the network yet", es: "aún no hay nombres en la red" }
    fn node_holds_nothing() { en: "the node holds nothing yet", es: "en el nodo aún no hay nada" }

    fn hides(name, inside) {
        en: "{name} is a name of its own; what a directory has at this path is {inside}",
        es: "{name} es un nombre propio; lo que un directorio tiene en esa ruta es {inside}"
    }

    // The place of a content.
    fn located(name, revision, length) {
        en: "{name}  revision {revision}  {length}",
        es: "{name}  revisión {revision}  {length}"
    }
    fn located_health(what, at_target, replicas, least, state) {
        en: "{what}, {at_target} of them with {replicas} or more; {least}: {state}",
        es: "{what}, {at_target} de ellos con {replicas} o más; {least}: {state}"
    }
    fn empty() { en: "empty", es: "vacío" }
    fn located_empty() {
        en: "it is empty: it needs no replicas, and is always complete",
        es: "está vacío: no necesita réplicas, y siempre está completo"
    }
    fn parts_with(parts, fragments) { en: "{parts}: {fragments}", es: "{parts}: {fragments}" }
    fn catalog_and(parts) { en: "a directory, its catalog and {parts}", es: "un directorio, su catálogo y {parts}" }
    fn held_of(held, all) { en: "{held} of {all}", es: "{held} de {all}" }
    fn keeping(held, kept) { en: "{held}, keeps {kept}", es: "{held}, guarda {kept}" }
    fn some_holders_keeping(shown, all, keepers) {
        en: "({shown} of {all} holders, {keepers} of which keep something)",
        es: "({shown} de {all} nodos que lo tienen; {keepers} guardan algo)"
    }
    fn some_holders(shown, all) { en: "({shown} of {all} holders)", es: "({shown} de {all} nodos que lo tienen)" }
    fn all_fragments(count) { en: "all {count}", es: "los {count}" }
    fn some_fragments(runs, held, all) { en: "{runs} ({held} of {all})", es: "{runs} ({held} de {all})" }

    // The node.
    fn label_peer() { en: "peer", es: "nodo" }
    fn label_address() { en: "address", es: "dirección" }
    fn label_network() { en: "network", es: "red" }
    fn label_mode() { en: "mode", es: "modo" }
    fn label_zone() { en: "zone", es: "zona" }
    fn label_faults() { en: "faults", es: "fallos" }
    fn label_data() { en: "data", es: "datos" }
    fn label_capacity() { en: "capacity", es: "capacidad" }
    fn label_contents() { en: "contents", es: "contenidos" }
    fn label_traffic() { en: "traffic", es: "tráfico" }
    fn label_limits() { en: "limits", es: "límites" }
    fn label_transfers() { en: "transfers", es: "transferencias" }
    fn label_scrubbing() { en: "scrubbing", es: "relectura" }
    fn label_waiting() { en: "waiting", es: "en espera" }
    fn label_away() { en: "away", es: "ausentes" }
    fn label_lost() { en: "lost", es: "perdidos" }
    fn label_security() { en: "security", es: "seguridad" }
    fn security_required() { en: "required", es: "exigida" }
    fn security_permissive() { en: "permissive", es: "permisiva" }
    fn security_off() { en: "off", es: "apagada" }
    fn certificate_ends(mode, cluster, left) {
        en: "{mode}; member of {cluster}, with a certificate for {left} more",
        es: "{mode}; miembro de {cluster}, con un certificado para {left} más"
    }
    fn certificate_has_ended(mode, cluster) {
        en: "{mode}; member of {cluster}, but the certificate has ended: it is renewed as soon as a tracker answers",
        es: "{mode}; miembro de {cluster}, pero el certificado ha caducado: se renueva en cuanto responda un tracker"
    }
    fn not_renewed(why) {
        en: "the certificate could not be renewed: {why}",
        es: "no se pudo renovar el certificado: {why}"
    }
    fn label_apart() { en: "apart", es: "aparte" }
    fn publications_wait(count) {
        en: ["1 publication waits", "{count} publications wait"],
        es: ["1 publicación espera", "{count} publicaciones esperan"]
    }
    fn kept_apart(contents, bytes, waiting, network) {
        en: "{contents} with {bytes} of network {network}, {waiting}",
        es: "{contents} con {bytes} de la red {network}, {waiting}"
    }
    fn kept_apart_means() {
        en: "no tracker of this network is told of them, and nothing of them is deleted; back in their network everything is as it was, and if that is gone for good, `peer adopt-network` publishes their names in this one",
        es: "ningún tracker de esta red sabe de ellos, y nada de ellos se borra; de vuelta en su red todo está como estaba, y si esa ya no existe, `peer adopt-network` publica sus nombres en esta"
    }
    fn label_version() { en: "version", es: "versión" }
    fn run(peer, incarnation) { en: "{peer} (run {incarnation})", es: "{peer} (arranque {incarnation})" }
    fn used(used, capacity) { en: "{used} of {capacity} used", es: "{used} de {capacity} en uso" }
    fn traffic(sent, received) { en: "{sent} sent, {received} received", es: "{sent} enviados, {received} recibidos" }
    fn traffic_wasted(sent, received, wasted) {
        en: "{sent} sent, {received} received, {wasted} of it wasted",
        es: "{sent} enviados, {received} recibidos, {wasted} desperdiciados"
    }
    fn limits(upload, download) { en: "upload {upload}, download {download}", es: "envío {upload}, descarga {download}" }
    fn unlimited() { en: "unlimited", es: "sin límite" }
    fn change_limits() { en: "change the node's limits", es: "cambiar los límites del nodo" }
    fn version(version, uptime) { en: "{version}, up {uptime}", es: "{version}, en marcha {uptime}" }
    fn label_refused() { en: "refused", es: "rechazado" }
    fn publications_refused(count) {
        en: "{count} by the tracker; `peer list --local` says why",
        es: "{count} por el tracker; `peer list --local` dice por qué"
    }
    fn to_be_published(count) { en: "{count} to be published", es: "{count} por publicar" }
    fn nothing_read_again() { en: "not begun yet", es: "aún no ha empezado" }
    fn read_again(done, total, found) {
        en: "{done} of {total} read again, {found}",
        es: "{done} de {total} releídos, {found}"
    }
    // Faults of sources.
    fn fault(peer, address, kind, when) {
        en: "{peer} at {address} {kind}; {when}",
        es: "{peer} en {address} {kind}; {when}"
    }
    fn fault_at_rate(kind, rate) { en: "{kind}, {rate}", es: "{kind}, a {rate}" }
    fn ago(elapsed) { en: "{elapsed} ago", es: "hace {elapsed}" }
    fn times_ago(times, elapsed) {
        en: "{times} times, the last {elapsed} ago",
        es: "{times} veces, la última hace {elapsed}"
    }

    // Scrubbing and verifying.
    fn nothing_damaged() { en: "nothing damaged", es: "nada dañado" }
    fn damaged_withdrawn(count) {
        en: ["1 damaged fragment withdrawn", "{count} damaged fragments withdrawn"],
        es: ["1 fragmento dañado retirado", "{count} fragmentos dañados retirados"]
    }

    // Names and copies.
    fn removed(name, revision) {
        en: "removed {name} for everyone, revision {revision}",
        es: "retirado {name} para todos, revisión {revision}"
    }
    fn never_published(name) {
        en: "{name} was never published; its pending publication is cancelled",
        es: "{name} nunca se publicó; se ha cancelado su publicación pendiente"
    }
    fn rename(from, to) { en: "rename {from} to {to}", es: "renombrar {from} como {to}" }
    fn renamed(from, to, revision) {
        en: "renamed {from} to {to} for everyone, revision {revision}",
        es: "renombrado {from} como {to} para todos, revisión {revision}"
    }
    fn forget(content) { en: "forget {content}", es: "olvidar {content}" }
    fn forgot(content, freed) { en: "forgot {content}, {freed} became free", es: "olvidado {content}, {freed} libres" }
    fn local_list_shows() {
        en: "`peer list --local` lists what this node holds",
        es: "`peer list --local` lista lo que hay en este nodo"
    }
    fn locate(content) { en: "locate {content}", es: "localizar {content}" }
    fn verify_held() { en: "verify what the node holds", es: "verificar lo que hay en el nodo" }
    fn verifying() { en: "verifying", es: "verificando" }
    fn damaged_so_far(count) { en: ["1 damaged", "{count} damaged"], es: ["1 dañado", "{count} dañados"] }
    fn verified_all(length) { en: "verified {length}, nothing is damaged", es: "verificados {length}, nada está dañado" }
    fn verified_some(length, missing) {
        en: "verified {length}, nothing is damaged, but {missing} of it is not here; `peer get` fetches what is missing",
        es: "verificados {length}, nada está dañado, pero {missing} no está aquí; `peer get` descarga lo que falta"
    }
    fn damaged_and_missing(withdrawn, missing) {
        en: "{withdrawn}, and {missing} of it is not here",
        es: "{withdrawn}, y {missing} no está aquí"
    }
    fn verified_damaged(length, withdrawn) {
        en: "verified {length}: {withdrawn}; replicas come back from other peers, `peer get` restores a fetched file",
        es: "verificados {length}: {withdrawn}; las réplicas vuelven desde otros nodos, `peer get` restaura un archivo descargado"
    }

    // Reaching a node.
    fn look_for_node() { en: "look for a running node", es: "buscar un nodo en marcha" }
    fn reach_a_node() { en: "reach a node", es: "alcanzar un nodo" }
    fn reach_node_at(address) { en: "reach the node at {address}", es: "alcanzar el nodo en {address}" }
    fn none_runs(directory) {
        en: "no node runs on {directory}; start one with `peer serve`, or name another with --data-dir or --peer",
        es: "en {directory} no funciona ningún nodo; arranque uno con `peer serve`, o indique otro con --data-dir o --peer"
    }
    fn ask_for_settings() { en: "ask the node for its settings", es: "preguntar al nodo por sus ajustes" }
    fn settings_in_force(directory) {
        en: "these are in force in the node that runs on {directory}",
        es: "estos están en vigor en el nodo que funciona en {directory}"
    }
    fn settings_in_force_at(address) {
        en: "these are in force in the node at {address}",
        es: "estos están en vigor en el nodo en {address}"
    }
    fn settings_of_a_start(why) {
        en: "{why}; a start with the same flags, file and environment would use these",
        es: "{why}; un arranque con las mismas opciones, archivo y entorno usaría estos"
    }
    fn no_node_runs_on(directory) {
        en: "no node runs on {directory}",
        es: "en {directory} no funciona ningún nodo"
    }
    fn node_is_silent() { en: "the node does not answer", es: "el nodo no responde" }
    fn node_of_another_user(directory) {
        en: "a node of another user runs on {directory}; run the command as that user, or name your own node with --data-dir or --peer",
        es: "en {directory} funciona un nodo de otro usuario; dé la orden como ese usuario, o indique su propio nodo con --data-dir o --peer"
    }
    fn directory_of_another_user(directory) {
        en: "the data directory {directory} cannot be read by this user; run the command as its owner, or name your own node with --data-dir or --peer",
        es: "este usuario no puede leer el directorio de datos {directory}; dé la orden como su dueño, o indique su propio nodo con --data-dir o --peer"
    }
    fn check_that_it_runs() {
        en: "check that it runs and that the address is a peer's",
        es: "compruebe que funciona y que la dirección es la de un nodo"
    }
    fn check_that_it_runs_there() {
        en: "check that it runs there, or name another with --webserver, --tracker or --join",
        es: "compruebe que funciona allí, o indique otro con --webserver, --tracker o --join"
    }
    fn run_a_node() { en: "run a node", es: "arrancar un nodo" }

    // Revisions and values.
    fn title_when() { en: "WHEN", es: "CUÁNDO" }

    fn show_history(name) { en: "show the history of {name}", es: "mostrar la historia de {name}" }
    fn pin(revision) { en: "pin {revision}", es: "fijar {revision}" }
    fn unpin(revision) { en: "unpin {revision}", es: "soltar {revision}" }
    fn history_shows() {
        en: "`peer history NAME` lists the revisions",
        es: "`peer history NOMBRE` lista las revisiones"
    }
    fn unpinned_line(revision) {
        en: "unpinned {revision}: its content will be collected unless something else keeps it",
        es: "suelta {revision}: su contenido se recogerá, salvo que otra cosa lo guarde"
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
    fn value_too_long(most) {
        en: "it has more than {most}; add it as a file",
        es: "tiene más de {most}; añádalo como archivo"
    }
}

/// Returns the word for the degree to which a network is secured.
pub(crate) fn security_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => security_off(),
        Mode::Permissive => security_permissive(),
        Mode::Required => security_required(),
    }
}
