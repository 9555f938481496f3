//! The tracker that a member asks about its network's security: that of the session, and without a session
//! one after another of those that are known.
//!
//! A machine that was off for months has no session, because its certificate has ended. Trackers renew it all
//! the same, so that it comes back by itself.

use std::collections::HashSet;
use std::time::Duration;

use proto::client::DirectoryClient;
use proto::membership::Membership;
use proto::messages::control::EntryPoint;
use shared::model::HostPort;
use tokio::sync::watch;
use tracing::debug;

use super::{Connection, Network};

/// The time in which a session begins that has nothing in its way.
const ENTERING: Duration = Duration::from_secs(3);

/// The time in which one of several trackers is asked, before the next one is.
const TURN: Duration = Duration::from_secs(10);

impl Network {
    /// Tells for as long as the node runs which tracker a member asks about the security of its network.
    pub async fn tell_tracker(self, membership: Membership, tell: watch::Sender<Option<HostPort>>) {
        let mut connections = self.connection.clone();
        loop {
            let current = connections
                .borrow_and_update()
                .as_ref()
                .map(|now| now.tracker.clone());
            if let Some(tracker) = current {
                told(&tell, tracker);
                match connections.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
            match session_within(ENTERING, &mut connections).await {
                Some(true) => continue,
                Some(false) => {}
                None => return,
            }
            for tracker in self.known_trackers(&membership).await {
                told(&tell, tracker);
                match session_within(TURN, &mut connections).await {
                    Some(true) => break,
                    Some(false) => {}
                    None => return,
                }
            }
        }
    }

    /// Returns trackers that may be of the network that is wished for.
    async fn known_trackers(&self, membership: &Membership) -> Vec<HostPort> {
        let entry = self.wish.borrow().entry.clone();
        if !membership.is_member() || entry.is_none() {
            return Vec::new();
        }
        let mut trackers = match &entry {
            Some(EntryPoint::Tracker(tracker)) => vec![tracker.clone()],
            _ => Vec::new(),
        };
        let remembered = self.known.borrow().clone();
        let remembered = remembered.filter(|known| Some(&known.entry) == entry.as_ref());
        trackers.extend(remembered.into_iter().flat_map(|known| known.trackers));
        if let Some(entry @ (EntryPoint::Webserver(address) | EntryPoint::Peer(address))) = &entry {
            trackers.extend(asked(membership, entry, address).await);
        }
        let mut seen = HashSet::new();
        trackers.retain(|tracker| seen.insert(tracker.clone()));
        trackers
    }
}

/// Waits for a session; none when the node stops. Each attempt that fails says that there is none, which is
/// no news.
async fn session_within(
    wait: Duration,
    connections: &mut watch::Receiver<Option<Connection>>,
) -> Option<bool> {
    match tokio::time::timeout(wait, connections.wait_for(Option::is_some)).await {
        Ok(Ok(_)) => Some(true),
        Ok(Err(_)) => None,
        Err(_) => Some(false),
    }
}

fn told(tell: &watch::Sender<Option<HostPort>>, tracker: HostPort) {
    tell.send_if_modified(|now| {
        let is_new = now.as_ref() != Some(&tracker);
        *now = Some(tracker);
        is_new
    });
}

/// Asks a webserver or a peer for trackers, without a certificate: the own one may have ended.
async fn asked(membership: &Membership, entry: &EntryPoint, address: &HostPort) -> Vec<HostPort> {
    let Ok(Some(guest)) = membership.guest() else {
        return Vec::new();
    };
    let client = match entry {
        EntryPoint::Peer(_) => DirectoryClient::of_peer(address, &guest),
        _ => DirectoryClient::of_webserver(address, &guest),
    };
    let Ok(client) = client else {
        return Vec::new();
    };
    match client.gateways().await {
        Ok(gateways) => {
            let trackers = gateways.trackers.iter();
            trackers
                .map(|tracker| tracker.address.seen_from(address))
                .collect()
        }
        Err(error) => {
            debug!(%address, %error, "cannot ask for a tracker that would renew the certificate");
            Vec::new()
        }
    }
}
