//! `cargo campaign`: load and faults of every kind for some time, then judgement.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use anyhow::Result;

use super::load::Mix;
use super::nemesis::{Fault, Plan};
use super::{ChaosRun, Fleet, Report, locked};
use crate::Stopwatch;
use crate::bench::report::seconds;
use crate::lab::obstacle;

/// Clients, each with one operation under way.
const CLIENTS: u64 = 4;

/// Executes a chaos run.
///
/// # Errors
/// When a program cannot be started, or started again.
pub fn run(plan: &Plan) -> Result<Report> {
    let (chaos, faults) = prepare(plan)?;
    let mix = Mix {
        length_bits: 0..=18,
        replicas: 2..=3,
        most_names: 300,
        gets: 40,
    };
    let watch = Stopwatch::start();
    let harmed: Result<()> = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (chaos, mix) = (&chaos, &mix);
            scope.spawn(move || chaos.client(plan.seed.wrapping_add(client), mix));
        }
        let troubles = scope.spawn(|| chaos.trouble(plan, &faults));
        let harms = chaos.harm(plan, &faults);
        let troubles = troubles.join().expect("the nemesis does not panic");
        chaos.is_over.store(true, Ordering::Relaxed);
        harms.and(troubles)
    });
    locked(&chaos.tally).figure("seconds of faults", seconds(watch.elapsed()));
    let outcome = harmed.and_then(|()| chaos.judge());
    chaos.end(outcome)
}

/// Starts the cluster for all faults; omits those that this machine does not allow, and reports them.
fn prepare(plan: &Plan) -> Result<(ChaosRun, BTreeSet<Fault>)> {
    let wants_network = plan.faults.iter().any(|fault| fault.needs_network());
    let network = wants_network.then(|| match obstacle() {
        Some(obstacle) => Err(obstacle),
        None => Fleet::network(plan.peers).map_err(|error| format!("{error:#}")),
    });
    let (network, obstacle) = match network.transpose() {
        Ok(network) => (network, None),
        Err(obstacle) => (None, Some(obstacle)),
    };
    let fleet = Fleet::start_in(
        plan.peers,
        network,
        plan.faults.contains(&Fault::Fill),
        plan.secured,
    )?;
    let no_disk = (!fleet.has_small_disk()).then(|| "this process may not mount a small disk".to_owned());
    let chaos = ChaosRun::new(fleet)?;
    let stranger = plan
        .secured
        .then(|| "the network is secured, and it would be no member".to_owned());
    let mut faults = plan.faults.clone();
    for fault in &plan.faults {
        let reason = match fault {
            Fault::Fill => &no_disk,
            Fault::Liar | Fault::ChangeNetwork if stranger.is_some() => &stranger,
            _ if fault.needs_network() => &obstacle,
            _ => &None,
        };
        if let Some(reason) = reason {
            faults.remove(fault);
            locked(&chaos.tally).skipped.insert(fault.word(), reason.clone());
        }
    }
    Ok((chaos, faults))
}
