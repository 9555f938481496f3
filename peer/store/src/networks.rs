//! Networks: the contents and publications of the one that this peer is in, and those of others.
//!
//! A peer is in one network at a time, its *current* one; names, revisions, epochs and marks of another say
//! nothing there. A content belongs to the networks that the table `belongs` lists for it, and, when it lists
//! none, to the current one: so most peers, which know one network, have an empty table. The outbox has the
//! publications of the current network only; those of others lie apart, as they were. Turning to another
//! network puts everything apart that was the old one's, and brings back everything that lay apart for the
//! new one.
//!
//! Invariants: turning is one transaction; no content and no publication is dropped by it. A content of which
//! nobody knows to which of several networks it belongs is of all of them: then no single tracker can have it
//! deleted.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::model::{ContentId, FileMetadata, Name, NetworkId, ReplicationTarget};

use super::index::{Index, publication_from, state_columns};
use super::{Publication, StoreError};

/// Parts of the schema. Programs that do not know them take every content for the current network's.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS belongs (
        content BLOB NOT NULL,
        network BLOB NOT NULL,
        PRIMARY KEY (content, network)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER IF NOT EXISTS belongs_no_more AFTER DELETE ON contents BEGIN
        DELETE FROM belongs WHERE content = old.content;
    END;
    CREATE TABLE IF NOT EXISTS network_facts (
        network BLOB NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (network, key)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS publications_apart (
        network BLOB NOT NULL,
        name TEXT NOT NULL,
        content BLOB NOT NULL,
        target INTEGER NOT NULL,
        is_update INTEGER NOT NULL,
        state INTEGER NOT NULL,
        revision INTEGER,
        reason TEXT,
        metadata BLOB,
        PRIMARY KEY (network, name)
    ) STRICT;
";

/// Key of the current network among the small facts.
const NETWORK_KEY: &str = "network";

/// Beginning of the keys of notes about names that pass: they are names of the current network.
pub(super) const PASSING: &str = "passing ";

/// Networks of which nothing lies here whose facts are remembered; a tracker that is made anew again and
/// again must not fill the index.
const MAX_EMPTY: i64 = 64;

/// Columns of the networks of contents, and of the facts about other networks.
pub(super) const BELONGS: &str = "SELECT content, network FROM belongs";
pub(super) const FACTS: &str = "SELECT network, key, value FROM network_facts";

/// Columns of a publication of another network.
pub(super) const APART: &str =
    "SELECT network, name, content, target, is_update, state, revision, reason, metadata
    FROM publications_apart";

/// Everything that an index says of networks, but for the current one.
#[derive(Debug, Default)]
pub(super) struct Affiliations {
    pub(super) belongs: Vec<(ContentId, NetworkId)>,
    /// Whether the list is all that there was.
    pub(super) is_whole: bool,
    pub(super) facts: Vec<(NetworkId, String, Vec<u8>)>,
    pub(super) publications: Vec<(NetworkId, Publication)>,
}

impl Affiliations {
    /// Writes them into a new index, which has its contents. Of a content whose networks could not be read,
    /// nobody knows the network.
    pub(super) fn write(&self, index: &Index) -> Result<(), StoreError> {
        prepare(index)?;
        for (content, network) in &self.belongs {
            index.add_belonging(*content, *network)?;
        }
        for (network, key, value) in &self.facts {
            index.connection().execute(
                "INSERT OR REPLACE INTO network_facts VALUES (?, ?, ?)",
                params![network.as_bytes(), key, value],
            )?;
        }
        for (network, publication) in &self.publications {
            put_aside(index.connection(), *network, publication)?;
        }
        if !self.is_whole {
            for kept in index.load()? {
                index.belongs_anywhere(kept.content())?;
            }
        }
        Ok(())
    }
}

/// Adds the tables of networks to an index that lacks them.
pub(super) fn prepare(index: &Index) -> Result<(), StoreError> {
    Ok(index.connection().execute_batch(SCHEMA)?)
}

/// The networks, as memory has them.
#[derive(Debug, Default)]
pub(super) struct Networks {
    pub(super) current: Option<NetworkId>,
    /// Contents that belong to other networks only.
    pub(super) elsewhere: BTreeSet<ContentId>,
}

impl Networks {
    /// Reads which contents are elsewhere.
    pub(super) fn load(index: &Index) -> Result<Self, StoreError> {
        let current = index.network()?;
        let elsewhere = index.elsewhere(current)?;
        Ok(Self { current, elsewhere })
    }
}

/// Reads a row of [`BELONGS`].
pub(super) fn belonging_from(row: &Row<'_>) -> rusqlite::Result<(ContentId, NetworkId)> {
    Ok((row.get(0).map(ContentId::from_bytes)?, network_from(row, 1)?))
}

/// Reads a row of [`FACTS`].
pub(super) fn fact_from(row: &Row<'_>) -> rusqlite::Result<(NetworkId, String, Vec<u8>)> {
    Ok((network_from(row, 0)?, row.get(1)?, row.get(2)?))
}

/// Reads a row of [`APART`].
pub(super) fn apart_from(row: &Row<'_>) -> Result<(NetworkId, Publication), StoreError> {
    Ok((network_from(row, 0)?, publication_from(row)?))
}

fn network_from(row: &Row<'_>, column: usize) -> rusqlite::Result<NetworkId> {
    row.get(column).map(NetworkId::from_bytes)
}

impl Index {
    /// Returns the current network.
    pub(super) fn network(&self) -> Result<Option<NetworkId>, StoreError> {
        let bytes = self.meta_get(NETWORK_KEY)?;
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Ok(bytes.map(NetworkId::from_bytes))
    }

    /// Notes that nobody knows to which of several networks a content belongs: it belongs to all of them.
    pub(super) fn belongs_anywhere(&self, content: ContentId) -> Result<(), StoreError> {
        let others = self.networks_apart()?;
        if others.is_empty() || self.belongs_somewhere(content)? {
            return Ok(());
        }
        for network in others.into_iter().chain(self.network()?) {
            self.add_belonging(content, network)?;
        }
        Ok(())
    }

    pub(super) fn belongs_somewhere(&self, content: ContentId) -> Result<bool, StoreError> {
        let mut select = self
            .connection()
            .prepare_cached("SELECT 1 FROM belongs WHERE content = ?")?;
        Ok(select.exists([content.as_bytes()])?)
    }

    pub(super) fn add_belonging(&self, content: ContentId, network: NetworkId) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT OR IGNORE INTO belongs VALUES (?, ?)")?
            .execute(params![content.as_bytes(), network.as_bytes()])?;
        Ok(())
    }

    pub(super) fn remove_belonging(&self, content: ContentId, network: NetworkId) -> Result<(), StoreError> {
        self.connection().execute(
            "DELETE FROM belongs WHERE content = ? AND network = ?",
            params![content.as_bytes(), network.as_bytes()],
        )?;
        Ok(())
    }

    pub(super) fn has_others(&self, content: ContentId, current: NetworkId) -> Result<bool, StoreError> {
        let mut select = self
            .connection()
            .prepare_cached("SELECT 1 FROM belongs WHERE content = ? AND network != ?")?;
        Ok(select.exists(params![content.as_bytes(), current.as_bytes()])?)
    }

    fn elsewhere(&self, current: Option<NetworkId>) -> Result<BTreeSet<ContentId>, StoreError> {
        let mut select = self
            .connection()
            .prepare("SELECT content FROM belongs GROUP BY content HAVING sum(network IS ?) = 0")?;
        let current = current.map(|network| network.as_bytes().to_vec());
        let contents = select.query_map([current], |row| row.get(0).map(ContentId::from_bytes))?;
        Ok(contents.collect::<Result<_, _>>()?)
    }

    pub(super) fn belongings(&self) -> Result<Vec<(ContentId, NetworkId)>, StoreError> {
        belongings(self.connection())
    }

    pub(super) fn pending_apart(&self) -> Result<Vec<(NetworkId, u64)>, StoreError> {
        let mut select = self
            .connection()
            .prepare("SELECT network, count(*) FROM publications_apart WHERE state = 0 GROUP BY network")?;
        let counted = |row: &Row<'_>| Ok((network_from(row, 0)?, row.get::<_, i64>(1)?.cast_unsigned()));
        let counts = select.query_map([], counted)?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// Returns the other networks of which anything is known.
    pub(super) fn networks_apart(&self) -> Result<Vec<NetworkId>, StoreError> {
        let mut select = self.connection().prepare_cached(
            "SELECT network FROM network_facts UNION SELECT network FROM publications_apart
             UNION SELECT network FROM belongs WHERE network IS NOT (SELECT value FROM meta WHERE key = ?)",
        )?;
        let networks = select.query_map([NETWORK_KEY], |row| network_from(row, 0))?;
        Ok(networks.collect::<Result<_, _>>()?)
    }

    pub(super) fn publications_apart(&self, network: NetworkId) -> Result<Vec<Publication>, StoreError> {
        let mut select = self
            .connection()
            .prepare_cached(&format!("{APART} WHERE network = ?"))?;
        let mut rows = select.query([network.as_bytes()])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(publication_from(row)?);
        }
        Ok(all)
    }

    pub(super) fn forget_apart(&self, network: NetworkId, name: &Name) -> Result<(), StoreError> {
        self.connection().execute(
            "DELETE FROM publications_apart WHERE network = ? AND name = ?",
            params![network.as_bytes(), name.as_str()],
        )?;
        Ok(())
    }

    /// Puts a publication of another network into the outbox. A crash in between leaves it in both, and the
    /// next attempt does the rest.
    pub(super) fn adopt(&mut self, network: NetworkId, publication: &Publication) -> Result<(), StoreError> {
        self.put_publication(publication)?;
        self.forget_apart(network, &publication.name)
    }

    /// Makes a network the current one.
    pub(super) fn turn_to(&mut self, network: NetworkId, facts: &[&str]) -> Result<(), StoreError> {
        let before = self.network()?;
        if before == Some(network) {
            return Ok(());
        }
        let change = self.transaction()?;
        if let Some(before) = before {
            put_apart(&change, before, facts)?;
        }
        bring_back(&change, network, facts)?;
        change.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            params![NETWORK_KEY, network.as_bytes()],
        )?;
        change.execute(
            "DELETE FROM network_facts WHERE network NOT IN
                 (SELECT network FROM belongs UNION SELECT network FROM publications_apart)
             AND network NOT IN
                 (SELECT network FROM network_facts GROUP BY network ORDER BY max(rowid) DESC LIMIT ?)",
            [MAX_EMPTY],
        )?;
        Ok(change.commit()?)
    }
}

/// Sets everything apart that is of the current network.
fn put_apart(change: &Connection, network: NetworkId, facts: &[&str]) -> Result<(), StoreError> {
    let network = network.as_bytes();
    change.execute(
        "INSERT INTO belongs SELECT content, ? FROM holdings
         WHERE content NOT IN (SELECT content FROM belongs)",
        [network],
    )?;
    change.execute(
        "INSERT OR REPLACE INTO publications_apart
         SELECT ?, name, content, target, is_update, state, revision, reason,
             (SELECT metadata FROM described
              WHERE described.name = publications.name AND described.content = publications.content)
         FROM publications",
        [network],
    )?;
    change.execute("DELETE FROM publications", [])?;
    for key in facts {
        let value = change
            .query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0))
            .optional()?;
        let value: Vec<u8> = value.unwrap_or_default();
        change.execute(
            "INSERT OR REPLACE INTO network_facts VALUES (?, ?, ?)",
            params![network, key, value],
        )?;
        change.execute("DELETE FROM meta WHERE key = ?", [key])?;
    }
    change.execute(
        "INSERT OR REPLACE INTO network_facts SELECT ?1, key, value FROM meta
         WHERE key >= ?2 AND key < ?2 || char(0x10ffff)",
        params![network, PASSING],
    )?;
    change.execute(
        "DELETE FROM meta WHERE key >= ?1 AND key < ?1 || char(0x10ffff)",
        [PASSING],
    )?;
    Ok(())
}

/// Brings everything back that lies apart for a network.
fn bring_back(change: &Connection, network: NetworkId, facts: &[&str]) -> Result<(), StoreError> {
    let network = network.as_bytes();
    change.execute(
        "INSERT OR IGNORE INTO described
         SELECT name, content, metadata FROM publications_apart
         WHERE network = ? AND metadata IS NOT NULL",
        [network],
    )?;
    change.execute(
        "INSERT OR IGNORE INTO publications
         SELECT name, content, target, is_update, state, revision, reason
         FROM publications_apart WHERE network = ?",
        [network],
    )?;
    change.execute("DELETE FROM publications_apart WHERE network = ?", [network])?;
    for key in facts {
        change.execute(
            "INSERT OR REPLACE INTO meta
             SELECT key, value FROM network_facts WHERE network = ? AND key = ? AND length(value) > 0",
            params![network, key],
        )?;
    }
    change.execute(
        "INSERT OR REPLACE INTO meta SELECT key, value FROM network_facts
         WHERE network = ?1 AND key >= ?2 AND key < ?2 || char(0x10ffff)",
        params![network, PASSING],
    )?;
    change.execute("DELETE FROM network_facts WHERE network = ?", [network])?;
    Ok(())
}

/// Puts one publication apart.
fn put_aside(
    connection: &Connection,
    network: NetworkId,
    publication: &Publication,
) -> Result<(), StoreError> {
    let metadata = publication.metadata.as_ref().map(FileMetadata::to_bytes);
    let (state, revision, reason) = state_columns(&publication.state);
    connection.execute(
        "INSERT OR REPLACE INTO publications_apart VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            network.as_bytes(),
            publication.name.as_str(),
            publication.content.as_bytes(),
            publication.target.map_or(0, ReplicationTarget::get),
            publication.update,
            state,
            revision,
            reason,
            metadata,
        ],
    )?;
    Ok(())
}

fn belongings(connection: &Connection) -> Result<Vec<(ContentId, NetworkId)>, StoreError> {
    let mut select = connection.prepare(BELONGS)?;
    let pairs = select.query_map([], belonging_from)?;
    Ok(pairs.collect::<Result<_, _>>()?)
}
