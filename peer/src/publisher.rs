//! Brings publications from the outbox to the tracker.
//!
//! A publication is written to the outbox before anything is asked of the tracker, and settled there after the
//! tracker has answered. So one that was made while no tracker could be reached, or that a crash interrupted, is
//! made when the next session begins; one that was settled is never made again.
//!
//! Before the first attempt the name's revision is written down, and every attempt may only follow that one. So an
//! attempt whose answer got lost is never repeated over what others have done to the name since: a name that was
//! published, and then removed by someone, does not come back.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use proto::RemoteError;
use proto::messages::Publish;
use shared::model::{Binding, ContentRef, Expectation, Name, Parts, Revision};
use shared::runtime::{OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::{info, warn};

use crate::blocking::{blocking, try_blocking};
use crate::collection;
use crate::identity::Identity;
use crate::session::{Connection, Network, ProtectionGuard};
use crate::store::{DiskStore, FragmentStore as _, Publication, PublicationState};

pub use store::{Next, is_final};

/// While connected, publications that failed for a passing reason are tried again this often.
const RETRY_WAIT: Duration = Duration::from_secs(5);

/// The publisher of one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<DiskStore>,
    identity: Arc<Identity>,
    network: Network,
    /// One publication at a time: two attempts at the same one would race for its settlement.
    turn: Mutex<()>,
    /// Who is publishing something under a name, or waits to: the outbox has one place for each.
    names: Names,
}

/// A lock for every name that is in use.
type Names = std::sync::Mutex<BTreeMap<Name, Arc<Mutex<()>>>>;

impl Publisher {
    /// Starts making pending publications whenever a session begins.
    #[must_use]
    pub fn start(store: Arc<DiskStore>, identity: Arc<Identity>, network: Network, tasks: &Tasks) -> Self {
        let publisher = Self(Arc::new(Inner {
            store,
            identity,
            network,
            turn: Mutex::new(()),
            names: Names::default(),
        }));
        let (outbox, stop) = (publisher.clone(), tasks.token().clone());
        tasks.spawn("publisher", OnExit::ShutDown, async move {
            let mut connections = outbox.0.network.connections();
            while !stop.is_cancelled() {
                let is_connected = connections.borrow_and_update().is_some();
                let round = async {
                    let remain = is_connected && outbox.publish_pending().await;
                    if remain {
                        tokio::time::sleep(RETRY_WAIT).await;
                    } else {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = connections.changed() => if changed.is_err() { break },
                    () = round => {}
                }
            }
        });
        publisher
    }

    /// How many publications wait for a tracker.
    ///
    /// # Errors
    /// When the outbox cannot be read.
    pub async fn pending(&self) -> Result<Vec<Publication>, RemoteError> {
        let store = Arc::clone(&self.0.store);
        let mut publications = try_blocking(move || store.publications()).await?;
        publications.retain(Publication::is_pending);
        Ok(publications)
    }

    /// Waits until nobody else here publishes under this name: from before a publication is written to the outbox until its
    /// answer is there. Otherwise one would make the other's publication and take its answer for its own.
    pub async fn turn(&self, name: &Name) -> OwnedMutexGuard<()> {
        let lock = {
            let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(names.entry(name.clone()).or_default())
        };
        lock.lock_owned().await
    }

    /// Makes one publication that is in the outbox, now.
    ///
    /// # Errors
    /// When the tracker refuses (then it is settled as refused), or cannot be reached (then it stays pending), or the user
    /// has withdrawn it or added something else under the name meanwhile.
    pub async fn publish(&self, wanted: &Publication) -> Result<Binding, RemoteError> {
        let inner = &self.0;
        let _turn = inner.turn.lock().await;
        let store = Arc::clone(&inner.store);
        let all = try_blocking(move || store.publications()).await?;
        let publication = all
            .into_iter()
            .find(|known| known.asks_the_same(wanted))
            .ok_or_else(|| withdrawn(&wanted.name))?;
        match publication.next() {
            Next::AskHead | Next::Ask(_) => self.make(publication).await,
            Next::Published(revision) => self.published(publication.name, revision).await,
            Next::Refused(reason) => Err(RemoteError::new(ErrorCode::Conflict, reason)),
        }
    }

    /// The outbox was faster; the catalogue has the rest, unless it has moved on already.
    async fn published(&self, name: Name, revision: Revision) -> Result<Binding, RemoteError> {
        let connection = self.0.network.connection()?;
        let (binding, _) = connection
            .catalog
            .resolve(&ContentRef::Name(name.clone()))
            .await?;
        if binding.revision == revision {
            return Ok(binding);
        }
        let newer = binding.revision;
        let text = format!("{name} was published as revision {revision}, and is at revision {newer} by now");
        Err(RemoteError::new(ErrorCode::Conflict, text))
    }

    /// Tries every pending publication once; whether some are still pending. A cancelled try is made again later.
    async fn publish_pending(&self) -> bool {
        let pending = match self.pending().await {
            Ok(pending) => pending,
            Err(error) => {
                warn!(%error, "cannot read the outbox");
                return true;
            }
        };
        let mut some_remain = false;
        for publication in pending {
            let name = &publication.name;
            match self.publish(&publication).await {
                Ok(binding) => info!(%name, revision = %binding.revision, "published"),
                Err(error) => {
                    warn!(%name, %error, "not published");
                    some_remain |= !is_final(error.code());
                }
            }
        }
        some_remain
    }

    async fn make(&self, mut publication: Publication) -> Result<Binding, RemoteError> {
        let inner = &self.0;
        let connection = inner.network.connection()?;
        // Before the store is asked: from here on the content cannot be evicted under us.
        let _guards = self.protect(&publication).await;
        let outcome = match self.follow(&connection, &mut publication).await {
            Ok(base) => self.ask(&connection, &publication, base).await,
            Err(error) => Err(error),
        };
        let told = outcome
            .as_ref()
            .map_err(|error| (error.code(), error.to_string()));
        let state = PublicationState::after(match &told {
            Ok(binding) => Ok(binding.revision),
            Err((code, reason)) => Err((*code, reason)),
        });
        let Some(state) = state else {
            return outcome;
        };
        // Where it is another publication by now, there is nothing to settle; what was answered is true all the same.
        self.settle(publication, state).await?;
        outcome
    }

    /// The revision that the publication is to follow: the one written down, or else the one that the name has now,
    /// which is written down first.
    async fn follow(
        &self,
        connection: &Connection,
        publication: &mut Publication,
    ) -> Result<Revision, RemoteError> {
        if let Next::Ask(base) = publication.next() {
            return Ok(base);
        }
        let (base, bound) = connection.catalog.head(&publication.name).await?;
        let state = publication
            .follow(base, bound)
            .map_err(|reason| RemoteError::new(ErrorCode::Conflict, reason))?;
        if !self.settle(publication.clone(), state.clone()).await? {
            return Err(withdrawn(&publication.name));
        }
        publication.state = state;
        Ok(base)
    }

    async fn ask(
        &self,
        connection: &Connection,
        publication: &Publication,
        base: Revision,
    ) -> Result<Binding, RemoteError> {
        let inner = &self.0;
        let (store, content) = (Arc::clone(&inner.store), publication.content);
        let entry = blocking(move || store.entry(content))
            .await?
            .filter(|entry| entry.held.is_full());
        let Some(entry) = entry else {
            let text = format!(
                "the file of {} is no longer shared here; add it again",
                publication.name
            );
            return Err(RemoteError::new(ErrorCode::NotFound, text));
        };
        let publish = Publish {
            name: publication.name.clone(),
            manifest: entry.manifest,
            target: publication.target,
            expectation: Expectation::Revision(base),
            publisher: inner.identity.peer(),
            incarnation: inner.identity.incarnation(),
            parts: self.parts(publication).await?,
        };
        connection.catalog.publish(&publish).await
    }

    /// Keeps all of it from being evicted while it is published.
    async fn protect(&self, publication: &Publication) -> Vec<ProtectionGuard> {
        let network = &self.0.network;
        let mut guards = vec![network.protect(publication.content)];
        // If it fails, so does the attempt.
        let parts = self.parts(publication).await.ok().flatten();
        guards.extend(
            parts
                .iter()
                .flat_map(Parts::ids)
                .map(|part| network.protect(part)),
        );
        guards
    }

    /// What a collection refers to, all of which must be here; nothing when the publication is of a file.
    async fn parts(&self, publication: &Publication) -> Result<Option<Parts>, RemoteError> {
        let (store, content) = (Arc::clone(&self.0.store), publication.content);
        try_blocking(move || collection::parts_held(&store, content)).await
    }

    /// Whether it was still there to be settled.
    async fn settle(&self, attempted: Publication, state: PublicationState) -> Result<bool, RemoteError> {
        let store = Arc::clone(&self.0.store);
        try_blocking(move || store.settle_publication(&attempted, &state)).await
    }
}

fn withdrawn(name: &Name) -> RemoteError {
    let text = format!("the publication of {name} was withdrawn, or replaced by a newer one");
    RemoteError::new(ErrorCode::Cancelled, text)
}
