//! A peer whose index is damaged after a kill gets a new one, and the network counts its copies again.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::{Cluster, keepers};
use shared::own_data::KEY_FILE;

use crate::{assert_same, get, id_of, keepers_of_the_first, publish, wait_for_replicas};

/// Returns the log that a kill has left beside a peer's index.
fn log(cluster: &Cluster, peer: usize) -> PathBuf {
    cluster.peer(peer).data_dir().join("index.db-wal")
}

/// Asserts that the node does not start, and that it says what to do.
fn refuses_to_start(cluster: &mut Cluster, peer: usize) {
    let told = cluster
        .peer_mut(peer)
        .program
        .restart()
        .expect_err("it is damaged");
    let told = told.to_string();
    assert!(told.contains("`peer rebuild-index`"), "{told}");
}

/// Kills a peer, and removes its index and those that were put aside.
fn remove_index(cluster: &mut Cluster, peer: usize) {
    cluster.peer_mut(peer).program.kill();
    for end in [
        "",
        "-wal",
        "-shm",
        "-running",
        ".damaged",
        ".damaged-wal",
        ".damaged-running",
    ] {
        let file = cluster.peer(peer).data_dir().join(format!("index.db{end}"));
        drop(fs::remove_file(file));
    }
}

#[test]
fn a_peer_with_a_damaged_log_is_itself_again_after_a_rebuild() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).start()?;
    let file = publish(&cluster, 0, "data", 2_000_000, 3)?;
    let id = id_of(cluster.peer(1));
    let running = cluster.peer(1).run(["rebuild-index"]).expect(5);
    assert!(running.stderr.contains("a node runs on it"), "{}", running.stderr);

    cluster.peer_mut(1).program.kill();
    let mut bytes = fs::read(log(&cluster, 1))?;
    bytes[20] ^= 1;
    fs::write(log(&cluster, 1), bytes)?;
    refuses_to_start(&mut cluster, 1);
    let rebuilt = cluster.peer(1).run(["rebuild-index", "--json"]).expect(0).json();
    assert_eq!(rebuilt["id"], id);
    assert_eq!(
        (&rebuilt["is_new_id"], &rebuilt["contents"]),
        (&false.into(), &1.into())
    );
    assert_eq!(rebuilt["lost"]["files"], 0);
    let aside = rebuilt["moved"].as_str().context("the old index")?;
    assert!(fs::exists(aside)? && fs::exists(format!("{aside}-wal"))?);
    cluster.peer_mut(1).program.restart()?;
    wait_for_replicas(cluster.peer(0), "data", 3, &[])?;
    assert!(keepers_of_the_first(cluster.peer(0), "data").contains(&id));

    // Without any index the key tells who the peer is; without the key it is another one, with the same copy.
    remove_index(&mut cluster, 1);
    refuses_to_start(&mut cluster, 1);
    let rebuilt = cluster.peer(1).run(["rebuild-index", "--json"]).expect(0).json();
    assert_eq!(
        (&rebuilt["id"], &rebuilt["is_new_id"]),
        (&id.clone().into(), &false.into())
    );
    cluster.peer_mut(1).program.restart()?;
    wait_for_replicas(cluster.peer(0), "data", 3, &[])?;
    remove_index(&mut cluster, 1);
    fs::remove_file(cluster.peer(1).data_dir().join(KEY_FILE))?;
    refuses_to_start(&mut cluster, 1);
    let rebuilt = cluster.peer(1).run(["rebuild-index"]).expect(0);
    assert!(
        rebuilt.stderr.contains("the network takes it for a new peer"),
        "{}",
        rebuilt.stderr
    );
    cluster.peer_mut(1).program.restart()?;
    let fresh = id_of(cluster.peer(1));
    assert_ne!(fresh, id);
    wait_for_replicas(cluster.peer(0), "data", 3, &[id])?;
    let all = keepers(&cluster.peer(0).locate("data"));
    assert!(all.iter().all(|keepers| keepers.contains(&fresh)), "{all:?}");
    cluster.peer_mut(0).program.kill();
    cluster.peer_mut(2).program.kill();
    assert_same(&file, &get(&cluster, cluster.peer(1), "data"));
    Ok(())
}
