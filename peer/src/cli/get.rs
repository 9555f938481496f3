//! `peer get`: fetches a content into a file or directory, verified.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proto::client::ControlClient;
use proto::messages::control::{EntryPoint, Get};
use shared::model::ContentRef;

use super::context::Context;
use super::flags::{GiveUp, Globs};
use super::plan;
use super::standard_streams::{StdoutReader, StdoutSink};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::{Target, follow, get_failure};
use crate::terminal::listing::locate;
use crate::terminal::missing::explain;
use crate::terminal::paths::{Destination, destination, is_standard, off_thread, place, umask};
use crate::words;

/// The longest time without a received byte, unless `--give-up-after` or `--timeout` says otherwise: longer
/// than a holder takes to restart, or a tracker to find out that it does not. Fetched blocks are kept.
const PATIENCE: Duration = Duration::from_secs(120);

/// Arguments of `peer get`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct GetArgs {
    /// A name, or an id, of which the first 8 digits are enough
    #[arg(value_name = "NAME|ID")]
    pub content: ContentRef,
    /// The file to write, or the directory to put it in; - writes to standard output [default: ./ and the
    /// last part of the name]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace existing files, each once it is complete
    #[arg(long)]
    pub force: bool,
    /// Give up when nothing has arrived for this long, with exit code 6, or 7 if no peer holds it; none:
    /// never [default: 2m, none with --timeout]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<GiveUp>,
    /// Show what would be fetched, and from where, and fetch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The selection of a directory's entries.
    #[command(flatten)]
    pub globs: Globs,
}

/// Runs `peer get`.
pub(super) async fn run(context: &Context<'_>, args: GetArgs) -> Result<(), Failure> {
    if args.dry_run {
        return plan(context, &args).await;
    }
    let named = args.content.file_name().map(str::to_owned);
    fetch(context, args, named, context.options.entry.clone()).await
}

/// Fetches a content through a node in the network of `entry`; `named` is the last part of its
/// name, if it is known already.
///
/// # Errors
/// The node's error.
pub(super) async fn fetch(
    context: &Context<'_>,
    args: GetArgs,
    named: Option<String>,
    entry: Option<EntryPoint>,
) -> Result<(), Failure> {
    // An id says nothing to people, and the content may have other names than the one that came with it.
    let called = named
        .clone()
        .filter(|_| matches!(args.content, ContentRef::Id(_)));
    let called = called.as_deref();
    if args.output.as_deref().is_some_and(is_standard) {
        return print(context, &args, called, entry.as_ref()).await;
    }
    // Before a node is started: mistakes that can be found without one.
    let wanted = args.output.clone();
    let destination = off_thread(move || destination(wanted.as_deref())).await??;
    let client = context.find_or_run_in(entry.as_ref()).await?.client;
    let get = request(&client, &args, destination, named.as_deref()).await?;
    let output = get.output.clone();
    let how_far = |held: &str| context.set_last_words(words::kept_so_far(held, &args.content));
    let fetched = async {
        let started = client.get(get).await;
        let mut events = started.map_err(|error| get_failure(&args.content, &error))?;
        let target = Target {
            content: &args.content,
            called,
            output: Some(&output),
            patience: patience(context, &args),
        };
        follow(context.out, &context.clock, &mut events, target, how_far).await
    };
    explained(fetched.await, &client, &args.content).await?;
    context.note_hidden(&client, &args.content).await;
    Ok(())
}

/// Runs `peer get --dry-run`.
async fn plan(context: &Context<'_>, args: &GetArgs) -> Result<(), Failure> {
    let is_to_standard = args.output.as_deref().is_some_and(is_standard);
    let wanted = args.output.clone().filter(|_| !is_to_standard);
    let destination = off_thread(move || destination(wanted.as_deref())).await??;
    let node = context.find_or_run().await?;
    let mut get = request(&node.client, args, destination, args.content.file_name()).await?;
    if is_to_standard {
        // Nothing is in the way there; nodes know paths only.
        get.output = PathBuf::from("/-");
        get.overwrite = true;
    }
    let shown = args.output.clone().filter(|_| is_to_standard);
    plan::get(context, &node, get, shown).await
}

/// Returns the request that the arguments make, for a content with this last part of its name, if it is known
/// already.
///
/// # Errors
/// When the name is not known and cannot be found out.
async fn request(
    client: &ControlClient,
    args: &GetArgs,
    destination: Destination,
    named: Option<&str>,
) -> Result<Get, Failure> {
    let output = match place(&destination, named) {
        Some(output) => output,
        None => {
            let located = locate(client, args.content.clone(), 1).await;
            let located = located.map_err(|error| get_failure(&args.content, &error))?;
            let name = located.binding.name.file_name();
            place(&destination, Some(name)).unwrap_or_else(|| PathBuf::from(name))
        }
    };
    Ok(Get {
        content: args.content.clone(),
        output,
        overwrite: args.force,
        selection: args.globs.selection()?,
        umask: umask(),
        directory: match destination {
            Destination::Directory(directory) => Some(directory),
            Destination::File(_) => None,
        },
    })
}

/// Writes a file to standard output, and nothing else there.
async fn print(
    context: &Context<'_>,
    args: &GetArgs,
    called: Option<&str>,
    entry: Option<&EntryPoint>,
) -> Result<(), Failure> {
    let content = &args.content;
    if context.out.is_json() || !args.globs.selection()?.is_all() {
        let why = words::cannot(words::get(content), words::output_is_the_file());
        return Err(Failure::new(Exit::Usage, why));
    }
    if args.force {
        let why = words::cannot(words::get(content), words::nothing_to_replace());
        return Err(Failure::new(Exit::Usage, why));
    }
    let client = context.find_or_run_in(entry).await?.client;
    let events = client.read(content).await;
    let events = events.map_err(|error| get_failure(content, &error))?;
    let mut reader = StdoutReader::new(events, StdoutSink::standard()?);
    let target = Target {
        content,
        called,
        output: None,
        patience: patience(context, args),
    };
    let fetched = follow(context.out, &context.clock, &mut reader, target, |_| {}).await;
    match reader.sink.judge(fetched) {
        // Its advice is about files.
        Err(failure) if failure.exit() == Exit::Conflict => Err(failure),
        judged => explained(judged, &client, content).await,
    }
}

/// Returns the longest time without a received byte.
fn patience(context: &Context<'_>, args: &GetArgs) -> Option<Duration> {
    match args.give_up_after {
        Some(GiveUp::After(patience)) => Some(patience),
        Some(GiveUp::Never) => None,
        None => context.options.timeout.is_none().then_some(PATIENCE),
    }
}

async fn explained(
    fetched: Result<(), Failure>,
    client: &ControlClient,
    content: &ContentRef,
) -> Result<(), Failure> {
    match fetched {
        Err(failure) if failure.exit() == Exit::Unreachable => Err(explain(failure, client, content).await),
        fetched => fetched,
    }
}
