//! A page of a list of names, put together from steps. Pure.

use proto::messages::Published;
use shared::model::{Listing, Name, NamedRevision};

use crate::state::ListStep;

/// Page of a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Names in ascending order.
    pub names: Vec<Listing>,
    /// Pinned revisions of names in the page's range that were removed; only some of very many.
    pub removed: Vec<NamedRevision>,
    /// Whether there are more names.
    pub has_more: bool,
}

impl Listed {
    /// Adds a step; returns the name after which the next one begins, if there is a next one.
    pub(super) fn take(&mut self, step: ListStep) -> Option<Name> {
        self.names.extend(step.names);
        let room = Published::MAX_REMOVED.saturating_sub(self.removed.len());
        self.removed.extend(step.removed.into_iter().take(room));
        step.next
    }

    /// Ends the page with its name number `limit`.
    pub(super) fn cut(&mut self, limit: usize) {
        self.has_more = self.names.len() > limit;
        self.names.truncate(limit);
        if let Some(last) = self.names.last().filter(|_| self.has_more) {
            self.removed.retain(|removed| removed.name <= last.binding.name);
        }
    }

    /// Returns the last name, when there are more: the next page begins after it.
    #[must_use]
    pub fn next(&self) -> Option<&Name> {
        let last = self.names.last().filter(|_| self.has_more);
        last.map(|last| &last.binding.name)
    }
}
