//! The book that is kept outside the system: what was asked, what was answered, what was promised, what was destroyed.
//!
//! It learns only what callers learn, and what the history itself has done to disks.

use std::collections::{BTreeMap, BTreeSet};

use shared::ErrorCode;
use shared::model::{ContentId, Epoch, Incarnation, Name, Order, PeerId, Revision};

use super::calls::{Answered, Outcome};
use super::linear::{Interval, MAX_OPERATIONS, is_linearizable};
use super::naming::{Answer, Asked, Naming};
use super::peer::PeerNumber;
use super::pins::Pins;
use super::world::World;

/// An operation's place in the book.
pub(super) type OperationId = usize;

/// No more operations on one name than can be checked at once, and in a moment.
const MOST: usize = MAX_OPERATIONS / 2;

/// An operation that was never answered may have happened at any time since, or not: each doubles what there is to try.
const MOST_UNANSWERED: usize = 12;

/// An operation on a name.
#[derive(Debug)]
struct Operation {
    name: Name,
    asked: Asked,
    from: u64,
    answer: Answer,
    until: Option<u64>,
    /// It is known to have had no effect.
    is_void: bool,
    /// Its answer is of the only attempt there was.
    is_single: bool,
}

/// A content was said to have its replicas.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) target: u32,
    /// Whose copies were destroyed since.
    pub(super) destroyed: BTreeSet<PeerId>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Book {
    operations: Vec<Operation>,
    /// The newest revision of each name that anyone was told of.
    pub(super) newest: BTreeMap<Name, (Revision, Option<ContentId>)>,
    meanings: BTreeMap<(Name, Revision), Option<ContentId>>,
    pub(super) pins: Pins,
    pub(super) promises: BTreeMap<ContentId, Promise>,
    /// Copies that the history has destroyed: whoever believes in them is excused.
    pub(super) destroyed: BTreeSet<(PeerId, ContentId)>,
    /// Peers that were drained, and switched off when that was said to be safe.
    pub(super) switched_off: BTreeSet<PeerId>,
    pub(super) epoch: Option<Epoch>,
    pub(super) incarnations: BTreeMap<PeerId, Incarnation>,
    /// Orders of the past, to be delivered again when they are stale.
    pub(super) orders: Vec<(PeerNumber, Order)>,
}

impl World {
    /// Whether one more operation on the name can be checked.
    pub(super) fn has_place_for(&self, name: &Name) -> bool {
        let operations = || self.book.operations.iter().filter(|op| op.name == *name);
        let unanswered = operations().filter(|op| op.until.is_none() && !op.is_void);
        operations().count() < MOST && unanswered.count() < MOST_UNANSWERED
    }

    pub(super) fn begins(&mut self, name: &Name, asked: Asked, is_single: bool) -> OperationId {
        self.say(format_args!(
            "operation {}: {name} {asked:?}",
            self.book.operations.len()
        ));
        self.book.operations.push(Operation {
            name: name.clone(),
            asked,
            from: self.events,
            answer: Answer::Unknown,
            until: None,
            is_void: false,
            is_single,
        });
        self.book.operations.len() - 1
    }

    pub(super) fn settled(&mut self, id: OperationId, answer: Answer) {
        let operation = &mut self.book.operations[id];
        operation.answer = answer;
        operation.until = Some(self.events);
        let told = match (answer, operation.asked) {
            (Answer::Done(revision), Asked::Publish { what, .. } | Asked::Add { what, .. }) => {
                (revision, Some(what.0))
            }
            // Which content that is, nobody said.
            (Answer::Done(_), Asked::Replicas { .. }) => return,
            (Answer::Done(revision), _) => (revision, None),
            (Answer::Bound(revision, content), _) => (revision, Some(content)),
            (Answer::Head(revision, bound), _) => (revision, bound),
            (Answer::Conflict | Answer::Missing | Answer::Unknown, _) => return,
        };
        let name = operation.name.clone();
        self.told(&name, told.0, told.1);
    }

    pub(super) fn never_happened(&mut self, id: OperationId) {
        self.book.operations[id].is_void = true;
    }

    /// Someone was told how a name stands at a revision.
    pub(super) fn told(&mut self, name: &Name, revision: Revision, content: Option<ContentId>) {
        let newest = self
            .book
            .newest
            .entry(name.clone())
            .or_insert((revision, content));
        if newest.0 < revision {
            *newest = (revision, content);
        }
        let meaning = *self
            .book
            .meanings
            .entry((name.clone(), revision))
            .or_insert(content);
        if meaning != content {
            self.violated(format_args!(
                "revision {revision} of {name} meant {meaning:?} and now means {content:?}"
            ));
        }
    }

    pub(super) fn operation_answered(&mut self, id: OperationId, outcome: &Outcome, attempts: u32) {
        let operation = &self.book.operations[id];
        let is_read = operation.asked == Asked::Read;
        // Of several attempts an earlier one may have had the effect that the last one complains of.
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

    /// Whether the operations on every name can be put in one order.
    pub(super) fn check_linearizability(&mut self) {
        let mut names: BTreeMap<&Name, Vec<&Operation>> = BTreeMap::new();
        for operation in self.book.operations.iter().filter(|op| !op.is_void) {
            names.entry(&operation.name).or_default().push(operation);
        }
        let wrong = names.into_iter().find(|(_, operations)| {
            !is_linearizable(&Naming, &intervals(operations, None)) && !is_excused(operations)
        });
        if let Some((name, operations)) = wrong {
            let line =
                |op: &&Operation| format!("{}..{:?} {:?} {:?}", op.from, op.until, op.asked, op.answer);
            let text: Vec<_> = operations.iter().map(line).collect();
            let name = name.clone();
            self.violated(format_args!(
                "the history of {name} is not linearizable:\n  {}",
                text.join("\n  ")
            ));
        }
    }
}

/// Of one of the operations a later attempt may have found the name bound as it wants it by someone else, after its own
/// binding had come and gone. It had its effect once, and what it says is true; only that these are not the same
/// moment. Rare enough that one such operation in a history is all that is looked for.
fn is_excused(operations: &[&Operation]) -> bool {
    let repeated = operations
        .iter()
        .enumerate()
        .filter(|(_, op)| !op.is_single && op.asked != Asked::Read && op.until.is_some());
    repeated
        .map(|(n, _)| n)
        .any(|n| is_linearizable(&Naming, &intervals(operations, Some(n))))
}

/// As the checker wants them; the `split` one as an effect at some time and an observation.
fn intervals(operations: &[&Operation], split: Option<usize>) -> Vec<Interval<(Asked, Answer)>> {
    let mut history = Vec::new();
    for (n, operation) in operations.iter().enumerate() {
        let mut put = |asked, answer, until| {
            history.push(Interval {
                operation: (asked, answer),
                from: operation.from,
                until,
            });
        };
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
