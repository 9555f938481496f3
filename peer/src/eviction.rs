//! The consequences of an order to evict: decided without I/O, carried out on any store.
//!
//! Invariants: a content whose publication waits for the tracker stays, whatever the order says, and so do
//! the parts of a collection whose publication waits; a content that the peer's own user published or fetched
//! stays while it is only surplus. A file whose publication was refused is published no longer: it was kept
//! until now because it may have counted as a replica. A content of another network stays, and one of
//! several networks leaves only this one.

#[cfg(test)]
mod races;

use std::collections::BTreeSet;

use shared::model::{ContentId, EvictReason};

use store::{Belonging, FragmentStore, Publication, Role, StoreError};

/// The action that follows from an order to hold a content no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// None: the content's publication, or that of a collection that refers to it, is pending, or the content
    /// is of another network.
    Refuse,
    /// Take the content out of this network, with these settled publications of it; it stays for others.
    Leave(Vec<Publication>),
    /// Remove these roles of the content.
    Release(&'static [Role]),
    /// Forget the content, and these settled publications of it.
    Forget(Vec<Publication>),
}

impl Eviction {
    /// Decides, given the publications in the outbox and the parts of the collections that wait in it.
    #[must_use]
    pub fn of(
        content: ContentId,
        reason: EvictReason,
        belonging: Belonging,
        publications: &[Publication],
        pending_parts: &BTreeSet<ContentId>,
    ) -> Self {
        if belonging == Belonging::Elsewhere || pending_parts.contains(&content) {
            return Self::Refuse;
        }
        let mut settled = Vec::new();
        for publication in publications
            .iter()
            .filter(|publication| publication.content == content)
        {
            if publication.is_pending() {
                return Self::Refuse;
            }
            settled.push(publication.clone());
        }
        if belonging == Belonging::Both {
            settled.retain(|_| reason != EvictReason::Surplus);
            return Self::Leave(settled);
        }
        match reason {
            EvictReason::Surplus if settled.is_empty() => Self::Release(&[Role::Assigned, Role::Published]),
            EvictReason::Surplus => Self::Release(&[Role::Assigned]),
            EvictReason::Unreferenced | EvictReason::Released => Self::Forget(settled),
        }
    }

    /// Keeps a content that the user shares and whose file is away: it counts for nothing now, so it is no
    /// surplus, and the tracker decides anew when it is back.
    #[must_use]
    pub fn while_away(self, is_away: bool) -> Self {
        match self {
            Self::Release(_) if is_away => Self::Release(&[Role::Assigned]),
            eviction => eviction,
        }
    }

    /// Carries the eviction out on a store, and returns the bytes freed; none for a refusal, and when
    /// `is_protected` says at the last moment that the content has begun to be published meanwhile. Blocks on
    /// the disk.
    ///
    /// # Errors
    /// When the store fails.
    pub fn carry_out(
        &self,
        content: ContentId,
        store: &dyn FragmentStore,
        is_protected: &dyn Fn() -> bool,
    ) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Refuse => Ok(None),
            // The store knows the networks.
            Self::Leave(_) => Ok(Some(0)),
            Self::Release(roles) => store.evict(content, Some(roles), is_protected),
            Self::Forget(_) => store.evict(content, None, is_protected),
        }
    }

    /// Returns the publications to take out of the outbox afterwards.
    #[must_use]
    pub fn forgotten(&self) -> &[Publication] {
        match self {
            Self::Forget(publications) | Self::Leave(publications) => publications,
            Self::Refuse | Self::Release(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::model::{Name, ReplicationTarget, Revision};

    use super::*;
    use store::PublicationState;

    fn publication(name: &str, content: ContentId, state: PublicationState) -> Publication {
        Publication {
            name: Name::new(name).expect("a name"),
            content,
            target: Some(ReplicationTarget::new(2).expect("in bounds")),
            update: false,
            metadata: None,
            state,
        }
    }

    #[test]
    fn pending_contents_stay_and_published_ones_go_with_their_names() {
        let (ours, other) = (ContentId::from_bytes([1; 32]), ContentId::from_bytes([2; 32]));
        let settled = publication("a", ours, PublicationState::Published(Revision::new(3)));
        let elsewhere = publication("b", other, PublicationState::Pending(None));
        let outbox = [settled.clone(), elsewhere.clone()];
        assert_eq!(
            Eviction::of(
                ours,
                EvictReason::Unreferenced,
                Belonging::Here,
                &outbox,
                &BTreeSet::new()
            ),
            Eviction::Forget(vec![settled])
        );
        assert_eq!(
            Eviction::of(
                ours,
                EvictReason::Surplus,
                Belonging::Here,
                &outbox,
                &BTreeSet::new()
            ),
            Eviction::Release(&[Role::Assigned])
        );
        assert_eq!(
            Eviction::of(ours, EvictReason::Surplus, Belonging::Here, &[], &BTreeSet::new()),
            Eviction::Release(&[Role::Assigned, Role::Published]),
            "its publication was refused"
        );
        for reason in [
            EvictReason::Surplus,
            EvictReason::Unreferenced,
            EvictReason::Released,
        ] {
            assert_eq!(
                Eviction::of(other, reason, Belonging::Here, &outbox, &BTreeSet::new()),
                Eviction::Refuse
            );
        }
    }

    #[test]
    fn a_part_whose_file_is_away_is_no_surplus() {
        let part = ContentId::from_bytes([3; 32]);
        let surplus = Eviction::of(part, EvictReason::Surplus, Belonging::Here, &[], &BTreeSet::new());
        assert_eq!(
            surplus.clone().while_away(true),
            Eviction::Release(&[Role::Assigned])
        );
        assert_eq!(surplus.clone().while_away(false), surplus);
        let nameless = Eviction::of(
            part,
            EvictReason::Unreferenced,
            Belonging::Here,
            &[],
            &BTreeSet::new(),
        );
        assert_eq!(nameless.while_away(true), Eviction::Forget(Vec::new()));
    }

    #[test]
    fn the_parts_of_a_pending_collection_stay_with_it() {
        let part = ContentId::from_bytes([3; 32]);
        for reason in [
            EvictReason::Surplus,
            EvictReason::Unreferenced,
            EvictReason::Released,
        ] {
            assert_eq!(
                Eviction::of(part, reason, Belonging::Here, &[], &[part].into()),
                Eviction::Refuse
            );
        }
    }

    #[test]
    fn a_content_of_other_networks_stays_for_them() {
        let ours = ContentId::from_bytes([1; 32]);
        let settled = publication("a", ours, PublicationState::Published(Revision::new(3)));
        let outbox = [settled.clone()];
        for (reason, left) in [
            (EvictReason::Surplus, vec![]),
            (EvictReason::Unreferenced, vec![settled.clone()]),
            (EvictReason::Released, vec![settled]),
        ] {
            let of = |belonging| Eviction::of(ours, reason, belonging, &outbox, &BTreeSet::new());
            assert_eq!(of(Belonging::Elsewhere), Eviction::Refuse);
            assert_eq!(of(Belonging::Both), Eviction::Leave(left));
        }
    }
}
