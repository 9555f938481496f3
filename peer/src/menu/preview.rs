//! The preview of a file or directory before it is added: its length and its fragments.

use std::path::Path;

use shared::ErrorCode;
use shared::collection::{Rules, Selection};
use shared::model::{ByteCount, FragmentLength, Manifest};

use crate::collection::scan::{self, Step};
use crate::terminal::exit::Failure;
use crate::words;

/// A file or directory that is to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    name: String,
    length: u64,
    /// Files, directories and links inside; none for a file.
    inside: Option<[u64; 3]>,
}

/// Looks at a file or a directory, which must not contain the node's data directory `own`. Reads no file.
///
/// # Errors
/// When the path cannot be read, or contains an entry that cannot be added.
pub(super) fn look(path: &Path, rules: Rules, own: &Path) -> Result<Looked, Failure> {
    let shown = path.display().to_string();
    let name = path
        .file_name()
        .map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    if path.is_dir() {
        let scanned = scan::scan(path, &Selection::default(), rules, own)
            .map_err(|error| Failure::of(words::add(&shown), &error))?;
        let count = |fits: fn(&Step) -> bool| scanned.steps.iter().filter(|step| fits(step)).count() as u64;
        let inside = [
            count(|step| matches!(step, Step::File(_))),
            count(|step| matches!(step, Step::Enter(..))),
            count(|step| matches!(step, Step::Link(..))),
        ];
        return Ok(Looked {
            name,
            length: scanned.length,
            inside: Some(inside),
        });
    }
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    let length = length.map_err(|error| {
        Failure::new(
            ErrorCode::from(&error).into(),
            words::cannot(words::add(&shown), words::io_error(&error)),
        )
    })?;
    Ok(Looked {
        name,
        length,
        inside: None,
    })
}

impl Looked {
    /// Returns text about the length and the fragments; without a length of fragments, that of the content
    /// decides.
    ///
    /// # Errors
    /// The text to show when a file has too many fragments of that length.
    pub(super) fn text(&self, fragment_length: Option<FragmentLength>) -> Result<String, String> {
        match self.inside {
            Some(inside) => Ok(self.directory(inside)),
            None => self.file(fragment_length),
        }
    }

    /// Returns the length of fragments that the content has by default; none for the parts of a directory,
    /// of which each has its own.
    pub(super) fn default_fragment_length(&self) -> Option<FragmentLength> {
        let is_file = self.inside.is_none();
        is_file.then(|| FragmentLength::for_content(self.length))
    }

    fn file(&self, fragment_length: Option<FragmentLength>) -> Result<String, String> {
        let length = self.length;
        let size = fragment_length.unwrap_or_else(|| FragmentLength::for_content(length));
        let count = Manifest::count_fragments(length, size).map_err(|_| words::too_many_fragments(size))?;
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
        Ok(words::preview_file(&self.name, ByteCount::new(length), fragments))
    }

    fn directory(&self, [files, directories, links]: [u64; 3]) -> String {
        let mut what = vec![words::files(files)];
        if directories > 0 {
            what.push(words::directories(directories));
        }
        if links > 0 {
            what.push(words::links(links));
        }
        words::preview_directory(&self.name, ByteCount::new(self.length), what.join(", "))
    }
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
            look(&path, Rules::default(), Path::new("/nowhere"))
                .expect("readable")
                .text(None)
                .expect("few fragments")
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
    fn the_chosen_length_decides_the_number_of_fragments() {
        let looked = Looked {
            name: "x".to_owned(),
            length: 5 << 20,
            inside: None,
        };
        let text = |length: &str| looked.text(Some(length.parse().expect("a length")));
        assert_eq!(text("1MiB").as_deref(), Ok("x: 5.0 MiB, 5 fragments of 1.0 MiB"));
        assert_eq!(looked.default_fragment_length(), Some(FragmentLength::MIN));
        let huge = Looked {
            length: 1 << 40,
            ..looked
        };
        let told = huge.text(Some(FragmentLength::MIN)).expect_err("too many");
        assert!(told.contains("choose a longer one"), "{told}");
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
            look(&photos, Rules::default(), Path::new("/nowhere"))
                .expect("readable")
                .text(None)
                .expect("a directory"),
            "photos/: a directory, 1.0 KiB in 2 files, 1 directory, 1 link; small files travel together"
        );
        let refused = look(dir.path(), Rules::default(), &photos).expect_err("the node's own data");
        assert!(refused.to_string().starts_with("cannot add "), "{refused}");
    }
}
