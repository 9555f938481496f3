//! Pins of users, and the check that no revision gets lost that someone was told is pinned.

use std::collections::BTreeMap;

use rand::RngExt as _;
use shared::model::{ContentId, ContentRef, Name, NamedRevision, PinCount, PinWish, Revision};
use tracker::state::State;

use super::calls::{ATTEMPTS, Answered, Outcome, Purpose, Question};
use super::peer::PeerNumber;
use super::world::World;

/// A wish's place in the oracle.
pub(super) type WishId = usize;

/// Wishes to pin, and the answers.
#[derive(Debug, Default)]
pub(super) struct Pins {
    wishes: Vec<PinWish>,
    /// The largest count of each revision that anyone was told, and the revision's content.
    pub(super) told: PinCounts,
}

/// Counts by revision, with the content.
pub(super) type PinCounts = BTreeMap<(Name, Revision), (PinCount, ContentId)>;

impl Pins {
    /// Whether a wish may have changed the count since it was told.
    fn may_have_changed(&self, what: &NamedRevision, told: PinCount) -> bool {
        let changes = |wish: &&PinWish| {
            wish.what == *what
                && wish.is_pinned != told.is_pinned()
                && wish.expected.is_none_or(|seen| seen == told)
        };
        self.wishes.iter().any(|wish| changes(&wish))
    }

    /// Returns what is wrong with a state in which everything is durable.
    fn complaint(&self, state: &State) -> Option<String> {
        self.told.iter().find_map(|((name, revision), (told, content))| {
            let what = NamedRevision {
                name: name.clone(),
                revision: *revision,
            };
            if !told.is_pinned() || self.may_have_changed(&what, *told) {
                return None;
            }
            let known = state.revisions(name).ok()?;
            let count = known
                .iter()
                .find(|entry| entry.revision == *revision)
                .map(|entry| entry.pins);
            if count != Some(*told) {
                return Some(format!(
                    "{what} was pinned ({told:?}), and its count is {count:?} now"
                ));
            }
            let reference: ContentRef = what.to_string().parse().ok()?;
            let found = state.resolve(&reference).map(|(binding, _)| binding.content);
            (found != Ok(*content)).then(|| format!("{what} is pinned, and is {found:?} now"))
        })
    }
}

impl World {
    /// Returns a revision of the name that someone was told; at times one that does not exist.
    pub(super) fn any_revision(&mut self, name: &Name) -> NamedRevision {
        let newest = self.oracle.newest.get(name).map_or(0, |(newest, _)| newest.get());
        let back = self.rng.random_range(0..4);
        NamedRevision {
            name: name.clone(),
            revision: Revision::new(newest.saturating_sub(back).max(1)),
        }
    }

    /// Pins or unpins a revision, expecting the count that was seen or any.
    pub(super) fn pin(&mut self, number: PeerNumber, name: &Name) {
        let (what, is_pinned) = (self.any_revision(name), self.rng.random_bool(0.6));
        let seen = self.oracle.pins.told.get(&(what.name.clone(), what.revision));
        let seen = seen.map(|(count, _)| *count).unwrap_or_default();
        let (expected, attempts) = match self.rng.random_range(0..3) {
            0 => (None, 1),
            _ => (Some(seen), ATTEMPTS),
        };
        let wish = PinWish {
            what,
            is_pinned,
            expected,
        };
        self.say(format_args!("wish {}: {wish:?}", self.oracle.pins.wishes.len()));
        self.oracle.pins.wishes.push(wish.clone());
        let id = self.oracle.pins.wishes.len() - 1;
        self.call(number, Question::Pin(Box::new(wish)), Purpose::Pin(id), attempts);
    }

    pub(super) fn pin_answered(&mut self, id: WishId, outcome: &Outcome) {
        let Ok(Answered::Pinned(entry)) = outcome else {
            return;
        };
        let wish = self.oracle.pins.wishes[id].clone();
        let NamedRevision { name, revision } = wish.what;
        let Some(bound) = entry.bound.filter(|_| entry.revision == revision) else {
            return self.violated(format_args!("{name}@{revision} was pinned as {entry:?}"));
        };
        if entry.pins.is_pinned() != wish.is_pinned {
            self.violated(format_args!(
                "{name}@{revision} is not as it was asked for: {entry:?}"
            ));
        }
        self.observed(&name, revision, Some(bound.content));
        let fresh = (entry.pins, bound.content);
        let told = self.oracle.pins.told.entry((name, revision)).or_insert(fresh);
        *told = (*told).max(fresh);
        self.check_pins();
    }

    /// Checks that the durable state has every pin that anyone was told (3), unless someone unpins it.
    pub(super) fn check_pins(&mut self) {
        let complaint = self
            .tracker
            .settled()
            .and_then(|state| self.oracle.pins.complaint(state));
        if let Some(complaint) = complaint {
            self.violated(format_args!("{complaint}"));
        }
    }
}
