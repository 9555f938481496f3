//! Trust that changes while programs work: a member is revoked that has many connections, the authority gets
//! another key while a swarm transfers, and a clock is wrong.

use std::ffi::OsString;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::security::Member;
use harness::{Cluster, Program, Stopwatch, content, eventually, keepers};
use proto::RemoteError;
use proto::client::{CatalogClient, DirectoryClient, SecurityClient, TransferClient};
use proto::tls::{Roots, Tls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use shared::model::{ContentRef, HostPort, Manifest, Name, PeerId};
use shared::runtime::Clock;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

use super::{REVOKED_WITHIN, secured, state_of};
use crate::{MIB, PATIENCE, assert_same, get, id_of, publish, text, wait_for_replicas};

/// Connections of each kind: to the revoked peer, from it to another peer, and from it to the tracker.
const TO_IT: usize = 80;
const TO_PEERS: usize = 80;
const TO_TRACKER: usize = 40;

fn runtime() -> Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.worker_threads(2).enable_all().build()?)
}

/// Follows a content at a peer over a connection of its own. The task ends with the connection.
async fn follow(
    runtime: &Runtime,
    tls: &Tls,
    peer: &HostPort,
    id: PeerId,
    manifest: &Manifest,
) -> Result<JoinHandle<()>> {
    let client = TransferClient::new(peer, tls, id)?;
    let mut stream = client.follow(manifest).await?;
    stream.next().await?.context("what it holds")?;
    Ok(runtime.spawn(async move {
        while let Ok(Some(_)) = stream.next().await {}
        drop(client);
    }))
}

/// Follows a content's replicas at the tracker, likewise.
async fn watch(
    runtime: &Runtime,
    tls: &Tls,
    tracker: &HostPort,
    manifest: &Manifest,
) -> Result<JoinHandle<()>> {
    let client = CatalogClient::new(tracker, tls)?;
    let mut stream = client.watch(manifest.content()).await?;
    Ok(runtime.spawn(async move {
        while let Ok(Some(_)) = stream.next().await {}
        drop(client);
    }))
}

#[test]
fn a_revocation_ends_two_hundred_connections_in_time() -> Result<()> {
    let cluster = secured(4)?;
    publish(&cluster, 0, "data", MIB, 3)?;
    wait_for_replicas(cluster.peer(0), "data", 3, &[])?;
    let keeps =
        |number: &usize| keepers(&cluster.peer(0).locate("data"))[0].contains(&id_of(cluster.peer(*number)));
    let victim = (1..4).find(keeps).context("another peer keeps it")?;
    let id = id_of(cluster.peer(victim));
    let address = |number: usize| cluster.peer(number).program.address().parse::<HostPort>();
    let (it, other, tracker) = (
        address(victim)?,
        address(0)?,
        cluster.tracker.address().parse::<HostPort>()?,
    );
    let (its_id, other_id): (PeerId, PeerId) = (id.parse()?, id_of(cluster.peer(0)).parse()?);

    let runtime = runtime()?;
    let (opened, spared) = runtime.block_on(async {
        let member = cluster.member("member").await?;
        let keeping = (member.clone(), tracker.clone());
        runtime.spawn(async move { keeping.0.keep(keeping.1).await });
        // It has the victim's key and hears no news, as whoever has stolen the machine.
        let thief = Member::stolen(cluster.peer(victim).data_dir())?;
        let name = ContentRef::Name(Name::new("data")?);
        let (_, manifest) = CatalogClient::new(&tracker, &member.tls)?.resolve(&name).await?;
        let mut opened = Vec::new();
        for _ in 0..TO_IT {
            opened.push(follow(&runtime, &member.tls, &it, its_id, &manifest).await?);
        }
        for _ in 0..TO_PEERS {
            opened.push(follow(&runtime, &thief.tls, &other, other_id, &manifest).await?);
        }
        for _ in 0..TO_TRACKER {
            opened.push(watch(&runtime, &thief.tls, &tracker, &manifest).await?);
        }
        let spared = [
            follow(&runtime, &member.tls, &other, other_id, &manifest).await?,
            watch(&runtime, &member.tls, &tracker, &manifest).await?,
        ];
        anyhow::Ok((opened, spared))
    })?;
    ensure!(!opened.iter().any(JoinHandle::is_finished), "one ended before");

    let since = Stopwatch::start();
    drop(cluster.operate(["revoke", &id]).expect(0));
    let open = || opened.iter().filter(|one| !one.is_finished()).count();
    eventually("the end of all connections", REVOKED_WITHIN, open, |open| {
        *open == 0
    })?;
    let session = || state_of(cluster.peer(0), &id);
    eventually("the end of its session", REVOKED_WITHIN, session, |state| {
        state != "live"
    })?;
    let counts = || {
        keepers(&cluster.peer(0).locate("data"))
            .iter()
            .any(|of| of.contains(&id))
    };
    eventually("its copies count no more", REVOKED_WITHIN, counts, |counts| {
        !counts
    })?;
    let took = since.elapsed();
    ensure!(took < REVOKED_WITHIN, "{took:?}");
    wait_for_replicas(cluster.peer(0), "data", 3, std::slice::from_ref(&id))?;
    ensure!(
        !spared.iter().any(JoinHandle::is_finished),
        "others lost theirs too"
    );
    Ok(())
}

/// The newest root of the authority.
fn newest_root(cluster: &Cluster) -> Result<Roots> {
    let first = CertificateDer::pem_file_iter(cluster.path("tracker/authority.pem"))?.next();
    Ok(vec![first.context("a root")??])
}

/// Returns the programs that have no certificate that this root's key has signed.
async fn not_certified(cluster: &Cluster, root: &Roots) -> Result<Vec<String>> {
    let security = cluster.security.as_ref().context("it is secured")?;
    let tls = Tls::of_guest(Clock::system(), security.cluster().parse()?, root.clone())?;
    let mut asked = JoinSet::new();
    let (address, token) = (
        cluster.tracker.address().to_owned(),
        security.admin_token().parse()?,
    );
    let client = SecurityClient::new(&address.parse()?, &tls)?.with_token(Some(token));
    asked.spawn(async move { (address, client.members().await.err()) });
    let webserver = cluster.webserver.address().to_owned();
    let client = DirectoryClient::of_webserver(&webserver.parse()?, &tls)?;
    asked.spawn(async move { (webserver, client.gateways().await.err()) });
    for number in 0..cluster.peer_count() {
        let peer = cluster.peer(number).program.address().to_owned();
        let client = DirectoryClient::of_peer(&peer.parse()?, &tls)?;
        asked.spawn(async move { (peer, client.gateways().await.err()) });
    }
    let answers: Vec<(String, Option<RemoteError>)> = asked.join_all().await;
    let failed = answers
        .into_iter()
        .filter_map(|(address, error)| Some((address, error?)));
    Ok(failed
        .map(|(address, error)| format!("{address}: {error}"))
        .collect())
}

/// Begins a fetch on a peer.
fn begin_get(cluster: &Cluster, number: usize) -> Result<Child> {
    let output = cluster.path(&format!("{number}.out"));
    let mut get = cluster
        .peer(number)
        .command(["get", "data", "--output", text(&output)]);
    Ok(get.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?)
}

#[test]
fn the_authority_gets_another_key_and_no_transfer_fails() -> Result<()> {
    let cluster = secured(5)?;
    let original = cluster.path("data.bin");
    content::write(&original, 16 * MIB, 5)?;
    let add = [
        "add",
        text(&original),
        "--name",
        "data",
        "--replicas",
        "1",
        "--wait",
        "60s",
    ];
    drop(cluster.peer(0).run(add).expect(0));
    let holders = keepers(&cluster.peer(0).locate("data"))[0].clone();
    for number in 0..5 {
        drop(
            cluster
                .peer(number)
                .run(["limit", "--upload", "1MiB/s"])
                .expect(0),
        );
    }
    let readers: Vec<_> = (0..5)
        .filter(|number| !holders.contains(&id_of(cluster.peer(*number))))
        .collect();
    let gets = readers.iter().map(|number| begin_get(&cluster, *number));
    let mut gets = gets.collect::<Result<Vec<_>>>()?;
    let are_fetching = || {
        let received = |number: &usize| cluster.peer(*number).status()["bytes_received"].as_u64();
        readers.iter().all(|number| received(number) > Some(0))
    };
    eventually("bytes everywhere", PATIENCE, are_fetching, |are| *are)?;

    let runtime = runtime()?;
    let old = newest_root(&cluster)?;
    ensure!(
        runtime.block_on(not_certified(&cluster, &old))?.is_empty(),
        "it looks at the wrong root"
    );
    drop(cluster.operate(["ca", "rotate"]).expect(0));
    let new = newest_root(&cluster)?;
    ensure!(old != new, "the key is the old one");
    let lagging = || {
        runtime
            .block_on(not_certified(&cluster, &new))
            .unwrap_or_else(|error| vec![error.to_string()])
    };
    eventually("certificates of the new key", PATIENCE, lagging, Vec::is_empty)?;
    for get in &mut gets {
        ensure!(
            get.try_wait()?.is_none(),
            "a transfer was over before everybody had a new certificate"
        );
    }

    for number in 0..5 {
        drop(cluster.peer(number).run(["limit", "--upload", "none"]).expect(0));
    }
    for (get, number) in gets.into_iter().zip(&readers) {
        let outcome = get.wait_with_output()?;
        let complaint = String::from_utf8_lossy(&outcome.stderr);
        ensure!(outcome.status.success(), "peer {number}: {complaint}");
        assert_same(&original, &cluster.path(&format!("{number}.out")));
    }
    // New connections stand on the new certificates, and a line that names the old key still joins.
    let more = publish(&cluster, readers[0], "more", MIB, 3)?;
    assert_same(&more, &get(&cluster, cluster.peer(0), "more"));
    let late = runtime.block_on(cluster.member("late"))?;
    runtime.block_on(async {
        let tracker = cluster.tracker.address().parse()?;
        let name = ContentRef::Name(Name::new("more")?);
        anyhow::Ok(CatalogClient::new(&tracker, &late.tls)?.resolve(&name).await?)
    })?;
    Ok(())
}

/// The variables that show a program a clock that is off.
fn clock(offset: &str) -> Result<Vec<(OsString, OsString)>> {
    let library = std::env::var_os("ENJAMBRE_FAKETIME").context("ENJAMBRE_FAKETIME names no library")?;
    Ok(vec![
        ("LD_PRELOAD".into(), library),
        ("FAKETIME".into(), offset.into()),
        ("DONT_FAKE_MONOTONIC".into(), "1".into()),
    ])
}

#[test]
#[ignore = "needs ENJAMBRE_FAKETIME: the path of libfaketime.so.1"]
fn a_clock_that_is_wrong_by_a_year_is_named_as_the_reason() -> Result<()> {
    for offset in ["+365d", "-365d"] {
        let mut cluster = secured(2)?;
        // A machine that would join.
        let entry = |name: &str| harness::security::Entry {
            arguments: vec!["serve".into(), "--data-dir".into(), cluster.path(name).into()],
            environment: Vec::new(),
        };
        let [flag, line] = cluster.entry();
        let mut joining = entry("newcomer");
        joining.arguments.extend([flag.into(), line.into()]);
        joining.environment = clock(offset)?;
        let log = cluster.path("newcomer.log");
        let refused = Program::start_by("peer", joining, &log, "127.0.0.1", Vec::new());
        let told = format!("{:#}", refused.err().context("it joined")?);
        ensure!(
            told.contains("clock") && told.contains("wrong"),
            "{offset}, joining: {told}"
        );

        // A member.
        let mut member = entry("peer-1");
        member.environment = clock(offset)?;
        cluster.peer_mut(1).program.stop()?;
        let log = cluster.path("wrong.log");
        cluster.peer_mut(1).program = Program::start_by("peer", member, &log, "127.0.0.1", Vec::new())?;
        let say = || cluster.peer(1).program.log();
        let names_it = |log: &String| log.contains("clock") && log.contains("wrong");
        eventually(
            "a log that names the clock",
            Duration::from_secs(20),
            say,
            names_it,
        )
        .with_context(|| format!("{offset}, a member"))?;
        let listed = cluster.peer(1).run(["list", "--timeout", "10s"]);
        ensure!(
            listed.code != 0 && names_it(&listed.stderr),
            "{offset}, a command: {listed:?}"
        );
    }
    Ok(())
}
