//! The sources of one session: whom it is linked to, and when to look for others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::client::TransferClient;
use rand::seq::SliceRandom as _;
use shared::model::{PeerId, Source, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::limits::Limits;

/// How soon others are looked for again at the beginning; each time it takes twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(100);

/// How often others are looked for while there is no source at all.
const DESPERATE_INTERVAL: Duration = Duration::from_millis(500);

/// No source is given longer than this, however slow its line.
const LONGEST_STALL: Duration = Duration::from_secs(60);

/// A source that is linked to.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) client: TransferClient,
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
    pub(super) fn new(own: PeerId, limits: Limits) -> Self {
        let (linked, tried, used) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            limits,
            own,
            linked,
            tried,
            used,
            last_find: None,
            finds: 0,
            is_finding: false,
        }
    }

    /// Chooses whom to link to: anyone new and not `refused`, up to the limit. They count as linked from now on.
    pub(super) fn add(
        &mut self,
        mut offered: Vec<Source>,
        refused: impl Fn(PeerId) -> bool,
    ) -> Vec<(PeerId, TransferClient, CancellationToken)> {
        offered.shuffle(&mut rand::rng());
        let mut added = Vec::new();
        for Source { peer, address } in offered {
            if self.is_full() {
                break;
            }
            if peer == self.own || self.linked.contains_key(&peer) || refused(peer) {
                continue;
            }
            let client = match TransferClient::new(&address) {
                Ok(client) => client,
                Err(error) => {
                    debug!(%peer, %error, "cannot dial a source");
                    continue;
                }
            };
            let token = CancellationToken::new();
            let linked = Linked {
                client: client.clone(),
                token: token.clone(),
                stall: self.limits.stall,
            };
            self.linked.insert(peer, linked);
            self.tried.insert(peer);
            added.push((peer, client, token));
        }
        added
    }

    pub(super) fn get(&self, source: PeerId) -> Option<&Linked> {
        self.linked.get(&source)
    }

    /// Whom it is linked to.
    pub(super) fn linked(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.linked.keys().copied()
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
