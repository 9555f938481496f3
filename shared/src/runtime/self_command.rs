//! Commands of every program about itself: show and check its settings, print completions, write manual
//! pages.
//!
//! They need no network, no data directory and no running program.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Command, Subcommand};

use super::manual::{self, Shell};
use crate::ErrorCode;
use crate::refusal::of_place;
use crate::settings::report::{CheckError, Checked, Shown};
use crate::settings::words;
use crate::settings::{Places, SettingsError, Values};

/// One of the chores.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum SelfCommand {
    /// Show or check the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script, such as `completions bash > /etc/bash_completion.d/PROGRAM`
    Completions {
        /// For this shell
        shell: Shell,
    },
    /// Write manual pages, one for each command
    Man {
        /// Into this directory, such as /usr/local/share/man/man1; made if it is missing
        dir: PathBuf,
    },
}

/// `config`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Show the value of every setting, and where it came from
    Show {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say everything that is wrong with a configuration file; exit code 2 when there is anything
    Check {
        /// The file [default: the one that --config names]
        file: Option<PathBuf>,
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Output and outcome of such a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Bytes for stdout.
    pub out: Vec<u8>,
    /// Kind and message of a failure, for stderr; `None` when there was none.
    pub failure: Option<(ErrorCode, String)>,
}

impl SelfCommand {
    /// Runs the command for the program that reads this command line; `validate` returns the faults of its
    /// values taken together.
    pub fn perform(
        self,
        program: Command,
        places: Result<Places, SettingsError>,
        validate: impl Fn(&Values) -> Result<(), String>,
    ) -> Finished {
        match self {
            Self::Completions { shell } => Finished::fine(manual::completions(program, shell)),
            Self::Man { dir } => match manual::write_pages(program, &dir) {
                Ok(pages) => {
                    let written = words::pages_written(pages.len() as u64, dir.display());
                    Finished::fine(written + "\n")
                }
                Err(error) => Finished::failed(
                    of_place(&error),
                    words::pages_failed(dir.display(), words::found(error)),
                ),
            },
            Self::Config(ConfigCommand::Show { json }) => match places.and_then(|places| places.values()) {
                Ok(values) => Finished::fine(Shown::from(&values).printed(json)),
                Err(error) => Finished::failed(ErrorCode::InvalidArgument, error.to_string()),
            },
            Self::Config(ConfigCommand::Check { file, json }) => check(file, json, places, validate),
        }
    }
}

fn check(
    file: Option<PathBuf>,
    is_json: bool,
    places: Result<Places, SettingsError>,
    validate: impl Fn(&Values) -> Result<(), String>,
) -> Finished {
    let places = places.map(|places| match file.clone() {
        Some(file) => places.with_file(file),
        None => places,
    });
    let file = match (&places, file) {
        (Ok(places), _) => places.file().map(ToOwned::to_owned),
        (Err(_), file) => file,
    };
    let outcome = places
        .and_then(|places| places.values())
        .map_err(CheckError::Settings)
        .and_then(|values| match validate(&values) {
            Ok(()) => Ok(values),
            Err(why) => Err(CheckError::Together(why)),
        });
    let checked = Checked::new(file.as_deref(), outcome.as_ref());
    let out = if is_json {
        document(&checked)
    } else {
        checked.text()
    };
    if checked.valid {
        return Finished::fine(out);
    }
    let failure = words::has_problems(checked.problems.len() as u64, checked.place());
    Finished {
        out: out.into(),
        failure: Some((ErrorCode::InvalidArgument, failure)),
    }
}

fn document(value: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string(value).expect("reports have text keys only");
    text.push('\n');
    text
}

/// Prints a line of text on stdout, the result of a command.
///
/// # Errors
/// An exit code and a message when it cannot be printed; a reader that has closed the pipe is no failure.
pub fn print(line: &str) -> Result<(), (u8, String)> {
    Finished::fine(format!("{line}\n")).tell()
}

/// Prints the help or the version that clap gives instead of arguments, or its complaint, which ends the
/// program.
///
/// # Errors
/// As [`print()`].
pub fn answer(instead: &clap::Error) -> Result<(), (u8, String)> {
    if instead.use_stderr() {
        instead.exit();
    }
    let printed = instead.print().and_then(|()| std::io::stdout().flush());
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
        _ => Ok(()),
    }
}

fn unwritten(error: &std::io::Error) -> (u8, String) {
    let code = ErrorCode::from(error).exit_code();
    (code, format!("cannot write to standard output: {error}"))
}

impl Finished {
    /// Prints the output on stdout; a failure of the command or of printing becomes an exit code and a
    /// message.
    ///
    /// # Errors
    /// A failure of the command or of printing.
    pub fn tell(self) -> Result<(), (u8, String)> {
        let printed = std::io::stdout()
            .write_all(&self.out)
            .and_then(|()| std::io::stdout().flush());
        match (self.failure, printed) {
            (Some((code, text)), _) => Err((code.exit_code(), text)),
            // The reader has closed the pipe.
            (None, Err(error)) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
            (None, _) => Ok(()),
        }
    }

    fn fine(out: impl Into<Vec<u8>>) -> Self {
        Self {
            out: out.into(),
            failure: None,
        }
    }

    const fn failed(code: ErrorCode, text: String) -> Self {
        Self {
            out: Vec::new(),
            failure: Some((code, text)),
        }
    }
}
