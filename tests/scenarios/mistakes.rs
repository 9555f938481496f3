//! Careless and hostile input gets a clear answer and the right exit code, and leaves nothing half-done.

use std::net::TcpListener;

use anyhow::Result;
use harness::{Cluster, content};

use crate::run;

#[test]
fn a_port_in_use_is_said_in_one_line() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let directory = tempfile::tempdir()?;
    let data_dir = directory.path().to_str().expect("text");
    for (program, arguments) in [
        ("tracker", vec!["--port", &port, "--data-dir", data_dir]),
        ("webserver", vec!["--port", &port, "--tracker", "127.0.0.1:1"]),
        ("peer", vec!["serve", "--port", &port, "--data-dir", data_dir]),
    ] {
        let outcome = run(program, &arguments).expect(5);
        assert!(
            outcome.stderr.contains(&port) && outcome.stderr.contains("in use"),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn two_programs_on_one_data_directory_are_refused() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let data_dir = cluster.peer(0).data_dir().to_str().expect("text").to_owned();
    let outcome = run("peer", &["serve", "--port", "0", "--data-dir", &data_dir]).expect(5);
    assert!(outcome.stderr.contains("another node"), "{}", outcome.stderr);
    let tracker_dir = cluster.path("tracker");
    let outcome = run(
        "tracker",
        &["--port", "0", "--data-dir", tracker_dir.to_str().expect("text")],
    )
    .expect(5);
    assert!(outcome.stderr.contains("another tracker"), "{}", outcome.stderr);
    let outcome = run("tracker", &["--port", "0", "--data-dir", &data_dir]).expect(5);
    assert!(
        outcome.stderr.contains("data directory of a peer"),
        "{}",
        outcome.stderr
    );
    assert!(
        !cluster.peer(0).data_dir().join("tracker.lock").exists(),
        "nothing was made"
    );
    let of_tracker = tracker_dir.to_str().expect("text");
    let outcome = run("peer", &["serve", "--port", "0", "--data-dir", of_tracker]).expect(5);
    assert!(
        outcome.stderr.contains("data directory of a tracker"),
        "{}",
        outcome.stderr
    );
    assert!(!tracker_dir.join("contents").exists(), "nothing was made");
    Ok(())
}

#[test]
fn wrong_words_are_usage_errors() {
    for (program, arguments) in [
        ("peer", &["serve", "--port", "70000"][..]),
        ("peer", &["serve", "--capacity", "lots"]),
        ("peer", &["serve", "--webserver", "nonsense"]),
        ("peer", &["serve", "--zone", "a b"]),
        ("peer", &["add"]),
        ("peer", &["add", "x", "--replicas", "0"]),
        ("peer", &["add", "x", "--replicas", "33"]),
        ("peer", &["add", "x", "--fragment-length", "100KiB"]),
        ("peer", &["add", "x", "--wait", "soon"]),
        ("peer", &["get", "../etc/passwd"]),
        ("peer", &["list", "--timeout", "-3s"]),
        ("peer", &["fetch"]),
        ("tracker", &["--port", "x"]),
        ("tracker", &["--host", ""]),
        ("webserver", &[]),
        ("webserver", &["--tracker", "localhost"]),
    ] {
        let outcome = run(program, arguments).expect(2);
        assert!(!outcome.stderr.is_empty(), "{program} {arguments:?} says nothing");
    }
}

#[test]
fn files_that_cannot_be_added_are_refused_by_name() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let file = cluster.path("file");
    content::write(&file, 1000, 1)?;
    let file = file.to_str().expect("text");
    let missing = cluster.path("missing/file");
    for (arguments, code) in [
        (&["add", missing.to_str().expect("text")][..], 3),
        (&["add", "/dev/null", "--name", "null"], 2),
        (
            &[
                "add",
                cluster.directory().to_str().expect("text"),
                "--name",
                "directory",
            ],
            2,
        ),
        (&["add", file, "--name", "../../escape"], 2),
        (&["add", file, "--name", "a//b"], 2),
        (&["get", "no-such-name"], 3),
        (&["get", &"ab".repeat(32)], 3),
        (&["remove", "no-such-name"], 3),
        (&["forget", "no-such-name"], 3),
        (&["locate", "no-such-name"], 3),
    ] {
        let outcome = peer.run(arguments).expect(code);
        assert!(
            outcome.stderr.lines().count() <= 4,
            "{arguments:?} says too much: {}",
            outcome.stderr
        );
    }
    assert_eq!(peer.status()["contents"], 0, "nothing is left half-done");
    Ok(())
}

#[test]
fn an_existing_output_is_not_overwritten_unless_asked() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let original = crate::publish(&cluster, 0, "data", 100_000, 1)?;
    let output = cluster.path("precious");
    std::fs::write(&output, b"precious")?;
    let get = ["get", "data", "--output", output.to_str().expect("text")];
    assert_eq!(cluster.peer(1).run(get).expect(5).code, 5);
    assert_eq!(std::fs::read(&output)?, b"precious");
    assert_eq!(
        cluster
            .peer(1)
            .run(get.into_iter().chain(["--force"]))
            .expect(0)
            .code,
        0
    );
    crate::assert_same(&original, &output);
    // A second request for a file that the node wrote itself has nothing to do and is not refused.
    let again = cluster.peer(1).run(get.into_iter().chain(["--json"])).expect(0);
    assert_eq!(again.json()["received"], 0);
    Ok(())
}

#[test]
fn an_unreachable_network_is_said_with_exit_code_six() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data_dir = directory.path().to_str().expect("text");
    // No program listens on port 1.
    let arguments = [
        "get",
        "data",
        "--webserver",
        "127.0.0.1:1",
        "--data-dir",
        data_dir,
        "--timeout",
        "20s",
    ];
    let outcome = run("peer", &arguments).expect(6);
    assert!(outcome.stderr.contains("127.0.0.1:1"), "{}", outcome.stderr);
}

#[test]
fn the_same_twice_ends_as_it_did_once_or_says_why_not() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let file = cluster.path("with space ñ.txt");
    content::write(&file, 70_000, 3)?;
    let file = file.to_str().expect("text");
    let add = ["add", file, "--replicas", "1"];
    drop(cluster.peer(0).run(add).expect(0));
    drop(cluster.peer(0).run(add).expect(0));
    let get = |output: &std::path::Path| {
        let output = output.to_str().expect("text");
        cluster
            .peer(0)
            .run(["get", "with space ñ.txt", "--output", output])
    };
    // The node shares the file where it was added, so that this is a copy that it does not know.
    let output = cluster.path("copy");
    drop(get(&output).expect(0));
    let again = get(&output).expect(0);
    assert!(
        again.stdout.contains("nothing had to be fetched"),
        "{}",
        again.stdout
    );
    content::write(&output, 70_000, 4)?;
    let other = std::fs::read(&output)?;
    drop(get(&output).expect(5));
    assert_eq!(std::fs::read(&output)?, other, "other bytes are not touched");
    let same = cluster
        .peer(0)
        .run(["rename", "with space ñ.txt", "with space ñ.txt"])
        .expect(2);
    assert!(same.stderr.contains("same name"), "{}", same.stderr);
    Ok(())
}

#[test]
fn an_address_of_another_program_is_said_at_once() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let (tracker, webserver) = (cluster.tracker.address(), cluster.webserver.address());
    let peer = cluster.peer(0).program.address();
    let directory = tempfile::tempdir()?;
    let data_dir = directory.path().to_str().expect("text");
    for (flag, address, right) in [
        ("--webserver", tracker, "--tracker"),
        ("--webserver", peer, "--join"),
        ("--tracker", webserver, "--webserver"),
        ("--tracker", peer, "--join"),
        ("--join", tracker, "--tracker"),
        ("--join", webserver, "--webserver"),
    ] {
        for command in [&["serve", "--port", "0"][..], &["get", "x"]] {
            let line = [command, &["--data-dir", data_dir, flag, address]].concat();
            let outcome = run("peer", &line).expect(2);
            let advice = format!("use {right} {address}");
            assert!(outcome.stderr.contains(&advice), "{line:?}: {}", outcome.stderr);
            assert!(!outcome.stdout.contains("ready"), "{line:?}: {}", outcome.stdout);
        }
    }
    for other in [webserver, peer] {
        let outcome = run("webserver", &["--port", "0", "--tracker", other]).expect(2);
        assert!(outcome.stderr.contains("not a tracker"), "{}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn a_number_without_its_unit_is_refused() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    for line in [&["limit", "--upload", "8"][..], &["limit", "--download", "100"]] {
        let outcome = cluster.peer(0).run(line).expect(2);
        assert!(outcome.stderr.contains("MB/s"), "{}", outcome.stderr);
    }
    let limits = cluster.peer(0).run(["limit", "--json"]).expect(0).json();
    assert!(limits["upload_limit"].is_null(), "{limits}");
    for flags in [
        ["--upload-limit", "8"],
        ["--capacity", "50"],
        ["--scrub-rate", "1"],
    ] {
        drop(run("peer", &[&["serve"], &flags[..]].concat()).expect(2));
    }
    Ok(())
}

#[test]
fn the_ids_that_tables_print_are_accepted() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let original = crate::publish(&cluster, 0, "data", 100_000, 1)?;
    let peer = cluster.peer(0);
    let id = peer.locate("data")["content"].as_str().expect("an id").to_owned();
    let short = &id[..10];
    let table = peer.run(["list"]).expect(0);
    assert!(table.stdout.contains(short), "{}", table.stdout);
    assert_eq!(peer.locate(short)["content"], id.as_str());
    for command in ["why", "durability", "verify"] {
        drop(peer.run([command, short]).expect(0));
    }
    let output = cluster.path("copy");
    drop(
        peer.run(["get", short, "--output", output.to_str().expect("text")])
            .expect(0),
    );
    crate::assert_same(&original, &output);
    drop(peer.run(["locate", "0123456789"]).expect(3));
    Ok(())
}
