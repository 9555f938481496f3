//! The webserver leads to a live tracker, or reports that there is none.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result};
use harness::{Cluster, eventually};

use crate::PATIENCE;

/// Status line and headers, and body, of a plain HTTP/1.1 GET.
fn http_get(address: &str, path: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head and a body")?;
    Ok((head.to_owned(), body.to_owned()))
}

#[test]
fn requests_are_redirected_to_a_live_tracker_and_never_to_a_dead_one() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    let address = cluster.webserver.address().to_owned();
    let ask = |path: &'static str| {
        let address = &address;
        move || http_get(address, path).unwrap_or_default()
    };
    let is_sent_on = |(head, _): &(String, String)| head.starts_with("HTTP/1.1 307");
    let ask_peers = ask("/api/v1/peers?page_size=5");
    let (head, _) = eventually("a redirect", PATIENCE, ask_peers, is_sent_on)?;
    let location = format!("http://{}/api/v1/peers?page_size=5", cluster.tracker.address());
    assert!(
        head.lines()
            .any(|line| line.to_lowercase() == format!("location: {location}")),
        "{head}"
    );
    let (head, body) = http_get(cluster.tracker.address(), "/api/v1/peers?page_size=5")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.contains("\"live\""), "{body}");

    cluster.tracker.kill();
    let is_refused = |(head, _): &(String, String)| head.starts_with("HTTP/1.1 503");
    let (_, body) = eventually("a clear refusal", PATIENCE, ask("/api/v1/peers"), is_refused)?;
    assert!(body.contains("tracker"), "{body}");

    cluster.tracker.restart()?;
    eventually(
        "the redirect to work again",
        PATIENCE,
        ask("/api/v1/peers"),
        is_sent_on,
    )?;
    cluster.wait_for_live_peers(1)?;
    Ok(())
}

#[test]
fn all_three_programs_say_how_they_are() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    for address in [
        cluster.tracker.address(),
        cluster.webserver.address(),
        cluster.peer(0).program.address(),
    ] {
        for path in ["/healthz", "/readyz"] {
            let ask = || http_get(address, path).unwrap_or_default();
            eventually(path, PATIENCE, ask, |(head, _)| head.starts_with("HTTP/1.1 200"))?;
        }
    }
    let (head, body) = http_get(cluster.webserver.address(), "/")?;
    assert!(head.to_lowercase().contains("content-type: text/html"), "{head}");
    assert!(body.contains("<html"), "{body}");
    Ok(())
}
