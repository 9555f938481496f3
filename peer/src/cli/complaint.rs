//! Mistakes on a command line, in one line and in the language in force.
//!
//! In English the text is clap's, shortened to a line; in Spanish it is made here from clap's findings.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use shared::language::{self, Language};
use shared::model::{NameError, NamedRevisionError};
use shared::settings;

use super::flags::GiveUpError;
use super::ticket::ParseTicketError;
use crate::words;

/// Returns the mistake, and where to read more.
#[must_use]
pub(super) fn complaint(error: &clap::Error) -> String {
    let said = match language::current() {
        _ if is_for_running_nodes(error) => words::never_runs_a_node().to_owned(),
        Language::English => in_english(error),
        Language::Spanish => in_spanish(error),
    };
    words::see_help(said)
}

/// Whether an argument is a flag of `serve`, at a command that never runs a node.
fn is_for_running_nodes(error: &clap::Error) -> bool {
    let Some(unknown) = error.get(ContextKind::InvalidArg).map(told) else {
        return false;
    };
    let serve = super::args::command();
    let flags = serve
        .find_subcommand("serve")
        .into_iter()
        .flat_map(clap::Command::get_arguments);
    error.kind() == ErrorKind::UnknownArgument
        && flags
            .filter_map(clap::Arg::get_long)
            .any(|flag| unknown == format!("--{flag}"))
}

fn in_english(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // clap writes paragraphs: the mistake, tips, the usage, a reference to the help.
    let told: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| {
            let noise = ["Usage:", "For more information", "tip: to pass"];
            !paragraph.is_empty() && !noise.iter().any(|start| paragraph.starts_with(start))
        })
        .collect();
    told.join("; ")
}

fn in_spanish(error: &clap::Error) -> String {
    let found = |kind| error.get(kind).map(told);
    let argument = found(ContextKind::InvalidArg).unwrap_or_default();
    let value = found(ContextKind::InvalidValue).unwrap_or_default();
    let (what, suggested) = match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => (words::value_missing(argument), None),
        ErrorKind::InvalidValue => (
            words::value_invalid(value, argument),
            found(ContextKind::ValidValue).map(words::values_possible),
        ),
        ErrorKind::ValueValidation => {
            let reason = error.source().map(mistake).unwrap_or_default();
            let what = words::value_invalid(value, argument);
            (format!("{what}: {reason}"), None)
        }
        ErrorKind::UnknownArgument => (
            words::argument_unexpected(argument),
            found(ContextKind::SuggestedArg).map(words::did_you_mean),
        ),
        ErrorKind::InvalidSubcommand => (
            words::no_such_command(found(ContextKind::InvalidSubcommand).unwrap_or_default()),
            found(ContextKind::SuggestedSubcommand).map(words::did_you_mean),
        ),
        ErrorKind::NoEquals => (words::equals_missing(argument), None),
        ErrorKind::ArgumentConflict => match found(ContextKind::PriorArg) {
            Some(prior) => (words::arguments_conflict(argument, prior), None),
            // Our own words, which are Spanish already.
            None => (in_english(error), None),
        },
        ErrorKind::MissingRequiredArgument => (words::arguments_missing(argument), None),
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            (words::values_wrong_number(argument), None)
        }
        _ => (words::not_understood(in_english(error)), None),
    };
    match suggested {
        Some(suggested) => format!("{what}; {suggested}"),
        None => what,
    }
}

/// Says why a value is refused, in the language in force.
fn mistake(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<NameError>() {
        return words::name_error(error);
    }
    match error.downcast_ref() {
        Some(NamedRevisionError::NoRevision(text)) => return words::no_revision(format_args!("{text:?}")),
        Some(NamedRevisionError::Name(error)) => return words::name_error(error),
        None => {}
    }
    if let Some(ParseTicketError(text)) = error.downcast_ref() {
        return words::no_ticket(format_args!("{text:?}"));
    }
    if let Some(GiveUpError(error)) = error.downcast_ref() {
        return words::or_none(settings::mistake(error));
    }
    settings::mistake(error)
}

fn told(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(several) => several.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(several) => {
            let texts: Vec<String> = several.iter().map(ToString::to_string).collect();
            texts.join(", ")
        }
        ContextValue::String(text) => text.clone(),
        ContextValue::Number(number) => number.to_string(),
        ContextValue::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use shared::language::here;
    use shared::model::{Name, NamedRevision};

    use super::super::args::read;
    use super::super::flags::GiveUp;
    use super::super::ticket::Ticket;
    use super::*;

    fn told_of(line: &str) -> String {
        let words = std::iter::once("peer")
            .chain(line.split_whitespace())
            .map(OsString::from);
        complaint(&read(words).expect_err(line))
    }

    #[test]
    fn mistakes_are_told_in_spanish_too() {
        let _spanish = here(Language::Spanish);
        for (line, told) in [
            ("lst", "no existe la orden 'lst'; ¿quiso decir 'list'?"),
            ("list --jsn", "no se esperaba '--jsn'; ¿quiso decir '--json'?"),
            ("get", "falta <NOMBRE|ID>"),
            ("add x --replicas", "falta el valor de '--replicas <N>'"),
            (
                "maintenance up",
                "'up' no vale para '[ON|OFF]'; puede ser on, off",
            ),
            (
                "remove a//b",
                "'a//b' no vale para '<NOMBRE>': un nombre no puede empezar ni acabar con '/'",
            ),
            (
                "serve --port x",
                "'x' no vale para '--port <PUERTO>': \"x\" no es un número entero de 0 a 65535;",
            ),
            ("serve --memory 1KiB", "1.0 KiB es muy poca memoria"),
            ("serve --capacity much", "\"much\" no es un tamaño"),
            (
                "get x --give-up-after soon",
                "\"soon\" no es una duración; escriba",
            ),
            ("pin x", "\"x\" no indica una revisión"),
            ("receive x", "\"x\" no es una línea de `peer send`"),
            (
                "--lang fr list",
                "'fr' no vale para '--lang <IDIOMA>'; puede ser en, es",
            ),
            ("list --log loud", "\"loud\" no dice qué registrar"),
            (
                "serve --tracker a:1 --webserver b:2",
                "'--tracker <HOST:PUERTO>' no puede ir con '--webserver <HOST:PUERTO>'",
            ),
            ("drain --wait --cancel", "no puede ir con"),
            ("--tracker a:1 status", "esta orden nunca arranca un nodo"),
            ("list --host 10.0.0.1", "esta orden nunca arranca un nodo"),
            ("list --port 1", "esta orden nunca arranca un nodo"),
            ("--json", "el menú es para personas"),
        ] {
            let said = told_of(line);
            assert!(said.contains(told), "{line}: {said}");
            assert!(
                said.ends_with("; vea `peer --help`") && !said.contains('\n'),
                "{said}"
            );
        }
    }

    #[test]
    fn in_english_a_mistake_has_the_words_of_its_error() {
        let long = "x".repeat(1025);
        let part = "x".repeat(256);
        for text in ["", &long, &part, "a//b", "a/../b", "a\u{7}", &"0".repeat(64)] {
            let error = Name::new(text).expect_err("no name");
            assert_eq!(mistake(&error), error.to_string());
        }
        for text in ["a", "a//b@1"] {
            let error = text.parse::<NamedRevision>().expect_err("no revision");
            assert_eq!(mistake(&error), error.to_string());
        }
        let ticket = "x".parse::<Ticket>().expect_err("no line");
        assert_eq!(mistake(&ticket), ticket.to_string());
        let patience = "x".parse::<GiveUp>().expect_err("no duration");
        assert_eq!(mistake(&patience), patience.to_string());
    }
}
