//! A node whose own copy is spoiled gets the content from the others, like any other node.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use harness::{Cluster, content, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, publish, rot, text, wait_for_replicas};

/// Changes a file of the user's at its beginning.
fn change(path: &Path) -> Result<()> {
    let file = fs::File::options().write(true).open(path)?;
    Ok(file.write_all_at(b"changed by its user", 0)?)
}

#[test]
fn a_changed_file_is_got_from_the_others() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let publisher = cluster.peer(0);
    for (name, output) in [("file", "-"), ("other", "")] {
        let path = publish(&cluster, 0, name, 3 * MIB, 2)?;
        let digest = content::sha256(&path)?;
        let copy = cluster.path("copy");
        change(&path)?;
        if output == "-" {
            // The node has not noticed yet: it does when it reads the file.
            let got = publisher.command(["get", name, "--output", "-"]).output()?;
            assert_eq!(
                got.status.code(),
                Some(0),
                "{}",
                String::from_utf8_lossy(&got.stderr)
            );
            fs::write(&copy, got.stdout)?;
        } else {
            drop(
                publisher
                    .run(["get", name, "--output", text(&copy), "--force"])
                    .expect(0),
            );
        }
        assert_eq!(content::sha256(&copy)?, digest, "{name}");
        assert_ne!(
            content::sha256(&path)?,
            digest,
            "the user's file stays as the user wants it"
        );
    }
    Ok(())
}

#[test]
fn a_rotten_directory_is_got_from_the_others() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    content::write(&tree.join("large"), 3 * MIB, 7)?;
    for n in 0..4 {
        content::write(&tree.join(format!("small{n}")), 30_000, n)?;
    }
    let digest = content::sha256(&tree.join("large"))?;
    let publisher = cluster.peer(0);
    let add = ["add", text(&tree), "--replicas", "2", "--wait", "60s"];
    drop(publisher.run(add).expect(0));
    wait_for_replicas(publisher, "tree", 2, &[])?;
    assert!(rot(publisher)? >= 2, "a catalog and a pack");
    change(&tree.join("large"))?;
    let copy = cluster.path("copy");
    drop(publisher.run(["get", "tree", "--output", text(&copy)]).expect(0));
    assert_eq!(content::sha256(&copy.join("large"))?, digest);
    for n in 0..4 {
        let name = format!("small{n}");
        assert_eq!(fs::read(copy.join(&name))?, fs::read(tree.join(&name))?);
    }
    // Repaired by the way.
    let verify = || publisher.run(["verify", "tree", "--json"]);
    let is_well = |verified: &harness::Outcome| verified.code == 0;
    drop(eventually("the copies are right", PATIENCE, verify, is_well)?);
    Ok(())
}

#[test]
fn a_fetch_in_vain_leaves_no_record() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("small"), b"small")?;
    let add = ["add", text(&tree), "--replicas", "1"];
    drop(cluster.peer(0).run(add).expect(0));
    cluster.peer_mut(0).program.kill();
    let reader = cluster.peer(1);
    let listed = || {
        let listed = reader.run(["list", "--local", "--json"]).expect(0).json();
        listed["contents"].as_array().cloned().unwrap_or_default()
    };
    // The catalog is nowhere, and the user gives up.
    let mut asking = reader.command(["why", "tree/small"]);
    let mut asking = asking.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let begun = eventually("the catalog is looked for", PATIENCE, listed, |all| {
        !all.is_empty()
    });
    asking.kill()?;
    asking.wait()?;
    drop(begun?);
    let is_empty = |all: &Vec<Value>| all.is_empty();
    drop(eventually("the record goes", 2 * PATIENCE, listed, is_empty)?);
    assert_eq!(reader.status()["contents"], 0);
    Ok(())
}
