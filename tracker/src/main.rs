//! The `tracker` program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use shared::Coded as _;
use shared::runtime::telemetry::{self, Verbosity};
use shared::runtime::{Tasks, shutdown_signal};
use tracker::{Args, Config, StartError, Tracker};

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    telemetry::init(Verbosity::Info.raised(args.verbose));
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // When stderr is gone there is nobody to tell.
            drop(writeln!(std::io::stderr(), "tracker: {error}"));
            ExitCode::from(error.code().exit_code())
        }
    }
}

async fn run(args: Args) -> Result<(), StartError> {
    let shutdown = shutdown_signal(&Tasks::new());
    let tracker = Tracker::bind(Config::load(args)?).await?;
    // Whoever started us may have closed stdout; that is no reason not to serve.
    drop(writeln!(
        std::io::stdout(),
        "tracker ready on {}",
        tracker.local_addr()
    ));
    tracker.run_until(shutdown).await
}
