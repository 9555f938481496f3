//! The door of a program: the [`Places`] that all its listeners share, and the connections on them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use shared::runtime::raise_open_files;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::Ends;
use super::places::{Admission, Bounds, Caller, PlaceId, Places};

/// Time between two lines of the log about the same trouble.
const SELDOM: Duration = Duration::from_mins(1);

/// The door of one program; cheap to clone.
#[derive(Clone, Debug)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Mutex<Places<oneshot::Sender<()>>>,
    ended: Seldom,
    refused: Seldom,
    failed: Seldom,
}

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

impl Door {
    /// Makes the door of this process. Raises its limit of open files, which decides how many connections
    /// there can be.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Bounds::within(raise_open_files()))
    }

    /// Makes a door with so many places.
    #[must_use]
    pub fn with(bounds: Bounds) -> Self {
        Self(Arc::new(Inner {
            places: Mutex::new(Places::new(bounds)),
            ended: Seldom::default(),
            refused: Seldom::default(),
            failed: Seldom::default(),
        }))
    }

    /// Finds a place for a connection, for which an idle one may end; none when there is none. The receiver
    /// tells that the place is lost.
    pub(crate) fn admit(&self, ends: Ends) -> Option<(Place, oneshot::Receiver<()>)> {
        let (handle, lost) = oneshot::channel();
        let admission = self.places().admit(Caller::of(ends), handle);
        let id = match admission {
            Admission::Admit(id) => id,
            Admission::AdmitAfterEnding(id, longest_idle) => {
                if let Some(count) = self.0.ended.note() {
                    warn!(count, "places for connections are short: idle ones are ended");
                }
                // It may have ended by itself just now.
                let _has_ended = longest_idle.send(());
                id
            }
            Admission::Refuse(shortage) => {
                if let Some(count) = self.0.refused.note() {
                    let remote = ends.remote;
                    warn!(count, %remote, %shortage, "no place for a connection: all carry requests");
                }
                return None;
            }
        };
        let door = self.clone();
        Some((Place { door, id }, lost))
    }

    /// Notes that the system gives no connection. When this process has too many files open, an idle
    /// connection ends.
    pub(crate) fn note_failure(&self, error: &std::io::Error) {
        if let Some(count) = self.0.failed.note() {
            warn!(count, %error, "cannot accept connections");
        }
        if is_out_of_files(error)
            && let Some(longest_idle) = self.places().end_any_idle()
        {
            let _has_ended = longest_idle.send(());
        }
    }

    fn places(&self) -> MutexGuard<'_, Places<oneshot::Sender<()>>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether this process, or the system, has as many files open as it may.
fn is_out_of_files(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    door: Door,
    id: PlaceId,
}

impl Place {
    /// Notes that a request has begun, which ends when the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Request {
        self.door.places().begin(self.id);
        Request(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.places().leave(self.id);
    }
}

/// A request under way: its connection is not idle.
#[derive(Debug)]
pub(crate) struct Request(Arc<Place>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.door.places().end(self.0.id);
    }
}

/// The body of an answer, with which its request ends.
#[derive(Debug)]
pub(crate) struct Answer {
    body: axum::body::Body,
    _request: Request,
}

impl Answer {
    pub(crate) const fn new(body: axum::body::Body, request: Request) -> Self {
        Self {
            body,
            _request: request,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Trouble that may come often and is logged seldom.
#[derive(Debug, Default)]
struct Seldom(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    count: u64,
    said: Option<Instant>,
}

impl Seldom {
    /// Notes that it has come; returns how often it did since it was last logged, if it is to be logged now.
    fn note(&self) -> Option<u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(Instant::now())
    }
}

impl Unsaid {
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| now.duration_since(said) < SELDOM) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_logged_once_a_minute_with_its_count() {
        let mut unsaid = Unsaid::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let said: Vec<_> = [0, 1, 59, 60, 61, 130].map(at).map(|now| unsaid.note(now)).into();
        assert_eq!(said, [Some(1), None, None, Some(3), None, Some(2)]);
    }

    #[test]
    fn too_many_open_files_are_told_from_other_failures() {
        use rustix::io::Errno;
        assert!(is_out_of_files(&Errno::MFILE.into()));
        assert!(!is_out_of_files(&Errno::CONNABORTED.into()));
        assert!(!is_out_of_files(&std::io::ErrorKind::TimedOut.into()));
    }
}
