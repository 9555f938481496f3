//! Flags that several commands take: of every command, of those that run a node, and of those that select
//! entries.
//!
//! The settings among them have no defaults here, and are only checked: [`crate::settings`] lays their texts
//! over the environment and the file, and its table has their defaults and their names in the help.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches, ValueEnum};
use shared::collection::{OutsideLinks, Rules, Selection};
use shared::language::Language;
use shared::model::{HostPort, ParseDurationError, parse_duration};
use shared::runtime::telemetry::{LogFilter, LogFormat};
use shared::settings::flags::{are_given, arguments, one_of};

use crate::settings::table;
use crate::terminal::exit::{Exit, Failure};
use crate::words;

/// Flags of every command.
#[derive(Debug, Args)]
pub(super) struct CommonFlags {
    /// The node's data directory, which also identifies the running node
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common")]
    pub(super) data_dir: Option<PathBuf>,
    /// The address of the running node to use; without its data directory, commands can only read from it
    #[arg(long, global = true, value_name = "HOST:PORT", value_parser = HostPort::remote, help_heading = "Common")]
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

/// Flags of a command that runs a node, or may have to: those of the settings that describe one. Their texts
/// are read as settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFlags {
    are_given: bool,
}

#[cfg(test)]
impl NodeFlags {
    /// Any of the flags.
    pub(super) const fn given() -> Self {
        Self { are_given: true }
    }
}

impl Args for NodeFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(arguments(table(), "Running a node"))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NodeFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            are_given: are_given(table(), matches),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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

/// Rules for the entries of a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct EntryRules {
    /// Links of a directory that lead out of it: keep takes them as they are, skip leaves them out, follow
    /// takes what they lead to in their place; otherwise they are refused
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub links: Option<Links>,
    /// keep takes names of a directory that differ only in case
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub case: Option<Case>,
    /// Leave out what a directory has and cannot be published: pipes, names that are not UTF-8, what cannot
    /// be read or is removed meanwhile
    #[arg(long)]
    pub skip_unsupported: bool,
}

/// Treatment of links that lead out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Links {
    /// They are kept.
    Keep,
    /// They are left out.
    Skip,
    /// They are followed.
    Follow,
}

/// Treatment of names that differ only in case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Case {
    /// They are kept.
    Keep,
}

impl From<EntryRules> for Rules {
    fn from(rules: EntryRules) -> Self {
        Self {
            links: match rules.links {
                None => OutsideLinks::Refuse,
                Some(Links::Keep) => OutsideLinks::Keep,
                Some(Links::Skip) => OutsideLinks::Skip,
                Some(Links::Follow) => OutsideLinks::Follow,
            },
            keeps_case: rules.case.is_some(),
            skips_unsupported: rules.skip_unsupported,
        }
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
