//! The benchmarks behind `cargo bench-enjambre`: ours beside the tools that are installed here, in the same run.
//!
//! Tools take turns, so that what else the machine does falls on all of them, and medians are shown. Time is from the
//! command (or the word to begin, for tools that are already running) to the moment when the tool says that it is
//! done. CPU time and peak memory are read from `/proc` for both ends ([`process`]). Writes that earlier turns left
//! behind are flushed before the next one begins. It deliberately installs nothing: a tool that is missing is named.

pub mod add;
pub mod measure;
pub mod pair;
pub mod process;
pub mod report;
pub mod resume;
pub mod small;
pub(crate) mod stopwatch;
pub mod swarm;
pub mod torrent;
pub mod tracker;
pub mod tree;
pub mod watch;

pub use stopwatch::Stopwatch;
