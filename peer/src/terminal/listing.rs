//! Listings of the network, page by page, and the place of a content.

use std::time::Duration;

use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::control::{SessionStatus, Status};
use proto::messages::{List, Locate, Page};
use shared::model::{ContentRef, Epoch, Listing, Location, NamedRevision, PeerId, PeerInfo, PeerMode};

use super::exit::Failure;
use crate::words;

/// The network's peers, and the state of the tracker that listed them.
#[derive(Clone, Debug)]
pub struct NetworkView {
    /// Peers in order of their ids.
    pub peers: Vec<PeerInfo>,
    /// The tracker's epoch.
    pub epoch: Epoch,
    /// Whether the tracker waits for peers to report after a restart.
    pub in_safe_mode: bool,
}

/// Returns all names.
///
/// # Errors
/// The tracker's error.
pub async fn all_names(client: &ControlClient) -> Result<Vec<Listing>, Failure> {
    Ok(all_published(client).await?.0)
}

/// Returns all names, and the pinned revisions of those that were removed.
///
/// # Errors
/// The tracker's error.
pub async fn all_published(client: &ControlClient) -> Result<(Vec<Listing>, Vec<NamedRevision>), Failure> {
    let mut list = List {
        prefix: String::new(),
        page: Page::first(),
    };
    let (mut names, mut removed) = (Vec::new(), Vec::new());
    loop {
        let page = client.network_list(&list).await;
        let page = page.map_err(|error| Failure::of(words::list_names(), &error))?;
        names.extend(page.names);
        removed.extend(page.removed);
        if !turn_page(&mut list.page, page.next) {
            return Ok((names, removed));
        }
    }
}

/// Returns the names of the first page, for completion.
///
/// # Errors
/// The tracker's error.
pub async fn first_names(client: &ControlClient) -> Result<Vec<String>, RemoteError> {
    let list = List {
        prefix: String::new(),
        page: Page::first(),
    };
    let page = client.network_list(&list).await?;
    let names = page.names.into_iter();
    Ok(names.map(|listing| listing.binding.name.to_string()).collect())
}

/// Returns all peers.
///
/// # Errors
/// The tracker's error.
pub async fn all_peers(client: &ControlClient) -> Result<NetworkView, Failure> {
    let mut page = Page::first();
    let mut peers = Vec::new();
    loop {
        let next = client.network_peers(&page).await;
        let next = next.map_err(|error| Failure::of(words::list_peers(), &error))?;
        peers.extend(next.peers);
        if !turn_page(&mut page, next.next) {
            return Ok(NetworkView {
                peers,
                epoch: next.epoch,
                in_safe_mode: next.in_safe_mode,
            });
        }
    }
}

/// The longest that the state of a node waits for its tracker.
const MODE_PATIENCE: Duration = Duration::from_secs(2);

/// Returns the mode of a node; none when its tracker does not tell it at once.
pub async fn own_mode(client: &ControlClient, status: &Status) -> Option<PeerMode> {
    if !matches!(status.session, SessionStatus::Connected { .. }) {
        return None;
    }
    let told = tokio::time::timeout(MODE_PATIENCE, mode_of(client, status.peer)).await;
    told.ok()?.ok()?
}

/// Returns the mode of a peer; none when the tracker does not know it.
///
/// # Errors
/// The tracker's error.
async fn mode_of(client: &ControlClient, peer: PeerId) -> Result<Option<PeerMode>, RemoteError> {
    // A page begins after its token.
    let token = before(peer).map(|before| before.to_string()).unwrap_or_default();
    let found = client.network_peers(&Page::new(token, 1)).await?.peers;
    let found = found.into_iter().find(|found| found.id == peer);
    Ok(found.map(|found| found.mode))
}

/// Returns the largest id that is smaller.
fn before(peer: PeerId) -> Option<PeerId> {
    let number = u128::from_be_bytes(*peer.as_bytes()).checked_sub(1)?;
    Some(PeerId::from_bytes(number.to_be_bytes()))
}

/// Turns the page; false after the last one, and when the next page is the same.
fn turn_page(page: &mut Page, next: String) -> bool {
    let goes_on = !next.is_empty() && next != page.token;
    page.token = next;
    goes_on
}

/// Locates a content with at most `max_holders` of its holders.
///
/// # Errors
/// The tracker's error.
pub async fn locate(
    client: &ControlClient,
    content: ContentRef,
    max_holders: u32,
) -> Result<Location, RemoteError> {
    let locate = Locate {
        content: content.into(),
        max_holders,
        except: None,
    };
    client.network_locate(&locate).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_begins_with_a_peer_comes_after_the_id_before_it() {
        let id = |first, last| {
            let mut bytes = [0; 16];
            (bytes[0], bytes[15]) = (first, last);
            PeerId::from_bytes(bytes)
        };
        assert_eq!(before(id(1, 7)), Some(id(1, 6)));
        let carried = before(id(1, 0)).expect("there is one");
        assert!(carried < id(1, 0) && carried > id(0, 255));
        assert_eq!(before(id(0, 0)), None);
    }
}
