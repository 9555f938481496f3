//! The peer's identity: an id and a key for good, an incarnation and a random id per run, the newest epoch
//! and the latest mark of the tracker's history in the peer's network, a token for its own commands.
//!
//! Invariants: ids, keys, incarnations and epochs are durable before they are used; an id never gets another
//! key; the incarnation grows with every start, and is another one only when the tracker says which comes
//! next; the epoch of a network never falls.

mod key_file;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use shared::keys::PeerKey;
use shared::model::{
    Epoch, Incarnation, KeyHash, LostFiles, Mark, Name, NetworkId, PeerId, RunId, Timestamp,
};
use shared::own_data::MEMBERSHIP_FILE;
use store::{DiskStore, Rebuilt, StoreError};

#[cfg(feature = "testing")]
pub(crate) use key_file::{new_file, rewritten};

const PEER_KEY: &str = "peer_id";
const INCARNATION_KEY: &str = "incarnation";
const EPOCH_KEY: &str = "epoch";
const MARK_KEY: &str = "mark";

/// Facts that are of one network each.
const NETWORK_FACTS: [&str; 2] = [EPOCH_KEY, MARK_KEY];
/// The hash of the peer's key, once there is one; the key itself is in a file of its own.
const KEY_KEY: &str = "key";

/// The outcome of giving a data directory another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// The id until now.
    pub previous: PeerId,
    /// The id from now on.
    pub peer: PeerId,
    /// Names that were still to be published; the directory with the previous id does that.
    pub left: Vec<Name>,
}

/// Gives a store an id of its own, which keeps its data; none when the store has no id yet. The next run
/// makes the key of the new id.
///
/// The runs are counted anew. Publications under way are forgotten: the directory that keeps the previous id
/// has them too, and made twice they could undo what others did to the name in between. The epoch and the
/// mark stay, because they say what was seen of the network, by whomever.
///
/// # Errors
/// When the store's index fails. The store may have forgotten publications then, and its key: no node starts
/// on it until this was repeated.
pub fn renew(store: &DiskStore) -> Result<Option<Renewed>, StoreError> {
    let Some(previous) = read_peer(store)? else {
        return Ok(None);
    };
    let mut left = Vec::new();
    for publication in store.pending_publications()? {
        if store.forget_publication(&publication)? {
            left.push(publication.name);
        }
    }
    left.extend(store.forget_pending_apart()?);
    let peer = PeerId::random();
    store.meta_set(INCARNATION_KEY, &0_u64.to_be_bytes())?;
    set_new_peer(store, peer)?;
    Ok(Some(Renewed { previous, peer, left }))
}

/// A new index, and the peer that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuiltNode {
    /// The id of the peer.
    pub peer: PeerId,
    /// Whether nothing told its id, and this one is new.
    pub is_new_id: bool,
    /// The index.
    pub index: Rebuilt,
    /// Files that prove nothing.
    pub lost: LostFiles,
}

/// Makes a new index for a data directory on which no node runs; none when there is nothing from which to
/// make it.
///
/// # Errors
/// As [`DiskStore::rebuild`].
pub fn rebuild(data_dir: &Path, capacity: u64) -> Result<Option<RebuiltNode>, StoreError> {
    let Some((store, index)) = DiskStore::rebuild(data_dir, capacity, PEER_KEY)? else {
        return Ok(None);
    };
    let known = match read_peer(&store)? {
        Some(peer) => Some(peer),
        // A damaged key tells no id.
        None => key_file::read(data_dir).ok().flatten().map(|(peer, _)| peer),
    };
    let peer = known.unwrap_or_else(PeerId::random);
    match known {
        Some(peer) => store.meta_set(PEER_KEY, peer.as_bytes())?,
        None => set_new_peer(&store, peer)?,
    }
    Ok(Some(RebuiltNode {
        peer,
        is_new_id: known.is_none(),
        index,
        lost: store.lost()?,
    }))
}

fn read_peer(store: &DiskStore) -> Result<Option<PeerId>, StoreError> {
    let bytes = store.meta_get(PEER_KEY)?;
    Ok(bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map(PeerId::from_bytes))
}

/// Returns the id and the key of a data directory on which a node may run; none when there is none that its
/// user can read.
#[must_use]
pub fn read_key(data_dir: &Path) -> Option<(PeerId, PeerKey)> {
    key_file::read(data_dir).ok().flatten()
}

/// Gives a store a new id, which has no key yet. A crash in between leaves an index that misses its key.
fn set_new_peer(store: &DiskStore, peer: PeerId) -> Result<(), StoreError> {
    // The certificate of the id before is of no use to this one, which has to join again.
    key_file::remove_file(&store.root().join(MEMBERSHIP_FILE))?;
    key_file::remove(store.root())?;
    store.meta_set(PEER_KEY, peer.as_bytes())?;
    store.meta_set(KEY_KEY, &[])
}

/// Returns the key of this id; makes it for an id that has never had one.
fn key_of(store: &DiskStore, peer: PeerId) -> Result<PeerKey, StoreError> {
    let known = store.meta_get(KEY_KEY)?.and_then(|bytes| bytes.try_into().ok());
    let known = known.map(KeyHash::from_bytes);
    let path = key_file::path(store.root());
    let remedy =
        "put it back as it was, or give the data directory an id and a key of its own with `peer new-id`";
    let key = match key_file::read(store.root())? {
        None if known.is_some() => {
            let text = format!(
                "the key of this peer is gone: {} is not there; {remedy}",
                path.display()
            );
            return Err(StoreError::Torn(text));
        }
        None => key_file::make(store.root(), peer)?,
        Some((of, key)) if of == peer && known.is_none_or(|known| known == key.public().hash()) => key,
        Some((of, _)) => {
            let text = format!(
                "{} has a key of peer {of}, and not the one of this peer, {peer}; {remedy}",
                path.display()
            );
            return Err(StoreError::Torn(text));
        }
    };
    if known.is_none() {
        store.meta_set(KEY_KEY, key.public().hash().as_bytes())?;
    }
    Ok(key)
}

/// The identity of one run of this peer.
pub struct Identity {
    store: Arc<DiskStore>,
    peer: PeerId,
    key: Arc<PeerKey>,
    incarnation: AtomicU64,
    run: RunId,
    epoch: AtomicU64,
    mark: Mutex<Option<Mark>>,
    token: String,
}

impl Identity {
    /// Begins a new run: reads the id and the key (or makes them), counts the incarnation up, makes a new
    /// token.
    ///
    /// # Errors
    /// When the store's index fails; [`StoreError::Torn`] when the id or the key is lost.
    pub fn begin(store: Arc<DiskStore>) -> Result<Self, StoreError> {
        let peer = match read_peer(&store)? {
            Some(peer) => peer,
            // A new id beside fragments would make them another peer's, who holds nothing.
            None if store.has_fragments()? => {
                return Err(StoreError::Torn(
                    "the index has lost this peer's id, and there are fragments in the data directory; none was \
                     deleted; put the index and its log back as they were, or have `peer rebuild-index` make a new \
                     index from the fragments"
                        .to_owned(),
                ));
            }
            None => {
                let kept = key_file::read(store.root())?.map(|(peer, _)| peer);
                let peer = kept.unwrap_or_else(PeerId::random);
                store.meta_set(PEER_KEY, peer.as_bytes())?;
                peer
            }
        };
        let key = Arc::new(key_of(&store, peer)?);
        let incarnation = next_run(Incarnation::new(read_number(&store, INCARNATION_KEY)?))?;
        store.meta_set(INCARNATION_KEY, &incarnation.get().to_be_bytes())?;
        let epoch = AtomicU64::new(read_number(&store, EPOCH_KEY)?);
        let mark = Mutex::new(store.meta_get(MARK_KEY)?.as_deref().and_then(read_mark));
        let token = format!("{:032x}", rand::random::<u128>());
        Ok(Self {
            store,
            peer,
            key,
            incarnation: AtomicU64::new(incarnation.get()),
            run: RunId::random(),
            epoch,
            mark,
            token,
        })
    }

    /// Returns this peer's id.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        self.peer
    }

    /// Returns the key by which this peer proves that it has its id.
    #[must_use]
    pub const fn key(&self) -> &Arc<PeerKey> {
        &self.key
    }

    /// Returns the number of this run.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        Incarnation::new(self.incarnation.load(Ordering::SeqCst))
    }

    /// Returns the random id of this run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// Goes on as the run after `last`, the latest one that the tracker knows, durably when it returns: the
    /// data directory was restored and does not know the runs since, or counts further than the tracker
    /// believes. Blocks on the disk.
    ///
    /// # Errors
    /// When no run can follow, or the store's index fails.
    pub fn count_on(&self, last: Incarnation) -> Result<(), StoreError> {
        let next = next_run(last)?.get();
        self.store.meta_set(INCARNATION_KEY, &next.to_be_bytes())?;
        self.incarnation.store(next, Ordering::SeqCst);
        Ok(())
    }

    /// Returns the network that the peer is in, or was in last.
    #[must_use]
    pub fn network(&self) -> Option<NetworkId> {
        self.store.network()
    }

    /// Turns to a network: everything of the one before lies apart, durably when it returns, and the epoch
    /// and the mark are those that were seen in this one. Blocks on the disk.
    ///
    /// # Errors
    /// When the store's index fails.
    pub fn turn_to(&self, network: NetworkId) -> Result<(), StoreError> {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.turn_to(network, &NETWORK_FACTS)?;
        *mark = self.store.meta_get(MARK_KEY)?.as_deref().and_then(read_mark);
        self.epoch
            .store(read_number(&self.store, EPOCH_KEY)?, Ordering::SeqCst);
        Ok(())
    }

    /// Returns the other networks of which something is known or kept here. Blocks on the disk.
    ///
    /// # Errors
    /// When the store's index fails.
    pub fn other_networks(&self) -> Result<Vec<NetworkId>, StoreError> {
        self.store.other_networks()
    }

    /// Recalls the networks that this peer was in, if its index was made anew and knows none. Nothing tells
    /// then which of several a content is of: it is of all of them. Blocks on the disk.
    ///
    /// # Errors
    /// When the store's index fails.
    pub fn recall(&self, network: Option<NetworkId>, others: &[NetworkId]) -> Result<(), StoreError> {
        match network {
            Some(network) if self.network().is_none() => {
                self.turn_to(network)?;
                self.store.share_with(others)
            }
            _ => Ok(()),
        }
    }

    /// Returns the newest epoch seen in the network; 0 when none was.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch.load(Ordering::SeqCst))
    }

    /// Returns the latest mark of the tracker's history; none when none was told.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a mark in place of the one before: in memory at once, durably when it returns. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// When the store's index fails.
    pub fn remember(&self, mark: Mark) -> Result<(), StoreError> {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        let numbers = [mark.epoch.get(), mark.began.as_millis(), mark.facts];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.store.meta_set(MARK_KEY, &bytes)
    }

    /// Returns the token by which a command proves that it may change something: 32 hexadecimal digits.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Raises the newest epoch, durably when it returns. Blocks on the disk.
    ///
    /// # Errors
    /// When the store's index fails.
    pub fn raise_epoch(&self, epoch: Epoch) -> Result<(), StoreError> {
        if epoch > self.epoch() {
            self.store.meta_set(EPOCH_KEY, &epoch.get().to_be_bytes())?;
            self.epoch.fetch_max(epoch.get(), Ordering::SeqCst);
        }
        Ok(())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token is a secret.
        f.debug_struct("Identity")
            .field("peer", &self.peer)
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}

fn next_run(last: Incarnation) -> Result<Incarnation, StoreError> {
    let used_up = || {
        StoreError::Unusable(
            "the runs of this peer are used up: no number follows; give it an id of its own with `peer new-id`".to_owned(),
        )
    };
    last.next().ok_or_else(used_up)
}

fn read_number(store: &DiskStore, key: &str) -> Result<u64, StoreError> {
    let bytes = store
        .meta_get(key)?
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

fn read_mark(bytes: &[u8]) -> Option<Mark> {
    match *bytes.as_chunks().0 {
        [epoch, began, facts] => Some(Mark {
            epoch: Epoch::new(u64::from_be_bytes(epoch)),
            began: Timestamp::from_millis(u64::from_be_bytes(began)),
            facts: u64::from_be_bytes(facts),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use shared::hash::ContentHasher;
    use shared::model::FragmentLength;
    use shared::{Coded as _, ErrorCode};
    use store::{FragmentStore as _, Purpose};

    use super::*;

    #[test]
    fn fragments_without_an_id_are_nobody_elses() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"));
        let mut hasher = ContentHasher::new(5, FragmentLength::MIN);
        hasher.update(b"bytes");
        let manifest = hasher.finish().expect("the length is right");
        let purpose = Purpose::Assigned(manifest.all_fragments());
        store.prepare(&manifest, purpose).expect("fits");
        let error = Identity::begin(Arc::clone(&store)).expect_err("its id is lost");
        assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
        assert_eq!(read_peer(&store).expect("reads"), None, "no id was made");
    }

    #[test]
    fn a_key_is_made_once_and_a_directory_without_it_is_not_used() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"));
        let begin = || Identity::begin(Arc::clone(&store));
        let refused = |what: &str| {
            let error = begin().expect_err("it has no key of its own");
            assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains("peer new-id"), "{error}");
        };
        // The directory of an earlier version has an id and no key.
        let peer = PeerId::random();
        store.meta_set(PEER_KEY, peer.as_bytes()).expect("durable");
        let first = begin().expect("begins");
        assert_eq!(first.peer(), peer);
        let hash = first.key().public().hash();
        assert_eq!(begin().expect("begins").key().public().hash(), hash);
        // The last start ended before the index took note of the key.
        store.meta_set(KEY_KEY, &[]).expect("durable");
        assert_eq!(begin().expect("begins").key().public().hash(), hash);

        let path = key_file::path(dir.path());
        let own = std::fs::read(&path).expect("there");
        std::fs::remove_file(&path).expect("removed");
        refused("the key of this peer is gone");
        std::fs::write(&path, &own[..own.len() / 2]).expect("written");
        refused("is damaged");
        for of in [PeerId::random(), peer] {
            key_file::make(dir.path(), of).expect("made");
            refused(&format!("has a key of peer {of}"));
        }
        std::fs::write(&path, own).expect("written");
        assert_eq!(begin().expect("begins").key().public().hash(), hash);

        // A new id has a key of its own, also where the old one is damaged.
        std::fs::write(&path, "damaged").expect("written");
        let renewed = renew(&store).expect("durable").expect("it had an id");
        let second = begin().expect("begins");
        assert_eq!(second.peer(), renewed.peer);
        assert_ne!(second.key().public().hash(), hash);
    }

    #[test]
    fn the_file_of_the_key_tells_the_id_that_the_index_has_lost() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"));
        let first = Identity::begin(Arc::clone(&store)).expect("begins");
        for key in [PEER_KEY, KEY_KEY] {
            store.meta_set(key, &[]).expect("durable");
        }
        let again = Identity::begin(store).expect("begins");
        assert_eq!(again.peer(), first.peer());
        assert_eq!(again.key().public(), first.key().public());
    }

    #[test]
    fn a_restart_keeps_the_id_and_the_epoch_and_counts_the_incarnation() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let begin = || {
            Identity::begin(Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"))).expect("begins")
        };
        let mark = Mark {
            epoch: Epoch::new(7),
            began: Timestamp::from_millis(1 << 40),
            facts: 12,
        };
        let (peer, token) = {
            let first = begin();
            assert_eq!(
                (first.incarnation(), first.epoch()),
                (Incarnation::new(1), Epoch::new(0))
            );
            first.raise_epoch(Epoch::new(7)).expect("durable");
            assert_eq!(first.mark(), None);
            first.remember(mark).expect("durable");
            first
                .raise_epoch(Epoch::new(3))
                .expect("an older epoch changes nothing");
            (first.peer(), first.token().to_owned())
        };
        let second = begin();
        assert_eq!(
            (second.peer(), second.incarnation(), second.epoch()),
            (peer, Incarnation::new(2), Epoch::new(7))
        );
        assert_eq!(second.mark(), Some(mark));
        assert_ne!(second.token(), token);
        second.count_on(Incarnation::new(8)).expect("durable");
        assert_eq!(second.incarnation(), Incarnation::new(9));
        let run = second.run();
        drop(second);
        let third = begin();
        assert_eq!(third.incarnation(), Incarnation::new(10));
        assert_ne!(third.run(), run);
    }

    #[test]
    fn the_last_run_is_followed_by_none_and_nothing_overflows() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"));
        let first = Identity::begin(Arc::clone(&store)).expect("begins");
        first.count_on(Incarnation::new(u64::MAX - 2)).expect("durable");
        assert_eq!(first.incarnation(), Incarnation::new(u64::MAX - 1));
        let last = Identity::begin(Arc::clone(&store)).expect("the last one");
        assert_eq!(last.incarnation(), Incarnation::new(u64::MAX));
        let refused = last
            .count_on(Incarnation::new(u64::MAX))
            .expect_err("none follows");
        assert_eq!(refused.code(), ErrorCode::FailedPrecondition, "{refused}");
        let refused = Identity::begin(Arc::clone(&store)).expect_err("none follows");
        assert!(refused.to_string().contains("peer new-id"), "{refused}");
        renew(&store).expect("durable").expect("it had an id");
        let another = Identity::begin(store).expect("counts anew");
        assert_eq!(another.incarnation(), Incarnation::new(1));
    }

    #[test]
    fn a_copy_gets_an_id_and_leaves_what_was_begun_to_the_original() {
        use shared::model::{ContentId, ReplicationTarget, Revision};
        use store::{Publication, PublicationState};
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Arc::new(DiskStore::open(dir.path(), 1 << 20).expect("opens"));
        assert_eq!(renew(&store).expect("read"), None, "there is no id yet");
        let first = Identity::begin(Arc::clone(&store)).expect("begins");
        first.raise_epoch(Epoch::new(7)).expect("durable");
        let publication = |name: &str, state| Publication {
            name: name.parse().expect("a name"),
            content: ContentId::EMPTY,
            target: Some(ReplicationTarget::DEFAULT),
            update: true,
            metadata: None,
            state,
        };
        let done = publication("done", PublicationState::Published(Revision::new(1)));
        let begun = publication("begun", PublicationState::Pending(None));
        for publication in [&done, &begun] {
            store.put_publication(publication).expect("durable");
        }
        let renewed = renew(&store).expect("durable").expect("it had an id");
        assert_eq!(renewed.previous, first.peer());
        assert_eq!(renewed.left, [begun.name]);
        assert_eq!(store.publications().expect("read"), [done]);
        let second = Identity::begin(store).expect("begins");
        assert_eq!(
            (second.peer(), second.incarnation()),
            (renewed.peer, Incarnation::new(1))
        );
        assert_ne!(second.peer(), first.peer());
        assert_eq!(second.epoch(), Epoch::new(7));
    }
}
