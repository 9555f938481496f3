//! Reports of nodes about commands, fetches, publications and their connection.

/// Refusals of commands.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    (
        "a store operation failed: {error}",
        "ha fallado una operación del almacén: {error}",
    ),
    (
        "an earlier step of this operation has failed",
        "ha fallado un paso anterior de esta operación",
    ),
    (
        "it is of another network, whose tracker alone knows whether other copies are enough",
        "es de otra red, y solo el tracker de esa sabe si bastan las otras copias",
    ),
    (
        "the pending update of {} is cancelled, and the name stays as it is bound",
        "se ha cancelado la actualización pendiente de {}, y el nombre sigue como estaba",
    ),
    ("the caller has gone away", "quien lo pidió se ha ido"),
    ("the client has gone away", "quien lo pidió se ha ido"),
    ("the client takes nothing", "quien lo pidió no lo recoge"),
    ("the tracker ended the watch", "el tracker ha dejado de informar"),
    (
        "{name} is kept here and will be published when that is possible",
        "{name} se guarda aquí y se publicará cuando sea posible",
    ),
    (
        "{content} is a file, no collection",
        "{content} es un archivo, no un directorio",
    ),
    (
        "{path:?} is not in the collection",
        "{path:?} no está en el directorio",
    ),
    ("{path:?} is no regular file", "{path:?} no es un archivo normal"),
    (
        "the directory's catalog is not here; only who may change something can have it fetched",
        "el catálogo del directorio no está aquí; solo quien puede cambiar algo puede hacer que se descargue",
    ),
    (
        "nothing of {content} is held by this node",
        "en este nodo no hay nada de {content}",
    ),
    (
        "the session with the tracker has ended",
        "la sesión con el tracker ha acabado",
    ),
    (
        "not all {count} contents of the directory can go ({left} became free)",
        "no todos los {count} contenidos del directorio pueden irse ({left} quedaron libres)",
    ),
    (
        "{refusal}; --force forgets it all the same",
        "{refusal}; con --force se olvida de todos modos",
    ),
    (
        "the tracker's leave to drop {} does not arrive",
        "no llega el permiso del tracker para borrar {}",
    ),
    (
        "{} is a file; --include and --exclude choose among the entries of a directory",
        "{} es un archivo; --include y --exclude eligen entre las entradas de un directorio",
    ),
    (
        "nothing is here under the name {name}; its content is here as {other}: `peer forget {other}`",
        "aquí no hay nada con el nombre {name}; su contenido está aquí como {other}: `peer forget {other}`",
    ),
    (
        "{reference} is inside the directory {directory}, which can only be dropped as a whole",
        "{reference} está dentro del directorio {directory}, que solo se puede soltar entero",
    ),
    (
        "several contents begin with {digits}, such as {one} and {other}; give more digits",
        "varios contenidos empiezan por {digits}, como {one} y {other}; dé más cifras",
    ),
    ("this node is stopping", "este nodo está parando"),
    ("this peer is stopping", "este nodo está parando"),
    ("the node is stopping", "el nodo está parando"),
    (
        "{name} is a directory; ask for a file in it, `peer list {name}` shows them",
        "{name} es un directorio; pida un archivo de dentro, `peer list {name}` los muestra",
    ),
    (
        "the caller went away before {name} was published",
        "quien lo pidió se fue antes de que {name} se publicara",
    ),
    (
        "{} is being written by another transfer; wait for its end, or choose another place",
        "otra transferencia está escribiendo {}; espere a que termine, o elija otro sitio",
    ),
    (
        "the content was removed while it was being fetched",
        "el contenido se retiró mientras se descargaba",
    ),
    (
        "no directory has a name with which {:?} begins",
        "ningún directorio tiene un nombre por el que empiece {:?}",
    ),
    (
        "there is no {path:?} in the directory",
        "en el directorio no hay {path:?}",
    ),
    (
        "there is no {0:?} in the directory",
        "en el directorio no hay {0:?}",
    ),
    ("an id makes no name", "un id no sirve de nombre"),
    (
        "a stream begins by saying what it is",
        "un envío empieza por decir qué es",
    ),
    ("a stream begins once", "un envío empieza una sola vez"),
    (
        "{came} bytes came where {length} were sent",
        "llegaron {came} bytes cuando se enviaban {length}",
    ),
    (
        "the stream broke off before its end",
        "el envío se cortó antes de acabar",
    ),
    (
        "{pending} to be published first",
        "antes hay que publicar {pending}",
    ),
    (
        "{held} of {length} have been fetched",
        "se han descargado {held} de {length}",
    ),
    (
        "{held} of {length} have been fetched ({})",
        "se han descargado {held} de {length} ({})",
    ),
    (
        "a value of {length} is too long: at most {most}; add it as a file",
        "un valor de {length} es demasiado largo: como mucho {most}; añádalo como archivo",
    ),
    (
        "{asked} is no value; get it as a file",
        "{asked} no es un valor; descárguelo como archivo",
    ),
    (
        "{name} was published as revision {revision}, and is at revision {newer} by now",
        "{name} se publicó como revisión {revision}, y ya está en la revisión {newer}",
    ),
    (
        "this node has just come into another network; try again",
        "este nodo acaba de llegar a otra red; inténtelo de nuevo",
    ),
    (
        "something is being published as {name} just now",
        "ahora mismo se está publicando algo como {name}",
    ),
    (
        "the publication of {name} was withdrawn, or replaced by a newer one",
        "la publicación de {name} se retiró, o la reemplazó una más nueva",
    ),
    (
        "the file of {} is no longer shared here; add it again",
        "el archivo de {} ya no se comparte aquí; añádalo otra vez",
    ),
    (
        "{} is bound to another content; add it with --update, or under another --name",
        "{} es el nombre de otro contenido; añádalo con --update, o con otro nombre (--name)",
    ),
    (
        "a node takes commands only from the machine it runs on",
        "un nodo solo acepta órdenes de la máquina en la que funciona",
    ),
    (
        "only who can read the node's data directory may change something; name it with --data-dir",
        "solo quien puede leer el directorio de datos del nodo puede cambiar algo; indíquelo con --data-dir",
    ),
    (
        "the node's token is not readable",
        "la clave del nodo no se puede leer",
    ),
    (
        "a node of another user runs there",
        "allí funciona un nodo de otro usuario",
    ),
    (
        "this user may not read the data directory",
        "este usuario no puede leer el directorio de datos",
    ),
    (
        "cannot use the data directory {}: {source}",
        "no se puede usar el directorio de datos {}: {source}",
    ),
    (
        "cannot write into the data directory {}: {source}; {}",
        "no se puede escribir en el directorio de datos {}: {source}; {}",
    ),
    (
        "{0} is too little memory for transfers; give at least 16MiB",
        "{0} es muy poca memoria para las transferencias; dé al menos 16MiB",
    ),
    (
        "{0} listens on every address of this machine; say which one others dial with --advertise HOST:PORT",
        "{0} escucha en todas las direcciones de esta máquina; diga a cuál llaman los demás con --advertise HOST:PUERTO",
    ),
    (
        "the node stopped because of a failure inside; its log says which",
        "el nodo se paró por un fallo interno; su registro dice cuál",
    ),
];

/// Directories.
pub(super) const DIRECTORIES: &[(&str, &str)] = &[
    (
        "{} cannot be in a collection: {_0}; --exclude or --skip-unsupported leaves them out{}",
        "{} no caben en un directorio publicado: {_0}; con --exclude o --skip-unsupported se omiten{}",
    ),
    (
        "; --links keep, skip or follow says what to do with links that lead outside",
        "; --links keep, skip o follow dice qué hacer con los enlaces que llevan fuera",
    ),
    (
        "; --case keep takes names that differ only in case",
        "; --case keep admite nombres que solo se distinguen en las mayúsculas",
    ),
    (
        "nothing in the directory is selected: no path matches --include, or --exclude leaves everything out",
        "no se ha elegido nada del directorio: ninguna ruta coincide con --include, o --exclude lo omite todo",
    ),
    (
        "a file of the directory has changed since it was added; add it again",
        "un archivo del directorio ha cambiado desde que se añadió; añádalo otra vez",
    ),
    (
        "the collection is broken: {0}; whoever published it should add it again",
        "el directorio está estropeado: {0}; quien lo publicó debe añadirlo otra vez",
    ),
    (
        "files lie after the end of {}",
        "hay archivos detrás del final de {}",
    ),
    ("{} is too short", "{} es demasiado corto"),
    ("{} is no pack", "{} no es un paquete"),
    ("{} has another length", "{} tiene otro tamaño"),
    ("{} exists already", "{} ya existe"),
    (
        "{} is in the way of a directory, and is never replaced by one; move it away",
        "{} está donde iría un directorio, y un directorio nunca lo reemplaza; apártelo",
    ),
    (
        "{} is {kind}, which is never replaced; move it away",
        "{} es {kind}, y eso nunca se reemplaza; quítelo de ahí",
    ),
    ("something else", "otra cosa"),
];

/// Fetches and sources.
pub(super) const FETCHES: &[(&str, &str)] = &[
    (
        "cannot fetch {missing} fragments of content {content}: nothing came from the {tried} peers tried for {}; {reason}; try again when a peer that holds them is online",
        "no se pueden descargar {missing} fragmentos del contenido {content}: no llegó nada de los {tried} nodos probados en {}; {reason}; inténtelo otra vez cuando esté en línea un nodo que los tenga",
    ),
    (
        "the fetch of content {0} was cancelled",
        "se ha cancelado la descarga del contenido {0}",
    ),
    (
        "the fetch of content {0} ended because this peer is stopping",
        "la descarga del contenido {0} acabó porque este nodo está parando",
    ),
    (
        "content {0} is kept here in fragments of another length; use the manifest that the store has",
        "el contenido {0} se guarda aquí en fragmentos de otro tamaño; use el manifiesto que tiene el almacén",
    ),
    (
        "cannot keep the fetched fragments of content {content}",
        "no se pueden guardar los fragmentos descargados del contenido {content}",
    ),
    (
        "the fetch of content {0} failed inside; the log has the details",
        "la descarga del contenido {0} falló por dentro; el registro tiene los detalles",
    ),
    (
        "nothing came from other peers for {}s{}{why}",
        "no llegó nada de otros nodos en {}s{}{why}",
    ),
    ("the sources are too slow", "las fuentes son demasiado lentas"),
    ("the source stopped early", "la fuente paró antes de tiempo"),
    (
        "nothing came from any peer for {}",
        "no llegó nada de ningún nodo en {}",
    ),
    (
        "superseded: others have changed the name since revision {base}, which this publication was to follow ({reason}); look at theirs, and add the file again if it is to replace theirs",
        "superada: otros han cambiado el nombre desde la revisión {base}, a la que iba a seguir esta publicación ({reason}); mire la suya, y añada el archivo otra vez si debe reemplazarla",
    ),
    ("nothing came for too long", "no llegó nada en demasiado tiempo"),
    ("nothing came in time", "no llegó nada a tiempo"),
    ("the holder sent nothing", "el nodo que lo tiene no envió nada"),
    (
        "a copy that is to remain could not be read",
        "no se pudo leer una copia que tiene que quedar",
    ),
    (
        "block {} of fragment {} was not asked for",
        "el bloque {} del fragmento {} no se había pedido",
    ),
    (
        "all upload slots are taken; try another source, or later",
        "todos los puestos de envío están ocupados; pruebe otra fuente, o más tarde",
    ),
    (
        "fragment {index} of content {content} has been handed out to another peer",
        "el fragmento {index} del contenido {content} ya se está enviando a otro nodo",
    ),
    (
        "there is no fragment {number}: content {} has {count}",
        "no hay ningún fragmento {number}: el contenido {} tiene {count}",
    ),
    (
        "fragment {index} of content {content} has {blocks} blocks",
        "el fragmento {index} del contenido {content} tiene {blocks} bloques",
    ),
    (
        "fragment {index} of content {content} has stopped arriving here",
        "el fragmento {index} del contenido {content} ha dejado de llegar aquí",
    ),
    ("the receiver takes nothing", "el receptor no recoge nada"),
    ("too many followers", "demasiados lo siguen"),
    (
        "another dispute is being verified; try again later",
        "se está comprobando otra reclamación; inténtelo más tarde",
    ),
    ("there is no request", "no hay ninguna petición"),
    (
        "too many assignments are waiting here",
        "aquí esperan demasiados encargos",
    ),
    (
        "holders exist but cannot be reached: ",
        "hay nodos que lo tienen, pero no se alcanzan: ",
    ),
    ("the node ended the call", "el nodo terminó la llamada"),
    (
        "another program, or another version, answers where holders should be: ",
        "donde debía haber nodos que lo tienen responde otro programa, u otra versión: ",
    ),
    (
        "another program answers at {address}, or another version of {program}, which does not know this request",
        "en {address} responde otro programa, u otra versión de {program}, que no conoce esta petición",
    ),
    ("looking for peers that hold it", "buscando nodos que lo tengan"),
    ("connecting to 1 peer", "conectando con 1 nodo"),
    ("connecting to {n} peers", "conectando con {n} nodos"),
    (
        "no peer that is online holds what is missing",
        "ningún nodo conectado tiene lo que falta",
    ),
    (
        "no peer that is online holds {n} of the fragments",
        "ningún nodo conectado tiene {n} de los fragmentos",
    ),
    ("the only source is busy", "la única fuente está ocupada"),
    ("all {n} sources are busy", "las {n} fuentes están ocupadas"),
    (
        "the source that was asked sends nothing",
        "la fuente a la que se pidió no envía nada",
    ),
    (
        "the {n} sources that were asked send nothing",
        "las {n} fuentes a las que se pidió no envían nada",
    ),
    ("slow: {} sends {}", "lento: {} envía {}"),
    (
        "slow: {n} sources send nothing",
        "lento: {n} fuentes no envían nada",
    ),
    (
        "slow: {n} sources send {rate} together",
        "lento: {n} fuentes envían juntas {rate}",
    ),
    (
        "other fetches here have asked for all that may be in memory ({all})",
        "otras descargas han pedido todo lo que cabe en la memoria ({all})",
    ),
    (
        "this peer's disk is slower than its sources",
        "el disco de este nodo es más lento que sus fuentes",
    ),
    (
        "this peer downloads at most {rate}",
        "este nodo descarga como mucho a {rate}",
    ),
];

/// The connection with trackers and webservers.
pub(super) const CONNECTION: &[(&str, &str)] = &[
    ("tracker {tracker}", "tracker {tracker}"),
    ("webserver {webserver}", "servidor web {webserver}"),
    ("peer {peer}", "nodo {peer}"),
    (
        "there is no way into the network",
        "no hay ninguna entrada a la red",
    ),
    ("the tracker ended the session", "el tracker ha cerrado la sesión"),
    ("the tracker takes no messages", "el tracker no recoge mensajes"),
    (
        "a report before Welcome",
        "llegó un informe antes de la bienvenida",
    ),
    (
        "this peer is not registered with it now",
        "este nodo no está registrado en él ahora",
    ),
    (
        "{address} is {found}, not {meant}; use {flag} {address}",
        "{address} es {found}, no {meant}; use {flag} {address}",
    ),
    (
        "{address} is {found}, not {meant}; check the address",
        "{address} es {found}, no {meant}; revise la dirección",
    ),
    (
        "peer {peer} knows neither a webserver that answers nor a tracker; it is in no network",
        "el nodo {peer} no conoce ningún servidor web que responda ni ningún tracker; no está en ninguna red",
    ),
    (
        "webserver {webserver} knows no live tracker ({reasons})",
        "el servidor web {webserver} no conoce ningún tracker vivo ({reasons})",
    ),
    (
        "the tracker refused a hello that it had answered",
        "el tracker rechazó un nodo que ya había admitido",
    ),
    (
        "the tracker sent Welcome twice",
        "el tracker dio la bienvenida dos veces",
    ),
    (
        "the tracker welcomed this peer in an epoch older than the peer has seen",
        "el tracker admitió a este nodo en una época más antigua que las que el nodo ha visto",
    ),
    (
        "the tracker is in an epoch that no restarts lead to; it is not this network's, or its journal is damaged",
        "el tracker está en una época a la que no se llega reiniciando; no es de esta red, o su registro está dañado",
    ),
    (
        "the tracker welcomed this peer in another network",
        "el tracker admitió a este nodo en otra red",
    ),
    (
        "the tracker refused a hello of its own network",
        "el tracker rechazó un saludo de su propia red",
    ),
    (
        "the tracker refused a run that can follow",
        "el tracker rechazó un arranque que sí puede seguir",
    ),
    (
        "the tracker sent an order before Welcome",
        "el tracker envió una orden antes de la bienvenida",
    ),
    (
        "this node is not connected to a network; connect it first",
        "este nodo no está conectado a ninguna red; conéctelo antes",
    ),
    (
        "this node is still connecting to its network; try again",
        "este nodo aún se está conectando a su red; inténtelo otra vez",
    ),
    ("a tracker", "un tracker"),
    ("a webserver", "un servidor web"),
    ("a peer", "un nodo"),
    (
        "another program that speaks HTTP",
        "otro programa, que habla HTTP",
    ),
    ("another program", "otro programa"),
    ("no answer within {within}", "no hubo respuesta en {within}"),
    (
        "{program} at {address} does not answer ({})",
        "{program} en {address} no responde ({})",
    ),
    ("the tracker", "el tracker"),
    ("the webserver", "el servidor web"),
    ("the node", "el nodo"),
    ("the peer", "el nodo"),
    (
        "another run of this peer is in the way: {refusal:?}",
        "otro arranque de este nodo estorba: {refusal:?}",
    ),
    (
        "the tracker did not answer with Welcome",
        "el tracker no respondió con la bienvenida",
    ),
    (
        "{address} cannot be dialled: {error}",
        "no se puede llamar a {address}: {error}",
    ),
    (
        "this program does not serve {path}",
        "ese programa no ofrece {path}",
    ),
    (
        "this data directory is a copy of the one at {of}, and stays out of the network until that one has left; stop this node and give the directory an id of its own with `peer new-id`",
        "este directorio de datos es una copia del que está en {of}, y queda fuera de la red hasta que aquel se vaya; pare este nodo y dé al directorio un id propio con `peer new-id`",
    ),
    (
        "internal error; the log of this program has the details",
        "error interno; el registro de ese programa tiene los detalles",
    ),
];
