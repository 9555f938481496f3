//! Getting a collection: its catalog, the parts that are needed, and the directory made of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::messages::control::{Get, GetEvent, Listed};
use shared::collection::{Catalog, CatalogError, Data, Kind, MAX_BYTES};
use shared::model::{ContentId, ContentRef, FragmentLength, FragmentSet, Manifest, Name, Source, Timestamp};
use shared::own_data::OwnData;
use shared::{ErrorCode, Failure};
use tokio_util::sync::CancellationToken;

use super::Node;
use super::report::{Events, FetchTally, Report, Subject};
use super::resolve::{Wanted, WantedKind, is_there, locate, no_such_path, resolve};
use super::spoiled::{MaySpoil as _, unless_spoiled};
use crate::blocking::{blocking, try_blocking};
use crate::collection::restore::{Large, Restoration, fragments_of, require_beneath};
use crate::collection::{CollectionError, read_catalog};
use store::{DiskStore, Entry, FragmentStore as _, Place, Purpose, Role, StoreError};

/// Parts that are fetched at once: enough to hide each other's waits, few enough to share the wire's memory.
const PARTS_AT_ONCE: usize = 4;

/// Questions to the tracker under way at once.
const QUESTIONS_AT_ONCE: usize = 16;

/// Bytes of the longest pack that this program makes.
const MAX_PACK: u64 = 32 << 20;

/// Entries in one message of a listing: each is at most 8 KiB and mostly below 100 bytes.
const LISTED: usize = 256;

/// A content that is needed of a collection.
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

impl Part {
    /// Number of the fragments that are needed: of a pack, those with bytes of a wanted file.
    fn fragments(&self) -> u32 {
        match &self.what {
            What::Pack(fragments) => fragments.len(),
            What::Files(_) => self.manifest.fragment_count(),
        }
    }
}

/// The parts of one `get` that the fetches of all parts share.
struct Context<'a> {
    node: &'a Node,
    get: &'a Get,
    name: &'a Name,
    tally: &'a FetchTally,
    cancel: &'a CancellationToken,
}

/// Gets a collection, or a part of it, into a directory.
///
/// # Errors
/// As the contract says.
pub(super) async fn get(
    node: &Node,
    get: &Get,
    begun: Timestamp,
    wanted: Wanted,
    events: &Events<GetEvent>,
) -> Result<(), Failure> {
    let (tally, cancel) = (FetchTally::default(), CancellationToken::new());
    // Also when this future is dropped.
    let _cancel_on_drop = cancel.clone().drop_guard();
    let (name, content) = (wanted.name.clone(), wanted.manifest.content());
    let inside = match &wanted.kind {
        WantedKind::Inside(path) => Some(path.clone()),
        WantedKind::File | WantedKind::Collection => None,
    };
    let catalog = fetch_catalog(node, wanted, &tally, &cancel).await?;
    let (get, restoration) = restoration(node, get, catalog, inside).await?;
    let (get, restoration) = (&get, Arc::new(restoration));
    let of = Arc::clone(&restoration);
    node.with_store(move |store| Ok::<_, CollectionError>(of.room(&**store)?.require()?))
        .await?;
    let needed = needed(node, &restoration).await?;
    let subject = Subject {
        name: name.clone(),
        content,
        length: restoration.length(),
        fragments: needed.iter().map(Part::fragments).fold(0, u32::saturating_add),
        output: Some(get.output.clone()),
    };
    let report = Report::start(node, events, begun, subject, 0).await?;
    let context = &Context {
        node,
        get,
        name: &name,
        tally: &tally,
        cancel: &cancel,
    };
    let checking = find_large(needed, get.overwrite);
    let needed = report.during(checking, &cancel, || tally.checking()).await?;
    // Obstacles to small files are known when the packs are here; nothing is written before that.
    let (packs, large): (Vec<_>, Vec<_>) = needed
        .into_iter()
        .partition(|part| matches!(part.what, What::Pack(_)));
    let (output, asked) = (get.output.clone(), get.content.to_string());
    let of = Arc::clone(&restoration);
    let make = move |store: &Arc<DiskStore>| {
        of.check_bytes(&**store)?;
        // The packs have come, maybe to the same disk, and others write there too.
        of.room(&**store)?.require()?;
        if std::fs::symlink_metadata(&output).is_err() {
            store.begin_restoration(&output, &asked)?;
        }
        of.make_directories()
    };
    let fetching = async {
        fetch_parts(context, &packs).await?;
        with_parts(context, &packs, make).await?;
        fetch_parts(context, &large).await
    };
    report.during(fetching, &cancel, || tally.now()).await?;
    let (filling, output) = (Arc::clone(&restoration), get.output.clone());
    let fill = move |store: &Arc<DiskStore>| {
        store.with_temporaries(&filling.unfinished(), || filling.fill(&**store))?;
        store.end_restoration(&output)?;
        Ok(())
    };
    let writing = || {
        let (done, total) = restoration.small_files();
        tally.writing(done, total)
    };
    report
        .during(with_parts(context, &packs, fill), &cancel, writing)
        .await?;
    report.done(tally.totals()).await
}

/// Does work with parts that are here; what the work finds spoiled of them is fetched again.
async fn with_parts(
    context: &Context<'_>,
    parts: &[Part],
    work: impl Fn(&Arc<DiskStore>) -> Result<(), CollectionError> + Clone + Send + 'static,
) -> Result<(), Failure> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let done = unless_spoiled(context.node, attempt, work.clone());
        if done.await?.is_some() {
            return Ok(());
        }
        fetch_parts(context, parts).await?;
    }
}

async fn fetch_parts(context: &Context<'_>, parts: &[Part]) -> Result<(), Failure> {
    stream::iter(parts)
        .map(Ok)
        .try_for_each_concurrent(PARTS_AT_ONCE, |part| fetch_part(context, part))
        .await
}

/// Looks at everything that is to be written to, and changes nothing; returns the request with its final
/// output.
///
/// # Errors
/// When something is in the way, or in a data directory, or nothing is wanted.
pub(super) async fn restoration(
    node: &Node,
    get: &Get,
    catalog: Catalog,
    inside: Option<String>,
) -> Result<(Get, Restoration), Failure> {
    let get = continued(node, get).await?;
    let (of, data_dir) = (get.clone(), node.data_dir.clone());
    let restoration = try_blocking(move || {
        let inside = inside.as_deref();
        let how = (of.overwrite, of.umask);
        let restoration = Restoration::new(catalog, inside, &of.selection, &of.output, how)?;
        restoration.require_foreign(&OwnData::look(&data_dir))?;
        restoration.check()?;
        Ok::<_, CollectionError>(restoration)
    });
    Ok((get, restoration.await?))
}

/// Goes on in the directory itself that the user names, if an earlier call for the same made it, and does not
/// make another one in it, as in any other directory.
async fn continued(node: &Node, get: &Get) -> Result<Get, Failure> {
    let Some(directory) = get.directory.clone() else {
        return Ok(get.clone());
    };
    let (of, asked) = (directory.clone(), get.content.to_string());
    let is_it = node
        .with_store(move |store| store.is_restoration(&of, &asked))
        .await?;
    Ok(Get {
        output: if is_it { directory } else { get.output.clone() },
        ..get.clone()
    })
}

/// Finds out which large files are there already, with their bytes.
///
/// # Errors
/// Conflict when other bytes are in the way of one.
async fn find_large(mut needed: Vec<Part>, overwrite: bool) -> Result<Vec<Part>, Failure> {
    for part in &mut needed {
        let What::Files(files) = &mut part.what else {
            continue;
        };
        for large in files {
            let (output, manifest) = (large.output.clone(), part.manifest.clone());
            let (exists, is_same) =
                blocking(move || (output.symlink_metadata().is_ok(), is_there(&output, &manifest))).await?;
            if exists && !is_same && !overwrite {
                return Err(Failure::of(&CollectionError::Exists {
                    path: large.output.clone(),
                }));
            }
            large.is_there = is_same;
        }
    }
    Ok(needed)
}

/// Lists the entries of a collection.
///
/// # Errors
/// As the contract says.
pub(crate) async fn entries(
    node: &Node,
    content: &ContentRef,
    events: &Events<Vec<Listed>>,
) -> Result<(), Failure> {
    let wanted = resolve(node, content).await?;
    let kind = wanted.kind.clone();
    if kind == WantedKind::File {
        let why = format!("{content} is a file, no collection");
        return Err(Failure::new(ErrorCode::FailedPrecondition, why));
    }
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let catalog = fetch_catalog(node, wanted, &FetchTally::default(), &cancel).await?;
    let range = match kind {
        WantedKind::Inside(path) => catalog.find(&path).ok_or_else(|| no_such_path(&path))?,
        WantedKind::File | WantedKind::Collection => 0..catalog.entries().len(),
    };
    let all: Vec<usize> = range.collect();
    for some in all.chunks(LISTED) {
        let listed = some.iter().filter_map(|at| Listed::of(&catalog, *at)).collect();
        events.tell(listed).await?;
    }
    Ok(())
}

/// Finds the bytes of one file of a collection: a range of a content, and the peers that hold some of it.
///
/// # Errors
/// NotFound and Conflict when the path is no file of the collection; the errors of fetching its catalog.
pub(crate) async fn file_in(
    node: &Node,
    wanted: Wanted,
    path: &str,
) -> Result<(Manifest, Vec<Source>, Range<u64>), Failure> {
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let catalog = fetch_catalog(node, wanted, &FetchTally::default(), &cancel).await?;
    let entry = catalog
        .find(path)
        .and_then(|found| catalog.entries().get(found.start));
    let missing = || Failure::new(ErrorCode::NotFound, format!("{path:?} is not in the collection"));
    let Kind::File(file) = &entry.ok_or_else(missing)?.kind else {
        let why = format!("{path:?} is no regular file");
        return Err(Failure::new(ErrorCode::Conflict, why));
    };
    let (part, start) = match file.data {
        Data::Whole(part) => (part, 0),
        Data::Packed(part, start) => (part, start),
        Data::Empty => {
            let empty = Manifest::from_roots(0, FragmentLength::MIN, Vec::new());
            let empty = empty.map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))?;
            return Ok((empty, Vec::new(), 0..0));
        }
    };
    let (manifest, sources) = locate(node, part).await?;
    let end = start
        .checked_add(file.length)
        .filter(|end| *end <= manifest.length());
    let short = || Failure::of(&CollectionError::Broken(format!("{} is too short", part.short())));
    Ok((manifest, sources, start..end.ok_or_else(short)?))
}

/// Reports any fault of a catalog as damage: its publisher published it so.
fn broken(error: CollectionError) -> Failure {
    match error {
        CollectionError::Catalog(error @ CatalogError::Version(_)) => Failure::of(&error),
        CollectionError::Catalog(error) => Failure::of(&CollectionError::Broken(error.to_string())),
        error => Failure::of(&error),
    }
}

/// Returns the catalog of a collection, fetched if it is not here and may be.
///
/// # Errors
/// PermissionDenied when it may not be fetched; the errors of fetching.
pub(super) async fn catalog(node: &Node, wanted: Wanted, may_fetch: bool) -> Result<Catalog, Failure> {
    let held = node.entry(wanted.manifest.content()).await?;
    if !may_fetch && !held.is_some_and(|entry| entry.held.is_full()) {
        let why = "the directory's catalog is not here; only who may change something can have it fetched";
        return Err(Failure::new(ErrorCode::PermissionDenied, why));
    }
    let cancel = CancellationToken::new();
    let _cancel_on_drop = cancel.clone().drop_guard();
    fetch_catalog(node, wanted, &FetchTally::default(), &cancel).await
}

async fn fetch_catalog(
    node: &Node,
    wanted: Wanted,
    tally: &FetchTally,
    cancel: &CancellationToken,
) -> Result<Catalog, Failure> {
    let manifest = wanted.manifest;
    if manifest.length() > MAX_BYTES as u64 {
        return Err(broken(CatalogError::Malformed("it is too long").into()));
    }
    let content = manifest.content();
    let read = move |store: &Arc<DiskStore>| match read_catalog(&**store, content) {
        Err(error) if error.is_spoiled() => Err(error),
        read => Ok(read),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let (all, sources) = (manifest.all_fragments(), wanted.sources.clone());
        hold(node, &manifest, all, sources, &wanted.name, tally, cancel).await?;
        if let Some(read) = unless_spoiled(node, attempt, read).await? {
            return read.map_err(broken);
        }
    }
}

/// Fetches the fragments of a catalog, pack or value that are not held yet.
pub(super) async fn hold(
    node: &Node,
    manifest: &Manifest,
    fragments: FragmentSet,
    sources: Vec<Source>,
    name: &Name,
    tally: &FetchTally,
    cancel: &CancellationToken,
) -> Result<(), Failure> {
    let purpose = Purpose::Collected {
        role: Role::Fetched,
        name: Some(name.clone()),
        fragments: fragments.clone(),
    };
    let of = manifest.clone();
    let entry = node.with_store(move |store| store.prepare(&of, purpose)).await?;
    if fragments.is_subset(&entry.held) {
        return Ok(());
    }
    tally
        .fetch(node, &entry.manifest, fragments, sources, cancel)
        .await
}

/// Returns the parts that have to be here, with the peers that hold them.
async fn needed(node: &Node, restoration: &Restoration) -> Result<Vec<Part>, Failure> {
    let mut large: BTreeMap<ContentId, Vec<Large>> = BTreeMap::new();
    for file in restoration.large() {
        large.entry(file.content).or_default().push(file);
    }
    let packs = restoration.packs();
    let ids: Vec<ContentId> = packs.keys().chain(large.keys()).copied().collect();
    let located = stream::iter(ids)
        .map(|content| async move { (content, locate(node, content).await) })
        .buffered(QUESTIONS_AT_ONCE);
    tokio::pin!(located);
    let mut needed = Vec::new();
    while let Some((content, location)) = located.next().await {
        let (manifest, sources) = location?;
        if let Some(ranges) = packs.get(&content) {
            if manifest.length() > MAX_PACK {
                let why = format!("{} is no pack", content.short());
                return Err(Failure::of(&CollectionError::Broken(why)));
            }
            let fragments = fragments_of(&manifest, ranges).map_err(|error| Failure::of(&error))?;
            needed.push(Part {
                manifest: manifest.clone(),
                sources: sources.clone(),
                what: What::Pack(fragments),
            });
        }
        if let Some(files) = large.remove(&content) {
            if files.iter().any(|large| large.file.length != manifest.length()) {
                let why = format!("{} has another length", content.short());
                return Err(Failure::of(&CollectionError::Broken(why)));
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

async fn fetch_part(context: &Context<'_>, part: &Part) -> Result<(), Failure> {
    let Context {
        node,
        get,
        name,
        tally,
        cancel,
    } = *context;
    let files = match &part.what {
        What::Pack(fragments) => {
            let (fragments, sources) = (fragments.clone(), part.sources.clone());
            return hold(node, &part.manifest, fragments, sources, name, tally, cancel).await;
        }
        What::Files(files) => files,
    };
    for large in files {
        let _writing = node.outputs.take(&large.output, large.content).await?;
        let mut attempt = 0;
        let mut is_written = false;
        while !is_written {
            attempt += 1;
            if !large.is_there {
                let purpose = Purpose::Fetched {
                    name: Some(name.clone()),
                    output: large.output.clone(),
                    overwrite: get.overwrite,
                };
                let (manifest, root, place) =
                    (part.manifest.clone(), get.output.clone(), large.output.clone());
                let prepare = node.with_store(move |store| {
                    require_beneath(&root, &place)?;
                    Ok::<_, CollectionError>(store.prepare(&manifest, purpose)?)
                });
                let entry = prepare.await?;
                if !entry.held.is_full() {
                    let (all, from) = (entry.manifest.all_fragments(), part.sources.clone());
                    tally.fetch(node, &entry.manifest, all, from, cancel).await?;
                }
            }
            let (large, overwrite, root) = (large.clone(), get.overwrite, get.output.clone());
            let write = move |store: &Arc<DiskStore>| {
                require_beneath(&root, &large.output)?;
                Ok::<_, CollectionError>(write_large(store, &large, overwrite)?)
            };
            is_written = unless_spoiled(node, attempt, write).await?.is_some();
        }
    }
    Ok(())
}

/// Puts a large file that is all here where it goes, with its mode and time.
fn write_large(store: &DiskStore, large: &Large, overwrite: bool) -> Result<(), StoreError> {
    let is_kept_there = matches!(
        store.entry(large.content),
        Some(Entry { place: Place::File(path), .. }) if path == large.output
    );
    if !large.is_there && !is_kept_there {
        store.copy_out(large.content, &large.output, overwrite)?;
    }
    store.set_metadata(
        large.content,
        &large.output,
        large.file.attributes.mode,
        Some(large.file.attributes.modified),
        &large.file.holes,
    )
}

#[cfg(test)]
mod tests {
    use shared::model::Digest;

    use super::*;

    #[test]
    fn of_a_pack_only_the_fragments_with_wanted_files_are_counted() {
        let length = 10 * u64::from(FragmentLength::MIN.get());
        let roots = (0..10).map(|n| Digest::from_bytes([n; 32])).collect();
        let manifest = Manifest::from_roots(length, FragmentLength::MIN, roots).expect("ten fragments");
        let wanted = fragments_of(&manifest, &[100..200, 65_000..66_000]).expect("inside");
        let part = |what| Part {
            manifest: manifest.clone(),
            sources: Vec::new(),
            what,
        };
        assert_eq!(part(What::Pack(wanted)).fragments(), 2);
        assert_eq!(part(What::Files(Vec::new())).fragments(), 10);
    }
}
