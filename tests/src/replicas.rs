//! Replicas, as a `locate` tells of them: copies that live peers keep. A copy that a peer fetched for its
//! user is none: it may go at any time.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::{Peer, eventually};

/// Returns the ids of the live peers that keep each fragment; of a directory, each of its catalog.
#[must_use]
pub fn keepers(located: &Value) -> Vec<BTreeSet<String>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let peers = list(&located["peers"]).into_iter();
    let live: BTreeSet<_> = peers
        .filter(|peer| peer["state"] == "live")
        .map(|peer| text(&peer["id"]))
        .collect();
    let of = |fragment: &Value| {
        let ids = list(&fragment["keepers"]);
        ids.iter().map(text).filter(|id| live.contains(id)).collect()
    };
    list(&located["fragments"]).iter().map(of).collect()
}

/// Returns the number of replicas of the fragment that has the fewest, as [`keepers`] has them.
#[must_use]
pub fn fewest(located: &Value) -> usize {
    keepers(located)
        .iter()
        .map(BTreeSet::len)
        .min()
        .unwrap_or_default()
}

/// Waits until every fragment, of a directory those of all its parts, has this many replicas or more on live
/// peers that others can reach, not counting those on the `dead`.
///
/// # Errors
/// When it does not within `limit`.
pub fn wait_for_replicas(
    peer: &Peer,
    name: &str,
    count: usize,
    dead: &[String],
    limit: Duration,
) -> Result<Value> {
    let are_there = |located: &Value| {
        let stay = |ids: &BTreeSet<String>| ids.iter().filter(|id| !dead.contains(id)).count();
        // The tracker's own figure is of all parts, and of peers in reach.
        let told = located["fewest"]
            .as_u64()
            .and_then(|fewest| usize::try_from(fewest).ok());
        told >= Some(count) && keepers(located).iter().all(|ids| stay(ids) >= count)
    };
    eventually("enough replicas", limit, || peer.locate(name), are_there)
}
