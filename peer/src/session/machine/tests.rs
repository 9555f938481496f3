//! Stories of one session.

use std::sync::Arc;

use shared::model::{AssignmentFailure, Digest, EvictReason, FragmentLength, Manifest, PeerId, RunTraits};

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
        network: None,
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
        remaining: Vec::new(),
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
        Self::greeting_with(hello())
    }

    fn greeting_with(hello: Hello) -> Self {
        let protected = Protected::default();
        let (session, outputs) = Session::begin(hello, protected.clone());
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
        self.welcome_in(EPOCH)
    }

    fn welcome_in(&mut self, epoch: Epoch) -> Vec<Output> {
        self.welcome_to(None, epoch)
    }

    fn welcome_to(&mut self, network: Option<NetworkId>, epoch: Epoch) -> Vec<Output> {
        self.tell(Input::Welcomed(Welcome {
            network,
            ..welcome(epoch)
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
            received: Vec::new(),
        })
    }
}

fn welcome(epoch: Epoch) -> Welcome {
    Welcome {
        network: None,
        epoch,
        lease: HEARTBEAT * 5,
        heartbeat: HEARTBEAT,
        listing: None,
        defaults: shared::model::NetworkDefaults::default(),
        visitor_host: None,
        takes_file_news: true,
        secret: None,
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
            received: Vec::new(),
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
fn an_absent_file_is_news_once_until_it_is_back() {
    let mut driven = Driven::open();
    let found = |absence| {
        let news = FileNews {
            content: content(1),
            absence,
        };
        Input::Found(Found::Holdings(Vec::new(), vec![news]))
    };
    let mut told = |absence| {
        let outputs = driven.tell(found(absence));
        let news = |output: &Output| match output {
            Output::Report(Numbered {
                message: Report::Files(news),
                ..
            }) => Some(news.clone()),
            _ => None,
        };
        let news: Vec<_> = outputs.iter().filter_map(news).flatten().collect();
        news.into_iter().map(|news| news.absence).collect::<Vec<_>>()
    };
    assert_eq!(told(None), []);
    assert_eq!(told(Some(Absence::Gone)), [Some(Absence::Gone)]);
    assert_eq!(told(Some(Absence::Gone)), []);
    assert_eq!(told(Some(Absence::Changed)), [Some(Absence::Changed)]);
    assert_eq!(told(None), [None]);
    assert_eq!(told(None), []);
}

#[test]
fn an_older_tracker_is_told_nothing_of_files() {
    let mut driven = Driven::greeting();
    let welcome = Welcome {
        takes_file_news: false,
        ..welcome(EPOCH)
    };
    driven.tell(Input::Welcomed(welcome));
    let news = FileNews {
        content: content(1),
        absence: Some(Absence::Gone),
    };
    let outputs = driven.tell(Input::Found(Found::Holdings(Vec::new(), vec![news])));
    assert!(outputs.is_empty(), "{outputs:?}");
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
                    disk_free: None,
                    ..
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
    let [Output::CountOn(run), Output::Close(End::SayAgain)] = &restored[..] else {
        panic!("{restored:?}")
    };
    assert_eq!(run.get(), 7);
    let ahead = ended(HelloRefusal::AheadOf(Incarnation::new(0)));
    let [Output::CountOn(run), Output::Close(End::SayAgain)] = &ahead[..] else {
        panic!("{ahead:?}")
    };
    assert_eq!(run.get(), 0);
    for senseless in [
        HelloRefusal::OlderThan(Incarnation::new(0)),
        HelloRefusal::AheadOf(Incarnation::new(1)),
    ] {
        let end = ended(senseless);
        assert!(matches!(&end[..], [Output::Close(End::Protocol(_))]), "{end:?}");
    }
    let late = Driven::open().tell(Input::Refused(HelloRefusal::OlderThan(Incarnation::new(7))));
    assert!(matches!(&late[..], [Output::Close(End::Protocol(_))]), "{late:?}");
}

#[test]
fn no_tracker_takes_a_peer_to_the_end_of_the_epochs() {
    let welcomed_in = |seen: u64, epoch: u64| {
        let hello = Hello {
            epoch: Epoch::new(seen),
            ..hello()
        };
        let mut driven = Driven::greeting_with(hello);
        let outputs = driven.welcome_in(Epoch::new(epoch));
        !matches!(&outputs[..], [Output::Close(End::Protocol(_))])
    };
    let half = u64::MAX / 2;
    for (seen, epoch) in [(0, 1), (0, half), (5, 5), (5, 6), (5, 5 + Epoch::MAX_LEAP)] {
        assert!(welcomed_in(seen, epoch), "{seen} {epoch}");
    }
    for (seen, epoch) in [
        (0, half + 1),
        (0, u64::MAX),
        (5, 4),
        (5, 6 + Epoch::MAX_LEAP),
        (half, half + 1),
        (half, u64::MAX - 1),
        (u64::MAX, u64::MAX),
    ] {
        assert!(!welcomed_in(seen, epoch), "{seen} {epoch}");
    }
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
            away: None,
        };
        let holding = holding(manifest().content(), Some(entry), false);
        (holding.keeps, holding.is_assigned)
    };
    assert_eq!(told(true, false, false), (true, false));
    assert_eq!(told(true, true, false), (true, true));
    assert_eq!(told(false, true, true), (true, true));
    assert_eq!(told(false, false, true), (false, false));
}

/// An eviction of a content of which another copy is to remain.
fn evict_for_another() -> Order {
    let holder = shared::model::Source {
        peer: PeerId::from_bytes([7; 16]),
        address: "10.0.0.7:1".parse().expect("an address"),
        zone: None,
        rank: shared::model::SourceRank::Keeper,
    };
    Order::Evict {
        epoch: EPOCH,
        content: content(1),
        reason: EvictReason::Surplus,
        as_of_sequence: 99,
        remaining: vec![shared::model::Remaining {
            holder,
            fragments: FragmentSet::full(1),
        }],
    }
}

#[test]
fn an_eviction_waits_for_a_look_at_the_copies_that_remain() {
    let mut driven = Driven::open();
    let outputs = driven.tell(Input::Ordered(evict_for_another()));
    assert!(matches!(&outputs[..], [Output::Look(order)] if *order == evict_for_another()));
    assert!(
        driven.tell(Input::Ordered(evict_for_another())).is_empty(),
        "a repetition"
    );
    assert!(announced(&driven.wait(50)).is_empty(), "it is not answered yet");
    let looked = |unread| Input::Looked {
        order: evict_for_another(),
        unread,
    };
    let outputs = driven.tell(looked(Vec::new()));
    assert!(
        matches!(&outputs[..], [Output::Obey(Order::Evict { .. })]),
        "{outputs:?}"
    );
    assert_eq!(announced(&driven.wait(50)), [vec![content(1)]]);
    assert!(driven.tell(looked(Vec::new())).is_empty(), "nobody has asked");
}

#[test]
fn an_eviction_is_not_obeyed_when_a_copy_that_remains_cannot_be_read() {
    let mut driven = Driven::open();
    driven.tell(Input::Ordered(evict_for_another()));
    let holder = PeerId::from_bytes([7; 16]);
    let outcome = SampleOutcome::Unreached("timed out".to_owned());
    let outputs = driven.tell(Input::Looked {
        order: evict_for_another(),
        unread: vec![(holder, outcome)],
    });
    let [
        Output::Report(Numbered {
            message: Report::Kept { holder: kept_for, .. },
            ..
        }),
        Output::Refused(Refusal::Unread),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*kept_for, holder);
    assert_eq!(
        announced(&driven.wait(50)),
        [vec![content(1)]],
        "and it is announced"
    );
}

#[test]
fn an_eviction_is_not_obeyed_when_its_content_changed_during_the_look() {
    let mut driven = Driven::open();
    driven.tell(Input::Ordered(evict_for_another()));
    driven.tell(Input::Changed(content(1)));
    let outputs = driven.tell(Input::Looked {
        order: evict_for_another(),
        unread: Vec::new(),
    });
    assert!(
        matches!(&outputs[..], [Output::Refused(Refusal::Untold)]),
        "{outputs:?}"
    );
}

#[test]
fn deliveries_wait_for_a_heartbeat() {
    let mut driven = Driven::open();
    let received = Received {
        content: content(3),
        from: PeerId::from_bytes([7; 16]),
    };
    driven.tell(Input::TimeUp {
        used: 7,
        disk_free: None,
        received: vec![received; 300],
    });
    let mut counts = Vec::new();
    for _ in 0..3 {
        for output in driven.wait(2_000) {
            if let Output::Report(Numbered {
                message: Report::Heartbeat { received, .. },
                ..
            }) = output
            {
                counts.push(received.len());
            }
        }
    }
    assert_eq!(counts, [256, 44, 0]);
}

const A: NetworkId = NetworkId::from_bytes([0xa; 16]);
const B: NetworkId = NetworkId::from_bytes([0xb; 16]);

/// A session up to Hello of a peer of network A, which has seen epoch 7 there.
fn greeting_of_a() -> Driven {
    Driven::greeting_with(Hello {
        network: Some(A),
        epoch: Epoch::new(7),
        ..hello()
    })
}

#[test]
fn a_peer_turns_to_the_network_of_its_tracker_before_anything_else() {
    let first = Driven::greeting().welcome_to(Some(A), EPOCH);
    assert!(
        matches!(first[..2], [Output::TurnTo(A), Output::RaiseEpoch(EPOCH)]),
        "{first:?}"
    );
    let same = greeting_of_a().welcome_to(Some(A), Epoch::new(8));
    assert!(matches!(same[0], Output::RaiseEpoch(_)), "{same:?}");
    let other = greeting_of_a().tell(Input::Refused(HelloRefusal::OtherNetwork(B)));
    assert!(
        matches!(other[..], [Output::TurnTo(B), Output::Close(End::SayAgain)]),
        "{other:?}"
    );
    for senseless in [
        greeting_of_a().tell(Input::Refused(HelloRefusal::OtherNetwork(A))),
        Driven::greeting().tell(Input::Refused(HelloRefusal::OtherNetwork(A))),
        greeting_of_a().welcome_to(Some(B), Epoch::new(9)),
        greeting_of_a().welcome_to(Some(A), Epoch::new(6)),
    ] {
        assert!(
            matches!(&senseless[..], [Output::Close(End::Protocol(_))]),
            "{senseless:?}"
        );
    }
}

#[test]
fn an_older_tracker_has_nothing_of_the_network_forgotten() {
    let mut driven = greeting_of_a();
    let epoch = Epoch::new(9);
    let outputs = driven.welcome_to(None, epoch);
    assert!(
        matches!(outputs[0], Output::RaiseEpoch(kept) if kept == Epoch::new(7)),
        "{outputs:?}"
    );
    let evict = |epoch| Order::Evict {
        epoch,
        content: content(1),
        reason: EvictReason::Unreferenced,
        as_of_sequence: 9,
        remaining: Vec::new(),
    };
    let mark = |epoch| {
        Order::Remember(shared::model::Mark {
            epoch,
            began: Timestamp::from_millis(1),
            facts: 1,
        })
    };
    for order in [evict(epoch), mark(epoch)] {
        let outputs = driven.tell(Input::Ordered(order));
        assert!(
            outputs
                .iter()
                .any(|output| matches!(output, Output::Refused(Refusal::Nameless))),
            "{outputs:?}"
        );
    }
    // A peer that knows no network is served as ever.
    let mut driven = Driven::open();
    for order in [evict(EPOCH), mark(EPOCH)] {
        let outputs = driven.tell(Input::Ordered(order));
        assert!(
            outputs.iter().any(|output| matches!(output, Output::Obey(_))),
            "{outputs:?}"
        );
    }
}
