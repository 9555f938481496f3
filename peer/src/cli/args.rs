//! The command line as clap reads it, and what it comes to.
//!
//! Flags that are settings have no defaults here: [`super::settings`] lays them over the environment and the file. What clap
//! cannot check is checked in [`read`]: that flags of a node are given where a node may be run.

mod flags;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use shared::model::{
    ContentRef, FragmentLength, Name, ParseDurationError, ReplicationTarget, parse_duration,
};
use shared::runtime::self_command::SelfCommand;
use shared::settings;

use self::flags::CommonFlags;
use super::globs::Globs;
use super::help;
use super::history::Past;
use super::limit::LimitArgs;
use super::settings::TABLE;
use super::sharing::{self, Sharing};
use super::upkeep::Upkeep;
use crate::words;

pub(super) use self::flags::NodeFlags;

const AFTER_HELP: &str = "\
Without a command, `peer` is an interactive menu that runs a node for as long as it is open.

Settings come from, weakest first: defaults, the file of --config (TOML; --data-dir is data_dir),
ENJAMBRE_* variables (--data-dir is ENJAMBRE_DATA_DIR), flags. `peer config show` says which is in effect.

Exit codes: 0 done, 1 internal, 2 usage, 3 not found, 4 not allowed, 5 conflict or exists,
6 cannot reach tracker or peers, 7 incomplete, 8 integrity failure, 9 disk full or over capacity,
10 target replicas not met, 124 timed out, 130 interrupted.";

/// Publish files once, keep verified copies of them on many machines, fetch them at wire speed.
#[derive(Debug, Parser)]
#[command(name = "peer", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: CommonFlags,
    #[command(flatten)]
    node: NodeFlags,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a node until SIGINT or SIGTERM
    Serve(NodeFlags),
    /// Publish a file, in place, or a directory
    Add {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        add: AddFlags,
        /// Replicas wanted of every fragment, 1 to 32, this node's included
        #[arg(long, value_name = "N")]
        replicas: Option<ReplicationTarget>,
        /// A power of two from 64KiB to 16MiB
        #[arg(long, value_name = "SIZE")]
        fragment_length: Option<FragmentLength>,
    },
    /// Fetch and verify a file or a directory; resumes, and serves while it fetches
    Get {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        get: GetArgs,
    },
    /// Remove a name for everyone
    Remove {
        /// The name
        name: Name,
    },
    /// Give what a name stands for another name, for everyone at once
    Rename {
        /// The name
        from: Name,
        /// The name that it gets; nothing may have it
        to: Name,
    },
    /// Drop this peer's copy of a content
    Forget(ForgetArgs),
    /// List the network's names, or what is in a directory
    List {
        /// A directory that was added, or NAME/path/inside of one
        #[arg(value_name = "NAME|ID", conflicts_with = "local")]
        content: Option<ContentRef>,
        /// List what this node holds instead
        #[arg(long)]
        local: bool,
    },
    /// Show who holds which fragments of a content
    Locate {
        /// A name, or an id of 64 hexadecimal digits
        #[arg(value_name = "NAME|ID")]
        content: ContentRef,
    },
    /// Show what the node is and does
    Status,
    /// Show how fast the node may transfer, or change it, at once and until the node restarts
    Limit(LimitArgs),
    /// Show the network's peers
    Network,
    /// Read what the node holds again (of one content, or everything), and withdraw what is damaged
    Verify {
        /// What to read
        #[arg(value_name = "NAME|ID")]
        content: Option<ContentRef>,
    },
    #[command(flatten)]
    Past(Past),
    #[command(flatten)]
    Upkeep(Upkeep),
    #[command(flatten)]
    Sharing(sharing::Verb),
    #[command(flatten)]
    SelfCommand(SelfCommand),
}

#[derive(Debug, Args)]
struct AddFlags {
    /// The file or directory; - publishes standard input, which takes --name
    path: PathBuf,
    #[command(flatten)]
    globs: Globs,
    /// The name to bind [default: the file's name]
    #[arg(long)]
    name: Option<Name>,
    /// Bind the name to this content even if it is bound to another
    #[arg(long)]
    update: bool,
    /// Say what would be moved, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Wait until every fragment has its replicas, at most this long once the file is hashed; write it after PATH
    /// or as --wait=DURATION
    #[arg(long, value_name = "DURATION", num_args = 0..=1, value_parser = parse_duration)]
    wait: Option<Option<Duration>>,
}

/// `peer get`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct GetArgs {
    /// A name, or an id of 64 hexadecimal digits
    #[arg(value_name = "NAME|ID")]
    pub content: ContentRef,
    /// Where to put the file, or the directory to put it in; - writes it to standard output [default: ./ and the last part of
    /// the name]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace existing files, each once it is complete
    #[arg(long)]
    pub force: bool,
    /// End with 6, or with 7 if nobody has it, when nothing has come for this long; none: never [default: 2m, none with
    /// --timeout]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<GiveUpAfter>,
    /// Say what would be moved, and from where, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What is wanted of a directory.
    #[command(flatten)]
    pub globs: Globs,
}

/// How long a fetch goes on without anything coming; none: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUpAfter(pub Option<Duration>);

/// A text was neither a duration nor `none`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; or none")]
pub struct GiveUpAfterError(#[from] pub(crate) ParseDurationError);

impl FromStr for GiveUpAfter {
    type Err = GiveUpAfterError;

    fn from_str(text: &str) -> Result<Self, GiveUpAfterError> {
        match text {
            "none" => Ok(Self(None)),
            text => Ok(Self(Some(parse_duration(text)?))),
        }
    }
}

/// `peer forget`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ForgetArgs {
    /// A name, or an id of 64 hexadecimal digits
    #[arg(value_name = "NAME|ID")]
    pub content: ContentRef,
    /// Even if it is the last copy, or nobody can tell
    #[arg(long)]
    pub force: bool,
}

/// `peer add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddArgs {
    /// The file.
    pub path: PathBuf,
    /// The name to bind; none means the file's.
    pub name: Option<Name>,
    /// Whether a name that is bound to another content is bound anew.
    pub update: bool,
    /// Whether only to say what would be done.
    pub dry_run: bool,
    /// Whether to wait for replicas.
    pub wait: Wait,
    /// What is wanted of a directory.
    pub globs: Globs,
}

/// How long to wait for replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// As long as it takes.
    Forever,
    /// At most this long after the file has been hashed.
    AtMost(Duration),
}

impl Wait {
    /// What a flag with an optional value says.
    #[must_use]
    pub fn of(flag: Option<Option<Duration>>) -> Self {
        flag.map_or(Self::No, |limit| limit.map_or(Self::Forever, Self::AtMost))
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The interactive menu.
    Menu,
    /// Run a node.
    Serve,
    /// Do one thing and end.
    Once(Command),
    /// What needs neither a node nor settings that make sense.
    SelfCommand(SelfCommand),
}

/// What is done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Publish a file.
    Add(AddArgs),
    /// Fetch a content.
    Get(GetArgs),
    /// Remove a name.
    Remove(Name),
    /// Give what a name stands for another name.
    Rename(Name, Name),
    /// Drop a local copy.
    Forget(ForgetArgs),
    /// List names.
    List,
    /// List what is in a collection.
    Entries(ContentRef),
    /// List what the node holds.
    LocalList,
    /// Show holders.
    Locate(ContentRef),
    /// Show the node.
    Status,
    /// Show or change how fast the node may transfer.
    Limit(LimitArgs),
    /// Show the peers.
    Network,
    /// Read a content, or everything, again.
    Verify(Option<ContentRef>),
    /// Revisions of a name.
    Past(Past),
    /// Targets, duties, durability.
    Upkeep(Upkeep),
    /// Values.
    Sharing(Sharing),
}

/// A command line that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What is to be done.
    pub action: Action,
    /// What the flags say of the settings.
    pub settings: BTreeMap<String, OsString>,
    /// How many `-v`.
    pub verbose: u8,
}

/// Reads a command line, program name first.
///
/// # Errors
/// Usage errors, and help or the version when that was asked for.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let (cli, settings) = (
        Cli::from_arg_matches(&matches)?,
        settings::flags::said(TABLE, &matches),
    );
    let Cli {
        common,
        node: outer,
        verb,
    } = cli;
    let (action, inner) = act(verb);
    match inner {
        Some(inner) if outer == NodeFlags::default() || inner == NodeFlags::default() => {}
        None if outer == NodeFlags::default() || matches!(action, Action::Menu | Action::SelfCommand(_)) => {}
        Some(_) => {
            return Err(misplaced(words::flags_once()));
        }
        None => {
            return Err(misplaced(words::never_runs_a_node()));
        }
    }
    if action == Action::Serve && common.peer.is_some() {
        return Err(misplaced(words::serve_and_peer()));
    }
    if action == Action::Menu && common.json {
        return Err(misplaced(words::menu_has_no_json()));
    }
    Ok(Invocation {
        action,
        settings,
        verbose: common.verbose,
    })
}

/// What is to be done, and the flags of a node if the command takes them.
fn act(verb: Option<Verb>) -> (Action, Option<NodeFlags>) {
    let (command, node) = match verb {
        None => return (Action::Menu, None),
        Some(Verb::SelfCommand(chore)) => return (Action::SelfCommand(chore), None),
        Some(Verb::Serve(node)) => return (Action::Serve, Some(node)),
        Some(Verb::Add { node, add, .. }) => {
            let add = AddArgs {
                path: add.path,
                name: add.name,
                update: add.update,
                dry_run: add.dry_run,
                globs: add.globs,
                wait: Wait::of(add.wait),
            };
            (Command::Add(add), Some(node))
        }
        Some(Verb::Get { node, get }) => (Command::Get(get), Some(node)),
        Some(Verb::Remove { name }) => (Command::Remove(name), None),
        Some(Verb::Rename { from, to }) => (Command::Rename(from, to), None),
        Some(Verb::Forget(forget)) => (Command::Forget(forget), None),
        Some(Verb::List { local: true, .. }) => (Command::LocalList, None),
        Some(Verb::List {
            content: Some(content),
            ..
        }) => (Command::Entries(content), None),
        Some(Verb::List { .. }) => (Command::List, None),
        Some(Verb::Locate { content }) => (Command::Locate(content), None),
        Some(Verb::Status) => (Command::Status, None),
        Some(Verb::Limit(limit)) => (Command::Limit(limit), None),
        Some(Verb::Network) => (Command::Network, None),
        Some(Verb::Verify { content }) => (Command::Verify(content), None),
        Some(Verb::Past(command)) => (Command::Past(command), None),
        Some(Verb::Upkeep(command)) => (Command::Upkeep(command), None),
        Some(Verb::Sharing(verb)) => {
            let (command, node) = verb.split();
            (Command::Sharing(command), Some(node))
        }
    };
    (Action::Once(command), node)
}

/// The definition of the command line in English, with the defaults and environment twins of the settings in its help.
#[must_use]
pub fn definition() -> clap::Command {
    settings::flags::with_twins(TABLE, Cli::command())
}

/// The same, explained in the language in force.
#[must_use]
pub fn command() -> clap::Command {
    help::explained(definition())
}

fn misplaced(message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, message)
}

/// The language that a command line names, which is needed before the rest of it is read; clap checks it again.
#[must_use]
pub fn named_language(arguments: &[OsString]) -> Option<&str> {
    let mut arguments = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        match argument.split_once('=') {
            Some(("--lang", language)) => return Some(language),
            None if argument == "--lang" => return arguments.next(),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
