//! The meaning of answers to the menu's questions. Pure.

use std::path::{Path, PathBuf};

use proto::messages::control::EntryPoint;
use shared::language::{self, Language};
use shared::model::{FragmentLength, HostPort, Name, RemoteAddressError, ReplicationTarget};
use shared::security::JoinLine;
use shared::settings::mistake;

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

/// An answer to the question for a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// An address of it.
    Entry(EntryPoint),
    /// A line that makes the peer a member of it.
    Join(JoinLine),
}

/// Reads `HOST:PORT` or `webserver HOST:PORT`, `tracker` or `tracker HOST:PORT`, `peer HOST:PORT`, or a join
/// line; an empty line means the default.
///
/// # Errors
/// The text to show, with the possible answers. It repeats no join line.
pub fn entry(line: &str, default: &EntryPoint) -> Result<Way, String> {
    match is_secret(line) {
        true => {
            let line: Result<JoinLine, _> = line.parse();
            line.map(Way::Join)
                .map_err(|error| words::told(&error.to_string()))
        }
        false => address_of(line, default).map(Way::Entry),
    }
}

/// Whether a line is meant as a join line, whose secret no transcript repeats.
#[must_use]
pub fn is_secret(line: &str) -> bool {
    line.trim_start().starts_with("enjambre") && line.contains("://")
}

fn address_of(line: &str, default: &EntryPoint) -> Result<EntryPoint, String> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next(), words.next());
    let address = |text: &str| -> Result<HostPort, String> {
        HostPort::remote(text).map_err(|error| match error {
            RemoteAddressError::Form(_) => words::bad_entry(format_args!("{:?}", shortened(text, MAX_SHOWN))),
            undialable @ RemoteAddressError::Undialable(_) => mistake(&undialable),
        })
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

/// Whether a line is no no: an empty one is a yes here.
#[must_use]
pub fn is_yes_unless_told(line: &str) -> bool {
    line.trim().is_empty() || is_yes(line)
}

/// Reads the length of a fragment; an empty line takes the default.
///
/// # Errors
/// The text to show, with the possible answers.
pub fn fragment_length(
    line: &str,
    default: Option<FragmentLength>,
) -> Result<Option<FragmentLength>, String> {
    match line.trim() {
        "" => Ok(default),
        text => text.parse().map(Some).map_err(|_| {
            let text = format!("{:?}", shortened(text, MAX_SHOWN));
            words::bad_fragment_length(text, FragmentLength::MIN, FragmentLength::MAX)
        }),
    }
}

/// Reads a number of replicas; an empty line takes the default.
///
/// # Errors
/// The text to show, with the possible answers.
pub fn replicas(line: &str, default: ReplicationTarget) -> Result<ReplicationTarget, String> {
    match line.trim() {
        "" => Ok(default),
        text => text
            .parse()
            .map_err(|_| words::bad_replicas(shortened(text, MAX_SHOWN), ReplicationTarget::MAX)),
    }
}

/// Reads a name; an empty line takes the default, if there is one.
///
/// # Errors
/// The text to show.
pub fn name(line: &str, default: Option<&Name>) -> Result<Name, String> {
    match (line.trim(), default) {
        ("", Some(default)) => Ok(default.clone()),
        (text, _) => text.parse().map_err(|error| words::name_error(&error)),
    }
}

/// Reads the choice of one of several entries, each with its names, of which the first `most` have numbers: a
/// number, or a name that one entry has; none when the line is empty.
///
/// # Errors
/// The text to show.
pub fn chosen(line: &str, names: &[Vec<String>], most: usize) -> Result<Option<usize>, String> {
    let text = line.trim().trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(at) = pick(text, most) {
        return Ok(Some(at));
    }
    let named = |at: &usize| names[*at].iter().any(|name| name == text);
    let mut named = (0..names.len()).filter(named);
    let quoted = format!("{:?}", shortened(text, MAX_SHOWN));
    match (named.next(), named.next()) {
        (Some(at), None) => Ok(Some(at)),
        (Some(_), Some(_)) => Err(words::several_are_called(quoted)),
        (None, _) => Err(words::not_on_my_list(quoted)),
    }
}

/// An answer to the list of transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Back to the menu.
    Back,
    /// Follow the transfer with this number; one that has failed is resumed.
    Follow(u32),
    /// Cancel it.
    Cancel(u32),
    /// Begin it again where it ended.
    Resume(u32),
}

/// Reads an answer to the list of transfers: a number, or `c` or `r` and a number.
///
/// # Errors
/// The text to show, with the possible answers.
pub fn wish(line: &str) -> Result<Wish, String> {
    let text = line.trim().to_lowercase();
    let (letter, number) = match text.strip_prefix(['c', 'r']) {
        Some(number) => (text.chars().next(), number.trim()),
        None => (None, text.as_str()),
    };
    match (letter, number.parse()) {
        _ if text.is_empty() => Ok(Wish::Back),
        (None, Ok(number)) => Ok(Wish::Follow(number)),
        (Some('c'), Ok(number)) => Ok(Wish::Cancel(number)),
        (Some('r'), Ok(number)) => Ok(Wish::Resume(number)),
        _ => Err(words::bad_wish(format_args!(
            "{:?}",
            shortened(line.trim(), MAX_SHOWN)
        ))),
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
            assert_eq!(entry(line, &default), Ok(Way::Entry(meant)), "{line:?}");
        }
        let other = tracker("lab:9");
        assert_eq!(entry("", &other), Ok(Way::Entry(other.clone())));
        for bad in ["lab", "tracker lab", "a b c", "tracker a:1 b:2", "webserver :1"] {
            let told = entry(bad, &default).expect_err(bad);
            assert!(told.contains("type HOST:PORT"), "{told}");
        }
        for bad in ["0.0.0.0:1", "tracker [::]:1"] {
            let told = entry(bad, &default).expect_err(bad);
            assert!(told.contains("nobody can dial"), "{told}");
        }
    }

    #[test]
    fn a_join_line_is_one_and_a_damaged_one_is_not_repeated() {
        let line = format!(
            "enjambre-join://lab:1/1.{}.0707070707070707.{}",
            "a".repeat(52),
            "q".repeat(26)
        );
        let answered = entry(&format!("  {line}  "), &default_entry());
        assert!(matches!(answered, Ok(Way::Join(_))), "{answered:?}");
        let told = entry(&line[..line.len() - 3], &default_entry()).expect_err("cut off");
        assert!(told.contains("cut off") && !told.contains("qqq"), "{told}");
        let sent = entry("enjambre://lab:1/0123456789/a", &default_entry()).expect_err("of `peer send`");
        assert!(sent.contains("peer receive"), "{sent}");
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
        assert!(is_yes_unless_told("") && is_yes_unless_told("y") && !is_yes_unless_told("n"));
        let _spanish = language::here(Language::Spanish);
        assert!(is_yes("S") && is_yes("sí") && is_yes("Sí ") && is_yes("y"));
        assert!(!is_yes("") && !is_yes("n") && !is_yes("no"));
    }

    #[test]
    fn an_empty_answer_takes_the_default_and_a_wrong_one_is_explained() {
        let some = Some(FragmentLength::MIN);
        assert_eq!(fragment_length(" ", some), Ok(some));
        assert_eq!(
            fragment_length("1MiB", None),
            Ok(FragmentLength::new(1 << 20).ok())
        );
        for bad in ["5", "100KiB", "32MiB", "big"] {
            let told = fragment_length(bad, None).expect_err(bad);
            assert!(told.contains("64.0 KiB to 16.0 MiB"), "{told}");
        }
        let two: ReplicationTarget = "2".parse().expect("a target");
        assert_eq!(replicas("", two), Ok(two));
        assert!(replicas("0", two).expect_err("none").contains("1 to 32"));
        let default = Name::new("x").expect("a name");
        assert_eq!(name("", Some(&default)), Ok(default));
        assert!(name("", None).is_err() && name("../up", None).is_err());
    }

    #[test]
    fn a_transfer_is_followed_cancelled_or_resumed_by_its_number() {
        for (line, meant) in [
            ("", Wish::Back),
            (" 3 ", Wish::Follow(3)),
            ("c 3", Wish::Cancel(3)),
            ("C3", Wish::Cancel(3)),
            ("r  12", Wish::Resume(12)),
        ] {
            assert_eq!(wish(line), Ok(meant), "{line:?}");
        }
        for bad in ["c", "x 3", "-1", "3 c", "99999999999"] {
            assert!(wish(bad).expect_err(bad).contains("c and a number"), "{bad}");
        }
    }

    #[test]
    fn numbers_out_of_range_pick_nothing() {
        assert_eq!(pick(" 3 ", 3), Some(2));
        for line in ["0", "4", "-1", "", "x", "99999999999999999999"] {
            assert_eq!(pick(line, 3), None, "{line}");
        }
    }

    #[test]
    fn a_name_that_several_entries_have_is_asked_about() {
        let names = [&["a"][..], &["x", "b"], &["a"], &["c"]];
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let chosen = |line: &str| chosen(line, &names, 3);
        assert_eq!(chosen(" "), Ok(None));
        assert_eq!(chosen("3"), Ok(Some(2)));
        assert_eq!(chosen("b/"), Ok(Some(1)));
        assert_eq!(chosen("c"), Ok(Some(3)), "it has no number");
        for (line, told) in [
            ("a", "several entries are called \"a\""),
            ("4", "is not on my list"),
            ("d", "is not on my list"),
        ] {
            let complaint = chosen(line).expect_err(line);
            assert!(complaint.contains(told), "{complaint}");
        }
    }
}
