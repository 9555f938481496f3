//! Portion of a content that is judged: all of it, or the fragments of a path inside a directory. Every count
//! for users goes by portions, so that a file in a pack is as well off as its own fragments.

use shared::model::{AskedPart, FragmentIndex, FragmentSet};

use super::Fragments;
use crate::state::names::Content;

/// A content, or some of its fragments.
#[derive(Clone, Debug)]
pub(crate) struct Portion<'a> {
    content: &'a Content,
    /// None means all.
    only: Option<FragmentSet>,
}

impl<'a> From<&'a Content> for Portion<'a> {
    fn from(content: &'a Content) -> Self {
        Self { content, only: None }
    }
}

impl<'a> Portion<'a> {
    /// Takes what a question is about.
    pub(crate) fn asked(content: &'a Content, part: &AskedPart) -> Self {
        let only = part.fragments(content.manifest());
        Self {
            content,
            only: (!only.is_full()).then_some(only),
        }
    }

    pub(crate) const fn content(&self) -> &'a Content {
        self.content
    }

    /// Returns the number of fragments.
    pub(crate) fn count(&self) -> u32 {
        let all = self.content.manifest().fragment_count();
        self.only.as_ref().map_or(all, FragmentSet::len)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let manifest = self.content.manifest();
        let only = self.only.as_ref().map(|only| manifest.bytes_in(only));
        only.unwrap_or(manifest.length())
    }

    pub(crate) fn indices(&self) -> impl Iterator<Item = FragmentIndex> + '_ {
        let is_meant = |index: &FragmentIndex| self.only.as_ref().is_none_or(|only| only.contains(*index));
        self.content.manifest().indices().filter(is_meant)
    }

    /// Returns those of some fragments that belong to it.
    pub(crate) fn among(&self, fragments: &Fragments) -> FragmentSet {
        let all = self.content.manifest().fragment_count();
        self.within(fragments.to_set(all))
    }

    /// Returns those of some fragments that belong to it.
    pub(crate) fn within(&self, mut fragments: FragmentSet) -> FragmentSet {
        if let Some(only) = &self.only {
            fragments.intersect_with(only);
        }
        fragments
    }

    /// Returns whether some of it is among fragments; of an empty content, always.
    pub(crate) fn is_touched_by(&self, fragments: &Fragments) -> bool {
        self.only.as_ref().is_none_or(|only| fragments.intersects(only))
    }

    /// Returns whether all of it is among fragments.
    pub(crate) fn is_within(&self, fragments: &FragmentSet) -> bool {
        match &self.only {
            None => fragments.is_full(),
            Some(only) => only.is_subset(fragments),
        }
    }

    pub(crate) const fn is_all(&self) -> bool {
        self.only.is_none()
    }
}
