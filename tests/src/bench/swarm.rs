//! Swarms in the lab, beside the theoretical lower bound.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::report::{Table, median, ratio, seconds};
use super::torrent;
use crate::is_interrupted;
use crate::lab::{Distribution, Lab, Link, Receipt, Scenario, libtorrent};

/// The scenarios with these names, or all of them when none is named.
///
/// # Errors
/// When no scenario has one of the names.
pub fn scenarios(names: &[String]) -> Result<Vec<Scenario>> {
    let all = Scenario::all();
    let unknown = names
        .iter()
        .find(|name| !all.iter().any(|scenario| scenario.name == **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        bail!("there is no scenario {unknown:?}; there are {}", known.join(", "));
    }
    let is_meant = |scenario: &Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(all.into_iter().filter(is_meant).collect())
}

/// A tool, and how it distributes a file.
type Contestant = (&'static str, fn(&Scenario) -> Result<Distribution>);

/// Runs each scenario `runs` times, every time on a new network with new nodes; in turns with ours in a
/// secured network and with libtorrent, if that is wanted.
///
/// A scenario that fails is reported and does not keep the others from running.
///
/// # Errors
/// When the user interrupts it.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(
    scenarios: &[Scenario],
    runs: u32,
    with_tls: bool,
    with_libtorrent: bool,
) -> Result<(Table, Value)> {
    let mut table = Table::new(&COLUMNS);
    let mut results = Vec::new();
    let mut contestants: Vec<Contestant> = vec![("enjambre", ours)];
    if with_tls {
        contestants.push(("enjambre, TLS", ours_by_tls));
    }
    if with_libtorrent && torrent::is_installed() {
        contestants.push(("libtorrent", libtorrent::distribute));
    } else if with_libtorrent {
        println!("libtorrent: skipped, `python3` cannot import it");
    }
    for scenario in scenarios {
        println!("{}: {}", scenario.name, scenario.about);
        let mut records = vec![Record::default(); contestants.len()];
        for turn in 1..=runs {
            for ((tool, distribute), record) in contestants.iter().zip(&mut records) {
                ensure!(!is_interrupted(), "interrupted");
                match distribute(scenario) {
                    Ok(distribution) => {
                        println!("run {turn}: {tool}: {}", sentence(scenario, &distribution));
                        record.done.push(distribution);
                    }
                    Err(error) if is_interrupted() => return Err(error),
                    Err(error) => {
                        println!("run {turn}: {tool}: failed: {error:#}");
                        record.failures.push(format!("{error:#}"));
                    }
                }
            }
        }
        for ((tool, _), Record { done, failures }) in contestants.iter().zip(&records) {
            table.row(row(tool, scenario, done, failures.len()));
            results.push(json!({
                "tool": tool,
                "scenario": scenario.name,
                "about": scenario.about,
                "length": scenario.length,
                "hosts": scenario.links.len(),
                "runs": done.iter().map(|distribution| as_json(scenario, distribution)).collect::<Vec<_>>(),
                "failures": failures,
            }));
        }
    }
    Ok((table, Value::Array(results)))
}

const COLUMNS: [&str; 14] = [
    "scenario",
    "tool",
    "last s",
    "T* s",
    "last / T*",
    "min",
    "max",
    "worst / its own bound",
    "worst with a full downlink",
    "copies sent by source",
    "on its wire",
    "wasted",
    "on receivers' wires",
    "checks",
];

/// Results of a tool in a scenario.
#[derive(Clone, Debug, Default)]
struct Record {
    done: Vec<Distribution>,
    failures: Vec<String>,
}

fn ours(scenario: &Scenario) -> Result<Distribution> {
    let mut lab = Lab::start(scenario, false).context("start the lab")?;
    lab.distribute(scenario)
}

fn ours_by_tls(scenario: &Scenario) -> Result<Distribution> {
    let mut lab = Lab::start(scenario, true).context("start the secured lab")?;
    lab.distribute(scenario)
}

fn sentence(scenario: &Scenario, distribution: &Distribution) -> String {
    let figures = Figures::of(scenario, distribution);
    format!(
        "last {} s = {:.2} × T*, the source sent {:.2} copies, {:.1} % wasted",
        seconds(distribution.last),
        figures.last,
        figures.copies,
        figures.waste * 100.0
    )
}

/// Figures of a run, as ratios.
#[derive(Clone, Copy, Debug)]
struct Figures {
    last: f64,
    worst_own: f64,
    worst_full: f64,
    copies: f64,
    copies_wire: f64,
    waste: f64,
    received_wire: f64,
    /// Bytes of checks, of those that receivers received.
    checks: f64,
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "ratios are shown with few digits")]
    fn of(scenario: &Scenario, distribution: &Distribution) -> Self {
        let receipts = &distribution.receipts;
        let copies = |bytes: u64| bytes as f64 / scenario.length as f64;
        let sum = |field: fn(&Receipt) -> u64| receipts.iter().map(field).sum::<u64>();
        let each = receipts.len() as f64;
        let worst = |meant: &dyn Fn(&Link) -> bool| {
            let ratios = receipts
                .iter()
                .zip(scenario.receivers())
                .filter(|(_, link)| meant(link));
            ratios
                .map(|(receipt, _)| ratio(receipt.took, receipt.bound))
                .fold(0.0, f64::max)
        };
        let full = scenario.receivers().iter().map(|link| link.down).max();
        Self {
            last: ratio(
                distribution.last,
                distribution.bound.max(last_own_bound(receipts)),
            ),
            worst_own: worst(&|_| true),
            worst_full: worst(&|link| Some(link.down) == full),
            copies: copies(distribution.source_sent),
            copies_wire: copies(distribution.source_wire),
            waste: copies(sum(|receipt| receipt.received)) / each - 1.0,
            received_wire: copies(sum(|receipt| receipt.wire.received)) / each,
            checks: distribution.checked as f64 / sum(|receipt| receipt.received).max(1) as f64,
        }
    }
}

/// Returns the earliest possible end of the last receiver, given the times at which each begins.
fn last_own_bound(receipts: &[Receipt]) -> Duration {
    let ends = receipts.iter().map(|receipt| receipt.due + receipt.bound);
    ends.max().unwrap_or_default()
}

fn row(tool: &str, scenario: &Scenario, done: &[Distribution], failures: usize) -> Vec<String> {
    let name = match failures {
        0 => scenario.name.to_owned(),
        failures => format!("{} ({failures} failed)", scenario.name),
    };
    let figures: Vec<_> = done
        .iter()
        .map(|distribution| Figures::of(scenario, distribution))
        .collect();
    let of = |field: fn(&Figures) -> f64| median(figures.iter().map(field));
    let show = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let ratios = || figures.iter().map(|figures| figures.last);
    let last = median(done.iter().map(|distribution| distribution.last));
    let bound = done
        .first()
        .map(|first| first.bound.max(last_own_bound(&first.receipts)));
    vec![
        name,
        tool.to_owned(),
        last.map_or_else(|| "–".to_owned(), seconds),
        bound.map_or_else(|| "–".to_owned(), seconds),
        show(of(|figures| figures.last)),
        show(ratios().reduce(f64::min)),
        show(ratios().reduce(f64::max)),
        show(of(|figures| figures.worst_own)),
        show(of(|figures| figures.worst_full)),
        show(of(|figures| figures.copies)),
        show(of(|figures| figures.copies_wire)),
        of(|figures| figures.waste).map_or_else(|| "–".to_owned(), |waste| format!("{:.1} %", waste * 100.0)),
        show(of(|figures| figures.received_wire)),
        of(|figures| figures.checks)
            .map_or_else(|| "–".to_owned(), |checks| format!("{:.3} %", checks * 100.0)),
    ]
}

fn as_json(scenario: &Scenario, distribution: &Distribution) -> Value {
    let figures = Figures::of(scenario, distribution);
    let receipt = |receipt: &Receipt| {
        json!({
            "due_s": receipt.due.as_secs_f64(),
            "seconds": receipt.took.as_secs_f64(),
            "bound_s": receipt.bound.as_secs_f64(),
            "received_bytes": receipt.received,
            "wire_received_bytes": receipt.wire.received,
            "wire_sent_bytes": receipt.wire.sent,
        })
    };
    json!({
        "last_s": distribution.last.as_secs_f64(),
        "bound_s": distribution.bound.as_secs_f64(),
        "last_over_bound": figures.last,
        "worst_over_own_bound": figures.worst_own,
        "worst_with_full_downlink": figures.worst_full,
        "source_sent_bytes": distribution.source_sent,
        "source_wire_bytes": distribution.source_wire,
        "source_copies": figures.copies,
        "wasted": figures.waste,
        "checked_bytes": distribution.checked,
        "receivers": distribution.receipts.iter().map(receipt).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Wire;

    #[test]
    fn an_unknown_scenario_is_answered_with_the_known_ones() {
        let error = scenarios(&["17x50".to_owned()]).expect_err("there is none");
        assert!(error.to_string().contains("16x50"), "{error}");
        assert_eq!(scenarios(&["slow".to_owned()]).expect("there is one").len(), 1);
    }

    #[test]
    fn ratios_are_against_what_was_possible_for_those_who_came_late() {
        let all = scenarios(&["arrivals".to_owned()]).expect("there is one");
        let receipt = |due, took| Receipt {
            due: Duration::from_secs(due),
            took: Duration::from_secs(took),
            bound: Duration::from_secs(10),
            received: all[0].length,
            wire: Wire { sent: 0, received: 0 },
        };
        let distribution = Distribution {
            receipts: vec![receipt(0, 12), receipt(5, 15)],
            last: Duration::from_secs(20),
            bound: Duration::from_secs(10),
            source_sent: all[0].length * 2,
            source_wire: 0,
            checked: all[0].length / 128,
        };
        let figures = Figures::of(&all[0], &distribution);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(figures.last, 20.0 / 15.0), "{figures:?}");
        assert!(
            close(figures.worst_own, 1.5) && close(figures.copies, 2.0),
            "{figures:?}"
        );
        assert!(close(figures.waste, 0.0), "{figures:?}");
        assert!(
            close(figures.checks, 1.0 / 256.0),
            "of what both received: {figures:?}"
        );
    }
}
