//! The command line of the `peer` binary.
//!
//! [`run`] is the entry point: [`args`] reads the command line, [`crate::settings`] lays it over the
//! environment and the configuration file, and the file of a command (its arguments, its work, its output)
//! does the rest with the parts of [`crate::terminal`]. Scripts rely on exit codes
//! ([`crate::terminal::exit`]) and JSON documents ([`shared::json`]).

mod add;
mod adopt;
pub mod args;
mod complaint;
mod context;
mod flags;
mod get;
mod help;
mod names;
mod node;
mod plan;
mod rebuild;
mod revoke;
mod send;
mod serve;
mod standard_streams;
mod ticket;
mod upkeep;
mod values;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use shared::language::{self, Language};
use shared::model::format_duration;
use shared::runtime::self_command::{ConfigCommand, SelfCommand};
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{Tasks, shutdown_signal};
use shared::settings::report::Shown;
use shared::settings::{Env, Values};

use args::{Action, Command, Invocation};
use context::Context;
#[cfg(feature = "testing")]
pub(crate) use ticket::Ticket;

use crate::settings::{self, Gathered, Options, SettingsError, Style};
use crate::terminal::attach;
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::output::Output;
use crate::words;

/// The longest that an ended command waits for its tasks.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that `config show` waits for a node.
const SHOW_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the command line, runs its command, and reports the result.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, env: Env<'_>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let (out, result) = match understand(&arguments, is_json, env) {
        Ok((invocation, settings)) => {
            let mut style = settings.options.style;
            // A menu is for people, whatever the environment says.
            style.json &= invocation.action != Action::Menu;
            language::set_language(match settings.values.said(&settings::LANG) {
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
        Err(Stop::SelfCommand(command, flags)) => self_command(command, &flags, env).await,
        Err(Stop::Answer(text)) => {
            let out = Output::standard(Style::default());
            out.text(&text);
            (out, Ok(()))
        }
        Err(Stop::Failure(failure)) => {
            // The settings are unknown; a script's wish for JSON is respected all the same.
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

/// A reason not to run a command.
enum Stop {
    /// The user asked for help or the version.
    Answer(String),
    /// A command that only shows the settings, which may be invalid.
    SelfCommand(SelfCommand, BTreeMap<String, OsString>),
    /// The command line or the settings cannot be used.
    Failure(Failure),
}

impl From<SettingsError> for Stop {
    fn from(error: SettingsError) -> Self {
        Self::Failure(Failure::new(Exit::Usage, error.to_string()))
    }
}

/// Sets the language, and reads the command line. JSON is English, including its messages.
fn understand(arguments: &[OsString], is_json: bool, env: Env<'_>) -> Result<(Invocation, Gathered), Stop> {
    let chosen = language::choose(args::named_language(arguments), env);
    language::set_language(match &chosen {
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
    if let Action::SelfCommand(command) = invocation.action {
        return Err(Stop::SelfCommand(command, invocation.settings));
    }
    let settings = settings::gather(&invocation.settings, env)?;
    Ok((invocation, settings))
}

/// Shows or checks the settings, or writes completions or manual pages.
async fn self_command(
    command: SelfCommand,
    flags: &BTreeMap<String, OsString>,
    env: Env<'_>,
) -> (Output, Result<(), Failure>) {
    let is_json = flags.contains_key("json");
    let places = settings::places(flags, env);
    if let SelfCommand::Config(ConfigCommand::Show { json }) = command
        && let Ok(values) = places
            .as_ref()
            .map_or_else(|_| Err(()), |places| places.values().map_err(drop))
    {
        let out = Output::standard(Style {
            json: is_json,
            ..Style::default()
        });
        out.bytes(shown(&values).await.printed(json).as_bytes());
        return (out, Ok(()));
    }
    let program = match command {
        // clap_mangen's headings are English.
        SelfCommand::Man { .. } => args::definition(),
        SelfCommand::Completions { .. } | SelfCommand::Config(_) => args::command(),
    };
    let finished = command.perform(program, places, serve::is_usable);
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

/// Returns the settings in force in the running node, or those of a start when none runs.
async fn shown(values: &Values) -> Shown {
    let of_a_start = |note: String| Shown::from(values).of_none_running(note);
    let options = match Options::of(values) {
        Ok(options) => options,
        Err(error) => return of_a_start(words::settings_of_a_start(error)),
    };
    let asking = async {
        let node = attach::find(&options).await?;
        let Some(node) = node else { return Ok(None) };
        let settings = node.client.settings().await;
        settings
            .map(Some)
            .map_err(|error| Failure::of(words::ask_for_settings(), &error))
    };
    let none = || words::no_node_runs_on(options.data_dir.display());
    match tokio::time::timeout(SHOW_TIMEOUT, asking).await {
        Ok(Ok(Some(in_force))) => {
            let note = match &options.peer {
                Some(address) => words::settings_in_force_at(address),
                None => words::settings_in_force(options.data_dir.display()),
            };
            Shown::of_running(values, in_force, note)
        }
        Ok(Ok(None)) => of_a_start(words::settings_of_a_start(none())),
        Ok(Err(failure)) => of_a_start(words::settings_of_a_start(failure)),
        Err(_) => of_a_start(words::settings_of_a_start(words::node_is_silent())),
    }
}

/// Servers log their work for operators; commands and the menu only warnings.
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
        Action::Once(command) => Box::pin(one_shot(*command, &options, out, &tasks)).await,
        // `run` has done it before it read the settings.
        Action::SelfCommand(_) => Ok(()),
    };
    tasks.stop(STOP_TIMEOUT).await;
    result
}

/// Runs a command until it ends, is interrupted or runs out of time; then stops its node.
async fn one_shot(command: Command, options: &Options, out: &Output, tasks: &Tasks) -> Result<(), Failure> {
    let interrupted = shutdown_signal(tasks);
    let context = Context::new(options, out, tasks);
    // Those that follow a transfer or the feed say for themselves how it goes, and these two do without.
    let waits = !matches!(
        command,
        Command::Add(_)
            | Command::Get(_)
            | Command::Receive(_)
            | Command::Watch(_)
            | Command::Verify { .. }
            | Command::Status
            | Command::Limit(_)
    );
    let result = tokio::select! {
        result = perform_once(command, &context) => result,
        failure = ended(interrupted, options.timeout) => Err(with_last_words(failure, context.last_words())),
        never = context.note_waiting(), if waits => match never {},
    };
    context.close().await;
    result
}

async fn perform_once(command: Command, context: &Context<'_>) -> Result<(), Failure> {
    match command {
        Command::Add(command) => add::run(context, command.args).await,
        Command::Get(command) => get::run(context, command.args).await,
        Command::Remove { name } => names::remove(context, name).await,
        Command::Rename { from, to } => names::rename(context, from, to).await,
        Command::Forget(args) => node::forget(context, args).await,
        Command::List(args) => names::list(context, args).await,
        Command::Locate { content } => names::locate(context, content).await,
        Command::Status => node::status(context).await,
        Command::Limit(args) => node::limit(context, args).await,
        Command::Network(args) => upkeep::network(context, args).await,
        Command::AdoptNetwork { network } => adopt::run(context, network.as_deref()).await,
        Command::NewId => node::new_id(context).await,
        Command::Revoke { id } => revoke::run(context, &id).await,
        Command::RebuildIndex => rebuild::run(context).await,
        Command::Verify { content } => node::verify(context, content).await,
        Command::History { name } => names::history(context, &name).await,
        Command::Pin(args) => names::pin(context, args, true).await,
        Command::Unpin(args) => names::pin(context, args, false).await,
        Command::Replicas { name, replicas } => upkeep::set_target(context, name, replicas).await,
        Command::Drain(args) => upkeep::drain(context, args).await,
        Command::Maintenance(args) => upkeep::maintenance(context, args).await,
        Command::Durability { content } => upkeep::durability(context, content).await,
        Command::Why { content } => upkeep::why(context, &content).await,
        Command::Put(command) => values::put(context, command.args).await,
        Command::Value(command) => values::print(context, &command.args.key).await,
        Command::Send(command) => send::send(context, command.args).await,
        Command::Receive(command) => send::receive(context, command.args).await,
        Command::Watch(command) => watch::run(context, command.args).await,
    }
}

/// Completes when the command has to end, with the reason.
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
