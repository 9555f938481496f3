//! The audit: everything that was changed or refused, in a chain, and no secret anywhere.

use std::path::Path;

use proto::messages::Page;
use shared::model::Timestamp;
use shared::security::{ApiToken, JoinLine};
use tracker::audit_log::{Checked, read, verify};

use super::{Answer, Joined, Secured, call, texts};

#[tokio::test]
async fn what_was_changed_and_refused_is_in_the_audit_and_no_secret_is_anywhere() {
    let tracker = Secured::start().await;
    let peer = Joined::new(&tracker, 1).await;
    let _session = peer.session(&tracker).await;
    let guest = tracker.guest();
    let at = tracker.served.address;
    let remove = "/enjambre.v1.Catalog/Remove";
    let removed = call(at, peer.tls(), None, remove, &texts(&["nothing"])).await;
    assert_eq!(removed, Answer::LetIn);
    for _ in 0..100 {
        let refused = call(at, &guest, None, remove, &texts(&["secret plans"])).await;
        assert!(matches!(refused, Answer::Refused(_)), "{refused:?}");
    }
    let read_only = call(at, peer.tls(), None, "GET /api/v1/peers", &[]).await;
    assert_eq!(read_only, Answer::LetIn);
    let client = proto::client::CatalogClient::new(&tracker.address(), peer.tls()).expect("an address");
    client.peers(&Page::first()).await.expect("a member");
    tracker
        .administrator()
        .revoke_member(peer.id.into())
        .await
        .expect("revoked");
    let (admin, lines) = (tracker.admin.clone(), tracker.lines.clone());
    let Secured { dir, served, .. } = tracker;
    served.stop().await;

    let lines_of = |call: &str, result: &str| {
        let all = read(dir.path(), Timestamp::default()).expect("read");
        all.into_iter()
            .filter(|line| line.call.ends_with(call) && line.result == result)
            .collect::<Vec<_>>()
    };
    let enrolled = lines_of("Security/Enrol", "done");
    let token = lines[0].token();
    let object = format!("peer {} by token {token}", peer.id);
    assert_eq!(
        (enrolled.len(), enrolled[0].object.as_str()),
        (1, object.as_str())
    );
    let failed = lines_of("Catalog/Remove", "failed");
    assert_eq!(
        (failed[0].who.as_str(), failed[0].object.as_str()),
        (&*format!("peer {}", peer.id), "nothing")
    );
    let denied = lines_of("Catalog/Remove", "denied").len();
    assert!((1..=20).contains(&denied), "a flood is a few lines, not {denied}");
    let revoked = lines_of("Security/RevokeMember", "done");
    assert_eq!(revoked[0].who, format!("token {}", admin.id));
    let all = read(dir.path(), Timestamp::default()).expect("read");
    assert!(
        all.iter().all(|line| !line.call.contains("peers")),
        "who only looks is not written down"
    );
    assert!(matches!(
        verify(dir.path()).expect("read"),
        Checked::Whole {
            has_beginning: true,
            ..
        }
    ));
    finds_tampering(dir.path());
    has_no_secrets(dir.path(), &admin, &lines);
}

/// Asserts that a changed line is found, and one that is gone.
fn finds_tampering(dir: &Path) {
    let path = dir.join("audit.ndjson");
    let whole = std::fs::read_to_string(&path).expect("read");
    let changed = whole.replacen("nothing", "anything", 1);
    let without: Vec<_> = whole
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .map(|(_, line)| line)
        .collect();
    for tampered in [changed, without.join("\n") + "\n"] {
        std::fs::write(&path, tampered).expect("written");
        let checked = verify(dir).expect("read");
        assert!(matches!(checked, Checked::Broken { .. }), "{checked:?}");
    }
    std::fs::write(&path, whole).expect("written");
}

/// Asserts that no file of the tracker has a secret but the one that is for its owner.
fn has_no_secrets(dir: &Path, admin: &ApiToken, lines: &[JoinLine]) {
    let mut secrets = vec![admin.secret.expose().to_vec()];
    secrets.extend(lines.iter().map(|line| line.secret().expose().to_vec()));
    // In the forms in which people have them: 26 digits of base32, and 43 of base64.
    let ends = lines
        .iter()
        .map(|line| (line.to_string(), 26))
        .chain([(admin.to_string(), 43)]);
    secrets.extend(ends.map(|(text, digits)| text.as_bytes()[text.len() - digits..].to_vec()));
    for entry in std::fs::read_dir(dir).expect("read") {
        let path = entry.expect("read").path();
        let bytes = std::fs::read(&path).expect("read");
        let has = |secret: &Vec<u8>| bytes.windows(secret.len()).any(|window| window == &secret[..]);
        let is_token_file = path.ends_with("admin-token");
        assert_eq!(secrets.iter().any(has), is_token_file, "{}", path.display());
    }
}
