//! Peers that others cannot dial: their copies are no replicas, and everyone is told so.

use std::ffi::OsString;

use anyhow::Result;
use harness::{Cluster, Program, eventually};
use serde_json::Value;

use crate::{PATIENCE, id_of, publish};

/// Starts a peer that says this address to others.
fn advertising(cluster: &Cluster, name: &str, address: &str) -> Result<Program> {
    let [flag, entry] = cluster.entry();
    let arguments = ["serve", "--advertise", address, flag, entry, "--data-dir"];
    let mut arguments: Vec<OsString> = arguments.map(Into::into).into();
    arguments.push(cluster.path(name).into());
    Program::start("peer", arguments, &cluster.path(&format!("{name}.log")))
}

/// Returns the port of a listener that is gone.
fn dead_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn network(cluster: &Cluster) -> Vec<Value> {
    let seen = cluster.peer(0).run(["network", "--json"]);
    seen.json()["peers"].as_array().cloned().unwrap_or_default()
}

/// Waits until all peers have been dialled; returns those out of reach.
fn unreachable(cluster: &Cluster, peers: usize) -> Result<Vec<Value>> {
    let ask = || network(cluster);
    let is_known =
        |seen: &Vec<Value>| seen.len() == peers && seen.iter().all(|peer| peer["reach"] != "unconfirmed");
    let seen = eventually("every peer to be dialled", PATIENCE, ask, is_known)?;
    Ok(seen
        .into_iter()
        .filter(|peer| peer["reach"] == "unreachable")
        .collect())
}

#[test]
fn copies_behind_dead_ports_are_no_replicas() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let dead = format!("127.0.0.1:{}", dead_port()?);
    let _third = advertising(&cluster, "third", &dead)?;
    let _fourth = advertising(&cluster, "fourth", &dead)?;
    let out = eventually(
        "two peers out of reach",
        PATIENCE,
        || unreachable(&cluster, 4).unwrap_or_default(),
        |out| out.len() == 2,
    )?;
    for peer in &out {
        assert_eq!(peer["unreachable"]["addr"], dead.as_str());
        assert_eq!(peer["unreachable"]["error"], "connection refused");
    }
    let path = cluster.path("three.bin");
    harness::content::write(&path, 300_000, 3)?;
    let path = path.to_str().expect("text");
    let add = ["add", path, "--replicas", "3", "--wait=4s"];
    drop(cluster.peer(0).run(add).expect(10));
    let ask = |command: &'static str| {
        let peer = cluster.peer(0);
        move || peer.run([command, "three.bin", "--json"]).expect(0).json()
    };
    eventually("the second replica", PATIENCE, ask("durability"), |durability| {
        durability["survives_any"] == 1
    })?;
    eventually("the reason", PATIENCE, ask("why"), |why| {
        let why = why.to_string();
        why.contains("\"unreachable\"") && why.contains(&format!("{dead}: connection refused"))
    })?;
    let shown = cluster.peer(0).run(["network"]).expect(0);
    assert!(shown.stdout.contains("live, unreachable"), "{}", shown.stdout);
    // The peer itself is told.
    let ask = || cluster.outsider("third", ["status", "--json"]).expect(0).json();
    let told = eventually("the peer to be told", PATIENCE, ask, |status| {
        status["unreachable"].is_object()
    })?;
    assert_eq!(told["unreachable"]["addr"], dead.as_str());
    assert_eq!(told["unreachable"]["error"], "connection refused");
    let text = cluster.outsider("third", ["status"]).expect(0).stdout;
    let said = format!("other peers cannot reach this peer at {dead}: connection refused");
    assert!(text.contains(&said) && text.contains("--advertise"), "{text}");
    assert_eq!(cluster.peer(0).status()["unreachable"], Value::Null);
    Ok(())
}

#[test]
fn a_reader_hears_that_holders_cannot_be_reached() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let dead = format!("127.0.0.1:{}", dead_port()?);
    let lonely = advertising(&cluster, "lonely", &dead)?;
    let path = cluster.path("far.bin");
    harness::content::write(&path, 300_000, 7)?;
    let path = path.to_str().expect("text");
    drop(
        cluster
            .outsider("lonely", ["add", path, "--replicas", "2"])
            .expect(0),
    );
    let state = || cluster.peer(0).locate("far.bin")["state"].clone();
    eventually("it to be unavailable", PATIENCE, state, |state| {
        *state == "unavailable"
    })?;
    let durability = cluster.peer(0).run(["durability", "far.bin"]).expect(0).stdout;
    let said = "part of it is only on peers that others cannot reach";
    assert!(
        durability.contains(said) && !durability.contains("no live peer"),
        "{durability}"
    );
    let output = cluster.path("copy");
    let get = [
        "get",
        "far.bin",
        "--give-up-after",
        "2s",
        "--output",
        output.to_str().expect("text"),
    ];
    let outcome = cluster.peer_mut(1).run(get).expect(6);
    let said = format!("holders exist but cannot be reached: {dead}: connection refused");
    assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
    assert!(
        !outcome.stderr.contains("no peer that is online"),
        "{}",
        outcome.stderr
    );
    drop(lonely);
    Ok(())
}

#[test]
fn another_peers_address_and_names_of_nobody_are_out_of_reach() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let taken = cluster.peer(1).program.address().to_owned();
    let tracker = cluster.tracker.address().to_owned();
    let _other = advertising(&cluster, "other", &taken)?;
    let _tracker = advertising(&cluster, "by-the-tracker", &tracker)?;
    let _nobody = advertising(&cluster, "nobody", "nobody.invalid:5")?;
    let out = eventually(
        "three peers out of reach",
        PATIENCE,
        || unreachable(&cluster, 5).unwrap_or_default(),
        |out| out.len() == 3,
    )?;
    let error = |address: &str| {
        let of = out.iter().find(|peer| peer["addr"] == address);
        of.map(|peer| peer["unreachable"]["error"].to_string())
            .unwrap_or_default()
    };
    // In a secured network the handshake tells it already.
    let (told, by_certificate) = ("another peer answers there", ", with a certificate for ");
    let told = [
        told.to_owned(),
        format!(
            "another program answers there{by_certificate}{}.peer",
            id_of(cluster.peer(1))
        ),
    ];
    assert!(told.iter().any(|told| error(&taken).contains(told)), "{out:?}");
    assert!(
        !error(&tracker).is_empty() && !error("nobody.invalid:5").is_empty(),
        "{out:?}"
    );
    Ok(())
}

#[test]
fn addresses_that_nobody_can_dial_are_usage_errors() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    let line = |arguments: &[&str]| {
        let arguments = arguments.iter().copied().chain(cluster.entry());
        cluster.outsider("nobody", arguments)
    };
    for host in ["0.0.0.0", "::", "0"] {
        for command in [&["serve"][..], &["get", "x"], &["receive", "x"], &[]] {
            let outcome = line(&[command, &["--host", host]].concat()).expect(2);
            assert!(!outcome.stderr.is_empty(), "{command:?} {host}");
        }
    }
    for address in ["0.0.0.0:5", "[::]:5", "224.0.0.1:5", "10.0.0.1:0"] {
        drop(line(&["serve", "--advertise", address]).expect(2));
    }
    let file = cluster.path("peer.toml");
    std::fs::write(&file, "host = '0.0.0.0'\n")?;
    let check = ["config", "check", "--config", file.to_str().expect("text")];
    assert_ne!(cluster.outsider("nobody", check).code, 0);
    Ok(())
}

#[test]
fn a_peer_that_came_for_one_command_is_gone_when_it_leaves() -> Result<()> {
    // In a secured network only administrators remove other peers.
    let cluster = Cluster::builder().plain().peers(2).start()?;
    publish(&cluster, 0, "data", 100_000, 2)?;
    let output = cluster.path("copy");
    let get = ["get", "data", "--output", output.to_str().expect("text")];
    let get = get.into_iter().chain(cluster.entry());
    drop(cluster.outsider("guest", get).expect(0));
    let ids = |arguments: &[&str]| -> Vec<String> {
        let seen = cluster.peer(0).run(arguments).expect(0).json();
        let peers = seen["peers"].as_array().cloned().unwrap_or_default();
        peers
            .iter()
            .map(|peer| peer["id"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let ask = || ids(&["network", "--json"]);
    let members = eventually("the guest to go", PATIENCE, ask, |ids| ids.len() == 2)?;
    let all = ids(&["network", "--all", "--json"]);
    let guest = all
        .iter()
        .find(|id| !members.contains(id))
        .expect("it is remembered");
    drop(
        cluster
            .peer(0)
            .run(["network", "--remove", &members[0]])
            .expect(5),
    );
    drop(
        cluster
            .peer(0)
            .run(["network", "--remove", &guest[..10]])
            .expect(0),
    );
    assert_eq!(ids(&["network", "--all", "--json"]).len(), 2);
    Ok(())
}
