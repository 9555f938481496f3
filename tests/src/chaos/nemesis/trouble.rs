//! Troubles: faults that destroy nothing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::super::fleet::{RETURN_LIMIT, SMALL, names};
use super::super::{ChaosRun, Host, locked};
use super::{Fault, LONG};
use crate::{Program, eventually};

/// The beginning of all names in another network.
const ABROAD: &str = "abroad/";

/// Bytes written at a time to fill the disk.
const BALLAST: usize = 64 << 10;

impl ChaosRun {
    pub(super) fn make_trouble(&self, fault: Fault, rng: &mut SmallRng) -> Result<()> {
        let _trouble = self.truce.read().unwrap_or_else(PoisonError::into_inner);
        let hosts = self.fleet.hosts();
        let host = hosts.choose(rng).context("there are peers")?;
        let long = LONG + Duration::from_millis(rng.random_range(0..2000));
        locked(&self.tally).fault(fault.word());
        self.note(format_args!(
            "{} begins, of peer {} if of one",
            fault.word(),
            host.number
        ));
        let done = match fault {
            Fault::KillPeer => {
                // Sometimes away for longer than a lease, sometimes two at once.
                let away = if rng.random_bool(0.3) {
                    long
                } else {
                    Duration::ZERO
                };
                let other = hosts.choose(rng).filter(|_| rng.random_bool(0.3));
                if let Some(other) = other.filter(|other| other.number != host.number) {
                    other.bounce(|_| Ok(()))?;
                }
                host.bounce(|_| {
                    std::thread::sleep(away);
                    Ok(())
                })
            }
            Fault::KillTracker => locked(&self.fleet.tracker).restart(),
            Fault::StopPeer => {
                host.set_up(false);
                let stopped = stop_for(&locked(&host.program), long);
                host.set_up(true);
                stopped
            }
            Fault::StopTracker => stop_for(&locked(&self.fleet.tracker), long),
            Fault::Cut => self.cut(host, long),
            Fault::Divide => self.divide(&hosts, rng, long),
            Fault::Fill => fill(&hosts[SMALL % hosts.len()], long),
            Fault::Siege => self.stranger("siege", host).map(drop),
            Fault::Page => self.page(host),
            Fault::ChangeNetwork => self.change_network(host, long),
            Fault::Liar => self.liar(host, rng),
            Fault::Flip | Fault::Rot | Fault::Wipe | Fault::Yesterday | Fault::Restore => {
                unreachable!("those are harms")
            }
        };
        self.note(format_args!("{} is over", fault.word()));
        done
    }

    /// Runs a stranger against the tracker and a peer, in that peer's network; returns its words.
    fn stranger(&self, kind: &str, host: &Host) -> Result<String> {
        let tracker = locked(&self.fleet.tracker).address().to_owned();
        let program = std::env::current_exe().context("this program")?;
        let mut command = host.command_here(&program);
        command.args(["stranger", kind, &tracker, &host.address]);
        let output = command.output().context("run a stranger")?;
        ensure!(
            output.status.success(),
            "a stranger: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn page(&self, host: &Host) -> Result<()> {
        for answered in self.stranger("page", host)?.lines() {
            self.violated(format_args!("a page of another site was answered: {answered}"));
        }
        Ok(())
    }

    /// Starts a peer in another network, and in its own one again: neither has anything of the other.
    fn change_network(&self, host: &Host, long: Duration) -> Result<()> {
        let tracker = self.fleet.other_tracker()?;
        let own = self.fleet.path("abroad.bin");
        std::fs::write(&own, "published in another network").context("write a file")?;
        let name = format!("{ABROAD}{}", self.watch.elapsed().as_millis());
        let log = self.fleet.path(&format!("peer-{}-abroad.log", host.number));
        host.visit(tracker.address(), &log, |there| {
            let status = || host.run_at(there, ["status", "--json"]).json();
            let is_there = |status: &Value| status["session"] == "connected";
            let status = eventually("a session in another network", RETURN_LIMIT, status, is_there)?;
            if status["pending_publications"] != 0 {
                self.violated(format_args!(
                    "peer {} brought publications along: {status}",
                    host.number
                ));
            }
            let before = host.data_files();
            let choices = ["--name", &name, "--replicas", "1", "--wait"].map(OsStr::new);
            let add = ["add".as_ref(), own.as_os_str()].into_iter().chain(choices);
            let added = host.run_at(there, add);
            ensure!(added.code == 0, "cannot add in another network: {}", added.stderr);
            // Longer than that network keeps a content without a name.
            std::thread::sleep(long);
            let after = host.data_files();
            let mut gone = before.iter().filter(|file| !after.contains(file));
            if let Some(first) = gone.next() {
                let (others, first) = (gone.count(), first.display());
                self.violated(format_args!(
                    "another network dropped {first} and {others} others"
                ));
            }
            let listed = names(&host.run_at(there, ["list", "--json"]))?;
            for brought in listed.iter().filter(|name| !name.name.starts_with(ABROAD)) {
                self.violated(format_args!("another network lists {brought:?}"));
            }
            Ok(())
        })?;
        if tracker.log().contains("restored from an older backup") {
            self.violated("another network's tracker misses facts of this one");
        }
        Ok(())
    }

    fn cut(&self, host: &Host, long: Duration) -> Result<()> {
        let network = self.fleet.network.as_ref().context("a network of its own")?;
        network.cut(host.number)?;
        std::thread::sleep(long);
        network.mend(host.number)
    }

    /// Half of the peers cannot reach each other; the tracker and the others can reach all.
    fn divide(&self, hosts: &[Arc<Host>], rng: &mut SmallRng, long: Duration) -> Result<()> {
        let network = self.fleet.network.as_ref().context("a network of its own")?;
        let apart: Vec<_> = hosts.sample(rng, hosts.len().div_ceil(2)).collect();
        for host in &apart {
            network.isolate(host.number, true)?;
        }
        std::thread::sleep(long);
        for host in &apart {
            network.isolate(host.number, false)?;
        }
        Ok(())
    }
}

fn stop_for(program: &Program, long: Duration) -> Result<()> {
    let id = program.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    let id = id.context("a running program has an id")?;
    kill_process(id, Signal::STOP).context("stop")?;
    std::thread::sleep(long);
    kill_process(id, Signal::CONT).context("continue")
}

/// Fills the peer's disk for some time. If it ended because of that, it is started again.
fn fill(host: &Host, long: Duration) -> Result<()> {
    let path = host.data_dir.join("ballast");
    let mut ballast = File::create(&path).context("make ballast")?;
    let chunk = vec![0; BALLAST];
    while ballast.write_all(&chunk).is_ok() {}
    std::thread::sleep(long);
    std::fs::remove_file(&path).context("remove ballast")?;
    if locked(&host.program).is_running() {
        return Ok(());
    }
    host.bounce(|_| Ok(()))
}
