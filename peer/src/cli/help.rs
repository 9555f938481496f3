//! The help in the language in force.
//!
//! clap's own definition is the English one. In Spanish every text in it is replaced by the one of its id,
//! and clap's own words are replaced in its output.

use clap::builder::Str;
use clap::{Arg, Command};
use shared::language::{self, Language};
use shared::settings::Flag;

use crate::{settings, words};

/// Returns the command with its help in the language in force.
#[must_use]
pub(super) fn explained(command: Command) -> Command {
    match language::current() {
        Language::English => command,
        Language::Spanish => in_spanish(command, "").after_help(words::AFTER_HELP_IN_SPANISH),
    }
}

fn in_spanish(mut command: Command, path: &str) -> Command {
    let key = if path.is_empty() {
        command.get_name().to_owned()
    } else {
        path.to_owned()
    };
    if let Some(about) = words::command_help(&key) {
        command = command.about(about);
    }
    command
        .mut_args(|argument| argument_in_spanish(argument, path))
        .mut_subcommands(|inner| {
            let path = joined(path, inner.get_name());
            in_spanish(inner, &path)
        })
}

/// Returns the path of a subcommand, such as `config show`.
fn joined(path: &str, name: &str) -> String {
    format!("{path} {name}").trim_start().to_owned()
}

fn argument_in_spanish(mut argument: Arg, path: &str) -> Arg {
    let id = argument.get_id().to_string();
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    if let Some(help) = argument.get_help().map(ToString::to_string) {
        let takes_values = argument.get_action().takes_values();
        let parts = HelpParts::of(&help);
        let set = argument.get_default_values().first().filter(|_| takes_values);
        let set = set.map(|value| value.to_string_lossy().into_owned());
        let phrase = |default: &str| words::argument_default(path, &id).unwrap_or(default).to_owned();
        let default = parts.default.map(phrase).or(set);
        let are_shown = takes_values && !possible.is_empty() && !argument.is_hide_possible_values_set();
        let possible = are_shown.then(|| possible.join(", "));
        let parts = [
            Some(help_of(path, &id).unwrap_or(parts.text).to_owned()),
            default.map(words::default_value),
            possible.map(words::values_are),
            parts.variable.map(|variable| format!("[env: {variable}]")),
        ];
        let help: Vec<String> = parts.into_iter().flatten().collect();
        argument = argument
            .help(help.join(" "))
            .hide_default_value(takes_values)
            .hide_possible_values(takes_values);
    }
    if let Some(heading) = argument.get_help_heading().and_then(words::label) {
        argument = argument.help_heading(heading);
    }
    let names = argument.get_value_names().unwrap_or_default();
    let names: Vec<Str> = names
        .iter()
        .map(|name| words::label(name).map_or_else(|| name.clone(), Str::from))
        .collect();
    if names.is_empty() {
        argument
    } else {
        argument.value_names(names)
    }
}

/// Returns the Spanish help of an argument: a setting with a flag brings its own.
fn help_of(path: &str, id: &str) -> Option<&'static str> {
    words::argument_help(path, id).or_else(|| Some(flag_of(id)?.spanish))
}

/// Returns the flag of the setting with this name, if it has one.
fn flag_of(name: &str) -> Option<Flag> {
    let setting = settings::table().iter().find(|setting| setting.name() == name)?;
    setting.flag()
}

/// The parts of an argument's help.
struct HelpParts<'a> {
    text: &'a str,
    default: Option<&'a str>,
    variable: Option<&'a str>,
}

impl<'a> HelpParts<'a> {
    fn of(help: &'a str) -> Self {
        let note = |text: &'a str, begin: &str| match text.rsplit_once(begin) {
            Some((text, note)) => (text, note.strip_suffix(']')),
            None => (text, None),
        };
        let (text, variable) = note(help, " [env: ");
        let (text, default) = note(text, " [default: ");
        Self {
            text,
            default,
            variable,
        }
    }
}

/// Words that clap writes itself: whole lines, beginnings of lines, and the placeholder of options in a
/// usage.
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

/// Returns clap's output with clap's own words in the language in force.
#[must_use]
pub(super) fn spoken(text: String) -> String {
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

    /// Collects the keys of the help of a command and those below it, and the labels.
    fn keys(command: &Command, path: &str, found: &mut [BTreeSet<String>; 3]) {
        let [helps, defaults, labels] = found;
        let key = if path.is_empty() { command.get_name() } else { path };
        helps.extend(command.get_about().map(|_| key.to_owned()));
        for argument in command.get_arguments() {
            let Some(help) = argument.get_help().map(ToString::to_string) else {
                continue;
            };
            let id = argument.get_id();
            if flag_of(id.as_str()).is_none() {
                helps.insert(format!("{path}.{id}"));
            }
            // A number, an address or a path is the same in every language.
            let is_phrase = |text: &str| text.contains(' ') || text == "everything";
            if HelpParts::of(&help).default.is_some_and(is_phrase) {
                defaults.insert(format!("{path}.{id}"));
            }
            labels.extend(argument.get_help_heading().map(str::to_owned));
            if argument.get_action().takes_values() {
                let names = argument.get_value_names().unwrap_or_default();
                labels.extend(names.iter().map(ToString::to_string));
            }
        }
        for inner in command.get_subcommands() {
            keys(inner, &joined(path, inner.get_name()), found);
        }
    }

    /// Returns the wanted keys without an entry, and the entries that no key uses.
    fn compared(wanted: &BTreeSet<String>, table: &'static str) -> (Vec<String>, BTreeSet<&'static str>) {
        let known: BTreeSet<&str> = words::entries(table).map(|(key, _)| key).collect();
        assert_eq!(known.len(), words::entries(table).count(), "a key is there twice");
        let (mut missing, mut unused) = (Vec::new(), known.clone());
        for key in wanted {
            let short = key.find('.').map_or("", |at| &key[at..]);
            match [key.as_str(), short].into_iter().find(|key| known.contains(key)) {
                Some(found) => drop(unused.remove(found)),
                None => missing.push(key.clone()),
            }
        }
        (missing, unused)
    }

    #[test]
    fn every_text_of_the_help_has_its_spanish() {
        let mut found = <[BTreeSet<String>; 3]>::default();
        keys(&definition(), "", &mut found);
        for (wanted, table) in found.iter().zip([words::HELP, words::DEFAULTS, words::LABELS]) {
            let (missing, unused) = compared(wanted, table);
            assert!(
                missing.is_empty() && unused.is_empty(),
                "words/help.rs\nlacks {missing:#?}\nand does not need {unused:#?}"
            );
            for (key, spanish) in words::entries(table) {
                assert!(
                    !spanish.is_empty() && !spanish.ends_with('.'),
                    "{key:?}: {spanish:?}"
                );
            }
        }
    }

    #[test]
    fn the_text_after_the_help_says_the_same_in_both_languages() {
        // Numbers and names are the same in both.
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
