//! The offers of the Tab key: paths, or names of the network.
//!
//! A whole line is one path or one name, so nothing is quoted or escaped. Reading a directory is the only I/O
//! here; it happens on the thread that reads the terminal.

use std::path::{Path, PathBuf};

/// The most entries of a directory that is completed: Tab must answer at once, and a part of the offers would
/// mislead.
const MAX_ENTRIES: usize = 20_000;

/// The kind of answer that a question takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Completes {
    /// An answer without offers.
    #[default]
    Nothing,
    /// A path; `~` stands for this directory.
    Paths(Option<PathBuf>),
    /// One of these names.
    Names(Vec<String>),
}

/// One offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The text in the list.
    pub shown: String,
    /// The whole line when the offer is taken.
    pub line: String,
}

impl Completes {
    /// Returns the offers for the beginning of a line, in order.
    #[must_use]
    pub fn offers(&self, line: &str) -> Vec<Offer> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Paths(home) => paths(line, home.as_deref()),
            Self::Names(names) => {
                let fitting = names.iter().filter(|name| name.starts_with(line));
                let offer = |name: &String| Offer {
                    shown: name.clone(),
                    line: name.clone(),
                };
                fitting.map(offer).collect()
            }
        }
    }
}

/// Returns the paths that begin like the line; a directory ends with a slash. Hidden ones need a dot in the
/// line.
fn paths(line: &str, home: Option<&Path>) -> Vec<Offer> {
    if line == "~" {
        let offer = Offer {
            shown: "~/".to_owned(),
            line: "~/".to_owned(),
        };
        return home.map(|_| offer).into_iter().collect();
    }
    let (directory, beginning) = line
        .rsplit_once('/')
        .map_or(("", line), |(directory, beginning)| {
            (&line[..=directory.len()], beginning)
        });
    let place = match (directory.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ if directory.is_empty() => PathBuf::from("."),
        _ => PathBuf::from(directory),
    };
    let Ok(entries) = std::fs::read_dir(place) else {
        return Vec::new();
    };
    let fits = |name: &String| {
        name.starts_with(beginning)
            && (!name.starts_with('.') || beginning.starts_with('.'))
            && !name.chars().any(char::is_control)
    };
    let entries: Vec<_> = entries.take(MAX_ENTRIES + 1).flatten().collect();
    if entries.len() > MAX_ENTRIES {
        return Vec::new();
    }
    let mut offers: Vec<Offer> = entries
        .iter()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(fits)?;
            // A link to a directory counts as one: completion goes on below it.
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(Offer {
                line: format!("{directory}{name}{slash}"),
                shown: format!("{name}{slash}"),
            })
        })
        .collect();
    offers.sort_by(|a, b| a.shown.cmp(&b.shown));
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(completes: &Completes, line: &str) -> Vec<String> {
        let offers = completes.offers(line);
        offers.into_iter().map(|offer| offer.line).collect()
    }

    #[test]
    fn paths_are_completed_part_by_part() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().to_str().expect("text");
        for name in ["holiday one.bin", "holiday.bin", ".hidden", "other", "ñandú"] {
            std::fs::write(dir.path().join(name), b"x").expect("written");
        }
        std::fs::create_dir(dir.path().join("photos")).expect("made");
        std::fs::write(dir.path().join("photos/a.jpg"), b"x").expect("written");
        let paths = Completes::Paths(Some(dir.path().to_owned()));
        let below =
            |names: &[&str]| -> Vec<String> { names.iter().map(|name| format!("{root}/{name}")).collect() };

        assert_eq!(
            lines(&paths, &format!("{root}/hol")),
            below(&["holiday one.bin", "holiday.bin"])
        );
        assert_eq!(lines(&paths, &format!("{root}/p")), below(&["photos/"]));
        assert_eq!(
            lines(&paths, &format!("{root}/photos/")),
            below(&["photos/a.jpg"])
        );
        assert_eq!(lines(&paths, &format!("{root}/.h")), below(&[".hidden"]));
        assert_eq!(lines(&paths, &format!("{root}/ñ")), below(&["ñandú"]));
        assert_eq!(lines(&paths, &format!("{root}/")).len(), 5, "not the hidden one");
        assert_eq!(lines(&paths, "~"), ["~/"]);
        assert_eq!(lines(&paths, "~/photos/"), ["~/photos/a.jpg"]);
        assert!(lines(&paths, &format!("{root}/none/")).is_empty());
        assert!(lines(&Completes::Nothing, root).is_empty());
    }

    #[test]
    fn names_are_completed_from_their_beginning() {
        let names = Completes::Names(["models/a", "models/b", "photos"].map(String::from).into());
        assert_eq!(lines(&names, "mod"), ["models/a", "models/b"]);
        assert_eq!(lines(&names, "").len(), 3);
        assert!(lines(&names, "x").is_empty());
    }
}
