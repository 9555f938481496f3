//! Service `Session`: reports come up, orders go down, each at its own pace.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use proto::accept::Ends;
use proto::accept::accounts::{Accounts, Resource};
use proto::messages::{FromPeer, FromTracker, Invalid};
use proto::status::to_status;
use proto::v1;
use proto::v1::session_server::{Session, SessionServer};
use shared::keys::Introduction;
use shared::model::{Challenge, Hello, KeyHash, Numbered, PublicKey};
use shared::runtime::{OnExit, Tasks};
use shared::security::authorization::{Action, Object};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use super::asking::Asking;
use super::callers::{Callers, Known};
use super::{refused, taken};
use crate::guardian::Guardian;
use crate::ledger::{Ledger, LedgerError, Orders};
use crate::state::{Closing, Origin, SessionId};

/// Time in which a peer that opens a session has to say hello, and after that to answer a challenge.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest announce: 1,000 holdings of 65,536 fragments are 8 MiB of bitmaps.
const MAX_MESSAGE_BYTES: usize = 9 << 20;

/// Messages on their way to the connection, a challenge among them; more orders wait in the ledger's outbox.
const DOWN_MESSAGES: usize = 4;

/// Service `Session` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct SessionService {
    ledger: Ledger,
    tasks: Tasks,
    accounts: Accounts,
    callers: Callers,
    guardian: Guardian,
}

type Up = Streaming<v1::FromPeer>;
type Down = mpsc::Sender<Result<v1::FromTracker, Status>>;

impl SessionService {
    pub(crate) fn server(
        ledger: Ledger,
        tasks: Tasks,
        accounts: Accounts,
        callers: Callers,
        guardian: Guardian,
    ) -> SessionServer<Self> {
        let service = Self {
            ledger,
            tasks,
            accounts,
            callers,
            guardian,
        };
        SessionServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Serves a peer that has said hello, from its challenge to the end; returns the reason for the end, if
    /// anybody is left to hear it.
    async fn serve(
        &self,
        (hello, key): (Hello, Option<PublicKey>),
        origin: Option<Origin>,
        mut up: Up,
        down: &Down,
    ) -> Option<Status> {
        let key = match key {
            Some(key) => {
                let proof = proved(&hello, &key, &mut up, down);
                match self.tasks.token().run_until_cancelled(proof).await {
                    Some(Ok(key)) => Some(key),
                    Some(Err(status)) => return Some(status),
                    None => return Some(to_status(&Closing::Stopping)),
                }
            }
            None => None,
        };
        let (peer, has_run) = (hello.peer, hello.run.is_some());
        let (session, mut welcome, orders) = match self.ledger.open_session(hello, key, origin).await {
            Ok(opened) => opened,
            Err(LedgerError::Rejected(rejection)) if has_run && let Some(why) = rejection.refusal() => {
                drop(down.try_send(Ok(FromTracker::Refused(why).into())));
                return None;
            }
            Err(error) => return Some(refused(error)),
        };
        debug!(%peer, %session, "session opened");
        let drawn = key.map(|_| self.callers.draw(peer, session)).unzip();
        let _known: Option<Known> = drawn.1;
        welcome.secret = drawn.0;
        // The channel has room: nothing but a challenge has been sent yet.
        drop(down.try_send(Ok(FromTracker::Welcome(welcome).into())));
        let end = tokio::select! {
            end = take_reports(&self.ledger, session, up) => end,
            end = send_orders(orders, down) => end,
            () = self.tasks.token().cancelled() => Some(to_status(&Closing::Stopping)),
        };
        debug!(%peer, %session, ?end, "session ended");
        // This fails when the tracker is stopping; then there is no session any more.
        drop(self.ledger.close_session(session).await);
        end
    }
}

#[tonic::async_trait]
impl Session for SessionService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::FromTracker, Status>> + Send>>;

    async fn open(
        &self,
        request: Request<Streaming<v1::FromPeer>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let asking = Asking::of(&self.guardian, &request, "Session/Open");
        let place = taken(&self.accounts, &request, Resource::Session)?;
        let ends = request.extensions().get::<Ends>().copied();
        let origin = ends.map(|Ends { remote, local }| Origin { remote, local });
        let mut up = request.into_inner();
        let hello = hello(&mut up).await?;
        asking.may(Action::Speak, Object::Peer(hello.0.peer))?;
        let (down, stream) = mpsc::channel(DOWN_MESSAGES);
        let service = self.clone();
        self.tasks.spawn("session", OnExit::Continue, async move {
            let _place = place;
            if let Some(status) = service.serve(hello, origin, up, &down).await {
                // A peer that reads nothing any more is cut off with the stream.
                drop(down.try_send(Err(status)));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn hello(up: &mut Up) -> Result<(Hello, Option<PublicKey>), Status> {
    match first(up, "no hello came").await? {
        Numbered {
            sequence: 1,
            message: FromPeer::Hello(hello, key),
        } => Ok((hello, key)),
        _ => Err(Invalid::field("message", "the first one must be hello, with sequence 1").into()),
    }
}

/// Has a peer prove that it has the key of its hello.
async fn proved(hello: &Hello, key: &PublicKey, up: &mut Up, down: &Down) -> Result<KeyHash, Status> {
    let challenge = Challenge::random();
    // The channel is empty.
    drop(down.try_send(Ok(FromTracker::Challenge(challenge).into())));
    let Numbered {
        sequence: 1,
        message: FromPeer::Answer(signature),
    } = first(up, "no answer to the challenge came").await?
    else {
        return Err(
            Invalid::field("message", "the challenge must be answered first, with sequence 1").into(),
        );
    };
    Introduction::of(hello)
        .verify(&challenge, key, &signature)
        .map_err(|error| to_status(&error))
}

/// Returns the next of the messages before Welcome, which have to come in time.
async fn first(up: &mut Up, otherwise: &'static str) -> Result<Numbered<FromPeer>, Status> {
    let next = tokio::time::timeout(HELLO_TIMEOUT, up.message()).await;
    let next = next.map_err(|_| Status::deadline_exceeded(otherwise))??;
    Ok(next.ok_or(Invalid::Missing("message"))?.try_into()?)
}

/// Applies the peer's reports until it hangs up (then nobody is left to tell why) or breaks the protocol.
async fn take_reports(ledger: &Ledger, session: SessionId, mut up: Up) -> Option<Status> {
    loop {
        let message = match up.message().await {
            Ok(message) => message?,
            Err(status) => return Some(status),
        };
        let report = match Numbered::<FromPeer>::try_from(message) {
            Ok(Numbered {
                sequence,
                message: FromPeer::Report(message),
            }) => Numbered { sequence, message },
            Ok(_) => return Some(Invalid::field("message", "hello is said once").into()),
            Err(invalid) => return Some(invalid.into()),
        };
        if let Err(error) = ledger.report(session, report).await {
            return Some(refused(error));
        }
    }
}

/// Sends orders until there are no more, and then the reason.
async fn send_orders(mut orders: Orders, down: &Down) -> Option<Status> {
    loop {
        match orders.next().await {
            Ok(order) => down.send(Ok(FromTracker::Order(order).into())).await.ok()?,
            Err(why) => return Some(to_status(&why)),
        }
    }
}
