//! The command line as clap reads it.
//!
//! Flags that are settings have no defaults here: [`crate::settings`] lays them over the environment and the
//! file. [`read`] checks the rule that clap cannot: flags of a node go only with commands that may run one.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use shared::model::{ContentRef, Name, ReplicationTarget};
use shared::runtime::self_command::SelfCommand;
use shared::settings;

use super::add::AddArgs;
use super::flags::{CommonFlags, NodeFlags, WithNode};
use super::get::GetArgs;
use super::help;
use super::names::{ListArgs, PinArgs};
use super::node::{ForgetArgs, LimitArgs};
use super::send::{ReceiveArgs, SendArgs};
use super::upkeep::{DrainArgs, MaintenanceArgs, NetworkArgs};
use super::values::{PutArgs, ValueArgs};
use super::watch::WatchArgs;
use crate::settings::table;
use crate::words;

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
    #[command(flatten)]
    Once(Command),
    #[command(flatten)]
    SelfCommand(SelfCommand),
    /// Show this help, or that of a command
    Help {
        /// The command
        command: Vec<OsString>,
    },
}

/// A command that does one thing and ends.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Publish a file, in place, or a directory
    Add(WithNode<AddArgs>),
    /// Fetch and verify a file or a directory; resumes an earlier fetch, and serves while it fetches
    Get(WithNode<GetArgs>),
    /// Remove a name for everyone
    Remove {
        /// The name
        name: Name,
    },
    /// Give a name's content another name, for everyone at once
    Rename {
        /// The name
        from: Name,
        /// The new name, which must be free
        to: Name,
    },
    /// Drop this peer's copy of a content
    Forget(ForgetArgs),
    /// List the network's names, or the entries of a directory
    List(ListArgs),
    /// Show who holds which fragments of a content
    Locate {
        /// A name, or an id, of which the first 8 digits are enough
        #[arg(value_name = "NAME|ID")]
        content: ContentRef,
    },
    /// Show the state of the node
    Status,
    /// Show the limits of the node's transfers, or change them, at once and until the node restarts
    Limit(LimitArgs),
    /// Show the network's peers
    Network(NetworkArgs),
    /// Publish in this node's network what it published in another one that is gone for good; no node may run
    /// on the data directory
    AdoptNetwork {
        /// The other network, or the beginning of its id, as `peer status` shows it [default: all others]
        #[arg(value_name = "ID")]
        network: Option<String>,
    },
    /// Give the data directory an id of its own, when it is a copy of another node's; no node may run on it
    NewId,
    /// Take the certificate of a peer, or of another member, back: it is out of the secured network at once
    /// and for good; needs an administrator's token in ENJAMBRE_TOKEN
    Revoke {
        /// Its id, or the beginning of it, as `peer network` and `tracker member list` show it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Make a new index from the fragments on disk, when the index is damaged or gone; no node may run on the
    /// data directory
    RebuildIndex,
    /// Read the node's data again (of one content, or everything), and withdraw damaged fragments
    Verify {
        /// The content to read
        #[arg(value_name = "NAME|ID")]
        content: Option<ContentRef>,
    },
    /// Show the revisions of a name, and which of their contents still exist; NAME@REV stands for one in
    /// place of a name
    History {
        /// The name
        name: Name,
    },
    /// Keep the content of a revision, even when its name changes
    Pin(PinArgs),
    /// No longer keep the content of a revision
    Unpin(PinArgs),
    /// Change the number of replicas that are wanted of a name's content
    Replicas {
        /// The name
        name: Name,
        /// Replicas of every fragment, 1 to 32, including the publisher's
        #[arg(value_name = "N")]
        replicas: ReplicationTarget,
    },
    /// Move this peer's replicas to others, and say when it can be switched off for good
    Drain(DrainArgs),
    /// Announce that this peer will be away and come back, so that its replicas are not replaced, or that it
    /// is back
    Maintenance(MaintenanceArgs),
    /// Show which losses the contents would survive, which contents are in danger, and the progress of repair
    Durability {
        /// A name, or an id, of which the first 8 digits are enough [default: everything]
        #[arg(value_name = "NAME|ID")]
        content: Option<ContentRef>,
    },
    /// Show why a content has fewer replicas than wanted, and why its fetch on this peer waits
    Why {
        /// A name, or an id, of which the first 8 digits are enough
        #[arg(value_name = "NAME|ID")]
        content: ContentRef,
    },
    /// Store a small value under a key, replicated like a file
    Put(WithNode<PutArgs>),
    /// Print the value that is stored under a key
    Value(WithNode<ValueArgs>),
    /// Print a line for `peer receive` on another machine, and run for as long as it can be received
    Send(WithNode<SendArgs>),
    /// Fetch and verify the content of a line of `peer send`
    Receive(WithNode<ReceiveArgs>),
    /// Follow the events of the network: publications, removals, replicas, peers; ends when interrupted
    Watch(WithNode<WatchArgs>),
}

impl Command {
    /// Returns the flags of the node that the command may have to run.
    const fn node(&self) -> Option<&NodeFlags> {
        match self {
            Self::Add(WithNode { node, .. })
            | Self::Get(WithNode { node, .. })
            | Self::Put(WithNode { node, .. })
            | Self::Value(WithNode { node, .. })
            | Self::Send(WithNode { node, .. })
            | Self::Receive(WithNode { node, .. })
            | Self::Watch(WithNode { node, .. }) => Some(node),
            _ => None,
        }
    }
}

/// The action of a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The interactive menu.
    Menu,
    /// A node that runs.
    Serve,
    /// One command.
    Once(Box<Command>),
    /// A command that needs neither a node nor valid settings.
    SelfCommand(SelfCommand),
}

/// A command line that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The action.
    pub action: Action,
    /// The settings among the flags, by name.
    pub settings: BTreeMap<String, OsString>,
    /// Number of `-v`.
    pub verbose: u8,
}

/// Reads a command line, program name first.
///
/// # Errors
/// Usage errors, and help or the version when the user asked for them.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let matches = command().try_get_matches_from(arguments)?;
    let settings = settings::flags::said(table(), &matches);
    let Cli {
        common,
        node: outer,
        verb,
    } = Cli::from_arg_matches(&matches)?;
    if let Some(Verb::Help { command }) = verb {
        let asked = command.into_iter().chain(["--help".into()]);
        return read(std::iter::once("peer".into()).chain(asked));
    }
    let none = NodeFlags::default();
    let inner = match &verb {
        Some(Verb::Serve(node)) => Some(node),
        Some(Verb::Once(command)) => command.node(),
        Some(Verb::SelfCommand(_) | Verb::Help { .. }) | None => Some(&none),
    };
    match inner {
        Some(inner) if outer == none || *inner == none => {}
        None if outer == none => {}
        Some(_) => return Err(misplaced(words::flags_once())),
        None => return Err(misplaced(words::never_runs_a_node())),
    }
    let action = match verb {
        // Its help was shown.
        None | Some(Verb::Help { .. }) => Action::Menu,
        Some(Verb::Serve(_)) => Action::Serve,
        Some(Verb::Once(command)) => Action::Once(Box::new(command)),
        Some(Verb::SelfCommand(command)) => Action::SelfCommand(command),
    };
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

/// Returns the English definition of the command line, with defaults and environment variables in its help.
#[must_use]
pub fn definition() -> clap::Command {
    settings::flags::with_twins(table(), Cli::command())
}

/// Returns the definition of the command line in the language in force.
#[must_use]
pub fn command() -> clap::Command {
    help::explained(definition())
}

fn misplaced(message: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ArgumentConflict, message)
}

/// Returns the language that a command line names, before the rest of it is read; clap checks it again.
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
