//! `peer serve`: a node until SIGINT or SIGTERM.

use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{OnExit, Tasks, shutdown_signal};
use shared::settings::follow;

use super::attach::{entry_or_default, node_config};
use super::exit::Failure;
use super::json::ServeLine;
use super::output::Output;
use super::settings::{Gathered, rates, zone};
use crate::node::Node;
use crate::words;

/// The port that other peers and scripts expect a node at.
const DEFAULT_PORT: u16 = 50053;

/// Runs a node; says on stdout where, once it is ready.
///
/// While it runs, a changed configuration file changes its limits, its zone and what is logged.
pub(super) async fn run(
    settings: Gathered,
    verbosity: Verbosity,
    out: &Output,
    tasks: &Tasks,
) -> Result<(), Failure> {
    let Gathered {
        options,
        values,
        places,
    } = settings;
    let shutdown = shutdown_signal(tasks);
    let config = node_config(&options, DEFAULT_PORT, Some(entry_or_default(&options)));
    let failed = |error| Failure::of(words::run_a_node(), &error);
    let node = Node::start(config, tasks.clone()).await.map_err(failed)?;
    let (limits, in_zone) = (node.limits(), node.zone());
    let following = follow(places, values, tasks.token().clone(), move |values, changed| {
        telemetry::change(&telemetry::filter(values, verbosity));
        // A limit that `peer limit` has changed since stays, unless the file has another one now.
        let rates = rates(values);
        for change in changed {
            match change.name {
                "upload_limit" => limits.uploads.set(rates.upload),
                "download_limit" => limits.downloads.set(rates.download),
                "zone" => drop(in_zone.send_replace(zone(values))),
                _ => {}
            }
        }
    });
    tasks.spawn("settings", OnExit::Continue, following);
    let address = node.local_addr();
    out.line(&format!("peer ready on {address}"));
    out.json(&ServeLine::Ready {
        address: address.to_string(),
    });
    node.run_until(shutdown).await.map_err(failed)
}
