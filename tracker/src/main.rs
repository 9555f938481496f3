//! Program `tracker`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use shared::Coded;
use shared::runtime::self_command::{self, SelfCommand, print};
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{Clock, OnExit, Tasks, shutdown_signal};
use shared::settings::{Places, Values, flags, follow};
use tracker::config::{ConfigError, Invocation, table};
use tracker::{Args, Command, Config, StartError, Tracker, commands, offline};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Invocation::read(std::env::args_os()) {
        Ok(invocation) => perform(&invocation).await,
        Err(instead) => self_command::answer(&instead),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            // When stderr is closed nobody is left to tell.
            drop(writeln!(std::io::stderr(), "tracker: {text}"));
            ExitCode::from(code)
        }
    }
}

async fn perform(invocation: &Invocation) -> Result<(), (u8, String)> {
    match invocation.args.command.clone() {
        None => run(invocation).await.map_err(|error| failure_of(&error)),
        Some(Command::SelfCommand(chore)) => do_chore(chore, invocation),
        Some(Command::Secure(command)) => {
            let config = prepare(invocation).and_then(|(_, values)| Config::of(&values));
            let config = config.map_err(|error| failure_of(&error))?;
            let json = command.is_json();
            match commands::perform(command, &config).await {
                Ok(text) => print(&text),
                Err(error) => {
                    if json {
                        print(&commands::failure(&error))?;
                    }
                    Err(failure_of(&error))
                }
            }
        }
        Some(command) => prepare(invocation)
            .and_then(|(_, values)| Config::of(&values))
            .map_err(|error| failure_of(&error))
            .and_then(|config| visit(command, &config.data_dir)),
    }
}

/// Returns the message of an error, and its exit code.
fn failure_of(error: &(impl Coded + std::fmt::Display)) -> (u8, String) {
    (error.code().exit_code(), error.to_string())
}

fn env(key: &str) -> Option<OsString> {
    std::env::var_os(key)
}

/// Reads the settings and starts logging.
fn prepare(invocation: &Invocation) -> Result<(Places, Values), ConfigError> {
    let places = invocation.places(&env)?;
    let values = places.values()?;
    telemetry::start(&values, verbosity(invocation));
    Ok((places, values))
}

fn verbosity(invocation: &Invocation) -> Verbosity {
    Verbosity::Info.raised(invocation.args.verbose)
}

/// Checks that a tracker can run with these settings.
fn is_usable(values: &Values) -> Result<(), String> {
    let usable = Config::of(values).and_then(|config| config.security());
    usable.map(drop).map_err(|error| error.to_string())
}

async fn run(invocation: &Invocation) -> Result<(), StartError> {
    let tasks = Tasks::new();
    let shutdown = shutdown_signal(&tasks);
    let (places, values) = prepare(invocation)?;
    let tracker = Tracker::bind(Config::of(&values)?).await?;
    let verbosity = verbosity(invocation);
    let (config, stop) = (tracker.config(), tasks.token().clone());
    let following = follow(places, values, stop, is_usable, move |values, _| {
        telemetry::change(&telemetry::filter(values, verbosity));
        // The settings have been checked.
        if let Ok(changed) = Config::of(values) {
            config.send_replace(changed);
        }
    });
    tasks.spawn("settings", OnExit::Continue, following);
    // The parent process may have closed stdout; that is no reason not to serve.
    drop(writeln!(
        std::io::stdout(),
        "tracker ready on {}",
        tracker.local_addr()
    ));
    tracker.run_until(shutdown).await
}

/// Runs a command that needs no tracker and no data directory.
fn do_chore(chore: SelfCommand, invocation: &Invocation) -> Result<(), (u8, String)> {
    let program = flags::with_twins(table(), Args::command());
    chore.perform(program, invocation.places(&env), is_usable).tell()
}

/// Runs a command on a data directory, without serving.
fn visit(command: Command, data_dir: &Path) -> Result<(), (u8, String)> {
    match command {
        // These commands ran before.
        Command::SelfCommand(_) | Command::Secure(_) => Ok(()),
        Command::Check { dir } => {
            let dir = dir.as_deref().unwrap_or(data_dir);
            let sound = offline::check(dir).map_err(|error| failure_of(&error))?;
            print(&format!("{} is {sound}", dir.display()))
        }
        Command::Restored { network } => {
            let declared = offline::declare_restored(data_dir, &Clock::system(), network);
            declared.map_err(|error| failure_of(&error))?;
            print(&format!("noted in {}; start the tracker", data_dir.display()))
        }
        Command::AcceptLoss => {
            let gap = offline::accept_loss(data_dir, &Clock::system()).map_err(|error| failure_of(&error))?;
            let what = gap.map_or(
                "nothing was known to be missing",
                |_| "accepted; start the tracker",
            );
            print(what)
        }
        Command::Backup { target } => {
            let sound = offline::back_up(data_dir, &target).map_err(|error| failure_of(&error))?;
            print(&format!("{} is {sound}", target.display()))
        }
    }
}
