//! Places for connections: which connection gets one, and which loses one for it. Pure.
//!
//! A connection that carries no request is *idle*; when places are short, the longest idle one ends. One
//! remote address has a share of the places only, and some are kept for this machine: its owner reaches a
//! program that strangers besiege. Invariants: there are never more connections than places; nothing that
//! carries a request is ended.
//!
//! A connection is its address's until its caller is known, and that one's from then on
//! ([`Places::identify`]): members behind one address have a share each, and a member with many addresses
//! has one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use shared::model::{MemberId, TokenId};
use shared::security::authorization::Caller;

use super::Ends;

/// Most places, whatever the limit of open files.
const MOST: usize = 4096;

/// Fewest places, whatever the limit of open files.
const FEWEST: usize = 8;

/// Most places that are kept for this machine.
const MOST_KEPT: usize = 64;

/// Numbers of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// All places.
    pub all: usize,
    /// Places among them that only callers on this machine get.
    pub kept: usize,
    /// Places that one remote caller may have.
    pub share: usize,
}

impl Bounds {
    /// Returns the bounds of a program that may have so many files open. Half of them are for connections
    /// that it takes; its own files and the connections that it makes need the rest.
    #[must_use]
    pub fn within(open_files: u64) -> Self {
        let half = usize::try_from(open_files / 2).unwrap_or(MOST);
        Self::of(half.clamp(FEWEST, MOST))
    }

    /// Returns the bounds of so many places, at least 2: an eighth is kept for this machine, and a quarter of
    /// the others is a caller's share.
    #[must_use]
    pub fn of(all: usize) -> Self {
        let all = all.max(2);
        let kept = (all / 8).clamp(1, MOST_KEPT);
        let share = ((all - kept) / 4).max(1);
        Self { all, kept, share }
    }

    /// Returns the places that a caller would need for one more, and that are all taken.
    #[must_use]
    pub fn shortage(&self, caller: Who, taken: Taken) -> Option<Shortage> {
        if caller != Who::Own {
            if taken.by_caller >= self.share {
                return Some(Shortage::OfCaller);
            }
            if taken.by_remotes >= self.all - self.kept {
                return Some(Shortage::OfRemotes);
            }
        }
        (taken.by_all >= self.all).then_some(Shortage::OfAll)
    }
}

/// Numbers of places that are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// By the caller.
    pub by_caller: usize,
    /// By all remote callers.
    pub by_remotes: usize,
    /// By all callers.
    pub by_all: usize,
}

/// The one to whom a connection, a request or a stream is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// The program's own machine.
    Own,
    /// A remote address whose program is not known; of IPv6 the first half, because one customer has all of
    /// the second.
    Address(IpAddr),
    /// A member of the secured network, at whatever address.
    Member(MemberId),
    /// The owner of an API token, likewise.
    Token(TokenId),
}

impl Who {
    /// Returns whom to charge for a connection of which nothing but its ends is known. Connections to an
    /// address of this machine from itself come from that address.
    #[must_use]
    pub fn at(ends: Ends) -> Self {
        match ends.remote {
            remote if remote.is_loopback() || remote == ends.local => Self::Own,
            IpAddr::V6(remote) => {
                let network = u128::from(remote) & (u128::MAX << 64);
                Self::Address(Ipv6Addr::from(network).into())
            }
            remote @ IpAddr::V4(_) => Self::Address(remote),
        }
    }

    /// Returns whom to charge for the requests of a caller.
    #[must_use]
    pub fn of(caller: &Caller, ends: Ends) -> Self {
        match caller {
            Caller::Member { identity, .. } => Self::Member(identity.id),
            Caller::Token { id, .. } => Self::Token(*id),
            Caller::OwnMachine => Self::Own,
            Caller::Anonymous | Caller::Revoked { .. } => Self::at(ends),
        }
    }
}

/// The number of a place that is taken; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId(u64);

/// Answer to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<H> {
    /// There was a place.
    Admit(PlaceId),
    /// It has the place of an idle connection, which is to be ended by its handle.
    AdmitAfterEnding(PlaceId, H),
    /// There is no place.
    Refuse(Shortage),
}

/// Places that are taken by connections with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Those of the caller.
    OfCaller,
    /// Those of all remote addresses.
    OfRemotes,
    /// All of them.
    OfAll,
}

impl std::error::Error for Shortage {}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OfCaller => "caller",
            Self::OfRemotes => "remotes",
            Self::OfAll => "all",
        })
    }
}

/// The places of a program. Each has a handle, by which the connection on it can be ended.
#[derive(Debug)]
pub struct Places<H> {
    bounds: Bounds,
    taken: BTreeMap<PlaceId, Connection<H>>,
    /// Numbers of the places that callers have; none is 0.
    by_caller: BTreeMap<Who, usize>,
    /// Idle places, the longest idle first.
    idle: BTreeSet<(u64, PlaceId)>,
    last_id: u64,
    /// Number of the times that a place fell idle: the order is all that counts, so no clock is needed.
    falls: u64,
}

#[derive(Debug)]
struct Connection<H> {
    caller: Who,
    handle: H,
    requests: usize,
    /// Place in the order of falling idle; meaningless while there are requests.
    idle_since: u64,
}

impl<H> Places<H> {
    /// Makes places, all of them free.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            taken: BTreeMap::new(),
            by_caller: BTreeMap::new(),
            idle: BTreeSet::new(),
            last_id: 0,
            falls: 0,
        }
    }

    /// Finds a place for a connection. An admitted one is idle until its first request.
    pub fn admit(&mut self, caller: Who, handle: H) -> Admission<H> {
        let id = PlaceId(self.last_id + 1);
        match self.take(id, caller, handle) {
            Err(shortage) => Admission::Refuse(shortage),
            Ok(ended) => {
                self.last_id = id.0;
                ended.map_or(Admission::Admit(id), |ended| {
                    Admission::AdmitAfterEnding(id, ended)
                })
            }
        }
    }

    /// Charges a place to the caller at the other end of its connection, which is known now. For that another
    /// idle connection may lose its place, whose handle is returned.
    ///
    /// # Errors
    /// When the caller gets no place more; the connection has none any more then.
    pub fn identify(&mut self, id: PlaceId, caller: Who) -> Result<Option<H>, Shortage> {
        match self.taken.get(&id) {
            Some(place) if place.caller != caller => {}
            // It is the same caller, or the place was lost meanwhile.
            _ => return Ok(None),
        }
        match self.remove(id) {
            Some(handle) => self.take(id, caller, handle),
            None => Ok(None),
        }
    }

    /// Takes a place, for which an idle connection may lose its own.
    fn take(&mut self, id: PlaceId, caller: Who, handle: H) -> Result<Option<H>, Shortage> {
        let ended = match self.shortage(caller) {
            None => None,
            Some(shortage) => {
                let ended = self.end_longest_idle(|other| match shortage {
                    Shortage::OfCaller => other == caller,
                    Shortage::OfRemotes => other != Who::Own,
                    Shortage::OfAll => true,
                });
                Some(ended.ok_or(shortage)?)
            }
        };
        self.falls += 1;
        self.idle.insert((self.falls, id));
        *self.by_caller.entry(caller).or_default() += 1;
        let place = Connection {
            caller,
            handle,
            requests: 0,
            idle_since: self.falls,
        };
        self.taken.insert(id, place);
        Ok(ended)
    }

    /// Gives up the place of the connection that has been idle for longest, to get its file back.
    pub fn end_any_idle(&mut self) -> Option<H> {
        self.end_longest_idle(|_| true)
    }

    /// Notes that a request has begun on a connection. Connections that have lost their places are ignored
    /// here and below.
    pub fn begin(&mut self, id: PlaceId) {
        if let Some(place) = self.taken.get_mut(&id) {
            if place.requests == 0 {
                self.idle.remove(&(place.idle_since, id));
            }
            place.requests += 1;
        }
    }

    /// Notes that a request has ended: its answer is sent, or will never be.
    pub fn end(&mut self, id: PlaceId) {
        let Some(place) = self.taken.get_mut(&id) else {
            return;
        };
        if place.requests > 1 {
            place.requests -= 1;
            return;
        }
        self.idle.remove(&(place.idle_since, id));
        self.falls += 1;
        (place.requests, place.idle_since) = (0, self.falls);
        self.idle.insert((self.falls, id));
    }

    /// Notes that a connection has ended.
    pub fn leave(&mut self, id: PlaceId) {
        drop(self.remove(id));
    }

    /// Returns the places that the caller would need and that are all taken.
    fn shortage(&self, caller: Who) -> Option<Shortage> {
        let of = |caller| self.by_caller.get(&caller).copied().unwrap_or(0);
        let taken = Taken {
            by_caller: of(caller),
            by_remotes: self.taken.len() - of(Who::Own),
            by_all: self.taken.len(),
        };
        self.bounds.shortage(caller, taken)
    }

    fn end_longest_idle(&mut self, is_meant: impl Fn(Who) -> bool) -> Option<H> {
        let is_meant = |id: &PlaceId| self.taken.get(id).is_some_and(|place| is_meant(place.caller));
        let longest = self.idle.iter().map(|(_, id)| *id).find(is_meant)?;
        self.remove(longest)
    }

    fn remove(&mut self, id: PlaceId) -> Option<H> {
        let place = self.taken.remove(&id)?;
        self.idle.remove(&(place.idle_since, id));
        if let Some(count) = self.by_caller.get_mut(&place.caller) {
            *count -= 1;
            if *count == 0 {
                self.by_caller.remove(&place.caller);
            }
        }
        Some(place.handle)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        all: 8,
        kept: 2,
        share: 3,
    };

    fn remote(last: u8) -> Who {
        Who::Address(IpAddr::from([192, 0, 2, last]))
    }

    /// Admits a connection for which there has to be a place; its handle is its number.
    fn admitted(places: &mut Places<u32>, caller: Who, handle: u32) -> (PlaceId, Option<u32>) {
        match places.admit(caller, handle) {
            Admission::Admit(id) => (id, None),
            Admission::AdmitAfterEnding(id, ended) => (id, Some(ended)),
            Admission::Refuse(shortage) => panic!("{caller:?} is refused: {shortage:?}"),
        }
    }

    #[test]
    fn bounds_follow_the_limit_of_open_files() {
        let of = |files| Bounds::within(files);
        let bounds = |all, kept, share| Bounds { all, kept, share };
        assert_eq!(of(1 << 20), bounds(4096, 64, 1008));
        assert_eq!(of(u64::MAX), of(8192));
        assert_eq!(of(1024), bounds(512, 64, 112));
        assert_eq!(of(256), bounds(128, 16, 28));
        assert_eq!(of(0), bounds(8, 1, 1));
        assert_eq!(Bounds::of(0), bounds(2, 1, 1));
    }

    #[test]
    fn callers_are_this_machine_an_address_or_half_an_address() {
        let of = |remote: &str, local: &str| {
            let parsed = |text: &str| text.parse().expect("an address");
            Who::at(Ends::new(parsed(remote), parsed(local)))
        };
        for (remote, local) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(of(remote, local), Who::Own, "{remote}");
        }
        assert_ne!(of("10.0.0.2", "10.0.0.1"), Who::Own);
        assert_ne!(of("10.0.0.2", "10.0.0.1"), of("10.0.0.3", "10.0.0.1"));
        assert_eq!(
            of("2001:db8::1", "2001:db8::9"),
            of("2001:db8::2:1", "2001:db8::9")
        );
        assert_ne!(
            of("2001:db8::1", "2001:db8::9"),
            of("2001:db8:0:1::1", "2001:db8::9")
        );
    }

    #[test]
    fn an_address_at_its_share_loses_its_own_longest_idle_connection() {
        let mut places = Places::new(BOUNDS);
        let other = admitted(&mut places, remote(9), 0);
        let ids = [1, 2, 3].map(|n| admitted(&mut places, remote(1), n).0);
        places.begin(ids[0]);
        places.end(ids[0]);
        // The first was busy since the second came.
        assert_eq!(admitted(&mut places, remote(1), 4).1, Some(2));
        for n in [0, 2] {
            places.begin(ids[n]);
        }
        let (newest, ended) = admitted(&mut places, remote(1), 5);
        assert_eq!(ended, Some(4));
        places.begin(newest);
        assert_eq!(
            places.admit(remote(1), 6),
            Admission::Refuse(Shortage::OfCaller),
            "what carries requests is never ended"
        );
        assert_eq!(
            admitted(&mut places, remote(2), 7).1,
            None,
            "others are not affected"
        );
        places.leave(newest);
        assert_eq!(admitted(&mut places, remote(1), 8).1, None);
        assert_eq!(other.1, None);
    }

    #[test]
    fn this_machine_gets_in_when_others_have_all_they_can() {
        let mut places = Places::new(BOUNDS);
        for n in 0..6 {
            let (id, _) = admitted(&mut places, remote(n), n.into());
            places.begin(id);
        }
        assert_eq!(places.admit(remote(7), 7), Admission::Refuse(Shortage::OfRemotes));
        for n in 0..2 {
            assert_eq!(admitted(&mut places, Who::Own, 10 + n).1, None);
        }
        assert_eq!(admitted(&mut places, Who::Own, 12).1, Some(10));
    }

    #[test]
    fn a_remote_gets_in_when_this_machine_is_idle_in_all_places() {
        let mut places = Places::new(BOUNDS);
        for n in 0..8 {
            assert_eq!(admitted(&mut places, Who::Own, n).1, None);
        }
        assert_eq!(admitted(&mut places, remote(1), 8).1, Some(0));
        assert_eq!(places.end_any_idle(), Some(1));
        assert_eq!(admitted(&mut places, remote(1), 9).1, None);
    }

    fn member(last: u8) -> Who {
        Who::Member(MemberId::from_bytes([last; 16]))
    }

    #[test]
    fn a_member_has_one_share_at_any_address() {
        let mut places = Places::new(BOUNDS);
        // Three of one address, whose members are known after their handshakes: room for more of it.
        for n in 1..=2 {
            let (id, _) = admitted(&mut places, remote(1), n);
            assert_eq!(places.identify(id, member(1)), Ok(None));
            places.begin(id);
        }
        let (id, _) = admitted(&mut places, remote(1), 3);
        assert_eq!(places.identify(id, member(2)), Ok(None));
        assert_eq!(admitted(&mut places, remote(1), 4).1, None, "nobody was ended");
        // One member comes from other addresses, and has its share.
        let (id, _) = admitted(&mut places, remote(2), 5);
        assert_eq!(places.identify(id, member(1)), Ok(None));
        let (newer, ended) = admitted(&mut places, remote(3), 6);
        assert_eq!(ended, None);
        assert_eq!(
            places.identify(newer, member(1)),
            Ok(Some(5)),
            "its own longest idle one"
        );
        places.begin(newer);
        let (beyond, _) = admitted(&mut places, remote(4), 7);
        assert_eq!(places.identify(beyond, member(1)), Err(Shortage::OfCaller));
        assert_eq!(places.taken.len(), 5);
        places.leave(beyond);
        assert_eq!(places.identify(beyond, member(2)), Ok(None), "it is gone");
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Come(u8),
        Begin(usize),
        End(usize),
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..6).prop_map(Step::Come),
            3 => (0_usize..40).prop_map(Step::Begin),
            2 => (0_usize..40).prop_map(Step::End),
            1 => (0_usize..40).prop_map(Step::Leave),
        ]
    }

    /// A connection of the model: its caller and its requests, in the order of falling idle.
    type Connection = (u32, PlaceId, Who, usize);

    proptest! {
        #[test]
        fn any_history_keeps_the_bounds_and_the_busy(
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let mut places = Places::new(BOUNDS);
            let mut model: Vec<Connection> = Vec::new();
            for (n, step) in (0_u32..).zip(steps) {
                match step {
                    Step::Come(who) => {
                        let caller = if who == 0 { Who::Own } else { remote(who) };
                        let of_caller = model.iter().filter(|one| one.2 == caller).count();
                        let of_own = model.iter().filter(|one| one.2 == Who::Own).count();
                        let is_remote = caller != Who::Own;
                        let fits = |one: &&Connection| match () {
                            () if is_remote && of_caller >= BOUNDS.share => one.2 == caller,
                            () if is_remote && model.len() - of_own >= BOUNDS.all - BOUNDS.kept => one.2 != Who::Own,
                            () => true,
                        };
                        let is_short = model.len() >= BOUNDS.all
                            || is_remote && (of_caller >= BOUNDS.share || model.len() - of_own >= BOUNDS.all - BOUNDS.kept);
                        let longest = model.iter().filter(fits).find(|one| one.3 == 0).map(|one| one.0);
                        let id = match places.admit(caller, n) {
                            Admission::Admit(id) => {
                                prop_assert!(!is_short);
                                id
                            }
                            Admission::AdmitAfterEnding(id, ended) => {
                                prop_assert!(is_short);
                                prop_assert_eq!(Some(ended), longest);
                                model.retain(|one| one.0 != ended);
                                id
                            }
                            Admission::Refuse(_) => {
                                prop_assert!(is_short && longest.is_none());
                                continue;
                            }
                        };
                        model.push((n, id, caller, 0));
                    }
                    Step::Begin(n) if n < model.len() => {
                        places.begin(model[n].1);
                        model[n].3 += 1;
                    }
                    Step::End(n) if n < model.len() && model[n].3 > 0 => {
                        places.end(model[n].1);
                        model[n].3 -= 1;
                        if model[n].3 == 0 {
                            let idle = model.remove(n);
                            model.push(idle);
                        }
                    }
                    Step::Leave(n) if n < model.len() => places.leave(model.remove(n).1),
                    _ => {}
                }
                prop_assert_eq!(places.taken.len(), model.len());
                prop_assert!(model.len() <= BOUNDS.all);
                prop_assert_eq!(places.idle.len(), model.iter().filter(|one| one.3 == 0).count());
            }
            for (_, id, _, _) in model {
                places.leave(id);
            }
            prop_assert!(places.taken.is_empty() && places.idle.is_empty() && places.by_caller.is_empty());
        }
    }
}
