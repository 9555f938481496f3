//! `peer watch`: what happens in the network, as it happens, and a command for each event.
//!
//! The network is looked at again and again, and what is different is told ([`changes`]): so what came and went between two
//! looks is not seen, and where that can be known the event says so. Looking takes a tenth of the time at most, however many names
//! there are. Through a restart of the tracker or the node it goes on, and says that it was interrupted.

pub mod changes;

use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use proto::client::ControlClient;
use serde::Serialize;
use shared::runtime::{OnExit, Tasks};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tracing::warn;

use self::changes::{Event, Seen};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::query::{all_names, all_peers};

/// Between two looks, at least.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A look may take a tenth of the time.
const REST: u32 = 9;

/// Events that wait for their command; what comes then is told and not acted on.
const WAITING: usize = 1024;

/// A command that takes longer is ended.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);

/// `peer watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct WatchArgs {
    /// Run this for each event, one after the other: `sh -c COMMAND`, with the event as JSON on its standard input and
    /// in ENJAMBRE_EVENT, ENJAMBRE_NAME and ENJAMBRE_PEER
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
}

/// A line of `peer watch`: an event and when it was seen.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Told {
    /// Milliseconds since 1970.
    at_ms: u64,
    #[serde(flatten)]
    event: Event,
}

/// Carries `peer watch` out; it ends when it is interrupted.
pub(super) async fn run(context: &Context<'_>, args: WatchArgs) -> Result<(), Failure> {
    let client = context.find_or_run().await?;
    let commands = args.exec.map(|command| start(command, context.tasks()));
    let tell = |event: Event| {
        let told = Told {
            at_ms: context.clock.now().as_millis(),
            event,
        };
        context.out.json(&told);
        context.out.line(&text(&told.event));
        if let Some(commands) = &commands
            && !matches!(told.event, Event::Watching { .. })
            && commands.try_send(told).is_err()
        {
            context
                .out
                .note("the command is slower than the events: one was not acted on");
        }
    };
    let mut seen = look(&client, None).await?;
    tell(seen.watching());
    let mut away = None;
    loop {
        let begun = context.clock.now();
        let looked = look(&client, Some(&seen)).await;
        let took = context.clock.now().since(begun);
        match looked {
            Ok(now) => {
                if let Some(since) = away.take() {
                    let for_ms = context.clock.now().since(since).as_millis();
                    tell(Event::Interrupted {
                        for_ms: u64::try_from(for_ms).unwrap_or(u64::MAX),
                        restarted: now.epoch() != seen.epoch(),
                    });
                }
                now.since(&seen).into_iter().for_each(&tell);
                seen = now;
            }
            Err(failure) if failure.exit() == Exit::Unreachable || failure.exit() == Exit::TimedOut => {
                if away.is_none() {
                    context.out.note(&format!("{failure}; trying again"));
                }
                away.get_or_insert(begun);
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep((took * REST).max(LOOK_EVERY)).await;
    }
}

/// Peers before names: a loss is told before what it endangers.
async fn look(client: &ControlClient, before: Option<&Seen>) -> Result<Seen, Failure> {
    let view = all_peers(client).await?;
    let names = all_names(client).await?;
    Ok(Seen::new(
        names,
        view.peers,
        view.epoch,
        view.in_safe_mode,
        before,
    ))
}

/// Runs the command for one event after the other, until nobody sends any more.
fn start(command: String, tasks: &Tasks) -> mpsc::Sender<Told> {
    let (events, mut waiting) = mpsc::channel::<Told>(WAITING);
    let token = tasks.token().clone();
    tasks.spawn("exec", OnExit::Continue, async move {
        while let Some(Some(told)) = token.run_until_cancelled(waiting.recv()).await {
            let ran = tokio::time::timeout(COMMAND_TIMEOUT, execute(&command, &told));
            match token.run_until_cancelled(ran).await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => warn!(%error, "the command of --exec failed"),
                Some(Err(_)) => warn!("the command of --exec took too long and was ended"),
                None => return,
            }
        }
    });
    events
}

async fn execute(command: &str, told: &Told) -> std::io::Result<()> {
    let event = serde_json::to_value(told)?;
    let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("ENJAMBRE_EVENT", field("event"))
        .env("ENJAMBRE_NAME", field("name"))
        .env("ENJAMBRE_PEER", field("peer"))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A command need not read it.
        drop(input.write_all(format!("{event}\n").as_bytes()).await);
    }
    let status = child.wait().await?;
    if status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(format!("it ended with {status}")))
}

fn text(event: &Event) -> String {
    match event {
        Event::Watching { names, peers } => format!("watching {names} names and {peers} peers"),
        Event::Published {
            name,
            revision,
            missed: 0,
            ..
        } => format!("published {name}, revision {revision}"),
        Event::Published {
            name,
            revision,
            missed,
            ..
        } => format!("published {name}, revision {revision}; {missed} revisions before it were not seen"),
        Event::Removed { name, .. } => format!("removed {name}"),
        Event::Replicated { name, target, .. } => format!("replicated {name}: {target} of every fragment"),
        Event::Endangered {
            name,
            state,
            fewest,
            target,
            ..
        } => format!("endangered {name}: {state}, fewest {fewest} of {target}"),
        Event::Repaired { name, target, .. } => format!("repaired {name}: {target} of every fragment again"),
        Event::PeerJoined(peer) => format!("peer joined: {} at {}", peer.peer, peer.addr),
        Event::PeerSuspect(peer) => format!("peer suspect: {} at {}", peer.peer, peer.addr),
        Event::PeerLost(peer) => format!("peer lost: {} at {}", peer.peer, peer.addr),
        Event::PeerReturned(peer) => format!("peer returned: {} at {}", peer.peer, peer.addr),
        Event::Interrupted { for_ms, restarted } => {
            let how = if *restarted {
                ", the tracker has restarted"
            } else {
                ""
            };
            format!("could not look for {for_ms} ms{how}; what came and went meanwhile is not told")
        }
    }
}
