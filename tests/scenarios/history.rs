//! The revisions of a name: how many are kept, and the effect of a pin.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use harness::{Cluster, binaries, content, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, publish};

/// The tracker's settings, with this time after which a revision without a pin goes.
fn settings(history_grace: &str) -> String {
    format!(
        "keep_revisions = 3{}",
        harness::QUICK_TIMING.replacen("1s", history_grace, 1)
    )
}

/// Binds `data` anew to a file of this many bytes.
fn update(cluster: &Cluster, peer: usize, file: &str, length: u64) -> Result<PathBuf> {
    let path = cluster.path(file);
    content::write(&path, length, length)?;
    let text = path.to_str().expect("text");
    let add = [
        "add",
        text,
        "--name",
        "data",
        "--update",
        "--replicas",
        "2",
        "--wait",
        "60s",
    ];
    assert_eq!(cluster.peer(peer).run(add).expect(0).code, 0);
    Ok(path)
}

/// The revisions of `data` as `2 current, 1 kept`.
fn past(cluster: &Cluster) -> String {
    let history = cluster
        .peer(2)
        .run(["history", "data", "--json"])
        .expect(0)
        .json();
    let told = |entry: &Value| format!("{} {}", entry["revision"], entry["state"].as_str().unwrap_or("?"));
    let all: Vec<_> = history["revisions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(told)
        .collect();
    all.join(", ")
}

#[test]
fn a_pinned_revision_outlives_updates_removal_and_the_trackers_death() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).timing(&settings("10m")).start()?;
    let first = publish(&cluster, 0, "data", MIB, 2)?;
    let pinned = cluster.peer(1).run(["pin", "data@1", "--json"]).expect(0).json();
    assert_eq!(
        (&pinned["state"], &pinned["pinned"]),
        (&"current".into(), &true.into())
    );
    let second = update(&cluster, 1, "second", 2 * MIB)?;
    assert_eq!(past(&cluster), "2 current, 1 pinned");
    for command in ["locate", "why", "durability"] {
        let about = cluster
            .peer(2)
            .run([command, "data@1", "--json"])
            .expect(0)
            .json();
        assert_eq!(about["content"], pinned["content"], "{command}");
    }

    // The one before stays for a while, and goes.
    update(&cluster, 0, "third", 3 * MIB)?;
    let early = cluster.path("early");
    let get = ["get", "data@2", "--output", early.to_str().expect("text")];
    assert_eq!(cluster.peer(2).run(get).expect(0).code, 0);
    assert_same(&second, &early);
    std::fs::write(cluster.path("tracker.toml"), settings("1s"))?;
    eventually(
        "revision 2 to be collected",
        PATIENCE,
        || past(&cluster),
        |past| past == "3 current, 2 collected, 1 pinned",
    )?;
    let nothing = cluster.path("nothing");
    let gone = cluster
        .peer(1)
        .run(["get", "data@2", "--output", nothing.to_str().expect("text")])
        .expect(3);
    let says = "revision 2 of \"data\" was collected; revisions 1, 3 are here";
    assert!(gone.stderr.contains(says), "{}", gone.stderr);
    assert_eq!(cluster.peer(1).run(["pin", "data@2"]).expect(3).code, 3);

    assert_eq!(cluster.peer(2).run(["remove", "data"]).expect(0).code, 0);
    let listed = cluster.peer(2).run(["list", "--json"]).expect(0).json();
    assert_eq!(listed["removed_pinned"][0], "data@1", "{listed}");
    cluster.tracker.kill();
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(3)?;
    let number = cluster.add_peer(None)?;
    eventually(
        "revision 3 to be collected",
        PATIENCE,
        || past(&cluster),
        |past| past == "4 removed, 3 collected, 2 collected, 1 pinned",
    )?;
    let late = cluster.path("late");
    let get = ["get", "data@1", "--output", late.to_str().expect("text")];
    assert_eq!(cluster.peer(number).run(get).expect(0).code, 0);
    assert_same(&first, &late);
    let backup = Command::new(binaries::path("tracker"))
        .arg("backup")
        .arg(cluster.path("backup"))
        .arg("--data-dir")
        .arg(cluster.path("tracker"))
        .output()?;
    assert!(
        backup.status.success(),
        "{}",
        String::from_utf8_lossy(&backup.stderr)
    );

    // Without its pin the revision is collected like any other.
    assert_eq!(cluster.peer(0).run(["unpin", "data@1"]).expect(0).code, 0);
    let found = || cluster.peer(1).run(["locate", "data@1"]).code;
    eventually("revision 1 to be let go", PATIENCE, found, |code| *code == 3)?;
    Ok(())
}
