//! Paths on this machine: files to add, and places for fetched files.

use std::path::{Path, PathBuf};

use shared::collection::Mode;
use shared::model::Name;

use super::exit::{Exit, Failure};
use crate::blocking::blocking;
use crate::words;

/// Place of a fetched file, as far as it is known before the content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Exactly this path.
    File(PathBuf),
    /// The last part of the name, in this directory.
    Directory(PathBuf),
}

/// Runs work that blocks on the disk off the async threads.
///
/// # Errors
/// When the work panicked or the process is ending.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = blocking(work).await;
    done.map_err(|error| Failure::of(words::look_at_the_disk(), &error))
}

/// Whether a path stands for standard input or output. A file of that name is `./-`.
#[must_use]
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns the text that people read for a path.
#[must_use]
pub fn shown(path: &Path) -> String {
    if is_standard(path) {
        words::standard_input().to_owned()
    } else {
        path.display().to_string()
    }
}

/// Returns the absolute path of a file or directory that can be added.
///
/// # Errors
/// When it does not exist, or is neither a regular file nor a directory.
pub fn file_to_add(path: &Path) -> Result<PathBuf, Failure> {
    let cannot = |exit, why: &str| Failure::new(exit, words::cannot(words::add(path.display()), why));
    let absolute =
        std::path::absolute(path).map_err(|error| cannot(Exit::Usage, &words::io_error(&error)))?;
    if absolute.to_str().is_none() {
        return Err(cannot(Exit::Usage, words::path_not_utf8()));
    }
    // Of `peer add .` and `peer add ../x` the name is the directory's own.
    let absolute = match path.file_name() {
        Some(_) => absolute,
        None => absolute.canonicalize().unwrap_or(absolute),
    };
    match std::fs::metadata(&absolute) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => {
            Err(cannot(Exit::Usage, words::neither_file_nor_directory()))
        }
        Ok(_) => Ok(absolute),
        Err(error) => Err(match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                cannot(Exit::NotFound, words::no_such_file())
            }
            _ => cannot((&error).into(), &words::io_error(&error)),
        }),
    }
}

/// Returns the name under which a file is added by default: its own.
///
/// # Errors
/// When a content cannot have that name.
pub fn name_of(path: &Path) -> Result<Name, Failure> {
    if is_standard(path) {
        let why = words::cannot(words::add(shown(path)), words::input_has_no_name());
        return Err(Failure::new(Exit::Usage, why));
    }
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = Name::new(file_name.unwrap_or_default());
    let visible = name.and_then(|name| name.require_visible().map(|()| name));
    visible.map_err(|error| {
        let why = words::choose_with_name(words::name_error(&error));
        Failure::new(Exit::Usage, words::cannot(words::add(path.display()), why))
    })
}

/// Returns the place that `--output` names, or the current directory.
///
/// # Errors
/// When the path cannot be made absolute or is not UTF-8.
pub fn destination(output: Option<&Path>) -> Result<Destination, Failure> {
    let path = output.unwrap_or(Path::new("."));
    let cannot = |why: &str| Failure::new(Exit::Usage, words::cannot(words::write_to(path.display()), why));
    let absolute = std::path::absolute(path).map_err(|error| cannot(&words::io_error(&error)))?;
    if absolute.to_str().is_none() {
        return Err(cannot(words::output_not_utf8()));
    }
    let ends_with_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    if absolute.is_dir() {
        Ok(Destination::Directory(absolute))
    } else if ends_with_slash {
        Err(cannot(words::no_such_directory()))
    } else {
        Ok(Destination::File(absolute))
    }
}

/// Returns the permissions that this process's user takes from every new file.
#[must_use]
pub fn umask() -> Mode {
    // The system tells it only to whoever sets it; in between nothing is readable by others.
    let umask = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    rustix::process::umask(umask);
    Mode::of(umask.as_raw_mode())
}

/// Returns the path to write, when the destination and the last part of a name determine one.
#[must_use]
pub fn place(destination: &Destination, file_name: Option<&str>) -> Option<PathBuf> {
    match destination {
        Destination::File(path) => Some(path.clone()),
        // A part of a name is never a path: it has no slash and is not made of dots.
        Destination::Directory(directory) => file_name.map(|name| directory.join(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_and_directories_that_are_there_can_be_added() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file.bin");
        std::fs::write(&file, b"x").expect("written");
        assert_eq!(file_to_add(&file), Ok(file.clone()));
        let exit = |path: &Path| file_to_add(path).expect_err("refused").exit();
        assert!(file_to_add(dir.path()).is_ok_and(|path| path.is_dir()));
        assert_eq!(exit(&dir.path().join("none")), Exit::NotFound);
        assert_eq!(exit(&file.join("below-a-file")), Exit::NotFound);
        assert_eq!(exit(Path::new("/dev/null")), Exit::Usage);
        assert_eq!(exit(Path::new("")), Exit::Usage);
    }

    #[test]
    fn a_file_goes_by_its_own_name_if_it_can() {
        assert_eq!(
            name_of(Path::new("/a/b.bin")),
            Ok(Name::new("b.bin").expect("a name"))
        );
        let id = "ab".repeat(32);
        for bad in ["/", "/a/..", "/a/x\ty", &format!("/a/{id}")] {
            let failure = name_of(Path::new(bad)).expect_err(bad);
            assert!(
                failure.to_string().ends_with("choose a name with --name"),
                "{failure}"
            );
        }
    }

    #[test]
    fn the_output_is_a_file_or_goes_into_a_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let name = Name::new("models/x.bin").expect("a name");
        let into = destination(Some(dir.path())).expect("a directory");
        assert_eq!(into, Destination::Directory(dir.path().to_owned()));
        assert_eq!(
            place(&into, Some(name.file_name())),
            Some(dir.path().join("x.bin"))
        );
        assert_eq!(place(&into, None), None, "an id has no name yet");
        let file = dir.path().join("y");
        let exactly = destination(Some(&file)).expect("a file to be");
        assert_eq!(exactly, Destination::File(file.clone()));
        assert_eq!(place(&exactly, None), Some(file));
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(
            place(&destination(None).expect("here"), Some(name.file_name())),
            Some(here.join("x.bin"))
        );
        let missing = dir.path().join("none/");
        assert_eq!(
            destination(Some(&missing)).expect_err("no such directory").exit(),
            Exit::Usage
        );
    }
}
