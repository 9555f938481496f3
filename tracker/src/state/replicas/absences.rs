//! Absent files: which peers cannot serve a content because the file with it is away.
//!
//! Peers tell of their files anew in every session. Absences explain and count for nothing: a peer announces
//! no content whose file is absent. Bounded for each peer.

use std::collections::{BTreeMap, BTreeSet};

use shared::model::{Absence, ContentId, FileNews, PeerId};

/// Absent files that are remembered of one peer.
const MOST: usize = 4096;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Absences {
    of: BTreeMap<(ContentId, PeerId), Absence>,
    contents: BTreeMap<PeerId, BTreeSet<ContentId>>,
}

impl Absences {
    /// Takes news of a peer's file; returns whether it was not known.
    pub(super) fn take(&mut self, peer: PeerId, news: FileNews) -> bool {
        let FileNews { content, absence } = news;
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

    /// Forgets a peer's files.
    pub(super) fn forget(&mut self, peer: PeerId) {
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
        absences.forget(one);
        assert!(all(&absences, 1).is_empty());
        assert_eq!(all(&absences, MOST), [(other, Absence::Gone)]);
    }
}
