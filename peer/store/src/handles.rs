//! Open files: a bounded number, the most recently used ones.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::StoreError;

/// Far below any limit on open files, far above the contents that are read and written at a time.
const MAX_OPEN: usize = 128;

/// One of a content's two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Data,
    Leaves,
}

/// Open files of slots, by the slot's number.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    uses: u64,
    files: HashMap<(u64, Part), (u64, Arc<File>)>,
}

impl Handles {
    /// Returns the open file, or the file that `open` opens.
    pub(super) fn get(
        &self,
        slot: u64,
        part: Part,
        open: impl FnOnce() -> Result<File, StoreError>,
    ) -> Result<Arc<File>, StoreError> {
        if let Some(file) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .find(slot, part)
        {
            return Ok(file);
        }
        // Two threads may open the file at once: the second handle stays, and both are good.
        let file = Arc::new(open()?);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(slot, part, &file);
        Ok(file)
    }

    /// Closes a slot's files as soon as no thread uses them.
    pub(super) fn close(&self, slot: u64) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .files
            .retain(|(of, _), _| *of != slot);
    }
}

impl Open {
    fn find(&mut self, slot: u64, part: Part) -> Option<Arc<File>> {
        self.uses += 1;
        let (used, file) = self.files.get_mut(&(slot, part))?;
        *used = self.uses;
        Some(Arc::clone(file))
    }

    fn keep(&mut self, slot: u64, part: Part, file: &Arc<File>) {
        if self.files.len() >= MAX_OPEN
            && let Some(oldest) = self
                .files
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| *key)
        {
            self.files.remove(&oldest);
        }
        self.files.insert((slot, part), (self.uses, Arc::clone(file)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_file_is_closed_first() {
        let handles = Handles::default();
        let open = || Ok(tempfile::tempfile().expect("a temporary file"));
        for slot in 0..MAX_OPEN as u64 {
            handles.get(slot, Part::Data, open).expect("opens");
        }
        let never = || -> Result<File, StoreError> { panic!("it was open") };
        handles.get(0, Part::Data, never).expect("open");
        handles.get(1_000, Part::Data, open).expect("opens");
        handles.get(0, Part::Data, never).expect("still open");
        let mut was_opened = false;
        handles
            .get(1, Part::Data, || {
                was_opened = true;
                open()
            })
            .expect("opens");
        assert!(was_opened);
        assert_eq!(handles.0.lock().expect("no panic").files.len(), MAX_OPEN);
    }
}
