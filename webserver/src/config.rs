//! Configuration of a webserver: flags, environment, configuration file, defaults, in this order of
//! precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use proto::http::{Addresses, Gate, Origin};
use proto::listen::machine_name;
use shared::model::{HostPort, parse_duration};
use shared::runtime::self_command::SelfCommand;
use shared::runtime::telemetry::{LOG, LOG_FORMAT, LogFilter, LogFormat};
use shared::security::{Exposure, News, Role, Unsecured};
use shared::settings::{
    Env, Key, Origin as SettingOrigin, Places, SettingsError, Table, Values, duration, flags, flags::one_of,
    list, news_age, number, path, remotes, text, truth, whole,
};
use shared::{Coded, ErrorCode};

use crate::directory::{self, TrackersError};
use crate::joining::{Given, LineText};

/// Shorter intervals and deadlines would only burn the processor; longer ones would leave dead trackers in
/// use.
const MIN_PROBING: Duration = Duration::from_millis(10);
const MAX_PROBING: Duration = Duration::from_secs(60);

static TRACKER: Key<Vec<HostPort>> = Key::new("tracker", remotes).several().at_once();
static HOST: Key<String> = Key::new("host", text).or("127.0.0.1");
static PORT: Key<u16> = Key::new("port", whole).or("50051");
static INSECURE: Key<bool> = Key::new("insecure", truth).or("false");
static DATA_DIR: Key<PathBuf> =
    Key::new("data_dir", path).told("$XDG_DATA_HOME/enjambre/webserver or ~/.local/share/enjambre/webserver");
const JOIN_FILE_NAME: &str = "join_file";
static JOIN_FILE: Key<PathBuf> = Key::new(JOIN_FILE_NAME, path);
static TLS_CERT: Key<PathBuf> = Key::new("tls_cert", path);
static TLS_KEY: Key<PathBuf> = Key::new("tls_key", path);
static NEWS_MAX_AGE: Key<Duration> = Key::new("news_max_age", news_age).or("24h");
static ALLOWED_HOSTS: Key<Vec<String>> = Key::new("allowed_hosts", list).several();
static ALLOWED_ORIGINS: Key<Vec<Origin>> = Key::new("allowed_origins", list).several();
static PROBE_INTERVAL: Key<Duration> = Key::new("probe_interval", duration).or("1s").at_once();
static PROBE_DEADLINE: Key<Duration> = Key::new("probe_deadline", duration).or("1s").at_once();

/// Every setting of a webserver: see [`Args`].
pub static TABLE: Table = &[
    &TRACKER,
    &HOST,
    &PORT,
    &INSECURE,
    &DATA_DIR,
    &JOIN_FILE,
    &TLS_CERT,
    &TLS_KEY,
    &NEWS_MAX_AGE,
    &ALLOWED_HOSTS,
    &ALLOWED_ORIGINS,
    &PROBE_INTERVAL,
    &PROBE_DEADLINE,
    &LOG,
    &LOG_FORMAT,
];

/// The front door of an Enjambre network: redirects clients to a live tracker and shows a page.
#[derive(Clone, Debug, Parser)]
#[command(name = "webserver", version, max_term_width = 100)]
pub struct Args {
    /// Trackers to send clients to, in order of preference; repeat it or separate them with commas. A
    /// webserver that has joined a secured network needs none: the network names its tracker
    #[arg(long = "tracker", value_name = "HOST:PORT", value_delimiter = ',', value_parser = HostPort::remote)]
    pub tracker: Vec<HostPort>,
    /// Address to listen on; any other one than loopback exposes the page, and the addresses of the trackers,
    /// to everyone who can reach it, and needs a secured network or --insecure
    #[arg(long)]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_parser = number::<u16>)]
    pub port: Option<u16>,
    /// Listen for other machines without having joined a secured network: the webserver then tells them the
    /// trackers in clear
    #[arg(long)]
    pub insecure: bool,
    /// Directory of the membership in a secured network; nothing else lies there, and a webserver that joins
    /// none has none
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Join a secured network with the line in this file, unless the data directory has a membership already.
    /// `tracker init` and `tracker token create --join webserver` print such lines. ENJAMBRE_JOIN has the
    /// line itself
    #[arg(long, value_name = "FILE")]
    pub join_file: Option<PathBuf>,
    /// Join with this line. Other users of this machine can see arguments: a file or ENJAMBRE_JOIN is better
    #[arg(long, value_name = "LINE", conflicts_with = "join_file", value_parser = LineText::take)]
    pub join: Option<LineText>,
    /// A certificate for browsers, with its chain, in PEM: shown to clients that say a name in their
    /// handshake, in a secured network. Members are shown the webserver's own
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// In a secured network, take no peer's certificate when no tracker has said for this long who is
    /// revoked; at least 30m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub news_max_age: Option<Duration>,
    /// Names of this machine by which HTTP requests may ask, beside addresses, localhost, --host and the
    /// machine's own name; repeat it or separate them with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read the HTTP API, beside the webserver's own; repeat it or separate them with
    /// commas
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origins: Vec<Origin>,
    /// Time between two health checks of a tracker
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub probe_interval: Option<Duration>,
    /// Deadline of a health check
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub probe_deadline: Option<Duration>,
    /// Filter of the log: error, warn, info, debug, trace, or directives such as webserver=trace,info
    #[arg(long, value_name = "FILTER")]
    pub log: Option<LogFilter>,
    /// Format of log lines: text, json, or auto: text on a terminal, JSON otherwise
    #[arg(long, value_name = "FORMAT", value_parser = one_of::<LogFormat>(LogFormat::NAMES), hide_possible_values = true)]
    pub log_format: Option<LogFormat>,
    /// A TOML file with any of the settings that `config show` lists. Changes take effect while the webserver
    /// runs, but for host, port, insecure, data_dir, join_file, tls_cert, tls_key, news_max_age and
    /// log_format
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Log more; repeat for more still
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Run another command than the webserver
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands besides running the webserver.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    #[command(flatten)]
    SelfCommand(SelfCommand),
}

/// A command line that has been read.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Parsed arguments.
    pub args: Args,
    settings: BTreeMap<String, OsString>,
}

impl Invocation {
    /// Reads a command line, program name first.
    ///
    /// # Errors
    /// Usage errors, and help or the version when that was asked for.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let (args, settings) = flags::read(TABLE, arguments)?;
        Ok(Self { args, settings })
    }

    /// Returns the settings of the flags and the environment.
    ///
    /// # Errors
    /// When a variable has a wrong value.
    pub fn places(&self, env: Env<'_>) -> Result<Places, SettingsError> {
        let places = Places::new(TABLE, &self.settings, env)?;
        Ok(places.or(&DATA_DIR, default_data_dir(env)))
    }

    /// Returns the places that may have a join line.
    #[must_use]
    pub fn given(&self, values: &Values, env: Env<'_>) -> Given {
        let is_flag = values.origin(JOIN_FILE_NAME) == Some(SettingOrigin::Flag);
        Given {
            flag: self.args.join.clone(),
            file: values.get(&JOIN_FILE).map(|path| (path, is_flag)),
            variable: Given::variable(env),
        }
    }
}

/// Configuration of a webserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Whether it may listen for other machines without security.
    pub is_insecure: bool,
    /// The trackers, in order of preference; none when the network that is joined names them.
    pub trackers: Vec<HostPort>,
    /// Directory of the membership.
    pub data_dir: Option<PathBuf>,
    /// Files of the certificate for browsers and its key.
    pub for_browsers: Option<[PathBuf; 2]>,
    /// Age of what a tracker has told from which certificates of peers are not taken.
    pub news_max_age: Duration,
    /// Names of this machine by which HTTP requests may ask.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may read the HTTP API.
    pub allowed_origins: Vec<Origin>,
    /// Timing of the probes.
    pub probing: Probing,
}

/// Interval and deadline of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// Time from the end of one probe to the beginning of the next.
    pub interval: Duration,
    /// After this long a tracker that has not answered counts as dead.
    pub deadline: Duration,
}

/// Reasons for which the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A place has a wrong value.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The list of trackers makes no sense.
    #[error(transparent)]
    Trackers(#[from] TrackersError),
    /// One of a certificate and its key is missing.
    #[error("tls_cert and tls_key belong together: a certificate for browsers and its key, both in PEM")]
    Half,
    /// The webserver would listen for other machines without security.
    #[error(transparent)]
    Unsecured(#[from] Unsecured),
    /// A probing duration is out of bounds.
    #[error("{setting} must be between 10ms and 60s")]
    Probing {
        /// Name of the setting.
        setting: &'static str,
    },
}

impl Default for Probing {
    /// Once a second: a dead tracker is out of use within 2 s, and a probe is far cheaper than a request.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// A webserver on a free loopback port with the default probing.
    #[must_use]
    pub fn on_free_port(trackers: Vec<HostPort>) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            is_insecure: false,
            trackers,
            data_dir: None,
            for_browsers: None,
            news_max_age: News::DEFAULT_MAX_AGE,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            probing: Probing::default(),
        }
    }

    /// Returns the gate of the HTTP side; certificates of this machine have names as well.
    #[must_use]
    pub fn gate(&self, certified: &[String]) -> Gate {
        let names = self.allowed_hosts.iter().chain(certified).cloned();
        let names = names.chain([self.host.clone()]).chain(machine_name());
        Gate::new(Addresses::Any, names, self.allowed_origins.clone())
    }

    /// Checks that it may listen at an address, as a member of a secured network or not.
    ///
    /// # Errors
    /// When other machines could reach it without security.
    pub fn check_exposure(&self, address: SocketAddr, is_member: bool) -> Result<(), Unsecured> {
        let exposure = Exposure {
            program: Role::Webserver,
            address,
            is_secured: is_member,
            is_accepted: self.is_insecure,
            // A webserver outside of secured networks remembers nothing: it may always have.
        };
        exposure.judge()
    }

    /// Takes the trackers that the network names, if the settings name none.
    ///
    /// # Errors
    /// When neither does.
    pub fn or_trackers(mut self, known: &[HostPort]) -> Result<Self, TrackersError> {
        if self.trackers.is_empty() {
            known.clone_into(&mut self.trackers);
        }
        directory::check(&self.trackers)?;
        Ok(self)
    }

    /// Reads the configuration from the settings.
    ///
    /// # Errors
    /// When a setting is out of bounds, or a tracker is named twice.
    pub fn of(values: &Values) -> Result<Self, ConfigError> {
        let default = Probing::default();
        let probing = Probing {
            interval: values.get(&PROBE_INTERVAL).unwrap_or(default.interval),
            deadline: values.get(&PROBE_DEADLINE).unwrap_or(default.deadline),
        };
        for (setting, value) in [
            ("probe_interval", probing.interval),
            ("probe_deadline", probing.deadline),
        ] {
            if !(MIN_PROBING..=MAX_PROBING).contains(&value) {
                return Err(ConfigError::Probing { setting });
            }
        }
        let for_browsers = match (values.get(&TLS_CERT), values.get(&TLS_KEY)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some([certificate, key]),
            _ => return Err(ConfigError::Half),
        };
        let trackers = values.get(&TRACKER).unwrap_or_default();
        if !trackers.is_empty() {
            directory::check(&trackers)?;
        }
        Ok(Self {
            host: values.get(&HOST).unwrap_or_default(),
            port: values.get(&PORT).unwrap_or_default(),
            is_insecure: values.get(&INSECURE).unwrap_or_default(),
            trackers,
            data_dir: values.get(&DATA_DIR),
            for_browsers,
            news_max_age: values.get(&NEWS_MAX_AGE).unwrap_or(News::DEFAULT_MAX_AGE),
            allowed_hosts: values.get(&ALLOWED_HOSTS).unwrap_or_default(),
            allowed_origins: values.get(&ALLOWED_ORIGINS).unwrap_or_default(),
            probing,
        })
    }
}

/// Returns the default directory of the XDG base directory specification: empty and relative values count as
/// not set.
fn default_data_dir(env: Env<'_>) -> Option<PathBuf> {
    let absolute = |key| env(key).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("enjambre/webserver"))
}

impl Coded for ConfigError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn load(line: &[&str]) -> Result<Config, ConfigError> {
        let line = std::iter::once(&"webserver").chain(line).map(OsString::from);
        let invocation = Invocation::read(line).expect("valid flags");
        Config::of(&invocation.places(&|_| None)?.values()?)
    }

    fn addresses_of(config: &Config) -> Vec<String> {
        config.trackers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn trackers_are_repeated_or_separated_by_commas() {
        let config = load(&["--tracker", "a:1,b:2", "--tracker", "c:3"]).expect("valid");
        assert_eq!(addresses_of(&config), ["a:1", "b:2", "c:3"]);
        assert_eq!((config.host.as_str(), config.port), ("127.0.0.1", 50051));
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("webserver.toml");
        std::fs::write(
            &path,
            "tracker = ['a:1', 'b:2']\nport = 7\nhost = '0.0.0.0'\nprobe_interval = '200ms'",
        )
        .expect("write");
        let path = path.to_str().expect("UTF-8");
        let config = load(&["--config", path, "--port", "8"]).expect("valid");
        assert_eq!(addresses_of(&config), ["a:1", "b:2"]);
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 8));
        assert_eq!(config.probing.interval, Duration::from_millis(200));
        assert_eq!(config.probing.deadline, Duration::from_secs(1));
        let config = load(&["--config", path, "--tracker", "c:3"]).expect("valid");
        assert_eq!(addresses_of(&config), ["c:3"]);
    }

    #[test]
    fn every_flag_of_a_running_webserver_is_a_setting() {
        let command = Args::command();
        let flags = command.get_arguments().map(|arg| arg.get_id().as_str());
        let flags: Vec<_> = flags
            .filter(|id| !["config", "join", "verbose", "help", "version"].contains(id))
            .collect();
        let settings: Vec<_> = TABLE.iter().map(|setting| setting.name()).collect();
        assert_eq!(flags, settings);
        command.debug_assert();
    }

    #[test]
    fn settings_that_make_no_sense_are_usage_errors() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (text, flags) in [
            ("tracker = ['nonsense']", &["--port", "1"][..]),
            ("tracker = ['a:1', 'a:1']", &[]),
            ("trackers = ['a:1']", &[]),
            ("tracker = ['a:1']\nprobe_deadline = '0s'", &[]),
            ("tracker = ['a:1']\nprobe_deadline = 'soon'", &[]),
            ("tracker = ['a:1']", &["--probe-interval", "2h"]),
            ("tracker = ['a:1']\ntls_cert = '/c.pem'", &[]),
            ("tracker = ['a:1']\nnews_max_age = '29m'", &[]),
        ] {
            let path = dir.path().join("webserver.toml");
            std::fs::write(&path, text).expect("write");
            let mut line = vec!["--config", path.to_str().expect("UTF-8")];
            line.extend(flags);
            let error = load(&line).expect_err(text);
            assert_eq!(error.code().exit_code(), 2, "{text}");
        }
        assert!(Invocation::read(["webserver", "--tracker", "nonsense"].map(Into::into)).is_err());
    }

    #[test]
    fn the_network_names_trackers_when_the_settings_do_not() {
        let known: [HostPort; 1] = ["known:1".parse().expect("an address")];
        let named = load(&["--tracker", "a:1"]).expect("valid").or_trackers(&known);
        assert_eq!(addresses_of(&named.expect("named")), ["a:1"]);
        let unnamed = load(&[]).expect("valid");
        let known = unnamed.clone().or_trackers(&known);
        assert_eq!(addresses_of(&known.expect("known")), ["known:1"]);
        assert_eq!(unnamed.or_trackers(&[]), Err(TrackersError::None));
    }

    #[test]
    fn the_membership_lies_where_data_lie() {
        let data_dir = |variables: &[(&str, &str)], flags: &[&str]| {
            let line = std::iter::once(&"webserver").chain(flags).map(OsString::from);
            let invocation = Invocation::read(line).expect("valid flags");
            let env = |key: &str| {
                let found = variables.iter().find(|(name, _)| *name == key);
                found.map(|(_, value)| OsString::from(value))
            };
            let values = invocation.places(&env).and_then(|places| places.values());
            Config::of(&values.expect("valid")).expect("valid").data_dir
        };
        let home = ("HOME", "/home/me");
        let in_home = Some(PathBuf::from("/home/me/.local/share/enjambre/webserver"));
        assert_eq!(data_dir(&[home], &[]), in_home);
        let elsewhere = data_dir(&[home, ("XDG_DATA_HOME", "/data")], &[]);
        assert_eq!(elsewhere, Some("/data/enjambre/webserver".into()));
        assert_eq!(data_dir(&[home], &["--data-dir", "/d"]), Some("/d".into()));
        assert_eq!(data_dir(&[], &[]), None);
    }
}
