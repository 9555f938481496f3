//! Quiescence: when the faults have stopped, everything must soon come to rest as it should be (invariant 7).

use shared::model::{ContentRef, ContentState, PeerState};
use store::FragmentStore as _;

use super::contents;
use super::world::{Event, World};

/// The time between two checks.
const CHECK_EVERY: u64 = 2_000;

/// The time by which all must be well: it covers a peer that works through stalled assignments one after the
/// other.
const LATEST: u64 = 400_000;

impl World {
    pub(super) fn stop_faults(&mut self) {
        self.say(format_args!("the faults stop"));
        self.is_quiescent = true;
        self.cuts.clear();
        self.tracker.journal.disk().is_failing = false;
        for number in 0..self.peers.len() {
            self.peers[number].is_disk_broken = false;
            self.plan(1, Event::PeerStarts(number));
            // Rot that nobody has noticed would go on hiding: `peer verify` finds it.
            for (content, index) in self.peers[number].rotten.clone() {
                self.verify(number, content, index);
            }
        }
        self.plan(1, Event::TrackerStarts);
        self.plan(CHECK_EVERY, Event::ChecksQuiescence);
    }

    pub(super) fn check_quiescence(&mut self) {
        if self.accept_loss() || self.end_duties() {
            return self.plan(CHECK_EVERY, Event::ChecksQuiescence);
        }
        match self.complaint() {
            None => {
                self.say(format_args!("all is well"));
                self.is_over = true;
                self.check_linearizability();
            }
            Some(complaint) if self.now > self.profile.faults_stop + LATEST => {
                self.violated(format_args!(
                    "{} s after the faults have stopped: {complaint}",
                    LATEST / 1000
                ));
            }
            Some(_) => self.plan(CHECK_EVERY, Event::ChecksQuiescence),
        }
    }

    /// Returns something that is not as it should be.
    fn complaint(&mut self) -> Option<String> {
        let Some(state) = self.tracker.settled() else {
            return Some("the tracker is away or busy".to_owned());
        };
        if let Some(number) = self.oracle.revocations.pending() {
            return Some(format!("peer {number} is to be revoked and to join again"));
        }
        let status = state.status();
        let up = self.peers.iter().filter(|peer| peer.is_up);
        if let Some(peer) = up.clone().find(|peer| !peer.is_connected()) {
            return Some(format!("peer {} is not connected", peer.id));
        }
        if status.is_in_safe_mode || status.live_peers != up.clone().count() || status.suspect_peers > 0 {
            return Some(format!("peers are not all known: {status:?}"));
        }
        if status.assignments > 0 {
            return Some(format!("{} assignments are under way", status.assignments));
        }
        if let Some(peer) = up.clone().find(|peer| !peer.is_idle()) {
            return Some(format!("peer {} has something to do", peer.id));
        }
        let pending = up
            .clone()
            .flat_map(|peer| peer.outbox.values())
            .find(|publication| publication.is_pending());
        if let Some(publication) = pending {
            return Some(format!("{} is still to be published", publication.name));
        }
        contents::pool()
            .iter()
            .find_map(|content| self.complaint_about(content))
    }

    fn complaint_about(&self, content: &contents::Content) -> Option<String> {
        let id = content.manifest.content();
        let state = self.tracker.settled()?;
        let short = id.short();
        let keepers: Vec<_> = self
            .peers
            .iter()
            .filter(|peer| peer.is_up)
            .filter_map(|peer| Some((peer, peer.store.entry(id)?)))
            .filter(|(_, entry)| !entry.held.is_empty())
            .collect();
        let Ok(health) = state.health(id) else {
            let (peer, _) = keepers.first()?;
            return Some(format!("nothing refers to {short}, and {} has it", peer.id));
        };
        let (copies, kept) = self.fewest_copies(id);
        let target = health.target.get();
        if content.manifest.fragment_count() == 0 || copies == 0 {
            // There is nothing to hold, or every copy has been destroyed.
            return None;
        }
        let full = keepers.iter().filter(|(_, entry)| entry.held.is_full()).count();
        let mut rng = self.rng.clone();
        let location = state
            .locate(&ContentRef::Id(id).into(), 64, None, &mut rng)
            .ok()?;
        let live = location
            .holders
            .iter()
            .filter(|holder| holder.peer.state == PeerState::Live)
            .count();
        // Some peers may be full, and a user's own damaged file is not written to.
        let able = self
            .peers
            .iter()
            .filter(|peer| peer.is_up && !peer.is_fake)
            .filter(|peer| {
                let room = peer.store.usage().capacity - peer.store.usage().used;
                let entry = peer.store.entry(id);
                let is_full = entry.as_ref().is_some_and(|entry| entry.held.is_full());
                let is_partial = entry.is_some() && !is_full;
                is_full || (!is_partial && room >= content.manifest.length())
            })
            .count();
        // A collection is as well as the worst of its parts, which are complained about by themselves.
        let is_well = |part: &&contents::Content| {
            let health = state.health(part.manifest.content());
            health.is_ok_and(|health| health.state == ContentState::Replicated)
        };
        let is_whole = contents::parts_of(id).iter().all(is_well);
        if able >= target as usize && is_whole && health.state != ContentState::Replicated {
            return Some(format!(
                "{short} is {} with {kept} of {target} replicas ({able} peers could, {live} are known, {full} have all)",
                health.state
            ));
        }
        // Where no member can look at copies, those of liars are believed, as in networks of earlier
        // versions.
        let is_looked_at = self.can_anybody_check();
        let claimed = self.peers.iter().filter(|peer| peer.is_up && peer.is_fake);
        let claimed = claimed.filter(|_| !is_looked_at).count();
        let claimed = u32::try_from(claimed).unwrap_or(u32::MAX);
        if health.state == ContentState::Replicated && kept.saturating_add(claimed) < target {
            return Some(format!(
                "{short} is said to have {target} replicas and has {kept}"
            ));
        }
        let surplus = keepers
            .iter()
            .filter(|(_, entry)| entry.held.is_full() && entry.roles.assigned && !entry.roles.published)
            .count();
        if surplus > target as usize {
            return Some(format!("{short} has {surplus} assigned replicas of {target}"));
        }
        None
    }
}
