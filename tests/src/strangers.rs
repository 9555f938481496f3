//! Strangers: callers who are no members, and who take places or act like a web page in someone's browser.
//!
//! Each runs as a process of its own, in the network of a peer, where the addresses can be reached.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// First bytes of a client of HTTP/2: the preface, and settings without a change.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Connections that a siege holds.
const IDLE: usize = 600;

/// Longest wait for one answer to a page.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Calls that a page tries, and documents that it would like to read, at a tracker and at a peer.
const CALLS: [&str; 8] = [
    "/enjambre.v1.Catalog/Remove",
    "/enjambre.v1.Catalog/Rename",
    "/enjambre.v1.Upkeep/SetTarget",
    "/enjambre.v1.Upkeep/SetDuty",
    "/enjambre.v1.Session/Open",
    "/enjambre.v1.Control/Remove",
    "/enjambre.v1.Control/LocalList",
    "/enjambre.v1.Transfer/Fetch",
];
const DOCUMENTS: [&str; 3] = ["/api/v1/names", "/api/v1/status", "/api/v1/peers"];

/// Holds idle connections to each address until it is over, and opens a new one for each that is ended.
///
/// # Errors
/// When this process may not open as many.
pub fn siege(addresses: &[String], is_over: &dyn Fn() -> bool) -> Result<()> {
    let mut held: Vec<Option<TcpStream>> = Vec::new();
    held.resize_with(IDLE * addresses.len(), || None);
    while !is_over() {
        for (place, address) in held.iter_mut().zip(addresses.iter().cycle()) {
            let is_over = place.as_mut().is_none_or(is_ended);
            if is_over {
                *place = TcpStream::connect(address).ok();
            }
            if let Some(stream) = place.as_mut().filter(|_| is_over) {
                stream.set_nonblocking(true).context("an idle connection")?;
                // The program may have ended this one already for a newer one.
                drop(stream.write_all(HTTP_2));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether the other end has closed the connection; reads and forgets all that came.
fn is_ended(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 512];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// Sends the requests of a page of another site to each address. Returns those that were not refused.
#[must_use]
pub fn page(addresses: &[String]) -> Vec<String> {
    let mut answered = Vec::new();
    for address in addresses {
        let calls = CALLS.iter().map(|path| ("POST", path));
        for (method, path) in calls.chain(DOCUMENTS.iter().map(|path| ("GET", path))) {
            for (host, headers) in of_browsers(address) {
                // A program that is away answers nobody.
                if let Ok(status @ 0..400) = ask(address, &format!("{method} {path}"), &host, &headers) {
                    answered.push(format!("{method} {path} at {address} as {host}: {status}"));
                }
            }
        }
    }
    answered
}

/// The host and headers that a browser sends for a page of another site, and for a rebound name.
fn of_browsers(address: &str) -> [(String, String); 2] {
    let port = address.rsplit(':').next().unwrap_or_default();
    let rebound = format!("evil.example:{port}");
    let cross = "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n".to_owned();
    let same = format!("Origin: http://{rebound}\r\nSec-Fetch-Site: same-origin\r\n");
    [(address.to_owned(), cross), (rebound, same)]
}

/// Sends a request and returns the status of its answer.
fn ask(address: &str, line: &str, host: &str, headers: &str) -> Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let body: &[u8] = if line.starts_with("POST") { &[0; 5] } else { &[] };
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(std::str::from_utf8(&head[9..])?.parse()?)
}
