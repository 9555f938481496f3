//! Small transfers: values, one line from machine to machine, and plans that move nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use harness::{Cluster, content, eventually};
use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::{MIB, PATIENCE, assert_same, publish};

#[test]
fn a_value_is_read_where_it_was_never_put() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let (one, other) = (cluster.peer(0), cluster.peer(2));
    drop(
        one.run(["put", "deploy/color", "blue", "--replicas", "2", "--wait", "60s"])
            .expect(0),
    );
    assert_eq!(other.run(["value", "deploy/color"]).expect(0).stdout, "blue");
    // Binary bytes over standard input replace the value.
    let bytes: Vec<u8> = (0..=255).collect();
    let mut put = one.command(["put", "deploy/color", "-"]);
    let mut child = put.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().context("piped")?.write_all(&bytes)?;
    assert!(child.wait()?.success());
    let mut read = other.command(["value", "deploy/color"]);
    assert_eq!(read.output()?.stdout, bytes);
    let json = other.run(["value", "deploy/color", "--json"]).expect(0).json();
    assert_eq!(
        (json["length"].as_u64(), json["value"].is_null()),
        (Some(256), true)
    );
    // A machine where no node runs.
    let [flag, entry] = cluster.entry();
    let outside = cluster.outsider("outside", ["value", "deploy/color", flag, entry]);
    assert_eq!(outside.code, 0, "{}", outside.stderr);
    assert_eq!(other.run(["value", "no/such"]).code, 3);
    let refused = other.run(["remove", "deploy/color"]).expect(3);
    assert!(
        refused.stderr.contains("`peer remove values/deploy/color`"),
        "{}",
        refused.stderr
    );
    assert_eq!(other.run(["put", "a//b", "x"]).code, 2);
    assert_eq!(other.run(["put", "long", &"x".repeat(65_537)]).code, 2);
    assert_eq!(cluster.outsider("nobody", ["put", "a", "x"]).code, 6);
    Ok(())
}

#[test]
fn one_line_takes_a_file_to_another_machine_and_nothing_stays_behind() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let path = cluster.path("with a space.bin");
    content::write(&path, 2 * MIB + 1, 77)?;
    let text = path.to_str().context("text")?;
    let webserver = cluster.webserver.address();
    let send = ["send", text, "--webserver", webserver, "--replicas", "1"];
    let mut sending = cluster.peer(0).command(send).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(sending.stdout.take().context("piped")?).read_line(&mut line)?;
    let line = line.trim();
    assert!(
        line.starts_with(&format!("enjambre://{webserver}/")) && line.ends_with("/with%20a%20space.bin"),
        "{line}"
    );
    // With a running node, and without one.
    let (there, outside) = (cluster.path("there.bin"), cluster.path("outside.bin"));
    let receive = |output: &std::path::Path| {
        ["receive", line, "--output"]
            .map(str::to_owned)
            .into_iter()
            .chain([output.display().to_string()])
    };
    let received = cluster.peer(1).run(receive(&there)).expect(0);
    // By the sender's name, and not by the one under which it was published for a while.
    assert!(
        received.stdout.contains("fetched with a space.bin to "),
        "{}",
        received.stdout
    );
    assert_same(&path, &there);
    let join = cluster
        .security
        .as_ref()
        .map(|_| cluster.entry().map(str::to_owned));
    let joining = |output| receive(output).chain(join.clone().into_iter().flatten());
    drop(cluster.outsider("nobody", joining(&outside)).expect(0));
    assert_same(&path, &outside);
    // A line for other bytes brings none.
    let forged = line.replace(&line[line.len() - 30..line.len() - 25], "00000");
    assert_ne!(cluster.peer(1).run(["receive", &forged]).code, 0);
    rustix::process::kill_process(Pid::from_child(&sending), Signal::INT)?;
    assert_eq!(sending.wait()?.code(), Some(130));
    let names = || cluster.peer(1).run(["list", "--json"]).expect(0).json()["names"].clone();
    eventually("the name to be gone", PATIENCE, names, |names| {
        *names == Value::Array(Vec::new())
    })?;
    let late = cluster.outsider("late", joining(&cluster.path("late.bin")));
    let late = late.expect(3).stderr;
    assert!(late.contains("the line has expired"), "{late}");
    Ok(())
}

#[test]
fn a_killed_send_leaves_no_name_behind() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let path = cluster.path("file.bin");
    content::write(&path, 100_000, 4)?;
    let send = ["send", path.to_str().context("text")?];
    let names = || cluster.peer(1).run(["list", "--json"]).expect(0).json()["names"].clone();
    let are_gone = |names: &Value| *names == Value::Array(Vec::new());
    // The node outlives the command, or dies with it and starts again for another one.
    let own = cluster.path("own");
    let [flag, entry] = cluster.entry_by_tracker();
    let own = ["--data-dir", own.to_str().context("text")?, flag, entry];
    let alone = || {
        let mut command = std::process::Command::new(harness::binaries::path("peer"));
        command.args(send).args(own);
        command
    };
    for (is_alone, mut command) in [(false, cluster.peer(0).command(send)), (true, alone())] {
        let mut sending = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut told = BufReader::new(sending.stderr.take().context("piped")?);
        // It is said when the node has noted the name.
        let mut line = String::new();
        while !line.contains("it can be received") {
            line.clear();
            anyhow::ensure!(told.read_line(&mut line)? > 0, "it has ended");
        }
        assert!(!are_gone(&names()));
        sending.kill()?;
        sending.wait()?;
        if is_alone {
            let serve = ["serve", "--port", "0"];
            let mut node = std::process::Command::new(harness::binaries::path("peer"))
                .args(serve)
                .args(own)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            let gone = eventually("the name to be gone", PATIENCE, names, are_gone);
            node.kill()?;
            node.wait()?;
            gone?;
        } else {
            eventually("the name to be gone", PATIENCE, names, are_gone)?;
        }
    }
    Ok(())
}

#[test]
fn a_dry_run_of_a_part_of_a_directory_says_what_is_wanted_of_it() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    std::fs::create_dir_all(tree.join("2024/may"))?;
    for (path, length) in [
        ("2024/a.txt", 3),
        ("2024/may/b.txt", 500),
        ("2024/may/c.jpg", 7_000),
        ("top", 90),
    ] {
        std::fs::write(tree.join(path), vec![b'x'; length])?;
    }
    let text = tree.to_str().context("text")?;
    drop(
        cluster
            .peer(0)
            .run(["add", text, "--name", "photos/all", "--replicas", "1"])
            .expect(0),
    );
    let plan = |arguments: &[&str]| {
        let output = cluster.path("out");
        let line = [
            &[
                "get",
                "--dry-run",
                "--json",
                "--output",
                output.to_str().expect("text"),
            ],
            arguments,
        ]
        .concat();
        let plan = cluster.peer(1).run(line).expect(0).json();
        assert!(!output.exists());
        (
            plan["files"].as_u64(),
            plan["bytes"].as_u64(),
            plan["name"].as_str().map(str::to_owned),
        )
    };
    let name = |text: &str| Some(text.to_owned());
    assert_eq!(plan(&["photos/all"]), (None, Some(7_593), name("photos/all")));
    assert_eq!(
        plan(&["photos/all/2024/may"]),
        (Some(2), Some(7_500), name("photos/all/2024/may"))
    );
    assert_eq!(
        plan(&["photos/all/top"]),
        (Some(1), Some(90), name("photos/all/top"))
    );
    assert_eq!(
        plan(&["photos/all", "--include", "*.txt"]),
        (Some(2), Some(503), name("photos/all"))
    );
    let missing = cluster
        .peer(1)
        .run(["get", "photos/all/2025", "--dry-run"])
        .expect(3);
    assert!(missing.stderr.contains("2025"), "{}", missing.stderr);
    Ok(())
}

#[test]
fn a_dry_run_says_what_would_move_and_moves_nothing() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let path = publish(&cluster, 0, "model", MIB, 2)?;
    let text = path.to_str().context("text")?;
    let free = (0..3)
        .map(|n| cluster.peer(n))
        .find(|peer| peer.status()["contents"] == 0)
        .context("two hold it")?;
    let output = cluster.path("out");
    let get = [
        "get",
        "model",
        "--dry-run",
        "--json",
        "--output",
        output.to_str().context("text")?,
    ];
    let plan = free.run(get).expect(0).json();
    assert_eq!(
        (plan["bytes"].as_u64(), plan["here"].as_u64()),
        (Some(MIB), Some(0))
    );
    assert_eq!(plan["sources"].as_array().map(Vec::len), Some(2));
    assert!(
        plan["expected_ms"].is_null(),
        "nobody knows how fast the lines are"
    );
    drop(free.run(["limit", "--download", "1MiB/s"]).expect(0));
    assert_eq!(free.run(get).expect(0).json()["expected_ms"], 1000);
    assert!(!output.exists());
    assert_eq!(
        (
            free.status()["contents"].as_u64(),
            free.status()["bytes_received"].as_u64()
        ),
        (Some(0), Some(0))
    );
    // The same content under another name, with one replica more.
    let add = [
        "add",
        text,
        "--name",
        "again",
        "--replicas",
        "3",
        "--dry-run",
        "--json",
    ];
    let plan = cluster.peer(0).run(add).expect(0).json();
    assert_eq!(
        (plan["bytes"].as_u64(), plan["replicas"].as_u64()),
        (Some(MIB), Some(2))
    );
    assert_eq!(
        cluster.peer(0).run(["locate", "again"]).code,
        3,
        "nothing was published"
    );
    std::fs::write(&path, b"other")?;
    assert_eq!(
        cluster
            .peer(0)
            .run(["add", text, "--name", "model", "--dry-run"])
            .code,
        5
    );
    assert_eq!(
        cluster.outsider("nobody", ["add", text, "--dry-run"]).code,
        0,
        "the file can be looked at"
    );
    assert_eq!(free.run(["get", "nothing", "--dry-run"]).code, 3);
    Ok(())
}

#[test]
fn what_happens_is_told_and_acted_on() -> Result<()> {
    let mut cluster = Cluster::builder().peers(3).start()?;
    let acted = cluster.path("acted");
    let exec = format!("cat >> {}", acted.display());
    // The time only bounds the story.
    let watch = ["watch", "--json", "--timeout", "120s", "--exec", &exec];
    let mut watching = cluster.peer(0).command(watch).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(watching.stdout.take().context("piped")?).lines();
    let mut next = |kind: &str| -> Result<Value> {
        loop {
            let line = lines.next().with_context(|| format!("{kind} was not told"))??;
            let event: Value = serde_json::from_str(&line)?;
            if event["event"] == kind {
                return Ok(event);
            }
        }
    };
    assert_eq!(next("watching")?["peers"], 3);
    drop(publish(&cluster, 0, "model", MIB, 2)?);
    assert_eq!(next("published")?["name"], "model");
    assert_eq!(next("replicated")?["target"], 2);
    let lost = crate::id_of(cluster.peer(2));
    cluster.peer_mut(2).program.kill();
    assert_eq!(next("peer_lost")?["peer"], lost.as_str());
    drop(cluster.peer(0).run(["remove", "model"]).expect(0));
    assert_eq!(next("removed")?["name"], "model");
    let acted = || std::fs::read_to_string(&acted).unwrap_or_default();
    eventually(
        "the command to be run for the last event",
        PATIENCE,
        acted,
        |acted| acted.contains("removed"),
    )?;
    rustix::process::kill_process(Pid::from_child(&watching), Signal::INT)?;
    assert_eq!(watching.wait()?.code(), Some(130));
    Ok(())
}
