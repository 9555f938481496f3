//! Configuration of a webserver: flags, environment, configuration file, defaults, in this order of
//! precedence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use proto::http::{Addresses, Gate, Origin};
use proto::listen::machine_name;
use shared::model::{HostPort, parse_duration};
use shared::runtime::self_command::SelfCommand;
use shared::runtime::telemetry::{LOG, LOG_FORMAT, LogFilter, LogFormat};
use shared::settings::{
    Env, Key, Places, SettingsError, Table, Values, duration, flags, flags::one_of, list, number, remotes,
    text, whole,
};
use shared::{Coded, ErrorCode};

use crate::directory::{self, TrackersError};

/// Shorter intervals and deadlines would only burn the processor; longer ones would leave dead trackers in
/// use.
const MIN_PROBING: Duration = Duration::from_millis(10);
const MAX_PROBING: Duration = Duration::from_secs(60);

static TRACKER: Key<Vec<HostPort>> = Key::new("tracker", remotes).several().at_once();
static HOST: Key<String> = Key::new("host", text).or("127.0.0.1");
static PORT: Key<u16> = Key::new("port", whole).or("50051");
static ALLOWED_HOSTS: Key<Vec<String>> = Key::new("allowed_hosts", list).several();
static ALLOWED_ORIGINS: Key<Vec<Origin>> = Key::new("allowed_origins", list).several();
static PROBE_INTERVAL: Key<Duration> = Key::new("probe_interval", duration).or("1s").at_once();
static PROBE_DEADLINE: Key<Duration> = Key::new("probe_deadline", duration).or("1s").at_once();

/// Every setting of a webserver: see [`Args`].
pub static TABLE: Table = &[
    &TRACKER,
    &HOST,
    &PORT,
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
    /// Trackers to send clients to, in order of preference; repeat it or separate them with commas
    #[arg(long = "tracker", value_name = "HOST:PORT", value_delimiter = ',', value_parser = HostPort::remote)]
    pub tracker: Vec<HostPort>,
    /// Address to listen on; any other one than loopback exposes the page, and the addresses of the trackers,
    /// to everyone who can reach it
    #[arg(long)]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one
    #[arg(long, value_parser = number::<u16>)]
    pub port: Option<u16>,
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
    /// runs, but for host, port and log_format
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
        Places::new(TABLE, &self.settings, env)
    }
}

/// Configuration of a webserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// The trackers, in order of preference.
    pub trackers: Vec<HostPort>,
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
            trackers,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            probing: Probing::default(),
        }
    }

    /// Returns the gate of the HTTP side.
    #[must_use]
    pub fn gate(&self) -> Gate {
        let names = self.allowed_hosts.iter().cloned();
        let names = names.chain([self.host.clone()]).chain(machine_name());
        Gate::new(Addresses::Any, names, self.allowed_origins.clone())
    }

    /// Reads the configuration from the settings.
    ///
    /// # Errors
    /// When a setting is out of bounds or no tracker is named.
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
        let trackers = values.get(&TRACKER).unwrap_or_default();
        directory::check(&trackers)?;
        Ok(Self {
            host: values.get(&HOST).unwrap_or_default(),
            port: values.get(&PORT).unwrap_or_default(),
            trackers,
            allowed_hosts: values.get(&ALLOWED_HOSTS).unwrap_or_default(),
            allowed_origins: values.get(&ALLOWED_ORIGINS).unwrap_or_default(),
            probing,
        })
    }
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
            .filter(|id| !["config", "verbose", "help", "version"].contains(id))
            .collect();
        let settings: Vec<_> = TABLE.iter().map(|setting| setting.name()).collect();
        assert_eq!(flags, settings);
        command.debug_assert();
    }

    #[test]
    fn settings_that_make_no_sense_are_usage_errors() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (text, flags) in [
            ("", &["--port", "1"][..]),
            ("tracker = ['nonsense']", &[]),
            ("trackers = ['a:1']", &[]),
            ("tracker = ['a:1']\nprobe_deadline = '0s'", &[]),
            ("tracker = ['a:1']\nprobe_deadline = 'soon'", &[]),
            ("tracker = ['a:1']", &["--probe-interval", "2h"]),
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
}
