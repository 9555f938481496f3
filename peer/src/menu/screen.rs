//! The screens of the menu: pure text, as wide as the terminal wherever names and addresses allow it.

use proto::messages::control::{LocalContent, LocalRole, SessionStatus, Status};
use shared::model::{ByteCount, ContentState, Location};

use super::choice::Choice;
use crate::terminal::held;
use crate::terminal::output::one_line;
use crate::terminal::show;
use crate::terminal::table::shortened;
use crate::words;

/// The width of a terminal that does not tell its own.
pub const COLUMNS: usize = 80;

/// A narrower screen has no room for an address in the prompt.
const NARROW: usize = 60;

/// Rows of the menu's left column, where there are two.
const ROWS: usize = 6;

/// Between the two columns.
const GAP: usize = 4;

/// Returns the options, in two columns if they fit.
#[must_use]
pub fn menu(columns: usize) -> String {
    let options = Choice::ALL.map(|choice| format!("{:>2} {}", choice.number(), choice.text()));
    let width = |options: &[String]| {
        options
            .iter()
            .map(|option| option.chars().count())
            .max()
            .unwrap_or(0)
    };
    let (left, right) = options.split_at(ROWS);
    let lines: Vec<String> = if 2 + width(left) + GAP + width(right) > columns {
        options.iter().map(|option| format!("  {option}")).collect()
    } else {
        let width = width(left) + GAP;
        let lefts = left.iter().map(String::as_str).chain(std::iter::repeat(""));
        let rows = right.iter().zip(lefts);
        rows.map(|(right, left)| format!("  {left:<width$}{right}"))
            .collect()
    };
    lines.join("\n")
}

/// Returns the first screen: the peer, and for how long it runs.
#[must_use]
pub fn banner(status: &Status, is_own: bool, columns: usize) -> String {
    let how_long = if is_own {
        words::runs_with_the_menu().to_owned()
    } else {
        words::runs_already(one_line(&status.data_dir.display().to_string()))
    };
    let this_peer = words::this_peer(&status.version, status.peer, &status.address);
    format!("{this_peer}\n{how_long}\n\n{}", menu(columns))
}

/// Returns the prompt, with the number of transfers that run; a session of none means that the node does not
/// answer.
#[must_use]
pub fn prompt(session: Option<&SessionStatus>, running: usize, columns: usize) -> String {
    let state = match session {
        None => words::no_answer().to_owned(),
        Some(SessionStatus::Connected { .. }) if columns < NARROW => words::connected().to_owned(),
        Some(SessionStatus::Connecting { .. }) if columns < NARROW => words::connecting().to_owned(),
        Some(session) => show::session(session),
    };
    match running {
        0 => format!("enjambre [{state}]> "),
        running if columns < NARROW => format!("enjambre [{state}, {running}]> "),
        running => format!("enjambre [{state}, {}]> ", words::transfers(running as u64)),
    }
}

/// Returns the properties of a content before it is fetched.
#[must_use]
pub fn found(location: &Location) -> String {
    let (binding, health) = (&location.binding, &location.health);
    let what = match &binding.collection {
        // Its files are not counted: the tracker knows only the contents that they travel in.
        Some(collection) => words::found_directory(
            ByteCount::new(collection.length),
            words::fragments(health.fragments.into()),
            binding.revision,
        ),
        None => words::found_file(
            ByteCount::new(binding.length),
            words::fragments(location.manifest.fragment_count().into()),
            location.manifest.fragment_length(),
            binding.revision,
        ),
    };
    let place = words::found_where(
        words::peers(location.holder_count.into()),
        words::content_state(health.state),
        words::fewest_replicas(health),
    );
    if health.fragments == 0 {
        let what = words::found_empty(binding.revision);
        return format!("{}\n{what}\nid {}", binding.name, binding.content);
    }
    let mut text = format!("{}\n{what}\n{place}\nid {}", binding.name, binding.content);
    if health.state == ContentState::Unavailable {
        text = format!("{text}\n{}", words::found_incomplete());
    }
    text
}

/// Returns what a removal for everyone would cost.
#[must_use]
pub fn to_be_lost(location: &Location) -> String {
    let binding = &location.binding;
    let peers = words::peers(location.holder_count.into());
    words::removal_costs(&binding.name, show::size(binding), peers)
}

/// Returns numbered texts with their sizes, to choose from.
#[must_use]
pub fn numbered<'t>(texts: impl Iterator<Item = (&'t str, String)>, columns: usize) -> String {
    let room = columns.saturating_sub(20).max(12);
    let line = |(at, (text, size)): (usize, (&str, String))| {
        format!("{:>4}  {}  {size}", at + 1, shortened(text, room))
    };
    texts.enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// The user's own list: added and fetched contents, without the parts of directories and without
/// the replicas that the network keeps here.
#[must_use]
pub fn mine(contents: &[LocalContent]) -> Vec<&LocalContent> {
    let is_mine = |content: &&LocalContent| {
        !content.is_part && content.name.is_some() && content.role != LocalRole::Assigned
    };
    let mut mine: Vec<_> = contents.iter().filter(is_mine).collect();
    mine.sort_by(|a, b| a.name.cmp(&b.name));
    mine
}

/// Returns the names under which the user knows a content.
#[must_use]
pub fn names_of(content: &LocalContent) -> Vec<String> {
    let names: Vec<_> = content.names.iter().map(|known| known.name.to_string()).collect();
    match names.is_empty() {
        true => content.name.iter().map(ToString::to_string).collect(),
        false => names,
    }
}

/// Returns the user's list, and a line about what is kept for others.
#[must_use]
pub fn my_list(contents: &[LocalContent], columns: usize) -> String {
    let mine = mine(contents);
    let mut text = if mine.is_empty() {
        words::holds_nothing().to_owned()
    } else {
        let refused = held::refused(mine.iter().copied());
        let table = held::mine(&mine).render_within(columns);
        [vec![table], refused].concat().join("\n")
    };
    let others = contents
        .iter()
        .filter(|content| content.role == LocalRole::Assigned);
    let (count, bytes) = others.fold((0, 0), |(count, bytes), content| {
        (count + 1, bytes + content.length)
    });
    if count > 0 {
        let kept = words::kept_for_others(words::contents(count), ByteCount::new(bytes));
        text = format!("{text}\n{kept}");
    }
    text
}

/// Returns the result of publications that waited for a connection, of which some still do and the tracker
/// has refused others.
#[must_use]
pub fn published(waited: u32, left: u32, refused: u32) -> String {
    let published = waited.saturating_sub(left).saturating_sub(refused);
    let mut text = words::published_waiting(published.into());
    if left > 0 {
        text = words::some_still_wait(text, left);
    }
    if refused > 0 {
        text = words::some_refused(refused.into(), text);
    }
    text
}

/// Returns the text with long lines broken between words; a longer word stays whole.
#[must_use]
pub fn wrapped(text: &str, columns: usize) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| wrapped_line(line, columns)).collect();
    lines.join("\n")
}

fn wrapped_line(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let (mut text, mut used) = (String::new(), 0);
    for word in line.split_inclusive(' ') {
        let width = word.trim_end().chars().count();
        if used > 0 && used + width > columns {
            text.truncate(text.trim_end().len());
            text.push('\n');
            used = 0;
        }
        text.push_str(word);
        used += word.chars().count();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::language::{Language, here};
    use shared::model::{Epoch, Incarnation, PeerId};

    use super::*;

    fn status() -> Status {
        Status {
            peer: PeerId::from_bytes([0xab; 16]),
            incarnation: Incarnation::new(1),
            address: "127.0.0.1:50053".parse().expect("an address"),
            zone: None,
            data_dir: "/data".into(),
            version: "0.1.0".to_owned(),
            capacity: 1 << 30,
            scrub: proto::messages::control::Scrub::default(),
            defaults: shared::model::NetworkDefaults::default(),
            used: 0,
            contents: 0,
            visitor_host: None,
            unreachable: None,
            session: SessionStatus::Offline,
            epoch: Epoch::new(0),
            pending_publications: 0,
            refused_publications: 0,
            network: None,
            kept_apart: Vec::new(),
            security: None,
            lost: shared::model::LostFiles::default(),
            suspended: shared::model::SuspendedFiles::default(),
            uptime: Duration::ZERO,
            bytes_sent: 0,
            bytes_received: 0,
            bytes_wasted: 0,
            bytes_checked: 0,
            active_fetches: 0,
            active_uploads: 0,
            limits: proto::messages::control::RateLimits::default(),
            source_faults: Vec::new(),
        }
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }

    #[test]
    fn the_menu_shows_every_option_in_the_columns_there_are() {
        let english = [
            "   1 c  connect to a network          7 p  show the network's peers",
            "   2 a  add a file or a directory     8 s  show this peer's status",
            "   3 r  remove from my list           9 d  leave the network",
            "   4 l  show my list                 10 t  show the transfers",
            "   5 n  list the network's files     11 x  remove a name for everyone",
            "   6 f  find and fetch a file         0 q  exit",
            "                                      ? h  show this menu",
        ];
        assert_eq!(menu(COLUMNS), english.join("\n"));
        let _spanish = here(Language::Spanish);
        let spanish = [
            "   1 c  conectar con una red               7 n  nodos de la red",
            "   2 a  añadir un archivo o directorio     8 e  estado de este nodo",
            "   3 q  quitar de mi lista                 9 d  dejar la red",
            "   4 l  ver mi lista                      10 t  ver las transferencias",
            "   5 v  ver los archivos de la red        11 r  retirar un nombre para todos",
            "   6 b  buscar y descargar un archivo      0 s  salir",
            "                                           ? m  mostrar este menú",
        ];
        assert_eq!(menu(COLUMNS), spanish.join("\n"));
        for language in Language::ALL {
            let _speaking = here(language);
            for columns in [40, 60, 80, 200] {
                assert!(widest(&menu(columns)) <= columns, "{}", menu(columns));
            }
            assert_eq!(menu(40).lines().count(), Choice::ALL.len());
        }
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("one two three\nfour", 80), "one two three\nfour");
        assert_eq!(wrapped("a verylongword b", 5), "a\nverylongword\nb");
        assert_eq!(wrapped("ñandú ñandú", 5), "ñandú\nñandú");
        assert_eq!(wrapped("", 5), "");
    }

    #[test]
    fn the_banner_says_who_where_and_for_how_long() {
        let own = banner(&status(), true, COLUMNS);
        assert!(
            own.contains(&"ab".repeat(16)) && own.contains("127.0.0.1:50053"),
            "{own}"
        );
        assert!(own.contains("for as long as the menu is open"), "{own}");
        let attached = banner(&status(), false, COLUMNS);
        assert!(attached.contains("already runs on /data"), "{attached}");
        assert!(widest(&own) <= COLUMNS, "{own}");
    }

    #[test]
    fn the_prompt_says_how_the_session_stands() {
        let tracker = "127.0.0.1:50052".parse().expect("an address");
        let connected = SessionStatus::Connected { tracker };
        assert_eq!(
            prompt(Some(&SessionStatus::Offline), 0, 80),
            "enjambre [offline]> "
        );
        assert_eq!(
            prompt(Some(&connected), 0, 80),
            "enjambre [connected 127.0.0.1:50052]> "
        );
        assert_eq!(prompt(Some(&connected), 0, 40), "enjambre [connected]> ");
        assert_eq!(prompt(None, 0, 80), "enjambre [no answer from the peer]> ");
        assert_eq!(
            prompt(Some(&connected), 2, 80),
            "enjambre [connected 127.0.0.1:50052, 2 transfers]> "
        );
        assert_eq!(prompt(Some(&connected), 2, 40), "enjambre [connected, 2]> ");
    }

    #[test]
    fn publications_that_waited_are_counted() {
        assert_eq!(
            published(1, 0, 0),
            "published 1 file that waited for a connection"
        );
        assert_eq!(
            published(3, 1, 0),
            "published 2 files that waited for a connection, 1 still waiting; 4 lists them"
        );
        assert_eq!(
            published(3, 0, 1),
            "published 2 files that waited for a connection; the tracker refused 1, 4 says why"
        );
    }
}
