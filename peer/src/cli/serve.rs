//! `peer serve`: a node until SIGINT or SIGTERM.

use shared::json::ServeLine;
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{OnExit, Tasks, shutdown_signal};
use shared::settings::{Values, follow};

use crate::node::NodeHandle;
use crate::settings::{Gathered, Options};
use crate::terminal::attach::{
    cannot_run, entry_or_default, misdirected, node_config, security, visitor_host,
};
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
    // An address that a person gave by mistake; one that is remembered may be another program's since.
    if let Some(entry) = &options.entry
        && let Some(failure) = misdirected(entry, &security(&options).await).await
    {
        return Err(failure);
    }
    let entry = entry_or_default(&options);
    let mut config = node_config(&options, DEFAULT_PORT, Some(entry.clone()), false);
    config.waits_to_join = true;
    let failed = |error| cannot_run(&error);
    tokio::pin!(shutdown);
    let node = tokio::select! {
        started = NodeHandle::start(config, tasks.clone()) => started.map_err(failed)?,
        // It may have waited for a network to join.
        () = &mut shutdown => return Ok(()),
    };
    let entry = node.joined().cloned().unwrap_or(entry);
    let (adjustable, stop) = (node.adjustable(), tasks.token().clone());
    let following = follow(places, values, stop, is_usable, move |values, changed| {
        telemetry::change(&telemetry::filter(values, verbosity));
        // `is_usable` has accepted them.
        if let Ok(options) = Options::of(values) {
            for change in changed {
                adjustable.apply(change.name, &options.node);
            }
            adjustable.tell(options.in_force);
        }
    });
    tasks.spawn("settings", OnExit::Continue, following);
    let address = node.local_addr();
    let said = options.advertise.clone().unwrap_or_else(|| address.into());
    if let Some(host) = visitor_host(&said, &entry).await {
        // Scripts take the first line of standard output for the ready one.
        out.note(&words::visitor(&said, host));
    }
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
