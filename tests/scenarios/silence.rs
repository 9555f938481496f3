//! Programs that are there and say nothing: stopped by SIGSTOP, as by a debugger or a frozen machine.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Cluster, Outcome, Program, eventually};
use rustix::process::{Pid, Signal, kill_process};

fn signal(program: &Program, signal: Signal) -> Result<()> {
    let id = program.id().context("it runs")?;
    let id = Pid::from_raw(i32::try_from(id)?).context("a process id")?;
    kill_process(id, signal).context("signal")
}

/// Runs a command while a program is stopped, with and without a limit of the command's own.
fn ask(stopped: &Program, named: &str, command: impl Fn(&[&str]) -> Outcome) -> Result<()> {
    signal(stopped, Signal::STOP)?;
    // It ends by its own patience, long before this limit.
    let outcome = command(&["--timeout", "40s"]).expect(6);
    let says = &outcome.stderr;
    assert_eq!(says.lines().count(), 1, "{says}");
    assert!(says.contains(named), "{says}");

    let outcome = command(&["--timeout", "1s"]).expect(124);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    signal(stopped, Signal::CONT)
}

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [command, more].concat()
}

#[test]
fn a_command_says_in_time_which_program_does_not_answer() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let (tracker, webserver) = (cluster.tracker.address(), cluster.webserver.address());
    let (by_tracker, by_webserver) = (cluster.entry_by_tracker(), cluster.entry());
    let node = cluster.peer(0);

    let named = format!("the tracker at {tracker} does not answer");
    ask(&cluster.tracker, &named, |more| node.run(with(&["list"], more)))?;
    // A machine that joins does not know yet which program it is.
    let or_joining = |named: String, address: &str| match cluster.security {
        None => named,
        Some(_) => format!("cannot enter the network at {address}"),
    };
    ask(&cluster.tracker, &or_joining(named, tracker), |more| {
        cluster.outsider(
            "one",
            with(&["value", "none", by_tracker[0], by_tracker[1]], more),
        )
    })?;
    let named = or_joining(format!("the webserver at {webserver} does not answer"), webserver);
    ask(&cluster.webserver, &named, |more| {
        cluster.outsider(
            "two",
            with(&["value", "none", by_webserver[0], by_webserver[1]], more),
        )
    })?;
    let named = node.program.address();
    ask(&node.program, named, |more| node.run(with(&["list"], more)))?;
    Ok(())
}

/// The node has read the file, and asks for the name, when its caller goes.
#[test]
fn an_add_is_undone_when_its_caller_goes_before_the_name_is_bound() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let node = cluster.peer(0);
    let [first, second] = ["first", "second"].map(|name| cluster.path(name));
    for (path, text) in [(&first, "one"), (&second, "another")] {
        std::fs::write(path, text)?;
    }
    signal(&cluster.tracker, Signal::STOP)?;
    let mut command = node.command(["add", first.to_str().context("text")?, "--name", "x", "--json"]);
    let mut adding = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdout = BufReader::new(adding.stdout.take().context("it is piped")?);
    stdout.read_line(&mut String::new())?;
    kill_process(Pid::from_child(&adding), Signal::INT)?;
    assert_eq!(adding.wait()?.code(), Some(130));
    signal(&cluster.tracker, Signal::CONT)?;

    // It waits for the end of the first, and would be refused if that had bound the name.
    let added = node.run(["add", second.to_str().context("text")?, "--name", "x", "--json"]);
    assert_eq!(added.expect(0).json()["revision"], 1);
    Ok(())
}

/// A session with a stopped tracker breaks after a while; the reason stays the same.
#[test]
fn a_node_without_its_tracker_goes_on_saying_why() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    // The webserver, by which the node tries to come back, tells that the tracker does not answer.
    let named = format!("{}: no answer", cluster.tracker.address());
    signal(&cluster.tracker, Signal::STOP)?;
    let node = cluster.peer(0);
    let reason = || node.status()["reason"].as_str().unwrap_or_default().to_owned();
    eventually(
        "a new attempt to fail",
        Duration::from_secs(90),
        reason,
        |reason| reason.contains(&named),
    )?;
    for _ in 0..5 {
        let outcome = node.run(["list"]).expect(6);
        assert!(outcome.stderr.contains(&named), "{}", outcome.stderr);
    }
    signal(&cluster.tracker, Signal::CONT)?;
    eventually(
        "the session to come back",
        Duration::from_secs(60),
        || node.run(["list"]).code,
        |code| *code == 0,
    )?;
    Ok(())
}
