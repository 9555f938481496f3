//! The contents that a node holds as text for people: a row for each name, and for each of the user's files.
//! Pure.

use std::path::Path;

use proto::messages::control::LocalContent;
use shared::model::{Absence, ByteCount, LocalFile, Name};

use super::output::one_line;
use super::progress::{Amount, percent};
use super::table::Align::{Left, Right};
use super::table::Table;
use crate::words;

/// A name of a content, and a file with its bytes.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    name: Option<&'a Name>,
    /// None when the fragments are in the store.
    path: Option<&'a Path>,
    absence: Option<Absence>,
    is_pending: bool,
}

/// Returns the table of the contents that a node holds.
#[must_use]
pub fn contents(contents: &[LocalContent]) -> Table {
    let mut table = Table::new(&[
        (words::title_name(), Left),
        (words::title_size(), Right),
        (words::title_held(), Right),
        (words::title_role(), Left),
        ("ID", Left),
        (words::title_where(), Left),
    ]);
    for content in contents {
        for row in rows(content) {
            table.row([
                row.name.map_or_else(|| "-".to_owned(), ToString::to_string),
                ByteCount::new(content.length).to_string(),
                match content.fragments {
                    0 => "-".to_owned(),
                    all => format!("{}/{all}", content.fragments_held),
                },
                role(content, &row).to_owned(),
                content.content.short(),
                place(&row),
            ]);
        }
    }
    table
}

/// Returns the table of the contents that a user has added and fetched; a directory is one row.
#[must_use]
pub fn mine(contents: &[&LocalContent]) -> Table {
    let mut table = Table::new(&[
        (words::title_name(), Left),
        (words::title_size(), Right),
        (words::title_held(), Right),
        (words::title_role(), Left),
        (words::title_where(), Left),
    ]);
    for content in contents {
        let length = content.collection.map_or(content.length, |(length, _)| length);
        let (held, all) = match content.collection {
            Some((length, held)) => (held, length),
            None => (content.fragments_held.into(), content.fragments.into()),
        };
        let slash = if content.collection.is_some() { "/" } else { "" };
        let part = percent(Amount::new(held, all));
        for row in rows(content) {
            let name = row.name.map_or_else(String::new, ToString::to_string);
            table.row([
                format!("{name}{slash}"),
                ByteCount::new(length).to_string(),
                format!("{part}%"),
                role(content, &row).to_owned(),
                place(&row),
            ]);
        }
    }
    table
}

/// Pairs the names of a content with the user's files. A node does not know which file a name was added
/// from: one that is called alike comes first, and a name without a file of its own has the file in use.
fn rows(content: &LocalContent) -> Vec<Row<'_>> {
    let whole = Row {
        name: content.name.as_ref(),
        path: content.path.as_deref(),
        absence: content.absence,
        is_pending: content.is_pending,
    };
    let mut files: Vec<&LocalFile> = content.files.iter().collect();
    let row = |name, is_pending, file| {
        with_file(
            Row {
                name,
                is_pending,
                ..whole
            },
            file,
        )
    };
    let is_alike = |name: &Name, file: &LocalFile| {
        let last = file.path.file_name();
        last.and_then(|last| last.to_str()) == Some(name.file_name())
    };
    let mut names: Vec<_> = content.names.iter().map(|known| (known, None)).collect();
    for alike in [true, false] {
        for (known, taken) in names.iter_mut().filter(|(_, taken)| taken.is_none()) {
            let found = files
                .iter()
                .position(|file| !alike || is_alike(&known.name, file));
            *taken = found.map(|at| files.remove(at));
        }
    }
    let mut rows: Vec<Row<'_>> = names
        .into_iter()
        .map(|(known, file)| {
            let file = file.or(content.files.first());
            row(Some(&known.name), known.is_pending, file)
        })
        .collect();
    let nameless = files
        .into_iter()
        .map(|file| row(whole.name, whole.is_pending, Some(file)));
    rows.extend(nameless);
    if rows.is_empty() {
        rows.push(whole);
    }
    rows
}

/// Puts a file into a row, which has the one in use.
fn with_file<'a>(row: Row<'a>, file: Option<&'a LocalFile>) -> Row<'a> {
    match file {
        Some(file) if row.path == Some(&file.path) => Row {
            absence: file.absence.or(row.absence),
            ..row
        },
        Some(file) => Row {
            path: Some(&file.path),
            absence: file.absence,
            ..row
        },
        None => row,
    }
}

fn place(row: &Row<'_>) -> String {
    row.path.map_or_else(
        || words::in_the_store().to_owned(),
        |path| one_line(&path.display().to_string()),
    )
}

/// Returns the reason for which a node holds a content, or the state of its file or of its publication.
fn role(content: &LocalContent, row: &Row<'_>) -> &'static str {
    let is_shown = |(name, _): &(Name, String)| Some(name) == row.name;
    match row.is_pending {
        _ if let Some(absence) = row.absence => words::absence(absence),
        true => words::pending(),
        false if content.refused.iter().any(is_shown) => words::refused(),
        false => words::role(content.role),
    }
}

/// Returns a line for each name that the tracker has refused.
#[must_use]
pub fn refused<'a>(contents: impl IntoIterator<Item = &'a LocalContent>) -> Vec<String> {
    let of = |content: &'a LocalContent| content.refused.iter().map(move |refused| (content, refused));
    let line = |(content, (name, reason)): (&LocalContent, &(Name, String))| {
        words::name_refused(name, one_line(&words::told(reason)), content.content.short())
    };
    contents.into_iter().flat_map(of).map(line).collect()
}

#[cfg(test)]
mod tests {
    use proto::messages::control::{LocalName, LocalRole};
    use shared::language::{Language, here};
    use shared::model::ContentId;

    use super::*;

    fn held(names: &[&str], files: &[(&str, Option<Absence>)]) -> LocalContent {
        let name = |name: &&str| Name::new(*name).expect("a name");
        LocalContent {
            content: ContentId::from_bytes([7; 32]),
            name: names.first().map(name),
            length: 10,
            fragments: 1,
            fragments_held: 1,
            role: LocalRole::Published,
            path: files.first().map(|(path, _)| path.into()),
            is_pending: false,
            refused: Vec::new(),
            is_part: false,
            collection: None,
            absence: None,
            names: names
                .iter()
                .map(|known| LocalName {
                    name: name(known),
                    is_pending: false,
                })
                .collect(),
            files: files
                .iter()
                .map(|(path, absence)| LocalFile {
                    path: path.into(),
                    absence: *absence,
                })
                .collect(),
        }
    }

    fn lines(content: &LocalContent) -> Vec<String> {
        let table = contents(std::slice::from_ref(content)).render();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        table.lines().skip(1).map(words).collect()
    }

    #[test]
    fn equal_files_have_a_row_each_and_one_that_is_gone_says_so() {
        let both = held(&["a", "d/b"], &[("/x/b", None), ("/x/a", Some(Absence::Gone))]);
        let id = both.content.short();
        let (a, b) = (
            format!("a 10 B 1/1 gone {id} /x/a"),
            format!("d/b 10 B 1/1 published {id} /x/b"),
        );
        assert_eq!(lines(&both), [a, b]);
        assert_eq!(mine(&[&both]).render().lines().count(), 3);
    }

    #[test]
    fn names_without_files_and_files_without_names_are_listed_too() {
        let two_names = held(&["a", "b"], &[("/x/a", None)]);
        let id = two_names.content.short();
        let row = |name: &str, path: &str| format!("{name} 10 B 1/1 published {id} {path}");
        assert_eq!(lines(&two_names), [row("a", "/x/a"), row("b", "/x/a")]);
        let two_files = held(&["n"], &[("/x/a", None), ("/x/b", None)]);
        assert_eq!(lines(&two_files), [row("n", "/x/a"), row("n", "/x/b")]);
        let mut in_store = held(&["n"], &[]);
        assert_eq!(lines(&in_store), [row("n", words::in_the_store())]);
        (in_store.name, in_store.names) = (None, Vec::new());
        assert_eq!(lines(&in_store), [row("-", words::in_the_store())]);
    }

    #[test]
    fn a_refused_name_is_explained_in_spanish() {
        let _spanish = here(Language::Spanish);
        let mut content = held(&["a"], &[]);
        let name = Name::new("b").expect("a name");
        content.refused.push((name, "the tracker is stopping".to_owned()));
        let told = refused([&content]).concat();
        assert!(told.contains("el tracker está parando"), "{told}");
    }
}
