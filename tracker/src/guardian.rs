//! Guardian: the shell around the network's security. It knows the authority, tells members what they have to
//! know, keeps the tracker's own certificate in force, and says at the door what a token gives.
//!
//! What is decided is decided in the state, and durable before anybody is told. Revocations are in force at
//! this tracker's own connections first, then they are pushed. Without an authority, nothing is secured.

use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use proto::accept::{Ends, Gatekeeper, Scopes};
use proto::messages::security::{CreatedSecret, CreatedToken, Enrol};
use proto::tls::{Tls, TlsError};
use shared::model::{KeyHash, MemberId, TokenId};
use shared::runtime::{Clock, Tasks};
use shared::security::authorization::{Caller, Denial, Mode};
use shared::security::{Admission, ApiToken, Grant, Identity, MemberEntry, News, TokenEntry};
use shared::{Coded, ErrorCode};
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use crate::audit_log::{AuditLog, Entry, Outcome, name_of};
use crate::authority::{Authority, AuthorityError, Life, Proved};
use crate::ledger::{Ledger, LedgerError};
use crate::state::{Enrolment, SecurityCommand, SecurityReply};

/// Time between two looks whether a revocation has not been told.
const LOOK: Duration = Duration::from_millis(500);

/// Looks between two at the own certificate, and at the ends of others: about a minute.
const LOOKS_A_MINUTE: u32 = 120;

/// The part of the own certificate's life that is left when it is renewed: one in so many.
const RENEWED_WITH: u32 = 3;

/// Reasons for which a request about security fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardianError {
    /// The network is not secured.
    #[error(transparent)]
    Unsecured(#[from] Denial),
    /// The state does not allow it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The authority cannot do it.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The member is this tracker.
    #[error("this is the tracker that answers; nobody could join without it")]
    Itself,
    /// A task was stopped.
    #[error("the tracker is stopping; try again in a moment")]
    Stopping,
}

impl Coded for GuardianError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unsecured(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Authority(error) => error.code(),
            Self::Tls(_) => ErrorCode::Internal,
            Self::Itself => ErrorCode::FailedPrecondition,
            Self::Stopping => ErrorCode::Unavailable,
        }
    }
}

/// See the [module](self); cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Guardian(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    authority: RwLock<Option<Arc<Authority>>>,
    tls: Tls,
    clock: Clock,
    news: watch::Sender<News>,
    /// The news may have changed.
    stirred: Notify,
    /// One key is replaced at a time.
    rotating: tokio::sync::Mutex<()>,
    audit: Option<AuditLog>,
}

impl Guardian {
    /// Makes the guardian of a tracker, and puts its certificate and the mode into force.
    ///
    /// # Errors
    /// When the certificate cannot be made, or the ledger has stopped.
    pub(crate) async fn begin(
        ledger: Ledger,
        (authority, audit): (Option<Authority>, Option<AuditLog>),
        clock: Clock,
        mode: Mode,
    ) -> Result<Self, GuardianError> {
        let guardian = Self(Arc::new(Inner {
            ledger,
            authority: RwLock::new(authority.map(Arc::new)),
            tls: Tls::off(clock.clone()),
            clock,
            news: watch::Sender::default(),
            stirred: Notify::new(),
            rotating: tokio::sync::Mutex::default(),
            audit,
        }));
        if guardian.authority().is_ok() {
            guardian.certify_itself().await?;
        }
        guardian.set_mode(mode);
        guardian.spread().await?;
        Ok(guardian)
    }

    /// The security of the tracker's connections.
    pub(crate) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    /// Changes the degree to which the network is secured. Without an authority it stays as it is.
    pub(crate) fn set_mode(&self, mode: Mode) {
        if self.0.tls.mode() == mode {
            return;
        }
        if mode != Mode::Off && self.authority().is_err() {
            warn!(%mode, "the network has no authority; stop the tracker and run `tracker init`");
            return;
        }
        self.0.tls.set_mode(mode);
        self.0.stirred.notify_one();
        info!(%mode, "the network's security");
    }

    fn authority(&self) -> Result<Arc<Authority>, GuardianError> {
        let authority = self.0.authority.read().unwrap_or_else(PoisonError::into_inner);
        let authority = authority.as_ref().ok_or(Denial::Unsecured)?;
        Ok(Arc::clone(authority))
    }

    /// Returns the authority of a network whose security is on.
    fn acting(&self) -> Result<Arc<Authority>, GuardianError> {
        match self.0.tls.mode() {
            Mode::Off => Err(Denial::Unsecured.into()),
            Mode::Permissive | Mode::Required => self.authority(),
        }
    }

    async fn ask(&self, command: SecurityCommand) -> Result<SecurityReply, GuardianError> {
        Ok(self.0.ledger.secure(command).await?)
    }

    /// Admits a machine that has a join line, and certifies its key.
    pub(crate) async fn enrol(&self, enrol: &Enrol) -> Result<Admission, GuardianError> {
        let authority = self.acting()?;
        let proved = Proved::by(&enrol.request)?;
        let life = Life::of_member(self.0.clock.now());
        let enrolment = Enrolment {
            token: enrol.token,
            hash: enrol.secret.hash(),
            role: enrol.role,
            member: enrol.member,
            key: proved.hash(),
            ends: life.ends(),
        };
        let SecurityReply::Enrolled(zone) = self.ask(SecurityCommand::Enrol(enrolment)).await? else {
            return Err(LedgerError::Unavailable.into());
        };
        let identity = Identity {
            id: enrol.member,
            role: enrol.role,
            cluster: authority.cluster(),
        };
        Ok(Admission {
            zone,
            ..self.admission(&proved, identity, life)?
        })
    }

    /// Certifies the key of a member again.
    pub(crate) async fn renew(&self, proved: &Proved) -> Result<Admission, GuardianError> {
        let authority = self.acting()?;
        let life = Life::of_member(self.0.clock.now());
        let command = SecurityCommand::Renew {
            key: proved.hash(),
            ends: life.ends(),
        };
        let SecurityReply::Renewed(id, role) = self.ask(command).await? else {
            return Err(LedgerError::Unavailable.into());
        };
        let cluster = authority.cluster();
        let identity = Identity { id, role, cluster };
        self.admission(proved, identity, life)
    }

    fn admission(&self, proved: &Proved, identity: Identity, life: Life) -> Result<Admission, GuardianError> {
        // The key may have been replaced since; the newest one certifies.
        let chain = self.authority()?.certify(proved, identity, life)?;
        Ok(Admission {
            chain: chain.iter().map(|der| der.to_vec()).collect(),
            news: self.0.news.borrow().clone(),
            zone: None,
        })
    }

    /// Makes a token.
    pub(crate) async fn create_token(
        &self,
        token: TokenId,
        grant: Grant,
        life: Option<Duration>,
    ) -> Result<CreatedToken, GuardianError> {
        let authority = self.acting()?;
        let (secret, hash) = CreatedSecret::random(&grant);
        let command = SecurityCommand::MakeToken {
            token,
            hash,
            grant,
            ends: life.map(|life| self.0.clock.now().after(life)),
        };
        match self.ask(command).await? {
            SecurityReply::Made(entry) => Ok(CreatedToken {
                entry,
                secret,
                authority: authority.key(),
            }),
            _ => Err(LedgerError::Unavailable.into()),
        }
    }

    /// Returns every token.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenEntry>, GuardianError> {
        self.acting()?;
        Ok(self.0.ledger.read(crate::state::State::tokens).await?)
    }

    /// Ends a token.
    pub(crate) async fn revoke_token(&self, token: TokenId) -> Result<(), GuardianError> {
        self.acting()?;
        self.ask(SecurityCommand::RevokeToken(token)).await.map(drop)
    }

    /// Returns every member.
    pub(crate) async fn members(&self) -> Result<Vec<MemberEntry>, GuardianError> {
        self.acting()?;
        Ok(self.0.ledger.read(crate::state::State::members).await?)
    }

    /// Takes the certificate of a member back; in force here when this returns.
    pub(crate) async fn revoke_member(&self, member: MemberId) -> Result<(), GuardianError> {
        if self.acting()?.member() == member {
            return Err(GuardianError::Itself);
        }
        self.ask(SecurityCommand::RevokeMember(member)).await?;
        self.spread().await
    }

    /// Replaces the authority's key; returns the hash of the new one.
    pub(crate) async fn rotate(&self) -> Result<KeyHash, GuardianError> {
        let _turn = self.0.rotating.lock().await;
        let (before, now) = (self.acting()?, self.0.clock.now());
        let rotated = tokio::task::spawn_blocking(move || before.rotate(now));
        let rotated = Arc::new(rotated.await.map_err(|_| GuardianError::Stopping)??);
        let key = rotated.key();
        *self.0.authority.write().unwrap_or_else(PoisonError::into_inner) = Some(rotated);
        self.certify_itself().await?;
        self.spread().await?;
        info!(%key, "the authority has a new key");
        Ok(key)
    }

    /// Names by which browsers know the tracker.
    pub(crate) fn names(&self) -> Vec<String> {
        let authority = self.authority().ok();
        authority.map_or_else(Vec::new, |authority| authority.names().to_vec())
    }

    /// Follows what members have to know.
    pub(crate) fn news(&self) -> watch::Receiver<News> {
        self.0.news.subscribe()
    }

    /// Makes a new certificate of the tracker itself and puts it into force.
    async fn certify_itself(&self) -> Result<(), GuardianError> {
        let authority = self.authority()?;
        let credentials = authority.credentials(self.0.clock.now())?;
        self.0.tls.load(credentials)?;
        let ends = self.0.tls.certificate().map(|own| own.ends);
        if let Some(ends) = ends {
            let command = SecurityCommand::NoteTracker {
                member: authority.member(),
                key: authority.own_key(),
                ends,
            };
            self.ask(command).await?;
        }
        Ok(())
    }

    /// Puts what every member has to know into force here, and tells those who follow.
    async fn spread(&self) -> Result<(), GuardianError> {
        let now = self.0.clock.now();
        let revoked = self.0.ledger.read(|state| state.revoked_keys(now)).await?;
        self.0.tls.set_revoked(revoked.iter().copied());
        let roots = self.authority().map(|authority| authority.roots(now));
        let roots = roots.unwrap_or_default();
        let news = News {
            mode: self.0.tls.mode(),
            roots: roots.iter().map(|der| der.to_vec()).collect(),
            revoked,
        };
        self.0.news.send_if_modified(|told| {
            let is_new = *told != news;
            *told = news;
            is_new
        });
        Ok(())
    }

    /// Keeps the own certificate and the news up to date until the tasks stop.
    pub(crate) async fn watch(self, tasks: Tasks) {
        let mut told = 0;
        for look in 0_u32.. {
            let stirred = tokio::time::timeout(LOOK, self.0.stirred.notified());
            let Some(stirred) = tasks.token().run_until_cancelled(stirred).await else {
                return;
            };
            let Ok(revocations) = self.0.ledger.read(crate::state::State::revocations).await else {
                return;
            };
            let is_due = look % LOOKS_A_MINUTE == LOOKS_A_MINUTE - 1;
            if stirred.is_err() && revocations == told && !is_due {
                continue;
            }
            told = revocations;
            if let Err(error) = self.look(is_due).await {
                error!(%error, "the network's security is not up to date");
            }
        }
    }

    async fn look(&self, is_due: bool) -> Result<(), GuardianError> {
        let known = self.0.news.borrow().roots.len();
        self.spread().await?;
        let has_other_roots = self.0.news.borrow().roots.len() != known;
        let is_old = self.0.tls.certificate().is_some_and(|own| {
            let now = self.0.clock.now();
            // A clock that was set back may lie before its beginning.
            own.ends.since(now) < own.ends.since(own.begins) / RENEWED_WITH || now < own.begins
        });
        if has_other_roots || is_due && is_old {
            self.certify_itself().await?;
        }
        Ok(())
    }

    /// Notes in the audit what came of a call, if the network is secured.
    pub(crate) fn note(
        &self,
        (caller, ends, call): (&Caller, Option<Ends>, &str),
        object: &dyn std::fmt::Display,
        (outcome, reason): (Outcome, &dyn std::fmt::Display),
    ) {
        if let Some(audit) = self.0.audit.as_ref().filter(|_| self.0.tls.mode() != Mode::Off) {
            let is_stranger = matches!(caller, Caller::Anonymous | Caller::OwnMachine);
            let is_limited = match outcome {
                Outcome::Done => false,
                Outcome::Unknown => is_stranger,
                Outcome::Denied | Outcome::Failed => true,
            };
            audit.note(Entry {
                is_limited,
                who: name_of(caller),
                from: ends.map(|ends| ends.remote),
                call: call.to_owned(),
                object: object.to_string(),
                outcome,
                reason: reason.to_string(),
            });
        }
    }

    /// Writes what the audit has. Blocks on the disk.
    pub(crate) fn close(&self) {
        if let Some(audit) = &self.0.audit {
            audit.close();
        }
    }
}

impl Gatekeeper for Guardian {
    fn scopes<'a>(
        &'a self,
        token: &'a ApiToken,
    ) -> Pin<Box<dyn Future<Output = Option<Scopes>> + Send + 'a>> {
        Box::pin(async move {
            let (now, hash) = (self.0.clock.now(), token.secret.hash());
            let scopes = self.0.ledger.read(|state| state.scopes_of(now, token.id, hash));
            scopes.await.ok().flatten()
        })
    }

    fn denied(&self, caller: &Caller, ends: Option<Ends>, call: &str, why: Denial) {
        self.note((caller, ends, call), &"", (Outcome::Denied, &why.reason()));
    }
}

#[cfg(test)]
mod tests;
