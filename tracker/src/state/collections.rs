//! How a collection stands: its catalog and everything that the catalog refers to, together.
//!
//! A collection is as well off as the worst of its contents. The tracker never reads a catalog: which contents belong
//! to it is what its publisher said.

use shared::model::{ContentId, ContentState, Health};

use super::State;
use super::catalogue::Content;

impl State {
    /// How a content stands and, when it is the catalog of collections, all of their parts.
    pub(super) fn health_with_parts(&self, content: &Content) -> Health {
        let id = content.manifest.content();
        let mut health = self.health_of(content);
        let mut counted: Vec<&[ContentId]> = Vec::new();
        for parts in self.catalogue.parts_of(id) {
            // The same collection may have several names, and several revisions of each.
            if counted.contains(&parts) {
                continue;
            }
            counted.push(parts);
            for part in parts.iter().filter_map(|part| self.catalogue.content(*part)) {
                add(&mut health, self.health_of(part));
            }
        }
        health
    }
}

fn add(health: &mut Health, part: Health) {
    health.fewest = match (health.fragments, part.fragments) {
        (0, _) => part.fewest,
        (_, 0) => health.fewest,
        _ => health.fewest.min(part.fewest),
    };
    // Worse comes first.
    health.state = health.state.min(part.state);
    health.fragments = health.fragments.saturating_add(part.fragments);
    health.fragments_at_target = health
        .fragments_at_target
        .saturating_add(part.fragments_at_target);
    health.copies_under_way = health.copies_under_way.saturating_add(part.copies_under_way);
    debug_assert!(health.state != ContentState::Replicated || health.fragments == health.fragments_at_target);
}
