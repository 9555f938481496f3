//! `send` and `receive`.

shared::messages! {
    fn send(path) { en: "send {path}", es: "enviar {path}" }
    fn can_be_received(length) {
        en: "it can be received for {length}, while this command runs",
        es: "se puede recibir durante {length}, mientras siga esta orden"
    }
    fn ask_for_network() { en: "ask the node for its network", es: "preguntar al nodo por su red" }
    fn cannot_send_offline() {
        en: "cannot send: the node is not connected to a network; name one with --webserver or --tracker",
        es: "no se puede enviar: el nodo no está conectado a ninguna red; indique una con --webserver o --tracker"
    }
    fn tracker_went_away() {
        en: "the tracker went away; it will be published when it is back",
        es: "el tracker se ha ido; se publicará cuando vuelva"
    }
    fn on_another_machine(length) {
        en: "{length}; on another machine: peer receive LINE",
        es: "{length}; en otra máquina: peer receive LÍNEA"
    }
    fn only_on_this_machine(address) {
        en: "{address} leads to a network only on this machine; name another address with --webserver",
        es: "{address} solo lleva a una red en esta máquina; indique otra dirección con --webserver"
    }
    fn removal_failed(name) {
        en: "{name} could not be removed; `peer remove {name}` does when the tracker is back",
        es: "no se pudo retirar {name}; `peer remove {name}` lo hará cuando vuelva el tracker"
    }
}
