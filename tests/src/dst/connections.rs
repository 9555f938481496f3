//! Connections that carry sessions. Messages arrive in order while a connection holds. It may break at any
//! moment: then each end finds out at its own time, and messages under way may or may not arrive. Messages of
//! peers may come twice.

use rand::RngExt as _;
use shared::model::{Hello, HelloRefusal, Numbered, Order, Report, Welcome};
use tracker::state::SessionId;

use super::peer::PeerNumber;
use super::queue::Millis;
use super::world::{Event, World};

/// The number of a connection; never used twice.
pub(super) type ConnectionId = u64;

/// One end of a connection, or of a wire that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Tracker,
    Peer(PeerNumber),
}

/// A message of a peer.
#[derive(Clone, Debug)]
pub(super) enum Up {
    Hello(Box<Hello>),
    Report(Box<Numbered<Report>>),
}

/// A message of the tracker.
#[derive(Clone, Debug)]
pub(super) enum Down {
    Welcome(Welcome),
    Refused(HelloRefusal),
    Order(Box<Order>),
    /// The stream ends for this reason.
    Ends(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
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
    /// Connects a peer, whether or not the tracker is up.
    pub(super) fn connect(&mut self, peer: PeerNumber) -> ConnectionId {
        let connection = self.number();
        let tracker_run = self.tracker.run_number();
        let is_open_at_tracker = self.tracker.is_up();
        self.connections.insert(
            connection,
            Connection {
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
            self.break_connection(connection);
        }
        connection
    }

    pub(super) fn send_up(&mut self, id: ConnectionId, message: Up) {
        let delay = self.delay();
        let (is_lost, is_twice) = (
            self.chance(self.profile.breaks),
            self.chance(self.profile.duplicates),
        );
        let again = self.delay();
        let Some(connection) = self
            .connections
            .get_mut(&id)
            .filter(|connection| connection.is_open_at_peer)
        else {
            return;
        };
        let peer = connection.peer;
        if is_lost || self.are_cut(End::Peer(peer), End::Tracker) || self.connections[&id].is_broken {
            return self.break_connection(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.up_at = connection.up_at.max(self.now + delay);
        let at = connection.up_at;
        if is_twice && matches!(message, Up::Report(_)) {
            self.queue.plan(at + again, Event::Up(id, message.clone()));
        }
        self.queue.plan(at, Event::Up(id, message));
    }

    pub(super) fn send_down(&mut self, id: ConnectionId, message: Down) {
        let delay = self.delay();
        let is_lost = self.chance(self.profile.breaks);
        let Some(connection) = self
            .connections
            .get(&id)
            .filter(|connection| connection.is_open_at_tracker)
        else {
            return;
        };
        if is_lost || self.are_cut(End::Peer(connection.peer), End::Tracker) || connection.is_broken {
            return self.break_connection(id);
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.down_at = connection.down_at.max(self.now + delay);
        self.queue.plan(connection.down_at, Event::Down(id, message));
    }

    /// Cuts a connection: each end finds out at its own time.
    pub(super) fn break_connection(&mut self, id: ConnectionId) {
        let (one, other) = (self.rng.random_range(0..6_000), self.rng.random_range(0..6_000));
        match self.connections.get_mut(&id) {
            Some(connection) if !connection.is_broken => connection.is_broken = true,
            _ => return,
        }
        self.plan(one, Event::Breaks(id, End::Tracker));
        self.plan(other, Event::Breaks(id, End::Peer(0)));
    }

    /// Closes one end: it hangs up, or finds out that the other has. The other end will find out, too.
    pub(super) fn end_breaks(&mut self, id: ConnectionId, end: End) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let peer = connection.peer;
        match end {
            End::Tracker if connection.is_open_at_tracker => {
                connection.is_open_at_tracker = false;
                if connection.tracker_run == self.tracker.run_number() {
                    self.session_ended(id);
                }
            }
            End::Peer(_) if connection.is_open_at_peer => {
                connection.is_open_at_peer = false;
                self.connection_lost(peer, id);
            }
            _ => {}
        }
        let connection = &self.connections[&id];
        if !connection.is_open_at_peer && !connection.is_open_at_tracker {
            self.connections.remove(&id);
        } else {
            self.break_connection(id);
        }
    }

    /// Closes the tracker's ends of all connections: its process is gone.
    pub(super) fn tracker_hangs_up(&mut self) {
        let open = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_open_at_tracker);
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_breaks(id, End::Tracker);
        }
    }

    pub(super) fn up_arrives(&mut self, id: ConnectionId, message: Up) {
        let run = self.tracker.run_number();
        let is_heard = self
            .connections
            .get(&id)
            .is_some_and(|connection| connection.is_open_at_tracker && connection.tracker_run == run);
        if is_heard && self.tracker.is_up() {
            self.tracker_hears(id, message);
        }
    }

    pub(super) fn down_arrives(&mut self, id: ConnectionId, message: Down) {
        let Some(connection) = self
            .connections
            .get(&id)
            .filter(|connection| connection.is_open_at_peer)
        else {
            return;
        };
        let peer = connection.peer;
        match message {
            Down::Ends(why) => {
                self.say(format_args!("peer {peer}: session ended: {why}"));
                self.end_breaks(id, End::Peer(peer));
            }
            message => self.peer_hears(peer, id, message),
        }
    }
}
