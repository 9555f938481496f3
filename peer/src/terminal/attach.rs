//! The node that a command talks to: the running one, or one that this process runs for as long as it is
//! needed.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use proto::RemoteError;
use proto::client::{ControlClient, Program, identify};
use proto::listen::has_address;
use proto::messages::control::{EntryPoint, SessionStatus, Status};
use proto::tls::Tls;
use shared::model::HostPort;
use shared::runtime::Tasks;
use shared::{Coded as _, ErrorCode};

use super::exit::{Exit, Failure};
use crate::blocking::blocking;
use crate::node::{
    Hidden, JoinSource, NodeConfig, NodeError, NodeHandle, RunningNode, find_running, last_entry,
    membership_of, own_address, security_of,
};
use crate::settings::{Options, default_entry};
use crate::words;

/// The time after which a node that has said nothing is looked at more closely.
const SILENCE: Duration = Duration::from_secs(8);

/// A node that answers.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The client of its `Control` service.
    pub client: ControlClient,
    /// Its status when it was reached, with the session that it has entered since.
    pub status: Status,
}

/// Returns the configuration of a node that this process runs, on `port` unless the options name one.
#[must_use]
pub fn node_config(
    options: &Options,
    port: u16,
    entry: Option<EntryPoint>,
    is_transient: bool,
) -> NodeConfig {
    NodeConfig {
        host: options.host.clone(),
        is_insecure: options.is_insecure,
        port: options.port.unwrap_or(port),
        advertise: options.advertise.clone(),
        data_dir: options.data_dir.clone(),
        entry,
        join: options.join.clone(),
        waits_to_join: false,
        is_transient,
        settings: options.node.clone(),
        in_force: options.in_force.clone(),
    }
}

/// Returns the running node: that of `--peer`, or else that of the data directory, if one runs.
///
/// # Errors
/// When there should be one and it does not answer.
pub async fn find(options: &Options) -> Result<Option<Attached>, Failure> {
    let data_dir = options.data_dir.clone();
    let looked = blocking(move || find_running(&data_dir)).await;
    let running = looked.map_err(|error| Failure::of(words::look_for_node(), &error))?;
    let running = match (running, &options.peer) {
        (Ok(running), _) => running,
        // A node that is named by its address is asked without its token.
        (Err(_), Some(_)) => None,
        (Err(hidden), None) => return Err(of_another_user(hidden, &options.data_dir)),
    };
    let Some((address, token)) = meant(options.peer.as_ref(), running).await else {
        return Ok(None);
    };
    let tls = security(options).await;
    reach(&address, token.as_deref(), &tls).await.map(Some)
}

/// Returns the security of connections to members of the network of the options' data directory.
pub async fn security(options: &Options) -> Tls {
    let data_dir = options.data_dir.clone();
    blocking(move || security_of(&data_dir)).await.unwrap_or_default()
}

/// Returns the security of a caller with a token. It shows no certificate: the own one would count for
/// nothing beside the token, and may have ended.
///
/// # Errors
/// When the membership in the data directory cannot be used.
pub async fn guest(options: &Options) -> Result<Tls, RemoteError> {
    let data_dir = options.data_dir.clone();
    let guest = blocking(move || membership_of(&data_dir)?.guest()).await;
    let stopping = |_| RemoteError::new(ErrorCode::Cancelled, "this program is stopping");
    Ok(guest.map_err(stopping)??.unwrap_or_default())
}

/// Makes a running node a member of the network of a join line, unless it is one; returns the way into it.
///
/// # Errors
/// When there is no line at its place, nobody answers, or the line does not count.
pub async fn join(client: &ControlClient, source: &JoinSource) -> Result<EntryPoint, Failure> {
    let source = source.clone();
    let read = blocking(move || source.read()).await;
    let Ok(read) = read else {
        return Err(Failure::new(Exit::Interrupted, words::interrupted()));
    };
    let line = read.map_err(|error| Failure::of(words::join_the_network(), &error))?;
    let joined = client.join(&line).await;
    let joined = joined.map_err(|error| Failure::of(words::join_the_network(), &error))?;
    Ok(joined.entry)
}

/// Returns the failure of a command on a data directory that this user may not look into.
#[must_use]
pub fn of_another_user(hidden: Hidden, data_dir: &Path) -> Failure {
    let why = match hidden {
        Hidden::Node => words::node_of_another_user(data_dir.display()),
        Hidden::Directory => words::directory_of_another_user(data_dir.display()),
    };
    Failure::new(Exit::NotAllowed, words::cannot(words::reach_a_node(), why))
}

/// Returns the running node.
///
/// # Errors
/// When there is none or it does not answer.
pub async fn require(options: &Options) -> Result<Attached, Failure> {
    find(options).await?.ok_or_else(|| {
        let why = words::none_runs(options.data_dir.display());
        Failure::new(Exit::Unreachable, words::cannot(words::reach_a_node(), why))
    })
}

impl Attached {
    /// Enters the network of `entry`, or else of the join line of the options, if the node is in none.
    ///
    /// # Errors
    /// When the network cannot be joined or entered.
    pub async fn enter_if_offline(
        &mut self,
        entry: Option<&EntryPoint>,
        options: &Options,
    ) -> Result<(), Failure> {
        if self.status.session != SessionStatus::Offline {
            return Ok(());
        }
        let mut entry = entry.cloned();
        if let (None, Some(source)) = (&entry, &options.join) {
            match join(&self.client, source).await {
                Ok(joined) => entry = Some(joined),
                // A member does not need the line any more.
                Err(_) if self.status.security.is_some() => {}
                Err(failure) => return Err(failure),
            }
        }
        if let Some(entry) = entry {
            let tracker = enter(&self.client, &entry, &security(options).await).await?;
            self.status.session = SessionStatus::Connected { tracker };
        }
        Ok(())
    }
}

/// Enters a network and returns its tracker.
///
/// # Errors
/// When no tracker welcomes the node.
pub async fn enter(client: &ControlClient, entry: &EntryPoint, tls: &Tls) -> Result<HostPort, Failure> {
    match client.connect(entry).await {
        Ok((tracker, _)) => Ok(tracker),
        Err(error) => Err(cannot_enter(entry, &error, tls)
            .await
            .hint(words::check_that_it_runs_there())),
    }
}

/// Returns the failure to enter a network; when another program answers at the address, the failure says so.
pub async fn cannot_enter(entry: &EntryPoint, error: &RemoteError, tls: &Tls) -> Failure {
    let misdirected = misdirected(entry, tls).await;
    misdirected.unwrap_or_else(|| Failure::of(words::connect_to(described(entry)), error))
}

/// Returns the failure of an entry point at whose address another program answers, or a secured network that
/// has not been joined; none if the right program does, or nothing.
pub async fn misdirected(entry: &EntryPoint, tls: &Tls) -> Option<Failure> {
    let found = proto::client::misdirected(entry, tls).await?;
    let mut exit = Exit::Usage;
    let (EntryPoint::Webserver(address) | EntryPoint::Tracker(address) | EntryPoint::Peer(address)) = entry;
    let why = match found {
        Program::Tracker => words::that_is_a_tracker(address),
        Program::Webserver => words::that_is_a_webserver(address),
        Program::Peer => words::that_is_a_peer(address),
        // The failure itself says what is wrong between members.
        Program::Tls if tls.is_on() => return None,
        Program::Tls => {
            exit = Exit::NotAllowed;
            words::that_is_secured().to_owned()
        }
        Program::Http | Program::Other => no_program_of_ours(found).to_owned(),
    };
    Some(Failure::new(
        exit,
        words::cannot(words::connect_to(described(entry)), why),
    ))
}

fn no_program_of_ours(found: Program) -> &'static str {
    match found {
        Program::Http => words::that_speaks_http(),
        Program::Tls => words::that_speaks_tls(),
        _ => words::that_is_another_program(),
    }
}

/// Returns the failure of a command at whose address no node answers, but another program. The flags that
/// take the address of that one are for running a node, which this command does not.
fn no_node(address: &HostPort, found: Program) -> Failure {
    let why = match found {
        Program::Tracker => words::a_tracker_is_no_node().to_owned(),
        Program::Webserver => words::a_webserver_is_no_node().to_owned(),
        found => no_program_of_ours(found).to_owned(),
    };
    Failure::new(Exit::Usage, words::cannot(words::reach_node_at(address), why))
}

/// Runs a node in this process, in no network yet; the caller stops it. A node that `is_transient` runs for
/// one command only.
///
/// # Errors
/// When the data directory or the address cannot be used.
pub async fn run(
    options: &Options,
    is_transient: bool,
    tasks: &Tasks,
) -> Result<(NodeHandle, ControlClient), Failure> {
    let config = node_config(options, 0, None, is_transient);
    let node = NodeHandle::start(config, tasks.clone())
        .await
        .map_err(|error| cannot_run(&error))?;
    let client = client(&node.control_address(), Some(node.token()))?;
    Ok((node, client))
}

/// Returns the failure of a command whose node does not start or has ended.
#[must_use]
pub fn cannot_run(error: &NodeError) -> Failure {
    match error {
        NodeError::Listen(why) => Failure::new(why.code().into(), words::listen_error(why)),
        NodeError::Unsecured(why) => Failure::new(why.code().into(), words::told(&why.to_string())),
        NodeError::Join(why) => Failure::of(words::join_the_network(), why),
        NodeError::JoinSource(why) => Failure::of(words::join_the_network(), why),
        _ => Failure::of(words::run_a_node(), error),
    }
}

/// Returns the network that a node of this process enters: the one that the settings name, or else its last
/// one, or else the default one.
#[must_use]
pub fn entry_or_default(options: &Options) -> EntryPoint {
    let named = options.entry.clone();
    named
        .or_else(|| last_network(options))
        .unwrap_or_else(default_entry)
}

/// Returns the network in which the node of the data directory was last.
#[must_use]
pub fn last_network(options: &Options) -> Option<EntryPoint> {
    last_entry(&options.data_dir)
}

/// Returns the address on which a node could listen, when no other machine can dial the one that it says and
/// the network of `entry` is on another machine. It is a forecast: the tracker decides.
pub async fn visitor_host(said: &HostPort, entry: &EntryPoint) -> Option<IpAddr> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let (EntryPoint::Webserver(network) | EntryPoint::Tracker(network) | EntryPoint::Peer(network)) = entry;
    if !said.is_loopback() || network.is_loopback() {
        return None;
    }
    let own = tokio::time::timeout(PATIENCE, own_address(network))
        .await
        .ok()?
        .ok()?;
    let is_there = network.host().parse() == Ok(own);
    (!is_there && !own.is_loopback()).then_some(own)
}

/// Returns text such as `the webserver at HOST:PORT`.
#[must_use]
pub fn described(entry: &EntryPoint) -> String {
    match entry {
        EntryPoint::Webserver(address) => words::webserver_at(address),
        EntryPoint::Tracker(address) => words::tracker_at(address),
        EntryPoint::Peer(address) => words::peer_at(address),
    }
}

/// Chooses the node to talk to, and the token: a token is shown only to the node that it belongs to. A name
/// or address that leads to the running node is as good as its own.
async fn meant(peer: Option<&HostPort>, running: Option<RunningNode>) -> Option<(HostPort, Option<String>)> {
    let own = |running: RunningNode| (running.address, Some(running.token));
    let Some(peer) = peer else {
        return running.map(own);
    };
    if let Some(running) = running {
        let found = tokio::net::lookup_host((peer.host(), peer.port())).await;
        let is_there = |address| running.listens_on(address, has_address);
        if found.is_ok_and(|mut found| found.any(is_there)) {
            return Some(own(running));
        }
    }
    Some((peer.clone(), None))
}

async fn reach(address: &HostPort, token: Option<&str>, tls: &Tls) -> Result<Attached, Failure> {
    let client = client(address, token)?;
    let answered = match tokio::time::timeout(SILENCE, client.status()).await {
        Ok(answered) => answered,
        // It may be a peer that is very busy.
        Err(_) if identify(address, tls).await == Some(Program::Peer) => client.status().await,
        Err(_) => return Err(silent(address)),
    };
    match answered {
        Ok(status) => Ok(Attached { client, status }),
        Err(error) => Err(match identify(address, tls).await {
            Some(found) if found != Program::Peer => no_node(address, found),
            // It runs, and says what is wrong with it.
            _ if error.code() == ErrorCode::Unimplemented => {
                Failure::of(words::reach_node_at(address), &error)
            }
            _ => Failure::of(words::reach_node_at(address), &error).hint(words::check_that_it_runs()),
        }),
    }
}

/// Returns the failure of a command at whose address something takes connections and says nothing.
fn silent(address: &HostPort) -> Failure {
    let why = words::cannot(words::reach_node_at(address), words::it_says_nothing());
    Failure::new(Exit::Unreachable, why).hint(words::check_that_it_runs())
}

fn client(address: &HostPort, token: Option<&str>) -> Result<ControlClient, Failure> {
    ControlClient::new(address, token).map_err(|error| Failure::of(words::reach_node_at(address), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> HostPort {
        text.parse().expect("an address")
    }

    #[tokio::test]
    async fn a_token_is_shown_only_to_the_node_that_it_belongs_to() {
        let own = address("127.0.0.1:50053");
        let running = || {
            Some(RunningNode {
                address: own.clone(),
                listens: vec![address("127.0.0.2:50053"), own.clone()],
                token: "secret".to_owned(),
            })
        };
        let it = Some((own.clone(), Some("secret".to_owned())));
        assert_eq!(meant(None, running()).await, it);
        for same in ["127.0.0.1:50053", "127.0.0.2:50053", "localhost:50053"] {
            assert_eq!(meant(Some(&address(same)), running()).await, it, "{same}");
        }
        for other in [
            "127.0.0.1:50054",
            "127.0.0.3:50053",
            "192.0.2.1:50053",
            "nowhere.invalid:50053",
        ] {
            let other = address(other);
            assert_eq!(meant(Some(&other), running()).await, Some((other, None)));
        }
        assert_eq!(meant(Some(&own), None).await, Some((own, None)));
        assert_eq!(meant(None, None).await, None);
    }
}
