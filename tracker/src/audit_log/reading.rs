//! Reading of the log: its lines in order, and whether the chain is whole.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use shared::data_files;
use shared::model::Timestamp;

use super::files::all;
use super::line::{Line, first_link, link_to};

/// Lines that the reader was asked for, the oldest first.
pub type Entries = Vec<Line>;

/// Outcome of a look at the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Every line follows the one before it.
    Whole {
        /// Number of lines.
        lines: u64,
        /// Whether the first line of all is there, rather than in a file that was removed in its time.
        has_beginning: bool,
    },
    /// A line is not the one that was written there, or one before it is missing.
    Broken {
        /// The file.
        file: PathBuf,
        /// Number of the line in it.
        line: u64,
        /// Complaint in words.
        why: &'static str,
    },
}

/// Reads the lines since a time.
///
/// # Errors
/// When a file cannot be read. Lines that are none are left out; [`verify`] finds them.
pub fn read(data_dir: &Path, since: Timestamp) -> io::Result<Entries> {
    let mut entries = Vec::new();
    for path in all(data_dir) {
        for line in BufReader::new(data_files::open_to_read(&path)?).split(b'\n') {
            let line = serde_json::from_slice::<Line>(&line?);
            entries.extend(line.ok().filter(|line| line.at_ms >= since.as_millis()));
        }
    }
    Ok(entries)
}

/// Checks that every line follows the one before it.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(data_dir: &Path) -> io::Result<Checked> {
    let (mut lines, mut link, mut has_beginning) = (0, None, true);
    for path in all(data_dir) {
        for (number, line) in (1..).zip(BufReader::new(data_files::open_to_read(&path)?).split(b'\n')) {
            let line = line?;
            let broken = |why| Checked::Broken {
                file: path.clone(),
                line: number,
                why,
            };
            let Ok(read) = serde_json::from_slice::<Line>(&line) else {
                return Ok(broken("it is no line of the log"));
            };
            match link {
                None => has_beginning = read.previous == first_link(),
                Some(link) if link != read.previous => {
                    return Ok(broken(
                        "the line before it is missing, or is not the one that was written",
                    ));
                }
                Some(_) => {}
            }
            link = Some(link_to(&line));
            lines += 1;
        }
    }
    Ok(Checked::Whole { lines, has_beginning })
}
