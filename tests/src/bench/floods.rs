//! Honest users while strangers and members take what there is only so much of.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proto::client::CatalogClient;
use proto::tls::Tls;
use serde_json::{Value, json};
use shared::model::{ContentRef, HostPort, Manifest, Name};

use super::report::{Table, mebibytes, median, ratio, seconds};
use crate::strangers::Beginning;
use crate::{Cluster, Crowd, Program, Stopwatch, content, is_interrupted, strangers};

/// Name and length of the file that is fetched.
const FILE: (&str, u64) = ("honest", 28 << 20);

/// Members that say that they hold the file.
const HOLDERS: usize = 1_000;

/// Streams that follow the file's replicas.
const WATCHERS: usize = 20_000;

/// Idle connections to the tracker, and as many to a peer.
const IDLE: usize = 600;

/// Connections that are as many, in a secured network: 10,000 in all.
const MANY: usize = 5_000;

/// Watchers that share a connection.
const WATCHERS_EACH: usize = 100;

/// Bounds that docs/benchmarks.md states.
const LIST_LIMIT: Duration = Duration::from_secs(1);
const GET_RATIO: f64 = 2.0;
const MEMORY_LIMIT: u64 = 256 << 20;

/// A flood: callers who take connections, sessions or streams, as long as it lives.
#[derive(Clone, Copy, Debug)]
enum Flood {
    None,
    Idle,
    ManyIdle,
    Handshakes,
    Holders,
    Watchers,
}

impl Flood {
    const ALL: [Self; 4] = [Self::None, Self::Idle, Self::Holders, Self::Watchers];

    /// Those of strangers, who can do no more in a secured network.
    const SECURED: [Self; 3] = [Self::None, Self::Handshakes, Self::ManyIdle];

    const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Idle | Self::ManyIdle => "idle connections",
            Self::Handshakes => "half-open handshakes",
            Self::Holders => "false holders",
            Self::Watchers => "watchers",
        }
    }
}

/// Times of honest commands under one flood, and memory after it.
#[derive(Debug)]
struct Figures {
    list: Duration,
    get: Duration,
    tracker: u64,
    peer: u64,
}

/// Measures `lists` lists and `gets` gets without a flood and under each, in a secured network or in one
/// without security; the table says which bounds hold.
///
/// # Errors
/// When an honest command fails.
pub fn run(lists: u32, gets: u32, is_secured: bool) -> Result<(Table, Value)> {
    let builder = Cluster::builder().timing("").peers(3);
    let (cluster, floods) = match is_secured {
        false => (builder.plain().start()?, &Flood::ALL[..]),
        true => (builder.secured().start()?, &Flood::SECURED[..]),
    };
    let file = cluster.path("honest.in");
    content::write(&file, FILE.1, 1)?;
    let file = file.to_str().context("a path in text")?;
    let added = cluster
        .peer(0)
        .run(["add", file, "--name", FILE.0, "--replicas", "2", "--wait=60s"]);
    ensure!(added.code == 0, "cannot publish: {}", added.stderr);
    let mut table = Table::new(&[
        "flood",
        "list p99",
        "get",
        "get : alone",
        "tracker MiB",
        "peer MiB",
        "bounds",
    ]);
    let (mut all, mut alone) = (Vec::new(), None);
    for flood in floods.iter().copied() {
        let figures = under(&cluster, flood, lists, gets)?;
        let alone = *alone.get_or_insert(figures.get);
        let slower = ratio(figures.get, alone);
        let holds = figures.list <= LIST_LIMIT
            && slower <= GET_RATIO
            && figures.tracker.max(figures.peer) <= MEMORY_LIMIT;
        table.row([
            flood.word().to_owned(),
            seconds(figures.list),
            seconds(figures.get),
            format!("{slower:.2}"),
            mebibytes(figures.tracker),
            mebibytes(figures.peer),
            if holds { "hold" } else { "BROKEN" }.to_owned(),
        ]);
        all.push(json!({
            "flood": flood.word(),
            "list_p99_s": figures.list.as_secs_f64(),
            "get_median_s": figures.get.as_secs_f64(),
            "tracker_peak_bytes": figures.tracker,
            "peer_peak_bytes": figures.peer,
        }));
    }
    let results = json!({ "lists": lists, "gets": gets, "is_secured": is_secured, "floods": all });
    Ok((table, results))
}

fn under(cluster: &Cluster, flood: Flood, lists: u32, gets: u32) -> Result<Figures> {
    let is_over = AtomicBool::new(false);
    let tracker: HostPort = cluster.tracker.address().parse()?;
    std::thread::scope(|scope| {
        let crowd = match flood {
            Flood::Holders => Some(Crowd::join(&tracker, &manifest(&tracker)?, HOLDERS)?),
            _ => None,
        };
        let flooding = scope.spawn(|| match flood {
            Flood::Idle => besiege(cluster, IDLE, Beginning::Http2, &is_over),
            Flood::ManyIdle => besiege(cluster, MANY, Beginning::Http2, &is_over),
            Flood::Handshakes => besiege(cluster, MANY, Beginning::Tls, &is_over),
            Flood::Watchers => watch(&tracker, &is_over),
            Flood::None | Flood::Holders => Ok(()),
        });
        let figures = measure(cluster, lists, gets);
        is_over.store(true, Ordering::Relaxed);
        drop(crowd);
        flooding.join().expect("a flood does not panic")?;
        figures
    })
}

/// Holds silent connections to the tracker and to the publisher.
fn besiege(cluster: &Cluster, each: usize, beginning: Beginning, is_over: &AtomicBool) -> Result<()> {
    let addresses = [cluster.tracker.address(), cluster.peer(0).program.address()].map(str::to_owned);
    strangers::siege(&addresses, each, beginning, &|| is_over.load(Ordering::Relaxed))
}

fn measure(cluster: &Cluster, lists: u32, gets: u32) -> Result<Figures> {
    let mut took = Vec::new();
    for _ in 0..lists {
        ensure!(!is_interrupted(), "interrupted");
        took.push(timed(cluster, &["list"])?);
    }
    took.sort_unstable();
    let list = took[took.len().saturating_sub(1) * 99 / 100];
    let output = cluster.path("honest.out");
    let output = output.to_str().context("a path in text")?;
    let mut got = Vec::new();
    for _ in 0..gets {
        ensure!(!is_interrupted(), "interrupted");
        got.push(timed(cluster, &["get", FILE.0, "--output", output, "--quiet"])?);
        timed(cluster, &["forget", FILE.0, "--force"])?;
        std::fs::remove_file(output)?;
    }
    let peak = |program: &Program| program.memory().map(|(_, peak)| peak);
    Ok(Figures {
        list,
        get: median(got).context("at least one")?,
        tracker: peak(&cluster.tracker)?,
        peer: peak(&cluster.peer(0).program)?,
    })
}

/// Runs a command of the honest peer.
fn timed(cluster: &Cluster, arguments: &[&str]) -> Result<Duration> {
    let watch = Stopwatch::start();
    let mut command = cluster.peer(2).command(arguments.iter().copied());
    let output = command.stdin(Stdio::null()).output()?;
    let took = watch.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{arguments:?} ended with {}: {said}",
        output.status
    );
    Ok(took)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?)
}

fn manifest(tracker: &HostPort) -> Result<Manifest> {
    let of = ContentRef::Name(Name::new(FILE.0)?);
    let resolved =
        runtime()?.block_on(async { CatalogClient::new(tracker, &Tls::default())?.resolve(&of).await });
    Ok(resolved?.1)
}

/// Opens streams that follow the file until it is over; those that are refused are not opened again.
fn watch(tracker: &HostPort, is_over: &AtomicBool) -> Result<()> {
    let content = manifest(tracker)?.content();
    runtime()?.block_on(async {
        let mut held = Vec::new();
        for number in 0..WATCHERS {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            if number.is_multiple_of(WATCHERS_EACH) {
                held.push((CatalogClient::new(tracker, &Tls::default())?, Vec::new()));
            }
            let Some((client, streams)) = held.last_mut() else {
                continue;
            };
            streams.extend(client.watch(content).await.ok());
        }
        while !is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })
}
