//! The interactive menu.

shared::messages! {
    fn still_to_publish(count) {
        en: ["1 publication still waits; it is made when a node with this data directory is connected again", "{count} publications still wait; they are made when a node with this data directory is connected again"],
        es: ["1 publicación queda pendiente; se hará cuando un nodo con este directorio de datos vuelva a conectarse", "{count} publicaciones quedan pendientes; se harán cuando un nodo con este directorio de datos vuelva a conectarse"]
    }
    // The options: the letter that chooses one, and what it does.
    fn option_connect() { en: "c  connect to a network", es: "c  conectar con una red" }
    fn option_add() { en: "a  add a file or a directory", es: "a  añadir un archivo o directorio" }
    fn option_forget() { en: "r  remove from my list", es: "q  quitar de mi lista" }
    fn option_local() { en: "l  show my list", es: "l  ver mi lista" }
    fn option_network() { en: "n  list the network's files", es: "v  ver los archivos de la red" }
    fn option_find() { en: "f  find and fetch a file", es: "b  buscar y descargar un archivo" }
    fn option_peers() { en: "p  show the network's peers", es: "n  nodos de la red" }
    fn option_status() { en: "s  show this peer's status", es: "e  estado de este nodo" }
    fn option_leave() { en: "d  leave the network", es: "d  dejar la red" }
    fn option_transfers() { en: "t  show the transfers", es: "t  ver las transferencias" }
    fn option_remove() { en: "x  remove a name for everyone", es: "r  retirar un nombre para todos" }
    fn option_exit() { en: "q  exit", es: "s  salir" }
    fn option_help() { en: "h  show this menu", es: "m  mostrar este menú" }
    fn no_option(line) {
        en: "{line} is not an option; type a number from 0 to 11 or its letter, ? shows them",
        es: "{line} no es una opción; escriba un número de 0 a 11 o su letra, ? las muestra"
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
    fn how_to_leave() {
        en: "0 or Ctrl-D leaves the menu; so does Ctrl-C once more now",
        es: "con 0 o Ctrl-D se sale del menú; con Ctrl-C otra vez ahora, también"
    }
    fn yes_unless_no(question) { en: "{question} [Y/n] ", es: "{question} [S/n] " }
    fn ask_last_network(entry) {
        en: "connect to the last network, {entry}?",
        es: "¿conectar con la última red, {entry}?"
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
        en: "webserver HOST:PORT, or tracker HOST:PORT, or the join line of a secured network [{default}]: ",
        es: "webserver HOST:PUERTO, o tracker HOST:PUERTO, o la línea de ingreso de una red protegida [{default}]: "
    }
    fn bad_entry(text) {
        en: "{text} is not an address; type HOST:PORT of a webserver, or tracker HOST:PORT",
        es: "{text} no es una dirección; escriba HOST:PUERTO de un servidor web, o tracker HOST:PUERTO"
    }
    fn join_the_network() { en: "join the network", es: "ingresar en la red" }
    fn joining() { en: "joining the network", es: "ingresando en la red" }
    fn has_joined() {
        en: "this peer is a member of the network now; the join line is not needed again",
        es: "este nodo ya es miembro de la red; la línea de ingreso no hace falta nunca más"
    }
    fn that_is_secured() {
        en: "that network is secured, and this peer has not joined it; get a join line from its operator (`tracker token create --join peer`), and give it with ENJAMBRE_JOIN or --join-file (in the menu: paste it at `connect`)",
        es: "esa red está protegida, y este nodo no ha ingresado en ella; pida una línea de ingreso a quien la administra (`tracker token create --join peer`), y désela con ENJAMBRE_JOIN o --join-file (en el menú: péguela en `conectar`)"
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
    fn a_tracker_is_no_node() {
        en: "that is a tracker; --peer takes the address of a running peer of this machine",
        es: "eso es un tracker; --peer lleva la dirección de un nodo en marcha en esta máquina"
    }
    fn a_webserver_is_no_node() {
        en: "that is a webserver; --peer takes the address of a running peer of this machine",
        es: "eso es un servidor web; --peer lleva la dirección de un nodo en marcha en esta máquina"
    }
    fn that_is_a_webserver(address) {
        en: "that is a webserver; use --webserver {address} (in the menu: webserver {address})",
        es: "eso es un servidor web; use --webserver {address} (en el menú: webserver {address})"
    }
    fn that_is_a_peer(address) {
        en: "that is a peer; use --join {address}",
        es: "eso es un nodo; use --join {address}"
    }
    fn that_speaks_http() {
        en: "another program answers there, which speaks HTTP; check the address",
        es: "allí responde otro programa, que habla HTTP; revise la dirección"
    }
    fn that_speaks_tls() {
        en: "another program answers there, which speaks TLS; check the address",
        es: "allí responde otro programa, que habla TLS; revise la dirección"
    }
    fn that_is_another_program() {
        en: "another program answers there; check the address",
        es: "allí responde otro programa; revise la dirección"
    }
    fn it_says_nothing() {
        en: "something takes connections there and says nothing",
        es: "algo acepta allí la conexión y no dice nada"
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
    fn some_refused(count, published) {
        en: ["{published}; the tracker refused 1, 4 says why", "{published}; the tracker refused {count}, 4 says why"],
        es: ["{published}; el tracker rechazó 1, con 4 se ve por qué", "{published}; el tracker rechazó {count}, con 4 se ve por qué"]
    }
    fn leave_the_network() { en: "leave the network", es: "dejar la red" }
    fn ask_leave_network() {
        en: "this peer runs without the menu too, and others may use it; take it out of its network?",
        es: "este nodo funciona también sin el menú, y otros pueden usarlo; ¿sacarlo de su red?"
    }
    fn stays_in_network() { en: "it stays in its network", es: "sigue en su red" }
    fn left_the_network() {
        en: "left the network; what this peer holds stays here",
        es: "fuera de la red; lo que hay en este nodo se queda aquí"
    }

    // Lists.
    fn holds_nothing() {
        en: "my list is empty; 2 adds a file, 6 fetches one",
        es: "mi lista está vacía; con 2 se añade un archivo, con 6 se descarga"
    }
    fn kept_for_others(contents, bytes) {
        en: "and for others this peer keeps {contents}, {bytes}",
        es: "y para otros este nodo guarda {contents}, {bytes}"
    }
    fn network_is_empty() {
        en: "the network has no files yet; 2 adds one",
        es: "en la red aún no hay archivos; con 2 se añade uno"
    }
    fn ask_for_status() { en: "ask the peer for its status", es: "preguntar al nodo por su estado" }

    // Removing from the list.
    fn ask_to_forget() {
        en: "number or name to remove from my list; the file itself stays: ",
        es: "número o nombre que quitar de mi lista; el archivo mismo se queda: "
    }
    fn several_are_called(name) {
        en: "several entries are called {name}; type the number of one",
        es: "varias entradas se llaman {name}; escriba el número de una"
    }
    fn not_on_my_list(text) {
        en: "{text} is not on my list; type a number or a name of it, or only Enter",
        es: "{text} no está en mi lista; escriba un número o un nombre de ella, o solo Intro"
    }
    fn nothing_forgotten() { en: "nothing removed from my list", es: "no se ha quitado nada de mi lista" }
    fn ask_forget_last(name) {
        en: "remove {name} from my list anyway? the network may lose it",
        es: "¿quitar {name} de mi lista de todos modos? la red puede perderlo"
    }
    fn forgotten_file_stays(name, path) {
        en: "removed {name} from my list: this peer no longer shares it, {path} stays where it is",
        es: "{name} quitado de mi lista: este nodo ya no lo comparte, {path} se queda donde está"
    }
    fn forgotten(name, freed) {
        en: "removed {name} from my list, {freed} became free; fetched files stay where they are",
        es: "{name} quitado de mi lista, {freed} libres; los archivos descargados se quedan donde están"
    }

    // Transfers.
    fn ctrl_c_leaves_view() {
        en: "(Ctrl-C puts it into the background)",
        es: "(con Ctrl-C sigue en segundo plano)"
    }
    fn goes_on_in_background(number) {
        en: "transfer {number} goes on in the background; 10 lists the transfers, follows and cancels them",
        es: "la transferencia {number} sigue en segundo plano; con 10 se ven, se siguen y se cancelan"
    }
    fn no_transfers() {
        en: "no transfers yet; 2 adds a file, 6 fetches one",
        es: "aún no hay transferencias; con 2 se añade un archivo, con 6 se descarga"
    }
    fn too_many_transfers(most) {
        en: "{most} transfers run, which is the most; wait for one or cancel one with 10",
        es: "hay {most} transferencias en curso, que es lo máximo; espere a una o cancele una con 10"
    }
    fn ask_transfer() {
        en: "a number follows one, c NUMBER cancels, r NUMBER resumes, Enter: back: ",
        es: "un número la sigue, c NÚMERO la cancela, r NÚMERO la reanuda, Intro: menú: "
    }
    fn bad_wish(text) {
        en: "{text} is none of these: a number, c and a number, r and a number",
        es: "{text} no es nada de esto: un número, c y un número, r y un número"
    }
    fn no_such_transfer(number) { en: "there is no transfer {number}", es: "no hay ninguna transferencia {number}" }
    fn has_ended(number) { en: "transfer {number} has ended already", es: "la transferencia {number} ya ha acabado" }

    // Removing for everyone.
    fn ask_name_to_remove() { en: "name to remove: ", es: "nombre que retirar: " }
    fn nothing_removed() { en: "nothing removed", es: "no se ha retirado nada" }
    fn five_lists_names() { en: "5 lists the names", es: "con 5 se ven los nombres" }
    fn five_lists_one_connects() {
        en: "5 lists the network's names, 1 connects",
        es: "con 5 se ven los nombres de la red, con 1 se conecta"
    }
    fn removal_costs(name, size, peers) {
        en: "{name}: {size} on {peers}; without the name nobody finds it, and the replicas are dropped; files of their users stay",
        es: "{name}: {size} en {peers}; sin el nombre nadie lo encuentra, y se borran las réplicas; los archivos de los usuarios se quedan"
    }
    fn ask_remove(name) { en: "remove {name} for everyone?", es: "¿retirar {name} para todos?" }

    // Adding.
    fn ask_leave_out() { en: "add the rest and leave these out?", es: "¿añadir lo demás y omitir estas?" }
    fn ask_path() { en: "file or directory to add: ", es: "archivo o directorio que añadir: " }
    fn nothing_added() { en: "nothing added", es: "no se ha añadido nada" }
    fn ask_fragment_length(default) {
        en: "fragment size [{default}]: ",
        es: "tamaño de los fragmentos [{default}]: "
    }
    fn of_each_file() { en: "by the size of each file", es: "según el tamaño de cada archivo" }
    fn bad_fragment_length(text, least, most) {
        en: "{text} is no size of fragments; type a power of two from {least} to {most}, such as 1MiB",
        es: "{text} no es un tamaño de fragmentos; escriba una potencia de dos de {least} a {most}, como 1MiB"
    }
    fn too_many_fragments(size) {
        en: "with fragments of {size} there would be too many of them; choose a longer one",
        es: "con fragmentos de {size} serían demasiados; elija uno más largo"
    }
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
    fn in_no_network() {
        en: "This peer is in no network; 1 connects to one.",
        es: "Este nodo no está en ninguna red; con 1 se conecta a una."
    }
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
        en: "choose 1 to {count}, or only Enter for none",
        es: "elija de 1 a {count}, o solo Intro para ninguno"
    }
    fn ask_inside() {
        en: "Enter for all of it, or a part of a path inside, ? lists them: ",
        es: "Intro para todo, o una parte de una ruta de dentro, ? las lista: "
    }
    fn found_file(length, fragments, size, revision) {
        en: "{length} in {fragments} of {size}, revision {revision}",
        es: "{length} en {fragments} de {size}, revisión {revision}"
    }
    fn found_empty(revision) {
        en: "it is empty, and always complete; revision {revision}",
        es: "está vacío, y siempre completo; revisión {revision}"
    }
    fn found_directory(length, fragments, revision) {
        en: "a directory: {length} in {fragments}, revision {revision}",
        es: "un directorio: {length} en {fragments}, revisión {revision}"
    }
    fn found_where(peers, state, least) { en: "on {peers}, {state}: {least}", es: "en {peers}, {state}: {least}" }
    fn found_incomplete() {
        en: "some fragments are on no peer that is online and can be reached: it cannot be completed now; `peer why NAME` tells more",
        es: "algunos fragmentos no están en ningún nodo conectado que se alcance: ahora no se puede completar; `peer why NOMBRE` dice más"
    }
    fn ask_where_to_save(default) { en: "save as [./{default}]: ", es: "guardar como [./{default}]: " }
    fn ask_replace(path) { en: "{path} exists; replace it?", es: "{path} ya existe; ¿reemplazarlo?" }
    fn nothing_fetched() { en: "nothing fetched", es: "no se ha descargado nada" }
    fn fetch_cancelled() {
        en: "cancelled; what has been fetched is kept, 10 resumes it",
        es: "cancelado; lo descargado se conserva, con 10 se reanuda"
    }
}
