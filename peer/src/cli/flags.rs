//! Flags that several commands take: of every command, of those that run a node, and of those that select
//! entries.
//!
//! The settings among them have no defaults here, and are only checked: [`crate::settings`] lays their texts
//! over the environment and the file, and its table has their defaults and their names in the help.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use shared::collection::Selection;
use shared::language::Language;
use shared::model::{ByteCount, HostPort, ParseDurationError, Zone, parse_duration};
use shared::runtime::telemetry::{LogFilter, LogFormat};
use shared::settings::flags::one_of;
use shared::settings::number;

use crate::node::MemoryBudget;
use crate::settings::RateLimit;
use crate::terminal::exit::{Exit, Failure};
use crate::words;

/// Flags of every command.
#[derive(Debug, Args)]
pub(super) struct CommonFlags {
    /// The node's data directory, which also identifies the running node
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common")]
    pub(super) data_dir: Option<PathBuf>,
    /// The address of the running node to use; without its data directory, commands can only read from it
    #[arg(long, global = true, value_name = "HOST:PORT", help_heading = "Common")]
    pub(super) peer: Option<HostPort>,
    /// Print results as JSON: one document, or one object per line for long operations, the last one the
    /// result
    #[arg(long, global = true, help_heading = "Common")]
    pub(super) json: bool,
    /// Print only results and errors
    #[arg(long, short, global = true, help_heading = "Common")]
    pub(super) quiet: bool,
    /// Show no progress bars
    #[arg(long, global = true, help_heading = "Common")]
    pub(super) no_progress: bool,
    /// Give up after this time, with exit code 124; has no effect on `serve` and the menu
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration, help_heading = "Common")]
    pub(super) timeout: Option<Duration>,
    /// Log more, to stderr; repeat the flag for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Common")]
    pub(super) verbose: u8,
    /// The log on stderr: error, warn, info, debug, trace, or directives such as peer::fetch=trace,info
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Common")]
    pub(super) log: Option<LogFilter>,
    /// The format of log lines: text, json, or auto (text on a terminal, JSON otherwise)
    #[arg(long, global = true, value_name = "FORMAT", value_parser = one_of::<LogFormat>(LogFormat::NAMES), hide_possible_values = true, help_heading = "Common")]
    pub(super) log_format: Option<LogFormat>,
    /// A TOML file with any of the settings that `config show` lists; a running node follows changes of its
    /// limits, capacity, zone and log
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common")]
    pub(super) config: Option<PathBuf>,
    /// The language of messages: en or es
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = one_of::<Language>(&["en", "es"]), hide_possible_values = true, help_heading = "Common")]
    pub(super) lang: Option<Language>,
}

/// Flags of a command that runs a node, or may have to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct NodeFlags {
    /// Enter the network through this webserver
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with_all = ["tracker", "join"],
        help_heading = "Running a node"
    )]
    pub(super) webserver: Option<HostPort>,
    /// Enter the network through this tracker
    #[arg(long, value_name = "HOST:PORT", help_heading = "Running a node")]
    pub(super) tracker: Option<HostPort>,
    /// Enter the network of this peer, which names its webserver and trackers
    #[arg(
        long,
        value_name = "PEER:PORT",
        conflicts_with = "tracker",
        help_heading = "Running a node"
    )]
    pub(super) join: Option<HostPort>,
    /// The address to listen on; an address other than loopback exposes the node to the network
    #[arg(long, help_heading = "Running a node")]
    pub(super) host: Option<String>,
    /// The port to listen on; 0 picks a free one
    #[arg(long, value_parser = number::<u16>, help_heading = "Running a node")]
    pub(super) port: Option<u16>,
    /// The address at which other peers dial this one
    #[arg(long, value_name = "HOST:PORT", help_heading = "Running a node")]
    pub(super) advertise: Option<HostPort>,
    /// Space that the node lends to the cluster for replicas
    #[arg(long, value_name = "SIZE", help_heading = "Running a node")]
    pub(super) capacity: Option<ByteCount>,
    /// The failure domain, such as a rack or a site
    #[arg(long, value_name = "NAME", help_heading = "Running a node")]
    pub(super) zone: Option<Zone>,
    /// Limit of sending to all peers together, such as 10MB/s, 512KiB/s, 80Mbit/s or none; `peer limit`
    /// changes it while the node runs
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) upload_limit: Option<RateLimit>,
    /// Limit of receiving from all peers together, in the same way
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) download_limit: Option<RateLimit>,
    /// Simultaneous uploads; four more wait in line, further requests are refused
    #[arg(long, value_name = "N", value_parser = number::<NonZeroU16>, help_heading = "Running a node")]
    pub(super) upload_slots: Option<NonZeroU16>,
    /// Memory for blocks of transfers, at least 16MiB: a third for uploads, the rest for downloads
    #[arg(long, value_name = "SIZE", help_heading = "Running a node")]
    pub(super) memory: Option<MemoryBudget>,
    /// Rate of rereading held data in the background, to find damage; none: never
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) scrub_rate: Option<RateLimit>,
}

/// Arguments of a command that may have to run a node.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct WithNode<T: Args> {
    /// The flags of the node.
    #[command(flatten)]
    pub node: NodeFlags,
    /// The arguments of the command itself.
    #[command(flatten)]
    pub args: T,
}

/// Selection of a directory's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Globs {
    /// Take only the matching entries of a directory: `*` and `?` in names, `**` for directories; a pattern
    /// with a slash is a path from the directory itself; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out the matching entries of a directory; wins over --include
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
}

impl Globs {
    /// Returns the checked patterns.
    ///
    /// # Errors
    /// When one is no glob; that is a usage error.
    pub fn selection(&self) -> Result<Selection, Failure> {
        Selection::new(self.include.clone(), self.exclude.clone())
            .map_err(|error| Failure::new(Exit::Usage, words::glob_error(&error)))
    }
}

/// The moment at which a fetch gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// Not at all.
    Never,
    /// After this time without a received byte.
    After(Duration),
}

/// A text that is neither a duration nor `none`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; or none")]
pub struct GiveUpError(#[from] pub(crate) ParseDurationError);

impl FromStr for GiveUp {
    type Err = GiveUpError;

    fn from_str(text: &str) -> Result<Self, GiveUpError> {
        match text {
            "none" => Ok(Self::Never),
            text => Ok(Self::After(parse_duration(text)?)),
        }
    }
}
