//! What a line at the menu's prompt asks for.

/// An option of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Enter a network.
    Connect,
    /// Publish a file.
    Add,
    /// Remove a name for everyone.
    Remove,
    /// What this node holds.
    LocalList,
    /// The network's names.
    NetworkList,
    /// Look for a content and fetch it.
    Find,
    /// The network's peers.
    Peers,
    /// What this node is and does.
    Status,
    /// Leave the network.
    Leave,
    /// Close the menu.
    Exit,
    /// The menu once more.
    Help,
}

/// A line that is no option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no option; type one of 0 to 9 or its letter, ? shows them")]
pub struct NoChoice(String);

/// Every option: its number, its letter, what it does.
pub const OPTIONS: [(Choice, char, char, &str); 11] = [
    (Choice::Connect, '1', 'c', "connect to a network"),
    (Choice::Add, '2', 'a', "add a file"),
    (Choice::Remove, '3', 'r', "remove a file"),
    (Choice::LocalList, '4', 'l', "list what this peer holds"),
    (Choice::NetworkList, '5', 'n', "list the network's files"),
    (Choice::Find, '6', 'f', "find and fetch a file"),
    (Choice::Peers, '7', 'p', "show the network's peers"),
    (Choice::Status, '8', 's', "show this peer's status"),
    (Choice::Leave, '9', 'd', "leave the network"),
    (Choice::Exit, '0', 'q', "exit"),
    (Choice::Help, '?', 'h', "show this menu"),
];

/// Reads a line; an empty one asks for help.
///
/// # Errors
/// When it is no option.
pub fn parse(line: &str) -> Result<Choice, NoChoice> {
    let word = line.trim();
    if word.is_empty() {
        return Ok(Choice::Help);
    }
    let mut chars = word.chars();
    let key = match (chars.next(), chars.next()) {
        (Some(only), None) => Some(only.to_ascii_lowercase()),
        _ => None,
    };
    let found = OPTIONS
        .iter()
        .find(|(_, number, letter, _)| key == Some(*number) || key == Some(*letter));
    match (found, word.to_ascii_lowercase().as_str()) {
        (Some((choice, ..)), _) => Ok(*choice),
        (None, "exit" | "quit") => Ok(Choice::Exit),
        (None, "help") => Ok(Choice::Help),
        (None, _) => Err(NoChoice(word.chars().take(40).collect())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_option_has_a_number_and_a_letter_of_its_own() {
        let mut keys = HashSet::new();
        for (choice, number, letter, _) in OPTIONS {
            for key in [number, letter] {
                assert!(keys.insert(key), "{key} is taken twice");
                assert_eq!(parse(&format!(" {key}\t")), Ok(choice));
            }
            assert_eq!(parse(&letter.to_ascii_uppercase().to_string()), Ok(choice));
        }
    }

    #[test]
    fn an_empty_line_asks_for_help_and_words_that_people_try_work() {
        assert_eq!(parse(""), Ok(Choice::Help));
        assert_eq!(parse("  "), Ok(Choice::Help));
        assert_eq!(parse("quit"), Ok(Choice::Exit));
        assert_eq!(parse("EXIT"), Ok(Choice::Exit));
        assert_eq!(parse("help"), Ok(Choice::Help));
    }

    #[test]
    fn anything_else_says_what_is_possible() {
        for line in ["10", "x", "11", "-1", "connect me", "ñ", "\u{1b}[A"] {
            let told = parse(line).expect_err(line).to_string();
            assert!(told.contains("0 to 9") && !told.contains('\u{1b}'), "{told}");
        }
        let long = parse(&"z".repeat(1000)).expect_err("no option").to_string();
        assert!(long.len() < 120, "{long}");
    }
}
