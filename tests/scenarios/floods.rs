//! Strangers who take what there is only so much of.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::{Context as _, Result};
use harness::{Cluster, Program, eventually};
use proto::client::SessionClient;
use proto::tls::Tls;
use proto::v1::catalog_client::CatalogClient;
use proto::{RemoteError, dial, v1};
use shared::model::{ContentId, FragmentSet, Holding, HostPort, Numbered, Report};

use crate::{MIB, PATIENCE, assert_same, get, publish};

/// First bytes of a client of HTTP/2: the preface, and settings without a change.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Idle connections; more than the files that the program may have.
const IDLE: usize = 300;

/// Opens connections that say hello and nothing else.
fn idle_connections(address: &str) -> Result<Vec<TcpStream>> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address)?;
        // The program may have ended this one already for a newer one.
        drop(stream.write_all(HTTP_2));
        Ok(stream)
    };
    (0..IDLE).map(connect).collect()
}

/// Runs a program with at most 256 open files.
fn with_few_files() -> Vec<std::ffi::OsString> {
    ["sh", "-c", "ulimit -n 256 && exec \"$0\" \"$@\""]
        .map(Into::into)
        .into()
}

#[test]
fn idle_connections_shut_neither_the_owner_nor_peers_out() -> Result<()> {
    let cluster = Cluster::builder().plain().start()?;
    let start = |name: &'static str, arguments: &[&str]| {
        let arguments = arguments.iter().map(Into::into).collect();
        let log = cluster.path(&format!("besieged-{name}.log"));
        Program::start_at(name, arguments, &log, "127.0.0.1", with_few_files())
    };
    let (tracker_dir, peer_dir) = (cluster.path("besieged"), cluster.path("owned"));
    let (tracker_dir, peer_dir) = (crate::text(&tracker_dir), crate::text(&peer_dir));
    let tracker = start("tracker", &["--data-dir", tracker_dir])?;
    let serve = ["serve", "--data-dir", peer_dir, "--tracker", tracker.address()];
    let peer = start("peer", &serve)?;
    let ask = || cluster.outsider("owned", ["status", "--json"]).expect(0).json();
    eventually("a session", PATIENCE, ask, |status| {
        status["session"] == "connected"
    })?;
    let siege = [
        idle_connections(tracker.address())?,
        idle_connections(peer.address())?,
    ];

    // The node's owner, the node's session, and a new caller of the tracker.
    for _ in 0..3 {
        let status = ask();
        assert_eq!(status["session"], "connected", "{status}");
        assert_eq!(cluster.outsider("owned", ["list"]).expect(0).code, 0);
    }
    let stranger = cluster.outsider("other", ["value", "none", "--tracker", tracker.address()]);
    assert_eq!(
        stranger.expect(3).code,
        3,
        "it was told that there is no such value"
    );
    drop(siege);
    for log in [tracker.log(), peer.log()] {
        let lines = log
            .lines()
            .filter(|line| line.contains("places for connections are short"));
        assert!((1..=2).contains(&lines.count()), "once a minute: {log}");
    }
    Ok(())
}

/// Streams that a flood asks for, and those that it is given at most.
const WATCHES: usize = 8_000;
const MOST_WATCHES: usize = 4_096;
const EVENTS: usize = 2_000;
const MOST_EVENTS: usize = 1_024;

/// Announces of a thousand contents that nobody has published, 8 MiB each.
const ANNOUNCES: u32 = 8;

/// Memory that a program may have under a flood.
const MOST_MEMORY: u64 = 256 << 20;

/// Streams that are open, and the number of those that were refused with a sentence.
struct Streams {
    watches: Vec<tonic::Streaming<v1::WatchReply>>,
    events: Vec<tonic::Streaming<v1::EventsReply>>,
    refused: usize,
}

/// Opens streams at a tracker, a hundred on a connection, until it refuses or there are as many as asked for.
async fn open_streams(tracker: &HostPort, content: ContentId) -> Result<Streams> {
    let mut streams = Streams {
        watches: Vec::new(),
        events: Vec::new(),
        refused: 0,
    };
    let mut client = CatalogClient::new(dial::channel(tracker)?);
    for number in 0..WATCHES + EVENTS {
        if number.is_multiple_of(100) {
            client = CatalogClient::new(dial::channel(tracker)?);
        }
        let content_id = content.as_bytes().to_vec().into();
        let opened = match number < WATCHES {
            true => {
                let opened = client.watch(v1::WatchRequest { content_id }).await;
                opened.map(|stream| streams.watches.push(stream.into_inner()))
            }
            false => {
                let opened = client.events(v1::EventsRequest::default()).await;
                opened.map(|stream| streams.events.push(stream.into_inner()))
            }
        };
        if let Err(status) = opened {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}");
            assert!(status.message().contains("requests of this kind"), "{status}");
            streams.refused += 1;
        }
    }
    Ok(streams)
}

/// Announces contents that nobody has published until the session ends; returns why it did.
async fn announce_without_end(tracker: &HostPort) -> Result<String> {
    let hello = harness::hello("127.0.0.1:9".parse()?);
    let opened = SessionClient::new(tracker, &Tls::default())?
        .open(hello, None)
        .await;
    let (_, reports, mut orders) = opened.map_err(RemoteError::from)?;
    let completes_inventory = Report::Announce {
        holdings: Vec::new(),
        completes_inventory: true,
    };
    let announce = |batch: u32| Report::Announce {
        holdings: (0..1_000).map(|n| unknown(batch * 1_000 + n)).collect(),
        completes_inventory: false,
    };
    let messages = std::iter::once(completes_inventory).chain((0..ANNOUNCES).map(announce));
    for (sequence, message) in (2..).zip(messages) {
        // The session may have ended.
        if reports.send(Numbered { sequence, message }).await.is_err() {
            break;
        }
    }
    loop {
        match tokio::time::timeout(PATIENCE, orders.next()).await? {
            Ok(Some(_)) => {}
            Ok(None) => return Ok("an end without a reason".to_owned()),
            Err(error) => return Ok(error.to_string()),
        }
    }
}

fn unknown(number: u32) -> Holding {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    Holding {
        content: ContentId::from_bytes(id),
        fragments: FragmentSet::full(65_536),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    }
}

#[test]
fn endless_streams_take_neither_memory_nor_others_turns() -> Result<()> {
    let cluster = Cluster::builder().plain().timing("").peers(2).start()?;
    let original = publish(&cluster, 0, "data", 28 * MIB, 1)?;
    let tracker: HostPort = cluster.tracker.address().parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let located = cluster.peer(0).locate("data");
    let content: ContentId = located["content"].as_str().context("an id")?.parse()?;
    let streams = runtime.block_on(open_streams(&tracker, content))?;
    assert!(streams.watches.len() <= MOST_WATCHES, "{}", streams.watches.len());
    assert!(streams.events.len() <= MOST_EVENTS, "{}", streams.events.len());
    assert_eq!(
        streams.refused,
        WATCHES + EVENTS - streams.watches.len() - streams.events.len()
    );
    let flood = [(); 3].map(|()| {
        let tracker = tracker.clone();
        runtime.spawn(async move { announce_without_end(&tracker).await })
    });
    // Honest callers go on meanwhile.
    assert_eq!(cluster.peer(1).run(["list"]).expect(0).code, 0);
    assert_same(&original, &get(&cluster, cluster.peer(1), "data"));
    for flood in flood {
        let why = runtime.block_on(flood)??;
        assert!(
            why.contains("announces more contents that nobody has published"),
            "{why}"
        );
    }
    let (_, memory) = cluster.tracker.memory()?;
    assert!(memory <= MOST_MEMORY, "{} MiB", memory >> 20);
    assert_eq!(cluster.peer(1).run(["list"]).expect(0).code, 0);
    drop(streams);
    Ok(())
}
