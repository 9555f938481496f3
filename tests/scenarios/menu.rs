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
        "1",
        "1",
        cluster.webserver.address(),
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
        cluster.webserver.address(),
        "f",
        "shared",
        output_text,
        "p",
        "s",
        "r",
        "shared",
        "y",
        "d",
        "q",
    ];
    let outcome = menu(&cluster, "visitor", &lines)?.expect(0);
    assert_same(&original, &output);
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
        "1",
        "not an address",
        "6",
        "no",
        "?",
        "q",
    ];
    let outcome = menu(&cluster, "confused", &lines)?.expect(0);
    assert!(outcome.stdout.contains('?'), "{}", outcome.stdout);
    Ok(())
}

#[test]
fn the_end_of_the_input_leaves_the_menu() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    assert_eq!(menu(&cluster, "silent", &[])?.expect(0).code, 0);
    Ok(())
}
