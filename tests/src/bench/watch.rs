//! Many watchers on one tracker: their cost to the tracker while names are published as fast as possible.
//!
//! Publishers and watchers speak to a real tracker from this process, each watcher over a connection of its
//! own, as the nodes of as many machines would. They share the machine with the tracker, so the cost of
//! reading the events *here* slows down publishing too; the tracker's own processor time is shown beside
//! that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use proto::RemoteError;
use proto::client::{CatalogClient, SessionClient};
use proto::messages::Publish;
use proto::tls::Tls;
use serde_json::{Value, json};
use shared::model::{
    Digest, Expectation, FeedEvent, FragmentLength, Hello, HostPort, Incarnation, Manifest, Name, Numbered,
    PeerId, ReplicationTarget, Report, RunTraits,
};
use shared::runtime::{OnExit, Tasks};
use tokio::sync::watch;

use super::process;
use super::report::{Table, seconds};
use crate::Stopwatch;
use crate::{Program, is_interrupted};

/// Concurrent publishers: enough that many share one sync of the journal.
const PUBLISHERS: u64 = 64;

/// Name published at the end: a watcher that sees it has seen everything.
const LAST: &str = "bench/last";

/// No watcher is waited for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// One turn.
struct Turn {
    watchers: u32,
    published: u64,
    took: Duration,
    /// Time from the end of the load until all watchers had received everything.
    behind: Duration,
    told: u64,
    gaps: u64,
    cpu: Duration,
    peak: u64,
    own_cpu: Duration,
}

/// Events that watchers received in all.
#[derive(Default)]
struct Heard {
    events: AtomicU64,
    gaps: AtomicU64,
}

/// Publishes names for a duration without watchers and with them, twice, on a fresh tracker each time.
///
/// # Errors
/// When the tracker does not start or refuses, or a watcher misses something.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(watchers: u32, load: Duration) -> Result<(Table, Value)> {
    println!("    tracker --data-dir DIR; {PUBLISHERS} clients: Catalog.Publish; watchers: Catalog.Events");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut table = Table::new(&[
        "watchers",
        "publishes/s",
        "events told/s",
        "s behind at the end",
        "gaps",
        "tracker's CPU s",
        "its peak MiB",
        "CPU s here",
    ]);
    let mut turns = Vec::new();
    for watchers in [0, watchers, 0, watchers] {
        ensure!(!is_interrupted(), "interrupted");
        let turn = turn(&runtime, watchers, load)?;
        let rate = |count: u64| u128::from(count) * 1000 / turn.took.as_millis().max(1);
        println!("{} watchers: {} publishes/s", turn.watchers, rate(turn.published));
        table.row([
            turn.watchers.to_string(),
            rate(turn.published).to_string(),
            rate(turn.told).to_string(),
            seconds(turn.behind),
            turn.gaps.to_string(),
            seconds(turn.cpu),
            (turn.peak >> 20).to_string(),
            seconds(turn.own_cpu),
        ]);
        turns.push(json!({
            "watchers": turn.watchers,
            "published": turn.published,
            "seconds": turn.took.as_secs_f64(),
            "behind_seconds": turn.behind.as_secs_f64(),
            "events_told": turn.told,
            "gaps": turn.gaps,
            "tracker_cpu_s": turn.cpu.as_secs_f64(),
            "tracker_peak_bytes": turn.peak,
            "own_cpu_s": turn.own_cpu.as_secs_f64(),
        }));
    }
    Ok((table, json!({ "publishers": PUBLISHERS, "turns": turns })))
}

fn turn(runtime: &tokio::runtime::Runtime, watchers: u32, load: Duration) -> Result<Turn> {
    let dir = tempfile::tempdir().context("make a directory")?;
    let arguments = vec!["--data-dir".into(), dir.path().join("tracker").into()];
    let tracker = Program::start("tracker", arguments, &dir.path().join("tracker.log"))?;
    let (address, id) = (tracker.address().parse()?, tracker.id().context("it runs")?);
    runtime.block_on(measure(&address, id, watchers, load))
}

async fn measure(tracker: &HostPort, id: u32, watchers: u32, load: Duration) -> Result<Turn> {
    let tasks = Tasks::new();
    let (heard, done) = (Arc::new(Heard::default()), watch::Sender::new(0_u32));
    let bound = Arc::new(AtomicU64::new(0));
    let member = Member::join(tracker, &tasks).await?;
    for _ in 0..watchers {
        let catalog = CatalogClient::new(tracker, &Tls::default())?;
        // The first page has the position: everything published from now on is after it.
        let mut pages = catalog.events(None).await?;
        let begun = pages.next().await?.context("a stream that begins")?;
        ensure!(begun.events.is_empty(), "nothing was asked for");
        let (heard, done) = (Arc::clone(&heard), done.clone());
        tasks.spawn("watcher", OnExit::Continue, async move {
            // Keeps the connection open.
            let _catalog = catalog;
            while let Ok(Some(page)) = pages.next().await {
                heard.gaps.fetch_add(page.is_gap.into(), Ordering::Relaxed);
                heard.events.fetch_add(page.events.len() as u64, Ordering::Relaxed);
                let is_last = |event: &FeedEvent| matches!(event, FeedEvent::Published(bound) if bound.name.as_str() == LAST);
                if page.events.iter().any(is_last) {
                    done.send_modify(|done| *done += 1);
                    return;
                }
            }
        });
    }
    let (before, own) = (process::usage(id), process::usage(std::process::id()));
    let (publishing, began) = (Tasks::new(), Stopwatch::start());
    for number in 0..PUBLISHERS {
        let (member, bound, stop) = (member.clone(), Arc::clone(&bound), publishing.token().clone());
        publishing.spawn("publisher", OnExit::ShutDown, async move {
            let mut count = 0;
            // One that is refused ends them all.
            while !stop.is_cancelled()
                && member
                    .bind(&format!("bench/{number}/{count}"), number, count)
                    .await
                    .is_ok()
            {
                bound.fetch_add(1, Ordering::Relaxed);
                count += 1;
            }
        });
    }
    let refused = tokio::time::timeout(load, publishing.token().cancelled()).await;
    ensure!(refused.is_err(), "the tracker refused a publication");
    publishing.stop(Duration::from_secs(5)).await;
    let (took, published) = (began.elapsed(), bound.load(Ordering::Relaxed));
    let ending = Stopwatch::start();
    member.bind(LAST, PUBLISHERS, 0).await?;
    let mut counted = done.subscribe();
    let all = tokio::time::timeout(PATIENCE, counted.wait_for(|done| *done == watchers)).await;
    drop(all.map_err(|_| anyhow!("{} of {watchers} watchers were told everything", *done.borrow()))??);
    let (behind, after) = (ending.elapsed(), process::usage(id));
    let own_cpu = process::usage(std::process::id()).cpu.saturating_sub(own.cpu);
    tasks.stop(Duration::from_secs(5)).await;
    Ok(Turn {
        watchers,
        published,
        took,
        behind,
        told: heard.events.load(Ordering::Relaxed),
        gaps: heard.gaps.load(Ordering::Relaxed),
        cpu: after.cpu.saturating_sub(before.cpu),
        peak: after.peak,
        own_cpu,
    })
}

/// A peer in whose name contents are published.
#[derive(Clone)]
struct Member {
    id: PeerId,
    catalog: CatalogClient,
}

impl Member {
    async fn join(tracker: &HostPort, tasks: &Tasks) -> Result<Self> {
        let id = PeerId::from_bytes([7; 16]);
        let hello = Hello {
            peer: id,
            incarnation: Incarnation::new(1),
            run: None,
            address: "127.0.0.1:9".parse()?,
            zone: None,
            capacity: 1 << 40,
            used: 0,
            network: None,
            epoch: shared::model::Epoch::new(0),
            mark: None,
            holdings: None,
            traits: RunTraits::default(),
        };
        let opened = SessionClient::new(tracker, &Tls::default())?
            .open(hello, None)
            .await;
        let (welcome, reports, orders) = opened.map_err(RemoteError::from)?;
        let first = Report::Announce {
            holdings: Vec::new(),
            completes_inventory: true,
        };
        let session = async move {
            // Orders are for peers that hold something.
            let (_orders, mut every) = (orders, tokio::time::interval(welcome.heartbeat));
            let mut message = Some(first);
            for sequence in 2.. {
                let message = message.take().unwrap_or(Report::Heartbeat {
                    used: 0,
                    disk_free: None,
                    received: Vec::new(),
                });
                if reports.send(Numbered { sequence, message }).await.is_err() {
                    return;
                }
                every.tick().await;
            }
        };
        let token = tasks.token().clone();
        tasks.spawn("session", OnExit::Continue, async move {
            token.run_until_cancelled(session).await;
        });
        let catalog = CatalogClient::new(tracker, &Tls::default())?;
        Ok(Self { id, catalog })
    }

    /// Binds a name to a content of its own.
    async fn bind(&self, name: &str, number: u64, count: u64) -> Result<()> {
        let mut root = [9; 32];
        root[..8].copy_from_slice(&number.to_be_bytes());
        root[8..16].copy_from_slice(&count.to_be_bytes());
        let publish = Publish {
            name: Name::new(name)?,
            manifest: Manifest::from_roots(1000, FragmentLength::MIN, vec![Digest::from_bytes(root)])?,
            target: ReplicationTarget::new(1)?,
            expectation: Expectation::Unbound,
            publisher: self.id,
            incarnation: Incarnation::new(1),
            metadata: None,
            replaces_metadata: false,
            keeps_target: false,
            parts: None,
        };
        self.catalog.publish(&publish).await?;
        Ok(())
    }
}
