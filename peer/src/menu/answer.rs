//! The meaning of answers to the menu's questions. Pure.

use std::path::{Path, PathBuf};

use proto::messages::control::EntryPoint;
use shared::language::{self, Language};
use shared::model::HostPort;

use crate::settings::default_entry;
use crate::terminal::table::shortened;
use crate::words;

/// The tracker that `tracker` alone stands for.
const DEFAULT_TRACKER: &str = "127.0.0.1:50052";

/// The longest part of a line that is shown again.
const MAX_SHOWN: usize = 40;

/// Returns an entry point as the question shows it in brackets.
#[must_use]
pub fn shown(entry: &EntryPoint) -> String {
    match entry {
        EntryPoint::Webserver(address) => format!("webserver {address}"),
        EntryPoint::Tracker(address) => format!("tracker {address}"),
        EntryPoint::Peer(address) => format!("peer {address}"),
    }
}

/// Reads `HOST:PORT` or `webserver HOST:PORT`, `tracker` or `tracker HOST:PORT`, `peer HOST:PORT`; an empty
/// line means the default.
///
/// # Errors
/// The text to show, with the possible answers.
pub fn entry(line: &str, default: &EntryPoint) -> Result<EntryPoint, String> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next(), words.next());
    let address = |text: &str| -> Result<HostPort, String> {
        text.parse()
            .map_err(|_| words::bad_entry(format_args!("{:?}", shortened(text, MAX_SHOWN))))
    };
    match (
        first.map(str::to_ascii_lowercase).as_deref(),
        second,
        words.next(),
    ) {
        (None, ..) => Ok(default.clone()),
        (Some("tracker" | "t"), None, _) => address(DEFAULT_TRACKER).map(EntryPoint::Tracker),
        (Some("tracker" | "t"), Some(text), None) => address(text).map(EntryPoint::Tracker),
        (Some("peer" | "p"), Some(text), None) => address(text).map(EntryPoint::Peer),
        (Some("webserver" | "w"), None, _) => Ok(default_entry()),
        (Some("webserver" | "w"), Some(text), None) => address(text).map(EntryPoint::Webserver),
        (Some(text), None, _) => address(text).map(EntryPoint::Webserver),
        (Some(_), Some(_), _) => address(line.trim()).map(EntryPoint::Webserver),
    }
}

/// Reads a path as people type or drop it: quotes around it and a leading `~/` work as in a shell.
#[must_use]
pub fn path(line: &str, home: Option<&Path>) -> Option<PathBuf> {
    let text = line.trim();
    let unquoted = ['\'', '"']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text);
    match (unquoted.strip_prefix("~/"), home) {
        _ if unquoted.is_empty() => None,
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ => Some(PathBuf::from(unquoted)),
    }
}

/// Whether a line is a yes in the language in force, or in English; anything else is a no.
#[must_use]
pub fn is_yes(line: &str) -> bool {
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => true,
        "s" | "si" | "sí" => language::current() == Language::Spanish,
        _ => false,
    }
}

/// Reads a number from 1 to `count` and returns it counted from 0.
#[must_use]
pub fn pick(line: &str, count: usize) -> Option<usize> {
    let number: usize = line.trim().parse().ok()?;
    (1..=count).contains(&number).then(|| number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> HostPort {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_a_webservers_unless_it_says_otherwise() {
        let default = default_entry();
        assert_eq!(shown(&default), "webserver 127.0.0.1:50051");
        let webserver = |text| EntryPoint::Webserver(address(text));
        let tracker = |text| EntryPoint::Tracker(address(text));
        for (line, meant) in [
            ("", default.clone()),
            ("  \t", default.clone()),
            ("lab:1", webserver("lab:1")),
            (" webserver lab:1 ", webserver("lab:1")),
            ("w", default.clone()),
            ("tracker lab:2", tracker("lab:2")),
            ("T lab:2", tracker("lab:2")),
            ("tracker", tracker("127.0.0.1:50052")),
        ] {
            assert_eq!(entry(line, &default), Ok(meant), "{line:?}");
        }
        let other = tracker("lab:9");
        assert_eq!(entry("", &other), Ok(other.clone()));
        for bad in ["lab", "tracker lab", "a b c", "tracker a:1 b:2", "webserver :1"] {
            let told = entry(bad, &default).expect_err(bad);
            assert!(told.contains("type HOST:PORT"), "{told}");
        }
    }

    #[test]
    fn paths_are_taken_as_people_type_them() {
        let home = Path::new("/home/me");
        for (line, meant) in [
            ("a b.bin", "a b.bin"),
            (" 'a b.bin' ", "a b.bin"),
            ("\"/x/y\"", "/x/y"),
            ("~/data/x", "/home/me/data/x"),
            ("it's", "it's"),
        ] {
            assert_eq!(path(line, Some(home)), Some(PathBuf::from(meant)), "{line}");
        }
        assert_eq!(path("  ", Some(home)), None);
        assert_eq!(path("''", Some(home)), None);
        assert_eq!(path("~/x", None), Some(PathBuf::from("~/x")));
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes(" Y ") && is_yes("yes"));
        for line in ["", "n", "yess", "s", "sí"] {
            assert!(!is_yes(line), "{line}");
        }
        let _spanish = language::here(Language::Spanish);
        assert!(is_yes("S") && is_yes("sí") && is_yes("Sí ") && is_yes("y"));
        assert!(!is_yes("") && !is_yes("n") && !is_yes("no"));
    }

    #[test]
    fn numbers_out_of_range_pick_nothing() {
        assert_eq!(pick(" 3 ", 3), Some(2));
        for line in ["0", "4", "-1", "", "x", "99999999999999999999"] {
            assert_eq!(pick(line, 3), None, "{line}");
        }
    }
}
