//! The options of the menu.
//!
//! Numbers are the same in every language, letters belong to the language's words.

use crate::terminal::table::shortened;
use crate::words;

/// An option of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Enter a network.
    Connect,
    /// Publish a file or a directory.
    Add,
    /// Drop this node's copy of a content: take it off the user's list.
    Forget,
    /// List what the user has added and fetched.
    LocalList,
    /// List the network's names.
    NetworkList,
    /// Find a content and fetch it.
    Find,
    /// Show the network's peers.
    Peers,
    /// Show the state of this node.
    Status,
    /// Leave the network.
    Leave,
    /// Show the transfers: follow, cancel, resume.
    Transfers,
    /// Remove a name for everyone.
    Remove,
    /// Close the menu.
    Exit,
    /// Show the menu.
    Help,
}

/// A line that is no option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", words::no_option(format_args!("{_0:?}")))]
pub struct NoChoice(String);

/// Words for exit that people try, in every language.
const EXIT_WORDS: [&str; 3] = ["exit", "quit", "salir"];

/// Words for help that people try, in every language.
const HELP_WORDS: [&str; 3] = ["help", "ayuda", "menu"];

/// The longest part of a line that is shown again.
const MAX_SHOWN: usize = 40;

impl Choice {
    /// Every option, in the order of the menu.
    pub const ALL: [Self; 13] = [
        Self::Connect,
        Self::Add,
        Self::Forget,
        Self::LocalList,
        Self::NetworkList,
        Self::Find,
        Self::Peers,
        Self::Status,
        Self::Leave,
        Self::Transfers,
        Self::Remove,
        Self::Exit,
        Self::Help,
    ];

    /// The number that chooses it; help has a question mark.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Connect => "1",
            Self::Add => "2",
            Self::Forget => "3",
            Self::LocalList => "4",
            Self::NetworkList => "5",
            Self::Find => "6",
            Self::Peers => "7",
            Self::Status => "8",
            Self::Leave => "9",
            Self::Transfers => "10",
            Self::Remove => "11",
            Self::Exit => "0",
            Self::Help => "?",
        }
    }

    /// Its letter and text, such as `c  connect to a network`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Connect => words::option_connect(),
            Self::Add => words::option_add(),
            Self::Forget => words::option_forget(),
            Self::LocalList => words::option_local(),
            Self::NetworkList => words::option_network(),
            Self::Find => words::option_find(),
            Self::Peers => words::option_peers(),
            Self::Status => words::option_status(),
            Self::Leave => words::option_leave(),
            Self::Transfers => words::option_transfers(),
            Self::Remove => words::option_remove(),
            Self::Exit => words::option_exit(),
            Self::Help => words::option_help(),
        }
    }

    fn has_key(self, word: &str) -> bool {
        let letter = self.text().chars().next();
        self.number() == word || letter.is_some_and(|letter| word.chars().eq([letter]))
    }
}

/// Reads a line; an empty one asks for help.
///
/// # Errors
/// When it is no option.
pub fn parse(line: &str) -> Result<Choice, NoChoice> {
    let word = line.trim().to_lowercase();
    if word.is_empty() || HELP_WORDS.contains(&word.as_str()) {
        return Ok(Choice::Help);
    }
    if EXIT_WORDS.contains(&word.as_str()) {
        return Ok(Choice::Exit);
    }
    let found = Choice::ALL.into_iter().find(|choice| choice.has_key(&word));
    found.ok_or_else(|| NoChoice(shortened(line.trim(), MAX_SHOWN)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::language::{Language, here};

    use super::*;

    #[test]
    fn every_option_has_a_number_and_in_each_language_a_letter_of_its_own() {
        for language in Language::ALL {
            let _speaking = here(language);
            let mut keys = HashSet::new();
            for choice in Choice::ALL {
                let (letter, what) = choice.text().split_once("  ").expect("a letter and words");
                let letter: char = letter.parse().expect("one letter");
                assert!(!what.starts_with(' '), "{what:?}");
                for key in [choice.number().to_owned(), letter.to_string()] {
                    assert!(keys.insert(key.clone()), "{key} is taken twice in {language:?}");
                    assert_eq!(parse(&format!(" {key}\t")), Ok(choice));
                }
                assert_eq!(parse(&letter.to_ascii_uppercase().to_string()), Ok(choice));
            }
        }
    }

    #[test]
    fn an_empty_line_asks_for_help_and_words_that_people_try_work() {
        assert_eq!(parse(""), Ok(Choice::Help));
        assert_eq!(parse("  "), Ok(Choice::Help));
        assert_eq!(parse("quit"), Ok(Choice::Exit));
        assert_eq!(parse("EXIT"), Ok(Choice::Exit));
        assert_eq!(parse("Salir"), Ok(Choice::Exit));
        assert_eq!(parse("help"), Ok(Choice::Help));
    }

    #[test]
    fn anything_else_says_what_is_possible() {
        for line in ["12", "z", "100", "-1", "01", "connect me", "ñ", "\u{1b}[A"] {
            let told = parse(line).expect_err(line).to_string();
            assert!(told.contains("0 to 11") && !told.contains('\u{1b}'), "{told}");
        }
        let long = parse(&"z".repeat(1000)).expect_err("no option").to_string();
        assert!(long.len() < 120, "{long}");
        let _spanish = here(Language::Spanish);
        let told = parse("f").expect_err("an English letter").to_string();
        assert!(told.contains("de 0 a 11"), "{told}");
    }
}
