//! Tokens and members: who joins, once or often, and what revocation takes away.

use std::time::Duration;

use shared::model::{ContentState, Epoch, KeyHash, MemberId, PeerState, Timestamp, TokenId};
use shared::security::{Grant, Right, Role, Scope, SecretHash};
use shared::{Coded as _, ErrorCode};

use super::world::{World, content, peer};
use crate::Timing;
use crate::state::security::MAX_TOKENS;
use crate::state::{
    Closing, Command, Enrolment, Fact, Record, Refused, Rejection, Reply, SecurityCommand, SecurityFact,
    SecurityReply, State,
};

const DAY: Duration = Duration::from_hours(24);

fn token(n: u8) -> TokenId {
    TokenId::from_bytes([n; 8])
}

fn hash(n: u8) -> SecretHash {
    SecretHash::from_bytes([n; 32])
}

fn key(n: u8) -> KeyHash {
    KeyHash::from_bytes([n; 32])
}

fn member(n: u8) -> MemberId {
    MemberId::from_bytes([n; 16])
}

fn secure(world: &mut World, command: SecurityCommand) -> Result<SecurityReply, Rejection> {
    match world.apply(Command::Security(command))? {
        Reply::Security(reply) => Ok(reply),
        other => panic!("{other:?}"),
    }
}

fn refused(world: &mut World, command: SecurityCommand) -> Option<Refused> {
    let journaled = world.journal.len();
    match secure(world, command) {
        Err(Rejection::Security(refused)) if world.journal.len() == journaled => Some(refused),
        _ => None,
    }
}

fn line(role: Role, uses: Option<u32>) -> Grant {
    Grant::Join {
        role,
        uses,
        zone: Some("rack-7".parse().expect("a zone")),
    }
}

fn make(world: &mut World, n: u8, grant: Grant, life: Option<Duration>) {
    let command = SecurityCommand::MakeToken {
        token: token(n),
        hash: hash(n),
        grant,
        ends: life.map(|life| world.now.after(life)),
    };
    secure(world, command).expect("made");
}

/// The wish of a peer to join with a token, whose secret it has.
fn joining(world: &World, of: u8, n: u8) -> Enrolment {
    Enrolment {
        token: token(of),
        hash: hash(of),
        role: Role::Peer,
        member: member(n),
        key: key(n),
        ends: world.now.after(DAY * 30),
    }
}

fn enrol(world: &mut World, enrolment: Enrolment) -> Option<Refused> {
    refused(world, SecurityCommand::Enrol(enrolment))
}

fn join(world: &mut World, of: u8, n: u8) {
    let enrolment = joining(world, of, n);
    let reply = secure(world, SecurityCommand::Enrol(enrolment)).expect("it joins");
    assert!(matches!(reply, SecurityReply::Enrolled(Some(_))), "{reply:?}");
}

fn revoke(world: &mut World, n: u8) {
    secure(world, SecurityCommand::RevokeMember(member(n))).expect("a member");
}

/// Does something or other, for random histories.
pub(super) fn anything(world: &mut World, [what, of, n, keyed]: [u8; 4]) {
    let ends = world.now.after(DAY);
    let command = match what {
        0 => SecurityCommand::MakeToken {
            token: token(of),
            hash: hash(of),
            grant: line(Role::Peer, (of > 1).then_some(u32::from(of))),
            ends: (of > 2).then_some(ends),
        },
        1 => SecurityCommand::RevokeToken(token(of)),
        2..=3 => SecurityCommand::Enrol(Enrolment {
            key: key(keyed),
            ..joining(world, of, n)
        }),
        4 => SecurityCommand::Renew {
            key: key(keyed),
            ends,
        },
        5 => SecurityCommand::NoteTracker {
            member: member(n),
            key: key(keyed),
            ends,
        },
        _ => SecurityCommand::RevokeMember(member(n)),
    };
    drop(secure(world, command));
}

#[test]
fn a_line_for_one_machine_admits_one_and_that_one_again() {
    let mut world = World::new();
    make(&mut world, 1, line(Role::Peer, Some(1)), Some(DAY));
    join(&mut world, 1, 7);
    let another = joining(&world, 1, 8);
    assert_eq!(enrol(&mut world, another), Some(Refused::UsedLine));
    // The answer to the first one may be lost: the same key is no further machine.
    join(&mut world, 1, 7);
    assert_eq!(world.state.tokens()[0].used, 1);
    world.restart();
    let another = joining(&world, 1, 8);
    assert_eq!(enrol(&mut world, another), Some(Refused::UsedLine));
}

#[test]
fn a_line_is_refused_for_its_reason_to_who_has_its_secret() {
    let mut world = World::new();
    make(&mut world, 1, line(Role::Webserver, None), Some(DAY));
    let right = Enrolment {
        role: Role::Webserver,
        ..joining(&world, 1, 7)
    };
    for (wrong, why) in [
        (
            Enrolment {
                token: token(2),
                ..right.clone()
            },
            Refused::UnknownLine,
        ),
        (
            Enrolment {
                hash: hash(2),
                ..right.clone()
            },
            Refused::UnknownLine,
        ),
        (
            Enrolment {
                role: Role::Peer,
                ..right.clone()
            },
            Refused::OtherRole {
                of: Role::Webserver,
                got: Role::Peer,
            },
        ),
    ] {
        assert_eq!(why.code(), ErrorCode::PermissionDenied);
        assert_eq!(enrol(&mut world, wrong), Some(why));
    }
    world.now = world.now.after(DAY);
    assert_eq!(enrol(&mut world, right.clone()), Some(Refused::EndedLine));
    make(&mut world, 3, line(Role::Webserver, None), None);
    secure(&mut world, SecurityCommand::RevokeToken(token(3))).expect("known");
    let of_revoked = Enrolment {
        token: token(3),
        hash: hash(3),
        ..right
    };
    assert_eq!(enrol(&mut world, of_revoked.clone()), Some(Refused::RevokedLine));
    // An API token is no join line, and its secret is longer; both are unknown.
    make(&mut world, 4, Grant::Api { scopes: Vec::new() }, None);
    let of_api = Enrolment {
        token: token(4),
        hash: hash(4),
        ..of_revoked
    };
    assert_eq!(enrol(&mut world, of_api), Some(Refused::UnknownLine));
    let unknown = SecurityCommand::RevokeToken(token(9));
    assert_eq!(refused(&mut world, unknown), Some(Refused::NoSuchToken(token(9))));
}

#[test]
fn an_id_has_one_key_and_a_key_one_id() {
    let mut world = World::new();
    world.keys.insert(3, key(3));
    world.join(3);
    make(&mut world, 1, line(Role::Peer, None), None);
    join(&mut world, 1, 7);
    let wish = |world: &World, id, keyed| Enrolment {
        member: member(id),
        key: key(keyed),
        ..joining(world, 1, id)
    };
    let other_key = wish(&world, 7, 8);
    assert_eq!(enrol(&mut world, other_key), Some(Refused::OtherKey(member(7))));
    let other_id = wish(&world, 8, 7);
    assert_eq!(enrol(&mut world, other_id), Some(Refused::OtherId(member(7))));
    // The peer has had its key since before the network was secured.
    let impostor = wish(&world, 3, 4);
    assert_eq!(enrol(&mut world, impostor), Some(Refused::OtherKey(member(3))));
    join(&mut world, 1, 3);
    // A member that has not said hello yet has the key of its certificate.
    world.keys.insert(7, key(8));
    let hello = world.hello(7, 1, Epoch::new(0));
    assert_eq!(hello, Err(Rejection::OtherKey(peer(7))));
    world.keys.remove(&7);
    assert_eq!(world.hello(7, 1, Epoch::new(0)), Err(Rejection::NoKey(peer(7))));
    world.keys.insert(7, key(7));
    assert!(world.hello(7, 1, Epoch::new(0)).is_ok());
}

#[test]
fn a_key_is_certified_again_until_its_member_is_revoked() {
    let mut world = World::new();
    make(&mut world, 1, line(Role::Peer, None), None);
    join(&mut world, 1, 7);
    // A machine that was away for longer than its certificate.
    world.now = world.now.after(DAY * 200);
    world.tick();
    let renewal = |world: &World| SecurityCommand::Renew {
        key: key(7),
        ends: world.now.after(DAY * 30),
    };
    let command = renewal(&world);
    let renewed = secure(&mut world, command);
    assert_eq!(renewed, Ok(SecurityReply::Renewed(member(7), Role::Peer)));
    assert_eq!(world.state.members()[0].ends, world.now.after(DAY * 30));
    let stranger = SecurityCommand::Renew {
        key: key(8),
        ends: world.now,
    };
    assert_eq!(refused(&mut world, stranger), Some(Refused::NoMember));
    revoke(&mut world, 7);
    for _ in 0..2 {
        let command = renewal(&world);
        assert_eq!(refused(&mut world, command), Some(Refused::Revoked(member(7))));
        let again = joining(&world, 1, 7);
        assert_eq!(enrol(&mut world, again), Some(Refused::Revoked(member(7))));
        let with_its_key = Enrolment {
            member: member(9),
            ..joining(&world, 1, 7)
        };
        assert_eq!(enrol(&mut world, with_its_key), Some(Refused::Revoked(member(7))));
        // Neither a restart nor the time makes it anything else.
        world.restart();
        world.now = world.now.after(DAY * 1000);
        world.tick();
    }
    assert!(world.state.members()[0].is_revoked);
}

#[test]
fn a_revoked_peer_has_no_session_and_its_copies_count_no_more() {
    let mut world = World::new();
    for n in 1..=3 {
        world.keys.insert(n, key(n));
        world.join(n);
    }
    make(&mut world, 1, line(Role::Peer, None), None);
    (1..=2).for_each(|n| join(&mut world, 1, n));
    let manifest = content(1, 1);
    world.publish(1, "a", &manifest, 2);
    world.pass(Duration::from_secs(2), &[]);
    world.obey();
    world.pass(Duration::from_secs(2), &[]);
    let held = world.replicas(&manifest);
    let lost = if held.contains(&peer(2)) { 2 } else { 3 };
    assert_eq!(
        world.content_state(&manifest),
        ContentState::Replicated,
        "{held:?}"
    );
    if lost == 3 {
        join(&mut world, 1, 3);
    }
    let before = world.state.revocations();
    revoke(&mut world, lost);
    let session = world.peers.remove(&peer(lost)).expect("it had one").session;
    assert!(world.closed.contains(&(session, Closing::Revoked)));
    assert_eq!(world.peer_state(lost), PeerState::Lost);
    assert_eq!(world.state.revoked_keys(world.now), [key(lost)]);
    assert!(world.state.revocations() > before);
    let hello = world.hello(lost, 2, Epoch::new(0));
    assert_eq!(hello, Err(Refused::Revoked(member(lost)).into()));
    // The copy is made again elsewhere, without any wait for the peer.
    assert_eq!(world.content_state(&manifest), ContentState::Degraded);
    world.pass(Duration::from_secs(2), &[]);
    world.obey();
    world.pass(Duration::from_secs(2), &[]);
    assert_eq!(world.content_state(&manifest), ContentState::Replicated);
    // After its certificate has ended nobody has to know of it, and it is revoked all the same.
    world.now = world.now.after(DAY * 31);
    assert_eq!(world.state.revoked_keys(world.now), []);
    revoke(&mut world, lost);
    let unknown = SecurityCommand::RevokeMember(member(99));
    assert_eq!(
        refused(&mut world, unknown),
        Some(Refused::NoSuchMember(member(99)))
    );
}

#[test]
fn an_api_token_gives_its_scopes_until_it_ends() {
    let mut world = World::new();
    let scopes = vec![Scope::new(Right::Read, "models/").expect("a prefix")];
    let grant = Grant::Api {
        scopes: scopes.clone(),
    };
    make(&mut world, 1, grant.clone(), Some(DAY));
    make(&mut world, 2, grant, None);
    make(&mut world, 3, line(Role::Peer, None), None);
    let of = |world: &World, id, secret| world.state.scopes_of(world.now, token(id), hash(secret));
    assert_eq!(of(&world, 1, 1).as_deref(), Some(&scopes[..]));
    assert_eq!(of(&world, 1, 2), None, "another secret");
    assert_eq!(of(&world, 3, 3), None, "a join line makes no calls");
    world.now = world.now.after(DAY);
    assert_eq!(of(&world, 1, 1), None);
    secure(&mut world, SecurityCommand::RevokeToken(token(2))).expect("known");
    assert_eq!(of(&world, 2, 2), None);
    world.restart();
    assert_eq!(of(&world, 2, 2), None);
}

#[test]
fn what_was_over_long_ago_is_forgotten() {
    let mut world = World::new();
    make(&mut world, 1, line(Role::Peer, None), Some(DAY));
    make(&mut world, 2, line(Role::Peer, Some(1)), None);
    make(&mut world, 3, line(Role::Peer, None), None);
    make(&mut world, 4, line(Role::Peer, None), None);
    join(&mut world, 2, 7);
    join(&mut world, 4, 8);
    secure(&mut world, SecurityCommand::RevokeToken(token(3))).expect("known");
    revoke(&mut world, 8);
    let listed = |world: &World| {
        world
            .state
            .tokens()
            .iter()
            .map(|entry| entry.id)
            .collect::<Vec<_>>()
    };
    world.now = world.now.after(DAY * 29);
    world.tick();
    assert_eq!(listed(&world).len(), 4);
    world.now = world.now.after(DAY * 2);
    world.tick();
    assert_eq!(listed(&world), [token(4)]);
    world.now = world.now.after(DAY * 400);
    world.tick();
    let members: Vec<_> = world.state.members().iter().map(|entry| entry.id).collect();
    assert_eq!(members, [member(8)], "a revoked one is remembered");
    // The machine that was forgotten has to join again.
    join(&mut world, 4, 7);
    let mut copy = State::new(Timing::default(), 3);
    for record in world.state.records() {
        assert_eq!(copy.replay(record.clone()), Ok(()), "{record:?}");
    }
    assert_eq!(copy.records(), world.state.records());
}

#[test]
fn there_are_only_so_many_tokens() {
    let mut world = World::new();
    world.check_no_more();
    for n in 0..MAX_TOKENS {
        let command = SecurityCommand::MakeToken {
            token: TokenId::from_bytes((n as u64).to_be_bytes()),
            hash: hash(1),
            grant: line(Role::Peer, None),
            ends: None,
        };
        secure(&mut world, command).expect("there is room");
    }
    let command = SecurityCommand::MakeToken {
        token: token(0xff),
        hash: hash(1),
        grant: line(Role::Peer, None),
        ends: None,
    };
    assert_eq!(
        refused(&mut world, command),
        Some(Refused::TooManyTokens(MAX_TOKENS))
    );
}

#[test]
fn a_fact_about_security_that_cannot_follow_is_an_error_that_names_it() {
    let mut world = World::new();
    make(&mut world, 1, line(Role::Peer, None), None);
    join(&mut world, 1, 7);
    let ends = Timestamp::from_millis(1);
    for (fact, words) in [
        (
            SecurityFact::TokenUsed {
                token: token(1),
                used: 1,
            },
            "was used 1 times, and then 1",
        ),
        (
            SecurityFact::TokenUsed {
                token: token(2),
                used: 1,
            },
            "never made",
        ),
        (SecurityFact::TokenRevoked(token(2)), "never made"),
        (SecurityFact::TokenForgotten(token(2)), "never made"),
        (
            SecurityFact::CertifiedUntil {
                member: member(8),
                ends,
            },
            "never joined",
        ),
        (
            SecurityFact::CertifiedUntil {
                member: member(7),
                ends,
            },
            "is certified until",
        ),
        (SecurityFact::MemberRevoked(member(8)), "never joined"),
        (SecurityFact::MemberForgotten(member(8)), "never joined"),
        (
            SecurityFact::MemberJoined {
                member: member(8),
                role: Role::Peer,
                key: key(7),
                by: None,
            },
            "not its own",
        ),
    ] {
        let record = Record {
            at: world.now,
            fact: Fact::Security(fact),
        };
        let why = world.state.audit(&record).expect_err(words);
        assert!(why.contains(words), "{why}");
    }
}
