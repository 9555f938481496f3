//! Requests about security, their answers, and the reasons for which they are refused.

use shared::model::{KeyHash, MemberId, Timestamp, TokenId, Zone};
use shared::security::{Grant, Role, SecretHash, TokenEntry};
use shared::{Coded, ErrorCode};

/// Something about tokens or members that may change the state.
#[derive(Clone, Debug)]
pub enum SecurityCommand {
    /// Makes a token.
    MakeToken {
        /// Its id, which no other token has.
        token: TokenId,
        /// Hash of its secret.
        hash: SecretHash,
        /// Its right.
        grant: Grant,
        /// Its end, if it has one.
        ends: Option<Timestamp>,
    },
    /// Ends a token.
    RevokeToken(TokenId),
    /// Admits a machine that has a join line.
    Enrol(Enrolment),
    /// Has the key of a member certified again.
    Renew {
        /// The key.
        key: KeyHash,
        /// The end of the new certificate.
        ends: Timestamp,
    },
    /// Notes the certificate of the tracker itself.
    NoteTracker {
        /// The tracker.
        member: MemberId,
        /// Its key.
        key: KeyHash,
        /// The end of its certificate.
        ends: Timestamp,
    },
    /// Takes the certificate of a member back.
    RevokeMember(MemberId),
}

/// A machine that joins.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The token of its join line.
    pub token: TokenId,
    /// Hash of the secret that it shows.
    pub hash: SecretHash,
    /// The role that it is to have.
    pub role: Role,
    /// Its id.
    pub member: MemberId,
    /// The key that it has proved.
    pub key: KeyHash,
    /// The end of the certificate that it will get.
    pub ends: Timestamp,
}

/// Answer to such a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityReply {
    /// The command has no result.
    Done,
    /// The new token.
    Made(TokenEntry),
    /// The machine may be certified; the failure domain that its join line names.
    Enrolled(Option<Zone>),
    /// The member that may be certified again.
    Renewed(MemberId, Role),
}

/// Reasons for which nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The line is none of this network.
    #[error(
        "the join line is unknown here: it is of another network, damaged, or ended long ago; `tracker token create --join` makes another"
    )]
    UnknownLine,
    /// The line is past its end.
    #[error("the join line has ended; `tracker token create --join` makes another")]
    EndedLine,
    /// An administrator has revoked the line.
    #[error("the join line was revoked; `tracker token create --join` makes another")]
    RevokedLine,
    /// As many machines as may have joined with the line.
    #[error("the join line was used as often as it may be; `tracker token create --join` makes another")]
    UsedLine,
    /// The line is for others.
    #[error(
        "the join line is for a {of}, and this is a {got}; `tracker token create --join {got}` makes another"
    )]
    OtherRole {
        /// The role that the line gives.
        of: Role,
        /// The role of the machine.
        got: Role,
    },
    /// The id belongs to another key.
    #[error(
        "member {0} has another key or role; give this machine an id of its own (of a peer, `peer new-id`)"
    )]
    OtherKey(MemberId),
    /// The key belongs to another id.
    #[error("the key of this machine is that of member {0}; use that id, or make another key")]
    OtherId(MemberId),
    /// The member is revoked.
    #[error(
        "member {0} was revoked and is certified no more; with a new id and a new join line it can join again"
    )]
    Revoked(MemberId),
    /// Nobody has the key.
    #[error("no member has this key; join again with a join line")]
    NoMember,
    /// There is no such token.
    #[error("no token {0}")]
    NoSuchToken(TokenId),
    /// There is no such member.
    #[error("no member {0} was ever certified")]
    NoSuchMember(MemberId),
    /// A token has the id already.
    #[error("there is a token {0} already; try again")]
    TokenExists(TokenId),
    /// No more tokens fit.
    #[error("there are {0} tokens; they are forgotten some time after their ends")]
    TooManyTokens(usize),
    /// No more members fit.
    #[error("there are {0} members")]
    TooManyMembers(usize),
    /// No more revoked members with certificates fit.
    #[error(
        "{0} members that are revoked have certificates that have not ended; replace the authority with `tracker ca rotate`"
    )]
    TooManyRevoked(usize),
}

impl Coded for Refused {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownLine
            | Self::EndedLine
            | Self::RevokedLine
            | Self::UsedLine
            | Self::OtherRole { .. } => ErrorCode::PermissionDenied,
            Self::OtherKey(_) | Self::OtherId(_) => ErrorCode::Conflict,
            Self::Revoked(_) => ErrorCode::FailedPrecondition,
            Self::NoMember | Self::NoSuchToken(_) | Self::NoSuchMember(_) => ErrorCode::NotFound,
            Self::TokenExists(_) => ErrorCode::Unavailable,
            Self::TooManyTokens(_) | Self::TooManyMembers(_) | Self::TooManyRevoked(_) => {
                ErrorCode::Exhausted
            }
        }
    }
}
