//! Settings: what can be said in more than one place, and who wins: defaults < file < environment < flags.
//!
//! Every setting of a program is one [`Key`] in the program's one [`Table`], and everything else follows from
//! there: the flag `--data-dir` is `ENJAMBRE_DATA_DIR` in the environment and `data_dir` in the file, `lease`
//! in the file's table `timing` is `ENJAMBRE_TIMING_LEASE`; what is not in the table is refused, with the
//! nearest key that is; what its key cannot read is refused with the place where it was said. [`Places`] is
//! what was said where, [`Values`] what comes of it, [`changes`] what differs between two of them, and
//! [`follow()`] sees to it that a changed file takes effect.
//!
//! Values are kept as texts, which is what every place has, and read by their keys, so a value means the same
//! wherever it is said. What is about a single invocation (`--name`, `--force`, …) is no setting but a flag
//! only.
//!
//! Nothing but [`follow()`] looks at the world: the environment is passed in as a function.

mod change;
mod file;
pub mod flags;
mod follow;
mod key;
mod place;
pub mod report;
mod values;
pub(crate) mod words;

pub use change::{Change, changes};
pub use file::Problem;
pub use follow::{Usable, follow};
pub use key::{
    Effect, Flag, Key, Setting, Table, Whole, WholeError, duration, list, number, path, text, truth, whole,
};
pub use place::{Env, Origin, Places, SettingsError};
pub use values::Values;
pub use words::mistake;

#[cfg(test)]
mod tests;
