//! Commands that change no more than they say: equal files, refused publications, forgotten directories, and
//! a node's own data.

use std::fs;
use std::path::Path;

use anyhow::Result;
use harness::{Cluster, Peer, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, get, run, text};

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
    drop(cluster.peer(1).run(["forget", "a", "--force"]).expect(0));
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
            let refused = peer.run(get.into_iter().chain(["--dry-run"])).expect(2);
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

#[test]
fn files_of_other_programs_are_known_by_other_names_too() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let file = cluster.path("file");
    harness::content::write(&file, MIB, 1)?;
    add(cluster.peer(0), &file, "file", 0);
    // Databases say whose they are once their log is in them.
    cluster.peer_mut(1).program.stop()?;
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    let (peer, other) = (cluster.peer(0), cluster.peer(1).data_dir());
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    for name in ["http-token", "node.json", "index.db"] {
        let link = tree.join(name);
        fs::hard_link(other.join(name), &link)?;
        for dry in [&[][..], &["--dry-run"]] {
            let add = ["add", text(&link), "--name", "own"];
            let refused = peer.run(add.iter().chain(dry)).expect(2);
            assert!(refused.stderr.contains("data directory"), "{}", refused.stderr);
            let get = ["get", "file", "--force", "--output", text(&link)];
            let refused = peer.run(get.iter().chain(dry)).expect(2);
            assert!(refused.stderr.contains("data directory"), "{}", refused.stderr);
        }
    }
    let listed = peer.run(["add", text(&tree), "--name", "own"]).expect(2).stderr;
    for name in ["http-token", "node.json", "index.db"] {
        assert!(listed.contains(name), "{listed}");
    }
    // A link that is followed leads there no more than a path.
    let around = cluster.path("around");
    fs::create_dir(&around)?;
    for inside in ["http-token", "contents"] {
        std::os::unix::fs::symlink(other.join(inside), around.join(inside))?;
    }
    let follow = ["add", text(&around), "--name", "own", "--links", "follow"];
    let refused = peer.run(follow).expect(2).stderr;
    assert!(
        refused.contains("http-token") && refused.contains("contents"),
        "{refused}"
    );
    // Commands of other programs.
    let (tracker, inside) = (cluster.path("tracker"), other.join("inside"));
    let backup = ["backup", text(&inside), "--data-dir", text(&tracker)];
    let refused = run("tracker", &backup).expect(2).stderr;
    assert!(refused.contains("data directory"), "{refused}");
    for program in ["peer", "tracker", "webserver"] {
        let refused = run(program, &["man", text(&inside)]).expect(2).stderr;
        assert!(refused.contains("data directory"), "{program}: {refused}");
    }
    assert!(!inside.exists());
    Ok(())
}

#[test]
fn a_dry_run_of_get_is_refused_as_the_get_would_be() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    let (file, tree) = (cluster.path("file"), cluster.path("tree"));
    harness::content::write(&file, MIB, 1)?;
    fs::create_dir(&tree)?;
    fs::write(tree.join("small"), "small")?;
    add(publisher, &file, "file", 0);
    add(publisher, &tree, "tree", 0);
    let (taken, same) = (cluster.path("taken"), cluster.path("same"));
    fs::write(&taken, "other bytes")?;
    fs::copy(&file, &same)?;
    let missing = cluster.path("missing").join("file");
    for (name, output, force, code) in [
        ("file", &taken, &[][..], 5),
        ("file", &same, &[], 0),
        ("file", &missing, &[], 2),
        ("tree", &taken, &[], 2),
        ("file", &taken, &["--force"], 0),
    ] {
        let get = ["get", name, "--output", text(output)];
        let dry = reader.run(get.iter().chain(force).chain(&["--dry-run"]));
        let real = reader.run(get.iter().chain(force));
        assert_eq!(
            (dry.code, real.code),
            (code, code),
            "{get:?}: {} {}",
            dry.stderr,
            real.stderr
        );
    }
    let get = ["get", "file", "--output", text(&same), "--dry-run", "--json"];
    assert_eq!(publisher.run(get).expect(0).json()["bytes"], 0);
    Ok(())
}

#[test]
fn a_publication_refused_in_the_background_is_shown_until_resolved() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let [taken, mine] = ["taken", "mine"].map(|name| cluster.path(name));
    harness::content::write(&taken, MIB, 1)?;
    harness::content::write(&mine, MIB, 2)?;
    add(cluster.peer(0), &taken, "taken", 0);
    cluster.tracker.stop()?;
    // Nobody can say yet that the name is taken.
    drop(
        cluster
            .peer(1)
            .run(["add", text(&mine), "--name", "taken"])
            .expect(0),
    );
    cluster.tracker.restart()?;
    let refused = |peer: &Peer| peer.status()["refused_publications"].as_u64();
    let is_refused = |count: &Option<u64>| *count == Some(1);
    eventually("the refusal", PATIENCE, || refused(cluster.peer(1)), is_refused)?;
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    let peer = cluster.peer(1);
    assert_eq!(refused(peer), Some(1), "it survives a restart");
    let listed = kept(peer).remove(0);
    assert_eq!(listed["refused"][0]["name"], "taken", "{listed}");
    let shown = peer.run(["list", "--local"]).expect(0).stdout;
    assert!(shown.contains("refused the name taken: "), "{shown}");
    let status = peer.run(["status"]).expect(0).stdout;
    assert!(status.contains("list --local"), "{status}");
    add(peer, &mine, "another", 0);
    assert_eq!(refused(peer), Some(0), "it has a name now");
    Ok(())
}

#[test]
fn forget_means_the_content_that_is_here_under_the_name() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let [one, same, own] = ["one", "same", "own"].map(|name| cluster.path(name));
    harness::content::write(&one, MIB, 1)?;
    fs::copy(&one, &same)?;
    harness::content::write(&own, MIB, 3)?;
    let (peer, other) = (cluster.peer(0), cluster.peer(1));
    add(peer, &one, "one", 0);
    add(other, &same, "theirs", 0);
    add(peer, &own, "shared", 0);
    // The name means other bytes in the network by now, and those are here as "one".
    let update = [
        "add",
        text(&same),
        "--name",
        "shared",
        "--update",
        "--replicas",
        "1",
    ];
    drop(other.run(update).expect(0));
    let refused = peer.run(["forget", "theirs", "--force"]).expect(5).stderr;
    assert!(refused.contains("forget one"), "{refused}");
    drop(peer.run(["forget", "shared", "--force"]).expect(0));
    let names: Vec<Value> = kept(peer).into_iter().map(|held| held["name"].clone()).collect();
    assert_eq!(names, ["one"]);
    Ok(())
}
