//! What a tracker is told: flags, environment, configuration file, defaults, in this order of precedence.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use serde::Deserialize;
use shared::runtime::config;
use shared::{Coded, ErrorCode};

use crate::budget::Budget;
use crate::policy::Policy;
use crate::timing::Timing;

/// The tracker of an Enjambre network: knows names, contents and who holds them; keeps every fragment replicated.
///
/// Whoever can reach its port can publish, remove and join. It listens on the loopback address only, unless --host
/// says otherwise; do that only in a network that you trust.
#[derive(Clone, Debug, Parser)]
#[command(name = "tracker", version, max_term_width = 100)]
pub struct Args {
    /// Address to listen on [default: 127.0.0.1]. ANY OTHER ADDRESS EXPOSES THE TRACKER, without authentication, to
    /// whoever can reach it; 0.0.0.0 or :: to every network of this machine
    #[arg(long, env = "ENJAMBRE_HOST")]
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one [default: 50052]
    #[arg(long, env = "ENJAMBRE_PORT")]
    pub port: Option<u16>,
    /// Where the journal is kept [default: $XDG_DATA_HOME/enjambre/tracker or ~/.local/share/enjambre/tracker]
    #[arg(long, value_name = "DIR", env = "ENJAMBRE_DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// A TOML file with any of these settings (host, port, data_dir) and a table `timing` of durations: lease,
    /// heartbeat, grace, safe_mode, tick, stall, cool_down, retry, trim, orphan, removed, forget; and a table `repair`
    /// of how many bytes of repair may be under way: per_target and per_source [default: 512MiB], total [default: 32GiB],
    /// and rate, in a second [default: no limit]
    #[arg(long, value_name = "FILE", env = "ENJAMBRE_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Log more; repeat for more still
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Something else than running a tracker
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else is done to a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Audit a data directory that no tracker runs on, or a backup: says what is wrong and what to do, changes nothing
    Check {
        /// The directory [default: the data directory]
        dir: Option<PathBuf>,
    },
    /// Copy the journal into another directory while the tracker runs (or not), and audit the copy. A tracker
    /// started with --data-dir on a copy of that directory goes on from there
    Backup {
        /// Where to; made if it is missing
        target: PathBuf,
    },
    /// Say that the data directory was restored from an older backup: its tracker then takes over from epochs that peers
    /// have seen since, and deletes nothing for having no name until accept-loss
    Restored,
    /// Say that what a restored data directory lacks has been seen to: contents without a name go again
    AcceptLoss,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    host: Option<String>,
    port: Option<u16>,
    data_dir: Option<PathBuf>,
    timing: Timing,
    repair: Budget,
}

/// Everything that a tracker needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Host name or address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Where the journal is kept.
    pub data_dir: PathBuf,
    /// How long it waits before it acts.
    pub timing: Timing,
    /// How much repair may be under way.
    pub repair: Budget,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read or is not valid.
    #[error(transparent)]
    File(#[from] config::ConfigError),
    /// The durations make no sense together.
    #[error("{0}")]
    Timing(&'static str),
    /// Repair could not get on with its budget.
    #[error("{0}")]
    Repair(&'static str),
    /// No data directory is given, and there is none by default.
    #[error("neither HOME nor XDG_DATA_HOME is set; say with --data-dir where the journal is to be kept")]
    NoDataDir,
}

impl Coded for ConfigError {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
}

impl Config {
    /// A tracker on a free loopback port with the default durations.
    #[must_use]
    pub fn on_free_port(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            data_dir: data_dir.into(),
            timing: Timing::default(),
            repair: Budget::default(),
        }
    }

    /// What the state is told of all this.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy {
            timing: self.timing,
            budget: self.repair,
        }
    }

    /// Puts flags, environment (clap has merged these two), file and defaults together.
    ///
    /// # Errors
    /// When the file cannot be used or a setting makes no sense.
    pub fn load(args: Args) -> Result<Self, ConfigError> {
        let file: File = config::load(args.config.as_deref())?;
        file.timing.validate().map_err(ConfigError::Timing)?;
        file.repair.validate().map_err(ConfigError::Repair)?;
        let data_dir = args.data_dir.or(file.data_dir).or_else(default_data_dir);
        Ok(Self {
            host: args.host.or(file.host).unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: args.port.or(file.port).unwrap_or(50052),
            data_dir: data_dir.ok_or(ConfigError::NoDataDir)?,
            timing: file.timing,
            repair: file.repair,
        })
    }
}

/// As the XDG base directory specification has it: empty and relative values count as not set.
fn default_data_dir() -> Option<PathBuf> {
    let absolute = |key| {
        std::env::var_os(key)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("enjambre/tracker"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::model::ByteRate;

    use super::*;

    fn load(text: &str, flags: &[&str]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("tracker.toml");
        std::fs::write(&path, text).expect("write");
        let line = ["tracker", "--config", path.to_str().expect("UTF-8")];
        Config::load(Args::try_parse_from(line.iter().chain(flags)).expect("valid flags"))
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
        ] {
            let error = load(text, &["--data-dir", "/b"]).expect_err(text);
            assert_eq!(error.code().exit_code(), 2, "{text}");
        }
    }
}
