//! The sources of one session: whom it is linked to, and when to look for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proto::client::TransferClient;
use rand::seq::SliceRandom as _;
use shared::model::{HostPort, PeerId, Source, Timestamp, Zone};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::intake::Meter;
use super::limits::Limits;

/// How soon others are looked for again at the beginning; each time it takes twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);

/// How often others are looked for while there is no source at all.
const DESPERATE_INTERVAL: Duration = Duration::from_millis(500);

/// No source is given longer than this, however slow its line.
const LONGEST_STALL: Duration = Duration::from_secs(60);

/// One in so many links is left to sources outside our zone, as long as any are offered: what only they have must get
/// into the zone, and a zone that cannot be reached or is slow as a whole must not be all that we know.
const OTHERS_OF: usize = 4;

/// A source that is linked to.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    pub(super) client: TransferClient,
    pub(super) address: HostPort,
    /// What has come from it.
    pub(super) meter: Arc<Meter>,
    /// Whether it is in our zone, as far as both are known.
    pub(super) is_near: bool,
    /// Ends the link.
    pub(super) token: CancellationToken,
    /// How long nothing may come from it.
    pub(super) stall: Duration,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sources {
    limits: Limits,
    own: PeerId,
    zone: Option<Zone>,
    linked: BTreeMap<PeerId, Linked>,
    /// All that were ever linked to.
    tried: BTreeSet<PeerId>,
    /// Those that delivered a fragment.
    used: BTreeSet<PeerId>,
    last_find: Option<Timestamp>,
    /// How often others have been looked for: often at first, when a swarm comes together, then less and less.
    finds: u32,
    is_finding: bool,
}

impl Sources {
    pub(super) fn new(own: PeerId, zone: Option<Zone>, limits: Limits) -> Self {
        let (linked, tried, used) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            limits,
            own,
            zone,
            linked,
            tried,
            used,
            last_find: None,
            finds: 0,
            is_finding: false,
        }
    }

    /// Chooses whom to link to: anyone new and not `refused`, up to the limit; those in our zone first, but see
    /// [`OTHERS_OF`]. They count as linked from now on.
    pub(super) fn add(
        &mut self,
        mut offered: Vec<Source>,
        refused: impl Fn(PeerId) -> bool,
    ) -> Vec<(PeerId, Linked)> {
        offered.retain(|source| {
            source.peer != self.own && !self.linked.contains_key(&source.peer) && !refused(source.peer)
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
            let linked = Linked {
                client,
                meter: Arc::default(),
                is_near: self.is_near(&source),
                address: source.address,
                token: CancellationToken::new(),
                stall: self.limits.stall,
            };
            // An answer may name someone twice.
            if self.linked.insert(source.peer, linked.clone()).is_none() {
                self.tried.insert(source.peer);
                added.push((source.peer, linked));
            }
        }
        added
    }

    /// Near ones up to their share, then the others, then whoever is left.
    fn in_order(&self, offered: Vec<Source>) -> impl Iterator<Item = Source> + use<> {
        let (mut near, others): (Vec<_>, Vec<_>) =
            offered.into_iter().partition(|source| self.is_near(source));
        let share = self.limits.sources - self.limits.sources / OTHERS_OF;
        let linked = self.linked.values().filter(|linked| linked.is_near).count();
        let rest = near.split_off(share.saturating_sub(linked).min(near.len()));
        near.into_iter().chain(others).chain(rest)
    }

    fn is_near(&self, source: &Source) -> bool {
        source.zone.is_some() && source.zone == self.zone
    }

    pub(super) fn get(&self, source: PeerId) -> Option<&Linked> {
        self.linked.get(&source)
    }

    /// Bytes that have come from it since it was linked to.
    pub(super) fn bytes_from(&self, source: PeerId) -> u64 {
        self.linked.get(&source).map_or(0, |linked| linked.meter.bytes())
    }

    /// Whom it is linked to.
    pub(super) fn linked(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.linked.keys().copied()
    }

    /// Those that are being asked for something, and how many bytes each has sent since it was linked to.
    pub(super) fn asked(&self) -> impl Iterator<Item = (PeerId, u64)> + '_ {
        let asked = self.linked.iter().filter(|(_, linked)| linked.meter.is_asked());
        asked.map(|(source, linked)| (*source, linked.meter.bytes()))
    }

    /// Whether there are as many links as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.linked.len() >= self.limits.sources
    }

    /// Ends a link.
    pub(super) fn remove(&mut self, source: PeerId) {
        if let Some(linked) = self.linked.remove(&source) {
            linked.token.cancel();
        }
    }

    /// Ends all links.
    pub(super) fn remove_all(&mut self) {
        for linked in std::mem::take(&mut self.linked).into_values() {
            linked.token.cancel();
        }
    }

    /// It delivered a fragment.
    pub(super) fn delivered(&mut self, source: PeerId) {
        self.used.insert(source);
        if let Some(linked) = self.linked.get_mut(&source) {
            linked.stall = self.limits.stall;
        }
    }

    /// Nothing came from it for too long: next time it is given longer.
    pub(super) fn stalled(&mut self, source: PeerId) {
        if let Some(linked) = self.linked.get_mut(&source) {
            linked.stall = (linked.stall * 2).min(LONGEST_STALL);
        }
    }

    /// How many peers were tried.
    pub(super) fn tried(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// How many delivered a fragment.
    pub(super) fn used(&self) -> u32 {
        u32::try_from(self.used.len()).unwrap_or(u32::MAX)
    }

    /// Whether it is time to look for others; then it counts as begun.
    pub(super) fn begin_find(&mut self, now: Timestamp) -> bool {
        let growing = FIRST_INTERVAL * 2_u32.saturating_pow(self.finds.min(10));
        let longest = if self.linked.is_empty() {
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

    /// The look for others is over.
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

    /// How many near ones and how many others are chosen of those offered.
    fn chosen(
        sources: &mut Sources,
        near: std::ops::Range<u8>,
        others: std::ops::Range<u8>,
    ) -> (usize, usize) {
        let near = near.map(|number| source(number, "here"));
        let offered = near.chain(others.map(|number| source(number, "there"))).collect();
        let added = sources.add(offered, |_| false);
        let near = added.iter().filter(|(_, linked)| linked.is_near).count();
        (near, added.len() - near)
    }

    #[tokio::test]
    async fn those_in_our_zone_come_first_but_leave_a_quarter_to_others() {
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
    async fn what_is_linked_already_counts_and_nobody_is_linked_twice() {
        let mut sources = sources("here", 8);
        assert_eq!(chosen(&mut sources, 1..6, 0..0), (5, 0));
        assert_eq!(chosen(&mut sources, 1..21, 21..41), (1, 2));
        assert!(sources.is_full());
        assert_eq!(chosen(&mut sources, 1..21, 21..41), (0, 0));
    }

    #[tokio::test]
    async fn who_says_no_zone_is_near_to_nobody() {
        let mut sources = sources("", 8);
        let added = sources.add(vec![source(1, ""), source(2, "here")], |_| false);
        assert!(added.iter().all(|(_, linked)| !linked.is_near));
    }
}
