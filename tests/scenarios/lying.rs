//! Bytes rot on disk; no reader receives a wrong one.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::{Cluster, eventually, keepers};
use serde_json::Value;

use crate::{
    MIB, PATIENCE, all_below, assert_same, get, id_of, keepers_of_the_first, publish, text, wait_for_replicas,
};

/// The data files of a peer's store.
pub(crate) fn data_files(data_dir: &Path) -> Vec<PathBuf> {
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "data");
    let all = all_below(&data_dir.join("contents")).into_iter();
    all.filter(is_data).collect()
}

/// Damages every fragment of the only replica of 4 MiB in a store, behind the peer's back.
fn spoil(data_dir: &Path) -> Result<()> {
    let files = data_files(data_dir);
    assert_eq!(files.len(), 1, "{files:?}");
    let file = fs::File::options().read(true).write(true).open(&files[0])?;
    for at in (0..4 * MIB).step_by(32 << 10) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ 0x40], at)?;
    }
    Ok(())
}

#[test]
fn whoever_keeps_a_rotten_replica_gets_the_right_bytes_all_the_same() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "data", 4 * MIB, 2)?;
    spoil(cluster.peer(1).data_dir())?;
    let copy = get(&cluster, cluster.peer(1), "data");
    assert_same(&original, &copy);
    Ok(())
}

#[test]
fn a_rotten_replica_never_reaches_a_reader_and_is_replaced() -> Result<()> {
    let mut cluster = Cluster::builder().peers(4).start()?;
    let original = publish(&cluster, 0, "data", 4 * MIB, 2)?;
    let ids: Vec<_> = (0..4).map(|number| id_of(cluster.peer(number))).collect();
    let holding = keepers_of_the_first(cluster.peer(0), "data");
    let holder = (1..4)
        .find(|number| holding.contains(&ids[*number]))
        .expect("an assigned holder");
    spoil(cluster.peer(holder).data_dir())?;
    let reader = (1..4).find(|number| *number != holder).expect("another peer");
    // The publisher cannot be done before the other one is asked.
    drop(cluster.peer(0).run(["limit", "--upload", "64KiB"]).expect(0));
    let copy = cluster.path("copy");
    let line = ["get", "data", "--quiet", "--output", text(&copy)];
    let mut getting = cluster.peer(reader).command(line).spawn()?;
    let liars = |status: &Value| -> Vec<Value> {
        let culprits = status["culprits"].as_array().cloned().unwrap_or_default();
        culprits
            .into_iter()
            .filter(|culprit| culprit["offence"] == "lied")
            .collect()
    };
    let ask = || cluster.peer(reader).status();
    let status = eventually("the lie to be told of", PATIENCE, ask, |status| {
        !liars(status).is_empty() && status["bytes_wasted"].as_u64() > Some(0)
    })?;
    let liars = liars(&status);
    assert_eq!(liars.len(), 1, "{status}");
    assert_eq!(
        liars[0]["id"],
        ids[holder].as_str(),
        "the one with the rotten copy is named"
    );
    assert_eq!(liars[0]["addr"], cluster.peer(holder).program.address());
    // The holder knows of the damage from the reader, or finds it when asked to verify.
    let verified = cluster.peer(holder).run(["verify", "--json"]).expect(8);
    assert!(verified.stdout.contains("damaged"), "{}", verified.stdout);
    drop(cluster.peer(0).run(["limit", "--upload", "none"]).expect(0));
    assert!(getting.wait()?.success());
    assert_same(&original, &copy);
    // The damaged replica is withdrawn and repaired from the publisher. (The reader's own copy is no
    // replica.) What the tracker says of a keeper is compared with what it says itself: a withdrawal takes a
    // moment.
    let repaired = || {
        let located = cluster.peer(0).locate("data");
        let here = |keeper: &String| {
            let number = ids.iter().position(|id| id == keeper).expect("one of ours");
            let held = cluster.peer(number).run(["list", "--local", "--json"]).expect(0);
            held.json()["contents"][0]["fragments_held"] == located["fragment_count"]
        };
        let keepers = keepers(&located);
        keepers.iter().all(|ids| ids.len() >= 2) && keepers[0].iter().all(here)
    };
    eventually("the repair", PATIENCE, repaired, |done| *done)?;
    // Now the publisher dies: the repaired replicas must suffice.
    cluster.peer_mut(0).program.kill();
    let newcomer = cluster.add_peer(None)?;
    let copy = get(&cluster, cluster.peer(newcomer), "data");
    assert_same(&original, &copy);
    Ok(())
}

#[test]
fn a_published_file_that_changes_is_withdrawn_and_never_served_wrong() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let original = publish(&cluster, 0, "data", 2 * MIB, 2)?;
    let before = cluster.path("before");
    fs::copy(&original, &before)?;
    fs::write(&original, b"something else entirely")?;
    let copy = get(&cluster, cluster.peer(2), "data");
    assert_same(&before, &copy);
    // Sooner or later the publisher looks at its file. It may be assigned a copy of its own then, elsewhere.
    let ask = || {
        cluster
            .peer(0)
            .run(["list", "--local", "--json"])
            .expect(0)
            .json()
    };
    let shares_it = |listed: &serde_json::Value| {
        listed["contents"].as_array().is_some_and(|contents| {
            let is_original =
                |content: &&serde_json::Value| content["path"].as_str().map(Path::new) == Some(&original);
            contents
                .iter()
                .filter(is_original)
                .any(|content| content["fragments_held"] != 0)
        })
    };
    eventually("the changed file to be withdrawn", PATIENCE, ask, |listed| {
        !shares_it(listed)
    })?;
    wait_for_replicas(cluster.peer(1), "data", 2, &[])?;
    assert_eq!(
        fs::read(&original)?,
        b"something else entirely",
        "the user's file is the user's"
    );
    Ok(())
}
