//! Replicas, modes, drains and durability, and the events of `watch`.

use shared::model::Health;

use super::replicas;

shared::messages! {
    fn tell_how_safe(content) { en: "assess the durability of {content}", es: "evaluar la durabilidad de {content}" }
    fn tell_how_safe_all() { en: "assess the durability of the contents", es: "evaluar la durabilidad de los contenidos" }
    fn tell_how_it_stands(content) { en: "explain the state of {content}", es: "explicar el estado de {content}" }
    fn change_replicas(name) { en: "change the replicas of {name}", es: "cambiar las réplicas de {name}" }
    fn replicas_wanted(name, replicas) { en: "{name}: {replicas} wanted", es: "{name}: objetivo de {replicas}" }
    fn change_mode() { en: "change the mode of this peer", es: "cambiar el modo de este nodo" }
    fn tell_the_mode() { en: "tell whether this peer is in maintenance", es: "decir si este nodo está en mantenimiento" }
    fn no_tracker_tells() {
        en: "no tracker answers; `peer status` says why",
        es: "no responde ningún tracker; `peer status` dice por qué"
    }
    fn on_begins_off_ends() {
        en: "`peer maintenance on --for 1h` begins a maintenance, `peer maintenance off` ends it",
        es: "`peer maintenance on --for 1h` empieza un mantenimiento, `peer maintenance off` lo termina"
    }
    fn no_length_to_end() {
        en: "--for says how long a maintenance lasts, and `off` ends it",
        es: "--for dice cuánto dura un mantenimiento, y `off` lo termina"
    }
    fn revoke(id) { en: "revoke {id}", es: "revocar {id}" }
    fn has_revoked(id) {
        en: "{id} is revoked: it serves nothing, receives nothing and counts for nothing any more",
        es: "{id} queda revocado: ya no sirve nada, no recibe nada y no cuenta para nada"
    }
    fn needs_a_token() {
        en: "it takes an administrator's token in ENJAMBRE_TOKEN, such as the one that `tracker init` printed",
        es: "hace falta un token de administración en ENJAMBRE_TOKEN, como el que escribió `tracker init`"
    }
    fn knows_no_tracker() {
        en: "the data directory knows no tracker of the network; run it where a node is, or name its --data-dir",
        es: "el directorio de datos no conoce ningún tracker de la red; ejecútelo donde haya un nodo, o indique su --data-dir"
    }
    fn no_such_member() { en: "there is no such member", es: "no hay tal miembro" }
    fn member_id_too_short() {
        en: "give more of its id: several members may be meant",
        es: "indique más de su identificador: puede referirse a varios miembros"
    }
    fn drain_peer() { en: "drain this peer", es: "vaciar este nodo" }
    fn remove_peer(id) { en: "remove peer {id}", es: "quitar el nodo {id}" }
    fn removed_peer(id) { en: "peer {id} is no longer listed", es: "el nodo {id} ya no está en la lista" }
    fn no_such_peer() { en: "there is no such peer", es: "no hay tal nodo" }
    fn id_too_short() {
        en: "give more of its id: several peers may be meant",
        es: "indique más de su identificador: puede referirse a varios nodos"
    }
    fn visitor(address, host) {
        en: "no other machine can reach this peer at {address}: it is a visitor, which may fetch, but keeps nothing for others, and nobody can read what it adds; start it with --host {host}",
        es: "ninguna otra máquina alcanza este nodo en {address}: está de visita, puede descargar, pero no guarda nada para otros, y nadie puede leer lo que añada; inícielo con --host {host}"
    }
    fn cannot_be_dialled(address, error) {
        en: "other peers cannot reach this peer at {address}: {error}; its copies count for nothing, and nobody can read what it adds; let that port through the firewall, or start it with a --host or --advertise that others reach",
        es: "los demás nodos no alcanzan este en {address}: {error}; sus copias no cuentan, y nadie puede leer lo que añada; abra ese puerto en el cortafuegos, o inícielo con un --host o --advertise que los demás alcancen"
    }
    fn out_of_reach() { en: "unreachable", es: "inalcanzable" }
    fn unconfirmed() { en: "unconfirmed", es: "sin confirmar" }
    fn visiting() { en: "visitor", es: "de visita" }
    fn dialled_in_vain(peer, address, error) {
        en: "peer {peer} cannot be reached by others: {address}: {error}",
        es: "los demás no alcanzan el nodo {peer}: {address}: «{error}»"
    }
    fn draining_label() { en: "draining", es: "vaciando" }
    fn drain_called_off() {
        en: "the drain was cancelled in the meantime",
        es: "entretanto se ha cancelado el vaciado"
    }

    // Modes.
    fn in_active_mode() {
        en: "this peer is active: it holds replicas and receives more",
        es: "este nodo está activo: guarda réplicas y recibe más"
    }
    fn being_drained() {
        en: "this peer is being drained: others take over its replicas",
        es: "este nodo se está vaciando: otros se hacen cargo de sus réplicas"
    }
    fn may_be_away(time) {
        en: "this peer may be away for {time}: its replicas are not replaced in that time, unless a single one is left; run `peer maintenance off` when it is back",
        es: "este nodo puede faltar {time}: entretanto no se reponen sus réplicas, salvo que quede una sola; ejecute `peer maintenance off` cuando vuelva"
    }

    // Drains.
    fn safe_to_switch_off(bytes, contents) {
        en: "safe to switch off: others keep everything that this peer holds ({bytes} of {contents})",
        es: "se puede apagar: otros guardan todo lo que tiene este nodo ({bytes} de {contents})"
    }
    fn not_safe_yet(left, contents, bytes_left, bytes) {
        en: "not safe to switch off yet: {left} of {contents} still need this peer, {bytes_left} of {bytes}",
        es: "aún no se puede apagar: {left} de {contents} aún necesitan este nodo, {bytes_left} de {bytes}"
    }
    fn about_left(text, time) { en: "{text}; about {time} left", es: "{text}; queda más o menos {time}" }
    fn would_miss(contents) {
        en: "not safe to switch off yet: {contents} still need this peer",
        es: "aún no se puede apagar: {contents} aún necesitan este nodo"
    }
    fn drain_goes_on(text) {
        en: "{text}; the drain goes on, `peer drain --wait` waits again",
        es: "{text}; el vaciado sigue en marcha, `peer drain --wait` vuelve a esperar"
    }
    fn drain_goes_on_without() {
        en: "the drain goes on; `peer drain --wait` waits again, `peer drain --cancel` ends it",
        es: "el vaciado sigue en marcha; `peer drain --wait` vuelve a esperar, `peer drain --cancel` lo termina"
    }
    fn about_left_comma(text, time) { en: "{text}, about {time} left", es: "{text}, queda más o menos {time}" }

    // Durability.
    fn stands(name, state, least) { en: "{name}: {state}; {least}", es: "{name}: {state}; {least}" }
    fn each_has(replicas, wanted) {
        en: "each fragment has at least {replicas} (wanted: {wanted})",
        es: "cada fragmento tiene al menos {replicas} (se quieren {wanted})"
    }
    fn some_have_none(wanted) {
        en: "some fragments have no replica (wanted: {wanted})",
        es: "algunos fragmentos no tienen ninguna réplica (se quieren {wanted})"
    }
    fn stands_empty(name) {
        en: "{name}: empty, and always complete",
        es: "{name}: vacío, y siempre completo"
    }
    fn as_it_should_be() { en: "nothing is missing", es: "no falta nada" }
    fn fetching_here(held, length, peers) {
        en: "being fetched here: {held} of {length}, {peers} sending",
        es: "se está descargando aquí: {held} de {length}, {peers} enviando"
    }
    fn kept_by(peers, draining, away, sources) {
        en: "kept by {peers}, {draining} of them being drained, {away} more absent; {sources} more to fetch from",
        es: "lo guardan {peers}, {draining} de ellos vaciándose, {away} más ausentes; {sources} más de los que descargar"
    }
    fn proved_copies(proved, keepers) {
        en: "other peers have read {proved} of these {keepers} copies",
        es: "otros nodos han leído {proved} de estas {keepers} copias"
    }
    fn nothing_to_lose() {
        en: "it is empty: there is nothing to lose",
        es: "está vacío: no hay nada que perder"
    }
    fn cannot_be_read_now() {
        en: "part of it is on no live peer: it cannot be read now",
        es: "una parte no está en ningún nodo vivo: ahora no se puede leer"
    }
    fn out_of_everybodys_reach() {
        en: "part of it is only on peers that others cannot reach: it cannot be read now",
        es: "una parte solo está en nodos que los demás no alcanzan: ahora no se puede leer"
    }
    fn survives_none() {
        en: "it would not survive the loss of a peer",
        es: "no sobreviviría a la pérdida de un nodo"
    }
    fn survives_any(peers) { en: "survives the loss of any {peers}", es: "sobrevive a la pérdida de {peers} cualesquiera" }
    fn surveyed(contents, bytes, replicated, degraded, unavailable) {
        en: "{contents}, {bytes}: {replicated} replicated, {degraded} degraded, {unavailable} unavailable",
        es: "{contents}, {bytes}: {replicated} replicados, {degraded} degradados, {unavailable} no disponibles"
    }
    fn survives_how_many(none, one, two, more) {
        en: "the loss of any peers at once: {none} survive none, {one} any one, {two} any two, {more} any three or more",
        es: "a la pérdida simultánea de nodos: {none} no sobreviven a ninguna, {one} a la de uno cualquiera, {two} a la de dos, {more} a la de tres o más"
    }
    fn too_pessimistic() {
        en: "the tracker has restarted and waits for its peers: these figures are too pessimistic",
        es: "el tracker ha reiniciado y espera a sus nodos: estas cifras son demasiado pesimistas"
    }
    fn shown_of(shown, all) { en: "({shown} of {all})", es: "({shown} de {all})" }
    fn would_lose_with(peers, pairs, zones) {
        en: "would lose something with: {peers}, {pairs}, {zones}",
        es: "se perdería algo con: {peers}, {pairs}, {zones}"
    }
    fn no_single_peer() { en: "no single peer", es: "ningún nodo suelto" }
    fn single_peers(count) { en: ["1 single peer", "{count} single peers"], es: ["1 nodo suelto", "{count} nodos sueltos"] }
    fn no_pair() { en: "no pair", es: "ninguna pareja" }
    fn pairs(count) { en: ["1 pair", "{count} pairs"], es: ["1 pareja", "{count} parejas"] }
    fn no_zone() { en: "no zone", es: "ninguna zona" }
    fn zones(count) { en: ["1 zone", "{count} zones"], es: ["1 zona", "{count} zonas"] }
    fn repair(under_way, waiting, pace, end) {
        en: "repair: {under_way} under way, {waiting} waiting, {pace}/s in the network; {end}",
        es: "reparación: {under_way} en curso, {waiting} en espera, {pace}/s en la red; {end}"
    }
    fn done_in_about(time) { en: "done in about {time}", es: "acaba más o menos en {time}" }
    fn nothing_arrived() {
        en: "nothing has arrived in the last minute",
        es: "en el último minuto no ha llegado nada"
    }

    // Copies of data directories.
    fn copied() { en: "copied", es: "copiado" }
    fn refused_by(tracker) {
        en: "refused by the tracker at {tracker}",
        es: "rechazado por el tracker en {tracker}"
    }
    fn is_a_copy(address) {
        en: "this data directory is a copy of the one at {address}, and stays out of the network until that one has left; stop this node and give the directory an id of its own with `peer new-id`",
        es: "este directorio de datos es una copia del que hay en {address}, y queda fuera de la red hasta que aquel salga; pare este nodo y dele al directorio un id propio con `peer new-id`"
    }
    fn copy_refused(peer, address, copy) {
        en: "peer {peer} at {address}: a copy of its data directory, at {copy}, was refused; `peer new-id` gives the copy an id of its own",
        es: "nodo {peer} en {address}: se rechazó una copia de su directorio de datos, en {copy}; `peer new-id` le da a la copia un id propio"
    }
    fn give_new_id() { en: "give this data directory a new id", es: "dar un id nuevo a este directorio de datos" }
    fn node_runs_there(address) {
        en: "a node runs on it, at {address}; stop that node first",
        es: "hay un nodo en marcha con él, en {address}; párelo antes"
    }
    fn no_id_yet(data_dir) {
        en: "{data_dir} has no id yet: a node that starts there draws one",
        es: "{data_dir} aún no tiene id: un nodo que arranque ahí lo sortea"
    }
    fn has_new_id(peer, data_dir) { en: "{data_dir} has the id {peer} now", es: "{data_dir} tiene ahora el id {peer}" }
    fn left_to_the_original(name) {
        en: "{name} was still to be published: that is left to the directory with the old id; add it again if this one is to do it",
        es: "{name} aún estaba por publicar: queda para el directorio con el id antiguo; vuelva a añadirlo si debe hacerlo este"
    }

    // Other networks.
    fn adopt_network() {
        en: "adopt the names of another network",
        es: "adoptar los nombres de otra red"
    }
    fn in_no_network_yet(data_dir) {
        en: "{data_dir} was in no network with an id yet: what is there goes along to the first one",
        es: "{data_dir} aún no ha estado en ninguna red con id: lo que hay ahí va con él a la primera"
    }
    fn no_such_network(network, data_dir) {
        en: "{data_dir} has nothing of a network {network}; `peer status` lists the networks of which it has something",
        es: "{data_dir} no tiene nada de una red {network}; `peer status` lista las redes de las que tiene algo"
    }
    fn will_be_published_here(name) {
        en: "{name} will be published in this network",
        es: "{name} se publicará en esta red"
    }
    fn is_taken_here(name) {
        en: "{name} was added in this network too; what was published in the other one stays apart",
        es: "{name} se añadió también en esta red; lo que se publicó en la otra queda aparte"
    }
    fn adopted(publications, network) {
        en: "{publications} will be made in network {network} when the node starts",
        es: "{publications} por hacer en la red {network} cuando arranque el nodo"
    }

    // Damaged indexes.
    fn rebuild_index() {
        en: "make a new index for this data directory",
        es: "hacer un índice nuevo para este directorio de datos"
    }
    fn nothing_to_rebuild_from(data_dir) {
        en: "there is nothing in {data_dir} from which to make an index",
        es: "en {data_dir} no hay nada con lo que hacer un índice"
    }
    fn old_index_is_at(path) {
        en: "the old index is at {path}; delete it when nothing is missed",
        es: "el índice antiguo está en {path}; bórrelo cuando no se eche nada en falta"
    }
    fn was_to_be_published(name) {
        en: "{name} was still to be published, which may have been done since: `peer history {name}` tells; add it again if it is missing",
        es: "{name} aún estaba por publicar, y puede que se haya hecho desde entonces: `peer history {name}` lo dice; vuelva a añadirlo si falta"
    }
    fn no_longer_shared(name) {
        en: "nothing tells any more where the file of {name} is, or it is gone: it is not shared from here; add it again, also under the same name",
        es: "ya nada indica dónde está el archivo de {name}, o ha desaparecido: no se comparte desde aquí; vuelva a añadirlo, también con el mismo nombre"
    }
    fn id_was_lost(peer) {
        en: "nothing told the id of this peer: it is {peer} now; the network takes it for a new peer, that holds what is here, and gives the old one up as lost after its grace time",
        es: "nada indicaba el id de este nodo: ahora es {peer}; la red lo toma por un nodo nuevo, que tiene lo que hay aquí, y da el antiguo por perdido tras su plazo de gracia"
    }
    fn index_rebuilt(data_dir, contents, bytes) {
        en: "{data_dir} has a new index: {contents}, {bytes} held; start the node",
        es: "{data_dir} tiene un índice nuevo: {contents}, {bytes} aquí; arranque el nodo"
    }
    fn lost_files(files, bytes, place) {
        en: "{files} with {bytes} in {place}: nothing refers to them and they prove nothing; look at them, and delete them when nobody misses them",
        es: "{files} con {bytes} en {place}: nada se refiere a ellos y no prueban nada; mírelos, y bórrelos cuando nadie los eche en falta"
    }

    fn files_away(files, counts) {
        en: "{files} shared in place ({counts}): nobody is served from there; shared again when they are back, given up after 30 days",
        es: "{files} compartidos en su sitio ({counts}): no se sirve a nadie desde ahí; se comparten otra vez cuando vuelvan, y se abandonan a los 30 días"
    }
    fn file_away(path, absence, lasted) { en: "{path}: {absence} for {lasted}", es: "{path}: {absence} desde hace {lasted}" }

    // `watch`.
    fn watching(names, peers) {
        en: "watching {names} names and {peers} peers",
        es: "observando {names} nombres y {peers} nodos"
    }
    fn event_published(name, revision) {
        en: "published {name}, revision {revision}",
        es: "publicado {name}, revisión {revision}"
    }
    fn event_published_missed(name, revision, missed) {
        en: "published {name}, revision {revision}; {missed} revisions before it were not seen",
        es: "publicado {name}, revisión {revision}; antes hubo {missed} revisiones que no se vieron"
    }
    fn event_renamed(from, to, revision) {
        en: "renamed {from} to {to}, revision {revision}",
        es: "renombrado {from} como {to}, revisión {revision}"
    }
    fn event_removed(name) { en: "removed {name}", es: "retirado {name}" }
    fn event_replicated(name, target) {
        en: "replicated {name}: {target} of every fragment",
        es: "replicado {name}: {target} de cada fragmento"
    }
    fn event_endangered(name, state, fewest, target) {
        en: "endangered {name}: {state}, some fragments have {fewest} of {target} replicas",
        es: "en peligro {name}: {state}, algunos fragmentos tienen {fewest} de {target} réplicas"
    }
    fn event_repaired(name, target) {
        en: "repaired {name}: {target} of every fragment again",
        es: "reparado {name}: otra vez {target} de cada fragmento"
    }
    fn peer_joined(peer, address) { en: "peer joined: {peer} at {address}", es: "nodo nuevo: {peer} en {address}" }
    fn peer_suspect(peer, address) { en: "peer suspect: {peer} at {address}", es: "nodo dudoso: {peer} en {address}" }
    fn peer_lost(peer, address) { en: "peer lost: {peer} at {address}", es: "nodo perdido: {peer} en {address}" }
    fn peer_left(peer, address) { en: "peer left: {peer} at {address}", es: "nodo que se ha ido: {peer} en {address}" }
    fn peer_returned(peer, address) { en: "peer returned: {peer} at {address}", es: "nodo que ha vuelto: {peer} en {address}" }
    fn peer_draining(peer, address) { en: "peer draining: {peer} at {address}", es: "nodo vaciándose: {peer} en {address}" }
    fn peer_in_maintenance(peer, address) {
        en: "peer in maintenance: {peer} at {address}",
        es: "nodo en mantenimiento: {peer} en {address}"
    }
    fn event_file_away(name, address, absence) {
        en: "file away: the file with {name} at {address} is {absence}; its copy does not count until it is back",
        es: "archivo ausente: el archivo con {name} en {address}: {absence}; su copia no cuenta hasta que vuelva"
    }
    fn event_file_back(name, address) {
        en: "file back: the file with {name} at {address} is no longer away",
        es: "archivo de vuelta: el archivo con {name} en {address} ya no está ausente"
    }
    fn peer_copied(peer, address) {
        en: "peer copied: a copy of the data directory of {peer} at {address} was refused",
        es: "nodo copiado: se rechazó una copia del directorio de datos de {peer} en {address}"
    }
    fn peer_active(peer, address) { en: "peer active: {peer} at {address}", es: "nodo activo: {peer} en {address}" }
    fn not_followed(elapsed) {
        en: "could not follow the network for {elapsed}; changed names are reported, changes of peers and replicas may be missing",
        es: "no se pudo seguir la red durante {elapsed}; se informa de los nombres que cambiaron, pueden faltar cambios de nodos y réplicas"
    }
    fn not_followed_gap(elapsed) {
        en: "could not follow the network for {elapsed}, and some events are lost; the differences follow",
        es: "no se pudo seguir la red durante {elapsed}, y se han perdido sucesos; siguen las diferencias"
    }
    fn too_much_at_once() {
        en: "more events came at once than could be reported; the differences follow",
        es: "hubo a la vez más sucesos de los que se pudo informar; siguen las diferencias"
    }
    fn tracker_restarted(line) { en: "the tracker has restarted; {line}", es: "el tracker ha reiniciado; {line}" }

    fn follow_changes() { en: "follow the network", es: "seguir la red" }
    fn node_ended_feed() { en: "the node has gone away", es: "el nodo se ha ido" }
    fn trying_again(failure) { en: "{failure}; trying again", es: "{failure}; se intenta otra vez" }
    fn command_is_slower() {
        en: "the command is slower than the events: it was not run for one of them",
        es: "la orden es más lenta que los sucesos: no se ejecutó con uno de ellos"
    }
}

/// Says how many replicas the fragment with the fewest has.
#[must_use]
pub(crate) fn fewest_replicas(health: &Health) -> String {
    let wanted = health.target.get();
    match health.fewest {
        0 => some_have_none(wanted),
        fewest => each_has(replicas(fewest.into()), wanted),
    }
}
