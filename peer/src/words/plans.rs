//! `--dry-run`: what would be moved.

shared::messages! {
    fn bound_to_another(name) {
        en: "{name} is bound to another content",
        es: "{name} es ya el nombre de otro contenido"
    }
    fn read_directory() { en: "read the directory", es: "leer el directorio" }
    fn read(path) { en: "read {path}", es: "leer {path}" }
    fn nothing_of_that_name() {
        en: "there is nothing of that name or id",
        es: "no hay nada con ese nombre o id"
    }
    fn within_limit(time) {
        en: ", in {time} or more by the node's limit",
        es: ", en {time} o más por el límite del nodo"
    }
    fn in_unknown_time() {
        en: ", in a time that is not known: the node has no limit and the lines have not been measured",
        es: ", en un tiempo que no se conoce: el nodo no tiene límite y nadie ha medido las líneas"
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
        en: "the name would no longer stand for {bound}",
        es: "el nombre dejaría de ser de {bound}"
    }
    fn no_node_could_tell() {
        en: "no node runs here that could tell what of it is in the network already",
        es: "aquí no funciona ningún nodo que diga qué parte está ya en la red"
    }
    fn other_live_peers(count) {
        en: ["1 other live peer", "{count} other live peers"],
        es: ["1 nodo vivo más", "{count} nodos vivos más"]
    }
    fn would_send(moved, some, replicas, there, time) {
        en: "would move {moved} from here to some of {some}, for {replicas}{there}{time}",
        es: "se enviarían {moved} de aquí a algunos de {some}, para {replicas}{there}{time}"
    }
    fn there_already(replicas) { en: "; {replicas} there already", es: "; ya hay {replicas}" }
    fn would_fetch(name, output, length, here) {
        en: "would fetch {name} to {output}: {length}, {here} of it here",
        es: "se descargaría {name} en {output}: {length}, de los que {here} ya están aquí"
    }
    fn would_fetch_part(name, output, what) {
        en: "would fetch {name} to {output}: {what}, as its directory's catalog says, which is here now",
        es: "se descargaría {name} en {output}: {what}, según el catálogo de su directorio, que ya está aquí"
    }
    fn would_move(moved, peers, time) {
        en: "would move {moved} from {peers}{time}",
        es: "se traerían {moved} de {peers}{time}"
    }
    fn at_most(amount) { en: "at most {amount}", es: "como mucho {amount}" }
    fn would_wait() {
        en: "some of it is on no live peer now: a fetch would wait",
        es: "una parte no está ahora en ningún nodo vivo: habría que esperar"
    }
    fn source_line(peer, address, state, fragments, length) {
        en: "  {peer} at {address}, {state}: {fragments}, {length}",
        es: "  {peer} en {address}, {state}: {fragments}, {length}"
    }
}
