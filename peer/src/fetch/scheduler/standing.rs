//! What the scheduler knows about one source: what it holds, how much it may be asked, whether it is trusted.

use std::time::Duration;

use shared::model::{FragmentIndex, FragmentSet, Timestamp};

/// The first wait after a failure; long enough that a busy source has served something meanwhile.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// No wait is longer: a source that has recovered is used again after this time at the latest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Requests that a source about which nothing is known yet is given: one to serve, one to follow at once.
const FIRST_WINDOW: u32 = 2;

/// What an answer with corrupt bytes adds to the doubts about a source; a whole one takes away one.
const LIE: u32 = 2;

/// With so many doubts a source is out for a while: after three lies in a row, or when more than a third of its answers are corrupt
/// for long. A wire that damages one answer in eight, far worse than any that TCP runs on, rarely gets there.
const MOST_DOUBTS: u32 = 3 * LIE;

/// How long a source is out the first time: long enough that it has looked at its copy, of which it was told, and withdrawn what
/// is damaged. It is twice as long each time; one more lie is enough, until it has served some requests.
const FIRST_BAN: Duration = Duration::from_secs(2);

/// It is never out for longer than this: it may be the only one who has something, behind a bad wire.
const LONGEST_BAN: Duration = Duration::from_secs(60);

/// A peer that gets nothing for so long has what it wanted, or cannot get it: nothing is left to it any more.
const MEMBER_PATIENCE: Duration = Duration::from_secs(10);

/// One source's standing. It outlives the source's absence, so that coming back wipes nothing out.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// What it holds; nothing while it is away.
    pub(super) held: FragmentSet,
    /// What it holds, and what is coming to it.
    pub(super) offered: FragmentSet,
    /// What it has lately handed out, to whomever.
    pub(super) handed_out: FragmentSet,
    /// When it last had more than before; none: it is not fetching, as far as we know.
    gained_at: Option<Timestamp>,
    /// Whether it has said what it holds since it joined.
    has_spoken: bool,
    /// Whether it can be asked at all.
    pub(super) is_present: bool,
    /// Whether it is in our zone.
    pub(super) is_near: bool,
    /// Whether it sent bytes that did not match their hash too often, and has not joined since.
    pub(super) is_banned: bool,
    /// It should not join before.
    banned_until: Timestamp,
    /// How often it was out.
    bans: u32,
    /// How little its answers are to be trusted.
    doubts: u32,
    /// Requests that it is serving.
    pub(super) in_flight: u32,
    /// Requests that it may serve at once: grows with success, falls to 1 with failure.
    window: u32,
    /// Failures since the last success.
    strikes: u32,
    /// Nothing is asked of it before.
    ready_at: Timestamp,
    /// Whether that is because it was busy.
    was_busy: bool,
    /// Whether it says that it serves as many as it can.
    is_full: bool,
    /// How long it takes for a whole fragment, smoothed.
    usual: Option<Duration>,
}

impl Standing {
    /// A source of which nothing is known.
    pub(super) fn new(count: u32, widest: u32) -> Self {
        Self {
            held: FragmentSet::empty(count),
            offered: FragmentSet::empty(count),
            handed_out: FragmentSet::empty(count),
            gained_at: None,
            has_spoken: false,
            is_present: false,
            is_near: false,
            is_banned: false,
            banned_until: Timestamp::default(),
            bans: 0,
            doubts: 0,
            in_flight: 0,
            window: FIRST_WINDOW.min(widest),
            strikes: 0,
            ready_at: Timestamp::default(),
            was_busy: false,
            is_full: false,
            usual: None,
        }
    }

    /// Whether it is fetching the content too, and passes on what it gets. Others only have what they have: *seeders*.
    pub(super) const fn is_member(&self) -> bool {
        self.gained_at.is_some()
    }

    /// Whether it has something, and no more comes to it.
    pub(super) fn is_seeder(&self) -> bool {
        !self.is_member() && !self.held.is_empty()
    }

    /// It can be asked, perhaps again.
    pub(super) const fn joins(&mut self, is_near: bool) {
        (self.is_present, self.is_near) = (true, is_near);
        self.is_banned = false;
    }

    /// Whether it is out, and for some time yet.
    pub(super) fn is_out(&self, now: Timestamp) -> bool {
        self.is_banned && now < self.banned_until
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
        (self.held, self.offered, self.handed_out) = (none.clone(), none.clone(), none);
        (self.gained_at, self.has_spoken, self.is_full) = (None, false, false);
    }

    /// It does not have the fragment, whatever it said.
    pub(super) fn lacks(&mut self, fragment: FragmentIndex) {
        self.held.remove(fragment);
        self.offered.remove(fragment);
    }

    /// It says what it has handed out, and whether it can serve more at once.
    pub(super) fn serves(&mut self, handed_out: FragmentSet, is_full: bool) {
        (self.handed_out, self.is_full) = (handed_out, is_full);
        if !is_full && std::mem::take(&mut self.was_busy) {
            (self.ready_at, self.strikes) = (Timestamp::default(), 0);
        }
    }

    /// A member that has not got anything for long is none.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.gained_at
            .is_some_and(|gained| now.since(gained) >= MEMBER_PATIENCE)
    }

    /// It gets nothing any more.
    pub(super) const fn is_no_member(&mut self) {
        self.gained_at = None;
    }

    /// Whether one more request may be given to it now.
    pub(super) fn is_open(&self, now: Timestamp, widest: u32) -> bool {
        self.is_usable() && !self.is_full && self.in_flight < self.window.min(widest) && !self.is_waiting(now)
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

    /// It sent bytes that do not match their hash; whether that was once too often.
    pub(super) fn lied(&mut self, now: Timestamp) -> bool {
        self.doubts += LIE;
        if self.doubts >= MOST_DOUBTS {
            self.is_banned = true;
            self.banned_until = now.after(FIRST_BAN.saturating_mul(1 << self.bans.min(16)).min(LONGEST_BAN));
            self.bans += 1;
            self.doubts = MOST_DOUBTS - LIE;
        }
        self.is_banned
    }

    /// It served a request.
    pub(super) fn succeeded(&mut self, widest: u32) {
        self.doubts = self.doubts.saturating_sub(1);
        self.strikes = 0;
        self.window = (self.window + 1).min(widest);
    }

    /// How long a whole fragment takes with it, if one has come from it.
    pub(super) const fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// A whole fragment took so long.
    pub(super) fn served_in(&mut self, took: Duration) {
        self.usual = Some(self.usual.map_or(took, |usual| (usual + took) / 2));
    }

    /// It did not serve a request: it is asked less, and not again before a wait that doubles with every failure in
    /// a row; requests that fail together count as one. `jitter`, from 0.5 to 1, keeps fetchers from coming back all at
    /// once.
    pub(super) fn failed(&mut self, now: Timestamp, jitter: f64) {
        self.window = 1;
        self.was_busy = false;
        self.waits(now, jitter);
    }

    /// It serves as many others as it can: it is not asked before it says that it has room, or before a wait like that
    /// after a failure, in case it says nothing.
    pub(super) fn refused(&mut self, now: Timestamp, jitter: f64) {
        self.was_busy = true;
        self.waits(now, jitter);
    }

    fn waits(&mut self, now: Timestamp, jitter: f64) {
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

    /// It is left alone for so long, but not for longer than after failures.
    pub(super) fn rest(&mut self, now: Timestamp, rest: Duration) {
        self.ready_at = self.ready_at.max(now.after(rest.min(LONGEST_WAIT)));
    }
}
