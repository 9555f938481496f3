//! Salvage: what can still be read of an index that is damaged, or was moved aside.
//!
//! A copy is read, and the index stays as it is. What was read may be old, or wrong without a sign of it:
//! `rebuild` takes over only what the files on disk prove.

use std::path::Path;

use rusqlite::{Connection, Row};
use shared::database;
use shared::model::{ContentId, Name};

use super::StoreError;
use super::copies::UserFile;
use super::files::FileIdentity;
use super::index::{FORMAT, PUBLICATION, RECORD, kept_from, path_from, publication_from};
use super::kept::Kept;
use super::networks::{APART, Affiliations, BELONGS, FACTS, apart_from, belonging_from, fact_from};
use super::publications::Publication;

/// The readable part of an index.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    pub(super) meta: Vec<(String, Vec<u8>)>,
    pub(super) records: Vec<Kept>,
    pub(super) copies: Vec<(ContentId, UserFile)>,
    pub(super) publications: Vec<Publication>,
    pub(super) networks: Affiliations,
    /// Contents of additions that were under way.
    pub(super) unfinished: Vec<ContentId>,
    /// Whether SQLite finds nothing wrong, and every row could be read.
    pub(super) is_whole: bool,
    /// Rows that could not be read, and tables that could not be read to their ends.
    pub(super) faults: Faults,
}

/// Faults met while an index was read.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Their number.
    pub(super) count: u64,
    /// The first of them.
    pub(super) first: Option<StoreError>,
}

impl Faults {
    fn note(&mut self, fault: StoreError) {
        self.count += 1;
        self.first.get_or_insert(fault);
    }
}

impl Salvaged {
    /// Whether there is a fact under a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.meta.iter().any(|(known, _)| known == key)
    }
}

/// Reads an index and its log by way of a copy, which is made at `copy`.
///
/// # Errors
/// When the files cannot be read or copied; [`StoreError::Unusable`] for an index of a newer format.
pub(super) fn salvage(index: &Path, copy: &Path) -> Result<Salvaged, StoreError> {
    database::salvage(index, copy).map_err(StoreError::io("copy", index))?;
    let connection = Connection::open(copy)?;
    let mut found = Salvaged {
        is_whole: is_sound(&connection),
        ..Salvaged::default()
    };
    let format = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if let Ok(format) = format
        && format > FORMAT
        && found.is_whole
    {
        return Err(StoreError::Unusable(format!(
            "{} has format {format}, this program knows {FORMAT}; use the version that wrote it",
            index.display()
        )));
    }
    // The search trees of a damaged file may lack rows that its tables have.
    if !found.is_whole {
        drop(connection.execute_batch("REINDEX"));
    }
    let faults = &mut found.faults;
    found.meta = rows(&connection, "SELECT key, value FROM meta", faults, |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    found.records = rows(&connection, RECORD, faults, kept_from);
    // An index of an early version has none; then it is not whole, and that does no harm.
    let copies = "SELECT path, size, modified, inode, content FROM copies ORDER BY rowid";
    found.copies = rows(&connection, copies, faults, copy_from);
    found.publications = rows(&connection, PUBLICATION, faults, publication_from);
    found.networks.facts = rows(&connection, FACTS, faults, |row| Ok(fact_from(row)?));
    found.networks.publications = rows(&connection, APART, faults, apart_from);
    let before = faults.count;
    found.networks.belongs = rows(&connection, BELONGS, faults, |row| Ok(belonging_from(row)?));
    found.networks.is_whole = faults.count == before;
    let unfinished = "SELECT content FROM unfinished";
    found.unfinished = rows(&connection, unfinished, faults, |row| {
        Ok(ContentId::from_bytes(row.get(0)?))
    });
    found.is_whole &= found.faults.count == 0;
    Ok(found)
}

fn is_sound(connection: &Connection) -> bool {
    let verdict = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    verdict.is_ok_and(|verdict| database::fault_in(&verdict).is_none())
}

/// Reads rows up to the first that SQLite cannot find; leaves out those that make no sense.
fn rows<T>(
    connection: &Connection,
    select: &str,
    faults: &mut Faults,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Vec<T> {
    let mut all = Vec::new();
    let mut walk = || -> Result<(), StoreError> {
        let mut select = connection.prepare(select)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(value) => all.push(value),
                Err(fault) => faults.note(fault),
            }
        }
        Ok(())
    };
    if let Err(fault) = walk() {
        faults.note(fault);
    }
    all
}

fn copy_from(row: &Row<'_>) -> Result<(ContentId, UserFile), StoreError> {
    let identity = FileIdentity {
        size: row.get::<_, i64>(1)?.cast_unsigned(),
        modified: row.get(2)?,
        inode: row.get::<_, i64>(3)?.cast_unsigned(),
    };
    let path = path_from(row.get(0)?);
    Ok((ContentId::from_bytes(row.get(4)?), UserFile { path, identity }))
}

/// Splits publications into those that a tracker has answered and the names of those that wait for one.
///
/// An index that lost its end shows publications as waiting that were made long ago; made again, they could
/// undo what others have done to the name since.
pub(super) fn settled(publications: Vec<Publication>) -> (Vec<Publication>, Vec<Name>) {
    let (waiting, settled): (Vec<_>, Vec<_>) = publications.into_iter().partition(Publication::is_pending);
    let names = waiting.into_iter().map(|publication| publication.name);
    (settled, names.collect())
}
