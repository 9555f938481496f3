//! All hosts and events of a simulation.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use peer::fetch::scheduler::{Action, Event, Failure, Scheduler};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::{FragmentIndex, FragmentSet, PeerId, Timestamp};

use super::host::Host;
use super::outcome::Outcome;
use super::plan::{Plan, Role};
use super::queue::{Happening, HostId, Queue, StreamId};
use super::stream::{State, Stream};

/// Interval of the ticks of a receiver's scheduler.
const TICK: Duration = Duration::from_millis(100);

/// Time without arrivals after which a receiver asks elsewhere.
const STALL: Duration = Duration::from_secs(5);

/// Time without new units to pass on after which a sender reports it.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(3);

/// See the [module](self).
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    pub(super) hosts: Vec<Host>,
    pub(super) streams: Vec<Stream>,
    pub(super) queue: Queue,
    /// Nanoseconds from the start.
    pub(super) now: u64,
    /// Fragments that no receiver holds: a leaving source waits for them.
    pub(super) unseen: FragmentSet,
    /// Units of each fragment.
    pub(super) units: Vec<u32>,
    pub(super) named: FragmentSet,
    by_id: std::collections::BTreeMap<PeerId, HostId>,
    pub(super) rng: StdRng,
    incomplete: usize,
    trace: DefaultHasher,
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let count = plan.fragments();
        let units: Vec<u32> = (0..count)
            .map(|f| plan.length_of(f).div_ceil(plan.unit()))
            .collect();
        let mut hosts: Vec<Host> = Vec::new();
        for host in &plan.hosts {
            let id = PeerId::from_bytes(rng.random());
            let seed = rng.random();
            let scheduler = (host.role == Role::Receiver)
                .then(|| Scheduler::new(id, FragmentSet::empty(count), plan.bounds, seed));
            hosts.push(Host::new(*host, id, count, &units, scheduler));
        }
        if plan
            .hosts
            .iter()
            .all(|host| host.arrives == plan.hosts[0].arrives)
        {
            for (one, other) in circles(hosts.len(), plan.degree, &mut rng) {
                hosts[one].acquaintances.push(other);
                hosts[other].acquaintances.push(one);
            }
        }
        let mut queue = Queue::default();
        for (host, planned) in plan.hosts.iter().enumerate() {
            queue.plan(nanos(planned.arrives), Happening::Arrives(host));
        }
        Self {
            plan,
            by_id: hosts.iter().enumerate().map(|(at, host)| (host.id, at)).collect(),
            incomplete: plan.receivers().count(),
            named: FragmentSet::empty(u32::try_from(hosts.len()).expect("few hosts")),
            rng,
            hosts,
            streams: Vec::new(),
            queue,
            now: 0,
            unseen: FragmentSet::full(count),
            units,
            trace: DefaultHasher::new(),
        }
    }

    /// Runs until everyone has everything, or time is up.
    pub(super) fn run(mut self) -> Outcome {
        let end = nanos(self.plan.at_most);
        while self.incomplete > 0 {
            match self.queue.next() {
                Some((now, what)) if now <= end => {
                    self.now = now;
                    self.happen(what);
                }
                _ => break,
            }
        }
        self.outcome()
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Arrives(host) => self.arrives(host),
            Happening::Meet(one, other) => self.meet(one, other),
            Happening::Ticks(host) => self.ticks(host),
            Happening::Asked(stream) => self.asked(stream),
            Happening::Sent(host) => self.sent(host),
            Happening::Landed(stream) => self.landed(stream),
            Happening::Received(stream) => self.received(stream),
            Happening::Closed(stream) => self.stop_serving(stream),
            Happening::Broken(stream) => self.end(stream, Some(Failure::ConnectionLost)),
            Happening::Tells(host) => self.tells(host),
            Happening::Told(host, news) => self.told(host, &news),
            Happening::Busy(stream) => self.end(stream, Some(Failure::Busy)),
            Happening::Refused(stream) => self.end(stream, Some(Failure::HandedOut)),
            Happening::Expires(host, fragment) => self.expires(host, fragment),
            Happening::Missed(host) => self.missed(host),
        }
    }

    /// Plans something for one latency from now.
    pub(super) fn later(&mut self, what: Happening) {
        self.queue.plan(self.now + nanos(self.plan.latency), what);
    }

    fn arrives(&mut self, host: HostId) {
        self.hosts[host].is_present = true;
        let (now, discovery) = (self.now, nanos(self.plan.discovery));
        for other in self.acquaintances(host) {
            self.queue.plan(now + discovery, Happening::Meet(host, other));
        }
        if self.hosts[host].scheduler.is_some() {
            self.apply(host, Event::Want(self.unseen_by_nobody()));
            // Receivers do not tick in step.
            let phase = nanos(TICK) * (host as u64 % 64) / 64;
            self.queue.plan(now + phase, Happening::Ticks(host));
        }
    }

    /// Returns the hosts that an arriving one will meet: all that are there, or if they are too many, those
    /// that a regular graph gives when all come together, and otherwise half of its neighbours. The other
    /// half come later and meet it.
    fn acquaintances(&mut self, host: HostId) -> Vec<HostId> {
        let is_there = |other: &HostId| *other != host && self.hosts[*other].is_present;
        let known = &self.hosts[host].acquaintances;
        if !known.is_empty() {
            return known.iter().copied().filter(is_there).collect();
        }
        let mut there: Vec<HostId> = (0..self.hosts.len()).filter(is_there).collect();
        if there.len() > self.plan.degree {
            there.shuffle(&mut self.rng);
            there.truncate(self.plan.degree / 2);
        }
        there
    }

    fn unseen_by_nobody(&self) -> FragmentSet {
        FragmentSet::full(self.plan.fragments())
    }

    fn ticks(&mut self, host: HostId) {
        self.apply(host, Event::Tick);
        for stream in self.hosts[host].asked.clone() {
            let quiet = self.now - self.streams[stream].progressed;
            if self.streams[stream].state == State::Open && quiet > nanos(STALL) {
                self.cancel(stream);
                self.end(stream, Some(Failure::TimedOut));
            }
        }
        let served: Vec<StreamId> = self.hosts[host].serves.iter().flatten().copied().collect();
        for stream in served {
            let Stream {
                fragment, sent, fed, ..
            } = self.streams[stream];
            let is_dry = sent >= self.hosts[host].units_of(fragment);
            if is_dry && self.now - fed > nanos(ARRIVAL_TIMEOUT) {
                self.stop_serving(stream);
                self.later(Happening::Broken(stream));
            }
        }
        self.queue.plan(self.now + nanos(TICK), Happening::Ticks(host));
    }

    /// Passes an event to a receiver's scheduler, and carries out its actions.
    pub(super) fn apply(&mut self, host: HostId, event: Event) {
        let now = Timestamp::from_millis(self.now / 1_000_000);
        let Some(scheduler) = &mut self.hosts[host].scheduler else {
            return;
        };
        for action in scheduler.apply(now, event) {
            match action {
                Action::Request {
                    source,
                    fragment,
                    if_new,
                } => self.request(host, source, fragment, if_new),
                Action::Move { from, to, fragment } => {
                    self.give_up(host, from, fragment);
                    self.request(host, to, fragment, false);
                }
                Action::Cancel { source, fragment } => self.give_up(host, source, fragment),
                Action::RecordFault { source, .. } => {
                    let liar = u32::try_from(self.by_id[&source]).expect("few hosts");
                    let everyone = FragmentSet::full(self.named.capacity());
                    let number = everyone.iter().nth(liar as usize).expect("one of them");
                    self.named.insert(number);
                }
            }
        }
    }

    fn request(&mut self, host: HostId, source: PeerId, fragment: FragmentIndex, if_new: bool) {
        (self.now, host, source, fragment).hash(&mut self.trace);
        let (from, units) = (self.by_id[&source], self.units[fragment.get() as usize]);
        let there = self.hosts[host].units_of(fragment);
        let stream = self.streams.len();
        self.streams.push(Stream {
            if_new,
            ..Stream::new((from, host), fragment, units, there, self.now)
        });
        self.hosts[host].asked.push(stream);
        self.later(Happening::Asked(stream));
    }

    fn give_up(&mut self, host: HostId, source: PeerId, fragment: FragmentIndex) {
        let from = self.by_id[&source];
        let open = self.hosts[host].asked.iter().copied().find(|stream| {
            let stream = &self.streams[*stream];
            stream.from == from && stream.fragment == fragment && stream.state == State::Open
        });
        if let Some(stream) = open {
            self.cancel(stream);
            self.end(stream, None);
        }
    }

    /// The receiver has everything.
    pub(super) fn complete(&mut self, host: HostId) {
        if self.hosts[host].completed.is_none() {
            self.hosts[host].completed = Some(self.now);
            self.incomplete -= 1;
        }
    }

    /// Sources that leave do so now.
    pub(super) fn source_leaves(&mut self) {
        for host in 0..self.hosts.len() {
            if self.hosts[host].plan.role != Role::LeavingSource {
                continue;
            }
            self.hosts[host].is_present = false;
            let served: Vec<StreamId> = self.hosts[host].serves.iter().flatten().copied().collect();
            for stream in served {
                self.stop_serving(stream);
                self.later(Happening::Broken(stream));
            }
            self.later(Happening::Missed(host));
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes and nanoseconds are far below 2^52"
    )]
    fn outcome(&self) -> Outcome {
        let makespan = self
            .hosts
            .iter()
            .filter_map(|host| host.completed)
            .max()
            .unwrap_or(self.now);
        let took = |host: &Host| Some(Duration::from_nanos(host.completed? - nanos(host.plan.arrives)));
        let mut took: Vec<_> = self.hosts.iter().filter_map(took).collect();
        took.sort_unstable();
        let is_source = |host: &&Host| matches!(host.plan.role, Role::Source | Role::LeavingSource);
        let honest = || self.hosts.iter().filter(|host| host.plan.role != Role::Liar);
        let from_sources: u64 = self.hosts.iter().filter(is_source).map(|host| host.sent).sum();
        let wasted: u64 = self.hosts.iter().map(|host| host.wasted).sum();
        let sent: u64 = self.hosts.iter().map(|host| host.sent).sum();
        let up: u64 = honest().map(|host| host.plan.up).sum();
        let sent_honestly: u64 = honest().map(|host| host.sent).sum();
        let mut trace = self.trace.clone();
        self.now.hash(&mut trace);
        Outcome {
            completed: (took.len(), self.plan.receivers().count()),
            lower_bound: self.plan.lower_bound(),
            took,
            makespan: Duration::from_nanos(makespan),
            source_copies: from_sources as f64 / self.plan.content as f64,
            wasted: wasted as f64 / sent.max(1) as f64,
            utilisation: sent_honestly as f64 / (up as f64 * makespan as f64 / 1e9),
            named: self.named.len() as usize,
            trace: trace.finish(),
        }
    }
}

/// Pairs of hosts that may meet: all, or a random graph in which each has about `degree` neighbours.
///
/// Circles through everyone in random order, two neighbours a circle: connected, and nearly regular.
fn circles(count: usize, degree: usize, rng: &mut StdRng) -> Vec<(HostId, HostId)> {
    let mut pairs = std::collections::BTreeSet::new();
    if degree + 1 >= count {
        pairs.extend((0..count).flat_map(|one| (0..one).map(move |other| (other, one))));
    } else {
        let mut circle: Vec<HostId> = (0..count).collect();
        for _ in 0..degree / 2 {
            circle.shuffle(rng);
            for (at, one) in circle.iter().enumerate() {
                let other = circle[(at + 1) % count];
                pairs.insert((*one.min(&other), *one.max(&other)));
            }
        }
    }
    pairs.into_iter().collect()
}
