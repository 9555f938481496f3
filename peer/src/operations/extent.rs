//! Contents that a question is about. Of a path inside a directory these are the directory's catalog and the
//! parts that hold the path: only a node can tell which, because trackers read no catalogs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shared::collection::Catalog;
use shared::model::{Asked, ContentId, ContentRef, Name};
use shared::{Coded as _, ErrorCode, Failure};

use super::Node;
use super::collection::catalog;
use super::resolve::{WantedKind, inside, no_directory, no_such_path, resolve};
use crate::blocking::blocking;
use store::{DiskStore, Entry, FragmentStore as _};

/// The time that a damaged catalog has to come from other peers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the tracker about a content. What it does not know may be a path inside a directory: then it is asked
/// about the directory's catalog and the parts that the path needs. The catalog is fetched if `may_fetch`.
///
/// # Errors
/// The tracker's; NotFound when the directory has no such path; those of fetching a catalog.
pub(crate) async fn about<T, F>(
    node: &Node,
    what: Asked,
    may_fetch: bool,
    ask: impl Fn(Asked) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let error = match &what.content {
        ContentRef::Inside(_) => no_directory(&what.content),
        ContentRef::Name(_) | ContentRef::Id(_) => match ask(what.clone()).await {
            Err(error) if error.code() == ErrorCode::NotFound => error,
            answer => return answer,
        },
    };
    match parts_inside(node, &what.content, may_fetch).await? {
        Some(asked) => ask(asked).await,
        None => Err(error),
    }
}

/// Returns the directory around a path with the parts that the path needs; none when there is no directory.
async fn parts_inside(node: &Node, content: &ContentRef, may_fetch: bool) -> Result<Option<Asked>, Failure> {
    let Some(wanted) = inside(node, content).await? else {
        return Ok(None);
    };
    let (directory, id, kind) = (
        wanted.directory.clone(),
        wanted.manifest.content(),
        wanted.kind.clone(),
    );
    let catalog = catalog(node, wanted, may_fetch).await?;
    let mut parts = needed(&catalog, &kind)?;
    // None would mean all; the catalog is meant anyway.
    parts.insert(id);
    Ok(Some(Asked {
        content: directory.unwrap_or(ContentRef::Id(id)),
        parts: parts.into_iter().collect(),
    }))
}

/// Returns the parts that are wanted of a directory.
fn needed(catalog: &Catalog, kind: &WantedKind) -> Result<BTreeSet<ContentId>, Failure> {
    let WantedKind::Inside(path) = kind else {
        return Ok(catalog.parts().iter().copied().collect());
    };
    let range = catalog.find(path).ok_or_else(|| no_such_path(path))?;
    Ok(catalog.parts_in(range))
}

/// Records of the contents that this node holds of a file, a directory or a path inside one.
pub(super) struct Held {
    /// The content itself; of a directory, its catalog.
    pub(super) content: Vec<Entry>,
    /// The parts of a directory.
    pub(super) parts: Vec<Entry>,
    /// The catalog could not be read, so that the parts are those that are known by the directory's name.
    pub(super) is_catalog_damaged: bool,
}

/// Finds everything that this node holds of a file, a directory, or a path inside one. A damaged catalog is
/// fetched again.
///
/// # Errors
/// NotFound when nothing of it is held here.
pub(super) async fn held(node: &Node, content: &ContentRef) -> Result<Held, Failure> {
    let (name, id, ids, is_catalog_damaged) = match resolve(node, content).await {
        Ok(wanted) if wanted.kind != WantedKind::File => {
            let (name, id, kind) = (
                wanted.name.clone(),
                wanted.manifest.content(),
                wanted.kind.clone(),
            );
            let has_some = !by_name(node, &name).await?.is_empty() || node.entry(id).await?.is_some();
            let read = match has_some {
                // A catalog that nobody sends must not keep the parts from being read.
                true => tokio::time::timeout(PATIENCE, catalog(node, wanted, true))
                    .await
                    .unwrap_or_else(|_| {
                        Err(Failure::new(ErrorCode::Unavailable, "no peer sends the catalog"))
                    }),
                false => Err(nothing_held(content)),
            };
            match read {
                Ok(catalog) => (None, Some(id), needed(&catalog, &kind)?, false),
                Err(error) if error.code() == ErrorCode::NotFound => return Err(error),
                Err(_) => (Some(name), Some(id), BTreeSet::new(), true),
            }
        }
        Ok(wanted) => (None, Some(wanted.manifest.content()), BTreeSet::new(), false),
        // Without a tracker, whatever has the name is meant.
        Err(error) => match content {
            ContentRef::Name(name) if !by_name(node, name).await?.is_empty() => {
                (Some(name.clone()), None, BTreeSet::new(), false)
            }
            _ => return Err(error),
        },
    };
    let store = Arc::clone(&node.store);
    let (content_held, parts) = blocking(move || {
        let content: Vec<Entry> = id.and_then(|id| store.entry(id)).into_iter().collect();
        let mut parts: BTreeMap<ContentId, Entry> = BTreeMap::new();
        let named = name.iter().flat_map(|name| named_here(&store, name));
        for entry in ids.iter().filter_map(|part| store.entry(*part)).chain(named) {
            parts.insert(entry.manifest.content(), entry);
        }
        if let Some(id) = id {
            parts.remove(&id);
        }
        (content, parts.into_values().collect::<Vec<_>>())
    })
    .await?;
    if content_held.is_empty() && parts.is_empty() {
        return Err(nothing_held(content));
    }
    Ok(Held {
        content: content_held,
        parts,
        is_catalog_damaged,
    })
}

/// Returns the failure for a content of which this node holds nothing.
pub(super) fn nothing_held(content: &ContentRef) -> Failure {
    let why = format!("nothing of {content} is held by this node");
    Failure::new(ErrorCode::NotFound, why)
}

fn named_here(store: &Arc<DiskStore>, name: &Name) -> Vec<Entry> {
    let mut entries = store.entries();
    entries.retain(|entry| entry.name.as_ref() == Some(name));
    entries
}

/// Returns the records of all contents that were added or fetched under a name.
async fn by_name(node: &Node, name: &Name) -> Result<Vec<Entry>, Failure> {
    let (store, name) = (Arc::clone(&node.store), name.clone());
    blocking(move || named_here(&store, &name)).await
}

/// A name that hides what lies at the same path inside a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shadowed {
    /// A way to name the path in the directory: the directory at its revision, and the path.
    pub(crate) inside: String,
}

/// Finds what a name hides: a path inside a directory that reads the same. None when the name is no name of
/// its own, or when the directory's catalog is here and has no such path.
///
/// # Errors
/// The tracker's.
pub(crate) async fn shadowed(node: &Node, content: &ContentRef) -> Result<Option<Shadowed>, Failure> {
    let ContentRef::Name(_) = content else {
        return Ok(None);
    };
    let tracker = node.catalog().await?;
    if content.splits().next().is_none() || tracker.resolve(content).await.is_err() {
        return Ok(None);
    }
    for (directory, path) in content.splits() {
        let Ok((binding, manifest)) = tracker.resolve(&directory).await else {
            continue;
        };
        if binding.collection.is_none() {
            continue;
        }
        let (store, id, path) = (Arc::clone(&node.store), manifest.content(), path.to_owned());
        let has_path = blocking(move || {
            let is_whole = store.entry(id).is_some_and(|entry| entry.held.is_full());
            let catalog = crate::collection::read_catalog(&*store, id)
                .ok()
                .filter(|_| is_whole);
            (catalog.is_none_or(|catalog| catalog.find(&path).is_some())).then_some(path)
        });
        if let Some(path) = has_path.await? {
            let inside = format!("{}@{}/{path}", binding.name, binding.revision);
            return Ok(Some(Shadowed { inside }));
        }
    }
    Ok(None)
}
