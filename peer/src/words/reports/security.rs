//! Reports about join lines, tokens, certificates and rights; any of the programs may make them.

/// Lines and tokens that cannot be read, and names that are none.
pub(super) const CREDENTIALS: &[(&str, &str)] = &[
    (
        "cannot listen on {0} without security: every machine that reaches this address could read, publish and remove; secure the network with `tracker init`, or accept that with --insecure (ENJAMBRE_INSECURE=true, insecure = true). Earlier versions did not ask: docs/security.md, \"An existing network\", says how to secure one that runs",
        "no se escucha en {0} sin protección: cualquier máquina que alcance esta dirección podría leer, publicar y eliminar; proteja la red con `tracker init`, o acéptelo con --insecure (ENJAMBRE_INSECURE=true, insecure = true). Las versiones anteriores no preguntaban: docs/security.md, «An existing network», dice cómo proteger una en marcha",
    ),
    (
        "cannot listen on {0} without security: every machine that reaches this address could use what this program serves; join a secured network with a join line (--join-file FILE or ENJAMBRE_JOIN), or accept that with --insecure (ENJAMBRE_INSECURE=true, insecure = true). Earlier versions did not ask: docs/security.md, \"An existing network\", says how to secure one that runs",
        "no se escucha en {0} sin protección: cualquier máquina que alcance esta dirección podría usar lo que este programa sirve; ingrese en una red protegida con una línea de ingreso (--join-file ARCHIVO o ENJAMBRE_JOIN), o acéptelo con --insecure (ENJAMBRE_INSECURE=true, insecure = true). Las versiones anteriores no preguntaban: docs/security.md, «An existing network», dice cómo proteger una en marcha",
    ),
    (
        "this is no join line: one begins with {SCHEME}, and `tracker token create --join` prints it",
        "esto no es una línea de ingreso: empieza por {SCHEME}, y la escribe `tracker token create --join`",
    ),
    (
        "this is no join line: it has more than {MAX_BYTES} bytes",
        "esto no es una línea de ingreso: tiene más de {MAX_BYTES} bytes",
    ),
    (
        "this is a line of `peer send`, which `peer receive` takes; a join line begins with {SCHEME}",
        "esto es una línea de `peer send`, para `peer receive`; una línea de ingreso empieza por {SCHEME}",
    ),
    (
        "this is an API token, which belongs into ENJAMBRE_TOKEN; a join line begins with {SCHEME}",
        "esto es un token de la API, que va en ENJAMBRE_TOKEN; una línea de ingreso empieza por {SCHEME}",
    ),
    (
        "the join line is of version {0}, which this program does not know; use the version that made it",
        "la línea de ingreso es de la versión {0}, que este programa no conoce; use la versión que la hizo",
    ),
    (
        "the join line is cut off; copy all of it",
        "la línea de ingreso está cortada; cópiela entera",
    ),
    (
        "a space or a line end stands inside the join line; copy it as one line",
        "hay un espacio o un fin de línea dentro de la línea de ingreso; cópiela en una sola línea",
    ),
    (
        "address {0} of the join line is not HOST:PORT of one machine; copy the line again",
        "la dirección {0} de la línea de ingreso no es HOST:PUERTO de una máquina; copie la línea otra vez",
    ),
    (
        "a join line has 1 to {max} addresses, this one has {0}",
        "una línea de ingreso tiene de 1 a {max} direcciones, esta tiene {0}",
    ),
    (
        "the hash of the cluster's key in the join line is damaged; copy the line again",
        "el hash de la clave de la red en la línea de ingreso está dañado; copie la línea otra vez",
    ),
    (
        "the token's id in the join line is damaged; copy the line again",
        "el id del token en la línea de ingreso está dañado; copie la línea otra vez",
    ),
    (
        "the secret in the join line is damaged; copy the line again",
        "el secreto de la línea de ingreso está dañado; copie la línea otra vez",
    ),
    (
        "this is no API token: one begins with {PREFIX}, and `tracker token create` prints it",
        "esto no es un token de la API: empieza por {PREFIX}, y lo escribe `tracker token create`",
    ),
    (
        "the API token is cut off; copy all of its {LENGTH} characters",
        "el token de la API está cortado; copie sus {LENGTH} caracteres",
    ),
    (
        "the API token is damaged; copy it again",
        "el token de la API está dañado; cópielo otra vez",
    ),
    (
        "a role is tracker, webserver, peer or user",
        "un papel es tracker, webserver, peer o user",
    ),
    (
        "a member's name has the form ID.ROLE.CLUSTER.enjambre",
        "el nombre de un miembro tiene la forma ID.PAPEL.RED.enjambre",
    ),
    (
        "the certificate names no member of a cluster",
        "el certificado no nombra a ningún miembro de una red",
    ),
    (
        "the certificate names more than one member",
        "el certificado nombra a más de un miembro",
    ),
    (
        "a right is read, publish, remove or admin",
        "un derecho es read, publish, remove o admin",
    ),
    (
        "no name begins with the prefix of the scope: it has at most {MAX_PREFIX} bytes, no control characters \
         and no '/' at the beginning",
        "ningún nombre empieza por el prefijo del alcance: tiene {MAX_PREFIX} bytes como mucho, sin caracteres de \
         control y sin '/' al principio",
    ),
    ("cluster id", "el id de red"),
    ("member id", "el id de miembro"),
    ("token id", "el id de token"),
    (
        "security is off, permissive or required",
        "la seguridad es off, permissive o required",
    ),
];

/// Refusals of callers.
pub(super) const DENIALS: &[(&str, &str)] = &[
    ("no rule allows this call", "ninguna regla permite esta llamada"),
    (
        "this path does not take the method",
        "esta ruta no admite el método",
    ),
    (
        "this network is not secured; `tracker init` secures it",
        "esta red no está protegida; `tracker init` la protege",
    ),
    (
        "this network is secured: a member's certificate or an API token with the right scope is needed",
        "esta red está protegida: hace falta el certificado de un miembro o un token de la API con el alcance debido",
    ),
    (
        "only programs on the node's own machine may do this",
        "solo los programas de la máquina del nodo pueden hacer esto",
    ),
    (
        "the certificate of a {0} does not give the right to do this",
        "el certificado de un {0} no da derecho a hacer esto",
    ),
    (
        "a peer acts for itself only, and this is the certificate of another one",
        "un nodo solo actúa por sí mismo, y este certificado es de otro",
    ),
    (
        "no scope of the token covers this: it needs the right to {0}",
        "ningún alcance del token cubre esto: hace falta el derecho a {0}",
    ),
    (
        "no token gives the right to do this: it needs a member's certificate",
        "ningún token da derecho a hacer esto: hace falta el certificado de un miembro",
    ),
];

/// Connections that are not secured.
pub(super) const TLS: &[(&str, &str)] = &[
    (
        "the certificate cannot be read",
        "no se puede leer el certificado",
    ),
    (
        "the certificate and the key of this program do not fit",
        "el certificado y la clave de este programa no encajan",
    ),
    (
        "there is no root certificate to trust",
        "no hay ningún certificado raíz en el que confiar",
    ),
    (
        "the network is secured and this program has not joined it; start it with a join line",
        "la red está protegida y este programa no ha ingresado en ella; arránquelo con una línea de ingreso",
    ),
    (
        "the certificate there is of another network",
        "el certificado de allí es de otra red",
    ),
    ("the member there is revoked", "el miembro de allí está revocado"),
    (
        "the certificate of the member there has ended",
        "el certificado del miembro de allí ha caducado",
    ),
    (
        "the certificate there ended {0} ago by this machine's clock; set the clock if it is wrong",
        "el certificado de allí caducó hace {0} según el reloj de esta máquina; póngalo en hora si está mal",
    ),
    (
        "the certificate there begins in {0} by this machine's clock; set the clock if it is wrong",
        "el certificado de allí empieza en {0} según el reloj de esta máquina; póngalo en hora si está mal",
    ),
    (
        "another program answers there, with a certificate for {0}",
        "allí responde otro programa, con un certificado para {0}",
    ),
    (
        "the program there finds that this machine's certificate has ended or has not begun; one of the two clocks \
         may be wrong",
        "para el programa de allí, el certificado de esta máquina ha caducado o no ha empezado; uno de los dos relojes \
         puede estar mal",
    ),
    (
        "the program there does not accept this machine's certificate",
        "el programa de allí no acepta el certificado de esta máquina",
    ),
    (
        "the program there does not speak TLS",
        "el programa de allí no habla TLS",
    ),
    (
        "the other end did not secure the connection in time",
        "el otro extremo no protegió la conexión a tiempo",
    ),
    (
        "connections from other machines have to begin with TLS",
        "las conexiones de otras máquinas tienen que empezar con TLS",
    ),
    (
        "the program there shows no root certificate, as a program of a secured network does",
        "el programa de allí no muestra ningún certificado raíz, como hace un programa de una red protegida",
    ),
    (
        "the network there is not the one of the join line, so the line's secret was not sent",
        "la red de allí no es la de la línea de ingreso, así que no se envió el secreto de la línea",
    ),
    (
        "cannot enter the network at {address}: {why}",
        "no se puede ingresar en la red en {address}: {why}",
    ),
    (
        "{0} is damaged: put it back as it was, or remove it and join again with a join line",
        "{0} está dañado: vuelva a ponerlo como estaba, o quítelo e ingrese otra vez con una línea de ingreso",
    ),
    (
        "the key of this program cannot be used: {0}",
        "no se puede usar la clave de este programa: {0}",
    ),
    (
        "the certificate of this program cannot be used: {0}",
        "no se puede usar el certificado de este programa: {0}",
    ),
    (
        "this program has not joined a secured network; start it with a join line",
        "este programa no ha ingresado en ninguna red protegida; arránquelo con una línea de ingreso",
    ),
    (
        "the join line is of another network than the one that this program has joined: leave the line out, or use \
         another data directory; to leave that network for good, remove {0} first",
        "la línea de ingreso es de otra red, no de aquella en la que ingresó este programa: quite la línea, o use otro \
         directorio de datos; para dejar aquella red del todo, quite antes {0}",
    ),
    (
        "the join line names no address",
        "la línea de ingreso no indica ninguna dirección",
    ),
    (
        "{server} knows no tracker that answers; start the tracker first",
        "{server} no conoce ningún tracker que responda; arranque antes el tracker",
    ),
    (
        "{address} is no tracker, although {server} says so",
        "{address} no es un tracker, aunque {server} lo dice",
    ),
    (
        "cannot read the join line in {}: {source}",
        "no se puede leer la línea de ingreso en {}: {source}",
    ),
    (
        "cannot join the network: {0}",
        "no se puede ingresar en la red: {0}",
    ),
    (
        "the network at {address} is secured, and this node has not joined it; get a join line from its operator \
         (`tracker token create --join peer`), and start the node with it in ENJAMBRE_JOIN or --join-file",
        "la red en {address} está protegida, y este nodo no ha ingresado en ella; pida una línea de ingreso a quien la \
         administra (`tracker token create --join peer`), y arranque el nodo con ella en ENJAMBRE_JOIN o --join-file",
    ),
];

/// Machines that are not admitted, and what administrators ask of a tracker in vain.
pub(super) const ADMISSION: &[(&str, &str)] = &[
    (
        "the join line is unknown here: it is of another network, damaged, or ended long ago; `tracker token create --join` makes another",
        "aquí no se conoce la línea de ingreso: es de otra red, está dañada o terminó hace mucho; `tracker token create --join` hace otra",
    ),
    (
        "the join line has ended; `tracker token create --join` makes another",
        "la línea de ingreso ha terminado; `tracker token create --join` hace otra",
    ),
    (
        "the join line was revoked; `tracker token create --join` makes another",
        "la línea de ingreso fue revocada; `tracker token create --join` hace otra",
    ),
    (
        "the join line was used as often as it may be; `tracker token create --join` makes another",
        "la línea de ingreso se ha usado tantas veces como se puede; `tracker token create --join` hace otra",
    ),
    (
        "the join line is for a {of}, and this is a {got}; `tracker token create --join {got}` makes another",
        "la línea de ingreso es para un {of}, y esto es un {got}; `tracker token create --join {got}` hace otra",
    ),
    (
        "member {0} has another key or role; give this machine an id of its own (of a peer, `peer new-id`)",
        "el miembro {0} tiene otra clave u otro papel; dé a esta máquina un id propio (de un nodo, `peer new-id`)",
    ),
    (
        "the key of this machine is that of member {0}; use that id, or make another key",
        "la clave de esta máquina es la del miembro {0}; use ese id, o haga otra clave",
    ),
    (
        "member {0} was revoked and is certified no more; with a new id and a new join line it can join again",
        "el miembro {0} fue revocado y ya no se certifica; con un id nuevo y una línea de ingreso nueva puede volver",
    ),
    (
        "no member has this key; join again with a join line",
        "ningún miembro tiene esta clave; ingrese otra vez con una línea de ingreso",
    ),
    ("no token {0}", "no hay ningún token {0}"),
    (
        "no member {0} was ever certified",
        "nunca se certificó un miembro {0}",
    ),
    (
        "there is a token {0} already; try again",
        "ya hay un token {0}; pruebe otra vez",
    ),
    (
        "there are {0} tokens; they are forgotten some time after their ends",
        "hay {0} tokens; se olvidan algún tiempo después de su fin",
    ),
    ("there are {0} members", "hay {0} miembros"),
    (
        "{0} members that are revoked have certificates that have not ended; replace the authority with `tracker ca rotate`",
        "{0} miembros revocados tienen certificados que no han terminado; cambie la autoridad con `tracker ca rotate`",
    ),
    (
        "this member was revoked; with a new id (`peer new-id`) and a new join line it can join again",
        "este miembro fue revocado; con un id nuevo (`peer new-id`) y una línea de ingreso nueva puede volver",
    ),
    (
        "this is the tracker that answers; nobody could join without it",
        "este es el tracker que responde; sin él nadie podría ingresar",
    ),
    (
        "{} is damaged; restore the data directory from a backup",
        "{} está dañado; restaure el directorio de datos de una copia de seguridad",
    ),
    (
        "the network of {} is secured already; `tracker token create` makes tokens and join lines, `tracker ca rotate` replaces the authority's key",
        "la red de {} ya está protegida; `tracker token create` hace tokens y líneas de ingreso, `tracker ca rotate` cambia la clave de la autoridad",
    ),
    (
        "{0:?} cannot stand in a certificate: it takes up to 32 host names and addresses",
        "{0:?} no puede estar en un certificado: admite hasta 32 nombres y direcciones de máquinas",
    ),
    (
        "the certificate request proves no key of P-256",
        "la petición de certificado no demuestra ninguna clave de P-256",
    ),
    (
        "the cryptographic library fails: {0}",
        "falla la biblioteca criptográfica: {0}",
    ),
    (
        "a program that speaks TLS (a secured network is entered with a join line)",
        "un programa que habla TLS (en una red protegida se entra con una línea de ingreso)",
    ),
    ("a token has 1 to {} scopes", "un token tiene de 1 a {} alcances"),
    ("at most {} are allowed", "se permiten {} como máximo"),
    (
        "cannot {act} {path}: {source}",
        "no se puede {act} {path}: {source}",
    ),
    ("has another length", "tiene otra longitud"),
    ("must be 16 bytes", "debe tener 16 bytes"),
    (
        "must be at most {MAX_DER} bytes, got {got}",
        "debe tener {MAX_DER} bytes como máximo, y tiene {got}",
    ),
    (
        "no tracker has told this machine for a day which members are revoked, so it takes no peer's certificate",
        "ningún tracker le ha dicho en un día a esta máquina qué miembros están revocados, así que no acepta certificados de nodos",
    ),
    (
        "people join with API tokens",
        "las personas ingresan con tokens de API",
    ),
    (
        "the certificate's key cannot be read",
        "no se puede leer la clave del certificado",
    ),
    ("the program", "el programa"),
    (
        "this API token is unknown, revoked, at its end or damaged; `tracker token create` makes another",
        "este token de API es desconocido, está revocado, terminado o dañado; `tracker token create` hace otro",
    ),
    ("this program is stopping", "este programa se está deteniendo"),
];
