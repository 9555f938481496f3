//! The contents that a collection is made of, apart from its catalog.

use std::sync::Arc;

use super::id::ContentId;
use super::manifest::Manifest;

/// What a collection's catalog refers to: packs of small files, and large files that are contents of their own.
///
/// In ascending order of ids, each once. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Arc<[Manifest]>);

/// Contents do not make the parts of one collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// More than [`Parts::MAX`].
    #[error("a collection may have {max} parts, this one has more; split it", max = Parts::MAX)]
    TooMany,
    /// More than [`Parts::MAX_FRAGMENTS`] fragments in all.
    #[error(
        "the parts of a collection may have {max} fragments in all, these have more; split it",
        max = Parts::MAX_FRAGMENTS
    )]
    TooManyFragments,
}

impl Parts {
    /// No collection has more parts: a tracker remembers 32 bytes for each in every name that has it.
    pub const MAX: usize = 65_536;

    /// No collection has more fragments in all: their roots are 32 MiB.
    pub const MAX_FRAGMENTS: u64 = 1 << 20;

    /// Puts contents in order and leaves out what is there twice.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(mut manifests: Vec<Manifest>) -> Result<Self, PartsError> {
        manifests.sort_by_key(Manifest::content);
        manifests.dedup_by_key(|manifest| manifest.content());
        if manifests.len() > Self::MAX {
            return Err(PartsError::TooMany);
        }
        let fragments: u64 = manifests
            .iter()
            .map(|manifest| u64::from(manifest.fragment_count()))
            .sum();
        if fragments > Self::MAX_FRAGMENTS {
            return Err(PartsError::TooManyFragments);
        }
        Ok(Self(manifests.into()))
    }

    /// What each of them is made of, in ascending order of ids.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.0
    }

    /// Their ids, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ContentId> + '_ {
        self.0.iter().map(Manifest::content)
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum: u64, manifest| sum.saturating_add(manifest.length()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, FragmentLength};

    fn part(n: u8) -> Manifest {
        Manifest::from_roots(10, FragmentLength::MIN, vec![Digest::from_bytes([n; 32])]).expect("one root")
    }

    #[test]
    fn parts_are_in_order_and_there_once() {
        let parts = Parts::new(vec![part(3), part(1), part(3)]).expect("few");
        assert_eq!(parts.manifests(), [part(1), part(3)]);
        assert_eq!(parts.length(), 20);
    }

    #[test]
    fn too_many_parts_are_refused() {
        let many = |count: u32| {
            let root = |n: u32| {
                let mut bytes = [0; 32];
                bytes[..4].copy_from_slice(&n.to_le_bytes());
                vec![Digest::from_bytes(bytes)]
            };
            let all = (0..count).map(|n| Manifest::from_roots(10, FragmentLength::MIN, root(n)));
            Parts::new(all.collect::<Result<_, _>>().expect("one root each"))
        };
        assert!(many(65_536).is_ok());
        assert_eq!(many(65_537), Err(PartsError::TooMany));
    }
}
