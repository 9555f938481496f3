//! The Spanish of the help: clap's English is in the doc comments of the command line, and the key here.
//!
//! A text that is not here is shown in English; [`crate::cli::help`] has the test that finds it, and what is left over.

/// The Spanish of a text of the help, if there is one.
#[must_use]
pub(crate) fn help_in_spanish(english: &str) -> Option<&'static str> {
    let found = HELP.iter().find(|(key, _)| *key == english);
    found.map(|(_, spanish)| *spanish)
}

/// English as clap has it, without the full stop at its end, and Spanish.
pub(crate) const HELP: &[(&str, &str)] = &[
    // Headings and what stands for values.
    ("Common", "Comunes"),
    ("Running a node", "Para arrancar un nodo"),
    ("DIR", "DIR"),
    ("DURATION", "DURACIÓN"),
    ("FILE", "ARCHIVO"),
    ("FILTER", "FILTRO"),
    ("FORMAT", "FORMATO"),
    ("FROM", "DE"),
    ("GLOB", "PATRÓN"),
    ("HOST", "HOST"),
    ("HOST:PORT", "HOST:PUERTO"),
    ("LANGUAGE", "IDIOMA"),
    ("N", "N"),
    ("NAME", "NOMBRE"),
    ("NAME|ID", "NOMBRE|ID"),
    ("PATH", "RUTA"),
    ("PEER:PORT", "NODO:PUERTO"),
    ("PORT", "PUERTO"),
    ("RATE", "RITMO"),
    ("SHELL", "SHELL"),
    ("SIZE", "TAMAÑO"),
    ("SWITCH", "ON|OFF"),
    ("TO", "A"),
    // Defaults in words.
    ("the address that it listens on", "aquella en la que escucha"),
    ("50053 for `serve`, otherwise 0", "50053 con `serve`, si no 0"),
    (
        "where the network was entered the last time, else 127.0.0.1:50051",
        "donde se entró la última vez, si no 127.0.0.1:50051",
    ),
    (
        "what suits the file's size",
        "la que conviene al tamaño del archivo",
    ),
    ("the locale's, else en", "el del sistema, si no en"),
    (
        "info for servers, otherwise warn",
        "info en los servidores, si no warn",
    ),
    ("the file's name", "el del archivo"),
    (
        "./ and the last part of the name",
        "./ y la última parte del nombre",
    ),
    ("everything", "todo"),
    ("the one that --config names", "el que indica --config"),
    // The program.
    (
        "Publish files once, keep verified copies of them on many machines, fetch them at wire speed",
        "Publique archivos una vez, conserve copias verificadas en muchas máquinas, descárguelos a la velocidad del cable",
    ),
    // Common flags.
    (
        "The node's data directory: where it keeps its data, and which running node is meant",
        "El directorio de datos del nodo: dónde guarda sus datos, y a qué nodo en marcha se refiere la orden",
    ),
    (
        "The running node that is meant, by address; can only ask it unless its data directory is readable",
        "El nodo en marcha al que se refiere la orden, por su dirección; solo se le puede preguntar, salvo que su directorio de datos sea legible",
    ),
    (
        "Results as JSON: one document, or one object per line for long operations, the last one the result",
        "Resultados en JSON: un documento, o un objeto por línea en las operaciones largas, el último es el resultado",
    ),
    ("Only results and errors", "Solo resultados y errores"),
    ("No progress bars", "Sin barras de progreso"),
    (
        "Give up after this long, with exit code 124; means nothing to `serve` and the menu",
        "Abandonar tras este tiempo, con el código de salida 124; no afecta a `serve` ni al menú",
    ),
    (
        "Log more, to stderr; repeat for still more",
        "Registrar más, en stderr; repítalo para aún más",
    ),
    (
        "What is logged, to stderr: error, warn, info, debug, trace, or directives such as peer::fetch=trace,info",
        "Qué se registra, en stderr: error, warn, info, debug, trace, o directivas como peer::fetch=trace,info",
    ),
    (
        "How log lines look: text, json, or auto: text on a terminal, JSON otherwise",
        "Cómo son las líneas del registro: text, json, o auto: texto en una terminal, si no JSON",
    ),
    (
        "A TOML file with any of the settings that `config show` lists; while a node runs, changes of its limits, capacity, zone and what is logged take effect at once",
        "Un archivo TOML con ajustes de los que lista `config show`; con un nodo en marcha, los cambios de sus límites, capacidad, zona y qué se registra valen en el acto",
    ),
    (
        "The language for people: en or es",
        "El idioma para las personas: en o es",
    ),
    // Flags of a node.
    (
        "Enter the network by way of this webserver",
        "Entrar en la red por este servidor web",
    ),
    (
        "Enter the network of this peer, which is asked for the webserver and trackers that it knows",
        "Entrar en la red de este nodo, al que se le preguntan el servidor web y los trackers que conoce",
    ),
    (
        "Enter the network at this tracker",
        "Entrar en la red por este tracker",
    ),
    (
        "The address to listen on; anything but loopback exposes the node to the network",
        "La dirección en la que escuchar; todo lo que no sea loopback expone el nodo a la red",
    ),
    (
        "The port to listen on, 0 picks one",
        "El puerto en el que escuchar, con 0 se elige uno",
    ),
    (
        "Where other peers are told to dial this one",
        "La dirección que se da de este nodo a los demás",
    ),
    (
        "Room lent to the cluster for replicas",
        "Sitio que se presta al clúster para réplicas",
    ),
    (
        "The failure domain, such as a rack or a site",
        "El dominio de fallo, como un armario o una sede",
    ),
    (
        "Send at most so much to all peers together, such as 10MB/s, 512KiB/s, 80Mbit/s or none; `peer limit` changes it while the node runs",
        "Enviar como mucho esto a todos los nodos juntos, por ejemplo 10MB/s, 512KiB/s, 80Mbit/s o none; `peer limit` lo cambia con el nodo en marcha",
    ),
    (
        "Take at most so much from all peers together, in the same way",
        "Recibir como mucho esto de todos los nodos juntos, del mismo modo",
    ),
    (
        "Uploads that send at once; four more wait in line, others are sent elsewhere",
        "Envíos simultáneos; otros cuatro esperan en cola, los demás se mandan a otro nodo",
    ),
    (
        "Blocks of transfers in memory, at least 16MiB: a third for uploads, the rest for downloads",
        "Bloques de transferencias en memoria, al menos 16MiB: un tercio para envíos, el resto para descargas",
    ),
    (
        "Read what is held again in the background, at most so fast, to find rot; none: never",
        "Releer en segundo plano lo que hay aquí, como mucho a este ritmo, para hallar lo dañado; none: nunca",
    ),
    // Commands.
    (
        "Run a node until SIGINT or SIGTERM",
        "Arrancar un nodo hasta SIGINT o SIGTERM",
    ),
    (
        "Publish a file, in place, or a directory",
        "Publicar un archivo, sin copiarlo, o un directorio",
    ),
    (
        "Replicas wanted of every fragment, 1 to 32, this node's included",
        "Réplicas que se quieren de cada fragmento, de 1 a 32, contando la de este nodo",
    ),
    (
        "A power of two from 64KiB to 16MiB",
        "Una potencia de dos de 64KiB a 16MiB",
    ),
    (
        "Fetch and verify a file or a directory; resumes, and serves while it fetches",
        "Descargar y verificar un archivo o un directorio; continúa lo empezado, y sirve mientras descarga",
    ),
    ("Remove a name for everyone", "Retirar un nombre para todos"),
    ("The name", "El nombre"),
    (
        "Give what a name stands for another name, for everyone at once",
        "Dar otro nombre a lo que tiene este, para todos a la vez",
    ),
    (
        "The name that it gets; nothing may have it",
        "El nombre nuevo; no puede tenerlo nada",
    ),
    (
        "Drop this peer's copy of a content",
        "Borrar la copia que este nodo tiene de un contenido",
    ),
    (
        "List the network's names, or what is in a directory",
        "Listar los nombres de la red, o lo que hay en un directorio",
    ),
    (
        "A directory that was added, or NAME/path/inside of one",
        "Un directorio que se añadió, o NOMBRE/ruta/dentro de uno",
    ),
    (
        "List what this node holds instead",
        "Listar en su lugar lo que hay en este nodo",
    ),
    (
        "Show who holds which fragments of a content",
        "Mostrar quién tiene qué fragmentos de un contenido",
    ),
    (
        "A name, or an id of 64 hexadecimal digits",
        "Un nombre, o un id de 64 cifras hexadecimales",
    ),
    (
        "Show what the node is and does",
        "Mostrar qué es y qué hace el nodo",
    ),
    (
        "Show how fast the node may transfer, or change it, at once and until the node restarts",
        "Mostrar los límites de velocidad del nodo, o cambiarlos, en el acto y hasta que se reinicie",
    ),
    ("Show the network's peers", "Mostrar los nodos de la red"),
    (
        "Read what the node holds again (of one content, or everything), and withdraw what is damaged",
        "Releer lo que hay en el nodo (un contenido, o todo), y retirar lo dañado",
    ),
    ("What to read", "Qué leer"),
    // Revisions and values.
    ("KEY", "CLAVE"),
    ("NAME@REV", "NOMBRE@REV"),
    ("VALUE", "VALOR"),
    (
        "Show the revisions of a name, and which of their contents are still there; NAME@REV means one wherever a name does",
        "Mostrar las revisiones de un nombre, y cuáles de sus contenidos siguen ahí; NOMBRE@REV indica una donde valga un nombre",
    ),
    (
        "Keep the content of a revision, whatever becomes of its name",
        "Guardar el contenido de una revisión, sea lo que sea de su nombre",
    ),
    (
        "Keep the content of a revision no longer than of any other",
        "Guardar el contenido de una revisión no más que el de cualquier otra",
    ),
    (
        "The name and the number of its revision, such as models/a@3",
        "El nombre y el número de su revisión, como models/a@3",
    ),
    (
        "Store a small value under a key, replicated like a file",
        "Guardar un valor pequeño bajo una clave, replicado como un archivo",
    ),
    (
        "Print the value that is stored under a key",
        "Escribir el valor guardado bajo una clave",
    ),
    ("The key", "La clave"),
    (
        "The key: a name below values/",
        "La clave: un nombre debajo de values/",
    ),
    (
        "The value, at most 64 KiB; - reads it from standard input",
        "El valor, de 64 KiB como mucho; - lo lee de la entrada estándar",
    ),
    (
        "Replicas wanted, 1 to 32, this node's included",
        "Réplicas que se quieren, de 1 a 32, contando la de este nodo",
    ),
    (
        "Wait until the replicas are there, at most this long; write it after VALUE or as --wait=DURATION",
        "Esperar hasta que estén las réplicas, como mucho este tiempo; escríbalo detrás de VALOR o como --wait=DURACIÓN",
    ),
    // Passing things on, dry runs, events.
    ("COMMAND", "ORDEN"),
    ("LINE", "LÍNEA"),
    (
        "Print a line that `peer receive` takes on another machine, and run for as long as that is to work",
        "Escribir una línea que `peer receive` acepta en otra máquina, y seguir en marcha mientras deba valer",
    ),
    (
        "Fetch and verify what a line of `peer send` stands for",
        "Descargar y verificar lo que indica una línea de `peer send`",
    ),
    (
        "Follow what happens in the network: publications, removals, replicas, peers; ends when interrupted",
        "Seguir lo que pasa en la red: publicaciones, retiradas, réplicas, nodos; acaba al interrumpirlo",
    ),
    (
        "What it is called at the other end",
        "Cómo se llama en el otro extremo",
    ),
    (
        "How long it can be received; then its name is removed and the command ends",
        "Cuánto tiempo se puede recibir; después se retira su nombre y la orden acaba",
    ),
    (
        "End at once and leave the name, until somebody removes it; takes a node that runs",
        "Acabar en el acto y dejar el nombre, hasta que alguien lo retire; necesita un nodo en marcha",
    ),
    (
        "The line that `peer send` printed",
        "La línea que escribió `peer send`",
    ),
    (
        "Where to put it, or the directory to put it in; - writes a file to standard output",
        "Dónde ponerlo, o el directorio en el que ponerlo; - escribe un archivo en la salida estándar",
    ),
    ("./ and its name", "./ y su nombre"),
    (
        "Say what would be moved, and do nothing",
        "Decir qué se movería, y no hacer nada",
    ),
    (
        "Say what would be moved, and from where, and move nothing",
        "Decir qué se movería, y de dónde, y no mover nada",
    ),
    (
        "Run this for each event, one after the other: `sh -c COMMAND`, with the event as JSON on its standard input and in ENJAMBRE_EVENT, ENJAMBRE_NAME and ENJAMBRE_PEER",
        "Ejecutar esto por cada suceso, uno tras otro: `sh -c ORDEN`, con el suceso en JSON en su entrada estándar y en ENJAMBRE_EVENT, ENJAMBRE_NAME y ENJAMBRE_PEER",
    ),
    // Chores.
    ("Show or check the settings", "Mostrar o comprobar los ajustes"),
    (
        "Show every setting as it is in effect, and where it came from",
        "Mostrar cada ajuste como está en vigor, y de dónde viene",
    ),
    ("As one JSON document", "Como un documento JSON"),
    (
        "Say everything that is wrong with a configuration file; exit code 2 when there is anything",
        "Decir todo lo que está mal en un archivo de configuración; código de salida 2 si hay algo",
    ),
    ("The file", "El archivo"),
    (
        "Print a completion script, such as `completions bash > /etc/bash_completion.d/PROGRAM`",
        "Escribir un guion de autocompletado, como `completions bash > /etc/bash_completion.d/PROGRAM`",
    ),
    ("For this shell", "Para este shell"),
    (
        "Write manual pages, one for each command",
        "Escribir páginas de manual, una para cada orden",
    ),
    (
        "Into this directory, such as /usr/local/share/man/man1; made if it is missing",
        "En este directorio, como /usr/local/share/man/man1; se crea si falta",
    ),
    // `add` and `get`.
    (
        "End with 6, or with 7 if nobody has it, when nothing has come for this long; none: never",
        "Terminar con 6, o con 7 si nadie lo tiene, cuando no haya llegado nada en este tiempo; none: nunca",
    ),
    ("2m, none with --timeout", "2m, none con --timeout"),
    (
        "The file or directory; - publishes standard input, which takes --name",
        "El archivo o directorio; - publica la entrada estándar, que necesita --name",
    ),
    (
        "The file or directory; - sends standard input, which takes --name",
        "El archivo o directorio; - envía la entrada estándar, que necesita --name",
    ),
    (
        "Of a directory, only what matches: `*` and `?` in names, `**` for directories; a pattern with a slash is a path from the directory itself; may be given several times",
        "De un directorio, solo lo que encaje: `*` y `?` en nombres, `**` para directorios; un patrón con barra es una ruta desde el propio directorio; puede darse varias veces",
    ),
    (
        "Of a directory, not what matches; wins over --include",
        "De un directorio, no lo que encaje; pesa más que --include",
    ),
    ("The name to bind", "El nombre que darle"),
    (
        "Bind the name to this content even if it is bound to another",
        "Dar el nombre a este contenido aunque ya lo tenga otro",
    ),
    (
        "Wait until every fragment has its replicas, at most this long once the file is hashed; write it after PATH or as --wait=DURATION",
        "Esperar hasta que cada fragmento tenga sus réplicas, como mucho este tiempo desde que se calculó el hash; escríbalo detrás de RUTA o como --wait=DURACIÓN",
    ),
    (
        "Where to put the file, or the directory to put it in; - writes it to standard output",
        "Dónde poner el archivo, o el directorio en el que ponerlo; - lo escribe en la salida estándar",
    ),
    (
        "Replace existing files, each once it is complete",
        "Reemplazar los archivos que ya existan, cada uno cuando esté completo",
    ),
    (
        "Even if it is the last copy, or nobody can tell",
        "Aunque sea la última copia, o nadie pueda saberlo",
    ),
    // Limits and upkeep.
    (
        "Send at most so much to all peers together, such as 10MB/s, 512KiB/s or 80Mbit/s, or `none`",
        "Enviar como mucho esto a todos los nodos juntos, por ejemplo 10MB/s, 512KiB/s o 80Mbit/s, o `none`",
    ),
    (
        "Take at most so much from all peers together, or `none`",
        "Recibir como mucho esto de todos los nodos juntos, o `none`",
    ),
    (
        "Change how many replicas of a name's content are wanted",
        "Cambiar cuántas réplicas se quieren del contenido de un nombre",
    ),
    (
        "Of every fragment, 1 to 32, the publisher's included",
        "De cada fragmento, de 1 a 32, contando la de quien lo publicó",
    ),
    (
        "Move what others would miss away from this peer, and say when it is safe to switch it off for good",
        "Llevar a otros nodos lo que se echaría en falta de este, y decir cuándo se puede apagar para siempre",
    ),
    (
        "Wait until it is safe, at most this long; write it as --wait=DURATION",
        "Esperar hasta que se pueda, como mucho este tiempo; escríbalo como --wait=DURACIÓN",
    ),
    (
        "Call the drain off: the peer holds replicas as before",
        "Cancelar el vaciado: el nodo guarda réplicas como antes",
    ),
    (
        "Say that this peer will be away and back, so that it is not repaired around, or that it is back",
        "Avisar de que este nodo faltará y volverá, para que no se reponga lo suyo, o de que ha vuelto",
    ),
    (
        "Whether it begins or is over",
        "Si empieza (on) o ha terminado (off)",
    ),
    (
        "Over by itself after this long, at most a day",
        "Termina por sí solo tras este tiempo, como mucho un día",
    ),
    (
        "Show which losses the contents would survive, what is endangered, and what repair does about it",
        "Mostrar a qué pérdidas sobrevivirían los contenidos, qué peligra y qué hace la reparación",
    ),
    (
        "Show why a content has fewer replicas than wanted, and why its fetch on this peer waits",
        "Mostrar por qué un contenido tiene menos réplicas de las que se quieren y por qué espera su descarga en este nodo",
    ),
];

/// What comes after the help of the program itself.
pub(crate) const AFTER_HELP_IN_SPANISH: &str = "\
Sin orden, `peer` es un menú interactivo que arranca un nodo mientras esté abierto.

Los ajustes vienen, del más débil al más fuerte, de: valores por omisión, el archivo de --config (TOML; --data-dir es
data_dir), variables ENJAMBRE_* (--data-dir es ENJAMBRE_DATA_DIR), opciones. `peer config show` dice cuáles están en vigor.

Códigos de salida: 0 hecho, 1 interno, 2 uso, 3 no existe, 4 no permitido, 5 conflicto o ya existe,
6 no se alcanza el tracker o los nodos, 7 incompleto, 8 fallo de integridad, 9 disco lleno o sin capacidad,
10 sin el objetivo de réplicas, 124 tiempo agotado, 130 interrumpido.";
