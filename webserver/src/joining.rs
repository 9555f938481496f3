//! The webserver's way into a secured network, and its memory of it.
//!
//! A join line is used once: afterwards the data directory has the membership, and `trackers.json` the
//! trackers that the network named. A webserver that never joins has no data directory.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::RemoteError;
use proto::client::DirectoryClient;
use proto::membership::{Membership, MembershipError};
use proto::messages::control::EntryPoint;
use proto::tls::{PublicCertificate, Tls, TlsError};
use shared::model::HostPort;
use shared::runtime::{Backoff, Clock};
use shared::security::{JoinLine, JoinLineError, Role};
use shared::{Coded, ErrorCode, data_files};
use tracing::{info, warn};

use crate::directory;

const TRACKERS: &str = "trackers.json";

/// A longer file is none of a join line.
const MAX_FILE: u64 = 64 << 10;

/// Between two attempts to join.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The variable that has a join line.
const VARIABLE: &str = "ENJAMBRE_JOIN";

/// A text that should be a join line. `Debug` does not show it: it has a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct LineText(String);

impl LineText {
    /// Takes any text: the reason why it is no line must not repeat it, as complaints about arguments do.
    ///
    /// # Errors
    /// Never.
    pub fn take(text: &str) -> Result<Self, std::convert::Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for LineText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineText(…)")
    }
}

/// Reasons for which a webserver does not become a member.
#[derive(Debug, thiserror::Error)]
pub enum JoiningError {
    /// A text is no join line.
    #[error("{place}: {reason}")]
    Line {
        /// The place of the text.
        place: String,
        /// Its fault.
        reason: JoinLineError,
    },
    /// The file of the join line cannot be read.
    #[error("cannot read the join line in {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's refusal.
        source: io::Error,
    },
    /// There is no place for the membership.
    #[error("a webserver that joins needs a directory for its membership; name one with --data-dir")]
    NoDataDir,
    /// The data directory cannot be used.
    #[error("cannot {act} {}: {source}", path.display())]
    Io {
        /// The attempt.
        act: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's refusal.
        source: io::Error,
    },
    /// The file of trackers does not say what it should.
    #[error("{} is damaged: remove it and name the trackers with --tracker", .0.display())]
    Damaged(PathBuf),
    /// The membership cannot be used.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The certificate for browsers cannot be used.
    #[error("cannot use the certificate in {}: {error}", path.display())]
    Public {
        /// The file of the certificate.
        path: PathBuf,
        /// Its fault, or that of the key.
        error: TlsError,
    },
    /// A certificate for browsers is of no use without TLS.
    #[error(
        "a certificate for browsers is for a webserver that has joined a secured network; give it a join line"
    )]
    Outside,
    /// The network does not take this webserver.
    #[error("cannot join the network: {0}")]
    Refused(#[from] RemoteError),
}

impl Coded for JoiningError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Line { .. } | Self::File { .. } | Self::Public { .. } | Self::NoDataDir | Self::Outside => {
                ErrorCode::InvalidArgument
            }
            Self::Io { source, .. } => shared::refusal::of_place(source),
            Self::Damaged(_) => ErrorCode::Corrupt,
            Self::Membership(error) => error.code(),
            Self::Refused(error) => error.code(),
        }
    }
}

/// The places that may have a join line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The text of the flag.
    pub flag: Option<LineText>,
    /// The file of a setting, and whether a flag names it.
    pub file: Option<(PathBuf, bool)>,
    /// The text of the environment.
    pub variable: Option<OsString>,
}

impl Given {
    /// Reads the variable of the environment.
    #[must_use]
    pub fn variable(env: shared::settings::Env<'_>) -> Option<OsString> {
        env(VARIABLE).filter(|text| !text.is_empty())
    }

    /// Returns the join line of the strongest place: flags, the environment, the configuration file.
    ///
    /// # Errors
    /// When it is none, or cannot be read.
    pub fn line(&self) -> Result<Option<JoinLine>, JoiningError> {
        let read = |place: &str, text: &str| {
            let place = place.to_owned();
            let line = text
                .parse()
                .map_err(|reason| JoiningError::Line { place, reason });
            line.map(Some)
        };
        match (&self.flag, &self.variable, &self.file) {
            (Some(LineText(text)), _, _) => read("--join", text),
            (None, Some(text), None | Some((_, false))) => read(VARIABLE, &text.to_string_lossy()),
            (None, _, Some((path, _))) => {
                let text = text_of(path).map_err(|source| JoiningError::File {
                    path: path.clone(),
                    source,
                })?;
                read(&path.display().to_string(), &text)
            }
            (None, None, None) => Ok(None),
        }
    }
}

/// Reads a file that somebody names: it may be a pipe.
fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// A webserver's place: outside of secured networks, or in one.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The membership; none of a webserver that has not joined.
    pub membership: Option<Membership>,
    /// Trackers of the network; none are known outside.
    pub trackers: Vec<HostPort>,
    /// Names of this machine in certificates.
    pub names: Vec<String>,
}

impl Place {
    /// The security of the webserver's connections.
    #[must_use]
    pub fn tls(&self) -> Tls {
        let membership = self.membership.as_ref();
        membership.map_or_else(Tls::default, |own| own.tls().clone())
    }

    /// Shows browsers the certificate in a file, with the key in another one.
    ///
    /// # Errors
    /// When they cannot be read, or the webserver has not joined: then nothing is served by TLS.
    pub fn show_to_browsers(&mut self, [chain, key]: &[PathBuf; 2]) -> Result<(), JoiningError> {
        let Some(membership) = &self.membership else {
            return Err(JoiningError::Outside);
        };
        let read = |path: &PathBuf| std::fs::read(path).map_err(failed("read", path));
        let (of_chain, of_key) = (read(chain)?, read(key)?);
        let certificate =
            PublicCertificate::read(&of_chain, &of_key).map_err(|error| JoiningError::Public {
                path: chain.clone(),
                error,
            })?;
        self.names.extend(certificate.names().iter().cloned());
        membership.tls().show_to_browsers(certificate);
        Ok(())
    }
}

/// Takes up the membership of a data directory, or joins with a line, which waits until somebody answers.
/// Without both the webserver stays outside.
///
/// # Errors
/// When the membership cannot be used, or the network does not take this webserver.
pub async fn enter(data_dir: Option<&Path>, line: Option<&JoinLine>) -> Result<Place, JoiningError> {
    let Some(data_dir) = data_dir else {
        return match line {
            Some(_) => Err(JoiningError::NoDataDir),
            None => Ok(Place::default()),
        };
    };
    let tls = Tls::off(Clock::following());
    let membership = Membership::open(data_dir, Role::Webserver, None, tls, Clock::following())?;
    match line {
        None if !membership.is_member() => return Ok(Place::default()),
        Some(line) if !membership.is_member() => {
            data_files::make_data_directory(data_dir).map_err(failed("make", data_dir))?;
            let entry = join(&membership, line).await?;
            let trackers = trackers_of(&entry, membership.tls()).await?;
            remember(data_dir, &trackers)?;
        }
        Some(line) => {
            membership.check(line)?;
            info!("this webserver has joined before; the join line is not used");
        }
        None => {}
    }
    let mut trackers = remembered(data_dir)?;
    // The join line of a network names trackers as a rule.
    if let (true, Some(line)) = (trackers.is_empty(), line) {
        trackers = line.servers().to_vec();
    }
    let own = membership.tls().certificate();
    Ok(Place {
        names: own.map_or_else(Vec::new, |own| own.identity.names().into()),
        membership: Some(membership),
        trackers,
    })
}

/// Joins, as soon as somebody answers: the tracker may start later.
async fn join(membership: &Membership, line: &JoinLine) -> Result<EntryPoint, RemoteError> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match membership.join(line).await {
            Err(error) if error.code() == ErrorCode::Unavailable => {
                warn!(%error, "cannot join the network yet; trying again");
                tokio::time::sleep(backoff.next_wait()).await;
            }
            done => return done,
        }
    }
}

/// Returns the trackers of a network that was just joined.
async fn trackers_of(entry: &EntryPoint, tls: &Tls) -> Result<Vec<HostPort>, RemoteError> {
    let (address, client) = match entry {
        EntryPoint::Tracker(address) => return Ok(vec![address.clone()]),
        EntryPoint::Webserver(address) => (address, DirectoryClient::of_webserver(address, tls)?),
        EntryPoint::Peer(address) => (address, DirectoryClient::of_peer(address, tls)?),
    };
    let listed = client.gateways().await?.trackers.into_iter();
    let seen = listed.map(|tracker| tracker.address.seen_from(address));
    Ok(seen.take(directory::MAX_TRACKERS).collect())
}

fn remember(data_dir: &Path, trackers: &[HostPort]) -> Result<(), JoiningError> {
    let path = data_dir.join(TRACKERS);
    let texts: Vec<_> = trackers.iter().map(ToString::to_string).collect();
    let text = serde_json::json!(texts).to_string();
    data_files::replace_durably(&path, &text).map_err(failed("write", &path))
}

fn remembered(data_dir: &Path) -> Result<Vec<HostPort>, JoiningError> {
    let path = data_dir.join(TRACKERS);
    let text = match data_files::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            warn!(directory = %data_dir.display(), "no tracker of the network is remembered");
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed("read", &path)(error)),
    };
    let texts: Option<Vec<String>> = serde_json::from_str(&text).ok();
    let trackers = texts.and_then(|texts| texts.iter().map(|text| HostPort::remote(text).ok()).collect());
    trackers.ok_or(JoiningError::Damaged(path))
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JoiningError {
    let path = path.to_owned();
    move |source| JoiningError::Io { act, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn line(host: &str) -> String {
        format!("enjambre-join://{host}:50052/1.{PIN}.0707070707070707.aaaaaaaaaaaaaaaaaaaaaaaaaa")
    }

    fn host_of(given: &Given) -> String {
        let line = given.line().expect("a line").expect("given");
        line.servers()[0].host().to_owned()
    }

    #[test]
    fn a_flag_comes_before_the_environment_and_that_before_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("line");
        std::fs::write(&path, line("of-file") + "\n").expect("written");
        let text = LineText::take(&line("of-flag")).ok();
        let variable = Some(line("of-variable").into());
        let given = |flag: &Option<LineText>, by_flag, variable: &Option<OsString>| Given {
            flag: flag.clone(),
            file: Some((path.clone(), by_flag)),
            variable: variable.clone(),
        };
        assert_eq!(host_of(&given(&text, false, &variable)), "of-flag");
        assert_eq!(host_of(&given(&None, false, &variable)), "of-variable");
        assert_eq!(host_of(&given(&None, true, &variable)), "of-file");
        assert_eq!(host_of(&given(&None, false, &None)), "of-file");
        assert!(Given::default().line().expect("nothing is wrong").is_none());
    }

    #[test]
    fn a_text_that_is_no_line_is_never_repeated() {
        let secret = "aaaaaaaaaaaaaaaaaaaaaaaaa";
        let flag = LineText::take(&line("h").replace("join://", "join//")).ok();
        let given = Given {
            flag,
            ..Given::default()
        };
        let error = given.line().expect_err("no line");
        assert_eq!(error.code().exit_code(), 2);
        let shown = format!("{error} {error:?} {given:?}");
        assert!(shown.contains("--join: this is no join line"), "{shown}");
        assert!(!shown.contains(secret), "{shown}");
    }

    #[tokio::test]
    async fn a_webserver_that_does_not_join_makes_no_directory() {
        let home = tempfile::tempdir().expect("a directory");
        let data_dir = home.path().join("data");
        let place = enter(Some(&data_dir), None).await.expect("outside");
        assert!(place.membership.is_none() && place.trackers.is_empty());
        assert!(!data_dir.exists());
    }
}
