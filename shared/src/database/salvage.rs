//! Salvage: a copy of a damaged database and its log, of which SQLite can read what is left.
//!
//! SQLite opens nothing whose first bytes are damaged, and reads a log up to the first frame that does not
//! follow from the ones before. The copy has the first bytes that every database of ours has, and a log of
//! all frames that are intact each by itself. What is read of it may be old or in contradiction with itself:
//! it proves nothing. The files themselves stay as they are.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Seek as _, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{FRAME_HEADER, HEADER, LOG_MAGIC, MAGIC, PAGE_SIZES, Sum, fill, log_of, present, word, words};
use crate::data_files;

/// The bytes 18 to 23 of a database with a write-ahead log.
const FORMAT: [u8; 6] = [2, 2, 0, 64, 32, 32];

/// Version of the log's format.
const LOG_FORMAT: u32 = 3_007_000;

/// Page size of our databases, if neither file says it: SQLite's default.
const PAGE: u32 = 4096;

/// Copies what is left of a database and its log; there must be nothing at `copy` yet.
///
/// # Errors
/// When the files cannot be read, or the copies cannot be written.
pub fn salvage(database: &Path, copy: &Path) -> io::Result<()> {
    let mut head = [0; 18];
    if let Some(mut file) = present(data_files::open_to_read(database))? {
        fill(&mut file, &mut head)?;
    }
    let log = present(data_files::open_to_read(&log_of(database)))?;
    let mut log_head = [0; HEADER];
    if let Some(Err(error)) = log.as_ref().map(|log| log.read_exact_at(&mut log_head, 0))
        && error.kind() != ErrorKind::UnexpectedEof
    {
        return Err(error);
    }
    let said = [u32::from(head[16]) << 8 | u32::from(head[17]), word(&log_head, 8)];
    let is_size = |page: &u32| PAGE_SIZES.contains(page) && page.is_power_of_two();
    let page = said.into_iter().find(is_size).unwrap_or(PAGE);
    let mut file = File::create_new(copy)?;
    if let Some(mut from) = present(data_files::open_to_read(database))? {
        io::copy(&mut from, &mut file)?;
    }
    // SQLite removes the log of a database without a page.
    let length = file.metadata()?.len().max(page.into());
    file.set_len(length)?;
    file.write_all_at(MAGIC, 0)?;
    // 65536 is written as 1.
    let size = u16::try_from(page).unwrap_or(1);
    file.write_all_at(&size.to_be_bytes(), MAGIC.len() as u64)?;
    file.write_all_at(&FORMAT, 18)?;
    match log {
        Some(log) => intact_frames(&log, page, &log_of(copy)),
        None => Ok(()),
    }
}

/// Writes a log of the frames that are intact and of one time: that of the log's head, or else the first of
/// which there are several.
fn intact_frames(log: &File, page: u32, copy: &Path) -> io::Result<()> {
    let mut head = [0; HEADER];
    if !fill(&mut BufReader::new(log), &mut head)? {
        return Ok(());
    }
    let mut times: Vec<([u8; 8], u64)> = Vec::new();
    for_each_intact(log, page, |_, frame| {
        let time = salts(frame);
        match times.iter_mut().find(|(known, _)| *known == time) {
            Some((_, count)) => *count += 1,
            None => times.push((time, 1)),
        }
        Ok(())
    })?;
    let is_of_head = |(time, _): &&([u8; 8], u64)| *time == head[16..24];
    let chosen = times.iter().find(is_of_head);
    let chosen = chosen.or_else(|| times.iter().find(|(_, count)| *count > 1));
    let Some((time, _)) = chosen.or(times.first()) else {
        return Ok(());
    };
    let mut file = BufWriter::new(File::create_new(copy)?);
    let mut running: Option<Sum> = None;
    for_each_intact(log, page, |is_big_endian, frame| {
        if salts(frame) != *time {
            return Ok(());
        }
        let mut sum = match running.take() {
            Some(sum) => sum,
            None => begin(&mut file, page, *time, is_big_endian)?,
        };
        sum.add_frame(frame);
        frame[16..20].copy_from_slice(&sum.words.0.to_be_bytes());
        frame[20..24].copy_from_slice(&sum.words.1.to_be_bytes());
        running = Some(sum);
        file.write_all(frame)
    })?;
    file.flush()
}

/// Returns the part of a frame that tells the frames of one log from those of the log before it.
fn salts(frame: &[u8]) -> [u8; 8] {
    std::array::from_fn(|n| frame[8 + n])
}

/// Visits the frames that follow from what the frame before says, whatever that one is; tells the byte order
/// of their checksums.
fn for_each_intact(
    log: &File,
    page: u32,
    mut visit: impl FnMut(bool, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut log = BufReader::new(log);
    log.rewind()?;
    let mut head = [0; HEADER];
    fill(&mut log, &mut head)?;
    let is_big_endian = match word(&head, 0) {
        magic if magic & !1 == LOG_MAGIC => magic & 1 == 1,
        _ => cfg!(target_endian = "big"),
    };
    let mut before = words(&head, HEADER - 8);
    let mut frame = vec![0; FRAME_HEADER + page as usize];
    while fill(&mut log, &mut frame)? {
        let mut sum = Sum {
            is_big_endian,
            words: before,
        };
        sum.add_frame(&frame);
        before = words(&frame, 16);
        if sum.words == before && word(&frame, 0) != 0 {
            visit(is_big_endian, &mut frame)?;
        }
    }
    Ok(())
}

/// Writes the head of a log; returns its checksum, from which those of the frames go on.
fn begin(file: &mut impl Write, page: u32, time: [u8; 8], is_big_endian: bool) -> io::Result<Sum> {
    let magic = LOG_MAGIC | u32::from(is_big_endian);
    let mut sum = Sum {
        is_big_endian,
        words: (0, 0),
    };
    let mut head: Vec<u8> = [magic, LOG_FORMAT, page, 0]
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    head.extend(time);
    sum.add(&head);
    for word in [sum.words.0, sum.words.1] {
        head.extend(word.to_be_bytes());
    }
    file.write_all(&head)?;
    Ok(sum)
}
