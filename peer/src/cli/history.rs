//! `peer history`, `pin`, `unpin`: the revisions of a name, and which of them stay.

use clap::Subcommand;
use proto::RemoteError;
use shared::json::{History, Pinned};
use shared::model::{Name, NamedRevision, PinWish, RevisionEntry};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use super::exit::Failure;
use super::{attach, show};
use crate::words;

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Past {
    /// Show the revisions of a name, and which of their contents are still there; NAME@REV means one wherever a name does
    History {
        /// The name
        name: Name,
    },
    /// Keep the content of a revision, whatever becomes of its name
    Pin {
        /// The name and the number of its revision, such as models/a@3
        #[arg(value_name = "NAME@REV")]
        revision: NamedRevision,
    },
    /// Keep the content of a revision no longer than of any other
    Unpin {
        /// The name and the number of its revision, such as models/a@3
        #[arg(value_name = "NAME@REV")]
        revision: NamedRevision,
    },
}

pub(super) async fn run(context: &Context<'_>, command: Past) -> Result<(), Failure> {
    match command {
        Past::History { name } => history(context, &name).await,
        Past::Pin { revision } => pin(context, revision, true).await,
        Past::Unpin { revision } => pin(context, revision, false).await,
    }
}

async fn history(context: &Context<'_>, name: &Name) -> Result<(), Failure> {
    let client = attach::require(context.options).await?.client;
    let revisions = client.history(name).await;
    let revisions = revisions.map_err(|error| {
        let failure = Failure::of(words::show_history(name), &error);
        match error.code() {
            ErrorCode::NotFound => failure.hint(words::list_shows_names()),
            _ => failure,
        }
    })?;
    context.out.json(&History::new(name, &revisions));
    context
        .out
        .line(&show::history(&revisions, context.clock.now()).render());
    Ok(())
}

async fn pin(context: &Context<'_>, what: NamedRevision, is_pinned: bool) -> Result<(), Failure> {
    let client = attach::require(context.options).await?.client;
    let wish = PinWish {
        what,
        is_pinned,
        expected: None,
    };
    let entry = client.pin(&wish).await;
    let entry = entry.map_err(|error| refused(&wish, &error))?;
    context.out.json(&Pinned::new(&wish.what.name, &entry));
    context.out.line(&pinned_line(&wish.what, &entry));
    Ok(())
}

fn refused(wish: &PinWish, error: &RemoteError) -> Failure {
    let what = if wish.is_pinned {
        words::pin(&wish.what)
    } else {
        words::unpin(&wish.what)
    };
    let failure = Failure::of(what, error);
    match error.code() {
        ErrorCode::NotFound => failure.hint(words::history_shows()),
        _ => failure,
    }
}

/// How a revision stands, in a sentence.
fn pinned_line(what: &NamedRevision, entry: &RevisionEntry) -> String {
    if !entry.pins.is_pinned() {
        return words::unpinned_line(what);
    }
    let line = words::pinned_line(what);
    match entry.health {
        Some(health) if health.fewest < health.target.get() && health.fragments > 0 => {
            words::with_replicas_now(line, health.fewest, words::replicas(health.target.get().into()))
        }
        _ => line,
    }
}
