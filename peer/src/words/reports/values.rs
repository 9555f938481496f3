//! Reports about values, entries of directories and messages; any of the programs may make them.

/// Values of requests.
pub(super) const VALUES: &[(&str, &str)] = &[
    ("missing {0}", "falta {0}"),
    ("invalid {field}: {reason}", "{field} no vale: {reason}"),
    (
        "the answer makes no sense: {invalid}",
        "la respuesta no tiene sentido: {invalid}",
    ),
    (
        "at most 1024 bytes are allowed",
        "se admiten como mucho 1024 bytes",
    ),
    ("it has come already", "ya ha llegado"),
    (
        "there are too many; split the collection",
        "hay demasiadas; divida el directorio",
    ),
    ("is no place of a setting", "no es un sitio de un ajuste"),
    (
        "must be an absolute path of at most 4096 bytes",
        "tiene que ser una ruta absoluta de 4096 bytes como mucho",
    ),
    (
        "must be {N} bytes, got {got}",
        "tiene que tener {N} bytes, tiene {got}",
    ),
    (
        "at most {max} are allowed, got {}",
        "se admiten como mucho {max}, hay {}",
    ),
    (
        "at most {MAX_FRAGMENTS} are allowed",
        "se admiten como mucho {MAX_FRAGMENTS}",
    ),
    (
        "must have 16 bytes, or none",
        "tiene que tener 16 bytes, o ninguno",
    ),
    ("must have 32 bytes", "tiene que tener 32 bytes"),
    (
        "the content has no such block",
        "el contenido no tiene ese bloque",
    ),
    ("must be from 1 ms to one day", "tiene que ser de 1 ms a un día"),
    ("must be at least 1", "tiene que ser al menos 1"),
    (
        "must be a multiple of 32 bytes, got {}",
        "tiene que ser un múltiplo de 32 bytes, tiene {}",
    ),
    (
        "more parts than a collection can have",
        "más partes de las que caben en un directorio",
    ),
    (
        "more ranges than a question may have",
        "más intervalos de los que admite una pregunta",
    ),
    ("a range of no part", "un intervalo de ninguna parte"),
    ("a range without a byte", "un intervalo sin ningún byte"),
    ("end of a hole", "el final de un hueco"),
    (
        "more is listed than may be",
        "la lista es más larga de lo admitido",
    ),
    (
        "it stands for every address of a machine",
        "designa todas las direcciones de una máquina",
    ),
    ("it stands for many machines", "designa muchas máquinas"),
    (
        "nobody can dial {0}: it stands for every address of a machine, or for many machines; give the address of one machine, such as 127.0.0.1:50051",
        "nadie puede llamar a {0}: designa todas las direcciones de una máquina, o muchas máquinas; dé la dirección de una máquina, como 127.0.0.1:50051",
    ),
    (
        "{0:?} is not a size; write a number and a unit: B, kB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024), such as 500MB or 50GiB",
        "{0:?} no es un tamaño; escriba un número y una unidad: B, kB, MB, GB, TB (potencias de 1000) o KiB, MiB, GiB, TiB (potencias de 1024), como 500MB o 50GiB",
    ),
    (
        "{0:?} is not a rate; write a number and a unit: kB/s, MB/s, GB/s or KiB/s, MiB/s, GiB/s for bytes, kbit/s, Mbit/s, Gbit/s for bits, such as 10MB/s or 80Mbit/s",
        "{0:?} no es una velocidad; escriba un número y una unidad: kB/s, MB/s, GB/s o KiB/s, MiB/s, GiB/s para bytes, kbit/s, Mbit/s, Gbit/s para bits, como 10MB/s u 80Mbit/s",
    ),
    (
        "the metadata of a file make no sense",
        "los metadatos de un archivo no tienen sentido",
    ),
    (
        "must be {expected} bytes, got {got}",
        "tiene que tener {expected} bytes, tiene {got}",
    ),
    (
        "{0} is not a fragment length; choose a power of two from 64KiB to 16MiB",
        "{0} no es un tamaño de fragmentos; elija una potencia de dos de 64KiB a 16MiB",
    ),
    (
        "a set of {count} fragments has {expected} bytes, got {got}",
        "un conjunto de {count} fragmentos tiene {expected} bytes, este tiene {got}",
    ),
    (
        "a set of {count} fragments names a fragment after the last one",
        "un conjunto de {count} fragmentos nombra uno posterior al último",
    ),
    (
        "{what} must be {expected} hexadecimal digits, got {got:?}",
        "{what} tiene que tener {expected} cifras hexadecimales, es {got:?}",
    ),
    ("content id", "el id de contenido"),
    ("peer id", "el id de nodo"),
    ("run id", "el id de arranque"),
    ("network id", "el id de red"),
    ("key hash", "el resumen de la clave"),
    (
        "a content of {length} bytes in fragments of {fragment_length} has more than {MAX_FRAGMENTS} fragments",
        "un contenido de {length} bytes en fragmentos de {fragment_length} tiene más de {MAX_FRAGMENTS} fragmentos",
    ),
    (
        "the content has {expected} fragments, got {got} fragment roots",
        "el contenido tiene {expected} fragmentos, y llegaron {got} raíces",
    ),
    (
        "the fragment roots are those of content {actual}, not of {claimed}",
        "las raíces de los fragmentos son del contenido {actual}, no de {claimed}",
    ),
    (
        "the leaf hashes of fragment {index} do not match its root",
        "las huellas del fragmento {index} no concuerdan con su raíz",
    ),
    (
        "block {block} of fragment {index} does not match its hash",
        "el bloque {block} del fragmento {index} no concuerda con su huella",
    ),
    ("a name must not be empty", "un nombre no puede estar vacío"),
    (
        "a name may have {max} bytes{scope}, this one has {got}",
        "un nombre puede tener {max} bytes{scope}, este tiene {got}",
    ),
    (" in one part", " en una parte"),
    (
        "a name must not begin or end with '/' or contain '//': {0:?}",
        "un nombre no puede empezar ni acabar con '/' ni contener '//': {0:?}",
    ),
    (
        "a part of a name must not be '.' or '..': {0:?}",
        "una parte de un nombre no puede ser '.' ni '..': {0:?}",
    ),
    (
        "a name must not contain {found:?}: {name:?}",
        "un nombre no puede contener {found:?}: {name:?}",
    ),
    (
        "{0} reads as a content id; choose another name",
        "{0} parece el id de un contenido; elija otro nombre",
    ),
    (
        "{0:?} is not HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051",
        "{0:?} no es HOST:PUERTO, como 127.0.0.1:50051 o [::1]:50051",
    ),
    (
        "{0:?} is not a zone; use 1 to 64 letters, digits, '-', '_' and '.'",
        "{0:?} no es una zona; use de 1 a 64 letras, cifras, '-', '_' y '.'",
    ),
    (
        "{0} is not a number of replicas; choose 1 to {max}",
        "{0} no es un número de réplicas; elija de 1 a {max}",
    ),
    (
        "{0} is not a number of revisions to keep; choose 1 to {max}",
        "{0} no es un número de revisiones que guardar; elija de 1 a {max}",
    ),
    (
        "{0:?} names no revision; write NAME@REVISION, such as models/a@3 (`peer history NAME` lists them)",
        "{0:?} no indica una revisión; escriba NOMBRE@REVISIÓN, como models/a@3 (`peer history NOMBRE` las lista)",
    ),
    (
        "{0:?} is not a duration; write a number with a unit, such as 500ms, 30s, 10m or 2h",
        "{0:?} no es una duración; escriba un número con una unidad, como 500ms, 30s, 10m o 2h",
    ),
];

/// Entries of directories, and catalogs.
pub(super) const ENTRIES: &[(&str, &str)] = &[
    (
        "{path:?} cannot be in a collection: {why}",
        "{path:?} no cabe en un directorio publicado: {why}",
    ),
    (
        "{path:?} cannot be in a collection: its path is too long",
        "{path:?} no cabe en un directorio publicado: su ruta es demasiado larga",
    ),
    (
        "{path:?} cannot be in a collection: it lies in more than {max} directories",
        "{path:?} no cabe en un directorio publicado: está a más de {max} directorios de profundidad",
    ),
    (
        "{path:?} cannot be in a collection: another name beside it differs only in case",
        "{path:?} no cabe en un directorio publicado: otro nombre a su lado solo se distingue en las mayúsculas",
    ),
    (
        "link {path:?} -> {target:?} cannot be in a collection: {why}",
        "el enlace {path:?} -> {target:?} no cabe en un directorio publicado: {why}",
    ),
    (
        "file {path:?} cannot be in a collection: {why}",
        "el archivo {path:?} no cabe en un directorio publicado: {why}",
    ),
    (
        "a collection may have {max} {what}; split it",
        "un directorio puede tener {max} {what}; divídalo",
    ),
    (
        "a collection may have {max} parts, this one has more; split it",
        "un directorio puede tener {max} partes, este tiene más; divídalo",
    ),
    (
        "the parts of a collection may have {max} fragments in all, these have more; split it",
        "las partes de un directorio pueden tener {max} fragmentos en total, estas tienen más; divídalo",
    ),
    ("a directory does not end", "un directorio no acaba"),
    (
        "a directory ends that did not begin",
        "acaba un directorio que no empezó",
    ),
    (
        "it ends after the largest offset there is",
        "acaba después de la mayor posición que hay",
    ),
    (
        "it has bytes nowhere, or none somewhere",
        "tiene bytes en ninguna parte, o ninguno en una",
    ),
    (
        "it is not in order, or there twice",
        "no está en orden, o está dos veces",
    ),
    ("its holes are not in order", "sus huecos no están en orden"),
    ("its name is a path", "su nombre es una ruta"),
    ("its name is empty", "su nombre está vacío"),
    (
        "its name means another directory",
        "su nombre indica otro directorio",
    ),
    (
        "its target goes up after it went down; write it the short way",
        "su destino sube después de bajar; escríbalo por el camino corto",
    ),
    (
        "its target has control characters",
        "su destino tiene caracteres de control",
    ),
    (
        "its target is absolute, and would lead elsewhere on another machine",
        "su destino es absoluto, y en otra máquina llevaría a otra parte",
    ),
    (
        "its target is empty or too long",
        "su destino está vacío o es demasiado largo",
    ),
    (
        "its target is outside of the collection",
        "su destino está fuera del directorio",
    ),
    ("large files and packs", "archivos grandes y paquetes"),
    ("bytes of names and attributes", "bytes de nombres y atributos"),
    (
        "this is no catalog of a collection: {0}",
        "esto no es el catálogo de un directorio: {0}",
    ),
    (
        "the collection has format {0}, which this program does not know; use a newer one",
        "el directorio tiene el formato {0}, que este programa no conoce; use uno más nuevo",
    ),
    ("it is too long", "es demasiado largo"),
    ("it does not begin as one", "no empieza como uno"),
    ("it ends too early", "acaba demasiado pronto"),
    (
        "its bytes are not in their one form",
        "sus bytes no tienen la única forma válida",
    ),
    ("a number is too long", "un número es demasiado largo"),
    ("it says that more comes than does", "anuncia más de lo que llega"),
    ("a name is not UTF-8", "un nombre no es UTF-8"),
    (
        "a mode has bits that are not kept",
        "un modo tiene bits que no se guardan",
    ),
    (
        "a time has too many nanoseconds",
        "una fecha tiene demasiados nanosegundos",
    ),
    (
        "a file's bytes are in no part",
        "los bytes de un archivo no están en ninguna parte",
    ),
    (
        "a hole ends after the largest offset",
        "un hueco acaba después de la mayor posición",
    ),
    ("a name that is not UTF-8", "un nombre que no es UTF-8"),
    (
        "a device, a pipe or a socket",
        "un dispositivo, una tubería o un socket",
    ),
    ("it cannot be read", "no se puede leer"),
    ("it was removed meanwhile", "se borró entretanto"),
    ("it changes while it is read", "cambia mientras se lee"),
    (
        "its name has control characters",
        "su nombre tiene caracteres de control",
    ),
    ("its path is too long", "su ruta es demasiado larga"),
    ("it lies too deep", "está a demasiada profundidad"),
    (
        "another name beside it differs only in case",
        "otro nombre a su lado solo se distingue en las mayúsculas",
    ),
    ("a link that leads outside", "un enlace que lleva fuera"),
    ("a link that leads nowhere", "un enlace que no lleva a nada"),
    (
        "a link to a directory that it lies in",
        "un enlace a un directorio en el que está",
    ),
    (
        "a data directory of a node or tracker",
        "un directorio de datos de un nodo o tracker",
    ),
    (
        "a file that a get is writing, or left unfinished",
        "un archivo que un get está escribiendo, o dejó sin terminar",
    ),
    ("for another reason", "por otro motivo"),
    ("; and {more} more", "; y {more} más"),
    (
        "a pattern has 1 to {MAX_PATTERN} bytes, this one has {0}",
        "un patrón tiene de 1 a {MAX_PATTERN} bytes, este tiene {0}",
    ),
    (
        "at most {MAX_PATTERN} patterns are possible",
        "se admiten como mucho {MAX_PATTERN} patrones",
    ),
];

/// Words that are put together, and those of the libraries that carry messages.
pub(super) const OTHERS: &[(&str, &str)] = &[
    ("1 entry", "1 entrada"),
    ("{n} entries", "{n} entradas"),
    ("1 fragment", "1 fragmento"),
    ("{} fragments", "{} fragmentos"),
    ("1 holder", "1 nodo que lo tiene"),
    ("{} holders", "{} nodos que lo tienen"),
    ("1 keeper", "1 nodo que lo guarda"),
    ("{} keepers", "{} nodos que lo guardan"),
    ("1 peer", "1 nodo"),
    ("{} peers", "{} nodos"),
    ("1 replica", "1 réplica"),
    ("{} replicas", "{} réplicas"),
    ("1 zone", "1 zona"),
    ("{} zones", "{} zonas"),
    ("{} ({})", "{} ({})"),
    ("not found", "no existe"),
    ("permission denied", "no está permitido"),
    ("invalid argument", "la petición no es válida"),
    ("failed precondition", "antes hay que hacer otra cosa"),
    ("deadline exceeded", "ha tardado demasiado"),
    ("connection refused", "conexión rechazada"),
    ("no route to host", "no hay camino hasta la máquina"),
    ("tcp connect error", "no se puede conectar"),
    ("transport error", "fallo de la conexión"),
    ("error trying to connect", "no se puede conectar"),
    ("connection error", "fallo de la conexión"),
    ("connection closed", "se cerró la conexión"),
    ("broken pipe", "se cerró la conexión"),
    ("keep-alive timed out", "la otra máquina ya no responde"),
    ("operation timed out", "ha tardado demasiado"),
    ("dns error", "no se encuentra la máquina"),
    ("deadline has elapsed", "ha tardado demasiado"),
];
