//! The question what a `get` would move: the bytes, those of them that are here, and the peers that have the
//! rest. Nothing is fetched but the catalog of a directory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use proto::messages::Locate;
use proto::messages::control::{Get, Planned, Writes};
use shared::Failure;
use shared::model::{
    Asked, ContentId, ContentRef, ContentState, FragmentSet, Holder, Location, Manifest, Share,
};

use super::Node;
use super::collection::{catalog, restoration};
use super::extent::held_in;
use super::get::{check, require_entries, room};
use super::resolve::{Wanted, WantedKind, resolve};
use crate::blocking::try_blocking;
use store::{DiskStore, FragmentStore as _, Room};

/// Returns what a `get` would fetch, and from where.
///
/// # Errors
/// Those of `get` before it fetches.
pub(crate) async fn get(node: &Node, get: &Get) -> Result<Planned, Failure> {
    let wanted = resolve(node, &get.content).await?;
    require_entries(get, &wanted)?;
    match wanted.kind {
        WantedKind::File => file(node, get, wanted).await,
        WantedKind::Collection | WantedKind::Inside(_) => directory(node, get, wanted).await,
    }
}

async fn located(node: &Node, content: Asked) -> Result<Location, Failure> {
    let locate = Locate {
        content,
        max_holders: Locate::MAX_HOLDERS,
        except: Some(node.identity.peer()),
    };
    node.catalog().await?.locate(&locate).await
}

async fn file(node: &Node, get: &Get, wanted: Wanted) -> Result<Planned, Failure> {
    let manifest = wanted.manifest;
    let is_there = check(node, get, &manifest).await?;
    let entry = node.entry(manifest.content()).await?;
    let mut room = room(get, &manifest, entry.clone()).await?;
    let held = match entry {
        // The bytes are at the output.
        _ if is_there => manifest.all_fragments(),
        Some(entry) => entry.held,
        None => manifest.no_fragments(),
    };
    if is_there {
        room.needed = 0;
    }
    let location = located(node, get.content.clone().into()).await?;
    let sources = useful(&location.holders, &manifest, &held);
    let here = manifest.bytes_in(&held);
    let length = manifest.length();
    Ok(Planned {
        name: wanted.name,
        content: manifest.content(),
        files: None,
        length,
        here,
        missing: length.saturating_sub(here),
        is_available: held.is_full() || location.health.state != ContentState::Unavailable,
        source_count: match location.holder_count as usize > location.holders.len() {
            true => location.holder_count,
            false => u32::try_from(sources.len()).unwrap_or(u32::MAX),
        },
        sources,
        output: Some(get.output.clone()),
        writes: Some(writes(room)),
    })
}

const fn writes(room: Room) -> Writes {
    Writes {
        bytes: room.needed,
        free: room.available,
    }
}

/// Returns the amounts of missing fragments that the holders of a file have.
fn useful(holders: &[Holder], manifest: &Manifest, held: &FragmentSet) -> Vec<Share> {
    let share = |holder: &Holder| {
        let mut useful = holder.fragments.clone();
        // The content that is here may be cut into other fragments.
        if useful.capacity() == held.capacity() {
            useful.subtract(held);
        }
        (!useful.is_empty()).then(|| Share {
            peer: holder.peer.clone(),
            held: u64::from(useful.len()),
            kept: u64::from(if holder.keeps { useful.len() } else { 0 }),
            bytes: manifest.bytes_in(&useful),
        })
    };
    holders.iter().filter_map(share).collect()
}

async fn directory(node: &Node, get: &Get, wanted: Wanted) -> Result<Planned, Failure> {
    let (name, id) = (wanted.name.clone(), wanted.manifest.content());
    let directory = wanted.directory.clone().unwrap_or_else(|| get.content.clone());
    let inside = match &wanted.kind {
        WantedKind::Inside(path) => Some(path.clone()),
        WantedKind::File | WantedKind::Collection => None,
    };
    let catalog = catalog(node, wanted, true).await?;
    let (get, restoration) = restoration(node, get, catalog, inside).await?;
    let restoration = Arc::new(restoration);
    let of = Arc::clone(&restoration);
    let room = node.with_store(move |store| of.room(&**store)).await?;
    let store = Arc::clone(&node.store);
    let (packs, large) = (restoration.packs(), restoration.large());
    let large: BTreeMap<ContentId, u64> = large.map(|file| (file.content, file.file.length)).collect();
    let whole = large.keys().map(|part| (*part, Vec::new()));
    let bytes: Vec<_> = packs.clone().into_iter().chain(whole).collect();
    let counted = try_blocking(move || Ok::<_, Failure>(amounts(&store, &packs, &large)));
    let (here, missing) = counted.await?;
    let directory = match directory {
        ContentRef::Inside(_) => ContentRef::Id(id),
        named => named,
    };
    let asked = Asked::about_parts(directory, id, bytes);
    let location = located(node, asked).await?;
    let (sources, source_count) = match (missing, location.whole) {
        (0, _) => (Vec::new(), 0),
        (_, Some(whole)) => (whole.shares, whole.holder_count),
        // A tracker of an earlier version knows the holders of the catalog; mostly they have the files too.
        (_, None) => {
            let none = location.manifest.no_fragments();
            (
                useful(&location.holders, &location.manifest, &none),
                location.holder_count,
            )
        }
    };
    Ok(Planned {
        name,
        content: id,
        files: Some(restoration.file_count()),
        length: restoration.length(),
        here,
        missing,
        is_available: missing == 0 || location.health.state != ContentState::Unavailable,
        sources,
        source_count,
        output: Some(get.output),
        writes: Some(writes(room)),
    })
}

/// Adds up the bytes of packs and large files that are here, and those that are missing.
fn amounts(
    store: &DiskStore,
    packs: &BTreeMap<ContentId, Vec<Range<u64>>>,
    large: &BTreeMap<ContentId, u64>,
) -> (u64, u64) {
    let (mut here, mut all) = (0_u64, 0_u64);
    let large = large
        .iter()
        .map(|(content, length)| (content, std::iter::once(0..*length).collect::<Vec<_>>()));
    for (content, ranges) in packs
        .iter()
        .map(|(content, ranges)| (content, ranges.clone()))
        .chain(large)
    {
        let entry = store.entry(*content);
        for range in ranges {
            all = all.saturating_add(range.end.saturating_sub(range.start));
            if let Some(entry) = &entry {
                here = here.saturating_add(held_in(&entry.manifest, &entry.held, &range));
            }
        }
    }
    (here, all.saturating_sub(here))
}
