//! The commands about upkeep: `network`, `replicas`, `drain`, `maintenance`, `durability`, `why`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::SetTarget;
use shared::json::{DrainLine, Drained, Durable, Explained, ModeReport, Network, Surveyed, Targeted};
use shared::model::{
    ContentRef, DrainStatus, Name, PeerId, PeerInfo, PeerMode, ReplicationTarget, RequestedMode, Timestamp,
    format_duration, parse_duration,
};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use super::names::no_such_name;
use super::plan;
use crate::terminal::adding::Wait;
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::asked_name;
use crate::terminal::progress::{Amount, Progress, Unit};
use crate::terminal::{listing, show};
use crate::words;

/// The interval between two questions about a drain.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The longest that a waiting drain tolerates an unreachable node or tracker: both may be restarted in that
/// time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `peer drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct DrainArgs {
    /// Wait until the peer can be switched off, at most this long; write it as --wait=DURATION
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = Wait::parse
    )]
    pub wait: Option<Wait>,
    /// Cancel the drain: the peer holds replicas as before
    #[arg(long, conflicts_with = "wait")]
    pub cancel: bool,
}

/// Length of a maintenance, unless `--for` says otherwise.
const MAINTENANCE: Duration = Duration::from_secs(30 * 60);

/// Arguments of `peer maintenance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct MaintenanceArgs {
    /// Whether the maintenance begins or ends; without it, the state of the peer is shown
    pub switch: Option<Switch>,
    /// The maintenance ends by itself after this time, at most a day [default: 30m]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, requires = "switch")]
    pub length: Option<Duration>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// The maintenance begins.
    On,
    /// The maintenance ends.
    Off,
}

/// Arguments of `peer network`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct NetworkArgs {
    /// Also peers that have gone and kept nothing
    #[arg(long)]
    pub all: bool,
    /// Remove a lost peer from the list, for everyone
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub remove: Option<String>,
}

pub(super) async fn network(context: &Context<'_>, args: NetworkArgs) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let mut view = listing::all_peers(&client).await?;
    if let Some(id) = args.remove {
        let peer = meant(&view.peers, &id)?;
        let removed = client.forget_peer(peer).await;
        removed.map_err(|error| Failure::of(words::remove_peer(&id), &error))?;
        view.peers.retain(|other| other.id != peer);
        context.out.note(&words::removed_peer(peer.short()));
    }
    if !args.all {
        view.peers.retain(|peer| !peer.is_gone_visitor());
    }
    let document = Network::new(&view.peers, view.epoch.get(), view.in_safe_mode);
    context.out.json(&document);
    context.out.table(&show::peers(&view.peers));
    for line in show::out_of_reach(&view.peers) {
        context.out.note(&line);
    }
    for sentence in show::copies(&view.peers) {
        context.out.note(&sentence);
    }
    if view.in_safe_mode {
        context.out.note(words::safe_mode());
    }
    Ok(())
}

/// Returns the peer that is meant by an id, or by the beginning of it that tables show.
fn meant(peers: &[PeerInfo], id: &str) -> Result<PeerId, Failure> {
    const LEAST: usize = 6;
    let wanted = id.to_ascii_lowercase();
    let mut found = peers.iter().map(|peer| peer.id);
    let mut found = found
        .by_ref()
        .filter(|peer| peer.to_string().starts_with(&wanted));
    let refused = |exit, why: &str| Failure::new(exit, words::cannot(words::remove_peer(id), why));
    match (found.next(), found.next()) {
        (Some(peer), None) if wanted.len() >= LEAST => Ok(peer),
        (Some(_), _) => Err(refused(Exit::Usage, words::id_too_short())),
        (None, _) => Err(refused(Exit::NotFound, words::no_such_peer())),
    }
}

pub(super) async fn durability(context: &Context<'_>, content: Option<ContentRef>) -> Result<(), Failure> {
    let client = context.require().await?.client;
    if let Some(content) = content {
        let found = client.durability(&content.clone().into()).await;
        let found = found.map_err(|error| no_such_name(words::tell_how_safe(&content), &error))?;
        context.out.json(&Durable::from(&found));
        let name = asked_name(&content, &found.name);
        context.out.line(&show::durability(&name, &found));
        context.note_hidden(&client, &content).await;
    } else {
        let survey = client.survey().await;
        let survey = survey.map_err(|error| Failure::of(words::tell_how_safe_all(), &error))?;
        context.out.json(&Surveyed::from(&survey));
        context.out.line(&show::survey(&survey, context.out.columns()));
    }
    Ok(())
}

pub(super) async fn why(context: &Context<'_>, content: &ContentRef) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let why = client.why(&content.clone().into()).await;
    let why = why.map_err(|error| no_such_name(words::tell_how_it_stands(content), &error))?;
    context.out.json(&Explained::from(&why));
    let name = asked_name(content, &why.name);
    context.out.line(&show::why(&name, &why));
    context.note_hidden(&client, content).await;
    Ok(())
}

pub(super) async fn set_target(
    context: &Context<'_>,
    name: Name,
    target: ReplicationTarget,
) -> Result<(), Failure> {
    let set = SetTarget {
        name,
        target,
        expected: None,
    };
    let node = context.require().await?;
    plan::warn_of_few_peers(context, &node, &set.name, Some(target)).await;
    let bound = node.client.set_target(&set).await;
    let bound = bound.map_err(|error| no_such_name(words::change_replicas(&set.name), &error))?;
    context.out.json(&Targeted::from(&bound));
    let wanted = words::replicas(bound.target.get().into());
    context.out.line(&words::replicas_wanted(&bound.name, wanted));
    Ok(())
}

pub(super) async fn maintenance(context: &Context<'_>, args: MaintenanceArgs) -> Result<(), Failure> {
    let Some(switch) = args.switch else {
        return show_mode(context).await;
    };
    let wish = match (switch, args.length) {
        (Switch::On, length) => RequestedMode::Maintenance(length.unwrap_or(MAINTENANCE)),
        (Switch::Off, None) => RequestedMode::Active,
        (Switch::Off, Some(_)) => {
            let why = words::cannot(words::change_mode(), words::no_length_to_end());
            return Err(Failure::new(Exit::Usage, why));
        }
    };
    let mode = context.require().await?.client.set_peer_mode(wish).await;
    let mode = mode.map_err(|error| Failure::of(words::change_mode(), &error))?;
    context.out.json(&ModeReport::from(mode));
    context.out.line(&show::mode(mode, context.clock.now()));
    Ok(())
}

/// Shows whether the peer is in maintenance, and how to change it.
async fn show_mode(context: &Context<'_>) -> Result<(), Failure> {
    let node = context.require().await?;
    let Some(mode) = listing::own_mode(&node.client, &node.status).await else {
        let why = words::cannot(words::tell_the_mode(), words::no_tracker_tells());
        return Err(Failure::new(Exit::Unreachable, why));
    };
    context.out.json(&ModeReport::from(mode));
    context.out.line(&show::mode(mode, context.clock.now()));
    context.out.note(words::on_begins_off_ends());
    Ok(())
}

pub(super) async fn drain(context: &Context<'_>, args: DrainArgs) -> Result<(), Failure> {
    let client = context.require().await?.client;
    let failed = |error: RemoteError| Failure::of(words::drain_peer(), &error);
    let wish = if args.cancel {
        RequestedMode::Active
    } else {
        RequestedMode::Drain
    };
    let mode = client.set_peer_mode(wish).await.map_err(failed)?;
    if args.cancel {
        context.out.json(&ModeReport::from(mode));
        context.out.line(&show::mode(mode, context.clock.now()));
        return Ok(());
    }
    let status = client.drain_status().await.map_err(failed)?;
    let Some(wait) = args.wait else {
        context.out.json(&Drained::from(&status));
        context.out.line(&show::drain(&status));
        return Ok(());
    };
    let limit = match wait {
        Wait::Forever => None,
        Wait::AtMost(limit) => Some(context.clock.now().after(limit)),
    };
    context.set_last_words(words::drain_goes_on_without().to_owned());
    let status = wait_until_safe(context, &client, status, limit).await?;
    context.out.json(&DrainLine::Done((&status).into()));
    context.out.line(&show::drain(&status));
    Ok(())
}

/// Asks again and again until the peer can be switched off.
async fn wait_until_safe(
    context: &Context<'_>,
    client: &ControlClient,
    mut status: DrainStatus,
    limit: Option<Timestamp>,
) -> Result<DrainStatus, Failure> {
    let amount = |status: &DrainStatus| Amount {
        done: status.bytes.saturating_sub(status.bytes_left),
        total: status.bytes,
    };
    let label = words::draining_label().to_owned();
    let mut progress = Progress::begin(context.out, &context.clock, label, Unit::Bytes, amount(&status));
    let mut heard_at = context.clock.now();
    while !status.is_safe {
        if status.mode != PeerMode::Draining {
            return Err(Failure::new(Exit::Conflict, words::drain_called_off()));
        }
        context.out.json(&DrainLine::Progress((&status).into()));
        let remark = status.reasons.first().map(words::reason).unwrap_or_default();
        progress.update(amount(&status), &remark);
        if limit.is_some_and(|limit| limit <= context.clock.now()) {
            return Err(not_safe_yet(&status));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        match client.drain_status().await {
            Ok(next) => (status, heard_at) = (next, context.clock.now()),
            Err(error)
                if error.code() == ErrorCode::Unavailable
                    && context.clock.now().since(heard_at) < PATIENCE => {}
            Err(error) => return Err(Failure::of(words::drain_peer(), &error)),
        }
    }
    Ok(status)
}

fn not_safe_yet(status: &DrainStatus) -> Failure {
    let mut message = words::would_miss(words::contents(status.contents_left));
    if let Some(reason) = status.reasons.first() {
        message = format!("{message} ({})", words::reason(reason));
    }
    if let Some(remaining) = status.remaining {
        message = words::about_left_comma(message, format_duration(remaining));
    }
    Failure::new(Exit::TargetNotMet, words::drain_goes_on(message))
}
