//! `peer serve`: a node until SIGINT or SIGTERM.

use shared::json::ServeLine;
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{OnExit, Tasks, shutdown_signal};
use shared::settings::{Values, follow};

use crate::node::{Adjustable, NodeHandle};
use crate::settings::{Gathered, Options};
use crate::terminal::attach::{entry_or_default, node_config};
use crate::terminal::exit::Failure;
use crate::terminal::output::Output;
use crate::words;

/// The port at which other peers and scripts expect a node.
const DEFAULT_PORT: u16 = 50053;

/// Runs a node; prints its address on stdout when it is ready.
///
/// While the node runs, a changed configuration file takes effect where the settings allow it, on the log
/// too.
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
    let node = NodeHandle::start(config, tasks.clone()).await.map_err(failed)?;
    let (adjustable, stop) = (node.adjustable(), tasks.token().clone());
    let following = follow(places, values, stop, is_usable, move |values, changed| {
        telemetry::change(&telemetry::filter(values, verbosity));
        // `is_usable` has accepted them.
        if let Ok(options) = Options::of(values) {
            for change in changed {
                adjust(&adjustable, change.name, &options);
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

/// Checks that a node can be run with these values.
pub(super) fn is_usable(values: &Values) -> Result<(), String> {
    Options::of(values).map(drop).map_err(|error| error.to_string())
}

/// Applies a changed setting. A rate that `peer limit` has set stays until the setting itself changes.
fn adjust(node: &Adjustable, setting: &str, options: &Options) {
    let limits = options.limits;
    match setting {
        "upload_limit" => node.uploads.set(limits.rates.upload),
        "download_limit" => node.downloads.set(limits.rates.download),
        "upload_slots" => node.slots.resize(limits.upload_slots.get().into()),
        "scrub_rate" => drop(node.scrub.send_replace(limits.scrub)),
        "capacity" => node.lend(options.capacity),
        "zone" => node.enter(options.zone.clone()),
        _ => {}
    }
}
