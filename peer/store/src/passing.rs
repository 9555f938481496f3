//! Names that are to be removed when the command that published them ends. A note of each stays until that is
//! done, so that no end of a process leaves a name behind.

use shared::model::{Name, Revision};

use super::networks::PASSING;
use super::{DiskStore, StoreError};

fn key(name: &Name) -> String {
    format!("{PASSING}{name}")
}

impl DiskStore {
    /// Notes that a name is to be removed at this revision.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn note_passing(&self, name: &Name, revision: Revision) -> Result<(), StoreError> {
        self.meta_set(&key(name), &revision.get().to_be_bytes())
    }

    /// Notes that a name has been removed, or is another's by now.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn forget_passing(&self, name: &Name) -> Result<(), StoreError> {
        self.index().meta_remove(&key(name))
    }

    /// Returns the names that are to be removed, each with its revision.
    ///
    /// # Errors
    /// [`StoreError::Index`].
    pub fn passing(&self) -> Result<Vec<(Name, Revision)>, StoreError> {
        let notes = self.index().meta_beginning(PASSING)?;
        let read = |(key, value): (String, Vec<u8>)| {
            let name = Name::new(key.strip_prefix(PASSING)?).ok()?;
            let revision = u64::from_be_bytes(value.try_into().ok()?);
            Some((name, Revision::new(revision)))
        };
        Ok(notes.into_iter().filter_map(read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_are_known_after_a_restart() {
        let home = tempfile::tempdir().expect("a directory");
        let open = || DiskStore::open(home.path(), 1 << 20).expect("opens");
        let [one, other] = ["sent/1/a", "sent/2/b"].map(|name| Name::new(name).expect("a name"));
        let store = open();
        store.meta_set("passed", b"something else").expect("writes");
        store.note_passing(&one, Revision::new(3)).expect("writes");
        store.note_passing(&other, Revision::new(4)).expect("writes");
        drop(store);
        let store = open();
        let noted = [(one.clone(), Revision::new(3)), (other.clone(), Revision::new(4))];
        assert_eq!(store.passing().expect("reads"), noted);
        store.forget_passing(&one).expect("writes");
        assert_eq!(store.passing().expect("reads"), [(other, Revision::new(4))]);
    }
}
