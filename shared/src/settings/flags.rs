//! Settings on the command line: the values of flags, and the hints at other places in their help.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use super::key::Table;
use super::place::CONFIG;

/// Makes the flags of the settings that have one, under a heading of the help. Their values are only checked.
pub fn arguments(table: Table, heading: &'static str) -> impl Iterator<Item = Arg> {
    table.iter().filter_map(move |setting| {
        let flag = setting.flag()?;
        let check = move |text: &str| {
            // clap would show it. It is checked where all places are, with words of our own.
            if setting.conceals(text.as_ref()) {
                return Ok(text.to_owned());
            }
            setting.check_flag(text).map(|()| text.to_owned())
        };
        let argument = Arg::new(setting.name())
            .long(flag.long)
            .help(flag.help)
            .help_heading(heading)
            .conflicts_with_all(setting.silences());
        Some(match flag.value {
            "" => argument.action(ArgAction::SetTrue),
            value => argument.value_name(value).value_parser(check),
        })
    })
}

/// Whether the command line has any of the flags that [`arguments`] makes.
#[must_use]
pub fn are_given(table: Table, matches: &ArgMatches) -> bool {
    let flags = table.iter().filter(|setting| setting.flag().is_some());
    let sources = flags.map(|setting| matches.value_source(setting.name()));
    sources
        .into_iter()
        .any(|source| source == Some(ValueSource::CommandLine))
}

/// Reads a value that is one of a few texts, which completions then offer.
#[must_use]
pub fn one_of<T>(texts: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(texts.iter().copied()).try_map(|text| text.parse::<T>())
}

/// Reads a command line: its arguments, and the settings among them.
///
/// # Errors
/// Complaints of clap, also help and the version when they were asked for.
pub fn read<A: Parser>(
    table: Table,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(A, BTreeMap<String, OsString>), clap::Error> {
    let matches = with_twins(table, A::command()).try_get_matches_from(arguments)?;
    Ok((A::from_arg_matches(&matches)?, said(table, &matches)))
}

/// The texts of the flags that are settings, whichever subcommand they were written after; a flag's id is the
/// setting's name. `config` is among them.
#[must_use]
pub fn said(table: Table, matches: &ArgMatches) -> BTreeMap<String, OsString> {
    let mut said = BTreeMap::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        let names = table.iter().map(|setting| setting.name()).chain([CONFIG]);
        for name in names {
            // An id that this subcommand does not have is an error here and gives no value.
            let Ok(Some(texts)) = matches.try_get_raw(name) else {
                continue;
            };
            if matches.value_source(name) == Some(ValueSource::CommandLine) {
                let texts: Vec<_> = texts.collect();
                said.insert(name.to_owned(), texts.join(std::ffi::OsStr::new(",")));
            }
        }
        level = matches.subcommand().map(|(_, inner)| inner);
    }
    said
}

/// The command with the default and the environment twin in the help of every flag that is a setting.
#[must_use]
pub fn with_twins(table: Table, command: Command) -> Command {
    command
        .mut_args(|arg| with_twin(table, arg))
        .mut_subcommands(|inner| with_twins(table, inner))
}

fn with_twin(table: Table, arg: Arg) -> Arg {
    let id = arg.get_id().as_str();
    let setting = table.iter().find(|setting| setting.name() == id);
    let mut notes = String::new();
    // A switch is off by default, so the help need not mention it.
    let is_switch = !arg.get_action().takes_values();
    if let Some(default) = setting.and_then(|setting| setting.told().or(setting.default()))
        && !is_switch
    {
        notes = format!(" [default: {default}]");
    }
    match setting {
        Some(setting) => notes = format!("{notes} [env: {}]", setting.variable()),
        None if id == CONFIG => notes = " [env: ENJAMBRE_CONFIG]".to_owned(),
        None => return arg,
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let arg = match arg.get_long_help().map(ToString::to_string) {
        Some(long) => arg.long_help(format!("{long}{notes}")),
        None => arg,
    };
    arg.help(format!("{help}{notes}"))
}
