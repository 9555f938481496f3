//! Listings of the network, page by page, and the place of a content.

use proto::RemoteError;
use proto::client::ControlClient;
use proto::messages::{List, Locate, Page};
use shared::model::{ContentRef, Epoch, Listing, Location, NamedRevision, PeerInfo};

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
