//! The same scenarios with libtorrent, for comparison. Every client receives the addresses of all others, so
//! no tracker is needed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::network::Network;
use super::race::{Distribution, Receipt};
use super::swarm::{directory_for, limit_of};
use super::{Scenario, bound};
use crate::Stopwatch;
use crate::bench::torrent;
use crate::{content, is_interrupted};

/// Listening port on every host.
const PORT: u16 = 6881;

/// Polling interval: the error of a measured time.
const LOOK: Duration = Duration::from_millis(2);

/// A receiver: its client, and its times.
struct Runner {
    client: torrent::Client,
    began: Option<Duration>,
    ended: Option<Duration>,
}

/// Distributes a file as [`Lab::distribute`](super::Lab::distribute) does. All clients are up before the
/// first begins.
///
/// # Errors
/// When the machine allows no lab, a client fails or takes far too long, or ends up with other bytes than the
/// source's; and for a scenario in which the source is killed, which is not tried with libtorrent.
pub fn distribute(scenario: &Scenario) -> Result<Distribution> {
    if scenario.kills_source {
        bail!("not tried with libtorrent: it does not tell when a whole copy is out");
    }
    let directory = directory_for(scenario)?;
    let path = |name: String| directory.path().join(name);
    let network = Network::up(&scenario.links)?;
    let (source_directory, torrent_file) = (path("in".to_owned()), path("file.torrent".to_owned()));
    std::fs::create_dir(&source_directory)?;
    let original = source_directory.join("file.bin");
    content::write(&original, scenario.length, scenario.length ^ 0x1ab)?;
    torrent::make(&original, &torrent_file)?;

    let addresses: Vec<_> = (0..network.host_count())
        .map(|number| format!("{}:{PORT}", network.host(number).address()))
        .collect();
    let python = Path::new("python3");
    let mut seed = network.host(0).command(python);
    let mut seeder = torrent::Client::start(torrent::seed(
        &mut seed,
        &torrent_file,
        &source_directory,
        &addresses[0],
    ))?;
    seeder.wait_until_ready()?;
    let mut runners = Vec::new();
    for number in 1..network.host_count() {
        let output = path(format!("h{number}"));
        std::fs::create_dir(&output)?;
        let others: Vec<_> = addresses
            .iter()
            .filter(|other| **other != addresses[number])
            .cloned()
            .collect();
        let mut fetch = network.host(number).command(python);
        let fetch = torrent::fetch(&mut fetch, &torrent_file, &output, &addresses[number], &others);
        let client = torrent::Client::start(fetch)?;
        runners.push(Runner {
            client,
            began: None,
            ended: None,
        });
    }
    for runner in &runners {
        runner.client.wait_until_ready()?;
    }

    let before = network.wires()?;
    race(scenario, &mut runners)?;
    let after = network.wires()?;
    let digest = content::sha256(&original)?;
    let mut receipts = Vec::new();
    for (at, link) in scenario.receivers().iter().enumerate() {
        let runner = &mut runners[at];
        let copy = path(format!("h{}", at + 1)).join("file.bin");
        ensure!(
            content::sha256(&copy)? == digest,
            "host {} has other bytes than the source",
            at + 1
        );
        let (began, ended) = (runner.began.zip(runner.ended)).context("a receiver has no time")?;
        let due = scenario.arrivals[at];
        receipts.push(Receipt {
            due,
            took: ended.saturating_sub(began),
            bound: bound::of_one(scenario.length, scenario.source(), *link, due),
            received: runner.client.transferred()?.1,
            wire: after[at + 1].since(before[at + 1]),
        });
    }
    let ends = runners.iter().filter_map(|runner| runner.ended);
    let begins = runners.iter().filter_map(|runner| runner.began);
    Ok(Distribution {
        receipts,
        last: ends
            .max()
            .unwrap_or_default()
            .saturating_sub(begins.min().unwrap_or_default()),
        bound: bound::of_all(scenario.length, scenario.source(), scenario.receivers()),
        source_sent: seeder.transferred()?.0,
        source_wire: after[0].since(before[0]).sent,
        checked: 0,
    })
}

/// Tells each to begin when it is its time, and sees them end.
fn race(scenario: &Scenario, runners: &mut [Runner]) -> Result<()> {
    let (watch, limit) = (Stopwatch::start(), limit_of(scenario));
    while runners.iter().any(|runner| runner.ended.is_none()) {
        ensure!(!is_interrupted(), "interrupted");
        ensure!(watch.elapsed() < limit, "not done within {limit:?}");
        for (runner, due) in runners.iter_mut().zip(&scenario.arrivals) {
            let now = watch.elapsed();
            if runner.began.is_none() && *due <= now {
                runner.client.go()?;
                runner.began = Some(now);
            } else if runner.began.is_some() && runner.ended.is_none() && runner.client.is_done()? {
                runner.ended = Some(watch.elapsed());
            }
        }
        std::thread::sleep(LOOK); // not a wait for something to have happened: only how often to look
    }
    Ok(())
}
