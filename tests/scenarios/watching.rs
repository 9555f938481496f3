//! Watching changes while the followed tracker or peer goes away.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use harness::{Cluster, content};
use rustix::process::{Pid, Signal};
use serde_json::Value;

#[test]
fn neither_a_dead_node_nor_a_restarted_tracker_hides_or_doubles_an_event() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    // The time only bounds the story.
    let watch = ["watch", "--json", "--timeout", "120s"];
    let mut watching = cluster.peer(1).command(watch).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(watching.stdout.take().context("piped")?).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the watch has ended")??;
        Ok(serde_json::from_str(&line)?)
    };
    assert_eq!(next()?["event"], "watching");
    let add = |cluster: &Cluster, name: &str| -> Result<()> {
        let path = cluster.path(name);
        content::write(&path, 100_000, 1)?;
        let add = [
            "add",
            path.to_str().context("text")?,
            "--name",
            name,
            "--replicas",
            "1",
        ];
        drop(cluster.peer(0).run(add).expect(0));
        Ok(())
    };
    add(&cluster, "before")?;
    let mut told = Vec::new();
    // Names in order, and interruptions; peers come and go meanwhile.
    let mut until = |name: &str| -> Result<()> {
        loop {
            let event = next()?;
            let kind = event["event"].as_str().context("a kind")?.to_owned();
            match kind.as_str() {
                "published" | "removed" => {
                    let about = event["name"].as_str().context("a name")?;
                    told.push(format!("{kind} {about}"));
                    assert_eq!(event["missed"].as_u64().unwrap_or_default(), 0, "{event}");
                    if about == name {
                        return Ok(());
                    }
                }
                "interrupted" => told.push(format!("{kind} {} {}", event["restarted"], event["gap"])),
                _ => {}
            }
        }
    };
    until("before")?;
    // No program is left that could report this to the watcher, and the tracker that knew it dies.
    cluster.peer_mut(1).program.kill();
    add(&cluster, "meanwhile")?;
    drop(cluster.peer(0).run(["remove", "meanwhile"]).expect(0));
    cluster.tracker.kill();
    cluster.tracker.restart()?;
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    add(&cluster, "after")?;
    until("after")?;
    let expected = [
        "published before",
        "interrupted true false",
        "published meanwhile",
        "removed meanwhile",
        "published after",
    ];
    assert_eq!(told, expected);
    rustix::process::kill_process(Pid::from_child(&watching), Signal::INT)?;
    assert_eq!(watching.wait()?.code(), Some(130));
    Ok(())
}
