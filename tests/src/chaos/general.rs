//! `cargo campaign`: load and faults of every kind for some time, then judgement.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;

use super::load::Mix;
use super::nemesis::Fault;
use super::{Campaign, Fleet, Report, locked};
use crate::bench::report::seconds;
use crate::bench::stopwatch::Stopwatch;
use crate::lab::obstacle;

/// Clients, each with one operation under way.
const CLIENTS: u64 = 4;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long there are faults; longer when some kind of them has not come by then.
    pub length: Duration,
    /// Decides who asks for what, and which faults come in which order.
    pub seed: u64,
    /// How many peers.
    pub peers: usize,
    /// The kinds of faults.
    pub faults: BTreeSet<Fault>,
}

/// Runs a campaign.
///
/// # Errors
/// When a program cannot be started, or started again.
pub fn run(plan: &Plan) -> Result<Report> {
    let (campaign, faults) = prepare(plan)?;
    let mix = Mix {
        length_bits: 0..=18,
        replicas: 2..=3,
        most_names: 300,
        gets: 40,
    };
    let watch = Stopwatch::start();
    let harmed: Result<()> = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (campaign, mix) = (&campaign, &mix);
            scope.spawn(move || campaign.client(plan.seed.wrapping_add(client), mix));
        }
        let troubles = scope.spawn(|| campaign.trouble(plan, &faults));
        let harms = campaign.harm(plan, &faults);
        let troubles = troubles.join().expect("the nemesis does not panic");
        campaign.is_over.store(true, Ordering::Relaxed);
        harms.and(troubles)
    });
    locked(&campaign.tally).figure("seconds of faults", seconds(watch.elapsed()));
    let outcome = harmed.and_then(|()| campaign.judge());
    campaign.end(outcome)
}

/// Starts the cluster, with all that the faults need; leaves out those that cannot be here, and says so.
fn prepare(plan: &Plan) -> Result<(Campaign, BTreeSet<Fault>)> {
    let wants_network = plan.faults.iter().any(|fault| fault.needs_network());
    let network = wants_network.then(|| match obstacle() {
        Some(obstacle) => Err(obstacle),
        None => Fleet::network(plan.peers).map_err(|error| format!("{error:#}")),
    });
    let (network, obstacle) = match network.transpose() {
        Ok(network) => (network, None),
        Err(obstacle) => (None, Some(obstacle)),
    };
    let fleet = Fleet::start_in(plan.peers, network, plan.faults.contains(&Fault::Fill))?;
    let no_disk = (!fleet.has_small_disk()).then(|| "this process may not mount a small disk".to_owned());
    let campaign = Campaign::new(fleet)?;
    let mut faults = plan.faults.clone();
    for fault in &plan.faults {
        let reason = match fault {
            Fault::Fill => &no_disk,
            _ if fault.needs_network() => &obstacle,
            _ => &None,
        };
        if let Some(reason) = reason {
            faults.remove(fault);
            locked(&campaign.tally)
                .skipped
                .insert(fault.word(), reason.clone());
        }
    }
    Ok((campaign, faults))
}
