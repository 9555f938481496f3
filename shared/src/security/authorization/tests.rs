//! The whole decision, caller by caller.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::{ClusterId, MemberId};

const OWN: MemberId = MemberId::from_bytes([1; 16]);

const ACTIONS: [Action; 12] = [
    Action::Probe,
    Action::Enter,
    Action::Describe,
    Action::Belong,
    Action::Read,
    Action::Publish,
    Action::Remove,
    Action::Speak,
    Action::Transfer,
    Action::Operate,
    Action::Administer,
    Action::Command,
];

fn member(role: Role) -> Caller {
    let identity = Identity {
        id: OWN,
        role,
        cluster: ClusterId::from_bytes([2; 8]),
    };
    let key = KeyHash::from_bytes([3; 32]);
    Caller::Member { identity, key }
}

fn token(scopes: &str) -> Caller {
    let scopes = scopes
        .split_whitespace()
        .map(|scope| scope.parse().expect("a scope"));
    Caller::Token {
        id: TokenId::from_bytes([4; 8]),
        scopes: scopes.collect(),
    }
}

fn revoked() -> Caller {
    let Caller::Member { identity, .. } = member(Role::Peer) else {
        unreachable!("a member")
    };
    Caller::Revoked { identity }
}

/// Returns the actions that a caller may take on the network before its request is read.
fn admitted(mode: Mode, caller: &Caller, audience: Audience) -> Vec<Action> {
    let may = |action: &Action| judge(mode, caller, audience, *action, Object::Unread).is_ok();
    ACTIONS.into_iter().filter(may).collect()
}

#[test]
fn each_kind_of_caller_has_its_actions_and_no_others() {
    use Action::*;
    for (caller, more) in [
        (Caller::Anonymous, vec![]),
        (revoked(), vec![]),
        (Caller::OwnMachine, vec![Describe, Read]),
        (member(Role::Tracker), vec![Describe, Belong, Read]),
        (member(Role::Webserver), vec![Describe, Belong]),
        (
            member(Role::Peer),
            vec![Describe, Belong, Read, Publish, Remove, Speak, Transfer, Operate],
        ),
        (member(Role::User), vec![Describe, Belong, Read]),
        (token(""), vec![Describe]),
        (token("read:a/"), vec![Describe, Read]),
        (token("publish:a/ remove:b/"), vec![Describe, Publish, Remove]),
        (token("admin:a/"), vec![Describe, Read, Publish, Remove]),
        (
            token("admin"),
            vec![Describe, Read, Publish, Remove, Operate, Administer],
        ),
    ] {
        let expected = [vec![Probe, Enter], more].concat();
        assert_eq!(
            admitted(Mode::Required, &caller, Audience::Network),
            expected,
            "{caller:?}"
        );
    }
}

#[test]
fn a_peer_acts_for_itself_only() {
    let (peer, own) = (member(Role::Peer), PeerId::from(OWN));
    let other = PeerId::from_bytes([9; 16]);
    for action in [Action::Speak, Action::Operate] {
        let about = |object| judge(Mode::Required, &peer, Audience::Network, action, object);
        assert_eq!(about(Object::Peer(own)), Ok(()));
        for object in [Object::Peer(other), Object::Network, Object::Name("a")] {
            assert_eq!(about(object), Err(Denial::OtherPeer), "{action:?} {object:?}");
        }
    }
    // The id alone is no peer.
    let tracker = member(Role::Tracker);
    let spoken = judge(
        Mode::Required,
        &tracker,
        Audience::Network,
        Action::Speak,
        Object::Peer(own),
    );
    assert_eq!(spoken, Err(Denial::Role(Role::Tracker)));
}

#[test]
fn a_token_reaches_as_far_as_its_scopes() {
    let caller = token("read publish:models/ admin:team/");
    let about = |action, object| judge(Mode::Required, &caller, Audience::Network, action, object);
    for (action, object) in [
        (Action::Read, Object::Network),
        (Action::Read, Object::Name("anything")),
        (Action::Publish, Object::Name("models/7b")),
        (Action::Publish, Object::Name("team/x")),
        (Action::Remove, Object::Name("team/x")),
    ] {
        assert_eq!(about(action, object), Ok(()), "{action:?} {object:?}");
    }
    for (action, object, right) in [
        (Action::Publish, Object::Name("model"), Right::Publish),
        (Action::Publish, Object::Network, Right::Publish),
        (Action::Remove, Object::Name("models/7b"), Right::Remove),
        (Action::Operate, Object::Peer(OWN.into()), Right::Admin),
        (Action::Operate, Object::Name("team/x"), Right::Admin),
        (Action::Administer, Object::Network, Right::Admin),
        (Action::Administer, Object::Unread, Right::Admin),
    ] {
        assert_eq!(
            about(action, object),
            Err(Denial::Scope(right)),
            "{action:?} {object:?}"
        );
    }
}

#[test]
fn a_node_serves_its_machine_and_tokens_and_no_other_member() {
    let at = |caller: &Caller| admitted(Mode::Required, caller, Audience::Machine);
    assert_eq!(at(&Caller::OwnMachine), ACTIONS);
    let public = [Action::Probe, Action::Enter];
    assert_eq!(at(&Caller::Anonymous), public);
    assert_eq!(at(&member(Role::Peer)), public);
    let names = [Action::Describe, Action::Read, Action::Publish, Action::Remove];
    assert_eq!(at(&token("read publish remove")), [&public[..], &names].concat());
    let command = Call::of_rpc(Role::Peer, "/enjambre.v1.Control/Status").expect("in the table");
    assert_eq!(
        command.admit(Mode::Required, &token("admin")),
        Err(Denial::OtherMachine)
    );
}

#[test]
fn without_security_everything_stays_as_it_was() {
    for call in calls() {
        let by = |caller: &Caller| call.admit(Mode::Off, caller);
        let is_of_security = call.actions.contains(&Action::Administer) || call.actions == [Action::Belong];
        let (own, others) = match call.audience {
            _ if is_of_security => (Err(Denial::Unsecured), Err(Denial::Unsecured)),
            Audience::Network => (Ok(()), Ok(())),
            Audience::Machine => (Ok(()), Err(Denial::OtherMachine)),
        };
        assert_eq!(by(&Caller::OwnMachine), own, "{call:?}");
        assert_eq!(by(&Caller::Anonymous), others, "{call:?}");
    }
    for action in [Action::Administer, Action::Belong] {
        let stranger = |mode| {
            judge(
                mode,
                &Caller::Anonymous,
                Audience::Network,
                action,
                Object::Network,
            )
        };
        assert_eq!(stranger(Mode::Off), Err(Denial::Unsecured));
        assert_eq!(stranger(Mode::Permissive), Err(Denial::Stranger));
    }
}

#[test]
fn strangers_get_in_nowhere_but_at_the_door() {
    let stranger = |call: &Call| call.admit(Mode::Required, &Caller::Anonymous).is_ok();
    let open: BTreeSet<_> = calls().filter(stranger).map(|call| call.name).collect();
    let expected = [
        "/enjambre.v1.Directory/Trackers",
        "/enjambre.v1.Security/Enrol",
        "/enjambre.v1.Security/Renew",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "ANY /api/",
        "ANY /api/{*rest}",
        "GET /",
        "GET /directory.json",
        "GET /healthz",
        "GET /page.css",
        "GET /page.js",
        "GET /readyz",
    ];
    assert_eq!(open, BTreeSet::from(expected));
}

#[test]
fn calls_are_found_by_path_and_by_route() {
    let names: BTreeSet<_> = calls().map(|call| (call.program, call.name)).collect();
    assert_eq!(names.len(), calls().count(), "a call is in the table twice");
    assert!(calls().all(|call| !call.actions.is_empty()));
    for call in calls() {
        let found = match call.name.split_once(' ') {
            Some(("ANY", pattern)) => Call::of_route(call.program, "PATCH", pattern),
            Some((method, pattern)) => Call::of_route(call.program, method, pattern),
            None => Call::of_rpc(call.program, call.name),
        };
        assert_eq!(found, Ok(call));
    }
    let head = Call::of_route(Role::Tracker, "HEAD", "/api/v1/names");
    assert_eq!(head.map(|call| call.name), Ok("GET /api/v1/names"));
    let post = Call::of_route(Role::Tracker, "POST", "/api/v1/names");
    assert_eq!(post, Err(Denial::Method), "the path is there");
    for (program, method, pattern) in [
        (Role::Tracker, "GET", "/files/{*name}"),
        (Role::User, "GET", "/healthz"),
        (Role::Peer, "GET", ""),
    ] {
        assert_eq!(Call::of_route(program, method, pattern), Err(Denial::Unknown));
    }
    assert_eq!(
        Call::of_rpc(Role::Tracker, "/enjambre.v1.Transfer/Fetch"),
        Err(Denial::Unknown)
    );
}

#[test]
fn modes_and_roles_are_words() {
    for mode in Mode::ALL {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert_eq!("on".parse::<Mode>(), Err(ModeError));
    assert_eq!("root".parse::<Role>(), Err(super::super::RoleError));
}

#[test]
fn a_denial_has_a_code_and_a_word() {
    let denials = [
        Denial::Unknown,
        Denial::Method,
        Denial::Unsecured,
        Denial::Stranger,
        Denial::OtherMachine,
        Denial::Role(Role::User),
        Denial::OtherPeer,
        Denial::Scope(Right::Remove),
        Denial::Token,
    ];
    let words: BTreeSet<_> = denials.map(Denial::reason).into();
    assert_eq!(words.len(), denials.len());
    assert_eq!(Denial::OtherPeer.code(), ErrorCode::PermissionDenied);
}

fn any_caller() -> impl Strategy<Value = Caller> {
    let role = (0..Role::ALL.len()).prop_map(|role| member(Role::ALL[role]));
    let scopes = proptest::sample::subsequence(
        vec!["read", "read:a/", "publish:a/", "remove:b/", "admin:c/", "admin"],
        0..4,
    );
    let of_token = scopes.prop_map(|scopes| token(&scopes.join(" ")));
    prop_oneof![Just(Caller::OwnMachine), Just(Caller::Anonymous), role, of_token]
}

fn any_object() -> impl Strategy<Value = Object<'static>> {
    prop_oneof![
        Just(Object::Network),
        "[abc]/[a-z]{0,3}".prop_map(|name: String| Object::Name(name.leak())),
        prop_oneof![Just([1; 16]), Just([9; 16])].prop_map(|id| Object::Peer(PeerId::from_bytes(id))),
    ]
}

proptest! {
    #[test]
    fn nobody_may_do_to_an_object_what_they_were_not_admitted_for(
        caller in any_caller(),
        object in any_object(),
        action in proptest::sample::select(&ACTIONS[..]),
        mode in proptest::sample::select(&Mode::ALL[..]),
        is_local: bool,
    ) {
        let audience = if is_local { Audience::Machine } else { Audience::Network };
        if judge(mode, &caller, audience, action, object).is_ok() {
            prop_assert_eq!(judge(mode, &caller, audience, action, Object::Unread), Ok(()));
        }
    }

    #[test]
    fn a_permissive_network_refuses_nothing_that_another_mode_allows(
        caller in any_caller(),
        object in any_object(),
        action in proptest::sample::select(&ACTIONS[..]),
    ) {
        let by = |mode| judge(mode, &caller, Audience::Network, action, object).is_ok();
        prop_assert_eq!(by(Mode::Permissive), by(Mode::Off) || by(Mode::Required));
    }
}

#[test]
fn a_revoked_member_is_nobody_and_is_told_why_in_every_mode() {
    for (mode, audience) in [
        (Mode::Permissive, Audience::Network),
        (Mode::Required, Audience::Network),
        (Mode::Required, Audience::Machine),
    ] {
        assert_eq!(
            admitted(mode, &revoked(), audience),
            [Action::Probe, Action::Enter]
        );
        let read = judge(mode, &revoked(), audience, Action::Read, Object::Unread);
        assert_eq!(read, Err(Denial::Revoked), "{mode}");
    }
}
