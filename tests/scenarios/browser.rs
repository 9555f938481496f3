//! Real Chromium: a page of others in it gets nothing from the three programs, and the webserver's page shows
//! the network.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::{Cluster, Outcome};

use crate::{PATIENCE, publish};

/// Loads an address in a browser of its own; returns the document after its scripts ran.
fn browse(cluster: &Cluster, address: &str) -> Result<String> {
    let browser = std::env::var_os("ENJAMBRE_CHROMIUM").context("ENJAMBRE_CHROMIUM names no Chromium")?;
    let profile = tempfile::tempdir_in(cluster.directory())?;
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
        .arg("--host-resolver-rules=MAP rebound.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=15000", "--dump-dom", address]);
    Ok(Outcome::from(command.output()?).expect(0).stdout)
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
