//! Reports of trackers.

/// Refusals of commands and of sessions.
pub(super) const REFUSALS: &[(&str, &str)] = &[
    (
        "a newer session of this peer has replaced this one",
        "una sesión más nueva de este nodo ha reemplazado a esta",
    ),
    (
        "nothing was heard from this peer for {0:?}; say hello again",
        "no hubo noticias de este nodo en {0:?}; tiene que presentarse otra vez",
    ),
    ("the peer has left", "el nodo se ha ido"),
    (
        "the peer reads its orders too slowly",
        "el nodo lee sus órdenes demasiado despacio",
    ),
    (
        "the tracker has begun a newer epoch; say hello again",
        "el tracker ha empezado una época más nueva; el nodo tiene que presentarse otra vez",
    ),
    ("the tracker is stopping", "el tracker está parando"),
    (
        "the tracker is stopping; try again in a moment",
        "el tracker está parando; inténtelo dentro de un momento",
    ),
    ("no name {0:?}", "no hay ningún nombre {0:?}"),
    (
        "no name {path:?}: it is a path inside the directory {collection:?}, and the tracker does not know what is inside; ask a peer",
        "no hay ningún nombre {path:?}: es una ruta dentro del directorio {collection:?}, y el tracker no sabe lo que hay dentro; pregunte a un nodo",
    ),
    ("no content {0}", "no hay ningún contenido {0}"),
    (
        "several contents begin with {0}, such as {1} and {2}; give more digits",
        "varios contenidos empiezan por {0}, como {1} y {2}; dé más cifras",
    ),
    (
        "{name:?} is bound to content {content} at revision {revision}, {expected}",
        "{name:?} es el nombre del contenido {content} desde la revisión {revision}, {expected}",
    ),
    ("nothing was expected", "y no se esperaba ninguno"),
    ("another revision was expected", "y se esperaba otra revisión"),
    (
        "{name:?} is not bound; revision {expected} was expected",
        "{name:?} no es el nombre de nada; se esperaba la revisión {expected}",
    ),
    (
        "revision {revision} of {name:?} {why}; {there}",
        "la revisión {revision} de {name:?} {why}; {there}",
    ),
    ("is the removal of the name", "es la retirada del nombre"),
    ("was collected", "ya se ha recogido"),
    ("is still to come", "aún no existe"),
    (
        "is too old to be remembered",
        "es demasiado antigua y ya no se recuerda",
    ),
    ("is not remembered", "no se recuerda"),
    ("none is here", "no queda ninguna"),
    ("revision {first} is here", "queda la revisión {first}"),
    ("revisions {} are here", "quedan las revisiones {}"),
    ("{first} to {last}", "{first} a {last}"),
    (
        "{what} is {} by somebody else since; look at it again",
        "{what} ha cambiado entretanto: otro la ha dejado {}; mírela otra vez",
    ),
    (
        "{most} revisions of {name:?} are pinned already; unpin one first",
        "ya hay {most} revisiones fijadas de {name:?}; suelte antes una",
    ),
    (
        "peer {0} has no session with this tracker; connect it first",
        "el nodo {0} no tiene sesión con este tracker; conéctelo antes",
    ),
    (
        "peer {peer} is in its run {current} now; run {given} is over",
        "el nodo {peer} está ahora en su arranque {current}; el arranque {given} ha acabado",
    ),
    (
        "another run of peer {peer} has a session, at {address}; if it has ended, this one is welcome in a moment",
        "otro arranque del nodo {peer} tiene una sesión, en {address}; si ha acabado, este se admitirá dentro de un momento",
    ),
    (
        "this data directory is a copy of the one at {0}; give it an id of its own with `peer new-id`",
        "este directorio de datos es una copia del que está en {0}; dele un id propio con `peer new-id`",
    ),
    (
        "this tracker is in epoch {current}, the peer has seen epoch {seen}: a newer tracker took over, or this one was restored from an older backup (then stop it, run tracker restored, and start it again), or the peer is from another network",
        "este tracker está en la época {current}, el nodo ha visto la época {seen}: otro tracker más nuevo lo sustituye, o este se restauró de una copia antigua (en ese caso párelo, ejecute tracker restored y arránquelo otra vez), o el nodo es de otra red",
    ),
    (
        "this tracker is of network {current}, and the hello is of network {said}",
        "este tracker es de la red {current}, y el saludo es de la red {said}",
    ),
    (
        "this tracker is in epoch {current}, the peer has seen epoch {seen}: more than {max} epochs lie between, so that is not one of this network's; start the peer with another data directory, or with that other network",
        "este tracker está en la época {current}, el nodo ha visto la época {seen}: entre ambas hay más de {max}, así que esa no es de esta red; arranque el nodo con otro directorio de datos, o con esa otra red",
    ),
    (
        "the epochs of this journal are used up: no tracker can start on it any more; restore an older backup",
        "las épocas de este registro se han agotado: ningún tracker puede arrancar ya con él; restaure una copia más antigua",
    ),
    (
        "the revisions of this journal are used up: after a restoration none could be told from those given before",
        "las revisiones de este registro se han agotado: tras una restauración ninguna se distinguiría de las ya dadas",
    ),
    (
        "a part of a name must show something: {0:?}",
        "cada parte de un nombre debe mostrar algo: {0:?}",
    ),
    (
        "the revisions of {0:?} are used up; use another name",
        "las revisiones de {0:?} se han agotado; use otro nombre",
    ),
    (
        "{0} was pinned and unpinned as often as can be counted; it stays as it is",
        "{0} se ha fijado y soltado tantas veces como se puede contar; queda como está",
    ),
    (
        "peer {peer} was in its run {current}, run {given} is more than {max} later: no peer starts so often; it can count on from run {current}",
        "el nodo {peer} estaba en su arranque {current}, el arranque {given} es más de {max} posterior: ningún nodo arranca tantas veces; puede seguir contando desde el {current}",
    ),
    (
        "the session is over; say hello again",
        "la sesión ha acabado; el nodo tiene que presentarse otra vez",
    ),
    (
        "message {got} of the session came where {expected} was due",
        "llegó el mensaje {got} de la sesión cuando tocaba el {expected}",
    ),
    (
        "content {content} is shared in fragments of {known}; publish it with that fragment length",
        "el contenido {content} se comparte en fragmentos de {known}; publíquelo con ese tamaño",
    ),
    (
        "the publisher has been told to drop content {0}, and has not answered yet",
        "se ha pedido al nodo que borre el contenido {0}, y aún no ha contestado",
    ),
    ("no peer {0}", "no hay ningún nodo {0}"),
    (
        "a maintenance of {0:?} is not possible, at most {max:?} is; drain a peer that is away for longer",
        "un mantenimiento de {0:?} no es posible, como mucho de {max:?}; un nodo que falte más tiempo hay que vaciarlo",
    ),
    (
        "{left} of the {wanted} replicas that are wanted of content {content} would be left",
        "quedarían {left} de las {wanted} réplicas deseadas del contenido {content}",
    ),
    (
        "no name refers to content {0}, and one may be missing since the journal was restored",
        "ningún nombre indica el contenido {0}, y puede que falte uno desde que se restauró el registro del tracker",
    ),
    (
        "other copies of content {0} are not proved yet; they are being looked at, try again in a moment",
        "las demás copias del contenido {0} aún no están probadas; las están mirando, inténtelo dentro de un momento",
    ),
    (
        "only peer {0} itself may do this, in the run that has its session",
        "solo el propio nodo {0} puede hacer esto, en el arranque que tiene su sesión",
    ),
    (
        "the id of peer {0} belongs to another key; give this data directory an id of its own with `peer new-id`, or, when the other one is gone for good, have it removed with `peer network --remove {0}`",
        "el id del nodo {0} es de otra clave; dele a este directorio de datos un id propio con `peer new-id` o, si el otro se ha ido para siempre, haga que lo quiten con `peer network --remove {0}`",
    ),
    (
        "peer {0} has a key, and this request shows no proof of it: it comes from somebody else, or from an earlier version of the program; start the version that made the key, or a later one",
        "el nodo {0} tiene una clave, y esta petición no la prueba: viene de otro, o de una versión anterior del programa; arranque la versión que hizo la clave, o una posterior",
    ),
    (
        "the session of peer {0} that this call belongs to is over; call again in the next one",
        "la sesión del nodo {0} de esta llamada ha acabado; llame otra vez en la siguiente",
    ),
    (
        "the signature does not prove that the peer has its key; say hello again",
        "la firma no prueba que el nodo tenga su clave; tiene que presentarse otra vez",
    ),
    (
        "no answer to the challenge came",
        "el nodo no contestó al reto de su clave",
    ),
    (
        "the challenge must be answered first, with sequence 1",
        "primero hay que contestar al reto, con el número 1",
    ),
    (
        "must be the 65 bytes of a point of P-256 that is not compressed",
        "tienen que ser los 65 bytes de un punto de P-256 sin comprimir",
    ),
    (
        "the tracker challenged this peer after it had welcomed it",
        "el tracker puso un reto a este nodo después de admitirlo",
    ),
    (
        "the tracker has not heard yet that peer {peer} holds content {content}; try again in a moment",
        "el tracker aún no sabe que el nodo {peer} tiene el contenido {content}; inténtelo dentro de un momento",
    ),
    (
        "not all peers have reported since the tracker started; try again in a moment",
        "el tracker acaba de arrancar y aún no tiene noticias de todos los nodos; inténtelo dentro de un momento",
    ),
    (
        "peer {0} is not lost; it can be removed when it has left or was given up",
        "el nodo {0} no está perdido; se puede quitar cuando se haya ido o se le dé por perdido",
    ),
    (
        "peer {0} is being drained; call that off first",
        "el nodo {0} se está vaciando; anule eso antes",
    ),
    (
        "the tracker knows {0} peers already, none of which has gone, and takes no more",
        "el tracker ya conoce {0} nodos, ninguno de los cuales se ha ido, y no admite más",
    ),
    (
        "the tracker has not begun its epoch",
        "el tracker aún no ha empezado su época",
    ),
    (
        "this caller (a member, a token, or an address) has as many requests of this kind under way as it may; end some, or try again later",
        "quien llama (un miembro, un token o una dirección) tiene en curso tantas solicitudes de este tipo como puede; termine alguna o inténtelo más tarde",
    ),
    (
        "as many requests of this kind are under way as there can be; try again later",
        "hay en curso tantas solicitudes de este tipo como puede haber; inténtelo más tarde",
    ),
    (
        "peer {0} announces more contents that nobody has published than the tracker remembers; publish them first, or free them",
        "el nodo {0} anuncia más contenidos que nadie ha publicado de los que el tracker recuerda; publíquelos antes o libérelos",
    ),
    (
        "the names and contents that peer {0} has published take up as much of the tracker's memory as those of one peer may; remove some names, or use longer fragments",
        "los nombres y contenidos que ha publicado el nodo {0} ocupan tanta memoria del tracker como pueden los de un nodo; quite algunos nombres o use fragmentos más largos",
    ),
    (
        "the parts of the collection did not come in time",
        "las partes del directorio no llegaron a tiempo",
    ),
    ("no page ended there", "ninguna página acababa ahí"),
    ("no hello came", "el nodo no se presentó"),
    (
        "the first one must be hello, with sequence 1",
        "el primero tiene que ser la presentación, con el número 1",
    ),
    ("hello is said once", "el nodo se presenta una sola vez"),
];

/// Reasons for which something is not as it should be.
pub(super) const REASONS: &[(&str, &str)] = &[
    ("shared files: {}", "archivos compartidos: {}"),
    ("at {}: {}", "en {}: {}"),
    (
        "nobody can dial this address: {why}",
        "nadie puede llamar a esta dirección: {why}",
    ),
    (
        "the peer listens for its own machine only, and is on another one than the tracker",
        "el nodo solo escucha a su propia máquina, y está en otra que el tracker",
    ),
    ("another peer answers there: {}", "allí responde otro nodo: {}"),
    ("another program answers there", "allí responde otro programa"),
    ("{detail} (and {} more like it)", "{detail} (y {} más como este)"),
    (
        "the tracker has restarted and waits for its peers to report",
        "el tracker ha reiniciado y espera noticias de sus nodos",
    ),
    (
        "the tracker's journal has lost something, and the peer holds contents that may have had a name",
        "al registro del tracker le falta algo, y el nodo tiene contenidos que pudieron tener un nombre",
    ),
    (
        "the peer has no session: what it holds is not known",
        "el nodo no tiene sesión: no se sabe lo que tiene",
    ),
    (
        "the peer has not said everything that it holds",
        "el nodo aún no ha dicho todo lo que tiene",
    ),
    (
        "contents change faster than they can be looked at; ask again in a moment",
        "los contenidos cambian más deprisa de lo que se pueden mirar; vuelva a preguntar dentro de un momento",
    ),
    ("no peer that is there has {}", "ningún nodo presente tiene {}"),
    (
        "{holders} out of reach of other peers: {listed}",
        "los demás nodos no alcanzan a {holders}: {listed}",
    ),
    (
        "{holders} not dialled by another peer yet",
        "ningún otro nodo ha llamado aún a {holders}",
    ),
    (
        "only peers that are silent at the moment have {fragments}",
        "solo nodos que ahora callan tienen {fragments}",
    ),
    ("and {more} more", "y {more} más"),
    (
        "{holders} fell silent and still counts as a replica, for {left} at most",
        "{holders}: acaba de callar y aún cuenta como réplica, durante {left} como mucho",
    ),
    (
        "{holders} away for maintenance, for {left} at most",
        "{holders} en mantenimiento, durante {left} como mucho",
    ),
    ("{} being drained", "{} vaciándose"),
    (
        "no other peer has looked yet at the copies of {}",
        "ningún otro nodo ha mirado aún las copias de {}",
    ),
    (
        "{holders} connected again and not said yet what it holds",
        "{holders}: ha vuelto y aún no ha dicho lo que tiene",
    ),
    ("{} copying {bytes}", "{} copiando {bytes}"),
    ("its turn comes within moments", "su turno llega enseguida"),
    (
        "{} of repair under way, {} at most; more endangered contents come first",
        "{} de reparación en curso, {} como mucho; antes van los contenidos en mayor peligro",
    ),
    (
        "{target} wanted, {able} in active mode",
        "se desea {target}, hay {able} en modo activo",
    ),
    (
        "{target} wanted, {able} in active mode; each has one already or none can be given",
        "se desea {target}, hay {able} en modo activo; cada uno ya tiene la suya o no se le puede dar",
    ),
    (
        "{peers} out of reach of other peers and given nothing: {listed}",
        "los demás nodos no alcanzan a {peers}, y no se les da nada: {listed}",
    ),
    ("{} of {all}", "{} de {all}"),
    (
        "{full} without room for a copy",
        "{full} sin sitio para una copia",
    ),
    (
        "{busy} with all the work that they can hold",
        "{busy} con todo el trabajo que admiten",
    ),
    (
        "{cooling} failed lately and not asked again for {rest}",
        "{cooling} han fallado hace poco y no se les pide nada durante {rest}",
    ),
    (
        "{ready} ready; it is looked at again soon",
        "{ready} dispuestos; pronto se mira otra vez",
    ),
    (
        "{} in {}, and there are {}; replicas that exist stay where they are",
        "{} en {}, y hay {}; las réplicas que existen se quedan donde están",
    ),
];
