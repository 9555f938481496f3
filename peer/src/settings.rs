//! The settings of a peer: flags, environment and file; `shared::settings` decides which place wins.
//!
//! [`table`] lists them all. Declared here are those of every command; those of a node are declared in
//! [`crate::node::settings`], which says how to add one. Arguments of a single invocation (`--name`,
//! `--output`, `--force`, …) are flags only, in the file of their command in `cli`. [`gather`] reads the
//! places, [`Options`] is the result.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use proto::messages::control::EntryPoint;
use shared::language::Language;
use shared::model::{FragmentLength, HostPort, ReplicationTarget, Undialable, undialable};
use shared::runtime::telemetry::{LOG, LOG_FORMAT};
use shared::security::{JoinLine, JoinLineError};
use shared::settings::{
    self, Env, InForce, Key, Places, Setting, Table, Values, duration, path, remote, text, truth, whole,
};

use crate::node::{self, JoinSource, NodeSettings};
use crate::words;

static DATA_DIR: Key<PathBuf> = Key::new("data_dir", path)
    .told("~/.local/share/enjambre/peer")
    .instead_of(&["peer"]);
// A data directory in a weaker place stays valid: its token may belong to the address.
static PEER: Key<HostPort> = Key::new("peer", remote).each_command();
static WEBSERVER: Key<HostPort> = Key::new("webserver", remote)
    .or("127.0.0.1:50051")
    .told("where the network was entered the last time, else 127.0.0.1:50051")
    .instead_of(&["tracker", "join", "join_file"])
    .flag(
        "webserver",
        "HOST:PORT",
        "Enter the network through this webserver",
        "Entrar en la red a través de este servidor web",
    );
static TRACKER: Key<HostPort> = Key::new("tracker", remote)
    .instead_of(&["webserver", "join", "join_file"])
    .flag(
        "tracker",
        "HOST:PORT",
        "Enter the network through this tracker",
        "Entrar en la red a través de este tracker",
    );
static JOIN: Key<JoinBy> = Key::new("join", join_by)
    .instead_of(&["webserver", "tracker", "join_file"])
    .concealing(may_be_a_line)
    .flag(
        "join",
        "LINE|PEER:PORT",
        "Join the secured network of a join line, which is needed once (better in ENJAMBRE_JOIN or --join-file: other users see the arguments of programs); or enter the network of this peer, which names its webserver and trackers",
        "Ingresar en la red protegida de una línea de ingreso, que hace falta una sola vez (mejor en ENJAMBRE_JOIN o --join-file: otros usuarios ven los argumentos de los programas); o entrar en la red de este nodo, que indica su servidor web y sus trackers",
    );
static JOIN_FILE: Key<PathBuf> = Key::new("join_file", path)
    .instead_of(&["webserver", "tracker", "join"])
    .flag(
        "join-file",
        "FILE",
        "Join the secured network of the join line in this file, which is needed once",
        "Ingresar en la red protegida de la línea de ingreso de este archivo, que hace falta una sola vez",
    );
static HOST: Key<String> = Key::new("host", text)
    .or("127.0.0.1")
    .told("127.0.0.1; the address that leads to its network for a member of a secured one")
    .flag(
        "host",
        "HOST",
        "The address to listen on, beside 127.0.0.1; an address other than loopback exposes the node to the network",
        "La dirección en la que escuchar, además de 127.0.0.1; una que no sea loopback expone el nodo a la red",
    );
static INSECURE: Key<bool> = Key::new("insecure", truth).or("false").flag(
    "insecure",
    "",
    "Listen for other machines without having joined a secured network: whoever reaches the node can then fetch everything that it holds, and nothing is encrypted",
    "Escuchar para otras máquinas sin haber ingresado en una red protegida: quien alcance el nodo podrá traer todo lo que guarda, y nada va cifrado",
);
static PORT: Key<u16> = Key::new("port", whole)
    .or("50053")
    .told("50053 for `serve`, otherwise 0")
    .flag(
        "port",
        "PORT",
        "The port to listen on; 0 picks a free one",
        "El puerto en el que escuchar; con 0 se elige uno libre",
    );
static ADVERTISE: Key<HostPort> = Key::new("advertise", text)
    .told("the address that it listens on")
    .flag(
        "advertise",
        "HOST:PORT",
        "The address at which other peers dial this one",
        "La dirección por la que los demás nodos llaman a este",
    );
static REPLICAS: Key<ReplicationTarget> = Key::new("replicas", text)
    .told("the network's, else 3")
    .each_command();
static FRAGMENT_LENGTH: Key<FragmentLength> = Key::new("fragment_length", text)
    .told("the network's, else what suits the file's size")
    .each_command();
static TOKEN: Key<TokenText> = Key::new("token", text).each_command().concealing(|_| true);
static JSON: Key<bool> = Key::new("json", truth).or("false").each_command();
static QUIET: Key<bool> = Key::new("quiet", truth).or("false").each_command();
static NO_PROGRESS: Key<bool> = Key::new("no_progress", truth).or("false").each_command();
pub(crate) static LANG: Key<Language> = Key::new("lang", text)
    .told("the locale's, else en")
    .each_command();
static TIMEOUT: Key<Duration> = Key::new("timeout", duration).each_command();

/// Every setting of a peer: those of the program, and those of its node.
#[must_use]
pub fn table() -> Table {
    static BEFORE: [&dyn Setting; 10] = [
        &DATA_DIR, &PEER, &WEBSERVER, &TRACKER, &JOIN, &JOIN_FILE, &HOST, &INSECURE, &PORT, &ADVERTISE,
    ];
    static AFTER: [&dyn Setting; 10] = [
        &REPLICAS,
        &FRAGMENT_LENGTH,
        &TOKEN,
        &JSON,
        &QUIET,
        &NO_PROGRESS,
        &TIMEOUT,
        &LANG,
        &LOG,
        &LOG_FORMAT,
    ];
    static TABLE: LazyLock<Vec<&dyn Setting>> =
        LazyLock::new(|| [&BEFORE, node::settings::TABLE, &AFTER].concat());
    &TABLE
}

/// The text of an API token, which is read where it is needed.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

impl FromStr for TokenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// The value of `join`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum JoinBy {
    /// A peer, which knows its network.
    Peer(HostPort),
    /// A secured network.
    Line(JoinLine),
}

fn join_by(text: &OsStr) -> Result<JoinBy, String> {
    if !may_be_a_line(text) {
        return remote(text).map(JoinBy::Peer);
    }
    let line = text.to_str().ok_or(JoinLineError::Other).and_then(str::parse);
    let line = line.map_err(|error: JoinLineError| words::told(&error.to_string()));
    line.map(JoinBy::Line)
}

/// Whether a text is no address, and so may be a join line or a part of one, which has a secret.
fn may_be_a_line(text: &OsStr) -> bool {
    /// No address in use is longer, and no line shorter.
    const LONGEST: usize = 64;
    let text = text.to_string_lossy();
    text.len() > LONGEST || text.contains('/') || text.trim_start().starts_with("enj_")
}

const DEFAULT_WEBSERVER: &str = "127.0.0.1:50051";

/// The values of all settings, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Absolute.
    pub data_dir: PathBuf,
    /// The address of the running node to talk to, when it is not the one of the data directory.
    pub peer: Option<HostPort>,
    /// The network to enter, if one is named.
    pub entry: Option<EntryPoint>,
    /// The join line of a secured network, which is needed once.
    pub join: Option<JoinSource>,
    /// The API token of an operator.
    pub token: Option<TokenText>,
    /// The address on which a node of this process listens, if one is named.
    pub host: Option<String>,
    /// Whether it may listen for other machines without security.
    pub is_insecure: bool,
    /// The port on which it listens; the default depends on the command.
    pub port: Option<u16>,
    /// The address at which other peers dial it.
    pub advertise: Option<HostPort>,
    /// Capacity, zone and limits of it.
    pub node: NodeSettings,
    /// Replicas wanted of added contents; none leaves the number to the network.
    pub replicas: Option<ReplicationTarget>,
    /// The fragment length of added contents; none leaves it to the network, or else to their length.
    pub fragment_length: Option<FragmentLength>,
    /// The form of the output.
    pub style: Style,
    /// The time after which a command gives up.
    pub timeout: Option<Duration>,
    /// All of them as they were said.
    pub in_force: InForce,
}

/// The form of a command's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// JSON instead of text, on stdout.
    pub json: bool,
    /// Only results and errors.
    pub quiet: bool,
    /// No progress display.
    pub no_progress: bool,
}

/// Settings that cannot be used; each is a usage error.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A value cannot be used.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// No home directory to keep data in.
    #[error("{}", words::no_home())]
    NoHome,
    /// A node on every address of the machine has to say which one others dial.
    #[error("{}", words::wildcard_host(_0))]
    WildcardHost(String),
    /// No node can listen on an address of many machines.
    #[error("{}", words::many_hosts(_0))]
    ManyHosts(String),
    /// Nobody can dial the address that others would be told.
    #[error("{}", words::undialable(_0))]
    Undialable(HostPort),
    /// A relative directory without a current one.
    #[error("{}", words::bad_data_dir(path.display(), words::io_error(source)))]
    DataDir {
        /// The path as it was given.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The values as options.
    pub options: Options,
    /// The value and origin of each setting.
    pub values: Values,
    /// The places, to read them again.
    pub places: Places,
}

/// Returns the webserver that is asked when none is named.
#[must_use]
pub fn default_entry() -> EntryPoint {
    EntryPoint::Webserver(DEFAULT_WEBSERVER.parse().expect("a literal address"))
}

/// Reads flags and environment.
///
/// # Errors
/// When one of them cannot be used.
pub fn places(flags: &BTreeMap<String, OsString>, env: Env<'_>) -> Result<Places, settings::SettingsError> {
    Ok(Places::new(table(), flags, env)?.or(&DATA_DIR, default_data_dir(env)))
}

/// Lays the flags over the environment and the environment over the file, and fills in the defaults.
///
/// # Errors
/// When one of them cannot be used, or contradicts itself.
pub fn gather(flags: &BTreeMap<String, OsString>, env: Env<'_>) -> Result<Gathered, SettingsError> {
    let places = places(flags, env)?;
    let values = places.values()?;
    Ok(Gathered {
        options: Options::of(&values)?,
        values,
        places,
    })
}

impl Options {
    /// Returns the options for the values of the settings.
    ///
    /// # Errors
    /// When there is no data directory.
    pub fn of(values: &Values) -> Result<Self, SettingsError> {
        let path = values.get(&DATA_DIR).ok_or(SettingsError::NoHome)?;
        let data_dir =
            std::path::absolute(&path).map_err(|source| SettingsError::DataDir { path, source })?;
        // At most one of these is set.
        let tracker = values.said(&TRACKER).map(EntryPoint::Tracker);
        let webserver = values.said(&WEBSERVER).map(EntryPoint::Webserver);
        let (by_peer, join) = match values.said(&JOIN) {
            Some(JoinBy::Peer(peer)) => (Some(EntryPoint::Peer(peer)), None),
            Some(JoinBy::Line(line)) => (None, Some(JoinSource::Line(line))),
            None => (None, values.said(&JOIN_FILE).map(JoinSource::File)),
        };
        let entry = tracker.or(webserver).or(by_peer);
        let is_set = |key| values.get(key).unwrap_or(false);
        let (host, advertise) = (values.said(&HOST), values.get(&ADVERTISE));
        check_addresses(host.as_deref().unwrap_or("127.0.0.1"), advertise.as_ref())?;
        Ok(Self {
            data_dir,
            peer: values.get(&PEER),
            entry,
            join,
            token: values.get(&TOKEN),
            host,
            is_insecure: is_set(&INSECURE),
            port: values.said(&PORT),
            advertise,
            node: NodeSettings::of(values),
            replicas: values.get(&REPLICAS),
            fragment_length: values.get(&FRAGMENT_LENGTH),
            style: Style {
                json: is_set(&JSON),
                quiet: is_set(&QUIET),
                no_progress: is_set(&NO_PROGRESS),
            },
            timeout: values.get(&TIMEOUT),
            in_force: InForce::from(values),
        })
    }
}

/// Checks that others can be told where to dial a node that listens on `host`.
fn check_addresses(host: &str, advertise: Option<&HostPort>) -> Result<(), SettingsError> {
    match (undialable(host), advertise) {
        (Some(Undialable::Many), _) => return Err(SettingsError::ManyHosts(host.to_owned())),
        (Some(Undialable::Wildcard), None) => return Err(SettingsError::WildcardHost(host.to_owned())),
        (Some(Undialable::Wildcard) | None, _) => {}
    }
    match advertise.filter(|address| address.undialable().is_some()) {
        Some(address) => Err(SettingsError::Undialable(address.clone())),
        None => Ok(()),
    }
}

/// Returns `$XDG_DATA_HOME/enjambre/peer`, or one under `~/.local/share`. The XDG rules ignore a relative
/// path.
fn default_data_dir(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data_home.join("enjambre/peer"))
}

#[cfg(test)]
impl Options {
    /// Returns the options for these flags alone.
    pub(crate) fn told(flags: &[(&str, &str)]) -> Self {
        let flag = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        let gathered = gather(&flags.iter().map(flag).collect(), &|_| None);
        gathered.expect("they make sense").options
    }
}

#[cfg(test)]
mod tests;
