//! Security without I/O: secrets, identities, rights, and the one decision about who may do what.
//!
//! [`Secret`] is something that only its owner knows; a [`JoinLine`] brings a machine into a cluster, an
//! [`ApiToken`] shows the rights of a person or a script. An [`Identity`] is the name in a member's
//! certificate; [`KeyHash`](crate::model::KeyHash) tells its key. A [`Scope`] is a right over the names with
//! a prefix. [`authorization`] decides: start there. [`Exposure`] says where a program may listen.
//!
//! Certificates, and the connections that they secure, are in `proto::tls`. The reasons are in ADR 0040.

mod admission;
pub mod authorization;
mod exposure;
mod identity;
mod join;
mod scope;
mod secret;
mod token;

pub use admission::{Admission, Grant, MemberEntry, News, TokenEntry};
pub use exposure::{Exposure, Unsecured};
pub use identity::{Expected, Identity, IdentityError, Role, RoleError};
pub use join::{JoinLine, JoinLineError};
pub use scope::{Right, RightError, Scope, ScopeError};
pub use secret::{Secret, SecretHash};
pub use token::{ApiToken, ApiTokenError};
