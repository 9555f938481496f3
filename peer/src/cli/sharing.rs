//! The commands that share small things and pass things on: `put`, `value`.

use clap::Subcommand;

use super::args::NodeFlags;
use super::context::Context;
use super::exit::Failure;
use super::values::{self, PutArgs};

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
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Store a value.
    Put(PutArgs),
    /// Print the value under this key.
    Value(String),
}

impl Verb {
    pub(super) fn split(self) -> (Sharing, NodeFlags) {
        match self {
            Self::Put { node, put } => (Sharing::Put(put), node),
            Self::Value { node, key } => (Sharing::Value(key), node),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, command: Sharing) -> Result<(), Failure> {
    match command {
        Sharing::Put(args) => values::put(context, args).await,
        Sharing::Value(key) => values::print(context, &key).await,
    }
}
