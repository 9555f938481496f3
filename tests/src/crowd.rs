//! A crowd of false holders: sessions of peers that say that they hold what they do not.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};
use proto::RemoteError;
use proto::client::SessionClient;
use proto::messages::FromTracker;
use proto::tls::Tls;
use shared::model::{
    Epoch, Hello, Holding, HostPort, Incarnation, Manifest, Numbered, Order, PeerId, Report, RunTraits,
    SampleOutcome,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Sessions that share a connection.
const SESSIONS_EACH: usize = 50;

/// Time within which all of a crowd have joined.
const JOIN_LIMIT: Duration = Duration::from_secs(60);

/// False holders of one content, half of which say that they keep it. At every other address nobody answers;
/// the rest refuse the connection.
#[derive(Debug)]
pub struct Crowd {
    /// Takes connections, and says nothing.
    _silent: TcpListener,
    _runtime: Runtime,
}

impl Crowd {
    /// Has `count` peers join and announce the content; they stay until the crowd is dropped.
    ///
    /// # Errors
    /// When one of them is not let in.
    pub fn join(tracker: &HostPort, manifest: &Manifest, count: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let silent = TcpListener::bind("127.0.0.1:0")?;
        let refusing = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let addresses = [silent.local_addr()?, refusing].map(|address| address.to_string());
        let (joined, mut joins) = mpsc::channel(count);
        let guard = runtime.enter();
        let mut client = SessionClient::new(tracker, &Tls::default())?;
        for number in 0..count {
            if number.is_multiple_of(SESSIONS_EACH) {
                client = SessionClient::new(tracker, &Tls::default())?;
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
            runtime.spawn(async move { drop(lie(client, hello(address), vec![holding], joined).await) });
        }
        drop((guard, joined));
        let all = async {
            for _ in 0..count {
                ensure!(joins.recv().await.is_some(), "a false holder was not let in");
            }
            Ok(())
        };
        runtime.block_on(async { tokio::time::timeout(JOIN_LIMIT, all).await })??;
        Ok(Self {
            _silent: silent,
            _runtime: runtime,
        })
    }
}

/// Returns the hello of a peer that lends nothing.
#[must_use]
pub fn hello(address: HostPort) -> Hello {
    Hello {
        peer: PeerId::random(),
        incarnation: Incarnation::new(1),
        run: None,
        address,
        zone: None,
        capacity: 0,
        used: 0,
        network: None,
        epoch: Epoch::new(0),
        mark: None,
        holdings: None,
        traits: RunTraits::default(),
    }
}

/// Announces the holdings and stays, whatever is asked; denies each copy that it is told to look at.
pub(crate) async fn lie(
    client: SessionClient,
    hello: Hello,
    holdings: Vec<Holding>,
    joined: mpsc::Sender<()>,
) -> Result<(), RemoteError> {
    let (welcome, reports, mut orders) = client.open(hello, None).await?;
    let announce = Report::Announce {
        holdings,
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
        let message = tokio::select! {
            _ = heartbeat.tick() => Report::Heartbeat { used: 0, disk_free: None, received: Vec::new() },
            order = orders.next() => match order? {
                Some(FromTracker::Order(Order::Check { check, .. })) => {
                    let outcome = SampleOutcome::Denied("nothing is there".to_owned());
                    Report::Checked { check, outcome }
                }
                Some(FromTracker::Order(_)) => continue,
                _ => return Ok(()),
            },
        };
        sequence += 1;
        if reports.send(Numbered { sequence, message }).await.is_err() {
            return Ok(());
        }
    }
}
