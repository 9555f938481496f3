//! Lists of names, read in steps: a step holds up whoever changes the state, so its work is bounded,
//! whatever others have published and removed.

use shared::model::{ContentRef, Listing, Name, NamedRevision, Revision};

use super::{State, Whole};
use crate::state::names::NameHistory;

/// Work of a step, in contents, holders and names that are looked at: some milliseconds. The last name of a
/// step may be a collection of very many parts.
pub(in crate::state) const STEP_WORK: usize = 1 << 14;

/// A step of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStep {
    /// Names that are bound, in ascending order.
    pub names: Vec<Listing>,
    /// Pinned revisions of names in between that were removed: no name lists them, and they keep their
    /// contents.
    pub removed: Vec<NamedRevision>,
    /// The name up to which the step has come, when it did not come to the end.
    pub next: Option<Name>,
}

impl State {
    /// Looks at the names that begin with `prefix` and come after `after`, for `limit` bound ones at most.
    #[must_use]
    pub fn list(&self, prefix: &str, after: Option<&Name>, limit: usize) -> ListStep {
        let mut step = ListStep::default();
        let mut work = 0;
        for (name, history) in self.names.histories_from(prefix, after) {
            if history.current().is_none() {
                let of_name = |revision| NamedRevision {
                    name: name.clone(),
                    revision,
                };
                step.removed.extend(pinned(history).into_iter().map(of_name));
            } else if let Ok(whole) = Whole::of(self, &ContentRef::Name(name.clone()).into()) {
                work += whole.work(self);
                step.names.push(Listing {
                    health: whole.health(self),
                    binding: whole.binding,
                    pinned: pinned(history),
                });
            }
            work += history.revisions().len();
            if step.names.len() >= limit || work >= STEP_WORK {
                step.next = Some(name.clone());
                break;
            }
        }
        step
    }
}

/// Returns the pinned revisions of a name, the oldest first.
fn pinned(history: &NameHistory) -> Vec<Revision> {
    let mut pinned: Vec<_> = history.pinned().collect();
    pinned.reverse();
    pinned
}
