//! Files of a data directory: regular, private, and replaced whole.
//!
//! Something else can have the name of a file: a pipe, which lets no one open it before its other end is
//! open, or a device, which has any number of bytes. Whoever opens a file of a data directory opens it here,
//! where neither is waited for nor taken for a file.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Permissions of others, of which a data directory needs none.
const OTHERS: u32 = 0o077;

/// Opens a file; never waits for anybody.
///
/// # Errors
/// The system's refusal; `InvalidInput` when there is something else than a regular file.
pub fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = options
        .clone()
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        // A pipe that nobody reads, or a socket.
        Err(error) if fs::metadata(path).is_ok_and(|found| is_special(&found)) => {
            return Err(no_file_or(error));
        }
        opened => opened?,
    };
    match file.metadata()? {
        found if found.is_file() => Ok(file),
        found if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        _ => Err(no_file()),
    }
}

fn is_special(metadata: &Metadata) -> bool {
    !metadata.is_file() && !metadata.is_dir()
}

fn no_file() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "a pipe, a socket or a device is there, and no file",
    )
}

fn no_file_or(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::PermissionDenied => error,
        _ => no_file(),
    }
}

/// Opens a file for reading.
///
/// # Errors
/// As [`open`].
pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(path, OpenOptions::new().read(true))
}

/// Reads a whole file.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_to_read(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file of text.
///
/// # Errors
/// As [`open`]; `InvalidData` when it is no text.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Writes a file that only its owner may read; nobody sees a half-written one.
///
/// # Errors
/// The system's refusal.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let (temporary, _) = write_beside(path, text)?;
    fs::rename(temporary, path)
}

/// Does so durably: after a crash of the machine the file is the old one or the new one, and the new one when
/// this has returned.
///
/// # Errors
/// The system's refusal.
pub fn replace_durably(path: &Path, text: &str) -> io::Result<()> {
    let (temporary, file) = write_beside(path, text)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Writes a file that only its owner may read, beside the one whose place it is to take.
fn write_beside(path: &Path, text: &str) -> io::Result<(PathBuf, File)> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // One that an earlier process left behind might be readable by others, or no file.
    drop(fs::remove_file(&temporary));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    Ok((temporary, file))
}

/// Makes the changes to a directory (files created, renamed or removed) durable.
///
/// # Errors
/// The system's refusal.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let flags = (OFlags::DIRECTORY | OFlags::CLOEXEC).bits().cast_signed();
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    directory.sync_all()
}

/// Makes a directory, and those that it is in, for their owner only. One that is there stays as it is.
///
/// # Errors
/// The system's refusal.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(!OTHERS & 0o777)
        .create(path)
}

/// Returns the permissions of a directory, if others than its owner have some.
///
/// # Errors
/// When it cannot be looked at.
pub fn shared_mode(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.mode() & 0o777;
    Ok((mode & OTHERS != 0).then_some(mode))
}

/// Makes a data directory, for its owner only. Others may look into one that was there before, and the log
/// says so: only its owner knows whether they are meant to.
///
/// # Errors
/// The system's refusal.
pub fn make_data_directory(path: &Path) -> io::Result<()> {
    make_directory(path)?;
    if let Some(mode) = shared_mode(path)? {
        tracing::warn!(
            directory = %path.display(),
            mode = format!("{mode:o}"),
            "others than the owner have permissions for the data directory; `chmod 700` takes them"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let home = tempfile::tempdir().expect("a directory");
        let at = |name: &str| home.path().join(name);
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("made");
        let _socket = UnixListener::bind(at("socket")).expect("bound");
        std::os::unix::fs::symlink(at("pipe"), at("link")).expect("links");
        let ways: [&dyn Fn(&mut OpenOptions) -> &mut OpenOptions; 4] = [
            &|options| options.read(true),
            &|options| options.write(true),
            &|options| options.read(true).write(true).create(true),
            &|options| options.append(true).create(true),
        ];
        for way in ways {
            let mut options = OpenOptions::new();
            way(&mut options);
            for special in [at("pipe"), at("link"), at("socket"), "/dev/null".into()] {
                let refused = open(&special, &options).expect_err("no file");
                assert_eq!(
                    refused.kind(),
                    ErrorKind::InvalidInput,
                    "{}: {refused}",
                    special.display()
                );
            }
        }
        assert_eq!(
            open_to_read(home.path()).expect_err("none").kind(),
            ErrorKind::IsADirectory
        );
        assert_eq!(read(&at("none")).expect_err("none").kind(), ErrorKind::NotFound);
        assert!(sync_directory(&at("pipe")).is_err() && sync_directory(home.path()).is_ok());
    }

    #[test]
    fn a_file_is_replaced_whole_and_is_its_owners() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("file.json");
        let left_over = home.path().join("file.json.new");
        mknodat(CWD, &left_over, FileType::Fifo, Mode::RWXU, 0).expect("made");
        for text in ["first", "second"] {
            replace(&path, text).expect("written");
            assert_eq!(read_to_string(&path).expect("reads"), text);
        }
        replace_durably(&path, "third").expect("written");
        assert_eq!(read_to_string(&path).expect("reads"), "third");
        let mode = fs::metadata(&path).expect("there").mode() & 0o777;
        assert_eq!((mode, left_over.exists()), (0o600, false));
    }

    #[test]
    fn a_new_directory_is_its_owners_and_one_that_was_there_stays() {
        let home = tempfile::tempdir().expect("a directory");
        let new = home.path().join("a/b");
        make_data_directory(&new).expect("made");
        assert_eq!(shared_mode(&new).expect("looks"), None);
        assert_eq!(shared_mode(&home.path().join("a")).expect("looks"), None);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o750)).expect("changes");
        make_data_directory(&new).expect("it is there");
        assert_eq!(shared_mode(&new).expect("looks"), Some(0o750));
    }
}
