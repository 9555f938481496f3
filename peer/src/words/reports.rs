//! Reports of nodes and trackers in Spanish. Messages on the wire are English; those that users meet are
//! known here by their form, and the others are quoted.

/// English forms and their Spanish; `{}` stands for a part that is the same in both, or a report itself.
const KNOWN: &[(&str, &str)] = &[
    (
        "{}; --force forgets it all the same",
        "{}; con --force se olvida de todos modos",
    ),
    ("no name {}", "no hay ningún nombre {}"),
    ("no content {}", "no hay ningún contenido {}"),
    ("no peer {}", "no hay ningún nodo {}"),
    (
        "nothing of {} is held by this node",
        "en este nodo no hay nada de {}",
    ),
    (
        "nothing of content {} is held here",
        "aquí no hay nada del contenido {}",
    ),
    ("there is no {} in the collection", "en el directorio no hay {}"),
    ("{} is not in the collection", "{} no está en el directorio"),
    ("{} exists already", "{} ya existe"),
    (
        "{} is a file, no collection",
        "{} es un archivo, no un directorio",
    ),
    (
        "this node is not connected to a network; connect it first",
        "este nodo no está conectado a ninguna red; conéctelo antes",
    ),
    (
        "{} is bound to content {} at revision {}, {}",
        "{} es el nombre del contenido {} desde la revisión {}",
    ),
    (
        "not all {} contents of the directory can go ({} became free): {}",
        "no todos los {} contenidos del directorio pueden irse ({} quedaron libres): {}",
    ),
    (
        "{} of the {} replicas that are wanted of content {} would be left",
        "quedarían {} de las {} réplicas deseadas del contenido {}",
    ),
    (
        "not all peers have reported since the tracker started; try again in a moment",
        "el tracker acaba de arrancar y aún no tiene noticias de todos los nodos; inténtelo dentro de un momento",
    ),
    (
        "the tracker has not heard yet that peer {} holds content {}; try again in a moment",
        "el tracker aún no sabe que el nodo {} tiene el contenido {}; inténtelo dentro de un momento",
    ),
    (
        "the tracker's leave to drop {} does not arrive",
        "no llega el permiso del tracker para borrar {}",
    ),
    (
        "content {} is shared in fragments of {}; publish it with that fragment length",
        "el contenido {} se comparte en fragmentos de {}; publíquelo con ese tamaño",
    ),
    (
        "{} bytes do not fit: {} are left of the disk",
        "{} bytes no caben: quedan {} en el disco",
    ),
    (
        "{} bytes do not fit: {} are left of {}",
        "{} bytes no caben: quedan {} de {}",
    ),
    (
        "the fetch of content {} was cancelled",
        "se ha cancelado la descarga del contenido {}",
    ),
    (
        "{} changed while it was being read; add it again when nothing writes to it",
        "{} cambió mientras se leía; añádalo otra vez cuando nadie lo escriba",
    ),
    (
        "the content was removed while it was being fetched",
        "el contenido se retiró mientras se descargaba",
    ),
    (
        "the tracker is stopping; try again in a moment",
        "el tracker está parando; inténtelo dentro de un momento",
    ),
    ("the node is stopping", "el nodo está parando"),
    ("no answer within {}", "no hubo respuesta en {}"),
    ("the {} did not answer in time", "el {} no respondió a tiempo"),
    (
        "the tracker did not welcome this peer in time",
        "el tracker no aceptó este nodo a tiempo",
    ),
    (
        "there is no way into the network",
        "no hay ninguna entrada a la red",
    ),
    (
        "webserver {} knows no live tracker ({})",
        "el servidor web {} no conoce ningún tracker vivo ({})",
    ),
    ("webserver {}: {}", "servidor web {}: {}"),
    ("tracker {}: {}", "tracker {}: {}"),
    ("peer {}: {}", "nodo {}: {}"),
    ("Connection refused (os error 111)", "conexión rechazada"),
    ("tcp connect error: {}", "no se puede conectar: {}"),
    ("tcp connect error", "no se puede conectar"),
    ("transport error: {}", "fallo de la conexión: {}"),
    ("transport error", "fallo de la conexión"),
    ("error trying to connect: {}", "no se puede conectar: {}"),
    ("dns error: {}", "no se encuentra la máquina: {}"),
    ("deadline has elapsed", "ha tardado demasiado"),
];

/// Returns the Spanish of a report, if its form is known.
pub(super) fn spanish(english: &str) -> Option<String> {
    KNOWN.iter().find_map(|(form, spanish)| {
        let parts = parts(english, form)?;
        let mut parts = parts.into_iter();
        let mut text = String::new();
        for (at, piece) in spanish.split("{}").enumerate() {
            if at > 0 {
                let part = parts.next()?;
                text.push_str(&self::spanish(part).unwrap_or_else(|| part.to_owned()));
            }
            text.push_str(piece);
        }
        Some(text)
    })
}

/// Returns the parts of a text that stand where the form has `{}`.
fn parts<'t>(text: &'t str, form: &str) -> Option<Vec<&'t str>> {
    let mut pieces = form.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut parts = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = match (pieces.peek(), piece) {
            (None, "") => rest.len(),
            (None, last) => rest.len() - rest.strip_suffix(last).map(|_| last.len())?,
            (Some(_), piece) => rest.find(piece)?,
        };
        let (part, after) = rest.split_at(at);
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        rest = &after[piece.len()..];
    }
    rest.is_empty().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_whose_form_is_known_is_told_in_spanish() {
        for (english, told) in [
            ("no name \"x\"", Some("no hay ningún nombre \"x\"")),
            (
                "2 of the 3 replicas that are wanted of content ab would be left; --force forgets it all the same",
                Some(
                    "quedarían 2 de las 3 réplicas deseadas del contenido ab; con --force se olvida de todos modos",
                ),
            ),
            (
                "webserver 10.0.0.1:1: tcp connect error: Connection refused (os error 111)",
                Some("servidor web 10.0.0.1:1: no se puede conectar: conexión rechazada"),
            ),
            ("/tmp/x exists already", Some("/tmp/x ya existe")),
            ("no name ", None),
            ("something else", None),
        ] {
            assert_eq!(spanish(english).as_deref(), told, "{english}");
        }
    }

    #[test]
    fn every_form_has_its_places_in_both_languages() {
        for (form, spanish) in KNOWN {
            let (english, there) = (form.matches("{}").count(), spanish.matches("{}").count());
            assert!(there <= english, "{form}");
            let filled = form.replace("{}", "part");
            assert!(super::spanish(&filled).is_some(), "{filled}");
        }
    }
}
