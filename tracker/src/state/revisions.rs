//! The past of names: how it is looked at, pinned, and how it ages.
//!
//! A superseded revision keeps its contents at their target for a grace time, so that who began to read it can finish
//! and who replaced it by mistake can go back; then it is let go. A pin keeps it until it is unpinned. A removal lets
//! everything of the name go that is not pinned. Removed names are forgotten in the end: see the floor in
//! [`catalogue`](super::catalogue).

use shared::model::{
    Binding, ContentRef, Name, NamedRevision, PinCount, PinWish, Revision, RevisionEntry, RevisionLimit,
    RevisionState, Timestamp,
};

use super::command::Rejection;
use super::line::{Bound, Hold, Line, Revised};
use super::record::{Fact, LineFact};
use super::{Outcome, State};

/// No more revisions of one name are pinned: with those that are kept anyway, as many as an answer lists.
pub(super) const MAX_PINS: usize = 64;

/// Names looked at in one tick to see whether their past is over: a million in four minutes.
const AGE_LIMIT: usize = 1024;

/// Contents let go in one tick: some milliseconds, but at least one revision, however large its collection.
const AGE_WORK: usize = 1 << 14;

impl State {
    /// How many revisions of every name are remembered from now on.
    pub(super) fn keep_revisions(&mut self, now: Timestamp, limit: RevisionLimit, out: &mut Outcome) {
        if self.catalogue.limit() != limit {
            let settled = self.commit(now, Fact::Line(LineFact::RevisionsKept(limit)), out);
            self.let_go(now, settled);
        }
    }

    /// Pins or unpins a revision. Who has seen its count is refused when somebody else has changed it since.
    pub(super) fn pin(
        &mut self,
        now: Timestamp,
        wish: PinWish,
        out: &mut Outcome,
    ) -> Result<RevisionEntry, Rejection> {
        let NamedRevision { name, revision } = wish.what;
        let line = self.line(&name)?;
        let found = line.get(revision).and_then(|one| one.bound.as_deref());
        let bound = found.ok_or_else(|| self.missing(&name, line, revision))?;
        let pins = bound.pins;
        let is_done = pins.is_pinned() == wish.is_pinned;
        // The first answer to a retry may have got lost.
        let is_expected = |seen: PinCount| seen == pins || is_done && seen.next() == pins;
        if !wish.expected.is_none_or(is_expected) {
            return Err(Rejection::PinnedOtherwise {
                what: NamedRevision { name, revision }.to_string(),
                is_pinned: pins.is_pinned(),
            });
        }
        if !is_done {
            if wish.is_pinned && !self.catalogue.is_there(line, bound) {
                return Err(self.missing(&name, line, revision));
            }
            if wish.is_pinned && line.pinned().count() >= MAX_PINS {
                return Err(Rejection::TooManyPins {
                    name: name.as_str().to_owned(),
                    most: MAX_PINS,
                });
            }
            let fact = LineFact::PinChanged {
                name: name.clone(),
                revision,
                pins: pins.next(),
            };
            let settled = self.commit(now, Fact::Line(fact), out);
            self.let_go(now, settled);
        }
        let line = self.line(&name)?;
        let revised = line.get(revision);
        let revised = revised.ok_or_else(|| self.missing(&name, line, revision))?;
        Ok(self.entry(line, revised))
    }

    /// What is remembered of a name, the newest revision first.
    ///
    /// # Errors
    /// [`Rejection::NoSuchName`], when nothing is.
    pub fn revisions(&self, name: &Name) -> Result<Vec<RevisionEntry>, Rejection> {
        let line = self.line(name)?;
        let all = line.revisions().iter().rev();
        Ok(all.map(|revised| self.entry(line, revised)).collect())
    }

    /// What a name means: what it is bound to, or, if it was never a name, the revision that it reads as.
    pub(super) fn named(&self, name: &Name) -> Result<Binding, Rejection> {
        if let Some(bound) = self.catalogue.binding(name) {
            return Ok(bound);
        }
        // A name that was removed does not turn into a revision of another one.
        let is_name = self.catalogue.line(name).is_some();
        let within = NamedRevision::within(name).filter(|_| !is_name);
        match within.and_then(|within| Some((self.catalogue.line(&within.name)?, within))) {
            Some((line, NamedRevision { name, revision })) => self
                .catalogue
                .binding_at(&name, revision)
                .ok_or_else(|| self.missing(&name, line, revision)),
            None => Err(Rejection::NoSuchName(name.as_str().to_owned())),
        }
    }

    /// Lets go of what was kept for long enough, and forgets names that were removed long ago. Some names at a time.
    pub(super) fn age(&mut self, now: Timestamp, out: &mut Outcome) {
        // What was lost with a part of the history may be among what is kept.
        if self.history.gap().is_some() {
            return;
        }
        let (mut over, mut forgotten, mut work, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        let mut last = None;
        for (name, line) in self.catalogue.lines_after(self.aged.as_ref()).take(AGE_LIMIT) {
            (last, seen) = (Some(name), seen + 1);
            for (revised, bound) in line.holding() {
                if self.is_over(now, bound) {
                    work += bound.contents().count();
                    over.push((name.clone(), revised.revision));
                }
            }
            let is_old = |at| now.since(at) >= self.timing.forget_names;
            if line.removed_at().is_some_and(is_old) && line.holding().next().is_none() {
                forgotten.push(name.clone());
            }
            if work >= AGE_WORK {
                break;
            }
        }
        let is_end = seen < AGE_LIMIT && work < AGE_WORK;
        self.aged = last.cloned().filter(|_| !is_end);
        for (name, revision) in over {
            let settled = self.commit(now, Fact::Line(LineFact::Collected { name, revision }), out);
            self.let_go(now, settled);
        }
        for name in forgotten {
            // It kept nothing.
            drop(self.commit(now, Fact::Line(LineFact::NameForgotten(name)), out));
        }
    }

    fn is_over(&self, now: Timestamp, bound: &Bound) -> bool {
        let is_late = |since| now.since(since) >= self.timing.history_grace;
        !bound.pins.is_pinned() && matches!(bound.hold, Hold::Kept { since } if is_late(since))
    }

    fn line(&self, name: &Name) -> Result<&Line, Rejection> {
        let line = self.catalogue.line(name);
        line.ok_or_else(|| Rejection::NoSuchName(name.as_str().to_owned()))
    }

    fn entry(&self, line: &Line, revised: &Revised) -> RevisionEntry {
        let bound = revised.bound.as_deref();
        let there = bound.filter(|bound| self.catalogue.is_there(line, bound));
        let state = match bound {
            None => RevisionState::Removed,
            Some(bound) if bound.hold == Hold::Current => RevisionState::Current,
            Some(bound) if bound.pins.is_pinned() => RevisionState::Pinned,
            Some(_) if there.is_some() => RevisionState::Kept,
            Some(_) => RevisionState::Collected,
        };
        let content = there.and_then(|bound| self.catalogue.content(bound.content));
        RevisionEntry {
            revision: revised.revision,
            at: revised.at,
            state,
            pins: bound.map(|bound| bound.pins).unwrap_or_default(),
            bound: bound.map(Bound::told),
            health: content.map(|content| self.health_with_parts(content)),
        }
    }

    /// Why a revision of a name cannot be had, and which can.
    fn missing(&self, name: &Name, line: &Line, revision: Revision) -> Rejection {
        let first = line
            .revisions()
            .first()
            .map_or(Revision::NONE, |first| first.revision);
        let why = match line.get(revision) {
            Some(one) if one.bound.is_none() => "is the removal of the name",
            Some(_) => "was collected",
            None if revision > line.last() => "is still to come",
            None if revision < first => "is too old to be remembered",
            None => "is not remembered",
        };
        let is_there = |one: &&Revised| {
            let bound = one.bound.as_deref();
            bound.is_some_and(|bound| self.catalogue.is_there(line, bound))
        };
        let there = line.revisions().iter().filter(is_there);
        Rejection::NoSuchRevision {
            name: name.as_str().to_owned(),
            revision,
            why,
            there: in_words(there.map(|one| one.revision.get())),
        }
    }

    /// What a caller means by a name or an id.
    pub(super) fn meant(&self, what: &ContentRef) -> Result<Binding, Rejection> {
        match what {
            ContentRef::Name(name) => self.named(name),
            ContentRef::Id(id) => self
                .catalogue
                .binding_of(*id)
                .ok_or(Rejection::NoSuchContent(*id)),
        }
    }
}

/// `none is here`, `revision 7 is here`, `revisions 2, 4 to 7 are here`.
fn in_words(revisions: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for revision in revisions {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == revision => *last = revision,
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
