//! Absent files: which peers cannot serve a content because the file with it is away.
//!
//! Peers tell of their files anew in every session, before the end of their inventory: files of which they
//! say nothing by then are back. Absences explain and count for nothing: a peer announces no content whose
//! file is absent. Bounded for each peer.

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{Absence, ContentId, FileNews, PeerId};

/// Absent files that are remembered of one peer.
const MOST: usize = 4096;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Absences {
    of: BTreeMap<(ContentId, PeerId), Absence>,
    contents: BTreeMap<PeerId, BTreeSet<ContentId>>,
    /// Files that were absent when the peer said hello, and of which it has said nothing since.
    doubted: BTreeMap<PeerId, BTreeSet<ContentId>>,
}

impl Absences {
    /// Takes news of a peer's file; returns whether it was not known.
    pub(super) fn take(&mut self, peer: PeerId, news: FileNews) -> bool {
        let FileNews { content, absence } = news;
        if let Some(doubted) = self.doubted.get_mut(&peer) {
            doubted.remove(&content);
        }
        let Some(absence) = absence else {
            if let Some(contents) = self.contents.get_mut(&peer) {
                contents.remove(&content);
                if contents.is_empty() {
                    self.contents.remove(&peer);
                }
            }
            return self.of.remove(&(content, peer)).is_some();
        };
        let contents = self.contents.entry(peer).or_default();
        if contents.len() == MOST && !contents.contains(&content) {
            return false;
        }
        contents.insert(content);
        self.of.insert((content, peer), absence) != Some(absence)
    }

    /// Returns the peers whose files with the content are absent.
    pub(super) fn of(&self, content: ContentId) -> impl Iterator<Item = (PeerId, Absence)> {
        let (first, last) = (PeerId::from_bytes([0; 16]), PeerId::from_bytes([u8::MAX; 16]));
        let all = self.of.range((content, first)..=(content, last));
        all.map(|(&(_, peer), &absence)| (peer, absence))
    }

    /// Doubts what is known of a peer's files: it says hello, and tells again.
    pub(super) fn doubt(&mut self, peer: PeerId) {
        let known = self.contents.get(&peer).cloned();
        self.doubted.insert(peer, known.unwrap_or_default());
    }

    /// Ends the doubt when the peer has told of all its absent files; returns the contents whose files are
    /// back.
    pub(super) fn settle(&mut self, peer: PeerId) -> Vec<ContentId> {
        let back = self.doubted.remove(&peer).into_iter().flatten();
        let back: Vec<_> = back.collect();
        for content in &back {
            let absence = None;
            self.take(
                peer,
                FileNews {
                    content: *content,
                    absence,
                },
            );
        }
        back
    }

    /// Forgets a peer's files.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.doubted.remove(&peer);
        for content in self.contents.remove(&peer).into_iter().flatten() {
            self.of.remove(&(content, peer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(n: usize, absence: Option<Absence>) -> FileNews {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        FileNews {
            content: ContentId::from_bytes(id),
            absence,
        }
    }

    #[test]
    fn a_peer_tells_of_its_own_files_and_of_so_many() {
        let (one, other) = (PeerId::from_bytes([1; 16]), PeerId::from_bytes([2; 16]));
        let mut absences = Absences::default();
        let all = |absences: &Absences, n| absences.of(news(n, None).content).collect::<Vec<_>>();
        assert!(absences.take(one, news(1, Some(Absence::Gone))));
        assert!(!absences.take(one, news(1, Some(Absence::Gone))), "it is known");
        assert!(absences.take(one, news(1, Some(Absence::Changed))));
        assert!(absences.take(other, news(1, Some(Absence::Gone))));
        let both = [(one, Absence::Changed), (other, Absence::Gone)];
        assert_eq!(all(&absences, 1), both);
        assert!(absences.take(other, news(1, None)) && !absences.take(other, news(1, None)));
        for n in 0..MOST {
            absences.take(one, news(n, Some(Absence::Failing)));
        }
        assert!(
            !absences.take(one, news(MOST, Some(Absence::Gone))),
            "that is one too many"
        );
        assert!(absences.take(other, news(MOST, Some(Absence::Gone))));
        absences.doubt(other);
        absences.take(other, news(2, Some(Absence::Gone)));
        assert_eq!(
            absences.settle(other),
            [news(MOST, None).content],
            "it says nothing of this one"
        );
        assert!(absences.settle(other).is_empty());
        assert!(absences.take(other, news(MOST, Some(Absence::Gone))));
        absences.forget(one);
        assert!(all(&absences, 1).is_empty());
        assert_eq!(all(&absences, MOST), [(other, Absence::Gone)]);
    }
}
