//! Getting a content: resolve it, make room, fetch the missing fragments, and put the file where the user
//! wants it.

use proto::messages::control::{Get, GetEvent};
use shared::collection::Mode;
use shared::model::{FileMetadata, Manifest};
use shared::{ErrorCode, Failure};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::report::{Events, FetchTally, Report, Subject};
use super::resolve::{Wanted, WantedKind, is_there, resolve};
use super::spoiled::unless_spoiled;
use crate::blocking::blocking;
use store::{Entry, FragmentStore as _, Place, Purpose};

/// Permissions of a new file, before the umask.
const NEW_FILE: u32 = 0o666;

/// Gets a content into a file, or a collection into a directory.
///
/// # Errors
/// As the contract says; fragments that have come stay, so that another `get` goes on from there.
pub(crate) async fn get(node: &Node, get: &Get, events: &Events<GetEvent>) -> Result<(), Failure> {
    let begun = node.clock.now();
    let wanted = resolve(node, &get.content).await?;
    require_entries(get, &wanted)?;
    if wanted.kind != WantedKind::File {
        return super::collection::get(node, get, begun, wanted, events).await;
    }
    let start = |manifest: &Manifest, already_held| {
        let subject = Subject {
            name: wanted.name.clone(),
            content: manifest.content(),
            length: manifest.length(),
            fragments: manifest.fragment_count(),
            output: Some(get.output.clone()),
        };
        Report::start(node, events, begun, subject, already_held)
    };
    let tally = FetchTally::default();
    require_foreign(node, get).await?;
    if is_delivered(node, get, &wanted.manifest).await? {
        let report = start(&wanted.manifest, wanted.manifest.length()).await?;
        if takes_metadata(node, get, &wanted).await? {
            dress(node, get, &wanted).await?;
        }
        return report.done(tally.totals()).await;
    }
    let known = node.entry(wanted.manifest.content()).await?;
    let mut entry = prepare(node, get, &wanted).await?;
    // The user's own file, or one of an earlier call. An empty file is full as soon as it is prepared.
    let was_known = known.is_some_and(|known| is_placed_at(&known, get));
    let was_there = was_known && entry.held.is_full() && is_placed_at(&entry, get);
    // A content that was here before may be cut into other fragments than the catalogue says.
    let manifest = entry.manifest.clone();
    let already_held = manifest.bytes_in(&entry.held);
    let report = start(&manifest, already_held).await?;
    let cancel = CancellationToken::new();
    // Also when this future is dropped.
    let _cancel_on_drop = cancel.clone().drop_guard();
    for attempt in 1.. {
        if !entry.held.is_full() {
            let (all, sources) = (manifest.all_fragments(), wanted.sources.clone());
            let fetching = tally.fetch(node, &manifest, all, sources, &cancel);
            let progress = || {
                let mut now = tally.now();
                now.held_bytes = now.held_bytes.max(already_held);
                now
            };
            report.during(fetching, &cancel, progress).await?;
        }
        let delivering = deliver(node, get, &manifest, attempt);
        let writing = || tally.writing(0, 1);
        if report.during(delivering, &cancel, writing).await? {
            break;
        }
        // Some of it is spoiled, and not held any more.
        entry = prepare(node, get, &wanted).await?;
    }
    if !was_there || takes_metadata(node, get, &wanted).await? {
        dress(node, get, &wanted).await?;
    }
    report.done(tally.totals()).await
}

/// Refuses to choose among the entries of a file.
///
/// # Errors
/// InvalidArgument.
pub(super) fn require_entries(get: &Get, wanted: &Wanted) -> Result<(), Failure> {
    if wanted.kind != WantedKind::File || get.selection.is_all() {
        return Ok(());
    }
    let why = format!(
        "{} is a file; --include and --exclude choose among the entries of a directory",
        get.content
    );
    Err(Failure::new(ErrorCode::InvalidArgument, why))
}

/// Whether an output that has the bytes already gets the metadata that the name has now: one that a `get`
/// made does, as of every tool that mirrors files; a file of the user's only if it may be replaced.
async fn takes_metadata(node: &Node, get: &Get, wanted: &Wanted) -> Result<bool, Failure> {
    if wanted.metadata.is_none() || get.overwrite {
        return Ok(wanted.metadata.is_some());
    }
    let (content, output) = (wanted.manifest.content(), get.output.clone());
    node.with_store(move |store| store.has_written(content, &output))
        .await
}

/// Refuses an output in a data directory, also where these very bytes are there already.
async fn require_foreign(node: &Node, get: &Get) -> Result<(), Failure> {
    let output = get.output.clone();
    node.with_store(move |store| store.require_foreign(&output)).await
}

/// Refuses an output that [`get`] would refuse, and returns whether the bytes are there already.
///
/// # Errors
/// Those of `get` before it fetches.
pub(super) async fn check(node: &Node, get: &Get, manifest: &Manifest) -> Result<bool, Failure> {
    require_foreign(node, get).await?;
    if is_delivered(node, get, manifest).await? {
        return Ok(true);
    }
    let entry = node.entry(manifest.content()).await?;
    if !entry.is_some_and(|entry| is_placed_at(&entry, get)) {
        let (output, overwrite) = (get.output.clone(), get.overwrite);
        let checked = node.with_store(move |store| store.check_output(&output, overwrite));
        checked.await?;
    }
    Ok(false)
}

/// Gives the output the mode, time and holes that it is to have.
async fn dress(node: &Node, get: &Get, wanted: &Wanted) -> Result<(), Failure> {
    let (content, get, metadata) = (wanted.manifest.content(), get.clone(), wanted.metadata.clone());
    node.with_store(move |store| {
        let attributes = metadata.as_ref().map(FileMetadata::attributes);
        let mode = attributes.map_or(Mode::of(NEW_FILE), |attributes| attributes.mode);
        let modified = attributes.map(|attributes| attributes.modified);
        let holes = metadata.as_ref().map_or(&[][..], FileMetadata::holes);
        store.set_metadata(content, &get.output, mode.without(get.umask), modified, holes)?;
        store.forget_unfinished(&get.output)
    })
    .await
}

/// Whether the bytes are at the output already, in a file that the node does not share: a copy, or another
/// program's file. The same command then succeeds twice, and the file stays untouched.
async fn is_delivered(node: &Node, get: &Get, manifest: &Manifest) -> Result<bool, Failure> {
    let entry = node.entry(manifest.content()).await?;
    // In place it may be here in part.
    if entry.is_some_and(|entry| is_placed_at(&entry, get)) {
        return Ok(false);
    }
    let (output, manifest) = (get.output.clone(), manifest.clone());
    blocking(move || is_there(&output, &manifest)).await
}

fn is_placed_at(entry: &Entry, get: &Get) -> bool {
    matches!(&entry.place, Place::File(path) if *path == get.output)
}

async fn prepare(node: &Node, get: &Get, wanted: &Wanted) -> Result<Entry, Failure> {
    let manifest = wanted.manifest.clone();
    let purpose = Purpose::Fetched {
        name: Some(wanted.name.clone()),
        output: get.output.clone(),
        overwrite: get.overwrite,
    };
    node.with_store(move |store| store.prepare(&manifest, purpose))
        .await
}

/// Puts a complete content where the user wants it, if it is not there already. Returns false when fragments
/// turn out to be spoiled and have to be fetched again, which is an error in the last attempt.
async fn deliver(node: &Node, get: &Get, manifest: &Manifest, attempt: u32) -> Result<bool, Failure> {
    let (content, get) = (manifest.content(), get.clone());
    let delivered = unless_spoiled(node, attempt, move |store| match store.entry(content) {
        Some(entry) if is_placed_at(&entry, &get) => Ok(()),
        _ => store.copy_out(content, &get.output, get.overwrite),
    });
    Ok(delivered.await?.is_some())
}
