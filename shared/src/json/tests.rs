//! Every shape, filled from domain types and compared as JSON.

use std::time::Duration;

use serde_json::{Value as Json, json, to_value};

use super::*;
use crate::model::{
    Binding, CollectionSize, ContentState, Digest, DrainStatus, Extent, FragmentLength, FragmentSet, Health,
    Holder, Incarnation, Listing, Location, Losses, Manifest, PeerId, PeerInfo, PeerMode, PeerState, Reach,
    Reason, ReasonCode, Repair, ReplicationTarget, Revision as RevisionNumber, Share, SourceRank, Survey,
    Timestamp, Whole, Why,
};

fn value(shape: impl Serialize) -> Json {
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
        reach: Reach::Reachable,
        is_visitor: false,
        copy: None,
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
        revision: RevisionNumber::new(4),
        content: manifest().content(),
        length: 150_000,
        target: ReplicationTarget::new(2).expect("a target"),
        published_at: Timestamp::from_millis(1_700_000_000_000),
        metadata: None,
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
                rank: SourceRank::Keeper,
                proved_at: Some(crate::model::Timestamp::from_millis(5)),
            },
            Holder {
                peer: peer(2, None),
                fragments: second_only,
                keeps: false,
                rank: SourceRank::Holder,
                proved_at: None,
            },
        ],
        holder_count: 2,
        manifest: manifest.clone(),
        whole: Some(Whole {
            extent: Extent {
                contents: 1,
                length: 150_000,
            },
            holder_count: 300,
            keeper_count: 299,
            shares: Vec::new(),
        }),
    };
    let (one, two) = ("01".repeat(16), "02".repeat(16));
    let expected = json!({
        "name": "a/x", "revision": 4, "content": manifest.content().to_string(), "length": 150_000,
        "directory": false, "contents": 1,
        "fragment_length": 65_536, "target": 2, "state": "degraded", "fewest": 1, "fragments_at_target": 1,
        "fragment_count": 3, "copies_under_way": 2, "published_at_ms": 1_700_000_000_000_u64,
        "holder_count": 300, "keeper_count": 299,
        "fragments": [
            {"index": 0, "holders": [one], "keepers": [one]},
            {"index": 1, "holders": [one, two], "keepers": [one]},
            {"index": 2, "holders": [], "keepers": []},
        ],
        "peers": [
            {"id": one, "addr": "127.0.0.1:1", "zone": "rack-1", "state": "live", "keeps": true,
                "fragments_held": 2, "fragments_kept": 2, "proved_at_ms": 5},
            {"id": two, "addr": "127.0.0.1:2", "zone": null, "state": "live", "keeps": false,
                "fragments_held": 1, "fragments_kept": 0, "proved_at_ms": null},
        ],
    });
    assert_eq!(value(Located::new(&location)), expected);
}

#[test]
fn names_say_what_they_are_bound_to_and_how_it_stands() {
    let expected = json!({"names": [{
        "name": "a/x", "revision": 4, "content": binding().content.to_string(), "length": 150_000,
        "published_at_ms": 1_700_000_000_000_u64, "pinned_revisions": [2, 4], "state": "degraded", "target": 2, "fewest": 1,
        "fragments_at_target": 1, "fragments": 3, "directory": false, "copies_under_way": 2,
    }]});
    let listing = Listing {
        binding: binding(),
        health: health(),
        pinned: [2, 4].map(RevisionNumber::new).into(),
    };
    assert_eq!(value(Names::new(&[listing])), expected);
    assert_eq!(value(Names::new(&[])), json!({"names": []}));
}

#[test]
fn the_network_is_its_peers_and_the_tracker() {
    let expected = json!({"epoch": 3, "safe_mode": true, "in_safe_mode": true, "peers": [{
        "id": "01".repeat(16), "addr": "127.0.0.1:1", "address": "127.0.0.1:1", "zone": null, "state": "live",
        "capacity": 100, "free": 60, "contents": 2, "incarnation": 7, "duty": "active",
        "reach": "reachable", "unreachable": null, "visitor": false,
    }]});
    assert_eq!(value(Network::new(&[peer(1, None)], 3, true)), expected);
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
    let verified = || VerifiedSoFar {
        done: 1,
        total: 2,
        damaged: 3,
        missing: 4,
    };
    assert_eq!(
        value(VerifyLine::Done(verified())),
        json!({"event": "done", "done": 1, "total": 2, "damaged": 3, "missing": 4})
    );
    assert_eq!(value(VerifyLine::Progress(verified()))["event"], "progress");
}

#[test]
fn the_last_line_of_a_drain_says_that_it_is_safe() {
    let status = DrainStatus {
        mode: PeerMode::Draining,
        contents: 3,
        bytes: 30,
        contents_left: 0,
        bytes_left: 0,
        is_safe: true,
        reasons: vec![],
        remaining: None,
    };
    assert_eq!(
        value(DrainLine::Done((&status).into())),
        json!({
            "event": "done", "duty": "draining", "maintenance_until_ms": null, "contents": 3, "bytes": 30,
            "contents_left": 0, "bytes_left": 0, "safe": true, "reasons": [], "remaining_ms": null,
        })
    );
    let until = Timestamp::from_millis(5);
    assert_eq!(
        value(ModeReport::from(PeerMode::Maintenance { until })),
        json!({"duty": "maintenance", "maintenance_until_ms": 5})
    );
}

#[test]
fn a_survey_has_every_figure() {
    let (one, other) = (PeerId::from_bytes([1; 16]), PeerId::from_bytes([2; 16]));
    let survey = Survey {
        contents: 4,
        survives: [1, 2, 1, 0],
        fatal: Losses {
            pairs: vec![(one, other)],
            pair_count: 20,
            ..Losses::default()
        },
        repair: Repair {
            pace: 7,
            remaining: Some(Duration::from_secs(2)),
            ..Repair::default()
        },
        ..Survey::default()
    };
    let told = value(Surveyed::from(&survey));
    assert_eq!(told["endangered_names"], 0);
    assert_eq!(
        told["survives"],
        json!({"none": 1, "any_one": 2, "any_two": 1, "any_three": 0})
    );
    assert_eq!(
        told["fatal"]["pairs"],
        json!([["01".repeat(16), "02".repeat(16)]])
    );
    assert_eq!(told["fatal"]["pair_count"], 20);
    assert_eq!(told["repair"]["bytes_per_second"], 7);
    assert_eq!(told["repair"]["remaining_ms"], 2_000);
    let why = Why {
        name: binding().name,
        content: binding().content,
        health: health(),
        reasons: vec![Reason {
            code: ReasonCode::TooFewPeers,
            detail: "words".to_owned(),
        }],
        fetch: None,
        extent: None,
    };
    assert_eq!(
        value(Explained::from(&why))["reasons"],
        json!([{"code": "too_few_peers", "detail": "words"}])
    );
}

#[test]
fn a_directory_is_listed_and_located_with_all_of_its_parts() {
    let mut bound = binding();
    bound.collection = Some(CollectionSize {
        parts: 2,
        length: 9_000_000,
    });
    let listing = Listing {
        binding: bound.clone(),
        health: health(),
        pinned: [].into(),
    };
    let told = value(Names::new(&[listing]));
    assert_eq!(
        (&told["names"][0]["length"], &told["names"][0]["directory"]),
        (&json!(9_000_000), &json!(true))
    );
    let share = |n, kept| Share {
        peer: peer(n, None),
        held: 40,
        kept,
        bytes: 1,
    };
    let mut location = Location {
        binding: bound,
        health: health(),
        holders: vec![Holder {
            peer: peer(1, None),
            fragments: FragmentSet::empty(3),
            keeps: true,
            rank: SourceRank::Keeper,
            proved_at: None,
        }],
        holder_count: 1,
        manifest: manifest(),
        whole: Some(Whole {
            extent: Extent {
                contents: 3,
                length: 9_150_000,
            },
            holder_count: 2,
            keeper_count: 1,
            shares: vec![share(1, 30), share(2, 0)],
        }),
    };
    let told = value(Located::new(&location));
    assert_eq!(
        (&told["contents"], &told["length"]),
        (&json!(3), &json!(9_000_000))
    );
    assert_eq!(
        (&told["holder_count"], &told["keeper_count"]),
        (&json!(2), &json!(1))
    );
    let held = ["keeps", "fragments_held", "fragments_kept"].map(|key| told["peers"][1][key].clone());
    assert_eq!(held, [json!(false), json!(40), json!(0)]);
    // An older tracker tells of the catalog alone, and the document says so.
    location.whole = None;
    let told = value(Located::new(&location));
    assert_eq!(
        (&told["contents"], &told["keeper_count"]),
        (&Json::Null, &Json::Null)
    );
    assert_eq!(
        (&told["holder_count"], &told["peers"][0]["keeps"]),
        (&json!(1), &json!(true))
    );
}
