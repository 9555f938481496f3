//! The catalogue: everything that the command line and the menu say to people, in English and in Spanish.
//!
//! Each file is about one part of the program; [`shared::messages!`] makes a function of every message, and the compiler
//! sees to it that both languages have it and use the same placeholders. What a message is called says what it is about;
//! where it is said is found by its name. CONTRIBUTING.md says how to add one. The Spanish of the glossary's words is in
//! docs/glossary.md; a node and a peer are both *nodo*.
//!
//! Not here: logs, JSON and reasons that come from another program (they stay English, in parentheses where the
//! sentence around them is not), and names that are typed, such as flags and commands.

mod counts;
mod events;
mod failures;
mod help;
mod lists;
mod menu;
mod mistakes;
mod past;
mod plans;
mod sending;
mod states;
mod transfers;
mod upkeep;
mod usage;

pub(crate) use counts::*;
pub(crate) use events::*;
pub(crate) use failures::*;
pub(crate) use help::*;
pub(crate) use lists::*;
pub(crate) use menu::*;
pub(crate) use mistakes::*;
pub(crate) use past::*;
pub(crate) use plans::*;
pub(crate) use sending::*;
pub(crate) use states::*;
pub(crate) use transfers::*;
pub(crate) use upkeep::*;
pub(crate) use usage::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_in_both_languages() {
        let all = [
            counts::MESSAGES,
            events::MESSAGES,
            failures::MESSAGES,
            lists::MESSAGES,
            menu::MESSAGES,
            mistakes::MESSAGES,
            past::MESSAGES,
            plans::MESSAGES,
            sending::MESSAGES,
            states::MESSAGES,
            transfers::MESSAGES,
            upkeep::MESSAGES,
            usage::MESSAGES,
        ]
        .concat();
        let complaints: Vec<_> = all
            .iter()
            // "no" is "no".
            .filter(|message| message.name != "no")
            .filter_map(shared::language::Message::complaint)
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
