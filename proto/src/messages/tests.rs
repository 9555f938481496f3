//! Round trips without loss, and arbitrary input that conversion refuses or turns into valid values without a
//! panic.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;
use shared::hash::ContentHasher;
use shared::model::{
    Asked, Attributes, Challenge, CollectionSize, ContentId, ContentRef, DigestBuckets, Epoch, EvictReason,
    FragmentLength, FragmentSet, Hello, HelloRefusal, Holding, HostPort, Incarnation, Manifest, Mark, Mode,
    ModifiedAt, Name, NamedRevision, NetworkDefaults, NetworkId, Numbered, Order, PeerId, PinCount, PinWish,
    PublicKey, Received, Remaining, ReplicationTarget, Report, RevisedContent, Revision, RevisionEntry,
    RevisionState, RunId, RunTraits, Sample, SampleOutcome, SessionSecret, Signature, Source, SourceRank,
    Timestamp, Welcome,
};

use super::{Chunk, Fetch, FromPeer, FromTracker, Invalid, Locate, Publish};
use crate::v1;

fn manifest(length: usize) -> Manifest {
    let mut hasher = ContentHasher::new(length as u64, FragmentLength::MIN);
    hasher.update(&vec![7; length]);
    hasher.finish().expect("the length is right")
}

fn point(n: u8) -> PublicKey {
    let mut bytes = [n; 65];
    bytes[0] = 4;
    PublicKey::from_bytes(&bytes).expect("a point")
}

fn content() -> impl Strategy<Value = ContentId> {
    any::<[u8; 32]>().prop_map(ContentId::from_bytes)
}

fn holding() -> impl Strategy<Value = Holding> {
    (content(), 0_u32..200, any::<(bool, bool, bool)>()).prop_map(
        |(content, count, (keeps, is_assigned, is_fetching))| Holding {
            content,
            fragments: FragmentSet::full(count),
            keeps,
            is_assigned,
            is_fetching,
        },
    )
}

fn held(n: u8) -> Holding {
    Holding {
        content: ContentId::from_bytes([n; 32]),
        fragments: FragmentSet::full(u32::from(n)),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    }
}

fn from_peer() -> impl Strategy<Value = FromPeer> {
    let hello =
        (any::<[u8; 16]>(), any::<(u64, u64, u64, u64)>()).prop_map(|(id, (run, capacity, used, epoch))| {
            FromPeer::Hello(
                Hello {
                    peer: PeerId::from_bytes(id),
                    incarnation: Incarnation::new(run),
                    run: (run % 2 == 1).then(|| RunId::from_bytes(id)),
                    address: "[::1]:50053".parse().expect("an address"),
                    zone: (run % 2 == 0).then(|| "rack-7".parse().expect("a zone")),
                    capacity,
                    used,
                    network: (run % 2 == 1).then(|| NetworkId::from_bytes(id)),
                    epoch: Epoch::new(epoch),
                    mark: (run % 2 == 0).then(|| mark(epoch, run, used)),
                    holdings: (run % 3 == 0).then(|| [&held(id[0])].into_iter().collect()),
                    traits: RunTraits {
                        is_transient: run % 2 == 0,
                        can_probe: run % 5 == 0,
                        can_check: run % 11 == 0,
                        disk_free: (run % 3 == 0).then_some(run),
                        was_refused: run % 7 == 0,
                    },
                },
                (run % 2 == 1).then(|| point(id[0])),
            )
        });
    let announce =
        (proptest::collection::vec(holding(), 0..5), any::<bool>()).prop_map(|(holdings, last)| {
            FromPeer::Report(Report::Announce {
                holdings,
                completes_inventory: last,
            })
        });
    prop_oneof![
        hello,
        announce,
        any::<[u8; 32]>().prop_map(|half| {
            let bytes = [half, half].concat().try_into().expect("64 bytes");
            FromPeer::Answer(Signature::from_bytes(bytes))
        }),
        any::<u64>().prop_map(|used| FromPeer::Report(Report::Heartbeat {
            used,
            disk_free: Some(used / 2),
            received: vec![received(used); usize::from(used % 2 == 0)],
        })),
        (any::<u64>(), outcome())
            .prop_map(|(check, outcome)| FromPeer::Report(Report::Checked { check, outcome })),
        (any::<u64>(), outcome()).prop_map(|(n, outcome)| FromPeer::Report(Report::Kept {
            content: received(n).content,
            holder: received(n).from,
            outcome
        })),
        any::<u64>().prop_map(|question| FromPeer::Report(Report::Alive { question })),
        Just(FromPeer::Report(Report::Leave)),
    ]
}

fn received(n: u64) -> Received {
    let byte = n.to_le_bytes()[0];
    Received {
        content: ContentId::from_bytes([byte; 32]),
        from: PeerId::from_bytes([byte; 16]),
    }
}

fn outcome() -> impl Strategy<Value = SampleOutcome> {
    prop_oneof![
        Just(SampleOutcome::Proved),
        "[a-z ]{0,20}".prop_map(SampleOutcome::Denied),
        "[a-z ]{0,20}".prop_map(SampleOutcome::Unreached),
    ]
}

fn mark(epoch: u64, began: u64, facts: u64) -> Mark {
    Mark {
        epoch: Epoch::new(epoch),
        began: Timestamp::from_millis(began),
        facts,
    }
}

proptest! {
    #[test]
    fn reports_survive_the_wire(sequence: u64, message in from_peer()) {
        let sent = Numbered { sequence, message };
        let bytes = v1::FromPeer::from(sent.clone()).encode_to_vec();
        let received = v1::FromPeer::decode(bytes.as_slice()).expect("our own bytes");
        prop_assert_eq!(received.try_into(), Ok(sent));
    }

    #[test]
    fn orders_survive_the_wire(length in 0_usize..300_000, epoch: u64, sequence: u64) {
        let (longer, manifest) = (manifest(length + 1), manifest(length));
        let source = Source {
            peer: PeerId::from_bytes([3; 16]),
            address: "host:1".parse().expect("an address"),
            zone: (epoch % 2 == 0).then(|| "rack-7".parse().expect("a zone")),
            rank: match epoch % 3 {
                0 => SourceRank::Publisher,
                1 => SourceRank::Keeper,
                _ => SourceRank::Holder,
            },
        };
        for order in [
            Order::Remember(mark(epoch, sequence, 7)),
            Order::Ask { epoch: Epoch::new(epoch), question: sequence },
            Order::Reach {
                epoch: Epoch::new(epoch),
                failure: (epoch % 2 == 0).then(|| shared::model::DialFailure {
                    address: "10.0.0.1:50053".parse().expect("an address"),
                    error: "timed out".to_owned(),
                    since: Timestamp::from_millis(sequence),
                }),
            },
            Order::Adopt {
                epoch: Epoch::new(epoch),
                defaults: NetworkDefaults {
                    replicas: ReplicationTarget::DEFAULT,
                    fragment_length: (epoch % 2 == 0).then_some(FragmentLength::MIN),
                },
            },
            Order::Evict { epoch: Epoch::new(epoch), content: manifest.content(), reason: EvictReason::Surplus, as_of_sequence: sequence, remaining: vec![Remaining {
                holder: source.clone(),
                fragments: manifest.all_fragments(),
            }] },
            Order::Check {
                epoch: Epoch::new(epoch),
                check: sequence,
                holder: source.clone(),
                sample: {
                    let some = longer.clone();
                    Sample::of(&some, some.index(0).expect("not empty"), 7)
                },
            },
            Order::Assign {
                epoch: Epoch::new(epoch),
                fragments: manifest.all_fragments(),
                manifest: manifest.clone(),
                sources: vec![source],
            },
        ] {
            let sent = FromTracker::Order(order);
            prop_assert_eq!(v1::FromTracker::from(sent.clone()).try_into(), Ok(sent));
        }
    }

    #[test]
    fn a_refused_hello_survives_the_wire(run: u64) {
        let address: HostPort = "10.0.0.1:50053".parse().expect("an address");
        for refusal in [
            HelloRefusal::ContestedBy(address.clone()),
            HelloRefusal::CopyOf(address),
            HelloRefusal::OlderThan(Incarnation::new(run)),
            HelloRefusal::AheadOf(Incarnation::new(run)),
            HelloRefusal::OtherNetwork(NetworkId::from_bytes([7; 16])),
        ] {
            let sent = FromTracker::Refused(refusal);
            prop_assert_eq!(v1::FromTracker::from(sent.clone()).try_into(), Ok(sent));
        }
    }

    #[test]
    fn a_challenge_survives_the_wire(nonce: [u8; 32]) {
        let sent = FromTracker::Challenge(Challenge::from_bytes(nonce));
        prop_assert_eq!(v1::FromTracker::from(sent.clone()).try_into(), Ok(sent));
    }

    #[test]
    fn a_welcome_survives_the_wire(epoch: u64, lease in 1_u64..1_000_000, asked in proptest::option::of(any::<u8>())) {
        let sent = FromTracker::Welcome(Welcome {
            network: asked.map(|n| NetworkId::from_bytes([n; 16])),
            epoch: Epoch::new(epoch),
            lease: Duration::from_millis(lease),
            heartbeat: Duration::from_millis(lease),
            listing: asked.map(|n| {
                let mut buckets = DigestBuckets::default();
                buckets.insert(held(n).content);
                buckets
            }),
            defaults: NetworkDefaults {
                fragment_length: (epoch % 2 == 0).then_some(FragmentLength::MIN),
                ..NetworkDefaults::default()
            },
            visitor_host: (epoch % 2 == 0).then(|| std::net::Ipv4Addr::from_bits(7).into()),
            takes_file_news: lease % 2 == 0,
            secret: (epoch % 3 == 0).then(|| SessionSecret::from_bytes([7; 32])),
        });
        prop_assert_eq!(v1::FromTracker::from(sent.clone()).try_into(), Ok(sent));
    }

    #[test]
    fn revisions_survive_the_wire(revision: u64, count: u32, content in content(), kind in 0_u8..5) {
        let target = ReplicationTarget::new(count % 32 + 1).expect("in bounds");
        let collection = (count % 2 == 0).then_some(CollectionSize { parts: count, length: revision });
        let attributes = (count % 3 == 0).then(|| Attributes {
            mode: Mode::of(count),
            modified: ModifiedAt::new(-i64::from(count), count % 1000).expect("within a second"),
        });
        let bound = RevisedContent { content, length: revision, target, collection, attributes };
        let (state, bound) = match kind {
            0 => (RevisionState::Current, Some(bound)),
            1 => (RevisionState::Pinned, Some(bound)),
            2 => (RevisionState::Kept, Some(bound)),
            3 => (RevisionState::Collected, Some(bound)),
            _ => (RevisionState::Removed, None),
        };
        let sent = vec![RevisionEntry {
            revision: Revision::new(revision),
            at: Timestamp::from_millis(revision),
            state,
            pins: PinCount::new(count),
            bound,
            health: None,
        }];
        prop_assert_eq!(v1::HistoryReply::from(sent.clone()).try_into(), Ok(sent));
        let what = NamedRevision { name: Name::new("a@1").expect("a name"), revision: Revision::new(revision.max(1)) };
        let expected = (count % 3 == 0).then_some(PinCount::new(count));
        let wish = PinWish { what, is_pinned: count % 2 == 0, expected };
        prop_assert_eq!(v1::PinRequest::from(&wish).try_into(), Ok(wish));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_valid(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        // None of these may panic; the results do not matter.
        drop(v1::FromPeer::decode(bytes.as_slice()).ok().map(Numbered::<FromPeer>::try_from));
        drop(v1::FromTracker::decode(bytes.as_slice()).ok().map(FromTracker::try_from));
        drop(v1::PublishRequest::decode(bytes.as_slice()).ok().map(Publish::try_from));
        drop(v1::LocateRequest::decode(bytes.as_slice()).ok().map(Locate::try_from));
        drop(v1::LocateReply::decode(bytes.as_slice()).ok().map(shared::model::Location::try_from));
        drop(v1::HistoryReply::decode(bytes.as_slice()).ok().map(Vec::<RevisionEntry>::try_from));
        drop(v1::PinRequest::decode(bytes.as_slice()).ok().map(PinWish::try_from));
        drop(v1::FetchRequest::decode(bytes.as_slice()).ok().map(Fetch::try_from));
        drop(v1::FetchChunk::decode(bytes.as_slice()).ok().map(Chunk::try_from));
    }
}

#[test]
fn a_question_keeps_the_bytes_that_it_is_about() {
    let id = |n: u8| ContentId::from_bytes([n; 32]);
    let bytes = [
        (id(1), vec![0..65_536, 131_072..196_608]),
        (id(2), vec![]),
        (id(3), std::iter::once(65_536..131_072).collect()),
    ];
    let asked = Asked::about_parts(ContentRef::Id(id(9)), id(9), bytes);
    let wire = v1::WhyRequest::from(&asked);
    assert_eq!(Asked::try_from(wire.clone()), Ok(asked.clone()));
    assert_eq!(Asked::try_from(v1::DurabilityRequest::from(&asked)), Ok(asked));
    let range = |part, start, end| v1::PartRange { part, start, end };
    for bad in [
        range(3, 0, 1),
        range(u32::MAX, 0, 1),
        range(0, 5, 5),
        range(0, 6, 5),
    ] {
        let mut wire = wire.clone();
        wire.ranges.push(bad);
        assert!(Asked::try_from(wire).is_err(), "{bad:?}");
    }
    let mut wire = wire;
    wire.ranges = vec![range(0, 0, 1); Asked::MAX_RANGES + 1];
    assert!(Asked::try_from(wire).is_err());
}

#[test]
fn a_manifest_that_lies_is_refused() {
    let honest = v1::Manifest::from(&manifest(200_000));
    assert!(Manifest::try_from(honest.clone()).is_ok());
    let lies: [fn(&mut v1::Manifest); 6] = [
        |m| m.length += 65_536,
        |m| m.length = u64::MAX,
        |m| m.fragment_length = 65_537,
        |m| m.content_id = vec![0; 31].into(),
        |m| m.fragment_roots = m.fragment_roots.slice(1..),
        |m| m.content_id = vec![1; 32].into(),
    ];
    for lie in lies {
        let mut manifest = honest.clone();
        lie(&mut manifest);
        assert!(Manifest::try_from(manifest.clone()).is_err(), "{manifest:?}");
    }
}

#[test]
fn complaints_name_the_field() {
    let error = |request: v1::PublishRequest| Publish::try_from(request).expect_err("invalid").to_string();
    assert_eq!(error(v1::PublishRequest::default()), "missing name");
    let named = v1::PublishRequest {
        name: "a".into(),
        ..Default::default()
    };
    assert_eq!(error(named.clone()), "missing manifest");
    let dotted = v1::PublishRequest {
        name: "../a".into(),
        ..named
    };
    assert!(error(dotted).starts_with("invalid name: a part of a name must not be"));
    let fetch = v1::FetchRequest {
        content_id: vec![0; 32].into(),
        ranges: vec![v1::BlockRange::default(); 65],
        with_leaves: false,
        if_new: true,
    };
    let Err(Invalid::Field { field: "ranges", .. }) = Fetch::try_from(fetch) else {
        panic!("65 ranges are too many")
    };
}

#[test]
fn an_unchanged_peer_says_so_in_a_thousandth_of_a_listing() {
    let holding = |n: u32| Holding {
        content: ContentId::from_bytes(*shared::hash::leaf(&n.to_be_bytes()).as_bytes()),
        fragments: FragmentSet::full(16),
        keeps: true,
        is_assigned: false,
        is_fetching: false,
    };
    let holdings: Vec<_> = (0..100_000).map(holding).collect();
    let size = |message: FromPeer| {
        let sequence = 1;
        v1::FromPeer::from(Numbered { sequence, message }).encoded_len()
    };
    let announce = |holdings: &[Holding]| {
        size(FromPeer::Report(Report::Announce {
            holdings: holdings.to_vec(),
            completes_inventory: true,
        }))
    };
    let listed: usize = holdings.chunks(super::MAX_HOLDINGS).map(announce).sum();
    let hello = size(FromPeer::Hello(
        Hello {
            peer: PeerId::from_bytes([1; 16]),
            incarnation: Incarnation::new(1),
            run: Some(RunId::from_bytes([2; 16])),
            address: "10.0.0.1:50053".parse().expect("an address"),
            zone: None,
            capacity: 1 << 40,
            used: 1 << 30,
            network: None,
            epoch: Epoch::new(1),
            mark: None,
            holdings: Some(holdings.iter().collect()),
            traits: RunTraits::default(),
        },
        Some(point(1)),
    ));
    let unchanged = hello + announce(&[]);
    assert!((4_000_000..6_000_000).contains(&listed), "{listed} bytes");
    assert!((4_096..4_400).contains(&unchanged), "{unchanged} bytes");
}
