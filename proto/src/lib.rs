//! The wire and nothing but the wire.
//!
//! The `.proto` files are the contract; [`v1`] is generated from them and named only here and in the `rpc`
//! modules of the services. [`messages`] checks incoming messages and converts them to the types of
//! `shared::model`, and back. [`status`] maps errors to gRPC and HTTP in one place. [`client`] has a typed
//! client for every service, with deadlines and retries; [`dial`] and [`accept`] are the only places where
//! connections are made and taken. [`frame`] writes the one message that is too large to be copied.
//! [`credentials`] proves in a call who makes it; [`tls`] proves who is at the other end of a connection.
//! [`membership`] is how a program joins a secured network and stays in it. [`listen`] takes ports. [`http`]
//! has the parts of HTTP that the three programs share.

pub mod accept;
pub mod client;
pub mod credentials;
pub mod dial;
mod ends;
pub mod frame;
#[cfg(test)]
mod hostile;
pub mod http;
pub mod listen;
pub mod membership;
pub mod messages;
mod opening;
pub mod status;
pub mod tls;
pub mod v1;

pub use messages::Invalid;
pub use status::RemoteError;
