//! Service `Session`: reports come up, orders go down, each at its own pace.

use std::pin::Pin;
use std::time::Duration;

use futures_util::Stream;
use proto::accept::Ends;
use proto::accounts::{Accounts, Resource};
use proto::messages::{FromPeer, FromTracker, Invalid};
use proto::status::to_status;
use proto::v1;
use proto::v1::session_server::{Session, SessionServer};
use shared::model::{Hello, Numbered};
use shared::runtime::{OnExit, Tasks};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use super::{refused, taken};
use crate::ledger::{Ledger, LedgerError, Orders};
use crate::state::{Closing, Origin, SessionId};

/// Time in which a peer that opens a session has to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest announce: 1,000 holdings of 65,536 fragments are 8 MiB of bitmaps.
const MAX_MESSAGE_BYTES: usize = 9 << 20;

/// Orders on their way to the connection; more wait in the ledger's outbox.
const DOWN_MESSAGES: usize = 4;

/// Service `Session` of the contract.
#[derive(Clone, Debug)]
pub(crate) struct SessionService {
    ledger: Ledger,
    tasks: Tasks,
    accounts: Accounts,
}

type Down = mpsc::Sender<Result<v1::FromTracker, Status>>;

impl SessionService {
    pub(crate) fn server(ledger: Ledger, tasks: Tasks, accounts: Accounts) -> SessionServer<Self> {
        let service = Self {
            ledger,
            tasks,
            accounts,
        };
        SessionServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl Session for SessionService {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<v1::FromTracker, Status>> + Send>>;

    async fn open(
        &self,
        request: Request<Streaming<v1::FromPeer>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let place = taken(&self.accounts, &request, Resource::Session)?;
        let ends = request.extensions().get::<Ends>().copied();
        let origin = ends.map(|Ends { remote, local }| Origin { remote, local });
        let mut up = request.into_inner();
        let hello = hello(&mut up).await?;
        let (peer, has_run) = (hello.peer, hello.run.is_some());
        let (down, stream) = mpsc::channel(DOWN_MESSAGES);
        let (session, welcome, orders) = match self.ledger.open_session(hello, origin).await {
            Ok(opened) => opened,
            Err(LedgerError::Rejected(rejection)) if has_run && let Some(why) = rejection.refusal() => {
                drop(down.try_send(Ok(FromTracker::Refused(why).into())));
                return Ok(Response::new(Box::pin(ReceiverStream::new(stream))));
            }
            Err(error) => return Err(refused(error)),
        };
        debug!(%peer, %session, "session opened");
        // The channel has room: nothing has been sent yet.
        drop(down.try_send(Ok(FromTracker::Welcome(welcome).into())));
        let (ledger, token) = (self.ledger.clone(), self.tasks.token().clone());
        self.tasks.spawn("session", OnExit::Continue, async move {
            let _place = place;
            let end = tokio::select! {
                end = take_reports(&ledger, session, up) => end,
                end = send_orders(orders, &down) => end,
                () = token.cancelled() => Some(to_status(&Closing::Stopping)),
            };
            debug!(%peer, %session, ?end, "session ended");
            // This fails when the tracker is stopping; then there is no session any more.
            drop(ledger.close_session(session).await);
            if let Some(status) = end {
                // A peer that reads nothing any more is cut off with the stream.
                drop(down.try_send(Err(status)));
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

async fn hello(up: &mut Streaming<v1::FromPeer>) -> Result<Hello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
    match first.ok_or(Invalid::Missing("hello"))?.try_into()? {
        Numbered {
            sequence: 1,
            message: FromPeer::Hello(hello),
        } => Ok(hello),
        _ => Err(Invalid::field("message", "the first one must be hello, with sequence 1").into()),
    }
}

/// Applies the peer's reports until it hangs up (then nobody is left to tell why) or breaks the protocol.
async fn take_reports(
    ledger: &Ledger,
    session: SessionId,
    mut up: Streaming<v1::FromPeer>,
) -> Option<Status> {
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
