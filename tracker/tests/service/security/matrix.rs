//! The matrix: every call of the tracker with everything that is not good enough for it.

use shared::model::PeerId;
use shared::runtime::Clock;
use shared::security::authorization::{Action, Call, calls};
use shared::security::{ApiToken, Grant, Right, Role, Scope};
use tracker::authority::Authority;

use super::{Answer, DAY, Joined, Secured, call, certified_by, elsewhere, handle, identity, texts};

/// Calls that everybody may make.
const OPEN: [&str; 6] = [
    "/enjambre.v1.Security/Enrol",
    "/enjambre.v1.Security/Renew",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "GET /healthz",
    "GET /readyz",
];

fn of_tracker() -> Vec<Call> {
    calls().filter(|call| call.program == Role::Tracker).collect()
}

fn token_of(made: proto::messages::security::CreatedToken) -> ApiToken {
    match made.secret {
        proto::messages::security::CreatedSecret::Api(secret) => ApiToken {
            id: made.entry.id,
            secret,
        },
        proto::messages::security::CreatedSecret::Join(_) => panic!("no API token"),
    }
}

async fn token(tracker: &Secured, scopes: &[(Right, &str)]) -> ApiToken {
    let scopes = scopes.iter().map(|(right, prefix)| Scope::new(*right, *prefix));
    let grant = Grant::Api {
        scopes: scopes.collect::<Result<_, _>>().expect("scopes"),
    };
    let made = tracker.administrator().create_token(grant, None).await;
    token_of(made.expect("made"))
}

/// Asserts that of all calls exactly those are let in; returns the number of calls.
async fn lets_in(
    tracker: &Secured,
    who: &str,
    (tls, token): (&proto::tls::Tls, Option<&ApiToken>),
    may: impl Fn(&Call) -> bool,
) -> usize {
    let all = of_tracker();
    let is_listed = |name: &&str| all.iter().any(|called| called.name == *name);
    assert!(OPEN.iter().all(is_listed), "they are in the table");
    for called in &all {
        let answer = call(tracker.served.address, tls, token, called.name, &[]).await;
        let expected = OPEN.contains(&called.name) || may(called);
        let is_as_expected = match expected {
            true => answer == Answer::LetIn,
            false => matches!(answer, Answer::Refused(_)),
        };
        // An empty request for a certificate is no refusal of the call.
        assert!(is_as_expected, "{who}: {}: {answer:?}", called.name);
    }
    all.len()
}

#[tokio::test]
async fn nothing_is_let_in_over_a_connection_that_is_not_good_enough() {
    let tracker = Secured::start().await;
    let (authority, now) = (tracker.authority(), Clock::system().now());
    let peer = |authority: &Authority| identity(authority, Role::Peer, 1);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let impostor = Authority::create(dir.path(), authority.cluster(), Vec::new(), now).expect("made");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let other = Authority::create(dir.path(), elsewhere(), Vec::new(), now).expect("made");
    let roots = || authority.roots(now);
    let revoked = Joined::new(&tracker, 5).await;
    let administrator = tracker.administrator();
    administrator
        .revoke_member(revoked.id.into())
        .await
        .expect("revoked");
    let past = shared::model::Timestamp::from_millis(now.as_millis() - 40 * 86_400_000);
    let ways = [
        (
            "another authority",
            certified_by(&impostor, peer(&impostor), now).0,
        ),
        ("another cluster", certified_by(&other, peer(&other), now).0),
        ("expired", tracker.credentials_at(peer(&authority), past).0),
        (
            "not yet valid",
            tracker.credentials_at(peer(&authority), now.after(DAY)).0,
        ),
    ];
    let mut asked = 0;
    for (way, mut credentials) in ways {
        // They know whom they talk to; the tracker does not want to know them.
        credentials.roots = roots();
        let tls = handle(credentials);
        for called in of_tracker() {
            let answer = call(tracker.served.address, &tls, None, called.name, &[]).await;
            assert_eq!(answer, Answer::Unheard, "{way}: {}", called.name);
            asked += 1;
        }
    }
    // It is told what it is.
    asked += lets_in(&tracker, "revoked", (revoked.tls(), None), |_| false).await;
    let answer = call(
        tracker.served.address,
        revoked.tls(),
        None,
        "GET /api/v1/names",
        &[],
    )
    .await;
    assert!(
        matches!(&answer, Answer::Refused(why) if why.contains("this member was revoked")),
        "{answer:?}"
    );
    assert_eq!(asked, of_tracker().len() * 5);
    assert!(of_tracker().len() > 40, "the table has them all");
    tracker.served.stop().await;
}

#[tokio::test]
async fn everybody_is_let_in_where_their_role_allows_it_and_nowhere_else() {
    let tracker = Secured::start().await;
    let authority = tracker.authority();
    let now = Clock::system().now();
    let guest = tracker.guest();
    let only = |actions: &'static [Action]| {
        move |call: &Call| call.actions.iter().all(|action| actions.contains(action))
    };
    let mut asked = 0;
    // On this machine, without any certificate.
    let reads = only(&[Action::Read, Action::Describe]);
    asked += lets_in(&tracker, "nobody", (&guest, None), reads).await;
    for (role, actions) in [
        (
            Role::Peer,
            // Nothing is said yet of whom it speaks for.
            &[
                Action::Read,
                Action::Publish,
                Action::Remove,
                Action::Speak,
                Action::Operate,
                Action::Describe,
                Action::Belong,
            ][..],
        ),
        (Role::Webserver, &[Action::Describe, Action::Belong]),
        (Role::Tracker, &[Action::Read, Action::Describe, Action::Belong]),
        (Role::User, &[Action::Read, Action::Describe, Action::Belong]),
    ] {
        let credentials = tracker.credentials_at(identity(&authority, role, 8), now).0;
        let tls = handle(credentials);
        asked += lets_in(&tracker, role.as_str(), (&tls, None), only(actions)).await;
    }
    for (scopes, actions) in [
        (&[(Right::Read, "")][..], &[Action::Read, Action::Describe][..]),
        (&[(Right::Publish, "")], &[Action::Publish, Action::Describe]),
        (&[(Right::Remove, "")], &[Action::Remove, Action::Describe]),
        (
            &[(Right::Admin, "")],
            &[
                Action::Read,
                Action::Publish,
                Action::Remove,
                Action::Operate,
                Action::Administer,
                Action::Describe,
            ],
        ),
    ] {
        let token = token(&tracker, scopes).await;
        asked += lets_in(
            &tracker,
            &format!("{scopes:?}"),
            (&guest, Some(&token)),
            only(actions),
        )
        .await;
    }
    let unknown = ApiToken::random();
    for called in of_tracker() {
        let answer = call(tracker.served.address, &guest, Some(&unknown), called.name, &[]).await;
        let is_as_expected = match OPEN.contains(&called.name) {
            // Nobody has to know the token there.
            true => answer == Answer::LetIn,
            false => matches!(&answer, Answer::Refused(why) if why.contains("unknown, revoked")),
        };
        assert!(is_as_expected, "{}: {answer:?}", called.name);
        asked += 1;
    }
    assert_eq!(asked, of_tracker().len() * 10);
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_peer_speaks_for_itself_only() {
    let tracker = Secured::start().await;
    let peer = Joined::new(&tracker, 1).await;
    let (own, other) = ([1; 16], [2; 16]);
    let bytes =
        |n: u8, bytes: &[u8]| [&[n << 3 | 2, u8::try_from(bytes.len()).expect("short")], bytes].concat();
    for (name, rest) in [
        ("/enjambre.v1.Upkeep/SetDuty", bytes(2, &[])),
        ("/enjambre.v1.Upkeep/ForgetPeer", Vec::new()),
        ("/enjambre.v1.Upkeep/Release", bytes(2, &[7; 32])),
    ] {
        for (id, expected) in [(own, true), (other, false)] {
            let message = [bytes(1, &id), rest.clone()].concat();
            let answer = call(tracker.served.address, peer.tls(), None, name, &message).await;
            let is_of_another =
                matches!(&answer, Answer::Refused(why) if why.contains("acts for itself only"));
            assert_eq!(!is_of_another, expected, "{name}: {answer:?}");
        }
    }
    // A hello with another peer's id, and a publication in its name.
    let client = proto::client::SessionClient::new(&tracker.address(), peer.tls()).expect("an address");
    let refused = client
        .open(super::super::hello(2, 1, 0), Some(&peer.key))
        .await
        .map(drop);
    let Err(proto::client::NotWelcome::Failed(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert!(refused.to_string().contains("acts for itself only"), "{refused}");
    assert_eq!(peer.id, PeerId::from_bytes(own));
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_scope_with_a_prefix_is_about_names_with_it() {
    let tracker = Secured::start().await;
    let guest = tracker.guest();
    let scopes = [Right::Read, Right::Publish, Right::Remove].map(|right| (right, "models/"));
    let token = token(&tracker, &scopes).await;
    let ask = async |name: &str, message: &[u8]| {
        call(tracker.served.address, &guest, Some(&token), name, message).await
    };
    let rpcs = [
        (
            "Catalog/Head",
            vec![texts(&["models/a"])],
            vec![texts(&["other"])],
        ),
        (
            "Catalog/List",
            vec![texts(&["models/"]), texts(&["models/x"])],
            vec![texts(&[""]), texts(&["mod"])],
        ),
        (
            "Catalog/Remove",
            vec![texts(&["models/a"])],
            vec![texts(&["model"])],
        ),
        (
            "Catalog/Rename",
            vec![texts(&["models/a", "models/b"])],
            vec![texts(&["models/a", "b"]), texts(&["a", "models/b"])],
        ),
        ("Catalog/History", vec![texts(&["models/a"])], vec![texts(&["a"])]),
        // Field 2, a number: the revision.
        (
            "Catalog/Pin",
            vec![[texts(&["models/a"]), vec![0x10, 1]].concat()],
            vec![[texts(&["a"]), vec![0x10, 1]].concat()],
        ),
        (
            "Upkeep/SetTarget",
            vec![[texts(&["models/a"]), vec![0x10, 2]].concat()],
            vec![[texts(&["a"]), vec![0x10, 2]].concat()],
        ),
        // Calls about the whole network, or a content whose names nobody knows.
        ("Catalog/Watch", vec![], vec![vec![]]),
        ("Catalog/Events", vec![], vec![vec![]]),
        ("Catalog/Peers", vec![], vec![vec![]]),
        ("Upkeep/Survey", vec![], vec![vec![]]),
    ];
    for (name, good, bad) in rpcs {
        for message in good {
            let answer = ask(&format!("/enjambre.v1.{name}"), &message).await;
            assert_eq!(answer, Answer::LetIn, "{name}");
        }
        for message in bad {
            let answer = ask(&format!("/enjambre.v1.{name}"), &message).await;
            let is_refused = matches!(&answer, Answer::Refused(why) if why.contains("no scope of the token"));
            assert!(is_refused, "{name}: {answer:?}");
        }
    }
    for (route, is_let_in) in [
        ("GET /api/v1/names?prefix=models/", true),
        ("GET /api/v1/names", false),
        ("GET /api/v1/names?prefix=m", false),
        ("GET /api/v1/names/models/a", true),
        ("GET /api/v1/names/a", false),
        // The beginning of an id, which no name has.
        ("GET /api/v1/names/0123abcd", false),
        ("GET /api/v1/history/models/a", true),
        ("GET /api/v1/history/a", false),
        ("GET /api/v1/contents/{id}", false),
        ("GET /api/v1/peers", false),
        ("GET /api/v1/status", false),
    ] {
        let answer = ask(route, &[]).await;
        assert_eq!(answer == Answer::LetIn, is_let_in, "{route}: {answer:?}");
    }
    tracker.served.stop().await;
}
