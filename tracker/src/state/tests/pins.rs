//! Pins that were acknowledged, kept outside the state: none may get lost, whatever happens.

use std::collections::BTreeMap;

use shared::model::{ContentId, ContentRef, PinCount, PinWish, RevisionEntry, RevisionLimit};

use super::world::{World, content, name};
use crate::Timing;
use crate::state::{Command, Rejection, Reply, State};

impl World {
    /// Changes how many revisions of every name are remembered.
    pub(super) fn keep(&mut self, revisions: u32) {
        let limit = RevisionLimit::new(revisions).expect("in bounds");
        self.apply(Command::KeepRevisions(limit))
            .expect("it can always be changed");
    }

    /// Pins or unpins `NAME@REV`; the pin count may have been seen.
    pub(super) fn set_pin(
        &mut self,
        text: &str,
        is_pinned: bool,
        seen: Option<u32>,
    ) -> Result<RevisionEntry, Rejection> {
        let wish = PinWish {
            what: text.parse().expect("a revision"),
            is_pinned,
            expected: seen.map(PinCount::new),
        };
        match self.apply(Command::Pin(wish))? {
            Reply::Pinned(entry) => Ok(entry),
            other => panic!("a pin is answered by {other:?}"),
        }
    }
}

/// Pinned revisions as the story knows them, and their contents.
#[derive(Debug, Default)]
pub(super) struct Pins(BTreeMap<String, ContentId>);

/// Returns everything that is known of names and contents, apart from the state of the feed.
pub(super) fn facts(state: &State) -> String {
    let names: Vec<_> = state.names.histories_after(None).collect();
    let contents = state.names.contents_after(None).map(|id| {
        let content = state.names.content(id).expect("just listed");
        let publishers = content.publishers().as_slice().to_vec();
        (
            id,
            content.target(),
            publishers,
            content.names().cloned().collect::<Vec<_>>(),
        )
    });
    let contents: Vec<_> = contents.collect();
    format!("{names:?} {contents:?}")
}

impl Pins {
    /// Pins or unpins a revision, and notes what came of it.
    pub(super) fn change(&mut self, world: &mut World, revision: &str, is_pinned: bool, seen: Option<u32>) {
        let Ok(entry) = world.set_pin(revision, is_pinned, seen) else {
            return;
        };
        assert_eq!(entry.pins.is_pinned(), is_pinned, "it is as it was asked for");
        match entry.bound {
            Some(bound) if is_pinned => drop(self.0.insert(revision.to_owned(), bound.content)),
            _ => drop(self.0.remove(revision)),
        }
    }

    /// Asserts that every pinned content is available, also in a tracker that starts from a snapshot.
    pub(super) fn check(&self, world: &World) {
        let mut copy = State::new(Timing::default(), 7);
        let snapshot = world.state.records();
        for record in &snapshot {
            assert_eq!(copy.replay(record.clone()), Ok(()), "{record:?}");
        }
        copy.check();
        assert_eq!(copy.records(), snapshot, "a snapshot leads to the same state");
        assert_eq!(facts(&copy), facts(&world.state), "not only to the same snapshot");
        for (revision, content) in &self.0 {
            let what: ContentRef = revision.parse().expect("a name");
            for state in [&world.state, &copy] {
                let found = state.resolve(&what).map(|(binding, _)| binding.content);
                assert_eq!(found, Ok(*content), "{revision} is pinned");
            }
        }
    }
}

#[test]
fn pinned_revisions_of_removed_names_are_listed() {
    let mut world = World::with_peers(2);
    world.keep(8);
    for (text, seed) in [("a", 1), ("a/b", 2), ("b", 3), ("c", 4)] {
        world.publish(1, text, &content(seed, 1), 1);
        world.set_pin(&format!("{text}@1"), true, None).expect("pinned");
    }
    world.publish(1, "a", &content(5, 1), 1);
    world.set_pin("a@2", true, None).expect("pinned");
    let listed = |world: &World, prefix: &str, after: Option<&str>| {
        let all = world.state.list(prefix, after.map(name).as_ref(), 9).removed;
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed(&world, "", None), "", "names list their own");
    for text in ["a", "a/b", "c"] {
        world.remove(text, None).expect("removed");
    }
    assert_eq!(listed(&world, "", None), "a@1 a@2 a/b@1 c@1");
    assert_eq!(listed(&world, "a", None), "a@1 a@2 a/b@1");
    assert_eq!(listed(&world, "", Some("a")), "a/b@1 c@1", "pages do not overlap");
    assert_eq!(listed(&world, "", Some("b")), "c@1");
    world.set_pin("a@1", false, None).expect("unpinned");
    assert_eq!(listed(&world, "a", None), "a@2 a/b@1");
}
