//! Membership of a program in a secured network: how it joins, and how it stays a member.
//!
//! [`Membership::join`] turns a join line into a certificate; [`Membership::keep`] follows what the tracker
//! tells members, and has the certificate renewed before it ends, or after. What is known lies in
//! `membership.json` in the program's data directory (`papers.rs`), so that the line is needed
//! once. Trackers certify themselves and need none of this.

mod papers;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use shared::keys::{KeyError, PeerKey};
use shared::model::{HostPort, MemberId, Zone};
use shared::runtime::{Backoff, Clock, Tasks};
use shared::security::{Admission, JoinLine, News, Role};
use shared::{Coded, ErrorCode};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::RemoteError;
use crate::client::{DirectoryClient, SecurityClient};
use crate::dial::Entrance;
use crate::messages::control::EntryPoint;
use crate::messages::security::Enrol;
use crate::tls::{Tls, TlsError};
use papers::{OwnKey, Papers};

/// Between two attempts to hear the news.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Between two looks at the end of the own certificate; a refused renewal is tried again then.
const LOOK: Duration = Duration::from_secs(60);

/// The part of a certificate's life that is left when it is renewed: one in so many.
const RENEWED_WITH: u32 = 3;

/// Reasons for which a membership cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The file cannot be read or written.
    #[error("cannot {act} {path}: {source}")]
    Io {
        /// The attempt.
        act: &'static str,
        /// The file.
        path: String,
        /// The system's refusal.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error("{0} is damaged: put it back as it was, or remove it and join again with a join line")]
    Damaged(String),
    /// The key cannot be used.
    #[error("the key of this program cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The certificate cannot be used.
    #[error("the certificate of this program cannot be used: {0}")]
    Certificate(#[from] TlsError),
}

impl Coded for MembershipError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Io { source, .. } => shared::refusal::of_place(source),
            Self::Damaged(_) => ErrorCode::Corrupt,
            Self::Key(error) => error.code(),
            Self::Certificate(_) => ErrorCode::Corrupt,
        }
    }
}

impl From<MembershipError> for RemoteError {
    fn from(error: MembershipError) -> Self {
        Self::of(&error)
    }
}

/// The network that was joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The address of the join line that answered.
    pub entry: EntryPoint,
    /// Failure domain that the line names.
    pub zone: Option<Zone>,
}

/// A program's place in a secured network; cheap to clone.
#[derive(Clone, Debug)]
pub struct Membership {
    tls: Tls,
    role: Role,
    clock: Clock,
    papers: Arc<Mutex<Papers>>,
}

impl Membership {
    /// Reads the membership of a data directory and puts it into force, if there is one. A peer has an id and a
    /// key before it joins; a program that has none (`own` is none) gets them when it joins.
    ///
    /// # Errors
    /// When there is one that cannot be used.
    pub fn open(
        data_dir: &Path,
        role: Role,
        own: Option<(MemberId, &PeerKey)>,
        tls: Tls,
        clock: Clock,
    ) -> Result<Self, MembershipError> {
        let own = own.map(|(id, key)| Ok::<_, KeyError>((id, key.expose_pkcs8()?)));
        let papers = Papers::read(data_dir, own.transpose()?)?;
        if let Some((credentials, news)) = papers.in_force()? {
            tls.load(credentials)?;
            tls.adopt(&news, papers.heard());
        }
        Ok(Self {
            tls,
            role,
            clock,
            papers: Arc::new(Mutex::new(papers)),
        })
    }

    /// The security of the program's connections.
    #[must_use]
    pub const fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Returns whether the program has a certificate, which may have ended.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.tls.certificate().is_some()
    }

    /// Joins the network of a line, by the first of its addresses that answers.
    ///
    /// # Errors
    /// When none answers, or the network does not take this program; the first failure is told.
    pub async fn join(&self, line: &JoinLine) -> Result<Joined, RemoteError> {
        let mut failure = None;
        for server in line.servers() {
            match self.join_at(line, server).await {
                Ok(joined) => return Ok(joined),
                // The network has answered, and others answer the same.
                Err(error) if error.code() != ErrorCode::Unavailable => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let none = || RemoteError::new(ErrorCode::Unavailable, "the join line names no address");
        Err(failure.unwrap_or_else(none))
    }

    async fn join_at(&self, line: &JoinLine, server: &HostPort) -> Result<Joined, RemoteError> {
        let entrance = Entrance::find(server, line.pin()).await?;
        let (entry, client) = match SecurityClient::entering(&entrance, server) {
            Some(client) => (EntryPoint::Tracker(server.clone()), client),
            None => {
                let client = ask_for_tracker(line, server, &entrance).await?;
                let entry = match entrance.server().role {
                    Role::Peer => EntryPoint::Peer(server.clone()),
                    _ => EntryPoint::Webserver(server.clone()),
                };
                (entry, client)
            }
        };
        let (member, key) = self.papers().key()?;
        let enrol = Enrol {
            token: line.token(),
            secret: line.secret().clone(),
            role: self.role,
            member,
            request: request_of(&key)?,
        };
        let admission = client.enrol(enrol).await?;
        let zone = admission.zone.clone();
        self.take((member, key), admission).await?;
        info!(%member, role = %self.role, "joined the network");
        Ok(Joined { entry, zone })
    }

    /// Puts a certificate into force and writes it down.
    async fn take(&self, own: OwnKey, admission: Admission) -> Result<(), RemoteError> {
        let now = self.clock.now();
        let membership = self.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let mut papers = membership.papers();
            papers.take(own, &admission, now)?;
            membership.put_into_force(&papers)
        });
        written(taken.await)
    }

    /// Puts news into force and writes them down. Returns whether the authorities have changed.
    async fn hear(&self, news: News) -> Result<bool, RemoteError> {
        let now = self.clock.now();
        let membership = self.clone();
        let heard = tokio::task::spawn_blocking(move || {
            let mut papers = membership.papers();
            // In force at once, whatever becomes of the file.
            membership.tls.adopt(&news, now);
            let has_new_roots = papers.hear(&news, now)?;
            if has_new_roots {
                membership.put_into_force(&papers)?;
            }
            Ok(has_new_roots)
        });
        written(heard.await)
    }

    fn put_into_force(&self, papers: &Papers) -> Result<(), MembershipError> {
        if let Some((credentials, news)) = papers.in_force()? {
            self.tls.load(credentials)?;
            self.tls.adopt(&news, papers.heard());
        }
        Ok(())
    }

    /// Stays a member until the tasks stop: hears the news from the tracker of the moment, and has the
    /// certificate renewed in time.
    pub async fn keep(self, tracker: watch::Receiver<Option<HostPort>>, tasks: Tasks) {
        let following = self.follow(tracker.clone());
        let renewing = self.renew_in_time(tracker);
        tokio::select! {
            () = following => {}
            () = renewing => {}
            () = tasks.token().cancelled() => {}
        }
    }

    async fn follow(&self, mut tracker: watch::Receiver<Option<HostPort>>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let address = tracker.borrow_and_update().clone();
            let Some(address) = address.filter(|_| self.is_member()) else {
                // One that joins later learns of a tracker afterwards.
                match tracker.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            };
            let heard = tokio::select! {
                heard = self.follow_one(&address, &mut backoff) => heard,
                changed = tracker.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            if let Err(error) = heard {
                debug!(tracker = %address, %error, "no news of the network's security");
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    async fn follow_one(&self, tracker: &HostPort, backoff: &mut Backoff) -> Result<(), RemoteError> {
        let mut all = SecurityClient::new(tracker, &self.tls)?.follow().await?;
        while let Some(news) = all.next().await? {
            backoff.reset();
            if self.hear(news).await? {
                info!("the network's authority has changed; the certificate is renewed");
                self.renew(tracker).await?;
            }
        }
        Ok(())
    }

    async fn renew_in_time(&self, tracker: watch::Receiver<Option<HostPort>>) {
        loop {
            let due = self.tls.certificate().filter(|own| {
                let left = own.ends.since(self.clock.now());
                left < own.ends.since(own.begins) / RENEWED_WITH
            });
            let address = tracker.borrow().clone();
            if let (Some(own), Some(address)) = (due, address) {
                match self.renew(&address).await {
                    Ok(()) => info!("the certificate of this program was renewed"),
                    Err(error) => {
                        let left = shared::model::format_duration(own.ends.since(self.clock.now()));
                        warn!(%error, %left, "the certificate of this program could not be renewed");
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Has the key certified again. No certificate is shown for that: the last one may have ended.
    ///
    /// # Errors
    /// When the tracker does not answer or refuses.
    pub async fn renew(&self, tracker: &HostPort) -> Result<(), RemoteError> {
        let (own, request, guest) = {
            let papers = self.papers();
            let (cluster, roots) = papers.trust().ok_or_else(|| RemoteError::of(&NotJoined))?;
            let guest = Tls::of_guest(self.clock.clone(), cluster, roots).map_err(MembershipError::from)?;
            let own = papers.key()?;
            let request = request_of(&own.1)?;
            (own, request, guest)
        };
        let admission = SecurityClient::new(tracker, &guest)?.renew(request).await?;
        self.take(own, admission).await
    }

    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The program has not joined.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this program has not joined a secured network; start it with a join line")]
struct NotJoined;

impl Coded for NotJoined {
    fn code(&self) -> ErrorCode {
        ErrorCode::FailedPrecondition
    }
}

/// Finds a tracker by way of a member that knows some. The secret is for trackers only.
async fn ask_for_tracker(
    line: &JoinLine,
    server: &HostPort,
    entrance: &Entrance,
) -> Result<SecurityClient, RemoteError> {
    let gateways = DirectoryClient::entering(entrance, server).gateways().await?;
    let mut failure = None;
    for tracker in gateways.trackers {
        let address = tracker.address.seen_from(server);
        match Entrance::find(&address, line.pin()).await {
            Ok(found) => match SecurityClient::entering(&found, &address) {
                Some(client) => return Ok(client),
                None => debug!(%address, "is no tracker"),
            },
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let none = || {
        let text = format!("{server} knows no tracker that answers; start the tracker first");
        RemoteError::new(ErrorCode::Unavailable, text)
    };
    Err(failure.unwrap_or_else(none))
}

/// Makes the certificate request of a key: nothing but the key counts in it.
fn request_of(pkcs8: &[u8]) -> Result<Vec<u8>, RemoteError> {
    let made = || {
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8))?;
        CertificateParams::default().serialize_request(&key)
    };
    let made = made().map_err(|_| RemoteError::of(&KeyError::Failed))?;
    Ok(made.der().to_vec())
}

fn written<T>(outcome: Result<Result<T, MembershipError>, tokio::task::JoinError>) -> Result<T, RemoteError> {
    match outcome {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(RemoteError::new(
            ErrorCode::Unavailable,
            "this program is stopping",
        )),
    }
}
