//! The sources of one session: those it is connected to, and the times at which to look for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::client::TransferClient;
use proto::tls::Tls;
use shared::model::{FetchSource, FetchSourceState, HostPort, PeerId, Source, Timestamp, Waiting, Zone};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::candidates::{Candidates, Choice, Class};
use super::counters::Meter;
use super::limits::Limits;
use super::track_records::TrackRecords;

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

/// One place in this many is for attempts at sources that nothing speaks for, and fewer while another source
/// delivers: they must not keep those out that have the content.
const ATTEMPTS_OF: usize = 2;
const ATTEMPTS_BESIDE_OF: usize = 4;

/// Time in which a source answers, while others wait for its place: several round trips around the world. It
/// doubles with each time that the source has failed.
const TRIAL: Duration = Duration::from_secs(1);
const MOST_DOUBLINGS: u32 = 3;

/// A source to which the session is connected.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) client: TransferClient,
    pub(super) address: HostPort,
    /// Counter of the bytes that have come from the source.
    pub(super) meter: Arc<Meter>,
    /// Whether the source is in the peer's zone, as far as both are known.
    pub(super) is_near: bool,
    /// Whether there was a reason to believe that it has the content.
    is_trusted: bool,
    /// Ends the connection.
    pub(super) token: CancellationToken,
    /// Silence that the source is allowed.
    pub(super) stall: Duration,
    since: Timestamp,
    /// Time in which it has to answer while others wait.
    patience: Duration,
}

/// Part that a peer has given.
#[derive(Clone, Debug)]
struct Given {
    address: HostPort,
    fragments: u32,
    /// Bytes of the connections that have ended.
    bytes: u64,
    /// Whether some of them, on those connections, were verified.
    is_of_use: bool,
    /// Whether it has answered on the present connection.
    is_heard: bool,
}

/// Failure to reach a peer.
#[derive(Debug)]
struct Unreached {
    address: HostPort,
    /// None when something answers there that is no peer of this version.
    error: Option<String>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sources {
    limits: Limits,
    tls: Tls,
    own: PeerId,
    zone: Option<Zone>,
    candidates: Candidates,
    connected: BTreeMap<PeerId, Connected>,
    /// Peers to which the session has ever been connected.
    tried: BTreeSet<PeerId>,
    /// Part that each peer has given, of those that delivered a fragment or were connected.
    given: BTreeMap<PeerId, Given>,
    /// Peers that could not be dialled, or are none.
    unreached: BTreeMap<PeerId, Unreached>,
    last_find: Option<Timestamp>,
    /// Number of searches: they are frequent at first, when a swarm comes together, and then less and less.
    finds: u32,
    is_finding: bool,
}

impl Sources {
    pub(super) fn new(own: PeerId, zone: Option<Zone>, limits: Limits, tls: Tls) -> Self {
        let (connected, tried, given) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self {
            limits,
            tls,
            own,
            zone,
            candidates: Candidates::default(),
            connected,
            tried,
            given,
            unreached: BTreeMap::new(),
            last_find: None,
            finds: 0,
            is_finding: false,
        }
    }

    /// Takes candidates in beside those that are known.
    pub(super) fn offer(&mut self, offered: Vec<Source>) {
        self.candidates.offer(offered);
    }

    /// Chooses sources to connect to that are not `refused`, the best first (see [`Candidates`]): trusted
    /// ones while there are places, others a few at a time. Those that are put off are chosen only with
    /// `again`. They count as connected from now on.
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        records: &TrackRecords,
        again: bool,
        refused: impl Fn(PeerId) -> bool,
    ) -> Vec<(PeerId, Connected)> {
        let mut added = Vec::new();
        let mut undialable = BTreeSet::new();
        while let Some((source, class)) = self.next(now, records, |peer, class| {
            (again || class != Class::PutOff) && !undialable.contains(&peer) && !refused(peer)
        }) {
            let client = match TransferClient::new(&source.address, &self.tls, source.peer) {
                Ok(client) => client,
                Err(error) => {
                    debug!(peer = %source.peer, %error, "cannot dial a source");
                    undialable.insert(source.peer);
                    continue;
                }
            };
            let connected = Connected {
                client,
                meter: Arc::default(),
                is_near: self.is_near(&source),
                is_trusted: class == Class::Trusted,
                address: source.address,
                token: CancellationToken::new(),
                stall: self.limits.stall,
                since: now,
                patience: TRIAL.saturating_mul(1 << records.failures(source.peer).min(MOST_DOUBLINGS)),
            };
            self.connected.insert(source.peer, connected.clone());
            self.tried.insert(source.peer);
            let given = self.given.entry(source.peer).or_insert_with(|| Given {
                address: connected.address.clone(),
                fragments: 0,
                bytes: 0,
                is_of_use: false,
                is_heard: false,
            });
            given.address = connected.address.clone();
            added.push((source.peer, connected));
        }
        added
    }

    /// Returns the candidate to connect to next, if there is a place for it.
    fn next(
        &self,
        now: Timestamp,
        records: &TrackRecords,
        may_be_tried: impl Fn(PeerId, Class) -> bool,
    ) -> Option<(Source, Class)> {
        if self.is_full() {
            return None;
        }
        let has_place = self.attempts() < self.most_attempts();
        let free = |peer, class| {
            peer != self.own
                && !self.connected.contains_key(&peer)
                && (class == Class::Trusted || has_place)
                && may_be_tried(peer, class)
        };
        let best = self.candidates.best(&self.choice(now, records), free);
        best.map(|(source, class)| (source.clone(), class))
    }

    fn choice<'a>(&'a self, now: Timestamp, records: &'a TrackRecords) -> Choice<'a> {
        let share = self.limits.sources - self.limits.sources / OTHERS_OF;
        let near = self.connected.values().filter(|connected| connected.is_near);
        Choice {
            now,
            records,
            near: self.zone.as_ref(),
            prefers_others: near.count() >= share,
        }
    }

    /// Number of sources that are not trusted and have not answered yet.
    fn attempts(&self) -> usize {
        let is_attempt =
            |(peer, connected): &(&PeerId, &Connected)| !connected.is_trusted && !self.is_heard(**peer);
        self.connected.iter().filter(is_attempt).count()
    }

    /// Number of such sources that are tried at once: fewer beside a source that delivers.
    fn most_attempts(&self) -> usize {
        let delivers = |peer: &PeerId| self.given.get(peer).is_some_and(|given| given.fragments > 0);
        let of = if self.connected.keys().any(delivers) {
            ATTEMPTS_BESIDE_OF
        } else {
            ATTEMPTS_OF
        };
        (self.limits.sources / of).max(1)
    }

    fn is_heard(&self, peer: PeerId) -> bool {
        self.given.get(&peer).is_some_and(|given| given.is_heard)
    }

    /// Whether another candidate, at least as good as this source, has not been tried or may be again: a
    /// source that does not answer gives way to it.
    pub(super) fn gives_way(&self, source: PeerId, now: Timestamp, records: &TrackRecords) -> bool {
        let is_trusted = self
            .connected
            .get(&source)
            .is_some_and(|connected| connected.is_trusted);
        let free = |peer: PeerId, class| {
            peer != self.own
                && !self.connected.contains_key(&peer)
                && (class == Class::Trusted || !is_trusted && class != Class::PutOff)
        };
        self.candidates.best(&self.choice(now, records), free).is_some()
    }

    /// Returns the sources that have not answered in the time that an attempt has.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<PeerId> {
        let is_overdue = |(peer, connected): &(&PeerId, &Connected)| {
            !self.is_heard(**peer) && now.since(connected.since) >= connected.patience
        };
        self.connected
            .iter()
            .filter(is_overdue)
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// Returns a source that has given nothing and is not trusted, when a trusted candidate has no place.
    pub(super) fn in_the_way(&self, now: Timestamp, records: &TrackRecords) -> Option<PeerId> {
        let free = |peer: PeerId, class| {
            class == Class::Trusted && peer != self.own && !self.connected.contains_key(&peer)
        };
        if !self.is_full() || self.candidates.best(&self.choice(now, records), free).is_none() {
            return None;
        }
        let given_nothing = |peer: &PeerId| self.given.get(peer).is_none_or(|given| given.fragments == 0);
        let leaving = self
            .connected
            .iter()
            .filter(|(peer, it)| !it.is_trusted && given_nothing(peer));
        leaving
            .map(|(peer, _)| *peer)
            .min_by_key(|peer| self.is_heard(*peer))
    }

    /// Whether the source has not sent a single byte.
    pub(super) fn has_given_nothing(&self, source: PeerId) -> bool {
        let given = self.given.get(&source).map_or(0, |given| given.bytes);
        given + self.bytes_from(source) == 0
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
                given.is_of_use |= connected.meter.is_of_use();
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
                bytes: given.bytes + self.bytes_from(*peer),
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

    /// Notes that a source could not be dialled, with the error, or is no peer; returns whether that is news.
    pub(super) fn unreached(&mut self, source: PeerId, error: Option<&str>) -> bool {
        let Some(connected) = self.connected.get(&source) else {
            return false;
        };
        let unreached = Unreached {
            address: connected.address.clone(),
            error: error.map(str::to_owned),
        };
        self.unreached.insert(source, unreached).is_none()
    }

    /// Notes that a source was reached.
    pub(super) fn reached(&mut self, source: PeerId) {
        self.unreached.remove(&source);
    }

    /// Takes in an answer of the tracker: its sources are the candidates from now on. Failures of peers that
    /// are no longer known to hold anything are forgotten. An answer that names nobody may come from a
    /// tracker that is away.
    pub(super) fn found(&mut self, found: Vec<Source>) {
        if !found.is_empty() {
            self.unreached
                .retain(|peer, _| found.iter().any(|source| source.peer == *peer));
            self.candidates.replace(found);
        }
    }

    /// Returns some failures to reach sources; none when there are none. Those that could not be dialled come
    /// before those that are no peers: they may be back in a moment.
    pub(super) fn failures(&self) -> Option<Waiting> {
        const LISTED: usize = 3;
        let listed = |all: Vec<String>| (!all.is_empty()).then(|| all.join(", "));
        let all = || self.unreached.values();
        let dialled =
            all().filter_map(|failed| Some(format!("{}: {}", failed.address, failed.error.as_ref()?)));
        let others = all().filter(|failed| failed.error.is_none());
        let unreached = listed(dialled.take(LISTED).collect()).map(Waiting::Unreached);
        let foreign = others.map(|failed| failed.address.to_string());
        unreached.or_else(|| listed(foreign.take(LISTED).collect()).map(Waiting::Foreign))
    }

    /// Number of peers that were tried.
    pub(super) fn tried(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// Returns the peers that gave something of use: a fragment, or a part of one that others completed.
    pub(super) fn used(&self) -> BTreeSet<PeerId> {
        let is_used = |(peer, given): &(&PeerId, &Given)| {
            let connected = self.connected.get(peer);
            given.fragments > 0
                || given.is_of_use
                || connected.is_some_and(|connected| connected.meter.is_of_use())
        };
        self.given.iter().filter(is_used).map(|(peer, _)| *peer).collect()
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
    use shared::model::SourceRank;

    use super::super::counters::{Counters, Intake};
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(5_000);

    fn peer(number: u16) -> PeerId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(bytes)
    }

    fn source(number: u16, zone: &str, rank: SourceRank) -> Source {
        Source {
            peer: peer(number),
            address: "127.0.0.1:9".parse().expect("an address"),
            zone: (!zone.is_empty()).then(|| zone.parse().expect("a zone")),
            rank,
        }
    }

    fn sources(zone: &str, links: usize) -> Sources {
        let limits = Limits {
            sources: links,
            ..Limits::default()
        };
        let zone = source(0, zone, SourceRank::Holder).zone;
        Sources::new(peer(0), zone, limits, Tls::default())
    }

    fn add(sources: &mut Sources, offered: Vec<Source>) -> Vec<(PeerId, Connected)> {
        sources.offer(offered);
        sources.add(NOW, &TrackRecords::default(), true, |_| false)
    }

    /// Returns how many near sources and how many others are chosen of those offered.
    fn chosen(
        sources: &mut Sources,
        near: std::ops::Range<u16>,
        others: std::ops::Range<u16>,
    ) -> (usize, usize) {
        let near = near.map(|number| source(number, "here", SourceRank::Keeper));
        let others = others.map(|number| source(number, "there", SourceRank::Keeper));
        sources.candidates = Candidates::default();
        let added = add(sources, near.chain(others).collect());
        let near = added.iter().filter(|(_, connected)| connected.is_near).count();
        (near, added.len() - near)
    }

    /// Returns peers that say that they hold the content; nothing speaks for them.
    fn crowd(numbers: std::ops::Range<u16>) -> Vec<Source> {
        numbers
            .map(|number| source(number, "", SourceRank::Holder))
            .collect()
    }

    /// Tries sources as a session does, until one of them answers; returns the time that it took, in
    /// milliseconds, and the number of attempts at once. The others refuse the connection, or stay silent.
    fn search(sources: &mut Sources, honest: PeerId, refuses: bool) -> (u64, usize) {
        let (mut records, mut most) = (TrackRecords::default(), 0);
        for step in 0..10_000 {
            let now = NOW.after(Duration::from_millis(100 * step));
            sources.add(now, &records, step % 20 == 0, |_| false);
            most = most.max(sources.attempts());
            if sources.get(honest).is_some() {
                return (100 * step, most);
            }
            let silent = match refuses {
                true => sources.connected().collect(),
                false => sources.overdue(now),
            };
            for peer in silent {
                if sources.gives_way(peer, now, &records) {
                    records.failed(peer, now);
                    sources.remove(peer);
                }
            }
        }
        panic!("the honest one was never tried");
    }

    #[tokio::test]
    async fn a_crowd_takes_no_place_from_those_that_are_believed() {
        for rank in [SourceRank::Publisher, SourceRank::Keeper] {
            let mut sources = sources("", 32);
            let mut offered = crowd(2..1002);
            offered.push(source(1, "", rank));
            let added = add(&mut sources, offered);
            assert_eq!(added[0].0, peer(1), "it comes first");
            assert_eq!(sources.attempts(), 16, "others beside it");
        }
        // In a full house the believed one takes the place of one that has given nothing.
        let mut sources = sources("", 8);
        for _ in 0..2 {
            add(&mut sources, crowd(2..1002));
            sources
                .connected()
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|peer| sources.heard_of(peer, true));
        }
        assert!(sources.is_full());
        sources.offer(vec![source(1, "", SourceRank::Keeper)]);
        let leaving = sources
            .in_the_way(NOW, &TrackRecords::default())
            .expect("one that leaves");
        sources.remove(leaving);
        assert_eq!(add(&mut sources, Vec::new())[0].0, peer(1));
        assert_eq!(sources.in_the_way(NOW, &TrackRecords::default()), None);
    }

    #[tokio::test]
    async fn a_peer_that_was_read_from_comes_before_a_crowd() {
        let mut sources = sources("", 8);
        let mut records = TrackRecords::default();
        records.delivered(peer(500), NOW);
        sources.offer(crowd(1..1001));
        let added = sources.add(NOW, &records, true, |_| false);
        assert_eq!(added[0].0, peer(500));
        sources.delivered(peer(500));
        assert_eq!(sources.most_attempts(), 2, "few beside one that delivers");
    }

    #[tokio::test]
    async fn an_unknown_honest_one_is_found_in_a_crowd_in_bounded_time() {
        for honest in (1..257).step_by(51) {
            let mut refusing = sources("", 32);
            refusing.offer(crowd(1..257));
            let (took, at_once) = search(&mut refusing, peer(honest), true);
            assert!(took <= 1_600 && at_once <= 16, "{took} ms, {at_once} at once");
            let mut silent = sources("", 32);
            silent.offer(crowd(1..257));
            let (took, at_once) = search(&mut silent, peer(honest), false);
            // Fifteen rounds of sixteen come before the last one; each takes a second, and a step to notice.
            assert!(took <= 16_500 && at_once <= 16, "{took} ms, {at_once} at once");
        }
    }

    #[tokio::test]
    async fn a_source_that_failed_comes_last_and_keeps_its_place_while_none_waits() {
        let mut sources = sources("", 2);
        let mut records = TrackRecords::default();
        records.failed(peer(1), NOW);
        sources.offer(crowd(1..3));
        let added = sources.add(NOW, &records, true, |_| false);
        assert_eq!(added[0].0, peer(2), "not the one that failed");
        assert_eq!(added.len(), 1, "one attempt at a time");
        assert!(
            !sources.gives_way(peer(2), NOW, &records),
            "only for a better one"
        );
        let later = NOW.after(Duration::from_secs(2));
        assert!(
            sources.gives_way(peer(2), later, &records),
            "the other may be tried again"
        );
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
        assert_eq!(chosen(&mut sources, 1..21, 21..41), (0, 0), "no places");
    }

    #[tokio::test]
    async fn the_part_that_a_source_gave_is_told_after_it_has_gone_too() {
        let mut sources = sources("", 8);
        let keepers = [1, 2].map(|number| source(number, "", SourceRank::Keeper));
        let added = add(&mut sources, keepers.to_vec());
        let (one, two) = (peer(1), peer(2));
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
        assert_eq!(sources.used(), BTreeSet::from([one]));
        // A part of a fragment, which another source completes.
        let intake = Intake::new(Counters::new());
        let (_, second) = added.iter().find(|(peer, _)| *peer == two).expect("added");
        let mut portion = intake.begin(&second.meter);
        portion.add(64);
        assert_eq!(sources.used().len(), 1, "it may be wrong");
        portion.keep();
        drop(portion);
        sources.remove(one);
        sources.remove(two);
        let gone = [
            (FetchSourceState::Gone, 1, Vec::new()),
            (FetchSourceState::Gone, 0, Vec::new()),
        ];
        assert_eq!(states(&sources, &[]), gone);
        assert_eq!(sources.used(), BTreeSet::from([one, two]));
    }

    #[tokio::test]
    async fn a_source_without_a_zone_is_near_to_none() {
        let mut sources = sources("", 8);
        let offered = vec![
            source(1, "", SourceRank::Keeper),
            source(2, "here", SourceRank::Keeper),
        ];
        let added = add(&mut sources, offered);
        assert!(added.iter().all(|(_, connected)| !connected.is_near));
    }
}
