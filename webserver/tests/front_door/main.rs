//! The webserver over real sockets, in front of trackers that only know how to be healthy or not.

mod fake_tracker;
mod http;

use std::net::SocketAddr;
use std::time::Duration;

use proto::client::DirectoryClient;
use proto::tls::Tls;
use shared::Coded as _;
use shared::model::HostPort;
use shared::runtime::{OnExit, Tasks};
use webserver::config::Probing;
use webserver::{Config, StartError, Webserver};

use fake_tracker::FakeTracker;
use http::get;

/// Far longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running webserver; it stops when this is dropped.
struct Running {
    address: SocketAddr,
    tasks: Tasks,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.token().cancel();
    }
}

async fn start(trackers: Vec<HostPort>) -> Running {
    start_with(PATIENCE, trackers).await
}

/// Starts a webserver for which a tracker is dead that has not answered after this time.
async fn start_with(deadline: Duration, trackers: Vec<HostPort>) -> Running {
    let interval = Duration::from_millis(20);
    let probing = Probing { interval, deadline };
    let config = Config {
        probing,
        ..Config::on_free_port(trackers)
    };
    let webserver = Webserver::bind(config).await.expect("a free port");
    let (address, tasks) = (webserver.local_addr(), Tasks::new());
    let shutdown = tasks.token().clone().cancelled_owned();
    tasks.spawn("webserver", OnExit::Continue, async move {
        webserver.run_until(shutdown).await.expect("nothing fails");
    });
    Running { address, tasks }
}

/// Polls until the condition holds; panics with `what` when it does not in time.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "never: {what}"
    );
}

/// Returns an address on which no program listens.
async fn nobody() -> HostPort {
    let tracker = FakeTracker::start().await;
    let address = tracker.address();
    tracker.stop().await;
    address
}

/// Returns the address to which the webserver redirects now; `None` when there is none.
async fn sent_to(webserver: SocketAddr) -> Option<String> {
    let reply = get(webserver, "/api/v1/names").await;
    (reply.status == 307).then(|| {
        reply
            .header("location")
            .expect("a redirect says where")
            .to_owned()
    })
}

#[tokio::test]
async fn clients_are_redirected_to_the_live_tracker_with_path_and_query() {
    let live = FakeTracker::start().await;
    let web = start(vec![nobody().await, live.address()]).await;
    for _ in 0..4 {
        let reply = get(web.address, "/api/v1/names?prefix=a%2Fb&page_size=2").await;
        assert_eq!(reply.status, 307);
        let location = format!("http://{}/api/v1/names?prefix=a%2Fb&page_size=2", live.address());
        assert_eq!(reply.header("location"), Some(location.as_str()));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    // And where it leads there is an answer.
    let tracker = live.socket_addr();
    assert_eq!(
        get(tracker, "/api/v1/names?prefix=a%2Fb").await.body,
        "the tracker's answer to prefix=a%2Fb"
    );
}

#[tokio::test]
async fn a_method_with_a_body_is_redirected_as_it_is() {
    let live = FakeTracker::start().await;
    let web = start(vec![live.address()]).await;
    let reply = http::request(web.address, "DELETE", "/api/v1/names/a").await;
    assert_eq!(reply.status, 307);
}

#[tokio::test]
async fn without_a_live_tracker_the_answer_says_so_and_why() {
    let dead = nobody().await;
    let web = start(vec![dead.clone()]).await;
    let reply = get(web.address, "/api/v1/peers").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("location"), None);
    assert!(reply.body.contains("no tracker is alive"), "{}", reply.body);
    assert!(reply.body.contains(&dead.to_string()), "{}", reply.body);
    assert!(
        reply.body.to_lowercase().contains("connection refused"),
        "{}",
        reply.body
    );
    assert_eq!(get(web.address, "/readyz").await.status, 503);
    assert_eq!(get(web.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn several_live_trackers_take_turns() {
    let trackers = [FakeTracker::start().await, FakeTracker::start().await];
    let web = start(trackers.iter().map(FakeTracker::address).collect()).await;
    let mut hits = [0, 0];
    for _ in 0..10 {
        let location = sent_to(web.address).await.expect("both are live");
        for (hit, tracker) in hits.iter_mut().zip(&trackers) {
            *hit += usize::from(location.starts_with(&format!("http://{}/", tracker.address())));
        }
    }
    assert_eq!(hits, [5, 5]);
}

#[tokio::test]
async fn a_tracker_that_fails_its_check_is_avoided_until_it_passes_again() {
    let (stays, fails) = (FakeTracker::start().await, FakeTracker::start().await);
    let web = start(vec![fails.address(), stays.address()]).await;
    let failing = format!("http://{}/api/v1/names", fails.address());
    let is_used = async || {
        // Two turns in a row visit both trackers if both are live.
        let sent = [sent_to(web.address).await, sent_to(web.address).await];
        sent.contains(&Some(failing.clone()))
    };
    assert!(is_used().await);

    fails.set_healthy(false).await;
    eventually("the failing tracker is listed as dead", async || {
        is_listed(&web, &fails.address(), false).await
    })
    .await;
    for _ in 0..10 {
        assert!(!is_used().await);
    }

    fails.set_healthy(true).await;
    eventually("the tracker is used again", is_used).await;
}

#[tokio::test]
async fn a_tracker_that_died_is_used_again_once_it_is_back() {
    let tracker = FakeTracker::start().await;
    let address = tracker.socket_addr();
    let web = start(vec![tracker.address()]).await;
    assert!(sent_to(web.address).await.is_some());
    tracker.stop().await;
    eventually("no redirect to the dead tracker", async || {
        sent_to(web.address).await.is_none()
    })
    .await;
    assert_eq!(get(web.address, "/readyz").await.status, 503);

    let _again = FakeTracker::start_on(address).await;
    eventually("a redirect to the tracker that is back", async || {
        sent_to(web.address).await.is_some()
    })
    .await;
    assert_eq!(get(web.address, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_program_that_is_no_tracker_is_not_taken_for_one() {
    // Another webserver: its health service is fine, but it serves no catalogue.
    let live = FakeTracker::start().await;
    let other = start(vec![live.address()]).await;
    let web = start(vec![other.address.into()]).await;
    let reply = get(web.address, "/api/v1/names").await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("not a tracker"), "{}", reply.body);
}

#[tokio::test]
async fn a_tracker_that_accepts_and_says_nothing_is_dead() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = silent.local_addr().expect("bound").into();
    let web = start_with(Duration::from_secs(1), vec![address]).await;
    let reply = get(web.address, "/api/v1/names").await;
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("no answer within 1.0s"), "{}", reply.body);
}

#[tokio::test]
async fn the_directory_lists_live_trackers_first() {
    let live = FakeTracker::start().await;
    let dead = nobody().await;
    let web = start(vec![dead.clone(), live.address()]).await;
    let client = DirectoryClient::of_webserver(&web.address.into(), &Tls::default()).expect("an address");
    let listed = client.gateways().await.expect("the webserver answers").trackers;
    let seen: Vec<_> = listed
        .iter()
        .map(|entry| (entry.address.clone(), entry.is_live))
        .collect();
    assert_eq!(seen, [(live.address(), true), (dead, false)]);
    assert!(listed[0].reason.is_empty() && !listed[1].reason.is_empty());

    let json: serde_json::Value =
        serde_json::from_str(&get(web.address, "/directory.json").await.body).expect("JSON");
    assert_eq!(json["trackers"][0]["address"], live.address().to_string());
    assert_eq!(json["trackers"][0]["state"], "live");
    assert_eq!(json["trackers"][1]["state"], "dead");
}

async fn is_listed(web: &Running, tracker: &HostPort, is_live: bool) -> bool {
    let client = DirectoryClient::of_webserver(&web.address.into(), &Tls::default()).expect("an address");
    let listed = client.gateways().await.expect("the webserver answers").trackers;
    listed
        .iter()
        .any(|entry| entry.address == *tracker && entry.is_live == is_live)
}

#[tokio::test]
async fn the_page_brings_all_it_needs_and_may_load_nothing_else() {
    let web = start(vec![nobody().await]).await;
    let page = get(web.address, "/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        !page.body.contains("://") && !page.body.contains("<style"),
        "nothing foreign, nothing inline"
    );
    for (path, kind) in [("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        assert!(page.body.contains(&format!("\"{path}\"")), "the page uses {path}");
        let asset = get(web.address, path).await;
        assert_eq!(asset.status, 200);
        assert!(
            asset
                .header("content-type")
                .is_some_and(|found| found.starts_with(kind))
        );
        assert!(!asset.body.contains("innerHTML") && !asset.body.contains("://"));
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let web = start(vec![nobody().await]).await;
    for path in ["/api", "/apiary/v1", "/nothing", "/enjambre.v1.Catalog/List"] {
        let reply = get(web.address, path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.body.contains("not found"), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_busy_port_is_said_in_one_line() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let config = Config {
        port,
        ..Config::on_free_port(vec![nobody().await])
    };
    let error = Webserver::bind(config).await.expect_err("the port is taken");
    assert!(matches!(error, StartError::Listen(_)));
    assert_eq!(error.code().exit_code(), 5);
    let text = error.to_string();
    assert!(
        text.contains(&format!("127.0.0.1:{port}")) && text.contains("--port"),
        "{text}"
    );
    assert!(!text.contains('\n'));
}
