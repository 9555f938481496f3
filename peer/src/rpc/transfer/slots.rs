//! Upload slots: few uploads send at once, so that each is quick; a few wait in line; whoever else asks is refused.
//!
//! An upload takes a [`Turn`] when it has something to send and gives it back when it has nothing, or when its receiver
//! takes nothing: neither keeps the others waiting. Turns are given in the order of asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::UPLOADS_IN_LINE;

/// All slots of a peer; cheap to clone, all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turns: Arc<Semaphore>,
    /// Uploads that have a turn or wait for one.
    busy: AtomicUsize,
    most: usize,
    /// Whether someone has been refused since it was last said that there is room.
    has_refused: AtomicBool,
    /// Marked as changed when there is room again.
    room: watch::Sender<()>,
}

/// A place in the line for a turn.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>);

/// The right to send, as long as this lives.
#[derive(Debug)]
pub(super) struct Turn {
    _place: Place,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// So many uploads send at once.
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Inner {
            turns: Arc::new(Semaphore::new(slots)),
            busy: AtomicUsize::new(0),
            // Where nobody is ever served nobody stands in line.
            most: slots + UPLOADS_IN_LINE.min(slots * UPLOADS_IN_LINE),
            has_refused: AtomicBool::new(false),
            room: watch::Sender::new(()),
        }))
    }

    /// Whether one more would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) >= self.0.most
    }

    /// A place for someone who comes; none when the line is full. Then it is told when there is room.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = self.enter_again();
        if self.0.busy.load(Ordering::SeqCst) <= self.0.most {
            return Some(place);
        }
        self.0.has_refused.store(true, Ordering::SeqCst);
        None
    }

    /// A place for someone who has been let in before, and had nothing to send meanwhile.
    pub(super) fn enter_again(&self) -> Place {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(&self.0))
    }

    /// Changes when there is room for those who were refused.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.room.subscribe()
    }
}

impl Place {
    /// Waits for a turn; whoever stops waiting leaves the line.
    pub(super) async fn turn(self) -> Option<Turn> {
        // Never closed.
        let permit = Arc::clone(&self.0.turns).acquire_owned().await.ok()?;
        Some(Turn {
            _place: self,
            _permit: permit,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.busy.fetch_sub(1, Ordering::SeqCst);
        if before <= self.0.most && self.0.has_refused.swap(false, Ordering::SeqCst) {
            self.0.room.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_was_refused_is_told_when_there_is_room_and_turns_come_in_order() {
        let slots = Slots::new(1);
        let mut room = slots.subscribe();
        let first = slots.enter().expect("a place").turn().await.expect("open");
        let places = (0..UPLOADS_IN_LINE).map(|_| slots.enter().expect("a place"));
        let mut line: Vec<_> = places.map(|place| Box::pin(place.turn())).collect();
        for waiting in &mut line {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        assert!(slots.is_full());
        assert!(slots.enter().is_none());
        assert!(!room.has_changed().expect("open"), "nobody has left");
        drop(first);
        assert!(room.has_changed().expect("open"), "one has left");
        room.mark_unchanged();
        assert!(futures_util::poll!(&mut line[1]).is_pending(), "not its turn");
        assert!(futures_util::poll!(&mut line[0]).is_ready());
        let again = slots.enter_again();
        drop(line);
        assert!(!slots.is_full());
        drop(again);
        assert!(!room.has_changed().expect("open"), "nobody was refused meanwhile");
    }
}
