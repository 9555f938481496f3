//! Secured networks: machines that have nothing but printed lines, doors that are closed to all others,
//! revocation, and programs that were off for long.

mod trust;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::security::Entry;
use harness::{Cluster, Outcome, Peer, Program, eventually, keepers};
use serde_json::Value;
use shared::security::Role;
use shared::security::authorization::{Call, Caller, Mode, calls};

use crate::{MIB, PATIENCE, assert_same, get, id_of, publish, wait_for_replicas};

/// A revocation is in force by then.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Codes of gRPC for callers that are not known, and for those that may not.
const REFUSED: [&str; 2] = ["16", "7"];

fn secured(peers: usize) -> Result<Cluster> {
    Cluster::builder().secured().peers(peers).start()
}

/// Returns the roles of all members.
fn members(cluster: &Cluster) -> Vec<String> {
    let listed = cluster.operate(["member", "list", "--json"]).expect(0).json();
    let members = listed["members"].as_array().cloned().unwrap_or_default();
    let role = |member: &Value| member["role"].as_str().map(str::to_owned);
    let mut roles: Vec<_> = members.iter().filter_map(role).collect();
    roles.sort();
    roles
}

/// Makes a join line for peers with `tracker token create`.
fn line(cluster: &Cluster, flags: &[&str]) -> String {
    let create = ["token", "create", "--join", "peer", "--json"];
    let made = cluster.operate(create.iter().chain(flags)).expect(0).json();
    made["line"].as_str().expect("a line").to_owned()
}

/// Starts a peer that joins with a line.
fn join(cluster: &Cluster, name: &str, line: &str) -> Result<Program> {
    let data_dir = cluster.path(name);
    let entry = Entry {
        arguments: vec!["serve".into(), "--data-dir".into(), data_dir.into()],
        environment: vec![("ENJAMBRE_JOIN".into(), line.into())],
    };
    let log = cluster.path(&format!("{name}.log"));
    Program::start_by("peer", entry, &log, "127.0.0.1", Vec::new())
}

/// Returns the state in which the tracker sees a peer, as another one tells it.
fn state_of(asked: &Peer, id: &str) -> String {
    let network = asked.run(["network", "--json"]).expect(0).json();
    let peers = network["peers"].as_array().cloned().unwrap_or_default();
    let found = peers.iter().find(|peer| peer["id"] == id);
    let state = found.and_then(|peer| peer["state"].as_str());
    state.unwrap_or("unknown").to_owned()
}

#[test]
fn printed_lines_are_all_that_machines_need() -> Result<()> {
    let mut cluster = secured(2)?;
    let original = publish(&cluster, 0, "data", 3 * MIB + 5, 2)?;
    assert_same(&original, &get(&cluster, cluster.peer(1), "data"));
    assert_eq!(members(&cluster), ["peer", "peer", "tracker", "webserver"]);

    // A line is used once: nothing needs it any more.
    cluster.webserver.restart_without_environment()?;
    for number in 0..2 {
        cluster.peer_mut(number).program.restart_without_environment()?;
    }
    cluster.wait_for_live_peers(2)?;
    let original = publish(&cluster, 1, "more", MIB, 2)?;
    assert_same(&original, &get(&cluster, cluster.peer(0), "more"));
    assert_eq!(members(&cluster).len(), 4, "nobody joined twice");
    Ok(())
}

#[test]
fn a_tracker_that_is_back_has_everybody_back() -> Result<()> {
    let mut cluster = secured(2)?;
    let original = publish(&cluster, 0, "data", MIB, 2)?;
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_same(&original, &get(&cluster, cluster.peer(1), "data"));
    let more = publish(&cluster, 1, "more", MIB, 2)?;
    assert_same(&more, &get(&cluster, cluster.peer(0), "more"));
    let ready = format!("http://{}/readyz", cluster.webserver.address());
    let ask = || curl(&[], &[&ready]).stdout;
    eventually("a webserver that sees the tracker", PATIENCE, ask, |answer| {
        answer.trim() == "ready"
    })?;
    Ok(())
}

#[test]
fn a_line_that_is_used_up_or_of_another_network_joins_nobody() -> Result<()> {
    let cluster = secured(1)?;
    let once = line(&cluster, &["--uses", "1"]);
    let _joined = join(&cluster, "first", &once)?;
    drop(cluster.operate(["token", "list"]).expect(0));
    let refused = join(&cluster, "second", &once).err().context("it joined")?;
    let told = format!("{refused:#}");
    ensure!(told.contains("used as often as it may be"), "{told}");

    let revoked = line(&cluster, &[]);
    let id = revoked.rsplit('.').nth(1).context("an id")?;
    drop(cluster.operate(["token", "revoke", id]).expect(0));
    let refused = join(&cluster, "third", &revoked).err().context("it joined")?;
    ensure!(format!("{refused:#}").contains("revoked"), "{refused:#}");

    // The hash of another authority's key: the secret is not even sent.
    let (head, ticket) = line(&cluster, &[])
        .rsplit_once("/1.")
        .map(owned)
        .context("a line")?;
    let (pin, rest) = ticket.split_once('.').context("a hash")?;
    let first = if pin.starts_with('a') { 'b' } else { 'a' };
    let other = format!("{first}{}", &pin[1..]);
    let refused = join(&cluster, "fourth", &format!("{head}/1.{other}.{rest}"));
    let told = format!("{:#}", refused.err().context("it joined")?);
    ensure!(told.contains("secret was not sent"), "{told}");
    ensure!(
        !told.contains(rest.rsplit('.').next().context("a secret")?),
        "{told}"
    );
    Ok(())
}

fn owned((head, ticket): (&str, &str)) -> (String, String) {
    (head.to_owned(), ticket.to_owned())
}

#[test]
fn a_revoked_peer_is_cut_off_and_stays_out() -> Result<()> {
    let mut cluster = secured(4)?;
    let original = publish(&cluster, 0, "data", MIB, 3)?;
    wait_for_replicas(cluster.peer(0), "data", 3, &[])?;
    let publisher = id_of(cluster.peer(0));
    let victim = (1..4).find(|number| {
        let id = id_of(cluster.peer(*number));
        id != publisher && keepers(&cluster.peer(0).locate("data"))[0].contains(&id)
    });
    let victim = victim.context("another peer keeps it")?;
    let id = id_of(cluster.peer(victim));

    // It is fetching, slowly, when it is revoked.
    let big = cluster.path("big.bin");
    harness::content::write(&big, 16 * MIB, 7)?;
    let add = [
        "add",
        crate::text(&big),
        "--name",
        "big",
        "--replicas",
        "1",
        "--wait",
        "60s",
    ];
    drop(cluster.peer(0).run(add).expect(0));
    drop(cluster.peer(0).run(["limit", "--upload", "512KiB/s"]).expect(0));
    let output = cluster.path("big.out");
    let mut fetching = cluster
        .peer(victim)
        .command(["get", "big", "--output", crate::text(&output)]);
    let mut fetching = fetching.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let received = |cluster: &Cluster| cluster.peer(victim).status()["bytes_received"].as_u64();
    let before = received(&cluster);
    eventually("bytes", PATIENCE, || received(&cluster), |now| *now > before)?;

    drop(cluster.operate(["revoke", &id]).expect(0));
    eventually(
        "the end of its session",
        REVOKED_WITHIN,
        || state_of(cluster.peer(0), &id),
        |state| state != "live",
    )?;
    let located = || {
        keepers(&cluster.peer(0).locate("data"))
            .iter()
            .any(|of| of.contains(&id))
    };
    eventually("its copies count no more", REVOKED_WITHIN, located, |counts| {
        !counts
    })?;
    let at_most = received(&cluster);
    drop(cluster.peer(0).run(["limit", "--upload", "none"]).expect(0));
    // Others take its place, and it receives nothing meanwhile.
    wait_for_replicas(cluster.peer(0), "data", 3, std::slice::from_ref(&id))?;
    assert_eq!(received(&cluster), at_most, "a revoked peer goes on fetching");
    fetching.kill()?;
    fetching.wait()?;

    // It is told so. Its key is certified never again, whatever line it has.
    let status = || cluster.peer(victim).status().to_string();
    eventually("the reason", PATIENCE, status, |status| {
        status.contains("this member was revoked")
    })?;
    drop(cluster.peer_mut(victim).program.restart());
    let others: Vec<_> = (0..4).filter(|number| *number != victim).collect();
    assert_ne!(state_of(cluster.peer(others[1]), &id), "live");
    let refused =
        cluster
            .peer(victim)
            .run(["get", "data", "--output", crate::text(&output), "--timeout", "5s"]);
    ensure!(refused.code != 0, "{}", refused.stdout);
    assert_same(&original, &get(&cluster, cluster.peer(others[1]), "data"));

    // Its machine may be a new member, with a new line.
    let newcomer = join(&cluster, "newcomer", &line(&cluster, &[]))?;
    let address = newcomer.address().to_owned();
    let is_live = || {
        let network = cluster.peer(0).run(["network", "--json"]).expect(0).json();
        let peers = network["peers"].as_array().cloned().unwrap_or_default();
        peers
            .iter()
            .any(|peer| peer["state"] == "live" && peer["address"] == address)
    };
    eventually("the newcomer", PATIENCE, is_live, |is_live| *is_live)?;
    Ok(())
}

/// Runs `curl`, at another place of the network if there is one, and returns its outcome.
fn curl(place: &[OsString], arguments: &[&str]) -> Outcome {
    let mut line = place.iter().cloned().chain(["curl".into()]);
    let mut command = Command::new(line.next().expect("at least curl"));
    command
        .args(line)
        .args(["--silent", "--max-time", "10"])
        .args(arguments);
    command
        .stdin(Stdio::null())
        .output()
        .expect("curl is there")
        .into()
}

/// The programs of a network, by their roles and addresses.
type Programs<'a> = [(Role, &'a str); 3];

/// Makes every call that a caller may not make, as it is written in the table, and returns the number of
/// refusals. `place` is the caller's.
fn refusals(place: &[OsString], scheme: &str, programs: Programs<'_>, caller: &Caller) -> Result<usize> {
    let mut refused = 0;
    for (role, address) in programs {
        let of_program = calls().filter(|call| call.program == role);
        for call in of_program.filter(|call| call.admit(Mode::Required, caller).is_err()) {
            is_refused(place, scheme, address, call)?;
            refused += 1;
        }
    }
    Ok(refused)
}

fn is_refused(place: &[OsString], scheme: &str, address: &str, call: Call) -> Result<()> {
    let Call { name, program, .. } = call;
    if name.starts_with('/') {
        let url = format!("{scheme}://{address}{name}");
        let http2 = if scheme == "http" {
            "--http2-prior-knowledge"
        } else {
            "--http2"
        };
        let headers = ["content-type: application/grpc", "te: trailers"];
        let call = [
            "--insecure",
            http2,
            "--dump-header",
            "-",
            "--output",
            "/dev/null",
            "-H",
            headers[0],
            "-H",
            headers[1],
            "--data-binary",
            "",
            &url,
        ];
        let answer = curl(place, &call);
        let status = answer
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("grpc-status: "));
        let status = status.with_context(|| format!("{program} {name}: {answer:?}"))?;
        ensure!(REFUSED.contains(&status.trim()), "{program} {name}: {answer:?}");
        return Ok(());
    }
    let (method, pattern) = name.split_once(' ').context("a method and a pattern")?;
    let method = if method == "ANY" { "GET" } else { method };
    let path = pattern.split('{').next().unwrap_or_default();
    let path = if path == pattern {
        pattern.to_owned()
    } else {
        format!("{path}x")
    };
    let url = format!("{scheme}://{address}{path}");
    let call = [
        "--insecure",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        "-X",
        method,
        &url,
    ];
    let answer = curl(place, &call);
    ensure!(
        ["401", "403"].contains(&answer.stdout.as_str()),
        "{program} {name}: {answer:?}"
    );
    Ok(())
}

#[test]
fn without_a_certificate_this_machine_may_read_and_nothing_else() -> Result<()> {
    let cluster = secured(1)?;
    let peer = cluster.peer(0);
    let programs = [
        (Role::Tracker, cluster.tracker.address()),
        (Role::Webserver, cluster.webserver.address()),
        (Role::Peer, peer.program.address()),
    ];
    let mut refused = 0;
    for scheme in ["http", "https"] {
        refused += refusals(&[], scheme, programs, &Caller::OwnMachine)?;
    }
    // Session, publications, upkeep and members at the tracker, transfers at the peer; twice.
    ensure!(refused >= 2 * 15, "{refused}");
    let names = format!("http://{}/api/v1/names", cluster.tracker.address());
    assert_eq!(curl(&[], &["--fail", &names]).code, 0);
    Ok(())
}

#[test]
fn a_token_gives_what_its_scopes_say() -> Result<()> {
    let cluster = secured(1)?;
    publish(&cluster, 0, "models-data", MIB, 1)?;
    let made = cluster.operate(["token", "create", "--scope", "read:models-", "--json"]);
    let token = made.expect(0).json()["token"]
        .as_str()
        .context("a token")?
        .to_owned();
    let header = format!("authorization: Bearer {token}");
    let config = cluster.path("curl.config");
    std::fs::write(&config, format!("header = \"{header}\"\n"))?;
    let authority = cluster.path("tracker/authority.pem");
    let address = cluster.tracker.address();
    let ask = |path: &str, with: &[&str]| {
        let url = format!("https://{address}{path}");
        let trust = [
            "--cacert",
            crate::text(&authority),
            "--write-out",
            "\n%{http_code}",
        ];
        let all: Vec<_> = trust
            .into_iter()
            .chain(with.iter().copied())
            .chain([url.as_str()])
            .collect();
        curl(&[], &all)
    };
    let shown = ["--config", crate::text(&config)];
    let listed = ask("/api/v1/names?prefix=models-", &shown);
    ensure!(
        listed.stdout.ends_with("200") && listed.stdout.contains("models-data"),
        "{listed:?}"
    );
    let beyond = ask("/api/v1/names?prefix=other-", &shown);
    ensure!(beyond.stdout.ends_with("403"), "{beyond:?}");
    let id = token.split('_').nth(1).context("an id")?;
    drop(cluster.operate(["token", "revoke", id]).expect(0));
    let ended = ask("/api/v1/names?prefix=models-", &shown);
    ensure!(ended.stdout.ends_with("401"), "{ended:?}");
    Ok(())
}

#[test]
#[ignore = "needs ENJAMBRE_FAKETIME: the path of libfaketime.so.1"]
fn programs_that_were_off_for_longer_than_their_certificates_come_back() -> Result<()> {
    let library = std::env::var_os("ENJAMBRE_FAKETIME").context("ENJAMBRE_FAKETIME names no library")?;
    // Everything happens 40 days ago; then the programs are off until now.
    let mut cluster = Cluster::builder()
        .secured()
        .with_variable("LD_PRELOAD", library)
        .with_variable("FAKETIME", "-40d")
        .with_variable("DONT_FAKE_MONOTONIC", "1")
        .peers(2)
        .start()?;
    let original = publish(&cluster, 0, "data", MIB, 2)?;
    for number in 0..2 {
        cluster.peer_mut(number).program.stop()?;
    }
    cluster.webserver.stop()?;
    cluster.tracker.stop()?;

    cluster.tracker.restart_without_environment()?;
    cluster.webserver.restart_without_environment()?;
    for number in 0..2 {
        cluster.peer_mut(number).program.restart_without_environment()?;
    }
    cluster.wait_for_live_peers(2)?;
    assert_same(&original, &get(&cluster, cluster.peer(1), "data"));
    let more = publish(&cluster, 1, "more", MIB, 2)?;
    assert_same(&more, &get(&cluster, cluster.peer(0), "more"));
    assert_eq!(members(&cluster).len(), 4, "nobody joined twice");
    Ok(())
}

/// Strangers on another machine, which a network namespace is.
#[cfg(feature = "lab")]
mod elsewhere {
    use harness::lab::{Link, Network, Place};
    use harness::security::Security;

    use super::*;

    struct Remote {
        network: Network,
        tracker: Program,
        webserver: Program,
        peer: Program,
        _dir: tempfile::TempDir,
    }

    fn start() -> Result<Remote> {
        let network = Network::up(&[Link::both_ways(1_000_000_000), Link::both_ways(1_000_000_000)])?;
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        let security = Security::init(&path("tracker"))?;
        let start = |program, entry, place: &Place| {
            let log = path(&format!("{program}.log"));
            Program::start_by(program, entry, &log, place.address(), place.prefix())
        };
        let switch = network.switch();
        let entry = Entry {
            arguments: vec!["--data-dir".into(), path("tracker").into()],
            environment: Vec::new(),
        };
        let tracker = start("tracker", entry, &switch)?;
        let entry = Entry::of_webserver(Some(&security), tracker.address(), path("webserver"));
        let webserver = start("webserver", entry, &switch)?;
        let mut entry = Entry::of_peer(Some(&security), webserver.address());
        let data_dir: PathBuf = path("peer");
        entry
            .arguments
            .extend(["serve".into(), "--data-dir".into(), data_dir.into()]);
        let peer = start("peer", entry, &network.host(0))?;
        Ok(Remote {
            network,
            tracker,
            webserver,
            peer,
            _dir: dir,
        })
    }

    #[test]
    #[ignore = "needs root, Linux and iproute2, for another machine"]
    fn strangers_on_other_machines_find_every_door_closed() -> Result<()> {
        let remote = start()?;
        let place = remote.network.host(1).prefix();
        let programs = [
            (Role::Tracker, remote.tracker.address()),
            (Role::Webserver, remote.webserver.address()),
            (Role::Peer, remote.peer.address()),
        ];
        let stranger = Caller::Anonymous;
        let refused = refusals(&place, "https", programs, &stranger)?;
        let closed = calls().filter(|call| call.admit(Mode::Required, &stranger).is_err());
        let closed = closed.filter(|call| programs.iter().any(|(role, _)| *role == call.program));
        assert_eq!(refused, closed.count());
        ensure!(refused > 70, "{refused}");
        for (_, address) in programs {
            // Without TLS nothing is said but that it is needed.
            let plain = curl(&place, &[&format!("http://{address}/healthz")]);
            ensure!(plain.code != 0 && plain.stdout.is_empty(), "{plain:?}");
            let healthy = curl(&place, &["--insecure", &format!("https://{address}/healthz")]);
            ensure!(healthy.stdout.trim() == "ok", "{healthy:?}");
        }
        Ok(())
    }
}
