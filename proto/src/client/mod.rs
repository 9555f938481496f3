//! A typed client for every service: domain types in, domain types out, [`RemoteError`] when a call fails.
//!
//! Deadlines and the retry policy live here once. Every unary call here is idempotent by the contract, so a
//! call whose error code says so is tried again, with back-off, until its attempts are used up.

mod catalog;
mod control;
mod directory;
mod identify;
mod session;
mod transfer;
mod upkeep;

use std::time::Duration;

use shared::runtime::Backoff;
use shared::{Coded as _, ErrorCode};
use tonic::{Response, Status, Streaming};

pub use catalog::CatalogClient;
pub use control::ControlClient;
pub use directory::{DirectoryClient, Gateways, TrackerEntry};
pub use identify::{Program, identify, misdirected};
pub use session::{NotWelcome, Orders, SessionClient};
pub use transfer::{Availability, Following, TransferClient};
pub use upkeep::UpkeepClient;

use crate::RemoteError;
use crate::status::from_status;

/// Deadline and number of attempts of a unary call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Deadline of each attempt.
    pub deadline: Duration,
    /// Number of all attempts; at least 1.
    pub attempts: u32,
}

impl Patience {
    /// Default for calls that a tracker or peer answers from memory or with one disk write.
    pub const DEFAULT: Self = Self {
        deadline: Duration::from_secs(10),
        attempts: 4,
    };

    /// Single attempt, for calls that have a better alternative than waiting.
    pub const ONCE: Self = Self {
        deadline: Duration::from_secs(5),
        attempts: 1,
    };
}

/// Makes a unary call with a deadline, again if its failure is of a kind that passes.
///
/// The closure gets a clone of the client and of the request for each attempt; both are cheap to clone.
async fn unary<C, R, T, F>(
    patience: Patience,
    client: &C,
    request: R,
    call: impl Fn(C, R) -> F,
) -> Result<T, RemoteError>
where
    C: Clone,
    R: Clone,
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut attempt = 1;
    loop {
        let failure =
            match tokio::time::timeout(patience.deadline, call(client.clone(), request.clone())).await {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) => from_status(status),
                Err(_) => RemoteError::new(
                    ErrorCode::DeadlineExceeded,
                    format!(
                        "no answer within {}",
                        shared::model::format_duration(patience.deadline)
                    ),
                ),
            };
        if attempt >= patience.attempts || !failure.code().is_retryable() {
            return Err(failure);
        }
        attempt += 1;
        tokio::time::sleep(backoff.next_wait()).await;
    }
}

/// Begins a streaming call, whose first answer has to come before the deadline.
async fn begun<T>(
    deadline: Duration,
    side: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, RemoteError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(begun) => begun.map(Response::into_inner).map_err(from_status),
        Err(_) => Err(RemoteError::new(
            ErrorCode::DeadlineExceeded,
            format!("the {side} did not answer in time"),
        )),
    }
}

/// Messages of a stream, converted one by one. Dropping it ends the call.
#[derive(Debug)]
pub struct Incoming<W, T> {
    stream: Streaming<W>,
    domain: std::marker::PhantomData<fn() -> T>,
}

impl<W, T> Incoming<W, T> {
    fn new(stream: Streaming<W>) -> Self {
        Self {
            stream,
            domain: std::marker::PhantomData,
        }
    }
}

impl<W, T, E> Incoming<W, T>
where
    T: TryFrom<W, Error = E>,
    RemoteError: From<E>,
{
    /// The next message; none at the regular end of the stream. Cancel-safe.
    ///
    /// # Errors
    /// When the stream breaks, the other side ends it with an error, or a message makes no sense.
    pub async fn next(&mut self) -> Result<Option<T>, RemoteError> {
        let Some(message) = self.stream.message().await.map_err(from_status)? else {
            return Ok(None);
        };
        Ok(Some(T::try_from(message)?))
    }
}
