//! The trace of a history: a digest of all events, and their descriptions when asked for.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use super::queue::Millis;

/// Lines that are kept: the last ones.
const LINES: usize = 400;

/// FNV-1a, 64 bits: a change anywhere changes it, and it costs next to nothing.
#[derive(Debug)]
struct Digest(u64);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Trace {
    digest: Digest,
    pub(super) lines: Option<VecDeque<String>>,
}

impl Trace {
    pub(super) fn new(keeps_lines: bool) -> Self {
        Self {
            digest: Digest(0xcbf2_9ce4_8422_2325),
            lines: keeps_lines.then(VecDeque::new),
        }
    }

    pub(super) fn add(&mut self, now: Millis, what: fmt::Arguments<'_>) {
        writeln!(self.digest, "{now} {what}").expect("a digest takes everything");
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES {
                lines.pop_front();
            }
            let (seconds, millis) = (now / 1000, now % 1000);
            lines.push_back(format!("{seconds:>5}.{millis:03} {what}"));
        }
    }

    pub(super) const fn digest(&self) -> u64 {
        self.digest.0
    }
}
