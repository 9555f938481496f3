//! The tracker's knowledge of this peer in one session, and the orders that may be obeyed. Pure.
//!
//! Invariants: the sequence numbers of a session have no gaps; an eviction is obeyed only when it comes from
//! the session's epoch and takes into account everything that happened to its content, told or not told yet.

use std::collections::{BTreeMap, BTreeSet};

use proto::messages::MAX_HOLDINGS;
use shared::model::{ContentId, Epoch, Holding, Numbered, Order, Report};

/// Bytes of bitmaps in one announce; a message stays far below gRPC's 4 MiB.
const MAX_ANNOUNCE_BYTES: usize = 1 << 20;

/// The contents that the tracker was told of in this session, and those that it has yet to be told of.
#[derive(Debug)]
pub(super) struct Inventory {
    /// The tracker's; 0 before Welcome.
    epoch: Epoch,
    /// Whether the tracker is of no network that this peer could name, and the peer of one.
    is_nameless: bool,
    /// The last sequence number used; 1 was Hello.
    sequence: u64,
    /// Whether the listing that follows Welcome was sent.
    is_listed: bool,
    /// The message that announced each content last.
    last_sent: BTreeMap<ContentId, u64>,
    /// Contents that changed and were not announced since.
    changed: BTreeSet<ContentId>,
    /// Contents that are being looked up for an announce.
    looked_up: BTreeSet<ContentId>,
}

/// Why an order is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An older tracker gave it.
    #[error("it comes from epoch {order}, the session is of epoch {session}")]
    StaleEpoch {
        /// The order's.
        order: Epoch,
        /// The session's.
        session: Epoch,
    },
    /// The tracker did not know of a later announce when it gave the order.
    #[error(
        "the content was announced in message {sent}, the order takes messages up to {as_of} into account"
    )]
    Overtaken {
        /// The message that announced the content last.
        sent: u64,
        /// The last message that the tracker knew.
        as_of: u64,
    },
    /// The content is being published.
    #[error("the content is being published")]
    Protected,
    /// The tracker does not say of which network it is.
    #[error(
        "the tracker is older and has no network id: nothing of this peer's network is dropped or forgotten for it"
    )]
    Nameless,
    /// Something happened to the content that the tracker was not told.
    #[error("the content has changed since it was announced last")]
    Untold,
    /// A copy that was to remain could not be read.
    #[error("a copy that is to remain could not be read")]
    Unread,
}

impl Inventory {
    /// Begins with Hello, before the tracker's epoch is known.
    pub(super) const fn new() -> Self {
        Self {
            epoch: Epoch::new(0),
            is_nameless: false,
            sequence: 1,
            is_listed: false,
            last_sent: BTreeMap::new(),
            changed: BTreeSet::new(),
            looked_up: BTreeSet::new(),
        }
    }

    /// The tracker welcomed this peer; `is_nameless` says whether it has no network id, and the peer knows
    /// one.
    pub(super) const fn welcomed(&mut self, epoch: Epoch, is_nameless: bool) {
        (self.epoch, self.is_nameless) = (epoch, is_nameless);
    }

    /// Takes note of a content that is to be announced.
    pub(super) fn note(&mut self, content: ContentId) {
        self.changed.insert(content);
    }

    /// Takes note of an order, obeyed or refused.
    ///
    /// An eviction is answered by announcing what is here now, even if nothing has changed: the tracker does
    /// not count the copy, and takes no publication of it, until it hears of it again. An assignment is
    /// answered too: an eviction that was ordered before must not undo it when it is repeated meanwhile.
    pub(super) fn answer(&mut self, order: &Order) {
        let (epoch, content) = match order {
            Order::Evict { epoch, content, .. } => (*epoch, *content),
            Order::Assign { epoch, manifest, .. } => (*epoch, manifest.content()),
            Order::Remember(_)
            | Order::Ask { .. }
            | Order::Reach { .. }
            | Order::Adopt { .. }
            | Order::Probe { .. }
            | Order::Check { .. } => return,
        };
        if epoch == self.epoch {
            self.note(content);
        }
    }

    /// The tracker's epoch; 0 before Welcome.
    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether something changed that no announce under way covers.
    pub(super) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whether contents are being looked up for an announce.
    pub(super) fn is_looking(&self) -> bool {
        !self.looked_up.is_empty()
    }

    /// Takes out the contents to be announced. No eviction of them is obeyed until [`Self::announce`].
    pub(super) fn look_up(&mut self) -> BTreeSet<ContentId> {
        self.looked_up = std::mem::take(&mut self.changed);
        self.looked_up.clone()
    }

    /// Returns the announces that list these holdings after Welcome: at least one; the last one is marked.
    pub(super) fn list(&mut self, holdings: Vec<Holding>) -> Vec<Numbered<Report>> {
        self.is_listed = true;
        let mut batches = batches(holdings);
        let last = batches.pop().unwrap_or_default();
        let mut reports: Vec<_> = batches
            .into_iter()
            .map(|batch| self.announce_batch(batch, false))
            .collect();
        reports.push(self.announce_batch(last, true));
        reports
    }

    /// Returns the announces that tell what was looked up.
    pub(super) fn announce(&mut self, holdings: Vec<Holding>) -> Vec<Numbered<Report>> {
        self.looked_up.clear();
        let batches = batches(holdings).into_iter();
        batches.map(|batch| self.announce_batch(batch, false)).collect()
    }

    /// Gives a report its place in the session.
    pub(super) const fn report(&mut self, message: Report) -> Numbered<Report> {
        self.sequence += 1;
        Numbered {
            sequence: self.sequence,
            message,
        }
    }

    /// Judges whether an order may be carried out now; `is_protected` says which contents are being
    /// published.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn judge(
        &self,
        order: &Order,
        is_protected: impl Fn(ContentId) -> bool,
    ) -> Result<(), Refusal> {
        if order.epoch() != self.epoch {
            return Err(Refusal::StaleEpoch {
                order: order.epoch(),
                session: self.epoch,
            });
        }
        if self.is_nameless && matches!(order, Order::Evict { .. } | Order::Remember(_)) {
            return Err(Refusal::Nameless);
        }
        if let Order::Evict {
            content,
            as_of_sequence: as_of,
            ..
        } = *order
        {
            if is_protected(content) {
                return Err(Refusal::Protected);
            }
            // The tracker cannot have considered a change that it was not told yet.
            let is_untold = self.changed.contains(&content) || self.looked_up.contains(&content);
            if is_untold || !self.is_listed {
                return Err(Refusal::Untold);
            }
            match self.last_sent.get(&content) {
                Some(&sent) if sent > as_of => return Err(Refusal::Overtaken { sent, as_of }),
                _ => {}
            }
        }
        Ok(())
    }

    fn announce_batch(&mut self, holdings: Vec<Holding>, completes_inventory: bool) -> Numbered<Report> {
        let sequence = self.sequence + 1;
        for holding in &holdings {
            // A content that is gone need not be remembered: an eviction of it changes nothing.
            if holding.fragments.is_empty() && !holding.is_fetching {
                self.last_sent.remove(&holding.content);
            } else {
                self.last_sent.insert(holding.content, sequence);
            }
        }
        self.report(Report::Announce {
            holdings,
            completes_inventory,
        })
    }
}

/// Cuts holdings into announces by their number and by their size.
fn batches(holdings: Vec<Holding>) -> Vec<Vec<Holding>> {
    let mut batches: Vec<Vec<Holding>> = Vec::new();
    let mut bytes = 0;
    for holding in holdings {
        let size = holding.fragments.capacity().div_ceil(8) as usize;
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_HOLDINGS && bytes + size <= MAX_ANNOUNCE_BYTES => {
                bytes += size;
                batch.push(holding);
            }
            _ => {
                bytes = size;
                batches.push(vec![holding]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use shared::model::{EvictReason, FragmentSet};

    use super::*;

    fn holding(n: u8, fragments: u32) -> Holding {
        Holding {
            content: ContentId::from_bytes([n; 32]),
            fragments: FragmentSet::full(fragments),
            keeps: true,
            is_assigned: true,
            is_fetching: false,
        }
    }

    fn evict(n: u8, epoch: u64, as_of_sequence: u64) -> Order {
        let content = ContentId::from_bytes([n; 32]);
        Order::Evict {
            epoch: Epoch::new(epoch),
            content,
            reason: EvictReason::Unreferenced,
            as_of_sequence,
            remaining: Vec::new(),
        }
    }

    fn inventory() -> Inventory {
        let mut inventory = Inventory::new();
        inventory.welcomed(Epoch::new(5), false);
        inventory
    }

    #[test]
    fn an_empty_peer_still_says_that_this_is_all() {
        let reports = inventory().list(Vec::new());
        let [
            Numbered {
                sequence: 2,
                message:
                    Report::Announce {
                        holdings,
                        completes_inventory: true,
                    },
            },
        ] = &reports[..]
        else {
            panic!("{reports:?}")
        };
        assert!(holdings.is_empty());
    }

    #[test]
    fn large_inventories_are_cut_by_count_and_by_size() {
        let many = (0..2500_u32).map(|n| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            Holding {
                content: ContentId::from_bytes(id),
                ..holding(0, 1)
            }
        });
        let reports = inventory().list(many.collect());
        assert_eq!(reports.len(), 3);
        let completes: Vec<_> = reports
            .iter()
            .map(|report| {
                matches!(
                    report.message,
                    Report::Announce {
                        completes_inventory: true,
                        ..
                    }
                )
            })
            .collect();
        assert_eq!(completes, [false, false, true]);
        // 8 KiB bitmaps: 128 of them are one MiB.
        let large = (0..=255).map(|n| holding(n, 65_536)).collect();
        assert_eq!(inventory().announce(large).len(), 2);
    }

    fn listed(holdings: Vec<Holding>) -> Inventory {
        let mut inventory = inventory();
        inventory.list(holdings);
        inventory
    }

    fn judge(inventory: &Inventory, order: &Order) -> Result<(), Refusal> {
        inventory.judge(order, |_| false)
    }

    #[test]
    fn orders_of_another_epoch_are_refused() {
        let inventory = listed(Vec::new());
        assert!(judge(&inventory, &evict(1, 5, 1)).is_ok());
        for epoch in [4, 6] {
            let judged = judge(&inventory, &evict(1, epoch, 1));
            assert!(matches!(judged, Err(Refusal::StaleEpoch { .. })));
        }
    }

    #[test]
    fn an_eviction_before_the_listing_is_refused() {
        assert_eq!(judge(&inventory(), &evict(1, 5, 1)), Err(Refusal::Untold));
    }

    #[test]
    fn an_eviction_that_does_not_know_of_the_latest_announce_is_refused() {
        let mut inventory = listed(vec![holding(1, 4)]);
        assert!(judge(&inventory, &evict(1, 5, 2)).is_ok());
        inventory.announce(vec![holding(1, 5)]);
        let overtaken = Err(Refusal::Overtaken { sent: 3, as_of: 2 });
        assert_eq!(judge(&inventory, &evict(1, 5, 2)), overtaken);
        assert!(judge(&inventory, &evict(1, 5, 3)).is_ok());
    }

    #[test]
    fn an_eviction_of_a_content_that_changed_and_was_not_told_is_refused() {
        let mut inventory = listed(vec![holding(1, 4)]);
        inventory.note(holding(1, 4).content);
        assert_eq!(judge(&inventory, &evict(1, 5, 9)), Err(Refusal::Untold));
        assert_eq!(inventory.look_up(), [holding(1, 4).content].into());
        assert!(!inventory.has_changes() && inventory.is_looking());
        assert_eq!(judge(&inventory, &evict(1, 5, 9)), Err(Refusal::Untold));
        inventory.announce(vec![holding(1, 4)]);
        assert!(judge(&inventory, &evict(1, 5, 9)).is_ok());
    }

    #[test]
    fn an_order_of_the_epoch_is_answered_obeyed_or_not() {
        let mut inventory = listed(vec![holding(1, 4)]);
        inventory.answer(&evict(1, 4, 2));
        assert!(!inventory.has_changes(), "nobody is there to answer to");
        inventory.answer(&evict(1, 5, 2));
        assert_eq!(inventory.look_up(), [holding(1, 4).content].into());
    }

    #[test]
    fn a_content_that_is_being_published_is_not_evicted() {
        let inventory = listed(Vec::new());
        let content = holding(1, 4).content;
        let refused = inventory.judge(&evict(1, 5, 1), |protected| protected == content);
        assert_eq!(refused, Err(Refusal::Protected));
        let obeyed = inventory.judge(&evict(2, 5, 1), |protected| protected == content);
        assert_eq!(obeyed, Ok(()));
    }
}
