//! Copies of a data directory: several processes that say hello with the id of one peer.
//!
//! Every start of a peer draws a random run id, so two processes differ even when their directories,
//! addresses and incarnations are equal. A peer has one session, and while it is live only the run that
//! opened it may replace it. The hello of another run is one of two things, which nothing in it tells
//! apart:
//!
//! * a restart whose end the tracker has not noticed yet: the run with the session is dead, says nothing
//!   more, and its connection breaks or its lease runs out. The new run is told to try again, and is then
//!   welcome.
//! * a copy: the run with the session goes on talking. A message that comes a heartbeat after the first
//!   hello of the other run proves it (one that was under way when the process died comes sooner). The next
//!   hello of the other run is refused for good, and nothing of it is noted in the journal.
//!
//! So the first run that comes keeps the session whatever the others do, and no live peer is ever called a
//! copy of a dead one. The id of the previous run is not asked for: a copy of the directory of a *running*
//! node would name the run that it was copied from, as a restart does.

use std::time::Duration;

use shared::model::{Hello, HostPort, Incarnation, RunId, Timestamp};

use super::{Peers, Session};
use crate::state::command::Rejection;

/// Runs of a peer that are remembered beside the one with the session.
const MAX_RIVALS: usize = 8;

/// Time for which people are shown that a copy was refused.
const SHOWN_FOR: Duration = Duration::from_secs(3600);

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
pub(super) struct Rivals(Vec<Rival>);

#[derive(Debug)]
struct Rival {
    run: Run,
    /// Time of its first hello.
    since: Timestamp,
    /// Whether it has been refused for good.
    is_refused: bool,
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
    /// Returns the rival with this run, which is noted if it is new.
    fn meet(&mut self, run: Run, now: Timestamp) -> &mut Rival {
        let known = self.0.iter().position(|rival| rival.run == run);
        let at = known.unwrap_or_else(|| {
            if self.0.len() == MAX_RIVALS {
                self.0.remove(0);
            }
            let is_refused = false;
            self.0.push(Rival {
                run,
                since: now,
                is_refused,
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Session {
    /// Notes that a message came.
    pub(super) const fn heard(&mut self, now: Timestamp) {
        self.heard_at = now;
    }

    /// Takes over the rivals of the session before, if its run was the same.
    pub(super) fn succeed(&mut self, old: &mut Self) {
        if old.run == self.run {
            self.rivals = std::mem::take(&mut old.rivals);
        }
    }
}

impl Peers {
    /// Checks that no other run of the peer has a live session.
    pub(crate) fn contest(
        &mut self,
        now: Timestamp,
        hello: &Hello,
        heartbeat: Duration,
    ) -> Result<(), Rejection> {
        let id = hello.peer;
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_live()) else {
            return Ok(());
        };
        let run = Run::of(hello);
        let Some(session) = peer.session.as_mut().filter(|session| session.run != run) else {
            return Ok(());
        };
        let address = peer.registration.address.clone();
        let rival = session.rivals.meet(run, now);
        if session.heard_at < rival.since.after(heartbeat) {
            return Err(Rejection::Contested { peer: id, address });
        }
        if !std::mem::replace(&mut rival.is_refused, true) {
            tracing::warn!(
                peer = %id,
                at = %address,
                copy = %hello.address,
                "two nodes run on copies of one data directory: the one that came later is refused; \
                 `peer new-id` gives it an id of its own"
            );
            peer.copied = Some(Copied {
                address: hello.address.clone(),
                at: now,
            });
            self.touch(id);
        }
        Err(Rejection::CopyOf(address))
    }

    /// Forgets copies that were refused long ago.
    pub(crate) fn forget_copies(&mut self, now: Timestamp) {
        for peer in self.peers.values_mut() {
            peer.copied.take_if(|copied| now.since(copied.at) >= SHOWN_FOR);
        }
    }
}
