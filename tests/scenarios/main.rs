//! Stories about clusters of real programs.
//!
//! Each starts the programs that it needs on free ports, treats them as people and machines do, and checks
//! the output of the commands. Tests that need no processes are beside the code.

mod away;
mod browser;
mod collections;
mod copies;
mod crowd;
mod damage;
mod defaults;
mod disks;
mod endings;
mod exposure;
mod floods;
mod foreign;
mod fragmentation;
mod front_door;
mod history;
mod http;
mod joining;
mod keys;
mod leaving;
mod loss;
mod lying;
mod menu;
mod mistakes;
mod networks;
mod pages;
mod passing;
mod pipes;
mod reach;
mod rebuild;
mod removal;
mod replication;
mod restart;
mod resume;
mod schema;
mod secrets;
mod security;
mod settings;
mod shapes;
mod silence;
mod spoiled;
mod streams;
mod terminal;
mod unchanged;
mod upgrade;
mod upkeep;
mod watching;
mod whole;
mod writing;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use harness::{Cluster, Outcome, Peer, binaries, content, keepers};

const MIB: u64 = 1 << 20;

/// Long enough for anything on a busy machine; stories fail earlier only when they must.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(path: &Path) -> &str {
    path.to_str().expect("the harness makes text paths")
}

/// Runs a program to its end, with nothing on its standard input.
fn run(program: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(binaries::path(program));
    let output = command.args(arguments).stdin(Stdio::null()).output();
    output.expect("the program is there").into()
}

/// Adds a file of this length from a peer and waits for its replicas.
fn publish(cluster: &Cluster, peer: usize, name: &str, length: u64, replicas: u32) -> Result<PathBuf> {
    let path = cluster.path(&format!("{name}.bin"));
    content::write(&path, length, length ^ 0x5eed)?;
    let replicas = replicas.to_string();
    let add = [
        "add",
        text(&path),
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
    let get = ["get", name, "--output", text(&output)];
    assert_eq!(peer.run(get).expect(0).code, 0);
    output
}

/// Returns all paths below a directory, in which others may be at work.
fn all_below(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(directory) = next.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                next.push(path.clone());
            }
            all.push(path);
        }
    }
    all
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

/// Waits until every fragment has this many replicas or more, not counting those of the `dead`.
fn wait_for_replicas(peer: &Peer, name: &str, count: usize, dead: &[String]) -> Result<()> {
    harness::wait_for_replicas(peer, name, count, dead, PATIENCE).map(drop)
}

/// Flips a byte of every content that a peer's store keeps, and returns how many there are.
fn rot(peer: &Peer) -> Result<usize> {
    let mut rotten = 0;
    for entry in fs::read_dir(peer.data_dir().join("contents"))? {
        for file in fs::read_dir(entry?.path())? {
            let file = fs::File::options().read(true).write(true).open(file?.path())?;
            let mut byte = [0];
            file.read_exact_at(&mut byte, 0)?;
            file.write_all_at(&[byte[0] ^ 0x40], 0)?;
            rotten += 1;
        }
    }
    Ok(rotten)
}

/// Returns the ids of the peers that keep the first fragment.
fn keepers_of_the_first(peer: &Peer, name: &str) -> BTreeSet<String> {
    keepers(&peer.locate(name)).swap_remove(0)
}

fn id_of(peer: &Peer) -> String {
    peer.status()["id"].as_str().expect("an id").to_owned()
}
