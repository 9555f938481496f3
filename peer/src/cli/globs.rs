//! `--include` and `--exclude`: which entries of a directory are meant.

use clap::Args;
use shared::collection::Selection;

use super::exit::{Exit, Failure};

/// Which entries of a directory are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Globs {
    /// Of a directory, only what matches: `*` and `?` in names, `**` for directories; a pattern with a slash is a path
    /// from the directory itself; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Of a directory, not what matches; wins over --include
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
}

impl Globs {
    /// The patterns, checked.
    ///
    /// # Errors
    /// When one is none; that is a usage error.
    pub fn selection(&self) -> Result<Selection, Failure> {
        Selection::new(self.include.clone(), self.exclude.clone())
            .map_err(|error| Failure::new(Exit::Usage, error.to_string()))
    }
}
