//! A source, receivers, a tracker and a webserver in the lab, and one file that goes from the one to the
//! others.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::network::{Network, Place};
use super::race::{Distribution, Race, Receipt};
use super::{Scenario, bound};
use crate::security::{Entry, Security};
use crate::{Outcome, Program, binaries, content, eventually, is_interrupted};

/// The name that the file is published under.
const NAME: &str = "lab";

/// All programs are up within this time.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Polling interval: the error of a measured time.
const LOOK: Duration = Duration::from_millis(2);

/// Interval of the checks for a full copy. Each costs a short process.
const ASK: Duration = Duration::from_millis(100);

/// A distribution that takes this many times as long as it must is given up, and the scenario has failed.
const GIVE_UP_FACTOR: u32 = 12;

/// Programs on the hosts of a scenario; everything is gone when this is dropped: the programs first.
#[derive(Debug)]
pub struct Lab {
    peers: Vec<Program>,
    _webserver: Program,
    _tracker: Program,
    network: Network,
    directory: TempDir,
}

impl Lab {
    /// Makes the network and starts the programs on it, which secure their connections or do not.
    ///
    /// # Errors
    /// When the machine allows no lab, or a program does not start.
    pub fn start(scenario: &Scenario, is_secured: bool) -> Result<Self> {
        binaries::build();
        let directory = directory_for(scenario)?;
        let network = Network::up(&scenario.links)?;
        let start = |program, name: &str, place: &Place, mut entry: Entry| {
            let log = directory.path().join(format!("{name}.log"));
            if program == "peer" {
                let data_dir = directory.path().join(name).into();
                entry
                    .arguments
                    .splice(..0, ["serve".into(), "--data-dir".into(), data_dir]);
            }
            let entry = entry.elsewhere(is_secured);
            Program::start_by(program, entry, &log, place.address(), place.prefix())
        };
        let switch = network.switch();
        let data_dir = directory.path().join("tracker");
        let security = is_secured.then(|| Security::init(&data_dir)).transpose()?;
        let entry = Entry {
            arguments: vec!["--data-dir".into(), data_dir.into()],
            environment: Vec::new(),
        };
        let tracker = start("tracker", "tracker", &switch, entry)?;
        let data_dir = directory.path().join("webserver");
        let entry = Entry::of_webserver(security.as_ref(), tracker.address(), data_dir);
        let webserver = start("webserver", "webserver", &switch, entry)?;
        let mut peers = Vec::new();
        for number in 0..network.host_count() {
            ensure!(!is_interrupted(), "interrupted");
            let (name, place) = (peer_name(number), network.host(number));
            let entry = Entry::of_peer(security.as_ref(), webserver.address());
            peers.push(start("peer", &name, &place, entry)?);
        }
        let lab = Self {
            peers,
            _webserver: webserver,
            _tracker: tracker,
            network,
            directory,
        };
        lab.wait_until_all_live()?;
        Ok(lab)
    }

    /// Returns the directory of the files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Publishes a file on the source and has every receiver get it; checks every copy.
    ///
    /// # Errors
    /// When a receiver fails, takes far too long, or ends up with other bytes than the source's.
    pub fn distribute(&mut self, scenario: &Scenario) -> Result<Distribution> {
        let file = self.directory.path().join("original.bin");
        content::write(&file, scenario.length, scenario.length ^ 0x1ab)?;
        let digest = content::sha256(&file)?;
        let path = file.to_str().context("the file's path is not text")?;
        // With one replica the tracker orders no copy, so nothing moves before a request.
        let replicas = if scenario.is_kept { scenario.links.len() } else { 1 }.to_string();
        let before = self.network.wires()?;
        succeeded(self.run(0, &["add", path, "--name", NAME, "--replicas", &replicas])?)?;
        if !scenario.is_kept {
            self.wait_until_all_proved(1)?;
        }

        let mut race = Race::new(&scenario.arrivals);
        let killed = self.watch(scenario, &mut race)?;
        let last = race.last();
        let after = self.network.wires()?;

        let mut receipts = Vec::new();
        for (at, link) in scenario.receivers().iter().enumerate() {
            let number = at + 1;
            ensure!(
                content::sha256(&self.output(number))? == digest,
                "host {number} ended up with other bytes than the source's"
            );
            let (due, took) = race.times(at).context("a receiver has no time")?;
            receipts.push(Receipt {
                due,
                took,
                bound: bound::of_one(scenario.length, scenario.source(), *link, due),
                received: self.counter(number, "bytes_received")?,
                wire: after[number].since(before[number]),
            });
        }
        if scenario.is_kept {
            self.wait_until_all_proved(scenario.links.len())?;
        }
        let source_sent = match killed {
            Some(sent) => sent,
            None => self.counter(0, "bytes_sent")?,
        };
        Ok(Distribution {
            receipts,
            last,
            bound: bound::of_all(scenario.length, scenario.source(), scenario.receivers()),
            source_sent,
            source_wire: after[0].since(before[0]).sent,
            checked: self.checked(usize::from(killed.is_some()))?,
        })
    }

    /// Begins the receivers at their times and waits for their ends; kills the source when the scenario says
    /// so, and returns the bytes that it had sent then.
    fn watch(&mut self, scenario: &Scenario, race: &mut Race) -> Result<Option<u64>> {
        let limit = limit_of(scenario);
        let mut killed = None;
        let mut asked = Duration::ZERO;
        while race.is_on() {
            ensure!(!is_interrupted(), "interrupted");
            ensure!(race.elapsed() < limit, "not done within {limit:?}");
            race.begin_due(|at| self.begin_get(at + 1))?;
            race.see_who_ended(|at| self.complaint(at + 1))?;
            if scenario.kills_source && killed.is_none() && race.elapsed() > asked + ASK {
                asked = race.elapsed();
                killed = self.kill_source_when_a_copy_is_out(scenario)?;
            }
            std::thread::sleep(LOOK); // not a wait for something to have happened: only how often to look
        }
        ensure!(
            killed.is_some() || !scenario.kills_source,
            "the receivers were done before the source could be killed"
        );
        Ok(killed)
    }

    /// Kills the source once it has sent as many bytes as the file has and others hold every fragment:
    /// without the second, no receiver could finish. Returns the bytes that it had sent.
    fn kill_source_when_a_copy_is_out(&mut self, scenario: &Scenario) -> Result<Option<u64>> {
        let sent = self.counter(0, "bytes_sent")?;
        if sent < scenario.length {
            return Ok(None);
        }
        let located = succeeded(self.run(0, &["locate", NAME, "--json"])?)?.json();
        // Copies of readers count here: others read on from them.
        let holders = |fragment: &Value| fragment["holders"].as_array().map_or(0, Vec::len);
        let fragments = located["fragments"]
            .as_array()
            .context("`locate` lists no fragments")?;
        if !fragments.iter().all(|fragment| holders(fragment) > 1) {
            return Ok(None);
        }
        self.peers[0].kill();
        Ok(Some(sent))
    }

    fn wait_until_all_live(&self) -> Result<()> {
        let live = || {
            let outcome = self
                .run(0, &["network", "--json"])
                .ok()
                .filter(|outcome| outcome.code == 0);
            let network = outcome.map(|outcome| outcome.json()).unwrap_or_default();
            let peers = network["peers"].as_array().cloned().unwrap_or_default();
            peers.iter().filter(|peer| peer["state"] == "live").count()
        };
        eventually("live peers", START_LIMIT, live, |live| *live == self.peers.len()).map(drop)
    }

    /// Waits until others have had verified bytes from each of so many keepers.
    fn wait_until_all_proved(&self, keepers: usize) -> Result<()> {
        let proved = || {
            let outcome = self.run(0, &["locate", NAME, "--json"]).ok();
            let located = outcome
                .filter(|outcome| outcome.code == 0)
                .map(|outcome| outcome.json());
            let peers = located
                .and_then(|located| located["peers"].as_array().cloned())
                .unwrap_or_default();
            peers
                .iter()
                .filter(|peer| peer["keeps"] == true && !peer["proved_at_ms"].is_null())
                .count()
        };
        eventually("proved copies", START_LIMIT, proved, |proved| *proved == keepers).map(drop)
    }

    /// Returns the bytes that the peers from `first` on have read to see that others have their copies.
    fn checked(&self, first: usize) -> Result<u64> {
        (first..self.peers.len())
            .map(|number| self.counter(number, "bytes_checked"))
            .sum()
    }

    fn counter(&self, number: usize, name: &str) -> Result<u64> {
        let status = succeeded(self.run(number, &["status", "--json"])?)?.json();
        status[name]
            .as_u64()
            .with_context(|| format!("`status` has no {name}"))
    }

    fn run(&self, number: usize, arguments: &[&str]) -> Result<Outcome> {
        let mut command = self.network.host(number).command(&binaries::path("peer"));
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data_dir(number));
        Ok(command
            .stdin(Stdio::null())
            .output()
            .context("run `peer`")?
            .into())
    }

    fn begin_get(&self, number: usize) -> Result<Child> {
        let complaints = File::create(self.path(number, "err"))?;
        let mut command = self.network.host(number).command(&binaries::path("peer"));
        command
            .args(["get", NAME, "--quiet", "--output"])
            .arg(self.output(number));
        command.arg("--data-dir").arg(self.data_dir(number));
        let silent = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints);
        silent.spawn().context("run `peer get`")
    }

    fn complaint(&self, number: usize) -> String {
        std::fs::read_to_string(self.path(number, "err")).unwrap_or_default()
    }

    fn data_dir(&self, number: usize) -> PathBuf {
        self.directory.path().join(peer_name(number))
    }

    fn output(&self, number: usize) -> PathBuf {
        self.path(number, "out")
    }

    fn path(&self, number: usize, extension: &str) -> PathBuf {
        self.directory
            .path()
            .join(format!("{}.{extension}", peer_name(number)))
    }
}

fn peer_name(number: usize) -> String {
    format!("h{number}")
}

fn succeeded(outcome: Outcome) -> Result<Outcome> {
    ensure!(
        outcome.code == 0,
        "a command ended with {}: {}{}",
        outcome.code,
        outcome.stdout,
        outcome.stderr
    );
    Ok(outcome)
}

/// Returns the time limit of a distribution.
pub(super) fn limit_of(scenario: &Scenario) -> Duration {
    let least = bound::of_all(scenario.length, scenario.source(), scenario.receivers());
    least * GIVE_UP_FACTOR + START_LIMIT
}

/// A directory in memory when everybody's copy fits twice, otherwise in the usual place for temporary files.
pub(super) fn directory_for(scenario: &Scenario) -> Result<TempDir> {
    let needed = scenario.length * scenario.links.len() as u64 * 2;
    let free = rustix::fs::statvfs(super::MEMORY).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    let parent = if free > needed {
        super::MEMORY.into()
    } else {
        std::env::temp_dir()
    };
    let directory = tempfile::Builder::new()
        .prefix(&format!("{}-", super::own_prefix()))
        .tempdir_in(parent);
    directory.context("make a directory")
}
