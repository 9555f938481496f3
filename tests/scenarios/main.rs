//! Stories about clusters of real programs.
//!
//! Each starts the programs that it needs on free ports, treats them as people and machines do, and checks
//! the output of the commands. Tests that need no processes are beside the code.

mod collections;
mod copies;
mod defaults;
mod disks;
mod endings;
mod foreign;
mod fragmentation;
mod front_door;
mod history;
mod http;
mod joining;
mod leaving;
mod loss;
mod lying;
mod menu;
mod mistakes;
mod passing;
mod reach;
mod removal;
mod replication;
mod restart;
mod resume;
mod schema;
mod settings;
mod shapes;
mod streams;
mod terminal;
mod unchanged;
mod upgrade;
mod upkeep;
mod watching;
mod whole;
mod writing;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness::{Cluster, Peer, content, eventually};
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// Long enough for anything on a busy machine; stories fail earlier only when they must.
const PATIENCE: Duration = Duration::from_secs(60);

/// Adds a file of this length from a peer and waits for its replicas.
fn publish(cluster: &Cluster, peer: usize, name: &str, length: u64, replicas: u32) -> Result<PathBuf> {
    let path = cluster.path(&format!("{name}.bin"));
    content::write(&path, length, length ^ 0x5eed)?;
    let replicas = replicas.to_string();
    let path_text = path.to_str().expect("the harness makes text paths");
    let add = [
        "add",
        path_text,
        "--name",
        name,
        "--replicas",
        &replicas,
        "--wait",
        "60s",
        "--fragment-length",
        "64KiB",
    ];
    assert_eq!(cluster.peer(peer).run(add).expect(0).code, 0);
    Ok(path)
}

/// Gets a content on a peer and returns the path of the output.
fn get(cluster: &Cluster, peer: &Peer, name: &str) -> PathBuf {
    let output = cluster.path(&format!(
        "{name}-{}.out",
        peer.program.address().replace(':', "-")
    ));
    let get = ["get", name, "--output", output.to_str().expect("text")];
    assert_eq!(peer.run(get).expect(0).code, 0);
    output
}

#[track_caller]
fn assert_same(original: &Path, copy: &Path) {
    let digest = |path| content::sha256(path).expect("readable");
    assert_eq!(
        digest(original),
        digest(copy),
        "{} and {} differ",
        original.display(),
        copy.display()
    );
}

/// Returns the ids of the holders of each fragment.
fn holders(located: &Value) -> Vec<Vec<String>> {
    let fragments = located["fragments"].as_array().expect("fragments");
    let ids = |fragment: &Value| {
        let holders = fragment["holders"].as_array().expect("holders");
        holders
            .iter()
            .map(|id| id.as_str().expect("an id").to_owned())
            .collect()
    };
    fragments.iter().map(ids).collect()
}

/// Waits until every fragment has this many holders or more, none of which is among the `dead`.
fn wait_for_holders(peer: &Peer, name: &str, count: usize, dead: &[String]) -> Result<Value> {
    let is_good = |located: &Value| {
        holders(located)
            .iter()
            .all(|ids| ids.len() >= count && !ids.iter().any(|id| dead.contains(id)))
    };
    eventually("enough holders", PATIENCE, || peer.locate(name), is_good)
}

fn id_of(peer: &Peer) -> String {
    peer.status()["id"].as_str().expect("an id").to_owned()
}
