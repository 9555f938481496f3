//! Commands about the network's security, for its operator.
//!
//! `tracker init` and `tracker audit` work on the data directory (`init.rs`, `reading.rs`). The others are
//! rpcs to the running tracker (`office.rs`), or the same on the data directory when none runs. Secrets are
//! printed once and go to stdout only.

mod init;
mod office;
mod reading;
mod tables;

use std::path::PathBuf;

use proto::RemoteError;
use serde::Serialize;
use shared::json::{
    ErrorLine, ListedMember, ListedToken, Members, NewToken, Revoked, RotatedAuthority, Tokens,
};
use shared::model::HostPort;
use shared::security::{ApiTokenError, Grant, JoinLine, JoinLineError};
use shared::{Coded, ErrorCode};

use crate::authority::AuthorityError;
use crate::config::{CaCommand, Config, MemberCommand, SecureCommand, TokenCommand, TokenWish};
use crate::journal::JournalError;
use crate::state::Rejection;
use crate::whereabouts;
use office::{Made, Office};

/// Reasons for which such a command fails.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The tracker does not answer, or refuses.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The state does not allow it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The network is not secured.
    #[error("the network of {} is not secured; `tracker init` secures it", .0.display())]
    Unsecured(PathBuf),
    /// There is no token.
    #[error("no administrator's token: set ENJAMBRE_TOKEN, or put the file {} back", .0.display())]
    NoToken(PathBuf),
    /// The token is none.
    #[error("{from}: {source}")]
    Token {
        /// Its place.
        from: String,
        /// The complaint.
        source: ApiTokenError,
    },
    /// The member is the tracker itself.
    #[error("this is the tracker itself; nobody could join without it")]
    Itself,
    /// There is no address for a join line.
    #[error("other machines cannot dial {0}; say with --address HOST:PORT where they reach the tracker")]
    NoAddress(String),
    /// The line cannot be made.
    #[error(transparent)]
    Line(#[from] JoinLineError),
    /// A file cannot be read or written.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The attempt.
        act: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's refusal.
        source: std::io::Error,
    },
    /// The audit log's chain is broken.
    #[error("{0}")]
    Broken(String),
    /// A part of the program failed.
    #[error("stopped by itself; the log has the details")]
    Failed,
}

impl Coded for CommandError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Journal(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Remote(error) => error.code(),
            Self::Rejected(error) => error.code(),
            Self::Unsecured(_) | Self::Itself => ErrorCode::FailedPrecondition,
            Self::NoToken(_) => ErrorCode::Unauthenticated,
            Self::Token { .. } | Self::NoAddress(_) | Self::Line(_) => ErrorCode::InvalidArgument,
            Self::Io { source, .. } => shared::refusal::of_place(source),
            Self::Broken(_) => ErrorCode::Corrupt,
            Self::Failed => ErrorCode::Internal,
        }
    }
}

/// Carries out a command; returns the text to print.
///
/// # Errors
/// When it fails.
pub async fn perform(command: SecureCommand, config: &Config) -> Result<String, CommandError> {
    match command {
        SecureCommand::Init {
            names,
            addresses,
            json,
        } => init::secure(config.clone(), names, addresses, json).await,
        SecureCommand::Token(TokenCommand::Create(wish)) => create(wish, config).await,
        SecureCommand::Token(TokenCommand::List { json }) => {
            let tokens = Office::of(config)?.tokens().await?;
            let listed = tokens.iter().map(ListedToken::from).collect();
            Ok(told(json, &Tokens { tokens: listed }, |_| {
                tables::tokens(&tokens)
            }))
        }
        SecureCommand::Token(TokenCommand::Revoke { token, json }) => {
            Office::of(config)?.revoke_token(token).await?;
            let revoked = token.to_string();
            Ok(told(json, &Revoked { revoked }, |_| {
                format!("token {token} is revoked")
            }))
        }
        SecureCommand::Member(MemberCommand::List { json }) => {
            let members = Office::of(config)?.members().await?;
            let listed = members.iter().map(ListedMember::from).collect();
            Ok(told(json, &Members { members: listed }, |_| {
                tables::members(&members)
            }))
        }
        SecureCommand::Revoke { member, json } => {
            Office::of(config)?.revoke_member(member).await?;
            let revoked = member.to_string();
            Ok(told(json, &Revoked { revoked }, |_| {
                format!("member {member} is revoked")
            }))
        }
        SecureCommand::Ca(CaCommand::Rotate { json }) => {
            let authority = Office::of(config)?.rotate().await?.to_string();
            Ok(told(json, &RotatedAuthority { authority }, |done| {
                format!(
                    "the authority has a new key, {}; keep the data directory's backup with it",
                    done.authority
                )
            }))
        }
        SecureCommand::Audit { since, verify, json } => reading::audit(&config.data_dir, since, verify, json),
    }
}

/// Returns the failure of a command as a document.
#[must_use]
pub fn failure(error: &CommandError) -> String {
    let line = ErrorLine::of(error.code(), error.to_string());
    told(true, &line, |_| String::new())
}

async fn create(wish: TokenWish, config: &Config) -> Result<String, CommandError> {
    let json = wish.json;
    let (grant, life, servers) = match wish.join {
        Some(role) => {
            let grant = Grant::Join {
                role,
                uses: wish.uses,
                zone: wish.zone,
            };
            let servers = servers(wish.addresses, config)?;
            (grant, Some(wish.life.unwrap_or(init::LINE)), servers)
        }
        None => {
            let scopes = wish.scopes;
            (Grant::Api { scopes }, wish.life, Vec::new())
        }
    };
    let made = Office::of(config)?.make(grant, life).await?;
    let (line, token) = match &made {
        Made::Join { entry, secret, pin } => {
            let line = JoinLine::new(servers, *pin, entry.id, secret.clone())?;
            (Some(line.to_string()), None)
        }
        Made::Api { token, .. } => (None, Some(token.to_string())),
    };
    let document = NewToken {
        listed: ListedToken::from(made.entry()),
        line,
        token,
    };
    Ok(told(json, &document, |made| {
        made.line
            .clone()
            .or_else(|| made.token.clone())
            .unwrap_or_default()
    }))
}

/// Returns the addresses for join lines: those that were given, now or to `init`, or that of the settings.
fn servers(given: Vec<HostPort>, config: &Config) -> Result<Vec<HostPort>, CommandError> {
    let noted = || whereabouts::joins(&config.data_dir);
    let given = if given.is_empty() { noted() } else { given };
    if !given.is_empty() {
        return Ok(given);
    }
    let text = match config.host.contains(':') {
        true => format!("[{}]:{}", config.host.trim_matches(['[', ']']), config.port),
        false => format!("{}:{}", config.host, config.port),
    };
    let address = HostPort::remote(&text).ok().filter(|_| config.port > 0);
    address
        .map(|address| vec![address])
        .ok_or(CommandError::NoAddress(text))
}

fn told<T: Serialize>(json: bool, document: &T, text: impl FnOnce(&T) -> String) -> String {
    match json {
        true => serde_json::to_string(document).unwrap_or_default(),
        false => text(document),
    }
}
