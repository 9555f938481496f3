//! A whole cluster of real programs.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::security::{self, Entry, Member, Security};
use crate::{Outcome, Program, binaries, eventually};

/// Shorter times than in production, so that stories about losses do not take minutes.
pub const QUICK_TIMING: &str = r#"
history_grace = "1s"
[timing]
lease = "3s"
heartbeat = "500ms"
grace = "1s"
safe_mode = "10s"
cool_down = "2s"
trim = "5s"
orphan = "10s"
removed = "500ms"
"#;

/// A webserver, a tracker and peers, each with its own data directory below one temporary directory.
#[derive(Debug)]
pub struct Cluster {
    /// The tracker.
    pub tracker: Program,
    /// The webserver.
    pub webserver: Program,
    peers: Vec<Peer>,
    environment: Vec<(OsString, OsString)>,
    /// The output of `tracker init`, if the network is secured.
    pub security: Option<Security>,
    /// Files with join lines for peers, by the webserver and by the tracker.
    line: LineFile,
    tracker_line: LineFile,
    /// Dropped last: the programs are gone then.
    root: Root,
}

/// The path of a file with a join line, which is there when it has been asked for: no other story finds a
/// secret there.
#[derive(Debug, Default)]
struct LineFile(OnceLock<String>);

impl LineFile {
    fn of(&self, security: &Security, server: &Program, path: &Path) -> &str {
        self.0.get_or_init(|| {
            let written = security.write_line(path, server.address());
            written.expect("the directory takes a file")
        })
    }
}

/// Directory of all files.
#[derive(Debug)]
enum Root {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

/// A peer: its program and its data directory, which outlives the program.
#[derive(Debug)]
pub struct Peer {
    /// The program.
    pub program: Program,
    data_dir: PathBuf,
}

/// Properties of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    zones: Vec<Option<String>>,
    timing: String,
    keep: bool,
    data: Option<PathBuf>,
    secured: bool,
    environment: Vec<(OsString, OsString)>,
}

impl Cluster {
    /// A cluster without peers, with quick timing.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            zones: Vec::new(),
            timing: QUICK_TIMING.to_owned(),
            keep: false,
            data: None,
            secured: security::is_wanted(),
            environment: Vec::new(),
        }
    }

    /// The peer with this number, from 0.
    #[must_use]
    pub fn peer(&self, number: usize) -> &Peer {
        &self.peers[number]
    }

    /// Returns the peer, to kill or restart it.
    pub fn peer_mut(&mut self, number: usize) -> &mut Peer {
        &mut self.peers[number]
    }

    /// The number of peers.
    #[must_use]
    pub const fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Lets every program run on when this is dropped; returns their process ids.
    pub fn leave_running(&mut self) -> Vec<u32> {
        let peers = self.peers.iter_mut().map(|peer| &mut peer.program);
        [&mut self.tracker, &mut self.webserver]
            .into_iter()
            .chain(peers)
            .filter_map(Program::leave_running)
            .collect()
    }

    /// A directory for the story's own files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match &self.root {
            Root::Temporary(directory) => directory.path(),
            Root::Kept(directory) => directory,
        }
    }

    /// A path for a file of the story's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Adds a peer on a copy of another one's data directory, as that is now; returns its number.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_copy(&mut self, of: usize) -> Result<usize> {
        let original = self.peer(of).data_dir().to_owned();
        copy(&original, &self.path(&format!("peer-{}", self.peers.len())))?;
        self.add_peer(None)
    }

    /// Adds a peer that enters by the webserver; returns its number.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_peer(&mut self, zone: Option<&str>) -> Result<usize> {
        let number = self.peers.len();
        let data_dir = self.path(&format!("peer-{number}"));
        let mut arguments: Vec<OsString> = ["serve", "--data-dir"].map(Into::into).into();
        let entry = Entry::of_peer(self.security.as_ref(), self.webserver.address());
        arguments.push(data_dir.clone().into());
        arguments.extend(entry.arguments);
        if let Some(zone) = zone {
            arguments.extend(["--zone", zone].map(Into::into));
        }
        let mut entry = Entry {
            arguments,
            environment: entry.environment,
        };
        entry.environment.extend(self.environment.clone());
        let log = self.path(&format!("peer-{number}.log"));
        let program = Program::start_by("peer", entry, &log, "127.0.0.1", Vec::new())?;
        self.peers.push(Peer { program, data_dir });
        Ok(number)
    }

    /// Runs a command of the `tracker` program on the tracker's data directory, beside the running tracker.
    ///
    /// # Panics
    /// When the program is not there.
    pub fn operate<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        let mut command = Command::new(binaries::path("tracker"));
        let (host, port) = self.tracker.address().rsplit_once(':').expect("a port");
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.path("tracker"))
            .env("ENJAMBRE_HOST", host)
            .env("ENJAMBRE_PORT", port)
            .stdin(Stdio::null());
        command.output().expect("the program is there").into()
    }

    /// Returns the words by which a program on a data directory of its own enters the network: the
    /// webserver's address, or a join line.
    ///
    /// # Panics
    /// When the line cannot be written into a file.
    #[must_use]
    pub fn entry(&self) -> [&str; 2] {
        match &self.security {
            None => ["--webserver", self.webserver.address()],
            Some(security) => [
                "--join-file",
                self.line.of(security, &self.webserver, &self.path("peer.line")),
            ],
        }
    }

    /// Returns the words by which one enters by the tracker, so that it learns of no webserver.
    ///
    /// # Panics
    /// As [`Self::entry`].
    #[must_use]
    pub fn entry_by_tracker(&self) -> [&str; 2] {
        match &self.security {
            None => ["--tracker", self.tracker.address()],
            Some(security) => {
                let path = self.path("peer-by-tracker.line");
                [
                    "--join-file",
                    self.tracker_line.of(security, &self.tracker, &path),
                ]
            }
        }
    }

    /// Returns the answer of a person at the menu to the question for a network.
    #[must_use]
    pub fn typed_entry(&self) -> String {
        let webserver = self.webserver.address();
        match &self.security {
            None => webserver.to_owned(),
            Some(security) => security.line("peer", webserver),
        }
    }

    /// Makes the harness a member of its own, which is a peer that is no program; without security, it is one
    /// like everybody.
    ///
    /// # Errors
    /// When it cannot join.
    pub async fn member(&self, name: &str) -> Result<Member> {
        let data_dir = self.path(name);
        match &self.security {
            None => Ok(Member::plain()),
            Some(security) => Member::join(security, self.tracker.address(), &data_dir).await,
        }
    }

    /// Runs a command of the `peer` program on a data directory of its own, where no node runs.
    pub fn outsider<S: AsRef<OsStr>>(&self, name: &str, arguments: impl IntoIterator<Item = S>) -> Outcome {
        run_peer(&self.path(name), arguments)
    }

    /// Waits until the tracker counts this many live peers, and knows of each whether others reach it.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_for_live_peers(&self, count: usize) -> Result<()> {
        let ask = || {
            let outcome = self.peers.iter().find_map(|peer| {
                let outcome = peer.run(["network", "--json"]);
                (outcome.code == 0).then_some(outcome)
            });
            let peers =
                outcome.map(|outcome| outcome.json()["peers"].as_array().cloned().unwrap_or_default());
            peers
                .unwrap_or_default()
                .iter()
                .filter(|peer| peer["state"] == "live" && peer["reach"] != "unconfirmed")
                .count()
        };
        eventually("live peers", Duration::from_secs(30), ask, |live| *live == count).map(drop)
    }
}

impl ClusterBuilder {
    /// Adds peers without a zone.
    #[must_use]
    pub fn peers(mut self, count: usize) -> Self {
        self.zones.extend(std::iter::repeat_n(None, count));
        self
    }

    /// Adds a peer in a zone.
    #[must_use]
    pub fn peer_in(mut self, zone: &str) -> Self {
        self.zones.push(Some(zone.to_owned()));
        self
    }

    /// Runs the tracker with other times (TOML).
    #[must_use]
    pub fn timing(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.timing);
        self
    }

    /// Leaves the files behind when the cluster is dropped.
    #[must_use]
    pub const fn keep(mut self) -> Self {
        self.keep = true;
        self
    }

    /// Starts from copies of these data directories: `tracker`, `peer-0`, `peer-1` and so on.
    #[must_use]
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Secures the network: programs enter with the join lines that `tracker init` prints.
    #[must_use]
    pub const fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// Starts all programs with a variable of the environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Leaves the network as it is without security, whatever the environment says: the story starts programs
    /// by hand, or speaks with the tracker without being a member.
    #[must_use]
    pub const fn plain(mut self) -> Self {
        self.secured = false;
        self
    }

    /// Starts everything and waits until every peer is known to the tracker.
    ///
    /// # Errors
    /// When a program does not start.
    pub fn start(self) -> Result<Cluster> {
        let temporary = tempfile::Builder::new()
            .prefix("enjambre-")
            .tempdir()
            .context("make a directory")?;
        let root = if self.keep {
            Root::Kept(temporary.keep())
        } else {
            Root::Temporary(temporary)
        };
        let directory = match &root {
            Root::Temporary(directory) => directory.path().to_owned(),
            Root::Kept(directory) => directory.clone(),
        };
        if let Some(data) = &self.data {
            copy(data, &directory)?;
        }
        let config = directory.join("tracker.toml");
        std::fs::write(&config, &self.timing).context("write the tracker's configuration")?;
        let data_dir = directory.join("tracker");
        let security = self
            .secured
            .then(|| Security::init_with(&data_dir, &self.environment));
        let security = security.transpose()?;
        let mut entry = Entry::of_tracker(data_dir, config);
        entry.environment.clone_from(&self.environment);
        let log = directory.join("tracker.log");
        let tracker = Program::start_by("tracker", entry, &log, "127.0.0.1", Vec::new())?;
        let data_dir = directory.join("webserver");
        let mut entry = Entry::of_webserver(security.as_ref(), tracker.address(), data_dir);
        entry.environment.extend(self.environment.clone());
        let log = directory.join("webserver.log");
        let webserver = Program::start_by("webserver", entry, &log, "127.0.0.1", Vec::new())?;
        let mut cluster = Cluster {
            tracker,
            webserver,
            peers: Vec::new(),
            environment: self.environment,
            line: LineFile::default(),
            tracker_line: LineFile::default(),
            security,
            root,
        };
        for zone in &self.zones {
            cluster.add_peer(zone.as_deref())?;
        }
        if !self.zones.is_empty() {
            cluster.wait_for_live_peers(self.zones.len())?;
        }
        Ok(cluster)
    }
}

impl Peer {
    /// Returns the directory of its data.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Runs a command against it and waits for its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        run_peer(&self.data_dir, arguments)
    }

    /// Begins a command against it.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        peer_command(&self.data_dir, arguments)
    }

    /// Returns the output of `status --json`.
    #[must_use]
    pub fn status(&self) -> Value {
        self.run(["status", "--json"]).expect(0).json()
    }

    /// Returns the output of `locate --json`.
    #[must_use]
    pub fn locate(&self, name: &str) -> Value {
        self.run(["locate", name, "--json"]).expect(0).json()
    }
}

/// Copies the files below a directory into another one.
///
/// # Errors
/// When one cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry.context("list a directory")?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to)?;
        } else {
            std::fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
    }
    Ok(())
}

fn run_peer<S: AsRef<OsStr>>(data_dir: &Path, arguments: impl IntoIterator<Item = S>) -> Outcome {
    peer_command(data_dir, arguments)
        .output()
        .expect("the program is there")
        .into()
}

fn peer_command<S: AsRef<OsStr>>(data_dir: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(binaries::path("peer"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(data_dir)
        .stdin(Stdio::null());
    command
}
