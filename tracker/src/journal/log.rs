//! Check of a write-ahead log: whether it lost something that had been committed.
//!
//! SQLite reads its log up to the first frame that does not match its checksum and takes the rest for a write
//! that a crash interrupted. That is right for the last transaction, whose sync may not have ended, and wrong
//! for every earlier one: the tracker begins a transaction only when the one before it is on disk. So a log
//! in which *more than one* transaction comes after a frame that does not match has been damaged, and has
//! lost acknowledged records.
//!
//! The check cannot find a log that was cut off at the end of a transaction, or that is gone, because such a
//! journal looks like an earlier one. The marks that peers bring do find it (see `state::history`).
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html>, chapter 4).

use std::io::{self, Read};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Magic number, whose last bit is the byte order of the checksums.
const MAGIC: u32 = 0x377f_0682;

/// SQLite's page sizes.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;

/// Reads a log to its end; returns in words what it has lost, if it has lost anything.
///
/// # Errors
/// When it cannot be read.
pub(super) fn lost(mut log: impl Read) -> io::Result<Option<String>> {
    let mut header = [0; HEADER];
    if !fill(&mut log, &mut header)? || header == [0; HEADER] {
        // The log was never synced: the header is synced before the first frame is written.
        return Ok(None);
    }
    let (magic, page) = (word(&header, 0), word(&header, 8));
    let is_big_endian = magic & 1 == 1;
    let mut sum = Sum {
        is_big_endian,
        words: (0, 0),
    };
    sum.add(&header[..HEADER - 8]);
    let is_whole = magic & !1 == MAGIC && PAGE_SIZES.contains(&page) && page.is_power_of_two();
    if !is_whole || !sum.is_written_at(&header, HEADER - 8) {
        return Ok(Some("the head of its write-ahead log is damaged".to_owned()));
    }
    let salt = &header[16..24];
    let mut frame = vec![0; FRAME_HEADER + page as usize];
    let (mut number, mut first_bad, mut commits_after) = (0_u64, None, 0_u64);
    while fill(&mut log, &mut frame)? {
        number += 1;
        let is_of_this_log = &frame[8..16] == salt;
        if first_bad.is_none() {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER..]);
            if !is_of_this_log || !sum.is_written_at(&frame, 16) {
                first_bad = Some(number);
            }
        }
        // Only the last frame of a transaction contains the size of the database.
        if first_bad.is_some() && is_of_this_log && word(&frame, 4) != 0 {
            commits_after += 1;
        }
    }
    let damage = first_bad.filter(|_| commits_after > 1);
    Ok(damage.map(|frame| {
        format!("frame {frame} of its write-ahead log is damaged, and {commits_after} commits come after it")
    }))
}

/// Fills the buffer; returns false when the rest is no whole frame.
fn fill(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// SQLite's running checksum.
struct Sum {
    is_big_endian: bool,
    words: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for [a, b, c, d] in bytes.as_chunks().0 {
            let word = match self.is_big_endian {
                true => u32::from_be_bytes([*a, *b, *c, *d]),
                false => u32::from_le_bytes([*a, *b, *c, *d]),
            };
            // Words come in pairs; after each word the two sums change roles.
            let next = self.words.0.wrapping_add(word).wrapping_add(self.words.1);
            self.words = (self.words.1, next);
        }
    }

    fn is_written_at(&self, bytes: &[u8], at: usize) -> bool {
        self.words == (word(bytes, at), word(bytes, at + 4))
    }
}
