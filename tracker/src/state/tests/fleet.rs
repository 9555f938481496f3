//! Fleet: many peers with links around a state, to measure the cost and the time of repair in virtual time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use shared::model::{
    ContentId, ContentState, Digest, Epoch, Expectation, FragmentLength, FragmentSet, Hello, Holding,
    Incarnation, Manifest, Name, Numbered, Order, PeerId, ReplicationTarget, Report, RunTraits, Timestamp,
};

use crate::policy::Policy;
use crate::state::{Caller, Command, Effect, Publish, Reply, SessionId, State};

/// Tick of production.
const TICK: Duration = Duration::from_millis(250);

/// Ticks between two heartbeats.
const HEARTBEAT: u64 = 8;

/// Length of a fragment.
pub(super) const MIB: u64 = 1 << 20;

/// Peer with a link.
struct Member {
    session: Option<SessionId>,
    sequence: u64,
    zone: Option<String>,
    holds: BTreeMap<ContentId, Manifest>,
    jobs: VecDeque<(Manifest, FragmentSet)>,
    /// Bytes that its link has brought and that are no whole fragment yet.
    credit: u64,
}

/// See the [module](self).
pub(super) struct Fleet {
    pub(super) state: State,
    pub(super) now: Timestamp,
    members: Vec<Member>,
    sessions: HashMap<SessionId, usize>,
    opened: u64,
    ticks: u64,
    /// Bytes a second that each peer's link brings.
    pub(super) link: u64,
    /// Bytes that were ordered to be copied, and that were copied.
    pub(super) ordered: u64,
    pub(super) copied: u64,
    /// Holdings that were listed by peers that came back.
    pub(super) listed: usize,
    /// Assignments, in order.
    pub(super) orders: Vec<ContentId>,
}

fn id_of(number: usize) -> PeerId {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// Returns a content of this many fragments of 1 MiB.
pub(super) fn content(number: u32, fragments: u32) -> Manifest {
    let length = FragmentLength::new(MIB).expect("a power of two");
    let root = |index: u32| {
        let mut bytes = [9; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes[4..8].copy_from_slice(&index.to_be_bytes());
        // Ids are spread as hashes are.
        shared::hash::leaf(&bytes)
    };
    let roots: Vec<Digest> = (0..fragments).map(root).collect();
    Manifest::from_roots(u64::from(fragments) * MIB, length, roots).expect("as many roots as fragments")
}

impl Fleet {
    /// Creates a fleet of connected peers in this many zones (none for 0).
    pub(super) fn new(policy: impl Into<Policy>, peers: usize, zones: usize) -> Self {
        let zone = |n: usize| (zones > 0).then(|| format!("zone-{}", n % zones));
        let member = |n| Member {
            session: None,
            sequence: 0,
            zone: zone(n),
            holds: BTreeMap::new(),
            jobs: VecDeque::new(),
            credit: 0,
        };
        let mut fleet = Self {
            state: State::new(policy, 1),
            now: Timestamp::from_millis(1_000_000),
            members: (0..peers).map(member).collect(),
            sessions: HashMap::new(),
            opened: 0,
            ticks: 0,
            link: u64::MAX >> 8,
            ordered: 0,
            copied: 0,
            listed: 0,
            orders: Vec::new(),
        };
        fleet.apply(Command::BeginEpoch);
        (0..peers).for_each(|number| fleet.up(number));
        fleet
    }

    fn apply(&mut self, command: Command) -> Reply {
        let applied = self.state.apply(self.now, command);
        let reply = applied.reply.expect("nothing is refused here");
        for effect in applied.effects {
            let Effect::Send { session, order } = effect else {
                continue;
            };
            let Some(number) = self.sessions.get(&session) else {
                continue;
            };
            if let Order::Assign {
                manifest, fragments, ..
            } = order
            {
                self.ordered += manifest.bytes_in(&fragments);
                self.orders.push(manifest.content());
                self.members[*number].jobs.push_back((manifest, fragments));
            }
        }
        reply
    }

    /// Connects a peer, which announces its holdings.
    pub(super) fn up(&mut self, number: usize) {
        if self.is_up(number) {
            return;
        }
        self.opened += 1;
        let session = SessionId::new(self.opened);
        let member = &mut self.members[number];
        (member.session, member.sequence) = (Some(session), 1);
        let hello = Hello {
            peer: id_of(number),
            incarnation: Incarnation::new(1),
            run: None,
            address: format!("10.0.0.1:{}", 1 + number).parse().expect("an address"),
            zone: member.zone.as_deref().map(|zone| zone.parse().expect("a zone")),
            capacity: 1 << 50,
            used: 0,
            network: None,
            epoch: Epoch::new(0),
            mark: None,
            // Older peers do not send digests.
            holdings: (!number.is_multiple_of(4)).then(|| {
                let holdings: Vec<_> = member.holds.values().map(all_of).collect();
                holdings.iter().collect()
            }),
            traits: RunTraits::default(),
        };
        self.sessions.insert(session, number);
        let listing = match self.apply(Command::OpenSession {
            session,
            hello,
            key: None,
            origin: None,
        }) {
            Reply::Welcomed(welcome) => welcome.listing,
            other => panic!("hello is answered by {other:?}"),
        };
        let is_asked = |holding: &Holding| listing.is_none_or(|listing| listing.contains(holding.content));
        let holdings: Vec<_> = self.members[number]
            .holds
            .values()
            .map(all_of)
            .filter(is_asked)
            .collect();
        self.listed += holdings.len();
        self.say(
            number,
            Report::Announce {
                holdings,
                completes_inventory: true,
            },
        );
    }

    /// Breaks the connection of a peer; its assignments are forgotten.
    pub(super) fn down(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.jobs.clear();
        if let Some(session) = member.session.take() {
            self.sessions.remove(&session);
            self.apply(Command::CloseSession { session });
        }
    }

    pub(super) fn is_up(&self, number: usize) -> bool {
        self.members[number].session.is_some()
    }

    fn say(&mut self, number: usize, message: Report) {
        let member = &mut self.members[number];
        let Some(session) = member.session else {
            return;
        };
        member.sequence += 1;
        let report = Numbered {
            sequence: member.sequence,
            message,
        };
        self.apply(Command::Report { session, report });
    }

    pub(super) fn publish(&mut self, number: usize, manifest: &Manifest, replicas: u32) {
        self.members[number]
            .holds
            .insert(manifest.content(), manifest.clone());
        let publish = Publish {
            name: Name::new(format!("c/{}", manifest.content())).expect("a name"),
            manifest: manifest.clone(),
            target: ReplicationTarget::new(replicas).expect("in bounds"),
            expectation: Expectation::Anything,
            publisher: id_of(number),
            incarnation: Incarnation::new(1),
            metadata: None,
            replaces_metadata: false,
            keeps_target: false,
            parts: None,
        };
        let caller = Caller::Anonymous;
        self.apply(Command::Publish { publish, caller });
    }

    /// Lets a tick pass: links bring bytes, peers announce whole fragments, the state ticks.
    pub(super) fn tick(&mut self) {
        self.now = self.now.after(TICK);
        self.ticks += 1;
        for number in 0..self.members.len() {
            if !self.is_up(number) {
                continue;
            }
            let copied = self.copy(number);
            if !copied.is_empty() {
                let report = Report::Announce {
                    holdings: copied,
                    completes_inventory: false,
                };
                self.say(number, report);
            }
            if (self.ticks + number as u64).is_multiple_of(HEARTBEAT) {
                self.say(
                    number,
                    Report::Heartbeat {
                        used: 0,
                        disk_free: None,
                        received: Vec::new(),
                    },
                );
            }
        }
        self.apply(Command::Tick);
    }

    fn copy(&mut self, number: usize) -> Vec<Holding> {
        let member = &mut self.members[number];
        let Some(_) = member.jobs.front() else {
            member.credit = 0;
            return Vec::new();
        };
        member.credit += self.link / 4;
        let mut whole = Vec::new();
        while let Some((manifest, fragments)) = member.jobs.front() {
            let bytes = manifest.bytes_in(fragments);
            if member.credit < bytes {
                break;
            }
            member.credit -= bytes;
            self.copied += bytes;
            whole.push(all_of(manifest));
            member.holds.insert(manifest.content(), manifest.clone());
            member.jobs.pop_front();
        }
        whole
    }

    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while self.now < end {
            self.tick();
        }
    }

    /// Lets time pass until every content has its replicas; at most this long.
    pub(super) fn until_replicated(&mut self, contents: &[Manifest], most: Duration) -> Duration {
        let from = self.now;
        while !self.is_replicated(contents) {
            assert!(
                self.now.since(from) < most,
                "not replicated after {most:?}: {:?}",
                self.state.status()
            );
            self.tick();
        }
        self.now.since(from)
    }

    pub(super) fn is_replicated(&self, contents: &[Manifest]) -> bool {
        contents.iter().all(|manifest| {
            let health = self.state.health(manifest.content()).expect("it has a name");
            health.state == ContentState::Replicated
        })
    }

    /// Returns the bytes that the peer holds.
    pub(super) fn bytes_of(&self, number: usize) -> u64 {
        self.members[number].holds.values().map(Manifest::length).sum()
    }

    /// Returns the bytes that all peers hold.
    pub(super) fn stored(&self) -> u64 {
        (0..self.members.len()).map(|number| self.bytes_of(number)).sum()
    }

    /// Returns how many peers have something to copy.
    pub(super) fn busy(&self) -> usize {
        self.members
            .iter()
            .filter(|member| !member.jobs.is_empty())
            .count()
    }

    /// Returns the holders of the content.
    pub(super) fn holders(&self, manifest: &Manifest) -> BTreeSet<usize> {
        let holds = |member: &Member| member.holds.contains_key(&manifest.content());
        (0..self.members.len())
            .filter(|n| holds(&self.members[*n]))
            .collect()
    }

    /// Publishes contents of this many MiB in turn, waits for their replicas, and resets the counters.
    pub(super) fn fill(&mut self, count: u32, mib: u32, replicas: impl Fn(u32) -> u32) -> Vec<Manifest> {
        let contents: Vec<_> = (0..count).map(|n| content(n, mib)).collect();
        for (number, manifest) in contents.iter().enumerate() {
            let replicas = replicas(u32::try_from(number).expect("few"));
            self.publish(number % self.members.len(), manifest, replicas);
        }
        self.until_replicated(&contents, Duration::from_secs(600));
        (self.ordered, self.copied, self.listed) = (0, 0, 0);
        self.orders.clear();
        contents
    }
}

fn all_of(manifest: &Manifest) -> Holding {
    Holding {
        content: manifest.content(),
        fragments: manifest.all_fragments(),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    }
}
