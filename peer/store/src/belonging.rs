//! The networks of contents and publications, as a node asks for them and changes them.
//!
//! A content of other networks only is *elsewhere*: no session tells of it, and no tracker's order drops it.
//! An order, a fetch or a publication brings it into the current network ([`DiskStore::claim`]); it belongs
//! to both then, and leaves each of them alone ([`DiskStore::leave_to_others`]).

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use shared::model::{ContentId, KeptApart, Name, NetworkId};

use super::index::Index;
use super::networks::Networks;
use super::{DiskStore, Publication, PublicationState, StoreError};

/// Networks that are told apart in [`DiskStore::apart`], at most.
const MAX_TOLD: usize = 64;

/// The networks to which a content belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// To the current one.
    Here,
    /// To the current one and to others.
    Both,
    /// To others.
    Elsewhere,
}

/// Outcome of [`DiskStore::adopt_publications`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Networks of which something is known, and that were meant.
    pub networks: usize,
    /// Names that are to be published in the current network.
    pub names: Vec<Name>,
    /// Names under which something was added in the current network; what lies apart stays there.
    pub taken: Vec<Name>,
}

impl DiskStore {
    /// Returns the network that the peer is in, or was in last; none while it has been in none with an id.
    #[must_use]
    pub fn network(&self) -> Option<NetworkId> {
        self.networks().current
    }

    /// Turns to a network: from now on it is the current one. The small facts under the keys `facts` are of
    /// one network each, and change with it. Durable when this returns.
    ///
    /// A peer that knew no network takes everything along that is here.
    ///
    /// # Errors
    /// [`StoreError::Index`]; then nothing has changed.
    pub fn turn_to(&self, network: NetworkId, facts: &[&str]) -> Result<(), StoreError> {
        let mut index = self.index();
        index.turn_to(network, facts)?;
        let now = Networks::load(&index)?;
        *self.networks() = now;
        Ok(())
    }

    /// Brings a content that is elsewhere into the current network: somebody wants it there.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn claim(&self, content: ContentId) -> Result<(), StoreError> {
        self.claim_in(&self.index(), content)
    }

    /// Does the same under the lock of the index.
    pub(super) fn claim_in(&self, index: &Index, content: ContentId) -> Result<(), StoreError> {
        let current = {
            let networks = self.networks();
            networks.current.filter(|_| networks.elsewhere.contains(&content))
        };
        if let Some(current) = current {
            index.add_belonging(content, current)?;
            self.networks().elsewhere.remove(&content);
            self.notify(content);
        }
        Ok(())
    }

    /// Returns the networks to which a content belongs.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn belonging(&self, content: ContentId) -> Result<Belonging, StoreError> {
        if self.is_elsewhere_now(content) {
            return Ok(Belonging::Elsewhere);
        }
        let Some(current) = self.network() else {
            return Ok(Belonging::Here);
        };
        Ok(match self.index().has_others(content, current)? {
            true => Belonging::Both,
            false => Belonging::Here,
        })
    }

    /// Takes a content out of the current network, unless `is_protected` says that it stays, as in
    /// [`FragmentStore::evict`](super::FragmentStore::evict); it stays for the others to which it belongs. A
    /// content that belongs to no other one stays as it is. Returns whether it was not protected.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn leave_to_others(
        &self,
        content: ContentId,
        is_protected: &dyn Fn() -> bool,
    ) -> Result<bool, StoreError> {
        let index = self.index();
        if is_protected() {
            return Ok(false);
        }
        let Some(current) = self.network() else {
            return Ok(true);
        };
        if index.has_others(content, current)? {
            index.remove_belonging(content, current)?;
            self.networks().elsewhere.insert(content);
            self.notify(content);
        }
        Ok(true)
    }

    /// Returns the other networks of which something is known or kept here.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn other_networks(&self) -> Result<Vec<NetworkId>, StoreError> {
        self.index().networks_apart()
    }

    /// Notes that contents of which no network is known may be of the current one and of these others.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn share_with(&self, others: &[NetworkId]) -> Result<(), StoreError> {
        let index = self.index();
        let contents = self.slots.all().into_iter().map(|slot| slot.kept().content());
        for content in contents.filter(|_| !others.is_empty()) {
            if !index.belongs_somewhere(content)? {
                for network in others.iter().copied().chain(index.network()?) {
                    index.add_belonging(content, network)?;
                }
            }
        }
        Ok(())
    }

    /// Returns what lies apart for other networks.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn apart(&self) -> Result<Vec<KeptApart>, StoreError> {
        let (belonging, pending) = {
            let index = self.index();
            (index.belongings()?, index.pending_apart()?)
        };
        let (current, mut apart) = (self.network(), BTreeMap::new());
        let empty = |network| KeptApart {
            network,
            contents: 0,
            bytes: 0,
            pending: 0,
        };
        for (content, network) in belonging {
            let Some(slot) = self.slots.get(content).filter(|_| Some(network) != current) else {
                continue;
            };
            if self.is_elsewhere_now(content) {
                let kept = slot.kept();
                // A file that is away may come back.
                let held = kept
                    .suspension
                    .as_ref()
                    .map_or(&kept.held, |suspension| &suspension.held);
                let of: &mut KeptApart = apart.entry(network).or_insert_with(|| empty(network));
                of.contents += u64::from(!held.is_empty() || held.is_full());
                of.bytes += kept.manifest.bytes_in(held);
            }
        }
        for (network, count) in pending {
            apart.entry(network).or_insert_with(|| empty(network)).pending += count;
        }
        let told = apart.into_values().filter(|of| of.contents + of.pending > 0);
        Ok(told.take(MAX_TOLD).collect())
    }

    /// Has the publications of other networks (all, or those that `is_meant` chooses) made in the current
    /// one, as if their names were added anew: a name that is bound there stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn adopt_publications(&self, is_meant: impl Fn(NetworkId) -> bool) -> Result<Adopted, StoreError> {
        let mut adopted = Adopted::default();
        let mut index = self.index();
        for network in index
            .networks_apart()?
            .into_iter()
            .filter(|known| is_meant(*known))
        {
            adopted.networks += 1;
            for publication in index.publications_apart(network)? {
                let name = publication.name.clone();
                if matches!(publication.state, PublicationState::Refused(_)) {
                    continue;
                }
                match index.publication(&name)? {
                    Some(_) => adopted.taken.push(name),
                    None => {
                        // Revisions of another network say nothing, nor does its leave to replace a content.
                        let state = PublicationState::Pending(None);
                        let wanted = Publication {
                            update: false,
                            state,
                            ..publication
                        };
                        index.adopt(network, &wanted)?;
                        adopted.names.push(name);
                    }
                }
            }
        }
        Ok(adopted)
    }

    /// Forgets the publications that wait for the trackers of other networks, and returns their names.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn forget_pending_apart(&self) -> Result<Vec<Name>, StoreError> {
        let mut forgotten = Vec::new();
        let index = self.index();
        for network in index.networks_apart()? {
            let all = index.publications_apart(network)?;
            for publication in all.into_iter().filter(Publication::is_pending) {
                index.forget_apart(network, &publication.name)?;
                forgotten.push(publication.name);
            }
        }
        Ok(forgotten)
    }

    /// Whether a content belongs to other networks only.
    pub(super) fn is_elsewhere_now(&self, content: ContentId) -> bool {
        self.networks().elsewhere.contains(&content)
    }

    /// Notes that a content is here no longer.
    pub(super) fn forget_belonging(&self, content: ContentId) {
        self.networks().elsewhere.remove(&content);
    }

    fn networks(&self) -> MutexGuard<'_, Networks> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
