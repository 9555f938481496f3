//! The commands that share small things and pass things on: `put`, `value`, `send`, `receive`, `watch`.

use clap::Subcommand;

use super::args::NodeFlags;
use super::context::Context;
use super::exit::Failure;
use super::send::{self, ReceiveArgs, SendArgs};
use super::values::{self, PutArgs};
use super::watch::{self, WatchArgs};

/// The commands, each with what it takes that may have to run a node.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Store a small value under a key, replicated like a file
    Put {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        put: PutArgs,
    },
    /// Print the value that is stored under a key
    Value {
        #[command(flatten)]
        node: NodeFlags,
        /// The key
        key: String,
    },
    /// Print a line that `peer receive` takes on another machine, and run for as long as that is to work
    Send {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        send: SendArgs,
    },
    /// Fetch and verify what a line of `peer send` stands for
    Receive {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        receive: ReceiveArgs,
    },
    /// Follow what happens in the network: publications, removals, replicas, peers; ends when interrupted
    Watch {
        #[command(flatten)]
        node: NodeFlags,
        #[command(flatten)]
        watch: WatchArgs,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Store a value.
    Put(PutArgs),
    /// Print the value under this key.
    Value(String),
    /// Publish something for a while.
    Send(SendArgs),
    /// Fetch what was sent.
    Receive(ReceiveArgs),
    /// Follow what happens.
    Watch(WatchArgs),
}

impl Verb {
    pub(super) fn split(self) -> (Sharing, NodeFlags) {
        match self {
            Self::Put { node, put } => (Sharing::Put(put), node),
            Self::Value { node, key } => (Sharing::Value(key), node),
            Self::Send { node, send } => (Sharing::Send(send), node),
            Self::Receive { node, receive } => (Sharing::Receive(receive), node),
            Self::Watch { node, watch } => (Sharing::Watch(watch), node),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, command: Sharing) -> Result<(), Failure> {
    match command {
        Sharing::Put(args) => values::put(context, args).await,
        Sharing::Value(key) => values::print(context, &key).await,
        Sharing::Send(args) => send::send(context, args).await,
        Sharing::Receive(args) => send::receive(context, args).await,
        Sharing::Watch(args) => watch::run(context, args).await,
    }
}
