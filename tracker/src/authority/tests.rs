//! Tests of the authority, with the library that members use.

use std::sync::Arc;

use proto::tls::{Certificate, Credentials, key_of, life_of};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);
const DAY: Duration = Duration::from_hours(24);

fn made(dir: &Path) -> Authority {
    let names = vec!["tracker.lab".to_owned(), "10.0.0.1".to_owned()];
    Authority::create(dir, ClusterId::from_bytes([7; 8]), names, NOW).expect("made")
}

fn again(dir: &Path) -> Authority {
    Authority::open(dir).expect("read").expect("there")
}

/// Returns whether whoever trusts this root takes a chain for somebody of this name, at a time.
fn trusts(
    root: &CertificateDer<'static>,
    chain: &[CertificateDer<'static>],
    name: &str,
    at: Timestamp,
) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = verifier.build().expect("a verifier");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at.as_millis()));
    let (leaf, between) = chain.split_first().expect("a certificate");
    verifier.verify_server_cert(leaf, between, &name, &[], at).is_ok()
}

#[test]
fn a_certificate_says_who_for_thirty_days_and_nothing_of_the_request() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = made(dir.path());
    let key = KeyPair::generate().expect("a key");
    let mut wish = CertificateParams::new(vec!["tracker.lab".to_owned()]).expect("a name");
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.distinguished_name = called("the boss");
    let request = wish.serialize_request(&key).expect("a request");
    let proved = Proved::by(request.der()).expect("it proves the key");
    let identity = Identity {
        id: MemberId::from_bytes([1; 16]),
        role: Role::Peer,
        cluster: authority.cluster(),
    };
    let life = Life::of_member(NOW);
    let chain = authority.certify(&proved, identity, life).expect("certified");
    let read = Certificate::read(&chain[0]).expect("a member's");
    assert_eq!((read.identity, read.key), (identity, proved.hash()));
    assert_eq!(read.ends, life.ends());
    assert_eq!(read.ends.since(read.begins), DAY * 30 + BACKDATED);
    let root = chain.last().expect("the root");
    assert_eq!(key_of(root).expect("read"), authority.key());
    let own = identity.to_string();
    assert!(trusts(root, &chain, &own, NOW));
    assert!(!trusts(root, &chain, "tracker.lab", NOW));
    assert!(!trusts(root, &chain, &own, NOW.after(DAY * 31)));
    // It certifies nobody else: another certificate by its key leads nowhere.
    let sub = Issuer::from_ca_cert_der(&chain[0], key).expect("an issuer");
    let other = KeyPair::generate().expect("a key");
    let forged = CertificateParams::new(identity.names()).expect("names");
    let forged = forged.signed_by(&other, &sub).expect("signed").der().clone();
    assert!(!trusts(root, &[&[forged][..], &chain].concat(), &own, NOW));
}

#[test]
fn no_two_certificates_have_the_same_number() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = made(dir.path());
    let [one, other] = [(); 2].map(|()| authority.credentials(NOW).expect("certified").chain);
    assert_ne!(one[0], other[0]);
}

#[test]
fn it_is_the_same_after_a_restart_and_browsers_know_its_names() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = made(dir.path());
    let authority = again(dir.path());
    assert_eq!(
        (authority.key(), authority.cluster()),
        (first.key(), first.cluster())
    );
    assert_eq!(
        (authority.member(), authority.own_key()),
        (first.member(), first.own_key())
    );
    let Credentials { chain, roots, .. } = authority.credentials(NOW).expect("certified");
    for name in ["tracker.lab", "10.0.0.1", "tracker.0707070707070707.enjambre"] {
        assert!(trusts(&roots[0], &chain, name, NOW), "{name}");
    }
    assert!(matches!(
        Authority::create(dir.path(), authority.cluster(), Vec::new(), NOW),
        Err(AuthorityError::Exists(_))
    ));
}

#[test]
fn whoever_trusts_any_of_the_keys_follows_to_the_newest() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut roots = vec![made(dir.path()).lineage.root().clone()];
    let mut now = NOW;
    for rotation in 1..=9 {
        now = now.after(DAY);
        let rotated = again(dir.path()).rotate(now).expect("rotated");
        assert_eq!(again(dir.path()).key(), rotated.key());
        roots.push(rotated.lineage.root().clone());
        let Credentials {
            chain, roots: told, ..
        } = rotated.credentials(now).expect("certified");
        assert!(
            chain.len() <= 8 && told.len() <= 8,
            "{} {}",
            chain.len(),
            told.len()
        );
        let kept = roots.len().saturating_sub(lineage::MAX_GENERATIONS);
        for (generation, root) in roots.iter().enumerate() {
            let follows = trusts(root, &chain, "tracker.lab", now);
            assert_eq!(follows, generation >= kept, "{generation} after {rotation}");
        }
        let hashes: Vec<_> = chain.iter().filter_map(|der| key_of(der).ok()).collect();
        for root in &roots[kept..] {
            assert!(
                hashes.contains(&key_of(root).expect("read")),
                "an old line finds its key"
            );
        }
    }
}

#[test]
fn an_old_root_counts_until_its_last_certificates_have_ended() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let old = made(dir.path());
    let replaced = NOW.after(DAY * 100);
    let last = old.credentials(replaced).expect("certified").chain;
    let (_, ends) = life_of(&last[0]).expect("read");
    let authority = old.rotate(replaced).expect("rotated");
    assert_eq!(authority.roots(ends).len(), 2);
    assert_eq!(authority.roots(ends.after(DAY)).len(), 1);
}

#[test]
fn a_crash_while_the_key_is_replaced_leaves_one_that_counts() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let old = made(dir.path());
    let file = |name: &str| dir.path().join(name);
    let [key, certificates] =
        ["authority.key", "authority.pem"].map(|name| std::fs::read(file(name)).expect("read"));
    let new = old.rotate(NOW).expect("rotated");
    let new_key = std::fs::read(file("authority.key")).expect("read");
    let both = [&new_key[..], &key].concat();
    // Both keys, and the certificates of before or after.
    std::fs::write(file("authority.key"), &both).expect("written");
    assert_eq!(again(dir.path()).key(), new.key());
    std::fs::write(file("authority.pem"), &certificates).expect("written");
    assert_eq!(again(dir.path()).key(), old.key());
    std::fs::write(file("authority.key"), &new_key).expect("written");
    assert!(matches!(
        Authority::open(dir.path()),
        Err(AuthorityError::Damaged(_))
    ));
}

#[test]
fn a_backup_has_the_authority() {
    let [dir, target] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    back_up(dir.path(), target.path()).expect("nothing to do");
    let authority = made(dir.path()).rotate(NOW).expect("rotated");
    back_up(dir.path(), target.path()).expect("copied");
    assert_eq!(again(target.path()).key(), authority.key());
}
