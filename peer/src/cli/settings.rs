//! What can be set of a peer in more than one place; who wins is `shared::settings`' business.
//!
//! [`TABLE`] is all of it. What is about a single invocation (`--name`, `--output`, `--force`, …) is a flag only.
//! [`gather`] reads the places, [`Options`] is what they come to.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use proto::messages::control::{EntryPoint, RateLimits};
use shared::language::Language;
use shared::model::{ByteCount, FragmentLength, HostPort, ReplicationTarget, Zone};
use shared::runtime::telemetry::{LOG, LOG_FORMAT};
use shared::settings::{self, Env, Key, Places, Table, Values, duration, path, text, truth, whole};

use super::limit::RateLimit;
use super::output::Style;
use crate::node::{MemoryBudget, NodeLimits};
use crate::words;

static DATA_DIR: Key<PathBuf> = Key::new("data_dir", path)
    .told("~/.local/share/enjambre/peer")
    .instead_of(&["peer"]);
// A data directory in a weaker place stays beside it: its token may be the address's.
static PEER: Key<HostPort> = Key::new("peer", text).each_command();
static WEBSERVER: Key<HostPort> = Key::new("webserver", text)
    .or("127.0.0.1:50051")
    .told("where the network was entered the last time, else 127.0.0.1:50051")
    .instead_of(&["tracker", "join"]);
static TRACKER: Key<HostPort> = Key::new("tracker", text).instead_of(&["webserver", "join"]);
static JOIN: Key<HostPort> = Key::new("join", text).instead_of(&["webserver", "tracker"]);
static HOST: Key<String> = Key::new("host", text).or("127.0.0.1");
static PORT: Key<u16> = Key::new("port", whole)
    .or("50053")
    .told("50053 for `serve`, otherwise 0");
static ADVERTISE: Key<HostPort> = Key::new("advertise", text).told("the address that it listens on");
static CAPACITY: Key<ByteCount> = Key::new("capacity", text).or("50GiB").at_once();
static ZONE: Key<Zone> = Key::new("zone", text).at_once();
static UPLOAD_LIMIT: Key<RateLimit> = Key::new("upload_limit", text).or("none").at_once();
static DOWNLOAD_LIMIT: Key<RateLimit> = Key::new("download_limit", text).or("none").at_once();
static UPLOAD_SLOTS: Key<NonZeroU16> = Key::new("upload_slots", whole).or("8").at_once();
static MEMORY: Key<MemoryBudget> = Key::new("memory", memory).or("96MiB");
static SCRUB_RATE: Key<RateLimit> = Key::new("scrub_rate", text).or("8MiB/s").at_once();
static REPLICAS: Key<ReplicationTarget> = Key::new("replicas", text).or("3").each_command();
static FRAGMENT_LENGTH: Key<FragmentLength> = Key::new("fragment_length", text)
    .told("what suits the file's size")
    .each_command();
static JSON: Key<bool> = Key::new("json", truth).or("false").each_command();
static QUIET: Key<bool> = Key::new("quiet", truth).or("false").each_command();
static NO_PROGRESS: Key<bool> = Key::new("no_progress", truth).or("false").each_command();
pub(super) static LANG: Key<Language> = Key::new("lang", text)
    .told("the locale's, else en")
    .each_command();
static TIMEOUT: Key<Duration> = Key::new("timeout", duration).each_command();

/// Every setting of a peer.
pub static TABLE: Table = &[
    &DATA_DIR,
    &PEER,
    &WEBSERVER,
    &TRACKER,
    &JOIN,
    &HOST,
    &PORT,
    &ADVERTISE,
    &CAPACITY,
    &ZONE,
    &UPLOAD_LIMIT,
    &DOWNLOAD_LIMIT,
    &UPLOAD_SLOTS,
    &MEMORY,
    &SCRUB_RATE,
    &REPLICAS,
    &FRAGMENT_LENGTH,
    &JSON,
    &QUIET,
    &NO_PROGRESS,
    &TIMEOUT,
    &LANG,
    &LOG,
    &LOG_FORMAT,
];

const DEFAULT_WEBSERVER: &str = "127.0.0.1:50051";

/// Everything that a command has to know, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Absolute.
    pub data_dir: PathBuf,
    /// Which running node is meant, when it is not the one of the data directory.
    pub peer: Option<HostPort>,
    /// The network to enter, if one is named.
    pub entry: Option<EntryPoint>,
    /// The address that a node of ours listens on.
    pub host: String,
    /// The port that it listens on; the default depends on the command.
    pub port: Option<u16>,
    /// Where other peers are told to dial it.
    pub advertise: Option<HostPort>,
    /// Bytes that it lends for replicas.
    pub capacity: u64,
    /// Its failure domain.
    pub zone: Option<Zone>,
    /// What its transfers may take.
    pub limits: NodeLimits,
    /// Replicas wanted of what is added.
    pub replicas: ReplicationTarget,
    /// The fragment length of what is added; none lets its length decide.
    pub fragment_length: Option<FragmentLength>,
    /// How results are written.
    pub style: Style,
    /// Give up after this long.
    pub timeout: Option<Duration>,
}

/// Why the settings make no sense; each is a usage error.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A place says what makes no sense.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// There is no home to keep data in.
    #[error("{}", words::no_home())]
    NoHome,
    /// A relative directory, and no current one.
    #[error("{}", words::bad_data_dir(path.display(), source))]
    DataDir {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// What they come to.
    pub options: Options,
    /// Each by itself.
    pub values: Values,
    /// Where they were said, to read them again.
    pub places: Places,
}

/// The webserver that is asked when none is named.
#[must_use]
pub fn default_entry() -> EntryPoint {
    EntryPoint::Webserver(DEFAULT_WEBSERVER.parse().expect("a literal address"))
}

/// What flags and environment say.
///
/// # Errors
/// When one of them makes no sense.
pub fn places(flags: &BTreeMap<String, OsString>, env: Env<'_>) -> Result<Places, settings::SettingsError> {
    Ok(Places::new(TABLE, flags, env)?.or(&DATA_DIR, default_data_dir(env)))
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
    /// What the settings come to.
    ///
    /// # Errors
    /// When there is no data directory.
    pub fn of(values: &Values) -> Result<Self, SettingsError> {
        let path = values.get(&DATA_DIR).ok_or(SettingsError::NoHome)?;
        let data_dir =
            std::path::absolute(&path).map_err(|source| SettingsError::DataDir { path, source })?;
        // Of these one is said at most.
        let tracker = values.said(&TRACKER).map(EntryPoint::Tracker);
        let webserver = values.said(&WEBSERVER).map(EntryPoint::Webserver);
        let entry = tracker
            .or(webserver)
            .or_else(|| values.said(&JOIN).map(EntryPoint::Peer));
        let default = NodeLimits::default();
        let limits = NodeLimits {
            rates: rates(values),
            upload_slots: values.get(&UPLOAD_SLOTS).unwrap_or(default.upload_slots),
            memory: values.get(&MEMORY).unwrap_or(default.memory),
            scrub: values.get(&SCRUB_RATE).map_or(default.scrub, |rate| rate.0),
        };
        let is_set = |key| values.get(key).unwrap_or(false);
        Ok(Self {
            data_dir,
            peer: values.get(&PEER),
            entry,
            host: values.get(&HOST).unwrap_or_default(),
            port: values.said(&PORT),
            advertise: values.get(&ADVERTISE),
            capacity: values.get(&CAPACITY).map_or(0, ByteCount::get),
            zone: values.get(&ZONE),
            limits,
            replicas: values.get(&REPLICAS).unwrap_or(ReplicationTarget::DEFAULT),
            fragment_length: values.get(&FRAGMENT_LENGTH),
            style: Style {
                json: is_set(&JSON),
                quiet: is_set(&QUIET),
                no_progress: is_set(&NO_PROGRESS),
            },
            timeout: values.get(&TIMEOUT),
        })
    }
}

fn memory(text: &OsStr) -> Result<MemoryBudget, String> {
    let size: ByteCount = settings::text(text)?;
    MemoryBudget::new(size.get()).map_err(|error| words::mistake(&error))
}

/// How fast a node may transfer.
fn rates(values: &Values) -> RateLimits {
    let rate = |key| values.get(key).and_then(|limit: RateLimit| limit.0);
    RateLimits {
        upload: rate(&UPLOAD_LIMIT),
        download: rate(&DOWNLOAD_LIMIT),
    }
}

/// `$XDG_DATA_HOME/enjambre/peer`, or under `~/.local/share`; a relative one is ignored, as the XDG rules ask.
fn default_data_dir(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data_home.join("enjambre/peer"))
}

#[cfg(test)]
impl Options {
    /// What these flags come to, and nothing else.
    pub(crate) fn told(flags: &[(&str, &str)]) -> Self {
        let flag = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        let gathered = gather(&flags.iter().map(flag).collect(), &|_| None);
        gathered.expect("they make sense").options
    }
}

#[cfg(test)]
mod tests;
