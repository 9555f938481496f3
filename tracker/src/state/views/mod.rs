//! Views: questions that change nothing.

mod drain;
pub(super) mod listing;
mod losses;
mod reasons;
mod survey;
mod whole;

use rand::Rng;
use rand::seq::SliceRandom as _;
use shared::model::{
    Asked, Binding, ContentId, ContentRef, DrainStatus, Durability, Epoch, FeedPage, FeedPosition, Health,
    Holder, Location, Manifest, Name, NetworkId, PeerId, PeerInfo, PeerState, Revision, RevisionEntry,
    RevisionState, Survey, Why,
};

use super::State;
use super::command::Rejection;
use super::history::Gap;
use super::names::{Bound, Hold, NameHistory, Publishers, Revised};
use super::peers::{Peer, Standing};
use super::replicas::{Portion, Purpose};

pub use drain::DrainSurvey;
pub use listing::ListStep;
pub use survey::Surveying;
use whole::Whole;

/// Bitmaps in one location: with a manifest of 2 MiB it stays below the 4 MiB that gRPC clients read by
/// default.
const MAX_BITMAP_BYTES: u32 = 1 << 20;

/// Page of the list of peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeersPage {
    /// In order of their ids.
    pub peers: Vec<PeerInfo>,
    /// Whether there are more.
    pub has_more: bool,
    /// The tracker's epoch.
    pub epoch: Epoch,
    /// Whether the tracker waits for peers to report.
    pub is_in_safe_mode: bool,
}

/// The tracker in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The tracker's epoch.
    pub epoch: Epoch,
    /// Whether the tracker waits for peers to report.
    pub is_in_safe_mode: bool,
    /// Names that are bound.
    pub names: usize,
    /// Contents that have a name.
    pub contents: usize,
    /// Peers whose lease is running.
    pub live_peers: usize,
    /// Peers that have fallen silent.
    pub suspect_peers: usize,
    /// Peers that have left or were given up, and kept something.
    pub lost_peers: usize,
    /// Live peers that other peers cannot dial.
    pub unreachable_peers: usize,
    /// Assignments under way, one for each content and peer.
    pub assignments: usize,
    /// Contents that are not, or may not be, as they should be.
    pub contents_to_look_at: usize,
    /// Known gap of the journal.
    pub gap: Option<Gap>,
    /// Id of the network; none before the first start on a journal.
    pub network: Option<NetworkId>,
}

impl State {
    /// Returns the newest revision of a name, and the content that it is bound to, if it is bound.
    #[must_use]
    pub fn head(&self, name: &Name) -> (Revision, Option<ContentId>) {
        let content = self.names.binding(name).map(|bound| bound.content);
        (self.names.revision(name), content)
    }

    /// Returns the binding of a name, or of the first name of a content.
    ///
    /// # Errors
    /// [`Rejection::NoSuchName`], [`Rejection::NoSuchContent`].
    pub fn resolve(&self, what: &ContentRef) -> Result<(Binding, Manifest), Rejection> {
        let Whole { binding, content, .. } = Whole::of(self, &what.clone().into())?;
        Ok((binding, content.manifest().clone()))
    }

    /// Returns the holders of a content, and how the collection stands whose catalog it is. When there are
    /// more than `max_holders`, those with the best rank are named, and `rng` chooses among equals.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn locate(
        &self,
        what: &Asked,
        max_holders: usize,
        except: Option<PeerId>,
        rng: &mut impl Rng,
    ) -> Result<Location, Rejection> {
        let whole = Whole::of(self, what)?;
        let (binding, content) = (&whole.binding, whole.content);
        let bitmap_bytes = content.manifest().fragment_count().div_ceil(8).max(1);
        let most = (MAX_BITMAP_BYTES / bitmap_bytes) as usize;
        let held = self.replicas.holders_of(binding.content).iter();
        let publishers = self.publishers(what, &whole);
        let offered = held
            .filter(|held| held.counts(Purpose::Offer, &self.peers) && Some(held.peer()) != except)
            .map(|held| {
                let is_away = !held.counts(Purpose::Read, &self.peers);
                (is_away, held.rank(publishers, &self.peers), held)
            });
        let mut offered: Vec<_> = offered.collect();
        // A caller that tries holders in turn should not always begin with the same.
        offered.shuffle(rng);
        offered.sort_by_key(|(is_away, rank, _)| (*is_away, *rank));
        let count = content.manifest().fragment_count();
        let chosen = offered.iter().take(max_holders.min(most));
        let holders = chosen.filter_map(|(_, rank, held)| {
            let peer = self.replicas.describe(self.peers.get(held.peer())?);
            Some(Holder {
                peer,
                fragments: held.fragments().to_set(count),
                keeps: held.counts(Purpose::Remain, &self.peers),
                rank: *rank,
                proved_at: held.proof().at(),
            })
        });
        Ok(Location {
            holders: holders.collect(),
            holder_count: u32::try_from(offered.len()).unwrap_or(u32::MAX),
            manifest: content.manifest().clone(),
            health: whole.health(self),
            whole: Some(whole.describe(self, max_holders, except, rng)),
            binding: whole.binding,
        })
    }

    /// Returns the publishers of the revision that is asked about: whoever publishes the same content under
    /// another name is none of them. Of an id, all publishers.
    fn publishers<'a>(&'a self, what: &Asked, whole: &Whole<'a>) -> &'a Publishers {
        let named = match &what.content {
            ContentRef::Name(_) => {
                let binding = &whole.binding;
                self.names.publishers_at(&binding.name, binding.revision)
            }
            ContentRef::Id(_) | ContentRef::Inside(_) => None,
        };
        named.unwrap_or_else(|| whole.content.publishers())
    }

    /// Returns the health of a content; of a collection's catalog, together with its parts.
    ///
    /// # Errors
    /// [`Rejection::NoSuchContent`].
    pub fn health(&self, content: ContentId) -> Result<Health, Rejection> {
        let known = self.names.content(content);
        let known = known.ok_or(Rejection::NoSuchContent(content))?;
        Ok(self.replicas.health_with_parts(known, &self.names, &self.peers))
    }

    /// Returns up to `limit` peers that come after `after`.
    #[must_use]
    pub fn peers(&self, after: Option<PeerId>, limit: usize) -> PeersPage {
        let mut members = self.peers.after(after);
        let peers = members
            .by_ref()
            .take(limit)
            .map(|peer| self.replicas.describe(peer))
            .collect();
        let has_more = members.next().is_some();
        PeersPage {
            peers,
            has_more,
            epoch: self.history.epoch(),
            is_in_safe_mode: self.is_in_safe_mode(),
        }
    }

    /// The tracker in a few numbers.
    #[must_use]
    pub fn status(&self) -> Status {
        let all = self.peers.iter();
        let missed = all.clone().filter(|peer| !(peer.is_lost() && peer.is_visitor()));
        let count = |state| missed.clone().filter(|peer| peer.life().state() == state).count();
        let is_out_of_reach = |peer: &&Peer| matches!(peer.standing(), Standing::Unreachable { .. });
        Status {
            epoch: self.history.epoch(),
            is_in_safe_mode: self.is_in_safe_mode(),
            names: self.names.name_count(),
            contents: self.names.content_count(),
            live_peers: count(PeerState::Live),
            suspect_peers: count(PeerState::Suspect),
            lost_peers: count(PeerState::Lost),
            unreachable_peers: all.filter(|peer| peer.is_live()).filter(is_out_of_reach).count(),
            assignments: self.replicas.assignment_count(),
            contents_to_look_at: self.replicas.agenda_len(),
            gap: self.history.gap(),
            network: self.history.network(),
        }
    }

    /// Returns the remembered revisions of a name, the newest first.
    ///
    /// # Errors
    /// [`Rejection::NoSuchName`], when nothing is.
    pub fn revisions(&self, name: &Name) -> Result<Vec<RevisionEntry>, Rejection> {
        let history = self.names.known(name)?;
        let all = history.revisions().iter().rev();
        Ok(all.map(|revised| self.entry(history, revised)).collect())
    }

    /// Describes a revision to users.
    pub(super) fn entry(&self, history: &NameHistory, revised: &Revised) -> RevisionEntry {
        let bound = revised.bound();
        let there = bound.filter(|bound| self.names.is_there(history, bound));
        let state = match bound {
            None => RevisionState::Removed,
            Some(bound) if bound.hold() == Hold::Current => RevisionState::Current,
            Some(bound) if bound.pins().is_pinned() => RevisionState::Pinned,
            Some(_) if there.is_some() => RevisionState::Kept,
            Some(_) => RevisionState::Collected,
        };
        let health = there.and_then(|bound| {
            let content = self.names.content(bound.content())?;
            let parts = history.parts_of(bound).iter();
            let parts = parts.filter_map(|part| self.names.content(*part));
            Some(
                self.replicas
                    .health_of_all(content, parts.map(Portion::from), &self.peers),
            )
        });
        RevisionEntry {
            revision: revised.revision(),
            at: revised.at(),
            state,
            pins: bound.map(Bound::pins).unwrap_or_default(),
            bound: bound.map(Bound::revised_content),
            health,
        }
    }

    /// Returns the events after a position, as far as they fit into a page; without a position, the end of
    /// the feed.
    #[must_use]
    pub fn events_after(&self, after: Option<FeedPosition>) -> FeedPage {
        self.feed.after(after, &self.history)
    }

    /// Looks at the next contents; returns the result when there are no more.
    #[must_use]
    pub fn survey_step(&self, surveying: &mut Surveying) -> Option<Survey> {
        survey::step(self, surveying)
    }

    /// Returns which losses a content would survive, and the repair that is under way.
    ///
    /// # Errors
    /// [`Rejection::NoSuchName`], [`Rejection::NoSuchContent`].
    pub fn durability(&self, what: &Asked) -> Result<Durability, Rejection> {
        Ok(survey::durability(self, Whole::of(self, what)?))
    }

    /// Returns why a content is below its target.
    ///
    /// # Errors
    /// As [`Self::durability`].
    pub fn why(&self, what: &Asked) -> Result<Why, Rejection> {
        let whole = Whole::of(self, what)?;
        Ok(Why {
            health: whole.health(self),
            reasons: reasons::reasons(self, &whole.portions()),
            extent: Some(whole.extent()),
            name: whole.binding.name,
            content: whole.binding.content,
            fetch: None,
        })
    }

    /// Looks at the next contents of a peer that is to leave; returns the result when there are no more.
    ///
    /// # Errors
    /// [`Rejection::NoSuchPeer`].
    pub fn drain_step(&self, survey: &mut DrainSurvey) -> Result<Option<DrainStatus>, Rejection> {
        drain::step(self, survey)
    }
}
