//! A machine that has a join line and nothing else.

use std::sync::Arc;

use proto::dial::Entrance;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use shared::Coded as _;
use shared::model::KeyHash;
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;

use super::*;

#[tokio::test]
async fn the_hash_of_the_authoritys_key_opens_the_way_to_a_tracker() {
    let authority = Authority::new();
    for (role, may_have_secret) in [
        (Role::Tracker, true),
        (Role::Webserver, false),
        (Role::Peer, false),
    ] {
        let server = Program::start(handle(authority.certify(authority.identity(role), NOW))).await;
        let entrance = Entrance::find(&server.address, authority.pin())
            .await
            .expect("the network");
        assert_eq!(entrance.server(), own(&server.tls).identity);
        assert_eq!(who(&entrance.channel()).await.as_deref(), Ok("OwnMachine"));
        assert_eq!(entrance.authority().is_some(), may_have_secret, "{role}");
    }
}

/// Serves one handshake with these certificates, and returns the address and everything that the client said
/// after it; none when it did not come to that.
async fn impostor(credentials: Credentials) -> (HostPort, tokio::sync::oneshot::Receiver<Option<Vec<u8>>>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("version 1.3")
        .with_no_client_auth()
        .with_single_cert(credentials.chain, credentials.key)
        .expect("a certificate and its key");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").into();
    let (said, heard) = tokio::sync::oneshot::channel();
    Tasks::new().spawn_detached("an impostor", async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let opened = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        let mut bytes = Vec::new();
        let opened = match opened {
            Ok(mut stream) => {
                drop(stream.read_to_end(&mut bytes).await);
                Some(bytes)
            }
            Err(_) => None,
        };
        drop(said.send(opened));
    });
    (address, heard)
}

async fn refused(credentials: Credentials, pin: KeyHash) -> (ErrorCode, String) {
    let (address, heard) = impostor(credentials).await;
    let failure = Entrance::find(&address, pin).await.expect_err("refused");
    assert_eq!(
        heard.await,
        Ok(None),
        "the client has sent something to a server that it refused"
    );
    (failure.code(), failure.to_string())
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_is_not_of_the_network() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tracker = |authority: &Authority, life| authority.certify(authority.identity(Role::Tracker), life);
    let with_root = |root: CertificateDer<'static>| {
        let mut credentials = tracker(&other, NOW);
        credentials.chain[1] = root;
        credentials
    };
    let mut rootless = tracker(&authority, NOW);
    rootless.chain.truncate(1);
    for (credentials, code, words) in [
        (
            tracker(&other, NOW),
            ErrorCode::PermissionDenied,
            "not the one of the join line",
        ),
        // The root is no secret: an impostor has it, too.
        (
            with_root(authority.root()),
            ErrorCode::Unavailable,
            "of another network",
        ),
        (
            rootless,
            ErrorCode::FailedPrecondition,
            "shows no root certificate",
        ),
        // Clocks are set, so that it is worth the while to try again.
        (
            tracker(&authority, -7200..-3600),
            ErrorCode::Unavailable,
            "ended 1h",
        ),
    ] {
        let (found, failure) = refused(credentials, authority.pin()).await;
        assert_eq!(found, code, "{failure}");
        assert!(failure.contains(words), "{failure}");
    }
}
