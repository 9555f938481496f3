//! Real Chromium: a page of others in it gets nothing from the three programs, and the webserver's page shows
//! the network.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::security::Entry;
use harness::{Cluster, Outcome, Program};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::{PATIENCE, publish};

/// Loads an address in a browser of its own; returns the document after its scripts ran.
fn browse(cluster: &Cluster, address: &str) -> Result<String> {
    browse_trusting(cluster, address, None)
}

/// Does so in a browser that trusts an authority, whose certificate this is.
fn browse_trusting(cluster: &Cluster, address: &str, authority: Option<&Path>) -> Result<String> {
    let browser = std::env::var_os("ENJAMBRE_CHROMIUM").context("ENJAMBRE_CHROMIUM names no Chromium")?;
    let profile = tempfile::tempdir_in(cluster.directory())?;
    if let Some(authority) = authority {
        trust(profile.path(), authority)?;
    }
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "60"])
        .arg(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
        .args(["--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ])
        .arg(
            "--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP front.example 127.0.0.1, MAP * ~NOTFOUND, \
             EXCLUDE 127.0.0.1",
        )
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=15000", "--dump-dom", address])
        .env("HOME", profile.path());
    Ok(Outcome::from(command.output()?).expect(0).stdout)
}

/// Makes the authority one that a browser with this home trusts, as its user does in the settings.
fn trust(home: &Path, authority: &Path) -> Result<()> {
    let database = home.join(".pki/nssdb");
    std::fs::create_dir_all(&database)?;
    let database = format!("sql:{}", database.display());
    let make = ["-d", &database, "-N", "--empty-password"];
    let add = ["-d", &database, "-A", "-t", "C,,", "-n", "authority", "-i"];
    for (words, file) in [(&make[..], None), (&add[..], Some(authority))] {
        let output = Command::new("certutil").args(words).args(file).output();
        drop(Outcome::from(output.context("run certutil")?).expect(0));
    }
    Ok(())
}

/// Serves a page, and `/own.json` that it may read, on a free port until the test ends; returns its origin.
fn serve(page: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let origin = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            drop(stream.set_read_timeout(Some(Duration::from_secs(1))));
            let mut head = [0; 4096];
            let Ok(length) = stream.read(&mut head) else {
                continue;
            };
            let (kind, body) = match head[..length].starts_with(b"GET /own.json") {
                true => ("application/json", "{}"),
                false => ("text/html", page.as_str()),
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    Ok(origin)
}

/// A page that tries in every way that `fetch` has to call and to read these addresses, and writes down which
/// answers it could read.
fn page_of_others(calls: &[String], documents: &[String]) -> String {
    format!(
        r#"<!doctype html><pre id=log></pre><script>
const log = (text) => document.getElementById("log").append(text + "\n");
const attempt = async (url, options) => {{
  try {{
    const answer = await fetch(url, options);
    if (answer.type !== "opaque") log(`READ ${{url}} ${{answer.status}} ${{(await answer.text()).slice(0, 80)}}`);
  }} catch {{}}
}};
(async () => {{
  await attempt("/own.json");
  // RemoveRequest {{ name: "kept" }} in a frame of gRPC.
  const body = new Uint8Array([0, 0, 0, 0, 6, 10, 4, 107, 101, 112, 116]);
  for (const url of {calls:?}) {{
    await attempt(url, {{ method: "POST", mode: "no-cors", body }});
    for (const kind of ["text/plain", "application/grpc"]) {{
      await attempt(url, {{ method: "POST", mode: "cors", body, headers: {{ "content-type": kind }} }});
    }}
  }}
  for (const url of {documents:?}) {{
    await attempt(url);
    await attempt(url, {{ credentials: "include" }});
    for (const method of ["PUT", "DELETE", "POST"]) {{
      await attempt(url, {{ method, mode: "cors", body: "x" }});
    }}
    await attempt(url, {{ method: "POST", mode: "no-cors", body: "x" }});
  }}
  log("finished");
}})();
</script>"#
    )
}

#[test]
#[ignore = "needs ENJAMBRE_CHROMIUM: the path of a Chromium"]
fn pages_of_others_get_nothing_in_a_real_browser() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    drop(publish(&cluster, 0, "kept", 100_000, 2)?);
    let programs = [
        (cluster.tracker.address(), "Catalog/Remove", "/api/v1/names"),
        (
            cluster.webserver.address(),
            "Directory/Trackers",
            "/directory.json",
        ),
        (cluster.peer(0).program.address(), "Control/Remove", "/files/kept"),
    ];
    let calls = programs.map(|(address, call, _)| format!("http://{address}/enjambre.v1.{call}"));
    let documents = programs.map(|(address, _, path)| format!("http://{address}{path}"));
    let origin = serve(page_of_others(&calls, &documents))?;
    let document = browse(&cluster, &format!("{origin}/"))?;
    ensure!(document.contains("finished"), "the page did not end: {document}");
    ensure!(
        document.contains("READ /own.json 200"),
        "it reads nothing at all: {document}"
    );
    ensure!(
        !document.contains("READ http"),
        "it read others' answers: {document}"
    );

    // A name of others that leads here: the browser takes all of it for one origin.
    for (address, _, path) in programs {
        let (_, port) = address.rsplit_once(':').context("a port")?;
        let document = browse(&cluster, &format!("http://rebound.example:{port}{path}"))?;
        ensure!(
            document.contains("rebound.example"),
            "no refusal of {path}: {document}"
        );
        ensure!(!document.contains("kept"), "{path}: {document}");
    }
    let list = cluster.peer(0).run(["list"]).expect(0).stdout;
    ensure!(list.contains("kept"), "{list}");
    Ok(())
}

#[test]
#[ignore = "needs ENJAMBRE_CHROMIUM: the path of a Chromium"]
fn the_webserver_s_page_shows_the_network_in_a_real_browser() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    drop(publish(&cluster, 0, "kept", 100_000, 2)?);
    let page = format!("http://{}/", cluster.webserver.address());
    let read = || browse(&cluster, &page);
    let before = read()?;
    ensure!(
        !before.contains("<td>kept</td>"),
        "another port's page reads the tracker: {before}"
    );

    let settings = format!("allowed_origins = [\"http://{}\"]\n", cluster.webserver.address());
    std::fs::write(cluster.path("tracker.toml"), settings)?;
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(2)?;
    let is_shown =
        |document: &Result<String>| document.as_ref().is_ok_and(|text| text.contains("<td>kept</td>"));
    let after = harness::eventually(
        "the page to show the name",
        PATIENCE,
        || browse(&cluster, &page),
        is_shown,
    )??;
    ensure!(after.contains(">live<"), "{after}");
    Ok(())
}

/// Makes an authority, and a certificate of it for a name; returns the files of the authority, the
/// certificate and its key.
fn certified(cluster: &Cluster, name: &str) -> Result<[PathBuf; 3]> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = Issuer::new(params.clone(), KeyPair::generate()?);
    let root = params.self_signed(authority.key())?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &authority)?;
    let files = ["root.pem", "front.pem", "front.key"].map(|name| cluster.path(name));
    for (file, text) in files.iter().zip([root.pem(), leaf.pem(), key.serialize_pem()]) {
        std::fs::write(file, text)?;
    }
    Ok(files)
}

#[test]
#[ignore = "needs ENJAMBRE_CHROMIUM: the path of a Chromium, and certutil"]
fn a_real_browser_takes_the_certificates_that_are_made_for_it() -> Result<()> {
    let cluster = Cluster::builder().secured().peers(2).start()?;
    drop(publish(&cluster, 0, "kept", 100_000, 2)?);
    let authority = cluster.path("tracker").join("authority.pem");
    let names = format!("https://{}/api/v1/names", cluster.tracker.address());
    let document = browse_trusting(&cluster, &names, Some(&authority))?;
    ensure!(document.contains("kept"), "{document}");
    let document = browse(&cluster, &names)?;
    ensure!(!document.contains("kept"), "nobody vouches for it: {document}");

    // The webserver shows a certificate of the operator's own.
    let [root, certificate, key] = certified(&cluster, "front.example")?;
    let (data_dir, log) = (cluster.path("front"), cluster.path("front.log"));
    let mut entry = Entry::of_webserver(cluster.security.as_ref(), cluster.tracker.address(), data_dir);
    entry.arguments.extend(["--tls-cert".into(), certificate.into()]);
    entry.arguments.extend(["--tls-key".into(), key.into()]);
    let front = Program::start_by("webserver", entry, &log, "127.0.0.1", Vec::new())?;
    let (_, port) = front.address().rsplit_once(':').context("a port")?;
    let page = format!("https://front.example:{port}/");
    let is_shown = |document: &Result<String>| {
        document
            .as_ref()
            .is_ok_and(|text| text.contains(cluster.tracker.address()))
    };
    drop(harness::eventually(
        "the page to show the tracker",
        PATIENCE,
        || browse_trusting(&cluster, &page, Some(&root)),
        is_shown,
    )??);
    let document = browse_trusting(&cluster, &page, Some(&authority))?;
    ensure!(
        !document.contains(cluster.tracker.address()),
        "another authority: {document}"
    );
    Ok(())
}
