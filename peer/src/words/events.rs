//! `watch`: what has happened.

shared::messages! {
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
        en: "endangered {name}: {state}, fewest {fewest} of {target}",
        es: "en peligro {name}: {state}, mínimo {fewest} de {target}"
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
    fn peer_active(peer, address) { en: "peer active: {peer} at {address}", es: "nodo activo: {peer} en {address}" }
    fn not_followed(elapsed) {
        en: "could not follow the network for {elapsed}; names that changed meanwhile are told, what came and went of peers and replicas may not be",
        es: "no se pudo seguir la red durante {elapsed}; se cuentan los nombres que cambiaron entretanto, quizá no los nodos y réplicas que fueron y vinieron"
    }
    fn not_followed_gap(elapsed) {
        en: "could not follow the network for {elapsed}, and not all of it can be told any more; what is different now follows",
        es: "no se pudo seguir la red durante {elapsed}, y ya no se puede contar todo; sigue lo que ahora es distinto"
    }
    fn too_much_at_once() {
        en: "more happened at once than could be told; what is different now follows",
        es: "ocurrió a la vez más de lo que se pudo contar; sigue lo que ahora es distinto"
    }
    fn tracker_restarted(line) { en: "the tracker has restarted; {line}", es: "el tracker ha reiniciado; {line}" }

    fn follow_changes() { en: "follow what changes", es: "seguir lo que cambia" }
    fn node_ended_feed() { en: "the node has gone away", es: "el nodo se ha ido" }
    fn trying_again(failure) { en: "{failure}; trying again", es: "{failure}; se intenta otra vez" }
    fn command_is_slower() {
        en: "the command is slower than the events: one was not acted on",
        es: "la orden es más lenta que los sucesos: con uno no se hizo nada"
    }
}
