//! Changes while connections are open: certificates that end, are revoked or renewed, and new authorities.

use std::time::Duration;

use shared::model::Timestamp;
use shared::security::News;
use tokio_stream::StreamExt as _;

use super::*;

/// Enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until an answer without an end breaks, and says why.
async fn broken(answer: Body) -> String {
    let mut data = answer.into_data_stream();
    let next = tokio::time::timeout(PATIENCE, data.next()).await;
    match next.expect("in time") {
        Some(Err(error)) => describe(&error),
        other => panic!("the answer has no end, and got {other:?}"),
    }
}

/// Lives of certificates that end soon, yet not before a busy machine has made a connection.
const SHORT: Range<i64> = -60..8;

async fn ends_in_time(client_life: Range<i64>, server_life: Range<i64>) {
    let authority = Authority::new();
    let certify = |life| handle(authority.certify(authority.identity(Role::Peer), life));
    let server = Program::start(certify(server_life)).await;
    let channel = server.dialled_by(&certify(client_life), identity_of(&server.tls));
    let endless = get(&channel, "/endless").await.expect("still valid");
    broken(endless).await;
    get(&channel, "/endless").await.expect_err("it has ended");
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_of_either_side() {
    tokio::join!(ends_in_time(SHORT, NOW), ends_in_time(NOW, SHORT));
}

#[tokio::test]
async fn a_revoked_member_loses_its_connections_at_once() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Peer), NOW))).await;
    let members = [(); 2].map(|()| handle(authority.certify(authority.identity(Role::Peer), NOW)));
    let channels = members
        .each_ref()
        .map(|tls| server.dialled_by(tls, identity_of(&server.tls)));
    let revoked = get(&channels[0], "/endless").await.expect("a member");
    who(&channels[1]).await.expect("a member");
    server.tls.set_revoked([own(&members[0]).key]);
    broken(revoked).await;
    let stays = who(&channels[0]).await.expect("to hear it");
    assert!(stays.starts_with("Revoked"), "{stays}");
    who(&channels[1]).await.expect("others stay");

    // The other way about: a member that is told of a server's revocation leaves it.
    let served = get(&channels[1], "/endless").await.expect("a member");
    members[1].set_revoked([own(&server.tls).key]);
    let why = broken(served).await;
    assert!(why.contains("the member there is revoked"), "{why}");
}

#[tokio::test]
async fn new_credentials_are_in_force_for_the_next_connection() {
    let old = Authority::new();
    let new = Authority::of(old.cluster());
    let server = Program::start(handle(old.certify(old.identity(Role::Tracker), NOW))).await;
    let client = handle(old.certify(old.identity(Role::Peer), NOW));
    let (tracker, peer) = (own(&server.tls).identity, own(&client).identity);
    let expected = identity_of(&server.tls);
    let first = server.dialled_by(&client, expected);
    let first_key = own(&client).key;
    let endless = get(&first, "/endless").await.expect("a member");

    // The roots overlap: first both sides trust both authorities, then each certificate is renewed.
    let renewed = |authority: &Authority, identity: Identity| Credentials {
        roots: vec![old.root(), new.root()],
        ..authority.certify(identity, NOW)
    };
    for (of_client, of_server) in [(&old, &old), (&new, &old), (&new, &new)] {
        client.load(renewed(of_client, peer)).expect("good credentials");
        server
            .tls
            .load(renewed(of_server, tracker))
            .expect("good credentials");
        let told = who(&server.dialled_by(&client, expected))
            .await
            .expect("a member");
        assert!(told.contains(&format!("{:?}", own(&client).key)), "{told}");
    }
    // A side that has dropped the old root takes nothing of it any more, without a restart.
    server
        .tls
        .load(new.certify(tracker, NOW))
        .expect("good credentials");
    who(&server.dialled_by(&client, expected))
        .await
        .expect("a member");
    client.load(renewed(&old, peer)).expect("good credentials");
    who(&server.dialled_by(&client, expected))
        .await
        .expect_err("of the old authority");
    who(&first).await.expect("a connection that is open goes on");

    // When it breaks, its channel dials again with the credentials of that moment.
    client.load(renewed(&new, peer)).expect("good credentials");
    server.tls.set_revoked([first_key]);
    broken(endless).await;
    let told = who(&first).await.expect("a member");
    assert!(told.contains(&format!("{:?}", own(&client).key)), "{told}");
}

#[tokio::test]
async fn a_member_without_news_takes_no_peer_for_as_long_as_it_is_told() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Peer), NOW))).await;
    let member = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let news = News {
        mode: Mode::Required,
        roots: Vec::new(),
        revoked: Vec::new(),
    };
    let heard = Clock::system().now().as_millis() - 60 * 60 * 1000;
    server.tls.adopt(&news, Timestamp::from_millis(heard));
    let ask = async || who(&server.dialled_by(&member, identity_of(&server.tls))).await;
    ask().await.expect("24 hours are usual, and this is one");
    server.tls.set_news_max_age(News::LEAST_MAX_AGE);
    ask().await.expect_err("nobody knows whether it is revoked");
    server.tls.set_news_max_age(News::DEFAULT_MAX_AGE);
    ask().await.expect("a change counts at once");
}
