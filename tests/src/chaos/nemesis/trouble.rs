//! Troubles: faults that destroy nothing.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rustix::process::{Pid, Signal, kill_process};

use super::super::fleet::SMALL;
use super::super::{ChaosRun, Host, locked};
use super::{Fault, LONG};
use crate::Program;

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
