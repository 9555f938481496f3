//! Files of the log: the newest, and a few older ones. Only their owner may read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use shared::data_files;

use super::line::{Line, first_link, link_to};

/// The newest file.
pub(super) const NAME: &str = "audit.ndjson";

/// A file of this length is the last but one.
const MAX_BYTES: u64 = 64 << 20;

/// Older files that are kept.
const OLDER: u32 = 4;

/// More than the longest line.
const TAIL: u64 = 64 << 10;

/// The files, open for writing.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    file: File,
    length: u64,
    link: String,
    max: u64,
}

/// Returns the files of a data directory that are there, the oldest first.
pub(super) fn all(directory: &Path) -> Vec<PathBuf> {
    let older = (1..=OLDER).rev().map(|n| older(directory, n));
    let all = older.chain([directory.join(NAME)]);
    all.filter(|path| path.exists()).collect()
}

fn older(directory: &Path, n: u32) -> PathBuf {
    directory.join(format!("{NAME}.{n}"))
}

impl Files {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        Self::open_with(directory, MAX_BYTES)
    }

    /// Opens the files, of which none gets much longer than that.
    pub(super) fn open_with(directory: &Path, max: u64) -> io::Result<Self> {
        let (mut file, mut length) = open(directory)?;
        let mut tail = tail_of(&mut file, length)?;
        // A crash may have cut the last line off; nobody was promised that one.
        let whole = tail
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        if whole < tail.len() && (whole > 0 || length <= TAIL) {
            length -= (tail.len() - whole) as u64;
            file.set_len(length)?;
            tail.truncate(whole);
        }
        let mut link = last_link(&tail);
        if tail.is_empty()
            && let Ok(mut before) = data_files::open_to_read(&older(directory, 1))
        {
            let length = before.metadata()?.len();
            link = last_link(&tail_of(&mut before, length)?);
        }
        Ok(Self {
            directory: directory.to_owned(),
            file,
            length,
            link: link.unwrap_or_else(first_link),
            max,
        })
    }

    /// Appends a line and links it to the one before.
    pub(super) fn append(&mut self, mut line: Line) -> io::Result<()> {
        if self.length >= self.max {
            self.rotate()?;
        }
        line.previous.clone_from(&self.link);
        let mut bytes = serde_json::to_vec(&line)?;
        let link = link_to(&bytes);
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes) {
            // A part of it may have arrived, and is no line.
            drop(self.file.set_len(self.length));
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.link = link;
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        for n in (1..OLDER).rev() {
            let (from, to) = (older(&self.directory, n), older(&self.directory, n + 1));
            if from.exists() {
                fs::rename(from, to)?;
            }
        }
        fs::rename(self.directory.join(NAME), older(&self.directory, 1))?;
        (self.file, self.length) = open(&self.directory)?;
        data_files::sync_directory(&self.directory)
    }
}

fn open(directory: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let file = data_files::open(&directory.join(NAME), &options)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn tail_of(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

fn last_link(tail: &[u8]) -> Option<String> {
    let last = tail.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
    Some(link_to(last))
}
