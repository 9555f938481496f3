//! Random sequences of the operations of a store, against a model of plain sets.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use super::super::fixture::Content;
use super::super::{DiskStore, FragmentStore, MemoryStore, Place, Role, StoreError};

/// An operation; contents and fragments are numbers, sets are bitmaps.
#[derive(Clone, Debug)]
enum Step {
    Assign(usize, u32),
    Fetch(usize),
    Write(usize, u32),
    Commit(usize, u32),
    Withdraw(usize, u32),
    Release(usize, Role),
    Forget(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let content = 0..3_usize;
    let role = prop_oneof![Just(Role::Published), Just(Role::Assigned), Just(Role::Fetched)];
    let step = prop_oneof![
        3 => (content.clone(), 1..8_u32).prop_map(|(c, set)| Step::Assign(c, set)),
        2 => content.clone().prop_map(Step::Fetch),
        8 => (content.clone(), 0..3_u32).prop_map(|(c, n)| Step::Write(c, n)),
        8 => (content.clone(), 0..3_u32).prop_map(|(c, n)| Step::Commit(c, n)),
        1 => (content.clone(), 1..8_u32).prop_map(|(c, set)| Step::Withdraw(c, set)),
        1 => (content.clone(), role).prop_map(|(c, role)| Step::Release(c, role)),
        1 => content.prop_map(Step::Forget),
        2 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Store,
    Partial,
    Output,
}

/// Expected state of one content, written down as plainly as possible.
#[derive(Clone, Debug)]
struct Expected {
    held: BTreeSet<u32>,
    written: BTreeSet<u32>,
    wanted: BTreeSet<u32>,
    assigned: bool,
    fetched: bool,
    place: Where,
}

fn members(set: u32) -> Vec<u32> {
    (0..3).filter(|n| set >> n & 1 == 1).collect()
}

/// Returns whether the step should succeed, and the content's state after it.
fn expect_prepared(before: Option<Expected>, wanted: &[u32], is_fetch: bool) -> (bool, Option<Expected>) {
    let fresh = Expected {
        held: BTreeSet::new(),
        written: BTreeSet::new(),
        wanted: wanted.iter().copied().collect(),
        assigned: !is_fetch,
        fetched: is_fetch,
        place: if is_fetch { Where::Partial } else { Where::Store },
    };
    let Some(mut now) = before else {
        return (true, Some(fresh));
    };
    if now.place == Where::Output && !wanted.iter().all(|n| now.held.contains(n)) {
        if !now.held.is_empty() {
            return (false, Some(now));
        }
        return (
            true,
            Some(Expected {
                assigned: now.assigned || !is_fetch,
                ..fresh
            }),
        );
    }
    now.wanted.extend(wanted);
    now.assigned |= !is_fetch;
    now.fetched |= is_fetch;
    (true, Some(now))
}

/// A store and its model.
struct World<'a> {
    reopen: &'a dyn Fn(Option<Box<dyn FragmentStore>>) -> Box<dyn FragmentStore>,
    /// Whether opening again loses blocks that were not committed.
    is_disk: bool,
    outputs: &'a Path,
    store: Box<dyn FragmentStore>,
    contents: Vec<Content>,
    model: Vec<Option<Expected>>,
}

impl<'a> World<'a> {
    fn new(
        reopen: &'a dyn Fn(Option<Box<dyn FragmentStore>>) -> Box<dyn FragmentStore>,
        outputs: &'a Path,
        is_disk: bool,
    ) -> Self {
        let contents = (0..3_u8)
            .map(|seed| Content::new(140_000 + usize::from(seed), seed))
            .collect();
        Self {
            reopen,
            is_disk,
            outputs,
            store: reopen(None),
            contents,
            model: vec![None; 3],
        }
    }

    fn walk(mut self, steps: &[Step]) {
        for step in steps {
            let (expected, done) = self.act(step);
            assert_eq!(done.is_ok(), expected, "{step:?}: {done:?}");
            compare(&*self.store, &self.contents, &self.model, step);
        }
    }

    fn prepare(&mut self, c: usize, wanted: &[u32], is_fetch: bool) -> (bool, Result<(), StoreError>) {
        let (expected, next) = expect_prepared(self.model[c].take(), wanted, is_fetch);
        self.model[c] = next;
        let content = &self.contents[c];
        let output = self.outputs.join(format!("out {c}"));
        let purpose = if is_fetch {
            content.fetched(&output, true)
        } else {
            content.assigned(wanted)
        };
        (expected, self.store.prepare(&content.manifest, purpose).map(drop))
    }

    /// Takes a step in the model and in the store; returns whether it should succeed, and its result.
    fn act(&mut self, step: &Step) -> (bool, Result<(), StoreError>) {
        match *step {
            Step::Assign(c, set) => self.prepare(c, &members(set), false),
            Step::Fetch(c) => self.prepare(c, &[0, 1, 2], true),
            Step::Write(c, n) => {
                let can = |it: &mut Expected| {
                    let fits = it.wanted.contains(&n) && it.place != Where::Output;
                    if fits && !it.held.contains(&n) {
                        it.written.insert(n);
                    }
                    fits || it.held.contains(&n)
                };
                (
                    self.model[c].as_mut().is_some_and(can),
                    self.contents[c].write(&*self.store, n),
                )
            }
            Step::Commit(c, n) => {
                let can = |it: &mut Expected| {
                    let is_fresh = it.written.remove(&n) && it.held.insert(n);
                    if is_fresh && it.place == Where::Partial && it.held.len() == 3 {
                        it.place = Where::Output;
                    }
                    it.held.contains(&n)
                };
                (
                    self.model[c].as_mut().is_some_and(can),
                    self.contents[c].commit(&*self.store, n),
                )
            }
            Step::Withdraw(c, set) => {
                let can = |it: &mut Expected| it.held.retain(|n| !members(set).contains(n));
                let expected = self.model[c].as_mut().map(can).is_some();
                (
                    expected,
                    self.store
                        .withdraw(self.contents[c].id(), &self.contents[c].set(&members(set))),
                )
            }
            Step::Release(c, role) => {
                let before = self.model[c].take();
                let expected = before.is_some();
                self.model[c] = before.and_then(|mut it| {
                    it.assigned &= role != Role::Assigned;
                    it.fetched &= role != Role::Fetched;
                    (it.assigned || it.fetched).then_some(it)
                });
                (
                    expected,
                    self.store.release(self.contents[c].id(), role).map(drop),
                )
            }
            Step::Forget(c) => (
                self.model[c].take().is_some(),
                self.store.forget(self.contents[c].id()).map(drop),
            ),
            Step::Reopen => {
                let before = std::mem::replace(&mut self.store, Box::new(MemoryStore::new(0)));
                self.store = (self.reopen)(Some(before));
                if self.is_disk {
                    self.model.iter_mut().flatten().for_each(|it| it.written.clear());
                }
                (true, Ok(()))
            }
        }
    }
}

fn compare(store: &dyn FragmentStore, contents: &[Content], model: &[Option<Expected>], step: &Step) {
    let mut used = 0;
    for (content, expected) in contents.iter().zip(model) {
        let entry = store.entry(content.id());
        assert_eq!(entry.is_some(), expected.is_some(), "after {step:?}");
        let (Some(entry), Some(expected)) = (entry, expected) else {
            continue;
        };
        let held: Vec<u32> = expected.held.iter().copied().collect();
        assert_eq!(content.held(store), held, "after {step:?}");
        assert_eq!(
            (entry.roles.assigned, entry.roles.fetched),
            (expected.assigned, expected.fetched),
            "after {step:?}"
        );
        let place = match entry.place {
            Place::Store => Where::Store,
            Place::Partial { .. } => Where::Partial,
            Place::File(_) => Where::Output,
        };
        assert_eq!(place, expected.place, "after {step:?}");
        for n in 0..3 {
            assert_eq!(
                content.read(store, n).is_ok(),
                expected.held.contains(&n),
                "after {step:?}"
            );
        }
        if expected.place == Where::Store {
            let wanted: Vec<u32> = expected.wanted.iter().copied().collect();
            used += content.manifest.bytes_in(&content.set(&wanted));
        }
    }
    assert_eq!(store.usage().used, used, "after {step:?}");
    assert_eq!(store.entries().len(), model.iter().flatten().count());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_its_model_does_in_memory(steps in steps()) {
        let fresh = || Box::new(MemoryStore::new(1 << 20)) as Box<dyn FragmentStore>;
        World::new(&|before| before.unwrap_or_else(fresh), Path::new("/outputs"), false).walk(&steps);
    }
}

proptest! {
    // Every step syncs, so there are fewer cases.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_its_model_does_on_disk_across_restarts(steps in steps()) {
        let directory = tempfile::tempdir().expect("a directory");
        let reopen = |before: Option<Box<dyn FragmentStore>>| {
            drop(before);
            Box::new(DiskStore::open(&directory.path().join("node"), 1 << 20).expect("opens")) as Box<dyn FragmentStore>
        };
        World::new(&reopen, directory.path(), true).walk(&steps);
    }
}
