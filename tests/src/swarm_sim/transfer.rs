//! Units on their way: from the uplink's turns, over both links, to the next waiting host.

use std::time::Duration;

use peer::fetch::scheduler::{Event, Failure};
use shared::model::FragmentIndex;

use super::plan::Role;
use super::queue::{Happening, HostId, StreamId};
use super::stream::{State, Stream};
use super::world::{World, nanos};

/// Time after which a fragment handed out is either in the swarm or lost.
const HANDED_OUT: Duration = Duration::from_secs(3);

impl World<'_> {
    /// A request has reached the sender.
    pub(super) fn asked(&mut self, at: StreamId) {
        let stream = &mut self.streams[at];
        if stream.state != State::Open {
            return;
        }
        let (from, fragment) = (stream.from, stream.fragment);
        let host = &mut self.hosts[from];
        if !host.is_present || host.units_of(fragment) == 0 {
            self.later(Happening::Broken(at));
            return;
        }
        if stream.if_new && host.handed_out.contains(fragment) {
            self.later(Happening::Refused(at));
            return;
        }
        if host.slots_used + host.waiting.len() >= self.plan.slots + self.plan.line {
            host.said_free = false;
            self.later(Happening::Busy(at));
            return;
        }
        let is_news = host.handed_out.insert(fragment);
        stream.is_served = true;
        stream.fed = self.now;
        host.serves[fragment.get() as usize].push(at);
        if is_news {
            self.has_news(from);
        }
        self.queue_up(at);
    }

    /// Gives the stream a turn, if it can send.
    fn queue_up(&mut self, at: StreamId) {
        let stream = &mut self.streams[at];
        let host = &mut self.hosts[stream.from];
        if stream.is_queued || !stream.can_send(host.units_of(stream.fragment)) {
            return;
        }
        if !stream.has_slot && host.slots_used == self.plan.slots {
            if !std::mem::replace(&mut stream.is_waiting, true) {
                host.waiting.push_back(at);
            }
            return;
        }
        if !std::mem::replace(&mut stream.has_slot, true) {
            host.slots_used += 1;
        }
        stream.is_queued = true;
        let from = stream.from;
        host.turns.push_back(at);
        self.send_next(from);
    }

    /// Gives the slot of a stream that has sent everything to the one that waits longest.
    fn free_slot(&mut self, at: StreamId) {
        let from = self.streams[at].from;
        if !std::mem::replace(&mut self.streams[at].has_slot, false) {
            return;
        }
        self.hosts[from].slots_used -= 1;
        if !self.hosts[from].said_free {
            self.has_news(from);
        }
        while self.hosts[from].slots_used < self.plan.slots {
            let Some(next) = self.hosts[from].waiting.pop_front() else {
                return;
            };
            self.streams[next].is_waiting = false;
            self.queue_up(next);
        }
    }

    fn send_next(&mut self, host: HostId) {
        if self.hosts[host].is_sending {
            return;
        }
        while let Some(at) = self.hosts[host].turns.pop_front() {
            let stream = &mut self.streams[at];
            stream.is_queued = false;
            let available = self.hosts[host].units_of(stream.fragment);
            if !stream.can_send(available) {
                continue;
            }
            stream.fed = self.now;
            let bytes = self.bytes_of(at, self.streams[at].sent);
            self.streams[at].sent += 1;
            let sender = &mut self.hosts[host];
            sender.is_sending = true;
            sender.sent += bytes;
            let sent = self.now + bytes * 1_000_000_000 / sender.plan.up;
            self.queue.plan(sent, Happening::Sent(host));
            let landed = sent + super::world::nanos(self.plan.latency);
            self.queue.plan(landed, Happening::Landed(at));
            let Stream {
                fragment,
                sent,
                units,
                ..
            } = self.streams[at];
            if sent == available {
                self.free_slot(at);
            } else {
                self.queue_up(at);
            }
            if sent == units {
                self.apply(host, Event::PassedOn { fragment });
            }
            return;
        }
    }

    /// Bytes of a stream's unit.
    fn bytes_of(&self, at: StreamId, unit: u32) -> u64 {
        let length = self.plan.length_of(self.streams[at].fragment.get());
        u64::from((length - unit * self.plan.unit()).min(self.plan.unit()))
    }

    pub(super) fn sent(&mut self, host: HostId) {
        self.hosts[host].is_sending = false;
        self.send_next(host);
    }

    pub(super) fn landed(&mut self, at: StreamId) {
        let (to, unit) = (self.streams[at].to, self.streams[at].received);
        let bytes = self.bytes_of(at, unit);
        let host = &mut self.hosts[to];
        host.down_free = host.down_free.max(self.now) + bytes * 1_000_000_000 / host.plan.down;
        self.queue.plan(host.down_free, Happening::Received(at));
    }

    pub(super) fn received(&mut self, at: StreamId) {
        let bytes = self.bytes_of(at, self.streams[at].received);
        let stream = &mut self.streams[at];
        stream.received += 1;
        stream.progressed = self.now;
        let (from, to, fragment, received) = (stream.from, stream.to, stream.fragment, stream.received);
        if stream.state != State::Open {
            self.hosts[to].wasted += bytes;
            return;
        }
        if self.hosts[from].plan.role == Role::Liar {
            self.hosts[to].wasted += bytes;
            self.cancel(at);
            self.end(at, Some(Failure::Corrupt));
            return;
        }
        let is_over = received == stream.units;
        let has = &mut self.hosts[to].units[fragment.get() as usize];
        if received <= *has {
            self.hosts[to].wasted += bytes;
        } else {
            *has = received;
            for waiting in self.hosts[to].serves[fragment.get() as usize].clone() {
                self.queue_up(waiting);
            }
            if !is_over && self.hosts[to].coming.insert(fragment) {
                self.has_news(to);
            }
        }
        self.queue_up(at);
        if is_over {
            self.delivered(at);
        }
    }

    fn delivered(&mut self, at: StreamId) {
        let (from, to, fragment) = (
            self.streams[at].from,
            self.streams[at].to,
            self.streams[at].fragment,
        );
        self.stop_serving(at);
        self.close(at, State::Ended);
        let host = &mut self.hosts[to];
        host.coming.remove(fragment);
        let is_new = host.held.insert(fragment);
        let is_complete = host.held.is_full();
        if is_new {
            self.has_news(to);
        }
        if is_complete {
            self.complete(to);
        }
        if self.unseen.remove(fragment) && self.unseen.is_empty() {
            self.source_leaves();
        }
        let source = self.hosts[from].id;
        self.apply(to, Event::Delivered { source, fragment });
    }

    /// The receiver no longer wants it; the sender learns that later.
    pub(super) fn cancel(&mut self, at: StreamId) {
        self.close(at, State::Cancelled);
        self.later(Happening::Closed(at));
    }

    fn close(&mut self, at: StreamId, state: State) {
        self.streams[at].state = state;
        let to = self.streams[at].to;
        self.hosts[to].asked.retain(|other| *other != at);
    }

    /// Ends the stream for its receiver; `failure` is the reason, if the scheduler does not know yet.
    pub(super) fn end(&mut self, at: StreamId, failure: Option<Failure>) {
        if self.streams[at].state == State::Open {
            self.close(at, State::Ended);
        } else if failure == Some(Failure::ConnectionLost) {
            return;
        }
        let (from, to, fragment) = (
            self.streams[at].from,
            self.streams[at].to,
            self.streams[at].fragment,
        );
        if let Some(failure) = failure {
            let source = self.hosts[from].id;
            self.apply(
                to,
                Event::Failed {
                    source,
                    fragment,
                    failure,
                },
            );
        }
    }

    /// The sender no longer serves the stream.
    pub(super) fn stop_serving(&mut self, at: StreamId) {
        let (from, fragment) = (self.streams[at].from, self.streams[at].fragment);
        self.streams[at].is_served = false;
        self.free_slot(at);
        let serves = &mut self.hosts[from].serves[fragment.get() as usize];
        let before = serves.len();
        serves.retain(|other| *other != at);
        if serves.is_empty() && before > 0 {
            let stream = &self.streams[at];
            if stream.sent == stream.units {
                self.queue
                    .plan(self.now + nanos(HANDED_OUT), Happening::Expires(from, fragment));
            } else {
                self.expires(from, fragment);
            }
        }
    }

    pub(super) fn expires(&mut self, host: HostId, fragment: FragmentIndex) {
        if self.hosts[host].serves[fragment.get() as usize].is_empty()
            && self.hosts[host].handed_out.remove(fragment)
        {
            self.has_news(host);
        }
    }
}
