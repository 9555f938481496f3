//! The `webserver` program.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use shared::Coded as _;
use shared::runtime::self_command::{self, SelfCommand};
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{OnExit, Tasks, shutdown_signal};
use shared::settings::{Values, flags, follow};
use tracing::warn;
use webserver::config::{Command, Invocation, TABLE};
use webserver::{Args, Config, ConfigError, StartError, Webserver, enter, refuse_other_programs};

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Invocation::read(std::env::args_os()) {
        Ok(invocation) => perform(&invocation).await,
        Err(instead) => self_command::answer(&instead),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            // When stderr is gone, no reader is left.
            drop(writeln!(std::io::stderr(), "webserver: {text}"));
            ExitCode::from(code)
        }
    }
}

async fn perform(invocation: &Invocation) -> Result<(), (u8, String)> {
    match invocation.args.command.clone() {
        None => {
            let told = |error: StartError| (error.code().exit_code(), error.to_string());
            run(invocation).await.map_err(told)
        }
        Some(Command::SelfCommand(chore)) => do_chore(chore, invocation),
    }
}

fn env(key: &str) -> Option<OsString> {
    std::env::var_os(key)
}

/// Whether a webserver can be run with these.
fn is_usable(values: &Values) -> Result<(), String> {
    Config::of(values).map(drop).map_err(|error| error.to_string())
}

async fn run(invocation: &Invocation) -> Result<(), StartError> {
    let tasks = Tasks::new();
    let shutdown = shutdown_signal(&tasks);
    let places = invocation.places(&env).map_err(ConfigError::from)?;
    let values = places.values().map_err(ConfigError::from)?;
    let verbosity = Verbosity::Info.raised(invocation.args.verbose);
    telemetry::start(&values, verbosity);
    let config = Config::of(&values)?;
    let line = invocation.given(&values, &env).line()?;
    tokio::pin!(shutdown);
    let mut place = tokio::select! {
        place = enter(config.data_dir.as_deref(), line.as_ref()) => place?,
        () = &mut shutdown => return Ok(()),
    };
    place.tls().set_news_max_age(config.news_max_age);
    if let Some(files) = &config.for_browsers {
        place.show_to_browsers(files)?;
    }
    let config = config.or_trackers(&place.trackers)?;
    refuse_other_programs(&config.trackers, &place.tls()).await?;
    let known = place.trackers.clone();
    let webserver = Webserver::bind_at(config, place).await?;
    let (config, stop) = (webserver.config(), tasks.token().clone());
    let following = follow(places, values, stop, is_usable, move |values, _| {
        telemetry::change(&telemetry::filter(values, verbosity));
        // The settings have been found usable.
        let Ok(changed) = Config::of(values) else {
            return;
        };
        match changed.or_trackers(&known) {
            Ok(changed) => drop(config.send_replace(changed)),
            Err(error) => warn!(%error, "the trackers stay as they were"),
        }
    });
    tasks.spawn("settings", OnExit::Continue, following);
    // The parent may have closed stdout; that is no reason not to serve.
    drop(writeln!(
        std::io::stdout(),
        "webserver ready on {}",
        webserver.local_addr()
    ));
    webserver.run_until(shutdown).await
}

/// Runs a command that needs no webserver.
fn do_chore(chore: SelfCommand, invocation: &Invocation) -> Result<(), (u8, String)> {
    let program = flags::with_twins(TABLE, Args::command());
    chore.perform(program, invocation.places(&env), is_usable).tell()
}
