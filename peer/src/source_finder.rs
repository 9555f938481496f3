//! Sources by way of the tracker: asks it which peers hold a content.

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use proto::messages::Locate;
use shared::model::{ContentId, ContentRef, PeerId, Source};
use tracing::debug;

use crate::fetch::FindSources;
use crate::session::Network;

/// Sources asked for at once: more than a fetch connects to, so that there is a choice.
const MAX_HOLDERS: u32 = 64;

/// A finder of sources through the tracker of the network that the peer is in; cheap to clone.
#[derive(Clone, Debug)]
pub struct TrackerSources {
    own: PeerId,
    /// Network, which is known a moment after the fetcher: it needs assignments, and they need the fetcher.
    network: Arc<OnceLock<Network>>,
}

impl TrackerSources {
    /// Makes a finder that finds nothing before [`Self::follow`].
    #[must_use]
    pub fn new(own: PeerId) -> Self {
        Self {
            own,
            network: Arc::default(),
        }
    }

    /// Sets the network through which the tracker is asked; only the first call counts.
    pub fn follow(&self, network: Network) {
        self.network.get_or_init(|| network);
    }
}

impl FindSources for TrackerSources {
    fn report_unreached(&self, peer: PeerId, error: &str) {
        if let Some(network) = self.network.get() {
            network.report_unreached(peer, error.to_owned());
        }
    }

    fn report_received(&self, content: ContentId, from: PeerId) {
        if let Some(network) = self.network.get() {
            network.report_received(content, from);
        }
    }

    fn find(&self, content: ContentId) -> BoxFuture<'_, Vec<Source>> {
        async move {
            let Some(connection) = self.network.get().and_then(|network| network.connection().ok()) else {
                return Vec::new();
            };
            let content = ContentRef::Id(content).into();
            let locate = Locate {
                content,
                max_holders: MAX_HOLDERS,
                except: Some(self.own),
            };
            match connection.catalog.locate(&locate).await {
                Ok(location) => location.holders.into_iter().map(Source::from).collect(),
                Err(error) => {
                    debug!(%error, "cannot ask the tracker for sources");
                    Vec::new()
                }
            }
        }
        .boxed()
    }
}
