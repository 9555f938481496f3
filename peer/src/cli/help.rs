//! The help in the language in force.
//!
//! clap's own definition is the English one. In Spanish every text in it is exchanged for its translation, and the few
//! words that clap writes itself are exchanged in what it has written.

use clap::builder::Str;
use clap::{Arg, Command};
use shared::language::{self, Language};

use crate::words;

/// The same command, explained in the language in force.
#[must_use]
pub fn explained(command: Command) -> Command {
    match language::current() {
        Language::English => command,
        Language::Spanish => in_spanish(command).after_help(words::AFTER_HELP_IN_SPANISH),
    }
}

fn in_spanish(mut command: Command) -> Command {
    if let Some(about) = translation(command.get_about()) {
        command = command.about(about);
    }
    command.mut_args(argument_in_spanish).mut_subcommands(in_spanish)
}

fn argument_in_spanish(mut argument: Arg) -> Arg {
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if let Some(help) = argument.get_help().map(ToString::to_string) {
        let takes_values = argument.get_action().takes_values();
        let told = Told::of(&help);
        let set = argument.get_default_values().first().filter(|_| takes_values);
        let set = set.map(|value| value.to_string_lossy().into_owned());
        let default = told.default.map(in_words).or(set);
        let are_shown = takes_values && !possible.is_empty() && !argument.is_hide_possible_values_set();
        let possible = are_shown.then(|| possible.join(", "));
        let parts = [
            Some(in_words(told.what)),
            default.map(words::default_value),
            possible.map(words::values_are),
            told.variable.map(|variable| format!("[env: {variable}]")),
        ];
        let help: Vec<String> = parts.into_iter().flatten().collect();
        argument = argument
            .help(help.join(" "))
            .hide_default_value(takes_values)
            .hide_possible_values(takes_values);
    }
    if let Some(heading) = argument.get_help_heading().and_then(words::help_in_spanish) {
        argument = argument.help_heading(heading);
    }
    let names = argument.get_value_names().unwrap_or_default();
    let names: Vec<Str> = names
        .iter()
        .map(|name| words::help_in_spanish(name).map_or_else(|| name.clone(), Str::from))
        .collect();
    if names.is_empty() {
        argument
    } else {
        argument.value_names(names)
    }
}

/// The parts of an argument's help.
struct Told<'a> {
    what: &'a str,
    default: Option<&'a str>,
    variable: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn of(help: &'a str) -> Self {
        let note = |text: &'a str, begin: &str| match text.rsplit_once(begin) {
            Some((what, note)) => (what, note.strip_suffix(']')),
            None => (text, None),
        };
        let (text, variable) = note(help, " [env: ");
        let (what, default) = note(text, " [default: ");
        Self {
            what,
            default,
            variable,
        }
    }
}

/// The Spanish of it; what has none says it itself, as a number does.
fn in_words(text: &str) -> String {
    words::help_in_spanish(text).unwrap_or(text).to_owned()
}

fn translation(text: Option<&clap::builder::StyledStr>) -> Option<&'static str> {
    words::help_in_spanish(&text?.to_string())
}

/// Words that clap writes itself: whole lines, beginnings of lines, and what stands for options in a usage.
const OWN_WORDS: [(&str, &str); 9] = [
    ("Usage:", "Uso:"),
    ("Commands:", "Órdenes:"),
    ("Arguments:", "Argumentos:"),
    ("Options:", "Opciones:"),
    ("[OPTIONS]", "[OPCIONES]"),
    ("[COMMAND]", "[ORDEN]"),
    (
        "Print help (see more with '--help')",
        "Mostrar la ayuda (más con '--help')",
    ),
    ("Print help", "Mostrar la ayuda"),
    ("Print version", "Mostrar la versión"),
];

/// What clap has written, its own words in the language in force too.
#[must_use]
pub fn spoken(text: String) -> String {
    match language::current() {
        Language::English => text,
        Language::Spanish => OWN_WORDS
            .iter()
            .fold(text, |text, (english, spanish)| text.replace(english, spanish)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::language::here;

    use super::super::args::definition;
    use super::*;

    /// Everything in the help of a command and those below it.
    fn texts(command: &Command, found: &mut BTreeSet<String>) {
        found.extend(command.get_about().map(ToString::to_string));
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let told = Told::of(&help);
            found.insert(told.what.to_owned());
            // A number, an address or a path is the same in every language.
            let is_phrase = |text: &&str| text.contains(' ') || *text == "everything";
            found.extend(told.default.filter(is_phrase).map(str::to_owned));
            found.extend(argument.get_help_heading().map(str::to_owned));
            if argument.get_action().takes_values() {
                let names = argument.get_value_names().unwrap_or_default();
                found.extend(names.iter().map(ToString::to_string));
            }
        }
        for subcommand in command.get_subcommands() {
            texts(subcommand, found);
        }
    }

    #[test]
    fn every_text_of_the_help_has_its_spanish_and_nothing_else_has() {
        let mut found = BTreeSet::new();
        texts(&definition(), &mut found);
        found.remove("");
        let there: BTreeSet<String> = words::HELP
            .iter()
            .map(|(english, _)| (*english).to_owned())
            .collect();
        assert_eq!(there.len(), words::HELP.len(), "a text is there twice");
        let (missing, unused): (Vec<_>, Vec<_>) = (
            found.difference(&there).collect(),
            there.difference(&found).collect(),
        );
        assert!(
            missing.is_empty() && unused.is_empty(),
            "words/help.rs\nlacks {missing:#?}\nand has, but nobody says {unused:#?}"
        );
        for (english, spanish) in words::HELP {
            assert!(
                !spanish.is_empty() && !spanish.ends_with('.'),
                "{english:?}: {spanish:?}"
            );
        }
    }

    #[test]
    fn what_comes_after_the_help_says_the_same_in_both_languages() {
        // Numbers and names are the same whatever is said around them.
        let facts = |text: &str| -> BTreeSet<String> {
            let words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '`'));
            let is_fact = |word: &&str| {
                word.starts_with("--")
                    || word.contains('_')
                    || word.starts_with('`')
                    || word.parse::<u32>().is_ok()
            };
            words.filter(is_fact).map(str::to_owned).collect()
        };
        let english = definition().get_after_help().expect("there is some").to_string();
        assert_eq!(facts(words::AFTER_HELP_IN_SPANISH), facts(&english));
    }

    #[test]
    fn no_english_is_left_in_the_spanish_help() {
        let _spanish = here(Language::Spanish);
        let mut command = explained(definition());
        let names: Vec<String> = command
            .get_subcommands()
            .map(|sub| sub.get_name().to_owned())
            .collect();
        let mut helps = vec![command.render_long_help().to_string()];
        for name in names {
            let sub = command.find_subcommand_mut(&name).expect("it was there");
            helps.push(sub.render_long_help().to_string());
        }
        for help in helps.into_iter().map(spoken) {
            for word in [
                " the ", " of ", "default", "possible", "Usage", "Options", "Print", "<NAME",
            ] {
                assert!(!help.contains(word), "{word:?} is in:\n{help}");
            }
        }
    }
}
