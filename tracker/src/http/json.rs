//! The tracker's state as the documents of [`shared::json`].

use shared::json::{Gap, Network, Paged, TrackerStatus};

use crate::state::{self, PeersPage};

pub(super) fn peers(page: &PeersPage) -> Paged<Network> {
    let last = page.peers.last().filter(|_| page.has_more);
    Paged {
        page: Network::new(&page.peers, page.epoch.get(), page.is_in_safe_mode),
        next_page_token: last.map(|peer| peer.id.to_string()).unwrap_or_default(),
    }
}

pub(super) fn status(status: state::Status) -> TrackerStatus {
    TrackerStatus {
        network: status.network.map(|network| network.to_string()),
        epoch: status.epoch.get(),
        in_safe_mode: status.is_in_safe_mode,
        names: status.names,
        contents: status.contents,
        live_peers: status.live_peers,
        suspect_peers: status.suspect_peers,
        lost_peers: status.lost_peers,
        unreachable_peers: status.unreachable_peers,
        assignments: status.assignments,
        contents_to_look_at: status.contents_to_look_at,
        gap: status.gap.map(|gap| Gap {
            is_declared: gap.is_declared,
            seen_by: gap.seen.map(|(peer, _)| peer.to_string()),
            epoch: gap.seen.map(|(_, mark)| mark.epoch.get()),
            facts: gap.seen.map(|(_, mark)| mark.facts),
        }),
    }
}
