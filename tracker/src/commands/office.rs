//! The place where tokens are made and members revoked: the running tracker, or its data directory.

use std::path::PathBuf;
use std::time::Duration;

use proto::client::SecurityClient;
use proto::messages::security::CreatedSecret;
use proto::tls::Tls;
use shared::model::{HostPort, KeyHash, MemberId, TokenId};
use shared::runtime::Clock;
use shared::security::{ApiToken, Grant, MemberEntry, Secret, TokenEntry};
use shared::{Coded as _, ErrorCode, data_files};

use super::CommandError;
use crate::authority::{self, Authority};
use crate::config::Config;
use crate::journal::{JournalError, SqliteJournal};
use crate::ledger::{Batch, begin};
use crate::state::{Command, Rejection, Reply, SecurityCommand, SecurityReply, State};
use crate::whereabouts;

/// The file with the administrator's token.
pub(super) const ADMIN_TOKEN: &str = "admin-token";

/// The variable with a token.
const VARIABLE: &str = "ENJAMBRE_TOKEN";

/// Addresses that mean every one of the machine, and the one to dial there.
const ANY: [(&str, &str); 2] = [("0.0.0.0", "127.0.0.1"), ("::", "::1")];

/// See the [module](self).
pub(super) struct Office {
    data_dir: PathBuf,
    tracker: HostPort,
    clock: Clock,
}

/// A token with its secret.
pub(super) enum Made {
    /// The parts of a join line.
    Join {
        entry: TokenEntry,
        secret: Secret<16>,
        pin: KeyHash,
    },
    /// An API token.
    Api { entry: TokenEntry, token: ApiToken },
}

impl Made {
    pub(super) const fn entry(&self) -> &TokenEntry {
        match self {
            Self::Join { entry, .. } | Self::Api { entry, .. } => entry,
        }
    }

    fn of(entry: TokenEntry, secret: CreatedSecret, pin: KeyHash) -> Self {
        match secret {
            CreatedSecret::Join(secret) => Self::Join { entry, secret, pin },
            CreatedSecret::Api(secret) => {
                let id = entry.id;
                let token = ApiToken { id, secret };
                Self::Api { entry, token }
            }
        }
    }
}

impl Office {
    pub(super) fn of(config: &Config) -> Result<Self, CommandError> {
        let data_dir = config.data_dir.clone();
        if !authority::exists(&data_dir) {
            return Err(CommandError::Unsecured(data_dir));
        }
        if let Some(tracker) = whereabouts::listening(&data_dir) {
            let clock = Clock::system();
            return Ok(Self {
                data_dir,
                tracker,
                clock,
            });
        }
        let bare = config.host.trim_matches(['[', ']']);
        let own = ANY.iter().find(|(any, _)| *any == bare);
        let host = own.map_or(bare, |(_, own)| *own);
        let text = match host.contains(':') {
            true => format!("[{host}]:{}", config.port),
            false => format!("{host}:{}", config.port),
        };
        let tracker = text.parse().map_err(|_| CommandError::NoAddress(text))?;
        Ok(Self {
            data_dir,
            tracker,
            clock: Clock::system(),
        })
    }

    /// Asks the running tracker; none when none runs, so that the data directory can be worked on.
    async fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(SecurityClient) -> Result<T, proto::RemoteError>,
    ) -> Result<T, Result<SqliteJournal, CommandError>> {
        let asked = async {
            let (cluster, roots) = authority::trust(&self.data_dir)?;
            let tls = Tls::of_guest(self.clock.clone(), cluster, roots);
            let tls = tls.map_err(|_| CommandError::Failed)?;
            let client = SecurityClient::new(&self.tracker, &tls)?.with_token(Some(self.token()?));
            Ok::<_, CommandError>(ask(client).await?)
        };
        match asked.await {
            Ok(answer) => Ok(answer),
            Err(error) if error.code() == ErrorCode::Unavailable => {
                let data_dir = self.data_dir.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteJournal::open(&data_dir)).await;
                match opened {
                    // A tracker runs; what it has said counts.
                    Ok(Err(JournalError::InUse(_))) | Err(_) => Err(Err(error)),
                    Ok(journal) => Err(journal.map_err(CommandError::from)),
                }
            }
            Err(error) => Err(Err(error)),
        }
    }

    fn token(&self) -> Result<ApiToken, CommandError> {
        let path = self.data_dir.join(ADMIN_TOKEN);
        let (text, from) = match std::env::var(VARIABLE) {
            Ok(text) => (text, VARIABLE.to_owned()),
            Err(_) => {
                let text = data_files::read_to_string(&path);
                let text = text.map_err(|_| CommandError::NoToken(path.clone()))?;
                (text, path.display().to_string())
            }
        };
        text.parse()
            .map_err(|source| CommandError::Token { from, source })
    }

    pub(super) async fn make(&self, grant: Grant, life: Option<Duration>) -> Result<Made, CommandError> {
        let wish = grant.clone();
        let asked = self.ask(async move |client| client.create_token(wish, life).await);
        let journal = match asked.await {
            Ok(created) => return Ok(Made::of(created.entry, created.secret, created.authority)),
            Err(journal) => journal?,
        };
        let authority = self.authority()?;
        let (secret, hash) = CreatedSecret::random(&grant);
        let command = SecurityCommand::MakeToken {
            token: TokenId::random(),
            hash,
            grant,
            ends: life.map(|life| self.clock.now().after(life)),
        };
        match self.work(journal, Some(command)).await?.0 {
            Some(SecurityReply::Made(entry)) => Ok(Made::of(entry, secret, authority.key())),
            _ => Err(CommandError::Failed),
        }
    }

    pub(super) async fn tokens(&self) -> Result<Vec<TokenEntry>, CommandError> {
        match self.ask(async |client| client.tokens().await).await {
            Ok(tokens) => Ok(tokens),
            Err(journal) => Ok(self.work(journal?, None).await?.1.tokens()),
        }
    }

    pub(super) async fn members(&self) -> Result<Vec<MemberEntry>, CommandError> {
        match self.ask(async |client| client.members().await).await {
            Ok(members) => Ok(members),
            Err(journal) => Ok(self.work(journal?, None).await?.1.members()),
        }
    }

    pub(super) async fn revoke_token(&self, token: TokenId) -> Result<(), CommandError> {
        match self.ask(async |client| client.revoke_token(token).await).await {
            Ok(()) => Ok(()),
            Err(journal) => {
                let command = SecurityCommand::RevokeToken(token);
                self.work(journal?, Some(command)).await.map(drop)
            }
        }
    }

    pub(super) async fn revoke_member(&self, member: MemberId) -> Result<(), CommandError> {
        match self.ask(async |client| client.revoke_member(member).await).await {
            Ok(()) => Ok(()),
            Err(journal) => {
                let journal = journal?;
                if self.authority()?.member() == member {
                    return Err(CommandError::Itself);
                }
                let command = SecurityCommand::RevokeMember(member);
                self.work(journal, Some(command)).await.map(drop)
            }
        }
    }

    pub(super) async fn rotate(&self) -> Result<KeyHash, CommandError> {
        match self.ask(async |client| client.rotate_authority().await).await {
            Ok(key) => Ok(key),
            // Locked as long as the journal is open.
            Err(journal) => {
                let _journal = journal?;
                Ok(self.authority()?.rotate(self.clock.now())?.key())
            }
        }
    }

    fn authority(&self) -> Result<Authority, CommandError> {
        let authority = Authority::open(&self.data_dir)?;
        authority.ok_or_else(|| CommandError::Unsecured(self.data_dir.clone()))
    }

    /// Does the same in a journal on which no tracker runs: as a tracker that starts, does one thing and stops.
    async fn work(
        &self,
        mut journal: SqliteJournal,
        command: Option<SecurityCommand>,
    ) -> Result<(Option<SecurityReply>, State), CommandError> {
        let now = self.clock.now();
        let worked = tokio::task::spawn_blocking(move || {
            let Some(command) = command else {
                let mut state = State::new(crate::timing::Timing::default(), 0);
                crate::journal::replay(&mut journal, &mut state)?;
                return Ok((None, state));
            };
            let (mut state, _) = begin(
                &mut journal,
                crate::timing::Timing::default(),
                now,
                rand::random(),
            )?;
            let mut batch = Batch::new();
            batch.apply(&mut state, now, Command::Security(command), ());
            let answer = batch.commit(&mut journal)?.pop().map(|done| done.answer);
            match answer {
                Some(Ok(Reply::Security(reply))) => Ok((Some(reply), state)),
                Some(Err(rejection)) => Err(rejection.into()),
                _ => Err(Rejection::NotServing.into()),
            }
        });
        worked.await.map_err(|_| CommandError::Failed)?
    }
}
