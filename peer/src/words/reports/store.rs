//! Reports of the store and the disk.

/// Refusals of the store.
pub(super) const STORE: &[(&str, &str)] = &[
    (
        "nothing of content {0} is held here",
        "aquí no hay nada del contenido {0}",
    ),
    (
        "fragment {index} of content {content} is not held here",
        "aquí no está el fragmento {index} del contenido {content}",
    ),
    (
        "no room was made for fragment {index} of content {content}",
        "no se hizo sitio para el fragmento {index} del contenido {content}",
    ),
    (
        "not every block of fragment {index} of content {content} has been written",
        "no se han escrito todos los bloques del fragmento {index} del contenido {content}",
    ),
    (
        "content {0} is kept in fragments of another length; forget it here first",
        "el contenido {0} se guarda en fragmentos de otro tamaño; olvídelo aquí antes",
    ),
    (
        "content {content} is kept in {}, which is damaged and not ours to repair; forget it here first",
        "el contenido {content} está en {}, que está dañado y no nos toca reparar; olvídelo aquí antes",
    ),
    (
        "{} has changed since it was added; it is no longer shared",
        "{} ha cambiado desde que se añadió; ya no se comparte",
    ),
    (
        "{}: {}; its content is shared again when it is back",
        "{}: {}; su contenido se compartirá otra vez cuando vuelva",
    ),
    (
        "it is gone, or its disk is not mounted",
        "ya no está, o su disco no está montado",
    ),
    (
        "{first}; {count} files of it are away",
        "{first}; faltan {count} de sus archivos",
    ),
    (
        "no absence of a file has this code",
        "ninguna ausencia de un archivo tiene este código",
    ),
    (
        "it has changed since it was added",
        "ha cambiado desde que se añadió",
    ),
    (
        "the node's user may not read it",
        "el usuario del nodo no puede leerlo",
    ),
    ("the system fails to read it", "el sistema no consigue leerlo"),
    (
        "{} changed while it was being read; add it again when nothing writes to it",
        "{} cambió mientras se leía; añádalo otra vez cuando nadie lo escriba",
    ),
    (
        "{} is {kind}; only regular files can be added",
        "{} es {kind}; solo se pueden añadir archivos normales",
    ),
    ("stopped while reading {}", "se paró mientras se leía {}"),
    (
        "{path} is in {}, a data directory of a node or tracker; choose another place",
        "{path} está en {}, un directorio de datos de un nodo o tracker; elija otro sitio",
    ),
    (
        "{path} is another name of a file in a data directory of a node or tracker; choose another place",
        "{path} es otro nombre de un archivo de un directorio de datos de un nodo o tracker; elija otro sitio",
    ),
    (
        "{} is no data directory of a peer, and not empty: {} is there; choose another with --data-dir",
        "{} no es un directorio de datos de un nodo, ni está vacío: ahí está {}; elija otro con --data-dir",
    ),
    (
        "{path} leads into {root}, where the operating system's own files are; choose another place (standard output is `-o -`)",
        "{path} lleva a {root}, donde están los archivos propios del sistema operativo; elija otro sitio (la salida estándar es `-o -`)",
    ),
    (
        "{} is {kind}, which is never replaced; write into it with --output - and your shell's `>`",
        "{} es {kind}, y eso nunca se reemplaza; escriba en él con --output - y el `>` del intérprete",
    ),
    (
        "{needed} bytes do not fit: {available} are left of {of}",
        "{needed} bytes no caben: quedan {available} en {of}",
    ),
    ("the capacity lent", "la capacidad cedida"),
    ("the disk", "el disco"),
    (
        "the stored copy of fragment {index} of content {content} is damaged",
        "la copia guardada del fragmento {index} del contenido {content} está dañada",
    ),
    (
        "the index of the store failed: {0}{advice}",
        "ha fallado el índice del almacén: {0}{advice}",
    ),
    (
        "; make room on the disk of the data directory",
        "; haga sitio en el disco del directorio de datos",
    ),
    (
        "; make the data directory writable for this user",
        "; dé a este usuario permiso para escribir en el directorio de datos",
    ),
    (
        "; have `peer rebuild-index` make a new index from the fragments",
        "; haga con `peer rebuild-index` un índice nuevo a partir de los fragmentos",
    ),
    (
        "{} has format {other}, this program knows {FORMAT}; use the version that wrote it, or another data directory",
        "{} tiene el formato {other}, este programa conoce el {FORMAT}; use la versión que lo escribió, u otro directorio de datos",
    ),
    (
        "the index is damaged ({what}); {MEND}",
        "el índice está dañado ({what}); {MEND}",
    ),
    (
        "{} is sound, and a sound index is never replaced: nothing was changed; start the node",
        "{} está bien, y un índice que está bien no se reemplaza nunca: no se ha cambiado nada; arranque el nodo",
    ),
    (
        "{} has format {format}, this program knows {FORMAT}; use the version that wrote it",
        "{} tiene el formato {format}, este programa conoce el {FORMAT}; use la versión que lo escribió",
    ),
    (
        "the index has lost this peer's id, and there are fragments in the data directory; none was deleted; put the index and its log back as they were, or have `peer rebuild-index` make a new index from the fragments",
        "el índice ha perdido el id de este nodo, y hay fragmentos en el directorio de datos; no se ha borrado ninguno; vuelva a poner el índice y su registro como estaban, o haga con `peer rebuild-index` un índice nuevo a partir de los fragmentos",
    ),
    (
        "{} is damaged; put it back as it was, or give the data directory an id and a key of its own with `peer new-id`",
        "{} está dañado; vuelva a ponerlo como estaba, o dele al directorio de datos un id y una clave propios con `peer new-id`",
    ),
    (
        "put it back as it was, or give the data directory an id and a key of its own with `peer new-id`",
        "vuelva a ponerlo como estaba, o dele al directorio de datos un id y una clave propios con `peer new-id`",
    ),
    (
        "the key of this peer is gone: {} is not there; {remedy}",
        "la clave de este nodo ha desaparecido: no está {}; {remedy}",
    ),
    (
        "{} has a key of peer {of}, and not the one of this peer, {peer}; {remedy}",
        "{} tiene una clave del nodo {of}, y no la de este nodo, {peer}; {remedy}",
    ),
    (
        "it is no private key of P-256",
        "no es una clave privada de P-256",
    ),
    (
        "the cryptographic library fails",
        "la biblioteca criptográfica falla",
    ),
    (
        "the runs of this peer are used up: no number follows; give it an id of its own with `peer new-id`",
        "los arranques de este nodo se han agotado: no queda ningún número; dele un id propio con `peer new-id`",
    ),
    (
        "{} is the data directory of a tracker; choose another with --data-dir",
        "{} es el directorio de datos de un tracker; elija otro con --data-dir",
    ),
    (
        "{} is in use by another node (pid {who}); stop it or choose another data directory",
        "{} lo usa otro nodo (pid {who}); párelo o elija otro directorio de datos",
    ),
    (
        "{} is damaged: {what}; nothing was changed; {MEND}",
        "{} está dañado: {what}; no se ha cambiado nada; {MEND}",
    ),
    (
        "{} is gone, but there are fragments in {}; {MEND}",
        "falta {}, pero hay fragmentos en {}; {MEND}",
    ),
    (
        "put the index and its log back as they were, or have `peer rebuild-index` make a new index from the fragments",
        "vuelva a poner el índice y su registro como estaban, o haga con `peer rebuild-index` un índice nuevo a partir de los fragmentos",
    ),
];

/// Refusals of the operating system, and what to do about them.
pub(super) const DISK: &[(&str, &str)] = &[
    ("cannot {act} {}: {source}", "no se puede {act} {}: {source}"),
    (
        "cannot {act} {}: {source}; {}",
        "no se puede {act} {}: {source}; {}",
    ),
    ("a pipe", "una tubería"),
    ("a socket", "un socket"),
    ("a device", "un dispositivo"),
    ("a directory", "un directorio"),
    (
        "made up while it is read, as files in /proc are",
        "de los que se componen al leerse, como los de /proc",
    ),
    ("there is no such directory", "no existe ese directorio"),
    (
        "a pipe, a socket or a device is there, and no file",
        "allí hay una tubería, un socket o un dispositivo, y no un archivo",
    ),
    (
        "nothing can be created there; choose another place",
        "allí no se puede crear nada; elija otro sitio",
    ),
    (
        "no file replaces a directory; choose another place, or move it away",
        "un archivo nunca reemplaza un directorio; elija otro sitio, o apártelo",
    ),
    (
        "a part of the path is no directory; choose another place",
        "una parte de la ruta no es un directorio; elija otro sitio",
    ),
    (
        "the user that the program runs as may not write there; choose another place, or change its permissions",
        "el usuario con el que se ejecuta el programa no puede escribir allí; elija otro sitio, o cambie sus permisos",
    ),
    ("choose a shorter path", "elija una ruta más corta"),
    (
        "make room there, or choose another place",
        "haga sitio allí, o elija otro sitio",
    ),
    ("choose another place", "elija otro sitio"),
    (
        "its write-ahead log is gone, {unclean}",
        "falta su registro previo, {unclean}",
    ),
    (
        "its write-ahead log has no intact frame, {unclean}",
        "su registro previo no tiene ninguna página entera, {unclean}",
    ),
    (
        "though the program that used it last was not stopped in an orderly way; if an older version has run here since, or a backup was put here, remove {}",
        "aunque el último programa que lo usó no se paró en orden; si desde entonces se usó aquí una versión más antigua, o se puso aquí una copia de seguridad, borre {}",
    ),
    (
        "it is empty or gone, and its write-ahead log is there",
        "está vacío o falta, y su registro previo está ahí",
    ),
    (
        "it has {length} bytes, less than a page",
        "tiene {length} bytes, menos que una página",
    ),
    ("its head is damaged", "su cabecera está dañada"),
    (
        "its pages are not in order: {fault:?}",
        "sus páginas no están en orden: {fault:?}",
    ),
    (
        "it has {length} bytes, and pages of {page}",
        "tiene {length} bytes, y páginas de {page}",
    ),
    (
        "the head of its write-ahead log is damaged",
        "la cabecera de su registro previo está dañada",
    ),
    (
        "frame {number} of its write-ahead log is damaged",
        "la página {number} de su registro previo está dañada",
    ),
    (
        "frame {first} of its write-ahead log is damaged, and commits come after it",
        "la página {first} de su registro previo está dañada, y hay cambios confirmados después",
    ),
    (
        "its write-ahead log ends at frame {first}, which was not written whole",
        "su registro previo acaba en la página {first}, que no se escribió entera",
    ),
    (
        "cannot listen on {address}: {fault}{}",
        "no se puede escuchar en {address}: {fault}{}",
    ),
    (
        "no address is known for this host; give --host a name or address of this machine, and --port the port",
        "no se conoce ninguna dirección de ese host; dé en --host un nombre o una dirección de esta máquina, y en --port el puerto",
    ),
    (
        "this machine does not have the address; give --host one of its own",
        "esta máquina no tiene esa dirección; dé en --host una suya",
    ),
    (
        "this is an address of many machines; give --host one of this machine's own",
        "es una dirección de muchas máquinas; dé en --host una de esta máquina",
    ),
    (
        "a link-local address needs its interface; give --host both, such as fe80::1%eth0",
        "una dirección de enlace local necesita su interfaz; dé las dos en --host, por ejemplo fe80::1%eth0",
    ),
    (
        "the port is in use; choose another with --port, or 0 for any free one",
        "el puerto está ocupado; elija otro con --port, o 0 para uno cualquiera que esté libre",
    ),
    (
        "ports below 1024 need special rights; choose another with --port",
        "los puertos por debajo de 1024 exigen permisos especiales; elija otro con --port",
    ),
    (
        "the system refuses the address; check --host and --port",
        "el sistema rechaza la dirección; revise --host y --port",
    ),
];

/// Verbs of `cannot {act} …`; they stand for nothing else.
pub(super) const ACTS: &[(&str, &str)] = &[
    ("create", "crear"),
    ("create directory", "crear el directorio"),
    ("find the free space of", "averiguar el espacio libre de"),
    ("hash", "leer"),
    ("copy", "copiar"),
    ("keep a copy of", "guardar una copia de"),
    ("list", "listar"),
    ("lock", "bloquear"),
    ("look at", "examinar"),
    ("give back room in", "devolver sitio de"),
    ("make room in", "hacer sitio en"),
    ("open", "abrir"),
    ("read", "leer"),
    ("remove", "borrar"),
    ("set the time of", "poner la fecha de"),
    ("sync", "asegurar en el disco"),
    ("use", "usar"),
    ("write", "escribir"),
    ("write beside", "escribir junto a"),
    ("write into", "escribir en"),
];
