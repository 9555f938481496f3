//! `peer replicas`, `drain`, `maintenance`, `durability`, `why`: how many replicas, what this peer is used for, and how
//! safe everything is.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::SetTarget;
use shared::json::{DrainLine, Drained, Durable, Explained, ModeReport, Surveyed, Targeted};
use shared::model::{
    ContentRef, DrainStatus, Name, PeerMode, ReplicationTarget, RequestedMode, Timestamp, format_duration,
    parse_duration,
};
use shared::{Coded as _, ErrorCode};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::progress::{Amount, Progress, Unit};
use super::{attach, show};
use crate::words;

/// Between two looks at a drain.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// So long a waiting drain puts up with a node or tracker that cannot be reached: both may be restarted meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Upkeep {
    /// Change how many replicas of a name's content are wanted
    Replicas {
        /// The name
        name: Name,
        /// Of every fragment, 1 to 32, the publisher's included
        #[arg(value_name = "N")]
        replicas: ReplicationTarget,
    },
    /// Move what others would miss away from this peer, and say when it is safe to switch it off for good
    Drain(DrainArgs),
    /// Say that this peer will be away and back, so that it is not repaired around, or that it is back
    Maintenance(MaintenanceArgs),
    /// Show which losses the contents would survive, what is endangered, and what repair does about it
    Durability {
        /// A name, or an id of 64 hexadecimal digits [default: everything]
        #[arg(value_name = "NAME|ID")]
        content: Option<ContentRef>,
    },
    /// Show why a content has fewer replicas than wanted, and why its fetch on this peer waits
    Why {
        /// A name, or an id of 64 hexadecimal digits
        #[arg(value_name = "NAME|ID")]
        content: ContentRef,
    },
}

/// `peer drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct DrainArgs {
    /// Wait until it is safe, at most this long; write it as --wait=DURATION
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = parse_duration)]
    pub wait: Option<Option<Duration>>,
    /// Call the drain off: the peer holds replicas as before
    #[arg(long, conflicts_with = "wait")]
    pub cancel: bool,
}

/// `peer maintenance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct MaintenanceArgs {
    /// Whether it begins or is over
    pub switch: Switch,
    /// Over by itself after this long, at most a day
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, default_value = "30m")]
    pub length: Duration,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It begins.
    On,
    /// It is over.
    Off,
}

pub(super) async fn run(context: &Context<'_>, command: Upkeep) -> Result<(), Failure> {
    let client = attach::require(context.options).await?.client;
    match command {
        Upkeep::Replicas { name, replicas } => set_target(context, &client, name, replicas).await,
        Upkeep::Drain(args) => drain(context, &client, args).await,
        Upkeep::Maintenance(args) => maintenance(context, &client, args).await,
        Upkeep::Durability {
            content: Some(content),
        } => {
            let found = client.durability(&content).await;
            let found = found.map_err(|error| unknown(words::tell_how_safe(&content), &error))?;
            context.out.json(&Durable::from(&found));
            context.out.line(&show::durability(&found));
            Ok(())
        }
        Upkeep::Durability { content: None } => {
            let survey = client.survey().await;
            let survey = survey.map_err(|error| Failure::of(words::tell_how_safe_all(), &error))?;
            context.out.json(&Surveyed::from(&survey));
            context.out.line(&show::survey(&survey));
            Ok(())
        }
        Upkeep::Why { content } => {
            let why = client.why(&content).await;
            let why = why.map_err(|error| unknown(words::tell_how_it_stands(&content), &error))?;
            context.out.json(&Explained::from(&why));
            context.out.line(&show::why(&why));
            Ok(())
        }
    }
}

fn unknown(what: String, error: &RemoteError) -> Failure {
    let failure = Failure::of(what, error);
    match error.code() {
        ErrorCode::NotFound => failure.hint(words::list_shows_names()),
        _ => failure,
    }
}

async fn set_target(
    context: &Context<'_>,
    client: &ControlClient,
    name: Name,
    target: ReplicationTarget,
) -> Result<(), Failure> {
    let set = SetTarget {
        name,
        target,
        expected: None,
    };
    let bound = client.set_target(&set).await;
    let bound = bound.map_err(|error| unknown(words::change_replicas(&set.name), &error))?;
    context.out.json(&Targeted::from(&bound));
    let wanted = words::replicas(bound.target.get().into());
    context.out.line(&words::replicas_wanted(&bound.name, wanted));
    Ok(())
}

async fn maintenance(
    context: &Context<'_>,
    client: &ControlClient,
    args: MaintenanceArgs,
) -> Result<(), Failure> {
    let wish = match args.switch {
        Switch::On => RequestedMode::Maintenance(args.length),
        Switch::Off => RequestedMode::Active,
    };
    let mode = client.set_peer_mode(wish).await;
    let mode = mode.map_err(|error| Failure::of(words::change_duty(), &error))?;
    context.out.json(&ModeReport::from(mode));
    context.out.line(&show::mode(mode, context.clock.now()));
    Ok(())
}

async fn drain(context: &Context<'_>, client: &ControlClient, args: DrainArgs) -> Result<(), Failure> {
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
    let Some(limit) = args.wait else {
        context.out.json(&Drained::from(&status));
        context.out.line(&show::drain(&status));
        return Ok(());
    };
    let limit = limit.map(|limit| context.clock.now().after(limit));
    let status = wait_until_safe(context, client, status, limit).await?;
    context.out.json(&DrainLine::Done((&status).into()));
    context.out.line(&show::drain(&status));
    Ok(())
}

/// Looks again and again until the peer can be switched off.
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
        let remark = status.reasons.first().map_or("", |reason| reason.detail.as_str());
        progress.update(amount(&status), remark);
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
        message = format!("{message} ({})", reason.detail);
    }
    if let Some(remaining) = status.remaining {
        message = words::about_left_comma(message, format_duration(remaining));
    }
    Failure::new(Exit::TargetNotMet, words::drain_goes_on(message))
}
