//! Past revisions of names: lookups, pins, and ageing.
//!
//! A superseded revision keeps its contents at their target for a grace time, so that a reader that has begun
//! can finish and a user who replaced it by mistake can go back; then it is collected. A pin keeps it until
//! it is unpinned. A removal collects every revision of the name that is not pinned. Removed names are
//! forgotten in the end: see the floor in [`Names`].

use shared::model::{
    Binding, ContentId, ContentRef, Name, NamedRevision, PinCount, PinWish, Revision, RevisionLimit,
    Timestamp,
};

use super::{Bound, Hold, NameHistory, Names, Revised};
use crate::state::command::Rejection;
use crate::state::record::{Fact, NameFact};
use crate::timing::Timing;

/// Limit of pinned revisions of one name: with those that are kept anyway, as many as an answer lists.
pub(super) const MAX_PINS: usize = 64;

/// Names looked at in one tick to see whether their past is over: a million in four minutes.
const AGE_LIMIT: usize = 1024;

/// Contents collected in one tick: some milliseconds, but at least one revision, however large its
/// collection.
const AGE_WORK: usize = 1 << 14;

impl Names {
    /// Returns the fact that changes how many revisions are remembered; none when the limit is the same.
    pub(crate) fn keep_revisions(&self, limit: RevisionLimit) -> Option<Fact> {
        (self.limit != limit).then_some(Fact::Name(NameFact::RevisionsKept(limit)))
    }

    /// Returns the fact that pins or unpins a revision; none when it is so already. One that was collected
    /// can be neither. A caller that has seen the pin count is refused when another caller has changed it
    /// since.
    pub(crate) fn pin(&self, wish: &PinWish) -> Result<Option<Fact>, Rejection> {
        let NamedRevision { name, revision } = wish.what.clone();
        let history = self.known(&name)?;
        let found = history.get(revision).and_then(Revised::bound);
        let bound = found.ok_or_else(|| self.missing(&name, history, revision))?;
        let pins = bound.pins;
        let is_done = pins.is_pinned() == wish.is_pinned;
        // The first answer to a retry may have got lost.
        let is_expected = |seen: PinCount| seen == pins || is_done && seen.next() == Some(pins);
        if !wish.expected.is_none_or(is_expected) {
            return Err(Rejection::PinnedOtherwise {
                what: NamedRevision { name, revision }.to_string(),
                is_pinned: pins.is_pinned(),
            });
        }
        // The unpinning of one that is gone has an effect only where it repeats an earlier one.
        let is_repeated = is_done && wish.expected.is_some_and(|seen| seen != pins);
        if is_done && !wish.is_pinned && !is_repeated && !self.is_there(history, bound) {
            return Err(self.missing(&name, history, revision));
        }
        if is_done {
            return Ok(None);
        }
        if wish.is_pinned && !self.is_there(history, bound) {
            return Err(self.missing(&name, history, revision));
        }
        if wish.is_pinned && history.pinned().count() >= MAX_PINS {
            return Err(Rejection::TooManyPins {
                name: name.as_str().to_owned(),
                most: MAX_PINS,
            });
        }
        match pins.next() {
            Some(pins) => Ok(Some(Fact::Name(NameFact::PinChanged { name, revision, pins }))),
            None => Err(Rejection::PinsUsedUp(
                NamedRevision { name, revision }.to_string(),
            )),
        }
    }

    /// Returns the history of a name, or the rejection that there is none.
    pub(crate) fn known(&self, name: &Name) -> Result<&NameHistory, Rejection> {
        let history = self.history(name);
        history.ok_or_else(|| self.no_such_name(&ContentRef::Name(name.clone())))
    }

    /// Returns the binding that a name means: its own or, if it was never a name, the revision that it reads
    /// as.
    fn named(&self, name: &Name) -> Result<Binding, Rejection> {
        if let Some(bound) = self.binding(name) {
            return Ok(bound);
        }
        // A name that was removed does not turn into a revision of another one.
        let is_name = self.history(name).is_some();
        let within = NamedRevision::within(name).filter(|_| !is_name);
        match within.and_then(|within| Some((self.history(&within.name)?, within))) {
            Some((history, NamedRevision { name, revision })) => self
                .binding_at(&name, revision)
                .ok_or_else(|| self.missing(&name, history, revision)),
            None => Err(self.no_such_name(&ContentRef::Name(name.clone()))),
        }
    }

    /// Returns the rejection of a name that is not bound; it tells when the name is a path in a collection.
    pub(crate) fn no_such_name(&self, what: &ContentRef) -> Rejection {
        let collection = what.splits().find_map(|(around, _)| match around {
            ContentRef::Name(name) => self.binding(&name)?.collection.map(|_| name),
            ContentRef::Id(_) | ContentRef::Inside(_) => None,
        });
        match collection {
            Some(collection) => Rejection::InCollection {
                path: what.to_string(),
                collection: collection.to_string(),
            },
            None => Rejection::NoSuchName(what.to_string()),
        }
    }

    /// Returns facts that collect revisions whose grace time is over and forget names that were removed long
    /// ago, for some names at a time.
    pub(crate) fn age(&mut self, now: Timestamp, timing: &Timing) -> Vec<Fact> {
        let (mut over, mut forgotten, mut work, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        let mut last = None;
        for (name, history) in self.histories_after(self.aged.as_ref()).take(AGE_LIMIT) {
            (last, seen) = (Some(name), seen + 1);
            for (revised, bound) in history.holding() {
                if is_over(now, timing, bound) {
                    work += bound.contents().count();
                    let (name, revision) = (name.clone(), revised.revision);
                    over.push(Fact::Name(NameFact::Collected { name, revision }));
                }
            }
            let is_old = |at| now.since(at) >= timing.forget_names;
            if history.removed_at().is_some_and(is_old) && history.holding().next().is_none() {
                forgotten.push(Fact::Name(NameFact::NameForgotten(name.clone())));
            }
            if work >= AGE_WORK {
                break;
            }
        }
        let is_end = seen < AGE_LIMIT && work < AGE_WORK;
        self.aged = last.cloned().filter(|_| !is_end);
        over.extend(forgotten);
        over
    }

    /// Returns the rejection for a revision that is not available; it says why, and which revisions are.
    pub(crate) fn missing(&self, name: &Name, history: &NameHistory, revision: Revision) -> Rejection {
        let first = history
            .revisions()
            .first()
            .map_or(Revision::NONE, |first| first.revision);
        let why = match history.get(revision) {
            Some(one) if one.bound.is_none() => "is the removal of the name",
            Some(_) => "was collected",
            None if revision > history.last() => "is still to come",
            None if revision < first => "is too old to be remembered",
            None => "is not remembered",
        };
        let is_there = |one: &&Revised| one.bound().is_some_and(|bound| self.is_there(history, bound));
        let there = history.revisions().iter().filter(is_there);
        Rejection::NoSuchRevision {
            name: name.as_str().to_owned(),
            revision,
            why,
            there: in_words(there.map(|one| one.revision.get())),
        }
    }

    /// Returns the content whose id begins with the digits of a name that nothing is bound to; the name
    /// itself otherwise.
    pub(crate) fn spelled_out(&self, what: &ContentRef) -> Result<ContentRef, Rejection> {
        let ContentRef::Name(name) = what else {
            return Ok(what.clone());
        };
        let Some(ids) = ContentId::beginning_with(name.as_str()) else {
            return Ok(what.clone());
        };
        if self.named(name).is_ok() {
            return Ok(what.clone());
        }
        let mut found = self.ids_within(ids);
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => Err(Rejection::AmbiguousId(name.to_string(), one, other)),
            (Some(one), None) => Ok(ContentRef::Id(one)),
            (None, _) => Ok(what.clone()),
        }
    }

    /// Returns the binding that a caller means by a name or an id.
    pub(crate) fn meant(&self, what: &ContentRef) -> Result<Binding, Rejection> {
        match what {
            ContentRef::Name(name) => self.named(name),
            ContentRef::Id(id) => self.binding_of(*id).ok_or(Rejection::NoSuchContent(*id)),
            ContentRef::Inside(_) => Err(self.no_such_name(what)),
        }
    }
}

fn is_over(now: Timestamp, timing: &Timing, bound: &Bound) -> bool {
    let is_late = |since| now.since(since) >= timing.history_grace;
    !bound.pins.is_pinned() && matches!(bound.hold, Hold::Kept { since } if is_late(since))
}

/// Lists revisions in words: `none is here`, `revision 7 is here`, `revisions 2, 4 to 7 are here`.
fn in_words(revisions: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for revision in revisions {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(revision) => *last = revision,
            _ => runs.push((revision, revision)),
        }
    }
    let run = |(first, last): &(u64, u64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let all: Vec<_> = runs.iter().map(run).collect();
    match runs.as_slice() {
        [] => "none is here".to_owned(),
        [(first, last)] if first == last => format!("revision {first} is here"),
        _ => format!("revisions {} are here", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn revisions_are_told_in_runs() {
        let told = |revisions: &[u64]| in_words(revisions.iter().copied());
        assert_eq!(told(&[]), "none is here");
        assert_eq!(told(&[7]), "revision 7 is here");
        assert_eq!(told(&[1, 3, 4, 6, 7, 8]), "revisions 1, 3, 4, 6 to 8 are here");
    }
}
