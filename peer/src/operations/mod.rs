//! Operations of a node: everything that its user can ask of it, and nothing about how the user asks.
//!
//! [`Node`] is the state that all operations share. [`add`], [`get`], [`stream`] and [`values`] move
//! contents, [`collection`] moves directories, [`plan`] says what would be moved, [`forget`] drops copies,
//! [`local`] and [`upkeep`] are about this node and its copies, [`feed`] follows the network. Below them:
//! [`resolve`] finds the content of a name, [`extent`] all contents that belong to it, [`reader`] hands a
//! content out as bytes, [`outputs`] keeps transfers apart, [`ingest`] takes bytes in, [`report`] tells
//! callers how far a long operation is, [`access`] says who may ask for what, [`security`] makes the node a
//! member of a secured network.
//!
//! Invariant: this module knows no gRPC, no HTTP and no terminal. Borders (`rpc`, `http`) decode a request,
//! call one function here, and encode its answer; they never call each other.

pub(crate) mod access;
pub(crate) mod add;
pub(crate) mod collection;
pub(crate) mod extent;
pub(crate) mod feed;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod ingest;
pub(crate) mod local;
pub(crate) mod outputs;
pub(crate) mod passing;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod security;
mod spoiled;
pub(crate) mod standard_streams;
pub(crate) mod upkeep;
pub(crate) mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use proto::client::{CatalogClient, UpkeepClient};
use proto::membership::Membership;
use shared::Failure;
use shared::model::{ContentId, FragmentLength, HostPort, Timestamp, Zone};
use shared::runtime::{Clock, Tasks};
use shared::settings::InForce;
use tokio::sync::watch;

use crate::blocking::{blocking, try_blocking};
use crate::fetch::{Counters, Fetcher};
use crate::identity::Identity;
use crate::limiter::Limiter;
use crate::orders::Assignments;
use crate::publisher::Publisher;
use crate::scrubber::Scrubber;
use crate::session::Network;
use store::{DiskStore, Entry, FragmentStore as _};

/// The running parts of one node, on which every operation acts.
#[derive(Debug)]
pub(crate) struct Node {
    /// Contents that the node holds.
    pub(crate) store: Arc<DiskStore>,
    /// Id, run and token of the node.
    pub(crate) identity: Arc<Identity>,
    /// The network that the node is in.
    pub(crate) network: Network,
    /// Its membership in a secured network.
    pub(crate) membership: Membership,
    /// Makes the node's publications.
    pub(crate) publisher: Publisher,
    /// Carries out the tracker's orders.
    pub(crate) assignments: Assignments,
    /// Fetches contents from other peers.
    pub(crate) fetcher: Fetcher,
    /// Outputs that transfers are writing.
    pub(crate) outputs: outputs::Outputs,
    /// The limit on uploads; the fetcher has the limit on downloads.
    pub(crate) uploads: Limiter,
    /// Reads held contents again in the background.
    pub(crate) scrubber: Scrubber,
    /// Bytes sent and received.
    pub(crate) counters: Arc<Counters>,
    /// The node's time.
    pub(crate) clock: Clock,
    /// Owner of the node's tasks.
    pub(crate) tasks: Tasks,
    /// The address that other peers dial.
    pub(crate) address: HostPort,
    /// The address on which the node listens for them.
    pub(crate) listens: SocketAddr,
    /// The settings as they were said.
    pub(crate) settings: watch::Receiver<InForce>,
    /// The failure domain.
    pub(crate) zone: watch::Sender<Option<Zone>>,
    /// The directory of the node's data.
    pub(crate) data_dir: PathBuf,
    /// The time at which the node started.
    pub(crate) started: Timestamp,
}

impl Node {
    /// Returns the catalogue of the tracker, and waits a moment for a session that is being entered.
    ///
    /// # Errors
    /// Unavailable, with the reason, without a tracker.
    pub(crate) async fn catalog(&self) -> Result<CatalogClient, Failure> {
        Ok(self.network.connection_back().await?.catalog)
    }

    /// Returns the tracker's catalog for something that has another way without it, and waits a moment only.
    ///
    /// # Errors
    /// As [`Self::catalog`].
    pub(crate) async fn catalog_soon(&self) -> Result<CatalogClient, Failure> {
        Ok(self.network.connection_soon().await?.catalog)
    }

    /// Returns the tracker's targets, modes and surveys; waits like [`Self::catalog`].
    ///
    /// # Errors
    /// Unavailable, with the reason, without a tracker.
    pub(crate) async fn upkeep(&self) -> Result<UpkeepClient, Failure> {
        Ok(self.network.connection_back().await?.upkeep)
    }

    /// Returns the length of the fragments of a content that is published: the one that was asked for, or
    /// else the network's default; none lets the content's length decide. Waits a moment for a session that
    /// is being entered.
    pub(crate) async fn fragment_length(&self, asked: Option<FragmentLength>) -> Option<FragmentLength> {
        match asked {
            Some(asked) => Some(asked),
            None => self.network.defaults_soon().await.fragment_length,
        }
    }

    /// Runs work on the store on a thread that may wait for the disk.
    ///
    /// # Errors
    /// The errors of the work; Internal when it panicked.
    async fn with_store<T, E>(
        &self,
        work: impl FnOnce(&Arc<DiskStore>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: shared::Coded + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        try_blocking(move || work(&store)).await
    }

    /// Returns the store's record of a content, if the node holds anything of it.
    pub(crate) async fn entry(&self, content: ContentId) -> Result<Option<Entry>, Failure> {
        let store = Arc::clone(&self.store);
        blocking(move || store.entry(content)).await
    }
}

fn stopping() -> Failure {
    Failure::new(shared::ErrorCode::Unavailable, "this node is stopping")
}
