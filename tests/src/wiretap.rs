//! A wire that remembers: TCP proxies before programs, which keep every byte of both directions.
//!
//! A member is expected by its name and not by its address, so that a proxy changes nothing for programs.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, ensure};

/// Bytes that are passed on at a time.
const CHUNK: usize = 64 << 10;

/// Types of records of TLS: change of the cipher (kept in 1.3 for old middleboxes), alert, handshake, data.
const RECORDS: std::ops::RangeInclusive<u8> = 20..=23;

/// The type of a handshake's record.
const HANDSHAKE: u8 = 22;

/// The type of a record of data: in TLS 1.3 everything after the first two messages.
const DATA: u8 = 23;

/// The choice of a server of TLS 1.3: the extension `supported_versions` with one version, 1.3.
const CHOSEN: [u8; 6] = [0x00, 0x2b, 0x00, 0x02, 0x03, 0x04];

/// A proxy; it ends with the process, its connections with their ends.
#[derive(Debug)]
pub struct Wiretap {
    address: String,
    shared: Arc<Shared>,
}

/// One direction of a connection, from its first byte.
#[derive(Debug)]
struct Heard {
    is_from_server: bool,
    bytes: Mutex<Vec<u8>>,
}

#[derive(Debug)]
struct Shared {
    upstream: OnceLock<String>,
    heard: Mutex<Vec<Arc<Heard>>>,
    is_over: AtomicBool,
}

impl Wiretap {
    /// Listens on a free port, before it is known where to.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
        let address = listener.local_addr().context("listen")?.to_string();
        let shared = Arc::new(Shared {
            upstream: OnceLock::new(),
            heard: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                if of_thread.is_over.load(Ordering::Relaxed) {
                    return;
                }
                // The destination is unknown yet, or not listening: the caller tries again.
                let upstream = of_thread.upstream.get().map(TcpStream::connect);
                if let Some(Ok(callee)) = upstream {
                    of_thread.join(caller, callee);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns the listening address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sets the destination.
    pub fn lead_to(&self, upstream: &str) {
        // A program keeps its address when it is started again.
        drop(self.shared.upstream.set(upstream.to_owned()));
    }

    /// Returns every byte so far, direction by direction.
    #[must_use]
    pub fn heard(&self) -> Vec<Vec<u8>> {
        let all = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|heard| heard.taken()).collect()
    }

    /// Checks that every direction is records of TLS 1.3 and nothing else; returns the number of connections
    /// on which data was sent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn is_tls(&self) -> Result<usize> {
        let all = self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connections = 0;
        for heard in &*all {
            let bytes = heard.taken();
            let has_data = is_tls(&bytes, heard.is_from_server)?;
            connections += usize::from(heard.is_from_server && has_data);
        }
        Ok(connections)
    }
}

impl Heard {
    fn taken(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener up; a failure means that it is gone already.
        drop(TcpStream::connect(&self.address));
    }
}

impl Shared {
    fn join(&self, caller: TcpStream, callee: TcpStream) {
        let (Ok(from_caller), Ok(to_callee)) = (caller.try_clone(), callee.try_clone()) else {
            return;
        };
        for (is_from_server, from, to) in [(false, from_caller, to_callee), (true, callee, caller)] {
            let bytes = Mutex::default();
            let heard = Arc::new(Heard {
                is_from_server,
                bytes,
            });
            let mut all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Arc::clone(&heard));
            std::thread::spawn(move || pass(from, to, &heard.bytes));
        }
    }
}

/// Copies bytes until one side ends, then ends the other. Keeps them before they arrive.
fn pass(mut from: TcpStream, mut to: TcpStream, heard: &Mutex<Vec<u8>>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read) = from.read(&mut chunk) {
        let read = &chunk[..read];
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(read);
        if read.is_empty() || to.write_all(read).is_err() {
            break;
        }
    }
    // Either side may have ended already.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

/// Checks one direction; returns whether it has data.
fn is_tls(bytes: &[u8], is_from_server: bool) -> Result<bool> {
    let (mut rest, mut has_data, mut is_first) = (bytes, false, true);
    // The last record may not have come whole.
    while let [kind, 3, minor, high, low, after @ ..] = rest {
        ensure!(
            RECORDS.contains(kind) && *minor <= 4,
            "a record of type {kind} and version 3.{minor}"
        );
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (record, next) = after.split_at(length.min(after.len()));
        if is_first && *kind == HANDSHAKE && is_from_server && record.len() == length {
            let is_chosen = record.windows(CHOSEN.len()).any(|part| part == CHOSEN);
            ensure!(is_chosen, "the server did not choose version 1.3");
        }
        has_data |= *kind == DATA;
        (rest, is_first) = (next, false);
    }
    ensure!(
        rest.len() < 5,
        "{} bytes that begin with {:?} are no records",
        rest.len(),
        &rest[..5]
    );
    Ok(has_data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_other_bytes() {
        let hello = [&[HANDSHAKE, 3, 3, 0, 6], &CHOSEN[..]].concat();
        let data = [DATA, 3, 3, 0, 2, 7, 7];
        let whole = [&hello[..], &data].concat();
        assert!(is_tls(&whole, true).expect("records"));
        assert!(
            is_tls(&whole[..14], true).is_ok_and(|has_data| !has_data),
            "cut off in a head"
        );
        assert!(is_tls(b"PRI * HTTP/2.0", false).is_err());
        assert!(is_tls(&[&whole[..], b"GET / HTTP/1.1"].concat(), true).is_err());
        let old = [&[HANDSHAKE, 3, 3, 0, 6][..], &[0; 6]].concat();
        assert!(is_tls(&old, true).is_err(), "another version");
    }
}
