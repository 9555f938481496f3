//! A wire that changes bytes: a TCP proxy before a peer, through which all others reach it.
//!
//! The proxy changes bytes from the peer only: those are the fragments. It deliberately knows nothing of
//! HTTP/2, so it hits frames, headers and payloads alike.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Bytes that are passed on at a time.
const CHUNK: usize = 64 << 10;

/// A proxy; it ends with the process, its connections with their ends.
#[derive(Debug)]
pub(super) struct Proxy {
    address: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: OnceLock<String>,
    /// Average distance between changed bytes; 0: none.
    one_in: AtomicU64,
    flipped: AtomicU64,
    passed: AtomicU64,
    is_over: AtomicBool,
}

impl Proxy {
    /// Listens on a free port, before it is known where to.
    ///
    /// # Errors
    /// When no port is free.
    pub(super) fn start(seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
        let address = listener.local_addr().context("listen")?.to_string();
        let shared = Arc::new(Shared {
            upstream: OnceLock::new(),
            one_in: AtomicU64::new(0),
            flipped: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut seeds = SmallRng::seed_from_u64(seed);
            for caller in listener.incoming().flatten() {
                if of_thread.is_over.load(Ordering::Relaxed) {
                    return;
                }
                // The destination is unknown yet, or not listening: the caller tries again.
                let upstream = of_thread.upstream.get().map(TcpStream::connect);
                if let Some(Ok(callee)) = upstream {
                    of_thread.join(caller, callee, seeds.random());
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Returns the listening address.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Sets the destination.
    pub(super) fn lead_to(&self, upstream: String) {
        // The peer keeps its address when it is started again.
        drop(self.shared.upstream.set(upstream));
    }

    /// Sets the average distance between changed bytes; 0: none.
    pub(super) fn change_one_in(&self, bytes: u64) {
        self.shared.one_in.store(bytes, Ordering::Relaxed);
    }

    /// Bytes changed so far, and passed on.
    pub(super) fn counts(&self) -> (u64, u64) {
        let shared = &self.shared;
        (
            shared.flipped.load(Ordering::Relaxed),
            shared.passed.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the listener up; a failure means that it is gone already.
        drop(TcpStream::connect(&self.address));
    }
}

impl Shared {
    fn join(self: &Arc<Self>, caller: TcpStream, callee: TcpStream, seed: u64) {
        let (Ok(from_caller), Ok(to_callee)) = (caller.try_clone(), callee.try_clone()) else {
            return;
        };
        std::thread::spawn(move || pass(from_caller, to_callee, |_| {}));
        let shared = Arc::clone(self);
        let mut rng = SmallRng::seed_from_u64(seed);
        std::thread::spawn(move || pass(callee, caller, |bytes| shared.change(bytes, &mut rng)));
    }

    fn change(&self, bytes: &mut [u8], rng: &mut SmallRng) {
        self.passed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let one_in = self.one_in.load(Ordering::Relaxed);
        if one_in == 0 || bytes.is_empty() {
            return;
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let whole = length / one_in;
        let more = u64::from(rng.random_range(0..one_in) < length % one_in);
        for _ in 0..whole + more {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8_u32);
            self.flipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Copies bytes until one side ends, then ends the other.
fn pass(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut [u8])) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read) = from.read(&mut chunk) {
        change(&mut chunk[..read]);
        if read == 0 || to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    // Either side may have ended already.
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_changes_about_as_many_bytes_as_it_says_and_no_request() -> Result<()> {
        let echo = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Proxy::start(1)?;
        proxy.lead_to(echo.local_addr()?.to_string());
        proxy.change_one_in(1000);
        let sent = vec![0; 100_000];
        let expected = sent.clone();
        let echoing = std::thread::spawn(move || -> Result<bool> {
            let (mut stream, _) = echo.accept()?;
            let mut got = vec![1; 100_000];
            stream.read_exact(&mut got)?;
            stream.write_all(&got)?;
            Ok(got == expected)
        });
        let mut stream = TcpStream::connect(proxy.address())?;
        stream.write_all(&sent)?;
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back)?;
        assert!(echoing.join().expect("no panic")?, "a request was changed");
        let (flipped, passed) = proxy.counts();
        assert_eq!(passed, 100_000);
        assert!((90..=110).contains(&flipped), "{flipped}");
        assert!(back.iter().any(|byte| *byte != 0));
        Ok(())
    }
}
