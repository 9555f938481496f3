//! Secured networks of the harness: the output of `tracker init`, and the ways of programs into a network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use proto::membership::Membership;
use proto::tls::Tls;
use serde_json::Value;
use shared::keys::PeerKey;
use shared::model::{HostPort, MemberId, PeerId};
use shared::runtime::{Clock, Tasks};
use shared::security::Role;
use tokio::sync::watch;

use crate::binaries;

/// Clusters of the harness are secured when this variable of the environment is set to anything but nothing.
const VARIABLE: &str = "ENJAMBRE_LAB_SECURED";

/// The variable in which programs take a join line.
const JOIN: &str = "ENJAMBRE_JOIN";

/// Returns whether clusters are secured unless they say otherwise.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|text| !text.is_empty())
}

/// The output of `tracker init --json`. It has secrets, and so has no `Debug`.
#[derive(Clone)]
pub struct Security(Value);

impl Security {
    /// Secures the network of a tracker that does not run yet.
    ///
    /// # Errors
    /// When `tracker init` fails.
    pub fn init(data_dir: &Path) -> Result<Self> {
        Self::init_with(data_dir, &[])
    }

    /// Does so with an environment besides.
    ///
    /// # Errors
    /// As [`Self::init`].
    pub fn init_with(data_dir: &Path, environment: &[(OsString, OsString)]) -> Result<Self> {
        let mut command = Command::new(binaries::path("tracker"));
        // By which curl knows the tracker.
        command
            .args(["init", "--json", "--name", "127.0.0.1", "--data-dir"])
            .arg(data_dir);
        command.envs(environment.iter().cloned());
        let output = command
            .stdin(Stdio::null())
            .output()
            .context("run `tracker init`")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`tracker init` failed: {complaint}");
        let document = serde_json::from_slice(&output.stdout).context("read what `tracker init` prints")?;
        Ok(Self(document))
    }

    /// Returns the join line of a role. It names a server at this address: a port is known when it is taken,
    /// which is after the line was printed.
    ///
    /// # Panics
    /// When nothing was printed for the role.
    #[must_use]
    pub fn line(&self, role: &str, server: &str) -> String {
        let printed = self.0["join"][role].as_str().expect("a line for the role");
        let (scheme, rest) = printed.split_once("://").expect("a line has a scheme");
        let (_, ticket) = rest.split_once('/').expect("a line has a ticket");
        format!("{scheme}://{server}/{ticket}")
    }

    /// Writes the join line of a peer into a file, and returns the file's path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_line(&self, path: &Path, server: &str) -> Result<String> {
        std::fs::write(path, self.line("peer", server)).context("write a join line")?;
        Ok(path.to_str().context("a path in text")?.to_owned())
    }

    /// Returns the administrator's token.
    ///
    /// # Panics
    /// When none was printed.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        self.0["admin_token"].as_str().expect("a token")
    }

    /// Returns the id of the cluster.
    ///
    /// # Panics
    /// When none was printed.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.0["cluster"].as_str().expect("an id")
    }
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Security(…)")
    }
}

/// A member that is no program of its own: the harness speaks as a peer.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its id.
    pub peer: PeerId,
    /// Security of its connections.
    pub tls: Tls,
    /// The key that its hellos prove, in a secured network.
    pub key: Option<Arc<PeerKey>>,
    membership: Option<Membership>,
}

impl Member {
    /// Makes a peer of a network without security.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            peer: PeerId::random(),
            tls: Tls::default(),
            key: None,
            membership: None,
        }
    }

    /// Joins by the tracker at an address; what it knows lies in a directory.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn join(security: &Security, tracker: &str, data_dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(data_dir).context("make a directory")?;
        let (peer, key) = (PeerId::random(), PeerKey::generate()?);
        let membership = open(data_dir, peer, &key)?;
        membership.join(&security.line("peer", tracker).parse()?).await?;
        Ok(Self::of(peer, key, membership))
    }

    /// Speaks as the peer whose data directory this is: as who has stolen it does.
    ///
    /// # Errors
    /// When it is no member's.
    pub fn stolen(data_dir: &Path) -> Result<Self> {
        let (peer, key) = peer::identity::read_key(data_dir).context("a key")?;
        let membership = open(data_dir, peer, &key)?;
        ensure!(membership.is_member(), "it has not joined");
        Ok(Self::of(peer, key, membership))
    }

    fn of(peer: PeerId, key: PeerKey, membership: Membership) -> Self {
        Self {
            peer,
            tls: membership.tls().clone(),
            key: Some(Arc::new(key)),
            membership: Some(membership),
        }
    }

    /// Hears the news of a tracker, as every member does, until this is dropped.
    pub async fn keep(&self, tracker: HostPort) {
        let (_tracker, told) = watch::channel(Some(tracker));
        match self.membership.clone() {
            Some(membership) => membership.keep(told, Tasks::new()).await,
            None => std::future::pending().await,
        }
    }
}

fn open(data_dir: &Path, peer: PeerId, key: &PeerKey) -> Result<Membership> {
    let own = Some((MemberId::from(peer), key));
    Ok(Membership::open(
        data_dir,
        Role::Peer,
        own,
        Tls::default(),
        Clock::system(),
    )?)
}

/// The way of a program into its network: words of its command line, and its environment.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The words.
    pub arguments: Vec<OsString>,
    /// Names and values of variables.
    pub environment: Vec<(OsString, OsString)>,
}

impl Entry {
    /// Returns the settings of a tracker: its data directory and its file.
    #[must_use]
    pub fn of_tracker(data_dir: PathBuf, config: PathBuf) -> Self {
        let arguments = [
            "--data-dir".into(),
            data_dir.into(),
            "--config".into(),
            config.into(),
        ];
        Self {
            arguments: arguments.into(),
            environment: Vec::new(),
        }
    }

    /// Returns the way of a webserver to a tracker; it keeps its membership in a directory.
    #[must_use]
    pub fn of_webserver(security: Option<&Security>, tracker: &str, data_dir: PathBuf) -> Self {
        let mut entry = Self::by(security, "webserver", "--tracker", tracker);
        entry.arguments.extend(["--data-dir".into(), data_dir.into()]);
        entry
    }

    /// Returns the way of a peer to a webserver.
    #[must_use]
    pub fn of_peer(security: Option<&Security>, webserver: &str) -> Self {
        Self::by(security, "peer", "--webserver", webserver)
    }

    /// Has the program listen for other machines without security, if there is none.
    #[must_use]
    pub fn elsewhere(mut self, is_secured: bool) -> Self {
        self.arguments
            .extend((!is_secured).then(|| OsString::from("--insecure")));
        self
    }

    fn by(security: Option<&Security>, role: &str, flag: &str, server: &str) -> Self {
        match security {
            None => Self {
                arguments: vec![flag.into(), server.into()],
                environment: Vec::new(),
            },
            Some(security) => Self {
                arguments: Vec::new(),
                environment: vec![(JOIN.into(), security.line(role, server).into())],
            },
        }
    }
}
