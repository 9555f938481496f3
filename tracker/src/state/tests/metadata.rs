//! Metadata of files: kept with their revision, and changed only when that is asked for.

use shared::model::{Binding, ContentRef, Expectation, Incarnation, Manifest, Mode};

use super::world::{World, content, metadata, name, peer, target};
use crate::state::State;
use crate::state::command::Publish;

fn publish(world: &mut World, text: &str, manifest: &Manifest, mode: u32, replaces: bool) -> Binding {
    publish_to(world, text, manifest, mode, (replaces, 1))
}

fn publish_to(
    world: &mut World,
    text: &str,
    manifest: &Manifest,
    mode: u32,
    (replaces, copies): (bool, u32),
) -> Binding {
    let publish = Publish {
        name: name(text),
        manifest: manifest.clone(),
        target: target(copies),
        expectation: Expectation::Anything,
        publisher: peer(1),
        incarnation: Incarnation::new(1),
        parts: None,
        metadata: Some(metadata(mode)),
        replaces_metadata: replaces,
        keeps_target: false,
    };
    world.bind(publish).expect("published")
}

fn mode(binding: &Binding) -> Option<Mode> {
    binding
        .metadata
        .as_ref()
        .map(|metadata| metadata.attributes().mode)
}

/// Returns the modes of a name's revisions, the newest first.
fn modes(state: &State, text: &str) -> Vec<Option<u32>> {
    let all = state.revisions(&name(text)).expect("it is remembered");
    let mode = |entry: &shared::model::RevisionEntry| Some(entry.bound?.attributes?.mode.get());
    all.iter().map(mode).collect()
}

#[test]
fn metadata_stay_with_their_revision_and_change_only_when_asked() {
    let mut world = World::with_peers(2);
    world.keep(8);
    let (old, new) = (content(1, 2), content(2, 2));
    let first = publish(&mut world, "a", &old, 0o640, false);
    assert_eq!(mode(&first), Some(Mode::of(0o640)));
    // The same bytes are the same binding.
    let same = publish(&mut world, "a", &old, 0o600, false);
    assert_eq!(same, first);
    let facts = world.journal.len();
    let replaced = publish(&mut world, "a", &old, 0o600, true);
    assert_eq!(
        (replaced.revision, mode(&replaced)),
        (first.revision, Some(Mode::of(0o600)))
    );
    assert_eq!(world.journal.len(), facts + 1);
    publish(&mut world, "a", &old, 0o600, true);
    assert_eq!(world.journal.len(), facts + 1, "nothing has changed");
    publish(&mut world, "a", &new, 0o644, false);
    assert_eq!(modes(&world.state, "a"), [Some(0o644), Some(0o600)]);
    // Another target makes another revision of the same file.
    let wider = publish_to(&mut world, "a", &new, 0o755, (false, 2));
    assert!(wider.revision > replaced.revision);
    assert_eq!(modes(&world.state, "a"), [Some(0o644), Some(0o644), Some(0o600)]);
    let renamed = world.rename("a", "b", None).expect("it is bound");
    assert_eq!(mode(&renamed), Some(Mode::of(0o644)));
    // After a restart they are the same, from the journal and from a snapshot.
    let snapshot = world.state.records();
    for journal in [world.journal.clone(), snapshot] {
        world.journal = journal;
        world.restart();
        let what: ContentRef = "b".parse().expect("a name");
        let (bound, _) = world.state.resolve(&what).expect("it is bound");
        assert_eq!(bound.metadata, Some(metadata(0o644)));
        assert_eq!(
            modes(&world.state, "a"),
            [None, Some(0o644), Some(0o644), Some(0o600)]
        );
    }
}
