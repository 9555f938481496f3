//! State of one source, as the scheduler knows it: the fragments that it holds, the requests that it may be
//! given, the trust in it.

use std::time::Duration;

use shared::model::{FragmentIndex, FragmentSet, Timestamp};

/// First wait after a failure; long enough that a busy source has served another request meanwhile.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Longest wait: a source that has recovered is used again after this time at the latest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Requests for a source about which nothing is known yet: one to serve, one to follow at once.
const FIRST_WINDOW: u32 = 2;

/// Amount that a corrupt answer adds to the suspicion of a source; a whole fragment takes away 1.
const CORRUPT_ANSWER: u32 = 2;

/// Suspicion at which a source is banned for a while: after three corrupt answers in a row, or when more than
/// a third of its answers are corrupt for long. A wire that damages one answer in eight, far worse than any
/// that TCP runs on, rarely gets there.
const MAX_SUSPICION: u32 = 3 * CORRUPT_ANSWER;

/// Length of the first ban: long enough for the source to check its copy, after it was told, and to withdraw
/// damaged fragments. Each ban is twice as long; one more corrupt answer is enough for it, until the source
/// has served some requests.
const FIRST_BAN: Duration = Duration::from_secs(2);

/// Longest ban: the source may be the only one that has a fragment, behind a bad wire.
const LONGEST_BAN: Duration = Duration::from_secs(60);

/// Time without a gain after which a peer is no member any more: it has what it wanted, or cannot get it.
const MEMBER_PATIENCE: Duration = Duration::from_secs(10);

/// State of one source. It outlives the source's absence, so that coming back wipes nothing out.
#[derive(Debug)]
pub(super) struct SourceState {
    /// Fragments that the source holds; empty while it is away.
    pub(super) held: FragmentSet,
    /// Fragments that the source holds, and those that are coming to it.
    pub(super) offered: FragmentSet,
    /// Fragments that the source has lately handed out to any peer.
    pub(super) handed_out: FragmentSet,
    /// Time at which the source last had more than before; none while it is not fetching, as far as is known.
    gained_at: Option<Timestamp>,
    /// Whether the source has announced its fragments since it joined.
    has_announced: bool,
    /// Whether the source can be asked at all.
    pub(super) is_present: bool,
    /// Whether the source is in this peer's zone.
    pub(super) is_near: bool,
    /// Whether the source sent corrupt bytes too often, and has not joined since.
    pub(super) is_banned: bool,
    /// Time before which the source should not join.
    banned_until: Timestamp,
    /// Number of bans.
    bans: u32,
    /// Measure of the corrupt answers of late.
    suspicion: u32,
    /// Requests that the source is serving.
    pub(super) in_flight: u32,
    /// Requests that the source may serve at once: grows with success, falls to 1 with failure.
    window: u32,
    /// Failures since the last success.
    strikes: u32,
    /// Time before which the source is not asked.
    ready_at: Timestamp,
    /// Whether the source is left alone because it was busy.
    was_busy: bool,
    /// Whether the source says that it serves as many requests as it can.
    is_full: bool,
    /// Time that the source takes for a whole fragment, smoothed.
    usual: Option<Duration>,
}

/// Fragments that a source announces, and whether it is a member of the swarm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced<'a> {
    is_member: bool,
    held: &'a FragmentSet,
    offered: &'a FragmentSet,
    handed_out: &'a FragmentSet,
}

impl<'a> Announced<'a> {
    pub(super) fn offered_by_member(&self) -> Option<&'a FragmentSet> {
        self.is_member.then_some(self.offered)
    }

    pub(super) fn held_by_member(&self) -> Option<&'a FragmentSet> {
        self.is_member.then_some(self.held)
    }

    pub(super) fn handed_out_by_seeder(&self) -> Option<&'a FragmentSet> {
        (!self.is_member).then_some(self.handed_out)
    }

    pub(super) fn held_by_seeder(&self) -> Option<&'a FragmentSet> {
        (!self.is_member).then_some(self.held)
    }
}

/// Sets that a change has replaced; an absent set is unchanged.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    held: Option<FragmentSet>,
    offered: Option<FragmentSet>,
    handed_out: Option<FragmentSet>,
}

impl SourceState {
    /// Starts with a source of which nothing is known.
    pub(super) fn new(count: u32, widest: u32) -> Self {
        Self {
            held: FragmentSet::empty(count),
            offered: FragmentSet::empty(count),
            handed_out: FragmentSet::empty(count),
            gained_at: None,
            has_announced: false,
            is_present: false,
            is_near: false,
            is_banned: false,
            banned_until: Timestamp::default(),
            bans: 0,
            suspicion: 0,
            in_flight: 0,
            window: FIRST_WINDOW.min(widest),
            strikes: 0,
            ready_at: Timestamp::default(),
            was_busy: false,
            is_full: false,
            usual: None,
        }
    }

    /// Returns what the source announces now.
    pub(super) const fn announced(&self) -> Announced<'_> {
        Announced {
            is_member: self.is_member(),
            held: &self.held,
            offered: &self.offered,
            handed_out: &self.handed_out,
        }
    }

    /// Returns what the source announced before a change that replaced these sets.
    pub(super) fn announced_before<'a>(&'a self, was_member: bool, replaced: &'a Replaced) -> Announced<'a> {
        Announced {
            is_member: was_member,
            held: replaced.held.as_ref().unwrap_or(&self.held),
            offered: replaced.offered.as_ref().unwrap_or(&self.offered),
            handed_out: replaced.handed_out.as_ref().unwrap_or(&self.handed_out),
        }
    }

    /// Whether the source is fetching the content too, and passes on what it gets. The others are *seeders*.
    pub(super) const fn is_member(&self) -> bool {
        self.gained_at.is_some()
    }

    /// Whether the source holds fragments, and no more come to it.
    pub(super) fn is_seeder(&self) -> bool {
        !self.is_member() && !self.held.is_empty()
    }

    /// Notes that the source can be asked, perhaps again.
    pub(super) const fn join(&mut self, is_near: bool) {
        (self.is_present, self.is_near) = (true, is_near);
        self.is_banned = false;
    }

    /// Whether the source is banned, for some time yet.
    pub(super) fn is_out(&self, now: Timestamp) -> bool {
        self.is_banned && now < self.banned_until
    }

    /// Takes in the fragments that the source holds and those that are coming to it.
    pub(super) fn announce(&mut self, now: Timestamp, held: FragmentSet, coming: &FragmentSet) -> Replaced {
        let begins = !self.has_announced && held.is_empty();
        let gains = self.has_announced && !held.is_subset(&self.held);
        if held.is_full() {
            self.gained_at = None;
        } else if begins || gains || !coming.is_empty() {
            self.gained_at = Some(now);
        }
        let mut offered = held.clone();
        offered.union_with(coming);
        self.has_announced = true;
        Replaced {
            offered: Some(std::mem::replace(&mut self.offered, offered)),
            held: Some(std::mem::replace(&mut self.held, held)),
            handed_out: None,
        }
    }

    /// Forgets the fragments of a source of which nothing is expected any more.
    pub(super) fn clear(&mut self) -> Replaced {
        let none = || FragmentSet::empty(self.held.capacity());
        let (held, offered, handed_out) = (none(), none(), none());
        (self.gained_at, self.has_announced, self.is_full) = (None, false, false);
        Replaced {
            held: Some(std::mem::replace(&mut self.held, held)),
            offered: Some(std::mem::replace(&mut self.offered, offered)),
            handed_out: Some(std::mem::replace(&mut self.handed_out, handed_out)),
        }
    }

    /// Notes that the source does not have the fragment, whatever it announced.
    pub(super) fn lacks(&mut self, fragment: FragmentIndex) -> Replaced {
        let (held, offered) = (self.held.clone(), self.offered.clone());
        self.held.remove(fragment);
        self.offered.remove(fragment);
        Replaced {
            held: Some(held),
            offered: Some(offered),
            handed_out: None,
        }
    }

    /// Notes that the source has handed the fragment out.
    pub(super) fn has_handed_out(&mut self, fragment: FragmentIndex) -> Replaced {
        let before = self.handed_out.clone();
        self.handed_out.insert(fragment);
        Replaced {
            handed_out: Some(before),
            ..Replaced::default()
        }
    }

    /// Takes in the fragments that the source has handed out, and whether it can serve no more at once.
    pub(super) fn serves(&mut self, handed_out: FragmentSet, is_full: bool) -> Replaced {
        self.is_full = is_full;
        if !is_full && std::mem::take(&mut self.was_busy) {
            (self.ready_at, self.strikes) = (Timestamp::default(), 0);
        }
        Replaced {
            handed_out: Some(std::mem::replace(&mut self.handed_out, handed_out)),
            ..Replaced::default()
        }
    }

    /// Whether the source is a member that has gained nothing for long.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.gained_at
            .is_some_and(|gained| now.since(gained) >= MEMBER_PATIENCE)
    }

    /// Notes that the source is no member any more.
    pub(super) fn leave_swarm(&mut self) -> Replaced {
        self.gained_at = None;
        Replaced::default()
    }

    /// Whether the source may be given one more request now.
    pub(super) fn is_open(&self, now: Timestamp, widest: u32) -> bool {
        self.is_usable() && !self.is_full && self.in_flight < self.window.min(widest) && !self.is_waiting(now)
    }

    /// Whether the source may be given requests, now or later.
    pub(super) const fn is_usable(&self) -> bool {
        self.is_present && !self.is_banned
    }

    /// Whether the source is being left alone after a failure.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        now < self.ready_at
    }

    /// Ratio of the requests that the source is serving to those that it may serve, in thousandths.
    pub(super) const fn load(&self) -> u32 {
        self.in_flight * 1000 / self.window
    }

    /// Takes in that the source sent corrupt bytes; returns whether it is banned.
    pub(super) fn sent_corrupt(&mut self, now: Timestamp) -> bool {
        self.suspicion += CORRUPT_ANSWER;
        if self.suspicion >= MAX_SUSPICION {
            self.is_banned = true;
            self.banned_until = now.after(FIRST_BAN.saturating_mul(1 << self.bans.min(16)).min(LONGEST_BAN));
            self.bans += 1;
            self.suspicion = MAX_SUSPICION - CORRUPT_ANSWER;
        }
        self.is_banned
    }

    /// Notes that the source served a request.
    pub(super) fn succeeded(&mut self, widest: u32) {
        self.suspicion = self.suspicion.saturating_sub(1);
        self.strikes = 0;
        self.window = (self.window + 1).min(widest);
    }

    /// Time that the source takes for a whole fragment, if one has come from it.
    pub(super) const fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// Takes in the time that a whole fragment took.
    pub(super) fn served_in(&mut self, took: Duration) {
        self.usual = Some(self.usual.map_or(took, |usual| (usual + took) / 2));
    }

    /// Takes in a failure: the source is given fewer requests, and none before a wait that doubles with every
    /// failure in a row; requests that fail together count as one. `jitter`, from 0.5 to 1, keeps fetchers
    /// from coming back all at once.
    pub(super) fn failed(&mut self, now: Timestamp, jitter: f64) {
        self.window = 1;
        self.was_busy = false;
        self.back_off(now, jitter);
    }

    /// Takes in that the source was busy: it is not asked before it says that it has room, or, in case it
    /// says nothing, before a wait like that after a failure.
    pub(super) fn refused(&mut self, now: Timestamp, jitter: f64) {
        self.was_busy = true;
        self.back_off(now, jitter);
    }

    fn back_off(&mut self, now: Timestamp, jitter: f64) {
        if !self.is_waiting(now) {
            let doublings = self.strikes.min(16);
            self.strikes += 1;
            let wait = FIRST_WAIT
                .saturating_mul(1 << doublings)
                .min(LONGEST_WAIT)
                .mul_f64(jitter);
            self.ready_at = now.after(wait);
        }
    }

    /// Leaves the source alone for a while, but not for longer than after failures.
    pub(super) fn rest(&mut self, now: Timestamp, rest: Duration) {
        self.ready_at = self.ready_at.max(now.after(rest.min(LONGEST_WAIT)));
    }
}
