//! Words of admission: what tokens give, who the members are, and what members have to know.

use std::time::Duration;

use crate::model::{KeyHash, MemberId, Timestamp, TokenId, Zone};

use super::authorization::Mode;
use super::{Role, Scope};

/// The right that a token gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// To join.
    Join {
        /// The role of those who join with it.
        role: Role,
        /// Number of machines that may join with it; none means any number.
        uses: Option<u32>,
        /// Failure domain of machines that join with it and name no other.
        zone: Option<Zone>,
    },
    /// To make calls.
    Api {
        /// The actions and names that the calls may be about.
        scopes: Vec<Scope>,
    },
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its public part.
    pub id: TokenId,
    /// Its right.
    pub grant: Grant,
    /// Its beginning.
    pub made: Timestamp,
    /// Its end, if it has one.
    pub ends: Option<Timestamp>,
    /// Number of machines that have joined with it.
    pub used: u32,
    /// Whether an administrator has ended it.
    pub is_revoked: bool,
}

/// A member that has been certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberEntry {
    /// Its id; a peer's is its peer id.
    pub id: MemberId,
    /// Its role.
    pub role: Role,
    /// The hash of its key.
    pub key: KeyHash,
    /// The end of its last certificate.
    pub ends: Timestamp,
    /// Whether an administrator has taken the certificate back.
    pub is_revoked: bool,
}

/// News for every member about its network's security.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The degree to which the network is secured.
    pub mode: Mode,
    /// Certificates of the authorities that count, in DER.
    pub roots: Vec<Vec<u8>>,
    /// Keys of revoked members whose certificates have not expired, in order.
    pub revoked: Vec<KeyHash>,
}

/// A certificate with its company: the answer to a machine that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Certificates in DER: the member's, those that lead to the root, and the root.
    pub chain: Vec<Vec<u8>>,
    /// News for the member.
    pub news: News,
    /// Failure domain that the join line names.
    pub zone: Option<Zone>,
}

impl Grant {
    /// Most scopes of a token.
    pub const MAX_SCOPES: usize = 16;
}

impl News {
    /// Most authorities that count at a time.
    pub const MAX_ROOTS: usize = 8;

    /// Most revoked members whose certificates have not expired.
    pub const MAX_REVOKED: usize = 10_000;

    /// Age of the news from which a member takes no certificates of peers, unless it is set: one may have
    /// been revoked since.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_hours(24);

    /// Least such age: a tracker confirms its news every ten minutes, and may be away for some.
    pub const LEAST_MAX_AGE: Duration = Duration::from_mins(30);
}
