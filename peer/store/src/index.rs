//! The index: the records of all contents, durably, in SQLite.
//!
//! Invariants: every method that changes the index is one transaction, on disk (WAL, synchronous=FULL) when
//! it returns; a row is written after the data that it promises is on disk, never before. An index of a newer
//! format is refused.
//!
//! Deliberately absent: files. The index knows records only.

mod outbox;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};
use shared::model::{ContentId, Digest, FragmentLength, FragmentSet, Manifest, Name};
use shared::own_data::INDEX_ID;
use shared::refusal::{is_vague, probe};
use shared::{data_files, database};

use super::copies::{MAX_COPIES, UserFile};
use super::error::MEND;
use super::files::FileIdentity;
use super::kept::Kept;
use super::{Place, Role, Roles, StoreError};

pub(super) use outbox::{PUBLICATION, publication_from, state_columns};

/// Format that this program writes (SQLite's `user_version`).
pub(super) const FORMAT: i64 = 1;

/// Schema. Manifests are apart from holdings because they are large and never change, and holdings change all
/// the time.
const SCHEMA: &str = "
    CREATE TABLE contents (
        content BLOB PRIMARY KEY,
        length INTEGER NOT NULL,
        fragment_length INTEGER NOT NULL,
        roots BLOB NOT NULL
    ) STRICT;
    CREATE TABLE holdings (
        content BLOB PRIMARY KEY,
        held BLOB NOT NULL,
        wanted BLOB NOT NULL,
        roles INTEGER NOT NULL,
        name TEXT,
        place INTEGER NOT NULL,
        path BLOB,
        output BLOB,
        overwrite INTEGER NOT NULL,
        size INTEGER,
        modified INTEGER,
        inode INTEGER
    ) STRICT;
    CREATE TABLE temporaries (path BLOB PRIMARY KEY) STRICT;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE publications (
        name TEXT PRIMARY KEY,
        content BLOB NOT NULL,
        target INTEGER NOT NULL,
        is_update INTEGER NOT NULL,
        state INTEGER NOT NULL,
        revision INTEGER,
        reason TEXT
    ) STRICT;
";

/// Parts of the schema that came later. Programs that do not know them work without them, so the format is
/// the same: a copy that such a program did not keep up to date has another identity by then, or still has
/// the bytes.
const ADDITIONS: &str = "
    CREATE TABLE IF NOT EXISTS copies (
        path BLOB PRIMARY KEY,
        content BLOB NOT NULL,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        inode INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS copies_of ON copies (content);
    CREATE TABLE IF NOT EXISTS described (
        name TEXT PRIMARY KEY,
        content BLOB NOT NULL,
        metadata BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER IF NOT EXISTS undescribed AFTER DELETE ON publications BEGIN
        DELETE FROM described WHERE name = old.name;
    END;
    CREATE TABLE IF NOT EXISTS unfinished (content BLOB PRIMARY KEY, addition INTEGER NOT NULL) STRICT;
    CREATE TRIGGER IF NOT EXISTS finished AFTER INSERT ON publications BEGIN
        DELETE FROM unfinished WHERE addition IN
            (SELECT addition FROM unfinished WHERE content = new.content);
    END;
    CREATE INDEX IF NOT EXISTS publications_of ON publications (content);
    CREATE INDEX IF NOT EXISTS publications_pending ON publications (name) WHERE state = 0;
    CREATE INDEX IF NOT EXISTS publications_refused ON publications (content) WHERE state = 2;
";

/// Columns of a record.
pub(super) const RECORD: &str =
    "SELECT content, length, fragment_length, roots, held, wanted, roles, name, place,
    path, output, overwrite, size, modified, inode FROM holdings JOIN contents USING (content)";

/// The roles and their bits in the index.
const ROLE_BITS: [(Role, i64); 3] = [(Role::Published, 1), (Role::Assigned, 2), (Role::Fetched, 4)];

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
    path: PathBuf,
}

impl Drop for Index {
    fn drop(&mut self) {
        // A log that is not needed is removed with the connection, after its marker. Any other one stays.
        let written = self
            .connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        if matches!(written, Ok(0)) && database::unmark(&self.path).is_ok() {
            drop(keep_log(&self.connection, false));
        }
    }
}

/// Keeps SQLite from removing the log when the connection ends, or lets it.
fn keep_log(connection: &Connection, keeps: bool) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps)?;
    Ok(())
}

impl Index {
    /// Opens the index, or makes an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        // The system says more about a file that cannot be opened than SQLite does.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        data_files::open(path, &options).map_err(StoreError::io("open", path))?;
        Self::begin(path).map_err(|error| explained(error, path))
    }

    fn begin(path: &Path) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path)?;
        keep_log(&connection, true)?;
        let verdict: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if let Some(fault) = database::fault_in(&verdict) {
            return Err(damaged(fault));
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match format {
            FORMAT => {}
            0 => {
                let change = connection.transaction()?;
                change.execute_batch(SCHEMA)?;
                change.pragma_update(None, "user_version", FORMAT)?;
                change.commit()?;
            }
            other => {
                return Err(StoreError::Unusable(format!(
                    "{} has format {other}, this program knows {FORMAT}; use the version that wrote it, or another \
                     data directory",
                    path.display()
                )));
            }
        }
        connection.execute_batch(ADDITIONS)?;
        connection.pragma_update(None, "application_id", INDEX_ID)?;
        // The marker promises a log with a frame: this writes one.
        connection.pragma_update(None, "user_version", FORMAT)?;
        database::mark(path).map_err(StoreError::io("write beside", path))?;
        let path = path.to_owned();
        Ok(Self { connection, path })
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn transaction(&mut self) -> Result<Transaction<'_>, StoreError> {
        Ok(self.connection.transaction()?)
    }

    /// Makes commits no longer wait for the disk: the caller syncs the file at the end.
    pub(super) fn stop_syncing(&self) -> Result<(), StoreError> {
        Ok(self.connection.pragma_update(None, "synchronous", "OFF")?)
    }

    /// Reads all records.
    pub(super) fn load(&self) -> Result<Vec<Kept>, StoreError> {
        let mut select = self.connection.prepare(RECORD)?;
        let mut rows = select.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(kept_from(row)?);
        }
        Ok(all)
    }

    /// Writes a record whose manifest is new or has changed.
    pub(super) fn insert(&mut self, kept: &Kept) -> Result<(), StoreError> {
        let manifest = &kept.manifest;
        let roots: Vec<u8> = manifest
            .roots()
            .iter()
            .flat_map(|root| *root.as_bytes())
            .collect();
        let change = self.connection.transaction()?;
        change
            .prepare_cached("INSERT OR REPLACE INTO contents VALUES (?, ?, ?, ?)")?
            .execute(params![
                kept.content().as_bytes(),
                manifest.length().cast_signed(),
                manifest.fragment_length().get(),
                roots
            ])?;
        put_holding(&change, kept)?;
        Ok(change.commit()?)
    }

    /// Writes a record whose manifest is in the index already.
    pub(super) fn update(&self, kept: &Kept) -> Result<(), StoreError> {
        put_holding(&self.connection, kept)
    }

    /// Deletes a record.
    pub(super) fn delete(&mut self, content: ContentId) -> Result<(), StoreError> {
        let change = self.connection.transaction()?;
        change.execute("DELETE FROM holdings WHERE content = ?", [content.as_bytes()])?;
        change.execute("DELETE FROM contents WHERE content = ?", [content.as_bytes()])?;
        change.execute("DELETE FROM copies WHERE content = ?", [content.as_bytes()])?;
        Ok(change.commit()?)
    }

    /// Returns the copies of a content, in the order in which they came.
    pub(super) fn copies(&self, content: ContentId) -> Result<Vec<UserFile>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT path, size, modified, inode FROM copies WHERE content = ? ORDER BY rowid",
        )?;
        let copy = |row: &Row<'_>| {
            let identity = FileIdentity {
                size: row.get::<_, i64>(1)?.cast_unsigned(),
                modified: row.get(2)?,
                inode: row.get::<_, i64>(3)?.cast_unsigned(),
            };
            let path = path_from(row.get(0)?);
            Ok(UserFile { path, identity })
        };
        let copies = select.query_map([content.as_bytes()], copy)?;
        Ok(copies.collect::<Result<_, _>>()?)
    }

    /// Whether the file at a path is one of the copies of a content.
    pub(super) fn is_copy(&self, content: ContentId, path: &Path) -> Result<bool, StoreError> {
        let select = "SELECT 1 FROM copies WHERE path = ? AND content = ?";
        let mut select = self.connection.prepare_cached(select)?;
        Ok(select.exists(params![path.as_os_str().as_bytes(), content.as_bytes()])?)
    }

    /// Notes a copy as the newest of a content's; it is one of no other content from now on.
    pub(super) fn add_copy(&self, content: ContentId, copy: &UserFile) -> Result<(), StoreError> {
        let change = self.connection.unchecked_transaction()?;
        change
            .prepare_cached("INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?, ?)")?
            .execute(params![
                copy.path.as_os_str().as_bytes(),
                content.as_bytes(),
                copy.identity.size.cast_signed(),
                copy.identity.modified,
                copy.identity.inode.cast_signed(),
            ])?;
        change
            .prepare_cached(
                "DELETE FROM copies WHERE rowid IN
                 (SELECT rowid FROM copies WHERE content = ? ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
            )?
            .execute(params![content.as_bytes(), MAX_COPIES])?;
        Ok(change.commit()?)
    }

    /// Notes a new identity of a copy, if it is one of this content and had the other identity.
    pub(super) fn change_copy(
        &self,
        content: ContentId,
        before: &UserFile,
        now: FileIdentity,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE copies SET size = ?, modified = ?, inode = ?
             WHERE path = ? AND content = ? AND size = ? AND modified = ? AND inode = ?",
            params![
                now.size.cast_signed(),
                now.modified,
                now.inode.cast_signed(),
                before.path.as_os_str().as_bytes(),
                content.as_bytes(),
                before.identity.size.cast_signed(),
                before.identity.modified,
                before.identity.inode.cast_signed(),
            ],
        )?;
        Ok(())
    }

    pub(super) fn remove_copy(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.as_os_str().as_bytes();
        self.connection
            .execute("DELETE FROM copies WHERE path = ?", [path])?;
        Ok(())
    }

    /// Returns the files outside the store that were to exist for a short time only.
    pub(super) fn temporaries(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut select = self.connection.prepare("SELECT path FROM temporaries")?;
        let paths = select.query_map([], |row| row.get(0).map(path_from))?;
        Ok(paths.collect::<Result<_, _>>()?)
    }

    pub(super) fn add_temporary(&self, path: &Path) -> Result<(), StoreError> {
        let bytes = path.as_os_str().as_bytes();
        self.connection
            .execute("INSERT OR IGNORE INTO temporaries VALUES (?)", [bytes])?;
        Ok(())
    }

    pub(super) fn remove_temporary(&self, path: &Path) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM temporaries WHERE path = ?",
            [path.as_os_str().as_bytes()],
        )?;
        Ok(())
    }

    /// Adds or removes many at once.
    pub(super) fn change_temporaries(&mut self, paths: &[PathBuf], is_there: bool) -> Result<(), StoreError> {
        let change = self.connection.transaction()?;
        let sql = match is_there {
            true => "INSERT OR IGNORE INTO temporaries VALUES (?)",
            false => "DELETE FROM temporaries WHERE path = ?",
        };
        for path in paths {
            change
                .prepare_cached(sql)?
                .execute([path.as_os_str().as_bytes()])?;
        }
        Ok(change.commit()?)
    }

    /// Notes, before a content is added, that this addition is not finished: it is when its publication is
    /// there. Waits for no disk: the record of the content, which follows, takes the note along.
    pub(super) fn begin_addition(&self, addition: u64, content: ContentId) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let noted = self.connection.execute(
            "INSERT OR REPLACE INTO unfinished VALUES (?, ?)",
            params![content.as_bytes(), addition.cast_signed()],
        );
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        noted?;
        Ok(())
    }

    /// Notes that these contents are added for good, or not any more.
    pub(super) fn end_addition(&self, contents: &[ContentId]) -> Result<(), StoreError> {
        let change = self.connection.unchecked_transaction()?;
        for content in contents {
            change
                .prepare_cached("DELETE FROM unfinished WHERE content = ?")?
                .execute([content.as_bytes()])?;
        }
        Ok(change.commit()?)
    }

    /// Returns the contents of additions that were not finished.
    pub(super) fn unfinished(&self) -> Result<Vec<ContentId>, StoreError> {
        let mut select = self.connection.prepare("SELECT content FROM unfinished")?;
        let contents = select.query_map([], |row| row.get(0).map(ContentId::from_bytes))?;
        Ok(contents.collect::<Result<_, _>>()?)
    }

    pub(super) fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let get = |row: &Row<'_>| row.get(0);
        Ok(self
            .connection
            .query_row("SELECT value FROM meta WHERE key = ?", [key], get)
            .optional()?)
    }

    pub(super) fn meta_set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.connection
            .execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", params![key, value])?;
        Ok(())
    }

    pub(super) fn meta_remove(&self, key: &str) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM meta WHERE key = ?", [key])?;
        Ok(())
    }

    /// Returns the keys that begin so, with their values.
    pub(super) fn meta_beginning(&self, beginning: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let select = "SELECT key, value FROM meta WHERE key >= ?1 AND key < ?1 || char(0x10ffff)";
        let mut select = self.connection.prepare(select)?;
        let found = select.query_map([beginning], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Keeps the newest values whose keys begin so, and removes the others.
    pub(super) fn meta_trim(&self, beginning: &str, most: u32) -> Result<(), StoreError> {
        let delete = "DELETE FROM meta WHERE rowid IN (SELECT rowid FROM meta
            WHERE key >= ?1 AND key < ?1 || char(0x10ffff) ORDER BY rowid DESC LIMIT -1 OFFSET ?2)";
        self.connection.execute(delete, params![beginning, most])?;
        Ok(())
    }
}

/// Asks the disk for the reason of a failure for which SQLite gives none.
fn explained(error: StoreError, path: &Path) -> StoreError {
    let is_vague = match &error {
        StoreError::Index(cause) => cause
            .sqlite_error()
            .is_some_and(|told| is_vague(told.extended_code)),
        _ => false,
    };
    match path.parent().filter(|_| is_vague) {
        Some(directory) => match probe(directory) {
            Err(source) => StoreError::io("write into", directory)(source),
            Ok(()) => error,
        },
        None => error,
    }
}

fn put_holding(connection: &Connection, kept: &Kept) -> Result<(), StoreError> {
    let (place, path, output, overwrite) = match &kept.place {
        Place::Store => (0, None, None, false),
        Place::File(path) => (1, Some(path), None, false),
        Place::Partial {
            partial,
            output,
            overwrite,
        } => (2, Some(partial), Some(output), *overwrite),
    };
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    let roles: i64 = ROLE_BITS
        .iter()
        .filter(|(role, _)| kept.roles.has(*role))
        .map(|(_, bit)| bit)
        .sum();
    connection
        .prepare_cached("INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            kept.content().as_bytes(),
            kept.promised().to_bytes(),
            kept.wanted.to_bytes(),
            roles,
            kept.name.as_ref().map(Name::as_str),
            place,
            path.map(bytes),
            output.map(bytes),
            overwrite,
            kept.identity.map(|identity| identity.size.cast_signed()),
            kept.identity.map(|identity| identity.modified),
            kept.identity.map(|identity| identity.inode.cast_signed()),
        ])?;
    Ok(())
}

/// Returns the error for a value that this module cannot have written: the file is damaged.
fn damaged(what: impl std::fmt::Display) -> StoreError {
    StoreError::Torn(format!("the index is damaged ({what}); {MEND}"))
}

pub(super) fn path_from(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

pub(super) fn kept_from(row: &Row<'_>) -> Result<Kept, StoreError> {
    let content = ContentId::from_bytes(row.get("content")?);
    let length: i64 = row.get("length")?;
    let fragment_length =
        FragmentLength::new(row.get::<_, u32>("fragment_length")?.into()).map_err(damaged)?;
    let roots: Vec<u8> = row.get("roots")?;
    let roots = roots
        .as_chunks()
        .0
        .iter()
        .map(|root| Digest::from_bytes(*root))
        .collect();
    let manifest =
        Manifest::verified(content, length.cast_unsigned(), fragment_length, roots).map_err(damaged)?;
    let set = |column| -> Result<FragmentSet, StoreError> {
        let bytes: Vec<u8> = row.get(column)?;
        FragmentSet::from_bytes(manifest.fragment_count(), &bytes).map_err(damaged)
    };
    let path = |column| -> Result<PathBuf, StoreError> { Ok(path_from(row.get(column)?)) };
    let place = match row.get::<_, i64>("place")? {
        0 => Place::Store,
        1 => Place::File(path("path")?),
        2 => {
            let (partial, output, overwrite) = (path("path")?, path("output")?, row.get("overwrite")?);
            Place::Partial {
                partial,
                output,
                overwrite,
            }
        }
        other => return Err(damaged(format_args!("place {other}"))),
    };
    let (held, wanted) = (set("held")?, set("wanted")?);
    let mut kept = Kept::restored(manifest, held, wanted, place);
    let bits: i64 = row.get("roles")?;
    kept.roles = ROLE_BITS.iter().fold(Roles::default(), |roles, (role, bit)| {
        roles.with(*role, bits & bit != 0)
    });
    kept.name = row
        .get::<_, Option<String>>("name")?
        .map(Name::new)
        .transpose()
        .map_err(damaged)?;
    let columns: (Option<i64>, Option<i64>, Option<i64>) =
        (row.get("size")?, row.get("modified")?, row.get("inode")?);
    if let (Some(size), Some(modified), Some(inode)) = columns {
        let (size, inode) = (size.cast_unsigned(), inode.cast_unsigned());
        kept.identity = Some(FileIdentity {
            size,
            modified,
            inode,
        });
    }
    Ok(kept)
}

/// Returns the key under which it is noted that a content is the catalog of a collection.
pub(super) fn collection_key(catalog: ContentId) -> String {
    format!("collection {catalog}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_a_newer_format_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("index.db");
        drop(Index::open(&path).expect("a new index"));
        let connection = Connection::open(&path).expect("opens");
        connection
            .pragma_update(None, "user_version", FORMAT + 1)
            .expect("writes");
        drop(connection);
        let error = Index::open(&path).expect_err("newer");
        assert!(error.to_string().contains("format 2"), "{error}");
    }

    #[test]
    fn every_commit_waits_for_the_disk() {
        let directory = tempfile::tempdir().expect("a directory");
        let index = Index::open(&directory.path().join("index.db")).expect("a new index");
        let pragma = |name: &str| -> String {
            let get = |row: &Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            format!(
                "{:?}",
                index
                    .connection
                    .query_row(&format!("PRAGMA {name}"), [], get)
                    .expect("reads")
            )
        };
        assert_eq!(
            (pragma("journal_mode"), pragma("synchronous")),
            ("Text(\"wal\")".into(), "Integer(2)".into())
        );
    }
}
