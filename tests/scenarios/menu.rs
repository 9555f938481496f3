//! The interactive menu, driven through a pipe as a newcomer would through a terminal.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use harness::{Cluster, Outcome, content};

use crate::assert_same;

/// Runs the menu on a data directory of its own and types these lines.
fn menu(cluster: &Cluster, data_dir: &str, lines: &[&str]) -> Result<Outcome> {
    let mut child = std::process::Command::new(harness::binaries::path("peer"))
        .arg("--data-dir")
        .arg(cluster.path(data_dir))
        .current_dir(cluster.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    for line in lines {
        writeln!(stdin, "{line}")?;
    }
    drop(stdin);
    Ok(child.wait_with_output()?.into())
}

#[test]
fn a_file_added_before_connecting_is_published_on_connecting() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let file = cluster.path("holiday.bin");
    content::write(&file, 500_000, 3)?;
    let lines = [
        "2",
        file.to_str().expect("text"),
        "",
        "",
        "1",
        "1",
        &cluster.typed_entry(),
        "5",
        "4",
        "0",
    ];
    let outcome = menu(&cluster, "newcomer", &lines)?.expect(0);
    assert!(outcome.stdout.contains("holiday.bin"), "{}", outcome.stdout);
    let located = cluster.peer(0).locate("holiday.bin");
    assert_eq!(located["length"], 500_000);
    Ok(())
}

#[test]
fn the_menu_finds_fetches_and_removes_a_file() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let original = crate::publish(&cluster, 0, "shared", 700_000, 2)?;
    let output = cluster.path("from-the-menu");
    let output_text = output.to_str().expect("text");
    let lines = [
        "c",
        &cluster.typed_entry(),
        "f",
        "shared",
        output_text,
        "p",
        "s",
        "x",
        "shared",
        "d",
        "q",
    ];
    let outcome = menu(&cluster, "visitor", &lines)?.expect(0);
    assert_same(&original, &output);
    assert!(
        outcome.stdout.contains(" for shared … received "),
        "{}",
        outcome.stdout
    );
    assert_eq!(
        cluster.peer(0).run(["locate", "shared"]).expect(3).code,
        3,
        "{}",
        outcome.stdout
    );
    Ok(())
}

#[test]
fn wrong_input_never_ends_the_menu() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    let missing = cluster.path("missing");
    let lines = [
        "",
        "99",
        "nonsense",
        "-1",
        "\u{1b}[A",
        "2",
        missing.to_str().expect("text"),
        "",
        "1",
        "not an address",
        "tracker 127.0.0.1:1",
        "6",
        "no",
        "?",
        "q",
    ];
    let outcome = menu(&cluster, "confused", &lines)?.expect(0);
    for told in ["type HOST:PORT", "cannot connect to the tracker", "stopping"] {
        assert!(outcome.stdout.contains(told), "{told}: {}", outcome.stdout);
    }
    Ok(())
}

#[test]
fn a_file_inside_a_directory_is_found_listed_and_fetched() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let inside = cluster.path("photos/2024/a.jpg");
    std::fs::create_dir_all(cluster.path("photos/2024"))?;
    content::write(&inside, 3000, 4)?;
    content::write(&cluster.path("photos/large.bin"), 6 << 20, 5)?;
    let photos = cluster.path("photos");
    let add = [
        "add",
        photos.to_str().context("text")?,
        "--replicas",
        "2",
        "--wait",
    ];
    drop(cluster.peer(0).run(add).expect(0));
    let lines = [
        "c",
        &cluster.typed_entry(),
        "6",
        "phot", // a part of the name
        "?",    // lists what is inside
        "1",    // and the first is the directory 2024
        "some",
        "6",
        "photos/2024/a.jpg",
        "one.jpg",
        "6",
        "photos",
        "", // all of it
        "all",
        "4",
        "q",
    ];
    let outcome = menu(&cluster, "visitor", &lines)?.expect(0);
    let shown = &outcome.stdout;
    assert!(shown.contains("   1  2024/"), "{shown}");
    assert!(shown.contains("2024/a.jpg  2.9 KiB"), "{shown}");
    assert_same(&inside, &cluster.path("some/a.jpg"));
    assert_same(&inside, &cluster.path("one.jpg"));
    assert_same(&inside, &cluster.path("all/2024/a.jpg"));
    assert_same(&cluster.path("photos/large.bin"), &cluster.path("all/large.bin"));
    // The list shows the directory with the size of all of it, and neither its packs nor its catalog.
    let list = shown.split("NAME").last().context("my list")?;
    let rows: Vec<&str> = list.lines().filter(|line| line.contains("photos/ ")).collect();
    assert!(rows.len() == 1 && rows[0].contains("6.0 MiB  100%"), "{shown}");
    Ok(())
}

#[test]
fn the_end_of_the_input_leaves_the_menu() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    assert_eq!(menu(&cluster, "silent", &[])?.expect(0).code, 0);
    Ok(())
}
