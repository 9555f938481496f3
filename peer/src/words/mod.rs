//! The messages of the command line and the menu, in English and in Spanish.
//!
//! [`shared::messages!`] makes a function of every message, and the compiler checks that both languages have
//! it with the same placeholders. CONTRIBUTING.md says how to add one, and docs/glossary.md has the Spanish
//! of the project's words; a node and a peer are both *nodo*.
//!
//! Logs and JSON are English only. So are the reports of nodes and trackers, of which `reports` has the
//! Spanish. A Spanish sentence quotes the words of an operating system or another program in «».

mod errors;
mod foreign;
mod help;
mod menu;
mod names;
mod network;
mod nouns;
mod reports;
mod transfers;

pub(crate) use errors::*;
pub(crate) use foreign::io_error;
pub(crate) use help::*;
pub(crate) use menu::*;
pub(crate) use names::*;
pub(crate) use network::*;
pub(crate) use nouns::*;
pub(crate) use transfers::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_in_both_languages() {
        let all = [
            errors::MESSAGES,
            menu::MESSAGES,
            names::MESSAGES,
            network::MESSAGES,
            nouns::MESSAGES,
            transfers::MESSAGES,
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
