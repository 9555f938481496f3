//! Handshakes that do not end, and clients without a certificate.

use std::sync::Arc;
use std::time::Duration;

use proto::tls::PublicCertificate;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

/// The bound of handshakes under way, and more than that.
const BOUND: usize = 256;
const FLOOD: usize = 400;

/// The beginning of a record that promises 512 bytes.
const HALF: &[u8] = &[0x16, 3, 1, 2, 0, 1];

async fn raw(address: &HostPort) -> TcpStream {
    let connected = TcpStream::connect((address.host(), address.port())).await;
    connected.expect("connects")
}

#[tokio::test]
async fn half_open_handshakes_are_bounded_and_hold_up_nobody() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let mut half_open = Vec::new();
    for _ in 0..FLOOD {
        let mut stream = raw(&server.address).await;
        stream.write_all(HALF).await.expect("is sent");
        half_open.push(stream);
    }
    // Those that are too many end long before their deadline.
    let surplus = half_open.drain(..FLOOD - BOUND).collect::<Vec<_>>();
    for mut stream in surplus {
        let ended = tokio::time::timeout(Duration::from_secs(4), stream.read(&mut [0; 64])).await;
        assert!(ended.is_ok(), "the longest pending handshakes end");
    }
    let asked = who(&server.dialled_by(&client, identity_of(&server.tls))).await;
    asked.expect("honest members are served meanwhile");
    for mut stream in half_open {
        let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "a handshake has a deadline");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_let_in_without_a_name() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    let mut roots = RootCertStore::empty();
    roots.add(authority.root()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("version 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(own(&server.tls).identity.to_string()).expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector
        .connect(name, raw(&server.address).await)
        .await
        .expect("a handshake");
    let request = b"GET /who HTTP/1.1\r\nhost: tracker\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("OwnMachine"),
        "{answer}"
    );
}

/// Shakes hands as a browser does, which trusts one root; returns the certificate that is shown.
async fn shown(address: &HostPort, name: &str, root: &CertificateDer<'static>) -> Option<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("version 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, raw(address).await).await.ok()?;
    let (_, session) = stream.get_ref();
    Some(session.peer_certificates()?.first()?.to_vec())
}

#[tokio::test]
async fn a_client_that_says_a_name_sees_the_certificate_for_browsers() {
    let authority = Authority::new();
    let server = Program::start(handle(
        authority.certify(authority.identity(Role::Webserver), NOW),
    ))
    .await;
    let client = handle(authority.certify(authority.identity(Role::Peer), NOW));
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["files.example".to_owned()]).expect("a name");
    let made = params.self_signed(&key).expect("a certificate");
    let (chain, key_pem) = (made.pem(), key.serialize_pem());
    let other = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    assert!(PublicCertificate::read(chain.as_bytes(), other.as_bytes()).is_err());
    assert!(PublicCertificate::read(b"", key_pem.as_bytes()).is_err());
    let certificate = PublicCertificate::read(chain.as_bytes(), key_pem.as_bytes()).expect("fits");
    assert_eq!(certificate.names(), ["files.example"]);
    // Before, everybody sees the member's, which a browser does not trust.
    assert_eq!(shown(&server.address, "files.example", made.der()).await, None);
    server.tls.show_to_browsers(certificate);
    let seen = shown(&server.address, "files.example", made.der()).await;
    assert_eq!(seen.as_deref(), Some(&made.der()[..]));
    let own_name = own(&server.tls).identity.to_string();
    let seen = shown(&server.address, &own_name, &authority.root()).await;
    assert!(seen.is_some(), "who asks for the member sees the member's");
    who(&server.dialled_by(&client, identity_of(&server.tls)))
        .await
        .expect("a member sees the member's");
}

#[tokio::test]
async fn an_older_version_of_tls_gets_an_alert() {
    let authority = Authority::new();
    let server = Program::start(handle(authority.certify(authority.identity(Role::Tracker), NOW))).await;
    // A ClientHello of TLS 1.2, without extensions.
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    hello[4] = u8::try_from(hello.len() - 5).expect("short");
    hello[8] = u8::try_from(hello.len() - 9).expect("short");
    let mut stream = raw(&server.address).await;
    stream.write_all(&hello).await.expect("is sent");
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, [0x15, 3]);
}
