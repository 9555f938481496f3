//! HTTP border, with a client of ten lines.

use std::net::SocketAddr;

use proto::messages::Remove;
use serde_json::{Value, json};
use shared::model::PinWish;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Member, Served, hello, manifest, publish};

/// Returns the head and the body of the answer to a request.
async fn ask(address: SocketAddr, line: &str, headers: &[&str]) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|header| header.starts_with("host:")) {
        request.push_str(&format!("host: {address}\r\n"));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("receive");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_ascii_lowercase(), body.to_owned())
}

fn status(head: &str) -> u16 {
    head[9..12].parse().expect("a status")
}

/// Returns the status and the body of the answer to a GET.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let (head, body) = ask(address, &format!("GET {path}"), &[]).await;
    assert!(
        !head.contains("access-control-allow-origin"),
        "no page has asked: {head}"
    );
    (status(&head), body)
}

async fn get_json(address: SocketAddr, path: &str) -> (u16, Value) {
    let (status, body) = get(address, path).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

#[tokio::test]
async fn a_page_over_http_lists_pins_of_removed_names() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let member = Member::join(&tracker, hello(1, 1, 0)).await;
    let catalog = tracker.catalog();
    for (name, n) in [("a", 7), ("b", 8), ("c", 9)] {
        let published = catalog.publish(&publish(&member, name, &manifest(n), 1)).await;
        published.expect("published");
        let wish = PinWish {
            what: format!("{name}@1").parse().expect("a revision"),
            is_pinned: true,
            expected: None,
        };
        catalog.pin(&wish).await.expect("pinned");
    }
    for name in ["a", "c"] {
        let remove = Remove {
            name: name.parse().expect("a name"),
            expected: None,
        };
        catalog.remove(&remove).await.expect("removed");
    }
    let at = tracker.address;
    let (status, all) = get_json(at, "/api/v1/names").await;
    assert_eq!(status, 200);
    assert_eq!(all["names"][0]["name"], "b");
    assert_eq!(all["removed_pinned"], json!(["a@1", "c@1"]));
    assert_eq!(all["next_page_token"], "", "only names make a page");
    let (_, last) = get_json(at, "/api/v1/names?page_token=b").await;
    assert_eq!(
        (&last["names"], &last["removed_pinned"]),
        (&json!([]), &json!(["c@1"]))
    );
    let (_, none) = get_json(at, "/api/v1/names?prefix=b").await;
    assert!(
        none.get("removed_pinned").is_none(),
        "absent when there are none: {none}"
    );
    tracker.stop().await;
}

#[tokio::test]
async fn people_and_scripts_can_read_what_there_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let at = tracker.address;
    let member = Member::join(&tracker, hello(1, 1, 0)).await;
    let bytes = manifest(7);
    tracker
        .catalog()
        .publish(&publish(&member, "models/ñ a", &bytes, 1))
        .await
        .expect("published");

    assert_eq!(get(at, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(
        get_json(at, "/readyz").await,
        (200, json!({"ready": true, "in_safe_mode": false}))
    );

    let (status, names) = get_json(at, "/api/v1/names?prefix=models/").await;
    assert_eq!((status, &names["next_page_token"]), (200, &json!("")));
    assert_eq!(names["names"][0]["name"], "models/ñ a");
    assert_eq!(names["names"][0]["state"], "replicated");
    assert_eq!(get_json(at, "/api/v1/names?prefix=x").await.1["names"], json!([]));

    let (status, located) = get_json(at, "/api/v1/names/models/%C3%B1%20a").await;
    assert_eq!(status, 200);
    assert_eq!(located["content"], json!(bytes.content().to_string()));
    assert_eq!(located["fragments"].as_array().map(Vec::len), Some(5));
    let id = member.id.to_string();
    let last = &located["fragments"][4];
    assert_eq!((&last["index"], &last["holders"]), (&json!(4), &json!([id])));
    let peer = &located["peers"][0];
    assert_eq!(
        (&peer["id"], &peer["state"], &peer["keeps"]),
        (&json!(id), &json!("live"), &json!(true))
    );
    assert_eq!(
        get_json(at, &format!("/api/v1/contents/{}", bytes.content())).await,
        (200, located)
    );

    let (status, peers) = get_json(at, "/api/v1/peers").await;
    assert_eq!(
        (status, &peers["peers"][0]["id"], &peers["epoch"]),
        (200, &json!(id), &json!(1))
    );
    let (status, numbers) = get_json(at, "/api/v1/status").await;
    assert_eq!(
        (status, &numbers["names"], &numbers["live_peers"]),
        (200, &json!(1), &json!(1))
    );
    tracker.stop().await;
}

#[tokio::test]
async fn errors_have_one_shape() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    for (path, status, code) in [
        ("/api/v1/names/none", 404, "not found"),
        ("/api/v1/names/a//b", 400, "invalid argument"),
        ("/api/v1/names?page_token=//", 400, "invalid argument"),
        ("/api/v1/contents/xyz", 400, "invalid argument"),
        (
            "/api/v1/contents/0000000000000000000000000000000000000000000000000000000000000001",
            404,
            "not found",
        ),
        ("/api/v1/peers?page_token=zz", 400, "invalid argument"),
        ("/nothing", 404, "not found"),
        ("/api/v1/names?page_size=x", 400, "invalid argument"),
        ("/api/v1/names?pagesize=1", 400, "invalid argument"),
        ("/api/v1/peers?page_size=-1", 400, "invalid argument"),
        ("/api/v1/names/%ff", 400, "invalid argument"),
    ] {
        let (got, body) = get_json(tracker.address, path).await;
        assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{path}");
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    tracker.stop().await;
}

#[tokio::test]
async fn only_the_webserver_s_page_reads_the_api_and_no_other_page() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    let at = tracker.address;
    for path in ["names", "names/a", "history/a", "contents/ab", "peers", "status"] {
        let line = format!("GET /api/v1/{path}");
        for page in [
            "origin: http://evil.example",
            "origin: http://127.0.0.1:3000",
            "origin: null",
            "sec-fetch-site: cross-site",
            "host: evil.example",
        ] {
            let (head, body) = ask(at, &line, &[page]).await;
            assert_eq!(status(&head), 403, "{path} {page}");
            assert!(!head.contains("access-control"), "{head}");
            assert!(body.starts_with("{\"error\":"), "{body}");
        }
        let page = ["origin: http://localhost:50051", "sec-fetch-site: same-site"];
        let (head, _) = ask(at, &line, &page).await;
        assert!(status(&head) != 403, "{path}: {head}");
        assert!(
            head.contains("\r\naccess-control-allow-origin: http://localhost:50051")
                && head.contains("vary: origin"),
            "{head}"
        );
    }
    tracker.stop().await;
}

#[tokio::test]
async fn another_method_is_refused_in_json_with_those_that_there_are() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let tracker = Served::start(dir.path()).await;
    for path in ["/api/v1/names", "/healthz"] {
        let (head, body) = ask(tracker.address, &format!("DELETE {path}"), &[]).await;
        assert_eq!(status(&head), 405, "{path}");
        assert!(head.contains("\r\nallow: get"), "{head}");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(body["error"]["code"], "invalid argument");
    }
    tracker.stop().await;
}
