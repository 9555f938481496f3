//! Changes: the contents that something happened to, lately and in order.
//!
//! A question that is answered step by step looks at some contents before others. With the changes since its
//! beginning, it takes back what is no longer so.

use std::collections::VecDeque;

use shared::model::ContentId;

/// Changes that are remembered: 2 MiB of them.
const KEPT: usize = 1 << 16;

/// The latest changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    recent: VecDeque<ContentId>,
    /// Number of changes so far.
    count: u64,
}

impl Changes {
    /// Notes that something happened to a content.
    pub(super) fn note(&mut self, content: ContentId) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(content);
        self.count += 1;
    }

    /// Returns the number of changes so far.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Returns the changes after the first `count` ones; none when too many have happened since.
    pub(super) fn since(&self, count: u64) -> Option<impl Iterator<Item = ContentId>> {
        let new = usize::try_from(self.count.checked_sub(count)?).ok()?;
        let known = self.recent.len().checked_sub(new)?;
        Some(self.recent.iter().skip(known).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_known_until_too_many_have_happened_since() {
        let mut changes = Changes::default();
        let content = |n: usize| ContentId::from_bytes([u8::try_from(n % 251).expect("small"); 32]);
        let since = |changes: &Changes, count| changes.since(count).map(Iterator::collect::<Vec<_>>);
        changes.note(content(1));
        changes.note(content(2));
        assert_eq!(since(&changes, 2), Some(vec![]));
        assert_eq!(since(&changes, 0), Some(vec![content(1), content(2)]));
        (0..KEPT).for_each(|n| changes.note(content(n)));
        assert_eq!(since(&changes, 2).map(|all| all.len()), Some(KEPT));
        assert_eq!(since(&changes, 1), None);
    }
}
