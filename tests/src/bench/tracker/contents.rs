//! Contents without bytes: manifests made from numbers.

use anyhow::{Context as _, Result};
use shared::hash::leaf;
use shared::model::{Digest, FragmentLength, Manifest, Name};

/// A number of contents with equally many fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    pub(super) count: u32,
    /// Fragments of each content; at least 1.
    pub(super) fragments: u32,
}

impl Contents {
    /// Content `n`: always the same.
    pub(super) fn manifest(self, n: u32) -> Result<Manifest> {
        let root = |fragment: u32| -> Digest {
            let mut text = [0; 8];
            text[..4].copy_from_slice(&n.to_be_bytes());
            text[4..].copy_from_slice(&fragment.to_be_bytes());
            leaf(&text)
        };
        let length = FragmentLength::MIN;
        let bytes = u64::from(self.fragments) * u64::from(length.get());
        let roots = (0..self.fragments).map(root).collect();
        Manifest::from_roots(bytes, length, roots).context("as many roots as fragments")
    }

    /// Returns the name of a content, as long as people's names are.
    pub(super) fn text(self, n: u32) -> String {
        format!("data/set-{}/part-{n:08}", n / 1_000)
    }

    pub(super) fn name(self, n: u32) -> Result<Name> {
        Name::new(self.text(n)).context("a name")
    }
}
