//! Configuration of a tracker: flags, environment, configuration file, defaults, in this order of precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use proto::http::{Gate, Origin};
use proto::listen::machine_name;
use shared::model::{
    FragmentLength, NetworkDefaults, NetworkId, ReplicationTarget, RevisionLimit, parse_duration,
};
use shared::runtime::self_command::SelfCommand;
use shared::runtime::telemetry::{LOG, LOG_FORMAT, LogFilter, LogFormat};
use shared::security::authorization::Mode;
use shared::security::{Exposure, Role, Unsecured};
use shared::settings::{
    Env, Key, Places, Setting, SettingsError, Table, Values, flags, flags::one_of, list, number, path, text,
    truth, whole,
};
use shared::{Coded, ErrorCode};

mod secure;

pub use secure::{CaCommand, MemberCommand, SecureCommand, TokenCommand, TokenWish};

use crate::authority;
use crate::journal;
use crate::policy::{self, Budget, Policy};
use crate::timing::{self, HISTORY_GRACE, Timing};

static HOST: Key<String> = Key::new("host", text).or("127.0.0.1");
static PORT: Key<u16> = Key::new("port", whole).or("50052");
static INSECURE: Key<bool> = Key::new("insecure", truth).or("false");
static DATA_DIR: Key<PathBuf> =
    Key::new("data_dir", path).told("$XDG_DATA_HOME/enjambre/tracker or ~/.local/share/enjambre/tracker");
static ALLOWED_HOSTS: Key<Vec<String>> = Key::new("allowed_hosts", list).several();
static ALLOWED_ORIGINS: Key<Vec<Origin>> = Key::new("allowed_origins", list).several();
static TLS: Key<Mode> = Key::new("tls", text)
    .told("required once `tracker init` has made an authority, off before")
    .at_once();
static KEEP_REVISIONS: Key<RevisionLimit> = Key::new("keep_revisions", text).or("8").at_once();

static REPLICAS: Key<ReplicationTarget> = Key::new("replicas", text).or("3").at_once();
static FRAGMENT_LENGTH: Key<FragmentLength> = Key::new("fragment_length", text)
    .told("what suits the file's size")
    .at_once();

/// Words of the setting `tls`.
static MODES: [&str; 3] = ["off", "permissive", "required"];

/// Every setting of a tracker that is in no table of the file.
static PLAIN: [&dyn Setting; 13] = [
    &HOST,
    &PORT,
    &INSECURE,
    &DATA_DIR,
    &ALLOWED_HOSTS,
    &ALLOWED_ORIGINS,
    &TLS,
    &KEEP_REVISIONS,
    &HISTORY_GRACE,
    &REPLICAS,
    &FRAGMENT_LENGTH,
    &LOG,
    &LOG_FORMAT,
];

/// Every setting of a tracker: see [`Args`], [`Timing`] and [`Budget`].
#[must_use]
pub fn table() -> Table {
    static TABLE: std::sync::LazyLock<Vec<&dyn Setting>> =
        std::sync::LazyLock::new(|| [&PLAIN, timing::TABLE, policy::TABLE].concat());
    &TABLE
}

/// The tracker of an Enjambre network: knows names, contents and who holds them; keeps every fragment
/// replicated.
///
/// Unless `tracker init` has secured the network, every program that can reach its port can publish, remove
/// and join. The tracker listens on the loopback address only, unless --host says otherwise; without
/// security it listens elsewhere with --insecure only.
#[derive(Clone, Debug, Parser)]
#[command(name = "tracker", version, max_term_width = 100)]
pub struct Args {
    /// Address to listen on; 0.0.0.0 or :: means every network of this machine. Another one than loopback
    /// needs a secured network, see `tracker init`, or --insecure
    #[arg(long)]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_parser = number::<u16>)]
    pub port: Option<u16>,
    /// Listen for other machines without security: WHOEVER REACHES THE ADDRESS CAN THEN READ, PUBLISH, REMOVE
    /// AND JOIN
    #[arg(long)]
    pub insecure: bool,
    /// Directory of the journal
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Names of this machine by which HTTP requests may ask, beside addresses, localhost, --host and the
    /// machine's own name; repeat it or separate them with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read the HTTP API, such as http://10.0.0.1:8080, beside that of a webserver on
    /// the same host and port 50051; repeat it or separate them with commas
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origins: Vec<Origin>,
    /// Security of the network: off; permissive, while the machines of an existing network join, in which
    /// others have the rights that they have without security; or required. See `tracker init`
    #[arg(long, value_name = "MODE", value_parser = one_of::<Mode>(&MODES), hide_possible_values = true)]
    pub tls: Option<Mode>,
    /// Revisions of every name that are remembered, the current one included, 1 to 64; pinned ones are
    /// besides
    #[arg(long, value_name = "N")]
    pub keep_revisions: Option<RevisionLimit>,
    /// Time for which a superseded revision keeps its content, unless it is pinned
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub history_grace: Option<Duration>,
    /// Replicas of every fragment, 1 to 32, in the whole network, unless a publisher says otherwise
    #[arg(long, value_name = "N")]
    pub replicas: Option<ReplicationTarget>,
    /// Length of a fragment, a power of two from 64KiB to 16MiB, in the whole network, unless a publisher
    /// says otherwise
    #[arg(long, value_name = "SIZE")]
    pub fragment_length: Option<FragmentLength>,
    /// A TOML file with any of the settings that `config show` lists: host, port, insecure, data_dir, tls,
    /// keep_revisions, history_grace, replicas, fragment_length, log, log_format, a table `timing` of
    /// durations, and a table `repair` of how much repair may be under way. Changes take effect while the
    /// tracker runs, but for host, port, insecure, data_dir, log_format, and lease, heartbeat, tick and
    /// safe_mode of `timing`
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Log level: error, warn, info, debug, trace, or directives such as tracker::ledger=trace,info
    #[arg(long, value_name = "FILTER", global = true)]
    pub log: Option<LogFilter>,
    /// Format of log lines: text, json, or auto: text on a terminal, JSON otherwise
    #[arg(long, value_name = "FORMAT", value_parser = one_of::<LogFormat>(LogFormat::NAMES), hide_possible_values = true, global = true)]
    pub log_format: Option<LogFormat>,
    /// Log more; repeat for more still
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Command to run instead of a tracker
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands other than running a tracker.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Audit a data directory that no tracker runs on, or a backup: says what is wrong and what to do,
    /// changes nothing
    Check {
        /// The directory [default: the data directory]
        dir: Option<PathBuf>,
    },
    /// Copy the journal and the network's authority into another directory while the tracker runs (or not),
    /// and audit the copy. A tracker started with --data-dir on a copy of that directory goes on from there
    Backup {
        /// Target directory; created if it is missing
        target: PathBuf,
    },
    /// Say that the data directory was restored from an older backup: its tracker then takes over from epochs
    /// that peers have seen since, and deletes nothing for having no name until accept-loss
    Restored {
        /// Id of the network, which peers show in their status, for a journal that has none: one of an older
        /// version, or a new one in place of a journal that is lost
        #[arg(long, value_name = "ID")]
        network: Option<NetworkId>,
    },
    /// Accept the loss in a restored data directory: contents without a name are evicted again
    AcceptLoss,
    #[command(flatten)]
    Secure(SecureCommand),
    #[command(flatten)]
    SelfCommand(SelfCommand),
}

/// Command line that has been read.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The arguments.
    pub args: Args,
    settings: BTreeMap<String, OsString>,
}

/// Settings of a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Whether it may listen for other machines without security.
    pub is_insecure: bool,
    /// Directory of the journal.
    pub data_dir: PathBuf,
    /// Names of this machine by which HTTP requests may ask.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read the HTTP API.
    pub allowed_origins: Vec<Origin>,
    /// Degree to which the network is secured; none means as far as it can be.
    pub tls: Option<Mode>,
    /// Number of revisions of every name that are remembered.
    pub keep_revisions: RevisionLimit,
    /// Defaults for publishers.
    pub defaults: NetworkDefaults,
    /// Durations.
    pub timing: Timing,
    /// Limits of repair.
    pub repair: Budget,
}

/// Reason for which the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A setting makes no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The durations make no sense together.
    #[error("{0}")]
    Timing(&'static str),
    /// The budget would stop repair.
    #[error("{0}")]
    Repair(&'static str),
    /// The network is to be secured and has no authority.
    #[error("tls = {0}: the network has no authority yet; stop the tracker and run `tracker init`")]
    NoAuthority(Mode),
    /// The tracker would listen for other machines without security.
    #[error(transparent)]
    Unsecured(#[from] Unsecured),
    /// No data directory is given, and there is none by default.
    #[error("neither HOME nor XDG_DATA_HOME is set; say with --data-dir where the journal is to be kept")]
    NoDataDir,
}

impl Coded for ConfigError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

impl Invocation {
    /// Reads a command line, program name first.
    ///
    /// # Errors
    /// Usage errors, and help or the version when that was asked for.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let (args, settings) = flags::read(table(), arguments)?;
        Ok(Self { args, settings })
    }

    /// Collects the settings from the command line and the environment.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn places(&self, env: Env<'_>) -> Result<Places, SettingsError> {
        let places = Places::new(table(), &self.settings, env)?;
        Ok(places.or(&DATA_DIR, default_data_dir(env)))
    }
}

impl Config {
    /// Returns settings for a free loopback port, with defaults for all else.
    #[must_use]
    pub fn on_free_port(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            is_insecure: false,
            data_dir: data_dir.into(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            tls: None,
            keep_revisions: RevisionLimit::default(),
            defaults: NetworkDefaults::default(),
            timing: Timing::default(),
            repair: Budget::default(),
        }
    }

    /// Returns the gate of the HTTP side of a tracker whose certificate has these names.
    #[must_use]
    pub fn gate(&self, certified: Vec<String>) -> Gate {
        let names = self.allowed_hosts.iter().cloned().chain(certified);
        let names = names.chain([self.host.clone()]).chain(machine_name());
        Gate::of_a_tracker(names, self.allowed_origins.clone())
    }

    /// Returns the degree to which the network is secured.
    ///
    /// # Errors
    /// When it is to be secured and there is no authority.
    pub fn security(&self) -> Result<Mode, ConfigError> {
        match (self.tls, authority::exists(&self.data_dir)) {
            (None, true) => Ok(Mode::Required),
            (None, false) => Ok(Mode::Off),
            (Some(mode), false) if mode != Mode::Off => Err(ConfigError::NoAuthority(mode)),
            (Some(mode), _) => Ok(mode),
        }
    }

    /// Returns the degree to which the network of a tracker at this address is secured.
    ///
    /// # Errors
    /// As [`Self::security`], and when other machines could reach the tracker without any security.
    pub fn security_at(&self, address: SocketAddr) -> Result<Mode, ConfigError> {
        let mode = self.security()?;
        let exposure = Exposure {
            program: Role::Tracker,
            address,
            is_secured: mode != Mode::Off,
            is_accepted: self.is_insecure,
            has_history: journal::has_begun(&self.data_dir),
        };
        exposure.judge()?;
        Ok(mode)
    }

    /// Returns the policy of the state.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy {
            timing: self.timing,
            budget: self.repair,
            defaults: self.defaults,
        }
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// When they make no sense together.
    pub fn of(values: &Values) -> Result<Self, ConfigError> {
        let timing = Timing::of(values);
        timing.validate().map_err(ConfigError::Timing)?;
        let repair = Budget::of(values);
        repair.validate().map_err(ConfigError::Repair)?;
        Ok(Self {
            host: values.get(&HOST).unwrap_or_default(),
            port: values.get(&PORT).unwrap_or_default(),
            is_insecure: values.get(&INSECURE).unwrap_or_default(),
            data_dir: values.get(&DATA_DIR).ok_or(ConfigError::NoDataDir)?,
            allowed_hosts: values.get(&ALLOWED_HOSTS).unwrap_or_default(),
            allowed_origins: values.get(&ALLOWED_ORIGINS).unwrap_or_default(),
            tls: values.get(&TLS),
            keep_revisions: values.get(&KEEP_REVISIONS).unwrap_or_default(),
            defaults: NetworkDefaults {
                replicas: values.get(&REPLICAS).unwrap_or(ReplicationTarget::DEFAULT),
                fragment_length: values.get(&FRAGMENT_LENGTH),
            },
            timing,
            repair,
        })
    }
}

/// Returns the default directory of the XDG base directory specification: empty and relative values count as
/// not set.
fn default_data_dir(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("enjambre/tracker"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use shared::model::ByteRate;

    use super::*;

    fn load(text: &str, flags: &[&str]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("tracker.toml");
        std::fs::write(&path, text).expect("write");
        let line = ["tracker", "--config", path.to_str().expect("UTF-8")];
        let line = line.iter().chain(flags).map(OsString::from);
        let invocation = Invocation::read(line).expect("valid flags");
        let home = |key: &str| (key == "HOME").then(|| "/home/me".into());
        Config::of(&invocation.places(&home)?.values()?)
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let text = "port = 7\nhost = '0.0.0.0'\ndata_dir = '/a'\n[timing]\nlease = '3s'\nheartbeat = '500ms'\n[repair]\ntotal = '4GiB'\nrate = '1Gbit/s'";
        let config = load(text, &["--port", "8"]).expect("valid");
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 8));
        assert_eq!(config.data_dir, PathBuf::from("/a"));
        assert_eq!(config.timing.lease, Duration::from_secs(3));
        assert_eq!(config.timing.grace, Timing::default().grace);
        assert_eq!(
            (config.repair.total, config.repair.rate),
            (4 << 30, ByteRate::new(125_000_000))
        );
        let config = load("", &["--data-dir", "/b"]).expect("valid");
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 50052));
        assert_eq!(config.data_dir, PathBuf::from("/b"));
        let default = Config::on_free_port("/b");
        assert_eq!(
            (config.timing, config.repair),
            (default.timing, default.repair),
            "the table has the same defaults"
        );
        let config = load("", &[]).expect("valid");
        assert_eq!(
            config.data_dir,
            PathBuf::from("/home/me/.local/share/enjambre/tracker")
        );
    }

    #[test]
    fn how_much_of_the_past_is_kept_is_a_setting() {
        let config = load("keep_revisions = 3\nhistory_grace = '2m'", &[]).expect("valid");
        assert_eq!(config.keep_revisions.get(), 3);
        assert_eq!(config.timing.history_grace, Duration::from_secs(120));
        let flags = ["--keep-revisions", "64", "--history-grace", "0s"];
        let config = load("keep_revisions = 3", &flags).expect("valid");
        assert_eq!(
            (config.keep_revisions.get(), config.timing.history_grace),
            (64, Duration::ZERO)
        );
        let config = load("", &[]).expect("valid");
        assert_eq!(config.keep_revisions, RevisionLimit::default());
    }

    #[test]
    fn the_networks_defaults_are_settings() {
        let text = "replicas = 2\nfragment_length = '1MiB'";
        let config = load(text, &[]).expect("valid");
        assert_eq!(config.defaults.replicas.get(), 2);
        assert_eq!(
            config.defaults.fragment_length.map(FragmentLength::get),
            Some(1 << 20)
        );
        let flags = ["--replicas", "5", "--fragment-length", "64KiB"];
        let config = load(text, &flags).expect("valid");
        assert_eq!(config.defaults.replicas.get(), 5);
        assert_eq!(config.defaults.fragment_length, Some(FragmentLength::MIN));
        assert_eq!(load("", &[]).expect("valid").defaults, NetworkDefaults::default());
    }

    #[test]
    fn settings_that_make_no_sense_are_usage_errors() {
        for text in [
            "ports = 1",
            "port = 70000",
            "[timing]\nlease = '1s'",
            "[timing]\nlease = 'long'",
            "[timing]\nleas = '9s'",
            "[repair]\ntotal = '1KiB'",
            "[repair]\nrate = '0'",
            "log = 'loud'",
            "replicas = 33",
            "fragment_length = '100KiB'",
            "fragment_length = '32MiB'",
            "keep_revisions = 0",
            "keep_revisions = 65",
        ] {
            let error = load(text, &["--data-dir", "/b"]).expect_err(text);
            assert_eq!(error.code().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn every_flag_of_a_running_tracker_is_a_setting() {
        let command = Args::command();
        let flags = command.get_arguments().map(|arg| arg.get_id().as_str());
        let flags: Vec<_> = flags
            .filter(|id| !["config", "verbose", "help", "version"].contains(id))
            .collect();
        assert_eq!(flags, PLAIN.map(|setting| setting.name()));
        command.debug_assert();
    }
}
