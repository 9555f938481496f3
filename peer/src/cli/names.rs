//! The commands about names: `list`, `locate`, `remove`, `rename`, `history`, `pin`, `unpin`.

use clap::Args;
use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::{Locate, Remove, Rename};
use shared::json::{History, Located, Names, Pinned, Removed, Renamed};
use shared::model::{ContentRef, Name, NamedRevision, PinWish, RevisionEntry};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::asked_name;
use crate::terminal::{held, listing, show};
use crate::values::name_of;
use crate::{json, words};

/// Arguments of `peer list`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ListArgs {
    /// A directory that was added, or NAME/path/inside one
    #[arg(value_name = "NAME|ID", conflicts_with = "local")]
    pub content: Option<ContentRef>,
    /// List what this node holds instead
    #[arg(long)]
    pub local: bool,
}

/// Arguments of `peer pin` and `peer unpin`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PinArgs {
    /// The name and the number of its revision, such as models/a@3
    #[arg(value_name = "NAME@REV")]
    pub revision: NamedRevision,
}

pub(super) async fn list(context: &Context<'_>, args: ListArgs) -> Result<(), Failure> {
    if let Some(content) = &args.content {
        return entries(context, content).await;
    }
    if args.local {
        return local_list(context).await;
    }
    let (names, removed) = listing::all_published(&context.require().await?.client).await?;
    context.out.json(&Names::new(&names).with_removed(&removed));
    if names.is_empty() {
        context.out.note(words::no_names_yet());
    } else {
        context.out.table(&show::names(&names));
    }
    if !removed.is_empty() {
        let all: Vec<_> = removed.iter().map(ToString::to_string).collect();
        context.out.note(&words::removed_pinned(all.join(", ")));
    }
    Ok(())
}

/// Lists the entries of a directory.
async fn entries(context: &Context<'_>, content: &ContentRef) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let failed = |error| Failure::of(words::list(content), &error);
    let mut entries = client.entries(content).await.map_err(failed)?;
    while let Some(some) = entries.next().await.map_err(failed)? {
        for listed in &some {
            context.out.json(&json::entry(listed));
            context.out.line(&show::entry(listed));
        }
    }
    context.note_hidden(&client, content).await;
    Ok(())
}

/// Lists the contents that the node holds.
async fn local_list(context: &Context<'_>) -> Result<(), Failure> {
    let listed = context.require().await?.client.local_list().await;
    let contents = listed.map_err(|error| Failure::of(words::list_held(), &error))?;
    context.out.json(&json::contents(&contents));
    if contents.is_empty() {
        context.out.note(words::node_holds_nothing());
    } else {
        context.out.table(&held::contents(&contents));
        for line in held::refused(&contents) {
            context.out.line(&line);
        }
    }
    Ok(())
}

pub(super) async fn locate(context: &Context<'_>, content: ContentRef) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let what = words::locate(&content);
    let location = listing::locate(&client, content.clone(), Locate::MAX_HOLDERS).await;
    let location = location.map_err(|error| no_such_name(what, &error))?;
    context.out.json(&Located::new(&location));
    let name = asked_name(&content, &location.binding.name);
    context
        .out
        .line(&show::location(&name, &location, context.out.columns()));
    context.note_hidden(&client, &content).await;
    Ok(())
}

pub(super) async fn remove(context: &Context<'_>, name: Name) -> Result<(), Failure> {
    let remove = Remove { name, expected: None };
    let client = context.require().await?.client;
    let revision = match client.remove(&remove).await {
        Ok(revision) => revision,
        Err(error) => {
            let value = value_under(&client, &remove.name, &error).await;
            let failure = Failure::of(words::remove(&remove.name), &error);
            return Err(match value {
                Some(value) => failure.hint(&words::remove_the_value(value)),
                None => failure.hint_for(Exit::NotFound, words::list_shows_names()),
            });
        }
    };
    context.out.line(&show::removed(&remove.name, revision));
    context.out.json(&Removed {
        name: remove.name.to_string(),
        revision: revision.get(),
    });
    Ok(())
}

/// Returns the name of the value under a key, when a command was given the key in place of a name and found
/// nothing.
async fn value_under(client: &ControlClient, key: &Name, error: &RemoteError) -> Option<Name> {
    let value = name_of(key.as_str()).ok();
    let value = value.filter(|_| error.code() == ErrorCode::NotFound)?;
    let located = listing::locate(client, ContentRef::Name(value.clone()), 1).await;
    located.is_ok().then_some(value)
}

pub(super) async fn rename(context: &Context<'_>, from: Name, to: Name) -> Result<(), Failure> {
    if from == to {
        let why = words::cannot(words::rename(&from, &to), words::same_name());
        return Err(Failure::new(Exit::Usage, why));
    }
    let rename = Rename {
        from,
        to,
        expected: None,
    };
    let Rename { from, to, .. } = &rename;
    let client = context.require().await?.client;
    let bound = client.rename(&rename).await;
    let bound = bound.map_err(|error| Failure::of(words::rename(from, to), &error))?;
    let hidings = client.hidings(&ContentRef::Name(to.clone())).await;
    let hidings = hidings.unwrap_or_default();
    context.out.line(&words::renamed(from, to, bound.revision));
    context.out.json(&Renamed {
        from: from.to_string(),
        name: to.to_string(),
        revision: bound.revision.get(),
        content: bound.content.to_string(),
        hides: hidings.iter().map(json::hidden).collect(),
    });
    context.note_hidings(&hidings);
    Ok(())
}

pub(super) async fn history(context: &Context<'_>, name: &Name) -> Result<(), Failure> {
    let revisions = context.require().await?.client.history(name).await;
    let revisions = revisions.map_err(|error| no_such_name(words::show_history(name), &error))?;
    context.out.json(&History::new(name, &revisions));
    let table = show::history(&revisions, context.clock.now());
    context.out.table(&table);
    Ok(())
}

pub(super) async fn pin(context: &Context<'_>, args: PinArgs, is_pinned: bool) -> Result<(), Failure> {
    let wish = PinWish {
        what: args.revision,
        is_pinned,
        expected: None,
    };
    let entry = context.require().await?.client.pin(&wish).await;
    let entry = entry.map_err(|error| {
        let what = if is_pinned {
            words::pin(&wish.what)
        } else {
            words::unpin(&wish.what)
        };
        Failure::of(what, &error).hint_for(Exit::NotFound, words::history_shows())
    })?;
    context.out.json(&Pinned::new(&wish.what.name, &entry));
    context.out.line(&pinned_line(&wish.what, &entry));
    Ok(())
}

/// Returns a sentence about the state of a revision.
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

/// Returns the failure of a question about a name, with advice when there is no such name.
pub(super) fn no_such_name(what: String, error: &RemoteError) -> Failure {
    Failure::of(what, error).hint_for(Exit::NotFound, words::list_shows_names())
}
