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
use shared::model::{ClusterId, HostPort, KeyHash, MemberId, Timestamp, Zone};
use shared::runtime::{Backoff, Clock, Tasks};
use shared::security::authorization::Mode;
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

/// The time before the end of a certificate in which the log warns that it could not be renewed, and the time
/// between two such warnings.
const WARNED_BEFORE: Duration = Duration::from_hours(7 * 24);
const WARNED_EVERY: Duration = Duration::from_hours(1);

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

/// The state of a membership, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The degree to which the network is secured.
    pub mode: Mode,
    /// The network.
    pub cluster: ClusterId,
    /// The end of the program's certificate.
    pub ends: Timestamp,
    /// The failure of the latest renewal; none when it has succeeded, or is not due.
    pub failure: Option<String>,
}

/// A program's place in a secured network; cheap to clone.
#[derive(Clone, Debug)]
pub struct Membership {
    tls: Tls,
    role: Role,
    clock: Clock,
    papers: Arc<Mutex<Papers>>,
    /// The failure of the latest renewal.
    failure: Arc<Mutex<Option<String>>>,
}

impl Membership {
    /// Reads the membership of a data directory and puts it into force, if there is one. A peer has an id and
    /// a key before it joins; a program that has none (`own` is none) gets them when it joins.
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
            failure: Arc::default(),
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

    /// Returns the failure domain that the join line named, if it named one.
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        self.papers().zone()
    }

    /// Returns the state of the membership; none before the program has joined.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let certificate = self.tls.certificate()?;
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Standing {
            mode: self.tls.mode(),
            cluster: certificate.identity.cluster,
            ends: certificate.ends,
            failure: failure.clone(),
        })
    }

    /// Returns the security of a caller that knows the network and shows no certificate; none before the
    /// program has joined.
    ///
    /// # Errors
    /// When a root cannot be used.
    pub fn guest(&self) -> Result<Option<Tls>, MembershipError> {
        let Some((cluster, roots)) = self.papers().trust() else {
            return Ok(None);
        };
        Ok(Some(Tls::of_guest(self.clock.clone(), cluster, roots)?))
    }

    /// Checks that a line leads into the network of which the program is a member.
    ///
    /// # Errors
    /// When it is another network.
    pub fn check(&self, line: &JoinLine) -> Result<(), RemoteError> {
        let papers = self.papers();
        match papers.is_by(line.pin()) {
            true => Ok(()),
            false => Err(RemoteError::of(&OtherNetwork(
                papers.path().display().to_string(),
            ))),
        }
    }

    /// Returns the way into the network of a line: the first of its addresses that answers, and the program
    /// that is there.
    ///
    /// # Errors
    /// When none answers, or it is another network.
    pub async fn entry_of(line: &JoinLine) -> Result<EntryPoint, RemoteError> {
        let (server, entrance) = enter(line, line.servers()).await?;
        Ok(entry_point(&server, &entrance))
    }

    /// Joins the network of a line, by the first of its addresses that answers, and returns the way into it.
    ///
    /// # Errors
    /// Unavailable when none answers, or the clocks differ; otherwise the network does not take this program.
    pub async fn join(&self, line: &JoinLine) -> Result<EntryPoint, RemoteError> {
        let (server, entrance) = enter(line, line.servers()).await?;
        let entry = entry_point(&server, &entrance);
        let client = match SecurityClient::entering(&entrance, &server) {
            Some(client) => client,
            None => ask_for_tracker(line, &server, &entrance).await?,
        };
        let own = self.papers().key()?;
        let member = own.0;
        let enrol = Enrol {
            token: line.token(),
            secret: line.secret().clone(),
            role: self.role,
            member,
            request: request_of(&own.1)?,
        };
        let admission = client.enrol(enrol).await?;
        self.take(own, admission, Some(line.pin())).await?;
        info!(%member, role = %self.role, "joined the network");
        Ok(entry)
    }

    /// Puts a certificate into force and writes it down.
    async fn take(&self, own: OwnKey, admission: Admission, pin: Option<KeyHash>) -> Result<(), RemoteError> {
        let now = self.clock.now();
        let membership = self.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let mut papers = membership.papers();
            papers.take(own, &admission, pin, now)?;
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

    async fn renew_in_time(&self, mut tracker: watch::Receiver<Option<HostPort>>) {
        let mut warned = None::<Timestamp>;
        loop {
            let due = self.tls.certificate().filter(|own| {
                let left = own.ends.since(self.clock.now());
                left < own.ends.since(own.begins) / RENEWED_WITH
            });
            let address = tracker.borrow_and_update().clone();
            if let (Some(own), Some(address)) = (due, address) {
                let outcome = self.renew(&address).await;
                let failure = outcome.as_ref().err().map(ToString::to_string);
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
                let now = self.clock.now();
                let (left, is_quiet) = (own.ends.since(now), |at| now.since(at) < WARNED_EVERY);
                match outcome {
                    Ok(()) => info!("the certificate of this program was renewed"),
                    Err(error) if left > WARNED_BEFORE || warned.is_some_and(is_quiet) => {
                        debug!(%error, tracker = %address, "the certificate of this program could not be renewed");
                    }
                    Err(error) => {
                        warned = Some(now);
                        let left = shared::model::format_duration(left);
                        warn!(%error, tracker = %address, %left, "the certificate of this program could not be renewed");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                // Another tracker may do it at once.
                Ok(()) = tracker.changed() => {}
            }
        }
    }

    /// Has the key certified again. No certificate is shown for that: the last one may have ended.
    ///
    /// # Errors
    /// When the tracker does not answer or refuses.
    pub async fn renew(&self, tracker: &HostPort) -> Result<(), RemoteError> {
        let guest = self.guest()?.ok_or_else(|| RemoteError::of(&NotJoined))?;
        let own = self.papers().key()?;
        let request = request_of(&own.1)?;
        let admission = SecurityClient::new(tracker, &guest)?.renew(request).await?;
        self.take(own, admission, None).await
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

/// The program is a member already, and the line is another network's.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the join line is of another network than the one that this program has joined: leave the line out, or use \
     another data directory; to leave that network for good, remove {0} first"
)]
struct OtherNetwork(String);

impl Coded for OtherNetwork {
    fn code(&self) -> ErrorCode {
        ErrorCode::FailedPrecondition
    }
}

/// Finds the network of a line at the first of some addresses that answers.
async fn enter(line: &JoinLine, addresses: &[HostPort]) -> Result<(HostPort, Entrance), RemoteError> {
    let mut failure = None::<RemoteError>;
    for address in addresses {
        let error = match Entrance::find(address, line.pin()).await {
            Ok(entrance) => return Ok((address.clone(), entrance)),
            Err(error) => error,
        };
        // A program that may still come is worth waiting for, whoever answers elsewhere.
        let is_final = |failure: &RemoteError| failure.code() != ErrorCode::Unavailable;
        if failure
            .as_ref()
            .is_none_or(|before| is_final(before) && !is_final(&error))
        {
            failure = Some(error);
        }
    }
    let none = || RemoteError::new(ErrorCode::Unavailable, "the join line names no address");
    Err(failure.unwrap_or_else(none))
}

fn entry_point(address: &HostPort, entrance: &Entrance) -> EntryPoint {
    let address = address.clone();
    match entrance.server().role {
        Role::Tracker => EntryPoint::Tracker(address),
        Role::Peer => EntryPoint::Peer(address),
        Role::Webserver | Role::User => EntryPoint::Webserver(address),
    }
}

/// Finds a tracker by way of a member that knows some. The secret is for trackers only.
async fn ask_for_tracker(
    line: &JoinLine,
    server: &HostPort,
    entrance: &Entrance,
) -> Result<SecurityClient, RemoteError> {
    let gateways = DirectoryClient::entering(entrance, server).gateways().await?;
    let trackers = gateways.trackers.iter();
    let addresses: Vec<_> = trackers
        .map(|tracker| tracker.address.seen_from(server))
        .collect();
    if addresses.is_empty() {
        let text = format!("{server} knows no tracker that answers; start the tracker first");
        return Err(RemoteError::new(ErrorCode::Unavailable, text));
    }
    let (address, entrance) = enter(line, &addresses).await?;
    SecurityClient::entering(&entrance, &address).ok_or_else(|| {
        let text = format!("{address} is no tracker, although {server} says so");
        RemoteError::new(ErrorCode::Unavailable, text)
    })
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
