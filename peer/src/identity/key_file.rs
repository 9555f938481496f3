//! The file with a peer's key, beside the index and not in it: the index can be made anew from the fragments,
//! the key can not. It names the peer, so that it also tells the id where the index has lost it.
//!
//! Invariants: only its owner may read the file; it appears whole, and is durable before the key is used.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use shared::data_files;
use shared::keys::{KeyError, PeerKey};
use shared::model::PeerId;
use shared::own_data::{KEY_FILE, KEY_HEADER};
use store::StoreError;

/// Reads the key of a data directory, and the id of the peer that it belongs to; none where there is none.
pub(super) fn read(data_dir: &Path) -> Result<Option<(PeerId, PeerKey)>, StoreError> {
    let path = path(data_dir);
    match data_files::read_to_string(&path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| {
            StoreError::Torn(format!(
                "{} is damaged; put it back as it was, or give the data directory an id and a key of its own with \
                 `peer new-id`",
                path.display()
            ))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// Makes a key for a peer; the file is durable when this returns.
pub(super) fn make(data_dir: &Path, peer: PeerId) -> Result<PeerKey, StoreError> {
    let path = path(data_dir);
    let key = PeerKey::generate();
    let text = |key: &PeerKey| Ok::<_, KeyError>(text(peer, &key.expose_pkcs8()?));
    let made = key.and_then(|key| Ok((text(&key)?, key)));
    let (text, key) = made.map_err(|error| failed("write", &path)(io::Error::other(error)))?;
    data_files::replace_durably(&path, &text).map_err(failed("write", &path))?;
    Ok(key)
}

/// Removes the key of a data directory, if there is one; durably when this returns.
pub(super) fn remove(data_dir: &Path) -> Result<(), StoreError> {
    remove_file(&path(data_dir))
}

/// Removes a file, if it is there; durably when this returns.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or(path);
    match fs::remove_file(path) {
        Ok(()) => data_files::sync_directory(directory).map_err(failed("remove", path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { act, path, source }
}

/// Returns the path of the file.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(KEY_FILE)
}

/// Returns the text of the file: the peer, and its key in the form of PKCS#8 in hexadecimal digits.
fn text(peer: PeerId, pkcs8: &[u8]) -> String {
    let digits: String = pkcs8.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{KEY_HEADER}{peer}\n{digits}\n")
}

fn parse(file: &str) -> Option<(PeerId, PeerKey)> {
    let (peer, digits) = file.strip_prefix(KEY_HEADER)?.split_once('\n')?;
    let digits = digits.strip_suffix('\n')?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let pkcs8 = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?;
    let peer = peer.parse().ok()?;
    let key = PeerKey::from_pkcs8(&pkcs8).ok()?;
    // A text that was not written here is damaged, even where it could be read: `+f` is a number as well.
    (text(peer, &pkcs8) == file).then_some((peer, key))
}

/// Reads the text of a file, and writes it again.
#[cfg(feature = "testing")]
pub(crate) fn rewritten(file: &str) -> Option<String> {
    let (peer, key) = parse(file)?;
    Some(text(peer, &key.expose_pkcs8().ok()?))
}

/// Writes the text of a file with a new key.
#[cfg(feature = "testing")]
pub(crate) fn new_file(peer: PeerId) -> Result<String, KeyError> {
    Ok(text(peer, &PeerKey::generate()?.expose_pkcs8()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use shared::own_data::OwnData;
    use shared::{Coded as _, ErrorCode};

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let (peer, path) = (PeerId::random(), path(dir.path()));
        assert!(read(dir.path()).expect("reads").is_none());
        let made = make(dir.path(), peer).expect("made");
        let (of, key) = read(dir.path()).expect("reads").expect("there");
        assert_eq!((of, key.public()), (peer, made.public()));
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        // Nobody publishes it, by whichever name.
        let elsewhere = tempfile::tempdir_in(dir.path().parent().expect("one")).expect("a directory");
        let link = elsewhere.path().join("innocent");
        fs::hard_link(&path, &link).expect("links");
        let other = OwnData::look(elsewhere.path().join("none").as_path());
        assert!(other.is_private(&link, &fs::metadata(&link).expect("there")));
        remove(dir.path()).expect("removed");
        remove(dir.path()).expect("there is none");
        assert!(!path.exists());
    }

    #[test]
    fn a_key_that_lacks_a_byte_or_has_another_is_damaged() {
        let dir = tempfile::tempdir().expect("a directory");
        make(dir.path(), PeerId::random()).expect("made");
        let path = path(dir.path());
        let text = fs::read_to_string(&path).expect("reads");
        for at in 0..text.len() {
            // Of the first digit of a byte below 16, a sign makes the same number.
            for damaged in [
                text[..at].to_owned(),
                format!("{}~{}", &text[..at], &text[at + 1..]),
                format!("{}+{}", &text[..at], &text[at + 1..]),
            ] {
                fs::write(&path, damaged).expect("written");
                let error = read(dir.path()).expect_err("damaged");
                assert_eq!(error.code(), ErrorCode::Corrupt, "{error}");
            }
        }
    }
}
