//! Arrivals: the fragments that are arriving at this peer, so that they can be passed on before they are
//! complete (cut-through).
//!
//! A fragment is listed from the moment at which its leaves are proven until it is held, or given up. Its
//! blocks have been verified and written, not necessarily synced: passing them on promises that they are
//! right, not that they will be here tomorrow. All of this is in memory and forgotten with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::hash::FragmentProof;
use shared::model::{ContentId, FragmentIndex, FragmentSet};
use tokio::sync::{Notify, broadcast, watch};

/// Changes that a slow listener may be behind; a listener that is further behind looks at everything.
const CHANGES: usize = 1024;

/// The arrivals of one peer; cheap to clone, and all clones share the same state.
#[derive(Clone, Debug)]
pub struct Arrivals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    contents: Mutex<BTreeMap<ContentId, Content>>,
    /// Contents whose fragments began or ceased to arrive.
    changes: broadcast::Sender<ContentId>,
    /// Contents whose fetch began or ended.
    fetching: broadcast::Sender<ContentId>,
}

#[derive(Debug, Default)]
struct Content {
    fetches: u32,
    /// Fragments that have been sent to another peer completely, until the fetch has taken note of it.
    passed_on: BTreeSet<FragmentIndex>,
    has_passed_on: Arc<Notify>,
    fragments: BTreeMap<FragmentIndex, Fragment>,
}

#[derive(Debug)]
struct Fragment {
    proof: FragmentProof,
    /// Number of blocks that have come, from the first one on without a gap.
    blocks: watch::Sender<u32>,
    /// Requests that bring the fragment: two for a moment when one takes over from another.
    guards: u32,
}

/// A fragment that is arriving, until this is dropped.
#[derive(Debug)]
pub struct Arrival {
    arrivals: Arrivals,
    content: ContentId,
    index: FragmentIndex,
}

/// A content that is being fetched, until this is dropped.
#[derive(Debug)]
pub struct Fetching {
    arrivals: Arrivals,
    content: ContentId,
    has_passed_on: Arc<Notify>,
}

/// The part of an arriving fragment that can be passed on.
#[derive(Debug)]
pub struct Passing {
    /// Leaves of the fragment.
    pub proof: FragmentProof,
    /// Number of blocks that have come, from the first one on; closed when the fragment no longer arrives (or
    /// is held).
    pub blocks: watch::Receiver<u32>,
}

impl Default for Arrivals {
    fn default() -> Self {
        let (changes, fetching) = (broadcast::Sender::new(CHANGES), broadcast::Sender::new(CHANGES));
        Self(Arc::new(Inner {
            contents: Mutex::default(),
            changes,
            fetching,
        }))
    }
}

impl Arrivals {
    /// Marks a content as being fetched, until the result is dropped.
    #[must_use]
    pub fn fetch(&self, content: ContentId) -> Fetching {
        let has_passed_on = {
            let mut contents = self.contents();
            let content = contents.entry(content).or_default();
            content.fetches += 1;
            Arc::clone(&content.has_passed_on)
        };
        notify(&self.0.fetching, content);
        Fetching {
            arrivals: self.clone(),
            content,
            has_passed_on,
        }
    }

    /// Tells the fetch of the content that the fragment has been sent to another peer completely.
    pub fn passed_on(&self, content: ContentId, index: FragmentIndex) {
        let mut contents = self.contents();
        if let Some(content) = contents.get_mut(&content).filter(|content| content.fetches > 0) {
            content.passed_on.insert(index);
            content.has_passed_on.notify_one();
        }
    }

    /// Whether a content is being fetched.
    #[must_use]
    pub fn is_fetching(&self, content: ContentId) -> bool {
        self.contents()
            .get(&content)
            .is_some_and(|content| content.fetches > 0)
    }

    /// Begins the arrival of a fragment whose leaves are proven.
    #[must_use]
    pub fn begin(&self, content: ContentId, proof: &FragmentProof) -> Arrival {
        let index = proof.index();
        let mut contents = self.contents();
        let fragments = &mut contents.entry(content).or_default().fragments;
        fragments
            .entry(index)
            .or_insert_with(|| Fragment {
                proof: proof.clone(),
                blocks: watch::Sender::new(0),
                guards: 0,
            })
            .guards += 1;
        Arrival {
            arrivals: self.clone(),
            content,
            index,
        }
    }

    /// Returns the fragments of which some blocks have come.
    #[must_use]
    pub fn coming(&self, content: ContentId, fragment_count: u32) -> FragmentSet {
        let mut set = FragmentSet::empty(fragment_count);
        if let Some(content) = self.contents().get(&content) {
            let begun = content
                .fragments
                .iter()
                .filter(|(_, fragment)| *fragment.blocks.borrow() > 0);
            begun
                .filter(|(index, _)| index.get() < fragment_count)
                .for_each(|(index, _)| {
                    set.insert(*index);
                });
        }
        set
    }

    /// Returns the part of a fragment that can be passed on, if the fragment is arriving.
    #[must_use]
    pub fn passing(&self, content: ContentId, index: FragmentIndex) -> Option<Passing> {
        let contents = self.contents();
        let fragment = contents.get(&content)?.fragments.get(&index)?;
        Some(Passing {
            proof: fragment.proof.clone(),
            blocks: fragment.blocks.subscribe(),
        })
    }

    /// Subscribes to the contents whose fragments begin or cease to arrive.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<ContentId> {
        self.0.changes.subscribe()
    }

    /// Subscribes to the contents whose fetch begins or ends.
    #[must_use]
    pub fn subscribe_fetching(&self) -> broadcast::Receiver<ContentId> {
        self.0.fetching.subscribe()
    }

    fn contents(&self) -> MutexGuard<'_, BTreeMap<ContentId, Content>> {
        self.0.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrival {
    /// Notes that the first `blocks` blocks have been verified and written.
    pub fn advance(&self, blocks: u32) {
        let mut is_first = false;
        if let Some(fragment) = self
            .arrivals
            .contents()
            .get(&self.content)
            .and_then(|content| content.fragments.get(&self.index))
        {
            fragment.blocks.send_if_modified(|there| {
                is_first = *there == 0 && blocks > 0;
                let is_more = blocks > *there;
                *there = blocks.max(*there);
                is_more
            });
        }
        if is_first {
            notify(&self.arrivals.0.changes, self.content);
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut contents = self.arrivals.contents();
        let Some(content) = contents.get_mut(&self.content) else {
            return;
        };
        if let Some(fragment) = content.fragments.get_mut(&self.index) {
            fragment.guards -= 1;
            if fragment.guards == 0 {
                content.fragments.remove(&self.index);
            }
        }
        forget_if_idle(&mut contents, self.content);
        drop(contents);
        notify(&self.arrivals.0.changes, self.content);
    }
}

impl Fetching {
    /// Returns the fragments that have been sent to another peer completely since the last call; waits until
    /// there are some. Cancel-safe.
    pub async fn passed_on(&self) -> BTreeSet<FragmentIndex> {
        loop {
            let content = self.content;
            let passed_on = self
                .arrivals
                .contents()
                .get_mut(&content)
                .map(|content| std::mem::take(&mut content.passed_on));
            match passed_on {
                Some(passed_on) if !passed_on.is_empty() => return passed_on,
                _ => self.has_passed_on.notified().await,
            }
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        let mut contents = self.arrivals.contents();
        if let Some(content) = contents.get_mut(&self.content) {
            content.fetches -= 1;
        }
        forget_if_idle(&mut contents, self.content);
        drop(contents);
        notify(&self.arrivals.0.fetching, self.content);
    }
}

fn forget_if_idle(contents: &mut BTreeMap<ContentId, Content>, content: ContentId) {
    if contents
        .get(&content)
        .is_some_and(|content| content.fetches == 0 && content.fragments.is_empty())
    {
        contents.remove(&content);
    }
}

fn notify(listeners: &broadcast::Sender<ContentId>, content: ContentId) {
    // It is no error when there is no listener.
    drop(listeners.send(content));
}

#[cfg(test)]
mod tests {
    use shared::hash::{ContentHasher, leaves};
    use shared::model::FragmentLength;

    use super::*;

    #[test]
    fn a_fragment_is_passed_on_from_its_first_block_on() {
        let bytes = vec![7; 100_000];
        let mut hasher = ContentHasher::new(100_000, FragmentLength::MIN);
        hasher.update(&bytes);
        let manifest = hasher.finish().expect("the length is right");
        let (content, index) = (manifest.content(), manifest.index(0).expect("a fragment"));
        let proof = FragmentProof::verify(&manifest, index, leaves(&bytes[..65_536])).expect("true leaves");

        let arrivals = Arrivals::default();
        let first = arrivals.begin(content, &proof);
        assert!(arrivals.coming(content, 2).is_empty(), "no block is there yet");
        first.advance(2);
        assert!(arrivals.coming(content, 2).contains(index));
        let other = arrivals.begin(content, &proof);
        other.advance(1);
        let passing = arrivals.passing(content, index).expect("arriving");
        assert_eq!(
            *passing.blocks.borrow(),
            2,
            "the slower request takes nothing back"
        );
        drop(first);
        assert!(
            arrivals.coming(content, 2).contains(index),
            "the other request still brings it"
        );
        drop(other);
        assert!(arrivals.passing(content, index).is_none());
        assert!(
            passing.blocks.has_changed().is_err(),
            "the upload that passes it on is told"
        );
    }

    #[tokio::test]
    async fn a_fetch_learns_once_which_fragments_were_passed_on() {
        let arrivals = Arrivals::default();
        let content = ContentId::from_bytes([1; 32]);
        let fragments: Vec<_> = FragmentSet::full(3).iter().collect();
        arrivals.passed_on(content, fragments[0]);
        let fetching = arrivals.fetch(content);
        for index in [fragments[1], fragments[2], fragments[1]] {
            arrivals.passed_on(content, index);
        }
        let since_it_began = fragments[1..].iter().copied().collect();
        assert_eq!(fetching.passed_on().await, since_it_began);
        let (told, ()) = tokio::join!(fetching.passed_on(), async {
            arrivals.passed_on(content, fragments[0]);
        });
        assert_eq!(told.into_iter().collect::<Vec<_>>(), [fragments[0]]);
    }

    #[test]
    fn fetches_are_counted() {
        let arrivals = Arrivals::default();
        let content = ContentId::from_bytes([1; 32]);
        let mut told = arrivals.subscribe_fetching();
        let (one, two) = (arrivals.fetch(content), arrivals.fetch(content));
        drop(one);
        assert!(arrivals.is_fetching(content));
        drop(two);
        assert!(!arrivals.is_fetching(content));
        assert_eq!(std::iter::from_fn(|| told.try_recv().ok()).count(), 4);
    }
}
