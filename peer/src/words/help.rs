//! The Spanish help. The English is in the doc comments of the command line.
//!
//! Each table has a line `KEY: TEXT` for each entry. A key is made of ids of clap: `get` is a command,
//! `get.output` an argument of it, and `.content` that argument of every command without an entry of its own.
//! The test in `cli/help.rs` finds missing and unused entries.

/// Returns the Spanish help of a command, by its path.
#[must_use]
pub(crate) fn command_help(path: &str) -> Option<&'static str> {
    find(HELP, path)
}

/// Returns the Spanish help of an argument, by its command's path and its id.
#[must_use]
pub(crate) fn argument_help(path: &str, id: &str) -> Option<&'static str> {
    of_argument(HELP, path, id)
}

/// Returns the Spanish default of an argument, where it is a phrase.
#[must_use]
pub(crate) fn argument_default(path: &str, id: &str) -> Option<&'static str> {
    of_argument(DEFAULTS, path, id)
}

/// Returns the Spanish of a heading or of the placeholder of a value.
#[must_use]
pub(crate) fn label(english: &str) -> Option<&'static str> {
    find(LABELS, english)
}

/// Returns the keys and texts of a table.
pub(crate) fn entries(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter_map(|line| line.split_once(": "))
}

fn of_argument(table: &'static str, path: &str, id: &str) -> Option<&'static str> {
    find(table, &format!("{path}.{id}")).or_else(|| find(table, &format!(".{id}")))
}

fn find(table: &'static str, key: &str) -> Option<&'static str> {
    entries(table)
        .find(|(known, _)| *known == key)
        .map(|(_, text)| text)
}

/// Headings and placeholders of values, by their English.
pub(crate) const LABELS: &str = "
Common: Comunes
Running a node: Para arrancar un nodo
COMMAND: ORDEN
DIR: DIR
DURATION: DURACIÓN
FILE: ARCHIVO
FILTER: FILTRO
FORMAT: FORMATO
FROM: DE
GLOB: PATRÓN
HOST: HOST
HOW: CÓMO
ID: ID
HOST:PORT: HOST:PUERTO
KEY: CLAVE
LANGUAGE: IDIOMA
LINE: LÍNEA
N: N
NAME: NOMBRE
NAME@REV: NOMBRE@REV
NAME|ID: NOMBRE|ID
PATH: RUTA
LINE|PEER:PORT: LÍNEA|NODO:PUERTO
PORT: PUERTO
RATE: RITMO
SHELL: SHELL
SIZE: TAMAÑO
SWITCH: ON|OFF
TO: A
VALUE: VALOR
";

/// Defaults that are phrases.
pub(crate) const DEFAULTS: &str = "
.host: 127.0.0.1; en un miembro de una red protegida, la dirección que lleva a ella
.webserver: donde se entró la última vez, si no 127.0.0.1:50051
.port: 50053 con `serve`, si no 0
.advertise: la dirección en la que escucha
.lang: el del sistema, si no en
.log: info en los servidores, si no warn
.replicas: las de la red
.fragment_length: la que conviene al tamaño del archivo
.name: el del archivo
get.output: ./ y la última parte del nombre
receive.output: ./ y su nombre
.give_up_after: 2m, none con --timeout
adopt-network.network: todas las demás
durability.content: todo
config check.file: el que indica --config
";

/// Commands and arguments.
pub(crate) const HELP: &str = "
.data_dir: El directorio de datos del nodo, que además identifica al nodo en marcha
.peer: La dirección del nodo en marcha que se usa; sin su directorio de datos, las órdenes solo pueden leer de él
.json: Escribir los resultados en JSON: un documento, o un objeto por línea en las operaciones largas, el último es el resultado
.quiet: Escribir solo resultados y errores
.no_progress: No mostrar barras de progreso
.timeout: Abandonar tras este tiempo, con el código de salida 124; no afecta a `serve` ni al menú
.verbose: Registrar más, en stderr; repita la opción para aún más
.log: El registro en stderr: error, warn, info, debug, trace, o directivas como peer::fetch=trace,info
.log_format: El formato de las líneas del registro: text, json, o auto (texto en una terminal, si no JSON)
.config: Un archivo TOML con ajustes de los que lista `config show`; un nodo en marcha sigue los cambios de sus límites, capacidad, zona y registro
.lang: El idioma de los mensajes: en o es

peer: Publique archivos una vez, conserve copias verificadas en muchas máquinas, descárguelos a la velocidad del cable
serve: Arrancar un nodo hasta SIGINT o SIGTERM
add: Publicar un archivo, sin copiarlo, o un directorio
add.path: El archivo o directorio; - publica la entrada estándar, que necesita --name
add.name: El nombre que darle
add.update: Dar el nombre a este contenido aunque ya lo tenga otro
add.dry_run: Mostrar qué se enviaría, y no hacer nada
add.wait: Esperar hasta que cada fragmento tenga sus réplicas, como mucho este tiempo desde que se calculó el hash; escríbalo detrás de RUTA o como --wait=DURACIÓN
add.replicas: Réplicas que se quieren de cada fragmento, de 1 a 32, contando la de este nodo
.fragment_length: Longitud de un fragmento, una potencia de dos de 64KiB a 16MiB
.include: Tomar de un directorio solo lo que encaje: `*` y `?` en nombres, `**` para directorios; un patrón con barra es una ruta desde el propio directorio; puede darse varias veces
.exclude: Dejar fuera de un directorio lo que encaje; pesa más que --include
.links: Enlaces de un directorio que llevan fuera de él: keep los guarda tal cual, skip los deja fuera, follow toma en su lugar aquello a lo que llevan; si no, se rechazan
.case: keep toma de un directorio nombres que solo difieren en mayúsculas
.skip_unsupported: Dejar fuera de un directorio lo que no puede publicarse: tuberías, nombres que no son UTF-8, lo que no se puede leer o se borra entretanto
get: Descargar y verificar un archivo o un directorio; continúa una descarga anterior, y sirve mientras descarga
.content: Un nombre, o un id, del que bastan las 8 primeras cifras
get.output: El archivo que escribir, o el directorio en el que ponerlo; - escribe en la salida estándar
.force: Reemplazar los archivos que ya existan, cada uno cuando esté completo
.give_up_after: Abandonar cuando no haya llegado nada en este tiempo, con el código de salida 6, o 7 si ningún nodo lo tiene; none: nunca
get.dry_run: Mostrar qué se descargaría, y de dónde, y no descargar nada
remove: Retirar un nombre para todos
remove.name: El nombre
rename: Dar otro nombre al contenido de un nombre, para todos a la vez
rename.from: El nombre
rename.to: El nombre nuevo, que debe estar libre
forget: Borrar la copia que este nodo tiene de un contenido
forget.force: Aunque sea la última copia, o ningún tracker pueda saberlo
list: Listar los nombres de la red, o las entradas de un directorio
list.content: Un directorio que se añadió, o NOMBRE/ruta/dentro de uno
list.local: Listar en su lugar lo que hay en este nodo
locate: Mostrar quién tiene qué fragmentos de un contenido
status: Mostrar el estado del nodo
limit: Mostrar los límites de las transferencias del nodo, o cambiarlos, en el acto y hasta que se reinicie
limit.upload: Límite de envío a todos los nodos juntos, por ejemplo 10MB/s, 512KiB/s o 80Mbit/s, o `none`
limit.download: Límite de recepción de todos los nodos juntos, o `none`
network: Mostrar los nodos de la red
network.all: También los nodos que se han ido y no guardaban nada
network.remove: Quitar de la lista, para todos, un nodo perdido
revoke: Retirar el certificado de un nodo, o de otro miembro: queda fuera de la red protegida en el acto y para siempre; hace falta un token de administración en ENJAMBRE_TOKEN
revoke.id: Su id, o el principio, como lo muestran `peer network` y `tracker member list`
adopt-network: Publicar en la red de este nodo lo que publicó en otra que ya no existe; no puede haber un nodo en marcha con el directorio de datos
adopt-network.network: La otra red, o el principio de su id, como lo muestra `peer status`
new-id: Dar al directorio de datos un id propio, cuando es copia del de otro nodo; no puede haber un nodo en marcha con él
rebuild-index: Hacer un índice nuevo a partir de los fragmentos que hay en el disco, cuando el índice está dañado o no está; no puede haber un nodo en marcha con el directorio de datos
verify: Releer los datos del nodo (de un contenido, o todos), y retirar los fragmentos dañados
verify.content: El contenido que releer

history: Mostrar las revisiones de un nombre, y cuáles de sus contenidos siguen existiendo; NOMBRE@REV indica una en lugar de un nombre
history.name: El nombre
pin: Guardar el contenido de una revisión, aunque cambie su nombre
unpin: Dejar de guardar el contenido de una revisión
.revision: El nombre y el número de su revisión, como models/a@3
replicas: Cambiar cuántas réplicas se quieren del contenido de un nombre
replicas.name: El nombre
replicas.replicas: Réplicas de cada fragmento, de 1 a 32, contando la de quien lo publicó
drain: Llevar las réplicas de este nodo a otros, y decir cuándo se puede apagar para siempre
drain.wait: Esperar hasta que se pueda apagar el nodo, como mucho este tiempo; escríbalo como --wait=DURACIÓN
drain.cancel: Cancelar el vaciado: el nodo guarda réplicas como antes
help: Mostrar esta ayuda, o la de una orden
help.command: La orden
maintenance: Avisar de que este nodo faltará y volverá, para que no se repongan sus réplicas, o de que ha vuelto
maintenance.switch: Si el mantenimiento empieza (on) o ha terminado (off); sin ello se muestra cómo está el nodo
maintenance.length: El mantenimiento termina por sí solo tras este tiempo, como mucho un día
durability: Mostrar a qué pérdidas sobrevivirían los contenidos, cuáles están en peligro, y el progreso de la reparación
why: Mostrar por qué un contenido tiene menos réplicas de las que se quieren, y por qué espera su descarga en este nodo

put: Guardar un valor pequeño bajo una clave, replicado como un archivo
put.key: La clave: un nombre debajo de values/
put.value: El valor, de 64 KiB como mucho; - lee la entrada estándar
.replicas: Réplicas que se quieren, de 1 a 32, contando la de este nodo
put.wait: Esperar hasta que el valor tenga sus réplicas, como mucho este tiempo; escríbalo detrás de VALOR o como --wait=DURACIÓN
value: Escribir el valor guardado bajo una clave
value.key: La clave
send: Escribir una línea para `peer receive` en otra máquina, y seguir en marcha mientras se pueda recibir
send.path: El archivo o directorio; - envía la entrada estándar, que necesita --name
send.name: El nombre del archivo o directorio recibido
send.length: Tiempo en el que se puede recibir; después se retira su nombre y la orden acaba
send.keep: Acabar en el acto y conservar el nombre hasta que se retire; necesita un nodo en marcha
receive: Descargar y verificar el contenido de una línea de `peer send`
receive.ticket: La línea que escribió `peer send`
receive.output: La ruta que escribir, o el directorio en el que ponerlo; - escribe un archivo en la salida estándar
watch: Seguir los sucesos de la red: publicaciones, retiradas, réplicas, nodos; acaba al interrumpirlo
watch.exec: Ejecutar esto por cada suceso, uno tras otro: `sh -c ORDEN`, con el suceso en JSON en su entrada estándar y en ENJAMBRE_EVENT, ENJAMBRE_NAME y ENJAMBRE_PEER

config: Mostrar o comprobar los ajustes
config show: Mostrar el valor de cada ajuste, y de dónde viene
config show.json: Como un documento JSON
config check: Decir todo lo que está mal en un archivo de configuración; código de salida 2 si hay algo
config check.file: El archivo
config check.json: Como un documento JSON
completions: Escribir un guion de autocompletado, como `completions bash > /etc/bash_completion.d/PROGRAM`
completions.shell: Para este shell
man: Escribir páginas de manual, una para cada orden
man.dir: En este directorio, como /usr/local/share/man/man1; se crea si falta
";

/// The text after the help of the program itself.
pub(crate) const AFTER_HELP_IN_SPANISH: &str = "\
Sin orden, `peer` es un menú interactivo que arranca un nodo mientras esté abierto.

Los ajustes vienen, del más débil al más fuerte, de: valores por omisión, el archivo de --config (TOML; --data-dir es
data_dir), variables ENJAMBRE_* (--data-dir es ENJAMBRE_DATA_DIR), opciones. `peer config show` dice cuáles están en vigor.

Códigos de salida: 0 hecho, 1 interno, 2 uso, 3 no existe, 4 no permitido, 5 conflicto o ya existe,
6 no se alcanza el tracker o los nodos, 7 incompleto, 8 fallo de integridad, 9 disco lleno o sin capacidad,
10 sin el objetivo de réplicas, 124 tiempo agotado, 130 interrumpido.";
