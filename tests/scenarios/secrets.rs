//! Secrets stay secret: on the wire, and in everything that programs write.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use harness::security::{Entry, Security};
use harness::{Cluster, Outcome, Program, Wiretap, binaries, content, eventually};
use shared::security::{ApiToken, JoinLine};

use crate::{MIB, PATIENCE, all_below, assert_same, publish, text};

/// Bytes of a run that would be no accident.
const RUN: usize = 16;

/// A name as long as several runs.
const NAME: &str = "planted/name-that-nobody-on-the-wire-may-read";

/// A secret in the forms in which it could stand somewhere.
struct Planted {
    what: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Planted {
    fn token(what: &'static str, text: &str) -> Result<Self> {
        let token: ApiToken = text.parse()?;
        let secret = text.rsplit_once('_').context("a secret")?.1;
        let forms = vec![secret.into(), token.secret.expose().to_vec()];
        Ok(Self { what, forms })
    }

    fn line(what: &'static str, text: &str) -> Result<Self> {
        let line: JoinLine = text.parse()?;
        let secret = text.rsplit('.').next().context("a secret")?;
        let forms = vec![secret.into(), line.secret().expose().to_vec()];
        Ok(Self { what, forms })
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        let has = |form: &Vec<u8>| bytes.windows(form.len()).any(|window| window == form);
        self.forms.iter().any(has)
    }
}

/// Returns the command lines of all programs that the cluster runs.
fn command_lines(cluster: &Cluster) -> Vec<u8> {
    let peers = (0..cluster.peer_count()).map(|number| &cluster.peer(number).program);
    let programs = [&cluster.tracker, &cluster.webserver].into_iter().chain(peers);
    let lines = programs.filter_map(|program| std::fs::read(format!("/proc/{}/cmdline", program.id()?)).ok());
    lines.flatten().collect()
}

#[test]
fn secrets_stand_in_nothing_that_programs_write() -> Result<()> {
    let cluster = Cluster::builder().secured().peers(2).start()?;
    let security = cluster.security.as_ref().context("secured")?;
    publish(&cluster, 0, "data", MIB, 2)?;
    let made = cluster
        .operate(["token", "create", "--scope", "read", "--json"])
        .expect(0)
        .json();
    let token = made["token"].as_str().context("a token")?;
    let made = cluster
        .operate(["token", "create", "--join", "peer", "--json"])
        .expect(0)
        .json();
    let line = made["line"].as_str().context("a line")?;
    let address = cluster.webserver.address();
    let planted = [
        Planted::token("the administrator's token", security.admin_token())?,
        Planted::token("an API token", token)?,
        Planted::line("a join line", line)?,
        Planted::line("the line for peers", &security.line("peer", address))?,
        Planted::line("the line for webservers", &security.line("webserver", address))?,
    ];
    // A request that is denied, one with a token, and one with a token that is damaged.
    let names = format!("https://{}/api/v1/names", cluster.tracker.address());
    for shown in [token, security.admin_token(), &token.replace("enj_", "enj_0")] {
        let config = format!("header = \"authorization: Bearer {shown}\"\n");
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--insecure",
            "--config",
            "-",
            "--output",
            "/dev/null",
            &names,
        ]);
        let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        std::io::Write::write_all(&mut curl.stdin.take().context("piped")?, config.as_bytes())?;
        ensure!(curl.wait()?.success(), "curl failed");
    }

    let peer = cluster.peer(0);
    let told = [
        cluster.operate(["token", "list", "--json"]),
        cluster.operate(["member", "list", "--json"]),
        cluster.operate(["audit", "--json"]),
        cluster.operate(["audit", "--verify", "--json"]),
        cluster.operate(["config", "show", "--json"]),
        peer.run(["status", "--json"]),
        peer.run(["network", "--json"]),
        peer.run(["config", "show", "--json"]),
    ];
    let told = told.into_iter().map(|outcome| outcome.expect(0));
    let mut written: Vec<_> = told
        .map(|outcome| {
            (
                "an answer".to_owned(),
                (outcome.stdout + &outcome.stderr).into_bytes(),
            )
        })
        .collect();
    written.push(("a command line".to_owned(), command_lines(&cluster)));
    for path in all_below(cluster.directory()) {
        // The administrator's own file has the administrator's token.
        if path.is_file() && !path.ends_with("admin-token") {
            written.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    ensure!(
        written.iter().any(|(place, _)| place.contains("audit")),
        "no audit is read"
    );
    for (place, bytes) in &written {
        for secret in &planted {
            ensure!(!secret.is_in(bytes), "{} stands in {place}", secret.what);
        }
    }
    Ok(())
}

/// Returns the runs of some bytes.
fn runs(bytes: &[u8]) -> impl Iterator<Item = [u8; RUN]> + '_ {
    bytes.windows(RUN).filter_map(|window| window.try_into().ok())
}

/// A network in which every connection between programs goes over a wiretap.
struct Tapped {
    taps: [Wiretap; 4],
    tracker: Program,
    webserver: Program,
    peers: Vec<Program>,
    security: Security,
    dir: tempfile::TempDir,
}

impl Tapped {
    fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        let taps = [
            Wiretap::start()?,
            Wiretap::start()?,
            Wiretap::start()?,
            Wiretap::start()?,
        ];
        let security = Security::init(&path("tracker"))?;
        let start = |program, name: &str, mut entry: Entry, words: &[&str]| {
            entry.arguments.extend(words.iter().map(OsString::from));
            let log = path(&format!("{name}.log"));
            Program::start_by(program, entry, &log, "127.0.0.1", Vec::new())
        };
        let data_dir = |name: &str| text(&path(name)).to_owned();
        let words = ["--data-dir", &data_dir("tracker")];
        let tracker = start("tracker", "tracker", Entry::default(), &words)?;
        taps[0].lead_to(tracker.address());
        let entry = Entry::of_webserver(Some(&security), taps[0].address(), path("webserver"));
        let webserver = start("webserver", "webserver", entry, &[])?;
        taps[1].lead_to(webserver.address());
        let mut peers = Vec::new();
        for (name, tap) in [("peer-0", &taps[2]), ("peer-1", &taps[3])] {
            let entry = Entry::of_peer(Some(&security), taps[1].address());
            let words = [
                "serve",
                "--data-dir",
                &data_dir(name),
                "--advertise",
                tap.address(),
            ];
            let peer = start("peer", name, entry, &words)?;
            tap.lead_to(peer.address());
            peers.push(peer);
        }
        Ok(Self {
            taps,
            tracker,
            webserver,
            peers,
            security,
            dir,
        })
    }

    fn run(&self, peer: usize, words: &[&str]) -> Outcome {
        let mut command = Command::new(binaries::path("peer"));
        let data_dir = self.dir.path().join(format!("peer-{peer}"));
        command
            .args(words)
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null());
        command.output().expect("the program is there").into()
    }
}

#[test]
fn the_wire_has_tls_and_no_run_of_anything_planted() -> Result<()> {
    let tapped = Tapped::start()?;
    let file = tapped.dir.path().join("original");
    content::write(&file, 2 * MIB + 77, 0x5ec)?;
    let live = || {
        let network = tapped.run(0, &["network", "--json"]).json();
        let peers = network["peers"].as_array().cloned().unwrap_or_default();
        peers
            .iter()
            .filter(|peer| peer["state"] == "live" && peer["reach"] != "unconfirmed")
            .count()
    };
    eventually("live peers", PATIENCE, live, |live| *live == 2)?;
    let add = [
        "add",
        text(&file),
        "--name",
        NAME,
        "--replicas",
        "2",
        "--wait",
        "60s",
    ];
    drop(tapped.run(0, &add).expect(0));
    let output = tapped.dir.path().join("copy");
    drop(tapped.run(1, &["get", NAME, "--output", text(&output)]).expect(0));
    assert_same(&file, &output);
    let token = tapped.security.admin_token();
    let listed = list_by_token(tapped.taps[0].address(), token)?;
    ensure!(listed.contains(NAME), "{listed}");

    let connections = tapped
        .taps
        .iter()
        .map(Wiretap::is_tls)
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        connections[..2].iter().all(|number| *number > 1),
        "{connections:?}"
    );
    ensure!(
        connections[2..].iter().any(|number| *number > 0),
        "{connections:?}"
    );
    let heard: Vec<_> = tapped.taps.iter().flat_map(Wiretap::heard).collect();
    let length: usize = heard.iter().map(Vec::len).sum();
    ensure!(
        length as u64 > 2 * MIB,
        "the file went another way: {length} bytes"
    );
    let original = std::fs::read(&file)?;
    let planted: HashSet<_> = [&original[..], NAME.as_bytes(), token.as_bytes()]
        .into_iter()
        .flat_map(runs)
        .collect();
    let found = heard
        .iter()
        .flat_map(|bytes| runs(bytes))
        .find(|run| planted.contains(run));
    ensure!(found.is_none(), "{found:?} was on the wire");
    // Otherwise nothing would be found either.
    ensure!(
        runs(&original).all(|run| planted.contains(&run)),
        "no run is known"
    );
    drop((tapped.tracker, tapped.webserver, tapped.peers));
    Ok(())
}

/// Lists the names at an address with a token, which has a scope for everything besides.
fn list_by_token(address: &str, token: &str) -> Result<String> {
    let config = format!("header = \"authorization: Bearer {token}\"\n");
    let url = format!("https://{address}/api/v1/names");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--config", "-", &url]);
    let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut curl.stdin.take().context("piped")?, config.as_bytes())?;
    Ok(String::from_utf8(curl.wait_with_output()?.stdout)?)
}

#[test]
fn a_webserver_never_repeats_a_line_that_it_refuses() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let line = "enjambre-join//10.0.0.1:50052/1.broken.0707070707070707.plantedplantedplanted";
    let file = dir.path().join("line");
    std::fs::write(&file, line)?;
    let run = |flags: &[&str], variable: Option<&str>| {
        let mut command = Command::new(binaries::path("webserver"));
        command.args(flags).arg("--data-dir").arg(dir.path().join("data"));
        command.env("ENJAMBRE_JOIN", variable.unwrap_or_default());
        let output = command.stdin(Stdio::null()).output();
        Outcome::from(output.expect("the program is there")).expect(2)
    };
    for outcome in [
        run(&["--join", line], None),
        run(&["--join-file", text(&file)], None),
        run(&[], Some(line)),
    ] {
        ensure!(outcome.stderr.contains("is no join line"), "{outcome:?}");
        ensure!(!outcome.stderr.contains("planted"), "{outcome:?}");
    }
    ensure!(
        !Path::new(&dir.path().join("data")).exists(),
        "a data directory was made"
    );
    Ok(())
}
