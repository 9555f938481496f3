//! What a webserver is told: flags, environment, configuration file, defaults, in this order of precedence.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::{Deserialize, Deserializer};
use shared::model::{HostPort, parse_duration};
use shared::runtime::config;
use shared::{Coded, ErrorCode};

use crate::directory::TrackersError;

/// Shorter intervals and deadlines would only burn the processor; longer ones would leave dead trackers in use.
const MIN_PROBING: Duration = Duration::from_millis(10);
const MAX_PROBING: Duration = Duration::from_secs(60);

/// The front door of an Enjambre network: redirects clients to a live tracker and shows a page.
#[derive(Clone, Debug, Parser)]
#[command(name = "webserver", version, max_term_width = 100)]
pub struct Args {
    /// Trackers to send clients to, in order of preference; repeat it or separate them with commas
    #[arg(
        long = "tracker",
        value_name = "HOST:PORT",
        env = "ENJAMBRE_TRACKER",
        value_delimiter = ','
    )]
    pub tracker: Vec<HostPort>,
    /// Address to listen on [default: 127.0.0.1]; any other one exposes the page, and where the trackers are, to whoever
    /// can reach it
    #[arg(long, env = "ENJAMBRE_HOST")]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one [default: 50051]
    #[arg(long, env = "ENJAMBRE_PORT")]
    pub port: Option<u16>,
    /// How long to wait between two health checks of a tracker [default: 1s]
    #[arg(long, value_name = "DURATION", env = "ENJAMBRE_PROBE_INTERVAL", value_parser = parse_duration)]
    pub probe_interval: Option<Duration>,
    /// How long a health check may take [default: 1s]
    #[arg(long, value_name = "DURATION", env = "ENJAMBRE_PROBE_DEADLINE", value_parser = parse_duration)]
    pub probe_deadline: Option<Duration>,
    /// A TOML file with any of these settings (tracker, host, port, probe_interval, probe_deadline)
    #[arg(long, value_name = "FILE", env = "ENJAMBRE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Log more; repeat for more still
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "addresses")]
    tracker: Vec<HostPort>,
    host: Option<String>,
    port: Option<u16>,
    #[serde(deserialize_with = "duration")]
    probe_interval: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    probe_deadline: Option<Duration>,
}

/// Everything that a webserver needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// The trackers, in order of preference.
    pub trackers: Vec<HostPort>,
    /// How they are probed.
    pub probing: Probing,
}

/// How often trackers are probed, and how long a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// From the end of one probe to the beginning of the next.
    pub interval: Duration,
    /// After this long a tracker that has not answered counts as dead.
    pub deadline: Duration,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read or is not valid.
    #[error(transparent)]
    File(#[from] config::ConfigError),
    /// The list of trackers makes no sense.
    #[error(transparent)]
    Trackers(#[from] TrackersError),
    /// A probing duration is out of bounds.
    #[error("{setting} must be between 10ms and 60s")]
    Probing {
        /// Which one.
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
            probing: Probing::default(),
        }
    }

    /// Puts flags, environment (clap has merged these two), file and defaults together.
    ///
    /// # Errors
    /// When the file cannot be used or a setting is out of bounds.
    pub fn load(args: Args) -> Result<Self, ConfigError> {
        let file: File = config::load(args.config.as_deref())?;
        let default = Probing::default();
        let probing = Probing {
            interval: args
                .probe_interval
                .or(file.probe_interval)
                .unwrap_or(default.interval),
            deadline: args
                .probe_deadline
                .or(file.probe_deadline)
                .unwrap_or(default.deadline),
        };
        for (setting, value) in [
            ("probe_interval", probing.interval),
            ("probe_deadline", probing.deadline),
        ] {
            if !(MIN_PROBING..=MAX_PROBING).contains(&value) {
                return Err(ConfigError::Probing { setting });
            }
        }
        let trackers = if args.tracker.is_empty() {
            file.tracker
        } else {
            args.tracker
        };
        if trackers.is_empty() {
            return Err(TrackersError::None.into());
        }
        Ok(Self {
            host: args.host.or(file.host).unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: args.port.or(file.port).unwrap_or(50051),
            trackers,
            probing,
        })
    }
}

impl Coded for ConfigError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HostPort>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"webserver").chain(line)).expect("valid flags")
    }

    fn addresses_of(config: &Config) -> Vec<String> {
        config.trackers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn trackers_are_repeated_or_separated_by_commas() {
        let config = Config::load(args(&["--tracker", "a:1,b:2", "--tracker", "c:3"])).expect("valid");
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
        let config = Config::load(args(&["--config", path, "--port", "8"])).expect("valid");
        assert_eq!(addresses_of(&config), ["a:1", "b:2"]);
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", 8));
        assert_eq!(config.probing.interval, Duration::from_millis(200));
        assert_eq!(config.probing.deadline, Duration::from_secs(1));
        let config = Config::load(args(&["--config", path, "--tracker", "c:3"])).expect("valid");
        assert_eq!(addresses_of(&config), ["c:3"]);
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
            let error = Config::load(args(&line)).expect_err(text);
            assert_eq!(error.code().exit_code(), 2, "{text}");
        }
        assert!(Args::try_parse_from(["webserver", "--tracker", "nonsense"]).is_err());
    }
}
