//! Revocation, in force while connections are open.

use std::time::Duration;

use proto::client::{CatalogClient, SecurityClient};
use proto::messages::Page;
use shared::model::Order;
use shared::runtime::Clock;
use shared::{Coded as _, ErrorCode};

use super::{Joined, Secured};

/// The promise of docs/security.md.
const IN_FORCE: Duration = Duration::from_secs(5);

/// Connections of the revoked member that are open meanwhile.
const OPEN: usize = 50;

#[tokio::test]
async fn a_revoked_member_loses_everything_that_it_has_open() {
    let tracker = Secured::start().await;
    let (good, bad) = (Joined::new(&tracker, 1).await, Joined::new(&tracker, 2).await);
    let mut session = bad.session(&tracker).await;
    let _other = good.session(&tracker).await;
    let follow = async |of: &Joined| {
        let client = SecurityClient::new(&tracker.address(), of.tls()).expect("an address");
        let mut news = client.follow().await.expect("it follows");
        let first = news.next().await.expect("an answer").expect("at once");
        assert_eq!(first.revoked, []);
        news
    };
    let mut news = follow(&good).await;
    let mut open = Vec::new();
    for _ in 0..OPEN {
        open.push(follow(&bad).await);
    }
    let client = CatalogClient::new(&tracker.address(), bad.tls()).expect("an address");
    client.peers(&Page::first()).await.expect("it is a member");

    let began = Clock::system().now();
    let administrator = tracker.administrator();
    administrator.revoke_member(bad.id.into()).await.expect("revoked");
    let told = tokio::time::timeout(IN_FORCE, news.next())
        .await
        .expect("in time");
    assert_eq!(
        told.expect("news").expect("some").revoked,
        [bad.key.public().hash()]
    );
    let ended = async {
        while let Ok(Some(order)) = session.orders.next().await {
            // Other orders may have been on their way.
            assert!(!matches!(
                order,
                proto::messages::FromTracker::Order(Order::Assign { .. })
            ));
        }
        for mut stream in open {
            while let Ok(Some(_)) = stream.next().await {}
        }
    };
    tokio::time::timeout(IN_FORCE, ended)
        .await
        .expect("all have ended in time");
    let took = Clock::system().now().since(began);
    assert!(took < IN_FORCE, "{took:?}");
    let refused = client.peers(&Page::first()).await.expect_err("no member");
    assert_eq!(refused.code(), ErrorCode::PermissionDenied, "{refused}");
    assert!(
        refused.to_string().contains("this member was revoked"),
        "{refused}"
    );

    // It comes back neither with its key nor with the line that it has kept.
    let refused = bad
        .membership
        .renew(&tracker.address())
        .await
        .expect_err("revoked");
    assert_eq!(refused.code(), ErrorCode::FailedPrecondition, "{refused}");
    let line = tracker.line(shared::security::Role::Peer);
    let refused = bad.membership.join(&line).await.expect_err("revoked");
    assert_eq!(refused.code(), ErrorCode::FailedPrecondition, "{refused}");
    // Others go on, and nobody revokes the tracker.
    let client = CatalogClient::new(&tracker.address(), good.tls()).expect("an address");
    client.peers(&Page::first()).await.expect("it is a member");
    let members = administrator.members().await.expect("listed");
    assert!(
        members
            .iter()
            .any(|member| member.is_revoked && member.id == bad.id.into())
    );
    let refused = administrator
        .revoke_member(members[0].id)
        .await
        .expect_err("itself");
    assert_eq!(refused.code(), ErrorCode::FailedPrecondition, "{refused}");
    tracker.served.stop().await;
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_from_then_on() {
    let tracker = Secured::start().await;
    let administrator = tracker.administrator();
    let tokens = administrator.tokens().await.expect("listed");
    assert_eq!(tokens.len(), 4);
    administrator
        .revoke_token(tracker.admin.id)
        .await
        .expect("revoked");
    let refused = administrator.tokens().await.expect_err("it was its own");
    assert_eq!(refused.code(), ErrorCode::Unauthenticated, "{refused}");
    tracker.served.stop().await;
}
