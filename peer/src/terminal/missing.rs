//! Reasons why a fetch got nothing: peers that cannot be reached, or fragments that no live peer holds.
//!
//! Both arrive as one error code, and a script wants to tell them apart: exit code 6 means to try again, 7
//! that no live peer holds a fragment. The tracker knows which. It forgets the fragments of lost peers, so
//! every absent peer is named as a possible holder.

use proto::client::ControlClient;
use proto::messages::Locate;
use shared::model::{ContentRef, ContentState, Location, Name, PeerInfo, PeerState};
use shared::{Coded as _, ErrorCode};

use super::exit::{Exit, Failure};
use super::listing::{all_peers, locate};
use super::output::one_line;
use super::show::runs;
use crate::words;

/// Runs of fragments, or peers, that are listed at most.
const MOST: usize = 5;

/// Adds the reason that the tracker knows to the failure of a fetch that got nothing.
pub async fn explain(failure: Failure, client: &ControlClient, content: &ContentRef) -> Failure {
    match located(client, content).await {
        Some(location) if location.health.state == ContentState::Unavailable => {
            let out = out_of_reach(&location);
            if !out.is_empty() {
                let message = format!("{failure}; {}", words::holders_out_of_reach(out.join(", ")));
                return Failure::new(Exit::Unreachable, message);
            }
            let peers = all_peers(client).await.map(|view| view.peers).unwrap_or_default();
            let message = format!("{failure}; {}", nobody_has(&location, &peers));
            Failure::new(Exit::Incomplete, message)
        }
        _ => failure.hint(words::status_and_network_show()),
    }
}

/// Locates a content, or the directory that it is in.
async fn located(client: &ControlClient, content: &ContentRef) -> Option<Location> {
    let mut content = content.clone();
    loop {
        match locate(client, content.clone(), Locate::MAX_HOLDERS).await {
            Ok(location) => return Some(location),
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(_) => return None,
        }
        let ContentRef::Name(name) = &content else {
            return None;
        };
        let (directory, _) = name.as_str().rsplit_once('/')?;
        content = ContentRef::Name(Name::new(directory).ok()?);
    }
}

/// Lists the live holders that other peers cannot dial, with the errors.
fn out_of_reach(location: &Location) -> Vec<String> {
    let shares = location.whole.iter().flat_map(|whole| &whole.shares);
    let holders = location.holders.iter().map(|holder| &holder.peer);
    let all = holders.chain(shares.map(|share| &share.peer));
    let live = all.filter(|peer| peer.state == PeerState::Live);
    let mut failures: Vec<_> = live
        .filter_map(|peer| peer.reach.failure())
        .map(|failure| one_line(&format!("{}: {}", failure.address, words::told(&failure.error))))
        .collect();
    failures.sort_unstable();
    failures.dedup();
    failures.truncate(MOST);
    failures
}

/// Names the fragments that no live peer has, and the absent peers.
fn nobody_has(location: &Location, peers: &[PeerInfo]) -> String {
    let mut missing = location.manifest.all_fragments();
    let live = |state| state == PeerState::Live;
    for holder in location.holders.iter().filter(|holder| live(holder.peer.state)) {
        missing.subtract(&holder.fragments);
    }
    let is_known = location.holder_count as usize <= location.holders.len();
    let what = match (&location.binding.collection, is_known && !missing.is_empty()) {
        (None, true) => words::nobody_has(runs(&missing, MOST).join(", "), missing.capacity()),
        // Its parts are contents of their own.
        _ => words::nobody_has_some().to_owned(),
    };
    let away: Vec<_> = peers
        .iter()
        .filter(|peer| !live(peer.state) && !peer.is_gone_visitor())
        .collect();
    let mut told: Vec<String> = away
        .iter()
        .take(MOST)
        .map(|peer| words::away(peer.id, &peer.address, words::peer_state(peer.state)))
        .collect();
    if away.len() > MOST {
        told.push("…".to_owned());
    }
    match told.as_slice() {
        [] => words::none_away(what),
        told => words::those_away(what, told.join(", ")),
    }
}
