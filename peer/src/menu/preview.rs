//! The preview of a file or directory before it is added: its length and its fragments.

use std::path::Path;

use shared::ErrorCode;
use shared::collection::{Rules, Selection};
use shared::model::{ByteCount, FragmentLength, Manifest};

use crate::collection::scan::{self, Step};
use crate::terminal::exit::Failure;
use crate::words;

/// Returns the preview of a file or a directory, which must not contain the node's data directory `own`.
/// Reads no file.
///
/// # Errors
/// When the path cannot be read, or contains an entry that cannot be added.
pub(super) fn of(
    path: &Path,
    fragment_length: Option<FragmentLength>,
    own: &Path,
) -> Result<String, Failure> {
    let shown = path.display().to_string();
    let name = path
        .file_name()
        .map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    if path.is_dir() {
        let scanned = scan::scan(path, &Selection::default(), Rules::default(), own)
            .map_err(|error| Failure::of(words::add(&shown), &error))?;
        return Ok(directory(&name, scanned.length, &scanned.steps));
    }
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    let length = length.map_err(|error| {
        Failure::new(
            ErrorCode::from(&error).into(),
            words::cannot(words::add(&shown), words::io_error(&error)),
        )
    })?;
    Ok(file(&name, length, fragment_length))
}

fn file(name: &str, length: u64, fragment_length: Option<FragmentLength>) -> String {
    let size = fragment_length.unwrap_or_else(|| FragmentLength::for_content(length));
    // A file that is too long for its fragment length is refused with advice when it is added.
    let count = Manifest::count_fragments(length, size).unwrap_or(u32::MAX);
    let fragments = match count {
        0 => words::preview_empty().to_owned(),
        1 => words::fragments(1),
        _ => {
            let last = length - u64::from(count - 1) * u64::from(size.get());
            let fragments = words::fragments(count.into());
            if last == u64::from(size.get()) {
                words::preview_equal(fragments, size)
            } else {
                words::preview_last(fragments, size, ByteCount::new(last))
            }
        }
    };
    words::preview_file(name, ByteCount::new(length), fragments)
}

fn directory(name: &str, length: u64, steps: &[Step]) -> String {
    let count = |fits: fn(&Step) -> bool| steps.iter().filter(|step| fits(step)).count() as u64;
    let (files, directories, links) = (
        count(|step| matches!(step, Step::File(_))),
        count(|step| matches!(step, Step::Enter(..))),
        count(|step| matches!(step, Step::Link(..))),
    );
    let mut what = vec![words::files(files)];
    if directories > 0 {
        what.push(words::directories(directories));
    }
    if links > 0 {
        what.push(words::links(links));
    }
    words::preview_directory(name, ByteCount::new(length), what.join(", "))
}

#[cfg(test)]
mod tests {
    use shared::language::{Language, here};

    use super::*;

    #[test]
    fn a_file_is_shown_with_its_fragments() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let looked = |length: usize| {
            let path = dir.path().join("x.bin");
            std::fs::write(&path, vec![1; length]).expect("written");
            of(&path, None, Path::new("/nowhere")).expect("readable")
        };
        assert_eq!(looked(0), "x.bin: 0 B, no fragments, it is empty");
        assert_eq!(looked(10), "x.bin: 10 B, 1 fragment");
        assert_eq!(looked(128 << 10), "x.bin: 128.0 KiB, 2 fragments of 64.0 KiB");
        assert_eq!(
            looked(200_000),
            "x.bin: 195.3 KiB, 4 fragments of 64.0 KiB, the last of 3.3 KiB"
        );
        let _spanish = here(Language::Spanish);
        assert_eq!(
            looked(200_000),
            "x.bin: 195.3 KiB, 4 fragmentos de 64.0 KiB, el último de 3.3 KiB"
        );
    }

    #[test]
    fn a_directory_is_counted() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let photos = dir.path().join("photos");
        std::fs::create_dir_all(photos.join("2024")).expect("made");
        std::fs::write(photos.join("2024/a.jpg"), [1; 1000]).expect("written");
        std::fs::write(photos.join("b.jpg"), [1; 24]).expect("written");
        std::os::unix::fs::symlink("b.jpg", photos.join("c.jpg")).expect("linked");
        assert_eq!(
            of(&photos, None, Path::new("/nowhere")).expect("readable"),
            "photos/: a directory, 1.0 KiB in 2 files, 1 directory, 1 link; small files travel together"
        );
        let refused = of(dir.path(), None, &photos).expect_err("the node's own data");
        assert!(refused.to_string().starts_with("cannot add "), "{refused}");
    }
}
