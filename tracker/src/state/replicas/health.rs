//! How a collection stands: its catalog and everything that the catalog refers to, together.
//!
//! A collection is as well off as the worst of its contents. The tracker never reads a catalog: which contents belong
//! to it is what its publisher said.

use shared::model::{ContentId, ContentState, Health};

use super::Replicas;
use crate::state::names::{Content, Names};
use crate::state::peers::Peers;

impl Replicas {
    /// What is promised to people: only replicas on live peers count. That a suspect peer still counts when repairs are
    /// planned is patience with a flap, not durability.
    pub(crate) fn health_of(&self, content: &Content, peers: &Peers) -> Health {
        let assessment = self.assess(content, peers);
        let fragments = content.manifest().fragment_count();
        let target = content.target().get();
        let fewest = assessment.live().min(fragments);
        let at_target = match fewest >= target {
            true => content.manifest().indices().len(),
            false => content
                .manifest()
                .indices()
                .filter(|index| assessment.live().of(*index) >= target)
                .count(),
        };
        let fragments_at_target = u32::try_from(at_target).unwrap_or(fragments);
        let state = match () {
            () if fragments_at_target == fragments => ContentState::Replicated,
            () if assessment.sourced().is_full() => ContentState::Degraded,
            () => ContentState::Unavailable,
        };
        let wanted = self
            .assignments
            .of(content.id())
            .map(|(_, job)| job.wanted().len());
        Health {
            state,
            target: content.target(),
            fewest: if fragments == 0 { 0 } else { fewest },
            fragments_at_target,
            fragments,
            copies_under_way: wanted.sum(),
        }
    }

    /// How a content stands and, when it is the catalog of collections, all of their parts.
    pub(crate) fn health_with_parts(&self, content: &Content, names: &Names, peers: &Peers) -> Health {
        let mut health = self.health_of(content, peers);
        let mut counted: Vec<&[ContentId]> = Vec::new();
        for parts in names.parts_of(content.id()) {
            // The same collection may have several names, and several revisions of each.
            if counted.contains(&parts) {
                continue;
            }
            counted.push(parts);
            for part in parts.iter().filter_map(|part| names.content(*part)) {
                add(&mut health, self.health_of(part, peers));
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
