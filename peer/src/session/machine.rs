//! One session with one tracker, without I/O: from Hello to the end of the connection.
//!
//! A [`Session`] is told what happens ([`Input`]) and returns what is to be done ([`Output`]). `driver`
//! drives it over sockets and disks; the simulated cluster of `tests` drives the same code over simulated
//! ones. A driver
//!
//! * carries out outputs in their order, and answers a look-up with [`Input::Found`]. Other inputs may come
//!   between: the
//!   session obeys no eviction of a content while it is being looked up;
//! * gives [`Input::TimeUp`] when the time of [`Session::next_timer`] has come;
//! * drops the session when an output cannot be carried out or the connection is lost. A new session tells
//!   everything
//!   anew, so nothing of an old one matters.
//!
//! Invariants: a change is announced [`ANNOUNCE_DELAY`] after it was noticed, or with an announce that comes
//! sooner; the end of a protection is announced at once; what happens between Hello and Welcome is announced
//! after the listing.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::model::{
    ContentId, DigestBuckets, Epoch, FragmentSet, Hello, HelloRefusal, Holding, HoldingsDigest, HostPort,
    Incarnation, Numbered, Order, Report, Timestamp, Welcome,
};

use super::inventory::{Inventory, Refusal};
use super::protected::Protected;
use store::{Entry, FragmentStore};

/// Changes within this time are announced together: a fetch commits many fragments a second.
pub const ANNOUNCE_DELAY: Duration = Duration::from_millis(50);

/// A session with a tracker.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    inventory: Inventory,
    protected: Protected,
    /// When the changes are due to be announced; none when there are none.
    announce_at: Option<Timestamp>,
}

/// How far a session is.
#[derive(Debug)]
enum Phase {
    /// The holdings are being summed up for Hello.
    Introducing(Box<Hello>),
    /// Hello was sent.
    Greeting,
    /// The holdings are being looked up for the listing.
    Listing { heartbeat: Duration },
    /// The tracker knows what is held.
    Open {
        heartbeat: Duration,
        heartbeat_at: Timestamp,
    },
    /// The session is over.
    Closed,
}

/// An event in the life of a session.
#[derive(Debug)]
pub enum Input {
    /// The answer to a look-up.
    Found(Found),
    /// The tracker's answer to Hello.
    Welcomed(Welcome),
    /// The tracker's answer to Hello in place of Welcome.
    Refused(HelloRefusal),
    /// An order of the tracker.
    Ordered(Order),
    /// The store's copy of a content changed, or its fetching began or ended.
    Changed(ContentId),
    /// Some changes were dropped before they could be read.
    ChangesMissed(u64),
    /// A publication ended.
    ProtectionEnded,
    /// There is something else to report: an assignment that failed, the result of a probe.
    Say(Report),
    /// The time of [`Session::next_timer`] has come.
    TimeUp {
        /// Bytes in the store.
        used: u64,
        /// Bytes that its disk has free, if it knows.
        disk_free: Option<u64>,
    },
    /// The peer leaves this network, stops, or has to register anew.
    Leave,
}

/// An instruction to whoever drives a session.
#[derive(Debug)]
pub enum Output {
    /// Look at the store and answer with [`Input::Found`].
    LookUp(LookUp),
    /// Send Hello.
    Hello(Box<Hello>),
    /// Keep the tracker's epoch: durably, before the next output.
    RaiseEpoch(Epoch),
    /// Go on as a run after this one: durably, before the next output.
    RaiseIncarnation(Incarnation),
    /// The session is open: orders are obeyed, and anything can be reported.
    Opened(Epoch),
    /// Send a report.
    Report(Numbered<Report>),
    /// Carry out an order.
    Obey(Order),
    /// An order is not carried out.
    Refused(Refusal),
    /// End the connection; no output follows.
    Close(End),
}

/// Why a session ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The driver asked the session to leave.
    Left,
    /// Changes were missed: a new session tells what differs.
    ChangesMissed(u64),
    /// The tracker broke the protocol.
    Protocol(&'static str),
    /// Another run of this peer, at this address, may have ended without the tracker's notice: a new
    /// session is to be tried in a moment.
    ContestedBy(HostPort),
    /// The data directory is a copy of the one at this address: a new session is to be tried seldom, as a run
    /// that was refused.
    CopyOf(HostPort),
    /// The tracker knows a later run of this peer: the data directory comes from a backup. A new session is
    /// to be tried at once.
    OldRun,
}

/// A question about the store.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// The digest of everything that is held.
    Digest,
    /// The holdings in these buckets, or all.
    Listing(Option<DigestBuckets>),
    /// How these contents are held.
    Contents(BTreeSet<ContentId>),
}

/// The answer to a [`LookUp`].
#[derive(Clone, Debug)]
pub enum Found {
    /// To [`LookUp::Digest`].
    Digest(HoldingsDigest),
    /// To the others.
    Holdings(Vec<Holding>),
}

impl LookUp {
    /// Looks at a store; `is_fetching` says which contents are being fetched. Blocks on the disk.
    #[must_use]
    pub fn answer(&self, store: &dyn FragmentStore, is_fetching: impl Fn(ContentId) -> bool) -> Found {
        let held = |is_asked: &dyn Fn(ContentId) -> bool| {
            let holding = |entry: Entry| {
                let content = entry.manifest.content();
                let holding = is_asked(content).then(|| holding(content, Some(entry), is_fetching(content)));
                // A listing is silent about a content that is neither held nor coming.
                holding.filter(|holding| !holding.fragments.is_empty() || holding.is_fetching)
            };
            let holdings: Vec<Holding> = store.entries().into_iter().filter_map(holding).collect();
            holdings
        };
        match self {
            Self::Digest => Found::Digest(held(&|_| true).iter().collect()),
            Self::Listing(buckets) => Found::Holdings(held(&|content| {
                buckets.is_none_or(|buckets| buckets.contains(content))
            })),
            Self::Contents(contents) => {
                let current = |content: &ContentId| {
                    let content = *content;
                    holding(content, store.entry(content), is_fetching(content))
                };
                Found::Holdings(contents.iter().map(current).collect())
            }
        }
    }
}

/// The announcement of a content that is kept like this, or not at all.
fn holding(content: ContentId, entry: Option<Entry>, is_fetching: bool) -> Holding {
    match entry {
        Some(entry) => Holding {
            content,
            keeps: entry.roles.keeps(),
            is_assigned: entry.roles.assigned,
            is_fetching,
            fragments: entry.held,
        },
        None => Holding {
            content,
            fragments: FragmentSet::empty(0),
            keeps: false,
            is_assigned: false,
            is_fetching: false,
        },
    }
}

impl Session {
    /// Begins a session. The driver reads changes of the store from before this on.
    #[must_use]
    pub fn begin(hello: Hello, protected: Protected) -> (Self, Vec<Output>) {
        let session = Self {
            phase: Phase::Introducing(Box::new(hello)),
            inventory: Inventory::new(),
            protected,
            announce_at: None,
        };
        (session, vec![Output::LookUp(LookUp::Digest)])
    }

    /// Whether the tracker knows what is held, so that failures of assignments can be reported.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// When [`Input::TimeUp`] is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        let Phase::Open { heartbeat_at, .. } = self.phase else {
            return None;
        };
        let announce_at = self.announce_at.filter(|_| !self.inventory.is_looking());
        Some(announce_at.map_or(heartbeat_at, |at| at.min(heartbeat_at)))
    }

    /// Takes an input and returns what is to be done; a look-up comes last.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let outputs = match (input, &self.phase) {
            (_, Phase::Closed) => Vec::new(),
            (Input::Found(found), _) => self.found(now, found),
            (Input::Welcomed(welcome), Phase::Greeting) => self.welcomed(welcome),
            (Input::Refused(refusal), Phase::Greeting) => self.refused(refusal),
            (Input::Refused(_), _) => {
                self.close(End::Protocol("the tracker refused a hello that it had answered"))
            }
            (Input::Welcomed(_), _) => self.close(End::Protocol("the tracker sent Welcome twice")),
            (Input::Ordered(_), Phase::Introducing(_) | Phase::Greeting) => {
                self.close(End::Protocol("the tracker sent an order before Welcome"))
            }
            (Input::Ordered(order), _) => self.ordered(order),
            (Input::Changed(content), _) => {
                self.inventory.note(content);
                Vec::new()
            }
            (Input::ChangesMissed(missed), _) => self.close(End::ChangesMissed(missed)),
            (Input::ProtectionEnded, Phase::Open { .. }) => {
                self.take_ended(now);
                self.announce_due(now)
            }
            // The listing takes note of it.
            (Input::ProtectionEnded, _) => Vec::new(),
            (Input::Say(report), Phase::Open { .. }) => vec![self.report(report)],
            // The tracker finds out by its deadline.
            (Input::Say(_), _) => Vec::new(),
            (Input::TimeUp { used, disk_free }, _) => self.time_up(now, used, disk_free),
            (Input::Leave, phase) => {
                let is_known = matches!(phase, Phase::Listing { .. } | Phase::Open { .. });
                let farewell = is_known.then(|| self.report(Report::Leave));
                let close = self.close(End::Left);
                farewell.into_iter().chain(close).collect()
            }
        };
        // Runs from the first change that was not told: later changes do not put it off.
        if self.inventory.has_changes() && self.announce_at.is_none() {
            self.announce_at = Some(now.after(ANNOUNCE_DELAY));
        }
        outputs
    }

    fn welcomed(&mut self, welcome: Welcome) -> Vec<Output> {
        self.inventory.welcomed(welcome.epoch);
        self.phase = Phase::Listing {
            heartbeat: welcome.heartbeat,
        };
        let (epoch, defaults) = (welcome.epoch, welcome.defaults);
        vec![
            Output::RaiseEpoch(epoch),
            Output::Obey(Order::Adopt { epoch, defaults }),
            Output::LookUp(LookUp::Listing(welcome.listing)),
        ]
    }

    fn refused(&mut self, refusal: HelloRefusal) -> Vec<Output> {
        match refusal {
            HelloRefusal::ContestedBy(address) => self.close(End::ContestedBy(address)),
            HelloRefusal::CopyOf(address) => self.close(End::CopyOf(address)),
            HelloRefusal::OlderThan(run) => {
                let raise = Output::RaiseIncarnation(run);
                std::iter::once(raise).chain(self.close(End::OldRun)).collect()
            }
        }
    }

    fn found(&mut self, now: Timestamp, found: Found) -> Vec<Output> {
        match (&mut self.phase, found) {
            (Phase::Introducing(hello), Found::Digest(digest)) => {
                hello.holdings = Some(digest);
                let Phase::Introducing(hello) = std::mem::replace(&mut self.phase, Phase::Greeting) else {
                    return Vec::new();
                };
                vec![Output::Hello(hello)]
            }
            (Phase::Listing { heartbeat }, Found::Holdings(holdings)) => {
                let heartbeat = *heartbeat;
                self.phase = Phase::Open {
                    heartbeat,
                    heartbeat_at: now,
                };
                let reports = self.inventory.list(holdings);
                let mut outputs: Vec<_> = reports.into_iter().map(Output::Report).collect();
                outputs.push(Output::Opened(self.inventory.epoch()));
                // A listing is silent about a content that is gone; the tracker may think otherwise of it.
                self.take_ended(now);
                outputs.extend(self.announce_due(now));
                outputs
            }
            (Phase::Open { .. }, Found::Holdings(holdings)) => {
                let reports = self.inventory.announce(holdings);
                reports.into_iter().map(Output::Report).collect()
            }
            _ => Vec::new(),
        }
    }

    fn ordered(&mut self, order: Order) -> Vec<Output> {
        let judged = self
            .inventory
            .judge(&order, |content| self.protected.contains(content));
        // Whatever becomes of it, the tracker is told what is here then.
        self.inventory.answer(&order);
        vec![match judged {
            Ok(()) if let Order::Ask { question, .. } = order => self.report(Report::Alive { question }),
            Ok(()) => Output::Obey(order),
            Err(refusal) => Output::Refused(refusal),
        }]
    }

    fn time_up(&mut self, now: Timestamp, used: u64, disk_free: Option<u64>) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Phase::Open {
            heartbeat,
            heartbeat_at,
        } = &mut self.phase
            && *heartbeat_at <= now
        {
            *heartbeat_at = now.after(*heartbeat);
            outputs.push(self.report(Report::Heartbeat { used, disk_free }));
        }
        outputs.extend(self.announce_due(now));
        outputs
    }

    /// Lifts the protection of contents whose publications have ended; they are announced at once.
    fn take_ended(&mut self, now: Timestamp) {
        for content in self.protected.take_ended() {
            self.inventory.note(content);
            self.announce_at = Some(now);
        }
    }

    /// Begins an announce of everything that changed, if one is due.
    fn announce_due(&mut self, now: Timestamp) -> Vec<Output> {
        let is_due = self.announce_at.is_some_and(|at| at <= now);
        if !is_due || !self.is_open() || self.inventory.is_looking() {
            return Vec::new();
        }
        self.announce_at = None;
        vec![Output::LookUp(LookUp::Contents(self.inventory.look_up()))]
    }

    fn report(&mut self, report: Report) -> Output {
        Output::Report(self.inventory.report(report))
    }

    fn close(&mut self, end: End) -> Vec<Output> {
        self.phase = Phase::Closed;
        vec![Output::Close(end)]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::model::{
        AssignmentFailure, Digest, EvictReason, FragmentLength, Manifest, PeerId, RunTraits,
    };

    use super::*;
    use store::{MemoryStore, Place, Purpose, Roles};

    const EPOCH: Epoch = Epoch::new(5);
    const HEARTBEAT: Duration = Duration::from_secs(2);

    fn hello() -> Hello {
        Hello {
            peer: PeerId::from_bytes([1; 16]),
            incarnation: Incarnation::new(1),
            run: None,
            address: "10.0.0.1:1".parse().expect("an address"),
            zone: None,
            capacity: 1 << 20,
            used: 0,
            epoch: Epoch::new(0),
            mark: None,
            holdings: None,
            traits: RunTraits::default(),
        }
    }

    fn manifest() -> Manifest {
        let roots = vec![Digest::from_bytes([1; 32])];
        Manifest::from_roots(10, FragmentLength::MIN, roots).expect("one fragment")
    }

    fn evict(content: ContentId, as_of_sequence: u64) -> Input {
        Input::Ordered(Order::Evict {
            epoch: EPOCH,
            content,
            reason: EvictReason::Surplus,
            as_of_sequence,
        })
    }

    const fn content(n: u8) -> ContentId {
        ContentId::from_bytes([n; 32])
    }

    /// A driver that answers look-ups from a store at once.
    struct Driven {
        session: Session,
        store: Arc<MemoryStore>,
        protected: Protected,
        now: Timestamp,
    }

    impl Driven {
        /// A session up to Hello.
        fn greeting() -> Self {
            let protected = Protected::default();
            let (session, outputs) = Session::begin(hello(), protected.clone());
            let mut driven = Self {
                session,
                store: Arc::new(MemoryStore::new(1 << 20)),
                protected,
                now: Timestamp::from_millis(1_000),
            };
            let outputs = driven.answered(outputs);
            assert!(
                matches!(&outputs[..], [Output::Hello(hello)] if hello.holdings.is_some()),
                "{outputs:?}"
            );
            driven
        }

        /// An open session whose first heartbeat is sent.
        fn open() -> Self {
            let mut driven = Self::greeting();
            driven.welcome();
            driven.time_up();
            driven
        }

        fn welcome(&mut self) -> Vec<Output> {
            self.tell(Input::Welcomed(Welcome {
                epoch: EPOCH,
                lease: HEARTBEAT * 5,
                heartbeat: HEARTBEAT,
                listing: None,
                defaults: shared::model::NetworkDefaults::default(),
                visitor_host: None,
            }))
        }

        fn tell(&mut self, input: Input) -> Vec<Output> {
            let outputs = self.session.handle(self.now, input);
            self.answered(outputs)
        }

        /// Everything but look-ups, which are answered.
        fn answered(&mut self, outputs: Vec<Output>) -> Vec<Output> {
            let mut rest = Vec::new();
            for output in outputs {
                if let Output::LookUp(look_up) = output {
                    let found = look_up.answer(&*self.store, |_| false);
                    rest.extend(self.tell(Input::Found(found)));
                } else {
                    rest.push(output);
                }
            }
            rest
        }

        fn wait(&mut self, millis: u64) -> Vec<Output> {
            self.now = self.now.after(Duration::from_millis(millis));
            match self.session.next_timer() {
                Some(at) if at <= self.now => self.time_up(),
                _ => Vec::new(),
            }
        }

        fn time_up(&mut self) -> Vec<Output> {
            self.tell(Input::TimeUp {
                used: 7,
                disk_free: None,
            })
        }
    }

    /// The contents of every announce among the outputs.
    fn announced(outputs: &[Output]) -> Vec<Vec<ContentId>> {
        let contents = |output: &Output| match output {
            Output::Report(Numbered {
                message: Report::Announce { holdings, .. },
                ..
            }) => Some(holdings.iter().map(|holding| holding.content).collect()),
            _ => None,
        };
        outputs.iter().filter_map(contents).collect()
    }

    #[test]
    fn after_welcome_the_epoch_is_kept_before_anything_is_listed() {
        let mut driven = Driven::greeting();
        driven
            .store
            .prepare(&manifest(), Purpose::Assigned(manifest().all_fragments()))
            .expect("room");
        let outputs = driven.welcome();
        let [
            Output::RaiseEpoch(EPOCH),
            Output::Obey(Order::Adopt { .. }),
            Output::Report(Numbered {
                sequence: 2,
                message:
                    Report::Announce {
                        holdings,
                        completes_inventory: true,
                    },
            }),
            Output::Opened(EPOCH),
        ] = &outputs[..]
        else {
            panic!("{outputs:?}")
        };
        assert!(holdings.is_empty(), "nothing is held of it yet");
    }

    #[test]
    fn changes_before_welcome_are_announced_after_the_listing() {
        let mut driven = Driven::greeting();
        driven.tell(Input::Changed(content(7)));
        assert_eq!(driven.session.next_timer(), None);
        assert_eq!(announced(&driven.welcome()), [Vec::new()]);
        assert_eq!(announced(&driven.wait(50)), [vec![content(7)]]);
    }

    #[test]
    fn a_change_is_announced_in_time_although_others_follow_it() {
        let mut driven = Driven::open();
        driven.tell(Input::Changed(content(1)));
        for n in 2..6 {
            assert!(announced(&driven.wait(9)).is_empty());
            driven.tell(Input::Changed(content(n)));
        }
        let all: Vec<_> = (1..6).map(content).collect();
        assert_eq!(announced(&driven.wait(14)), [all]);
        assert!(announced(&driven.wait(1_000)).is_empty());
    }

    #[test]
    fn a_change_during_a_look_up_is_announced_afterwards() {
        let mut driven = Driven::open();
        driven.tell(Input::Changed(content(1)));
        driven.now = driven.now.after(ANNOUNCE_DELAY);
        let outputs = driven.session.handle(
            driven.now,
            Input::TimeUp {
                used: 0,
                disk_free: None,
            },
        );
        assert!(
            matches!(&outputs[..], [Output::LookUp(LookUp::Contents(_))]),
            "{outputs:?}"
        );
        driven.tell(Input::Changed(content(2)));
        let refused = driven.tell(evict(content(1), 99));
        assert!(
            matches!(&refused[..], [Output::Refused(Refusal::Untold)]),
            "{refused:?}"
        );
        driven.now = driven.now.after(ANNOUNCE_DELAY);
        let outputs = driven.answered(outputs);
        assert_eq!(announced(&outputs), [vec![content(1)]]);
        assert_eq!(announced(&driven.wait(0)), [vec![content(1), content(2)]]);
    }

    #[test]
    fn the_end_of_a_protection_is_announced_at_once() {
        let mut driven = Driven::open();
        let guard = driven.protected.begin(content(1));
        let refused = driven.tell(evict(content(1), 9));
        assert!(
            matches!(&refused[..], [Output::Refused(Refusal::Protected)]),
            "{refused:?}"
        );
        driven.wait(50);
        drop(guard);
        let announced_at_once = driven.tell(Input::ProtectionEnded);
        assert_eq!(announced(&announced_at_once), [vec![content(1)]]);
        let obeyed = driven.tell(evict(content(1), 99));
        assert!(matches!(&obeyed[..], [Output::Obey(_)]), "{obeyed:?}");
    }

    #[test]
    fn a_protection_that_ends_before_the_session_opens_is_announced() {
        let mut driven = Driven::greeting();
        drop(driven.protected.begin(content(1)));
        driven.tell(Input::ProtectionEnded);
        assert_eq!(announced(&driven.welcome()), [vec![], vec![content(1)]]);
    }

    #[test]
    fn an_assignment_is_announced_and_a_repeated_eviction_does_not_undo_it() {
        let mut driven = Driven::open();
        let assign = Order::Assign {
            epoch: EPOCH,
            fragments: manifest().all_fragments(),
            manifest: manifest(),
            sources: Vec::new(),
        };
        let obeyed = driven.tell(Input::Ordered(assign));
        assert!(
            matches!(&obeyed[..], [Output::Obey(Order::Assign { .. })]),
            "{obeyed:?}"
        );
        let refused = driven.tell(evict(manifest().content(), 3));
        assert!(
            matches!(&refused[..], [Output::Refused(Refusal::Untold)]),
            "{refused:?}"
        );
        assert_eq!(announced(&driven.wait(50)), [vec![manifest().content()]]);
    }

    #[test]
    fn a_question_is_answered_at_once() {
        let ask = |epoch| Input::Ordered(Order::Ask { epoch, question: 7 });
        let mut driven = Driven::open();
        let answer = driven.tell(ask(EPOCH));
        let [Output::Report(Numbered { message, .. })] = &answer[..] else {
            panic!("{answer:?}")
        };
        assert_eq!(*message, Report::Alive { question: 7 });
        let refused = driven.tell(ask(Epoch::new(4)));
        assert!(matches!(&refused[..], [Output::Refused(_)]), "{refused:?}");
    }

    #[test]
    fn heartbeats_come_in_time_and_failures_are_reported() {
        let mut driven = Driven::greeting();
        driven.welcome();
        let beat = |outputs: &[Output]| {
            matches!(
                outputs,
                [Output::Report(Numbered {
                    message: Report::Heartbeat {
                        used: 7,
                        disk_free: None
                    },
                    ..
                })]
            )
        };
        assert!(beat(&driven.wait(0)));
        assert!(driven.wait(1_999).is_empty());
        assert!(beat(&driven.wait(1)));
        let failed = Report::AssignmentFailed {
            content: content(1),
            failure: AssignmentFailure::NoRoom,
            detail: String::new(),
        };
        let outputs = driven.tell(Input::Say(failed));
        assert!(
            matches!(&outputs[..], [Output::Report(Numbered { sequence: 5, .. })]),
            "{outputs:?}"
        );
    }

    #[test]
    fn a_peer_that_leaves_says_so_if_it_was_welcome() {
        let mut driven = Driven::greeting();
        let outputs = driven.tell(Input::Leave);
        assert!(matches!(&outputs[..], [Output::Close(End::Left)]), "{outputs:?}");
        let mut driven = Driven::open();
        let outputs = driven.tell(Input::Leave);
        let [
            Output::Report(Numbered {
                message: Report::Leave,
                ..
            }),
            Output::Close(End::Left),
        ] = &outputs[..]
        else {
            panic!("{outputs:?}")
        };
        assert!(driven.welcome().is_empty(), "it is over");
    }

    #[test]
    fn a_copy_of_a_data_directory_gives_up_and_a_restored_one_counts_on() {
        let ended = |refusal| Driven::greeting().tell(Input::Refused(refusal));
        let address: HostPort = "10.0.0.2:1".parse().expect("an address");
        let contested = ended(HelloRefusal::ContestedBy(address.clone()));
        assert!(
            matches!(&contested[..], [Output::Close(End::ContestedBy(_))]),
            "{contested:?}"
        );
        let copy = ended(HelloRefusal::CopyOf(address));
        assert!(matches!(&copy[..], [Output::Close(End::CopyOf(_))]), "{copy:?}");
        let restored = ended(HelloRefusal::OlderThan(Incarnation::new(7)));
        let [Output::RaiseIncarnation(run), Output::Close(End::OldRun)] = &restored[..] else {
            panic!("{restored:?}")
        };
        assert_eq!(run.get(), 7);
        let late = Driven::open().tell(Input::Refused(HelloRefusal::OlderThan(Incarnation::new(7))));
        assert!(matches!(&late[..], [Output::Close(End::Protocol(_))]), "{late:?}");
    }

    #[test]
    fn missed_changes_and_a_second_welcome_end_the_session() {
        let missed = Driven::open().tell(Input::ChangesMissed(3));
        assert!(
            matches!(&missed[..], [Output::Close(End::ChangesMissed(3))]),
            "{missed:?}"
        );
        let twice = Driven::open().welcome();
        assert!(
            matches!(&twice[..], [Output::Close(End::Protocol(_))]),
            "{twice:?}"
        );
    }

    #[test]
    fn the_tracker_is_told_whether_a_copy_was_assigned_and_is_kept() {
        let told = |published, assigned, fetched| {
            let entry = Entry {
                held: manifest().all_fragments(),
                manifest: manifest(),
                roles: Roles {
                    published,
                    assigned,
                    fetched,
                },
                name: None,
                place: Place::Store,
            };
            let holding = holding(manifest().content(), Some(entry), false);
            (holding.keeps, holding.is_assigned)
        };
        assert_eq!(told(true, false, false), (true, false));
        assert_eq!(told(true, true, false), (true, true));
        assert_eq!(told(false, true, true), (true, true));
        assert_eq!(told(false, false, true), (false, false));
    }
}
