//! `tracker init`: a network becomes a secured one.

use std::path::Path;
use std::time::Duration;

use shared::data_files;
use shared::json::{JoinLines, Secured};
use shared::model::{ClusterId, HostPort, NetworkId, Timestamp, TokenId};
use shared::runtime::Clock;
use shared::security::{ApiToken, Grant, JoinLine, Right, Role, Scope, Secret, SecretHash};

use super::office::ADMIN_TOKEN;
use super::{CommandError, servers, told};
use crate::authority::{self, Authority, AuthorityError};
use crate::config::Config;
use crate::journal::{Journal as _, SqliteJournal};
use crate::state::{Fact, Record, SecurityFact, State};
use crate::timing::Timing;
use crate::whereabouts;

/// Life of a join line, unless somebody says another.
pub(super) const LINE: Duration = Duration::from_hours(1);

/// Advice when the lines are of no use elsewhere.
const HERE: &str = "

These lines have an address of this machine only. For others, say with --address where they reach the tracker:
`tracker token create --join peer --address HOST:PORT`.";

pub(super) async fn secure(
    config: Config,
    names: Vec<String>,
    addresses: Vec<HostPort>,
    json: bool,
) -> Result<String, CommandError> {
    let has_addresses = !addresses.is_empty();
    let servers = servers(addresses, &config)?;
    let is_here = servers.iter().all(HostPort::is_loopback);
    let done = tokio::task::spawn_blocking(move || {
        let secured = begin(&config.data_dir, &servers, names, &Clock::system())?;
        if has_addresses {
            let noted = whereabouts::note_joins(&config.data_dir, &servers);
            noted.map_err(|source| CommandError::Io {
                act: "write into",
                path: config.data_dir.clone(),
                source,
            })?;
        }
        Ok::<_, CommandError>((secured, config))
    });
    let (secured, config) = done.await.map_err(|_| CommandError::Failed)??;
    Ok(told(json, &secured, |secured| {
        text(secured, &config.data_dir) + if is_here { HERE } else { "" }
    }))
}

fn fact(at: Timestamp, fact: SecurityFact) -> Record {
    Record {
        at,
        fact: Fact::Security(fact),
    }
}

fn made(token: TokenId, hash: SecretHash, grant: Grant, ends: Option<Timestamp>) -> SecurityFact {
    SecurityFact::TokenMade {
        token,
        hash,
        grant,
        ends,
    }
}

/// Secures the network of a data directory, and begins it if there is none. The authority comes last: until it
/// is there, nothing is secured, and this can be done again.
fn begin(
    data_dir: &Path,
    servers: &[HostPort],
    names: Vec<String>,
    clock: &Clock,
) -> Result<Secured, CommandError> {
    // The journal is locked as long as it is open.
    let mut journal = SqliteJournal::open(data_dir)?;
    if authority::exists(data_dir) {
        return Err(AuthorityError::Exists(data_dir.to_owned()).into());
    }
    let mut state = State::new(Timing::default(), 0);
    crate::journal::replay(&mut journal, &mut state)?;
    let now = clock.now();
    let mut records = Vec::new();
    let network = state.network().unwrap_or_else(|| {
        let network = NetworkId::from_bytes(rand::random());
        let fact = Fact::NetworkNamed(network);
        records.push(Record { at: now, fact });
        network
    });
    let admin = ApiToken::random();
    let scopes = Scope::new(Right::Admin, "").into_iter().collect();
    let of_admin = made(admin.id, admin.secret.hash(), Grant::Api { scopes }, None);
    records.push(fact(now, of_admin));
    let drawn = [Role::Peer, Role::Webserver, Role::Tracker].map(|role| {
        let (token, secret) = (TokenId::random(), Secret::<16>::random());
        let grant = Grant::Join {
            role,
            uses: None,
            zone: None,
        };
        let joining = made(token, secret.hash(), grant, Some(now.after(LINE)));
        records.push(fact(now, joining));
        (token, secret)
    });
    journal.append(&records)?;
    let path = data_dir.join(ADMIN_TOKEN);
    let written = data_files::replace_durably(&path, &format!("{admin}\n"));
    written.map_err(|source| CommandError::Io {
        act: "write",
        path,
        source,
    })?;
    let authority = Authority::create(data_dir, ClusterId::of(network), names, now)?;
    let [peer, webserver, tracker] = drawn.map(|(token, secret)| {
        JoinLine::new(servers.to_vec(), authority.key(), token, secret).map(|line| line.to_string())
    });
    Ok(Secured {
        cluster: authority.cluster().to_string(),
        admin_token: admin.to_string(),
        join: JoinLines {
            peer: peer?,
            webserver: webserver?,
            tracker: tracker?,
        },
    })
}

fn text(secured: &Secured, data_dir: &Path) -> String {
    let Secured {
        cluster,
        admin_token,
        join,
    } = secured;
    let dir = data_dir.display();
    format!(
        "The network is secured as cluster {cluster}. What follows is not shown again.

Join lines, valid for an hour and for any number of machines. Give a machine its line in ENJAMBRE_JOIN or in a
file; `tracker token create --join peer` makes others.
  peers:       {}
  webservers:  {}
  trackers:    {}

Token of the administrator, which is also in {dir}/{ADMIN_TOKEN}:
  {admin_token}

Start the tracker now, then webservers and peers with their lines. On a network that runs already, start it with
--tls permissive until all machines have joined. Back {dir} up: without authority.key the network has to be
joined again.",
        join.peer, join.webserver, join.tracker
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> [HostPort; 1] {
        ["10.0.0.1:50052".parse().expect("an address")]
    }

    #[test]
    fn a_network_is_secured_once_and_nothing_else_is_lost() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (clock, at) = (Clock::system(), servers());
        let secured = begin(dir.path(), &at, Vec::new(), &clock).expect("secured");
        let line: JoinLine = secured.join.peer.parse().expect("a line");
        let authority = Authority::open(dir.path()).expect("read").expect("there");
        assert_eq!((line.pin(), line.servers()), (authority.key(), &at[..]));
        assert_eq!(secured.cluster, authority.cluster().to_string());
        let again = begin(dir.path(), &at, Vec::new(), &clock);
        assert!(matches!(
            again,
            Err(CommandError::Authority(AuthorityError::Exists(_)))
        ));
        let sound = crate::offline::check(dir.path()).expect("sound");
        assert_eq!(sound.facts, 5);
    }

    #[test]
    fn its_secrets_are_for_the_owner_and_in_no_other_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let secured = begin(dir.path(), &servers(), Vec::new(), &Clock::system()).expect("secured");
        let admin: ApiToken = secured.admin_token.parse().expect("a token");
        let mut secrets = vec![admin.secret.expose().to_vec()];
        for line in [&secured.join.peer, &secured.join.webserver, &secured.join.tracker] {
            let line: JoinLine = line.parse().expect("a line");
            secrets.push(line.secret().expose().to_vec());
        }
        for entry in std::fs::read_dir(dir.path()).expect("read") {
            let path = entry.expect("read").path();
            let bytes = std::fs::read(&path).expect("read");
            let name = path.file_name().expect("a name").to_owned();
            for secret in &secrets {
                let has = bytes.windows(secret.len()).any(|window| window == secret);
                assert!(!has, "{}", path.display());
            }
            let text = String::from_utf8_lossy(&bytes);
            let has_token = text.contains(&secured.admin_token);
            assert_eq!(has_token, name == ADMIN_TOKEN, "{}", path.display());
            if ["authority.key", "authority.pem", "tracker.key", ADMIN_TOKEN]
                .iter()
                .any(|own| name == *own)
            {
                let mode = path.metadata().expect("there").permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", path.display());
            }
        }
    }

    #[test]
    fn names_that_cannot_stand_in_a_certificate_are_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for bad in ["", "a b", "tracker.0123456789abcdef.enjambre", "ñ"] {
            let names = vec!["tracker.lab".to_owned(), bad.to_owned()];
            let refused = begin(dir.path(), &servers(), names, &Clock::system());
            assert!(matches!(
                refused,
                Err(CommandError::Authority(AuthorityError::Name(name))) if name == bad
            ));
        }
        let names = vec!["tracker.lab".to_owned(), "10.0.0.1".to_owned(), "::1".to_owned()];
        begin(dir.path(), &servers(), names, &Clock::system()).expect("secured");
    }
}
