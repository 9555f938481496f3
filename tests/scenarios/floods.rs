//! Strangers who take what there is only so much of.

use std::io::Write as _;
use std::net::TcpStream;

use anyhow::Result;
use harness::{Cluster, Program, eventually};

use crate::PATIENCE;

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
    let cluster = Cluster::builder().start()?;
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
