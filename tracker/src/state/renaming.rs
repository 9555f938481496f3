//! Renaming: one fact that binds a name and removes another, so nobody ever sees both or neither.
//!
//! What the old name was bound to is never without a name in between, so nothing of it is moved, counted anew or let go.

use shared::model::{Binding, Name, Revision, Timestamp};

use super::command::Rejection;
use super::naming::bound_otherwise;
use super::record::Fact;
use super::{Outcome, State};

impl State {
    /// Gives what a name is bound to another name, which must not be bound. The old name leaves a tombstone.
    pub(super) fn rename(
        &mut self,
        now: Timestamp,
        from: Name,
        to: Name,
        expected: Option<Revision>,
        out: &mut Outcome,
    ) -> Result<Binding, Rejection> {
        let taken = self.catalogue.binding(&to);
        let Some(bound) = self.catalogue.binding(&from) else {
            // A retry names the revision that was renamed, and both names have changed at the same moment. What several
            // commands do in one batch happens at one moment too: so it has to be the same content, if that is known.
            let renamed_at = self.catalogue.removed_at(&from);
            let before = self.catalogue.revision(&from).get().checked_sub(1);
            let is_retry = expected.is_some_and(|expected| Some(expected.get()) == before);
            let line = self.catalogue.line(&from);
            let was = expected.and_then(|expected| line?.get(expected)?.bound.as_deref());
            let is_it = |bound: &Binding| was.is_none_or(|was| was.content == bound.content);
            return taken
                .filter(|bound| is_retry && renamed_at == Some(bound.published_at) && is_it(bound))
                .ok_or_else(|| Rejection::NoSuchName(from.as_str().to_owned()));
        };
        if expected.is_some_and(|expected| expected != bound.revision) {
            return Err(bound_otherwise(&bound, "another revision was expected"));
        }
        if let Some(taken) = taken {
            return Err(bound_otherwise(&taken, "nothing was expected"));
        }
        let revision = self.catalogue.next_binding(&to);
        let renamed = Fact::Renamed {
            from,
            tombstone: bound.revision.next(),
            to: to.clone(),
            revision,
        };
        let settled = self.commit(now, renamed, out);
        self.let_go(now, settled);
        Ok(Binding {
            name: to,
            revision,
            published_at: now,
            ..bound
        })
    }
}
