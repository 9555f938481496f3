//! A file, or a collection with its parts: the one place that says which contents a name stands for.
//!
//! The catalog alone tells nothing about a collection: its files are in the parts. Every view of a name
//! counts all of these contents, so that a collection is as well off as its worst part. Of a path inside one
//! it counts the fragments with the path's bytes only.

use std::collections::{BTreeMap, HashMap};

use rand::Rng;
use rand::seq::SliceRandom as _;
use shared::model::{Asked, AskedPart, Binding, ContentId, ContentRef, Extent, Health, PeerId, Share};

use super::State;
use crate::state::command::Rejection;
use crate::state::names::Content;
use crate::state::peers::Peers;
use crate::state::replicas::{Fragments, Held, Portion, Purpose};

/// The contents that a question is about.
pub(crate) struct Whole<'a> {
    pub(super) binding: Binding,
    /// The content itself; of a collection, its catalog.
    pub(super) content: &'a Content,
    /// Other contents that belong to it, as far as they are meant.
    parts: Vec<Portion<'a>>,
}

/// Amounts that one peer has of a whole.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    held: u64,
    kept: u64,
    bytes: u64,
    worth: Worth,
    /// Whether a copy that counts has not been proved.
    is_unproved: bool,
}

/// Worth of what one peer has of a whole, the least first: that of the best of its copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing of it can be read at this moment.
    #[default]
    Nothing,
    /// Others can fetch from it.
    Readable,
    /// The peer keeps something, which does not count at this moment: it is silent, or has not confirmed it.
    Kept,
    /// The peer keeps something that counts.
    Durable,
}

impl Worth {
    fn of(held: &Held, peers: &Peers) -> Self {
        match () {
            () if held.counts(Purpose::Durable, peers) => Self::Durable,
            () if held.counts(Purpose::Remain, peers) => Self::Kept,
            () if held.counts(Purpose::ReadNow, peers) => Self::Readable,
            () => Self::Nothing,
        }
    }
}

/// Peers that have something of a whole.
pub(super) struct Shares(BTreeMap<PeerId, Amount>);

impl<'a> Whole<'a> {
    /// Finds the contents that are meant.
    pub(super) fn of(state: &'a State, asked: &Asked) -> Result<Self, Rejection> {
        let what = state.names.spelled_out(&asked.content)?;
        let binding = state.names.meant(&what)?;
        // A part of a collection is asked for by its id, and its name is the collection's.
        let id = match what {
            ContentRef::Name(_) | ContentRef::Inside(_) => binding.content,
            ContentRef::Id(id) => id,
        };
        let content = state.names.content(id).ok_or(Rejection::NoSuchContent(id))?;
        if id != binding.content {
            let binding = Binding {
                content: id,
                length: content.manifest().length(),
                collection: None,
                metadata: None,
                ..binding
            };
            return Ok(Self {
                binding,
                content,
                parts: Vec::new(),
            });
        }
        let only: HashMap<ContentId, &AskedPart> =
            asked.parts.iter().map(|part| (part.content(), part)).collect();
        let meant = |part: &ContentId| {
            let content = state.names.content(*part)?;
            match only.get(part) {
                _ if only.is_empty() => Some(content.into()),
                asked => asked.map(|asked| Portion::asked(content, asked)),
            }
        };
        let parts = state.names.parts_at(&binding.name, binding.revision).iter();
        Ok(Self {
            content,
            parts: parts.filter(|part| **part != id).filter_map(meant).collect(),
            binding,
        })
    }

    /// Returns the content itself, then the others.
    pub(super) fn portions(&self) -> Vec<Portion<'a>> {
        let others = self.parts.iter().cloned();
        std::iter::once(self.content.into()).chain(others).collect()
    }

    /// Returns the work of counting its replicas: its contents and their holders.
    pub(super) fn work(&self, state: &State) -> usize {
        let others = self.parts.iter().map(|part| part.content().id());
        let all = std::iter::once(self.content.id()).chain(others);
        all.map(|content| 1 + state.replicas.holders_of(content).len())
            .sum()
    }

    pub(super) fn extent(&self) -> Extent {
        let lengths = std::iter::once(self.content.manifest().length());
        let lengths = lengths.chain(self.parts.iter().map(Portion::bytes));
        Extent {
            contents: u32::try_from(1 + self.parts.len()).unwrap_or(u32::MAX),
            length: lengths.fold(0, u64::saturating_add),
        }
    }

    pub(super) fn health(&self, state: &State) -> Health {
        let parts = self.parts.iter().cloned();
        state.replicas.health_of_all(self.content, parts, &state.peers)
    }

    /// Adds up the amounts that peers have of it.
    pub(super) fn shares(&self, state: &State, except: Option<PeerId>) -> Shares {
        let mut shares: BTreeMap<PeerId, Amount> = BTreeMap::new();
        for portion in self.portions() {
            let manifest = portion.content().manifest();
            let held = state.replicas.holders_of(portion.content().id()).iter();
            let is_offered = |held: &&Held| {
                held.counts(Purpose::Offer, &state.peers)
                    && portion.is_touched_by(held.fragments())
                    && Some(held.peer()) != except
            };
            for held in held.filter(is_offered) {
                let worth = Worth::of(held, &state.peers);
                let (fragments, bytes) = match held.fragments() {
                    Fragments::All => (portion.count(), portion.bytes()),
                    Fragments::Some(set) => {
                        let set = portion.within(set.clone());
                        (set.len(), manifest.bytes_in(&set))
                    }
                };
                let amount = shares.entry(held.peer()).or_default();
                amount.held += u64::from(fragments);
                amount.kept += u64::from(if worth >= Worth::Kept { fragments } else { 0 });
                amount.bytes = amount.bytes.saturating_add(bytes);
                amount.worth = amount.worth.max(worth);
                amount.is_unproved |= worth == Worth::Durable && held.proof().at().is_none();
            }
        }
        Shares(shares)
    }

    /// Describes it for a location: with the shares of at most `most` peers when it is a collection.
    pub(super) fn describe(
        &self,
        state: &State,
        most: usize,
        except: Option<PeerId>,
        rng: &mut impl Rng,
    ) -> shared::model::Whole {
        let Shares(all) = self.shares(state, except);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (holder_count, keepers) = (all.len(), all.values().filter(|amount| amount.kept > 0).count());
        let mut chosen: Vec<_> = all.into_iter().collect();
        if chosen.len() > most {
            chosen.shuffle(rng);
        }
        chosen.sort_by_key(|(_, amount)| amount.kept == 0);
        chosen.truncate(most);
        let share = |(peer, amount): (PeerId, Amount)| {
            Some(Share {
                peer: state.replicas.describe(state.peers.get(peer)?),
                held: amount.held,
                kept: amount.kept,
                bytes: amount.bytes,
            })
        };
        let is_collection = self.binding.collection.is_some();
        shared::model::Whole {
            extent: self.extent(),
            holder_count: count(holder_count),
            keeper_count: count(keepers),
            shares: match is_collection {
                true => chosen.into_iter().filter_map(share).collect(),
                false => Vec::new(),
            },
        }
    }
}

impl Shares {
    /// Returns the peers, each with the worth of what it has.
    pub(super) fn peers(&self) -> impl Iterator<Item = (PeerId, Worth)> + '_ {
        self.0.iter().map(|(peer, amount)| (*peer, amount.worth))
    }

    /// Returns the number of peers whose copies count and are all proved.
    pub(super) fn proved(&self) -> u32 {
        let is_proved = |amount: &&Amount| amount.worth == Worth::Durable && !amount.is_unproved;
        u32::try_from(self.0.values().filter(is_proved).count()).unwrap_or(u32::MAX)
    }
}
