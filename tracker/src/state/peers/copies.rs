//! Copies of a data directory: several processes that say hello with the id of one peer.
//!
//! Every start of a peer draws a random run id, so two processes differ even when their directories,
//! addresses and incarnations are equal. A peer has one session, and while it is live only the run that
//! opened it may replace it. The hello of another run is one of two things, which nothing in it tells apart:
//!
//! * a restart whose end the tracker has not noticed yet: the run with the session is dead, and its
//!   connection breaks or its lease runs out. The new run is told to try again, and is then welcome.
//! * a copy: the run with the session answers a question that the tracker asks it because of that hello. So
//!   both processes live. The next hello of the other run is refused, and nothing of it is journaled.
//!
//! A run that was refused says so when it asks again, which it does seldom, and is let in only when the peer
//! is lost: when the run with the session has left, or was away for longer than a broken connection or a
//! restart of the tracker takes. So the run that had the session has it again, although a tracker that
//! restarts knows no runs.
//!
//! So the first run that comes keeps the session whatever the others do, and no restart is ever taken for a
//! copy, however late messages of the dead process arrive. The id of the previous run is not asked for: a
//! copy of the directory of a *running* node would name the run that it was copied from, as a restart does.
//! An older peer knows no questions; a run beside it is told to try again for as long as that peer lives.

use std::time::Duration;

use shared::model::{Hello, HostPort, Incarnation, PeerId, RunId, Timestamp};

use super::{Peer, Peers, Session};
use crate::state::command::{Rejection, SessionId};

/// Runs of a peer that are remembered beside the one with the session.
const MAX_RIVALS: usize = 8;

/// Time for which people are shown that a copy was refused: longer than it waits before it asks again.
const SHOWN_FOR: Duration = Duration::from_secs(90);

/// A run of a peer, told from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// By its id.
    Drawn(RunId),
    /// Of a peer that draws no ids: copies have the same incarnation, but hardly ever the same address.
    Counted(Incarnation, HostPort),
}

/// Other runs that have said hello since a session was opened, the latest last.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    known: Vec<Rival>,
    /// Questions that were asked in the session.
    questions: u64,
}

#[derive(Debug)]
struct Rival {
    run: Run,
    /// Number of the question that the run with the session was asked because of its first hello.
    question: u64,
    fate: Fate,
}

/// How far a rival's case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The question is not answered.
    Open,
    /// The run with the session lives.
    Proved,
    /// The rival was told that it is a copy.
    Told,
}

/// Outcome of a hello while another run may have a session.
#[derive(Debug)]
pub(crate) enum Contest {
    /// No other run has a live session.
    None,
    /// Another one has.
    Refused(Rejection),
    /// Another one has, and is to be asked in its session whether it lives.
    Begun {
        /// The session.
        session: SessionId,
        /// Number of the question.
        question: u64,
        /// The answer to the hello.
        rejection: Rejection,
    },
}

/// A copy of a peer's data directory that was refused.
#[derive(Debug)]
pub(super) struct Copied {
    address: HostPort,
    at: Timestamp,
}

impl Copied {
    pub(super) const fn address(&self) -> &HostPort {
        &self.address
    }

    /// Notes that a copy was refused; returns whether people are shown one now, and were not before. Of
    /// several copies the first is shown for as long as it asks.
    fn note(shown: &mut Option<Self>, address: &HostPort, at: Timestamp) -> bool {
        match shown {
            Some(copied) => {
                if copied.address == *address {
                    copied.at = at;
                }
                false
            }
            None => {
                let address = address.clone();
                *shown = Some(Self { address, at });
                true
            }
        }
    }
}

impl Run {
    pub(super) fn of(hello: &Hello) -> Self {
        hello.run.map_or_else(
            || Self::Counted(hello.incarnation, hello.address.clone()),
            Self::Drawn,
        )
    }
}

impl Rivals {
    /// Returns the rival with this run, and whether it is new.
    fn meet(&mut self, run: Run) -> (&mut Rival, bool) {
        let known = self.known.iter().position(|rival| rival.run == run);
        let at = known.unwrap_or_else(|| {
            if self.known.len() == MAX_RIVALS {
                self.known.remove(0);
            }
            self.questions += 1;
            self.known.push(Rival {
                run,
                question: self.questions,
                fate: Fate::Open,
            });
            self.known.len() - 1
        });
        (&mut self.known[at], known.is_none())
    }
}

impl Session {
    /// Returns whether its peer knows every message of this version: it draws run ids.
    pub(super) const fn is_of_today(&self) -> bool {
        matches!(self.run, Run::Drawn(_))
    }

    /// Notes that the run with the session has answered this question: it lives besides all earlier rivals.
    fn prove(&mut self, question: u64) {
        for rival in &mut self.rivals.known {
            if rival.question <= question && rival.fate == Fate::Open {
                rival.fate = Fate::Proved;
            }
        }
    }
}

impl Peers {
    /// Returns the sessions of peers that know every message of this version.
    pub(crate) fn sessions_of_today(&self) -> impl Iterator<Item = SessionId> + '_ {
        let sessions = self.peers.values().filter_map(|peer| peer.session.as_ref());
        sessions.filter_map(|session| session.is_of_today().then_some(session.id))
    }

    /// Judges a hello: whether another run of the peer has a live session.
    pub(crate) fn contest(&mut self, now: Timestamp, hello: &Hello) -> Contest {
        let (id, run) = (hello.peer, Run::of(hello));
        let peer = self.peers.get_mut(&id).filter(|peer| !peer.is_lost());
        if let Some(peer) = peer
            && hello.traits.was_refused
            && peer.session.as_ref().is_none_or(|session| session.run != run)
        {
            let address = peer.address().clone();
            if Copied::note(&mut peer.copied, &hello.address, now) {
                warn_of_copy(id, &address, &hello.address);
                self.touch(id);
            }
            return Contest::Refused(Rejection::CopyOf(address));
        }
        let peer = self.peers.get_mut(&id).filter(|peer| peer.is_live());
        let Some(Peer {
            session: Some(session),
            registration,
            copied,
            ..
        }) = peer
        else {
            return Contest::None;
        };
        if session.run == run {
            return Contest::None;
        }
        let address = registration.address.clone();
        let can_answer = session.is_of_today();
        let (rival, is_new) = session.rivals.meet(run);
        if rival.fate == Fate::Open {
            let (peer, question) = (id, rival.question);
            let rejection = Rejection::Contested { peer, address };
            return match is_new && can_answer {
                true => Contest::Begun {
                    session: session.id,
                    question,
                    rejection,
                },
                false => Contest::Refused(rejection),
            };
        }
        if std::mem::replace(&mut rival.fate, Fate::Told) != Fate::Told {
            warn_of_copy(id, &address, &hello.address);
        }
        if Copied::note(copied, &hello.address, now) {
            self.touch(id);
        }
        Contest::Refused(Rejection::CopyOf(address))
    }

    /// Takes the answer of the run that has the peer's session.
    pub(crate) fn prove(&mut self, id: PeerId, question: u64) {
        if let Some(session) = self.peers.get_mut(&id).and_then(|peer| peer.session.as_mut()) {
            session.prove(question);
        }
    }

    /// Forgets copies that ask no longer.
    pub(crate) fn forget_copies(&mut self, now: Timestamp) {
        let mut gone = Vec::new();
        for (id, peer) in &mut self.peers {
            let is_over = |copied: &mut Copied| now.since(copied.at) >= SHOWN_FOR;
            gone.extend(peer.copied.take_if(is_over).map(|_| *id));
        }
        gone.into_iter().for_each(|id| self.touch(id));
    }
}

fn warn_of_copy(peer: PeerId, at: &HostPort, copy: &HostPort) {
    tracing::warn!(
        %peer,
        %at,
        %copy,
        "two nodes run on copies of one data directory: the one that came later is refused; `peer new-id` gives it \
         an id of its own"
    );
}
