//! Journal in SQLite: write-ahead log, `synchronous = FULL`, one transaction a batch.
//!
//! Records have consecutive positions and a checksum over position and bytes, so a missing, changed or moved
//! row is found. The one row of `head` says where the valid snapshot lies and what it stands for; a snapshot
//! is written beside the old one and becomes valid by one small transaction.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use shared::data_files::make_directory;
use shared::own_data::{JOURNAL_ID, OwnData};
use shared::refusal::{is_vague, probe};
use shared::{database, hash};

use super::directory::{Directory, failed};
use super::{Journal, JournalError, Replayed, codec};
use crate::state::Record;

/// Value of `PRAGMA user_version`; a change of the tables gets a new number.
const VERSION: i64 = 1;

/// Application id.
const APPLICATION_ID: i64 = JOURNAL_ID as i64;

/// Time for which a backup tool may block the journal; no other program writes to it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Number of positions of each snapshot.
const SNAPSHOT_SPAN: i64 = 1 << 40;

/// Rows deleted at a time: some ten milliseconds.
const TIDY_ROWS: i64 = 1000;

const SCHEMA: &str = "
    CREATE TABLE records (position INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum BLOB NOT NULL);
    CREATE TABLE snapshot (position INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum BLOB NOT NULL);
    CREATE TABLE head (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        covered INTEGER NOT NULL,
        snapshot_first INTEGER NOT NULL,
        snapshot_end INTEGER NOT NULL
    );
    INSERT INTO head VALUES (0, 0, 0, 0);
";

/// Journal of one data directory, which is locked as long as this value lives.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    connection: Connection,
    /// Position of the next record.
    next: i64,
    head: Head,
    begun: Option<Begun>,
    /// Whether this is the tracker's journal, rather than a look at one.
    writes: bool,
    /// Locked until dropped; none for a backup.
    _directory: Option<Directory>,
}

#[derive(Clone, Debug)]
struct Head {
    /// The last position that the snapshot stands for; 0 when there is none.
    covered: i64,
    /// Positions of the snapshot's rows.
    snapshot: Range<i64>,
}

#[derive(Debug)]
struct Begun {
    covered: i64,
    rows: Range<i64>,
}

impl SqliteJournal {
    /// Opens the journal of a data directory, and creates both if they are missing.
    ///
    /// # Errors
    /// When another tracker runs on it, or it cannot be written, or is of another version, or damaged at the
    /// head.
    pub fn open(data_dir: &Path) -> Result<Self, JournalError> {
        let mut directory = Directory::take(data_dir)?;
        Directory::examine(data_dir)?;
        let path = Directory::journal(data_dir);
        let connection = Connection::open(&path).map_err(|source| failure(&path, source))?;
        keep_log(&connection, &path, true)?;
        let head = prepare(&connection, &path, true)?;
        directory.note_begun()?;
        // The marker promises a log with a frame: this writes one.
        connection
            .pragma_update(None, "user_version", VERSION)
            .map_err(|source| failure(&path, source))?;
        database::mark(&path).map_err(failed("write beside", &path))?;
        Self::begin(path, connection, head, Some(directory), true)
    }

    /// Opens the journal of a data directory for replay only: creates nothing, changes nothing.
    ///
    /// # Errors
    /// As [`Self::open`], and [`JournalError::Missing`].
    pub fn inspect(data_dir: &Path) -> Result<Self, JournalError> {
        let directory = Directory::visit(data_dir)?;
        Directory::examine(data_dir)?;
        let path = Directory::journal(data_dir);
        if !path.is_file() {
            return Err(JournalError::Missing(data_dir.to_owned()));
        }
        let connection = undisturbed(&path)?;
        let head = prepare(&connection, &path, false)?;
        Self::begin(path, connection, head, directory, false)
    }

    fn begin(
        path: PathBuf,
        connection: Connection,
        head: Head,
        directory: Option<Directory>,
        writes: bool,
    ) -> Result<Self, JournalError> {
        let next = connection
            .query_row("SELECT max(position) FROM records", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
            .map_err(|source| failure(&path, source))?;
        let next = next.unwrap_or_default().max(head.covered) + 1;
        Ok(Self {
            path,
            connection,
            next,
            head,
            begun: None,
            writes,
            _directory: directory,
        })
    }

    fn damaged(&self, what: String) -> JournalError {
        JournalError::Damaged {
            path: self.path.clone(),
            what,
        }
    }

    /// Replays the rows from `first` on, which must be there without a gap; returns their number.
    fn read(&self, table: &str, first: i64, take: &mut dyn FnMut(Record)) -> Result<i64, JournalError> {
        let end = if table == "snapshot" {
            self.head.snapshot.end
        } else {
            i64::MAX
        };
        let failed = |source| failure(&self.path, source);
        let sql = format!(
            "SELECT position, body, checksum FROM {table} WHERE position >= ?1 AND position < ?2 ORDER BY position"
        );
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([first, end]).map_err(failed)?;
        let mut expected = first;
        while let Some(row) = rows.next().map_err(failed)? {
            let position: i64 = row.get(0).map_err(failed)?;
            if position != expected {
                return Err(self.damaged(format!("row {expected} of {table} is missing")));
            }
            let body = row.get_ref(1).map_err(failed)?.as_blob().unwrap_or_default();
            let sum = row.get_ref(2).map_err(failed)?.as_blob().unwrap_or_default();
            if sum != checksum(position, body) {
                return Err(self.damaged(format!("row {position} of {table} does not match its checksum")));
            }
            let record = codec::decode(body)
                .map_err(|error| self.damaged(format!("row {position} of {table} is no record: {error}")))?;
            take(record);
            expected += 1;
        }
        Ok(expected - first)
    }

    fn transact(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), JournalError> {
        let attempt = || {
            let transaction = self.connection.transaction()?;
            work(&transaction)?;
            transaction.commit()
        };
        attempt().map_err(|source| failure(&self.path, source))
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        if !self.writes {
            return;
        }
        // A log that is not needed is removed with the connection, after its marker. Any other one stays.
        let written = self
            .connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        if matches!(written, Ok(0)) && database::unmark(&self.path).is_ok() {
            drop(keep_log(&self.connection, &self.path, false));
        }
    }
}

impl Journal for SqliteJournal {
    fn replay(&mut self, take: &mut dyn FnMut(Record)) -> Result<Replayed, JournalError> {
        let snapshot = self.read("snapshot", self.head.snapshot.start, take)?;
        let expected = self.head.snapshot.end - self.head.snapshot.start;
        if snapshot != expected {
            return Err(self.damaged(format!("the snapshot has {snapshot} rows instead of {expected}")));
        }
        let since = self.read("records", self.head.covered + 1, take)?;
        Ok(Replayed {
            from_snapshot: snapshot.unsigned_abs(),
            since_snapshot: since.unsigned_abs(),
        })
    }

    fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let first = self.next;
        self.transact(|transaction| insert(transaction, "records", first, records))?;
        self.next += signed(records.len());
        Ok(())
    }

    fn begin_snapshot(&mut self) -> Result<(), JournalError> {
        let span = (self.head.snapshot.end / SNAPSHOT_SPAN + 1) * SNAPSHOT_SPAN;
        // A snapshot that a crash interrupted may be there.
        self.transact(|transaction| {
            transaction.execute("DELETE FROM snapshot WHERE position >= ?1", [span])?;
            Ok(())
        })?;
        self.begun = Some(Begun {
            covered: self.next - 1,
            rows: span..span,
        });
        Ok(())
    }

    fn add_to_snapshot(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let Some(mut begun) = self.begun.take() else {
            return Ok(());
        };
        self.transact(|transaction| insert(transaction, "snapshot", begun.rows.end, records))?;
        begun.rows.end += signed(records.len());
        self.begun = Some(begun);
        Ok(())
    }

    fn finish_snapshot(&mut self) -> Result<(), JournalError> {
        let Some(Begun { covered, rows }) = self.begun.take() else {
            return Ok(());
        };
        self.transact(|transaction| {
            let sql = "UPDATE head SET covered = ?1, snapshot_first = ?2, snapshot_end = ?3";
            transaction.execute(sql, params![covered, rows.start, rows.end])?;
            Ok(())
        })?;
        self.head = Head {
            covered,
            snapshot: rows,
        };
        Ok(())
    }

    fn tidy(&mut self) -> Result<bool, JournalError> {
        let (covered, first) = (self.head.covered, self.head.snapshot.start);
        let mut deleted = 0;
        self.transact(|transaction| {
            let some = |table| {
                format!(
                    "DELETE FROM {table} WHERE position IN
                     (SELECT position FROM {table} WHERE position < ?1 ORDER BY position LIMIT {TIDY_ROWS})"
                )
            };
            deleted += transaction.execute(&some("records"), [covered + 1])?;
            deleted += transaction.execute(&some("snapshot"), [first])?;
            Ok(())
        })?;
        Ok(signed(deleted) >= TIDY_ROWS)
    }
}

/// Opens a journal that another program may be writing to, and reads it as of one moment.
fn read_only(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| failure(path, source))?;
    keep_log(&connection, path, true)?;
    Ok(connection)
}

/// Opens a journal that nobody writes to, so that no file in its directory is made, changed or removed.
fn undisturbed(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| failure(path, source);
    if fs::metadata(database::log_of(path)).is_ok_and(|log| log.len() > 0) {
        // One that reads the log would write an index of it beside it, unless it has the file to itself.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        keep_log(&connection, path, true)?;
        connection
            .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON;")
            .map_err(failed)?;
        return Ok(connection);
    }
    let escaped = |byte: &u8| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    let absolute = path
        .canonicalize()
        .map_err(super::directory::failed("open", path))?;
    let file: String = absolute.as_os_str().as_bytes().iter().map(escaped).collect();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{file}?immutable=1"), flags).map_err(failed)
}

/// Keeps SQLite from removing the log when the connection ends, or lets it.
fn keep_log(connection: &Connection, path: &Path, keeps: bool) -> Result<(), JournalError> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps)
        .map(drop)
        .map_err(|source| failure(path, source))
}

fn prepare(connection: &Connection, path: &Path, writes: bool) -> Result<Head, JournalError> {
    let failed = |source| failure(path, source);
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let found = number("user_version").map_err(failed)?;
    let owner = number("application_id").map_err(failed)?;
    if writes {
        // FULL in write-ahead mode: every commit is synced, so an acknowledged batch survives a power cut.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            .map_err(failed)?;
    }
    connection
        .execute_batch("PRAGMA trusted_schema = OFF;")
        .map_err(failed)?;
    if writes && (found, owner) == (0, 0) {
        let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};");
        connection
            .execute_batch(&format!("BEGIN; {SCHEMA} {stamp} COMMIT;"))
            .map_err(failed)?;
    } else if (found, owner) != (VERSION, APPLICATION_ID) {
        return Err(JournalError::Version {
            path: path.to_owned(),
            found,
            expected: VERSION,
        });
    }
    // Rows that a damaged page no longer shows would be missed at the end of a table only: everything else
    // leaves a gap. The integrity check finds them: each byte of a page must belong to something.
    let verdict: String = connection
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(failed)?;
    if let Some(what) = database::fault_in(&verdict) {
        let path = path.to_owned();
        return Err(JournalError::Damaged { path, what });
    }
    let head = "SELECT covered, snapshot_first, snapshot_end FROM head";
    connection
        .query_row(head, [], |row| {
            Ok(Head {
                covered: row.get(0)?,
                snapshot: row.get(1)?..row.get(2)?,
            })
        })
        .map_err(failed)
}

fn insert(
    transaction: &Transaction<'_>,
    table: &str,
    first: i64,
    records: &[Record],
) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO {table} (position, body, checksum) VALUES (?1, ?2, ?3)");
    let mut statement = transaction.prepare_cached(&sql)?;
    for (position, record) in (first..).zip(records) {
        let body = codec::encode(record);
        statement.execute(params![position, body, checksum(position, &body)])?;
    }
    Ok(())
}

/// Eight bytes of SHA-256: damage is an accident, not an attack.
fn checksum(position: i64, body: &[u8]) -> [u8; 8] {
    let digest = hash::leaf(&[&position.to_le_bytes(), body].concat());
    std::array::from_fn(|i| digest.as_bytes()[i])
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn failure(path: &Path, source: rusqlite::Error) -> JournalError {
    let path = path.to_owned();
    match &source {
        rusqlite::Error::SqliteFailure(failed, _)
            if matches!(
                failed.code,
                rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase
            ) =>
        {
            JournalError::Damaged {
                path,
                what: source.to_string(),
            }
        }
        rusqlite::Error::QueryReturnedNoRows => JournalError::Damaged {
            path,
            what: "it has no head".to_owned(),
        },
        rusqlite::Error::SqliteFailure(told, _) if is_vague(told.extended_code) => {
            // The disk says more than SQLite does.
            match path.parent().map(|directory| (directory, probe(directory))) {
                Some((directory, Err(refused))) => failed("write into", directory)(refused),
                _ => JournalError::Engine { path, source },
            }
        }
        _ => JournalError::Engine { path, source },
    }
}

/// Name of a copy that is not complete yet.
const UNFINISHED: &str = "journal.unfinished";

/// Copies the journal of a data directory into another directory, which is created if it is missing. A
/// tracker can start from it.
///
/// SQLite's own snapshot of one moment is written into a new file, so the tracker need not know: no rpc, no
/// signal, no pause. The copy contains all records that were acknowledged before it began, and perhaps the
/// first ones of those that came later. Nothing is overwritten; the file gets its name only when it is
/// complete and on disk.
///
/// # Errors
/// When there is no journal, the target has one, or reading or writing fails.
pub fn back_up(data_dir: &Path, target: &Path) -> Result<(), JournalError> {
    let source = Directory::journal(data_dir);
    if !source.is_file() {
        return Err(JournalError::Missing(data_dir.to_owned()));
    }
    let owner = OwnData::look(data_dir).around_output(target);
    if let Some(owner) = owner.filter(|_| !Directory::journal(target).exists()) {
        return Err(JournalError::Inside(target.to_owned(), owner));
    }
    make_directory(target).map_err(failed("create", target))?;
    let (unfinished, copy) = (target.join(UNFINISHED), Directory::journal(target));
    if copy.exists() {
        return Err(JournalError::Exists(copy));
    }
    // An interrupted backup may have left a file behind.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("replace", &unfinished)(error));
        }
        _ => {}
    }
    // A journal that a tracker is using is open there; one that nobody uses must prove itself first.
    if let Ok(directory) = Directory::visit(data_dir) {
        Directory::examine(data_dir)?;
        drop(directory);
    }
    // For its owner only, like the journal; SQLite fills a file that is there if it is empty.
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(&unfinished);
    drop(made.map_err(failed("create", &unfinished))?);
    let connection = read_only(&source)?;
    let written = connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy().as_ref()]);
    written.map_err(|error| failure(&unfinished, error))?;
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(&unfinished).map_err(failed("sync", &unfinished))?;
    fs::rename(&unfinished, &copy).map_err(failed("name", &copy))?;
    sync(target).map_err(failed("sync", target))
}
