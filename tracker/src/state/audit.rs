//! Invariants of the whole state, which tests assert after every step; and conditions on a fact in a journal,
//! given the facts before it.
//!
//! The journal's checksums prove that a record is the one that was written. Replay asks more: that the record
//! could have come about. One that could not, such as the pin of a revision that nobody knows, would change
//! nothing, and what it acknowledged would be lost in silence. Such a record is a defect of the tracker that
//! wrote it, or of this one, or was put there by someone else: no tracker starts on it.

use shared::model::{Epoch, Name, PeerId, Revision};

use super::State;
use super::names::{Bound, Hold, NameHistory, Names};
use super::peers::Peer;
use super::record::{EpochBegin, Fact, NameFact, Record, require};

/// Facts that a journal may claim to have had: a million a second for three hundred thousand years.
const MAX_FACTS: u64 = 1 << 63;

impl State {
    /// Asserts every invariant.
    ///
    /// The check looks at everything, so it is for tests.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub fn check(&self) {
        if let Err(fault) = self.check_facts() {
            panic!("{fault}");
        }
        self.peers.check_absences();
        self.replicas.check(&self.names, &self.peers);
        self.feed.check();
    }

    /// Checks the invariants of what is journaled; the complaint is in words.
    ///
    /// # Errors
    /// When one does not hold.
    pub fn check_facts(&self) -> Result<(), String> {
        self.names.check()?;
        self.security.check()?;
        self.peers.check()
    }

    /// Checks that this record can follow those that have been replayed; the complaint is in words.
    ///
    /// # Errors
    /// When it cannot.
    pub fn audit(&self, record: &Record) -> Result<(), String> {
        match &record.fact {
            Fact::EpochBegun(epoch) => require(*epoch > self.history.epoch(), || {
                format!("epoch {epoch} begins after epoch {}", self.history.epoch())
            }),
            Fact::NetworkNamed(network) => {
                let known = self.history.network();
                require(known.is_none(), || {
                    format!("the network gets the id {network}, and has one")
                })
            }
            Fact::PeerRegistered(registration) => {
                let known = self.peers.get(registration.peer);
                let latest = known.map(Peer::incarnation);
                require(
                    latest.is_none_or(|latest| latest <= registration.incarnation),
                    || {
                        let (peer, run) = (registration.peer, registration.incarnation);
                        format!("run {run} of peer {peer} comes after a later one")
                    },
                )
            }
            Fact::KeyRecorded { peer, key } => {
                self.audit_peer(*peer, "has a key")?;
                let known = self.peers.key(*peer);
                require(known.is_none_or(|known| known == *key), || {
                    format!("peer {peer} has another key than before")
                })
            }
            Fact::PeerGone(peer) | Fact::VisitorGone(peer) => self.audit_peer(*peer, "is gone"),
            Fact::PeerForgotten(peer) => self.audit_peer(*peer, "is forgotten"),
            Fact::ModeChanged { peer, .. } => self.audit_peer(*peer, "has another mode"),
            Fact::WentAway { peer, .. } => self.audit_peer(*peer, "is away for maintenance"),
            Fact::Published {
                name,
                revision,
                manifest,
                ..
            } => {
                let current = self.names.revision(name);
                // A further publisher of the binding is recorded at the same revision.
                let is_same = *revision == current
                    && self
                        .names
                        .binding(name)
                        .is_some_and(|bound| bound.content == manifest.content());
                match is_same {
                    true => Ok(()),
                    false => audit_next(&self.names, name, *revision, Names::next_binding),
                }
            }
            Fact::Removed { name, revision } => audit_next(&self.names, name, *revision, next_removal),
            Fact::History { facts, epochs } => audit_history(self.history.epoch(), *facts, epochs),
            Fact::GapDeclared | Fact::GapFound { .. } | Fact::GapAccepted => Ok(()),
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => {
                audit_next(&self.names, from, *tombstone, next_removal)?;
                audit_next(&self.names, to, *revision, Names::next_binding)?;
                let (bound, taken) = (self.names.binding(from), self.names.binding(to));
                require(bound.is_some() && taken.is_none(), || {
                    format!("{from} is renamed to {to}, but is not bound, or {to} is")
                })
            }
            Fact::Name(fact) => audit_name(&self.names, fact),
            Fact::Security(fact) => self.security.audit(fact),
            Fact::TargetChanged { name, .. } => require(self.names.binding(name).is_some(), || {
                format!("the target of {name} changes, which is not bound")
            }),
        }
    }

    fn audit_peer(&self, peer: PeerId, what: &str) -> Result<(), String> {
        require(self.peers.get(peer).is_some(), || {
            format!("peer {peer} {what}, which was never registered or was forgotten")
        })
    }
}

/// Checks that the counts of a snapshot can be those of a history up to this epoch.
fn audit_history(epoch: Epoch, facts: u64, epochs: &[EpochBegin]) -> Result<(), String> {
    require(facts <= MAX_FACTS, || {
        format!("a snapshot stands for {facts} facts, more than any tracker writes")
    })?;
    let is_ascending = epochs.is_sorted_by(|one, next| one.epoch < next.epoch && one.facts < next.facts);
    let last = epochs.last();
    let is_known = last.is_none_or(|last| last.epoch <= epoch && last.facts <= facts);
    require(is_ascending && is_known, || {
        format!("a snapshot of {facts} facts lists epochs that do not lead to epoch {epoch}")
    })
}

fn audit_name(names: &Names, fact: &NameFact) -> Result<(), String> {
    match fact {
        NameFact::RevisionsKept(_) | NameFact::FloorRaised(_) => Ok(()),
        NameFact::Collected { name, revision } => require(
            past(names, name, *revision).is_some_and(|bound| !bound.pins().is_pinned()),
            || format!("{name}@{revision} is collected, which is current, pinned or unknown"),
        ),
        NameFact::PinChanged { name, revision, pins } => {
            let history = names.history(name);
            let bound = history.and_then(|history| history.get(*revision)?.bound());
            require(bound.is_some_and(|bound| bound.pins() < *pins), || {
                format!("{name}@{revision} is pinned or unpinned, which is unknown or was so before")
            })
        }
        NameFact::Described { name, revision, .. } => {
            let history = names.history(name);
            let bound = history.and_then(|history| history.get(*revision)?.bound());
            require(bound.is_some(), || {
                format!("{name}@{revision} gets metadata, which is unknown")
            })
        }
        NameFact::NameForgotten(name) => {
            let history = names.history(name);
            let is_over =
                |history: &NameHistory| history.removed_at().is_some() && history.holding().next().is_none();
            require(history.is_some_and(is_over), || {
                format!("{name} is forgotten, which was not removed")
            })
        }
        NameFact::Remembered { name, revision, .. } => {
            // The past of a name that is bound comes after its binding.
            let history = names.history(name);
            let last = history.map_or(Revision::NONE, NameHistory::last);
            let is_past =
                |history: &NameHistory| history.current().is_some() && history.get(*revision).is_none();
            require(*revision > last || history.is_some_and(is_past), || {
                backwards(name, *revision, last)
            })
        }
    }
}

/// Checks the revision that a name goes to: of a name that is known, the very next one. A snapshot states the
/// revision of a name without those before it.
fn audit_next(
    names: &Names,
    name: &Name,
    revision: Revision,
    next: impl Fn(&Names, &Name) -> Option<Revision>,
) -> Result<(), String> {
    let current = names.revision(name);
    let follows = match names.history(name).is_none() || names.is_being_restored(name) {
        true => revision > current,
        false => Some(revision) == next(names, name),
    };
    require(follows, || backwards(name, revision, current))
}

fn next_removal(names: &Names, name: &Name) -> Option<Revision> {
    names.revision(name).next()
}

/// Returns a past revision: not the one that its name is bound to.
fn past<'a>(names: &'a Names, name: &Name, revision: Revision) -> Option<&'a Bound> {
    let bound = names.history(name)?.get(revision)?.bound()?;
    (bound.hold() != Hold::Current).then_some(bound)
}

fn backwards(name: &Name, next: Revision, current: Revision) -> String {
    format!("{name} goes from revision {current} to {next}")
}
