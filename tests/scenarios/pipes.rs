//! Pipes and devices where files of a data directory were: nobody waits for their other end.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::{Cluster, Program, binaries, copy, eventually};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal};

use crate::{all_below, publish, text};

/// Time in which a program starts or says why not, and in which it stops.
const SOON: Duration = Duration::from_secs(20);

/// Puts something else where a file was.
fn replace(path: &Path, kind: &str) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    match kind {
        "pipe" => mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0)?,
        _ => symlink("/dev/zero", path)?,
    }
    Ok(())
}

/// Waits until a program has ended.
fn ends(child: &mut Child, what: &str) -> Result<()> {
    let ended = eventually(
        what,
        SOON,
        || child.try_wait(),
        |ended| !matches!(ended, Ok(None)),
    );
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    ended.map(drop)
}

/// Starts a program, waits until it is ready or has ended, asks it to stop, and waits until it has ended;
/// returns whether it was ready.
pub(crate) fn starts_and_stops(program: &str, line: &[&str], what: &str) -> Result<bool> {
    let mut child = Command::new(binaries::path(program))
        .args(line)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (said, told) = std::sync::mpsc::channel();
    let stdout = child.stdout.take().context("is piped")?;
    std::thread::spawn(move || {
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
        let _is_awaited = said.send(lines.next().is_some());
        lines.for_each(drop);
    });
    let Ok(is_ready) = told.recv_timeout(SOON) else {
        child.kill()?;
        child.wait()?;
        anyhow::bail!("{what}: the start hangs");
    };
    if is_ready {
        rustix::process::kill_process(Pid::from_child(&child), Signal::TERM)?;
    }
    ends(&mut child, what).map(|()| is_ready)
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let all = all_below(directory);
    all.into_iter().filter(|path| path.is_file()).collect()
}

#[test]
fn no_start_waits_for_a_pipe_in_the_place_of_a_file() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "data", 100_000, 1)?;
    drop(cluster.peer(0).run(["put", "key", "value"]).expect(0));
    // Killed, so that logs and markers are there too.
    cluster.peer_mut(0).program.kill();
    cluster.tracker.kill();
    let place = cluster.path("place");
    for (program, from) in [("peer", "peer-0"), ("tracker", "tracker")] {
        let from = cluster.path(from);
        let database = if program == "peer" {
            "index.db"
        } else {
            "journal.sqlite"
        };
        let mut names: Vec<PathBuf> = files_below(&from);
        names.extend(["-journal", "-shm", "-running"].map(|suffix| from.join(format!("{database}{suffix}"))));
        names.extend(["network.json", "network.json.new", "node.json"].map(|name| from.join(name)));
        names.sort();
        names.dedup();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            for kind in ["pipe", "device"] {
                if place.exists() {
                    fs::remove_dir_all(&place)?;
                }
                copy(&from, &place)?;
                let name = name.strip_prefix(&from)?;
                replace(&place.join(name), kind)?;
                let what = format!("{program} with a {kind} as {}", name.display());
                let serve = ["serve", "--tracker", "127.0.0.1:9"];
                let serve = if program == "peer" { &serve[..] } else { &[] };
                let line = [serve, &["--port", "0", "--data-dir", text(&place)]].concat();
                starts_and_stops(program, &line, &what)?;
                if program == "peer" {
                    let mut status = Command::new(binaries::path("peer"))
                        .args(["config", "show", "--data-dir", text(&place)])
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .stderr(Stdio::null())
                        .spawn()?;
                    ends(&mut status, &what)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_stop_waits_for_a_pipe_that_came_while_it_ran() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let start = |name: &'static str, line: &[&str], directory: &Path| {
        let line = [line, &["--data-dir", text(directory)]].concat();
        let arguments = line.iter().map(Into::into).collect();
        Program::start(name, arguments, &cluster.path("piped.log"))
    };
    let [flag, entry] = cluster.entry_by_tracker();
    let serve = ["serve", flag, entry];
    for (name, line) in [("peer", &serve[..]), ("tracker", &[])] {
        let directory = cluster.path(&format!("piped-{name}"));
        let mut program = start(name, line, &directory)?;
        for path in files_below(&directory) {
            replace(&path, "pipe")?;
        }
        program.stop()?;
    }
    Ok(())
}
