//! The benchmarks behind `cargo bench-enjambre`: ours beside the tools that are installed here, in the same
//! run.
//!
//! Tools take turns, so that other load on the machine affects all of them, and medians are shown. Time is
//! from the command (or the start signal, for tools that are already running) to the moment when the tool
//! reports its end. CPU time and peak memory are read from `/proc` for both ends ([`process`]). Writes of
//! earlier turns are flushed before the next one begins. The benchmarks deliberately install nothing: they
//! name a missing tool.

pub mod add;
pub mod floods;
pub mod measure;
pub mod outbox;
pub mod pair;
pub mod process;
pub mod report;
pub mod resume;
pub mod small;
pub mod swarm;
pub mod torrent;
pub mod tracker;
pub mod tree;
pub mod watch;
