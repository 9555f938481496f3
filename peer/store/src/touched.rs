//! The contents that additions under way have touched: what each was before the first of them.
//!
//! Invariant: a content is taken back with the last addition that touched it, and only if none of them was
//! kept and it was not published before the first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::model::ContentId;

/// A content that additions under way have touched.
#[derive(Debug)]
struct Touched {
    additions: u32,
    was_published: bool,
    is_kept: bool,
}

/// The contents that additions under way have touched.
#[derive(Debug, Default)]
pub(super) struct TouchedContents(Mutex<BTreeMap<ContentId, Touched>>);

impl TouchedContents {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContentId, Touched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that one more addition touches a content; `is_published` tells whether it was published before.
    /// Returns whether the content is new: this addition is the first, and it was not published before.
    pub(super) fn touch(&self, content: ContentId, is_published: impl FnOnce() -> bool) -> bool {
        let mut touched = self.lock();
        let of = touched.entry(content).or_insert_with(|| Touched {
            additions: 0,
            was_published: is_published(),
            is_kept: false,
        });
        of.additions += 1;
        of.additions == 1 && !of.was_published
    }

    /// Notes the end of an addition; returns whether the content is to be published no longer.
    pub(super) fn end(&self, content: ContentId, is_kept: bool) -> bool {
        let mut touched = self.lock();
        let Some(of) = touched.get_mut(&content) else {
            return false;
        };
        of.additions -= 1;
        of.is_kept |= is_kept;
        let is_over = of.additions == 0;
        let is_undone = is_over && !of.is_kept && !of.was_published;
        if is_over {
            touched.remove(&content);
        }
        is_undone
    }
}
