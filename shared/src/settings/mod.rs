//! Settings: values that several places can give, in ascending strength: defaults < file < environment <
//! flags.
//!
//! Every setting of a program is one [`Key`] in the program's one [`Table`], and everything else follows from
//! there: the flag `--data-dir` is `ENJAMBRE_DATA_DIR` in the environment and `data_dir` in the file, `lease`
//! in the file's table `timing` is `ENJAMBRE_TIMING_LEASE`; unknown keys are refused, with the nearest known
//! one; values that their key cannot read are refused with their place. [`Places`] has the values of every
//! place, [`Values`] the result, [`changes`] finds the differences between two results, and [`follow()`] lets
//! a changed file take effect.
//!
//! Values are kept as texts, which every place has, and read by their keys, so a value means the same in
//! every place. Arguments of a single invocation (`--name`, `--force`, …) are no settings but flags only.
//!
//! Only [`follow()`] looks at the world: the environment is passed in as a function.

mod file;
pub mod flags;
mod follow;
mod key;
mod mistake;
mod place;
pub mod report;
mod values;
pub(crate) mod words;

pub use file::Problem;
pub use follow::{Usable, follow};
pub use key::{
    Effect, Flag, Key, Setting, Table, Whole, duration, list, news_age, number, path, remote, remotes, text,
    truth, whole,
};
pub use mistake::{ValueError, WholeError, mistake};
pub use place::{Env, Places, SettingsError};
pub use values::{Change, InForce, Origin, Values, changes};

#[cfg(test)]
mod tests;
