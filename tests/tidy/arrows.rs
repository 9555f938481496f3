//! The tables of who may import whom, and the circles that are allowed.

/// A module at the top of a crate and the modules that it may import; `lib` is the crate's root file.
pub(crate) type Row = (&'static str, &'static [&'static str]);

/// The vocabulary is below everything; `settings` and `runtime` need each other (telemetry has settings,
/// settings follow their file in a task), their files make no circle.
pub(crate) const SHARED: &[Row] = &[
    ("collection", &["error", "model"]),
    ("data_files", &[]),
    ("database", &["data_files"]),
    ("error", &[]),
    ("hash", &["model"]),
    ("json", &["collection", "error", "model", "security"]),
    ("keys", &["error", "model"]),
    ("language", &["lib"]),
    ("model", &["hash"]),
    ("refusal", &["error"]),
    ("own_data", &[]),
    ("runtime", &["error", "model", "own_data", "refusal", "settings"]),
    ("security", &["error", "model"]),
    (
        "settings",
        &["error", "language", "lib", "model", "runtime", "security"],
    ),
];

/// Clients stand on messages; nothing but `client` dials.
pub(crate) const PROTO: &[Row] = &[
    (
        "accept",
        &[
            "credentials",
            "ends",
            "http",
            "listen",
            "opening",
            "status",
            "tls",
            "v1",
        ],
    ),
    (
        "client",
        &["credentials", "dial", "messages", "status", "tls", "v1"],
    ),
    ("credentials", &[]),
    ("dial", &["status", "tls"]),
    ("ends", &[]),
    ("frame", &["messages"]),
    ("http", &["ends", "messages", "status"]),
    ("listen", &[]),
    ("membership", &["client", "dial", "messages", "status", "tls"]),
    ("messages", &["status", "v1"]),
    ("opening", &[]),
    ("status", &[]),
    ("tls", &[]),
    ("v1", &[]),
];

/// `state` is the heart: it knows no journal, no wire and no clock. The borders `rpc` and `http` never meet.
/// `authority` signs and decides nothing; `guardian` asks the state first.
pub(crate) const TRACKER: &[Row] = &[
    ("audit_log", &[]),
    ("authority", &[]),
    (
        "commands",
        &[
            "audit_log",
            "authority",
            "config",
            "journal",
            "ledger",
            "state",
            "timing",
            "whereabouts",
        ],
    ),
    ("config", &["authority", "policy", "timing"]),
    ("guardian", &["audit_log", "authority", "ledger", "state"]),
    ("http", &["audit_log", "guardian", "ledger", "state"]),
    ("journal", &["state"]),
    ("ledger", &["journal", "policy", "state"]),
    ("offline", &["authority", "journal", "state", "timing"]),
    ("placement", &[]),
    ("policy", &["timing"]),
    ("rpc", &["audit_log", "authority", "guardian", "ledger", "state"]),
    (
        "server",
        &[
            "audit_log",
            "authority",
            "config",
            "guardian",
            "http",
            "journal",
            "ledger",
            "rpc",
            "whereabouts",
        ],
    ),
    ("state", &["placement", "policy", "timing"]),
    ("timing", &[]),
    ("whereabouts", &[]),
];

/// The store's traits stand in its root, so every module imports `lib`.
pub(crate) const STORE: &[Row] = &[
    ("account", &[]),
    ("additions", &["disk", "error", "lib", "publish", "staged_upload"]),
    (
        "belonging",
        &["disk", "error", "index", "networks", "publications"],
    ),
    (
        "collected",
        &["copies", "disk", "error", "files", "index", "lib", "verify"],
    ),
    ("copies", &["files"]),
    (
        "copy_out",
        &[
            "copies", "disk", "error", "files", "index", "kept", "lib", "room", "verify",
        ],
    ),
    (
        "disk",
        &[
            "error",
            "files",
            "handles",
            "index",
            "kept",
            "layout",
            "lib",
            "networks",
            "publications",
            "recovery",
            "reserve",
            "slot",
            "strays",
            "touched",
        ],
    ),
    ("error", &[]),
    ("files", &["error"]),
    ("handles", &["error"]),
    (
        "index",
        &["copies", "error", "files", "kept", "lib", "publications"],
    ),
    (
        "kept",
        &["account", "copies", "error", "files", "lib", "suspension"],
    ),
    ("layout", &["error", "files", "kept", "lib"]),
    (
        "looking",
        &[
            "copies",
            "disk",
            "error",
            "files",
            "index",
            "kept",
            "lib",
            "recovery",
            "slot",
            "suspension",
        ],
    ),
    ("memory", &["copies", "disk", "error", "files", "kept", "lib"]),
    ("networks", &["error", "index", "publications"]),
    ("passing", &["disk", "error", "networks"]),
    ("publications", &[]),
    (
        "publish",
        &[
            "copies", "disk", "error", "files", "kept", "layout", "lib", "settle",
        ],
    ),
    (
        "reading",
        &["disk", "error", "files", "handles", "lib", "slot", "watching"],
    ),
    (
        "rebuild",
        &[
            "disk",
            "error",
            "files",
            "index",
            "kept",
            "layout",
            "lib",
            "publications",
            "salvage",
        ],
    ),
    (
        "recovery",
        &[
            "copies",
            "error",
            "files",
            "index",
            "kept",
            "layout",
            "lib",
            "strays",
            "suspension",
        ],
    ),
    ("reserve", &["error", "files"]),
    ("restorations", &["disk", "error"]),
    ("room", &["account", "error", "files", "kept", "layout", "lib"]),
    (
        "salvage",
        &[
            "copies",
            "error",
            "files",
            "index",
            "kept",
            "networks",
            "publications",
        ],
    ),
    (
        "settle",
        &[
            "copies", "disk", "error", "files", "index", "kept", "lib", "looking", "room", "slot",
        ],
    ),
    ("slot", &["account", "kept"]),
    (
        "staged_upload",
        &["disk", "error", "files", "kept", "layout", "lib", "publish"],
    ),
    (
        "strays",
        &["error", "files", "index", "kept", "layout", "lib", "publications"],
    ),
    ("suspension", &["files"]),
    ("touched", &[]),
    ("verify", &["error", "lib"]),
    (
        "watching",
        &[
            "disk",
            "error",
            "files",
            "index",
            "kept",
            "lib",
            "recovery",
            "slot",
            "suspension",
        ],
    ),
    (
        "writing",
        &["disk", "error", "files", "index", "kept", "lib", "room", "slot"],
    ),
];

/// `operations` is what a node does; the borders `rpc`, `http`, `cli` and `menu` stand on it or on a client
/// and do not call each other, except that `cli` opens the menu.
pub(crate) const PEER: &[Row] = &[
    ("blocking", &[]),
    (
        "cli",
        &[
            "collection",
            "json",
            "menu",
            "node",
            "settings",
            "terminal",
            "values",
            "words",
        ],
    ),
    ("collection", &[]),
    ("eviction", &[]),
    ("fetch", &["limiter"]),
    ("fuzzing", &["cli", "identity", "session"]),
    ("http", &["json", "operations", "values"]),
    ("identity", &[]),
    ("json", &[]),
    ("limiter", &[]),
    ("menu", &["collection", "node", "settings", "terminal", "words"]),
    (
        "node",
        &[
            "blocking",
            "fetch",
            "http",
            "identity",
            "limiter",
            "operations",
            "orders",
            "publisher",
            "rpc",
            "scrubber",
            "session",
            "source_finder",
            "words",
        ],
    ),
    (
        "operations",
        &[
            "blocking",
            "collection",
            "fetch",
            "identity",
            "limiter",
            "orders",
            "publisher",
            "scrubber",
            "session",
            "values",
        ],
    ),
    (
        "orders",
        &["blocking", "collection", "eviction", "fetch", "identity"],
    ),
    ("publisher", &["blocking", "collection", "identity", "session"]),
    ("rpc", &["fetch", "limiter", "operations", "session"]),
    ("scrubber", &["blocking"]),
    ("session", &["blocking", "fetch", "identity", "orders"]),
    ("settings", &["node", "words"]),
    ("source_finder", &["fetch", "session"]),
    ("terminal", &["blocking", "json", "node", "settings", "words"]),
    ("values", &[]),
    ("words", &[]),
];

/// `directory` is the heart.
pub(crate) const WEBSERVER: &[Row] = &[
    ("config", &["directory", "joining"]),
    ("directory", &[]),
    ("http", &["directory"]),
    ("joining", &["directory"]),
    ("prober", &["config", "directory", "rpc"]),
    ("rpc", &["directory"]),
    (
        "webserver",
        &["config", "directory", "http", "joining", "prober", "rpc"],
    ),
];

/// The simulations (`dst`, `swarm_sim`) know nothing of real programs.
pub(crate) const TESTS: &[Row] = &[
    (
        "bench",
        &[
            "cluster",
            "content",
            "crowd",
            "eventually",
            "lab",
            "outcome",
            "program",
            "security",
            "strangers",
        ],
    ),
    ("binaries", &[]),
    (
        "chaos",
        &[
            "bench",
            "binaries",
            "cluster",
            "content",
            "eventually",
            "lab",
            "outcome",
            "program",
            "replicas",
            "security",
        ],
    ),
    (
        "cluster",
        &["binaries", "eventually", "outcome", "program", "security"],
    ),
    ("content", &[]),
    ("crowd", &[]),
    ("dst", &[]),
    ("eventually", &[]),
    ("fuzzing", &[]),
    (
        "lab",
        &[
            "bench",
            "binaries",
            "content",
            "eventually",
            "outcome",
            "program",
            "security",
        ],
    ),
    ("liar", &["crowd"]),
    ("outcome", &[]),
    ("program", &["binaries", "eventually", "security"]),
    ("replicas", &["cluster", "eventually"]),
    ("security", &["binaries"]),
    ("strangers", &[]),
    ("swarm_sim", &[]),
    ("terminal", &["eventually"]),
    ("wiretap", &[]),
];

/// Every crate's table, by the crate's name.
pub(crate) const CRATES: &[(&str, &[Row])] = &[
    ("shared", SHARED),
    ("proto", PROTO),
    ("tracker", TRACKER),
    ("store", STORE),
    ("peer", PEER),
    ("webserver", WEBSERVER),
    ("harness", TESTS),
];

/// Circles that stay, each with its reason; ARCHITECTURE.md has them as well.
pub(crate) const CIRCLES: &[(&[&str], &str)] = &[(
    &[
        "tests/src/dst/calls.rs",
        "tests/src/dst/connections.rs",
        "tests/src/dst/oracle.rs",
        "tests/src/dst/peer.rs",
        "tests/src/dst/peer/copying.rs",
        "tests/src/dst/peer/publishing.rs",
        "tests/src/dst/peer/session.rs",
        "tests/src/dst/pins.rs",
        "tests/src/dst/restoration.rs",
        "tests/src/dst/revocation.rs",
        "tests/src/dst/tracker.rs",
        "tests/src/dst/world.rs",
    ],
    "the simulated world is one struct; its events are told in a file for each part",
)];
