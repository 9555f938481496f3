//! Shared files that are away for a while.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use harness::{Cluster, Peer, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, get, publish, text, wait_for_replicas};

/// Waits until the node says of so many files that they are away for this reason.
fn wait_for_absence(peer: &Peer, absence: &str, count: u64) -> Result<Value> {
    let told = || peer.status()["suspended"].clone();
    eventually(absence, PATIENCE, told, |files| files[absence] == count)
}

/// Returns the codes of the reasons that a node gives.
fn reasons(peer: &Peer, name: &str) -> Vec<String> {
    let why = peer.run(["why", name, "--json"]).expect(0).json();
    let reasons = why["reasons"].as_array().expect("reasons");
    let code = |reason: &Value| reason["code"].as_str().expect("a code").to_owned();
    reasons.iter().map(code).collect()
}

#[test]
fn a_file_that_is_renamed_and_back_counts_again() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let path = publish(&cluster, 0, "data", MIB, 2)?;
    let peer = cluster.peer(0);
    wait_for_replicas(peer, "data", 2, &[])?;
    let aside = cluster.path("aside");
    fs::rename(&path, &aside)?;
    let told = wait_for_absence(peer, "gone", 1)?;
    assert_eq!(told["first"][0]["path"], text(&path));
    wait_for_replicas(peer, "data", 1, &[])?;
    // Also where another peer is asked.
    for asked in [peer, cluster.peer(1)] {
        let told = || reasons(asked, "data");
        eventually("a reason", PATIENCE, told, |codes| {
            codes.contains(&"file_away".to_owned())
        })?;
    }
    let shown = peer.run(["status"]).expect(0).stdout;
    assert!(shown.contains("gone for"), "{shown}");
    let listed = peer.run(["list", "--local", "--json"]).expect(0).json();
    assert_eq!(listed["contents"][0]["absence"], "gone");
    // Another file in its place, of the same size and age, is not passed off as it.
    let other = fs::read(&aside)?.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    fs::write(&path, other)?;
    fs::File::options()
        .write(true)
        .open(&path)?
        .set_modified(fs::metadata(&aside)?.modified()?)?;
    wait_for_absence(peer, "changed", 1)?;
    assert_same(&aside, &get(&cluster, cluster.peer(1), "data"));

    fs::rename(&aside, &path)?;
    wait_for_absence(peer, "changed", 0)?;
    wait_for_replicas(peer, "data", 2, &[])?;
    assert!(!reasons(peer, "data").contains(&"file_away".to_owned()));
    Ok(())
}

/// A directory that is mounted at another place until this is dropped.
struct Disk<'a> {
    files: &'a Path,
    at: &'a Path,
}

impl<'a> Disk<'a> {
    fn new(files: &'a Path, at: &'a Path) -> Result<Self> {
        fs::create_dir(files)?;
        fs::create_dir(at)?;
        let disk = Self { files, at };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        let mut mount = Command::new("mount");
        let mounted = mount.arg("--bind").args([self.files, self.at]).status()?;
        ensure!(mounted.success(), "cannot mount at {}", self.at.display());
        Ok(())
    }

    /// Takes the disk away, also from a program that has a file open.
    fn unmount(&self) -> Result<()> {
        let mut unmount = Command::new("umount");
        let unmounted = unmount
            .arg("--lazy")
            .arg(self.at)
            .stderr(Stdio::null())
            .status()?;
        ensure!(unmounted.success(), "cannot unmount {}", self.at.display());
        Ok(())
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // It may be unmounted already.
        drop(self.unmount());
    }
}

#[test]
#[ignore = "needs root, to mount a disk"]
fn a_disk_that_is_unmounted_and_back_is_shared_again() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let (files, at) = (cluster.path("files"), cluster.path("disk"));
    let disk = Disk::new(&files, &at)?;
    // A large file and packs of small ones.
    fs::create_dir(at.join("many"))?;
    for n in 0..20 {
        harness::content::write(&at.join(format!("many/{n}")), 5_000 + n, n)?;
    }
    harness::content::write(&at.join("many/large"), 20 * MIB, 7)?;
    let directory = at.join("many");
    let add = ["add", text(&directory), "--name", "many", "--replicas", "2"];
    let added = cluster
        .peer(0)
        .run(add.into_iter().chain(["--wait", "60s"]))
        .expect(0);
    assert_eq!(added.code, 0);
    disk.unmount()?;
    wait_for_absence(cluster.peer(0), "gone", 1)?;
    assert!(reasons(cluster.peer(0), "many").contains(&"file_away".to_owned()));

    // The node starts while the disk is away.
    cluster.peer_mut(0).program.stop()?;
    cluster.peer_mut(0).program.restart()?;
    wait_for_absence(cluster.peer(0), "gone", 1)?;
    disk.mount()?;
    wait_for_absence(cluster.peer(0), "gone", 0)?;
    wait_for_replicas(cluster.peer(0), "many", 2, &[])?;

    // It is the only one that is left.
    cluster.peer_mut(1).program.kill();
    let copy = get(&cluster, cluster.peer(0), "many");
    assert_same(&directory.join("large"), &copy.join("large"));
    Ok(())
}
