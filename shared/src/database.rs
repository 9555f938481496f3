//! Database files before SQLite sees them: whether a file and its write-ahead log can contain everything
//! that was committed.
//!
//! SQLite reads its log up to the first frame that does not match its checksum, takes the rest for a write
//! that a crash interrupted, and takes a log that is gone or has no head for an empty one. So a damaged log
//! silently becomes an older database. Checked here, with the same code for peers and trackers:
//!
//! - the file has a head and at least one page, and whole pages;
//! - no intact commit comes after a frame that is damaged (a damaged tail alone is what a crash leaves, and
//!   it is cut);
//! - while the marker `…-running` is there, the log is there too and has an intact frame.
//!
//! The marker is made after the first frame was written, and removed after everything in the log is in the
//! database and before the log is removed: whichever step a crash interrupts, a marker means a log. A log
//! that was cut at the end of a transaction cannot be told from an earlier one.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html>, chapters 1.3 and 4). This module reads
//! files only; it knows no SQLite. [`salvage()`] copies what is left of damaged files.

mod salvage;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

pub use salvage::salvage;

use crate::data_files;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Magic number of a log, whose last bit is the byte order of the checksums.
const LOG_MAGIC: u32 = 0x377f_0682;

/// First bytes of every database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// SQLite's page sizes.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;

/// Outcome of looking at a database and its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no database yet, and no sign of one.
    Absent,
    /// Nothing is wrong with the files.
    Sound,
    /// The end of the log was not written whole, as after a crash, and will be cut; in words.
    Torn(String),
    /// Something that was committed may be lost; in words.
    Damaged(String),
}

/// Returns whether the program that used this database last did not stop in an orderly way.
fn is_marked(database: &Path) -> bool {
    // When in doubt, the log must prove itself.
    !matches!(marker_of(database).try_exists(), Ok(false))
}

/// Notes, durably, that a database is in use and has a log.
///
/// # Errors
/// When it cannot be written.
pub fn mark(database: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    data_files::open(&marker_of(database), &options)?.sync_all()?;
    sync_directory_of(database)
}

/// Notes, durably, that a database needs its log no more.
///
/// # Errors
/// When it cannot be written.
pub fn unmark(database: &Path) -> io::Result<()> {
    match fs::remove_file(marker_of(database)) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_directory_of(database)
}

fn sync_directory_of(database: &Path) -> io::Result<()> {
    database.parent().map_or(Ok(()), data_files::sync_directory)
}

/// Returns the path of a database's write-ahead log.
#[must_use]
pub fn log_of(database: &Path) -> PathBuf {
    beside(database, "-wal")
}

/// Returns the path of the marker of a database: of its own, because two programs may share a directory.
#[must_use]
pub fn marker_of(database: &Path) -> PathBuf {
    beside(database, "-running")
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Returns in words the first fault that SQLite's own check of a database (`quick_check`) reports; none when
/// the check found nothing. Headings of the report, between asterisks, name no fault.
#[must_use]
pub fn fault_in(report: &str) -> Option<String> {
    let lines = || report.lines().map(str::trim).filter(|line| !line.is_empty());
    let fault = lines().find(|line| !line.starts_with("***")).unwrap_or_default();
    (fault != "ok").then(|| format!("its pages are not in order: {fault:?}"))
}

/// Looks at a database and its log. No program may have the file open.
///
/// # Errors
/// When they cannot be read.
pub fn examine(database: &Path) -> io::Result<Verdict> {
    require_files(database)?;
    let is_marked = is_marked(database);
    let log = match present(data_files::open_to_read(&log_of(database)))? {
        None => None,
        Some(file) => match read_log(BufReader::new(file))? {
            Ok(log) => Some(log),
            Err(what) => return Ok(Verdict::Damaged(what)),
        },
    };
    let damaged = |what: &str| Ok(Verdict::Damaged(what.to_owned()));
    let unclean = format!(
        "though the program that used it last was not stopped in an orderly way; if an older version has run \
         here since, or a backup was put here, remove {}",
        marker_of(database).display()
    );
    match &log {
        None if is_marked => return damaged(&format!("its write-ahead log is gone, {unclean}")),
        Some(log) if is_marked && log.frames == 0 && !log.is_begun_anew => {
            return damaged(&format!("its write-ahead log has no intact frame, {unclean}"));
        }
        _ => {}
    }
    let log = log.unwrap_or_default();
    match examine_file(database, &log)? {
        Some(Verdict::Sound) => Ok(log.tail.map_or(Verdict::Sound, Verdict::Torn)),
        Some(verdict) => Ok(verdict),
        None => damaged("it is empty or gone, and its write-ahead log is there"),
    }
}

/// Refuses anything else where SQLite opens files by itself: it would wait for the other end of a pipe.
fn require_files(database: &Path) -> io::Result<()> {
    for suffix in ["-shm", "-journal"] {
        present(data_files::open_to_read(&beside(database, suffix)))?;
    }
    Ok(())
}

/// Looks at the file alone; returns none for one that is empty beside a log.
fn examine_file(database: &Path, log: &Log) -> io::Result<Option<Verdict>> {
    let damaged = |what: String| Ok(Some(Verdict::Damaged(what)));
    let Some(mut file) = present(data_files::open_to_read(database))? else {
        return Ok((log.frames == 0).then_some(Verdict::Absent));
    };
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok((log.frames == 0).then_some(Verdict::Absent));
    }
    let mut head = [0; 18];
    if !fill(&mut file, &mut head)? || length < u64::from(*PAGE_SIZES.start()) {
        return damaged(format!("it has {length} bytes, less than a page"));
    }
    // A crash may interrupt the writing of pages back from the log; the log has them all the same.
    if log.has_first_page {
        return Ok(Some(Verdict::Sound));
    }
    let page = match u32::from(head[16]) << 8 | u32::from(head[17]) {
        1 => 65536,
        size => size,
    };
    if head[..16] != *MAGIC || !PAGE_SIZES.contains(&page) || !page.is_power_of_two() {
        return damaged("its head is damaged".to_owned());
    }
    if length < page.into() || log.frames == 0 && !length.is_multiple_of(page.into()) {
        return damaged(format!("it has {length} bytes, and pages of {page}"));
    }
    Ok(Some(Verdict::Sound))
}

/// Summary of a log without known damage.
#[derive(Debug, Default)]
struct Log {
    /// Intact frames before the first other one.
    frames: u64,
    /// Whether one of them is the first page of the database.
    has_first_page: bool,
    /// Whether the frames are those of the log before, all of which is in the database.
    is_begun_anew: bool,
    /// The end that was not written whole, in words.
    tail: Option<String>,
}

/// Reads a log to its end; returns in words what it has lost, if it has lost anything.
fn read_log(mut log: impl Read) -> io::Result<Result<Log, String>> {
    let mut header = [0; HEADER];
    let mut found = Log::default();
    if !fill(&mut log, &mut header)? || header == [0; HEADER] {
        // The log was never synced: the header is synced before the first frame is written.
        return Ok(Ok(found));
    }
    let (magic, page) = (word(&header, 0), word(&header, 8));
    let is_big_endian = magic & 1 == 1;
    let mut running = Sum {
        is_big_endian,
        words: (0, 0),
    };
    running.add(&header[..HEADER - 8]);
    let is_whole = magic & !1 == LOG_MAGIC && PAGE_SIZES.contains(&page) && page.is_power_of_two();
    if !is_whole || running.words != words(&header, HEADER - 8) {
        return Ok(Err("the head of its write-ahead log is damaged".to_owned()));
    }
    let mut before = running.words;
    let mut frame = vec![0; FRAME_HEADER + page as usize];
    let (mut number, mut first_bad, mut commits_after) = (0_u64, None, 0_u64);
    let (mut is_in_transaction, mut is_log_before) = (false, false);
    let rest = loop {
        let filled = fill_up(&mut log, &mut frame)?;
        if filled < frame.len() {
            break filled;
        }
        number += 1;
        let is_of_this_log = frame[8..16] == header[16..24];
        // The last frame of a transaction, and no other, contains the size of the database.
        let ends_transaction = word(&frame, 4) != 0;
        let written = words(&frame, 16);
        running.add_frame(&frame);
        let follows = running.words == written;
        match first_bad {
            None if is_of_this_log && follows => {
                found.frames += 1;
                is_in_transaction = !ends_transaction;
                found.has_first_page |= word(&frame, 0) == 1;
            }
            None if follows => {
                return Ok(Err(format!("frame {number} of its write-ahead log is damaged")));
            }
            None => {
                first_bad = Some(number);
                is_log_before = is_other_log(&frame, &header);
                commits_after += u64::from(is_of_this_log && ends_transaction);
            }
            Some(first) if is_of_this_log && ends_transaction => {
                commits_after += 1;
                // The checksum goes on from what the frame before says, or from what it is.
                let mut sum = Sum {
                    is_big_endian,
                    words: before,
                };
                sum.add_frame(&frame);
                if follows || sum.words == written || commits_after > 1 {
                    return Ok(Err(format!(
                        "frame {first} of its write-ahead log is damaged, and commits come after it"
                    )));
                }
            }
            Some(_) => {}
        }
        found.is_begun_anew |= word(&frame, 8) == word(&header, 16).wrapping_sub(1);
        before = written;
    };
    let is_cut_off = match first_bad {
        Some(_) => !is_log_before,
        None => rest > 0,
    };
    if is_cut_off || is_in_transaction {
        let first = first_bad.unwrap_or(number + 1);
        found.tail = Some(format!(
            "its write-ahead log ends at frame {first}, which was not written whole"
        ));
    }
    Ok(Ok(found))
}

/// Whether a frame was written for another log, in whose place the one with this head is: both of its salts
/// are others, and damage to one of them leaves the other.
fn is_other_log(frame: &[u8], header: &[u8]) -> bool {
    let differs = |n: usize| word(frame, 8 + n) != word(header, 16 + n);
    differs(0) && differs(4) && frame[8..16] != [0; 8]
}

/// Returns what was opened, or none if it is not there.
fn present(opened: io::Result<File>) -> io::Result<Option<File>> {
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fills the buffer; returns false when the rest is shorter.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    Ok(fill_up(source, buffer)? == buffer.len())
}

/// Fills the buffer as far as there is something; returns how far.
fn fill_up(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn words(bytes: &[u8], at: usize) -> (u32, u32) {
    (word(bytes, at), word(bytes, at + 4))
}

/// SQLite's running checksum.
struct Sum {
    is_big_endian: bool,
    words: (u32, u32),
}

impl Sum {
    /// Adds what the checksum of a frame covers.
    fn add_frame(&mut self, frame: &[u8]) {
        self.add(&frame[..8]);
        self.add(&frame[FRAME_HEADER..]);
    }

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_in_words_and_without_the_headings_of_the_report() {
        assert_eq!(fault_in("ok"), None);
        let told =
            fault_in("*** in database main ***\nTree 5 page 3: btreeInitPage() returns error code 11\n");
        assert_eq!(
            told.as_deref(),
            Some("its pages are not in order: \"Tree 5 page 3: btreeInitPage() returns error code 11\"")
        );
        assert!(fault_in("").is_some() && fault_in("*** in database main ***").is_some());
    }
}
