//! Everything that `--json` prints is as its published schema says.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::schema::Schema;
use harness::{Cluster, Outcome, binaries, content};

use crate::{MIB, publish};

/// Checks every line of stdout.
#[track_caller]
fn check(name: &str, outcome: &Outcome) {
    let schema = Schema::published(name);
    assert!(
        !outcome.stdout.is_empty(),
        "{name}: nothing was printed; {}",
        outcome.stderr
    );
    for line in outcome.stdout.lines() {
        let document = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        if let Err(complaint) = schema.check(&document) {
            panic!("{name}: {complaint}\n{line}");
        }
    }
}

#[test]
fn every_document_is_as_its_schema_says() -> Result<()> {
    let cluster = Cluster::builder().peer_in("here").peers(2).start()?;
    publish(&cluster, 0, "data", 5 * MIB, 2)?;
    let file = cluster.path("other.bin");
    content::write(&file, 3 * MIB, 9)?;
    let directory = cluster.path("tree");
    std::fs::create_dir_all(directory.join("inside"))?;
    std::fs::write(directory.join("inside/a"), b"small")?;
    std::os::unix::fs::symlink("inside/a", directory.join("link"))?;
    let output = cluster.path("copy");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (file, directory, output) = (text(&file), text(&directory), text(&output));
    let peer = cluster.peer(1);
    for (name, line) in [
        (
            "add",
            &["add", &file, "--name", "other", "--replicas", "2", "--wait"][..],
        ),
        ("add", &["add", &directory, "--name", "tree", "--replicas", "2"]),
        ("get", &["get", "data", "--output", &output]),
        ("list", &["list"]),
        ("list-entries", &["list", "tree"]),
        ("list-local", &["list", "--local"]),
        ("locate", &["locate", "data"]),
        ("status", &["status"]),
        ("limit", &["limit", "--upload", "9MB/s"]),
        ("network", &["network"]),
        ("verify", &["verify"]),
        ("replicas", &["replicas", "other", "3"]),
        ("why", &["why", "other"]),
        ("durability", &["durability"]),
        ("durability-of", &["durability", "data"]),
        ("maintenance", &["maintenance", "on"]),
        ("maintenance", &["maintenance", "off"]),
        ("drain", &["drain"]),
        ("maintenance", &["drain", "--cancel"]),
        ("rename", &["rename", "other", "another"]),
        ("forget", &["forget", "data", "--force"]),
        ("remove", &["remove", "another"]),
        ("config-show", &["config", "show"]),
        ("config-check", &["config", "check"]),
    ] {
        check(name, &peer.run(line.iter().copied().chain(["--json"])).expect(0));
    }
    check("error", &peer.run(["get", "no-such-name", "--json"]).expect(3));
    for program in ["tracker", "webserver"] {
        let line = ["config", "show", "--json"];
        let output = Command::new(binaries::path(program)).args(line).output()?;
        check("config-show", &Outcome::from(output).expect(0));
    }
    Ok(())
}
