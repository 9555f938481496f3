//! What is wrong with a command line, in one line and in the language in force.
//!
//! In English clap says it, and says more than fits a line; in Spanish it is said here, from what clap found out.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use shared::language::{self, Language};

use crate::words;

/// What is wrong, and where to read more.
#[must_use]
pub fn complaint(error: &clap::Error) -> String {
    let said = match language::current() {
        Language::English => in_english(error),
        Language::Spanish => in_spanish(error),
    };
    words::see_help(said)
}

fn in_english(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // clap writes paragraphs: what is wrong, tips, the usage, a reference to the help.
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
            let reason = error.source().map(words::mistake).unwrap_or_default();
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

    use super::super::args::read;
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
                "'up' no vale para '<ON|OFF>'; puede ser on, off",
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
}
