//! An eviction and an addition of the same bytes, in every order of their steps, on the real store.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proto::tls::Tls;
use shared::model::{ContentId, EvictReason, Revision};
use shared::runtime::{Clock, Tasks};
use store::{Addition, DiskStore, FragmentStore as _, HashedFile, Place, Publication, PublicationState};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::Eviction;
use crate::fetch::{Fetcher, Limits, Own};
use crate::identity::Identity;
use crate::orders::Assignments;
use crate::session::{Protected, ProtectionGuard};
use crate::tests::neighbour::Known;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The eviction, whose order was judged before anything else: what it does is decided, then done.
    Decide,
    Evict,
    /// The addition.
    Protect,
    Share,
    Record,
}

use Step::{Decide, Evict, Protect, Record, Share};

/// A node that shares a file whose last name has just gone, and the steps under way.
struct Node {
    store: Arc<DiskStore>,
    identity: Arc<Identity>,
    file: PathBuf,
    protected: Protected,
    content: ContentId,
    hashed: Option<HashedFile>,
    decided: Option<Eviction>,
    guard: Option<ProtectionGuard>,
    addition: Option<Addition>,
    _home: TempDir,
}

fn hash(store: &DiskStore, file: &std::path::Path) -> HashedFile {
    let hashed = store.hash_file(file, None, NonZeroUsize::MIN, &|_| {}, &AtomicBool::new(false));
    hashed.expect("hashes")
}

fn publication(name: &str, content: ContentId, state: PublicationState) -> Publication {
    Publication {
        name: name.parse().expect("a name"),
        content,
        target: None,
        update: false,
        metadata: None,
        state,
    }
}

impl Node {
    fn sharing(is_settled: bool) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let store = Arc::new(DiskStore::open(&home.path().join("data"), 1 << 20).expect("opens"));
        // A peer has its id before anything is there.
        let identity = Arc::new(Identity::begin(Arc::clone(&store)).expect("begins"));
        let file = home.path().canonicalize().expect("exists").join("file");
        std::fs::write(&file, [7; 1_000]).expect("writes");
        let mut first = Addition::begin(&store);
        let content = first.file(hash(&store, &file), None).expect("shares").content();
        first.keep();
        let settled = publication("gone", content, PublicationState::Published(Revision::new(1)));
        if is_settled {
            store.put_publication(&settled).expect("writes");
        }
        let hashed = Some(hash(&store, &file));
        Self {
            store,
            identity,
            file,
            protected: Protected::default(),
            content,
            hashed,
            decided: None,
            guard: None,
            addition: None,
            _home: home,
        }
    }

    fn take(&mut self, step: Step, reason: EvictReason) {
        let (store, content) = (&self.store, self.content);
        match step {
            Decide => {
                let publications = store.publications_of(content).expect("reads");
                let belonging = store.belonging(content).expect("reads");
                let none = std::collections::BTreeSet::new();
                self.decided = Some(Eviction::of(content, reason, belonging, &publications, &none));
            }
            Evict => {
                let eviction = self.decided.take().expect("decided");
                let is_protected = || self.protected.contains(content);
                let freed = eviction
                    .carry_out(content, &**store, &is_protected)
                    .expect("carries out");
                for publication in eviction.forgotten().iter().filter(|_| freed.is_some()) {
                    store.forget_publication(publication).expect("writes");
                }
            }
            Protect => self.guard = Some(self.protected.begin(content)),
            Share => {
                let mut addition = Addition::begin(store);
                addition
                    .file(self.hashed.take().expect("hashed"), None)
                    .expect("shares");
                self.addition = Some(addition);
            }
            Record => {
                let waiting = publication("again", content, PublicationState::Pending(None));
                store.put_publication(&waiting).expect("writes");
                self.addition.take().expect("shared").keep();
            }
        }
    }

    fn assert_added(&self, context: &str) {
        let entry = self.store.entry(self.content);
        let entry = entry.unwrap_or_else(|| panic!("the added content is gone: {context}"));
        assert!(entry.held.is_full() && entry.roles.published, "{context}");
        assert_eq!(entry.place, Place::File(self.file.clone()), "{context}");
        let waiting = self.store.pending_publications().expect("reads");
        assert_eq!(waiting.len(), 1, "{context}");
    }
}

/// Returns every order of the steps in which each of the two goes through its own in turn.
fn orders() -> Vec<Vec<Step>> {
    fn merge(one: &[Step], other: &[Step]) -> Vec<Vec<Step>> {
        let (Some((first, rest)), Some((second, remaining))) = (one.split_first(), other.split_first())
        else {
            return vec![[one, other].concat()];
        };
        let with = |step: Step, tails: Vec<Vec<Step>>| {
            tails
                .into_iter()
                .map(move |tail| [vec![step], tail].concat())
                .collect::<Vec<_>>()
        };
        let mut all = with(*first, merge(rest, other));
        all.extend(with(*second, merge(one, remaining)));
        all
    }
    merge(&[Decide, Evict], &[Protect, Share, Record])
}

#[test]
fn in_no_order_of_their_steps_does_an_eviction_take_what_is_being_added() {
    let orders = orders();
    assert_eq!(orders.len(), 10);
    for reason in [
        EvictReason::Unreferenced,
        EvictReason::Surplus,
        EvictReason::Released,
    ] {
        for order in &orders {
            // A surplus goes when the publication was refused.
            let mut node = Node::sharing(reason != EvictReason::Surplus);
            order.iter().for_each(|step| node.take(*step, reason));
            node.assert_added(&format!("{reason:?}: {order:?}"));
        }
    }
}

#[tokio::test]
async fn an_eviction_asks_last_whether_the_content_is_being_added() {
    let mut node = Node::sharing(true);
    let stopped = Tasks::new();
    stopped.token().cancel();
    let fetcher = Fetcher::new(
        Arc::clone(&node.store) as _,
        Arc::new(Known(Vec::new())),
        stopped.clone(),
        Clock::system(),
        Own {
            id: node.identity.peer(),
            zone: watch::Sender::default().subscribe(),
            tls: Tls::default(),
        },
        Limits::default(),
    );
    let (failures, _reports) = mpsc::channel(1);
    let clock = Clock::system();
    let orders = Assignments::start(&node.store, &node.identity, &fetcher, &clock, &stopped, failures);
    node.take(Protect, EvictReason::Unreferenced);
    node.take(Share, EvictReason::Unreferenced);
    let (content, protected) = (node.content, node.protected.clone());
    let is_protected = move || protected.contains(content);
    orders
        .evict(content, EvictReason::Unreferenced, is_protected)
        .await
        .expect("it is answered");
    node.take(Record, EvictReason::Unreferenced);
    node.assert_added(&format!("{:?}", [Protect, Share, Evict, Record]));
    let gone = node.store.publications_of(content).expect("reads");
    assert_eq!(gone.len(), 2, "its publications stay too: {gone:?}");
}
