//! The record of one content and the rules by which it changes: pure, and identical for every store.
//!
//! Invariants: `held` is a subset of `wanted`; a fragment becomes held only when every block of it has been
//! written into this very record; a record whose data is in a user's file is never written to.
//!
//! Deliberately absent: files and the index. A store asks the record for its next state, carries that out,
//! and then lets the record change.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::hash::{FragmentProof, VerifiedBlocks};
use shared::model::{
    Absence, BLOCK_LENGTH, BlockSpan, ContentId, FragmentIndex, FragmentSet, Manifest, Name,
};

use super::account::Claim;
use super::copies::UserFile;
use super::files::FileIdentity;
use super::suspension::{Away, Suspension};
use super::{Entry, Place, Purpose, Role, Roles, StoreError};

/// Bytes of an output's name that go into the name of its partial file: file systems allow 255 bytes in all.
const PARTIAL_NAME_BYTES: usize = 200;

/// End of the names of unfinished files.
const PARTIAL: &str = ".enjambre-part";

/// Bytes of neighbouring fragments for which room is taken at once, so that a file is in few pieces.
const NEIGHBOURHOOD: u64 = 16 << 20;

/// Record of one content, with the blocks that have been written but not committed.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) manifest: Manifest,
    /// Fragments that are verified and synced.
    pub(super) held: FragmentSet,
    /// Fragments for which room was made.
    pub(super) wanted: FragmentSet,
    pub(super) roles: Roles,
    pub(super) name: Option<Name>,
    pub(super) place: Place,
    /// Identity of a user's file when it was last known to be right. Of a partial file: its identity when
    /// complete, noted before it is renamed.
    pub(super) identity: Option<FileIdentity>,
    /// The file system on which the data were seen in this run.
    pub(super) device: Option<u64>,
    /// Memory of a file that is away; then nothing of it is held.
    pub(super) suspension: Option<Suspension>,
    /// Whether the content was fetched anew in this run while its shared file was away.
    is_displaced: bool,
    /// Blocks written in this run, of fragments that are not held yet.
    written: BTreeMap<FragmentIndex, Vec<bool>>,
}

impl Roles {
    pub(super) const fn with(mut self, role: Role, is_there: bool) -> Self {
        match role {
            Role::Published => self.published = is_there,
            Role::Assigned => self.assigned = is_there,
            Role::Fetched => self.fetched = is_there,
        }
        self
    }

    pub(super) const fn has(self, role: Role) -> bool {
        match role {
            Role::Published => self.published,
            Role::Assigned => self.assigned,
            Role::Fetched => self.fetched,
        }
    }
}

impl Purpose {
    const fn role(&self) -> Role {
        match self {
            Self::Assigned(_) => Role::Assigned,
            Self::Fetched { .. } => Role::Fetched,
            Self::Collected { role, .. } => *role,
        }
    }

    /// Whether the purpose is a fetch into this very file.
    pub(super) fn is_to(&self, path: &Path) -> bool {
        matches!(self, Self::Fetched { output, .. } if output == path)
    }

    fn wanted(&self, manifest: &Manifest) -> Result<FragmentSet, StoreError> {
        match self {
            Self::Assigned(set) | Self::Collected { fragments: set, .. }
                if set.capacity() != manifest.fragment_count() =>
            {
                Err(StoreError::OtherFragments(manifest.content()))
            }
            Self::Assigned(set) | Self::Collected { fragments: set, .. } => Ok(set.clone()),
            Self::Fetched { .. } => Ok(manifest.all_fragments()),
        }
    }
}

/// Returns the partial file of an output: hidden, beside it, and with a `nonce` so that no other fetch uses
/// it.
pub(super) fn partial_beside(output: &Path, nonce: u64) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let end = (0..=name.len().min(PARTIAL_NAME_BYTES))
        .rev()
        .find(|&at| name.is_char_boundary(at))
        .unwrap_or(0);
    output.with_file_name(format!(".{}{}", &name[..end], partial_name(nonce)))
}

/// Returns a hidden name for a file that is being written: that of an output's partial file, but for the name
/// of the output.
#[must_use]
pub fn partial_name(nonce: u64) -> String {
    format!(".{nonce:016x}{PARTIAL}")
}

/// Whether a name is one that the store, or a restoration, gives to unfinished files, exactly.
#[must_use]
pub fn is_partial_name(name: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let before = name.strip_suffix(PARTIAL).map(str::as_bytes);
    before
        .and_then(<[u8]>::split_last_chunk::<16>)
        .is_some_and(|(before, nonce)| {
            before.starts_with(b".") && before.ends_with(b".") && nonce.iter().copied().all(is_hex)
        })
}

impl Kept {
    /// Makes the record of a content that is new here, of which nothing is held yet.
    pub(super) fn new(manifest: &Manifest, purpose: &Purpose, nonce: u64) -> Result<Self, StoreError> {
        let (name, place) = match purpose {
            Purpose::Assigned(_) => (None, Place::Store),
            Purpose::Collected { name, .. } => (name.clone(), Place::Store),
            Purpose::Fetched {
                name,
                output,
                overwrite,
            } => {
                let partial = partial_beside(output, nonce);
                (
                    name.clone(),
                    Place::Partial {
                        partial,
                        output: output.clone(),
                        overwrite: *overwrite,
                    },
                )
            }
        };
        Ok(Self {
            wanted: purpose.wanted(manifest)?,
            held: manifest.no_fragments(),
            manifest: manifest.clone(),
            roles: Roles::default().with(purpose.role(), true),
            name,
            place,
            identity: None,
            device: None,
            suspension: None,
            is_displaced: false,
            written: BTreeMap::new(),
        })
    }

    /// Makes the record of a content whose bytes are all in a user's file.
    pub(super) fn in_file(manifest: &Manifest, file: UserFile, roles: Roles, name: Option<Name>) -> Self {
        Self {
            manifest: manifest.clone(),
            held: manifest.all_fragments(),
            wanted: manifest.all_fragments(),
            roles,
            name,
            place: Place::File(file.path),
            identity: Some(file.identity),
            device: None,
            suspension: None,
            is_displaced: false,
            written: BTreeMap::new(),
        }
    }

    /// Makes a record as it was stored.
    pub(super) fn restored(manifest: Manifest, held: FragmentSet, wanted: FragmentSet, place: Place) -> Self {
        let (roles, written) = (Roles::default(), BTreeMap::new());
        Self {
            manifest,
            held,
            wanted,
            roles,
            name: None,
            place,
            identity: None,
            device: None,
            suspension: None,
            is_displaced: false,
            written,
        }
    }

    /// Copies the durable part of the record: everything but the notes about written blocks.
    pub(super) fn durable(&self) -> Self {
        Self {
            manifest: self.manifest.clone(),
            held: self.held.clone(),
            wanted: self.wanted.clone(),
            roles: self.roles,
            name: self.name.clone(),
            place: self.place.clone(),
            identity: self.identity,
            device: self.device,
            suspension: self.suspension.clone(),
            is_displaced: self.is_displaced,
            written: BTreeMap::new(),
        }
    }

    /// Returns the fragments of which the index says that they are held: a file that is away may come back.
    pub(super) fn promised(&self) -> FragmentSet {
        let mut promised = self.held.clone();
        if let Some(suspension) = &self.suspension {
            promised.union_with(&suspension.held);
        }
        promised
    }

    /// Takes note that the file is away, or away for another reason.
    pub(super) fn suspend(&mut self, absence: Absence, has_copies: bool) {
        let none = self.manifest.no_fragments();
        let suspension = self.suspension.get_or_insert_with(|| Suspension {
            held: std::mem::replace(&mut self.held, none),
            away: Away {
                absence,
                lasted: Duration::ZERO,
            },
            refuted: None,
            has_copies,
        });
        suspension.away.absence = absence;
    }

    /// Holds again what was held before the file was away.
    pub(super) fn resume(&mut self) {
        self.held = self.promised();
        self.suspension = None;
    }

    /// Returns the user's file that is away.
    pub(super) fn file_away(&self) -> Option<UserFile> {
        match (&self.place, self.identity, &self.suspension) {
            (Place::File(path), Some(identity), Some(_)) => Some(UserFile {
                path: path.clone(),
                identity,
            }),
            _ => None,
        }
    }

    /// Moves to another file of the user's that has the same bytes.
    pub(super) fn move_to(&mut self, file: UserFile) {
        self.place = Place::File(file.path);
        (self.identity, self.device) = (Some(file.identity), None);
    }

    pub(super) const fn content(&self) -> ContentId {
        self.manifest.content()
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            manifest: self.manifest.clone(),
            held: self.held.clone(),
            roles: self.roles,
            name: self.name.clone(),
            place: self.place.clone(),
            away: self.suspension.as_ref().map(|suspension| suspension.away),
        }
    }

    /// Bytes of the capacity that the content takes: only data in the store's own files does.
    pub(super) fn reserved(&self) -> u64 {
        if self.place == Place::Store {
            self.manifest.bytes_in(&self.wanted)
        } else {
            0
        }
    }

    /// Room that the content takes, and that it will take.
    pub(super) fn claim(&self) -> Claim {
        let missing = match self.place {
            Place::File(_) => 0,
            Place::Store | Place::Partial { .. } => {
                let there = self.manifest.bytes_in(&self.promised());
                self.manifest.bytes_in(&self.wanted).saturating_sub(there)
            }
        };
        Claim {
            reserved: self.reserved(),
            missing,
            disk: self.device,
        }
    }

    /// Returns the fragments for which room is taken on the disk with the first block of this one: those of
    /// its neighbourhood, unless that was begun before. Only where verified data come is room taken.
    pub(super) fn room_for(&self, index: FragmentIndex) -> Option<FragmentSet> {
        if self.written.contains_key(&index) {
            return None;
        }
        let start = self.manifest.range(index).start / NEIGHBOURHOOD * NEIGHBOURHOOD;
        let end = self.manifest.length().min(start.saturating_add(NEIGHBOURHOOD));
        let mut around = self.manifest.fragments_in(&(start..end));
        let is_begun = around
            .iter()
            .any(|index| self.held.contains(index) || self.written.contains_key(&index));
        around.intersect_with(&self.wanted);
        (!is_begun).then_some(around)
    }

    /// No longer wants fragments that were assigned and are not here; returns those of them that were wanted.
    /// A content that its user wants keeps its room.
    pub(super) fn give_back(&mut self, fragments: &FragmentSet) -> Option<FragmentSet> {
        let is_assigned_only = self.roles == Roles::default().with(Role::Assigned, true);
        let is_here = self.place == Place::Store && self.suspension.is_none();
        if !is_assigned_only || !is_here || fragments.capacity() != self.wanted.capacity() {
            return None;
        }
        let mut unused = self.wanted.clone();
        unused.intersect_with(fragments);
        unused.subtract(&self.held);
        self.wanted.subtract(&unused);
        self.written.retain(|index, _| !unused.contains(*index));
        (!unused.is_empty()).then_some(unused)
    }

    /// Returns the record that follows when the content is wanted for one more purpose.
    pub(super) fn admit(
        &self,
        manifest: &Manifest,
        purpose: &Purpose,
        nonce: u64,
    ) -> Result<Self, StoreError> {
        let mut next = self.with_fragments_of(manifest)?;
        let wanted = purpose.wanted(&next.manifest)?;
        if let Place::File(path) = &self.place
            && !wanted.is_subset(&next.held)
        {
            if !next.held.is_empty() {
                return Err(StoreError::InPlace {
                    content: self.content(),
                    path: path.clone(),
                });
            }
            if let (Some(suspension), Purpose::Assigned(_)) = (&self.suspension, purpose) {
                let (path, absence) = (path.clone(), suspension.away.absence);
                return Err(StoreError::Away { path, absence });
            }
            // The file is gone or another one now: there is no data for which to keep the place. The user who
            // fetches it anew goes on sharing it.
            let mut moved = Self::new(&next.manifest, purpose, nonce)?;
            moved.roles.assigned |= self.roles.assigned;
            moved.is_displaced = self.roles.published && self.suspension.is_some();
            moved.roles.published |= moved.is_displaced;
            moved.name = moved.name.or(next.name);
            return Ok(moved);
        }
        if let (Place::Partial { output, .. }, Purpose::Fetched { output: asked, .. }) =
            (&self.place, purpose)
            && output != asked
            && self.held.is_empty()
            && self.written.is_empty()
        {
            // Nothing has been fetched for the earlier output (or it is gone with its directory).
            let mut moved = Self::new(&next.manifest, purpose, nonce)?;
            moved.roles = next.roles.with(purpose.role(), true);
            return Ok(moved);
        }
        next.wanted.union_with(&wanted);
        next.roles = next.roles.with(purpose.role(), true);
        if let Purpose::Fetched {
            name,
            output: asked,
            overwrite: may,
        } = purpose
        {
            next.name = next.name.or_else(|| name.clone());
            if let Place::Partial {
                output, overwrite, ..
            } = &mut next.place
            {
                // An output that was given up must not come about when the content is wanted elsewhere.
                *overwrite = *may || *overwrite && output == asked;
                output.clone_from(asked);
            }
        }
        Ok(next)
    }

    /// Returns the output that a fetch into another file than the content's own asks for, and whether it may
    /// be replaced. A fetch that could not write it in the end must not change the record before.
    pub(super) fn output_of<'a>(&self, purpose: &'a Purpose) -> Option<(&'a Path, bool)> {
        let Purpose::Fetched {
            output: asked,
            overwrite: may,
            ..
        } = purpose
        else {
            return None;
        };
        match &self.place {
            Place::File(path) if path == asked => None,
            Place::Partial {
                output, overwrite, ..
            } if output == asked => Some((asked, *may || *overwrite)),
            _ => Some((asked, *may)),
        }
    }

    /// Returns the record cut into the fragments of another manifest of the same content: possible when all
    /// fragments are held (the bytes and the leaves are the same), or when none is and nothing is in
    /// progress.
    fn with_fragments_of(&self, manifest: &Manifest) -> Result<Self, StoreError> {
        if self.manifest.fragment_length() == manifest.fragment_length() {
            return Ok(self.clone());
        }
        let is_away_elsewhere = self.suspension.is_some() && !matches!(self.place, Place::File(_));
        let is_idle = self.held.is_empty() && self.written.is_empty() && !is_away_elsewhere;
        let held = match () {
            () if self.held.is_full() => manifest.all_fragments(),
            () if is_idle => manifest.no_fragments(),
            () => return Err(StoreError::OtherFragments(self.content())),
        };
        // The room that was made stays.
        let mut wanted = manifest.no_fragments();
        for index in self.wanted.iter() {
            wanted.union_with(&manifest.fragments_in(&self.manifest.range(index)));
        }
        Ok(Self {
            manifest: manifest.clone(),
            held,
            wanted,
            suspension: None,
            is_displaced: false,
            written: BTreeMap::new(),
            ..self.clone()
        })
    }

    /// Whether nothing of the content is here, and the record is not that of the user's own, which tells
    /// what happened to it. A fetch that was given up before its first fragment leaves such a record, and so
    /// does a copy that rotted whole and is elsewhere now: no tracker knows of them, so none orders them
    /// away.
    pub(super) fn is_left_over(&self) -> bool {
        // Of an empty content all is here.
        let is_nothing_here = self.held.is_empty() && !self.held.is_full() && self.written.is_empty();
        is_nothing_here && self.suspension.is_none() && !self.roles.published
    }

    /// Whether this is a shared content that goes back to its file when that is back: it was fetched anew
    /// into the store, or into a partial file that is not complete.
    pub(super) fn is_displaced(&self) -> bool {
        self.roles.published
            && match self.place {
                Place::Store => self.is_displaced,
                Place::Partial { .. } => !self.held.is_full(),
                Place::File(_) => false,
            }
    }

    /// Refuses a fragment that is not held.
    pub(super) fn require_held(&self, index: FragmentIndex) -> Result<(), StoreError> {
        let content = self.content();
        if self.held.contains(index) {
            Ok(())
        } else {
            Err(StoreError::NotHeld { content, index })
        }
    }

    /// Returns the byte range, in the data, of blocks of a held fragment or of blocks that were written in
    /// this run.
    pub(super) fn locate(&self, index: FragmentIndex, span: BlockSpan) -> Result<Range<u64>, StoreError> {
        if !self.are_written(index, span) {
            self.require_held(index)?;
        }
        // A span of another manifest's fragment may reach further than this one's.
        self.manifest
            .span(index, span.first(), span.count())
            .map(|span| self.manifest.span_range(index, span))
            .ok_or(StoreError::OtherFragments(self.content()))
    }

    fn are_written(&self, index: FragmentIndex, span: BlockSpan) -> bool {
        let blocks = span.first() as usize..(span.first() + span.count()) as usize;
        let written = self.written.get(&index).and_then(|written| written.get(blocks));
        written.is_some_and(|written| written.iter().all(|is_there| *is_there))
    }

    /// Returns the byte range to which blocks are to be written; none when their fragment is held already.
    pub(super) fn place_for(&self, blocks: VerifiedBlocks<'_>) -> Result<Option<Range<u64>>, StoreError> {
        let (content, index) = (self.content(), blocks.index());
        if self.held.contains(index) {
            return Ok(None);
        }
        if let Place::File(path) = &self.place {
            return Err(StoreError::InPlace {
                content,
                path: path.clone(),
            });
        }
        if !self.wanted.contains(index) {
            return Err(StoreError::NotPrepared { content, index });
        }
        if self.manifest.root(index) != blocks.root() {
            return Err(StoreError::OtherFragments(content));
        }
        let fragment = self.manifest.range(index);
        let start = fragment.start + u64::from(blocks.first()) * u64::from(BLOCK_LENGTH);
        let end = start + blocks.bytes().len() as u64;
        let is_whole = end.is_multiple_of(u64::from(BLOCK_LENGTH)) || end == fragment.end;
        if end > fragment.end || !is_whole {
            return Err(StoreError::OtherFragments(content));
        }
        Ok(Some(start..end))
    }

    /// Notes that blocks have been written to the range that [`Self::place_for`] returned.
    pub(super) fn note_written(&mut self, blocks: VerifiedBlocks<'_>) {
        // The record may have changed since.
        if !matches!(self.place_for(blocks), Ok(Some(_))) {
            return;
        }
        let count = self.manifest.blocks_of(blocks.index()) as usize;
        let written = self
            .written
            .entry(blocks.index())
            .or_insert_with(|| vec![false; count]);
        let run = blocks.bytes().len().div_ceil(BLOCK_LENGTH as usize);
        written
            .iter_mut()
            .skip(blocks.first() as usize)
            .take(run)
            .for_each(|is_there| *is_there = true);
    }

    /// Forgets the blocks that are written and not held, because they could not be synced.
    pub(super) fn forget_written(&mut self) {
        self.written.clear();
    }

    /// Returns those of the fragments that are not held yet, if all of them may become held.
    pub(super) fn fresh<'a>(
        &self,
        proofs: &'a [FragmentProof],
    ) -> Result<Vec<&'a FragmentProof>, StoreError> {
        let content = self.content();
        let mut fresh = Vec::new();
        for proof in proofs {
            let index = proof.index();
            if self.held.contains(index) {
                continue;
            }
            if !self.wanted.contains(index) {
                return Err(StoreError::NotPrepared { content, index });
            }
            if !self
                .written
                .get(&index)
                .is_some_and(|blocks| blocks.iter().all(|is_there| *is_there))
            {
                return Err(StoreError::NotWritten { content, index });
            }
            // The check is cheap beside the hashing of the data, and it excludes the proof of another
            // manifest.
            FragmentProof::verify(&self.manifest, index, proof.leaves().to_vec())
                .map_err(|_| StoreError::OtherFragments(content))?;
            fresh.push(proof);
        }
        Ok(fresh)
    }

    /// Marks fragments that [`Self::fresh`] let through as held.
    pub(super) fn hold(&mut self, proofs: &[&FragmentProof]) {
        for proof in proofs {
            self.written.remove(&proof.index());
            self.held.insert(proof.index());
        }
    }

    /// Marks fragments as not held; returns whether any of them was held.
    pub(super) fn withdraw(&mut self, fragments: &FragmentSet) -> Result<bool, StoreError> {
        if fragments.capacity() != self.held.capacity() {
            return Err(StoreError::OtherFragments(self.content()));
        }
        let is_change = self.held.intersects(fragments);
        self.held.subtract(fragments);
        Ok(is_change)
    }

    /// Returns the partial file, its output, and whether that may be replaced, when every fragment is held.
    pub(super) fn complete_partial(&self) -> Option<(PathBuf, PathBuf, bool)> {
        match &self.place {
            Place::Partial {
                partial,
                output,
                overwrite,
            } if self.held.is_full() => Some((partial.clone(), output.clone(), *overwrite)),
            _ => None,
        }
    }

    /// Number of blocks of the content.
    pub(super) fn block_count(&self) -> u64 {
        self.manifest.length().div_ceil(u64::from(BLOCK_LENGTH))
    }

    /// Returns the number of a fragment's first block, counted from the start of the content.
    pub(super) fn first_block(&self, index: FragmentIndex) -> u64 {
        self.manifest.range(index).start / u64::from(BLOCK_LENGTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_stores_own_making_are_those_of_unfinished_files() {
        let beside = partial_beside(Path::new("/a/model.bin"), 7);
        let own = [
            beside.file_name().and_then(|name| name.to_str()),
            Some(&*partial_name(u64::MAX)),
        ];
        for name in own {
            assert!(name.is_some_and(is_partial_name), "{name:?}");
        }
        for users in [
            "notes.enjambre-part",
            ".x.enjambre-part",
            "model.bin.0000000000000007.enjambre-part",
            ".model.bin.000000000000000G.enjambre-part",
            ".model.bin.0000000000000007.enjambre-part.bak",
            ".model.bin-0000000000000007.enjambre-part",
            "0000000000000007.enjambre-part",
            ".enjambre-part",
        ] {
            assert!(!is_partial_name(users), "{users}");
        }
    }
}
