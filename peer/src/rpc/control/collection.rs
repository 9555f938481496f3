//! Getting a collection: its catalog, the parts that are needed, and the directory made of them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::RemoteError;
use proto::messages::Locate;
use proto::messages::control::{Get, GetEvent, Listed};
use shared::ErrorCode;
use shared::collection::{Catalog, CatalogError, Data, Kind, MAX_BYTES};
use shared::hash::hash_content;
use shared::model::{ContentId, ContentRef, FragmentLength, FragmentSet, Manifest, Name, Source};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::get::{PROGRESS_INTERVAL, Wanted, resolve};
use super::{ControlParts, Events, caller_gone};
use crate::blocking::{blocking, told, try_blocking};
use crate::collection::restore::{Large, Restoration, fragments_of};
use crate::collection::{CollectionError, read_catalog};
use crate::fetch::{Fetched, Progress};
use crate::store::{Entry, FragmentStore as _, Place, Purpose, Role};

/// Parts that are fetched at once: enough to hide each other's waits, few enough to share the wire's memory.
const PARTS_AT_ONCE: usize = 4;

/// Questions to the tracker under way at once.
const QUESTIONS_AT_ONCE: usize = 16;

/// No pack is longer: what claims to be one, and is, was not made by us.
const MAX_PACK: u64 = 32 << 20;

/// Entries in one message of a listing: each is at most 8 KiB and mostly below 100 bytes.
const LISTED: usize = 256;

/// A part of a collection that is needed.
struct Part {
    manifest: Manifest,
    sources: Vec<Source>,
    what: What,
}

enum What {
    /// Bytes of a pack.
    Pack(FragmentSet),
    /// A large file, for each place where it goes.
    Files(Vec<Large>),
}

/// How far the fetches of all parts are.
#[derive(Default)]
pub(super) struct Tally {
    running: Mutex<BTreeMap<ContentId, watch::Receiver<Progress>>>,
}

impl Tally {
    fn begin(&self, content: ContentId) -> watch::Sender<Progress> {
        let (progress, shown) = watch::channel(Progress::default());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(content, shown);
        progress
    }

    fn sum(&self) -> Progress {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Progress::default();
        for shown in running.values() {
            let now = shown.borrow();
            sum.held_bytes += now.held_bytes;
            sum.received_bytes += now.received_bytes;
            sum.wasted_bytes += now.wasted_bytes;
            sum.sources = sum.sources.max(now.sources);
            sum.waiting_for = sum.waiting_for.take().or_else(|| now.waiting_for.clone());
        }
        sum
    }
}

pub(super) async fn get(
    parts: Arc<ControlParts>,
    get: Get,
    wanted: Wanted,
    events: Events<GetEvent>,
) -> Result<(), RemoteError> {
    let begun = parts.clock.now();
    let (tally, cancel) = (Tally::default(), CancellationToken::new());
    // Also when this future is dropped.
    let _cancel_on_drop = cancel.clone().drop_guard();
    let (name, content) = (wanted.name.clone(), wanted.manifest.content());
    let inside = wanted.collection.clone().flatten();
    let catalog = fetch_catalog(&parts, wanted, &tally, &cancel).await?;
    let restoration = {
        let get = get.clone();
        blocking(move || {
            let inside = inside.as_deref();
            Restoration::new(catalog, inside, &get.selection, &get.output, get.overwrite)
        })
    };
    let restoration = Arc::new(restoration.await?.map_err(|error| told(&error))?);
    let needed = needed(&parts, &restoration).await?;
    let fragments = needed.iter().map(|part| part.manifest.fragment_count()).sum();
    let started = GetEvent::Started {
        name: name.clone(),
        content,
        length: restoration.length(),
        fragments,
        already_held: 0,
    };
    events.send(Ok(started)).await.map_err(caller_gone)?;
    let making = Arc::clone(&restoration);
    try_blocking(move || making.make_directories()).await?;
    let context = (&parts, &get, &name, &tally, &cancel);
    let fetching = stream::iter(needed)
        .map(Ok)
        .map_ok(|part| fetch_part(context, part))
        .try_buffer_unordered(PARTS_AT_ONCE)
        .try_fold(
            (0, 0, 0),
            |(received, wasted, sources), fetched: Option<Fetched>| async move {
                let Some(fetched) = fetched else {
                    return Ok((received, wasted, sources));
                };
                Ok((
                    received + fetched.received_bytes,
                    wasted + fetched.wasted_bytes,
                    sources.max(fetched.sources_used),
                ))
            },
        );
    tokio::pin!(fetching);
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (received, wasted, sources_used) = loop {
        tokio::select! {
            fetched = &mut fetching => break fetched?,
            () = events.closed(), if !cancel.is_cancelled() => cancel.cancel(),
            _ = tick.tick() => {
                let now = tally.sum();
                let progress = GetEvent::Progress {
                    held: now.held_bytes.min(restoration.length()),
                    length: restoration.length(),
                    sources: now.sources,
                    received: now.received_bytes,
                    wasted: now.wasted_bytes,
                    waiting_for: now.waiting_for.unwrap_or_default(),
                };
                drop(events.try_send(Ok(progress)));
            }
        }
    };
    let (store, filling) = (Arc::clone(&parts.store), Arc::clone(&restoration));
    try_blocking(move || filling.fill(&*store)).await?;
    let done = GetEvent::Done {
        content,
        length: restoration.length(),
        // The catalog's bytes have come as well.
        received: received.max(tally.sum().received_bytes),
        wasted,
        elapsed: parts.clock.now().since(begun),
        sources_used,
    };
    events.send(Ok(done)).await.map_err(caller_gone)
}

/// Tells what is in a collection.
pub(super) async fn entries(
    parts: Arc<ControlParts>,
    content: ContentRef,
    events: Events<Vec<Listed>>,
) -> Result<(), RemoteError> {
    let wanted = resolve(&parts, &content).await?;
    let Some(inside) = wanted.collection.clone() else {
        let why = format!("{content} is a file, no collection");
        return Err(RemoteError::new(ErrorCode::FailedPrecondition, why));
    };
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let catalog = fetch_catalog(&parts, wanted, &Tally::default(), &cancel).await?;
    let range = match inside {
        None => 0..catalog.entries().len(),
        Some(path) => catalog.find(&path).ok_or_else(|| {
            RemoteError::new(
                ErrorCode::NotFound,
                format!("there is no {path:?} in the collection"),
            )
        })?,
    };
    let all: Vec<usize> = range.collect();
    for some in all.chunks(LISTED) {
        let listed = some.iter().filter_map(|at| Listed::of(&catalog, *at)).collect();
        events.send(Ok(listed)).await.map_err(caller_gone)?;
    }
    Ok(())
}

/// Where the bytes of one file of a collection are: a range of a content, and who has some of that.
pub(crate) async fn file_in(
    parts: &ControlParts,
    wanted: Wanted,
    path: &str,
) -> Result<(Manifest, Vec<Source>, Range<u64>), RemoteError> {
    let told_of = |code, why: &str| RemoteError::new(code, format!("{path:?} {why}"));
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let catalog = fetch_catalog(parts, wanted, &Tally::default(), &cancel).await?;
    let entry = catalog
        .find(path)
        .and_then(|found| catalog.entries().get(found.start));
    let missing = || told_of(ErrorCode::NotFound, "is not in the collection");
    let Kind::File(file) = &entry.ok_or_else(missing)?.kind else {
        return Err(told_of(ErrorCode::Conflict, "is no regular file"));
    };
    let (part, start) = match file.data {
        Data::Whole(part) => (part, 0),
        Data::Packed(part, start) => (part, start),
        Data::Empty => {
            let empty = Manifest::from_roots(0, FragmentLength::MIN, Vec::new());
            let empty = empty.map_err(|error| RemoteError::new(ErrorCode::Internal, error.to_string()))?;
            return Ok((empty, Vec::new(), 0..0));
        }
    };
    let (manifest, sources) = locate(parts, part).await?;
    let end = start
        .checked_add(file.length)
        .filter(|end| *end <= manifest.length());
    let short = || told(&CollectionError::Broken(format!("{} is too short", part.short())));
    Ok((manifest, sources, start..end.ok_or_else(short)?))
}

/// A catalog that is not what it should be is damage, whatever is wrong with it: somebody published it so.
fn broken(error: CollectionError) -> RemoteError {
    match error {
        CollectionError::Catalog(error @ CatalogError::Version(_)) => told(&error),
        CollectionError::Catalog(error) => told(&CollectionError::Broken(error.to_string())),
        error => told(&error),
    }
}

async fn fetch_catalog(
    parts: &ControlParts,
    wanted: Wanted,
    tally: &Tally,
    cancel: &CancellationToken,
) -> Result<Catalog, RemoteError> {
    let manifest = wanted.manifest;
    if manifest.length() > MAX_BYTES as u64 {
        return Err(broken(CatalogError::Malformed("it is too long").into()));
    }
    let all = manifest.all_fragments();
    hold(parts, &manifest, all, wanted.sources, &wanted.name, tally, cancel).await?;
    let (store, content) = (Arc::clone(&parts.store), manifest.content());
    blocking(move || read_catalog(&*store, content))
        .await?
        .map_err(broken)
}

/// Fetches what is not held yet of a catalog or pack.
pub(super) async fn hold(
    parts: &ControlParts,
    manifest: &Manifest,
    fragments: FragmentSet,
    sources: Vec<Source>,
    name: &Name,
    tally: &Tally,
    cancel: &CancellationToken,
) -> Result<Option<Fetched>, RemoteError> {
    let purpose = Purpose::Collected {
        role: Role::Fetched,
        name: Some(name.clone()),
        fragments: fragments.clone(),
    };
    let (store, of) = (Arc::clone(&parts.store), manifest.clone());
    let entry = try_blocking(move || store.prepare(&of, purpose)).await?;
    if fragments.is_subset(&entry.held) {
        return Ok(None);
    }
    fetch(parts, &entry.manifest, fragments, sources, tally, cancel)
        .await
        .map(Some)
}

async fn fetch(
    parts: &ControlParts,
    manifest: &Manifest,
    fragments: FragmentSet,
    sources: Vec<Source>,
    tally: &Tally,
    cancel: &CancellationToken,
) -> Result<Fetched, RemoteError> {
    let progress = tally.begin(manifest.content());
    let fetching = parts
        .fetcher
        .fetch(manifest, fragments, sources, progress, cancel.clone());
    fetching.await.map_err(|error| told(&error))
}

/// What has to be fetched or be here, and who has it.
async fn needed(parts: &ControlParts, restoration: &Restoration) -> Result<Vec<Part>, RemoteError> {
    let mut large: BTreeMap<ContentId, Vec<Large>> = BTreeMap::new();
    for file in restoration.large() {
        large.entry(file.content).or_default().push(file);
    }
    let packs = restoration.packs();
    let ids: Vec<ContentId> = packs.keys().chain(large.keys()).copied().collect();
    let located = stream::iter(ids)
        .map(|content| async move { (content, locate(parts, content).await) })
        .buffered(QUESTIONS_AT_ONCE);
    tokio::pin!(located);
    let mut needed = Vec::new();
    while let Some((content, location)) = located.next().await {
        let (manifest, sources) = location?;
        if let Some(ranges) = packs.get(&content) {
            if manifest.length() > MAX_PACK {
                let why = format!("{} is no pack", content.short());
                return Err(told(&CollectionError::Broken(why)));
            }
            let fragments = fragments_of(&manifest, ranges).map_err(|error| told(&error))?;
            needed.push(Part {
                manifest: manifest.clone(),
                sources: sources.clone(),
                what: What::Pack(fragments),
            });
        }
        if let Some(files) = large.remove(&content) {
            if files.iter().any(|large| large.file.length != manifest.length()) {
                let why = format!("{} has another length", content.short());
                return Err(told(&CollectionError::Broken(why)));
            }
            needed.push(Part {
                manifest,
                sources,
                what: What::Files(files),
            });
        }
    }
    Ok(needed)
}

async fn locate(parts: &ControlParts, content: ContentId) -> Result<(Manifest, Vec<Source>), RemoteError> {
    let locate = Locate {
        content: ContentRef::Id(content),
        max_holders: Locate::MAX_HOLDERS,
        except: Some(parts.identity.peer()),
    };
    let location = parts
        .network
        .connection_soon()
        .await?
        .catalog
        .locate(&locate)
        .await?;
    let sources = location.holders.into_iter().map(|holder| holder.peer.into());
    Ok((location.manifest, sources.collect()))
}

type Context<'a> = (
    &'a Arc<ControlParts>,
    &'a Get,
    &'a Name,
    &'a Tally,
    &'a CancellationToken,
);

async fn fetch_part(context: Context<'_>, part: Part) -> Result<Option<Fetched>, RemoteError> {
    let (parts, get, name, tally, cancel) = context;
    let files = match part.what {
        What::Pack(fragments) => {
            let (manifest, sources) = (&part.manifest, part.sources);
            return hold(parts, manifest, fragments, sources, name, tally, cancel).await;
        }
        What::Files(files) => files,
    };
    let (mut fetched, mut sources) = (None, Some(part.sources));
    for large in files {
        let (same, manifest) = (large.clone(), part.manifest.clone());
        let is_there = blocking(move || is_there(&same.output, &manifest)).await?;
        if !is_there {
            let purpose = Purpose::Fetched {
                name: Some(name.clone()),
                output: large.output.clone(),
                overwrite: get.overwrite,
            };
            let (store, manifest) = (Arc::clone(&parts.store), part.manifest.clone());
            let entry = try_blocking(move || store.prepare(&manifest, purpose)).await?;
            if !entry.held.is_full() {
                let (all, from) = (entry.manifest.all_fragments(), sources.take().unwrap_or_default());
                fetched = Some(fetch(parts, &entry.manifest, all, from, tally, cancel).await?);
            }
        }
        let (store, overwrite) = (Arc::clone(&parts.store), get.overwrite);
        try_blocking(move || {
            let is_kept_there = matches!(
                store.entry(large.content),
                Some(Entry { place: Place::File(path), .. }) if path == large.output
            );
            if !is_there && !is_kept_there {
                store.export(large.content, &large.output, overwrite)?;
            }
            store.set_metadata(
                large.content,
                &large.output,
                large.file.attributes,
                &large.file.holes,
            )
        })
        .await?;
    }
    Ok(fetched)
}

/// Whether a regular file with these bytes is there.
pub(super) fn is_there(path: &Path, manifest: &Manifest) -> bool {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let mut options = std::fs::OpenOptions::new();
    let opened = options.read(true).custom_flags(flags.cast_signed()).open(path);
    let Ok((file, metadata)) = opened.and_then(|file| file.metadata().map(|metadata| (file, metadata)))
    else {
        return false;
    };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let fragment_length = manifest.fragment_length();
    metadata.is_file()
        && metadata.len() == manifest.length()
        && hash_content(&file, metadata.len(), fragment_length, threads, |_, _| Ok(()))
            .is_ok_and(|there| there.content() == manifest.content())
}
