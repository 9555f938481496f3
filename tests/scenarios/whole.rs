//! A directory is its catalog and all of its parts, for every question about it; and what is inside has
//! names.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::{Cluster, Peer, eventually};
use serde_json::{Value, json};

use crate::{MIB, PATIENCE, rot, text};

fn ask<const N: usize>(peer: &Peer, arguments: [&str; N]) -> Value {
    peer.run(arguments).expect(0).json()
}

/// Plants a directory with a large file, a small one, and names that only a directory can have.
fn plant(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join("d"))?;
    fs::write(root.join("d/small"), vec![1; 20_000])?;
    fs::write(root.join("d/x:y"), b"colon")?;
    fs::write(root.join("d/back\\slash"), b"backslash")?;
    harness::content::write(&root.join("large"), 3 * MIB, 7)?;
    Ok(())
}

const LENGTH: u64 = 3 * MIB + 20_000 + 5 + 9;

/// Starts a publisher and a reader, with the planted directory published as `tree`, with one replica.
fn published() -> Result<(Cluster, PathBuf)> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    plant(&tree)?;
    let add = ["add", text(&tree), "--replicas", "1", "--wait", "60s"];
    drop(cluster.peer(0).run(add).expect(0));
    Ok((cluster, tree))
}

#[test]
fn every_answer_about_a_directory_is_of_all_of_it() -> Result<()> {
    let (mut cluster, tree) = published()?;
    let copy = cluster.path("copy");
    let reader = cluster.peer(1);
    let plan = ask(reader, ["get", "tree", "--dry-run", "--json"]);
    assert_eq!(
        (&plan["length"], &plan["bytes"], &plan["here"]),
        (&json!(LENGTH), &json!(LENGTH), &json!(0))
    );
    drop(reader.run(["get", "tree", "--output", text(&copy)]).expect(0));
    let plan = ask(reader, ["get", "tree", "--dry-run", "--json"]);
    assert_eq!((&plan["bytes"], &plan["here"]), (&json!(0), &json!(LENGTH)));

    let listed = ask(reader, ["list", "--json"]);
    assert_eq!(listed["names"][0]["length"], LENGTH);
    // A reader announces the catalog, the packs and the files as they come: a holder of some of them is one
    // already.
    let are_known = |located: &Value| {
        let peers = located["peers"].as_array().expect("peers");
        let has_all = |peer: &Value| peer["fragments_held"] == located["fragment_count"];
        peers.len() == 2 && peers.iter().all(has_all)
    };
    let located = eventually("both to hold all", PATIENCE, || reader.locate("tree"), are_known)?;
    assert_eq!(located["holder_count"], 2);
    assert_eq!(
        (&located["length"], &located["directory"]),
        (&json!(LENGTH), &json!(true))
    );
    assert_eq!(
        (&located["keeper_count"], &located["fewest"]),
        (&json!(1), &json!(1)),
        "a copy is no replica"
    );
    for peer in located["peers"].as_array().expect("peers") {
        assert_eq!(peer["keeps"], peer["fragments_kept"] != 0);
    }
    let survives = ask(reader, ["durability", "tree", "--json"]);
    assert_eq!(
        (&survives["keepers"], &survives["sources"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(survives["extent"]["contents"], located["contents"]);

    // Rot anywhere in it is damage of it; the publisher's catalog and packs are read as well.
    let publisher = cluster.peer(0);
    let verified = publisher.run(["verify", "tree", "--json"]).expect(0).json();
    assert!(
        verified["done"].as_u64().is_some_and(|done| done > LENGTH),
        "{verified}"
    );
    assert!(rot(publisher)? >= 2, "a catalog and a pack");
    let damaged = publisher.run(["verify", "tree"]).expect(8);
    assert!(damaged.stderr.contains("damaged"), "{}", damaged.stderr);

    // With the reader and the large file gone, the directory cannot be had, and says so.
    cluster.peer_mut(1).program.stop()?;
    fs::remove_file(tree.join("large"))?;
    let publisher = cluster.peer(0);
    drop(publisher.run(["verify", "tree"]));
    let is_gone = |why: &Value| why["state"] == "unavailable";
    let ask_why = || ask(publisher, ["why", "tree", "--json"]);
    let why = eventually("the loss is known", PATIENCE, ask_why, is_gone)?;
    assert_eq!(why["reasons"][0]["code"], "no_source", "{why}");
    assert_eq!(
        ask(publisher, ["durability", "tree", "--json"])["state"],
        "unavailable"
    );
    assert_eq!(
        ask(publisher, ["list", "--json"])["names"][0]["state"],
        "unavailable"
    );
    Ok(())
}

#[test]
fn what_is_inside_a_directory_can_be_named() -> Result<()> {
    let (cluster, _) = published()?;
    let reader = cluster.peer(1);
    for (path, bytes) in [
        ("tree/d/x:y", "colon"),
        ("tree/d/back\\slash", "backslash"),
        ("tree@1/d/x:y", "colon"),
    ] {
        let output = cluster.path("one");
        drop(
            reader
                .run(["get", path, "--output", text(&output), "--force"])
                .expect(0),
        );
        assert_eq!(fs::read_to_string(&output)?, bytes, "{path}");
        assert_eq!(reader.run(["get", path, "--output", "-"]).expect(0).stdout, bytes);
        assert_eq!(
            ask(reader, ["locate", path, "--json"])["contents"],
            2,
            "its catalog and its pack"
        );
        assert_eq!(ask(reader, ["why", path, "--json"])["state"], "replicated");
        assert_eq!(
            ask(reader, ["durability", path, "--json"])["extent"]["contents"],
            2
        );
        assert_eq!(
            ask(reader, ["get", path, "--dry-run", "--json"])["length"],
            bytes.len()
        );
        assert_eq!(reader.run(["list", path]).expect(0).stdout.lines().count(), 1);
        drop(reader.run(["verify", path]).expect(0));
        let forget = reader.run(["forget", path]).expect(5);
        assert!(forget.stderr.contains("as a whole"), "{}", forget.stderr);
    }
    for command in ["get", "locate", "why", "durability", "list", "verify", "forget"] {
        let missing = reader.run([command, "tree/d/none:here"]);
        assert!(
            [3, 5].contains(&missing.code),
            "{command}: {} {}",
            missing.code,
            missing.stderr
        );
        assert_eq!(
            missing.code == 5,
            command == "forget",
            "{command}: {}",
            missing.stderr
        );
    }
    Ok(())
}

#[test]
fn a_path_inside_has_a_size_of_its_own() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    plant(&tree)?;
    let publisher = cluster.peer(0);
    let added = publisher
        .run(["add", text(&tree), "--replicas", "1", "--json"])
        .expect(0);
    let done = added.json();
    assert_eq!((&done["length"], &done["files"]), (&json!(LENGTH), &json!(4)));
    assert_eq!(
        done["contents"], 3,
        "its catalog, a pack and a large file: {done}"
    );
    assert!(done["fragments"].as_u64().is_some_and(|all| all > 3), "{done}");
    let again = publisher.run(["add", text(&tree), "--replicas", "1"]).expect(0);
    assert!(again.stdout.contains("in 4 files"), "{}", again.stdout);

    let reader = cluster.peer(1);
    for (path, length) in [
        ("tree/d/x:y", 5),
        ("tree/d", 20_014),
        ("tree/large", 3 * MIB),
        ("tree", LENGTH),
    ] {
        assert_eq!(
            ask(reader, ["locate", path, "--json"])["length"],
            length,
            "{path}"
        );
        let plan = ask(reader, ["get", path, "--dry-run", "--json"]);
        assert_eq!(plan["length"], length, "{path}");
    }
    let located = reader.run(["locate", "tree/d/x:y"]).expect(0);
    assert!(
        located.stdout.contains("tree/d/x:y  revision 1  5 B"),
        "{}",
        located.stdout
    );
    Ok(())
}

#[test]
fn parts_that_are_not_here_are_not_verified_silently() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (tree, copy) = (cluster.path("tree"), cluster.path("copy"));
    plant(&tree)?;
    let publisher = cluster.peer(0);
    drop(publisher.run(["add", text(&tree), "--replicas", "1"]).expect(0));
    let reader = cluster.peer(1);
    let some = ["get", "tree", "--output", text(&copy), "--include", "d/**"];
    drop(reader.run(some).expect(0));
    let verify = |peer: &Peer, what: &str, code: i32| {
        let outcome = peer.run(["verify", what, "--json"]).expect(code);
        let mut lines = outcome
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let done = lines.find(|line| line["event"] == "done").expect("a result");
        (done["damaged"].as_u64(), done["missing"].as_u64())
    };
    for what in ["tree", "tree@1", "tree/large"] {
        assert_eq!(verify(reader, what, 7), (Some(0), Some(3 * MIB)), "{what}");
    }
    for what in ["tree/d", "tree/d/small", "tree@1/d/x:y"] {
        assert_eq!(verify(reader, what, 0), (Some(0), Some(0)), "{what}");
    }
    let told = reader.run(["verify", "tree"]).expect(7);
    assert!(
        told.stderr.contains("3.0 MiB of it is not here"),
        "{}",
        told.stderr
    );
    let told = reader.run(["verify", "tree", "--lang", "es"]).expect(7);
    assert!(told.stderr.contains("no está aquí"), "{}", told.stderr);
    // The node lacks nothing of what it holds.
    drop(reader.run(["verify"]).expect(0));

    // The user's own file goes: it is not here, and nothing is known to be damaged.
    fs::remove_file(tree.join("large"))?;
    assert_eq!(verify(publisher, "tree", 7), (Some(0), Some(3 * MIB)));
    assert_eq!(verify(publisher, "tree/d/small", 0), (Some(0), Some(0)));
    Ok(())
}

/// Rot in another fragment of a pack is no damage of a file, and no loss.
#[test]
fn a_file_is_judged_by_the_fragments_that_it_is_in() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    fs::create_dir_all(&tree)?;
    for n in 0..8 {
        harness::content::write(&tree.join(format!("file{n}")), 100_000, n)?;
    }
    let peer = cluster.peer(0);
    let add = [
        "add",
        text(&tree),
        "--replicas",
        "1",
        "--fragment-length",
        "64KiB",
    ];
    drop(peer.run(add).expect(0));
    drop(peer.run(["verify", "tree"]).expect(0));
    // Of the pack the first fragment rots; the catalog is spared, because it is short.
    for entry in fs::read_dir(peer.data_dir().join("contents"))? {
        for file in fs::read_dir(entry?.path())? {
            let file = fs::File::options().read(true).write(true).open(file?.path())?;
            if file.metadata()?.len() > 400_000 {
                let mut byte = [0];
                file.read_exact_at(&mut byte, 0)?;
                file.write_all_at(&[byte[0] ^ 0x40], 0)?;
            }
        }
    }
    let codes: Vec<_> = (0..8)
        .map(|n| peer.run(["verify", &format!("tree/file{n}")]).code)
        .collect();
    let (sound, rotten) = (0, 8);
    let count = |wanted: i32| codes.iter().filter(|code| **code == wanted).count();
    assert!(count(rotten) == 1 && count(sound) >= 6, "{codes:?}");
    let reader = cluster.peer(1);
    let is_gone = |why: &Value| why["state"] == "unavailable";
    let ask_why = || ask(reader, ["why", "tree", "--json"]);
    drop(eventually("the loss is known", PATIENCE, ask_why, is_gone)?);
    for (n, code) in codes.iter().enumerate() {
        let path = format!("tree/file{n}");
        let wanted = if *code == sound {
            "replicated"
        } else {
            "unavailable"
        };
        for command in ["why", "durability", "locate"] {
            let answer = ask(reader, [command, &path, "--json"]);
            assert_eq!(answer["state"], wanted, "{command} {path}: {answer}");
        }
        let plan = ask(reader, ["get", &path, "--dry-run", "--json"]);
        assert_eq!(plan["available"], *code == sound, "{path}: {plan}");
        if *code == sound {
            let output = cluster.path("one");
            drop(
                reader
                    .run(["get", &path, "--output", text(&output), "--force"])
                    .expect(0),
            );
            assert_eq!(
                fs::read(&output)?,
                fs::read(tree.join(format!("file{n}")))?,
                "{path}"
            );
        }
    }
    Ok(())
}

#[test]
fn options_without_effect_are_refused() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let file = cluster.path("file");
    fs::write(&file, b"a file")?;
    let file = text(&file);
    drop(peer.run(["add", file, "--replicas", "1"]).expect(0));
    let output = cluster.path("out");
    let refused: [&[&str]; 14] = [
        &["add", file, "--name", "x", "--include", "*"],
        &["add", file, "--name", "x", "--exclude", "*", "--dry-run"],
        &["add", file, "--name", "x", "--links", "keep"],
        &["add", file, "--name", "x", "--case", "keep"],
        &["add", file, "--name", "x", "--skip-unsupported"],
        &["add", "-", "--name", "x", "--skip-unsupported"],
        &["add", "-", "--name", "x", "--include", "*"],
        &["send", file, "--links", "keep"],
        &["get", "file", "--output", text(&output), "--include", "*"],
        &["get", "file", "--output", text(&output), "--exclude", "*.tmp"],
        &[
            "get",
            "file",
            "--output",
            text(&output),
            "--include",
            "*",
            "--dry-run",
        ],
        &["get", "file", "--output", "-", "--include", "*"],
        &["get", "file", "--output", "-", "--force"],
        &["maintenance", "off", "--for", "1h"],
    ];
    for line in refused {
        let refused = peer.run(line.iter().copied()).expect(2);
        assert!(!refused.stderr.contains("Usage:"), "{line:?}: {}", refused.stderr);
    }
    assert!(!output.exists());
    Ok(())
}

#[test]
fn a_dry_run_is_refused_as_the_addition_would_be() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (one, other) = (cluster.path("one"), cluster.path("other"));
    harness::content::write(&one, 300_000, 3)?;
    fs::copy(&one, &other)?;
    let add = ["add", text(&one), "--fragment-length", "64KiB", "--replicas", "1"];
    drop(cluster.peer(0).run(add).expect(0));
    let peer = cluster.peer(1);
    let lines: [(&[&str], i32); 3] = [
        (&["add", text(&other), "--fragment-length", "128KiB"], 5),
        (&["add", "/proc/cpuinfo"], 2),
        (&["add", "/proc/sys/kernel"], 2),
    ];
    for (line, code) in lines {
        let dry = peer.run(line.iter().copied().chain(["--dry-run"]));
        let real = peer.run(line.iter().copied());
        assert_eq!(
            (dry.code, real.code),
            (code, code),
            "{line:?}: {} {}",
            dry.stderr,
            real.stderr
        );
        assert!(!real.stderr.contains("--update"), "{}", real.stderr);
    }
    Ok(())
}

#[test]
fn globs_that_leave_nothing_of_a_directory_are_not_found() -> Result<()> {
    let (cluster, tree) = published()?;
    let reader = cluster.peer(1);
    let out = cluster.path("out");
    for more in [["--include", "none*"], ["--exclude", "*"]] {
        let [option, glob] = more;
        for dry in [&["--dry-run"][..], &[]] {
            let get = ["get", "tree", "--output", text(&out), option, glob];
            let refused = reader.run(get.iter().chain(dry)).expect(3);
            assert!(
                refused.stderr.contains("nothing in the directory is selected"),
                "{}",
                refused.stderr
            );
        }
    }
    let none = cluster
        .peer(0)
        .run(["add", text(&tree), "--name", "other", "--include", "none*"]);
    assert_eq!(none.code, 3, "{}", none.stderr);
    Ok(())
}

#[test]
fn a_name_that_hides_a_path_inside_says_how_to_get_the_path() -> Result<()> {
    let (cluster, tree) = published()?;
    let reader = cluster.peer(1);
    let hiding = cluster.path("hiding");
    fs::write(&hiding, b"hiding")?;
    drop(
        cluster
            .peer(0)
            .run(["add", text(&hiding), "--name", "tree/d/small", "--replicas", "1"])
            .expect(0),
    );
    let output = cluster.path("hidden");
    let get = reader
        .run(["get", "tree/d/small", "--output", text(&output)])
        .expect(0);
    assert_eq!(fs::read(&output)?, b"hiding");
    assert!(get.stderr.contains("tree@1/d/small"), "{}", get.stderr);
    drop(
        reader
            .run(["get", "tree@1/d/small", "--output", text(&output), "--force"])
            .expect(0),
    );
    assert_eq!(fs::read(&output)?, fs::read(tree.join("d/small"))?);
    Ok(())
}

#[test]
fn a_name_that_comes_to_hide_a_path_says_so_at_once() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (tree, file) = (cluster.path("tree"), cluster.path("file"));
    plant(&tree)?;
    drop(
        cluster
            .peer(0)
            .run(["add", text(&tree), "--replicas", "1"])
            .expect(0),
    );
    // This peer has never seen the directory's catalog.
    let peer = cluster.peer(1);
    fs::write(&file, b"hiding")?;
    let add = |name: &str| {
        peer.run(["add", text(&file), "--name", name, "--replicas", "1", "--json"])
            .expect(0)
    };
    let hides = |name: &str, inside: &str| json!([{"name": name, "inside": inside}]);
    let hiding = add("tree/d/small");
    assert_eq!(hiding.json()["hides"], hides("tree/d/small", "tree@1/d/small"));
    assert!(hiding.stdout.contains(r#""event":"hides""#), "{}", hiding.stdout);
    assert_eq!(add("tree/d/none").json()["hides"], json!([]));
    let told = peer.run(["add", text(&file), "--name", "tree/d/small"]).expect(0);
    assert!(told.stderr.contains("tree@1/d/small"), "{}", told.stderr);

    drop(add("other"));
    let renamed = ask(peer, ["rename", "other", "tree/large", "--json"]);
    assert_eq!(renamed["hides"], hides("tree/large", "tree@1/large"));
    // The other way round: the names were there before the directory.
    drop(add("later/large"));
    drop(add("later/none"));
    let later = cluster
        .peer(0)
        .run(["add", text(&tree), "--name", "later", "--json"])
        .expect(0);
    assert_eq!(later.json()["hides"], hides("later/large", "later@1/large"));
    Ok(())
}
