//! All output of `--json` matches its published schema, and every command that prints JSON has one.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use harness::{Cluster, Outcome, Peer, binaries, content};
use rustix::process::{Pid, Signal, kill_process};

use crate::schema::Schema;
use crate::{MIB, publish};

/// Validated commands, by their words.
#[derive(Default)]
struct Checked(BTreeSet<String>);

impl Checked {
    /// Runs a command and checks every line of its stdout.
    #[track_caller]
    fn run(&mut self, peer: &Peer, name: &str, line: &[&str]) -> Outcome {
        let outcome = peer.run(line.iter().copied().chain(["--json"])).expect(0);
        self.lines(line, name, &outcome.stdout);
        outcome
    }

    #[track_caller]
    fn lines(&mut self, line: &[&str], name: &str, stdout: &str) {
        validate(name, stdout);
        self.0.insert(line[0].to_owned());
        self.0.insert(line[..line.len().min(2)].join(" "));
    }
}

/// Checks every line.
#[track_caller]
fn validate(name: &str, stdout: &str) {
    let schema = Schema::published(name);
    assert!(!stdout.is_empty(), "{name}: nothing was printed");
    for line in stdout.lines() {
        let document = serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        if let Err(complaint) = schema.check(&document) {
            panic!("{name}: {complaint}\n{line}");
        }
    }
}

/// The commands that print JSON, by their words.
fn commands() -> BTreeSet<String> {
    let definition = peer::cli::args::definition();
    let mut commands = BTreeSet::new();
    for command in definition.get_subcommands() {
        let name = command.get_name();
        // Output for shells and for readers of manuals.
        if ["completions", "help", "man"].contains(&name) {
            continue;
        }
        if command.has_subcommands() {
            commands.extend(
                command
                    .get_subcommands()
                    .map(|inner| format!("{name} {}", inner.get_name())),
            );
        } else {
            commands.insert(name.to_owned());
        }
    }
    commands
}

/// Returns commands that end by themselves, in a sensible order, with the schema of their output.
fn documents<'a>(file: &'a str, directory: &'a str, output: &'a str) -> Vec<(&'static str, Vec<&'a str>)> {
    vec![
        ("add-plan", vec!["add", file, "--name", "other", "--dry-run"]),
        ("add-plan", vec!["add", directory, "--dry-run"]),
        (
            "add",
            vec!["add", file, "--name", "other", "--replicas", "2", "--wait"],
        ),
        ("add", vec!["add", directory, "--name", "tree", "--replicas", "2"]),
        ("get-plan", vec!["get", "data", "--dry-run"]),
        ("get-plan", vec!["get", "tree", "--dry-run"]),
        ("get-plan", vec!["get", "tree", "--include", "*", "--dry-run"]),
        ("get", vec!["get", "data", "--output", output]),
        ("list", vec!["list"]),
        ("list-entries", vec!["list", "tree"]),
        ("list-local", vec!["list", "--local"]),
        ("locate", vec!["locate", "data"]),
        ("status", vec!["status"]),
        ("limit", vec!["limit", "--upload", "9MB/s"]),
        ("network", vec!["network"]),
        ("verify", vec!["verify"]),
        ("replicas", vec!["replicas", "other", "3"]),
        ("why", vec!["why", "other"]),
        ("durability", vec!["durability"]),
        ("durability-of", vec!["durability", "data"]),
        ("maintenance", vec!["maintenance", "on"]),
        ("maintenance", vec!["maintenance", "off"]),
        ("drain", vec!["drain"]),
        ("maintenance", vec!["drain", "--cancel"]),
        (
            "add",
            vec!["put", "deploy/color", "blue", "--replicas", "1", "--wait"],
        ),
        ("value", vec!["value", "deploy/color"]),
        ("history", vec!["history", "other"]),
        ("pin", vec!["pin", "other@1"]),
        ("pin", vec!["unpin", "other@1"]),
        ("rename", vec!["rename", "other", "another"]),
        ("history", vec!["history", "other"]),
        ("forget", vec!["forget", "data", "--force"]),
        ("remove", vec!["remove", "another"]),
        ("config-show", vec!["config", "show"]),
        ("config-check", vec!["config", "check"]),
    ]
}

/// Checks the first line of commands that run until they are interrupted.
fn unending(cluster: &Cluster, checked: &mut Checked) -> Result<()> {
    let first = |mut command: Command| -> Result<String> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line);
        kill_process(Pid::from_child(&child), Signal::INT)?;
        child.wait()?;
        read?;
        Ok(line)
    };
    checked.lines(
        &["watch"],
        "watch",
        &first(cluster.peer(0).command(["watch", "--json"]))?,
    );
    let mut serve = Command::new(binaries::path("peer"));
    serve
        .args(["serve", "--json", "--port", "0", "--data-dir"])
        .arg(cluster.path("served"));
    serve.args(cluster.entry()).stderr(Stdio::null());
    checked.lines(&["serve"], "serve", &first(serve)?);
    // That node has ended, and its data directory is there.
    let renewed = cluster.outsider("served", ["new-id", "--json"]).expect(0);
    checked.lines(&["new-id"], "new-id", &renewed.stdout);
    let [flag, entry] = cluster.entry();
    let value = ["value", "deploy/color", flag, entry];
    let _in_the_network = cluster.outsider("served", value).expect(0);
    let adopted = cluster.outsider("served", ["adopt-network", "--json"]).expect(0);
    checked.lines(&["adopt-network"], "adopt-network", &adopted.stdout);
    std::fs::write(cluster.path("served").join("index.db"), b"?")?;
    let rebuilt = cluster.outsider("served", ["rebuild-index", "--json"]).expect(0);
    checked.lines(&["rebuild-index"], "rebuild-index", &rebuilt.stdout);
    Ok(())
}

/// Revokes a member of a network of its own.
fn revoked(checked: &mut Checked) -> Result<()> {
    let cluster = Cluster::builder().secured().peers(2).start()?;
    let token = cluster.security.as_ref().context("secured")?.admin_token();
    let status = cluster.peer(1).status();
    let id = status["id"].as_str().context("an id")?;
    let mut command = cluster.peer(0).command(["revoke", id, "--json"]);
    let output = command.env("ENJAMBRE_TOKEN", token).output()?;
    checked.lines(&["revoke"], "revoke", &Outcome::from(output).expect(0).stdout);
    Ok(())
}

#[test]
fn every_document_is_as_its_schema_says_and_every_command_has_one() -> Result<()> {
    let cluster = Cluster::builder().peer_in("here").peers(2).start()?;
    publish(&cluster, 0, "data", 5 * MIB, 2)?;
    let file = cluster.path("other.bin");
    content::write(&file, 3 * MIB, 9)?;
    let directory = cluster.path("tree");
    std::fs::create_dir_all(directory.join("inside"))?;
    std::fs::write(directory.join("inside/a"), b"small")?;
    std::os::unix::fs::symlink("inside/a", directory.join("link"))?;
    let (output, received) = (cluster.path("copy"), cluster.path("received"));
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let (file, directory, output, received) = (text(&file), text(&directory), text(&output), text(&received));
    let peer = cluster.peer(1);
    let mut checked = Checked::default();
    for (name, line) in documents(&file, &directory, &output) {
        checked.run(peer, name, &line);
    }
    validate(
        "error",
        &peer.run(["get", "no-such-name", "--json"]).expect(3).stdout,
    );
    let kept = ["send", &file, "--keep", "--replicas", "1"];
    let ready = checked.run(peer, "send", &kept).json();
    let ticket = ready["line"].as_str().context("a line")?;
    checked.run(
        cluster.peer(2),
        "get",
        &["receive", ticket, "--output", &received],
    );
    let short = ["send", &file, "--for", "1s", "--replicas", "1"];
    assert_eq!(checked.run(peer, "send", &short).stdout.lines().count(), 2);

    unending(&cluster, &mut checked)?;
    revoked(&mut checked)?;

    let unchecked: Vec<_> = commands()
        .into_iter()
        .filter(|command| !checked.0.contains(command))
        .collect();
    assert!(
        unchecked.is_empty(),
        "these print JSON that no schema was compared with: {unchecked:?}"
    );
    for program in ["tracker", "webserver"] {
        let line = ["config", "show", "--json"];
        let output = Command::new(binaries::path(program)).args(line).output()?;
        validate("config-show", &Outcome::from(output).expect(0).stdout);
    }
    Ok(())
}
