//! `peer add`: publishes a file in place, or a directory, and waits for its replicas if asked.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::control::{Add, AddStream, SessionStatus};
use shared::ErrorCode;
use shared::model::{FileMetadata, FragmentLength, Name, ReplicationTarget};

use super::context::Context;
use super::flags::{EntryRules, Globs};
use super::plan;
use super::standard_streams::{self, StdinFailure};
use crate::collection::scan::metadata_of;
use crate::terminal::adding::{AddEvents, Wait, follow};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::paths::{file_to_add, is_standard, name_of, off_thread, shown};
use crate::terminal::show::own_reach;
use crate::words;

/// Arguments of `peer add`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct AddArgs {
    /// The file or directory; - publishes standard input, which needs --name
    pub path: PathBuf,
    /// The selection of a directory's entries.
    #[command(flatten)]
    pub globs: Globs,
    /// The rules for a directory's entries.
    #[command(flatten)]
    pub rules: EntryRules,
    /// The name to bind [default: the file's name]
    #[arg(long)]
    pub name: Option<Name>,
    /// Bind the name to this content even if it is bound to another
    #[arg(long)]
    pub update: bool,
    /// Show what would be sent, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until every fragment has its replicas, at most this long after the file is hashed; write it after
    /// PATH or as --wait=DURATION
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        default_missing_value = "",
        value_parser = Wait::parse
    )]
    pub wait: Option<Wait>,
    /// Replicas wanted of every fragment, 1 to 32, including this node's
    #[arg(long, value_name = "N")]
    pub replicas: Option<ReplicationTarget>,
    /// Length of a fragment, a power of two from 64KiB to 16MiB
    #[arg(long, value_name = "SIZE")]
    pub fragment_length: Option<FragmentLength>,
}

/// Runs `peer add`.
pub(super) async fn run(context: &Context<'_>, args: AddArgs) -> Result<(), Failure> {
    let path = source(&args.path).await?;
    let name = match args.name {
        Some(name) => name,
        None => name_of(&path)?,
    };
    let selection = args.globs.selection()?;
    let shown = shown(&path);
    if is_standard(&path) && (args.dry_run || !selection.is_all()) {
        let why = words::cannot(words::add(shown), words::read_once_whole());
        return Err(Failure::new(Exit::Usage, why));
    }
    let is_file = !path.is_dir();
    if is_file && (!selection.is_all() || args.rules != EntryRules::default()) {
        return Err(no_entries(words::add(shown)));
    }
    if args.dry_run {
        let wanted = plan::Wanted {
            selection,
            rules: args.rules.into(),
            is_update: args.update,
        };
        return plan::add(context, path, name, wanted).await;
    }
    let node = match args.wait {
        None => context.require_sharing(&shown).await?,
        Some(_) => context.find_or_run().await?,
    };
    if let Some(why) = own_reach(&node.status) {
        context.out.note(&why);
    }
    // Otherwise the command would wait until the node is connected.
    if args.wait.is_some() && node.status.session == SessionStatus::Offline {
        return Err(Failure::new(Exit::Unreachable, words::cannot_wait_offline(shown)));
    }
    plan::warn_of_few_peers(context, &node, &name, context.options.replicas).await;
    let file = (is_file && !args.update && !is_standard(&path)).then(|| path.clone());
    let add = Add {
        path,
        name: name.clone(),
        target: context.options.replicas,
        fragment_length: context.options.fragment_length,
        update: args.update,
        wait: args.wait.is_some(),
        selection,
        rules: args.rules.into(),
    };
    let (mut events, stdin) = begin(context, &node.client, add, &shown).await?;
    context.warn_of_leaving(&name);
    let passed = |point| context.note_passed(&name, point);
    let (out, clock) = (context.out, &context.clock);
    let followed = follow(out, clock, &mut events, &shown, &name, args.wait, passed);
    let followed = tokio::select! {
        // A failed read explains why the node got no end.
        biased;
        failure = stdin.failure() => Err(failure),
        followed = followed => followed,
    };
    if let Ok(added) = &followed {
        plan::tell_other_fragments(context, added.fragment_length, &shown);
        if let (Some(file), Some(binding)) = (file, &added.binding) {
            // A name that was bound to these bytes before is as it was.
            let there = off_thread(move || metadata_of(&file)).await?;
            let attributes = |of: &Option<FileMetadata>| of.as_ref().map(FileMetadata::attributes);
            if there.is_some() && attributes(&there) != attributes(&binding.metadata) {
                context.out.note(&words::metadata_stay(&name, &shown));
            }
        }
    }
    followed
        .map(drop)
        .map_err(|failure| context.explain_leaving(failure, &name))
        .map_err(|failure| failure.hint_for_code(ErrorCode::Conflict, words::update_or_rename()))
}

/// Returns the failure of a command that is to choose among the entries of something that has none.
pub(super) fn no_entries(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, words::cannot(what, words::only_of_directories()))
}

/// Returns the absolute path of a file or directory to add, or `-`.
///
/// # Errors
/// As [`file_to_add`].
pub(super) async fn source(path: &Path) -> Result<PathBuf, Failure> {
    let path = path.to_owned();
    if is_standard(&path) {
        return Ok(path);
    }
    off_thread(move || file_to_add(&path)).await?
}

/// Begins to add a file, a directory, or standard input if the path is `-`.
///
/// # Errors
/// The node's error.
pub(super) async fn begin(
    context: &Context<'_>,
    client: &ControlClient,
    add: Add,
    shown: &str,
) -> Result<(impl AddEvents + use<>, StdinFailure), Failure> {
    let refused = |error: RemoteError| Failure::of(words::add(shown), &error);
    if !is_standard(&add.path) {
        return Ok((client.add(add).await.map_err(refused)?, StdinFailure::never()));
    }
    if std::io::stdin().is_terminal() {
        context.out.note(words::reading_the_terminal());
    }
    let (steps, stdin) = standard_streams::input(AddStream {
        name: add.name,
        target: add.target,
        fragment_length: add.fragment_length,
        update: add.update,
        wait: add.wait,
    })?;
    let events = client.add_stream(steps).await.map_err(refused)?;
    Ok((events, stdin))
}
