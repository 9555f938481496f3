//! Connections that carry sessions: in order while they hold, and broken at any moment; then each end finds out on
//! its own, and what was on the way may or may not have arrived. Messages upwards may come twice.

use rand::RngExt as _;
use shared::model::{Hello, Numbered, Order, Report, Welcome};
use tracker::state::SessionId;

use super::peer::PeerNumber;
use super::queue::Millis;
use super::world::{Event, World};

/// A connection; never used twice.
pub(super) type LineId = u64;

/// One end of a connection, or of a wire that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Tracker,
    Peer(PeerNumber),
}

/// What a peer says.
#[derive(Clone, Debug)]
pub(super) enum Up {
    Hello(Box<Hello>),
    Report(Box<Numbered<Report>>),
}

/// What the tracker says.
#[derive(Clone, Debug)]
pub(super) enum Down {
    Welcome(Welcome),
    Order(Box<Order>),
    /// The stream ends with this.
    Ends(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) peer: PeerNumber,
    pub(super) session: Option<SessionId>,
    /// Messages are lost from now on.
    is_broken: bool,
    is_open_at_peer: bool,
    pub(super) is_open_at_tracker: bool,
    pub(super) tracker_run: u64,
    /// When the last message in each direction arrives.
    up_at: Millis,
    down_at: Millis,
}

impl World {
    /// A peer connects, whether or not anyone is there.
    pub(super) fn open_line(&mut self, peer: PeerNumber) -> LineId {
        let line = self.number();
        let tracker_run = self.tracker.run_number();
        let is_open_at_tracker = self.tracker.is_up();
        self.lines.insert(
            line,
            Line {
                peer,
                session: None,
                is_broken: false,
                is_open_at_peer: true,
                is_open_at_tracker,
                tracker_run,
                up_at: 0,
                down_at: 0,
            },
        );
        if !is_open_at_tracker {
            self.break_line(line);
        }
        line
    }

    pub(super) fn send_up(&mut self, id: LineId, message: Up) {
        let delay = self.delay();
        let (is_lost, is_twice) = (
            self.chance(self.profile.breaks),
            self.chance(self.profile.duplicates),
        );
        let again = self.delay();
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.is_open_at_peer) else {
            return;
        };
        let peer = line.peer;
        if is_lost || self.are_cut(End::Peer(peer), End::Tracker) || self.lines[&id].is_broken {
            return self.break_line(id);
        }
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.up_at = line.up_at.max(self.now + delay);
        let at = line.up_at;
        if is_twice && matches!(message, Up::Report(_)) {
            self.queue.plan(at + again, Event::Up(id, message.clone()));
        }
        self.queue.plan(at, Event::Up(id, message));
    }

    pub(super) fn send_down(&mut self, id: LineId, message: Down) {
        let delay = self.delay();
        let is_lost = self.chance(self.profile.breaks);
        let Some(line) = self.lines.get(&id).filter(|line| line.is_open_at_tracker) else {
            return;
        };
        if is_lost || self.are_cut(End::Peer(line.peer), End::Tracker) || line.is_broken {
            return self.break_line(id);
        }
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        line.down_at = line.down_at.max(self.now + delay);
        self.queue.plan(line.down_at, Event::Down(id, message));
    }

    /// The connection is cut: each end finds out at its own time.
    pub(super) fn break_line(&mut self, id: LineId) {
        let (one, other) = (self.rng.random_range(0..6_000), self.rng.random_range(0..6_000));
        match self.lines.get_mut(&id) {
            Some(line) if !line.is_broken => line.is_broken = true,
            _ => return,
        }
        self.plan(one, Event::Breaks(id, End::Tracker));
        self.plan(other, Event::Breaks(id, End::Peer(0)));
    }

    /// One end hangs up, or finds out that the other has; the other end will, too.
    pub(super) fn line_breaks(&mut self, id: LineId, end: End) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let peer = line.peer;
        match end {
            End::Tracker if line.is_open_at_tracker => {
                line.is_open_at_tracker = false;
                if line.tracker_run == self.tracker.run_number() {
                    self.session_ended(id);
                }
            }
            End::Peer(_) if line.is_open_at_peer => {
                line.is_open_at_peer = false;
                self.line_lost(peer, id);
            }
            _ => {}
        }
        let line = &self.lines[&id];
        if !line.is_open_at_peer && !line.is_open_at_tracker {
            self.lines.remove(&id);
        } else {
            self.break_line(id);
        }
    }

    /// The tracker's process is gone, and its ends of all connections with it.
    pub(super) fn tracker_hangs_up(&mut self) {
        let open = self.lines.iter().filter(|(_, line)| line.is_open_at_tracker);
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.line_breaks(id, End::Tracker);
        }
    }

    pub(super) fn up_arrives(&mut self, id: LineId, message: Up) {
        let run = self.tracker.run_number();
        let is_heard = self
            .lines
            .get(&id)
            .is_some_and(|line| line.is_open_at_tracker && line.tracker_run == run);
        if is_heard && self.tracker.is_up() {
            self.tracker_hears(id, message);
        }
    }

    pub(super) fn down_arrives(&mut self, id: LineId, message: Down) {
        let Some(line) = self.lines.get(&id).filter(|line| line.is_open_at_peer) else {
            return;
        };
        let peer = line.peer;
        match message {
            Down::Ends(why) => {
                self.say(format_args!("peer {peer}: session ended: {why}"));
                self.line_breaks(id, End::Peer(peer));
            }
            message => self.peer_hears(peer, id, message),
        }
    }
}
