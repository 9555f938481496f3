//! The sources of one session: those it is connected to, and the times at which to look for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::client::TransferClient;
use rand::seq::SliceRandom as _;
use shared::model::{FetchSource, FetchSourceState, HostPort, PeerId, Source, Timestamp, Zone};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::counters::Meter;
use super::limits::Limits;

/// First interval between searches for sources; it doubles with each search.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);

/// Longest interval between searches while there is no source at all.
const DESPERATE_INTERVAL: Duration = Duration::from_millis(500);

/// Longest silence that a source is allowed, however slow its line.
const LONGEST_STALL: Duration = Duration::from_secs(60);

/// One connection in this many is left to sources outside the peer's zone, while any are offered: fragments
/// that only they have must get into the zone, and a session must not depend on a zone that is slow or out of
/// reach as a whole.
const OTHERS_OF: usize = 4;

/// A source to which the session is connected.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) client: TransferClient,
    pub(super) address: HostPort,
    /// Counter of the bytes that have come from the source.
    pub(super) meter: Arc<Meter>,
    /// Whether the source is in the peer's zone, as far as both are known.
    pub(super) is_near: bool,
    /// Ends the connection.
    pub(super) token: CancellationToken,
    /// Silence that the source is allowed.
    pub(super) stall: Duration,
}

/// Part that a peer has given.
#[derive(Clone, Debug)]
struct Given {
    address: HostPort,
    fragments: u32,
    /// Bytes of the connections that have ended.
    bytes: u64,
    /// Whether it has answered on the present connection.
    is_heard: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sources {
    limits: Limits,
    own: PeerId,
    zone: Option<Zone>,
    connected: BTreeMap<PeerId, Connected>,
    /// Peers to which the session has ever been connected.
    tried: BTreeSet<PeerId>,
    /// Part that each peer has given, of those that delivered a fragment or were connected.
    given: BTreeMap<PeerId, Given>,
    /// Peers that could not be dialled, with their addresses and the errors.
    unreached: BTreeMap<PeerId, String>,
    last_find: Option<Timestamp>,
    /// Number of searches: they are frequent at first, when a swarm comes together, and then less and less.
    finds: u32,
    is_finding: bool,
}

impl Sources {
    pub(super) fn new(own: PeerId, zone: Option<Zone>, limits: Limits) -> Self {
        let (connected, tried, given) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self {
            limits,
            own,
            zone,
            connected,
            tried,
            given,
            unreached: BTreeMap::new(),
            last_find: None,
            finds: 0,
            is_finding: false,
        }
    }

    /// Chooses the sources to connect to: new ones that are not `refused`, up to the limit; those in the
    /// peer's zone first, but see [`OTHERS_OF`]. They count as connected from now on.
    pub(super) fn add(
        &mut self,
        mut offered: Vec<Source>,
        refused: impl Fn(PeerId) -> bool,
    ) -> Vec<(PeerId, Connected)> {
        offered.retain(|source| {
            source.peer != self.own && !self.connected.contains_key(&source.peer) && !refused(source.peer)
        });
        offered.shuffle(&mut rand::rng());
        let mut added = Vec::new();
        for source in self.in_order(offered) {
            if self.is_full() {
                break;
            }
            let client = match TransferClient::new(&source.address) {
                Ok(client) => client,
                Err(error) => {
                    debug!(peer = %source.peer, %error, "cannot dial a source");
                    continue;
                }
            };
            let connected = Connected {
                client,
                meter: Arc::default(),
                is_near: self.is_near(&source),
                address: source.address,
                token: CancellationToken::new(),
                stall: self.limits.stall,
            };
            // An answer may name a peer twice.
            if self.connected.insert(source.peer, connected.clone()).is_none() {
                self.tried.insert(source.peer);
                let given = self.given.entry(source.peer).or_insert_with(|| Given {
                    address: connected.address.clone(),
                    fragments: 0,
                    bytes: 0,
                    is_heard: false,
                });
                given.address = connected.address.clone();
                added.push((source.peer, connected));
            }
        }
        added
    }

    /// Orders the offered sources: near ones up to their share, then the others, then the rest.
    fn in_order(&self, offered: Vec<Source>) -> impl Iterator<Item = Source> + use<> {
        let (mut near, others): (Vec<_>, Vec<_>) =
            offered.into_iter().partition(|source| self.is_near(source));
        let share = self.limits.sources - self.limits.sources / OTHERS_OF;
        let connected = self
            .connected
            .values()
            .filter(|connected| connected.is_near)
            .count();
        let rest = near.split_off(share.saturating_sub(connected).min(near.len()));
        near.into_iter().chain(others).chain(rest)
    }

    fn is_near(&self, source: &Source) -> bool {
        source.zone.is_some() && source.zone == self.zone
    }

    pub(super) fn get(&self, source: PeerId) -> Option<&Connected> {
        self.connected.get(&source)
    }

    /// Bytes that have come from the source since the session connected to it.
    pub(super) fn bytes_from(&self, source: PeerId) -> u64 {
        self.connected
            .get(&source)
            .map_or(0, |connected| connected.meter.bytes())
    }

    /// Returns the sources to which the session is connected.
    pub(super) fn connected(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.connected.keys().copied()
    }

    /// Returns the sources with a request in progress, and the bytes that each has sent since the session
    /// connected to it.
    pub(super) fn asked(&self) -> impl Iterator<Item = (PeerId, u64)> + '_ {
        let asked = self.connected.iter().filter(|(_, it)| it.meter.is_asked());
        asked.map(|(source, it)| (*source, it.meter.bytes()))
    }

    /// Whether no more connections may be made.
    pub(super) fn is_full(&self) -> bool {
        self.connected.len() >= self.limits.sources
    }

    /// Ends the connection to a source.
    pub(super) fn remove(&mut self, source: PeerId) {
        if let Some(connected) = self.connected.remove(&source) {
            connected.token.cancel();
            if let Some(given) = self.given.get_mut(&source) {
                given.bytes += connected.meter.bytes();
                given.is_heard = false;
            }
        }
    }

    /// Notes that the source has answered, or that its answer has ended.
    pub(super) fn heard_of(&mut self, source: PeerId, is_heard: bool) {
        if let Some(given) = self.given.get_mut(&source) {
            given.is_heard = is_heard;
        }
    }

    /// Returns the sources and the part that each has given, those with the most first; `asked` has the
    /// fragments that a source is being asked for.
    pub(super) fn told(&self, asked: impl Fn(PeerId) -> Vec<u32>) -> Vec<FetchSource> {
        let told = |(peer, given): (&PeerId, &Given)| {
            let connected = self.connected.get(peer);
            let asked = asked(*peer);
            FetchSource {
                peer: *peer,
                address: given.address.clone(),
                state: match connected {
                    None => FetchSourceState::Gone,
                    Some(_) if !given.is_heard => FetchSourceState::Connecting,
                    Some(_) if asked.is_empty() => FetchSourceState::Idle,
                    Some(_) => FetchSourceState::Asked,
                },
                fragments: given.fragments,
                bytes: given.bytes + connected.map_or(0, |connected| connected.meter.bytes()),
                asked,
            }
        };
        let mut sources: Vec<_> = self.given.iter().map(told).collect();
        sources.sort_by_key(|source| (std::cmp::Reverse(source.bytes), source.peer));
        sources.truncate(FetchSource::MAX);
        sources
    }

    /// Ends all connections.
    pub(super) fn remove_all(&mut self) {
        for connected in std::mem::take(&mut self.connected).into_values() {
            connected.token.cancel();
        }
    }

    /// Notes that the source delivered a fragment.
    pub(super) fn delivered(&mut self, source: PeerId) -> bool {
        let mut is_first = false;
        if let Some(given) = self.given.get_mut(&source) {
            is_first = given.fragments == 0;
            given.fragments += 1;
        }
        if let Some(connected) = self.connected.get_mut(&source) {
            connected.stall = self.limits.stall;
        }
        is_first
    }

    /// Allows a source that was silent for too long a longer time.
    pub(super) fn stalled(&mut self, source: PeerId) {
        if let Some(connected) = self.connected.get_mut(&source) {
            connected.stall = (connected.stall * 2).min(LONGEST_STALL);
        }
    }

    /// Notes that a source could not be dialled; returns whether that is news.
    pub(super) fn unreached(&mut self, source: PeerId, error: &str) -> bool {
        let Some(connected) = self.connected.get(&source) else {
            return false;
        };
        let text = format!("{}: {error}", connected.address);
        self.unreached.insert(source, text).is_none()
    }

    /// Notes that a source was reached.
    pub(super) fn reached(&mut self, source: PeerId) {
        self.unreached.remove(&source);
    }

    /// Forgets failures of peers that are no longer known to hold anything. An answer that names nobody may
    /// come from a tracker that is away.
    pub(super) fn found(&mut self, found: &[Source]) {
        if !found.is_empty() {
            self.unreached
                .retain(|peer, _| found.iter().any(|source| source.peer == *peer));
        }
    }

    /// Returns some failures to dial sources, in words; empty when there are none.
    pub(super) fn failures(&self) -> String {
        const LISTED: usize = 3;
        let listed: Vec<_> = self.unreached.values().take(LISTED).map(String::as_str).collect();
        listed.join(", ")
    }

    /// Number of peers that were tried.
    pub(super) fn tried(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// Number of peers that delivered a fragment.
    pub(super) fn used(&self) -> u32 {
        let used = self.given.values().filter(|given| given.fragments > 0).count();
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Whether it is time to search for sources; if so, the search counts as begun.
    pub(super) fn begin_find(&mut self, now: Timestamp) -> bool {
        let growing = FIRST_INTERVAL * 2_u32.saturating_pow(self.finds.min(10));
        let longest = if self.connected.is_empty() {
            DESPERATE_INTERVAL
        } else {
            self.limits.find_interval
        };
        let interval = growing.min(longest).min(self.limits.find_interval);
        let is_due = !self.is_finding && self.last_find.is_none_or(|last| now.since(last) >= interval);
        if is_due {
            self.is_finding = true;
            self.finds += 1;
            self.last_find = Some(now);
        }
        is_due
    }

    /// Notes that the search is over.
    pub(super) const fn end_find(&mut self) {
        self.is_finding = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8, zone: &str) -> Source {
        Source {
            peer: PeerId::from_bytes([number; 16]),
            address: "127.0.0.1:9".parse().expect("an address"),
            zone: (!zone.is_empty()).then(|| zone.parse().expect("a zone")),
        }
    }

    fn sources(zone: &str, links: usize) -> Sources {
        let limits = Limits {
            sources: links,
            ..Limits::default()
        };
        Sources::new(PeerId::from_bytes([0; 16]), source(0, zone).zone, limits)
    }

    /// Returns how many near sources and how many others are chosen of those offered.
    fn chosen(
        sources: &mut Sources,
        near: std::ops::Range<u8>,
        others: std::ops::Range<u8>,
    ) -> (usize, usize) {
        let near = near.map(|number| source(number, "here"));
        let offered = near.chain(others.map(|number| source(number, "there"))).collect();
        let added = sources.add(offered, |_| false);
        let near = added.iter().filter(|(_, connected)| connected.is_near).count();
        (near, added.len() - near)
    }

    #[tokio::test]
    async fn near_sources_come_first_but_leave_a_quarter_to_others() {
        assert_eq!(chosen(&mut sources("here", 8), 1..21, 21..41), (6, 2));
        assert_eq!(
            chosen(&mut sources("here", 8), 1..4, 21..41),
            (3, 5),
            "few near ones"
        );
        assert_eq!(
            chosen(&mut sources("here", 8), 1..21, 21..22),
            (7, 1),
            "few others"
        );
        assert_eq!(chosen(&mut sources("here", 8), 1..21, 0..0), (8, 0), "no others");
        assert_eq!(chosen(&mut sources("", 8), 1..21, 0..0), (0, 8), "we are nowhere");
    }

    #[tokio::test]
    async fn present_connections_count_and_no_source_is_chosen_twice() {
        let mut sources = sources("here", 8);
        assert_eq!(chosen(&mut sources, 1..6, 0..0), (5, 0));
        assert_eq!(chosen(&mut sources, 1..21, 21..41), (1, 2));
        assert!(sources.is_full());
        assert_eq!(chosen(&mut sources, 1..21, 21..41), (0, 0));
    }

    #[tokio::test]
    async fn the_part_that_a_source_gave_is_told_after_it_has_gone_too() {
        let mut sources = sources("", 8);
        let added = sources.add(vec![source(1, ""), source(2, "")], |_| false);
        let (one, two) = (PeerId::from_bytes([1; 16]), PeerId::from_bytes([2; 16]));
        let states = |sources: &Sources, asked: &[u32]| -> Vec<_> {
            let of = |peer| if peer == one { asked.to_vec() } else { Vec::new() };
            let mut told = sources.told(of);
            told.sort_by_key(|source| source.peer);
            told.into_iter()
                .map(|source| (source.state, source.fragments, source.asked))
                .collect()
        };
        let connecting = (FetchSourceState::Connecting, 0, Vec::new());
        assert_eq!(states(&sources, &[]), [connecting.clone(), connecting.clone()]);
        sources.heard_of(one, true);
        assert_eq!(
            states(&sources, &[3, 7])[0],
            (FetchSourceState::Asked, 0, vec![3, 7])
        );
        sources.delivered(one);
        assert_eq!(states(&sources, &[])[0], (FetchSourceState::Idle, 1, Vec::new()));
        sources.remove(one);
        sources.remove(two);
        let gone = [
            (FetchSourceState::Gone, 1, Vec::new()),
            (FetchSourceState::Gone, 0, Vec::new()),
        ];
        assert_eq!(states(&sources, &[]), gone);
        assert_eq!((sources.used(), added.len()), (1, 2));
    }

    #[tokio::test]
    async fn a_source_without_a_zone_is_near_to_none() {
        let mut sources = sources("", 8);
        let added = sources.add(vec![source(1, ""), source(2, "here")], |_| false);
        assert!(added.iter().all(|(_, connected)| !connected.is_near));
    }
}
