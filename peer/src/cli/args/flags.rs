//! The flags that are settings: of every command, and of those that run a node.
//!
//! They have no defaults here and are only looked at for whether they make sense: [`crate::cli::settings`] lays their texts
//! over the environment and the file, and its table says their defaults and names in the help.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shared::language::Language;
use shared::model::{ByteCount, HostPort, Zone, parse_duration};
use shared::runtime::telemetry::{LogFilter, LogFormat};
use shared::settings::flags::one_of;
use shared::settings::number;

use crate::cli::limit::RateLimit;
use crate::node::MemoryBudget;

/// What every command takes.
#[derive(Debug, Args)]
pub(super) struct CommonFlags {
    /// The node's data directory: where it keeps its data, and which running node is meant
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common")]
    pub(super) data_dir: Option<PathBuf>,
    /// The running node that is meant, by address; can only ask it unless its data directory is readable
    #[arg(long, global = true, value_name = "HOST:PORT", help_heading = "Common")]
    pub(super) peer: Option<HostPort>,
    /// Results as JSON: one document, or one object per line for long operations, the last one the result
    #[arg(long, global = true, help_heading = "Common")]
    pub(super) json: bool,
    /// Only results and errors
    #[arg(long, short, global = true, help_heading = "Common")]
    pub(super) quiet: bool,
    /// No progress bars
    #[arg(long, global = true, help_heading = "Common")]
    pub(super) no_progress: bool,
    /// Give up after this long, with exit code 124; means nothing to `serve` and the menu
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse_duration, help_heading = "Common")]
    pub(super) timeout: Option<Duration>,
    /// Log more, to stderr; repeat for still more
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Common")]
    pub(super) verbose: u8,
    /// What is logged, to stderr: error, warn, info, debug, trace, or directives such as peer::fetch=trace,info
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Common")]
    pub(super) log: Option<LogFilter>,
    /// How log lines look: text, json, or auto: text on a terminal, JSON otherwise
    #[arg(long, global = true, value_name = "FORMAT", value_parser = one_of::<LogFormat>(LogFormat::NAMES), hide_possible_values = true, help_heading = "Common")]
    pub(super) log_format: Option<LogFormat>,
    /// A TOML file with any of the settings that `config show` lists; while a node runs, changes of its limits, capacity, zone and
    /// what is logged take effect at once
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common")]
    pub(super) config: Option<PathBuf>,
    /// The language for people: en or es
    #[arg(long, global = true, value_name = "LANGUAGE", value_parser = one_of::<Language>(&["en", "es"]), hide_possible_values = true, help_heading = "Common")]
    pub(super) lang: Option<Language>,
}

/// What a command takes that runs a node, or may have to.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub(in crate::cli) struct NodeFlags {
    /// Enter the network by way of this webserver
    #[arg(
        long,
        value_name = "HOST:PORT",
        conflicts_with_all = ["tracker", "join"],
        help_heading = "Running a node"
    )]
    pub(super) webserver: Option<HostPort>,
    /// Enter the network at this tracker
    #[arg(long, value_name = "HOST:PORT", help_heading = "Running a node")]
    pub(super) tracker: Option<HostPort>,
    /// Enter the network of this peer, which is asked for the webserver and trackers that it knows
    #[arg(
        long,
        value_name = "PEER:PORT",
        conflicts_with = "tracker",
        help_heading = "Running a node"
    )]
    pub(super) join: Option<HostPort>,
    /// The address to listen on; anything but loopback exposes the node to the network
    #[arg(long, help_heading = "Running a node")]
    pub(super) host: Option<String>,
    /// The port to listen on, 0 picks one
    #[arg(long, value_parser = number::<u16>, help_heading = "Running a node")]
    pub(super) port: Option<u16>,
    /// Where other peers are told to dial this one
    #[arg(long, value_name = "HOST:PORT", help_heading = "Running a node")]
    pub(super) advertise: Option<HostPort>,
    /// Room lent to the cluster for replicas
    #[arg(long, value_name = "SIZE", help_heading = "Running a node")]
    pub(super) capacity: Option<ByteCount>,
    /// The failure domain, such as a rack or a site
    #[arg(long, value_name = "NAME", help_heading = "Running a node")]
    pub(super) zone: Option<Zone>,
    /// Send at most so much to all peers together, such as 10MB/s, 512KiB/s, 80Mbit/s or none; `peer limit` changes
    /// it while the node runs
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) upload_limit: Option<RateLimit>,
    /// Take at most so much from all peers together, in the same way
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) download_limit: Option<RateLimit>,
    /// Uploads that send at once; four more wait in line, others are sent elsewhere
    #[arg(long, value_name = "N", value_parser = number::<NonZeroU16>, help_heading = "Running a node")]
    pub(super) upload_slots: Option<NonZeroU16>,
    /// Blocks of transfers in memory, at least 16MiB: a third for uploads, the rest for downloads
    #[arg(long, value_name = "SIZE", help_heading = "Running a node")]
    pub(super) memory: Option<MemoryBudget>,
    /// Read what is held again in the background, at most so fast, to find rot; none: never
    #[arg(long, value_name = "RATE", help_heading = "Running a node")]
    pub(super) scrub_rate: Option<RateLimit>,
}
