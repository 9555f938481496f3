//! Brings publications from the outbox to the tracker.
//!
//! A publication is written to the outbox before anything is asked of the tracker, and settled there after
//! the tracker has answered. So one that was made while no tracker could be reached, or that a crash
//! interrupted, is made when the next session begins, and one whose caller left after the tracker was asked
//! is made at once; a caller that leaves before that gives it up. One that was settled is never made again.
//!
//! The name's revision is written down with the publication, or before the first attempt if there was no
//! tracker to tell it, and every attempt may only follow that one.
//! So an attempt whose answer got lost is never repeated over what others have done to the name since: a name
//! that was published, and then removed by someone, does not come back.

mod attempt;
mod rounds;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use proto::RemoteError;
use proto::messages::Publish;
use shared::model::{Binding, ContentId, ContentRef, Manifest, Name, Parts, Revision};
use shared::runtime::{Clock, OnExit, Tasks};
use shared::{Coded as _, ErrorCode};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tracing::{info, warn};

use crate::blocking::{blocking, try_blocking};
use crate::collection;
use crate::identity::Identity;
use crate::session::{Connection, Network, ProtectionGuard};
use store::{DiskStore, FragmentStore as _, Publication, PublicationState};

pub use attempt::{Attempt, Bind, Input, Outcome, Output, conflict, is_final};
pub use rounds::{Next, RETRY_WAIT, Rounds};

/// The publisher of one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<DiskStore>,
    identity: Arc<Identity>,
    network: Network,
    clock: Clock,
    /// A caller's attempt ended and may have left its publication pending.
    remains: Notify,
    /// Names under which a caller is publishing, or waits to: the outbox has one place for each.
    names: Names,
}

/// The reason why a publication has no binding to tell of, and what has become of it.
#[derive(Debug)]
pub enum PublishError {
    /// The tracker refused it for good, and the outbox says so: the caller may take it back.
    Refused(RemoteError),
    /// Its caller went before the tracker was asked to bind: the caller takes it back.
    Unasked(RemoteError),
    /// It stays in the outbox, and its content must stay here: the tracker may have bound the name already.
    Pending(RemoteError),
    /// The user has withdrawn it, or has added something else under the name.
    Withdrawn(RemoteError),
    /// It was made, and the name has moved on since, or the tracker could not be asked.
    Published(RemoteError),
}

impl PublishError {
    /// Returns the reason.
    #[must_use]
    pub const fn cause(&self) -> &RemoteError {
        match self {
            Self::Refused(cause)
            | Self::Unasked(cause)
            | Self::Pending(cause)
            | Self::Withdrawn(cause)
            | Self::Published(cause) => cause,
        }
    }

    /// Whether the user is told in other ways than by the log: it was refused, or waits for a tracker.
    fn is_told(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Pending(cause) => cause.code().is_retryable(),
            Self::Unasked(_) | Self::Withdrawn(_) | Self::Published(_) => false,
        }
    }
}

/// A lock for every name that is in use.
type Names = std::sync::Mutex<BTreeMap<Name, Arc<Mutex<()>>>>;

/// Has the outbox gone through at once when a caller ends, or is cancelled, without a final answer.
#[derive(Debug)]
pub struct Unsettled(Option<Arc<Inner>>);

impl Unsettled {
    /// The publication has its final answer, and the outbox knows it.
    pub fn settled(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            inner.remains.notify_one();
        }
    }
}

impl Publisher {
    /// Starts making pending publications whenever a session begins.
    #[must_use]
    pub fn start(
        store: &Arc<DiskStore>,
        identity: &Arc<Identity>,
        network: &Network,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Self {
        let publisher = Self(Arc::new(Inner {
            store: Arc::clone(store),
            identity: Arc::clone(identity),
            network: network.clone(),
            clock: clock.clone(),
            remains: Notify::new(),
            names: Names::default(),
        }));
        let (outbox, stop) = (publisher.clone(), tasks.token().clone());
        tasks.spawn("publisher", OnExit::ShutDown, async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = outbox.go_round() => {}
            }
        });
        publisher
    }

    /// Waits until nobody else here publishes under this name: from before a publication is written to the
    /// outbox until its answer is there. Otherwise one would make the other's publication and take its answer
    /// for its own. Publications of different names wait for nothing.
    pub async fn turn(&self, name: &Name) -> OwnedMutexGuard<()> {
        self.lock_of(name).lock_owned().await
    }

    /// Takes the turn of a name, unless somebody has it.
    fn try_turn(&self, name: &Name) -> Option<OwnedMutexGuard<()>> {
        self.lock_of(name).try_lock_owned().ok()
    }

    fn lock_of(&self, name: &Name) -> Arc<Mutex<()>> {
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(names.entry(name.clone()).or_default())
    }

    /// Returns a guard for a publication that is being put into the outbox; the caller takes it along with
    /// the write, and drops it after the turn of the name.
    #[must_use]
    pub fn unsettled(&self) -> Unsettled {
        Unsettled(Some(Arc::clone(&self.0)))
    }

    /// Asks for the revision that a publication is to follow, before anything is changed for it. Without a
    /// tracker, an update follows the revision that this node last knew; others ask later.
    ///
    /// # Errors
    /// Conflict when the name is bound to another content; InvalidArgument for one that shows nothing.
    pub async fn follow(&self, mut publication: Publication) -> Result<Publication, RemoteError> {
        let visible = publication.name.require_visible();
        visible.map_err(|error| RemoteError::new(ErrorCode::InvalidArgument, error.to_string()))?;
        let asked = match self.0.network.connection_soon().await {
            Ok(connection) => connection.catalog.head(&publication.name).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok((revision, bound)) => match conflict(&publication, bound) {
                Some(text) => Err(RemoteError::new(ErrorCode::Conflict, text)),
                None => {
                    publication.state = PublicationState::Pending(Some(revision));
                    Ok(publication)
                }
            },
            Err(error) if is_final(error.code()) => Err(error),
            Err(_) if publication.update => {
                let (store, name) = (Arc::clone(&self.0.store), publication.name.clone());
                let known = try_blocking(move || store.publication(&name)).await?;
                publication.state = PublicationState::Pending(known.and_then(|known| known.revision()));
                Ok(publication)
            }
            Err(_) => Ok(publication),
        }
    }

    /// Makes one publication that is in the outbox, now. The caller has the turn of its name; once
    /// `is_given_up` says so, the tracker is not asked any more.
    ///
    /// # Errors
    /// [`PublishError`] says whether the publication may be taken back.
    pub async fn publish(
        &self,
        wanted: &Publication,
        _turn: &OwnedMutexGuard<()>,
        is_given_up: impl Fn() -> bool,
    ) -> Result<Binding, PublishError> {
        self.attempt(wanted, is_given_up).await
    }

    /// Goes through the outbox whenever [`Rounds`] says so. A try that is cancelled is made again later.
    async fn go_round(&self) {
        let (mut connections, clock) = (self.0.network.connections(), &self.0.clock);
        let mut rounds = Rounds::default();
        rounds.connection_changed(clock.now(), connections.borrow_and_update().is_some());
        loop {
            let next = rounds.next(clock.now());
            tokio::select! {
                changed = connections.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let is_connected = connections.borrow_and_update().is_some();
                    rounds.connection_changed(clock.now(), is_connected);
                }
                () = self.step(next, &mut rounds) => {}
            }
        }
    }

    async fn step(&self, next: Next, rounds: &mut Rounds) {
        let inner = &self.0;
        match next {
            Next::Read => {
                let store = Arc::clone(&inner.store);
                let pending = try_blocking(move || store.pending_publications()).await;
                let pending = pending.inspect_err(|error| warn!(%error, "cannot read the outbox"));
                rounds.read(inner.clock.now(), pending.ok());
            }
            Next::Try(publication) => {
                let name = &publication.name;
                let outcome = match self.try_turn(name) {
                    Some(_turn) => self.attempt(&publication, || false).await,
                    None => Err(PublishError::Pending(taken(name))),
                };
                match &outcome {
                    Ok(binding) => info!(%name, revision = %binding.revision, "published"),
                    // The outbox has it with its reason, and every list of the user's shows that.
                    Err(error) if error.is_told() => {
                        info!(%name, error = %error.cause(), "not published");
                    }
                    Err(error) => warn!(%name, error = %error.cause(), "not published"),
                }
                let is_settled = !matches!(outcome, Err(PublishError::Pending(_)));
                rounds.tried(inner.clock.now(), is_settled);
            }
            Next::Wait(until) => {
                let waiting = async {
                    match until {
                        Some(at) => tokio::time::sleep(at.since(inner.clock.now())).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = waiting => {}
                    () = inner.remains.notified() => rounds.remains(inner.clock.now()),
                }
            }
        }
    }

    /// Makes one publication that is in the outbox, in its name's turn.
    async fn attempt(
        &self,
        wanted: &Publication,
        is_given_up: impl Fn() -> bool,
    ) -> Result<Binding, PublishError> {
        let inner = &self.0;
        // All of an attempt is about one network: the one whose outbox is read while its tracker is here.
        let connection = inner.network.connection();
        let (store, name) = (Arc::clone(&inner.store), wanted.name.clone());
        let known = try_blocking(move || store.publication(&name)).await;
        let known = known.map_err(PublishError::Pending)?;
        let network = connection.as_ref().ok().and_then(|connection| connection.network);
        if network.is_some() && network != inner.identity.network() {
            let text = "this node has just come into another network; try again";
            return Err(PublishError::Pending(RemoteError::new(
                ErrorCode::Unavailable,
                text,
            )));
        }
        let publication = known
            .filter(|known| known.asks_the_same(wanted))
            .ok_or_else(|| withdrawn(&wanted.name))?;
        let (mut attempt, mut output) = Attempt::begin(publication);
        let (mut guards, mut binding) = (Vec::new(), None);
        loop {
            let publication = attempt.publication();
            let name = &publication.name;
            if attempt.is_unasked() && is_given_up() {
                let text = format!("the caller went away before {name} was published");
                return Err(PublishError::Unasked(RemoteError::new(
                    ErrorCode::Cancelled,
                    text,
                )));
            }
            let answer = match output {
                Output::Protect => {
                    guards.extend(self.protect(publication).await);
                    Ok(Input::Protected)
                }
                Output::AskHead => {
                    let head = match &connection {
                        Ok(connection) => connection.catalog.head(name).await,
                        Err(error) => Err(error.clone()),
                    };
                    head.map(|(revision, bound)| Input::Head(revision, bound))
                }
                Output::Write(state) => self.write(publication.clone(), state).await.map(Input::Written),
                Output::LookUp => self.held(publication).await.map(Input::Held),
                Output::Bind(bind) => {
                    let bound = match &connection {
                        Ok(connection) => self.bind(connection, publication, *bind).await,
                        Err(error) => Err(error.clone()),
                    };
                    bound.map(|bound| Input::Bound(binding.insert(bound).revision))
                }
                Output::Done(Outcome::Published(revision)) => match binding {
                    Some(binding) => return Ok(binding),
                    None => {
                        let connection = connection.map_err(PublishError::Published)?;
                        return resolve(&connection, name, revision)
                            .await
                            .map_err(PublishError::Published);
                    }
                },
                Output::Done(Outcome::Refused(code, reason)) => {
                    return Err(PublishError::Refused(RemoteError::new(code, reason)));
                }
                Output::Done(Outcome::Failed(code, reason)) => {
                    return Err(PublishError::Pending(RemoteError::new(code, reason)));
                }
                Output::Done(Outcome::Withdrawn) => return Err(withdrawn(name)),
            };
            let failed = |error: RemoteError| Input::Failed(error.code(), error.to_string());
            output = attempt.handle(answer.unwrap_or_else(failed));
        }
    }

    /// Keeps all of it from being evicted while it is published.
    async fn protect(&self, publication: &Publication) -> Vec<ProtectionGuard> {
        let network = &self.0.network;
        // If it fails, so does the attempt.
        let parts = self.parts(publication).await.ok().flatten();
        let parts = parts.iter().flat_map(Parts::ids);
        let all: Vec<ContentId> = parts.chain([publication.content]).collect();
        let guards = all.iter().map(|content| network.protect(*content)).collect();
        // Some of it may be here for another network only.
        let store = Arc::clone(&self.0.store);
        let claimed = try_blocking(move || all.iter().try_for_each(|content| store.claim(*content))).await;
        if let Err(error) = claimed {
            warn!(%error, "cannot write down that a content is published in this network too");
        }
        guards
    }

    /// Returns the content, if all of it is held, and the parts that it refers to.
    async fn held(
        &self,
        publication: &Publication,
    ) -> Result<Option<(Manifest, Option<Parts>)>, RemoteError> {
        let (store, content) = (Arc::clone(&self.0.store), publication.content);
        let entry = blocking(move || store.entry(content)).await?;
        if let Some(entry) = &entry {
            collection::require_no_absence(entry).map_err(|error| RemoteError::of(&error))?;
        }
        match entry.filter(|entry| entry.held.is_full()) {
            Some(entry) => Ok(Some((entry.manifest, self.parts(publication).await?))),
            None => Ok(None),
        }
    }

    /// Returns the contents that a collection refers to, all of which must be here; none for a file.
    async fn parts(&self, publication: &Publication) -> Result<Option<Parts>, RemoteError> {
        let (store, content) = (Arc::clone(&self.0.store), publication.content);
        try_blocking(move || collection::parts_held(&store, content)).await
    }

    async fn bind(
        &self,
        connection: &Connection,
        publication: &Publication,
        bind: Bind,
    ) -> Result<Binding, RemoteError> {
        let publish = Publish {
            name: publication.name.clone(),
            manifest: bind.manifest,
            target: publication.target.unwrap_or(self.0.network.defaults().replicas),
            expectation: bind.expectation,
            publisher: self.0.identity.peer(),
            incarnation: self.0.identity.incarnation(),
            parts: bind.parts,
            metadata: publication.metadata.clone(),
            replaces_metadata: publication.update,
            // A name that has a target already keeps it.
            keeps_target: publication.target.is_none(),
        };
        connection.catalog.publish(&publish).await
    }

    /// Writes the state of the attempted publication; false when it is another one by now.
    async fn write(&self, attempted: Publication, state: PublicationState) -> Result<bool, RemoteError> {
        let store = Arc::clone(&self.0.store);
        try_blocking(move || store.settle_publication(&attempted, &state)).await
    }
}

fn taken(name: &Name) -> RemoteError {
    let text = format!("something is being published as {name} just now");
    RemoteError::new(ErrorCode::Unavailable, text)
}

fn withdrawn(name: &Name) -> PublishError {
    let text = format!("the publication of {name} was withdrawn, or replaced by a newer one");
    PublishError::Withdrawn(RemoteError::new(ErrorCode::Cancelled, text))
}

/// Returns the binding that an earlier attempt made, unless the name has moved on already.
async fn resolve(connection: &Connection, name: &Name, revision: Revision) -> Result<Binding, RemoteError> {
    let of = ContentRef::Name(name.clone());
    let (binding, _) = connection.catalog.resolve(&of).await?;
    if binding.revision == revision {
        return Ok(binding);
    }
    let newer = binding.revision;
    let text = format!("{name} was published as revision {revision}, and is at revision {newer} by now");
    Err(RemoteError::new(ErrorCode::Conflict, text))
}
