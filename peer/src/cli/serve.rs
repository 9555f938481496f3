//! `peer serve`: a node until SIGINT or SIGTERM.

use shared::runtime::{Tasks, shutdown_signal};

use super::attach::{entry_or_default, node_config};
use super::exit::Failure;
use super::json::Ready;
use super::output::Output;
use super::settings::Options;
use crate::node::Node;

/// The port that other peers and scripts expect a node at.
const DEFAULT_PORT: u16 = 50053;

/// Runs a node; says on stdout where, once it is ready.
pub(super) async fn run(options: &Options, out: &Output, tasks: &Tasks) -> Result<(), Failure> {
    let shutdown = shutdown_signal(tasks);
    let config = node_config(options, DEFAULT_PORT, Some(entry_or_default(options)));
    let failed = |error| Failure::of("run a node", &error);
    let node = Node::start(config, tasks.clone()).await.map_err(failed)?;
    let address = node.local_addr();
    out.line(&format!("peer ready on {address}"));
    out.json(&Ready {
        address: address.to_string(),
    });
    node.run_until(shutdown).await.map_err(failed)
}
