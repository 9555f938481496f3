//! The command line of the `peer` binary.
//!
//! [`run`] is all of it: [`args`] reads the command line, [`settings`] lays it over the environment and the
//! configuration file, [`attach`] finds the node to talk to or runs one, a command asks it for something, and
//! [`output`] says what came of it. Promised to scripts and kept in one place each: exit codes and errors
//! ([`exit`]), JSON documents ([`shared::json`]).
//!
//! Nothing here touches a data directory or a wire type: what can be done is what `proto::client::ControlClient` can.

pub mod add;
pub mod args;
pub mod attach;
pub mod complaint;
mod context;
mod entries;
pub mod exit;
pub mod get;
pub mod globs;
pub mod help;
pub mod history;
pub mod limit;
mod missing;
pub mod output;
mod plan;
pub mod progress;
pub mod query;
pub mod send;
mod serve;
pub mod settings;
pub mod sharing;
pub mod show;
mod streams;
pub mod table;
pub mod ticket;
pub mod upkeep;
pub mod values;
pub mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use shared::language::{self, Language};
use shared::model::format_duration;
use shared::runtime::self_command::SelfCommand;
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{Tasks, shutdown_signal};
use shared::settings::Env;

use args::{Action, Command, Invocation};
use context::Context;
use exit::{Exit, Failure};
use output::{Output, Style};
use settings::{Gathered, Options, SettingsError};

use crate::words;

/// Nothing of a one-shot command is worth waiting longer for once it has ended.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the command line, does what it says, and says how it ended.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, env: Env<'_>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let (out, result) = match understand(&arguments, is_json, env) {
        Ok((invocation, settings)) => {
            let mut style = settings.options.style;
            // A menu is for people, whatever the environment says.
            style.json &= invocation.action != Action::Menu;
            language::speak(match settings.values.said(&settings::LANG) {
                _ if style.json => Language::English,
                Some(language) => language,
                None => language::current(),
            });
            let out = Output::standard(style);
            let verbosity = verbosity(&invocation, &settings.options);
            telemetry::start(&settings.values, verbosity);
            let result = Box::pin(perform(invocation.action, settings, verbosity, &out)).await;
            (out, result)
        }
        Err(Stop::SelfCommand(chore, flags)) => do_chore(chore, &flags, env),
        Err(Stop::Answer(text)) => {
            let out = Output::standard(Style::default());
            out.text(&text);
            (out, Ok(()))
        }
        Err(Stop::Failure(failure)) => {
            // What was wrong may be what would have said so; a script's wish for JSON is respected all the same.
            let style = Style {
                json: is_json,
                ..Style::default()
            };
            (Output::standard(style), Err(failure))
        }
    };
    let result = result.and_then(|()| out.finish());
    if let Err(failure) = &result {
        out.failure(failure);
    }
    ExitCode::from(
        result
            .map_or_else(|failure| failure.exit(), |()| Exit::Done)
            .status(),
    )
}

/// Why there is nothing to be done.
enum Stop {
    /// Help or the version was asked for.
    Answer(String),
    /// Something that the settings, which may make no sense, are only looked at for.
    SelfCommand(SelfCommand, BTreeMap<String, OsString>),
    Failure(Failure),
}

impl From<SettingsError> for Stop {
    fn from(error: SettingsError) -> Self {
        Self::Failure(Failure::new(Exit::Usage, error.to_string()))
    }
}

/// Puts the language in force that is meant, and reads the command line. JSON is English, its messages too.
fn understand(arguments: &[OsString], is_json: bool, env: Env<'_>) -> Result<(Invocation, Gathered), Stop> {
    let chosen = language::choose(args::named_language(arguments), env);
    language::speak(match &chosen {
        Ok(language) if !is_json => *language,
        Ok(_) | Err(_) => Language::English,
    });
    chosen.map_err(|error| Stop::Failure(Failure::new(Exit::Usage, error.to_string())))?;
    prepare(arguments, env)
}

fn prepare(arguments: &[OsString], env: Env<'_>) -> Result<(Invocation, Gathered), Stop> {
    let invocation = args::read(arguments.iter().cloned()).map_err(|error| {
        if error.use_stderr() {
            Stop::Failure(Failure::new(Exit::Usage, complaint::complaint(&error)))
        } else {
            Stop::Answer(help::spoken(error.render().to_string()))
        }
    })?;
    if let Action::SelfCommand(chore) = invocation.action {
        return Err(Stop::SelfCommand(chore, invocation.settings));
    }
    let settings = settings::gather(&invocation.settings, env)?;
    Ok((invocation, settings))
}

/// Shows or checks the settings, or writes completions or manual pages.
fn do_chore(
    chore: SelfCommand,
    flags: &BTreeMap<String, OsString>,
    env: Env<'_>,
) -> (Output, Result<(), Failure>) {
    let is_json = flags.contains_key("json");
    let places = settings::places(flags, env);
    let program = match chore {
        // Its headings are English in any case.
        SelfCommand::Man { .. } => args::definition(),
        SelfCommand::Completions { .. } | SelfCommand::Config(_) => args::command(),
    };
    let finished = chore.perform(program, places, serve::is_usable);
    let out = Output::standard(Style {
        json: is_json,
        ..Style::default()
    });
    out.bytes(&finished.out);
    let result = match finished.failure {
        None => Ok(()),
        Some((code, text)) => Err(Failure::new(code.into(), text)),
    };
    (out, result)
}

/// Servers tell operators what happens; one-shot commands and the menu only what went wrong.
fn verbosity(invocation: &Invocation, options: &Options) -> Verbosity {
    let base = match invocation.action {
        Action::Serve if !options.style.quiet => Verbosity::Info,
        _ => Verbosity::Warnings,
    };
    base.raised(invocation.verbose)
}

async fn perform(
    action: Action,
    settings: Gathered,
    verbosity: Verbosity,
    out: &Output,
) -> Result<(), Failure> {
    let tasks = Tasks::new();
    let options = settings.options.clone();
    let result = match action {
        Action::Serve => serve::run(settings, verbosity, out, &tasks).await,
        Action::Menu => crate::menu::run(&options, out, &tasks).await,
        Action::Once(command) => one_shot(command, &options, out, &tasks).await,
        // Done before there were settings.
        Action::SelfCommand(_) => Ok(()),
    };
    tasks.stop(STOP_TIMEOUT).await;
    result
}

/// Carries a command out until it ends, is interrupted or runs out of time; then stops what it ran.
async fn one_shot(command: Command, options: &Options, out: &Output, tasks: &Tasks) -> Result<(), Failure> {
    let interrupted = shutdown_signal(tasks);
    let context = Context::new(options, out, tasks);
    let result = tokio::select! {
        result = perform_once(command, &context) => result,
        failure = ended(interrupted, options.timeout) => Err(with_last_words(failure, context.last_words())),
    };
    context.close().await;
    result
}

async fn perform_once(command: Command, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add::run(context, args).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Remove(name) => query::remove(context, name).await,
        Command::Rename(from, to) => query::rename(context, from, to).await,
        Command::Forget(args) => query::forget(context, args).await,
        Command::List => query::list(context).await,
        Command::Entries(content) => entries::run(context, &content).await,
        Command::LocalList => query::local_list(context).await,
        Command::Locate(content) => query::locate(context, content).await,
        Command::Status => query::status(context).await,
        Command::Limit(args) => limit::run(context, args).await,
        Command::Network => query::network(context).await,
        Command::Verify(content) => query::verify(context, content).await,
        Command::Past(command) => history::run(context, command).await,
        Command::Upkeep(command) => upkeep::run(context, command).await,
        Command::Sharing(command) => sharing::run(context, command).await,
    }
}

/// Completes when the command has to end: how.
async fn ended(interrupted: impl Future<Output = ()>, timeout: Option<Duration>) -> Failure {
    let late = async {
        match timeout {
            Some(timeout) => {
                tokio::time::sleep(timeout).await;
                timeout
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupted => Failure::new(Exit::Interrupted, words::interrupted()),
        timeout = late => {
            Failure::new(Exit::TimedOut, words::gave_up(format_duration(timeout)))
        }
    }
}

fn with_last_words(failure: Failure, words: Option<String>) -> Failure {
    match words {
        Some(words) => Failure::new(failure.exit(), format!("{failure}: {words}")),
        None => failure,
    }
}

#[cfg(test)]
mod tests;
