//! Names, revisions, tombstones.

use shared::model::{Binding, ContentRef, Digest, Epoch, Expectation, FragmentLength, Manifest, Revision};

use super::world::{World, content, name, peer};
use crate::state::views::listing::STEP_WORK;
use crate::state::{Command, Publish, Rejection, Reply, State, steps};

impl World {
    pub(super) fn rename(
        &mut self,
        from: &str,
        to: &str,
        expected: Option<u64>,
    ) -> Result<Binding, Rejection> {
        let command = Command::Rename {
            from: name(from),
            to: name(to),
            expected: expected.map(Revision::new),
        };
        match self.apply(command)? {
            Reply::Published(binding) => Ok(binding),
            other => panic!("rename is answered by {other:?}"),
        }
    }
}

#[test]
fn a_published_name_can_be_resolved_and_listed() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 3);
    let binding = world.publish(1, "models/a", &bytes, 1);
    assert_eq!(binding.revision, Revision::new(1));
    assert_eq!(
        world.state.resolve(&ContentRef::Name(name("models/a"))),
        Ok((binding.clone(), bytes.clone()))
    );
    assert_eq!(
        world
            .state
            .resolve(&ContentRef::Id(bytes.content()))
            .map(|found| found.0),
        Ok(binding)
    );
    let missing = world.state.resolve(&ContentRef::Name(name("models/b")));
    assert_eq!(missing, Err(Rejection::NoSuchName("models/b".to_owned())));
}

#[test]
fn the_beginning_of_an_id_means_its_content_unless_it_is_a_name() {
    let mut world = World::with_peers(1);
    let (bytes, other) = (content(1, 3), content(2, 3));
    let binding = world.publish(1, "models/a", &bytes, 1);
    let short = bytes.content().short();
    let resolve = |world: &World, text: &str| world.state.resolve(&ContentRef::Name(name(text)));
    assert_eq!(resolve(&world, &short), Ok((binding, bytes.clone())));
    assert_eq!(
        resolve(&world, &short[..7]),
        Err(Rejection::NoSuchName(short[..7].to_owned()))
    );
    let bound = world.publish(1, &short, &other, 1);
    assert_eq!(resolve(&world, &short), Ok((bound, other)));
}

#[test]
fn names_are_listed_in_order_by_prefix_and_page() {
    let mut world = World::with_peers(1);
    for text in ["b", "a/2", "a/10", "a", "a/1", "ab", "a0"] {
        world.publish(1, text, &content(1, 1), 1);
    }
    world.remove("a/2", None).expect("removed");
    let list = |prefix: &str, after: Option<&str>, limit| {
        let step = world.state.list(prefix, after.map(name).as_ref(), limit);
        let names = step.names.into_iter();
        let names: Vec<_> = names.map(|listed| listed.binding.name.to_string()).collect();
        (names.join(" "), step.next.is_some())
    };
    let owned = |names: &str, goes_on: bool| (names.to_owned(), goes_on);
    assert_eq!(list("", None, 9), owned("a a/1 a/10 a0 ab b", false));
    assert_eq!(list("a/", None, 9), owned("a/1 a/10", false));
    assert_eq!(list("a/", None, 1), owned("a/1", true));
    assert_eq!(list("a/", Some("a/1"), 2), owned("a/10", false));
    assert_eq!(
        list("a/", Some("a"), 1),
        owned("a/1", true),
        "a token before the prefix is harmless"
    );
    assert_eq!(list("a/", Some("b"), 9), owned("", false));
    assert_eq!(list("zzz", None, 9), owned("", false));
}

#[test]
fn publishing_the_same_again_changes_nothing() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 3);
    let first = world.publish(1, "a", &bytes, 2);
    let journaled = world.journal.len();
    let again = world
        .try_publish(1, "a", &bytes, 2, Expectation::Unbound)
        .expect("a retry succeeds");
    assert_eq!(again, first);
    assert_eq!(world.journal.len(), journaled, "nothing is journaled");
    // Another target is another publication.
    let more = world.publish(1, "a", &bytes, 3);
    assert_eq!(more.revision, Revision::new(2));
    assert_eq!(world.health(&bytes).target.get(), 3);
}

#[test]
fn a_name_changes_by_compare_and_set() {
    let mut world = World::with_peers(1);
    let (old, new) = (content(1, 1), content(2, 1));
    let revision = |n| Expectation::Revision(Revision::new(n));
    let unbound = world.try_publish(1, "a", &old, 1, revision(1));
    assert!(matches!(unbound, Err(Rejection::Unbound { .. })));
    world
        .try_publish(1, "a", &old, 1, Expectation::Unbound)
        .expect("put if absent");
    let occupied = world.try_publish(1, "a", &new, 1, Expectation::Unbound);
    assert!(matches!(occupied, Err(Rejection::Bound { revision, .. }) if revision == Revision::new(1)));
    world
        .try_publish(1, "a", &new, 1, revision(1))
        .expect("the revision is right");
    let late = world.try_publish(1, "a", &old, 1, revision(1));
    assert!(matches!(late, Err(Rejection::Bound { .. })));
    assert_eq!(world.bound("a"), Some((2, new.content())));
}

#[test]
fn a_removed_name_leaves_a_tombstone_and_its_revisions_go_on() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    assert!(matches!(world.remove("a", Some(7)), Err(Rejection::Bound { .. })));
    assert_eq!(world.remove("a", Some(1)), Ok(2));
    assert_eq!(world.bound("a"), None);
    assert_eq!(world.remove("a", Some(1)), Ok(2), "a retry gets the same answer");
    for expected in [None, Some(2), Some(3), Some(u64::MAX)] {
        assert_eq!(
            world.remove("a", expected),
            Err(Rejection::NoSuchName("a".to_owned()))
        );
    }
    assert_eq!(
        world.remove("never", Some(u64::MAX)),
        Err(Rejection::NoSuchName("never".to_owned()))
    );
    let back = world
        .try_publish(1, "a", &content(2, 1), 1, Expectation::Unbound)
        .expect("free again");
    assert_eq!(
        back.revision,
        Revision::new(3),
        "an old revision never comes back as the newest"
    );
}

#[test]
fn only_a_connected_run_of_a_peer_can_publish() {
    let mut world = World::new();
    let bytes = content(1, 1);
    assert_eq!(
        world.try_publish(1, "a", &bytes, 1, Expectation::Anything),
        Err(Rejection::NoSession(peer(1)))
    );
    world.hello(1, 5, Epoch::new(0)).expect("welcome");
    let mut publish_as = |incarnation| {
        let of = world.peers.get_mut(&peer(1)).expect("joined");
        of.incarnation = shared::model::Incarnation::new(incarnation);
        world
            .try_publish(1, "a", &bytes, 1, Expectation::Anything)
            .map(drop)
    };
    assert!(matches!(publish_as(4), Err(Rejection::OlderIncarnation { .. })));
    assert_eq!(publish_as(6), Err(Rejection::NoSession(peer(1))));
    assert_eq!(publish_as(5), Ok(()));
    world.disconnect(1);
    assert_eq!(
        world.try_publish(1, "b", &bytes, 1, Expectation::Anything),
        Err(Rejection::NoSession(peer(1)))
    );
}

#[test]
fn a_content_is_kept_in_one_fragment_length() {
    let mut world = World::with_peers(2);
    let (small, large) = (
        FragmentLength::MIN,
        FragmentLength::new(128 << 10).expect("in bounds"),
    );
    // One fragment or two: a content of one short fragment has the same id in any fragment length.
    let root = shared::model::Digest::from_bytes([9; 32]);
    let of = |length| shared::model::Manifest::from_roots(1000, length, vec![root]).expect("one root");
    assert_eq!(of(small).content(), of(large).content());
    world.publish(1, "a", &of(small), 1);
    let other = world.try_publish(2, "b", &of(large), 1, Expectation::Anything);
    assert!(matches!(other, Err(Rejection::OtherFragments { known, .. }) if known == small));
}

#[test]
fn the_largest_target_of_a_contents_names_counts() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 1);
    world.publish(1, "a", &bytes, 2);
    world.publish(1, "b", &bytes, 5);
    assert_eq!(world.health(&bytes).target.get(), 5);
    world.remove("b", None).expect("removed");
    assert_eq!(world.health(&bytes).target.get(), 2);
    world.publish(1, "a", &content(2, 1), 1);
    assert_eq!(
        world.state.health(bytes.content()),
        Err(Rejection::NoSuchContent(bytes.content()))
    );
}

#[test]
fn nothing_is_done_before_the_epoch_has_begun() {
    let mut state = crate::state::State::new(crate::Timing::default(), 1);
    let applied = state.apply(shared::model::Timestamp::default(), Command::Tick);
    assert_eq!(applied.reply, Err(Rejection::NotServing));
}

#[test]
fn a_retry_that_comes_after_a_removal_binds_nothing() {
    let mut world = World::with_peers(1);
    let bytes = content(1, 1);
    let never_bound = Expectation::Revision(Revision::NONE);
    let first = world
        .try_publish(1, "a", &bytes, 1, never_bound)
        .expect("never bound");
    let retry = world.try_publish(1, "a", &bytes, 1, never_bound);
    assert_eq!(retry, Ok(first), "a retry has one effect");
    assert_eq!(world.remove("a", None), Ok(2));
    let late = world.try_publish(1, "a", &bytes, 1, never_bound);
    assert!(
        matches!(late, Err(Rejection::Unbound { .. })),
        "the name stays removed: {late:?}"
    );
    assert_eq!(world.bound("a"), None);
    assert_eq!(world.state.head(&name("a")), (Revision::new(2), None));
    let anew = world.try_publish(1, "a", &bytes, 1, Expectation::Revision(Revision::new(2)));
    assert_eq!(
        anew.map(|bound| bound.revision),
        Ok(Revision::new(3)),
        "who knows of the removal may bind it"
    );
}

#[test]
fn a_rename_moves_the_binding_at_once_and_touches_no_copy() {
    let mut world = World::with_peers(2);
    let bytes = content(1, 3);
    world.publish(1, "a", &bytes, 2);
    world.obey();
    let bound = world.rename("a", "b", Some(1)).expect("nothing is in the way");
    assert_eq!((bound.revision.get(), bound.content), (1, bytes.content()));
    assert_eq!(
        (world.bound("a"), world.bound("b")),
        (None, Some((1, bytes.content())))
    );
    world.pass(std::time::Duration::from_secs(120), &[]);
    assert_eq!(world.take_orders(), [], "every copy is where it should be");
    // A retry after a lost answer, or after a restart.
    assert_eq!(world.rename("a", "b", Some(1)), Ok(bound.clone()));
    world.restart();
    assert_eq!(world.rename("a", "b", Some(1)), Ok(bound));
    assert_eq!(world.bound("b"), Some((1, bytes.content())));
    // The old name counts as removed: its next revision follows the tombstone.
    world.hello(1, 2, Epoch::new(2)).expect("welcome");
    world.announce(1, Vec::new(), true);
    assert_eq!(world.publish(1, "a", &bytes, 1).revision.get(), 3);
}

#[test]
fn a_rename_needs_a_bound_name_at_that_revision_and_a_free_one() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    world.publish(1, "b", &content(2, 1), 1);
    let records = world.journal.len();
    for (from, to, expected) in [("a", "b", None), ("a", "a", None), ("a", "c", Some(2))] {
        let refused = world.rename(from, to, expected).expect_err("refused");
        assert!(
            matches!(refused, Rejection::Bound { .. }),
            "{from} to {to}: {refused}"
        );
    }
    let missing = Err(Rejection::NoSuchName("c".to_owned()));
    assert_eq!(world.rename("c", "d", None), missing);
    assert_eq!(world.journal.len(), records, "nothing has changed");
    // A name that was removed, and a new one bound later, are no rename.
    world.remove("b", None).expect("removed");
    world.pass(std::time::Duration::from_secs(1), &[]);
    world.publish(1, "c", &content(2, 1), 1);
    let missing = Err(Rejection::NoSuchName("b".to_owned()));
    assert_eq!(world.rename("b", "c", Some(1)), missing);
    let again = world.rename("a", "b", None).expect("b is free now");
    assert_eq!(again.revision.get(), 3, "after its tombstone");
}

#[test]
fn a_name_that_was_renamed_at_a_revision_was_not_removed_at_it() {
    let mut world = World::with_peers(1);
    world.publish(1, "a", &content(1, 1), 1);
    world.rename("a", "b", Some(1)).expect("nothing is in the way");
    let not_removed = Err(Rejection::NoSuchName("a".to_owned()));
    assert_eq!(world.remove("a", Some(1)), not_removed);
    // Neither after the grace time, nor by a journal or a snapshot.
    world.pass(std::time::Duration::from_secs(3_700), &[]);
    assert_eq!(world.remove("a", Some(1)), not_removed);
    world.restart();
    assert_eq!(world.remove("a", Some(1)), not_removed);
    world.journal = world.state.records();
    world.restart();
    assert_eq!(world.remove("a", Some(1)), not_removed);
    assert_eq!(world.remove("b", Some(1)), Ok(2));
    assert_eq!(world.remove("b", Some(1)), Ok(2), "a retry");
}

#[test]
fn a_publisher_that_chooses_no_target_leaves_the_name_its_own() {
    let mut world = World::with_peers(1);
    let (one, other) = (content(1, 3), content(2, 3));
    let without = |world: &World, text: &str, manifest| Publish {
        keeps_target: true,
        ..world.publication(1, text, manifest, 3)
    };
    // A name without a target gets the one that comes along, the network's default.
    let new = without(&world, "b", &one);
    assert_eq!(world.bind(new).expect("published").target.get(), 3);
    let first = world.publish(1, "a", &one, 2);
    let again = without(&world, "a", &one);
    assert_eq!(world.bind(again), Ok(first.clone()), "nothing has changed");
    let update = without(&world, "a", &other);
    let second = world.bind(update).expect("published");
    assert_eq!(
        (second.target, Some(second.revision)),
        (first.target, first.revision.next())
    );
    assert_eq!(world.publish(1, "a", &other, 1).target.get(), 1, "one is chosen");
    world.remove("a", None).expect("removed");
    let new = without(&world, "a", &one);
    assert_eq!(world.bind(new).expect("published").target.get(), 3);
}

/// Goes through a list in steps; returns the names listed, and the entries that each step looked at.
fn steps_of_list(state: &State, limit: usize) -> (usize, Vec<u64>) {
    let (mut listed, mut looked_at) = (0, Vec::new());
    let mut after = None;
    loop {
        let before = steps::taken();
        let step = state.list("", after.as_ref(), limit);
        looked_at.push(steps::taken() - before);
        listed += step.names.len();
        after = step.next;
        if after.is_none() {
            return (listed, looked_at);
        }
    }
}

#[test]
fn a_step_of_a_list_looks_at_a_bounded_number_of_parts() {
    const PARTS: u32 = 2_000;
    let mut world = World::with_peers(1);
    world.check_no_more();
    // The collections share their parts, which are counted for each of them.
    let part = |n: u32| {
        let mut root = [7; 32];
        root[..4].copy_from_slice(&n.to_be_bytes());
        Manifest::from_roots(1, FragmentLength::MIN, vec![Digest::from_bytes(root)]).expect("one fragment")
    };
    let parts: Vec<_> = (0..PARTS).map(part).collect();
    for n in 0..40 {
        world.publish_collection(1, &format!("tree{n:03}"), &content(n, 1), &parts, 1);
    }
    let (listed, looked_at) = steps_of_list(&world.state, 1_000);
    let all: u64 = looked_at.iter().sum();
    assert_eq!(listed, 40);
    assert!(
        all > 40 * u64::from(PARTS),
        "the parts are counted: {looked_at:?}"
    );
    let most = looked_at.iter().max().expect("some");
    // The last collection of a step is counted as a whole; each part and its holder a few times.
    assert!(*most < all / 3, "{looked_at:?}");
    assert!(
        *most < 5 * (STEP_WORK as u64 + 2 * u64::from(PARTS)),
        "{looked_at:?}"
    );
}

#[test]
fn a_step_of_a_list_passes_a_bounded_number_of_removed_names() {
    let mut world = World::with_peers(1);
    world.check_no_more();
    for n in 0..2 * STEP_WORK {
        let name = format!("a{n:05}");
        world.publish(1, &name, &content(1, 1), 1);
        world.remove(&name, None).expect("removed");
    }
    world.publish(1, "b", &content(1, 1), 1);
    let (listed, looked_at) = steps_of_list(&world.state, 1_000);
    assert_eq!(listed, 1);
    assert!(looked_at.len() > 2, "{looked_at:?}");
    let most = looked_at.iter().max().expect("some");
    assert!(*most < 3 * STEP_WORK as u64, "{looked_at:?}");
}
