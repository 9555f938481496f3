//! Reasons why a fetch got nothing: peers that cannot be reached, or fragments that no live peer holds.
//!
//! Both arrive as one error code, and a script wants to tell them apart: exit code 6 means to try again, 7 that no live
//! peer holds a fragment. The tracker knows which. It forgets the fragments of lost peers, so every absent peer is
//! named as a possible holder.

use proto::client::ControlClient;
use proto::messages::Locate;
use shared::model::{ContentRef, ContentState, FragmentSet, Location, Name, PeerInfo, PeerState};
use shared::{Coded as _, ErrorCode};

use super::exit::{Exit, Failure};
use super::listing::{all_peers, locate};
use crate::words;

/// Runs of fragments, or peers, that are listed at most.
const MOST: usize = 5;

/// Adds the reason that the tracker knows to the failure of a fetch that got nothing.
pub async fn explain(failure: Failure, client: &ControlClient, content: &ContentRef) -> Failure {
    match located(client, content).await {
        Some(location) if location.health.state == ContentState::Unavailable => {
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

/// Names the fragments that no live peer has, and the absent peers.
fn nobody_has(location: &Location, peers: &[PeerInfo]) -> String {
    let mut missing = location.manifest.all_fragments();
    let live = |state| state == PeerState::Live;
    for holder in location.holders.iter().filter(|holder| live(holder.peer.state)) {
        missing.subtract(&holder.fragments);
    }
    let is_known = location.holder_count as usize <= location.holders.len();
    let what = match (&location.binding.collection, is_known && !missing.is_empty()) {
        (None, true) => words::nobody_has(runs(&missing), missing.capacity()),
        // Its parts are contents of their own.
        _ => words::nobody_has_some().to_owned(),
    };
    let away: Vec<_> = peers.iter().filter(|peer| !live(peer.state)).collect();
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

/// `0-4, 7, 9-11`.
fn runs(fragments: &FragmentSet) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for index in fragments.iter().map(|index| index.get()) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let mut told: Vec<String> = runs
        .iter()
        .take(MOST)
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    if runs.len() > MOST {
        told.push("…".to_owned());
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use shared::model::{FragmentLength, Manifest};

    use super::*;

    fn set(of: u32, indices: &[usize]) -> FragmentSet {
        let length = FragmentLength::MIN;
        let roots = vec![shared::model::Digest::ZERO; of as usize];
        let manifest = Manifest::from_roots(u64::from(of) * u64::from(length.get()), length, roots);
        let manifest = manifest.expect("roots fit");
        let all: Vec<_> = manifest.indices().collect();
        let mut set = manifest.no_fragments();
        for index in indices {
            set.insert(all[*index]);
        }
        set
    }

    #[test]
    fn fragments_are_told_as_runs_and_not_too_many_of_them() {
        assert_eq!(runs(&set(20, &[0, 1, 2, 7, 9, 10])), "0-2, 7, 9-10");
        assert_eq!(runs(&set(20, &[19])), "19");
        assert_eq!(runs(&set(20, &[])), "");
        assert_eq!(runs(&set(20, &[0, 2, 4, 6, 8, 10, 12])), "0, 2, 4, 6, 8, …");
    }
}
