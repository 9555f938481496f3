//! The oracle, kept outside the system: operations and their answers, acknowledged replicas, destroyed
//! copies.
//!
//! The oracle learns only what callers learn, and what the history itself has done to disks.

use std::collections::{BTreeMap, BTreeSet};

use shared::ErrorCode;
use shared::model::{ContentId, Epoch, Incarnation, Name, Order, PeerId, Revision};

use super::calls::{Answered, Outcome};
use super::linear::{Interval, MAX_OPERATIONS, is_linearizable};
use super::naming::{Answer, Asked, Exchange, NameState, Naming, Was, Which};
use super::peer::PeerNumber;
use super::pins::Pins;
use super::restoration::Losses;
use super::revocation::Revocations;
use super::world::World;

/// An operation's place in the oracle.
pub(super) type OperationId = usize;

/// A restored journal gives revisions from the next multiple of this on: the contract of `tracker restored`.
const GENERATION: u64 = 1_000_000;

/// Operations on two names: no more than can be checked at once, and in a moment.
const MOST: usize = MAX_OPERATIONS / 4 * 3;

/// Unanswered operations on two names: each may have happened at any time, or never, and doubles the search.
const MOST_UNANSWERED: usize = 12;

/// An operation on a name.
#[derive(Debug)]
struct Operation {
    name: Name,
    asked: Asked,
    from: u64,
    answer: Answer,
    until: Option<u64>,
    /// The operation is known to have had no effect.
    is_void: bool,
    /// Its answer is of the only attempt there was.
    is_single: bool,
    /// The age in which it began.
    age: usize,
    /// The age in which it was answered.
    answered: Option<usize>,
}

/// The time between two restorations of the journal.
#[derive(Debug)]
struct Age {
    /// When it began.
    from: u64,
    /// The states of names then.
    states: BTreeMap<u64, NameState>,
    generation: Revision,
}

/// The replicas that the tracker has acknowledged of a content.
#[derive(Clone, Debug)]
pub(super) struct Acknowledged {
    pub(super) target: u32,
    /// Peers whose copies were destroyed since.
    pub(super) destroyed: BTreeSet<PeerId>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Oracle {
    operations: Vec<Operation>,
    /// The ages after the first one.
    ages: Vec<Age>,
    pub(super) losses: Losses,
    pub(super) revocations: Revocations,
    /// The newest revision of each name that anyone was told of.
    pub(super) newest: BTreeMap<Name, (Revision, Option<ContentId>)>,
    meanings: BTreeMap<(Name, Revision), Option<ContentId>>,
    pub(super) pins: Pins,
    pub(super) acknowledged: BTreeMap<ContentId, Acknowledged>,
    /// Copies that the history has destroyed: belief in them is excused.
    pub(super) destroyed: BTreeSet<(PeerId, ContentId)>,
    /// Holders of copies that were to remain and were not there when an eviction reached a peer.
    pub(super) missing: BTreeMap<(PeerNumber, ContentId), BTreeSet<PeerId>>,
    /// Peers that were drained, and switched off when that was said to be safe.
    pub(super) switched_off: BTreeSet<PeerId>,
    pub(super) epoch: Option<Epoch>,
    pub(super) incarnations: BTreeMap<PeerId, Incarnation>,
    /// Orders of the past, to be delivered again when they are stale.
    pub(super) orders: Vec<(PeerNumber, Order)>,
}

impl Oracle {
    /// Begins an age: the journal was restored, and names have these states now.
    pub(super) fn begin_age(&mut self, from: u64, states: BTreeMap<u64, NameState>) {
        let generation = Revision::new(GENERATION * (self.ages.len() as u64 + 1));
        self.ages.push(Age {
            from,
            states,
            generation,
        });
    }

    /// Returns the first states of a pair of names in an age, when it began, and the operations on them.
    fn age(&self, age: usize, pair: u64) -> (Naming, u64, Vec<&Operation>) {
        let operations = self.operations.iter().filter(|op| {
            let is_over = op.answered.is_some_and(|answered| answered < age);
            pair_of(&op.name) == pair && !op.is_void && op.age <= age && !is_over
        });
        let (naming, from) = match age.checked_sub(1).map(|past| &self.ages[past]) {
            None => (Naming::NEW, 0),
            Some(age) => {
                let at = |n| age.states.get(&n).copied().unwrap_or_else(|| age.unknown());
                let naming = Naming {
                    from: [at(2 * pair), at(2 * pair + 1)],
                    generation: age.generation,
                };
                (naming, age.from)
            }
        };
        (naming, from, operations.collect())
    }
}

impl Age {
    /// Returns the state of a name that the journal does not know.
    const fn unknown(&self) -> NameState {
        NameState::at(self.generation, None, Was::Nothing)
    }
}

impl World {
    /// Whether one more operation on the name, or on the one that it is renamed to, can be checked.
    pub(super) fn has_place_for(&self, name: &Name) -> bool {
        let pair = pair_of(name);
        let operations = || {
            self.oracle
                .operations
                .iter()
                .filter(|op| pair_of(&op.name) == pair)
        };
        let unanswered = operations().filter(|op| op.until.is_none() && !op.is_void);
        operations().count() < MOST && unanswered.count() < MOST_UNANSWERED
    }

    pub(super) fn begins(&mut self, name: &Name, asked: Asked, is_single: bool) -> OperationId {
        self.say(format_args!(
            "operation {}: {name} {asked:?}",
            self.oracle.operations.len()
        ));
        self.oracle.operations.push(Operation {
            name: name.clone(),
            asked,
            from: self.events,
            answer: Answer::Unknown,
            until: None,
            is_void: false,
            is_single,
            age: self.oracle.ages.len(),
            answered: None,
        });
        self.oracle.operations.len() - 1
    }

    pub(super) fn settled(&mut self, id: OperationId, answer: Answer) {
        let age = self.oracle.ages.len();
        let operation = &mut self.oracle.operations[id];
        operation.answered = Some(age);
        operation.answer = answer;
        operation.until = Some(self.events);
        let told = match (answer, operation.asked) {
            (Answer::Done(revision), Asked::Publish { what, .. } | Asked::Add { what, .. }) => {
                (revision, Some(what.0))
            }
            // The answer names no content, or the answer's name was noted already.
            (Answer::Done(_), Asked::Replicas { .. } | Asked::Rename { .. }) => return,
            (Answer::Done(revision), _) => (revision, None),
            (Answer::Bound(revision, content), _) => (revision, Some(content)),
            (Answer::Head(revision, bound), _) => (revision, bound),
            (Answer::Conflict | Answer::Missing | Answer::Unknown, _) => return,
        };
        let name = operation.name.clone();
        self.observed(&name, told.0, told.1);
    }

    pub(super) fn never_happened(&mut self, id: OperationId) {
        self.oracle.operations[id].is_void = true;
    }

    /// Notes that someone was told the content of a name at a revision.
    pub(super) fn observed(&mut self, name: &Name, revision: Revision, content: Option<ContentId>) {
        let newest = self
            .oracle
            .newest
            .entry(name.clone())
            .or_insert((revision, content));
        if newest.0 < revision {
            *newest = (revision, content);
        }
        let meaning = *self
            .oracle
            .meanings
            .entry((name.clone(), revision))
            .or_insert(content);
        // A tombstone may have a revision that bound the name in a lost part of the history.
        let is_lost = self.oracle.losses.count > 0 && (meaning.is_none() || content.is_none());
        if meaning != content && !is_lost {
            self.violated(format_args!(
                "revision {revision} of {name} meant {meaning:?} and now means {content:?}"
            ));
        }
    }

    pub(super) fn operation_answered(&mut self, id: OperationId, outcome: &Outcome, attempts: u32) {
        if let (Asked::Rename { expected }, Ok(Answered::Bound(binding))) =
            (self.oracle.operations[id].asked, outcome)
        {
            let from = self.oracle.operations[id].name.clone();
            if let Some(renamed) = expected {
                self.observed(&from, renamed.next().expect("no history is so long"), None);
            }
            self.observed(&binding.name, binding.revision, Some(binding.content));
        }
        let operation = &self.oracle.operations[id];
        let is_read = operation.asked == Asked::Read;
        // An earlier attempt may have had the effect that the last one was refused for.
        let is_certain = is_read || (operation.is_single && attempts == 1);
        let answer = match outcome {
            Ok(Answered::Bound(binding)) if is_read => Answer::Bound(binding.revision, binding.content),
            Ok(Answered::Bound(binding)) => Answer::Done(binding.revision),
            Ok(Answered::Removed(revision)) => Answer::Done(*revision),
            Ok(Answered::Head(revision, bound)) => Answer::Head(*revision, *bound),
            Ok(Answered::Location(_) | Answered::Pinned(_)) => return,
            Err(failure) => match failure.code {
                _ if !is_certain => return,
                ErrorCode::Conflict => Answer::Conflict,
                ErrorCode::NotFound => Answer::Missing,
                ErrorCode::FailedPrecondition | ErrorCode::Stale => return self.never_happened(id),
                _ => return,
            },
        };
        self.settled(id, answer);
    }

    /// Checks that the operations on every name can be put in one order.
    pub(super) fn check_linearizability(&mut self) {
        let pairs: BTreeSet<_> = self
            .oracle
            .operations
            .iter()
            .map(|op| pair_of(&op.name))
            .collect();
        for age in 0..=self.oracle.ages.len() {
            for pair in &pairs {
                self.check_pair(age, *pair);
            }
        }
    }

    fn check_pair(&mut self, age: usize, pair: u64) {
        let (naming, from, operations) = self.oracle.age(age, pair);
        let is_fine = |split| is_linearizable(&naming, &intervals(&operations, split, age, from));
        // A later attempt at an operation may find the name bound as it wants by someone else, after its own
        // binding has come and gone. The operation had its effect once, and its answer is true, but these are
        // two moments. That is so rare that one such operation in a history is looked for.
        let repeated = operations
            .iter()
            .enumerate()
            .filter(|(_, op)| !op.is_single && op.asked != Asked::Read && op.until.is_some());
        if is_fine(None) || repeated.map(|(n, _)| n).any(|n| is_fine(Some(n))) {
            return;
        }
        let line = |op: &&Operation| {
            let (from, until) = (op.from, op.until);
            format!("{from}..{until:?} {} {:?} {:?}", op.name, op.asked, op.answer)
        };
        let text: Vec<_> = operations.iter().map(line).collect();
        let name = operations
            .first()
            .map(|op| op.name.to_string())
            .unwrap_or_default();
        self.violated(format_args!(
            "the history of {name} is not linearizable, from {naming:?} at {from} on:\n  {}",
            text.join("\n  ")
        ));
    }
}

/// Names are renamed in pairs, to and fro: `n/0` and `n/1`, `n/2` and `n/3`.
fn pair_of(name: &Name) -> u64 {
    number_of(name) / 2
}

pub(super) fn number_of(name: &Name) -> u64 {
    let number = name.as_str().strip_prefix("n/");
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Returns the other name of the pair.
pub(super) fn other_of(name: &Name) -> Name {
    Name::new(format!("n/{}", number_of(name) ^ 1)).expect("a name")
}

/// Returns the operations as the checker wants them, in an age that began then; the `split` one as an effect
/// at some time and an observation. An operation that was not answered in this age may have had its effect in
/// it.
fn intervals(
    operations: &[&Operation],
    split: Option<usize>,
    age: usize,
    began: u64,
) -> Vec<Interval<Exchange>> {
    let mut history = Vec::new();
    for (n, operation) in operations.iter().enumerate() {
        let of = match number_of(&operation.name) % 2 {
            0 => Which::One,
            _ => Which::Other,
        };
        let mut put = |asked, answer, until| {
            history.push(Interval {
                operation: Exchange { of, asked, answer },
                from: operation.from.max(began),
                until,
            });
        };
        if operation.answered != Some(age) {
            if operation.asked != Asked::Read {
                put(operation.asked, Answer::Unknown, None);
            }
            continue;
        }
        match (operation.asked, operation.answer) {
            // A read without an answer says nothing.
            (Asked::Read, _) if operation.until.is_none() => {}
            (Asked::Publish { what, .. } | Asked::Add { what, .. }, Answer::Done(revision))
                if split == Some(n) =>
            {
                put(operation.asked, Answer::Unknown, None);
                put(Asked::Read, Answer::Bound(revision, what.0), operation.until);
            }
            (Asked::Remove { .. }, Answer::Done(revision)) if split == Some(n) => {
                put(operation.asked, Answer::Unknown, None);
                put(Asked::Read, Answer::Head(revision, None), operation.until);
            }
            (asked, answer) => put(asked, answer, operation.until),
        }
    }
    history
}
