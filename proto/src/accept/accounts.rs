//! Accounts of callers: how much each caller of a program has of what there is only so much of.
//!
//! A request, a session or a stream of changes is taken from here where it is accepted, and given back when
//! it ends. Each [`Resource`] has a bound in all, of which one remote caller has a share, and some is kept
//! for the program's own machine ([`Bounds::of`]). A request beyond a bound is refused to its caller.
//! A caller is a member or a token where it is known, and an address otherwise ([`Who`]). Invariant: a caller
//! without anything has no account, so there are no more accounts than resources.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use shared::{Coded, ErrorCode};

use super::places::{Bounds, Shortage, Taken, Who};

/// Kinds of what callers keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A request of any kind that is under way: its handler, and the buffers of its stream.
    Request,
    /// A session of a peer: some ten kilobytes, and a task.
    Session,
    /// A stream about one content: as much.
    Watcher,
    /// A stream about everything that changes: as much, and a look at the state whenever something changes.
    Follower,
    /// A collection that is being received, 32 MiB at most.
    Gathering,
    /// A stream of what members have to know: some ten kilobytes, and a task.
    Member,
}

impl Resource {
    const ALL: [Self; 6] = [
        Self::Request,
        Self::Session,
        Self::Watcher,
        Self::Follower,
        Self::Gathering,
        Self::Member,
    ];

    /// Returns how many there are in all.
    const fn most(self) -> usize {
        match self {
            // More than there are streams that stay open.
            Self::Request => 65_536,
            Self::Session | Self::Member => 20_000,
            Self::Watcher => 4096,
            Self::Follower => 1024,
            Self::Gathering => 4,
        }
    }
}

/// Reason for which nothing is given out; the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overdrawn {
    /// The caller has its share.
    #[error(
        "this caller (a member, a token, or an address) has as many requests of this kind under way as it may; end \
         some, or try again later"
    )]
    ByCaller,
    /// Others have it all.
    #[error("as many requests of this kind are under way as there can be; try again later")]
    ByAll,
}

impl Coded for Overdrawn {
    fn code(&self) -> ErrorCode {
        ErrorCode::Exhausted
    }
}

/// Accounts of one program; cheap to clone. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    callers: DashMap<Who, Amounts>,
    by_remotes: [AtomicUsize; Resource::ALL.len()],
    by_all: [AtomicUsize; Resource::ALL.len()],
}

/// Amounts that one caller has of each resource.
type Amounts = [usize; Resource::ALL.len()];

/// One of a resource; given back when it is dropped.
#[derive(Debug)]
#[must_use = "it is given back at once"]
pub struct Held {
    accounts: Accounts,
    caller: Who,
    resource: Resource,
}

impl Accounts {
    /// Makes accounts that are all empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one of a resource for a caller.
    ///
    /// # Errors
    /// When the caller has its share, or nothing is left.
    pub fn take(&self, caller: Who, resource: Resource) -> Result<Held, Overdrawn> {
        let (bounds, index) = (Bounds::of(resource.most()), resource as usize);
        // The entry is locked: the caller's other requests wait, those of most others do not.
        let mut account = self.0.callers.entry(caller).or_default();
        let is_remote = caller != Who::Own;
        let by_remotes = &self.0.by_remotes[index];
        let by_all = &self.0.by_all[index];
        // Counted first, so that two callers do not take the last one both.
        let taken = Taken {
            by_caller: account[index],
            by_remotes: by_remotes.fetch_add(usize::from(is_remote), Ordering::AcqRel),
            by_all: by_all.fetch_add(1, Ordering::AcqRel),
        };
        let Some(shortage) = bounds.shortage(caller, taken) else {
            account[index] += 1;
            drop(account);
            return Ok(Held {
                accounts: self.clone(),
                caller,
                resource,
            });
        };
        by_remotes.fetch_sub(usize::from(is_remote), Ordering::AcqRel);
        by_all.fetch_sub(1, Ordering::AcqRel);
        drop(account);
        self.close_if_empty(caller);
        Err(match shortage {
            Shortage::OfCaller => Overdrawn::ByCaller,
            Shortage::OfRemotes | Shortage::OfAll => Overdrawn::ByAll,
        })
    }

    fn give_back(&self, caller: Who, resource: Resource) {
        let index = resource as usize;
        if let Some(mut account) = self.0.callers.get_mut(&caller) {
            account[index] = account[index].saturating_sub(1);
        }
        self.0.by_remotes[index].fetch_sub(usize::from(caller != Who::Own), Ordering::AcqRel);
        self.0.by_all[index].fetch_sub(1, Ordering::AcqRel);
        self.close_if_empty(caller);
    }

    fn close_if_empty(&self, caller: Who) {
        let is_empty = |_: &Who, amounts: &Amounts| amounts.iter().all(|amount| *amount == 0);
        self.0.callers.remove_if(&caller, is_empty);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.accounts.give_back(self.caller, self.resource);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use shared::model::{KeyHash, MemberId};
    use shared::security::authorization::Caller;
    use shared::security::{Identity, Role};

    use super::super::Ends;
    use super::*;

    fn at(remote: &str) -> Who {
        let parsed = |text: &str| text.parse().expect("an address");
        Who::at(Ends::new(parsed(remote), parsed("192.0.2.1")))
    }

    fn member(number: u8, remote: &str) -> Who {
        let identity = Identity {
            id: MemberId::from_bytes([number; 16]),
            role: Role::Peer,
            cluster: "0011223344556677".parse().expect("an id"),
        };
        let parsed = |text: &str| text.parse().expect("an address");
        let key = KeyHash::from_bytes([number; 32]);
        Who::of(
            &Caller::Member { identity, key },
            Ends::new(parsed(remote), parsed("192.0.2.1")),
        )
    }

    /// Takes as much as there is to have; returns it, and why there is no more.
    fn take_all(accounts: &Accounts, caller: Who, resource: Resource) -> (Vec<Held>, Overdrawn) {
        let mut held = Vec::new();
        loop {
            match accounts.take(caller, resource) {
                Ok(one) => held.push(one),
                Err(why) => return (held, why),
            }
        }
    }

    #[test]
    fn one_address_takes_its_share_and_leaves_the_rest_to_others() {
        let accounts = Accounts::new();
        let (hoard, why) = take_all(&accounts, at("198.51.100.7"), Resource::Follower);
        assert_eq!((hoard.len(), why), (240, Overdrawn::ByCaller));
        drop(
            accounts
                .take(at("198.51.100.8"), Resource::Follower)
                .expect("another address"),
        );
        drop(
            accounts
                .take(at("198.51.100.7"), Resource::Watcher)
                .expect("another resource"),
        );
        drop(hoard);
        let (again, _) = take_all(&accounts, at("198.51.100.7"), Resource::Follower);
        assert_eq!(again.len(), 240, "all of it was given back");
    }

    #[test]
    fn a_member_has_one_account_at_any_address() {
        for (resource, share) in [
            (Resource::Request, 16_368),
            (Resource::Session, 4984),
            (Resource::Watcher, 1008),
            (Resource::Follower, 240),
            (Resource::Gathering, 1),
            (Resource::Member, 4984),
        ] {
            let accounts = Accounts::new();
            let mut hoard: Vec<Held> = Vec::new();
            while let Ok(one) =
                accounts.take(member(1, &format!("198.51.100.{}", hoard.len() % 250)), resource)
            {
                hoard.push(one);
            }
            assert_eq!(hoard.len(), share, "{resource:?}");
            let (of_other, why) = take_all(&accounts, member(2, "198.51.100.1"), resource);
            assert_eq!(
                (of_other.len(), why),
                (share, Overdrawn::ByCaller),
                "{resource:?}"
            );
            // Nor is anything left of the address's own share used up by its members.
            drop(
                accounts
                    .take(at("198.51.100.1"), resource)
                    .expect("a stranger there"),
            );
            let token = Who::Token("0707070707070707".parse().expect("an id"));
            drop(accounts.take(token, resource).expect("a token"));
        }
    }

    #[test]
    fn some_is_kept_for_the_own_machine() {
        let accounts = Accounts::new();
        let of = |n: u8| take_all(&accounts, at(&format!("198.51.100.{n}")), Resource::Watcher);
        let hoards: Vec<_> = (1..9).map(of).collect();
        assert_eq!(
            hoards.iter().map(|(held, _)| held.len()).sum::<usize>(),
            4096 - 64
        );
        assert_eq!(hoards.last().expect("many").1, Overdrawn::ByAll);
        let (own, why) = take_all(&accounts, at("127.0.0.1"), Resource::Watcher);
        assert_eq!((own.len(), why), (64, Overdrawn::ByAll));
        drop((hoards, own));
        assert!(accounts.0.callers.is_empty(), "no account is left");
    }

    #[test]
    fn callers_on_many_threads_take_no_more_than_there_is() {
        let accounts = Accounts::new();
        let held: Vec<Held> = std::thread::scope(|scope| {
            let take = |n: u8| {
                let accounts = &accounts;
                move || take_all(accounts, at(&format!("203.0.113.{n}")), Resource::Follower).0
            };
            let threads: Vec<_> = (1..9).map(|n| scope.spawn(take(n))).collect();
            let ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            ended.flatten().collect()
        });
        assert!(held.len() <= 1024 - 64, "{}", held.len());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_and_given_back_the_counts_agree(steps in proptest::collection::vec((0_u8..4, 0_usize..6, any::<bool>()), 0..200)) {
            let accounts = Accounts::new();
            let mut held: Vec<Held> = Vec::new();
            for (from, resource, takes) in steps {
                if takes {
                    let remote = if from == 0 { "127.0.0.1".to_owned() } else { format!("203.0.113.{from}") };
                    held.extend(accounts.take(at(&remote), Resource::ALL[resource]));
                } else if !held.is_empty() {
                    drop(held.swap_remove(resource % held.len()));
                }
            }
            for resource in Resource::ALL {
                let count = held.iter().filter(|one| one.resource == resource).count();
                prop_assert_eq!(accounts.0.by_all[resource as usize].load(Ordering::Acquire), count);
                let sum: usize = accounts.0.callers.iter().map(|amounts| amounts[resource as usize]).sum();
                prop_assert_eq!(sum, count);
            }
        }
    }
}
