//! What can be set in more than one place, and who wins: defaults < file < environment < flags.
//!
//! Every setting has one name: the flag `--data-dir` is `ENJAMBRE_DATA_DIR` in the environment and `data_dir` in the
//! file. Each place is read into a [`Settings`]; [`Settings::over`] lays one over another; [`Settings::resolve`]
//! fills in the defaults. Two settings that exclude each other are an error in one place, and a choice of the
//! stronger one in two. What is about a single invocation (`--name`, `--output`, `--force`, …) is a flag only.
//!
//! Nothing here reads the environment: it is passed in as a function.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use proto::control::{EntryPoint, RateLimits};
use serde::de::value::{Error as EnvError, MapDeserializer};
use serde::{Deserialize, Deserializer};
use shared::model::{ByteCount, FragmentLength, HostPort, ReplicationTarget, Zone, parse_duration};
use shared::runtime::config::{self, ConfigError};

use super::limit::RateLimit;
use super::output::Style;
use crate::node::{MemoryBudget, NodeLimits};

/// Reads one variable of the environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The name of every setting, as the file has it.
pub const KEYS: [&str; 20] = [
    "data_dir",
    "peer",
    "webserver",
    "tracker",
    "host",
    "port",
    "advertise",
    "capacity",
    "zone",
    "upload_limit",
    "download_limit",
    "upload_slots",
    "memory",
    "scrub_rate",
    "replicas",
    "fragment_length",
    "json",
    "quiet",
    "no_progress",
    "timeout",
];

/// Names the configuration file itself.
pub const CONFIG_KEY: &str = "config";

const DEFAULT_WEBSERVER: &str = "127.0.0.1:50051";
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_CAPACITY: u64 = 50 << 30;

/// What one place says; what it does not say is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the node keeps its data; also says which running node is meant.
    #[serde(deserialize_with = "scalar")]
    pub data_dir: Option<PathBuf>,
    /// Which running node is meant, by address.
    #[serde(deserialize_with = "scalar")]
    pub peer: Option<HostPort>,
    /// Enter the network by way of this webserver.
    #[serde(deserialize_with = "scalar")]
    pub webserver: Option<HostPort>,
    /// Enter the network at this tracker.
    #[serde(deserialize_with = "scalar")]
    pub tracker: Option<HostPort>,
    /// The address that the node listens on.
    #[serde(deserialize_with = "scalar")]
    pub host: Option<String>,
    /// The port that the node listens on; 0 picks one.
    #[serde(deserialize_with = "scalar")]
    pub port: Option<u16>,
    /// Where other peers are told to dial the node.
    #[serde(deserialize_with = "scalar")]
    pub advertise: Option<HostPort>,
    /// Bytes lent for replicas.
    #[serde(deserialize_with = "scalar")]
    pub capacity: Option<ByteCount>,
    /// The node's failure domain.
    #[serde(deserialize_with = "scalar")]
    pub zone: Option<Zone>,
    /// How fast the node may send to peers.
    #[serde(deserialize_with = "scalar")]
    pub upload_limit: Option<RateLimit>,
    /// How fast the node may take from peers.
    #[serde(deserialize_with = "scalar")]
    pub download_limit: Option<RateLimit>,
    /// How many uploads the node makes at once.
    #[serde(deserialize_with = "scalar")]
    pub upload_slots: Option<NonZeroU16>,
    /// Bytes of blocks that the node's transfers may have in memory.
    #[serde(deserialize_with = "scalar")]
    pub memory: Option<MemoryBudget>,
    /// How fast the node reads again what it holds.
    #[serde(deserialize_with = "scalar")]
    pub scrub_rate: Option<RateLimit>,
    /// Replicas wanted of what is added.
    #[serde(deserialize_with = "scalar")]
    pub replicas: Option<ReplicationTarget>,
    /// The fragment length of what is added.
    #[serde(deserialize_with = "scalar")]
    pub fragment_length: Option<FragmentLength>,
    /// Results as JSON.
    #[serde(deserialize_with = "flag")]
    pub json: Option<bool>,
    /// Only results and errors.
    #[serde(deserialize_with = "flag")]
    pub quiet: Option<bool>,
    /// No progress.
    #[serde(deserialize_with = "flag")]
    pub no_progress: Option<bool>,
    /// Give up after this long.
    #[serde(deserialize_with = "duration")]
    pub timeout: Option<Duration>,
}

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
    /// A variable of the environment has a value that it cannot have.
    #[error("cannot use {variable} from the environment: {reason}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration file cannot be used.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// Two settings in one place exclude each other.
    #[error("{place} give both {first} and {second}; choose one")]
    Both {
        /// Which place.
        place: Place,
        /// One setting.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// There is no home to keep data in.
    #[error("cannot tell where to keep data: HOME is not set; name a directory with --data-dir")]
    NoHome,
    /// A relative directory, and no current one.
    #[error("cannot use the data directory {}: {source}", path.display())]
    DataDir {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where settings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The command line.
    Flags,
    /// `ENJAMBRE_*`.
    Environment,
    /// The configuration file.
    File,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flags => "the flags",
            Self::Environment => "the environment variables",
            Self::File => "the keys of the configuration file",
        })
    }
}

/// The environment twin of a setting.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("ENJAMBRE_{}", key.to_ascii_uppercase())
}

/// The webserver that is asked when none is named.
#[must_use]
pub fn default_entry() -> EntryPoint {
    EntryPoint::Webserver(DEFAULT_WEBSERVER.parse().expect("a literal address"))
}

/// Lays the flags over the environment and the environment over the file, and fills in the defaults.
///
/// # Errors
/// When the environment or the file cannot be used, or one place contradicts itself.
pub fn gather(flags: Settings, config_flag: Option<&Path>, env: Env<'_>) -> Result<Options, SettingsError> {
    let config = match config_flag {
        Some(path) => Some(path.to_owned()),
        None => text_variable(CONFIG_KEY, env)?.map(PathBuf::from),
    };
    let file = config::load::<Settings>(config.as_deref())?.checked(Place::File)?;
    let environment = Settings::from_env(env)?.checked(Place::Environment)?;
    let home = default_data_dir(env);
    flags
        .checked(Place::Flags)?
        .over(environment.over(file))
        .resolve(home)
}

impl Settings {
    /// What the environment says. A variable that is set to nothing says nothing.
    ///
    /// # Errors
    /// Names the variable whose value cannot be used.
    pub fn from_env(env: Env<'_>) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for key in KEYS {
            let Some(value) = text_variable(key, env)? else {
                continue;
            };
            // The file's own deserialiser reads it, so a value means the same in both.
            let entry = MapDeserializer::<_, EnvError>::new(std::iter::once((key, value)));
            let one = Self::deserialize(entry).map_err(|error| SettingsError::Variable {
                variable: variable(key),
                reason: error.to_string(),
            })?;
            settings = settings.beside(one);
        }
        Ok(settings)
    }

    /// Refuses two settings that exclude each other.
    ///
    /// # Errors
    /// Names the two.
    pub fn checked(self, place: Place) -> Result<Self, SettingsError> {
        let both = |first, second| Err(SettingsError::Both { place, first, second });
        match &self {
            Self {
                webserver: Some(_),
                tracker: Some(_),
                ..
            } => both("webserver", "tracker"),
            Self {
                data_dir: Some(_),
                peer: Some(_),
                ..
            } => both("data-dir", "peer"),
            _ => Ok(self),
        }
    }

    /// These settings, and where they say nothing, `lower`'s.
    ///
    /// One way into the network excludes the other, and a data directory says which node is meant as an address does:
    /// so what is said here silences both kinds below. A data directory below an address stays: its token may be the
    /// address's.
    #[must_use]
    pub fn over(self, mut lower: Self) -> Self {
        if self.webserver.is_some() || self.tracker.is_some() {
            (lower.webserver, lower.tracker) = (None, None);
        }
        if self.data_dir.is_some() {
            lower.peer = None;
        }
        self.beside(lower)
    }

    /// These settings, and where they say nothing, `other`'s.
    fn beside(self, other: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(other.data_dir),
            peer: self.peer.or(other.peer),
            webserver: self.webserver.or(other.webserver),
            tracker: self.tracker.or(other.tracker),
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            advertise: self.advertise.or(other.advertise),
            capacity: self.capacity.or(other.capacity),
            zone: self.zone.or(other.zone),
            upload_limit: self.upload_limit.or(other.upload_limit),
            download_limit: self.download_limit.or(other.download_limit),
            upload_slots: self.upload_slots.or(other.upload_slots),
            memory: self.memory.or(other.memory),
            scrub_rate: self.scrub_rate.or(other.scrub_rate),
            replicas: self.replicas.or(other.replicas),
            fragment_length: self.fragment_length.or(other.fragment_length),
            json: self.json.or(other.json),
            quiet: self.quiet.or(other.quiet),
            no_progress: self.no_progress.or(other.no_progress),
            timeout: self.timeout.or(other.timeout),
        }
    }

    /// Fills in the defaults; `home` is the data directory when none is named.
    ///
    /// # Errors
    /// When there is no data directory.
    pub fn resolve(self, home: Option<PathBuf>) -> Result<Options, SettingsError> {
        let path = self.data_dir.or(home).ok_or(SettingsError::NoHome)?;
        let data_dir =
            std::path::absolute(&path).map_err(|source| SettingsError::DataDir { path, source })?;
        let entry = match (self.webserver, self.tracker) {
            (_, Some(tracker)) => Some(EntryPoint::Tracker(tracker)),
            (Some(webserver), None) => Some(EntryPoint::Webserver(webserver)),
            (None, None) => None,
        };
        let unlimited = RateLimit(None);
        let default = NodeLimits::default();
        let limits = NodeLimits {
            rates: RateLimits {
                upload: self.upload_limit.unwrap_or(unlimited).0,
                download: self.download_limit.unwrap_or(unlimited).0,
            },
            upload_slots: self.upload_slots.unwrap_or(default.upload_slots),
            memory: self.memory.unwrap_or(default.memory),
            scrub: self.scrub_rate.map_or(default.scrub, |rate| rate.0),
        };
        Ok(Options {
            data_dir,
            peer: self.peer,
            entry,
            host: self.host.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
            port: self.port,
            advertise: self.advertise,
            capacity: self.capacity.map_or(DEFAULT_CAPACITY, ByteCount::get),
            zone: self.zone,
            limits,
            replicas: self.replicas.unwrap_or(ReplicationTarget::DEFAULT),
            fragment_length: self.fragment_length,
            style: Style {
                json: self.json.unwrap_or(false),
                quiet: self.quiet.unwrap_or(false),
                no_progress: self.no_progress.unwrap_or(false),
            },
            timeout: self.timeout,
        })
    }
}

/// `$XDG_DATA_HOME/enjambre/peer`, or under `~/.local/share`; a relative one is ignored, as the XDG rules ask.
fn default_data_dir(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data_home.join("enjambre/peer"))
}

fn text_variable(key: &str, env: Env<'_>) -> Result<Option<String>, SettingsError> {
    let name = variable(key);
    match env(&name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(Err(_)) => Err(SettingsError::Variable {
            variable: name,
            reason: "it is not UTF-8".to_owned(),
        }),
    }
}

/// A value of the file in its own type, or of the environment as a text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, a number from 0 or true/false")]
enum Scalar {
    Flag(bool),
    Number(u64),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

fn parsed<'de, D: Deserializer<'de>, T, E: fmt::Display>(
    from: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error> {
    let text = Scalar::deserialize(from)?.to_string();
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn scalar<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(from: D) -> Result<Option<T>, D::Error> {
    parsed(from, str::parse)
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    parsed(from, parse_duration)
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    parsed(from, |text| match text {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    })
}

#[cfg(test)]
mod tests;
