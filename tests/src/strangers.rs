//! Strangers: callers who are no members, and who take places or act like a web page in someone's browser.
//!
//! Each runs as a process of its own, in the network of a peer, where the addresses can be reached.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};

/// First bytes of a client of HTTP/2: the preface, and settings without a change.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Addresses of this machine from which a siege comes, so that it leaves ports to others.
const SOURCES: usize = 32;

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

/// The first bytes of a stranger's connections; nothing comes after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Those of HTTP/2.
    Http2,
    /// Those of TLS: the server signs its answer and waits for the rest of the handshake.
    Tls,
}

impl Beginning {
    fn bytes(self) -> Result<Vec<u8>> {
        match self {
            Self::Http2 => Ok(HTTP_2.to_owned()),
            Self::Tls => client_hello(),
        }
    }
}

/// Returns the first message of a TLS client who trusts nobody.
fn client_hello() -> Result<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .context("TLS 1.3")?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "stranger.example".try_into().context("a name")?;
    let mut client = ClientConnection::new(Arc::new(config), name).context("a client")?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).context("its first message")?;
    Ok(bytes)
}

/// Holds a number of silent connections to each address until it is over, and opens a new one for each that
/// is ended.
///
/// # Errors
/// When this process may not open as many.
pub fn siege(
    addresses: &[String],
    each: usize,
    beginning: Beginning,
    is_over: &dyn Fn() -> bool,
) -> Result<()> {
    let bytes = beginning.bytes()?;
    let mut held: Vec<Option<TcpStream>> = Vec::new();
    held.resize_with(each * addresses.len(), || None);
    while !is_over() {
        let places = held.iter_mut().zip(addresses.iter().cycle());
        for (number, (place, address)) in places.enumerate() {
            if !place.as_mut().is_none_or(is_ended) {
                continue;
            }
            if is_over() {
                break;
            }
            *place = connect(number, address).ok();
            if let Some(stream) = place {
                stream.set_nonblocking(true).context("a silent connection")?;
                // The program may have ended this one already for a newer one.
                drop(stream.write_all(&bytes));
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Connects; to this machine's loopback from one of several addresses there.
fn connect(number: usize, address: &str) -> Result<TcpStream> {
    let address: SocketAddr = address.parse()?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let last = u8::try_from(1 + number % SOURCES)?;
        let source = SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0));
        socket.bind(&source.into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
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
