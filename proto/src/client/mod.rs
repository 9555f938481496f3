//! A typed client for every service: domain types in, domain types out, [`RemoteError`] when a call fails.
//!
//! Deadlines and the retry policy live here once. Every unary call here is idempotent by the contract, so a
//! call whose error code says so is tried again, with back-off, until its attempts or its time are used up.
//! Silence to the end is told in one way for every call: which program does not answer, and where.

mod catalog;
mod control;
mod directory;
mod identify;
mod security;
mod session;
mod transfer;
mod upkeep;

use std::time::Duration;

use shared::model::{HostPort, format_duration};
use shared::runtime::Backoff;
use shared::{Coded as _, ErrorCode};
use tonic::{Response, Status, Streaming};

pub use catalog::CatalogClient;
pub use control::ControlClient;
pub use directory::{DirectoryClient, Gateways, TrackerEntry};
pub use identify::{Program, identify, misdirected};
pub use security::SecurityClient;
pub use session::{NotWelcome, Orders, SessionClient};
pub use transfer::{Availability, Following, TransferClient};
pub use upkeep::UpkeepClient;

use crate::RemoteError;
use crate::status::from_status;

/// The program at the other end of a client's calls.
#[derive(Clone, Debug)]
struct Remote {
    /// Its kind, as a sentence begins with it: `the tracker`.
    program: &'static str,
    address: HostPort,
}

impl Remote {
    fn new(program: &'static str, address: &HostPort) -> Self {
        Self {
            program,
            address: address.clone(),
        }
    }

    /// Returns the failure of a call that was not answered in time.
    fn silent(&self, time: Duration) -> RemoteError {
        let Self { program, address } = self;
        let text = format!(
            "{program} at {address} does not answer ({})",
            format_duration(time)
        );
        RemoteError::new(ErrorCode::Unavailable, text)
    }

    /// Reads the status of a call that failed; one that says that the request is not known there says
    /// nothing of the program that answers, so its words are ours.
    fn failed(&self, status: Status) -> RemoteError {
        let failure = from_status(status);
        if failure.code() != ErrorCode::Unimplemented {
            return failure;
        }
        let Self { program, address } = self;
        let text = format!(
            "another program answers at {address}, or another version of {program}, which does not know this \
             request"
        );
        RemoteError::new(ErrorCode::Unimplemented, text)
    }
}

/// Deadline and number of attempts of a unary call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Deadline of the call, whatever number of attempts is made until then.
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

/// Makes a unary call with a deadline, several times if its failure is of a kind that passes.
///
/// The closure gets a clone of the client and of the request for each attempt; both are cheap to clone.
async fn unary<C, R, T, F>(
    patience: Patience,
    remote: &Remote,
    client: &C,
    request: R,
    call: impl Fn(C, R) -> F,
) -> Result<T, RemoteError>
where
    C: Clone,
    R: Clone,
    F: Future<Output = Result<Response<T>, Status>>,
{
    let attempts = async {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let mut attempt = 1;
        loop {
            let failure = match call(client.clone(), request.clone()).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => remote.failed(status),
            };
            if attempt >= patience.attempts || !failure.code().is_retryable() {
                return Err(failure);
            }
            attempt += 1;
            tokio::time::sleep(backoff.next_wait()).await;
        }
    };
    let answered = tokio::time::timeout(patience.deadline, attempts).await;
    answered.unwrap_or_else(|_| Err(remote.silent(patience.deadline)))
}

/// Begins a streaming call, whose first answer has to come before the deadline.
async fn begun<T>(
    deadline: Duration,
    remote: &Remote,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, RemoteError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(begun) => begun
            .map(Response::into_inner)
            .map_err(|status| remote.failed(status)),
        Err(_) => Err(remote.silent(deadline)),
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const fn within(deadline: Duration) -> Patience {
        Patience {
            deadline,
            attempts: 4,
        }
    }

    fn tracker() -> Remote {
        Remote::new("the tracker", &"192.0.2.1:50052".parse().expect("an address"))
    }

    #[tokio::test]
    async fn all_attempts_share_one_deadline_and_silence_has_a_name() {
        let patience = within(Duration::from_secs(1));
        let begun = tokio::time::Instant::now();
        let made = AtomicU32::new(0);
        let call = |(), ()| {
            let is_first = made.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                match is_first {
                    true => Err(Status::unavailable("not yet")),
                    false => std::future::pending::<Result<Response<()>, Status>>().await,
                }
            }
        };
        let failure = unary(patience, &tracker(), &(), (), call)
            .await
            .expect_err("silence");
        assert!(
            begun.elapsed() < 3 * patience.deadline,
            "one deadline for all attempts"
        );
        assert_eq!(made.load(Ordering::Relaxed), 2);
        assert_eq!(failure.code(), ErrorCode::Unavailable);
        let says = "the tracker at 192.0.2.1:50052 does not answer (1.0s)";
        assert_eq!(failure.to_string(), says);
    }

    #[tokio::test]
    async fn a_program_that_does_not_know_a_request_is_told_with_its_address() {
        let call = |(), ()| async { Err::<Response<()>, _>(Status::unimplemented("")) };
        let patience = Patience::ONCE;
        let unknown = unary(patience, &tracker(), &(), (), call).await;
        let begun = begun(patience.deadline, &tracker(), call((), ())).await;
        for failure in [unknown, begun] {
            let failure = failure.expect_err("it knows nothing");
            assert_eq!(failure.code(), ErrorCode::Unimplemented);
            let says = "another program answers at 192.0.2.1:50052, or another version of the tracker, which does \
                        not know this request";
            assert_eq!(failure.to_string(), says);
        }
    }

    #[tokio::test]
    async fn a_failure_that_passes_is_met_with_as_many_attempts_as_there_are() {
        let made = AtomicU32::new(0);
        let call = |(), ()| {
            made.fetch_add(1, Ordering::Relaxed);
            async { Err::<Response<()>, _>(Status::unavailable("not yet")) }
        };
        let failure = unary(within(Duration::from_mins(1)), &tracker(), &(), (), call)
            .await
            .expect_err("refused");
        assert_eq!(
            (made.load(Ordering::Relaxed), failure.to_string().as_str()),
            (4, "not yet")
        );
    }
}
