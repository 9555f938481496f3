//! What the tracker has been told in this session, and which of its orders that lets us obey: pure.
//!
//! Invariants: every report has its own, increasing sequence number; an order is obeyed only when it comes from the
//! session's epoch and takes into account everything that happened to its content, told or not told yet.

use std::collections::{BTreeMap, BTreeSet};

use proto::messages::MAX_HOLDINGS;
use shared::model::{ContentId, Epoch, FragmentSet, Holding, HoldingsDigest, Numbered, Order, Report};

use crate::store::Entry;

/// Bitmaps in one announce; with it a message stays far below gRPC's 4 MiB.
const MAX_ANNOUNCE_BYTES: usize = 1 << 20;

/// What the tracker has been told in this session.
#[derive(Debug)]
pub struct Inventory {
    epoch: Epoch,
    /// The last sequence number used; 1 was Hello.
    sequence: u64,
    /// For each content that was announced: in which message last.
    told: BTreeMap<ContentId, u64>,
    /// What changed and was not told yet.
    changed: BTreeSet<ContentId>,
}

/// Why an order is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was given by an older tracker.
    #[error("it comes from epoch {order}, the session is of epoch {session}")]
    StaleEpoch {
        /// The order's.
        order: Epoch,
        /// The session's.
        session: Epoch,
    },
    /// The tracker did not know of a later announce when it gave the order.
    #[error(
        "the content was announced in message {told}, the order takes messages up to {as_of} into account"
    )]
    Overtaken {
        /// The message that announced the content last.
        told: u64,
        /// What the tracker knew.
        as_of: u64,
    },
    /// The content is being published.
    #[error("the content is being published")]
    Protected,
    /// Something happened to the content that the tracker has not been told.
    #[error("the content has changed since it was announced last")]
    Untold,
}

/// What is to be announced of a content that is kept like this, or not at all.
#[must_use]
pub fn holding_of(content: ContentId, entry: Option<Entry>, is_fetching: bool) -> Holding {
    match entry {
        Some(entry) => Holding {
            content,
            keeps: entry.roles.keeps(),
            is_assigned: entry.roles.assigned,
            is_fetching,
            fragments: entry.held,
        },
        None => Holding {
            content,
            fragments: FragmentSet::empty(0),
            keeps: false,
            is_assigned: false,
            is_fetching: false,
        },
    }
}

/// What is announced when everything is: nothing is said of what is neither held nor coming.
fn is_told(holding: &Holding) -> bool {
    !holding.fragments.is_empty() || holding.is_fetching
}

/// Everything that is held, in short: the tracker asks for the rest of what it does not know.
#[must_use]
pub fn digest_of(holdings: &[Holding]) -> HoldingsDigest {
    holdings.iter().filter(|holding| is_told(holding)).collect()
}

impl Inventory {
    /// Begins after Hello and Welcome.
    #[must_use]
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            sequence: 1,
            told: BTreeMap::new(),
            changed: BTreeSet::new(),
        }
    }

    /// Something happened to the content: it is to be announced.
    pub fn note(&mut self, content: ContentId) {
        self.changed.insert(content);
    }

    /// An order was obeyed or refused. An eviction is answered by announcing what is here now, even if nothing has
    /// changed: the tracker does not count the copy, and takes no publication of it, until it hears of it again. So is
    /// an assignment: an eviction that was ordered before must not undo it when it is repeated meanwhile.
    pub fn answer(&mut self, order: &Order) {
        let (epoch, content) = match order {
            Order::Evict { epoch, content, .. } => (*epoch, *content),
            Order::Assign { epoch, manifest, .. } => (*epoch, manifest.content()),
            Order::Remember(_) => return,
        };
        if epoch == self.epoch {
            self.note(content);
        }
    }

    /// Whether something is to be announced.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What is to be announced. The caller looks at how it stands and announces that at once, before it looks at
    /// another order.
    pub fn take_changed(&mut self) -> BTreeSet<ContentId> {
        std::mem::take(&mut self.changed)
    }

    /// The announces that tell everything, or everything that was asked for; the last one is marked. There is always at least one.
    pub fn everything(&mut self, mut holdings: Vec<Holding>) -> Vec<Numbered<Report>> {
        holdings.retain(is_told);
        let mut reports = self.announce(holdings);
        if reports.is_empty() {
            reports.push(self.report(Report::Announce {
                holdings: Vec::new(),
                completes_inventory: false,
            }));
        }
        if let Some(Numbered {
            message: Report::Announce {
                completes_inventory, ..
            },
            ..
        }) = reports.last_mut()
        {
            *completes_inventory = true;
        }
        reports
    }

    /// The announces that tell what changed.
    pub fn announce(&mut self, holdings: Vec<Holding>) -> Vec<Numbered<Report>> {
        let mut reports = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for holding in holdings {
            let size = holding.fragments.capacity().div_ceil(8) as usize;
            if batch.len() == MAX_HOLDINGS || (bytes + size > MAX_ANNOUNCE_BYTES && !batch.is_empty()) {
                reports.push(self.tell(std::mem::take(&mut batch)));
                bytes = 0;
            }
            bytes += size;
            batch.push(holding);
        }
        if !batch.is_empty() {
            reports.push(self.tell(batch));
        }
        reports
    }

    /// Gives a report its place in the session.
    pub const fn report(&mut self, message: Report) -> Numbered<Report> {
        self.sequence += 1;
        Numbered {
            sequence: self.sequence,
            message,
        }
    }

    /// Whether an order may be carried out now; `is_protected` says which contents are being published.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, order: &Order, is_protected: impl Fn(ContentId) -> bool) -> Result<(), Refusal> {
        if order.epoch() != self.epoch {
            return Err(Refusal::StaleEpoch {
                order: order.epoch(),
                session: self.epoch,
            });
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
            // What was not told yet the tracker cannot have considered.
            if self.changed.contains(&content) {
                return Err(Refusal::Untold);
            }
            match self.told.get(&content) {
                Some(&told) if told > as_of => return Err(Refusal::Overtaken { told, as_of }),
                _ => {}
            }
        }
        Ok(())
    }

    fn tell(&mut self, holdings: Vec<Holding>) -> Numbered<Report> {
        let contents: Vec<_> = holdings
            .iter()
            .map(|holding| {
                (
                    holding.content,
                    holding.fragments.is_empty() && !holding.is_fetching,
                )
            })
            .collect();
        let report = self.report(Report::Announce {
            holdings,
            completes_inventory: false,
        });
        for (content, is_gone) in contents {
            // What is gone need not be remembered: an eviction of it changes nothing.
            if is_gone {
                self.told.remove(&content);
            } else {
                self.told.insert(content, report.sequence);
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{Digest, EvictReason, FragmentLength, Manifest};

    use super::*;
    use crate::store::{Place, Roles};

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
        }
    }

    fn inventory() -> Inventory {
        Inventory::new(Epoch::new(5))
    }

    #[test]
    fn an_empty_peer_still_says_that_this_is_all() {
        let reports = inventory().everything(Vec::new());
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
    fn large_inventories_are_cut_by_count_and_by_size_and_only_the_last_completes() {
        let many = (0..2500_u32).map(|n| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            Holding {
                content: ContentId::from_bytes(id),
                ..holding(0, 1)
            }
        });
        let reports = inventory().everything(many.collect());
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

    fn judge(inventory: &Inventory, order: &Order) -> Result<(), Refusal> {
        inventory.judge(order, |_| false)
    }

    #[test]
    fn orders_of_another_epoch_are_refused() {
        assert!(judge(&inventory(), &evict(1, 5, 1)).is_ok());
        assert!(matches!(
            judge(&inventory(), &evict(1, 4, 1)),
            Err(Refusal::StaleEpoch { .. })
        ));
        assert!(matches!(
            judge(&inventory(), &evict(1, 6, 1)),
            Err(Refusal::StaleEpoch { .. })
        ));
    }

    #[test]
    fn an_eviction_that_does_not_know_of_the_latest_announce_is_refused() {
        let mut inventory = inventory();
        inventory.everything(vec![holding(1, 4)]);
        assert!(judge(&inventory, &evict(1, 5, 2)).is_ok());
        inventory.announce(vec![holding(1, 5)]);
        assert_eq!(
            judge(&inventory, &evict(1, 5, 2)),
            Err(Refusal::Overtaken { told: 3, as_of: 2 })
        );
        assert!(judge(&inventory, &evict(1, 5, 3)).is_ok());
    }

    #[test]
    fn an_eviction_of_what_has_changed_and_was_not_told_is_refused() {
        let mut inventory = inventory();
        inventory.everything(vec![holding(1, 4)]);
        inventory.note(holding(1, 4).content);
        assert_eq!(judge(&inventory, &evict(1, 5, 2)), Err(Refusal::Untold));
        assert_eq!(inventory.take_changed(), [holding(1, 4).content].into());
        assert!(!inventory.has_changes());
        assert!(judge(&inventory, &evict(1, 5, 2)).is_ok());
    }

    #[test]
    fn an_eviction_is_answered_whether_or_not_it_was_carried_out() {
        let mut inventory = inventory();
        inventory.everything(vec![holding(1, 4)]);
        inventory.answer(&evict(1, 4, 2));
        assert!(!inventory.has_changes(), "nobody is there to answer to");
        inventory.answer(&evict(1, 5, 2));
        assert_eq!(inventory.take_changed(), [holding(1, 4).content].into());
    }

    #[test]
    fn the_tracker_is_told_whether_a_copy_was_assigned_and_whether_it_is_kept() {
        let manifest = Manifest::from_roots(10, FragmentLength::MIN, vec![Digest::from_bytes([1; 32])]);
        let manifest = manifest.expect("one fragment");
        let told = |published, assigned, fetched| {
            let roles = Roles {
                published,
                assigned,
                fetched,
            };
            let entry = Entry {
                held: manifest.all_fragments(),
                manifest: manifest.clone(),
                roles,
                name: None,
                place: Place::Store,
            };
            let holding = holding_of(manifest.content(), Some(entry), false);
            (holding.keeps, holding.is_assigned)
        };
        assert_eq!(told(true, false, false), (true, false));
        assert_eq!(told(true, true, false), (true, true));
        assert_eq!(told(false, true, true), (true, true));
        assert_eq!(told(false, false, true), (false, false));
    }

    #[test]
    fn an_eviction_that_is_repeated_after_an_assignment_does_not_undo_it() {
        let manifest = Manifest::from_roots(10, FragmentLength::MIN, vec![Digest::from_bytes([1; 32])]);
        let manifest = manifest.expect("one fragment");
        let content = manifest.content();
        let assign = Order::Assign {
            epoch: Epoch::new(5),
            fragments: manifest.all_fragments(),
            manifest,
            sources: Vec::new(),
        };
        let evict = Order::Evict {
            epoch: Epoch::new(5),
            content,
            reason: EvictReason::Surplus,
            as_of_sequence: 1,
        };
        let mut inventory = inventory();
        inventory.answer(&assign);
        assert_eq!(judge(&inventory, &evict), Err(Refusal::Untold));
        let fetching = Holding {
            content,
            fragments: FragmentSet::empty(1),
            keeps: true,
            is_assigned: true,
            is_fetching: true,
        };
        assert_eq!(inventory.take_changed(), [content].into());
        inventory.announce(vec![fetching]);
        assert_eq!(
            judge(&inventory, &evict),
            Err(Refusal::Overtaken { told: 2, as_of: 1 })
        );
    }

    #[test]
    fn a_content_that_is_being_published_is_not_evicted() {
        let content = holding(1, 4).content;
        let refused = inventory().judge(&evict(1, 5, 1), |protected| protected == content);
        assert_eq!(refused, Err(Refusal::Protected));
        assert!(
            inventory()
                .judge(&evict(2, 5, 1), |protected| protected == content)
                .is_ok()
        );
    }
}
