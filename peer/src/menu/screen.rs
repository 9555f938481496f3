//! What the menu shows: pure text of at most 80 columns, wherever names and addresses allow it.

use proto::control::{SessionStatus, Status};
use shared::model::{Binding, ByteCount, ContentState, Health, Location};

use super::choice::OPTIONS;
use crate::cli::output::one_line;
use crate::cli::show::{self, counted};
use crate::cli::table::shortened;

/// As wide as the narrowest terminal that people use.
pub const COLUMNS: usize = 80;

/// Rows of the menu's left column.
const ROWS: usize = 5;

/// The options.
#[must_use]
pub fn menu() -> String {
    let option = |at: usize| {
        let (_, number, letter, text) = OPTIONS[at];
        format!("{number} {letter}  {text}")
    };
    let line = |row: usize| {
        let left = if row < ROWS { option(row) } else { String::new() };
        let line = format!("  {left:<36}{}", option(ROWS + row));
        line.trim_end().to_owned()
    };
    (0..OPTIONS.len() - ROWS).map(line).collect::<Vec<_>>().join("\n")
}

/// The first thing shown: which peer this is, and for how long it runs.
#[must_use]
pub fn banner(status: &Status, is_own: bool) -> String {
    let how_long = if is_own {
        "This peer runs for as long as the menu is open.".to_owned()
    } else {
        let dir = one_line(&status.data_dir.display().to_string());
        format!("This is the peer that runs already on {dir}; it goes on running.")
    };
    format!(
        "Enjambre {}\npeer {} at {}\n{how_long}\n\n{}",
        status.version,
        status.peer,
        status.address,
        menu()
    )
}

/// The prompt; none when the node does not answer.
#[must_use]
pub fn prompt(session: Option<&SessionStatus>) -> String {
    let standing = session.map_or_else(|| "no answer from the peer".to_owned(), show::session);
    format!("enjambre [{standing}]> ")
}

/// What was found, before it is fetched.
#[must_use]
pub fn found(location: &Location) -> String {
    let (binding, health) = (&location.binding, &location.health);
    let fragments = location.manifest.fragment_count();
    let mut text = format!(
        "{}\n{} in {} of {}, revision {}\non {}, {}: fewest {} of {}\nid {}",
        binding.name,
        ByteCount::new(binding.length),
        counted(fragments.into(), "fragment"),
        location.manifest.fragment_length(),
        binding.revision,
        counted(location.holder_count.into(), "peer"),
        health.state,
        health.fewest,
        counted(health.target.get().into(), "replica"),
        binding.content,
    );
    if health.state == ContentState::Unavailable {
        text.push_str("\nsome fragments are on no peer that is online: it cannot be completed now");
    }
    text
}

/// Numbered names to choose from.
#[must_use]
pub fn matches(names: &[(Binding, Health)]) -> String {
    let line = |(at, (binding, _)): (usize, &(Binding, Health))| {
        let size = ByteCount::new(binding.length).to_string();
        format!(
            "{:>4}  {}  {size}",
            at + 1,
            shortened(binding.name.as_str(), COLUMNS - 20)
        )
    };
    names.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// What became of publications that waited for a connection.
#[must_use]
pub fn published(waited: u32, left: u32) -> String {
    let made = waited.saturating_sub(left);
    let mut text = format!(
        "published {} that waited for a connection",
        counted(made.into(), "file")
    );
    if left > 0 {
        text = format!("{text}, {left} still waiting; 4 lists them");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
            scrub: proto::control::Scrub::default(),
            used: 0,
            contents: 0,
            session: SessionStatus::Offline,
            epoch: Epoch::new(0),
            pending_publications: 0,
            uptime: Duration::ZERO,
            bytes_sent: 0,
            bytes_received: 0,
            bytes_wasted: 0,
            active_fetches: 0,
            active_uploads: 0,
            limits: proto::control::RateLimits::default(),
            culprits: Vec::new(),
        }
    }

    #[test]
    fn the_menu_shows_every_option_in_eighty_columns() {
        let expected = "  \
  1 c  connect to a network                6 f  find and fetch a file
  2 a  add a file                          7 p  show the network's peers
  3 r  remove a file                       8 s  show this peer's status
  4 l  list what this peer holds           9 d  leave the network
  5 n  list the network's files            0 q  exit
                                           ? h  show this menu";
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(plain(&menu()), plain(expected));
        assert!(
            menu().lines().all(|line| line.chars().count() <= COLUMNS),
            "{}",
            menu()
        );
    }

    #[test]
    fn the_banner_says_who_where_and_for_how_long() {
        let own = banner(&status(), true);
        assert!(
            own.contains(&"ab".repeat(16)) && own.contains("127.0.0.1:50053"),
            "{own}"
        );
        assert!(own.contains("for as long as the menu is open"), "{own}");
        let attached = banner(&status(), false);
        assert!(attached.contains("runs already on /data"), "{attached}");
        assert!(own.lines().all(|line| line.chars().count() <= COLUMNS), "{own}");
    }

    #[test]
    fn the_prompt_says_how_the_session_stands() {
        let tracker = "127.0.0.1:50052".parse().expect("an address");
        assert_eq!(prompt(Some(&SessionStatus::Offline)), "enjambre [offline]> ");
        assert_eq!(
            prompt(Some(&SessionStatus::Connected { tracker })),
            "enjambre [connected 127.0.0.1:50052]> "
        );
        assert_eq!(prompt(None), "enjambre [no answer from the peer]> ");
    }

    #[test]
    fn publications_that_waited_are_counted() {
        assert_eq!(published(1, 0), "published 1 file that waited for a connection");
        assert_eq!(
            published(3, 1),
            "published 2 files that waited for a connection, 1 still waiting; 4 lists them"
        );
    }
}
