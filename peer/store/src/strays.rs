//! Strays: files of the store's own to which no record refers.
//!
//! An index that lost records makes strays of good fragments, so a stray is never deleted. A whole content
//! proves itself by its id, and so do the leaves of a whole one, and by them each fragment; what is proved is
//! adopted, as added if the outbox has a name of it, and else as if it had been assigned: the tracker evicts
//! it when nobody needs it. Everything else moves to the directory `lost`, where the user finds it. Leaf
//! hashes and uploads that were half-made are removed: they were promised to nobody.
//!
//! Nothing here keeps a node from starting but an index that fails: a stray that cannot be moved stays.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use shared::hash::{FragmentProof, fragment_root, hash_content, read_leaves};
use shared::model::{BLOCK_LENGTH, ContentId, Digest, FragmentLength, FragmentSet, LostFiles, Manifest};
use tracing::{info, warn};

use super::files;
use super::index::Index;
use super::kept::Kept;
use super::layout::{Layout, make_directory, make_directory_of};
use super::publications::Publication;
use super::{Place, Role, Roles, StoreError};

/// Bytes of leaves that are looked at together.
const LEAVES_READ: usize = 64 << 10;

/// Counts the files in a directory, which may not exist.
pub(super) fn count(directory: &Path) -> Result<LostFiles, StoreError> {
    let failed = || StoreError::io("list", directory);
    let mut lost = LostFiles::default();
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(lost),
        listed => listed.map_err(failed())?,
    };
    for entry in entries {
        // A file that is removed just now is lost no longer.
        if let Ok(metadata) = entry.map_err(failed())?.metadata() {
            lost.files += 1;
            lost.bytes += metadata.len();
        }
    }
    Ok(lost)
}

/// Adopts the strays that prove themselves, and moves the others away; those of `unfinished` additions were
/// promised to nobody, and are removed.
pub(super) fn settle(
    layout: &Layout,
    index: &mut Index,
    all: &mut Vec<Kept>,
    unfinished: &[ContentId],
) -> Result<(), StoreError> {
    let expected = all.iter().flat_map(|kept| {
        let data = (kept.place == Place::Store).then(|| layout.data(kept.content()));
        data.into_iter().chain([layout.leaves(kept.content())])
    });
    let mut expected: HashSet<PathBuf> = expected.collect();
    let known: HashSet<ContentId> = all.iter().map(Kept::content).collect();
    let (mut adopted, mut lost) = (0_u64, 0_u64);
    // The data come first: a content that is adopted keeps its leaves.
    for directory in [layout.contents(), layout.leaf_files()] {
        let mut strays = Vec::new();
        find(&directory, &expected, &mut strays)?;
        for stray in strays {
            if is_half_made(&stray, &directory) || is_blank(&stray) {
                info!(path = %stray.display(), "removing a file that was half-made");
                if let Err(error) = files::remove(&stray) {
                    warn!(%error, "a file that was half-made is left over");
                }
            } else if expected.contains(&stray) {
                // Its content was adopted meanwhile.
            } else if let Some(mut kept) = content_of(layout, &stray)
                .filter(|content| !known.contains(content))
                .and_then(|content| adopt(layout, content))
            {
                // A content that the user has given a name is the user's, whatever record it has lost.
                let names = index.publications_of(kept.content())?;
                if let Some(added) = names.into_iter().find(Publication::is_name) {
                    kept.roles = Roles::default().with(Role::Published, true);
                    kept.name = Some(added.name);
                }
                index.insert(&kept)?;
                index.belongs_anywhere(kept.content())?;
                expected.insert(layout.leaves(kept.content()));
                info!(content = %kept.content(), bytes = kept.manifest.length(), "adopted a content without a record");
                all.push(kept);
                adopted += 1;
            } else if named_after(&stray).is_some_and(|content| unfinished.contains(&content)) {
                info!(path = %stray.display(), "removing a part of an addition that was interrupted");
                if let Err(error) = files::remove(&stray) {
                    warn!(%error, "a part of an addition that was interrupted is left over");
                }
            } else {
                match put_away(&stray, &layout.lost()) {
                    Ok(()) => lost += 1,
                    Err(error) => warn!(%error, "a file to which nothing refers stays"),
                }
            }
        }
    }
    if adopted > 0 {
        warn!(
            adopted,
            "there were contents without a record, which prove themselves: they were adopted"
        );
    }
    if lost > 0 {
        let directory = layout.lost();
        warn!(
            lost,
            directory = %directory.display(),
            "there were files to which nothing refers and that prove nothing: they were moved to this directory"
        );
    }
    Ok(())
}

/// Moves a file to a directory, under the first name that is free. Replaces nothing.
pub(super) fn put_away(file: &Path, directory: &Path) -> Result<(), StoreError> {
    make_directory(directory)?;
    let name = file.file_name().unwrap_or_default();
    let mut number = 0_u64;
    loop {
        let mut name = name.to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        match files::move_file(file, &directory.join(name), false) {
            Err(StoreError::OutputExists { .. }) => number += 1,
            other => return other,
        }
    }
}

fn find(directory: &Path, expected: &HashSet<PathBuf>, strays: &mut Vec<PathBuf>) -> Result<(), StoreError> {
    for entry in fs::read_dir(directory).map_err(StoreError::io("list", directory))? {
        let entry = entry.map_err(StoreError::io("list", directory))?;
        let (path, kind) = (
            entry.path(),
            entry.file_type().map_err(StoreError::io("look at", directory))?,
        );
        if kind.is_dir() {
            find(&path, expected, strays)?;
        } else if !expected.contains(&path) {
            strays.push(path);
        }
    }
    Ok(())
}

/// Whether this is a spool or a staged upload.
fn is_half_made(path: &Path, directory: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    path.parent() == Some(directory) && (extension == "spool" || extension == "staged")
}

/// Whether room was taken for a file, and nothing was written to it.
fn is_blank(path: &Path) -> bool {
    let has_data = |file: File| rustix::fs::seek(file, rustix::fs::SeekFrom::Data(0)).map(drop);
    let asked = files::open_users(path).map(has_data);
    matches!(asked, Ok(Err(rustix::io::Errno::NXIO)))
}

/// Returns the content whose data file this would be.
fn content_of(layout: &Layout, path: &Path) -> Option<ContentId> {
    named_after(path).filter(|content| layout.data(*content) == path)
}

/// Returns the content that a file of the store's own is named after.
fn named_after(path: &Path) -> Option<ContentId> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Returns the record of a content that proves itself, or of its fragments that do; their leaves are in their
/// place then.
fn adopt(layout: &Layout, content: ContentId) -> Option<Kept> {
    let (manifest, held) = match prove(layout, content) {
        Ok(proven) => proven?,
        Err(error) => {
            warn!(%content, %error, "a file to which nothing refers cannot be read");
            return None;
        }
    };
    let mut kept = Kept::restored(manifest, held.clone(), held, Place::Store);
    kept.roles.assigned = true;
    Some(kept)
}

/// Hashes the data of a content. When they are right, writes their leaves anew; when not, the leaves of the
/// whole content that are there may tell which fragments are.
fn prove(layout: &Layout, content: ContentId) -> io::Result<Option<(Manifest, FragmentSet)>> {
    let data = files::open_users(&layout.data(content))?;
    let metadata = data.metadata()?;
    let leaves = layout.leaves(content);
    if !metadata.is_file() || metadata.len() == 0 || has_hole(&metadata, &leaves)? {
        return Ok(None);
    }
    info!(%content, bytes = metadata.len(), "reading a file to which nothing refers");
    let fragment_length = FragmentLength::for_content(metadata.len());
    let leaves_length = u64::from(fragment_length.get() / BLOCK_LENGTH) * Digest::LEN as u64;
    let spool = layout.spool(rand::random());
    let written = File::create(&spool)?;
    let threads = available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
    let manifest = hash_content(&data, metadata.len(), fragment_length, threads, |n, leaves| {
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        written.write_all_at(&bytes, u64::from(n) * leaves_length)
    });
    data.sync_all()?;
    let Some(manifest) = manifest.ok().filter(|manifest| manifest.content() == content) else {
        fs::remove_file(&spool)?;
        let damaged = Damaged {
            content,
            length: metadata.len(),
            fragment_length,
        };
        return match files::open_users(&leaves) {
            Ok(leaves) => damaged.prove(&leaves, &data),
            Err(_) => Ok(None),
        };
    };
    written.sync_all()?;
    make_directory_of(&leaves)
        .and_then(|()| files::move_file(&spool, &leaves, true))
        .map_err(io::Error::other)?;
    let all = manifest.all_fragments();
    Ok(Some((manifest, all)))
}

/// A content of which not all data are right.
struct Damaged {
    content: ContentId,
    length: u64,
    fragment_length: FragmentLength,
}

impl Damaged {
    /// Proves the leaves by the content id, and the fragments by the leaves; returns none if no fragment is
    /// proved.
    fn prove(&self, leaves: &File, data: &File) -> io::Result<Option<(Manifest, FragmentSet)>> {
        let Ok(count) = Manifest::count_fragments(self.length, self.fragment_length) else {
            return Ok(None);
        };
        let step = u64::from(self.fragment_length.get());
        let mut told = Vec::new();
        for n in 0..u64::from(count) {
            let (start, end) = (n * step, self.length.min((n + 1) * step));
            let blocks = (end - start).div_ceil(u64::from(BLOCK_LENGTH));
            let at = start / u64::from(BLOCK_LENGTH) * Digest::LEN as u64;
            let bytes = files::read_range(leaves, at..at + blocks * Digest::LEN as u64)?;
            let of_it = bytes.as_chunks().0.iter().map(|leaf| Digest::from_bytes(*leaf));
            let root = fragment_root(&of_it.collect::<Vec<_>>(), self.fragment_length, count == 1);
            told.push(root);
        }
        let manifest = Manifest::verified(self.content, self.length, self.fragment_length, told);
        let Ok(manifest) = manifest else {
            return Ok(None);
        };
        let mut held = manifest.no_fragments();
        for index in manifest.indices() {
            // A fragment that cannot be read is not there.
            if let Ok(found) = read_leaves(data, manifest.range(index))
                && FragmentProof::verify(&manifest, index, found).is_ok()
            {
                held.insert(index);
            }
        }
        Ok((!held.is_empty()).then_some((manifest, held)))
    }
}

/// Whether the leaves say, or the room that the data take, that a part of the content never came: reading it
/// is in vain, and it may be large.
fn has_hole(data: &fs::Metadata, leaves: &Path) -> io::Result<bool> {
    let expected = data.len().div_ceil(u64::from(BLOCK_LENGTH)) * Digest::LEN as u64;
    let file = match files::open_users(leaves) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(other?),
    };
    let Some(file) = file.filter(|file| file.metadata().is_ok_and(|found| found.len() == expected)) else {
        return Ok(data.blocks() * 512 < data.len());
    };
    let mut buffer = vec![0; LEAVES_READ];
    let mut at = 0;
    while at < expected {
        let step = usize::try_from(expected - at)
            .unwrap_or(LEAVES_READ)
            .min(LEAVES_READ);
        file.read_exact_at(&mut buffer[..step], at)?;
        if buffer[..step]
            .chunks(Digest::LEN)
            .any(|leaf| leaf.iter().all(|byte| *byte == 0))
        {
            return Ok(true);
        }
        at += step as u64;
    }
    Ok(false)
}
