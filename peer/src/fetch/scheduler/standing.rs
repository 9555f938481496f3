//! What the scheduler knows about one source: what it holds, how much it may be asked, whether it is trusted.

use std::time::Duration;

use shared::model::{FragmentIndex, FragmentSet, Timestamp};

/// The first wait after a failure; long enough that a busy source has served something meanwhile.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// No wait is longer: a source that has recovered is used again after this time at the latest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What one lost race weighs, in failures.
const OUTRUN_STRIKES: u32 = 3;

/// Requests that a source about which nothing is known yet is given: one to serve, one to follow at once.
const FIRST_WINDOW: u32 = 2;

/// A peer that gets nothing for so long has what it wanted, or cannot get it: nothing is left to it any more.
const MEMBER_PATIENCE: Duration = Duration::from_secs(10);

/// What a peer has asked for is left to it for as long as it gets something now and then; this is several times what a
/// fragment takes on a slow line.
const CLAIM_PATIENCE: Duration = Duration::from_secs(3);

/// One source's standing. It outlives the source's absence, so that coming back wipes nothing out.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// What it holds; nothing while it is away.
    pub(super) held: FragmentSet,
    /// What it holds, and what is coming to it.
    pub(super) offered: FragmentSet,
    /// What it has asked for.
    claimed: FragmentSet,
    /// When it last had more than before; none: it is not fetching, as far as we know.
    gained_at: Option<Timestamp>,
    /// Whether it has said what it holds since it joined.
    has_spoken: bool,
    /// Whether it can be asked at all.
    pub(super) is_present: bool,
    /// Whether it is in our zone.
    pub(super) is_near: bool,
    /// Whether it sent bytes that did not match their hash; never forgiven in this job.
    pub(super) is_banned: bool,
    /// Requests that it is serving.
    pub(super) in_flight: u32,
    /// Requests that it may serve at once: grows with success, falls to 1 with failure.
    window: u32,
    /// Failures since the last success.
    strikes: u32,
    /// Nothing is asked of it before.
    ready_at: Timestamp,
}

impl Standing {
    /// A source of which nothing is known.
    pub(super) fn new(count: u32, widest: u32) -> Self {
        Self {
            held: FragmentSet::empty(count),
            offered: FragmentSet::empty(count),
            claimed: FragmentSet::empty(count),
            gained_at: None,
            has_spoken: false,
            is_present: false,
            is_near: false,
            is_banned: false,
            in_flight: 0,
            window: FIRST_WINDOW.min(widest),
            strikes: 0,
            ready_at: Timestamp::default(),
        }
    }

    /// Whether it is fetching the content too, and passes on what it gets. Others only have what they have: *seeders*.
    pub(super) const fn is_member(&self) -> bool {
        self.gained_at.is_some()
    }

    /// It says what it holds and what is coming to it.
    pub(super) fn says(&mut self, now: Timestamp, held: FragmentSet, coming: &FragmentSet) {
        let begins = !self.has_spoken && held.is_empty();
        let gains = self.has_spoken && !held.is_subset(&self.held);
        if held.is_full() {
            self.gained_at = None;
        } else if begins || gains || !coming.is_empty() {
            self.gained_at = Some(now);
        }
        self.offered = held.clone();
        self.offered.union_with(coming);
        self.held = held;
        self.has_spoken = true;
    }

    /// Nothing is expected of it any more.
    pub(super) fn is_gone(&mut self) {
        let none = FragmentSet::empty(self.held.capacity());
        (self.held, self.offered, self.claimed) = (none.clone(), none.clone(), none);
        (self.gained_at, self.has_spoken) = (None, false);
    }

    /// It does not have the fragment, whatever it said.
    pub(super) fn lacks(&mut self, fragment: FragmentIndex) {
        self.held.remove(fragment);
        self.offered.remove(fragment);
        self.claimed.remove(fragment);
    }

    /// It says what it has asked for.
    pub(super) fn claims(&mut self, fragments: FragmentSet) {
        self.claimed = fragments;
    }

    /// Whether it claims something but has not got anything for a while.
    pub(super) fn claims_in_vain(&self, now: Timestamp) -> bool {
        !self.claimed.is_empty()
            && self
                .gained_at
                .is_none_or(|gained| now.since(gained) >= CLAIM_PATIENCE)
    }

    /// What is in the swarm because of it: what it offers, and what it has asked for.
    pub(super) fn brings(&self) -> FragmentSet {
        let mut brings = self.offered.clone();
        brings.union_with(&self.claimed);
        brings
    }

    /// A member that has not got anything for long is none.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.gained_at
            .is_some_and(|gained| now.since(gained) >= MEMBER_PATIENCE)
    }

    /// It gets nothing any more: its claims are void, and if that has lasted it is no member.
    pub(super) fn rests(&mut self, now: Timestamp) {
        self.claimed = FragmentSet::empty(self.held.capacity());
        if self.is_idle(now) {
            self.gained_at = None;
        }
    }

    /// Whether one more request may be given to it now.
    pub(super) fn is_open(&self, now: Timestamp, widest: u32) -> bool {
        self.is_usable() && self.in_flight < self.window.min(widest) && !self.is_waiting(now)
    }

    /// Whether requests may be given to it, now or later.
    pub(super) const fn is_usable(&self) -> bool {
        self.is_present && !self.is_banned
    }

    /// Whether it is being left alone after a failure.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        now < self.ready_at
    }

    /// How much of what it may serve it is serving, in thousandths.
    pub(super) const fn load(&self) -> u32 {
        self.in_flight * 1000 / self.window
    }

    /// It served a request.
    pub(super) fn succeeded(&mut self, widest: u32) {
        self.strikes = 0;
        self.window = (self.window + 1).min(widest);
    }

    /// It did not serve a request: it is asked less, and not again before a wait that doubles with every failure in
    /// a row; requests that fail together count as one. `jitter`, from 0.5 to 1, keeps fetchers from coming back all at
    /// once.
    pub(super) fn failed(&mut self, now: Timestamp, jitter: f64) {
        self.window = 1;
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

    /// Another source was faster with the same fragment, although it was asked much later: it is asked less, and each
    /// time that happens it is left alone for longer.
    pub(super) fn outrun(&mut self, now: Timestamp, jitter: f64) {
        self.strikes = self.strikes.max(OUTRUN_STRIKES);
        self.failed(now, jitter);
    }

    /// It is left alone for so long, but not for longer than after failures.
    pub(super) fn rest(&mut self, now: Timestamp, rest: Duration) {
        self.ready_at = self.ready_at.max(now.after(rest.min(LONGEST_WAIT)));
    }
}
