//! Commands about the network's security.

use std::time::Duration;

use clap::{Args, Subcommand};
use shared::model::{HostPort, MemberId, TokenId, Zone, parse_duration};
use shared::security::{Role, Scope};
use shared::settings::flags::one_of;

/// Programs that join.
static JOINING: [&str; 3] = ["peer", "webserver", "tracker"];

/// Commands about the security of a network.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum SecureCommand {
    /// Secure the network of a data directory that no tracker runs on: make its certificate authority, and
    /// print, once, an administrator's token and the lines with which machines join. The lines are valid for
    /// an hour; `tracker token create --join` makes others. The administrator's token stays in the file
    /// admin-token in the data directory, for the commands below
    Init {
        /// Name or address by which browsers will know the tracker; repeat it for several
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// Address at which machines reach the tracker, for the join lines; repeat it for several [default:
        /// host and port of the settings]
        #[arg(long = "address", value_name = "HOST:PORT", value_parser = HostPort::remote)]
        addresses: Vec<HostPort>,
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Make, list and revoke tokens: API tokens of people and scripts, and join lines. Like the commands
    /// below, this calls the running tracker with the token in ENJAMBRE_TOKEN or in the file admin-token of
    /// the data directory, or works on the data directory when no tracker runs
    #[command(subcommand)]
    Token(TokenCommand),
    /// List the members of the network
    #[command(subcommand)]
    Member(MemberCommand),
    /// Take the certificate of a member back, for good: its connections end, its copies count no more, and
    /// its key is certified never again
    Revoke {
        /// Id of the member; a peer's is its peer id
        #[arg(value_name = "ID")]
        member: MemberId,
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Look after the certificate authority
    #[command(subcommand)]
    Ca(CaCommand),
    /// Read the audit log of the data directory: who has changed what, and who was refused
    Audit {
        /// Only lines that are no older than this, such as 2h or 7d
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        since: Option<Duration>,
        /// Check instead that no line was changed or removed in the middle; exit code 8 when one was
        #[arg(long, conflicts_with = "since")]
        verify: bool,
        /// As JSON: one document a line
        #[arg(long)]
        json: bool,
    },
}

impl SecureCommand {
    /// Returns whether the answer is for scripts.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        match self {
            Self::Token(TokenCommand::Create(wish)) => wish.json,
            Self::Init { json, .. }
            | Self::Token(TokenCommand::List { json } | TokenCommand::Revoke { json, .. })
            | Self::Member(MemberCommand::List { json })
            | Self::Revoke { json, .. }
            | Self::Ca(CaCommand::Rotate { json })
            | Self::Audit { json, .. } => *json,
        }
    }
}

/// `token`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, once: an API token with scopes, or a join line
    Create(TokenWish),
    /// List the tokens that count, and those that ended within a month
    List {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
    /// End a token. Machines that joined with it stay members
    Revoke {
        /// Id of the token: the 16 digits between enj_ and the secret, or the last but one part of a join
        /// line
        #[arg(value_name = "ID")]
        token: TokenId,
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// `token create`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TokenWish {
    /// Make a join line for this program: peer, webserver or tracker
    #[arg(long, value_name = "PROGRAM", value_parser = one_of::<Role>(&JOINING), hide_possible_values = true)]
    pub join: Option<Role>,
    /// Right of an API token: read, publish, remove or admin, and the beginning of the names that it is
    /// about, such as publish:models/; repeat it for several
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required_unless_present = "join",
        conflicts_with = "join"
    )]
    pub scopes: Vec<Scope>,
    /// Its life, such as 90d [default: an hour for a join line, no end for an API token]
    #[arg(long = "for", value_name = "DURATION", value_parser = life)]
    pub life: Option<Duration>,
    /// Number of machines that may join with the line [default: any number]
    #[arg(long, value_name = "N", requires = "join", value_parser = clap::value_parser!(u32).range(1..))]
    pub uses: Option<u32>,
    /// Failure domain of machines that join with the line and name no other
    #[arg(long, requires = "join")]
    pub zone: Option<Zone>,
    /// Address at which machines reach the tracker, for the join line; repeat it for several [default: host
    /// and port of the settings]
    #[arg(long = "address", value_name = "HOST:PORT", value_parser = HostPort::remote, requires = "join")]
    pub addresses: Vec<HostPort>,
    /// As one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum MemberCommand {
    /// List everybody who was certified
    List {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// `ca`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum CaCommand {
    /// Replace the authority's key by a new one. Members trust both for a month and renew their certificates
    /// at once; join lines stay valid
    Rotate {
        /// As one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Reads the life of a token. Nothing at all would be told to the tracker as no end.
fn life(text: &str) -> Result<Duration, String> {
    let life = parse_duration(text).map_err(|error| error.to_string())?;
    match life.is_zero() {
        true => Err("a token lives for longer than nothing".to_owned()),
        false => Ok(life),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_a_life_is_not_one_without_an_end() {
        assert_eq!(life("90d"), Ok(Duration::from_hours(90 * 24)));
        for none in ["0s", "0d"] {
            assert!(life(none).is_err(), "{none}");
        }
    }
}
