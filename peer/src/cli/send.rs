//! `peer send` and `peer receive`: one line that takes a file or a directory to another machine of the
//! cluster.
//!
//! `send` publishes under a name of its own, `sent/RANDOM/NAME`, and removes that name when it ends: after
//! `--for`, or when it is interrupted. The node removes the name of a `send` that is killed, at the latest at
//! its next start, so nothing stays behind without `--keep`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use proto::client::ControlClient;
use proto::messages::Remove;
use proto::messages::control::{Add, AddEvent, EntryPoint, SessionStatus};
use shared::json::{SendLine, millis};
use shared::model::{Binding, ContentRef, Name, ReplicationTarget, format_duration, parse_duration};
use shared::{Coded as _, ErrorCode};

use super::add::{begin, no_entries, source};
use super::context::Context;
use super::flags::{EntryRules, GiveUp, Globs};
use super::get::{self, GetArgs};
use super::ticket::Ticket;
use crate::node::last_entry;
use crate::terminal::adding::AddEvents as _;
use crate::terminal::attach::{self, Attached};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::paths::{name_of, off_thread, shown};
use crate::terminal::show;
use crate::words;

/// The longest time that a tracker takes to restart.
const TRACKER_PATIENCE: Duration = Duration::from_secs(10);

/// The time between two looks at a session.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Arguments of `peer send`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct SendArgs {
    /// The file or directory; - sends standard input, which needs --name
    pub path: PathBuf,
    /// The rules for a directory's entries.
    #[command(flatten)]
    pub rules: EntryRules,
    /// The name of the received file or directory [default: the file's name]
    #[arg(long)]
    pub name: Option<Name>,
    /// Replicas wanted, 1 to 32, including this node's
    #[arg(long, value_name = "N")]
    pub replicas: Option<ReplicationTarget>,
    /// Time for which it can be received; then its name is removed and the command ends
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, default_value = "1h")]
    pub length: Duration,
    /// End at once and keep the name until it is removed; needs a running node
    #[arg(long, conflicts_with = "length")]
    pub keep: bool,
}

/// Arguments of `peer receive`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ReceiveArgs {
    /// The line that `peer send` printed
    #[arg(value_name = "LINE")]
    pub ticket: Ticket,
    /// The path to write, or the directory to put it in; - writes a file to standard output [default: ./ and
    /// its name]
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Replace existing files, each once it is complete
    #[arg(long)]
    pub force: bool,
    /// Give up when nothing has arrived for this long, with exit code 6, or 7 if no peer holds it; none:
    /// never [default: 2m, none with --timeout]
    #[arg(long, value_name = "DURATION")]
    pub give_up_after: Option<GiveUp>,
}

/// Runs `peer send`.
pub(super) async fn send(context: &Context<'_>, args: SendArgs) -> Result<(), Failure> {
    let path = source(&args.path).await?;
    let shown = shown(&path);
    if !path.is_dir() && args.rules != EntryRules::default() {
        return Err(no_entries(words::send(&shown)));
    }
    let called = match args.name {
        Some(name) => name,
        None => name_of(&path)?,
    };
    let bad_name = |error| {
        let why = words::name_error(&error);
        Failure::new(Exit::Usage, words::cannot(words::send(&shown), why))
    };
    let called = Name::new(called.file_name()).map_err(bad_name)?;
    let name = Name::new(format!("sent/{:016x}/{called}", rand::random::<u64>())).map_err(bad_name)?;
    let node = if args.keep {
        context.require_sharing(&shown).await?
    } else {
        context.find_or_run().await?
    };
    let entry = entry(context, &node).await?;
    let client = node.client;
    let add = Add {
        path,
        name,
        target: args.replicas.or(context.options.replicas),
        fragment_length: context.options.fragment_length,
        update: false,
        wait: false,
        selection: Globs::default().selection()?,
        rules: args.rules.into(),
    };
    let binding = publish(context, &client, add, &shown).await?;
    let node_ends = match args.keep {
        true => None,
        false => Some(pass(context, client, &binding).await?),
    };
    let ticket = Ticket {
        entry,
        content: binding.content,
        name: called,
    };
    context.out.line(&ticket.to_string());
    context.out.json(&SendLine::Ready {
        line: ticket.to_string(),
        name: binding.name.to_string(),
        content: binding.content.to_string(),
        for_ms: (!args.keep).then(|| millis(args.length)),
    });
    explain(context, &ticket, &binding);
    let Some(node_ends) = node_ends else {
        return Ok(());
    };
    context.set_last_words(words::no_longer_received(&ticket.name));
    let length = format_duration(args.length);
    context.out.note(&words::can_be_received(length));
    tokio::select! {
        () = tokio::time::sleep(args.length) => {}
        () = node_ends => {
            let why = words::node_of_send_ended(&ticket.name);
            return Err(Failure::new(Exit::Unreachable, why));
        }
    }
    context.out.json(&SendLine::Done {
        name: binding.name.to_string(),
    });
    Ok(())
}

/// Has the name removed when the command ends: by the command and, should it be killed, by the node. The
/// returned future keeps the name, and completes when the node ends. An older node cannot do that.
async fn pass(
    context: &Context<'_>,
    client: ControlClient,
    binding: &Binding,
) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let remove = Remove {
        name: binding.name.clone(),
        expected: Some(binding.revision),
    };
    let passing = match client.remove_after(&remove).await {
        Ok(passing) => Some(passing),
        Err(error) if error.code() == ErrorCode::Unimplemented => None,
        Err(error) => return Err(Failure::of(words::send(&binding.name), &error)),
    };
    context.remove_at_the_end(client, remove);
    Ok(async move {
        match passing {
            Some(mut passing) => drop(passing.next().await),
            None => std::future::pending().await,
        }
    })
}

/// Returns the entry point through which the other machine enters the network.
async fn entry(context: &Context<'_>, node: &Attached) -> Result<EntryPoint, Failure> {
    if let Some(entry) = &context.options.entry {
        return Ok(entry.clone());
    }
    match &connected(node).await? {
        SessionStatus::Connected { tracker } if !context.runs_own_node() => {
            // A webserver leads to the network even when its tracker changes.
            let own = context
                .options
                .peer
                .is_none()
                .then(|| context.options.data_dir.clone());
            let last = off_thread(move || own.and_then(|data_dir| last_entry(&data_dir))).await?;
            let webserver = last.filter(|entry| matches!(entry, EntryPoint::Webserver(_)));
            Ok(webserver.unwrap_or_else(|| EntryPoint::Tracker(tracker.clone())))
        }
        SessionStatus::Connected { .. } => Ok(attach::entry_or_default(context.options)),
        SessionStatus::Offline | SessionStatus::Connecting { .. } | SessionStatus::CopyOf { .. } => {
            Err(Failure::new(Exit::Unreachable, words::cannot_send_offline()))
        }
    }
}

/// Returns the session of a node, once it has one: a tracker that restarts is back in a moment.
async fn connected(node: &Attached) -> Result<SessionStatus, Failure> {
    let mut session = node.status.session.clone();
    let waiting = async {
        while let SessionStatus::Connecting { .. } = session {
            tokio::time::sleep(LOOK_AGAIN).await;
            let asked = node.client.status().await;
            session = asked
                .map_err(|error| Failure::of(words::reach_a_node(), &error))?
                .session;
        }
        Ok(())
    };
    match tokio::time::timeout(TRACKER_PATIENCE, waiting).await {
        Ok(ended) => ended.map(|()| session),
        Err(_) => {
            let reason = session.reason().unwrap_or_default();
            let why = words::cannot_send_now(words::told(&reason));
            Err(Failure::new(Exit::Unreachable, why))
        }
    }
}

async fn publish(
    context: &Context<'_>,
    client: &ControlClient,
    add: Add,
    shown: &str,
) -> Result<Binding, Failure> {
    let (mut events, stdin) = begin(context, client, add, shown).await?;
    let published = async {
        let failed = |error| Failure::of(words::send(shown), &error);
        while let Some(event) = events.next().await.map_err(failed)? {
            if let AddEvent::Published(binding) = event {
                return Ok(binding);
            }
        }
        let why = words::cannot(words::send(shown), words::tracker_went_away());
        Err(Failure::new(Exit::Unreachable, why))
    };
    tokio::select! {
        biased;
        failure = stdin.failure() => Err(failure),
        published = published => published,
    }
}

fn explain(context: &Context<'_>, ticket: &Ticket, binding: &Binding) {
    context.out.note(&words::on_another_machine(show::size(binding)));
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) =
        &ticket.entry;
    if address.is_loopback() {
        context.out.note(&words::only_on_this_machine(address));
    }
}

/// Runs `peer receive`.
pub(super) async fn receive(context: &Context<'_>, args: ReceiveArgs) -> Result<(), Failure> {
    let Ticket { entry, content, name } = args.ticket;
    let entry = context.options.entry.clone().unwrap_or(entry);
    let get = GetArgs {
        content: ContentRef::Id(content),
        output: args.output,
        force: args.force,
        give_up_after: args.give_up_after,
        dry_run: false,
        globs: Globs::default(),
    };
    let fetched = get::fetch(context, get, Some(name.file_name().to_owned()), Some(entry)).await;
    fetched.map_err(|failure| match failure.has_code(ErrorCode::NotFound) {
        true => {
            let why = words::cannot(words::receive(&name), words::line_has_expired());
            Failure::new(Exit::NotFound, why)
        }
        false => failure,
    })
}
