//! `peer watch`: the events of a network as they happen, and a command for each.
//!
//! The node passes the tracker's feed on. At the beginning, after a gap and after a restart of the tracker
//! the feed is not enough: then the watcher lists all names and peers and tells the difference ([`seen`],
//! [`follower`]). Listing takes at most a tenth of the time. `watch` survives restarts of the tracker and the
//! node, and says that it was interrupted.

mod follower;
mod seen;

use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use proto::RemoteError;
use proto::client::ControlClient;
use rustix::process::{Pid, Signal};
use shared::ErrorCode;
use shared::json::{Event, WatchLine, WatchedPeer};
use shared::model::{Timestamp, format_duration};
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tracing::warn;

use self::follower::Follower;
use self::seen::Look;
use super::context::Context;
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::listing::{all_names, all_peers};
use crate::words;

/// The interval between two attempts to follow a broken feed.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// The rest after a listing, in multiples of its duration: listing takes at most a tenth of the time.
const REST: u32 = 9;

/// Events that wait for their command; further events are printed and their command is not run.
const WAITING: usize = 1024;

/// The longest that a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);

/// Arguments of `peer watch`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct WatchArgs {
    /// Run this for each event, one after the other: `sh -c COMMAND`, with the event as JSON on its standard
    /// input and in ENJAMBRE_EVENT, ENJAMBRE_NAME and ENJAMBRE_PEER
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
}

/// Runs `peer watch` until it is interrupted.
pub(super) async fn run(context: &Context<'_>, args: WatchArgs) -> Result<(), Failure> {
    let client = context.find_or_run().await?.client;
    let commands = args.exec.map(|command| start(command, context.tasks));
    let tell = |event: Event| {
        let line = WatchLine {
            at_ms: context.clock.now().as_millis(),
            event,
        };
        context.out.json(&line);
        if let Some(text) = text(&line.event) {
            context.out.line(&text);
        }
        if let Some(commands) = &commands
            && !matches!(line.event, Event::Watching { .. })
            && commands.try_send(line).is_err()
        {
            context.out.note(words::command_is_slower());
        }
    };
    let mut watch = Watch {
        client,
        follower: Follower::default(),
        away: None,
        look_from: Timestamp::default(),
    };
    loop {
        let Err(failure) = watch.follow(&context.clock, &tell).await;
        let is_passing = failure.exit() == Exit::Unreachable || failure.exit() == Exit::TimedOut;
        if !is_passing || watch.follower.position().is_none() {
            return Err(failure);
        }
        if watch.away.is_none() {
            context.out.note(&words::trying_again(&failure));
            watch.away = Some(context.clock.now());
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// State that outlives a broken feed.
struct Watch {
    client: ControlClient,
    follower: Follower,
    /// The time since which the feed cannot be followed.
    away: Option<Timestamp>,
    /// The earliest time of the next listing.
    look_from: Timestamp,
}

impl Watch {
    /// Follows the feed until it breaks.
    async fn follow(
        &mut self,
        clock: &Clock,
        tell: &impl Fn(Event),
    ) -> Result<std::convert::Infallible, Failure> {
        let failed = |error: RemoteError| Failure::of(words::follow_changes(), &error);
        let mut pages = self
            .client
            .events(self.follower.position())
            .await
            .map_err(failed)?;
        loop {
            let page = pages.next().await.and_then(|page| {
                page.ok_or_else(|| RemoteError::new(ErrorCode::Unavailable, words::node_ended_feed()))
            });
            // The feed is begun again after any error; that attempt tells a lasting one.
            let broken = |error: RemoteError| words::cannot(words::follow_changes(), words::error(&error));
            let page = page.map_err(|error| Failure::new(Exit::Unreachable, broken(error)))?;
            let away = self.away.take().map(|since| clock.now().since(since));
            self.follower.read(page, away).into_iter().for_each(tell);
            if self.follower.is_look_due() {
                tokio::time::sleep(self.look_from.since(clock.now())).await;
                let begun = clock.now();
                let look = look(&self.client).await?;
                let now = clock.now();
                self.look_from = now.after(now.since(begun) * REST);
                self.follower.look(look).into_iter().for_each(tell);
            }
        }
    }
}

/// Lists peers before names: a loss is told before the contents that it endangers.
async fn look(client: &ControlClient) -> Result<Look, Failure> {
    let view = all_peers(client).await?;
    let names = all_names(client).await?.into_iter();
    Ok(Look {
        names: names.map(|listing| (listing.binding, listing.health)).collect(),
        peers: view.peers,
        is_in_safe_mode: view.in_safe_mode,
    })
}

/// Runs the command for one event after the other, until the sender is dropped.
fn start(command: String, tasks: &Tasks) -> mpsc::Sender<WatchLine> {
    let (events, mut waiting) = mpsc::channel::<WatchLine>(WAITING);
    let token = tasks.token().clone();
    tasks.spawn("exec", OnExit::Continue, async move {
        while let Some(Some(line)) = token.run_until_cancelled(waiting.recv()).await {
            let ran = tokio::time::timeout(COMMAND_TIMEOUT, execute(&command, &line));
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

async fn execute(command: &str, line: &WatchLine) -> std::io::Result<()> {
    let event = serde_json::to_value(line)?;
    let field = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .process_group(0)
        .env("ENJAMBRE_EVENT", field("event"))
        .env("ENJAMBRE_NAME", field("name"))
        .env("ENJAMBRE_PEER", field("peer"))
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let group = Group::of(&child);
    if let Some(mut input) = child.stdin.take() {
        // A command need not read it.
        drop(input.write_all(format!("{event}\n").as_bytes()).await);
    }
    let status = child.wait().await?;
    group.leave();
    if status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(format!("it ended with {status}")))
}

/// The shell of a command and the programs that it has started, which end with it when it is cut short.
struct Group(Option<Pid>);

impl Group {
    fn of(shell: &Child) -> Self {
        let id = shell.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Lets programs run on that the command has left behind on purpose.
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its members may have ended by themselves just now.
        if let Some(group) = self.0 {
            let _is_gone = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// Returns the text for people; none where another line says it.
fn text(event: &Event) -> Option<String> {
    let about = |say: fn(&str, &str) -> String, peer: &WatchedPeer| say(&peer.peer, &peer.addr);
    Some(match event {
        Event::Watching { names, peers } => words::watching(names, peers),
        Event::Published {
            name,
            revision,
            renamed_from: Some(from),
            ..
        } => words::event_renamed(from, name, revision),
        Event::Published {
            name,
            revision,
            missed: 0,
            ..
        } => words::event_published(name, revision),
        Event::Published {
            name,
            revision,
            missed,
            ..
        } => words::event_published_missed(name, revision, missed),
        // The line of the new name says it.
        Event::Removed {
            renamed_to: Some(_), ..
        } => return None,
        Event::Removed { name, .. } => words::event_removed(name),
        Event::Replicated { name, target, .. } => words::event_replicated(name, target),
        Event::Endangered {
            name,
            state,
            fewest,
            target,
            ..
        } => words::event_endangered(name, words::content_state(*state), fewest, target),
        Event::Repaired { name, target, .. } => words::event_repaired(name, target),
        Event::FileAway {
            name, addr, absence, ..
        } => words::event_file_away(name, addr, words::absence(*absence)),
        Event::FileBack { name, addr, .. } => words::event_file_back(name, addr),
        Event::PeerJoined(peer) => about(|id, at| words::peer_joined(id, at), peer),
        Event::PeerSuspect(peer) => about(|id, at| words::peer_suspect(id, at), peer),
        Event::PeerLost(peer) if peer.left => about(|id, at| words::peer_left(id, at), peer),
        Event::PeerLost(peer) => about(|id, at| words::peer_lost(id, at), peer),
        Event::PeerReturned(peer) => about(|id, at| words::peer_returned(id, at), peer),
        Event::PeerCopied(peer) => about(|id, at| words::peer_copied(id, at), peer),
        Event::PeerDraining(peer) => about(|id, at| words::peer_draining(id, at), peer),
        Event::PeerInMaintenance(peer) => about(|id, at| words::peer_in_maintenance(id, at), peer),
        Event::PeerActive(peer) => about(|id, at| words::peer_active(id, at), peer),
        Event::Interrupted {
            for_ms,
            restarted,
            gap,
        } => {
            let elapsed = format_duration(Duration::from_millis(*for_ms));
            let line = match (gap, for_ms) {
                (true, 0) => words::too_much_at_once().to_owned(),
                (true, _) => words::not_followed_gap(elapsed),
                (false, _) => words::not_followed(elapsed),
            };
            match restarted {
                true => words::tracker_restarted(line),
                false => line,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a process runs: one that has ended may wait to be reaped.
    fn runs(pid: &str) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
        !matches!(state, None | Some('Z' | 'X'))
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: not in time");
    }

    #[tokio::test]
    async fn a_command_that_is_cut_short_ends_with_all_that_it_started() {
        let home = tempfile::tempdir().expect("a directory");
        let told = home.path().join("pid");
        let line = WatchLine {
            at_ms: 0,
            event: Event::Watching { names: 0, peers: 0 },
        };
        let command = format!(
            "sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait",
            told.display()
        );
        let mut running = Box::pin(async move { execute(&command, &line).await });
        let started = async {
            until("it says whom it has started", || told.exists()).await;
        };
        tokio::select! {
            ended = &mut running => panic!("it ended: {ended:?}"),
            () = started => {}
        }
        let pid = std::fs::read_to_string(&told).expect("reads").trim().to_owned();
        assert!(runs(&pid));
        drop(running);
        until("the program ends too", || !runs(&pid)).await;
    }
}
