//! Outputs that transfers are writing: each belongs to one content until the transfer ends, so that a second
//! one cannot take it away from the first.
//!
//! Deliberately absent: the disk. A transfer that was given up leaves its partial file with the store, and
//! keeps nobody else from its output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::model::ContentId;
use shared::{ErrorCode, Failure};

use crate::blocking::try_blocking;

/// A content, and the number of transfers that write it.
type Writers = (ContentId, usize);

/// The outputs that are being written; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outputs(Arc<Mutex<BTreeMap<PathBuf, Writers>>>);

/// An output that belongs to a transfer while this lives.
#[derive(Debug)]
pub(super) struct Writing {
    outputs: Outputs,
    place: PathBuf,
}

impl Outputs {
    /// Takes an output for a content; transfers of the same content share it.
    ///
    /// # Errors
    /// FailedPrecondition while another content is being written there.
    pub(super) async fn take(&self, output: &Path, content: ContentId) -> Result<Writing, Failure> {
        let (outputs, output) = (self.clone(), output.to_owned());
        try_blocking(move || outputs.take_now(&output, content)).await
    }

    /// Takes an output as [`Self::take`]. Looks at the disk, so that one place has one path.
    fn take_now(&self, output: &Path, content: ContentId) -> Result<Writing, Failure> {
        let place = place_of(output);
        let mut all = self.lock();
        let (writes, count) = all.entry(place.clone()).or_insert((content, 0));
        if *writes != content {
            let why = format!(
                "{} is being written by another transfer; wait for its end, or choose another place",
                output.display()
            );
            return Err(Failure::new(ErrorCode::FailedPrecondition, why));
        }
        *count += 1;
        let outputs = self.clone();
        Ok(Writing { outputs, place })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Writers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut all = self.outputs.lock();
        if let Some((_, count)) = all.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.place);
            }
        }
    }
}

/// Returns the path of an output whose directory is followed through links; the output itself replaces one.
fn place_of(output: &Path) -> PathBuf {
    let directory = output
        .parent()
        .and_then(|directory| directory.canonicalize().ok());
    match (directory, output.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => output.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shared::Coded as _;

    use super::*;

    #[test]
    fn an_output_belongs_to_one_content_until_its_last_transfer_ends() {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(home.path().join("real")).expect("made");
        std::os::unix::fs::symlink("real", home.path().join("link")).expect("links");
        let (output, by_link) = (home.path().join("real/x"), home.path().join("link/x"));
        let [one, other] = [1, 2].map(|byte| ContentId::from_bytes([byte; 32]));
        let outputs = Outputs::default();
        let first = outputs.take_now(&output, one).expect("it is free");
        let second = outputs.take_now(&by_link, one).expect("the same content");
        let free = outputs
            .take_now(&home.path().join("real/y"), other)
            .expect("another place");
        for writing in [first, second] {
            let refused = outputs
                .take_now(&by_link, other)
                .expect_err("it is being written");
            assert_eq!(refused.code(), ErrorCode::FailedPrecondition);
            drop(writing);
        }
        drop(outputs.take_now(&by_link, other).expect("it is free again"));
        drop(free);
        assert!(outputs.lock().is_empty());
    }
}
