//! What a fact in a journal may not say, given the facts before it.
//!
//! Replay believes what it is handed: the journal's checksums say that it is what was written. An audit asks more: that
//! what was written could have come about. A fact that could not is a defect of the tracker that wrote it, or was
//! put there by someone else.

use shared::model::{Name, Revision};

use super::State;
use super::check::require;
use super::line::{Bound, Hold, Line};
use super::record::{Fact, LineFact, Record};

impl State {
    /// Why this record cannot follow what has been replayed so far, in words.
    ///
    /// # Errors
    /// When it cannot.
    pub fn audit(&self, record: &Record) -> Result<(), String> {
        match &record.fact {
            Fact::EpochBegun(epoch) => require(*epoch > self.epoch, || {
                format!("epoch {epoch} begins after epoch {}", self.epoch)
            }),
            Fact::PeerRegistered(registration) => {
                let known = self.members.get(registration.peer);
                let latest = known.map(|peer| peer.registration.incarnation);
                require(
                    latest.is_none_or(|latest| latest <= registration.incarnation),
                    || {
                        let (peer, run) = (registration.peer, registration.incarnation);
                        format!("run {run} of peer {peer} comes after a later one")
                    },
                )
            }
            Fact::PeerGone(peer)
            | Fact::PeerForgotten(peer)
            | Fact::DutyChanged { peer, .. }
            | Fact::WentAway { peer, .. } => require(self.members.get(*peer).is_some(), || {
                format!("peer {peer} was never registered")
            }),
            Fact::Published {
                name,
                revision,
                manifest,
                ..
            } => {
                let current = self.catalogue.revision(name);
                // A further publisher of what is bound is told at the same revision.
                let is_same = *revision == current
                    && self
                        .catalogue
                        .binding(name)
                        .is_some_and(|bound| bound.content == manifest.content());
                require(*revision > current || is_same, || {
                    backwards(name, *revision, current)
                })
            }
            Fact::Removed { name, revision } => {
                let current = self.catalogue.revision(name);
                require(*revision > current, || backwards(name, *revision, current))
            }
            Fact::History { .. } | Fact::GapDeclared | Fact::GapFound { .. } | Fact::GapAccepted => Ok(()),
            Fact::Renamed {
                from,
                tombstone,
                to,
                revision,
            } => {
                let (old, new) = (self.catalogue.revision(from), self.catalogue.revision(to));
                require(*tombstone > old, || backwards(from, *tombstone, old))?;
                require(*revision > new, || backwards(to, *revision, new))?;
                let (bound, taken) = (self.catalogue.binding(from), self.catalogue.binding(to));
                require(bound.is_some() && taken.is_none(), || {
                    format!("{from} is renamed to {to}, but is not bound, or {to} is")
                })
            }
            Fact::Line(fact) => self.audit_line(fact),
            Fact::TargetChanged { name, .. } => require(self.catalogue.binding(name).is_some(), || {
                format!("the target of {name} changes, which is not bound")
            }),
        }
    }
}

impl State {
    fn audit_line(&self, fact: &LineFact) -> Result<(), String> {
        match fact {
            LineFact::RevisionsKept(_) | LineFact::FloorRaised(_) => Ok(()),
            LineFact::Collected { name, revision } => require(
                self.past(name, *revision)
                    .is_some_and(|bound| !bound.pins.is_pinned()),
                || format!("{name}@{revision} is let go, which is current, pinned or unknown"),
            ),
            LineFact::PinChanged { name, revision, pins } => {
                let line = self.catalogue.line(name);
                let bound = line.and_then(|line| line.get(*revision)?.bound.as_deref());
                require(bound.is_some_and(|bound| bound.pins < *pins), || {
                    format!("{name}@{revision} is pinned or unpinned, which is unknown or was so before")
                })
            }
            LineFact::NameForgotten(name) => {
                let line = self.catalogue.line(name);
                let is_over = |line: &Line| line.removed_at().is_some() && line.holding().next().is_none();
                require(line.is_some_and(is_over), || {
                    format!("{name} is forgotten, which was not removed")
                })
            }
            LineFact::Remembered { name, revision, .. } => {
                let last = self.catalogue.line(name).map_or(Revision::NONE, Line::last);
                require(*revision > last, || backwards(name, *revision, last))
            }
        }
    }

    /// A revision that is not the one that its name is bound to.
    fn past(&self, name: &Name, revision: Revision) -> Option<&Bound> {
        let bound = self.catalogue.line(name)?.get(revision)?.bound.as_deref()?;
        (bound.hold != Hold::Current).then_some(bound)
    }
}

fn backwards(name: &Name, next: Revision, current: Revision) -> String {
    format!("{name} goes from revision {current} to {next}")
}
