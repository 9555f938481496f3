//! A new key of the authority, under a running network.

use proto::client::{CatalogClient, SecurityClient};
use proto::messages::Page;
use shared::security::Role;

use super::{Joined, Secured};

#[tokio::test]
async fn members_go_on_and_lines_stay_valid_when_the_authority_has_a_new_key() {
    let tracker = Secured::start().await;
    let line = tracker.line(Role::Peer);
    let early = Joined::new(&tracker, 1).await;
    let away = Joined::new(&tracker, 2).await;
    let client = SecurityClient::new(&tracker.address(), early.tls()).expect("an address");
    let mut news = client.follow().await.expect("it follows");
    news.next().await.expect("an answer").expect("at once");
    let reads = async |of: &Joined| {
        let client = CatalogClient::new(&tracker.address(), of.tls()).expect("an address");
        client.peers(&Page::first()).await.map(drop)
    };
    for rotations in 1..=3 {
        let before = tracker.authority().key();
        let key = tracker.administrator().rotate_authority().await.expect("rotated");
        assert!(key != before && tracker.authority().key() == key);
        let told = tokio::time::timeout(super::super::PATIENCE, news.next()).await;
        let told = told.expect("in time").expect("news").expect("some");
        assert_eq!(told.roots.len(), rotations + 1, "both count");
        // A member that has not heard of it yet, and its open stream.
        assert_eq!(reads(&early).await, Ok(()));
    }
    // One that knows nothing but the first key, one by a line of that time, and one by a new line.
    assert_eq!(reads(&away).await, Ok(()));
    away.membership.renew(&tracker.address()).await.expect("renewed");
    assert_eq!(reads(&away).await, Ok(()));
    let late = Joined::machine(3);
    late.membership.join(&line).await.expect("the line is valid");
    assert_eq!(reads(&late).await, Ok(()));
    let (at, authority) = (tracker.address(), tracker.authority().key());
    let entrance = proto::dial::Entrance::find(&at, authority).await;
    assert_eq!(entrance.expect("by the new key").server().role, Role::Tracker);
    // It is the same after a restart.
    let Secured { dir, served, .. } = tracker;
    served.stop().await;
    let served = super::super::Served::start(dir.path()).await;
    let client = CatalogClient::new(&served.address.into(), late.tls()).expect("an address");
    client.peers(&Page::first()).await.expect("a member");
    served.stop().await;
}
