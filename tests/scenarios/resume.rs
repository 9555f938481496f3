//! A fetch that was killed goes on where it was.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use harness::{Cluster, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, publish};

#[test]
fn a_killed_fetch_continues_and_does_not_start_over() -> Result<()> {
    const LENGTH: u64 = 256 * MIB;
    const RATE: u64 = 100_000_000;
    let mut cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "data", LENGTH, 1)?;
    // However quick the machine, there is a middle in which to kill.
    let limit =
        |cluster: &Cluster, rate: &str| drop(cluster.peer(0).run(["limit", "--upload", rate]).expect(0));
    limit(&cluster, &RATE.to_string());
    let output = cluster.path("fetched");
    let get = [
        "get",
        "data",
        "--json",
        "--output",
        output.to_str().expect("text"),
    ];
    let mut fetching = cluster
        .peer(1)
        .command(get)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let lines = BufReader::new(fetching.stdout.take().context("piped")?).lines();
    // Kills the node, not only the command, once enough is durable that starting over would show.
    let mut held = 0;
    for line in lines {
        let line: Value = serde_json::from_str(&line?)?;
        assert_ne!(
            line["event"], "done",
            "the fetch was over before it could be killed"
        );
        held = line["held"].as_u64().unwrap_or(0);
        if held >= LENGTH / 2 {
            break;
        }
    }
    limit(&cluster, "64KiB");
    cluster.peer_mut(1).program.kill();
    assert_ne!(fetching.wait()?.code(), Some(0));
    assert!(!output.exists(), "an output appears only when it is complete");

    cluster.peer_mut(1).program.restart()?;
    limit(&cluster, "none");
    let ask = || cluster.peer(1).run(get);
    let outcome = eventually("the fetch to go through", PATIENCE, ask, |outcome| {
        outcome.code == 0
    })?;
    let started: Value = serde_json::from_str(outcome.stdout.lines().next().context("a first line")?)?;
    let already_held = started["already_held"].as_u64().context("already_held")?;
    assert!(
        already_held >= held,
        "{already_held} of the {held} bytes that were held are still there"
    );
    assert_eq!(outcome.json()["received"].as_u64(), Some(LENGTH - already_held));
    assert_same(&original, &output);
    let sent = cluster.peer(0).status()["bytes_sent"]
        .as_u64()
        .context("bytes_sent")?;
    assert!(
        sent - LENGTH <= RATE,
        "{} bytes were sent again: more than in a second",
        sent - LENGTH
    );
    Ok(())
}
