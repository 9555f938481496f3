//! Upload slots: few uploads send at once, so that each is quick; a few wait in line; further requests are
//! refused.
//!
//! An upload takes a [`Turn`] when it has something to send and gives it back when it has nothing, or when
//! its receiver takes nothing: neither keeps the others waiting. Turns are given in the order of asking.
//! Their number can change; uploads in progress keep their turns.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::UPLOADS_IN_LINE;

/// The slots of a peer; cheap to clone, and all clones share the same state.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    turns: Arc<Semaphore>,
    slots: Mutex<usize>,
    /// Turns in use beyond the number of slots: they end with their uploads.
    surplus: AtomicUsize,
    /// Uploads that have a turn or wait for one.
    busy: AtomicUsize,
    most: AtomicUsize,
    /// Whether a request has been refused since the last notification of room.
    has_refused: AtomicBool,
    /// Marked as changed when there is room again.
    room: watch::Sender<()>,
}

/// A place in the line for a turn.
#[derive(Debug)]
pub(super) struct Place(Arc<Inner>);

/// The right to send, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    // Dropped after the permit, so that a peer that is told of room finds it.
    permit: Option<OwnedSemaphorePermit>,
    place: Place,
}

/// Returns the number of uploads that are let in where `slots` send at once: without slots, none may wait in
/// line.
fn most(slots: usize) -> usize {
    slots + UPLOADS_IN_LINE.min(slots * UPLOADS_IN_LINE)
}

impl Slots {
    /// Makes slots for this number of uploads.
    pub(super) fn new(slots: usize) -> Self {
        Self(Arc::new(Inner {
            turns: Arc::new(Semaphore::new(slots)),
            slots: Mutex::new(slots),
            surplus: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            most: AtomicUsize::new(most(slots)),
            has_refused: AtomicBool::new(false),
            room: watch::Sender::new(()),
        }))
    }

    /// Changes the number of uploads that send at once.
    pub fn resize(&self, slots: usize) {
        let Inner { turns, surplus, .. } = &*self.0;
        let mut now = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.most.store(most(slots), Ordering::SeqCst);
        if slots < *now {
            let fewer = *now - slots;
            let idle = turns.forget_permits(fewer);
            surplus.fetch_add(fewer - idle, Ordering::SeqCst);
        } else {
            let more = slots - *now;
            let before = surplus.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |surplus| {
                Some(surplus.saturating_sub(more))
            });
            turns.add_permits(more.saturating_sub(before.unwrap_or_default()));
            self.0.notify_room();
        }
        *now = slots;
    }

    /// Whether one more upload would be refused.
    pub(super) fn is_full(&self) -> bool {
        self.0.busy.load(Ordering::SeqCst) >= self.0.most.load(Ordering::SeqCst)
    }

    /// Returns a place for a new upload; none when the line is full. Subscribers are then notified when there
    /// is room.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = self.enter_again();
        if self.0.busy.load(Ordering::SeqCst) <= self.0.most.load(Ordering::SeqCst) {
            return Some(place);
        }
        self.0.has_refused.store(true, Ordering::SeqCst);
        None
    }

    /// Returns a place for an upload that was let in before, and had nothing to send meanwhile.
    pub(super) fn enter_again(&self) -> Place {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(&self.0))
    }

    /// Subscribes to notifications of room after refusals.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.room.subscribe()
    }
}

impl Place {
    /// Waits for a turn; an upload that stops waiting leaves the line.
    pub(super) async fn turn(self) -> Option<Turn> {
        // Never closed.
        let permit = Arc::clone(&self.0.turns).acquire_owned().await.ok()?;
        Some(Turn {
            permit: Some(permit),
            place: self,
        })
    }
}

impl Inner {
    /// Notifies the peers that were refused of room.
    fn notify_room(&self) {
        if self.has_refused.swap(false, Ordering::SeqCst) {
            self.room.send_replace(());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let surplus = &self.place.0.surplus;
        let fewer = surplus.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |surplus| {
            surplus.checked_sub(1)
        });
        if fewer.is_ok()
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.busy.fetch_sub(1, Ordering::SeqCst);
        if before <= self.0.most.load(Ordering::SeqCst) {
            self.0.notify_room();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_number_of_slots_counts_from_the_next_turn_on() {
        let slots = Slots::new(2);
        let turn = async || slots.enter().expect("a place").turn().await.expect("open");
        let (first, second) = (turn().await, turn().await);
        slots.resize(1);
        let mut third = Box::pin(turn());
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        assert!(futures_util::poll!(&mut third).is_pending(), "that slot is gone");
        drop(second);
        assert!(futures_util::poll!(&mut third).is_ready());
        let mut fourth = Box::pin(turn());
        slots.resize(3);
        let _three = (turn().await, turn().await, turn().await);
        assert!(futures_util::poll!(&mut fourth).is_pending());
        // Taken back and given again before a turn has ended: nothing has changed.
        slots.resize(1);
        slots.resize(4);
        assert!(futures_util::poll!(&mut fourth).is_ready());
    }

    #[tokio::test]
    async fn refused_peers_hear_of_room_and_turns_come_in_order() {
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
        assert!(!room.has_changed().expect("open"), "no upload has left");
        drop(first);
        assert!(room.has_changed().expect("open"), "one has left");
        room.mark_unchanged();
        assert!(futures_util::poll!(&mut line[1]).is_pending(), "not its turn");
        assert!(futures_util::poll!(&mut line[0]).is_ready());
        let again = slots.enter_again();
        drop(line);
        assert!(!slots.is_full());
        drop(again);
        assert!(!room.has_changed().expect("open"), "none was refused meanwhile");
    }
}
