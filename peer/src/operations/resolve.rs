//! Resolution: from a name or an id to the content that it means now, and to the peers that hold it.

use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use proto::messages::Locate;
use shared::hash::hash_content;
use shared::model::{ContentId, ContentRef, FileMetadata, Location, Manifest, Name, Source};
use shared::{Coded as _, ErrorCode, Failure};

use super::Node;

/// A content that is wanted.
pub(crate) struct Wanted {
    pub(crate) name: Name,
    pub(crate) manifest: Manifest,
    /// Peers that hold some of it.
    pub(crate) sources: Vec<Source>,
    pub(crate) kind: WantedKind,
    /// Metadata that its name keeps for the file, if it is one.
    pub(crate) metadata: Option<FileMetadata>,
    /// The directory around a path that is wanted, as it was named.
    pub(crate) directory: Option<ContentRef>,
}

/// The part of a content that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WantedKind {
    /// The content is a file.
    File,
    /// The content is the catalog of a collection, all of which is wanted.
    Collection,
    /// The content is the catalog of a collection, of which this path is wanted.
    Inside(String),
}

/// Finds the content that a name or id means now: the tracker says it, or, without a tracker, the node's own
/// store.
///
/// # Errors
/// Unavailable without a tracker, unless an id is held here; NotFound.
pub(crate) async fn resolve(node: &Node, content: &ContentRef) -> Result<Wanted, Failure> {
    let error = match content {
        ContentRef::Inside(_) => no_directory(content),
        ContentRef::Name(_) | ContentRef::Id(_) => match named(node, content).await {
            Err(error) if error.code() == ErrorCode::NotFound => error,
            wanted => return wanted,
        },
    };
    inside(node, content).await?.ok_or(error)
}

/// Returns the failure for a path that lies in no directory.
pub(super) fn no_directory(content: &ContentRef) -> Failure {
    let why = format!(
        "no directory has a name with which {:?} begins",
        content.to_string()
    );
    Failure::new(ErrorCode::NotFound, why)
}

/// Returns the failure for a path that a directory does not have.
pub(super) fn no_such_path(path: &str) -> Failure {
    Failure::new(
        ErrorCode::NotFound,
        format!("there is no {path:?} in the directory"),
    )
}

/// Finds a path in a collection: the longest beginning of the text that is bound to a collection.
///
/// # Errors
/// The tracker's, NotFound excepted.
pub(super) async fn inside(node: &Node, content: &ContentRef) -> Result<Option<Wanted>, Failure> {
    for (directory, path) in content.splits() {
        match named(node, &directory).await {
            Ok(wanted) if wanted.kind == WantedKind::Collection => {
                return Ok(Some(Wanted {
                    kind: WantedKind::Inside(path.to_owned()),
                    directory: Some(directory),
                    ..wanted
                }));
            }
            Err(error) if error.code() != ErrorCode::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

async fn named(node: &Node, content: &ContentRef) -> Result<Wanted, Failure> {
    match (location(node, content.clone()).await, content) {
        (Ok(location), _) => Ok(Wanted {
            kind: match location.binding.collection {
                Some(_) => WantedKind::Collection,
                None => WantedKind::File,
            },
            sources: sources(&location),
            metadata: location.binding.metadata.clone(),
            name: location.binding.name,
            manifest: location.manifest,
            directory: None,
        }),
        // Only an id always means the same bytes; a name may have been bound anew meanwhile.
        (Err(error), ContentRef::Id(id)) if error.code().is_retryable() => {
            let entry = node.entry(*id).await?.ok_or(error)?;
            let name = entry.name.clone();
            let name = name.or_else(|| Name::new(format!("content-{}", id.short())).ok());
            Ok(Wanted {
                name: name.ok_or_else(|| Failure::new(ErrorCode::Internal, "an id makes no name"))?,
                manifest: entry.manifest,
                sources: Vec::new(),
                // The parts of a collection could not be found without a tracker.
                kind: WantedKind::File,
                metadata: None,
                directory: None,
            })
        }
        (Err(error), _) => Err(error),
    }
}

/// Asks the tracker for the manifest of a content and for the peers that hold some of it.
pub(super) async fn locate(node: &Node, content: ContentId) -> Result<(Manifest, Vec<Source>), Failure> {
    let location = location(node, ContentRef::Id(content)).await?;
    Ok((location.manifest.clone(), sources(&location)))
}

async fn location(node: &Node, content: ContentRef) -> Result<Location, Failure> {
    let locate = Locate {
        content: content.into(),
        max_holders: Locate::MAX_HOLDERS,
        except: Some(node.identity.peer()),
    };
    node.catalog().await?.locate(&locate).await
}

fn sources(location: &Location) -> Vec<Source> {
    location.holders.iter().cloned().map(Source::from).collect()
}

/// Whether a regular file with the bytes of this content is at a path.
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
