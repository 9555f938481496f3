//! Every shape, filled from domain types and compared as JSON.

use std::time::Duration;

use proto::messages::control::{
    AddEvent, LocalContent, LocalRole, RateLimits, Scrub, SessionStatus, Status, Verified,
};
use serde_json::{Value, json, to_value};
use shared::model::{
    Binding, ByteRate, ContentId, ContentState, Digest, Epoch, FaultKind, FragmentLength, FragmentSet,
    Health, Holder, Incarnation, Listing, Location, Manifest, PeerId, PeerInfo, PeerMode, PeerState,
    ReplicationTarget, Revision, SourceFault, Timestamp,
};

use super::*;

fn value(shape: impl Serialize) -> Value {
    to_value(shape).expect("JSON")
}

fn peer(byte: u8, zone: Option<&str>) -> PeerInfo {
    PeerInfo {
        id: PeerId::from_bytes([byte; 16]),
        address: format!("127.0.0.1:{byte}").parse().expect("an address"),
        zone: zone.map(|zone| zone.parse().expect("a zone")),
        state: PeerState::Live,
        capacity: 100,
        free: 60,
        incarnation: Incarnation::new(7),
        contents: 2,
        mode: PeerMode::Active,
    }
}

fn manifest() -> Manifest {
    let roots = vec![Digest::from_bytes([1; 32]); 3];
    Manifest::from_roots(150_000, FragmentLength::MIN, roots).expect("three fragments")
}

fn health() -> Health {
    Health {
        state: ContentState::Degraded,
        target: ReplicationTarget::new(2).expect("a target"),
        fewest: 1,
        fragments_at_target: 1,
        fragments: 3,
        copies_under_way: 2,
    }
}

fn binding() -> Binding {
    Binding {
        name: "a/x".parse().expect("a name"),
        revision: Revision::new(4),
        content: manifest().content(),
        length: 150_000,
        target: ReplicationTarget::new(2).expect("a target"),
        published_at: Timestamp::from_millis(1_700_000_000_000),
        collection: None,
    }
}

#[test]
fn locate_lists_the_holders_of_every_fragment() {
    let manifest = manifest();
    let mut second_only = FragmentSet::empty(3);
    second_only.insert(manifest.index(1).expect("three fragments"));
    let mut first_two = second_only.clone();
    first_two.insert(manifest.index(0).expect("three fragments"));
    let location = Location {
        binding: binding(),
        health: health(),
        holders: vec![
            Holder {
                peer: peer(1, Some("rack-1")),
                fragments: first_two,
                keeps: true,
            },
            Holder {
                peer: peer(2, None),
                fragments: second_only,
                keeps: false,
            },
        ],
        holder_count: 2,
        manifest: manifest.clone(),
    };
    let (one, two) = ("01".repeat(16), "02".repeat(16));
    let expected = json!({
        "name": "a/x", "revision": 4, "content": manifest.content().to_string(), "length": 150_000,
        "fragment_length": 65_536, "target": 2, "state": "degraded",
        "fragments": [
            {"index": 0, "holders": [one]},
            {"index": 1, "holders": [one, two]},
            {"index": 2, "holders": []},
        ],
        "peers": [
            {"id": one, "addr": "127.0.0.1:1", "zone": "rack-1", "state": "live"},
            {"id": two, "addr": "127.0.0.1:2", "zone": null, "state": "live"},
        ],
    });
    assert_eq!(value(Located::from(&location)), expected);
}

#[test]
fn names_say_what_they_are_bound_to_and_how_it_stands() {
    let expected = json!({"names": [{
        "name": "a/x", "revision": 4, "content": binding().content.to_string(), "length": 150_000,
        "published_at_ms": 1_700_000_000_000_u64, "pinned_revisions": [2, 4], "state": "degraded", "target": 2, "fewest": 1,
        "fragments_at_target": 1, "fragments": 3,
    }]});
    let listing = Listing {
        binding: binding(),
        health: health(),
        pinned: [2, 4].map(Revision::new).into(),
    };
    assert_eq!(value(Names::from([listing].as_slice())), expected);
    assert_eq!(value(Names::from([].as_slice())), json!({"names": []}));
}

#[test]
fn held_contents_say_why_they_are_here() {
    let content = LocalContent {
        content: ContentId::EMPTY,
        name: None,
        length: 0,
        fragments: 0,
        fragments_held: 0,
        role: LocalRole::Assigned,
        path: None,
        is_pending: false,
    };
    let expected = json!({"contents": [{
        "content": "00".repeat(32), "name": null, "length": 0, "fragments": 0, "fragments_held": 0,
        "role": "assigned", "path": null, "pending": false,
    }]});
    assert_eq!(value(Contents::from([content].as_slice())), expected);
}

#[test]
fn the_network_is_its_peers_and_the_tracker() {
    let expected = json!({"epoch": 3, "safe_mode": true, "peers": [{
        "id": "01".repeat(16), "addr": "127.0.0.1:1", "zone": null, "state": "live",
        "capacity": 100, "free": 60, "contents": 2, "incarnation": 7, "duty": "active",
    }]});
    assert_eq!(value(Network::new(&[peer(1, None)], 3, true)), expected);
}

#[test]
fn a_node_says_how_its_session_stands() {
    let mut status = Status {
        peer: PeerId::from_bytes([1; 16]),
        incarnation: Incarnation::new(7),
        address: "127.0.0.1:1".parse().expect("an address"),
        zone: None,
        data_dir: "/d".into(),
        version: "0.1.0".to_owned(),
        capacity: 100,
        used: 40,
        contents: 2,
        session: SessionStatus::Offline,
        epoch: Epoch::new(3),
        pending_publications: 1,
        uptime: Duration::from_millis(1500),
        bytes_sent: 5,
        bytes_received: 6,
        bytes_wasted: 4,
        active_fetches: 0,
        active_uploads: 1,
        limits: RateLimits {
            upload: ByteRate::new(7),
            download: None,
        },
        culprits: vec![SourceFault {
            peer: PeerId::from_bytes([2; 16]),
            address: "127.0.0.1:2".parse().expect("an address"),
            kind: FaultKind::Stalled,
            times: 3,
            ago: Duration::from_millis(1500),
            rate: None,
        }],
        scrub: Scrub {
            done: 1,
            total: 2,
            damaged: 3,
            rounds: 4,
        },
    };
    let expected = json!({
        "id": "01".repeat(16), "incarnation": 7, "addr": "127.0.0.1:1", "zone": null, "data_dir": "/d",
        "version": "0.1.0", "capacity": 100, "used": 40, "contents": 2, "session": "offline", "tracker": null,
        "reason": null, "epoch": 3, "pending_publications": 1, "uptime_ms": 1500, "bytes_sent": 5,
        "bytes_received": 6, "active_fetches": 0, "active_uploads": 1,
        "upload_limit": 7, "download_limit": null, "bytes_wasted": 4,
        "culprits": [{"id": "02".repeat(16), "addr": "127.0.0.1:2", "offence": "stalled", "times": 3,
            "ago_ms": 1500, "bytes_per_second": null}],
        "scrub": {"done": 1, "total": 2, "damaged": 3, "rounds": 4},
    });
    assert_eq!(value(NodeStatus::from(&status)), expected);
    let tracker = "t:1".parse().expect("an address");
    status.session = SessionStatus::Connecting {
        tracker: Some(tracker),
        reason: "refused".to_owned(),
    };
    let told = value(NodeStatus::from(&status));
    assert_eq!(
        (&told["session"], &told["tracker"], &told["reason"]),
        (&json!("connecting"), &json!("t:1"), &json!("refused"))
    );
}

#[test]
fn add_tells_events_by_their_names() {
    let hashing = AddEvent::Hashing { done: 1, total: 2 };
    assert_eq!(
        value(AddLine::from(&hashing)),
        json!({"event": "hashing", "done": 1, "total": 2})
    );
    let shared = AddEvent::Shared {
        content: ContentId::EMPTY,
        length: 0,
        fragment_length: FragmentLength::MIN,
        fragments: 0,
        is_pending: true,
    };
    let expected = json!({"event": "shared", "content": "00".repeat(32), "length": 0, "fragment_length": 65_536,
        "fragments": 0, "pending": true});
    assert_eq!(value(AddLine::from(&shared)), expected);
    let expected = json!({"event": "published", "name": "a/x", "revision": 4,
        "content": binding().content.to_string(), "target": 2});
    assert_eq!(value(AddLine::from(&AddEvent::Published(binding()))), expected);
    let expected = json!({"event": "replicas", "state": "degraded", "target": 2, "fewest": 1,
        "fragments_at_target": 1, "fragments": 3});
    assert_eq!(value(AddLine::from(&AddEvent::Replicas(health()))), expected);
}

#[test]
fn the_short_results_are_objects_too() {
    let removed = Removed {
        name: "a/x".to_owned(),
        revision: 5,
    };
    assert_eq!(value(removed), json!({"name": "a/x", "revision": 5}));
    let forgotten = Forgotten {
        content: "ab".to_owned(),
        freed: 9,
    };
    assert_eq!(value(forgotten), json!({"content": "ab", "freed": 9}));
    let ready = ServeLine::Ready {
        address: "127.0.0.1:1".to_owned(),
    };
    assert_eq!(value(ready), json!({"event": "ready", "address": "127.0.0.1:1"}));
    let verified = Verified {
        done: 1,
        total: 2,
        damaged: 3,
    };
    assert_eq!(
        value(VerifyLine::Done(verified.into())),
        json!({"event": "done", "done": 1, "total": 2, "damaged": 3})
    );
    assert_eq!(value(VerifyLine::Progress(verified.into()))["event"], "progress");
}
