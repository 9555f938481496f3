//! Authorization: who may do what, in the one table and the one decision of all three programs. Pure.
//!
//! A program finds the [`Call`] that a request makes and asks [`Call::admit`] where it has accepted the
//! connection, before it reads the request. When it has read it, it asks [`judge`] about each object that the
//! request names. A call that is not in the table is refused, and so is everything that no rule allows:
//!
//! | action | callers in a secured network |
//! |---|---|
//! | probe, enter | everybody |
//! | describe | members, tokens, this machine |
//! | belong | members |
//! | read | peers, trackers, users; tokens with the scope; this machine |
//! | publish, remove | peers; tokens with the scope |
//! | speak for a peer | that peer |
//! | transfer | peers |
//! | operate a peer | that peer; administrators |
//! | administer | administrators |
//! | command a node | the node's own machine |
//!
//! An *administrator* is a token with the scope `admin` and no prefix. Calls that a node serves to its own
//! machine ([`Audience::Machine`]) are for programs there and for tokens, and for no other member; the node's
//! own rules come on top. A network without security allows everything else to everybody, as it always has.

mod table;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use super::{Identity, Right, Role, Scope};
use crate::error::{Coded, ErrorCode};
use crate::model::{KeyHash, PeerId, TokenId};

/// The degree to which a network is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is encrypted, and nobody is known.
    #[default]
    Off,
    /// Members are encrypted and known; others have the rights that they have without security. For the time
    /// in which the machines of an existing network join.
    Permissive,
    /// Members and tokens only.
    Required,
}

/// Text was not a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("security is off, permissive or required")]
pub struct ModeError;

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::Permissive, Self::Required];

    /// The word for the mode.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Permissive => "permissive",
            Self::Required => "required",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mode = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        mode.ok_or(ModeError)
    }
}

/// The sender of a request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A program on the machine of the program that it calls.
    OwnMachine,
    /// A program elsewhere that shows neither a certificate nor a token.
    Anonymous,
    /// A member that has shown its certificate.
    Member {
        /// The name in the certificate.
        identity: Identity,
        /// The hash of the certificate's key.
        key: KeyHash,
    },
    /// A member that was revoked, with the certificate that it still has.
    Revoked {
        /// The name in the certificate.
        identity: Identity,
    },
    /// A person or a script that has shown a token; its scopes count, whatever certificate came with it.
    Token {
        /// The token's public part.
        id: TokenId,
        /// The token's scopes.
        scopes: Arc<[Scope]>,
    },
}

/// Something that a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See whether a program lives, or load the page on which people log in.
    Probe,
    /// Find the trackers, and ask for a certificate with the secret of a join line.
    Enter,
    /// See which calls a program has.
    Describe,
    /// Learn what every member has to know.
    Belong,
    /// See names, their contents and holders, and the state of the network.
    Read,
    /// Bind a name, or say how well its content is kept.
    Publish,
    /// Remove a name.
    Remove,
    /// Say something for a peer: hello, that it holds, publishes or drops something.
    Speak,
    /// Fetch fragments from a peer.
    Transfer,
    /// Say what a peer is used for.
    Operate,
    /// Give out and revoke tokens and certificates, read the audit.
    Administer,
    /// Command a node.
    Command,
}

/// The object of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// It is not known yet, because the request has not been read.
    Unread,
    /// The whole network, or a content of which no name is known.
    Network,
    /// A name, or the beginning of names.
    Name(&'a str),
    /// A peer.
    Peer(PeerId),
}

/// The callers that a call is for when there is no security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody who reaches the program.
    Network,
    /// Programs on the machine of a node.
    Machine,
}

/// A call that a program serves: a method of gRPC, or a route of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The path of a method (`/enjambre.v1.Catalog/List`), or the method and pattern of a route
    /// (`GET /api/v1/names`). `ANY` stands for every method.
    pub name: &'static str,
    /// The program that serves it.
    pub program: Role,
    /// Everything that it does.
    pub actions: &'static [Action],
    /// The callers that it is for when there is no security.
    pub audience: Audience,
}

/// Reasons for which a caller may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The call is not in the table.
    #[error("no rule allows this call")]
    Unknown,
    /// The path takes other methods.
    #[error("this path does not take the method")]
    Method,
    /// There are no tokens and certificates.
    #[error("this network is not secured; `tracker init` secures it")]
    Unsecured,
    /// The caller is not known.
    #[error("this network is secured: a member's certificate or an API token with the right scope is needed")]
    Stranger,
    /// The caller's certificate was taken back.
    #[error("this member was revoked; with a new id (`peer new-id`) and a new join line it can join again")]
    Revoked,
    /// The caller is on another machine.
    #[error("only programs on the node's own machine may do this")]
    OtherMachine,
    /// The caller's role has no such right.
    #[error("the certificate of a {0} does not give the right to do this")]
    Role(Role),
    /// The caller is another peer than the one for which it speaks.
    #[error("a peer acts for itself only, and this is the certificate of another one")]
    OtherPeer,
    /// No scope of the token covers it.
    #[error("no scope of the token covers this: it needs the right to {0}")]
    Scope(Right),
    /// The token does not count.
    #[error(
        "this API token is unknown, revoked, at its end or damaged; `tracker token create` makes another"
    )]
    NoToken,
    /// Tokens cannot do it.
    #[error("no token gives the right to do this: it needs a member's certificate")]
    Token,
}

impl Denial {
    /// The word for the reason, for audits and scripts.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_call",
            Self::Method => "method",
            Self::Unsecured => "unsecured",
            Self::Stranger => "stranger",
            Self::Revoked => "revoked",
            Self::OtherMachine => "other_machine",
            Self::Role(_) => "role",
            Self::OtherPeer => "other_peer",
            Self::Scope(_) => "scope",
            Self::NoToken => "no_token",
            Self::Token => "token",
        }
    }
}

impl Coded for Denial {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unsecured => ErrorCode::FailedPrecondition,
            Self::Stranger | Self::NoToken => ErrorCode::Unauthenticated,
            _ => ErrorCode::PermissionDenied,
        }
    }
}

/// The calls of the table by program and name.
static BY_NAME: LazyLock<HashMap<(Role, &str), Call>> =
    LazyLock::new(|| calls().map(|call| ((call.program, call.name), call)).collect());

/// Returns every call of every program.
pub fn calls() -> impl Iterator<Item = Call> {
    table::TABLE.iter().flat_map(|group| {
        let calls = move |program: &Role| {
            let program = *program;
            group.calls.iter().map(move |(name, actions)| Call {
                name,
                program,
                actions,
                audience: group.audience,
            })
        };
        group.programs.iter().flat_map(calls)
    })
}

impl Call {
    /// Finds the call of a method of gRPC, by its path.
    ///
    /// # Errors
    /// When it is not in the table.
    pub fn of_rpc(program: Role, path: &str) -> Result<Self, Denial> {
        let call = BY_NAME.get(&(program, path)).copied();
        call.ok_or(Denial::Unknown)
    }

    /// Finds the call of a request of HTTP, by its method and the pattern of its route. A `HEAD` asks for as
    /// much as a `GET`.
    ///
    /// # Errors
    /// When it is not in the table.
    pub fn of_route(program: Role, method: &str, pattern: &str) -> Result<Self, Denial> {
        let method = if method == "HEAD" { "GET" } else { method };
        let by = |method| Self::of_rpc(program, &format!("{method} {pattern}"));
        by(method).or_else(|_| by("ANY")).map_err(|why| {
            let mut known = BY_NAME.keys();
            let is_path = |(of, name): &(Role, &str)| {
                *of == program && name.split_once(' ').is_some_and(|(_, path)| path == pattern)
            };
            if known.any(is_path) { Denial::Method } else { why }
        })
    }

    /// Decides whether a caller may make the call at all, before the request is read.
    ///
    /// # Errors
    /// The reason for which it may not, whatever the request says.
    pub fn admit(&self, mode: Mode, caller: &Caller) -> Result<(), Denial> {
        let mut actions = self.actions.iter();
        actions.try_for_each(|action| judge(mode, caller, self.audience, *action, Object::Unread))
    }
}

/// Decides whether a caller may do something to an object, by a call that is for this audience.
///
/// # Errors
/// The reason for which it may not.
pub fn judge(
    mode: Mode,
    caller: &Caller,
    audience: Audience,
    action: Action,
    object: Object<'_>,
) -> Result<(), Denial> {
    match mode {
        _ if matches!(caller, Caller::Revoked { .. }) => revoked(action),
        Mode::Off => unsecured(caller, audience, action),
        Mode::Permissive => {
            unsecured(caller, audience, action).or_else(|_| secured(caller, audience, action, object))
        }
        Mode::Required => secured(caller, audience, action, object),
    }
}

/// The rule without security. Nothing is administered, because there is nothing to administer.
fn unsecured(caller: &Caller, audience: Audience, action: Action) -> Result<(), Denial> {
    match audience {
        _ if matches!(action, Action::Administer | Action::Belong) => Err(Denial::Unsecured),
        Audience::Machine if *caller != Caller::OwnMachine => Err(Denial::OtherMachine),
        Audience::Network | Audience::Machine => Ok(()),
    }
}

/// The rule for a member that was revoked, in every mode: what is open to everybody, and the reason else.
fn revoked(action: Action) -> Result<(), Denial> {
    match action {
        Action::Probe | Action::Enter => Ok(()),
        _ => Err(Denial::Revoked),
    }
}

fn secured(caller: &Caller, audience: Audience, action: Action, object: Object<'_>) -> Result<(), Denial> {
    match (caller, action) {
        (_, Action::Probe | Action::Enter) => Ok(()),
        (Caller::Token { scopes, .. }, action) => of_token(scopes, action, object),
        // A node serves its owner under its own rules.
        (Caller::OwnMachine, _) if audience == Audience::Machine => Ok(()),
        (_, _) if audience == Audience::Machine => Err(Denial::OtherMachine),
        (Caller::OwnMachine, Action::Describe | Action::Read) => Ok(()),
        (Caller::OwnMachine | Caller::Anonymous, _) => Err(Denial::Stranger),
        (Caller::Member { identity, .. }, action) => of_member(identity, action, object),
        (Caller::Revoked { .. }, action) => revoked(action),
    }
}

fn of_token(scopes: &[Scope], action: Action, object: Object<'_>) -> Result<(), Denial> {
    let right = match action {
        Action::Probe | Action::Enter | Action::Describe => return Ok(()),
        Action::Read => Right::Read,
        Action::Publish => Right::Publish,
        Action::Remove => Right::Remove,
        Action::Operate | Action::Administer => Right::Admin,
        Action::Belong | Action::Speak | Action::Transfer => return Err(Denial::Token),
        Action::Command => return Err(Denial::OtherMachine),
    };
    let covers = |scope: &Scope| match object {
        // The operation of the network has no prefix.
        _ if right == Right::Admin => scope.covers(right, ""),
        Object::Unread => scope.gives(right),
        Object::Name(name) => scope.covers(right, name),
        Object::Network | Object::Peer(_) => scope.covers(right, ""),
    };
    scopes
        .iter()
        .any(covers)
        .then_some(())
        .ok_or(Denial::Scope(right))
}

fn of_member(identity: &Identity, action: Action, object: Object<'_>) -> Result<(), Denial> {
    let role = identity.role;
    match (role, action) {
        (_, Action::Probe | Action::Enter | Action::Describe | Action::Belong)
        | (Role::Tracker | Role::User, Action::Read)
        | (Role::Peer, Action::Read | Action::Publish | Action::Remove | Action::Transfer) => Ok(()),
        (Role::Peer, Action::Speak | Action::Operate) => match object {
            Object::Unread => Ok(()),
            Object::Peer(id) if identity.peer() == Some(id) => Ok(()),
            _ => Err(Denial::OtherPeer),
        },
        _ => Err(Denial::Role(role)),
    }
}

#[cfg(test)]
mod tests;
