//! The interactive menu.

shared::messages! {
    // The options: the letter that chooses one, and what it does.
    fn option_connect() { en: "c  connect to a network", es: "c  conectar con una red" }
    fn option_add() { en: "a  add a file or a directory", es: "a  añadir un archivo o directorio" }
    fn option_remove() { en: "r  remove a name for everyone", es: "r  retirar un nombre para todos" }
    fn option_local() { en: "l  list what this peer holds", es: "l  lista de lo que hay en este nodo" }
    fn option_network() { en: "n  list the network's files", es: "v  ver los archivos de la red" }
    fn option_find() { en: "f  find and fetch a file", es: "b  buscar y descargar un archivo" }
    fn option_peers() { en: "p  show the network's peers", es: "n  nodos de la red" }
    fn option_status() { en: "s  show this peer's status", es: "e  estado de este nodo" }
    fn option_leave() { en: "d  leave the network", es: "d  dejar la red" }
    fn option_exit() { en: "q  exit", es: "s  salir" }
    fn option_help() { en: "h  show this menu", es: "m  mostrar este menú" }
    fn no_option(line) {
        en: "{line} is not an option; type a number from 0 to 9 or its letter, ? shows them",
        es: "{line} no es una opción; escriba un número de 0 a 9 o su letra, ? las muestra"
    }

    // The beginning and the end.
    fn this_peer(version, peer, address) {
        en: "Enjambre {version}\npeer {peer} at {address}",
        es: "Enjambre {version}\nnodo {peer} en {address}"
    }
    fn runs_with_the_menu() {
        en: "This peer runs for as long as the menu is open.",
        es: "Este nodo funciona mientras el menú esté abierto."
    }
    fn runs_already(directory) {
        en: "This is the peer that already runs on {directory}; it keeps running after the menu.",
        es: "Este es el nodo que ya funciona en {directory}; seguirá funcionando después del menú."
    }
    fn stopping() { en: "stopping", es: "parando" }
    fn ask_leave(transfers) {
        en: "{transfers} under way; leave anyway?",
        es: "{transfers} en curso; ¿salir de todos modos?"
    }
    fn lost_peer() {
        en: "the peer does not answer any more; start it again with `peer serve`, or leave with 0 and open the menu again",
        es: "el nodo ya no responde; arránquelo otra vez con `peer serve`, o salga con 0 y vuelva a abrir el menú"
    }
    fn found_peer(address) {
        en: "now talking to the peer at {address}",
        es: "ahora se habla con el nodo en {address}"
    }
    fn cannot_open_menu(error) { en: "cannot open the menu: {error}", es: "no se puede abrir el menú: {error}" }
    fn yes_or_no(question) { en: "{question} [y/N] ", es: "{question} [s/N] " }

    // The prompt.
    fn no_answer() { en: "no answer from the peer", es: "el nodo no responde" }
    fn offline() { en: "offline", es: "sin conexión" }
    fn connecting() { en: "connecting", es: "conectando" }
    fn connected() { en: "connected", es: "conectado" }
    fn connected_with(tracker) { en: "connected {tracker}", es: "conectado {tracker}" }

    // Connecting.
    fn ask_entry(default) {
        en: "webserver HOST:PORT, or tracker HOST:PORT [{default}]: ",
        es: "webserver HOST:PUERTO, o tracker HOST:PUERTO [{default}]: "
    }
    fn bad_entry(text) {
        en: "{text} is not an address; type HOST:PORT of a webserver, or tracker HOST:PORT",
        es: "{text} no es una dirección; escriba HOST:PUERTO de un servidor web, o tracker HOST:PUERTO"
    }
    fn connecting_to(entry) { en: "connecting to {entry}", es: "conectando con {entry}" }
    fn connected_to(tracker, epoch) {
        en: "connected to the tracker at {tracker}, epoch {epoch}",
        es: "conectado con el tracker en {tracker}, época {epoch}"
    }
    fn connect_to(entry) { en: "connect to {entry}", es: "conectar con {entry}" }
    fn webserver_at(address) { en: "the webserver at {address}", es: "el servidor web en {address}" }
    fn peer_at(address) { en: "the network of the peer at {address}", es: "la red del nodo en {address}" }
    fn tracker_at(address) { en: "the tracker at {address}", es: "el tracker en {address}" }
    fn that_is_a_tracker(address) {
        en: "that is a tracker; use --tracker {address} (in the menu: tracker {address})",
        es: "eso es un tracker; use --tracker {address} (en el menú: tracker {address})"
    }
    fn that_is_a_webserver(address) {
        en: "that is a webserver; use --webserver {address} (in the menu: webserver {address})",
        es: "eso es un servidor web; use --webserver {address} (en el menú: webserver {address})"
    }
    fn that_is_a_peer(address) {
        en: "that is a peer; use --join {address}",
        es: "eso es un nodo; use --join {address}"
    }
    fn connects_in_background() {
        en: "trying again in the background, 9 gives up",
        es: "se sigue intentando en segundo plano, con 9 se abandona"
    }
    fn connect_goes_on() {
        en: "going on in the background; 9 gives up",
        es: "sigue en segundo plano; con 9 se abandona"
    }
    fn published_waiting(count) {
        en: ["published 1 file that waited for a connection", "published {count} files that waited for a connection"],
        es: ["publicado 1 archivo que esperaba una conexión", "publicados {count} archivos que esperaban una conexión"]
    }
    fn some_still_wait(published, left) {
        en: "{published}, {left} still waiting; 4 lists them",
        es: "{published}, {left} siguen esperando; con 4 se ven"
    }
    fn leave_the_network() { en: "leave the network", es: "dejar la red" }
    fn left_the_network() {
        en: "left the network; what this peer holds stays here",
        es: "fuera de la red; lo que hay en este nodo se queda aquí"
    }

    // Lists.
    fn holds_nothing() {
        en: "this peer holds nothing yet; 2 adds a file, 6 fetches one",
        es: "en este nodo aún no hay nada; con 2 se añade un archivo, con 6 se descarga"
    }
    fn network_is_empty() {
        en: "the network has no files yet; 2 adds one",
        es: "en la red aún no hay archivos; con 2 se añade uno"
    }
    fn ask_for_status() { en: "ask the peer for its status", es: "preguntar al nodo por su estado" }

    // Removing.
    fn ask_name_to_remove() { en: "name to remove: ", es: "nombre que retirar: " }
    fn nothing_removed() { en: "nothing removed", es: "no se ha retirado nada" }
    fn five_lists_names() { en: "5 lists the names", es: "con 5 se ven los nombres" }
    fn five_lists_one_connects() {
        en: "5 lists the network's names, 1 connects",
        es: "con 5 se ven los nombres de la red, con 1 se conecta"
    }
    fn ask_remove(name) { en: "remove {name} for everyone?", es: "¿retirar {name} para todos?" }

    // Adding.
    fn ask_path() { en: "file or directory to add: ", es: "archivo o directorio que añadir: " }
    fn nothing_added() { en: "nothing added", es: "no se ha añadido nada" }
    fn nothing_added_because(error) { en: "nothing added: {error}", es: "no se ha añadido nada: {error}" }
    fn preview_file(name, length, fragments) { en: "{name}: {length}, {fragments}", es: "{name}: {length}, {fragments}" }
    fn preview_last(fragments, size, last) {
        en: "{fragments} of {size}, the last of {last}",
        es: "{fragments} de {size}, el último de {last}"
    }
    fn preview_equal(fragments, size) { en: "{fragments} of {size}", es: "{fragments} de {size}" }
    fn preview_empty() { en: "no fragments, it is empty", es: "ningún fragmento, está vacío" }
    fn preview_directory(name, length, contents) {
        en: "{name}/: a directory, {length} in {contents}; small files travel together",
        es: "{name}/: un directorio, {length} en {contents}; los archivos pequeños viajan juntos"
    }
    fn ask_name() { en: "name: ", es: "nombre: " }
    fn ask_name_or(default) { en: "name [{default}]: ", es: "nombre [{default}]: " }
    fn ask_replicas(default) { en: "replicas [{default}]: ", es: "réplicas [{default}]: " }
    fn ask_rebind(name) { en: "bind {name} to this file instead?", es: "¿dar el nombre {name} a este archivo?" }
    fn cancelled_plainly() { en: "cancelled", es: "cancelado" }

    // Finding and fetching.
    fn ask_what_to_find() { en: "name, a part of one, or an id: ", es: "nombre, una parte, o un id: " }
    fn nothing_to_find() {
        en: "nothing to look for; 5 lists the network's names",
        es: "nada que buscar; con 5 se ven los nombres de la red"
    }
    fn find(text) { en: "find {text}", es: "buscar {text}" }
    fn one_connects() { en: "1 connects to a network", es: "con 1 se conecta a una red" }
    fn no_match(text) {
        en: "no name contains {text}; 5 lists the network's names",
        es: "ningún nombre contiene {text}; con 5 se ven los nombres de la red"
    }
    fn more_matches(count) {
        en: "and {count} more; a longer part of the name finds fewer",
        es: "y {count} más; con una parte más larga del nombre se hallan menos"
    }
    fn ask_which(count) { en: "which one, 1 to {count}: ", es: "¿cuál?, de 1 a {count}: " }
    fn choose_one(count) {
        en: "nothing fetched: choose 1 to {count}",
        es: "no se ha descargado nada: elija de 1 a {count}"
    }
    fn found_file(length, fragments, size, revision) {
        en: "{length} in {fragments} of {size}, revision {revision}",
        es: "{length} en {fragments} de {size}, revisión {revision}"
    }
    fn found_directory(length, entries, revision) {
        en: "a directory: {length} in {entries}, revision {revision}",
        es: "un directorio: {length} en {entries}, revisión {revision}"
    }
    fn found_where(peers, state, fewest, replicas) {
        en: "on {peers}, {state}: fewest {fewest} of {replicas}",
        es: "en {peers}, {state}: mínimo {fewest} de {replicas}"
    }
    fn found_incomplete() {
        en: "some fragments are on no peer that is online: it cannot be completed now",
        es: "algunos fragmentos no están en ningún nodo conectado: ahora no se puede completar"
    }
    fn ask_where_to_save(default) { en: "save as [./{default}]: ", es: "guardar como [./{default}]: " }
    fn output_exists(path) {
        en: "cannot write {path}: it exists; save it as something else",
        es: "no se puede escribir {path}: ya existe; guárdelo con otro nombre"
    }
    fn ask_replace(path) { en: "{path} exists; replace it?", es: "{path} ya existe; ¿reemplazarlo?" }
    fn nothing_fetched() { en: "nothing fetched", es: "no se ha descargado nada" }
    fn fetch_cancelled() {
        en: "cancelled; what has been fetched is kept, fetch it again to continue",
        es: "cancelado; lo descargado se conserva, descárguelo otra vez para continuar"
    }
}
