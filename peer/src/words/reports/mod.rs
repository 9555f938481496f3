//! Reports of nodes and trackers in Spanish.
//!
//! Messages on the wire are English, and so are the errors of the modules. Each is known here by its form,
//! which is the literal of its source: `tests/tidy` compares the two, so that no sentence lacks its Spanish.
//! The words of an operating system or of another program are quoted.

mod node;
mod security;
mod store;
mod tracker;
mod values;

use std::io;
use std::sync::LazyLock;

use super::foreign::{io_error, quoted};

/// Forms, each with its Spanish.
const TABLES: &[&[(&str, &str)]] = &[
    node::COMMANDS,
    node::DIRECTORIES,
    node::FETCHES,
    node::CONNECTION,
    security::ADMISSION,
    security::CREDENTIALS,
    security::DENIALS,
    security::TLS,
    store::STORE,
    store::DISK,
    tracker::REFUSALS,
    tracker::REASONS,
    values::VALUES,
    values::ENTRIES,
    values::OTHERS,
];

/// Marks between a report and its cause, or two reports.
const MARKS: &[char] = &[' ', ':', ';'];

/// A longer report is quoted.
const LONGEST: usize = 4096;

/// Parts of one report that are looked at.
const PARTS: u32 = 2_000;

/// A form with a foreign part is recognized by this many characters of its own.
const OWN: usize = 12;

/// A form, cut into its own words and the places between them.
struct Form {
    words: Vec<&'static str>,
    places: Vec<&'static str>,
    spanish: Vec<&'static str>,
    spanish_places: Vec<&'static str>,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |(english, spanish): &(&'static str, &'static str)| {
        let (words, places) = cut(english.trim_matches(MARKS));
        let (spanish, spanish_places) = cut(spanish.trim_matches(MARKS));
        Form {
            words,
            places,
            spanish,
            spanish_places,
        }
    };
    TABLES.iter().copied().flatten().map(form).collect()
});

/// Cuts a text at its places; `{a}{b}` is one place.
fn cut(text: &'static str) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut words, mut places, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(from) = rest.find('{') {
        let mut end = from;
        while rest[end..].starts_with('{') {
            end += rest[end..].find('}').map_or(rest.len() - end, |at| at + 1);
        }
        words.push(&rest[..from]);
        places.push(&rest[from..end]);
        rest = &rest[end..];
    }
    words.push(rest);
    (words, places)
}

/// Returns the Spanish of a report, if its form is known.
pub(super) fn spanish(english: &str) -> Option<String> {
    if english.len() > LONGEST {
        return None;
    }
    told(english, &mut PARTS.clone())
}

fn told(english: &str, budget: &mut u32) -> Option<String> {
    *budget = budget.checked_sub(1)?;
    if let Some(error) = system_error(english) {
        return Some(io_error(&error));
    }
    let best = FORMS
        .iter()
        .filter_map(|form| form.told(english, budget))
        .min_by_key(|told| (told.foreign, usize::MAX - told.own));
    if let Some(best) = best.filter(|told| told.foreign == 0 || told.own >= OWN) {
        return Some(best.text);
    }
    [": ", "; "].iter().find_map(|mark| {
        let (first, rest) = english.split_once(mark)?;
        let first = told(first, budget).or_else(|| (!is_sentence(first)).then(|| first.to_owned()))?;
        Some(format!("{first}{mark}{}", told(rest, budget)?))
    })
}

/// A report in the words of a form.
struct Told {
    text: String,
    /// Parts that are quoted.
    foreign: usize,
    /// Characters that the form itself has.
    own: usize,
}

impl Form {
    fn told(&self, english: &str, budget: &mut u32) -> Option<Told> {
        let mut parts: Vec<_> = self.places.iter().copied().zip(self.parts(english)?).collect();
        let (mut text, mut foreign) = (self.spanish[0].to_owned(), 0);
        for (place, words) in self.spanish_places.iter().zip(&self.spanish[1..]) {
            let at = parts.iter().position(|(named, _)| named == place)?;
            // A place without a name stands for the next part.
            let part = if *place == "{}" {
                parts.remove(at).1
            } else {
                parts[at].1
            };
            let said = if *place == "{act}" {
                act(part)?.to_owned()
            } else if let Some(said) = part_told(part, budget) {
                said
            } else {
                foreign += 1;
                quoted(part)
            };
            text.push_str(&said);
            text.push_str(words);
        }
        let own = self.words.iter().map(|words| words.len()).sum();
        Some(Told { text, foreign, own })
    }

    /// Returns the parts of a text that stand in the form's places.
    fn parts<'t>(&self, english: &'t str) -> Option<Vec<&'t str>> {
        let (first, words) = self.words.split_first()?;
        let mut rest = english.strip_prefix(first)?;
        let mut parts = Vec::new();
        for (at, words) in words.iter().enumerate() {
            let end = if at + 1 == self.places.len() {
                rest.strip_suffix(words)?.len()
            } else if self.places[at] == "{act}" {
                act_in(rest)?.len()
            } else {
                rest.find(words)?
            };
            parts.push(&rest[..end]);
            rest = rest[end..].strip_prefix(words)?;
        }
        rest.is_empty().then_some(parts)
    }
}

/// Returns a part of a report: in Spanish when it is a report itself, as it is when it is no sentence.
fn part_told(part: &str, budget: &mut u32) -> Option<String> {
    let core = part.trim_matches(MARKS);
    if !core.contains(' ') {
        return Some(part.to_owned());
    }
    let from = part.find(core)?;
    let (before, after) = (&part[..from], &part[from + core.len()..]);
    match told(core, budget) {
        Some(told) => Some(format!("{before}{told}{after}")),
        None => (!is_sentence(core)).then(|| part.to_owned()),
    }
}

/// Whether a text is more than a name, a path or a figure.
fn is_sentence(text: &str) -> bool {
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    let is_quoted = text.starts_with('"') && text.ends_with('"');
    !text.starts_with('/') && !is_quoted && text.split(MARKS).filter(is_word).count() > 1
}

/// Returns the operating system's error that a text is.
fn system_error(text: &str) -> Option<io::Error> {
    let number = text.strip_suffix(')')?.rsplit_once(" (os error ")?.1;
    let error = io::Error::from_raw_os_error(number.parse().ok()?);
    (error.to_string() == text).then_some(error)
}

/// Returns the longest verb with which a text begins.
fn act_in(text: &str) -> Option<&'static str> {
    let acts = store::ACTS.iter().map(|(act, _)| *act);
    let begins = |act: &&str| text.strip_prefix(act).is_some_and(|rest| rest.starts_with(' '));
    acts.filter(begins).max_by_key(|act| act.len())
}

fn act(english: &str) -> Option<&'static str> {
    let found = store::ACTS.iter().find(|(act, _)| *act == english)?;
    Some(found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_whose_form_is_known_is_told_in_spanish() {
        let _spanish = shared::language::here(shared::language::Language::Spanish);
        for (english, told) in [
            ("no name \"x\"", Some("no hay ningún nombre \"x\"")),
            (
                "2 of the 3 replicas that are wanted of content ab would be left; --force forgets it all the same",
                Some(
                    "quedarían 2 de las 3 réplicas deseadas del contenido ab; con --force se olvida de todos modos",
                ),
            ),
            (
                "webserver 10.0.0.1:1: tcp connect error: Connection refused (os error 111)",
                Some("servidor web 10.0.0.1:1: no se puede conectar: conexión rechazada"),
            ),
            (
                "revision 9 of \"a\" is still to come; revisions 1 to 3 are here",
                Some("la revisión 9 de \"a\" aún no existe; quedan las revisiones 1 a 3"),
            ),
            (
                "cannot set the time of /tmp/x y: Permission denied (os error 13); choose another place",
                Some("no se puede poner la fecha de /tmp/x y: permiso denegado; elija otro sitio"),
            ),
            (
                "2 entries cannot be in a collection: \"a\" (a device, a pipe or a socket); \"b\" (it cannot be \
                 read); and 3 more; --exclude or --skip-unsupported leaves them out; --case keep takes names \
                 that differ only in case",
                Some(
                    "2 entradas no caben en un directorio publicado: \"a\" (un dispositivo, una tubería o un \
                     socket); \"b\" (no se puede leer); y 3 más; con --exclude o --skip-unsupported se omiten; \
                     --case keep admite nombres que solo se distinguen en las mayúsculas",
                ),
            ),
            (
                "cannot keep the fetched fragments of content ab: 5 bytes do not fit: 1 are left of the disk",
                Some(
                    "no se pueden guardar los fragmentos descargados del contenido ab: 5 bytes no caben: quedan 1 en el disco",
                ),
            ),
            (
                "nothing came from other peers for 30s: no peer that is online holds what is missing",
                Some("no llegó nada de otros nodos en 30s: ningún nodo conectado tiene lo que falta"),
            ),
            (
                "cannot use the data directory /d: nobody knows why",
                Some("no se puede usar el directorio de datos /d: «nobody knows why»"),
            ),
            ("/tmp/x exists already", Some("/tmp/x ya existe")),
            ("something else happened", None),
            ("two of three that nobody knows", None),
        ] {
            assert_eq!(spanish(english).as_deref(), told, "{english}");
        }
    }

    #[test]
    fn every_form_has_its_places_in_both_languages() {
        let acts = store::ACTS.iter().map(|(act, _)| *act);
        let mut seen: Vec<_> = acts.collect();
        for (english, spanish) in TABLES.iter().copied().flatten() {
            let places = |text| {
                let mut places = cut(text).1;
                places.sort_unstable();
                places
            };
            assert_eq!(places(english), places(spanish), "{english}");
            let filled = cut(english).0.join("open");
            assert!(super::spanish(filled.trim_matches(MARKS)).is_some(), "{filled}");
            assert!(!seen.contains(english), "{english} is here twice");
            seen.push(english);
        }
    }

    #[test]
    fn a_long_report_takes_bounded_work() {
        let long = "a: b; ".repeat(LONGEST / 8);
        assert_eq!(spanish(&long), None);
        assert_eq!(spanish(&"x".repeat(LONGEST + 1)), None);
    }
}
