//! Audit log: who has changed what, and who was refused, in `audit.ndjson` in the data directory.
//!
//! Each line has the SHA-256 of the line before it, so that nobody changes or removes one in the middle
//! unnoticed; the chain goes on over files. A thread of its own writes, fed by a bounded queue, so that no
//! request waits for the disk. Lines that find no room in the queue are counted, and the count is written.
//! Calls that were denied or failed are written as often as `limit.rs` allows to each caller. No secret is
//! ever passed to this module: callers are named by ids.
//!
//! The log's end can be cut off without a trace: whoever needs more sends the lines to another machine.

mod files;
mod limit;
mod line;
mod reading;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use shared::runtime::Clock;
use shared::security::authorization::Caller;
use tracing::error;

use files::Files;
use limit::Denials;
pub use line::Line;

pub use reading::{Checked, Entries, read, verify};

/// Lines that wait for the disk.
const QUEUE: usize = 8192;

/// Without news for so long, what was written is made durable, and denials that were held back are counted.
const IDLE: Duration = Duration::from_secs(1);

/// Outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has done what it should.
    Done,
    /// It was allowed, and failed.
    Failed,
    /// It was not allowed.
    Denied,
    /// Nobody has waited for the end of it.
    Unknown,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The caller, by its id.
    pub who: String,
    /// The address that it called from.
    pub from: Option<IpAddr>,
    /// The call.
    pub call: String,
    /// The name, peer, member or token that it was about.
    pub object: String,
    /// Outcome of it.
    pub outcome: Outcome,
    /// Reason why not.
    pub reason: String,
    /// Whether the caller may make the log long only within its limit: of all that has changed nothing.
    pub is_limited: bool,
}

/// Handle on the log; cheap to clone. The writer ends with the last one.
#[derive(Clone, Debug)]
pub struct AuditLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    queue: Mutex<Option<SyncSender<Line>>>,
    lost: Arc<AtomicU64>,
    denials: Arc<Mutex<Denials>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The log cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the audit log {}: {source}", path.display())]
pub struct AuditLogError {
    path: PathBuf,
    source: std::io::Error,
}

impl shared::Coded for AuditLogError {
    fn code(&self) -> shared::ErrorCode {
        shared::refusal::of_place(&self.source)
    }
}

/// Names a caller.
#[must_use]
pub fn name_of(caller: &Caller) -> String {
    match caller {
        Caller::OwnMachine => "own machine".to_owned(),
        Caller::Anonymous => "anonymous".to_owned(),
        Caller::Member { identity, .. } => format!("{} {}", identity.role, identity.id),
        Caller::Revoked { identity } => format!("revoked {} {}", identity.role, identity.id),
        Caller::Token { id, .. } => format!("token {id}"),
    }
}

impl AuditLog {
    /// Opens the log of a data directory, and goes on where it ends. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(data_dir: &Path, clock: Clock) -> Result<Self, AuditLogError> {
        let failed = |source| AuditLogError {
            path: data_dir.join(files::NAME),
            source,
        };
        let files = Files::open(data_dir).map_err(failed)?;
        let (queue, lines) = sync_channel(QUEUE);
        let denials = Arc::default();
        let lost = Arc::default();
        let writer = Writer {
            files,
            clock: clock.clone(),
            denials: Arc::clone(&denials),
            lost: Arc::clone(&lost),
        };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || writer.run(&lines)).map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            clock,
            queue: Mutex::new(Some(queue)),
            lost,
            denials,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Writes something down, soon.
    pub fn note(&self, entry: Entry) {
        let now = self.0.clock.now();
        if entry.is_limited {
            let mut denials = self.0.denials.lock().unwrap_or_else(PoisonError::into_inner);
            if !denials.admit(now, &entry.who, entry.from) {
                return;
            }
        }
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let line = line::of(now, entry);
        let is_taken = queue.as_ref().is_some_and(|queue| queue.try_send(line).is_ok());
        if !is_taken {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what waits, and ends. Blocks on the disk.
    pub fn close(&self) {
        drop(self.0.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self
            .0
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            error!("the audit log's thread has failed");
        }
    }
}

struct Writer {
    files: Files,
    clock: Clock,
    denials: Arc<Mutex<Denials>>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    fn run(mut self, lines: &Receiver<Line>) {
        let mut is_clean = true;
        loop {
            match lines.recv_timeout(IDLE) {
                Ok(line) => {
                    is_clean = false;
                    self.write(line);
                }
                Err(RecvTimeoutError::Timeout) => {
                    is_clean &= !self.tell_counts();
                    if !is_clean {
                        self.sync();
                        is_clean = true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.tell_counts();
        self.sync();
    }

    /// Writes how many lines are missing; returns whether there are any.
    fn tell_counts(&mut self) -> bool {
        let now = self.clock.now();
        let denials = self
            .denials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_untold(now);
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let held_back = denials
            .into_iter()
            .map(|(who, count)| line::held_back(now, who, count));
        let lost = (lost > 0).then(|| line::lost(now, lost));
        let lines: Vec<_> = held_back.chain(lost).collect();
        let has_any = !lines.is_empty();
        lines.into_iter().for_each(|line| self.write(line));
        has_any
    }

    fn write(&mut self, line: Line) {
        if let Err(error) = self.files.append(line) {
            error!(%error, "a line of the audit log could not be written");
        }
    }

    fn sync(&mut self) {
        if let Err(error) = self.files.sync() {
            error!(%error, "the audit log may not be on the disk");
        }
    }
}

#[cfg(test)]
mod tests;
