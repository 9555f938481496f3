//! Contents that must not be evicted because they are being published.
//!
//! A publication is acknowledged on another connection than the one that brings orders, so an eviction that
//! the tracker decided before it knew of the publication may arrive after it. Therefore a content is
//! protected from before its publication until it has been announced once more after it: orders that the
//! tracker gives after it has seen that announce know of the publication, and older ones are refused by their
//! sequence number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::model::ContentId;
use tokio::sync::Notify;

/// The set of protected contents; cheap to clone, all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Protected(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The number of publications of each content under way; 0 when all have ended and the content was not
    /// announced since.
    under_way: Mutex<BTreeMap<ContentId, u32>>,
    ended: Notify,
}

/// Protects a content as long as it lives, and until the next announce after that.
#[derive(Debug)]
pub struct ProtectionGuard {
    content: ContentId,
    protected: Protected,
}

impl Drop for ProtectionGuard {
    fn drop(&mut self) {
        if let Some(under_way) = self.protected.lock().get_mut(&self.content) {
            *under_way -= 1;
        }
        self.protected.0.ended.notify_one();
    }
}

impl Protected {
    /// Protects a content: a publication begins.
    #[must_use]
    pub fn begin(&self, content: ContentId) -> ProtectionGuard {
        *self.lock().entry(content).or_default() += 1;
        ProtectionGuard {
            content,
            protected: self.clone(),
        }
    }

    /// Whether the content must not be evicted.
    #[must_use]
    pub fn contains(&self, content: ContentId) -> bool {
        self.lock().contains_key(&content)
    }

    /// Waits until a publication ends. Cancel-safe.
    pub async fn ended(&self) {
        self.0.ended.notified().await;
    }

    /// Takes out the contents whose publications have all ended. The caller announces them at once, and obeys
    /// no eviction of them before that.
    pub fn take_ended(&self) -> Vec<ContentId> {
        self.lock()
            .extract_if(.., |_, under_way| *under_way == 0)
            .map(|(content, _)| content)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContentId, u32>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn protection_lasts_until_its_end_is_taken_out() {
        let protected = Protected::default();
        let content = ContentId::from_bytes([1; 32]);
        let first = protected.begin(content);
        let second = protected.begin(content);
        drop(first);
        assert!(protected.take_ended().is_empty());
        drop(second);
        protected.ended().await;
        assert!(protected.contains(content));
        assert_eq!(protected.take_ended(), [content]);
        assert!(!protected.contains(content));
    }
}
