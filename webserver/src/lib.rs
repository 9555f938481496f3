//! The front door: knows which trackers are alive, sends clients to one, shows a page.
//!
//! Read [`directory`] first: the trackers, the last probe of each, and the choice between them, as a pure
//! value. The prober asks every tracker's health service and feeds the answers in; `rpc` and `http` are its
//! readers: the `Directory` service, redirects of `/api/…`, health, the page. [`Webserver`] puts these
//! together.
//!
//! The webserver keeps nothing on disk but its membership in a secured network ([`joining`]), and neither
//! metadata nor fragment bytes pass through it: it redirects clients. Several trackers stay separate: each
//! has its own names.

pub mod config;
pub mod directory;
mod http;
pub mod joining;
mod prober;
mod rpc;
mod webserver;

pub use config::{Args, Config, ConfigError};
pub use joining::{JoiningError, Place, enter};
pub use webserver::{StartError, Webserver, refuse_other_programs};
