//! Keys of peers over real connections.

use proto::client::{NotWelcome, SessionClient};
use proto::credentials::Credentials;
use proto::tls::Tls;
use shared::keys::PeerKey;
use shared::model::{Hello, SessionSecret};
use shared::{Coded as _, ErrorCode};

use super::{Member, Served, hello, manifest, publish};

/// Opens a session with a key, in which the peer holds nothing; returns the secret of the session, too.
async fn join(tracker: &Served, hello: Hello, key: &PeerKey) -> (Member, SessionSecret) {
    let member = Member::join_with(tracker, hello, Some(key)).await;
    let secret = member.welcome.secret.expect("the key was proved");
    (member, secret)
}

async fn refused(tracker: &Served, hello: Hello, key: Option<&PeerKey>) -> ErrorCode {
    let client = SessionClient::new(&tracker.address.into(), &Tls::default()).expect("an address");
    match client.open(hello, key).await.map(drop) {
        Err(NotWelcome::Failed(error)) => error.code(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_in_a_peers_name_needs_the_secret_of_its_session() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let (key, other) = [(); 2].map(|()| PeerKey::generate().expect("made")).into();
    let (member, secret) = join(&tracker, hello(1, 1, 0), &key).await;
    let (_another, of_another) = join(&tracker, hello(2, 1, 0), &other).await;
    let bind = async |name: &str, secret: Option<SessionSecret>| {
        let catalog = tracker.catalog().speaking_with(Credentials::new(secret));
        let bound = catalog.publish(&publish(&member, name, &manifest(7), 1)).await;
        bound.map(drop).map_err(|error| error.code())
    };
    assert_eq!(bind("a", None).await, Err(ErrorCode::Unauthenticated));
    assert_eq!(
        bind("a", Some(of_another)).await,
        Err(ErrorCode::PermissionDenied)
    );
    assert_eq!(bind("a", Some(secret)).await, Ok(()));

    // The next session has another secret, and that of the last one passes.
    let (_again, next) = join(&tracker, hello(1, 1, 0), &key).await;
    assert_eq!(bind("b", Some(secret)).await, Err(ErrorCode::Unauthenticated));
    assert_eq!(bind("b", Some(next)).await, Ok(()));

    // A peer without a key is of an earlier version, and gets no secret.
    let older = Member::join(&tracker, hello(3, 1, 0)).await;
    assert_eq!(older.welcome.secret, None);
    let catalog = tracker.catalog();
    catalog
        .publish(&publish(&older, "c", &manifest(8), 1))
        .await
        .expect("it is believed");
    tracker.stop().await;
}

#[tokio::test]
async fn a_restarted_tracker_knows_whose_an_id_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (key, other) = [(); 2].map(|()| PeerKey::generate().expect("made")).into();
    let tracker = Served::start(dir.path()).await;
    drop(join(&tracker, hello(1, 1, 0), &key).await);
    tracker.stop().await;
    let tracker = Served::start(dir.path()).await;
    let (missing, wrong) = (ErrorCode::Unauthenticated, ErrorCode::PermissionDenied);
    assert_eq!(refused(&tracker, hello(1, 2, 1), None).await, missing);
    assert_eq!(refused(&tracker, hello(1, 2, 1), Some(&other)).await, wrong);
    drop(join(&tracker, hello(1, 2, 1), &key).await);
    tracker.stop().await;
}
