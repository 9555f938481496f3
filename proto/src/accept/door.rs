//! The door of a program: the [`Places`] that all its listeners share, and the connections on them.
//! Connections that are being secured have places of their own besides.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::runtime::raise_open_files;
use shared::security::Role;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::Ends;
use super::accounts::Accounts;
use super::guard::{Gatekeeper, Guard, Nobody};
use super::places::{Admission, Bounds, PlaceId, Places, Shortage, Who};
use crate::tls::Tls;

/// Time between two lines of the log about the same trouble.
const SELDOM: Duration = Duration::from_mins(1);

/// Connections that may be in their handshakes at once. They cost a signature each, and honest ones are over
/// in a moment: the longest pending ends when there are more, or more of its address.
const HANDSHAKES: usize = 256;

/// The door of one program; cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    connections: Room,
    handshakes: Room,
    guard: Guard,
}

/// Places of one kind.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    what: &'static str,
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
        Self {
            connections: Room::new("connection", bounds),
            handshakes: Room::new("handshake", Bounds::of(HANDSHAKES)),
            guard: Guard {
                program: None,
                tls: Tls::default(),
                keeper: Arc::new(Nobody),
                accounts: Accounts::new(),
            },
        }
    }

    /// Secures the connections that come through the door, as the handle says when they come.
    #[must_use]
    pub fn secured(self, tls: Tls) -> Self {
        let guard = Guard { tls, ..self.guard };
        Self { guard, ..self }
    }

    /// Has the requests to this program judged, in the mode of the network.
    #[must_use]
    pub fn guarded(self, program: Role) -> Self {
        let guard = Guard {
            program: Some(program),
            ..self.guard
        };
        Self { guard, ..self }
    }

    /// Lets a part of the program that knows tokens say what they give, and hear of denials.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<dyn Gatekeeper>) -> Self {
        let guard = Guard { keeper, ..self.guard };
        Self { guard, ..self }
    }

    pub(super) fn guard(&self) -> Guard {
        self.guard.clone()
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.guard.tls
    }

    /// Places of connections that are being secured; each has one among all connections as well.
    pub(super) fn handshakes(&self) -> &Room {
        &self.handshakes
    }

    /// Finds a place for a connection; see [`Room::admit`].
    pub(super) fn admit(&self, ends: Ends) -> Option<(Place, oneshot::Receiver<()>)> {
        self.connections.admit(ends)
    }

    /// Notes that the system gives no connection. When this process has too many files open, an idle
    /// connection ends.
    pub(super) fn note_failure(&self, error: &std::io::Error) {
        self.connections.note_failure(error);
    }
}

impl Room {
    fn new(what: &'static str, bounds: Bounds) -> Self {
        Self(Arc::new(Inner {
            what,
            places: Mutex::new(Places::new(bounds)),
            ended: Seldom::default(),
            refused: Seldom::default(),
            failed: Seldom::default(),
        }))
    }

    /// Finds a place for a connection, for which an idle one may end; none when there is none. The receiver
    /// tells that the place is lost.
    pub(super) fn admit(&self, ends: Ends) -> Option<(Place, oneshot::Receiver<()>)> {
        let what = self.0.what;
        let (handle, lost) = oneshot::channel();
        let admission = self.places().admit(Who::at(ends), handle);
        let id = match admission {
            Admission::Admit(id) => id,
            Admission::AdmitAfterEnding(id, longest_idle) => {
                if let Some(count) = self.0.ended.note() {
                    warn!(
                        count,
                        what, "places for connections are short: idle ones are ended"
                    );
                }
                // It may have ended by itself just now.
                let _has_ended = longest_idle.send(());
                id
            }
            Admission::Refuse(shortage) => {
                if let Some(count) = self.0.refused.note() {
                    let remote = ends.remote;
                    warn!(count, what, %remote, %shortage, "no place for a connection: all carry requests");
                }
                return None;
            }
        };
        let room = self.clone();
        Some((Place { room, id }, lost))
    }

    fn note_failure(&self, error: &std::io::Error) {
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
pub(super) struct Place {
    room: Room,
    id: PlaceId,
}

impl Place {
    /// Charges the place to the caller of the connection, who is known now.
    ///
    /// # Errors
    /// When the caller has as many connections with requests as it may.
    pub(super) fn identify(&self, caller: Who) -> Result<(), Shortage> {
        let room = &self.room;
        let identified = room.places().identify(self.id, caller);
        match identified {
            Ok(None) => {}
            // It may have ended by itself just now.
            Ok(Some(longest_idle)) => drop(longest_idle.send(())),
            Err(shortage) => {
                if let Some(count) = room.0.refused.note() {
                    warn!(count, what = room.0.what, %shortage, "no place for a connection: all carry requests");
                }
                return Err(shortage);
            }
        }
        Ok(())
    }

    /// Notes that a request has begun, which ends when the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        self.room.places().begin(self.id);
        Request(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.places().leave(self.id);
    }
}

/// A request under way: its connection is not idle.
#[derive(Debug)]
pub(super) struct Request(Arc<Place>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.room.places().end(self.0.id);
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
