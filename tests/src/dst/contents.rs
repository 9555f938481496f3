//! Files that the operators of a history publish: a fixed pool, hashed once for all histories.

use std::sync::OnceLock;

use shared::hash::ContentHasher;
use shared::model::{ContentId, FragmentLength, Manifest, Parts};

/// Lengths of none to three fragments of 64 KiB, with odd ends. Small: a history moves hundreds of contents.
const LENGTHS: [usize; 8] = [1, 700, 0, 65_536, 65_537, 30_000, 131_072, 140_001];

/// Contents of each length; all of them differ.
const VARIANTS: usize = 4;

/// A content with its bytes.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) manifest: Manifest,
    pub(super) bytes: Vec<u8>,
}

/// Returns all contents.
pub(super) fn pool() -> &'static [Content] {
    static POOL: OnceLock<Vec<Content>> = OnceLock::new();
    POOL.get_or_init(|| {
        let variant = |n: usize, length: usize| {
            let byte = |i: usize| u8::try_from((i * 31 / 7 + n * 101) % 251).unwrap_or_default();
            let mut bytes: Vec<u8> = (0..length).map(byte).collect();
            if let Some(first) = bytes.first_mut() {
                *first = u8::try_from(n).unwrap_or_default();
            }
            let mut hasher = ContentHasher::new(bytes.len() as u64, FragmentLength::MIN);
            hasher.update(&bytes);
            let manifest = hasher.finish().expect("the length is right");
            Content { manifest, bytes }
        };
        let all = LENGTHS
            .iter()
            .flat_map(|length| (0..VARIANTS).map(move |n| variant(n, *length)));
        // The empty content is the same in all variants.
        let mut seen = std::collections::BTreeSet::new();
        all.filter(|content| seen.insert(content.manifest.content()))
            .collect()
    })
}

/// Returns the content of this id.
pub(super) fn find(id: ContentId) -> Option<&'static Content> {
    pool().iter().find(|content| content.manifest.content() == id)
}

/// Returns the parts of a content: some contents stand for catalogs of collections, always of the same two
/// parts.
pub(super) fn parts_of(id: ContentId) -> Vec<&'static Content> {
    /// Places in the pool of the catalogs and their parts.
    const COLLECTIONS: [(usize, [usize; 2]); 4] = [(0, [5, 16]), (1, [5, 23]), (4, [21, 9]), (18, [12, 24])];
    let is_it = |(catalog, _): &&(usize, _)| pool()[*catalog].manifest.content() == id;
    let parts = COLLECTIONS.iter().find(is_it).map(|(_, parts)| parts);
    parts.into_iter().flatten().map(|part| &pool()[*part]).collect()
}

/// Returns the parts as the tracker is told them; none when the content is no catalog.
pub(super) fn declared_parts(id: ContentId) -> Option<Parts> {
    let parts = parts_of(id);
    let manifests = parts.iter().map(|part| part.manifest.clone()).collect();
    (!parts.is_empty()).then(|| Parts::new(manifests).expect("few"))
}
