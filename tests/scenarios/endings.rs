//! The exit codes that are promised to scripts, reached by the real programs. What else servers refuse to
//! start with is in `tracker/tests/service/program.rs` and `webserver/tests/program.rs`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::{Cluster, Outcome, Program, binaries, content, eventually};
use rustix::process::{Pid, Signal, kill_process};

use crate::lying::data_files;
use crate::{MIB, PATIENCE, assert_same, publish};

/// Exit codes of commands, in the order of the codes.
#[test]
fn exit_codes_are_as_promised() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    publish(&cluster, 0, "data", 300_000, 2)?;
    let file = cluster.path("more.bin");
    content::write(&file, 100_000, 7)?;
    let file = file.to_str().expect("text");
    let existing = cluster.path("existing");
    std::fs::write(&existing, b"precious")?;
    let existing = existing.to_str().expect("text");
    let add = ["add", file, "--name", "more", "--replicas", "5"];
    let with = |rest: &[&'static str]| [&add[..], rest].concat();
    let of_peer = |arguments: &[&str]| cluster.peer(0).run(arguments);

    for (code, name, outcome) in [
        (0, "done", of_peer(&["status", "--json"])),
        (9, "unwritten", with_a_full_stdout(&cluster)),
        (2, "usage", of_peer(&["fetch", "--json"])),
        (3, "not_found", of_peer(&["get", "no-such-name", "--json"])),
        (4, "not_allowed", without_the_token(&cluster)),
        (
            5,
            "conflict",
            of_peer(&["get", "data", "--output", existing, "--json"]),
        ),
        (6, "unreachable", cluster.outsider("nobody", ["status", "--json"])),
        (10, "target_not_met", of_peer(&with(&["--wait=1s", "--json"]))),
        (
            124,
            "timed_out",
            of_peer(&with(&["--wait", "--timeout", "2s", "--json"])),
        ),
        (
            130,
            "interrupted",
            interrupted(&cluster, &with(&["--wait", "--json"]))?,
        ),
    ] {
        let outcome = outcome.expect(code);
        if !["done", "unwritten"].contains(&name) {
            assert_eq!(outcome.json()["error"]["code"], name, "{}", outcome.stdout);
            assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        }
    }

    // 8: a replica has rotted.
    let holder = [0, 2]
        .into_iter()
        .find(|number| !data_files(cluster.peer(*number).data_dir()).is_empty());
    let holder = cluster.peer(holder.expect("a replica in a store"));
    for path in data_files(holder.data_dir()) {
        let replica = File::options().read(true).write(true).open(path)?;
        let mut byte = [0];
        replica.read_exact_at(&mut byte, 1000)?;
        replica.write_all_at(&[byte[0] ^ 1], 1000)?;
    }
    let outcome = holder.run(["verify", "--json"]).expect(8);
    assert_eq!(outcome.json()["error"]["code"], "integrity");
    Ok(())
}

/// 7: no holder is left. By default a `get` waits two minutes for a holder to come back.
#[test]
fn what_nobody_has_any_more_has_an_exit_code_of_its_own() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let path = publish(&cluster, 0, "data", 300_000, 1)?;
    let holder = crate::id_of(cluster.peer(0));
    cluster.peer_mut(0).program.kill();
    let output = cluster.path("data.out");
    let output = output.to_str().expect("text");
    let network = || cluster.peer(1).run(["network", "--json"]).expect(0).stdout;
    eventually("the holder to be lost", PATIENCE, network, |network| {
        network.contains("lost")
    })?;

    let get = [
        "get",
        "data",
        "--output",
        output,
        "--json",
        "--give-up-after",
        "2s",
    ];
    let outside = [&get[..], &cluster.entry()].concat();
    for outcome in [cluster.peer(1).run(get), cluster.outsider("outside", outside)] {
        let outcome = outcome.expect(7);
        let error = outcome.json()["error"].clone();
        assert_eq!(error["code"], "incomplete");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("no live peer has 0-4 of its 5 fragments"),
            "{message}"
        );
        assert!(message.contains(&holder), "who may have it is named: {message}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
    let printed = cluster
        .peer(1)
        .run(["get", "data", "--output", "-", "--give-up-after", "2s"]);
    assert_eq!(printed.expect(7).stdout, "");

    // A waiting `get` names the missing holder and finishes once it is back.
    let wait = [
        "get",
        "data",
        "--output",
        output,
        "--json",
        "--give-up-after",
        "none",
    ];
    let mut waiting = cluster.peer(1).command(wait).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(waiting.stdout.take().expect("it is piped")).lines();
    let why = lines.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.contains("no peer that is online"))
    });
    assert!(why.is_some(), "it ended by itself");
    let told = cluster.peer(1).run(["why", "data", "--json"]).expect(0).json();
    assert_eq!(told["fetch"]["reasons"][0]["code"], "no_source", "{told}");
    assert_eq!(told["fetch"]["held_bytes"], 0);
    cluster.peer_mut(0).program.restart()?;
    lines.try_for_each(|line| line.map(drop))?;
    assert_eq!(waiting.wait()?.code(), Some(0));
    assert_same(&path, output.as_ref());
    Ok(())
}

/// 0, 2 and 5 of those that serve.
#[test]
fn servers_have_the_same_exit_codes() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let directory = tempfile::tempdir()?;
    let here = directory.path().to_str().expect("text");
    for (program, serve) in [
        ("tracker", &["--data-dir", here][..]),
        ("webserver", &["--tracker", "127.0.0.1:9"]),
        ("peer", &["serve", "--data-dir", here, "--tracker", "127.0.0.1:9"]),
    ] {
        for (code, flags) in [
            (0, &["--help"][..]),
            (0, &["--version"]),
            (2, &["--frobnicate"]),
            (2, &["--port", "many"]),
            (5, &["--port", &port]),
        ] {
            let line = if code == 5 {
                [serve, flags].concat()
            } else {
                flags.to_vec()
            };
            let output = Command::new(binaries::path(program)).args(&line).output()?;
            let outcome = Outcome::from(output);
            assert_eq!(outcome.code, code, "{program} {line:?}: {}", outcome.stderr);
        }
    }
    Ok(())
}

/// 9: a node on a disk of 8 MiB.
#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_full_disk_has_an_exit_code_of_its_own() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "large", 20 * MIB, 1)?;
    let disk = cluster.path("small");
    std::fs::create_dir(&disk)?;
    let disk = disk.to_str().expect("text");
    // A mount namespace of its own leaves nothing behind.
    let mount = format!("mount -t tmpfs -o size=8m none {disk} && exec \"$@\"");
    let prefix = ["unshare", "--mount", "sh", "-c", &mount, "sh"]
        .map(Into::into)
        .into();
    let data_dir = format!("{disk}/data");
    let [flag, entry] = cluster.entry();
    let serve = ["serve", "--data-dir", &data_dir, flag, entry];
    let log = cluster.path("small.log");
    let peer = Program::start_at("peer", serve.map(Into::into).into(), &log, "127.0.0.1", prefix)?;
    let output = format!("{disk}/large.out");
    // The node's token is on the small disk, which only the node can see.
    let token = std::fs::read_to_string(format!(
        "/proc/{}/root{data_dir}/node.json",
        peer.id().expect("it runs")
    ))?;
    let own = cluster.path("token");
    std::fs::create_dir(&own)?;
    std::fs::write(own.join("node.json"), token)?;
    let lock = File::create(own.join("lock"))?;
    lock.lock()?;
    let outcome = cluster
        .outsider("token", ["get", "large", "--output", &output, "--json"])
        .expect(9);
    assert_eq!(outcome.json()["error"]["code"], "full");
    Ok(())
}

/// A result that cannot be written is no success.
fn with_a_full_stdout(cluster: &Cluster) -> Outcome {
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut command = cluster.peer(0).command(["status", "--json"]);
    let output = command.stdout(full).stderr(Stdio::piped()).spawn();
    let output = output.and_then(std::process::Child::wait_with_output);
    output.expect("the program is there").into()
}

/// Asks without access to the node's data directory: questions are answered, changes are refused.
fn without_the_token(cluster: &Cluster) -> Outcome {
    let line = [
        "remove",
        "data",
        "--json",
        "--peer",
        cluster.peer(0).program.address(),
    ];
    let mut command = Command::new(binaries::path("peer"));
    let output = command.args(line).env("HOME", cluster.path("stranger")).output();
    output.expect("the program is there").into()
}

/// SIGINT as soon as it has said how the replicas stand.
fn interrupted(cluster: &Cluster, line: &[&str]) -> Result<Outcome> {
    let mut command = cluster.peer(0).command(line);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut said = String::new();
    while !said.contains("\"event\":\"replicas\"") {
        assert!(stdout.read_line(&mut said)? > 0, "it ended by itself: {said}");
    }
    kill_process(Pid::from_child(&child), Signal::INT)?;
    while stdout.read_line(&mut said)? > 0 {}
    let mut outcome: Outcome = child.wait_with_output()?.into();
    outcome.stdout = said;
    Ok(outcome)
}
