//! Contents that a question is about. Of a path inside a directory these are the directory's catalog and the
//! fragments of its parts that hold the path: only a node can tell which, because trackers read no catalogs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use proto::messages::control::Hiding;
use proto::messages::{List, Page};
use shared::collection::Catalog;
use shared::model::{Asked, Binding, ContentId, ContentRef, FragmentSet, Manifest, Name};
use shared::{Coded as _, ErrorCode, Failure};

use super::Node;
use super::collection::catalog;
use super::resolve::{Wanted, WantedKind, inside, no_directory, no_such_path, resolve};
use crate::blocking::blocking;
use crate::collection::read_catalog;
use store::{DiskStore, Entry, FragmentStore as _, Place};

/// The time that a damaged catalog has to come from other peers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that a catalog has to come to tell what a name hides: the answer is worth no long wait.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// Hidden paths in one answer.
const MAX_HIDINGS: usize = 20;

/// The files that a question about a directory is about: those at a path, or all.
struct Meant {
    /// Bytes of the files.
    length: u64,
    /// Bytes of parts that the files need.
    spans: BTreeMap<ContentId, Vec<Range<u64>>>,
}

impl Meant {
    fn of(catalog: &Catalog, kind: &WantedKind) -> Result<Self, Failure> {
        let range = match kind {
            WantedKind::Inside(path) => catalog.find(path).ok_or_else(|| no_such_path(path))?,
            WantedKind::File | WantedKind::Collection => 0..catalog.entries().len(),
        };
        Ok(Self {
            length: catalog.length_in(range.clone()),
            spans: catalog.spans_in(range),
        })
    }
}

/// Asks the tracker about a content. What it does not know may be a path inside a directory: then it is asked
/// about the directory's catalog and the bytes of its parts that the path needs, and the number of bytes of
/// the files at the path is returned too. The catalog is fetched if `may_fetch`.
///
/// # Errors
/// The tracker's; NotFound when the directory has no such path; those of fetching a catalog.
pub(crate) async fn about<T, F>(
    node: &Node,
    what: Asked,
    may_fetch: bool,
    ask: impl Fn(Asked) -> F,
) -> Result<(T, Option<u64>), Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let error = match &what.content {
        ContentRef::Inside(_) => no_directory(&what.content),
        ContentRef::Name(_) | ContentRef::Id(_) => match ask(what.clone()).await {
            Err(error) if error.code() == ErrorCode::NotFound => error,
            answer => return Ok((answer?, None)),
        },
    };
    let Some(wanted) = inside(node, &what.content).await? else {
        return Err(error);
    };
    let (directory, id, kind) = (
        wanted.directory.clone(),
        wanted.manifest.content(),
        wanted.kind.clone(),
    );
    let meant = Meant::of(&catalog(node, wanted, may_fetch).await?, &kind)?;
    let asked = Asked::about_parts(directory.unwrap_or(ContentRef::Id(id)), id, meant.spans);
    Ok((ask(asked).await?, Some(meant.length)))
}

/// Returns the bytes of a range that held fragments have.
pub(super) fn held_in(manifest: &Manifest, held: &FragmentSet, range: &Range<u64>) -> u64 {
    let size = u64::from(manifest.fragment_length().get());
    let needed = manifest.fragments_in(&(range.start..range.end.min(manifest.length())));
    let overlap = |start: u64| range.end.min(start + size).saturating_sub(range.start.max(start));
    needed
        .iter()
        .filter(|index| held.contains(*index))
        .map(|index| overlap(u64::from(index.get()) * size))
        .sum()
}

/// Fragments that this node holds of a file, a directory or a path inside one.
#[derive(Default)]
pub(super) struct Held {
    /// The contents, each with those of its held fragments that are meant; of a directory the catalog first.
    pub(super) contents: Vec<(Entry, FragmentSet)>,
    /// Bytes that are meant and not held.
    pub(super) missing: u64,
    /// The catalog could not be read, so that the other contents are those that are known by the directory's
    /// name.
    pub(super) is_catalog_damaged: bool,
}

impl Held {
    /// Adds a content all of which is meant; it has `length` bytes if nothing of it is held.
    fn add_whole(&mut self, entry: Option<Entry>, length: u64) {
        match entry {
            Some(entry) => {
                let held = entry.manifest.bytes_in(&entry.held);
                self.missing += entry.manifest.length().saturating_sub(held);
                let fragments = entry.held.clone();
                self.contents.push((entry, fragments));
            }
            None => self.missing += length,
        }
    }

    /// Adds the parts of a directory. Of a path inside it only the fragments with the path's bytes are meant.
    fn add_parts(&mut self, store: &DiskStore, meant: &Meant, kind: &WantedKind) {
        for (part, spans) in &meant.spans {
            let length = |span: &Range<u64>| span.end.saturating_sub(span.start);
            let needed: u64 = spans.iter().map(length).sum();
            let Some(entry) = store.entry(*part) else {
                self.missing += needed;
                continue;
            };
            let manifest = &entry.manifest;
            let there = |span| held_in(manifest, &entry.held, span);
            self.missing += needed.saturating_sub(spans.iter().map(there).sum());
            let mut fragments = entry.held.clone();
            if let WantedKind::Inside(_) = kind {
                fragments.intersect_with(&manifest.fragments_in_any(spans));
            }
            self.contents.push((entry, fragments));
        }
    }

    /// Adds everything that goes by a name, as far as it is not there yet.
    fn add_named(&mut self, store: &DiskStore, name: &Name) {
        for entry in named_here(store, name) {
            let id = entry.manifest.content();
            if self
                .contents
                .iter()
                .all(|(other, _)| other.manifest.content() != id)
            {
                let fragments = entry.held.clone();
                self.contents.push((entry, fragments));
            }
        }
    }
}

/// Finds everything that this node holds of a file, a directory, or a path inside one. A damaged catalog is
/// fetched again.
///
/// # Errors
/// NotFound when nothing of it is held here.
pub(super) async fn held(node: &Node, content: &ContentRef) -> Result<Held, Failure> {
    let held = match resolve(node, content).await {
        Ok(wanted) => held_of(node, content, wanted).await?,
        // Without a tracker, whatever has the name is meant.
        Err(error) => match content {
            ContentRef::Name(name) => held_by_name(node, name).await?.ok_or(error)?,
            ContentRef::Id(_) | ContentRef::Inside(_) => return Err(error),
        },
    };
    match held.contents.is_empty() {
        true => Err(nothing_held(content)),
        false => Ok(held),
    }
}

async fn held_of(node: &Node, content: &ContentRef, wanted: Wanted) -> Result<Held, Failure> {
    let (name, kind) = (wanted.name.clone(), wanted.kind.clone());
    let (id, length) = (wanted.manifest.content(), wanted.manifest.length());
    let mut held = Held::default();
    let store = Arc::clone(&node.store);
    if kind == WantedKind::File {
        held.add_whole(blocking(move || store.entry(id)).await?, length);
        return Ok(held);
    }
    let of = name.clone();
    let has_some = blocking(move || store.entry(id).is_some() || !named_here(&store, &of).is_empty());
    if !has_some.await? {
        return Err(nothing_held(content));
    }
    // A catalog that nobody sends must not keep the parts from being read.
    let read = tokio::time::timeout(PATIENCE, catalog(node, wanted, true)).await;
    let meant = match read {
        Ok(Ok(catalog)) => Some(Meant::of(&catalog, &kind)?),
        Ok(Err(_)) | Err(_) => None,
    };
    held.is_catalog_damaged = meant.is_none();
    let store = Arc::clone(&node.store);
    blocking(move || {
        held.add_whole(store.entry(id), length);
        match meant {
            Some(meant) => held.add_parts(&store, &meant, &kind),
            None => held.add_named(&store, &name),
        }
        held
    })
    .await
}

/// Returns everything that is held under a name: of a directory that was added or fetched, its catalog tells
/// what is missing.
async fn held_by_name(node: &Node, name: &Name) -> Result<Option<Held>, Failure> {
    let (store, name) = (Arc::clone(&node.store), name.clone());
    blocking(move || {
        let mut held = Held::default();
        let entries = named_here(&store, &name);
        let catalog = entries.iter().find_map(|entry| {
            let content = entry.manifest.content();
            let may_be = entry.place == Place::Store
                && entry.held.is_full()
                && (entries.len() > 1 || store.is_collection(content).unwrap_or(false));
            let catalog = may_be.then(|| read_catalog(&*store, content).ok()).flatten();
            catalog.map(|catalog| (entry.clone(), catalog))
        });
        match catalog {
            Some((entry, catalog)) => {
                let kind = WantedKind::Collection;
                held.add_whole(Some(entry), 0);
                if let Ok(meant) = Meant::of(&catalog, &kind) {
                    held.add_parts(&store, &meant, &kind);
                }
            }
            None => entries
                .into_iter()
                .for_each(|entry| held.add_whole(Some(entry), 0)),
        }
        (!held.contents.is_empty()).then_some(held)
    })
    .await
}

/// Returns the failure for a content of which this node holds nothing.
pub(super) fn nothing_held(content: &ContentRef) -> Failure {
    let why = format!("nothing of {content} is held by this node");
    Failure::new(ErrorCode::NotFound, why)
}

fn named_here(store: &DiskStore, name: &Name) -> Vec<Entry> {
    let mut entries = store.entries();
    entries.retain(|entry| entry.name.as_ref() == Some(name));
    entries
}

/// Finds what a name hides; nothing when it is no name of its own. See [`hidings_of`].
///
/// # Errors
/// The tracker's.
pub(crate) async fn hidings(
    node: &Node,
    content: &ContentRef,
    may_fetch: bool,
) -> Result<Vec<Hiding>, Failure> {
    let ContentRef::Name(name) = content else {
        return Ok(Vec::new());
    };
    match node.catalog().await?.resolve(content).await {
        Ok((binding, _)) if binding.name == *name => hidings_of(node, &binding, may_fetch).await,
        _ => Ok(Vec::new()),
    }
}

/// Finds the path inside a directory that a name hides, because both read the same; and, when the name is a
/// directory's, paths inside it that other names hide. A catalog that is not here is fetched if `may_fetch`;
/// without one, a directory is taken to have the path.
///
/// # Errors
/// The tracker's.
pub(crate) async fn hidings_of(
    node: &Node,
    binding: &Binding,
    may_fetch: bool,
) -> Result<Vec<Hiding>, Failure> {
    let (name, content) = (&binding.name, &ContentRef::Name(binding.name.clone()));
    let tracker = node.catalog().await?;
    let mut hidings = Vec::new();
    for (directory, path) in content.splits() {
        let Ok((around, _)) = tracker.resolve(&directory).await else {
            continue;
        };
        if around.collection.is_none() {
            continue;
        }
        let catalog = catalog_for_hiding(node, &directory, may_fetch).await;
        if catalog.is_none_or(|catalog| catalog.find(path).is_some()) {
            hidings.push(hiding(name.clone(), &around, path));
            break;
        }
    }
    if binding.collection.is_none() {
        return Ok(hidings);
    }
    let below = format!("{name}/");
    let page = Page {
        size: Page::MAX,
        token: String::new(),
    };
    let list = List {
        prefix: below.clone(),
        page,
    };
    let listed = tracker.list(&list).await?.names;
    if !listed.is_empty()
        && let Some(catalog) = catalog_for_hiding(node, content, may_fetch).await
    {
        let others = listed.into_iter().filter_map(|other| {
            let name = other.binding.name;
            let path = name.as_str().strip_prefix(&below)?;
            catalog.find(path)?;
            Some(hiding(name.clone(), binding, path))
        });
        hidings.extend(others.take(MAX_HIDINGS - hidings.len()));
    }
    Ok(hidings)
}

fn hiding(name: Name, directory: &Binding, path: &str) -> Hiding {
    Hiding {
        name,
        inside: format!("{}@{}/{path}", directory.name, directory.revision),
    }
}

/// Returns the catalog of a directory; none when it is not to be had at once.
async fn catalog_for_hiding(node: &Node, directory: &ContentRef, may_fetch: bool) -> Option<Catalog> {
    let read = async {
        let wanted = resolve(node, directory).await?;
        catalog(node, wanted, may_fetch).await
    };
    tokio::time::timeout(SHORT_PATIENCE, read).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use shared::model::{Digest, FragmentLength};

    use super::*;

    #[test]
    fn bytes_of_a_range_count_as_here_when_their_fragments_are() {
        let roots = vec![Digest::from_bytes([1; 32]); 3];
        let manifest = Manifest::from_roots(150_000, FragmentLength::MIN, roots).expect("three fragments");
        let mut held = manifest.no_fragments();
        held.insert(manifest.index(1).expect("three fragments"));
        assert_eq!(held_in(&manifest, &held, &(0..150_000)), 65_536);
        assert_eq!(held_in(&manifest, &held, &(65_000..65_546)), 10);
        assert_eq!(held_in(&manifest, &held, &(131_072..150_000)), 0);
        assert_eq!(
            held_in(&manifest, &manifest.all_fragments(), &(10..149_999)),
            149_989
        );
    }
}
