//! Commands that change no more than they say: equal files, refused publications, forgotten directories, and
//! a node's own data.

use std::fs;
use std::path::Path;

use anyhow::Result;
use harness::{Cluster, Peer};
use serde_json::Value;

use crate::{MIB, assert_same, get, text};

fn used(peer: &Peer) -> u64 {
    peer.status()["used"].as_u64().expect("a number")
}

/// Returns what `list --local` says of every content, in its order.
fn kept(peer: &Peer) -> Vec<Value> {
    let listed = peer.run(["list", "--local", "--json"]).expect(0);
    let mut all = listed.json()["contents"].as_array().cloned().expect("a list");
    all.sort_by_key(ToString::to_string);
    all
}

fn add(peer: &Peer, path: &Path, name: &str, code: i32) {
    let add = ["add", text(path), "--name", name, "--replicas", "1"];
    assert_eq!(peer.run(add).expect(code).code, code);
}

#[test]
fn the_loss_of_one_of_two_equal_files_takes_no_name_away() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let (a, b, c) = (
        cluster.path("a.bin"),
        cluster.path("b.bin"),
        cluster.path("c.bin"),
    );
    harness::content::write(&a, 3 * MIB, 1)?;
    let [v1, v2] = ["v1", "v2"].map(|name| cluster.path(name));
    for directory in [&v1, &v2] {
        fs::create_dir(directory)?;
        harness::content::write(&directory.join("large"), 3 * MIB, 2)?;
        fs::write(directory.join("which"), text(directory))?;
    }
    for path in [&b, &c] {
        fs::copy(&a, path)?;
    }
    let publisher = cluster.peer(0);
    for (path, name) in [(&a, "a"), (&b, "b"), (&c, "c"), (&v1, "v1"), (&v2, "v2")] {
        add(publisher, path, name, 0);
    }
    fs::remove_file(&a)?;
    fs::remove_file(v1.join("large"))?;
    let reader = cluster.peer(1);
    assert_same(&b, &get(&cluster, reader, "a"));
    let copy = cluster.path("copy");
    drop(reader.run(["get", "v1", "--output", text(&copy)]).expect(0));
    assert_same(&v2.join("large"), &copy.join("large"));
    // Also when it goes while the node is stopped.
    let publisher = cluster.peer_mut(0);
    publisher.program.stop()?;
    fs::remove_file(&b)?;
    publisher.program.restart()?;
    cluster.wait_for_live_peers(2)?;
    drop(cluster.peer(1).run(["forget", "b", "--force"]).expect(0));
    let output = cluster.path("b.out");
    drop(
        cluster
            .peer(1)
            .run(["get", "b", "--output", text(&output)])
            .expect(0),
    );
    assert_same(&c, &output);
    Ok(())
}

#[test]
fn a_publication_that_is_refused_changes_nothing() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let peer = cluster.peer(0);
    let (aa, bb, cc) = (
        cluster.path("aa.bin"),
        cluster.path("bb.bin"),
        cluster.path("cc.bin"),
    );
    for (n, path) in [&aa, &bb, &cc].into_iter().enumerate() {
        harness::content::write(path, MIB, 10 + n as u64)?;
    }
    add(peer, &aa, "aa.bin", 0);
    add(peer, &bb, "bb.bin", 0);
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    harness::content::write(&tree.join("large"), MIB, 20)?;
    for n in 0..50_u8 {
        fs::write(tree.join(format!("small {n}")), vec![n; 3_000])?;
    }
    let before = (kept(peer), used(peer));
    // A known content, a new one, an equal file, and a directory under a name that is taken.
    let equal = cluster.path("equal.bin");
    fs::copy(&aa, &equal)?;
    for path in [&aa, &cc, &equal, &tree] {
        add(peer, path, "bb.bin", 5);
        assert_eq!((kept(peer), used(peer)), before, "{}", path.display());
    }
    // The output of a fetch is taken.
    let taken = ["get", "aa.bin", "--output", text(&cc)];
    drop(peer.run(taken).expect(5));
    assert_eq!((kept(peer), used(peer)), before);
    // A name that went, or that became another one, means the content no longer.
    add(peer, &aa, "second", 0);
    add(peer, &aa, "third", 0);
    drop(peer.run(["rename", "second", "fourth"]).expect(0));
    drop(peer.run(["remove", "third"]).expect(0));
    for gone in ["second", "third"] {
        drop(peer.run(["forget", gone, "--force"]).expect(3));
    }
    drop(peer.run(["remove", "fourth"]).expect(0));
    assert_eq!((kept(peer), used(peer)), before);
    drop(peer.run(["forget", "bb.bin", "--force"]).expect(0));
    let left = kept(peer);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["name"], "aa.bin");
    assert_same(&aa, &get(&cluster, cluster.peer(1), "aa.bin"));
    Ok(())
}

#[test]
fn a_forgotten_directory_frees_all_that_only_it_needs() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    let [one, two] = ["one", "two"].map(|name| cluster.path(name));
    for (tree, seed) in [(&one, 1_u8), (&two, 2)] {
        fs::create_dir(tree)?;
        harness::content::write(&tree.join("shared"), 2 * MIB, 3)?;
        for n in 0..100_u8 {
            fs::write(tree.join(format!("small {n}")), vec![n ^ seed; 20_000])?;
        }
    }
    add(publisher, &one, "one", 0);
    add(publisher, &two, "two", 0);
    let fetch = |name: &str| {
        let output = cluster.path(&format!("{name}.out"));
        let get = ["get", name, "--output", text(&output), "--force"];
        drop(reader.run(get).expect(0));
    };
    fetch("two");
    let alone = (used(reader), kept(reader).len());
    fetch("one");
    let both = used(reader);
    assert!(both > alone.0 + MIB, "{both} {alone:?}");
    let forgotten = reader.run(["forget", "one", "--json"]).expect(0).json();
    assert_eq!(forgotten["freed"].as_u64(), Some(both - alone.0));
    assert_eq!(
        (used(reader), kept(reader).len()),
        alone,
        "the other directory is as it was"
    );
    // An older revision that was fetched goes with its name.
    fetch("one");
    for n in 0..100_u8 {
        fs::write(one.join(format!("small {n}")), vec![n ^ 9; 20_000])?;
    }
    let update = ["add", text(&one), "--name", "one", "--replicas", "1", "--update"];
    drop(publisher.run(update).expect(0));
    fetch("one");
    drop(reader.run(["forget", "one", "--force"]).expect(0));
    assert_eq!((used(reader), kept(reader).len()), alone);
    drop(reader.run(["forget", "two"]).expect(0));
    assert_eq!((used(reader), kept(reader)), (0, Vec::new()));
    Ok(())
}

#[test]
fn the_data_directory_of_a_node_is_neither_published_nor_overwritten() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let own = peer.data_dir();
    let file = cluster.path("file.bin");
    harness::content::write(&file, MIB, 1)?;
    add(peer, &file, "file", 0);
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("small"), "small")?;
    add(peer, &tree, "tree", 0);
    let way = cluster.path("way");
    std::os::unix::fs::symlink(own, &way)?;
    let linked = cluster.path("linked");
    fs::hard_link(own.join("http-token"), &linked)?;
    for path in [
        own.join("http-token"),
        own.to_owned(),
        way.join("index.db"),
        way.clone(),
        linked,
    ] {
        let refused = peer.run(["add", text(&path), "--name", "own"]).expect(2);
        assert!(refused.stderr.contains("data directory"), "{}", refused.stderr);
    }
    let parent = own.parent().expect("it is in a directory");
    let refused = peer.run(["add", text(parent), "--name", "own"]).expect(2);
    assert!(refused.stderr.contains("--exclude"), "{}", refused.stderr);
    for name in ["file", "tree"] {
        for output in [own.join("index.db"), own.join("new"), way.join("new")] {
            let get = ["get", name, "--output", text(&output), "--force"];
            let refused = peer.run(get).expect(2);
            assert!(refused.stderr.contains("data directory"), "{}", refused.stderr);
        }
    }
    assert!(!own.join("new").exists());
    assert_eq!(
        peer.status()["contents"].as_u64(),
        Some(3),
        "the file, a pack and its catalog"
    );
    Ok(())
}
