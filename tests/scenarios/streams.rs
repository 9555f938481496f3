//! `-`: publishing standard input and reading to standard output, through the real program.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result};
use harness::{Cluster, Outcome, content, eventually};
use rustix::process::{Pid, Signal, kill_process};

use crate::{MIB, PATIENCE, publish};

/// Runs a command with these bytes on its standard input.
fn fed(mut command: Command, bytes: &[u8]) -> Result<Output> {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    std::thread::scope(|scope| {
        // The command may refuse before it reads anything.
        scope.spawn(move || drop(stdin.write_all(bytes)));
        Ok(child.wait_with_output()?)
    })
}

/// Returns the output of a command that succeeds.
#[track_caller]
fn succeeds(output: Output) -> Vec<u8> {
    let code = output.status.code();
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns the leftovers of uploads.
fn leftovers(data_dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(data_dir.join("contents")) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| path.extension() == Some(OsStr::new("staged")))
        .collect()
}

#[test]
fn what_comes_on_standard_input_goes_to_standard_output_elsewhere() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let (one, other) = (cluster.peer(0), cluster.peer(2));
    let path = cluster.path("bytes");
    content::write(&path, 9 * MIB + 17, 5)?;
    let bytes = std::fs::read(&path)?;
    let add = [
        "add",
        "-",
        "--name",
        "made/of/bytes",
        "--replicas",
        "2",
        "--wait=60s",
        "--json",
    ];
    let added: Outcome = fed(one.command(add), &bytes)?.into();
    let added = added.expect(0).json();
    assert_eq!(
        (added["length"].as_u64(), added["state"].as_str()),
        (Some(9 * MIB + 17), Some("replicated"))
    );
    // The same bytes from a file are the same content.
    let text = path.to_str().context("text")?;
    let same = one
        .run(["add", text, "--name", "again", "--json"])
        .expect(0)
        .json();
    assert_eq!(same["content"], added["content"]);

    let get = ["get", "made/of/bytes", "--output", "-"];
    let got = other.command(get).output()?;
    let said = String::from_utf8_lossy(&got.stderr).into_owned();
    assert!(said.contains("fetched made/of/bytes: 9.0 MiB in "), "{said}");
    assert!(succeeds(got) == bytes, "other bytes came");
    let quiet = other.command(["get", "again", "-o", "-", "--quiet"]).output()?;
    assert!(
        quiet.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&quiet.stderr)
    );
    assert!(succeeds(quiet) == bytes, "other bytes came");

    // Without a running node, each command starts one for its own duration.
    let entry = cluster.entry();
    let outside = |name: &str, line: &[&str]| {
        let mut command = Command::new(harness::binaries::path("peer"));
        command
            .args(line)
            .args(entry)
            .arg("--data-dir")
            .arg(cluster.path(name));
        command
    };
    let add = [
        "add",
        "-",
        "--name",
        "from outside",
        "--replicas",
        "2",
        "--wait",
        "60s",
    ];
    succeeds(fed(outside("publisher", &add), b"small")?);
    let got = outside("reader", &["get", "from outside", "--output", "-"]).output()?;
    assert_eq!(succeeds(got), b"small");
    // Empty input is a content too; and rebinding a name needs an explicit flag.
    let empty = |rest: &[&'static str]| [&["add", "-", "--name", "made/of/bytes"][..], rest].concat();
    assert_eq!(fed(one.command(empty(&[])), b"")?.status.code(), Some(5));
    succeeds(fed(one.command(empty(&["--update"])), b"")?);
    assert_eq!(succeeds(other.command(get).output()?), b"");
    Ok(())
}

#[test]
fn a_line_is_sent_for_standard_input_and_received_on_standard_output() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let webserver = cluster.webserver.address();
    let send = [
        "send",
        "-",
        "--name",
        "log.txt",
        "--webserver",
        webserver,
        "--replicas",
        "1",
    ];
    let mut command = cluster.peer(0).command(send);
    let mut sending = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    sending.stdin.take().context("piped")?.write_all(b"one line\n")?;
    let mut line = String::new();
    BufReader::new(sending.stdout.take().context("piped")?).read_line(&mut line)?;
    let received = cluster
        .peer(1)
        .run(["receive", line.trim(), "--output", "-"])
        .expect(0);
    assert_eq!(received.stdout, "one line\n");
    kill_process(Pid::from_child(&sending), Signal::INT)?;
    assert_eq!(sending.wait()?.code(), Some(130));
    Ok(())
}

/// Publishes from a standard input that stays open after a mebibyte, which the node has taken when this
/// returns.
fn half_published(peer: &harness::Peer) -> Result<(Child, std::process::ChildStdin)> {
    let mut command = peer.command(["add", "-", "--name", "half", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    stdin.write_all(&vec![1; 1 << 20])?;
    let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    loop {
        let line: serde_json::Value = serde_json::from_str(&lines.next().context("it ended")??)?;
        if line["event"] == "received" && line["done"] == MIB {
            return Ok((child, stdin));
        }
    }
}

#[test]
fn an_input_that_breaks_off_leaves_nothing_behind() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    // Ctrl-C ends the program before this one in a pipe as well: its input ends with the signal.
    let pipe = (Signal::INT, Some(130), true);
    let alone = [(Signal::INT, Some(130), false), (Signal::KILL, None, false)];
    for (signal, code, ends_input) in alone.into_iter().chain([pipe; 4]) {
        let (mut child, stdin) = half_published(peer)?;
        assert_eq!(leftovers(peer.data_dir()).len(), 1, "what has come is somewhere");
        let mut stdin = Some(stdin);
        kill_process(Pid::from_child(&child), signal)?;
        drop(stdin.take_if(|_| ends_input));
        assert_eq!(child.wait()?.code(), code);
        drop(stdin);
        let left = || {
            let status = peer.status();
            let counted = (status["used"].as_u64(), status["contents"].as_u64());
            (leftovers(peer.data_dir()), counted)
        };
        eventually("it to be gone", PATIENCE, left, |(files, counted)| {
            files.is_empty() && *counted == (Some(0), Some(0))
        })?;
        assert_eq!(peer.run(["locate", "half"]).code, 3);
    }
    // An unreadable input, such as a directory, is no end of input either.
    let mut command = peer.command(["add", "-", "--name", "half"]);
    let outcome: Outcome = command.stdin(File::open(cluster.directory())?).output()?.into();
    assert!(
        outcome.stderr.contains("cannot read standard input"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.expect(2).stdout, "");
    assert_eq!(peer.run(["locate", "half"]).code, 3);
    Ok(())
}

#[test]
fn a_reader_that_has_enough_ends_a_get_well() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let path = publish(&cluster, 0, "long", 30 * MIB, 1)?;
    let mut command = cluster.peer(1).command(["get", "long", "--output", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().context("piped")?;
    let mut beginning = vec![0; 1000];
    stdout.read_exact(&mut beginning)?;
    drop(stdout);
    let outcome: Outcome = child.wait_with_output()?.into();
    assert!(!outcome.stderr.contains("cannot"), "{}", outcome.stderr);
    drop(outcome.expect(0));
    assert!(std::fs::read(path)?.starts_with(&beginning));
    // A disk that is full is another matter.
    let full = File::options().write(true).open("/dev/full")?;
    let mut command = cluster.peer(1).command(["get", "long", "--output", "-"]);
    let outcome: Outcome = command.stdout(full).output()?.into();
    let outcome = outcome.expect(9);
    assert!(
        outcome.stderr.contains("cannot write the result"),
        "{}",
        outcome.stderr
    );
    Ok(())
}

#[test]
fn what_makes_no_sense_with_a_dash_is_refused() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let directory = cluster.path("tree");
    std::fs::create_dir_all(directory.join("inside"))?;
    std::fs::write(directory.join("inside/a"), b"a file")?;
    let directory = directory.to_str().context("text")?;
    drop(peer.run(["add", directory, "--name", "tree"]).expect(0));
    let refused = |line: &[&str], code: i32, why: &str| {
        let outcome = peer.run(line).expect(code);
        assert!(outcome.stderr.contains(why), "{line:?}: {}", outcome.stderr);
        assert!(
            line.contains(&"--json") || outcome.stdout.is_empty(),
            "{}",
            outcome.stdout
        );
    };
    refused(&["add", "-"], 2, "choose one with --name");
    refused(&["send", "-"], 2, "choose one with --name");
    refused(&["add", "-", "--name", "x", "--dry-run"], 2, "--dry-run");
    refused(&["add", "-", "--name", "x", "--exclude", "*.tmp"], 2, "--exclude");
    refused(&["get", "tree", "--output", "-", "--json"], 2, "--json");
    refused(
        &["get", "tree", "--output", "-", "--include", "a"],
        2,
        "--include",
    );
    refused(
        &["get", "tree", "--output", "-"],
        5,
        "tree is a directory; ask for a file in it",
    );
    refused(&["get", "none", "--output", "-"], 3, "cannot get none");
    let inside = peer.run(["get", "tree/inside/a", "--output", "-"]).expect(0);
    assert_eq!(inside.stdout, "a file");
    // A file of that name is one like any other.
    let mut command = peer.command(["get", "tree/inside/a", "--output", "./-"]);
    assert!(command.current_dir(cluster.directory()).status()?.success());
    assert_eq!(std::fs::read(cluster.path("-"))?, b"a file");
    Ok(())
}
