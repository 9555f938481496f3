//! Service `Catalog`: names, contents and peers.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use proto::accept::accounts::{Accounts, Resource};
use proto::messages::{Gathering, Invalid, List, Locate, Page, Peers, Published, Remove, Rename, types};
use proto::status::to_status;
use proto::v1::catalog_server::{Catalog, CatalogServer};
use proto::{RemoteError, v1};
use shared::ErrorCode;
use shared::model::{ContentId, ContentRef, Health, Name, PeerId, PinWish};
use shared::runtime::{OnExit, Tasks};
use shared::security::authorization::{Action, Object};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::asking::Asking;
use super::{Callers, feed, refused, taken};
use crate::guardian::Guardian;
use crate::ledger::{Ledger, LedgerError};
use crate::state::{Caller, Publish};

/// Time between two messages to a watcher; changes in between are merged.
const WATCH_PAUSE: Duration = Duration::from_millis(100);

/// Time for all messages of a collection, below the patience of its publisher.
const GATHERING_DEADLINE: Duration = Duration::from_secs(50);

/// Answers that wait for a slow watcher: the newest and one on the way.
const WATCH_ANSWERS: usize = 1;

/// Service `Catalog` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct CatalogService {
    ledger: Ledger,
    tasks: Tasks,
    accounts: Accounts,
    callers: Callers,
    guardian: Guardian,
}

impl CatalogService {
    pub(crate) fn server(
        ledger: Ledger,
        tasks: Tasks,
        accounts: Accounts,
        callers: Callers,
        guardian: Guardian,
    ) -> CatalogServer<Self> {
        CatalogServer::new(Self {
            ledger,
            tasks,
            accounts,
            callers,
            guardian,
        })
    }
}

impl CatalogService {
    fn asking<T>(&self, request: &Request<T>, call: &'static str) -> Asking {
        Asking::of(&self.guardian, request, call)
    }

    async fn bind(&self, publish: Publish, caller: Caller, asking: &Asking) -> Answer<v1::PublishReply> {
        asking.may(Action::Publish, Object::Name(publish.name.as_str()))?;
        asking.may(Action::Speak, Object::Peer(publish.publisher))?;
        let name = publish.name.clone();
        let binding = asking.noted(name, self.ledger.publish(publish, caller)).await?;
        Ok(Response::new(v1::PublishReply {
            binding: Some(binding.into()),
        }))
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Catalog for CatalogService {
    async fn publish(&self, request: Request<v1::PublishRequest>) -> Answer<v1::PublishReply> {
        let asking = self.asking(&request, "Catalog/Publish");
        let caller = self.callers.of(&request);
        self.bind(request.into_inner().try_into()?, caller, &asking).await
    }

    async fn publish_collection(
        &self,
        request: Request<Streaming<v1::PublishCollectionRequest>>,
    ) -> Answer<v1::PublishReply> {
        let _turn = taken(&self.accounts, &request, Resource::Gathering)?;
        let asking = self.asking(&request, "Catalog/PublishCollection");
        let caller = self.callers.of(&request);
        let mut messages = request.into_inner();
        let gathered = tokio::time::timeout(GATHERING_DEADLINE, async {
            let mut gathering = Gathering::default();
            while let Some(message) = messages.message().await? {
                gathering.take(message)?;
            }
            Ok::<_, Status>(gathering.finish()?)
        });
        let late = |_| {
            let why = "the parts of the collection did not come in time";
            to_status(&RemoteError::new(ErrorCode::DeadlineExceeded, why))
        };
        self.bind(gathered.await.map_err(late)??, caller, &asking).await
    }

    async fn head(&self, request: Request<v1::HeadRequest>) -> Answer<v1::HeadReply> {
        let asking = self.asking(&request, "Catalog/Head");
        let name = Name::new(request.into_inner().name).map_err(|error| Invalid::field("name", error))?;
        asking.may(Action::Read, Object::Name(name.as_str()))?;
        let (revision, content) = self
            .ledger
            .read(|state| state.head(&name))
            .await
            .map_err(refused)?;
        Ok(Response::new(v1::HeadReply {
            revision: revision.get(),
            content_id: content
                .map(|content| content.as_bytes().to_vec())
                .unwrap_or_default()
                .into(),
        }))
    }

    async fn resolve(&self, request: Request<v1::ResolveRequest>) -> Answer<v1::ResolveReply> {
        let asking = self.asking(&request, "Catalog/Resolve");
        let what: ContentRef = request
            .into_inner()
            .r#ref
            .ok_or(Invalid::Missing("ref"))?
            .try_into()?;
        asking.may_read(&self.ledger, &what).await?;
        let found = self
            .ledger
            .read(|state| state.resolve(&what))
            .await
            .map_err(refused)?;
        let (binding, manifest) = found.map_err(|rejection| refused(rejection.into()))?;
        let manifest = Some((&manifest).into());
        Ok(Response::new(v1::ResolveReply {
            binding: Some(binding.into()),
            manifest,
        }))
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Answer<v1::ListReply> {
        let asking = self.asking(&request, "Catalog/List");
        let List { prefix, page } = request.into_inner().try_into()?;
        asking.may(Action::Read, Object::Name(&prefix))?;
        let after = after::<Name>(&page)?;
        let listed = self
            .ledger
            .list(&prefix, after.as_ref(), page.size as usize)
            .await
            .map_err(refused)?;
        let next = listed.next().map(Name::to_string).unwrap_or_default();
        let page = Published {
            names: listed.names,
            next,
            removed: listed.removed,
        };
        Ok(Response::new(page.into()))
    }

    async fn locate(&self, request: Request<v1::LocateRequest>) -> Answer<v1::LocateReply> {
        let asking = self.asking(&request, "Catalog/Locate");
        let Locate {
            content,
            max_holders,
            except,
        } = request.into_inner().try_into()?;
        asking.may_read(&self.ledger, &content.content).await?;
        let read = |state: &crate::state::State| {
            state.locate(&content, max_holders as usize, except, &mut rand::rng())
        };
        let found = self.ledger.read(read).await.map_err(refused)?;
        Ok(Response::new(
            found.map_err(|rejection| refused(rejection.into()))?.into(),
        ))
    }

    async fn remove(&self, request: Request<v1::RemoveRequest>) -> Answer<v1::RemoveReply> {
        let asking = self.asking(&request, "Catalog/Remove");
        let Remove { name, expected } = request.into_inner().try_into()?;
        asking.may(Action::Remove, Object::Name(name.as_str()))?;
        let removing = self.ledger.remove(name.clone(), expected);
        let revision = asking.noted(name, removing).await?;
        Ok(Response::new(v1::RemoveReply {
            revision: revision.get(),
        }))
    }

    async fn rename(&self, request: Request<v1::RenameRequest>) -> Answer<v1::RenameReply> {
        let asking = self.asking(&request, "Catalog/Rename");
        let Rename { from, to, expected } = request.into_inner().try_into()?;
        asking.may(Action::Remove, Object::Name(from.as_str()))?;
        asking.may(Action::Publish, Object::Name(to.as_str()))?;
        let names = format!("{from} to {to}");
        let binding = asking
            .noted(names, self.ledger.rename(from, to, expected))
            .await?;
        Ok(Response::new(v1::RenameReply {
            binding: Some(binding.into()),
        }))
    }

    async fn history(&self, request: Request<v1::HistoryRequest>) -> Answer<v1::HistoryReply> {
        let asking = self.asking(&request, "Catalog/History");
        let name = Name::new(request.into_inner().name).map_err(|error| Invalid::field("name", error))?;
        asking.may(Action::Read, Object::Name(name.as_str()))?;
        let found = self.ledger.read(|state| state.revisions(&name)).await;
        let found = found
            .map_err(refused)?
            .map_err(|rejection| refused(rejection.into()))?;
        Ok(Response::new(found.into()))
    }

    async fn pin(&self, request: Request<v1::PinRequest>) -> Answer<v1::PinReply> {
        let asking = self.asking(&request, "Catalog/Pin");
        let wish = PinWish::try_from(request.into_inner())?;
        let name = wish.what.name.clone();
        asking.may(Action::Publish, Object::Name(name.as_str()))?;
        let revision = asking.noted(name, self.ledger.pin(wish)).await?;
        Ok(Response::new(v1::PinReply {
            revision: Some(revision.into()),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchReply, Status>> + Send>>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Answer<Self::WatchStream> {
        self.asking(&request, "Catalog/Watch")
            .may(Action::Read, Object::Network)?;
        let place = taken(&self.accounts, &request, Resource::Watcher)?;
        let content = types::content_id(&request.into_inner().content_id)?;
        let (answers, stream) = mpsc::channel(WATCH_ANSWERS);
        let (ledger, token) = (self.ledger.clone(), self.tasks.token().clone());
        self.tasks.spawn("watch", OnExit::Continue, async move {
            let _place = place;
            // The task ends when the content or the watcher goes, or the tracker stops.
            token
                .run_until_cancelled(watch(ledger, content, answers))
                .await
                .unwrap_or_default();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    type EventsStream = Pin<Box<dyn Stream<Item = Result<v1::EventsReply, Status>> + Send>>;

    async fn events(&self, request: Request<v1::EventsRequest>) -> Answer<Self::EventsStream> {
        self.asking(&request, "Catalog/Events")
            .may(Action::Read, Object::Network)?;
        let place = taken(&self.accounts, &request, Resource::Follower)?;
        let after = request.into_inner().try_into()?;
        let (answers, stream) = mpsc::channel(feed::PAGES);
        let (ledger, token) = (self.ledger.clone(), self.tasks.token().clone());
        self.tasks.spawn("events", OnExit::Continue, async move {
            let _place = place;
            token
                .run_until_cancelled(feed::follow(ledger, after, answers))
                .await
                .unwrap_or_default();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn peers(&self, request: Request<v1::PeersRequest>) -> Answer<v1::PeersReply> {
        self.asking(&request, "Catalog/Peers")
            .may(Action::Read, Object::Network)?;
        let request = request.into_inner();
        let page = Page::new(request.page_token, request.page_size);
        let after = after::<PeerId>(&page)?;
        let found = self
            .ledger
            .read(|state| state.peers(after, page.size as usize))
            .await
            .map_err(refused)?;
        let next = found
            .peers
            .last()
            .filter(|_| found.has_more)
            .map(|peer| peer.id.to_string());
        let peers = Peers {
            peers: found.peers,
            next: next.unwrap_or_default(),
            epoch: found.epoch,
            in_safe_mode: found.is_in_safe_mode,
        };
        Ok(Response::new(peers.into()))
    }
}

/// Decodes the beginning of a page: the last element of the page before, which is its token.
fn after<T: std::str::FromStr>(page: &Page) -> Result<Option<T>, Invalid> {
    match page.token.as_str() {
        "" => Ok(None),
        token => token
            .parse()
            .map(Some)
            .map_err(|_| Invalid::field("page_token", "no page ended there")),
    }
}

/// Sends the content's health now and whenever it has changed.
async fn watch(ledger: Ledger, content: ContentId, answers: mpsc::Sender<Result<v1::WatchReply, Status>>) {
    let mut versions = ledger.versions();
    let mut last: Option<Health> = None;
    loop {
        versions.mark_unchanged();
        let health = match ledger.read(|state| state.health(content)).await {
            Ok(found) => found.map_err(LedgerError::Rejected),
            Err(error) => Err(error),
        };
        let is_news = !matches!((&health, last), (Ok(health), Some(last)) if *health == last);
        last = health.as_ref().ok().copied();
        if is_news {
            let reply = health.map(|health| v1::WatchReply {
                health: Some(health.into()),
            });
            if answers.send(reply.map_err(refused)).await.is_err() {
                return;
            }
        }
        let changed = async { versions.changed().await.is_ok() };
        let goes_on = tokio::select! {
            has_changed = changed => has_changed,
            () = answers.closed() => false,
        };
        if last.is_none() || !goes_on {
            return;
        }
        tokio::time::sleep(WATCH_PAUSE).await;
    }
}
