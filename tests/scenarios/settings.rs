//! Settings of real programs: shown, checked, and changed while they run.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use harness::{Cluster, Outcome, Program, binaries, eventually};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PATIENCE, run};

#[test]
fn every_program_lists_all_faults_of_its_file_and_does_not_start() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bad.toml");
    std::fs::write(&file, "prot = 1\nport = 'many'\n[server]\nhost = 'x'\n")?;
    let file = file.to_str().expect("text");
    for program in ["peer", "tracker", "webserver"] {
        let checked = run(program, &["config", "check", file]).expect(2);
        let expected = format!(
            "{file}:1: unknown key \"prot\"; did you mean \"port\"?\n\
             {file}:2: port: \"many\" is no whole number from 0 to 65535\n\
             {file}:3: unknown key \"server\""
        );
        assert!(
            checked.stdout.starts_with(&expected),
            "{program}: {}",
            checked.stdout
        );
        let start = if program == "peer" { "list" } else { "--verbose" };
        let refused = run(program, &["--config", file, start]).expect(2);
        assert!(
            refused.stderr.contains("bad.toml:1: unknown key"),
            "{}",
            refused.stderr
        );
        let of_variable = Command::new(binaries::path(program))
            .args(["config", "show"])
            .env("ENJAMBRE_PORT", "70000")
            .output()?;
        let refused = Outcome::from(of_variable).expect(2);
        let told =
            "cannot use ENJAMBRE_PORT from the environment: \"70000\" is no whole number from 0 to 65535";
        assert!(refused.stderr.contains(told), "{program}: {}", refused.stderr);
        let refused = run(program, &["--port", "many"]).expect(2);
        assert!(
            refused.stderr.contains("--port") && refused.stderr.contains("no whole number from 0 to 65535"),
            "{program}: {}",
            refused.stderr
        );
        let shown = run(program, &["config", "show"]).expect(0);
        assert!(
            shown.stdout.lines().any(|line| line.starts_with("port ")),
            "{}",
            shown.stdout
        );
        for shell in ["bash", "zsh", "fish"] {
            let script = run(program, &["completions", shell]).expect(0);
            assert!(script.stdout.contains("log-format"), "{program} {shell}");
        }
        let pages = dir.path().join(program);
        drop(run(program, &["man", pages.to_str().expect("text")]).expect(0));
        assert!(pages.join(format!("{program}.1")).exists());
    }
    Ok(())
}

/// Returns whether the log has a text about settings, in lines of JSON.
fn has_logged(program: &Program, text: &str) -> bool {
    program
        .log()
        .lines()
        .any(|line| line.starts_with('{') && line.contains(text))
}

fn wait_for_log(program: &Program, text: &str) -> Result<()> {
    eventually(text, PATIENCE, || has_logged(program, text), |seen| *seen).map(drop)
}

fn serve(cluster: &Cluster, file: &Path) -> Result<Program> {
    let arguments = [
        "serve".into(),
        "--config".into(),
        file.into(),
        "--upload-slots".into(),
        "4".into(),
    ];
    Program::start("peer", arguments.into(), &cluster.path("changing.log"))
}

#[test]
fn a_changed_file_takes_effect_at_once_and_a_broken_one_changes_nothing() -> Result<()> {
    let cluster = Cluster::builder().start()?;
    let file = cluster.path("peer.toml");
    let data_dir = cluster.path("changing");
    let write = |rest: &str| {
        let [flag, entry] = cluster.entry_by_tracker();
        let key = flag.trim_start_matches('-').replace('-', "_");
        let head = format!("data_dir = {data_dir:?}\n{key} = {entry:?}\n");
        // Replaced in one step, so that no reader sees half of it.
        let new = file.with_extension("new");
        std::fs::write(&new, head + rest).and_then(|()| std::fs::rename(&new, &file))
    };
    write("upload_limit = '1MiB/s'\n")?;
    let peer = serve(&cluster, &file)?;
    let limit = || {
        let shown = cluster.outsider("changing", ["limit", "--json"]).json();
        shown["upload_limit"].as_u64()
    };
    assert_eq!(limit(), Some(1 << 20));

    write(
        "upload_limit = '2MiB/s'\nzone = 'elsewhere'\nupload_slots = 2\ncapacity = '1GiB'\nmemory = '64MiB'\nlog = 'debug'\n",
    )?;
    eventually("the new limit", PATIENCE, limit, |seen| *seen == Some(2 << 20))?;
    wait_for_log(
        &peer,
        "memory is \\\"64MiB\\\" instead of \\\"96MiB\\\": that takes effect when",
    )?;
    assert!(!has_logged(&peer, "upload_slots is"), "the flag says it");
    // The tracker receives the peer's new address and capacity.
    let told = || {
        let network = cluster.outsider("changing", ["network", "--json"]).json();
        let peer = &network["peers"][0];
        (
            peer["zone"].as_str().map(ToOwned::to_owned),
            peer["capacity"].as_u64(),
        )
    };
    eventually("the new zone and capacity", PATIENCE, told, |(zone, capacity)| {
        zone.as_deref() == Some("elsewhere") && *capacity == Some(1 << 30)
    })?;

    write("upload_limit = 'fast'\n")?;
    wait_for_log(&peer, "cannot be used; everything stays as it was")?;
    assert_eq!(limit(), Some(2 << 20));

    // SIGHUP reads the file at once, and logs that even when nothing has changed.
    write("upload_limit = '2MiB/s'\nzone = 'elsewhere'\ncapacity = '1GiB'\nlog = 'debug'\n")?;
    let id = peer
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .expect("it runs");
    kill_process(id, Signal::HUP)?;
    wait_for_log(&peer, "nothing has changed")?;
    // A limit that a command has set stays until the file has another one.
    drop(
        cluster
            .outsider("changing", ["limit", "--upload", "5MiB/s"])
            .expect(0),
    );
    write("upload_limit = '2MiB/s'\nlog = 'info'\ndownload_limit = '7MiB/s'\n")?;
    wait_for_log(&peer, "download_limit is")?;
    assert_eq!(limit(), Some(5 << 20));
    Ok(())
}

#[test]
fn a_changed_file_takes_effect_while_a_tracker_and_a_webserver_run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let start = |program, file: &Path, more: &[&Path], log: &str| {
        let mut arguments = vec!["--config".into(), file.into()];
        arguments.extend(more.iter().map(OsString::from));
        Program::start(program, arguments, &dir.path().join(log))
    };
    let write = |name: &str, text: &str| {
        let (file, new) = (dir.path().join(name), dir.path().join("new"));
        std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &file))?;
        anyhow::Ok(file)
    };
    let file = write("tracker.toml", "[repair]\nrate = '1MiB/s'\n")?;
    let data_dir = |name: &str| dir.path().join(name);
    let tracker = start(
        "tracker",
        &file,
        &["--data-dir".as_ref(), &data_dir("t1")],
        "t1.log",
    )?;
    write("tracker.toml", "keep_revisions = 1\n[repair]\nrate = '1KiB/s'\n")?;
    wait_for_log(&tracker, "repair: the rate must be at least 1MiB/s")?;
    assert!(
        !has_logged(&tracker, "keep_revisions is"),
        "a broken file changes nothing"
    );
    write(
        "tracker.toml",
        "keep_revisions = 1\n[repair]\nrate = '2MiB/s'\n[timing]\nlease = '20s'\ngrace = '9s'\n",
    )?;
    for changed in ["keep_revisions", "repair.rate", "timing.grace"] {
        let told = |line: &str| line.contains(&format!("{changed} is ")) && line.contains("from now on");
        eventually(
            changed,
            PATIENCE,
            || tracker.log().lines().any(told),
            |seen| *seen,
        )?;
    }
    wait_for_log(
        &tracker,
        "timing.lease is \\\"20s\\\" instead of \\\"10s\\\": that takes effect when",
    )?;

    let (nowhere, address) = ("127.0.0.1:1", tracker.address());
    let file = write(
        "webserver.toml",
        &format!("tracker = [{nowhere:?}]\nprobe_interval = '20ms'\n"),
    )?;
    let webserver = start("webserver", &file, &[], "w.log")?;
    write(
        "webserver.toml",
        &format!("tracker = [{nowhere:?}, {address:?}]\nprobe_interval = '20ms'\n"),
    )?;
    wait_for_log(&webserver, "the tracker is live")?;
    write("webserver.toml", "tracker = []\n")?;
    wait_for_log(&webserver, "the list is empty")?;
    Ok(())
}

#[test]
fn config_show_asks_the_running_node() -> Result<()> {
    // It has the address of a webserver by a flag.
    let cluster = Cluster::builder().plain().peers(1).start()?;
    let peer = cluster.peer(0);
    drop(peer.run(["limit", "--upload", "2MB/s"]).expect(0));
    let shown = peer.run(["config", "show", "--json"]).expect(0).json();
    assert_eq!(shown["running"], true);
    let setting = |key: &str| {
        let mut all = shown["settings"].as_array().into_iter().flatten();
        let found = all.find(|setting| setting["key"] == key);
        let found = found.expect("it is listed");
        (found["value"].clone(), found["from"].clone())
    };
    assert_eq!(setting("upload_limit"), ("1.9 MiB/s".into(), "command".into()));
    assert_eq!(
        setting("webserver"),
        (cluster.webserver.address().into(), "flag".into())
    );
    let (_, port) = peer.program.address().rsplit_once(':').expect("a port");
    assert_eq!(setting("port"), (port.into(), "flag".into()));
    let nobody = cluster.outsider("nobody", ["config", "show", "--json"]).expect(0);
    assert_eq!(nobody.json()["running"], false);
    let text = cluster.outsider("nobody", ["config", "show"]).expect(0).stdout;
    assert!(text.contains("no node runs on"), "{text}");
    let tracker = run("tracker", &["config", "show", "--json"]).expect(0);
    assert!(tracker.json()["running"].is_null());
    Ok(())
}
