//! Web pages of others, in a browser on this machine: they change nothing and read nothing, by whichever
//! protocol, host and origin a browser could send.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use harness::{Cluster, Program};

use crate::{PATIENCE, publish};

const TRACKER_CALLS: [&str; 8] = [
    "Catalog/Remove",
    "Catalog/Rename",
    "Catalog/Publish",
    "Catalog/List",
    "Upkeep/SetTarget",
    "Upkeep/SetDuty",
    "Upkeep/Release",
    "Session/Open",
];
const PEER_CALLS: [&str; 5] = [
    "Control/LocalList",
    "Control/Remove",
    "Control/Status",
    "Transfer/Fetch",
    "Transfer/Describe",
];
const TRACKER_DOCUMENTS: [&str; 4] = [
    "/api/v1/names",
    "/api/v1/peers",
    "/api/v1/status",
    "/api/v1/history/kept",
];
const PEER_DOCUMENTS: [&str; 5] = [
    "/api/v1/status",
    "/api/v1/files",
    "/api/v1/peers",
    "/api/v1/locate/kept",
    "/files/kept",
];
const WEBSERVER_DOCUMENTS: [&str; 2] = ["/directory.json", "/api/v1/names"];

/// The host, and further headers, that a browser sends for pages of others to a program at this address.
fn pages(address: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let port = address.rsplit(':').next().unwrap_or_default();
    let rebound = format!("evil.example:{port}");
    let origin = |origin: &str| ("origin", origin.to_owned());
    let site = |site: &str| ("sec-fetch-site", site.to_owned());
    vec![
        (
            address.to_owned(),
            vec![origin("http://evil.example"), site("cross-site")],
        ),
        (
            address.to_owned(),
            vec![origin("http://127.0.0.1:1"), site("same-site")],
        ),
        (address.to_owned(), vec![origin("null")]),
        (address.to_owned(), vec![site("cross-site")]),
        (rebound.clone(), vec![origin(&format!("http://{rebound}"))]),
        (
            rebound.clone(),
            vec![origin(&format!("http://{rebound}")), site("same-origin")],
        ),
    ]
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends a request of HTTP/1.1 with an empty message of gRPC; returns its status.
fn http1(address: &str, line: &str, host: &str, headers: &[(&str, String)]) -> Result<u16> {
    let mut stream = connect(address)?;
    let body: &[u8] = if line.starts_with("POST") { &[0; 5] } else { &[] };
    let mut request = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    stream.write_all(body)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(std::str::from_utf8(&head[9..])?.parse()?)
}

/// Sends a request of HTTP/2 with an empty message of gRPC; returns whether its status is 200.
fn http2(address: &str, path: &str, host: &str, headers: &[(&str, String)]) -> Result<bool> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut fields = Vec::new();
    let fixed = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", host),
        ("te", "trailers"),
    ];
    let given = headers.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in fixed.into_iter().chain(given) {
        // A literal without Huffman coding, and not for the table.
        for text in [name, value] {
            ensure!(text.len() < 127, "one byte holds the length");
        }
        fields.extend([0, u8::try_from(name.len())?]);
        fields.extend(name.as_bytes());
        fields.push(u8::try_from(value.len())?);
        fields.extend(value.as_bytes());
    }
    let length = u16::try_from(fields.len())?.to_be_bytes();
    let mut stream = connect(address)?;
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(SETTINGS);
    request.extend([0, length[0], length[1], 1, 4, 0, 0, 0, 1]);
    request.extend(fields);
    request.extend([0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    stream.write_all(&request)?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).context("the answer")?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload)?;
        match head[3] {
            // The first field of an answer is its status, and 200 is number 8 of the static table.
            1 => return Ok(payload.first() == Some(&0x88)),
            3 | 7 => return Ok(false),
            _ => {}
        }
    }
}

/// Checks that pages of others get no answer to calls and documents at an address, and programs do.
fn closed_to_pages(address: &str, calls: &[&str], documents: &[&str]) -> Result<()> {
    let kind = |kind: &str| ("content-type", kind.to_owned());
    let own = [kind("application/grpc")];
    for call in calls {
        let path = format!("/enjambre.v1.{call}");
        // A browser needs no permission for these kinds of content, nor for none.
        let simple = [Some(kind("text/plain")), Some(kind("application/grpc")), None];
        for (host, page) in pages(address) {
            for kind in &simple {
                let headers: Vec<_> = page.iter().cloned().chain(kind.clone()).collect();
                let status = http1(address, &format!("POST {path}"), &host, &headers)?;
                ensure!(status >= 400, "HTTP/1.1 {path} {host} {headers:?}: {status}");
                let is_answered = http2(address, &path, &host, &headers)?;
                ensure!(!is_answered, "HTTP/2 {path} {host} {headers:?}");
            }
        }
        // An older browser may send none of those headers.
        for kind in &simple {
            let headers: Vec<_> = kind.iter().cloned().collect();
            let status = http1(address, &format!("POST {path}"), address, &headers)?;
            ensure!(status >= 400, "HTTP/1.1 {path} {headers:?}: {status}");
        }
        ensure!(
            http2(address, &path, address, &own)?,
            "a program's call of {path}"
        );
    }
    for path in documents {
        for (host, page) in pages(address) {
            let status = http1(address, &format!("GET {path}"), &host, &page)?;
            ensure!(status == 403, "{path} {host} {page:?}: {status}");
        }
        let status = http1(address, &format!("GET {path}"), "localhost.", &[])?;
        ensure!(status < 400, "a program's request of {path}: {status}");
    }
    Ok(())
}

#[test]
fn pages_of_others_change_nothing_and_read_nothing() -> Result<()> {
    // In a secured network gRPC refuses some of these calls first, in words of its own.
    let cluster = Cluster::builder().plain().peers(2).start()?;
    drop(publish(&cluster, 0, "kept", 100_000, 2)?);
    // A node that has a second listener.
    let [flag, entry] = cluster.entry();
    let arguments = ["serve", flag, entry, "--data-dir"];
    let mut arguments: Vec<OsString> = arguments.map(Into::into).into();
    arguments.push(cluster.path("second").into());
    let log = cluster.path("second.log");
    let second = Program::start_at("peer", arguments, &log, "127.0.0.2", Vec::new())?;
    let (_, port) = second.address().rsplit_once(':').context("a port")?;

    closed_to_pages(cluster.tracker.address(), &TRACKER_CALLS, &TRACKER_DOCUMENTS)?;
    closed_to_pages(
        cluster.webserver.address(),
        &["Directory/Trackers"],
        &WEBSERVER_DOCUMENTS,
    )?;
    closed_to_pages(second.address(), &PEER_CALLS, &PEER_DOCUMENTS[..3])?;
    closed_to_pages(&format!("127.0.0.1:{port}"), &PEER_CALLS, &PEER_DOCUMENTS[..3])?;
    closed_to_pages(cluster.peer(0).program.address(), &PEER_CALLS, &PEER_DOCUMENTS)?;

    let list = cluster.peer(0).run(["list"]).expect(0).stdout;
    ensure!(list.contains("kept"), "{list}");
    Ok(())
}
