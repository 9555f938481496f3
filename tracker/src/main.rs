//! The `tracker` program.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use shared::Coded;
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{Clock, Tasks, shutdown_signal};
use tracker::{Args, Command, Config, StartError, Tracker, offline};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init(Verbosity::Info.raised(args.verbose));
    let outcome = match args.command.clone() {
        None => run(args).await.map_err(|error| told(&error)),
        Some(command) => Config::load(args)
            .map_err(|error| told(&error))
            .and_then(|config| visit(command, &config.data_dir)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            // When stderr is gone there is nobody to tell.
            drop(writeln!(std::io::stderr(), "tracker: {text}"));
            ExitCode::from(code)
        }
    }
}

/// What is told of an error, and the exit code that goes with it.
fn told(error: &(impl Coded + std::fmt::Display)) -> (u8, String) {
    (error.code().exit_code(), error.to_string())
}

async fn run(args: Args) -> Result<(), StartError> {
    let shutdown = shutdown_signal(&Tasks::new());
    let tracker = Tracker::bind(Config::load(args)?).await?;
    // Whoever started us may have closed stdout; that is no reason not to serve.
    say(format_args!("tracker ready on {}", tracker.local_addr()));
    tracker.run_until(shutdown).await
}

/// Does something to a data directory, without serving.
fn visit(command: Command, data_dir: &Path) -> Result<(), (u8, String)> {
    match command {
        Command::Check { dir } => {
            let dir = dir.as_deref().unwrap_or(data_dir);
            let sound = offline::check(dir).map_err(|error| told(&error))?;
            say(format_args!("{} is {sound}", dir.display()));
        }
        Command::Restored => {
            offline::declare_restored(data_dir, &Clock::system()).map_err(|error| told(&error))?;
            say(format_args!("noted in {}; start the tracker", data_dir.display()));
        }
        Command::AcceptLoss => {
            let gap = offline::accept_loss(data_dir, &Clock::system()).map_err(|error| told(&error))?;
            let what = gap.map_or(
                "nothing was known to be missing",
                |_| "accepted; start the tracker",
            );
            say(format_args!("{what}"));
        }
        Command::Backup { target } => {
            let sound = offline::back_up(data_dir, &target).map_err(|error| told(&error))?;
            say(format_args!("{} is {sound}", target.display()));
        }
    }
    Ok(())
}

/// A line for whoever started us, if they listen.
fn say(line: std::fmt::Arguments<'_>) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
