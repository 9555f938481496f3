//! The cluster of a chaos run: real programs that several threads use, harm and start again at the same time.
//!
//! Every question goes through the real command line, whose exit codes are the answers. Each peer has a data
//! directory and, on a machine that allows it, a network namespace of its own, so that it can be cut off.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::locked;
use crate::cluster::QUICK_TIMING;
use crate::lab::{Link, Network, Place};
use crate::security::{self, Entry, Security};
use crate::{Outcome, Program, binaries, eventually};

/// Longest wait for an answer to a command, so that a stopped node delays nothing for ever.
const COMMAND_LIMIT: &str = "10s";

/// Longest wait in a run that stops no process: a missing answer then never comes, even on a busy machine.
const LONG_COMMAND_LIMIT: &str = "60s";

/// One for each peer, and one for a fresh peer at the end: links so fast that they limit nothing here.
const LINK: Link = Link::both_ways(10_000_000_000);

/// The peer whose disk is small, where there can be one.
pub(super) const SMALL: usize = 1;

/// Stall limit of a fetch whose sources were cut off; shorter than in production (60 s), because a chaos run
/// has only seconds between two faults.
const SOON: &str = "stall = \"10s\"\n";

/// Durations of another network's tracker: it waits for no peer that is missing, and keeps no content without
/// a name for as long as a peer stays.
const HASTY: &str = r#"
history_grace = "1s"
[timing]
lease = "3s"
heartbeat = "500ms"
grace = "1s"
safe_mode = "3s"
orphan = "1s"
"#;

/// Time within which peers find their tracker again after any fault.
pub(super) const RETURN_LIMIT: Duration = Duration::from_secs(60);

/// Programs of a chaos run, and their places.
#[derive(Debug)]
pub struct Fleet {
    hosts: RwLock<Vec<Arc<Host>>>,
    /// The tracker.
    pub tracker: Mutex<Program>,
    webserver: Mutex<Program>,
    /// Network whose hosts can be cut off from each other.
    pub network: Option<Network>,
    small_disk: Option<SmallDisk>,
    directory: Option<TempDir>,
    command_limit: &'static str,
    security: Option<Security>,
}

/// A name that the network lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// `replicated`, `degraded` or `unavailable`.
    pub state: String,
}

/// A peer of the fleet.
#[derive(Debug)]
pub struct Host {
    /// Number from 0.
    pub number: usize,
    /// Directory of its data.
    pub data_dir: PathBuf,
    /// The program; locked while a thread uses it.
    pub program: Mutex<Program>,
    /// Changes that it has acknowledged.
    pub acknowledged: AtomicU64,
    /// Listening address, in every run.
    pub address: String,
    is_up: AtomicBool,
    place: Option<Place>,
    command_limit: &'static str,
}

impl Fleet {
    /// Starts a webserver, a tracker and peers, and waits until the tracker knows them all.
    ///
    /// # Errors
    /// When a program does not start.
    pub fn start(peers: usize) -> Result<Self> {
        Self::start_in(peers, None, false, security::is_wanted())
    }

    /// A network in which as many peers, and one more, can be cut off.
    ///
    /// # Errors
    /// When this machine allows none.
    pub(super) fn network(peers: usize) -> Result<Network> {
        Network::up(&vec![LINK; peers + 1])
    }

    /// Starts it in a network, with a small disk for one peer if that can be, and secured or not.
    ///
    /// # Errors
    /// When a program does not start.
    pub(super) fn start_in(
        peers: usize,
        network: Option<Network>,
        with_small_disk: bool,
        is_secured: bool,
    ) -> Result<Self> {
        binaries::build();
        let directory = tempfile::Builder::new()
            .prefix("enjambre-chaos-")
            .tempdir()
            .context("make a directory")?;
        let root = directory.path();
        for name in ["files", "got"] {
            std::fs::create_dir(root.join(name)).context("make a directory")?;
        }
        let small = root.join(format!("peer-{SMALL}"));
        let small_disk = with_small_disk.then(|| SmallDisk::mount(&small).ok()).flatten();
        let config = root.join("tracker.toml");
        std::fs::write(&config, [QUICK_TIMING, SOON].concat())
            .context("write the tracker's configuration")?;
        let switch = network.as_ref().map(Network::switch);
        let data_dir = root.join("tracker");
        let security = is_secured.then(|| Security::init(&data_dir)).transpose()?;
        let entry = Entry::of_tracker(data_dir, config);
        let is_hidden = is_secured || switch.is_none();
        let tracker = launch("tracker", entry.elsewhere(is_hidden), root, switch.as_ref())?;
        let entry = Entry::of_webserver(security.as_ref(), tracker.address(), root.join("webserver"));
        let webserver = launch("webserver", entry.elsewhere(is_hidden), root, switch.as_ref())?;
        let fleet = Self {
            hosts: RwLock::default(),
            tracker: Mutex::new(tracker),
            webserver: Mutex::new(webserver),
            network,
            small_disk,
            directory: Some(directory),
            command_limit: COMMAND_LIMIT,
            security,
        };
        for _ in 0..peers {
            fleet.add_host(&[])?;
        }
        fleet.wait_until_connected()?;
        Ok(fleet)
    }

    /// Commands to peers that are added from now on have a minute.
    pub(super) const fn be_patient(&mut self) {
        self.command_limit = LONG_COMMAND_LIMIT;
    }

    /// Whether peer `SMALL` has a disk that can be filled.
    #[must_use]
    pub const fn has_small_disk(&self) -> bool {
        self.small_disk.is_some()
    }

    /// Returns the directory of all files.
    ///
    /// # Panics
    /// After [`Self::keep`].
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.as_ref().expect("kept only at the end").path()
    }

    /// Keeps the files and returns their directory.
    pub fn keep(mut self) -> PathBuf {
        let directory = self.directory.take().expect("kept once");
        directory.keep()
    }

    /// A path of a file in the fleet's directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_host(&self, flags: &[&str]) -> Result<Arc<Host>> {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        let number = hosts.len();
        let data_dir = self.path(&format!("peer-{number}"));
        let place = self.network.as_ref().map(|network| network.host(number));
        let mut arguments = vec!["serve".into(), "--data-dir".into(), data_dir.clone().into()];
        let entry = Entry::of_peer(self.security.as_ref(), locked(&self.webserver).address());
        arguments.extend(entry.arguments);
        arguments.extend(flags.iter().map(Into::into));
        let log = self.path(&format!("peer-{number}.log"));
        let (host, prefix) = whereabouts(place.as_ref());
        let entry = Entry {
            arguments,
            environment: entry.environment,
        };
        let entry = entry.elsewhere(self.security.is_some() || place.is_none());
        let program = Program::start_by("peer", entry, &log, &host, prefix)?;
        let host = Arc::new(Host {
            number,
            data_dir,
            address: program.address().to_owned(),
            program: Mutex::new(program),
            acknowledged: AtomicU64::new(0),
            is_up: AtomicBool::new(true),
            place,
            command_limit: self.command_limit,
        });
        hosts.push(Arc::clone(&host));
        Ok(host)
    }

    /// All peers.
    #[must_use]
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        self.hosts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every peer has a session with the tracker.
    ///
    /// # Errors
    /// When one of them is not connected in time.
    pub fn wait_until_connected(&self) -> Result<()> {
        for host in self.hosts() {
            let session = || {
                host.status()
                    .map_or(Value::Null, |status| status["session"].clone())
            };
            eventually("a session", RETURN_LIMIT, session, |session| {
                session == "connected"
            })
            .with_context(|| format!("peer {}", host.number))?;
        }
        Ok(())
    }

    /// Returns an obstacle to rest: a content below its target or work under way; `None` at rest. Names that
    /// are `excused` may stand for contents without any holder.
    #[must_use]
    pub fn unrest(&self, excused: &BTreeSet<String>) -> Option<String> {
        let hosts = self.hosts();
        for host in &hosts {
            let Some(status) = host.status() else {
                return Some(format!("peer {} does not answer", host.number));
            };
            if status["session"] != "connected" || status["pending_publications"] != 0 {
                return Some(format!("peer {}: {status}", host.number));
            }
        }
        let listed = match self.listed() {
            Ok(listed) => listed,
            Err(error) => return Some(format!("{error:#}")),
        };
        let is_fine = |name: &&Listed| {
            name.state == "replicated" || (name.state == "unavailable" && excused.contains(&name.name))
        };
        let below: Vec<_> = listed.iter().filter(|name| !is_fine(name)).collect();
        below.first().map(|first| {
            format!(
                "{} of {} names are not at target: {first:?}",
                below.len(),
                listed.len()
            )
        })
    }

    /// Waits until there is no unrest.
    ///
    /// # Errors
    /// When an obstacle is left after the limit.
    pub fn wait_for_rest(&self, limit: Duration, excused: &BTreeSet<String>) -> Result<()> {
        eventually(
            "everything at target",
            limit,
            || self.unrest(excused),
            Option::is_none,
        )
        .map(drop)
    }

    /// Returns the network's list of names.
    ///
    /// # Errors
    /// When the network does not answer.
    pub fn listed(&self) -> Result<Vec<Listed>> {
        names(&self.hosts()[0].run(["list", "--json"]))
    }

    /// Starts the tracker of another network, on the same data directory each time.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn other_tracker(&self) -> Result<Program> {
        let (config, data_dir) = (self.path("other.toml"), self.path("other"));
        std::fs::write(&config, HASTY).context("write the configuration of another tracker")?;
        let arguments = vec![
            "--data-dir".into(),
            data_dir.into(),
            "--config".into(),
            config.into(),
            "--insecure".into(),
        ];
        let switch = self.network.as_ref().map(Network::switch);
        let (host, prefix) = whereabouts(switch.as_ref());
        Program::start_at("tracker", arguments, &self.path("other.log"), &host, prefix)
    }

    /// Returns the documents of that list.
    pub(super) fn names(&self) -> Result<Vec<Value>> {
        documents(&self.hosts()[0].run(["list", "--json"]))
    }

    /// Lines of the logs that no program should ever write.
    #[must_use]
    pub fn panics(&self) -> Vec<String> {
        let logs = std::fs::read_dir(self.directory())
            .into_iter()
            .flatten()
            .flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|end| end == "log"));
        let mut found = Vec::new();
        for log in logs {
            let bytes = std::fs::read(log.path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().filter(|line| line.contains("panicked"));
            found.extend(lines.map(|line| format!("{}: {line}", log.path().display())));
        }
        found
    }

    /// Runs the tracker's program on its data directory, for something else than serving.
    #[must_use]
    pub fn tracker_command(&self, arguments: &[&OsStr]) -> Outcome {
        let mut command = Command::new(binaries::path("tracker"));
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.path("tracker"));
        answered(&mut command)
    }
}

impl Host {
    /// Runs a command against it and waits for its end, which comes.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        self.run_at(&self.address, arguments)
    }

    /// Does the same with its program at another address.
    pub(super) fn run_at<S: AsRef<OsStr>>(
        &self,
        address: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Outcome {
        let mut command = self.command_here(&binaries::path("peer"));
        // Named by its address, so that a command does not run a node of its own there while this one is
        // being restarted.
        command
            .args(arguments)
            .args(["--peer", address, "--timeout", self.command_limit])
            .env("ENJAMBRE_DATA_DIR", &self.data_dir);
        answered(&mut command)
    }

    /// Returns a command that runs a program in this peer's network.
    #[must_use]
    pub fn command_here(&self, program: &Path) -> Command {
        match &self.place {
            Some(place) => place.command(program),
            None => Command::new(program),
        }
    }

    /// Runs a command of the peer's program on its data directory while no node runs there.
    #[must_use]
    pub fn run_offline(&self, command: &str) -> Outcome {
        let mut peer = Command::new(binaries::path("peer"));
        answered(peer.arg(command).arg("--data-dir").arg(&self.data_dir))
    }

    /// Returns its status, if it answers.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        let outcome = self.run(["status", "--json"]);
        (outcome.code == 0).then(|| outcome.json())
    }

    /// Whether clients should use it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Tells clients whether to use it.
    pub fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::Relaxed);
    }

    /// Kills it, changes its data directory, and starts it again.
    ///
    /// # Errors
    /// When `meanwhile` fails, or it does not start.
    pub fn bounce(&self, meanwhile: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.set_up(false);
        let mut program = locked(&self.program);
        program.kill();
        meanwhile(&self.data_dir)?;
        program
            .restart()
            .with_context(|| format!("restart peer {}", self.number))?;
        self.set_up(true);
        Ok(())
    }

    /// Kills it, runs it in the network of another tracker, at another port that is told, and starts it again
    /// where it was. Users do not see it there.
    ///
    /// # Errors
    /// When `meanwhile` fails, or it does not start.
    pub(super) fn visit(
        &self,
        tracker: &str,
        log: &Path,
        meanwhile: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        self.bounce(|data_dir| {
            let (host, prefix) = whereabouts(self.place.as_ref());
            let arguments = ["serve", "--insecure", "--tracker", tracker, "--data-dir"].map(OsString::from);
            let arguments = arguments.into_iter().chain([data_dir.into()]).collect();
            let there = Program::start_at("peer", arguments, log, &host, prefix)
                .with_context(|| format!("start peer {} in another network", self.number))?;
            meanwhile(there.address())
        })
    }

    /// The files in which its store keeps other people's fragments.
    #[must_use]
    pub fn data_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![self.data_dir.join("contents")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "data") {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

/// Returns the documents in the answer to `list --json`.
fn documents(listed: &Outcome) -> Result<Vec<Value>> {
    ensure!(listed.code == 0, "cannot list: {}", listed.stderr);
    let names = listed.json()["names"].take();
    Ok(names.as_array().cloned().unwrap_or_default())
}

/// Returns the names in the answer to `list --json`.
pub(super) fn names(listed: &Outcome) -> Result<Vec<Listed>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names = documents(listed)?.into_iter().map(|name| Listed {
        name: text(&name["name"]),
        state: text(&name["state"]),
    });
    Ok(names.collect())
}

fn answered(command: &mut Command) -> Outcome {
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program is there")
        .into()
}

fn whereabouts(place: Option<&Place>) -> (String, Vec<OsString>) {
    place.map_or_else(
        || ("127.0.0.1".to_owned(), Vec::new()),
        |place| (place.address().to_owned(), place.prefix()),
    )
}

fn launch(name: &'static str, entry: Entry, root: &Path, place: Option<&Place>) -> Result<Program> {
    let (host, prefix) = whereabouts(place);
    Program::start_by(name, entry, &root.join(format!("{name}.log")), &host, prefix)
}

/// More than a peer's share of the published bytes, so that the disk is full only when the test fills it.
const SIZE: &str = "size=256m,mode=700";

/// A disk that is mounted until it is dropped; no process may use it then.
#[derive(Debug)]
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one.
    ///
    /// # Errors
    /// When this process may not mount.
    fn mount(at: &Path) -> Result<Self> {
        std::fs::create_dir_all(at).context("make a directory")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "enjambre-chaos"]).arg(at);
        let status = mount.stderr(Stdio::null()).status().context("run mount")?;
        ensure!(status.success(), "cannot mount a file system at {}", at.display());
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that has just been killed may not be gone altogether.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        drop(unmounted);
    }
}
