//! A new index in place of a damaged one, made from the fragments and leaf hashes that are on disk.
//!
//! The old index says which contents there were and where ([`salvage`](super::salvage)), and is believed in
//! nothing: roots prove themselves by the content id, and every fragment is read and hashed. A whole content
//! of which it says nothing is adopted as at every start (`strays`).
//!
//! Invariants: no file is deleted but the copies that were made here. The old index stays, with its log and
//! marker, under a name of its own. Whichever step a crash interrupts, a node refuses to start on half an
//! index, and the next attempt begins anew with everything that was there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use shared::data_files;
use shared::database::{self, Verdict};
use shared::hash::{FragmentProof, read_leaves};
use shared::model::{ContentId, Digest, Name};
use tracing::{info, warn};

use super::files::{self, FileIdentity, sync_directory};
use super::index::Index;
use super::kept::Kept;
use super::layout::{Layout, make_directory, make_directory_of};
use super::salvage::{Salvaged, salvage, settled};
use super::{DiskStore, Place, Publication, StoreError};

/// Outcome of making a new index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// New name of the old index; none when there was none.
    pub moved: Option<PathBuf>,
    /// Contents of which something is held.
    pub contents: u64,
    /// Fragments that are held.
    pub fragments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Names that waited for their publication, which is forgotten: it may have been made since.
    pub unpublished: Vec<Name>,
    /// Names that were published from here and of whose contents nothing is left here: the record that told
    /// where a file of the user's is could not be read, or the file is gone.
    pub unshared: Vec<Name>,
}

impl DiskStore {
    /// Makes a new index for a data directory and opens the store; returns none, and makes nothing, when
    /// there is nothing from which to make it. Reads everything that is held.
    ///
    /// An index is damaged, too, when it lacks the fact under the key `needs`. The fact may be lacking in the
    /// new one.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when a node runs there, the index is sound or of a newer format;
    /// [`StoreError::Io`], [`StoreError::Index`].
    pub fn rebuild(
        data_dir: &Path,
        capacity: u64,
        needs: &str,
    ) -> Result<Option<(Self, Rebuilt)>, StoreError> {
        if !Layout::is_used(data_dir) {
            return Ok(None);
        }
        let layout = Layout::create(data_dir)?;
        let lock = layout.lock()?;
        let (index, scratch) = (layout.index(), layout.rebuilding());
        begin_scratch(&scratch)?;
        let examined = database::examine(&index).map_err(StoreError::io("read", &index))?;
        let mut old = salvage(&index, &scratch.join("live"))?;
        if matches!(examined, Verdict::Sound | Verdict::Torn(_)) && old.is_whole && old.has(needs) {
            remove_scratch(&scratch)?;
            return Err(StoreError::Unusable(format!(
                "{} is sound, and a sound index is never replaced: nothing was changed; start the node",
                index.display()
            )));
        }
        // An attempt that was interrupted has put the index aside; nothing newer has an id.
        for (n, aside) in asides(&index).into_iter().rev().enumerate() {
            if !old.has(needs) {
                let earlier = salvage(&aside, &scratch.join(format!("aside-{n}")))?;
                old = if earlier.has(needs) { earlier } else { old };
            }
        }
        let fresh = scratch.join("index.db");
        if let Some(first) = &old.faults.first {
            warn!(faults = old.faults.count, %first, "not all of the old index can be read");
        }
        let is_name = |publication: &&Publication| publication.is_name() && !publication.is_pending();
        let named = old.publications.iter().filter(is_name);
        let named = named
            .map(|publication| (publication.name.clone(), publication.content))
            .collect();
        let unpublished = write(&layout, old, &fresh)?;
        let moved = put_aside(&index)?;
        take_place(&fresh, &index)?;
        remove_scratch(&scratch)?;
        let store = Self::on(layout, lock, capacity)?;
        let unshared = store.unshared(named);
        let rebuilt = store.summary(moved, unpublished, unshared);
        Ok(Some((store, rebuilt)))
    }

    /// Returns those of the names of whose contents nothing is held.
    fn unshared(&self, named: Vec<(Name, ContentId)>) -> Vec<Name> {
        let is_lost = |(_, content): &(Name, ContentId)| {
            let held = self.slots.get(*content).map(|slot| slot.kept().held.clone());
            // Of an empty content all is here as soon as its record is.
            held.is_none_or(|held| held.is_empty() && !held.is_full())
        };
        let lost = named.into_iter().filter(is_lost);
        lost.map(|(name, _)| name).collect()
    }

    fn summary(&self, moved: Option<PathBuf>, unpublished: Vec<Name>, unshared: Vec<Name>) -> Rebuilt {
        let mut rebuilt = Rebuilt {
            moved,
            contents: 0,
            fragments: 0,
            bytes: 0,
            unpublished,
            unshared,
        };
        for slot in self.slots.all() {
            let kept = slot.kept();
            rebuilt.contents += u64::from(!kept.held.is_empty());
            rebuilt.fragments += u64::from(kept.held.len());
            rebuilt.bytes += kept.manifest.bytes_in(&kept.held);
        }
        rebuilt
    }
}

fn begin_scratch(scratch: &Path) -> Result<(), StoreError> {
    remove_scratch(scratch)?;
    make_directory(scratch)
}

/// Removes the copies of this attempt, or of one that was interrupted.
fn remove_scratch(scratch: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", scratch)(error)),
        _ => Ok(()),
    }
}

/// Writes the new index; returns the names that waited for their publication.
fn write(layout: &Layout, old: Salvaged, path: &Path) -> Result<Vec<Name>, StoreError> {
    let mut index = Index::open(path)?;
    index.stop_syncing()?;
    for (key, value) in &old.meta {
        index.meta_set(key, value)?;
    }
    for record in old.records {
        let content = record.content();
        let proven = proven(layout, record)?;
        info!(content = %content.short(), fragments = proven.held.len(), "read again");
        // The data of a content of which nothing is proved are no longer anybody's, and no stray is deleted.
        if proven.place != Place::Store || !proven.held.is_empty() || proven.held.is_full() {
            index.insert(&proven)?;
        }
    }
    for (content, copy) in &old.copies {
        index.add_copy(*content, copy)?;
    }
    let (settled_here, mut waiting) = settled(old.publications);
    for publication in &settled_here {
        index.put_publication(publication)?;
    }
    let mut networks = old.networks;
    for (network, publication) in std::mem::take(&mut networks.publications) {
        let (settled, left) = settled(vec![publication]);
        waiting.extend(left);
        let apart = settled.into_iter().map(|publication| (network, publication));
        networks.publications.extend(apart);
    }
    networks.write(&index)?;
    for content in &old.unfinished {
        index.begin_addition(0, *content)?;
    }
    drop(index);
    let sync = data_files::open_to_read(path).and_then(|file| file.sync_all());
    sync.map_err(StoreError::io("sync", path))?;
    Ok(waiting)
}

/// Reads the data of a record; returns the record with the fragments that they prove, and with their leaves
/// in place. A user's file that is not the one that was added is left to the start of the node.
fn proven(layout: &Layout, mut kept: Kept) -> Result<Kept, StoreError> {
    let content = kept.content();
    let (data, path) = (layout.data(content), layout.leaves(content));
    let data = match &kept.place {
        Place::Store => data,
        Place::Partial { partial, .. } => partial.clone(),
        Place::File(path) if FileIdentity::at(path) != kept.identity => return Ok(kept),
        Place::File(path) => path.clone(),
    };
    let mut held = kept.manifest.no_fragments();
    if let Ok(data) = files::open_users(&data)
        && data.metadata().is_ok_and(|metadata| metadata.is_file())
    {
        make_directory_of(&path)?;
        let mut options = OpenOptions::new();
        let leaves = options.read(true).write(true).create(true).truncate(false);
        let leaves = data_files::open(&path, leaves).map_err(StoreError::io("open", &path))?;
        for index in kept.manifest.indices() {
            let at = kept.first_block(index) * Digest::LEN as u64;
            let blocks = kept.manifest.blocks_of(index) as usize;
            let before = leaves_at(&leaves, at, blocks);
            // Where no leaves are, nothing has come but what the index says.
            if !kept.held.contains(index) && before.iter().all(|byte| *byte == 0) {
                continue;
            }
            let Ok(found) = read_leaves(&data, kept.manifest.range(index)) else {
                continue;
            };
            let Ok(proof) = FragmentProof::verify(&kept.manifest, index, found) else {
                continue;
            };
            let now: Vec<u8> = proof.leaves().iter().flat_map(|leaf| *leaf.as_bytes()).collect();
            if now != before {
                leaves
                    .write_all_at(&now, at)
                    .map_err(StoreError::io("write", &path))?;
            }
            held.insert(index);
        }
        data.sync_all().map_err(StoreError::io("sync", &path))?;
        leaves.sync_all().map_err(StoreError::io("sync", &path))?;
    }
    kept.wanted.union_with(&held);
    kept.held = held;
    Ok(kept)
}

/// Reads leaves; of those that are not there, none.
fn leaves_at(file: &File, at: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count * Digest::LEN];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Returns the name that an index gets when it is put aside for the `n`th time.
fn aside(index: &Path, n: usize) -> PathBuf {
    let mut path = index.as_os_str().to_owned();
    path.push(".damaged");
    if n > 0 {
        path.push(format!(".{n}"));
    }
    path.into()
}

/// Returns a database's files.
fn family(database: &Path) -> [PathBuf; 3] {
    let log = database::log_of(database);
    [database.to_owned(), log, database::marker_of(database)]
}

fn is_there(database: &Path) -> bool {
    family(database)
        .iter()
        .any(|file| file.symlink_metadata().is_ok())
}

/// Returns the names under which indexes were put aside, the oldest first.
fn asides(index: &Path) -> Vec<PathBuf> {
    let names = (0..).map(|n| aside(index, n));
    names.take_while(|path| is_there(path)).collect()
}

/// Gives the files of an index second names; returns that of the index.
fn put_aside(index: &Path) -> Result<Option<PathBuf>, StoreError> {
    if !is_there(index) {
        return Ok(None);
    }
    let to = aside(index, asides(index).len());
    for (from, to) in family(index).into_iter().zip(family(&to)) {
        match second_name(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io("keep a copy of", &from)(error));
            }
            _ => {}
        }
    }
    to.parent().map_or(Ok(()), sync_directory)?;
    Ok(Some(to))
}

fn second_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        // Not every file system can do this.
        Err(error) if error.kind() != ErrorKind::NotFound => {
            fs::copy(from, to)?;
            File::open(to)?.sync_all()
        }
        other => other,
    }
}

/// Puts the new index in the place of the old one, which has second names. As long as half is done, the
/// marker is there without its log, and no node starts.
fn take_place(fresh: &Path, index: &Path) -> Result<(), StoreError> {
    let [_, log, marker] = family(index);
    let directory = index.parent().unwrap_or(Path::new("/"));
    if is_there(index) {
        database::mark(index).map_err(StoreError::io("write", &marker))?;
    }
    let mut shared = index.as_os_str().to_owned();
    shared.push("-shm");
    for file in [log, shared.into()] {
        files::remove(&file)?;
    }
    sync_directory(directory)?;
    files::move_file(fresh, index, true)?;
    database::unmark(index).map_err(StoreError::io("remove", &marker))
}
