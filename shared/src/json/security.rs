//! Documents about a network's security, which the program `tracker` prints.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::security::{Grant, MemberEntry, TokenEntry};

/// A network that has been secured: secrets that nobody sees again.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Secured {
    /// Id of the cluster.
    pub cluster: String,
    /// API token of an administrator.
    pub admin_token: String,
    /// Lines with which machines join.
    pub join: JoinLines,
}

/// Join lines, one for each kind of program.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JoinLines {
    /// Line for peers.
    pub peer: String,
    /// Line for webservers.
    pub webserver: String,
    /// Line for further trackers.
    pub tracker: String,
}

/// A token that was made, with its secret: either a join line or an API token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NewToken {
    /// The token.
    #[serde(flatten)]
    pub listed: ListedToken,
    /// The join line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Tokens.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tokens {
    /// Tokens that count, and those that ended lately.
    pub tokens: Vec<ListedToken>,
}

/// A token without its secret.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedToken {
    /// Its id.
    pub id: String,
    /// `join` or `api`.
    pub kind: &'static str,
    /// Role of those who join with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Number of machines that may join with it; absent for any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// Failure domain of machines that join with it and name no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Scopes of an API token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Its beginning.
    pub made_ms: u64,
    /// Its end.
    pub ends_ms: Option<u64>,
    /// Machines that have joined with it.
    pub used: u32,
    /// Whether an administrator has ended it.
    pub is_revoked: bool,
}

/// Members of a secured network.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Members {
    /// Everybody who was certified and not forgotten.
    pub members: Vec<ListedMember>,
}

/// A member.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListedMember {
    /// Its id; a peer's is its peer id.
    pub id: String,
    /// Its role.
    pub role: String,
    /// SHA-256 of its key.
    pub key: String,
    /// The end of its last certificate.
    pub ends_ms: u64,
    /// Whether an administrator has taken the certificate back.
    pub is_revoked: bool,
}

/// A token or a member that was revoked.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Revoked {
    /// Its id.
    pub revoked: String,
}

/// An authority that has a new key.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RotatedAuthority {
    /// SHA-256 of the new key.
    pub authority: String,
}

/// A line of a tracker's audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditLine {
    /// The time, as in RFC 3339, UTC.
    pub at: String,
    /// The time in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The caller, by its id.
    pub who: String,
    /// The address that it called from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The call.
    pub call: String,
    /// The name, peer, member or token that it was about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// `done`, `failed`, `denied` or `unknown`; `held_back` and `lost` count lines that were not written.
    pub result: String,
    /// Reason why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Number of lines that this one stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// SHA-256 of the line before, without its line end, in hexadecimal digits.
    pub previous: String,
}

/// Outcome of a look at the audit log's chain.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AuditChain {
    /// Whether every line follows the one before it.
    pub is_whole: bool,
    /// Lines that were read.
    pub lines: u64,
    /// Whether the first line of all is among them.
    pub has_beginning: bool,
    /// The place of the first line that does not follow, and why.
    pub broken: Option<String>,
}

impl From<&TokenEntry> for ListedToken {
    fn from(entry: &TokenEntry) -> Self {
        let (kind, role, uses, zone, scopes) = match &entry.grant {
            Grant::Join { role, uses, zone } => {
                let zone = zone.as_ref().map(ToString::to_string);
                ("join", Some(role.to_string()), *uses, zone, Vec::new())
            }
            Grant::Api { scopes } => {
                let scopes = scopes.iter().map(ToString::to_string).collect();
                ("api", None, None, None, scopes)
            }
        };
        Self {
            id: entry.id.to_string(),
            kind,
            role,
            uses,
            zone,
            scopes,
            made_ms: entry.made.as_millis(),
            ends_ms: entry.ends.map(Timestamp::as_millis),
            used: entry.used,
            is_revoked: entry.is_revoked,
        }
    }
}

impl From<&MemberEntry> for ListedMember {
    fn from(member: &MemberEntry) -> Self {
        Self {
            id: member.id.to_string(),
            role: member.role.to_string(),
            key: member.key.to_string(),
            ends_ms: member.ends.as_millis(),
            is_revoked: member.is_revoked,
        }
    }
}
