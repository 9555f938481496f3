//! A peer's session with its tracker.

use std::time::Duration;

use shared::ErrorCode;
use shared::keys::{Introduction, PeerKey};
use shared::model::{Hello, HelloRefusal, HostPort, Numbered, Report, Welcome};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::{Incoming, Remote};
use crate::messages::{FromPeer, FromTracker};
use crate::status::from_status;
use crate::tls::Tls;
use crate::v1::session_client::SessionClient as Generated;
use crate::{RemoteError, dial, v1};

/// The tracker must answer Hello by then; it may have to write one record first.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Messages of a peer that wait to be sent; a session that is slower than this is broken.
const OUTBOX_MESSAGES: usize = 256;

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotWelcome {
    /// The tracker refused the hello for good.
    Refused(HelloRefusal),
    /// The call failed, or the tracker refused the hello for now.
    Failed(RemoteError),
}

impl From<RemoteError> for NotWelcome {
    fn from(error: RemoteError) -> Self {
        Self::Failed(error)
    }
}

impl From<NotWelcome> for RemoteError {
    fn from(not: NotWelcome) -> Self {
        match not {
            NotWelcome::Refused(refusal) => {
                let text = format!("another run of this peer is in the way: {refusal:?}");
                Self::new(ErrorCode::FailedPrecondition, text)
            }
            NotWelcome::Failed(error) => error,
        }
    }
}

/// Opens sessions with one tracker.
#[derive(Clone, Debug)]
pub struct SessionClient(Generated<Channel>, Remote);

/// Stream of a session's messages after Welcome.
pub type Orders = Incoming<v1::FromTracker, FromTracker>;

impl SessionClient {
    /// A client that dials on first use.
    ///
    /// # Errors
    /// When the address cannot be dialled.
    pub fn new(tracker: &HostPort, tls: &Tls) -> Result<Self, RemoteError> {
        let channel = dial::secured(tracker, tls, dial::TRACKER)?;
        Ok(Self(Generated::new(channel), Remote::new("the tracker", tracker)))
    }

    /// Says Hello (sequence number 1), proves the key that the peer has, if the tracker asks for it, and
    /// waits for Welcome.
    ///
    /// Opens a session: messages put into the returned channel are sent, the stream brings the orders.
    /// Dropping both ends the session.
    ///
    /// # Errors
    /// When the tracker cannot be reached, refuses, or does not answer in time.
    pub async fn open(
        &self,
        hello: Hello,
        key: Option<&PeerKey>,
    ) -> Result<(Welcome, mpsc::Sender<Numbered<Report>>, Orders), NotWelcome> {
        let (reports_tx, reports_rx) = mpsc::channel::<Numbered<Report>>(OUTBOX_MESSAGES);
        let (answer_tx, answer_rx) = mpsc::channel(1);
        let introduction = Introduction::of(&hello);
        let hello = FromPeer::Hello(hello, key.map(|key| *key.public()));
        // The answer belongs to Hello, and has its number.
        let greeting = tokio_stream::once(hello).chain(ReceiverStream::new(answer_rx));
        let greeting = greeting.map(|message| Numbered { sequence: 1, message });
        let reports = ReceiverStream::new(reports_rx).map(|report| Numbered {
            sequence: report.sequence,
            message: FromPeer::Report(report.message),
        });
        let up = greeting.chain(reports).map(v1::FromPeer::from);

        let mut client = self.0.clone();
        let greeting = async {
            let mut orders: Orders = Incoming::new(client.open(up).await.map_err(from_status)?.into_inner());
            let mut first = orders.next().await?;
            if let (Some(FromTracker::Challenge(challenge)), Some(key)) = (&first, key) {
                let signature = key
                    .sign(&introduction, challenge)
                    .map_err(|error| RemoteError::of(&error))?;
                // A session that has broken says so next.
                drop(answer_tx.send(FromPeer::Answer(signature)).await);
                first = orders.next().await?;
            }
            // No answer follows: reports come next.
            drop(answer_tx);
            match first {
                Some(FromTracker::Welcome(welcome)) => Ok((welcome, orders)),
                Some(FromTracker::Refused(refusal)) => Err(NotWelcome::Refused(refusal)),
                _ => Err(NotWelcome::Failed(RemoteError::new(
                    ErrorCode::Internal,
                    "the tracker did not answer with Welcome",
                ))),
            }
        };
        let (welcome, orders) = tokio::time::timeout(WELCOME_TIMEOUT, greeting)
            .await
            .map_err(|_| self.1.silent(WELCOME_TIMEOUT))??;
        Ok((welcome, reports_tx, orders))
    }
}
