//! Entering a network through any of its members, and again from remembered addresses.

use anyhow::Result;
use harness::{Cluster, Program, eventually};

use crate::{PATIENCE, assert_same, publish};

#[test]
fn a_peer_enters_by_another_one_and_finds_back_without_being_told() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "data", 300_000, 2)?;
    let data_dir = cluster.path("joiner");
    let serve = |entry: &[&str]| -> Vec<std::ffi::OsString> {
        let mut arguments = vec!["serve".into(), "--data-dir".into(), data_dir.clone().into()];
        arguments.extend(entry.iter().map(Into::into));
        arguments
    };
    let log = cluster.path("joiner.log");
    let member = cluster.peer(0).program.address().to_owned();
    let line = cluster.path("by-a-member.line");
    let entry = match &cluster.security {
        None => ["--join".to_owned(), member],
        Some(security) => ["--join-file".to_owned(), security.write_line(&line, &member)?],
    };
    let mut joiner = Program::start("peer", serve(&entry.each_ref().map(String::as_str)), &log)?;
    let connected = |cluster: &Cluster| {
        let ask = || cluster.outsider("joiner", ["status", "--json"]).json()["tracker"].clone();
        let tracker = cluster.tracker.address().to_owned();
        eventually("the joiner to be connected", PATIENCE, ask, |seen| {
            *seen == tracker.as_str()
        })
    };
    connected(&cluster)?;
    let output = cluster.path("copy");
    let get = ["get", "data", "--output", output.to_str().expect("text")];
    assert_eq!(cluster.outsider("joiner", get).expect(0).code, 0);
    assert_same(&original, &output);
    assert_eq!(joiner.stop()?, 0);

    // Neither the member nor the webserver is alive, and no address is given.
    cluster.peer_mut(0).program.kill();
    cluster.webserver.kill();
    let mut joiner = Program::start("peer", serve(&[]), &log)?;
    connected(&cluster)?;
    assert_eq!(joiner.stop()?, 0);
    Ok(())
}

#[test]
fn a_member_that_is_in_no_network_is_said_so() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    let alone: Vec<_> = ["serve", "--tracker", "127.0.0.1:1", "--data-dir"]
        .map(Into::into)
        .into();
    let arguments = [alone, vec![cluster.path("alone").into()]].concat();
    let alone = Program::start("peer", arguments, &cluster.path("alone.log"))?;
    let line = ["get", "data", "--join", alone.address(), "--timeout", "20s"];
    let outcome = cluster.outsider("joiner", line).expect(6);
    assert!(outcome.stderr.contains("in no network"), "{}", outcome.stderr);
    Ok(())
}
