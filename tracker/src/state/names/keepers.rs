//! Names that keep one content, and what follows from all of them: counted as they come and go, so that one
//! name more costs the same whatever number there is.
//!
//! Most contents have one name. Then nothing is stored but that name, because its history says the rest; a
//! content of several names stores what each of them contributes, and the sums.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::model::{ContentId, Name, PeerId, ReplicationTarget};

use crate::state::steps::visited;

use super::name_history::{Bound, Hold, NameHistory, Publishers};

/// Parts of a collection, ascending; none of a file.
pub(crate) type Shape = Option<Arc<[ContentId]>>;

/// Names that keep a content, and the sums over them.
#[derive(Debug)]
pub(super) struct Keepers {
    names: Names,
    /// The largest target.
    target: ReplicationTarget,
    /// All publishers.
    publishers: Publishers,
}

#[derive(Debug)]
enum Names {
    /// None yet, or no longer.
    None,
    One(Name),
    Many(Box<Many>),
}

/// Contributions of several names.
#[derive(Debug, Default)]
struct Many {
    names: BTreeMap<Name, Contribution>,
    targets: BTreeMap<ReplicationTarget, usize>,
    publishers: BTreeMap<PeerId, usize>,
    /// Names whose current binding refers to the content.
    current: BTreeSet<Name>,
    /// Contents to which these bindings are, with the parts of each of them, and their numbers.
    wholes: BTreeMap<ContentId, Shapes>,
    /// Parts that the content itself has in bindings to it, also in past ones, and their numbers.
    own: Shapes,
}

/// Different parts of collections with the same catalog, and how often each is there. Mostly there is one.
#[derive(Debug, Default)]
struct Shapes(Vec<(Shape, usize)>);

impl Shapes {
    fn add(&mut self, shape: &Shape) {
        match self.0.iter_mut().find(|(known, _)| known == shape) {
            Some((_, count)) => *count += 1,
            None => self.0.push((shape.clone(), 1)),
        }
    }

    fn take(&mut self, shape: &Shape) {
        for (_, count) in self.0.iter_mut().filter(|(known, _)| known == shape) {
            *count -= 1;
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    fn iter(&self) -> impl Iterator<Item = &Shape> {
        visited(self.0.iter()).map(|(shape, _)| shape)
    }
}

/// Contribution of one name: what all of its bindings to the content come to.
#[derive(Clone, Debug)]
pub(super) struct Contribution {
    target: ReplicationTarget,
    publishers: Publishers,
    /// Its current binding, if that refers to the content.
    current: Option<(ContentId, Shape)>,
    /// Parts of its bindings to the content itself, each once.
    own: Vec<Shape>,
}

impl Contribution {
    /// Returns what a name contributes to a content by these of its bindings, the newest first; none when it
    /// does not keep it.
    pub(super) fn of<'a>(holding: impl Iterator<Item = &'a Bound>, content: ContentId) -> Option<Self> {
        let mut contribution: Option<Self> = None;
        for bound in holding.filter(|bound| bound.refers_to(content)) {
            let current = (bound.hold == Hold::Current).then(|| whole_of(bound));
            let known = contribution.get_or_insert_with(|| Self {
                target: bound.target,
                publishers: Publishers::none(),
                current: None,
                own: Vec::new(),
            });
            known.target = known.target.max(bound.target);
            known.publishers.extend(bound.publishers.as_slice());
            known.current = known.current.take().or(current);
            if bound.content == content && !known.own.contains(&bound.parts) {
                known.own.push(bound.parts.clone());
            }
        }
        contribution
    }

    pub(super) fn publishers(&self) -> Publishers {
        self.publishers.clone()
    }
}

/// Returns the bindings of a name for which it keeps contents, the newest first.
fn holding(history: Option<&NameHistory>) -> impl Iterator<Item = &Bound> {
    let all = history.into_iter().flat_map(NameHistory::holding);
    all.map(|(_, bound)| bound)
}

/// Returns the content to which a binding is, and its parts.
fn whole_of(bound: &Bound) -> (ContentId, Shape) {
    (bound.content, bound.parts.clone())
}

impl Keepers {
    /// Nobody's yet.
    pub(super) const fn none(target: ReplicationTarget) -> Self {
        Self {
            names: Names::None,
            target,
            publishers: Publishers::none(),
        }
    }

    pub(super) const fn target(&self) -> ReplicationTarget {
        self.target
    }

    pub(super) const fn publishers(&self) -> &Publishers {
        &self.publishers
    }

    /// Returns the publishers that have published it under this name.
    pub(super) fn publishers_of(&self, name: &Name) -> Publishers {
        match &self.names {
            Names::One(one) if one == name => self.publishers.clone(),
            Names::None | Names::One(_) => Publishers::none(),
            Names::Many(many) => many
                .names
                .get(name)
                .map(Contribution::publishers)
                .unwrap_or_default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.names {
            Names::None => 0,
            Names::One(_) => 1,
            Names::Many(many) => many.names.len(),
        }
    }

    /// Returns the names, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Name> {
        let (one, many) = match &self.names {
            Names::None => (None, None),
            Names::One(name) => (Some(name), None),
            Names::Many(many) => (None, Some(many.names.keys())),
        };
        visited(one.into_iter().chain(many.into_iter().flatten()))
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        match &self.names {
            Names::None => false,
            Names::One(one) => one == name,
            Names::Many(many) => many.names.contains_key(name),
        }
    }

    /// Returns the first name whose current binding refers to the content, or else the first that keeps it.
    pub(super) fn first_choice(&self) -> Option<&Name> {
        match &self.names {
            Names::Many(many) => many.current.first().or_else(|| many.names.keys().next()),
            Names::None | Names::One(_) => self.iter().next(),
        }
    }

    /// Returns the contents to which current bindings are that refer to the content, and the parts of each.
    pub(super) fn wholes<'a>(
        &self,
        content: ContentId,
        history_of: impl Fn(&Name) -> Option<&'a NameHistory>,
    ) -> Vec<(ContentId, Shape)> {
        match &self.names {
            Names::None => Vec::new(),
            Names::One(name) => {
                let current = history_of(name).and_then(NameHistory::current);
                let current = current.filter(|(_, bound)| bound.refers_to(content));
                current.map(|(_, bound)| whole_of(bound)).into_iter().collect()
            }
            Names::Many(many) => {
                let all = visited(many.wholes.iter());
                let all = all.flat_map(|(whole, shapes)| shapes.iter().map(|shape| (*whole, shape.clone())));
                all.collect()
            }
        }
    }

    /// Returns the parts that the content itself has in bindings to it, also in past ones.
    pub(super) fn own_shapes<'a>(
        &self,
        content: ContentId,
        history_of: impl Fn(&Name) -> Option<&'a NameHistory>,
    ) -> Vec<Shape> {
        match &self.names {
            Names::None => Vec::new(),
            Names::One(name) => {
                Contribution::of(holding(history_of(name)), content).map_or_else(Vec::new, |of| of.own)
            }
            Names::Many(many) => many.own.iter().cloned().collect(),
        }
    }

    /// Follows a change of a name: from now on it contributes this, or nothing. `history_of` finds the
    /// history of another one. Returns whether a name is left.
    pub(super) fn set<'a>(
        &mut self,
        name: &Name,
        now: Option<Contribution>,
        content: ContentId,
        history_of: impl Fn(&Name) -> Option<&'a NameHistory>,
    ) -> bool {
        let is_alone = match &self.names {
            Names::None => true,
            Names::One(one) => one == name,
            Names::Many(_) => false,
        };
        match (&mut self.names, now) {
            (names, Some(now)) if is_alone => {
                (self.target, self.publishers) = (now.target, now.publishers);
                *names = Names::One(name.clone());
            }
            (names, None) if is_alone => *names = Names::None,
            (Names::None | Names::One(_), None) | (Names::None, Some(_)) => {}
            (Names::One(one), Some(now)) => {
                let mut many = Many::default();
                // Its publishers are the sum so far.
                many.set(
                    one,
                    Contribution::of(holding(history_of(one)), content),
                    &mut Publishers::none(),
                );
                many.set(name, Some(now), &mut self.publishers);
                self.become_many(many);
            }
            (Names::Many(many), now) => {
                let mut many = std::mem::take(&mut **many);
                many.set(name, now, &mut self.publishers);
                self.become_many(many);
            }
        }
        self.len() > 0
    }

    fn become_many(&mut self, mut many: Many) {
        if let Some((target, _)) = many.targets.last_key_value() {
            self.target = *target;
        }
        self.names = match many.names.len() {
            1 => many
                .names
                .pop_first()
                .map_or(Names::None, |(last, _)| Names::One(last)),
            _ => Names::Many(Box::new(many)),
        };
    }
}

impl Many {
    /// Replaces what a name contributes, and keeps the sum of all publishers up to date.
    fn set(&mut self, name: &Name, now: Option<Contribution>, publishers: &mut Publishers) {
        let before = match &now {
            Some(_) => self.names.get(name).cloned(),
            None => self.names.remove(name),
        };
        // The new part is counted first: a publisher that stays is never gone in between.
        if let Some(now) = &now {
            *self.targets.entry(now.target).or_default() += 1;
            for peer in now.publishers.as_slice() {
                let count = self.publishers.entry(*peer).or_default();
                *count += 1;
                if *count == 1 {
                    publishers.extend(&[*peer]);
                }
            }
            if let Some((whole, shape)) = &now.current {
                self.wholes.entry(*whole).or_default().add(shape);
                self.current.insert(name.clone());
            }
            now.own.iter().for_each(|shape| self.own.add(shape));
        }
        if let Some(before) = before {
            decrement(&mut self.targets, &before.target);
            for peer in before.publishers.as_slice() {
                if decrement(&mut self.publishers, peer) {
                    publishers.remove(*peer);
                }
            }
            if let Some((whole, shape)) = &before.current {
                if let Some(shapes) = self.wholes.get_mut(whole) {
                    shapes.take(shape);
                    if shapes.0.is_empty() {
                        self.wholes.remove(whole);
                    }
                }
                if now.as_ref().is_none_or(|now| now.current.is_none()) {
                    self.current.remove(name);
                }
            }
            before.own.iter().for_each(|shape| self.own.take(shape));
        }
        if let Some(now) = now {
            self.names.insert(name.clone(), now);
        }
    }
}

/// Takes one from a count; returns whether none is left.
fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else {
        return false;
    };
    *count -= 1;
    let is_over = *count == 0;
    if is_over {
        counts.remove(key);
    }
    is_over
}
