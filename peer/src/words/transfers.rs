//! Adding, fetching and sending: progress, results and plans.

use shared::collection::{EntryFault, Unsupported};

/// Returns the entries that are left out, each with its fault, and the number of those that are not named.
#[must_use]
pub(crate) fn faulty_entries(unsupported: &Unsupported) -> String {
    let entry =
        |(path, fault): &(String, EntryFault)| entry_and_fault(format_args!("{path:?}"), entry_fault(*fault));
    let named: Vec<_> = unsupported.first.iter().map(entry).collect();
    match unsupported.unnamed() {
        0 => named.join("; "),
        more => and_more(named.join("; "), more),
    }
}

fn entry_fault(fault: EntryFault) -> &'static str {
    match fault {
        EntryFault::NotUtf8 => fault_not_utf8(),
        EntryFault::Special => fault_special(),
        EntryFault::Unreadable => fault_unreadable(),
        EntryFault::Vanished => fault_vanished(),
        EntryFault::Changing => fault_changing(),
        EntryFault::Name => fault_name(),
        EntryFault::TooLong => fault_too_long(),
        EntryFault::TooDeep => fault_too_deep(),
        EntryFault::Case => fault_case(),
        EntryFault::Link => fault_link(),
        EntryFault::Dangling => fault_dangling(),
        EntryFault::Loop => fault_loop(),
        EntryFault::OwnData => fault_own_data(),
        EntryFault::Unfinished => fault_unfinished(),
        EntryFault::Other => fault_other(),
    }
}

shared::messages! {
    fn copy_leaves(name) {
        en: "no node runs here: the copy of {name} on this machine counts for nothing, and leaves with this command",
        es: "aquí no hay un nodo en marcha: la copia de {name} en esta máquina no cuenta, y se va con esta orden"
    }
    fn copy_left(name) {
        en: "the copy of {name} on this machine left with this command; `peer serve` brings it back",
        es: "la copia de {name} en esta máquina se fue con esta orden; `peer serve` la trae de vuelta"
    }
    fn may_be_published(name) {
        en: "{name} may be published all the same; `peer remove {name}` takes it back",
        es: "es posible que {name} se publique igualmente; `peer remove {name}` lo retira"
    }
    fn stays_published(name) {
        en: "{name} is published and stays so; `peer remove {name}` takes it back",
        es: "{name} está publicado y sigue así; `peer remove {name}` lo retira"
    }
    // Progress.
    fn hashing(name) { en: "hashing {name}", es: "leyendo {name}" }
    fn receiving(name) { en: "receiving {name}", es: "recibiendo {name}" }
    fn bytes_so_far(bytes, rate) { en: "{bytes} so far, {rate}/s", es: "{bytes} hasta ahora, {rate}/s" }
    fn replicating(name) { en: "replicating {name}", es: "replicando {name}" }
    fn fetching(name) { en: "fetching {name}", es: "descargando {name}" }
    fn fragments_done(done, total) { en: "{done} of {total} fragments", es: "{done} de {total} fragmentos" }
    fn bytes_done(percent, total, rate) { en: "{percent}% of {total}, {rate}/s", es: "{percent} % de {total}, {rate}/s" }
    fn with_time_left(line, time) { en: "{line}, {time} left", es: "{line}, quedan {time}" }
    fn asking_network(name) { en: "asking the network for {name}", es: "preguntando a la red por {name}" }
    fn adding(name) { en: "adding {name}", es: "añadiendo {name}" }
    fn publishing(name) { en: "publishing {name}", es: "publicando {name}" }
    fn fewest_of(fewest, target) { en: "each has at least {fewest} of {target}", es: "cada uno tiene al menos {fewest} de {target}" }
    fn writing_files(done, total) {
        en: "writing files, {done} of {total}",
        es: "escribiendo archivos, {done} de {total}"
    }
    fn files_done(percent, done, total) {
        en: "{percent}%, writing files, {done} of {total}",
        es: "{percent} %, escribiendo archivos, {done} de {total}"
    }
    fn looking_at_disk() { en: "looking at what is there", es: "mirando lo que hay" }
    fn phase_connecting() { en: "connecting", es: "conectando" }
    fn sources(count) { en: ["1 source", "{count} sources"], es: ["1 fuente", "{count} fuentes"] }

    // The sources of a fetch.
    fn source_asked(address, fragments, name) {
        en: "asking {address} for fragments {fragments} of {name} …",
        es: "pidiendo a {address} los fragmentos {fragments} de {name} …"
    }
    fn source_asked_for_one(address, fragment, name) {
        en: "asking {address} for fragment {fragment} of {name} …",
        es: "pidiendo a {address} el fragmento {fragment} de {name} …"
    }
    fn source_asked_for(address, name) { en: "asking {address} for {name} …", es: "pidiendo {name} a {address} …" }
    fn source_connecting(address, name) {
        en: "connecting to {address} for {name} …",
        es: "conectando con {address} para {name} …"
    }
    fn source_idle(address, name) {
        en: "connected to {address} for {name} …",
        es: "conectado con {address} para {name} …"
    }
    fn source_gone(address, name) { en: "{address} has gone from {name} …", es: "{address} ya no da {name} …" }
    fn source_received(doing, given) { en: "{doing} received {given}", es: "{doing} recibido {given}" }
    fn given_by(address, given) { en: "{address} … {given}", es: "{address} … {given}" }
    fn given(fragments, bytes) { en: "{fragments}, {bytes}", es: "{fragments}, {bytes}" }
    fn received_from(address, name, given) {
        en: "asked {address} for {name} … received {given}",
        es: "pedido {name} a {address} … recibido {given}"
    }
    fn and_more_peers(peers) { en: "and from {peers} more", es: "y de {peers} más" }

    // Adding.
    fn sharing(name, length, fragments, id) {
        en: "sharing {name}: {length} in {fragments}\nid {id}",
        es: "compartiendo {name}: {length} en {fragments}\nid {id}"
    }
    fn no_fragments() { en: "no fragments", es: "ningún fragmento" }
    fn fragments_of(fragments, size) { en: "{fragments} of {size}", es: "{fragments} de {size}" }
    fn files_in_fragments(files, fragments, contents) {
        en: "{files} ({fragments} of {contents})",
        es: "{files} ({fragments} de {contents})"
    }
    fn only_of_directories() {
        en: "it is no directory, and --include, --exclude, --links, --case and --skip-unsupported choose the entries of one",
        es: "no es un directorio, y --include, --exclude, --links, --case y --skip-unsupported eligen las entradas de uno"
    }
    fn nothing_to_replace() {
        en: "--force replaces files, and the output is no file",
        es: "--force reemplaza archivos, y la salida no es un archivo"
    }
    fn waits_for_connection() {
        en: "shared here; will be published when the node is connected",
        es: "compartido aquí; se publicará cuando el nodo esté conectado"
    }
    fn published_as(name, revision, replicas) {
        en: "published as {name}, revision {revision}, {replicas} wanted",
        es: "publicado como {name}, revisión {revision}, con el objetivo de {replicas}"
    }
    fn all_replicated(replicas) {
        en: "replicated: every fragment has {replicas}",
        es: "replicado: cada fragmento tiene {replicas}"
    }
    fn metadata_stay(name, path) {
        en: "{name} has these bytes already, and keeps its mode, time and holes; --update gives it those of {path}",
        es: "{name} ya tiene estos bytes, y conserva su modo, fecha y huecos; --update le da los de {path}"
    }
    fn update_or_rename() {
        en: "--update binds the name anew, --name chooses another",
        es: "--update da el nombre a este contenido, --name elige otro"
    }
    fn too_few_peers(replicas, peers) {
        en: "{replicas} are wanted, and the network has {peers} that can keep one: the rest come when more peers do",
        es: "se piden {replicas}, y la red tiene {peers} que puedan guardar una: las demás llegarán con más nodos"
    }
    fn known_only_in_fragments(size) {
        en: "the network knows this content in fragments of {size}; add it with that --fragment-length",
        es: "la red conoce este contenido en fragmentos de {size}; añádalo con ese --fragment-length"
    }
    fn known_in_other_fragments(what, length) {
        en: "{what} is known already, in fragments of {length}; --fragment-length changes nothing for it",
        es: "{what} ya se conoce, en fragmentos de {length}; --fragment-length no cambia nada para él"
    }
    fn cannot_wait_offline(path) {
        en: "cannot wait for replicas of {path}: the node is not connected; name a network with --webserver or --tracker, or add without --wait",
        es: "no se pueden esperar las réplicas de {path}: el nodo no está conectado; indique una red con --webserver o --tracker, o añádalo sin --wait"
    }
    fn no_node_to_share(directory) {
        en: "no node runs on {directory} to share it; start one with `peer serve`, or add with --wait to run one until the replicas exist",
        es: "en {directory} no funciona ningún nodo que lo comparta; arranque uno con `peer serve`, o añádalo con --wait para que funcione uno hasta que estén las réplicas"
    }
    fn no_answer_to_add() {
        en: "the node ended the call without an answer; its log says why",
        es: "el nodo terminó la llamada sin respuesta; su registro dice por qué"
    }
    fn cannot_replicate(name, why) {
        en: "cannot replicate {name}: {why}; `peer why {name}` says what it waits for while a node serves it",
        es: "no se puede replicar {name}: {why}; `peer why {name}` dice a qué espera mientras un nodo lo sirva"
    }
    fn cannot_replicate_within(name, limit, why) {
        en: "cannot replicate {name} within {limit}: {why}; `peer why {name}` says what it waits for while a node serves it",
        es: "no se puede replicar {name} en {limit}: {why}; `peer why {name}` dice a qué espera mientras un nodo lo sirva"
    }
    fn published_so_far(done, total, replicas, least) {
        en: "it is published, {done} of {total} fragments have their {replicas}, {least}",
        es: "está publicado, {done} de {total} fragmentos tienen sus {replicas}, {least}"
    }
    fn published_unknown() {
        en: "it is published, and nothing is known of its replicas yet",
        es: "está publicado, y aún no se sabe nada de sus réplicas"
    }
    fn shared_unpublished() {
        en: "it is shared here, and not published yet",
        es: "está compartido aquí, y aún no está publicado"
    }
    fn path_not_utf8() {
        en: "its path is not UTF-8; rename it or add it by another path",
        es: "su ruta no es UTF-8; cámbiele el nombre o añádalo por otra ruta"
    }
    fn neither_file_nor_directory() {
        en: "it is neither a regular file nor a directory",
        es: "no es ni un archivo normal ni un directorio"
    }
    fn no_such_file() { en: "there is no such file", es: "el archivo no existe" }
    fn choose_with_name(error) { en: "{error}; choose a name with --name", es: "{error}; elija un nombre con --name" }

    fn standard_input() { en: "standard input", es: "la entrada estándar" }
    fn input_has_no_name() {
        en: "it has no name; choose one with --name",
        es: "no tiene nombre; elija uno con --name"
    }
    fn read_once_whole() {
        en: "it is read once and published whole, so --dry-run, --include and --exclude have no effect on it",
        es: "se lee una sola vez y se publica entera, así que --dry-run, --include y --exclude no tienen efecto"
    }
    fn reading_the_terminal() {
        en: "reading standard input from the terminal; Ctrl-D on a line of its own ends it",
        es: "leyendo la entrada estándar de la terminal; Ctrl-D en una línea vacía la termina"
    }
    fn no_thread(error) { en: "cannot start a thread: {error}", es: "no se puede arrancar un hilo: {error}" }

    // Fetching.
    fn get(content) { en: "get {content}", es: "descargar {content}" }
    fn fetching_amount(name, length, fragments) {
        en: "fetching {name}: {length} in {fragments}",
        es: "descargando {name}: {length} en {fragments}"
    }
    fn here_already(line, percent) {
        en: "{line}, {percent}% of it is here already",
        es: "{line}, el {percent} % ya está aquí"
    }
    fn kept_so_far(how_far, content) {
        en: "{how_far} of {content} is kept; run the same command again to continue",
        es: "se conserva el {how_far} de {content}; ejecute otra vez la misma orden para continuar"
    }
    fn fetched(name, output, length, elapsed, how) {
        en: "fetched {name} to {output}: {length} in {elapsed}, {how}",
        es: "descargado {name} en {output}: {length} en {elapsed}, {how}"
    }
    fn written(name, length, elapsed, how) {
        en: "fetched {name}: {length} in {elapsed}, {how}",
        es: "descargado {name}: {length} en {elapsed}, {how}"
    }
    fn output_is_the_file() {
        en: "standard output carries only the file, so --json, --include and --exclude cannot be used with --output -",
        es: "la salida estándar solo lleva el archivo, así que --json, --include y --exclude no pueden ir con --output -"
    }
    fn nothing_had_to_be_fetched() { en: "nothing had to be fetched", es: "no hubo que descargar nada" }
    fn rate_from(rate, peers) { en: "{rate}/s from {peers}", es: "{rate}/s de {peers}" }
    fn rate_from_wasted(rate, peers, wasted) {
        en: "{rate}/s from {peers}, {wasted} of it wasted",
        es: "{rate}/s de {peers}, {wasted} desperdiciados"
    }
    fn no_result_of_get() {
        en: "the node ended the call without a result; its log says why",
        es: "el nodo terminó la llamada sin resultado; su registro dice por qué"
    }
    fn nothing_came(elapsed, percent) {
        en: "nothing arrived for {elapsed}; {percent}% is kept, run the same command again to continue",
        es: "no llegó nada en {elapsed}; se conserva el {percent} %, ejecute otra vez la misma orden para continuar"
    }
    fn nothing_came_because(elapsed, why, percent) {
        en: "nothing arrived for {elapsed} ({why}); {percent}% is kept, run the same command again to continue",
        es: "no llegó nada en {elapsed} ({why}); se conserva el {percent} %, ejecute otra vez la misma orden para continuar"
    }
    fn holders_out_of_reach(failures) {
        en: "holders exist but cannot be reached: {failures}",
        es: "hay nodos que lo tienen, pero no se alcanzan: {failures}"
    }
    fn nobody_has(fragments, total) {
        en: "no live peer has {fragments} of its {total} fragments",
        es: "ningún nodo vivo tiene {fragments} de sus {total} fragmentos"
    }
    fn nobody_has_some() {
        en: "no live peer has some of its fragments",
        es: "ningún nodo vivo tiene algunos de sus fragmentos"
    }
    fn away(peer, address, state) { en: "{peer} at {address} ({state})", es: "{peer} en {address} ({state})" }
    fn those_away(what, peers) {
        en: "{what}; absent peers that may have them: {peers}",
        es: "{what}; nodos ausentes que pueden tenerlos: {peers}"
    }
    fn none_away(what) {
        en: "{what}, and the tracker knows of no absent peer; publish it again",
        es: "{what}, y el tracker no conoce ningún nodo ausente; publíquelo otra vez"
    }
    fn status_and_network_show() {
        en: "`peer status` shows the state of the node, `peer network` the peers",
        es: "`peer status` muestra el estado del nodo, `peer network` los demás"
    }
    fn write_to(path) { en: "write to {path}", es: "escribir en {path}" }
    fn output_not_utf8() {
        en: "the path is not UTF-8; choose another with --output",
        es: "la ruta no es UTF-8; elija otra con --output"
    }
    fn no_such_directory() {
        en: "there is no such directory; create it first, or choose another place with --output",
        es: "el directorio no existe; créelo antes, o elija otro lugar con --output"
    }
    fn look_at_the_disk() { en: "read the disk", es: "leer el disco" }
    fn unanswered(time) {
        en: "the network has not answered for {time} where it is; `peer status` says whether the node has a tracker",
        es: "la red no ha dicho en {time} dónde está; `peer status` dice si el nodo tiene un tracker"
    }
    fn remove_the_value(name) {
        en: "that is the key of a value; `peer remove {name}` removes it",
        es: "eso es la clave de un valor; `peer remove {name}` lo retira"
    }
    fn list_shows_names() { en: "`peer list` shows the names", es: "`peer list` muestra los nombres" }
    fn force_or_output() {
        en: "--force replaces it, --output chooses another place",
        es: "--force lo reemplaza, --output elige otro lugar"
    }
    fn make_room() {
        en: "make room, or choose another place with --output",
        es: "haga sitio, o elija otro lugar con --output"
    }
    fn verified_is_kept() {
        en: "run the same command again; verified bytes are kept",
        es: "ejecute otra vez la misma orden; lo verificado se conserva"
    }

    // `--dry-run`.
    fn bound_to_another(name) {
        en: "{name} is bound to another content",
        es: "{name} es ya el nombre de otro contenido"
    }
    fn left_out(count, entries) {
        en: ["left out 1 entry: {entries}", "left out {count} entries: {entries}"],
        es: ["omitida 1 entrada: {entries}", "omitidas {count} entradas: {entries}"]
    }
    fn would_leave_out(count, entries) {
        en: ["1 entry would be left out: {entries}", "{count} entries would be left out: {entries}"],
        es: ["se omitiría 1 entrada: {entries}", "se omitirían {count} entradas: {entries}"]
    }
    fn entry_and_fault(path, fault) { en: "{path} ({fault})", es: "{path} ({fault})" }
    fn and_more(entries, count) { en: "{entries}; and {count} more", es: "{entries}; y {count} más" }
    fn fault_not_utf8() { en: "a name that is not UTF-8", es: "un nombre que no es UTF-8" }
    fn fault_special() { en: "a device, a pipe or a socket", es: "un dispositivo, una tubería o un socket" }
    fn fault_unreadable() { en: "it cannot be read", es: "no se puede leer" }
    fn fault_vanished() { en: "it was removed meanwhile", es: "se borró entretanto" }
    fn fault_changing() { en: "it changes while it is read", es: "cambia mientras se lee" }
    fn fault_name() { en: "its name has control characters", es: "su nombre tiene caracteres de control" }
    fn fault_too_long() { en: "its path is too long", es: "su ruta es demasiado larga" }
    fn fault_too_deep() { en: "it lies too deep", es: "está a demasiada profundidad" }
    fn fault_case() {
        en: "another name beside it differs only in case",
        es: "junto a él hay otro nombre que solo difiere en mayúsculas"
    }
    fn fault_link() { en: "a link that leads outside", es: "un enlace que lleva fuera" }
    fn fault_dangling() { en: "a link that leads nowhere", es: "un enlace que no lleva a ninguna parte" }
    fn fault_loop() {
        en: "a link to a directory that it lies in",
        es: "un enlace a un directorio que lo contiene"
    }
    fn fault_own_data() { en: "a data directory of a node or tracker", es: "un directorio de datos de un nodo o tracker" }
    fn fault_unfinished() {
        en: "a file that a get is writing, or left unfinished",
        es: "un archivo que un get está escribiendo, o dejó sin terminar"
    }
    fn fault_other() { en: "for another reason", es: "por otra razón" }
    fn read(path) { en: "read {path}", es: "leer {path}" }
    fn nothing_of_that_name() {
        en: "nothing has that name or id",
        es: "nada tiene ese nombre o id"
    }
    fn within_limit(time) {
        en: ", in at least {time} with the node's limit",
        es: ", en al menos {time} con el límite del nodo"
    }
    fn in_unknown_time() {
        en: ", in an unknown time: the node has no limit, and its lines have not been measured",
        es: ", en un tiempo desconocido: el nodo no tiene límite y sus líneas no se han medido"
    }
    fn would_publish(path, name, what) {
        en: "would publish {path} as {name}: {what}, shared in place",
        es: "se publicaría {path} como {name}: {what}, compartido donde está"
    }
    fn amount_in(length, pieces) { en: "{length} in {pieces}", es: "{length} en {pieces}" }
    fn bound_already() {
        en: "the name is bound to this content already",
        es: "el nombre ya es de este contenido"
    }
    fn no_longer_stands(bound) {
        en: "the name would no longer be bound to {bound}",
        es: "el nombre dejaría de ser de {bound}"
    }
    fn no_node_could_tell() {
        en: "no node runs here to tell which part is in the network already",
        es: "aquí no funciona ningún nodo que diga qué parte está ya en la red"
    }
    fn other_live_peers(count) {
        en: ["1 other live peer", "{count} other live peers"],
        es: ["1 nodo vivo más", "{count} nodos vivos más"]
    }
    fn would_send(moved, some, replicas, there, time) {
        en: "would send {moved} to some of {some}, for {replicas}{there}{time}",
        es: "se enviarían {moved} a algunos de {some}, para {replicas}{there}{time}"
    }
    fn there_already(replicas) { en: "; {replicas} there already", es: "; ya hay {replicas}" }
    fn would_fetch(name, output, length, here) {
        en: "would fetch {name} to {output}: {length}, {here} of it here",
        es: "se descargaría {name} en {output}: {length}, de los que {here} ya están aquí"
    }
    fn would_fetch_part(name, output, what) {
        en: "would fetch {name} to {output}: {what}, by its directory's catalog, which is here now",
        es: "se descargaría {name} en {output}: {what}, según el catálogo de su directorio, que ya está aquí"
    }
    fn would_move(moved, peers, time) {
        en: "would fetch {moved} from {peers}{time}",
        es: "se traerían {moved} de {peers}{time}"
    }
    fn would_write(written, free) {
        en: "would write {written} there, where {free} are free",
        es: "se escribirían {written} allí, donde quedan {free} libres"
    }
    fn does_not_fit(needed, free) {
        en: "it needs {needed} at its output, where {free} are free",
        es: "necesita {needed} en su destino, donde quedan {free} libres"
    }
    fn would_wait() {
        en: "part of it can be read from no peer now: a fetch would wait",
        es: "una parte no se puede leer ahora de ningún nodo: habría que esperar"
    }
    fn source_line(peer, address, state, fragments, length) {
        en: "  {peer} at {address}, {state}: {fragments}, {length}",
        es: "  {peer} en {address}, {state}: {fragments}, {length}"
    }

    // `send` and `receive`.
    fn send(path) { en: "send {path}", es: "enviar {path}" }
    fn receive(name) { en: "receive {name}", es: "recibir {name}" }
    fn node_of_send_ended(name) {
        en: "the node has ended, and {name} can no longer be received; `send` again, or with --keep",
        es: "el nodo ha acabado, y ya no se puede recibir {name}; use `send` otra vez, o con --keep"
    }
    fn line_has_expired() {
        en: "the line has expired: its `peer send` has ended, and no name leads to the content any more; ask for a new line",
        es: "la línea ha caducado: su `peer send` ha acabado, y ningún nombre lleva ya al contenido; pida una línea nueva"
    }
    fn can_be_received(length) {
        en: "it can be received for {length}, while this command runs",
        es: "se puede recibir durante {length}, mientras siga esta orden"
    }
    fn no_longer_received(name) {
        en: "{name} can no longer be received; `send` again, or with --keep",
        es: "{name} ya no se puede recibir; repita `send`, o con --keep"
    }
    fn cannot_send_offline() {
        en: "cannot send: the node is not connected to a network; name one with --webserver or --tracker",
        es: "no se puede enviar: el nodo no está conectado a ninguna red; indique una con --webserver o --tracker"
    }
    fn cannot_send_now(reason) {
        en: "cannot send: the node has lost its tracker and looks for it ({reason}); try again when it is back",
        es: "no se puede enviar: el nodo ha perdido su tracker y lo está buscando ({reason}); inténtelo cuando vuelva"
    }
    fn waits_for_the_tracker(reason) {
        en: "waiting a moment for the tracker: {reason}",
        es: "esperando un momento al tracker: {reason}"
    }
    fn tracker_went_away() {
        en: "the tracker went away; the publication follows when it is back",
        es: "el tracker se ha ido; se publicará cuando vuelva"
    }
    fn on_another_machine(length) {
        en: "{length}; on another machine: peer receive LINE",
        es: "{length}; en otra máquina: peer receive LÍNEA"
    }
    fn only_on_this_machine(address) {
        en: "{address} works only on this machine; name another address with --webserver",
        es: "{address} solo vale en esta máquina; indique otra dirección con --webserver"
    }
    fn removal_failed(name) {
        en: "{name} could not be removed; `peer remove {name}` does when the tracker is back",
        es: "no se pudo retirar {name}; `peer remove {name}` lo hará cuando vuelva el tracker"
    }
}
