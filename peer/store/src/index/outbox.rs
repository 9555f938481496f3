//! The outbox in the index: the names that this node has published or is to publish.

use rusqlite::{Connection, Params, Row, params};
use shared::model::{ContentId, FileMetadata, Name, ReplicationTarget, Revision};

use super::{Index, damaged};
use crate::{Publication, PublicationState, StoreError};

/// Columns of a publication, in the order of the table, and its file's metadata.
pub(crate) const PUBLICATION: &str = "SELECT *, (SELECT metadata FROM described
    WHERE described.name = publications.name AND described.content = publications.content) AS metadata
    FROM publications";

/// Chooses the publications that wait, by the index that has no others.
const PENDING: &str = "INDEXED BY publications_pending WHERE state = 0";

/// Chooses the publications that were refused, by the index that has no others.
const REFUSED: &str = "INDEXED BY publications_refused WHERE state = 2";

impl Index {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.select_publications("ORDER BY name", [])
    }

    pub(crate) fn publication(&self, name: &Name) -> Result<Option<Publication>, StoreError> {
        let mut found = self.select_publications("WHERE name = ?", [name.as_str()])?;
        Ok(found.pop())
    }

    pub(crate) fn publications_of(&self, content: ContentId) -> Result<Vec<Publication>, StoreError> {
        self.select_publications("WHERE content = ? ORDER BY name", [content.as_bytes()])
    }

    pub(crate) fn pending_publications(&self) -> Result<Vec<Publication>, StoreError> {
        self.select_publications(&format!("{PENDING} ORDER BY name"), [])
    }

    pub(crate) fn count_pending(&self) -> Result<u64, StoreError> {
        let count = format!("SELECT count(*) FROM publications {PENDING}");
        let get = |row: &Row<'_>| row.get::<_, i64>(0);
        let count = self.connection.prepare_cached(&count)?.query_row([], get)?;
        Ok(count.cast_unsigned())
    }

    pub(crate) fn count_refused(&self) -> Result<u64, StoreError> {
        let count = format!("SELECT count(*) FROM publications {REFUSED}");
        let get = |row: &Row<'_>| row.get::<_, i64>(0);
        let count = self.connection.prepare_cached(&count)?.query_row([], get)?;
        Ok(count.cast_unsigned())
    }

    fn select_publications(&self, which: &str, of: impl Params) -> Result<Vec<Publication>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached(&format!("{PUBLICATION} {which}"))?;
        let mut rows = select.query(of)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(publication_from(row)?);
        }
        Ok(all)
    }

    /// Writes a publication and returns the one that had its name before.
    pub(crate) fn put_publication(
        &mut self,
        publication: &Publication,
    ) -> Result<Option<Publication>, StoreError> {
        let before = self.publication(&publication.name)?;
        put_publication(&self.connection, publication)?;
        Ok(before)
    }

    /// Notes that a name has another name now: the settled publication of this content, and all labels.
    pub(crate) fn rename(
        &mut self,
        from: &Name,
        to: &Name,
        content: ContentId,
        revision: Revision,
    ) -> Result<(), StoreError> {
        let settled = self.publication(from)?.filter(|known| {
            known.content == content && matches!(known.state, PublicationState::Published(_))
        });
        let change = self.connection.transaction()?;
        if let Some(settled) = settled {
            forget_publication(&change, &settled)?;
            let (name, state) = (to.clone(), PublicationState::Published(revision));
            put_publication(
                &change,
                &Publication {
                    name,
                    state,
                    ..settled
                },
            )?;
        }
        change
            .prepare_cached("UPDATE holdings SET name = ? WHERE name = ?")?
            .execute([to.as_str(), from.as_str()])?;
        Ok(change.commit()?)
    }

    /// Puts the publication that had the name before in place of one that still asks for the same.
    pub(crate) fn take_back_publication(
        &mut self,
        refused: &Publication,
        before: Option<&Publication>,
    ) -> Result<(), StoreError> {
        let known = self.publication(&refused.name)?;
        let Some(known) = known.filter(|known| known.asks_the_same(refused)) else {
            return Ok(());
        };
        match before {
            Some(before) => put_publication(&self.connection, before),
            None => forget_publication(&self.connection, &known).map(drop),
        }
    }

    /// Changes the state of the publication if it still is the attempted one; returns whether it was.
    pub(crate) fn settle_publication(
        &mut self,
        attempted: &Publication,
        state: &PublicationState,
    ) -> Result<bool, StoreError> {
        let change = self.connection.transaction()?;
        let was_there = forget_publication(&change, attempted)?;
        if was_there {
            let settled = Publication {
                state: state.clone(),
                ..attempted.clone()
            };
            put_publication(&change, &settled)?;
            if matches!(state, PublicationState::Published(_)) {
                // The user has found a name for it.
                let delete = format!("DELETE FROM publications {REFUSED} AND content = ?");
                change.execute(&delete, [attempted.content.as_bytes()])?;
            }
        }
        change.commit()?;
        Ok(was_there)
    }

    pub(crate) fn forget_publication(&self, publication: &Publication) -> Result<bool, StoreError> {
        forget_publication(&self.connection, publication)
    }

    pub(crate) fn withdraw_publication(&self, name: &Name) -> Result<bool, StoreError> {
        let delete = "DELETE FROM publications WHERE name = ? AND state = 0";
        Ok(self.connection.execute(delete, [name.as_str()])? > 0)
    }
}

fn put_publication(connection: &Connection, publication: &Publication) -> Result<(), StoreError> {
    let (name, content) = (publication.name.as_str(), publication.content.as_bytes());
    match &publication.metadata {
        Some(metadata) => connection.execute(
            "INSERT OR REPLACE INTO described VALUES (?, ?, ?)",
            params![name, content, metadata.to_bytes()],
        )?,
        None => connection.execute("DELETE FROM described WHERE name = ?", [name])?,
    };
    let insert = "INSERT OR REPLACE INTO publications VALUES (?, ?, ?, ?, ?, ?, ?)";
    connection.execute(insert, publication_columns(publication))?;
    Ok(())
}

/// Deletes a publication if it is still equal to this one in every respect; returns whether it was.
fn forget_publication(connection: &Connection, publication: &Publication) -> Result<bool, StoreError> {
    let delete = "DELETE FROM publications WHERE name = ? AND content = ? AND target = ? AND is_update = ?
        AND state = ? AND revision IS ? AND reason IS ?";
    Ok(connection.execute(delete, publication_columns(publication))? > 0)
}

/// Returns the values of a publication in the order of the table's columns.
fn publication_columns(publication: &Publication) -> impl Params {
    let (state, revision, reason) = state_columns(&publication.state);
    (
        publication.name.as_str(),
        publication.content.as_bytes(),
        publication.target.map_or(0, ReplicationTarget::get),
        publication.update,
        state,
        revision,
        reason,
    )
}

pub(crate) fn state_columns(state: &PublicationState) -> (i64, Option<i64>, Option<&str>) {
    match state {
        PublicationState::Pending(base) => (0, base.map(|base| base.get().cast_signed()), None),
        PublicationState::Published(revision) => (1, Some(revision.get().cast_signed()), None),
        PublicationState::Refused(reason) => (2, None, Some(reason)),
    }
}

pub(crate) fn publication_from(row: &Row<'_>) -> Result<Publication, StoreError> {
    let state = match row.get::<_, i64>("state")? {
        0 => {
            let base = row.get::<_, Option<i64>>("revision")?;
            PublicationState::Pending(base.map(|base| Revision::new(base.cast_unsigned())))
        }
        1 => PublicationState::Published(Revision::new(row.get::<_, i64>("revision")?.cast_unsigned())),
        2 => PublicationState::Refused(row.get("reason")?),
        other => return Err(damaged(format_args!("publication state {other}"))),
    };
    Ok(Publication {
        name: Name::new(row.get::<_, String>("name")?).map_err(damaged)?,
        content: ContentId::from_bytes(row.get("content")?),
        target: match row.get("target")? {
            0 => None,
            number => Some(ReplicationTarget::new(number).map_err(damaged)?),
        },
        update: row.get("is_update")?,
        metadata: row
            .get::<_, Option<Vec<u8>>>("metadata")?
            .map(|bytes| FileMetadata::from_bytes(&bytes))
            .transpose()
            .map_err(damaged)?,
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_question_about_the_outbox_reads_all_of_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let index = Index::open(&directory.path().join("index.db")).expect("a new index");
        for which in [
            "WHERE name = 'a'",
            "WHERE content = x'00' ORDER BY name",
            PENDING,
            REFUSED,
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {PUBLICATION} {which}");
            let step = |row: &Row<'_>| row.get::<_, String>("detail");
            let plan = index.connection.query_row(&explain, [], step).expect("explains");
            let is_part =
                ["_pending", "_refused"].iter().any(|name| plan.contains(name)) || plan.starts_with("SEARCH");
            assert!(is_part, "{which}: {plan}");
        }
    }
}
