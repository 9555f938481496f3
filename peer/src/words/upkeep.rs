//! Replicas, duties, drains and durability.

shared::messages! {
    fn tell_how_safe(content) { en: "tell how safe {content} is", es: "decir cuán seguro está {content}" }
    fn tell_how_safe_all() { en: "tell how safe everything is", es: "decir cuán seguro está todo" }
    fn tell_how_it_stands(content) { en: "tell how {content} stands", es: "decir cómo está {content}" }
    fn change_replicas(name) { en: "change the replicas of {name}", es: "cambiar las réplicas de {name}" }
    fn replicas_wanted(name, replicas) { en: "{name}: {replicas} wanted", es: "{name}: objetivo de {replicas}" }
    fn change_duty() { en: "change what this peer is used for", es: "cambiar para qué se usa este nodo" }
    fn drain_peer() { en: "drain this peer", es: "vaciar este nodo" }
    fn draining_label() { en: "draining", es: "vaciando" }
    fn drain_called_off() {
        en: "the drain was called off meanwhile",
        es: "entretanto se ha cancelado el vaciado"
    }

    // Duties.
    fn in_active_mode() {
        en: "this peer is on active mode: it holds replicas and is given more",
        es: "este nodo está activo: guarda réplicas y recibe más"
    }
    fn being_drained() {
        en: "this peer is being drained: others take over what it holds",
        es: "este nodo se está vaciando: otros se hacen cargo de lo que tiene"
    }
    fn may_be_away(time) {
        en: "this peer may be away for {time}: it is not repaired around meanwhile, unless a single replica is left; `peer maintenance off` when it is back",
        es: "este nodo puede faltar {time}: entretanto no se repone lo suyo, salvo que quede una sola réplica; `peer maintenance off` cuando vuelva"
    }

    // Drains.
    fn safe_to_switch_off(bytes, contents) {
        en: "safe to switch off: others keep everything that this peer holds ({bytes} of {contents})",
        es: "se puede apagar: otros guardan todo lo que tiene este nodo ({bytes} de {contents})"
    }
    fn not_safe_yet(left, contents, bytes_left, bytes) {
        en: "not safe to switch off yet: {left} of {contents} would miss this peer, {bytes_left} of {bytes}",
        es: "aún no se puede apagar: {left} de {contents} echarían en falta este nodo, {bytes_left} de {bytes}"
    }
    fn about_left(text, time) { en: "{text}; about {time} left", es: "{text}; queda más o menos {time}" }
    fn would_miss(contents) {
        en: "not safe to switch off yet: {contents} would miss this peer",
        es: "aún no se puede apagar: {contents} echarían en falta este nodo"
    }
    fn drain_goes_on(text) {
        en: "{text}; it goes on, `peer drain --wait` waits again",
        es: "{text}; sigue en marcha, `peer drain --wait` vuelve a esperar"
    }
    fn about_left_comma(text, time) { en: "{text}, about {time} left", es: "{text}, queda más o menos {time}" }

    // How safe contents are.
    fn stands(name, state, fewest, replicas) {
        en: "{name}: {state}, the fewest is {fewest} of {replicas}",
        es: "{name}: {state}, el mínimo es {fewest} de {replicas}"
    }
    fn as_it_should_be() { en: "it is as it should be", es: "está como debe" }
    fn fetching_here(held, length, peers) {
        en: "being fetched here: {held} of {length}, {peers} sending",
        es: "se está descargando aquí: {held} de {length}, {peers} enviando"
    }
    fn kept_by(peers, draining, away, sources) {
        en: "kept by {peers}, {draining} of them being drained, {away} more silent; {sources} more to fetch from",
        es: "lo guardan {peers}, {draining} de ellos vaciándose, {away} más callados; {sources} más de los que descargar"
    }
    fn nothing_to_lose() {
        en: "it is empty: there is nothing to lose",
        es: "está vacío: no hay nada que perder"
    }
    fn cannot_be_read_now() {
        en: "some of it is on no peer that is there: it cannot be read now",
        es: "una parte no está en ningún nodo presente: ahora no se puede leer"
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
        en: "the tracker has restarted and waits for its peers: all of this is too pessimistic",
        es: "el tracker ha reiniciado y espera a sus nodos: todo esto es demasiado pesimista"
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
        en: "repair: {under_way} under way, {waiting} to be asked for, {pace}/s in the network; {end}",
        es: "reparación: {under_way} en curso, {waiting} por pedir, {pace}/s en la red; {end}"
    }
    fn done_in_about(time) { en: "done in about {time}", es: "acaba más o menos en {time}" }
    fn nothing_arrived() {
        en: "nothing has arrived in the last minute",
        es: "en el último minuto no ha llegado nada"
    }
}
