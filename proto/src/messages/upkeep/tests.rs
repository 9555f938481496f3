//! Round trips without loss, and arbitrary input that conversion refuses or turns into valid values without a
//! panic.

use proptest::prelude::*;
use prost::Message as _;
use shared::model::{ContentId, ContentState, Extent, Health, Timestamp};

use super::*;

fn name() -> Name {
    "a/b".parse().expect("a name")
}

fn replicas(number: u32) -> ReplicationTarget {
    ReplicationTarget::new(number % 32 + 1).expect("in bounds")
}

fn health(n: u32) -> Health {
    Health {
        state: ContentState::Degraded,
        target: replicas(n),
        fewest: n,
        fragments_at_target: 1,
        fragments: 2,
        copies_under_way: 3,
    }
}

fn any_mode() -> impl Strategy<Value = PeerMode> {
    let until = any::<u64>().prop_map(|at| PeerMode::Maintenance {
        until: Timestamp::from_millis(at),
    });
    prop_oneof![Just(PeerMode::Active), Just(PeerMode::Draining), until]
}

fn any_reasons() -> impl Strategy<Value = Vec<Reason>> {
    let reason = (any::<prop::sample::Index>(), "[a-z ]{0,20}").prop_map(|(code, detail)| Reason {
        code: *code.get(&ReasonCode::ALL),
        detail,
    });
    proptest::collection::vec(reason, 0..5)
}

fn any_losses() -> impl Strategy<Value = Losses> {
    let peer = any::<[u8; 16]>().prop_map(PeerId::from_bytes);
    let pair = (peer.clone(), peer.clone());
    let listed = 0..=Losses::LISTED;
    (
        proptest::collection::vec(peer, listed.clone()),
        proptest::collection::vec(pair, listed),
        any::<(u64, u64, u64)>(),
    )
        .prop_map(|(peers, pairs, (peer_count, pair_count, zone_count))| Losses {
            peers,
            peer_count,
            pairs,
            pair_count,
            zones: vec!["north".parse().expect("a zone")],
            zone_count,
        })
}

/// Times on the wire are whole milliseconds.
fn any_time() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of(any::<u64>().prop_map(Duration::from_millis))
}

proptest! {
    #[test]
    fn wishes_survive_the_wire(n: u32, revision in proptest::option::of(1_u64..), millis: u64, is_named: bool) {
        let set = SetTarget { name: name(), target: replicas(n), expected: revision.map(Revision::new) };
        prop_assert_eq!(v1::SetTargetRequest::from(&set).try_into(), Ok(set));
        let peer = is_named.then(|| PeerId::from_bytes([7; 16]));
        for wish in [RequestedMode::Active, RequestedMode::Drain, RequestedMode::Maintenance(Duration::from_millis(millis))] {
            let set = SetPeerMode { peer, wish };
            prop_assert_eq!(v1::SetDutyRequest::from(set).try_into(), Ok(set));
        }
    }

    #[test]
    fn answers_survive_the_wire(
        (mode, reasons, fatal, remaining) in (any_mode(), any_reasons(), any_losses(), any_time()),
        (a, b, n, is_safe) in any::<(u64, u64, u32, bool)>(),
    ) {
        prop_assert_eq!(v1::SetDutyReply { duty: Some(mode.into()) }.try_into(), Ok(mode));
        let drain = DrainStatus {
            mode, contents: a, bytes: b, contents_left: b, bytes_left: a, is_safe, reasons: reasons.clone(), remaining,
        };
        prop_assert_eq!(v1::DrainStatusReply::from(drain.clone()).try_into(), Ok(drain));
        let repair = Repair { bytes_under_way: a, bytes_waiting: b, pace: 5, remaining };
        let durability = Durability {
            name: name(),
            content: ContentId::from_bytes([1; 32]),
            health: health(n),
            survives_any: n, keepers: 2, proved: Some(1), draining: 3, away: 4, sources: 5,
            fatal: fatal.clone(),
            repair,
            reasons: reasons.clone(),
            extent: Some(Extent { contents: n, length: a }),
        };
        prop_assert_eq!(v1::DurabilityReply::from(durability.clone()).try_into(), Ok(durability));
        let survey = Survey {
            contents: a, bytes: b, replicated: 1, degraded: 2, unavailable: 3, survives: [4, 5, 6, 7],
            fatal,
            endangered: vec![Endangered { fewest: n, name: name(), target: 8, copies_under_way: 9 }],
            repair,
            in_safe_mode: is_safe,
            endangered_names: b,
        };
        prop_assert_eq!(v1::SurveyReply::from(survey.clone()).try_into(), Ok(survey));
        let why = Why { name: name(), content: ContentId::from_bytes([2; 32]), health: health(n), reasons: reasons.clone(), fetch: None, extent: None };
        prop_assert_eq!(v1::WhyReply::from(why.clone()).try_into(), Ok(why.clone()));
        let fetch = FetchStanding { held_bytes: a, length: b, sources: n, reasons };
        let fetched = Why { fetch: Some(fetch), ..why };
        prop_assert_eq!(v1::WhyReply::from(fetched.clone()).try_into(), Ok(fetched));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_valid(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = bytes.as_slice();
        drop(v1::SetTargetRequest::decode(bytes).ok().map(SetTarget::try_from));
        drop(v1::SetDutyRequest::decode(bytes).ok().map(SetPeerMode::try_from));
        drop(v1::DrainStatusReply::decode(bytes).ok().map(DrainStatus::try_from));
        drop(v1::DurabilityReply::decode(bytes).ok().map(Durability::try_from));
        drop(v1::SurveyReply::decode(bytes).ok().map(Survey::try_from));
        drop(v1::WhyReply::decode(bytes).ok().map(Why::try_from));
    }
}

#[test]
fn older_trackers_have_active_peers_and_newer_ones_new_reasons() {
    assert_eq!(ModeOf::from(None).0, PeerMode::Active);
    let reason = v1::Reason {
        code: "of_the_future".into(),
        detail: "words".into(),
    };
    let reason = Reason::try_from(reason).expect("unknown codes are allowed");
    assert_eq!(
        (reason.code, reason.detail.as_str()),
        (ReasonCode::Other, "words")
    );
    let many = v1::WhyReply {
        extent: None,
        name: "a".into(),
        content_id: vec![0; 32].into(),
        health: Some(health(1).into()),
        reasons: vec![v1::Reason::default(); MAX_REASONS + 1],
        fetch: None,
    };
    assert!(Why::try_from(many).is_err(), "lists are bounded");
}
