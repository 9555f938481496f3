//! Lineage: the certificates of an authority's key and of those before it.
//!
//! A generation has the certificate that its key has signed for itself, and, unless it is the oldest, one that
//! the key before it has signed. A member's chain leads over the latter to the oldest root, so that whoever
//! trusts any of the keys can follow it.

use std::iter;
use std::time::Duration;

use proto::tls::{Roots, life_of};
use rustls::pki_types::CertificateDer;
use shared::model::Timestamp;

use super::BACKDATED;

/// Generations that are kept: a chain has at most 8 certificates.
pub(super) const MAX_GENERATIONS: usize = 7;

/// See the [module](self). There is always a newest generation.
#[derive(Clone, Debug)]
pub(super) struct Lineage {
    /// The certificate that the newest key has signed for itself.
    root: CertificateDer<'static>,
    /// Certificates of the newest key by the one before, and that one's own, and so on.
    older: Vec<(CertificateDer<'static>, CertificateDer<'static>)>,
}

impl Lineage {
    pub(super) const fn begun(root: CertificateDer<'static>) -> Self {
        Self {
            root,
            older: Vec::new(),
        }
    }

    /// Reads certificates in the order of [`Self::certificates`]; none when there are none, or one is missing.
    pub(super) fn of(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut certificates = certificates.into_iter();
        let root = certificates.next()?;
        let mut older = Vec::new();
        while let Some(crossed) = certificates.next() {
            older.push((crossed, certificates.next()?));
        }
        Some(Self { root, older })
    }

    /// Returns every certificate, the newest first.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        let older = self.older.iter().flat_map(|(crossed, root)| [crossed, root]);
        iter::once(&self.root).chain(older)
    }

    /// The certificate that the newest key has signed for itself.
    pub(super) const fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// Returns the certificates that lead from a member's to the oldest root, and that root.
    pub(super) fn path(&self) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
        let last = self.older.last().map_or(&self.root, |(_, root)| root);
        self.older
            .iter()
            .map(|(crossed, _)| crossed)
            .chain([last])
            .cloned()
    }

    /// Returns the roots that count: the newest, and each of which certificates may live that were made within
    /// so long before it was replaced.
    pub(super) fn roots(&self, now: Timestamp, leaves: Duration) -> Roots {
        let mut roots = vec![self.root.clone()];
        for (_, older) in &self.older {
            let newer = roots.last().and_then(life_of);
            let replaced = newer.map_or(now, |(begins, _)| begins.after(BACKDATED));
            if replaced.after(leaves) <= now {
                break;
            }
            roots.push(older.clone());
        }
        roots
    }

    /// Returns every root, the newest first.
    pub(super) fn all_roots(&self) -> Roots {
        let older = self.older.iter().map(|(_, root)| root);
        iter::once(&self.root).chain(older).cloned().collect()
    }

    /// Makes the lineage with one more generation.
    pub(super) fn followed_by(
        &self,
        root: CertificateDer<'static>,
        crossed: CertificateDer<'static>,
    ) -> Self {
        let older = iter::once((crossed, self.root.clone())).chain(self.older.iter().cloned());
        Self {
            root,
            older: older.take(MAX_GENERATIONS - 1).collect(),
        }
    }
}
