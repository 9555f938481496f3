//! TLS between programs: who proves what to whom, and until when.
//!
//! [`Credentials`] are the certificate, the key and the roots of one member. A program has one [`Tls`], the
//! handle on its credentials, the [`Mode`] of its network and the revoked members. It is read for each
//! connection that [`crate::accept`] takes and each that [`crate::dial`] makes, so that a change is in force
//! at once and on both sides. A [`Certificate`] is shown by the other end: a connection that stands on one
//! ends when it does. A [`PublicCertificate`] is for browsers. [`crate::dial::Entrance`] is for a machine
//! that has not joined yet. The reasons are in
//! docs/adr/0040-security.md.

mod certificate;
mod connection;
mod credentials;
pub(crate) mod enrolment;
mod failure;
mod public;
mod validity;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use shared::model::{ClusterId, KeyHash, MemberId, PeerId, Timestamp};
use shared::runtime::Clock;
use shared::security::authorization::{Caller, Mode};
use shared::security::{Expected, Identity, News, Role};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use certificate::{Certificate, key_of, life_of};
pub(crate) use connection::Connection;
use credentials::Configured;
pub use credentials::{Credentials, Roots};
pub use failure::TlsError;
pub(crate) use failure::{explained, is_no_tls};
use public::Public;
pub use public::PublicCertificate;

/// Cryptography of all connections.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// Unsent bytes that a connection may keep above the kernel: as many as the kernel itself may keep; see
/// docs/adr/0011-data-path.md.
const UNSENT_BYTES: usize = 32 << 10;

/// The wall clock may be set while a certificate's end is waited for: it is looked at this often.
const CLOCK_CHECK: Duration = Duration::from_mins(10);

/// The server of the own network that a dialler expects at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Any member of a role.
    Any(Role),
    /// The member of this role with this id.
    Member(Role, MemberId),
}

impl Server {
    /// Returns the server that is a peer.
    #[must_use]
    pub fn peer(id: PeerId) -> Self {
        Self::Member(Role::Peer, id.into())
    }
}

/// Security of one program as it is at a moment; cheap to clone.
#[derive(Clone, Debug)]
struct State {
    mode: Mode,
    configured: Option<Arc<Configured>>,
    revoked: Arc<BTreeSet<KeyHash>>,
    /// Time at which a tracker last confirmed that; none where nobody has to.
    heard: Option<Timestamp>,
    /// Age of that from which certificates of peers are not taken.
    news_max_age: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            configured: None,
            revoked: Arc::default(),
            heard: None,
            news_max_age: News::DEFAULT_MAX_AGE,
        }
    }
}

/// Security of one program; cheap to clone, all clones are one.
#[derive(Clone, Debug)]
pub struct Tls {
    state: watch::Sender<State>,
    public: Public,
    clock: Clock,
}

/// The start of a connection that is taken or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Without TLS.
    Plain,
    /// By TLS.
    Tls,
    /// Not at all.
    None,
}

impl Default for Tls {
    /// Makes the handle of a program in a network without security.
    fn default() -> Self {
        Self::off(Clock::following())
    }
}

impl Tls {
    /// Makes the handle of a program that has no credentials, in a network without security.
    #[must_use]
    pub fn off(clock: Clock) -> Self {
        Self {
            state: watch::Sender::default(),
            public: Public::default(),
            clock,
        }
    }

    /// Makes the handle of a program that is no member and calls members of a cluster with a token, or proves
    /// a key: it knows the roots.
    ///
    /// # Errors
    /// When a root is none.
    pub fn of_guest(clock: Clock, cluster: ClusterId, roots: Roots) -> Result<Self, TlsError> {
        let configured = Some(Arc::new(Configured::of_guest(cluster, roots)?));
        let state = State {
            mode: Mode::Required,
            configured,
            ..State::default()
        };
        Ok(Self {
            state: watch::Sender::new(state),
            public: Public::default(),
            clock,
        })
    }

    /// Changes the degree to which the network is secured.
    pub fn set_mode(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Puts credentials into force. Connections that exist go on.
    ///
    /// # Errors
    /// When the credentials make no sense; those before stay in force.
    pub fn load(&self, credentials: Credentials) -> Result<(), TlsError> {
        let configured = Arc::new(Configured::of(credentials, Public::clone(&self.public))?);
        self.state
            .send_modify(|state| state.configured = Some(configured));
        Ok(())
    }

    /// Shows a certificate to browsers, from the next connection on. The first one that is given stays.
    pub fn show_to_browsers(&self, certificate: PublicCertificate) {
        // A second one is left aside.
        drop(self.public.set(certificate));
    }

    /// Replaces the set of revoked members, by the hashes of their keys. Their connections end at once.
    pub fn set_revoked(&self, revoked: impl IntoIterator<Item = KeyHash>) {
        let revoked = Arc::new(revoked.into_iter().collect());
        self.state.send_modify(|state| state.revoked = revoked);
    }

    /// Puts into force what every member has to know, as a tracker confirmed it at a time. The roots come
    /// with the credentials.
    pub fn adopt(&self, news: &News, heard: Timestamp) {
        let revoked = Arc::new(news.revoked.iter().copied().collect());
        self.state.send_modify(|state| {
            (state.mode, state.revoked, state.heard) = (news.mode, revoked, Some(heard));
        });
    }

    /// Changes the age of the news from which no certificate of a peer is taken: it may have been revoked
    /// since.
    pub fn set_news_max_age(&self, age: Duration) {
        self.state.send_modify(|state| state.news_max_age = age);
    }

    /// Returns the degree to which the network is secured.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.state.borrow().mode
    }

    /// Returns the own certificate in force, if there is one: to see when it has to be renewed.
    #[must_use]
    pub fn certificate(&self) -> Option<Certificate> {
        let state = self.state.borrow();
        state.configured.as_ref()?.certificate
    }

    /// Returns the name that a server has in the own cluster.
    pub(crate) fn expected(&self, server: Server) -> Result<Expected, TlsError> {
        let cluster = self.configured()?.cluster;
        Ok(match server {
            Server::Any(role) => Expected::Any { role, cluster },
            Server::Member(role, id) => Expected::Member(Identity { id, role, cluster }),
        })
    }

    /// Returns whether connections can begin with TLS now, so that their first bytes have to be looked at.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state.borrow().mode != Mode::Off
    }

    /// Decides how to go on with a connection that was taken: from this machine or not, and beginning with
    /// TLS or not.
    pub(crate) fn way_in(&self, is_own: bool, is_tls: bool) -> Way {
        let state = self.state.borrow();
        match (state.mode, is_tls) {
            (Mode::Off, _) => Way::Plain,
            (_, true) if state.configured.as_ref().is_some_and(|own| own.server.is_some()) => Way::Tls,
            // A program that has not joined yet answers as one without security does.
            (Mode::Permissive, _) => Way::Plain,
            (Mode::Required, false) if is_own => Way::Plain,
            (Mode::Required, _) => Way::None,
        }
    }

    /// Decides how to make a connection.
    pub(crate) fn way_out(&self) -> Way {
        let state = self.state.borrow();
        match state.mode {
            Mode::Off => Way::Plain,
            _ if state.configured.is_some() => Way::Tls,
            Mode::Permissive => Way::Plain,
            Mode::Required => Way::None,
        }
    }

    /// Makes the handshake of a connection that was taken. Returns it with the member at its other end;
    /// `stranger` stands for one that shows no certificate. A revoked member comes in to hear that it is one.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        stranger: Caller,
    ) -> io::Result<(Connection, Caller)> {
        let configured = self.configured()?;
        let server = configured.server.as_ref().ok_or(TlsError::NoCredentials)?;
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(stream).await?;
        let (_, session) = stream.get_mut();
        session.set_buffer_limit(Some(UNSENT_BYTES));
        let Some([shown, ..]) = session.peer_certificates() else {
            return Ok((self.bound(stream.into(), None), stranger));
        };
        let shown = Certificate::read(shown)?;
        let (identity, key) = (shown.identity, shown.key);
        let (certificate, caller) = match self.admit(shown) {
            Ok(()) => (Some(shown), Caller::Member { identity, key }),
            Err(TlsError::Revoked) => (None, Caller::Revoked { identity }),
            Err(error) => return Err(error.into()),
        };
        Ok((self.bound(stream.into(), certificate), caller))
    }

    /// Makes the handshake of a connection that was dialled.
    pub(crate) async fn connect(&self, stream: TcpStream, expected: Expected) -> io::Result<Connection> {
        let configured = self.configured()?;
        let name = ServerName::try_from(expected.to_string()).map_err(io::Error::other)?;
        let mut stream = TlsConnector::from(Arc::clone(&configured.client))
            .connect(name, stream)
            .await?;
        let (_, session) = stream.get_mut();
        session.set_buffer_limit(Some(UNSENT_BYTES));
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let shown = shown.ok_or(TlsError::Certificate)?;
        let shown = Certificate::read(shown)?;
        self.admit(shown)?;
        Ok(self.bound(stream.into(), Some(shown)))
    }

    fn configured(&self) -> Result<Arc<Configured>, TlsError> {
        let state = self.state.borrow();
        state.configured.clone().ok_or(TlsError::NoCredentials)
    }

    /// Decides whether a certificate counts that the library has verified.
    fn admit(&self, certificate: Certificate) -> Result<(), TlsError> {
        let state = self.state.borrow();
        if state.revoked.contains(&certificate.key) {
            return Err(TlsError::Revoked);
        }
        // A tracker that answers can confirm itself: it is the one that knows.
        let is_old = |heard: Timestamp| self.clock.now().since(heard) > state.news_max_age;
        match certificate.identity.role == Role::Peer && state.heard.is_some_and(is_old) {
            true => Err(TlsError::Unconfirmed),
            false => Ok(()),
        }
    }

    /// Binds a connection to the certificate that was shown on it.
    fn bound(
        &self,
        stream: tokio_rustls::TlsStream<TcpStream>,
        certificate: Option<Certificate>,
    ) -> Connection {
        let end = certificate.map(|certificate| self.clone().end_of(certificate));
        Connection::secured(stream, end)
    }

    /// Waits until a certificate counts no longer, and says why.
    async fn end_of(self, certificate: Certificate) -> TlsError {
        let mut state = self.state.subscribe();
        loop {
            let left = certificate.ends.since(self.clock.now());
            if left.is_zero() {
                return TlsError::Ended;
            }
            // The handle itself keeps the sender.
            let is_revoked = |state: &State| state.revoked.contains(&certificate.key);
            let revoked = tokio::time::timeout(left.min(CLOCK_CHECK), state.wait_for(is_revoked));
            if let Ok(Ok(_)) = revoked.await {
                return TlsError::Revoked;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_connections_are_taken_from_this_machine_and_by_the_mode() {
        let tls = Tls::off(Clock::system());
        let ways = |tls: &Tls| {
            [(true, false), (false, false), (false, true)].map(|(own, is_tls)| tls.way_in(own, is_tls))
        };
        assert_eq!(ways(&tls), [Way::Plain; 3], "without security nobody looks");
        tls.set_mode(Mode::Permissive);
        assert_eq!(ways(&tls), [Way::Plain; 3]);
        tls.set_mode(Mode::Required);
        assert_eq!(ways(&tls), [Way::Plain, Way::None, Way::None]);
    }

    #[test]
    fn a_program_without_credentials_dials_nobody_who_requires_them() {
        let tls = Tls::off(Clock::system());
        assert_eq!(tls.way_out(), Way::Plain);
        tls.set_mode(Mode::Permissive);
        assert_eq!(tls.way_out(), Way::Plain);
        tls.set_mode(Mode::Required);
        assert_eq!(tls.way_out(), Way::None);
    }
}
