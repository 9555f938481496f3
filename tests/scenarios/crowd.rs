//! A crowd of false holders: sessions of peers that say that they hold what they do not.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Cluster, Stopwatch, eventually};
use proto::RemoteError;
use proto::client::{CatalogClient, SessionClient};
use proto::messages::FromTracker;
use shared::model::{
    ContentRef, Epoch, Hello, Holding, HostPort, Incarnation, Manifest, Name, Numbered, PeerId, Report,
    RunTraits,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::{MIB, PATIENCE, assert_same, get, publish};

/// Sessions that share a connection.
const SESSIONS_EACH: usize = 50;

/// Length of the content that an honest reader gets.
const LENGTH: u64 = 28 * MIB;

/// False holders of one content, half of which say that they keep it. At every other address nobody answers;
/// the rest refuse the connection.
struct Crowd {
    /// Takes connections, and says nothing.
    _silent: TcpListener,
    _runtime: Runtime,
}

impl Crowd {
    fn join(tracker: &HostPort, manifest: &Manifest, count: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let silent = TcpListener::bind("127.0.0.1:0")?;
        let refusing = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let addresses = [silent.local_addr()?, refusing].map(|address| address.to_string());
        let (joined, mut joins) = mpsc::channel(count);
        let guard = runtime.enter();
        let mut client = SessionClient::new(tracker)?;
        for number in 0..count {
            if number.is_multiple_of(SESSIONS_EACH) {
                client = SessionClient::new(tracker)?;
            }
            let address = addresses[number % 2].parse()?;
            let holding = Holding {
                content: manifest.content(),
                fragments: manifest.all_fragments(),
                keeps: number % 4 < 2,
                is_assigned: false,
                is_fetching: false,
            };
            let (client, joined) = (client.clone(), joined.clone());
            runtime.spawn(async move { drop(lie(client, address, holding, joined).await) });
        }
        drop((guard, joined));
        let all = async {
            for _ in 0..count {
                ensure!(joins.recv().await.is_some(), "a false holder was not let in");
            }
            Ok(())
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await })??;
        Ok(Self {
            _silent: silent,
            _runtime: runtime,
        })
    }
}

/// Returns the hello of a peer that lends nothing.
pub(crate) fn hello(address: HostPort) -> Hello {
    Hello {
        peer: PeerId::random(),
        incarnation: Incarnation::new(1),
        run: None,
        address,
        zone: None,
        capacity: 0,
        used: 0,
        epoch: Epoch::new(0),
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    }
}

/// Announces the content and stays, whatever is asked.
async fn lie(
    client: SessionClient,
    address: HostPort,
    holding: Holding,
    joined: mpsc::Sender<()>,
) -> Result<(), RemoteError> {
    let (welcome, reports, mut orders) = client.open(hello(address)).await?;
    let announce = Report::Announce {
        holdings: vec![holding],
        completes_inventory: true,
    };
    let mut sequence = 2;
    let first = Numbered {
        sequence,
        message: announce,
    };
    // A session that breaks ends with the next message.
    drop(reports.send(first).await);
    if joined.send(()).await.is_err() {
        return Ok(());
    }
    let mut heartbeat = tokio::time::interval(welcome.heartbeat);
    loop {
        tokio::select! {
            _ = heartbeat.tick() => {
                sequence += 1;
                let message = Report::Heartbeat { used: 0, disk_free: None };
                if reports.send(Numbered { sequence, message }).await.is_err() {
                    return Ok(());
                }
            }
            order = orders.next() => if !matches!(order?, Some(FromTracker::Order(_))) {
                return Ok(());
            },
        }
    }
}

#[test]
fn a_thousand_false_holders_do_not_hide_the_honest_one() -> Result<()> {
    const CROWD: usize = 1_000;
    let cluster = Cluster::builder().timing("").peers(4).start()?;
    let original = publish(&cluster, 0, "data", LENGTH, 2)?;
    let keepers = crate::keepers_of_the_first(cluster.peer(0), "data");
    let readers: Vec<_> = (1..4)
        .map(|number| cluster.peer(number))
        .filter(|peer| !keepers.contains(&crate::id_of(peer)))
        .collect();
    let watch = Stopwatch::start();
    let copy = get(&cluster, readers[0], "data");
    let alone = watch.elapsed();
    assert_same(&original, &copy);

    let tracker: HostPort = cluster.tracker.address().parse()?;
    let manifest = Runtime::new()?.block_on(async {
        let catalog = CatalogClient::new(&tracker)?;
        let (_, manifest) = catalog.resolve(&ContentRef::Name(Name::new("data")?)).await?;
        Ok::<_, anyhow::Error>(manifest)
    })?;
    let _crowd = Crowd::join(&tracker, &manifest, CROWD)?;
    let ask = || cluster.peer(0).locate("data")["holder_count"].as_u64();
    eventually("the crowd", PATIENCE, ask, |count| *count >= Some(CROWD as u64))?;
    let watch = Stopwatch::start();
    let copy = get(&cluster, readers[1], "data");
    let beside_a_crowd = watch.elapsed();
    assert_same(&original, &copy);
    // A second for the noise of a busy machine: without an order it is half a minute.
    let bound = 2 * alone + Duration::from_secs(1);
    assert!(beside_a_crowd <= bound, "{beside_a_crowd:?} instead of {alone:?}");
    Ok(())
}
