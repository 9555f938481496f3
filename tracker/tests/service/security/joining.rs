//! From `tracker init` to a session.

use proto::client::SecurityClient;
use proto::dial::Entrance;
use proto::tls::Tls;
use proto::v1;
use shared::model::{ContentRef, PeerId};
use shared::runtime::Clock;
use shared::security::authorization::Mode;
use shared::security::{Grant, JoinLine, Role};
use shared::{Coded as _, ErrorCode};
use tonic::Code;
use tracker::Config;
use tracker::config::{SecureCommand, TokenCommand, TokenWish};

use super::super::{Served, manifest, name};
use super::{Joined, Secured, init};

#[tokio::test]
async fn a_machine_joins_by_its_line_and_publishes() {
    let tracker = Secured::start().await;
    let peer = Joined::new(&tracker, 1).await;
    let session = peer.session(&tracker).await;
    let bytes = manifest(7);
    let wish = proto::messages::Publish {
        name: name("models/a"),
        manifest: bytes.clone(),
        target: shared::model::ReplicationTarget::new(1).expect("in bounds"),
        expectation: shared::model::Expectation::Unbound,
        publisher: peer.id,
        incarnation: shared::model::Incarnation::new(1),
        metadata: None,
        replaces_metadata: false,
        keeps_target: false,
        parts: None,
    };
    let catalog = peer.catalog(&tracker, &session);
    catalog.publish(&wish).await.expect("published");
    // In nobody else's name.
    let of_another = proto::messages::Publish {
        publisher: PeerId::from_bytes([9; 16]),
        name: name("b"),
        ..wish
    };
    let refused = catalog.publish(&of_another).await.expect_err("refused");
    assert_eq!(refused.code(), ErrorCode::PermissionDenied, "{refused}");
    let (_, resolved) = catalog
        .resolve(&ContentRef::Name(name("models/a")))
        .await
        .expect("resolved");
    assert_eq!(resolved, bytes);
    let members = tracker.administrator().members().await.expect("listed");
    let roles: Vec<_> = members.iter().map(|member| member.role).collect();
    assert_eq!(roles, [Role::Tracker, Role::Peer]);
    assert_eq!(members[1].key, peer.key.public().hash());
    // With the papers of its data directory it is a member again, without any line.
    let own = Some((peer.id.into(), &peer.key));
    let clock = Clock::system();
    let again =
        proto::membership::Membership::open(peer.dir.path(), Role::Peer, own, Tls::off(clock.clone()), clock);
    let again = again.expect("read");
    assert!(again.is_member());
    again.renew(&tracker.address()).await.expect("renewed");
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_line_for_one_machine_admits_one_of_two_that_come_at_once() {
    let tracker = Secured::start().await;
    let grant = Grant::Join {
        role: Role::Peer,
        uses: Some(1),
        zone: Some("rack-7".parse().expect("a zone")),
    };
    for round in 0..5 {
        let made = tracker.administrator().create_token(grant.clone(), None).await;
        let made = made.expect("made");
        let proto::messages::security::CreatedSecret::Join(secret) = made.secret else {
            panic!("no join line")
        };
        let line = JoinLine::new(vec![tracker.address()], made.authority, made.entry.id, secret);
        let line = line.expect("a line");
        let machines = [1, 2].map(|n| Joined::machine(round * 2 + n));
        let [one, other] = [&machines[0], &machines[1]];
        let (one, other) = tokio::join!(one.membership.join(&line), other.membership.join(&line));
        let zones = machines.map(|machine| machine.membership.zone().map(|zone| zone.to_string()));
        let zones: Vec<_> = zones.into_iter().flatten().collect();
        assert_eq!(zones, ["rack-7"], "{one:?} {other:?}");
        let refused = one.err().or(other.err()).expect("one is refused");
        assert_eq!(refused.code(), ErrorCode::PermissionDenied, "{refused}");
    }
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_line_of_another_network_or_role_admits_nobody() {
    let (tracker, other) = (Secured::start().await, Secured::start().await);
    let of_other = {
        let line = other.line(Role::Peer);
        let servers = vec![tracker.address()];
        JoinLine::new(servers, line.pin(), line.token(), line.secret().clone()).expect("a line")
    };
    let machine = Joined::machine(1);
    let refused = machine
        .membership
        .join(&of_other)
        .await
        .expect_err("another authority");
    assert!(
        refused.to_string().contains("not the one of the join line"),
        "{refused}"
    );
    let refused = machine.membership.join(&tracker.line(Role::Webserver)).await;
    let refused = refused.expect_err("another role");
    assert_eq!(refused.code(), ErrorCode::PermissionDenied);
    assert!(refused.to_string().contains("for a webserver"), "{refused}");
    // The secret is that of this network, and the line was cut off in the middle.
    let line = tracker.line(Role::Peer);
    let servers = vec![tracker.address()];
    let wrong = shared::security::Secret::random();
    let guessed = JoinLine::new(servers, line.pin(), line.token(), wrong).expect("a line");
    let refused = machine
        .membership
        .join(&guessed)
        .await
        .expect_err("another secret");
    assert!(refused.to_string().contains("unknown"), "{refused}");
    assert!(!machine.membership.is_member());
    tracker.served.stop().await;
    other.served.stop().await;
}

#[tokio::test]
async fn a_request_that_proves_no_key_gets_no_certificate() {
    let tracker = Secured::start().await;
    let line = tracker.line(Role::Peer);
    let entrance = Entrance::find(&tracker.address(), line.pin())
        .await
        .expect("found");
    let client = SecurityClient::entering(&entrance, &tracker.address()).expect("a tracker");
    let enrol = |request: Vec<u8>| proto::messages::security::Enrol {
        token: line.token(),
        secret: line.secret().clone(),
        role: Role::Peer,
        member: PeerId::from_bytes([1; 16]).into(),
        request,
    };
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default().serialize_request(&key);
    let good = request.expect("a request").der().to_vec();
    let mut tampered = good.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let of_p384 = rcgen::CertificateParams::default().serialize_request(&other);
    let of_p384 = of_p384.expect("a request").der().to_vec();
    for bad in [tampered, of_p384, b"no request".to_vec()] {
        let refused = client.enrol(enrol(bad)).await.expect_err("refused");
        assert_eq!(refused.code(), ErrorCode::InvalidArgument, "{refused}");
    }
    client.enrol(enrol(good)).await.expect("it proves its key");
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_network_that_runs_is_secured_while_its_machines_join() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let older = super::super::Member::join(&tracker, super::super::hello(3, 1, 0)).await;
    // Nothing is secured while a tracker runs on the directory.
    let config = Config::on_free_port(dir.path());
    let command = SecureCommand::Init {
        names: Vec::new(),
        addresses: vec!["127.0.0.1:1".parse().expect("an address")],
        json: true,
    };
    let refused = tracker::commands::perform(command, &config)
        .await
        .expect_err("it runs");
    assert_eq!(refused.code(), ErrorCode::FailedPrecondition, "{refused}");
    drop(older);
    tracker.stop().await;
    init(dir.path()).await;
    let with = |mode| {
        let mut config = Config::on_free_port(dir.path());
        config.tls = Some(mode);
        config
    };
    let permissive = Served::with(with(Mode::Permissive)).await;
    let catalog = permissive.catalog();
    let member = super::super::Member::join(&permissive, super::super::hello(3, 2, 0)).await;
    let wish = proto::messages::Publish {
        incarnation: shared::model::Incarnation::new(2),
        ..super::super::publish(&member, "a", &manifest(1), 1)
    };
    catalog.publish(&wish).await.expect("as without security");
    let refused = asked_for_tokens(&permissive).await;
    assert_eq!(
        refused,
        Code::Unauthenticated,
        "nobody administers without a token"
    );
    permissive.stop().await;
    // Nothing but the setting, and it is all as it was.
    let off = Served::with(with(Mode::Off)).await;
    let refused = asked_for_tokens(&off).await;
    assert_eq!(
        refused,
        Code::FailedPrecondition,
        "there is nothing to administer"
    );
    off.stop().await;
}

/// Asks for the tokens without TLS, and returns the code of the refusal.
async fn asked_for_tokens(tracker: &Served) -> Code {
    let channel = proto::dial::channel(&tracker.address.into()).expect("an address");
    let mut client = v1::security_client::SecurityClient::new(channel);
    let asked = client.list_tokens(v1::ListTokensRequest {}).await;
    asked.expect_err("refused").code()
}

#[tokio::test]
async fn a_mode_without_an_authority_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = Config::on_free_port(dir.path());
    config.tls = Some(Mode::Required);
    let refused = tracker::Tracker::bind(config).await.expect_err("no authority");
    assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    assert!(refused.to_string().contains("tracker init"), "{refused}");
}

#[tokio::test]
async fn commands_work_on_the_data_directory_when_no_tracker_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    init(dir.path()).await;
    let mut config = Config::on_free_port(dir.path());
    config.port = 1;
    let perform = async |command| tracker::commands::perform(command, &config).await;
    let wish = TokenWish {
        join: Some(Role::Webserver),
        scopes: Vec::new(),
        life: None,
        uses: Some(2),
        zone: None,
        addresses: Vec::new(),
        json: false,
    };
    let create = SecureCommand::Token(TokenCommand::Create(wish));
    let line: JoinLine = perform(create).await.expect("made").parse().expect("a line");
    let list = SecureCommand::Token(TokenCommand::List { json: true });
    let listed = perform(list.clone()).await.expect("listed");
    assert!(listed.contains(&line.token().to_string()), "{listed}");
    let revoke = SecureCommand::Token(TokenCommand::Revoke {
        token: line.token(),
        json: false,
    });
    perform(revoke).await.expect("revoked");
    let rotate = SecureCommand::Ca(tracker::config::CaCommand::Rotate { json: true });
    perform(rotate).await.expect("another key");
    let tracker = Served::start(dir.path()).await;
    // All of that is in force: the line is revoked, and its key is still found.
    let line = JoinLine::new(
        vec![tracker.address.into()],
        line.pin(),
        line.token(),
        line.secret().clone(),
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let clock = Clock::system();
    let tls = Tls::off(clock.clone());
    let machine = proto::membership::Membership::open(dir.path(), Role::Webserver, None, tls, clock);
    let refused = machine.expect("opened").join(&line.expect("a line")).await;
    let refused = refused.expect_err("it is revoked");
    assert!(refused.to_string().contains("revoked"), "{refused}");
    tracker.stop().await;
}
