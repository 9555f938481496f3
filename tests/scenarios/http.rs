//! A node with nothing but HTTP: the examples of the README, refusals, and hostile clients.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::{Cluster, Peer, content, eventually};
use serde_json::Value;

use crate::{MIB, PATIENCE, get, publish};

/// Answer of a node.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        let line = |line: &str| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        self.head.lines().find_map(line)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    #[track_caller]
    fn expect(self, status: u16) -> Self {
        let said = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{}\n\n{said:.500}", self.head);
        let is_error = status >= 400;
        assert_eq!(
            self.json()["error"]["message"].is_string(),
            is_error,
            "{said:.500}"
        );
        self
    }
}

/// The header that proves that we may change something.
fn token(peer: &Peer) -> String {
    let header =
        std::fs::read_to_string(peer.data_dir().join("http-token")).expect("a running node writes it");
    header.trim_end().to_owned()
}

fn connect(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

/// One request on a connection of its own; `Host` is the node unless the headers say another.
fn send(address: &str, line: &str, headers: &[&str], body: &[u8]) -> Result<Answer> {
    let mut stream = connect(address)?;
    let mut request = format!(
        "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    headers
        .iter()
        .for_each(|header| request.push_str(&format!("{header}\r\n")));
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    // A node that has refused need not read on.
    drop(stream.write_all(body));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("a head")?;
    let head = String::from_utf8(answer[..end].to_vec())?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok(Answer {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    })
}

/// Whether a text is the pattern, in which `…` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_readme_s_transcript_is_what_happens() -> Result<()> {
    assert!(
        is_like("abcde", "a…c…e") && is_like("ab", "a…") && !is_like("abc", "a…d") && !is_like("ab", "a")
    );
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme)?;
    let section = readme.split("## With curl").nth(1).context("the section")?;
    let transcript = section
        .split("```console\n")
        .nth(1)
        .and_then(|text| text.split("```").next());
    let transcript = transcript.context("the transcript")?;
    let cluster = Cluster::builder().peers(2).start()?;
    let peer = cluster.peer(0);
    let directory = cluster.path("shell");
    std::fs::create_dir(&directory)?;
    // A mark follows each command and separates its output from that of the next one.
    let mut script = String::from("set -u\n");
    let mut steps: Vec<(&str, String)> = Vec::new();
    for line in transcript.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                let here = command
                    .replace("127.0.0.1:50053", peer.program.address())
                    .replace(
                        "$HOME/.local/share/enjambre/peer",
                        peer.data_dir().to_str().context("text")?,
                    );
                script.push_str(&format!("{here}\nprintf '\\n--\\n'\n"));
                steps.push((command, String::new()));
            }
            None => steps.last_mut().context("a command first")?.1.push_str(line),
        }
    }
    ensure!(steps.len() > 10, "the transcript was not found");
    let ran = Command::new("sh")
        .arg("-c")
        .arg(&script)
        .current_dir(&directory)
        .output()?;
    let said = String::from_utf8(ran.stdout)?;
    let said: Vec<&str> = said.split("\n--\n").collect();
    assert_eq!(said.len(), steps.len() + 1, "{said:?}");
    for ((command, pattern), said) in steps.iter().zip(said) {
        assert!(
            is_like(said.trim_end(), pattern),
            "$ {command}\n{said}\nis not like\n{pattern}"
        );
    }
    Ok(())
}

#[test]
fn a_file_goes_in_by_http_and_comes_out_elsewhere_whole_and_in_parts() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let (from, to) = (cluster.peer(0), cluster.peer(2));
    let source = cluster.path("source");
    let length = 40 * MIB + 12_345;
    content::write(&source, length, 23)?;
    let bytes = std::fs::read(&source)?;
    let (token_from, token_to) = (token(from), token(to));
    let put = send(
        from.program.address(),
        "PUT /files/big.one?replicas=1",
        &[&token_from],
        &bytes,
    )?
    .expect(201);
    let stored = put.json();
    assert_eq!(
        (stored["state"].as_str(), stored["length"].as_u64()),
        (Some("published"), Some(length))
    );
    // The command line sees the same file, byte for byte.
    let copy = get(&cluster, cluster.peer(1), "big.one");
    crate::assert_same(&source, &copy);
    // Elsewhere nothing of it is held: only the owner may have it fetched.
    let there = to.program.address();
    let refused = send(there, "GET /files/big.one", &[], b"")?.expect(401);
    assert!(
        refused
            .header("www-authenticate")
            .is_some_and(|how| how.starts_with("Bearer"))
    );
    let head = send(there, "HEAD /files/big.one", &[], b"")?.expect(200);
    assert_eq!(head.header("content-length"), Some(length.to_string()));
    let tag = head.header("etag").context("a tag")?;
    assert_eq!(
        tag,
        format!("\"{}\"", stored["content"].as_str().context("an id")?)
    );
    // A range fetches the fragments that it touches and no others.
    let (a, b) = (17 * MIB + 1, 18 * MIB + 9);
    let asked = format!("Range: bytes={a}-{b}");
    let part = send(there, "GET /files/big.one", &[&token_to, &asked], b"")?.expect(206);
    let index = |at: u64| usize::try_from(at).expect("small");
    assert!(part.body == bytes[index(a)..=index(b)], "the range differs");
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes {a}-{b}/{length}"))
    );
    let received = to.status()["bytes_received"].as_u64().context("a number")?;
    assert!(received < 3 * MIB, "{received} bytes were fetched for one MiB");
    // Now this part is here, for everyone on the machine.
    let part = send(there, "GET /files/big.one", &[&asked], b"")?.expect(206);
    assert_eq!(part.body.len(), index(b - a + 1));
    let whole = send(there, "GET /files/big.one", &[&token_to], b"")?.expect(200);
    assert!(whole.body == bytes, "the file differs");
    let again = send(
        there,
        "GET /files/big.one",
        &[&format!("If-None-Match: {tag}")],
        b"",
    )?;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(
        (again.header("etag"), again.header("cache-control")),
        (Some(tag.clone()), Some("no-cache".to_owned()))
    );
    // A HEAD has no ranges, and the unit of a range has no case.
    let head = send(there, "HEAD /files/big.one", &[&asked], b"")?.expect(200);
    assert_eq!(head.header("content-length"), Some(length.to_string()));
    let unit = asked.replace("bytes", "Bytes");
    send(there, "GET /files/big.one", &[&unit], b"")?.expect(206);
    let beyond = send(
        there,
        "GET /files/big.one",
        &[&format!("Range: bytes={length}-")],
        b"",
    )?
    .expect(416);
    assert_eq!(beyond.header("content-range"), Some(format!("bytes */{length}")));
    let by_id = format!("GET /files/{}", tag.trim_matches('"'));
    send(there, &by_id, &["Range: bytes=-5"], b"")?.expect(206);
    Ok(())
}

#[test]
fn what_was_published_by_http_is_removed_with_its_name() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let (node, token) = (peer.program.address(), token(peer));
    let put = send(node, "PUT /files/a/b?replicas=1", &[&token], &[7; 100_000])?.expect(201);
    let tag = put.header("etag").context("a tag")?;
    assert_eq!(peer.status()["used"].as_u64(), Some(100_000));
    assert!(peer.locate("a/b")["mode"].is_null(), "an upload has no mode");
    send(node, "DELETE /files/a/b", &[&token, "If-Match: \"other\""], b"")?.expect(412);
    send(
        node,
        "DELETE /files/a/b",
        &[&token, &format!("If-Match: {tag}")],
        b"",
    )?
    .expect(200);
    send(node, "GET /files/a/b", &[&token], b"")?.expect(404);
    let used = || peer.status()["used"].as_u64();
    eventually("its room to be free", PATIENCE, used, |used| *used == Some(0))?;
    Ok(())
}

#[test]
fn a_file_in_a_directory_is_read_by_its_path() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    std::fs::create_dir_all(tree.join("sub"))?;
    std::fs::write(tree.join("sub/small"), b"a small one")?;
    std::fs::write(tree.join("empty"), b"")?;
    content::write(&tree.join("large"), 3 * MIB, 5)?;
    let path = tree.to_str().context("text")?;
    drop(cluster.peer(0).run(["add", path, "--replicas", "1"]).expect(0));
    let (there, token) = (cluster.peer(1).program.address(), token(cluster.peer(1)));
    let read = |path: &str, headers: &[&str]| send(there, &format!("GET /files/{path}"), headers, b"");
    assert_eq!(
        read("tree/sub/small", &[&token])?.expect(200).body,
        b"a small one"
    );
    assert_eq!(
        read("tree/sub/small", &[&token, "Range: bytes=2-6"])?
            .expect(206)
            .body,
        b"small"
    );
    assert!(read("tree/empty", &[&token])?.expect(200).body.is_empty());
    assert!(read("tree/large", &[&token])?.expect(200).body == std::fs::read(tree.join("large"))?);
    // Now all of it is here, for everyone on the machine.
    for (path, length) in [("tree/sub/small", 11), ("tree/large", 3 << 20), ("tree/empty", 0)] {
        assert_eq!(read(path, &[])?.expect(200).body.len(), length, "{path}");
    }
    let empty = read("tree/empty", &["Range: bytes=0-"])?.expect(416);
    assert_eq!(empty.header("content-range"), Some("bytes */0".to_owned()));
    read("tree/sub/none", &[&token])?.expect(404);
    read("tree/sub", &[&token])?.expect(409);
    read("tree", &[&token])?.expect(409);
    Ok(())
}

#[test]
fn of_two_who_change_a_name_at_once_one_succeeds() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tokens = [token(cluster.peer(0)), token(cluster.peer(1))];
    let mut tag = None;
    for round in 0..5 {
        let condition = match &tag {
            None => "If-None-Match: *".to_owned(),
            Some(tag) => format!("If-Match: {tag}"),
        };
        let answers = std::thread::scope(|scope| {
            let begin = |writer: usize| {
                let (address, token) = (cluster.peer(writer % 2).program.address(), &tokens[writer % 2]);
                let (condition, body) = (&condition, format!("round {round} writer {writer}"));
                scope.spawn(move || {
                    send(
                        address,
                        "PUT /api/v1/values/turn?replicas=1",
                        &[token, condition],
                        body.as_bytes(),
                    )
                })
            };
            let writers: Vec<_> = (0..6).map(begin).collect();
            let join = |writer: std::thread::ScopedJoinHandle<'_, _>| writer.join().expect("no panic");
            writers.into_iter().map(join).collect::<Result<Vec<_>>>()
        })?;
        let won: Vec<_> = answers.iter().filter(|answer| answer.status < 300).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(
            answers
                .iter()
                .all(|answer| answer.status < 300 || answer.status == 412),
            "{answers:?}"
        );
        tag = won[0].header("etag");
    }
    Ok(())
}

#[test]
fn what_may_not_be_is_refused() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    drop(publish(&cluster, 0, "here", 100_000, 1)?);
    let peer = cluster.peer(0);
    let (node, token) = (peer.program.address(), token(peer));
    let token = token.as_str();
    // Others, and pages of others.
    send(node, "PUT /files/x", &[], b"x")?.expect(401);
    send(
        node,
        "PUT /files/x",
        &["Authorization: Bearer 0123456789abcdef0123456789abcdef"],
        b"x",
    )?
    .expect(403);
    for page in [
        "Origin: http://evil.example",
        "Sec-Fetch-Site: cross-site",
        "Host: evil.example",
    ] {
        send(node, "PUT /files/x", &[token, page], b"x")?.expect(403);
        send(node, "GET /files/here", &[page], b"")?.expect(403);
        send(node, "GET /api/v1/status", &[page], b"")?.expect(403);
    }
    assert_eq!(
        send(node, "GET /files/here", &[], b"")?.expect(200).body.len(),
        100_000
    );
    // Names are no paths.
    for path in [
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "a/%2e%2e/b",
        "%2fetc/passwd",
        "a//b",
        "a%00b",
        "a%5cb",
        "a%0ab",
        "%ff",
    ] {
        let answer = send(node, &format!("PUT /files/{path}"), &[token], b"x")?;
        assert!(answer.status == 400 || answer.status == 404, "{path}: {answer:?}");
        let answer = send(node, &format!("GET /files/{path}"), &[token], b"")?;
        assert!(answer.status == 400 || answer.status == 404, "{path}: {answer:?}");
    }
    send(node, "PUT /files/x?replicas=0", &[token], b"x")?.expect(400);
    send(node, "PUT /files/x?replica=1", &[token], b"x")?.expect(400);
    send(node, "PUT /files/x?wait=soon", &[token], b"x")?.expect(400);
    send(node, "PUT /files/x", &[token, "Content-Range: bytes 0-0/2"], b"x")?.expect(400);
    send(node, "PUT /files/x", &[token, "If-Match: what"], b"x")?.expect(400);
    let post = send(node, "POST /files/x", &[token], b"x")?.expect(405);
    let allowed = post.header("allow").context("the methods that there are")?;
    assert!(
        ["GET", "PUT", "DELETE"]
            .iter()
            .all(|method| allowed.contains(method)),
        "{allowed}"
    );
    send(node, "GET /nothing", &[], b"")?.expect(404);
    send(node, "PUT /api/v1/values/long", &[token], &vec![0; 65_537])?.expect(413);
    send(
        node,
        "PUT /api/v1/values/fits?replicas=1",
        &[token],
        &vec![0; 65_536],
    )?
    .expect(201);
    Ok(())
}

#[test]
fn clients_that_send_too_much_or_too_slowly_or_break_off_leave_nothing() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    drop(publish(&cluster, 0, "here", 100_000, 1)?);
    let peer = cluster.peer(0);
    let (node, token) = (peer.program.address(), token(peer));
    let token = token.as_str();
    // More bytes than the disk has room for, and fewer than announced.
    let length =
        |length: &str| format!("PUT /files/x HTTP/1.1\r\nHost: {node}\r\n{token}\r\n{length}\r\n\r\n");
    for (announced, sent) in [("Content-Length: 999999999999", 0), ("Content-Length: 5000", 20)] {
        let mut stream = connect(node)?;
        stream.write_all(length(announced).as_bytes())?;
        stream.write_all(&vec![1; sent])?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        assert!(sent > 0 || answer.starts_with("HTTP/1.1 507"), "{answer}");
    }
    // Many silent clients: the node still answers others.
    let idle: Vec<_> = (0..200).map(|_| connect(node)).collect::<Result<_>>()?;
    let mut slow = Vec::new();
    let put = || send(node, "PUT /files/x", &[token], b"x").map_or(0, |answer| answer.status);
    let crowd = || {
        let begin = || -> Result<TcpStream> {
            let mut stream = connect(node)?;
            stream.write_all(length("Content-Length: 1000000").as_bytes())?;
            stream.write_all(b"some")?;
            Ok(stream)
        };
        slow.push(begin());
        put()
    };
    eventually("uploads to be bounded", PATIENCE, crowd, |status| *status == 429)?;
    send(node, "GET /files/here", &[], b"")?.expect(200);
    drop((idle, slow));
    eventually("room for others", PATIENCE, put, |status| *status != 429)?;
    send(node, "DELETE /files/x", &[token], b"")?.expect(200);
    // Broken uploads leave nothing behind, and the node is in good health.
    let left = || {
        let contents = std::fs::read_dir(peer.data_dir().join("contents"))
            .into_iter()
            .flatten()
            .flatten();
        contents
            .filter(|entry| entry.path().extension().is_some())
            .count()
    };
    eventually("broken uploads to be gone", PATIENCE, left, |left| *left == 0)?;
    assert_eq!(cluster.peer_mut(0).program.stop()?, 0);
    assert!(!cluster.peer(0).data_dir().join("http-token").exists());
    Ok(())
}

#[test]
fn a_published_page_has_its_type_and_no_rights() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let peer = cluster.peer(0);
    let (node, token) = (peer.program.address(), token(peer));
    for (name, media) in [
        ("page.html", "text/html; charset=utf-8"),
        ("picture.SVG", "image/svg+xml"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("model.gguf", "application/octet-stream"),
    ] {
        // Other bytes for every name: the node may be dropping those of a name that has just gone.
        let page = format!("<script src=/api/v1/files></script>{name}");
        send(
            node,
            &format!("PUT /files/{name}?replicas=1"),
            &[&token],
            page.as_bytes(),
        )?
        .expect(201);
        let answer = send(node, &format!("GET /files/{name}"), &[], b"")?.expect(200);
        assert_eq!(answer.header("content-type").as_deref(), Some(media), "{name}");
        assert_eq!(
            answer.header("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        let policy = answer.header("content-security-policy").context("a policy")?;
        assert!(
            policy.contains("sandbox") && !policy.contains("allow-scripts"),
            "{policy}"
        );
        drop(send(node, &format!("DELETE /files/{name}"), &[&token], b"")?.expect(200));
    }
    Ok(())
}

#[test]
fn uploads_and_values_say_at_once_which_paths_they_hide() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    std::fs::create_dir_all(tree.join("d"))?;
    for path in ["d/small", "d/other", "key"] {
        std::fs::write(tree.join(path), path)?;
    }
    for name in ["tree", "values"] {
        let add = [
            "add",
            tree.to_str().context("text")?,
            "--name",
            name,
            "--replicas",
            "1",
        ];
        drop(cluster.peer(0).run(add).expect(0));
    }
    // This node has never seen the directories' catalogs.
    let peer = cluster.peer(1);
    let (node, token) = (peer.program.address(), token(peer));
    let put = |path: &str| send(node, &format!("PUT {path}?replicas=1"), &[&token], b"hiding");
    let hides = |name: &str, inside: &str| serde_json::json!([{"name": name, "inside": inside}]);
    for (path, hidden) in [
        ("/files/tree/d/small", hides("tree/d/small", "tree@1/d/small")),
        ("/files/tree/d/none", serde_json::json!([])),
        ("/api/v1/values/key", hides("values/key", "values@1/key")),
        ("/api/v1/values/none", serde_json::json!([])),
    ] {
        let stored = put(path)?.expect(201).json();
        assert_eq!(stored["hides"], hidden, "{path}: {stored}");
    }
    // The same bytes again, and others, still hide it.
    let again = put("/files/tree/d/small")?.expect(200).json();
    assert_eq!(again["hides"], hides("tree/d/small", "tree@1/d/small"));
    for (path, bytes) in [("tree/d/small", "hiding"), ("tree@1/d/small", "d/small")] {
        let got = send(node, &format!("GET /files/{path}"), &[&token], b"")?;
        assert_eq!((got.status, got.body), (200, bytes.as_bytes().to_vec()), "{path}");
    }
    let told = peer.run(["put", "d/small", "value", "--replicas", "1"]).expect(0);
    assert!(told.stderr.contains("values@1/d/small"), "{}", told.stderr);
    let told = peer
        .run(["put", "d/other", "value", "--replicas", "1", "--json"])
        .expect(0);
    assert_eq!(told.json()["hides"], hides("values/d/other", "values@1/d/other"));
    let told = peer
        .run(["put", "elsewhere", "value", "--replicas", "1"])
        .expect(0);
    assert!(!told.stderr.contains("values@"), "{}", told.stderr);
    let value = peer.run(["value", "d/small"]).expect(0);
    assert_eq!(value.stdout, "value");
    Ok(())
}

#[test]
fn a_short_wait_is_for_replicas_and_not_for_the_name() -> Result<()> {
    let mut cluster = Cluster::builder().peers(1).start()?;
    let token = token(cluster.peer(0));
    let node = cluster.peer(0).program.address().to_owned();
    let put = |body: &[u8]| send(&node, "PUT /files/x?replicas=5&wait=1ms", &[&token], body);
    // Every answer is about a name that is bound, so the next one is newer.
    for (round, body) in [b"old", b"mid", b"new"].into_iter().enumerate() {
        let put = put(body)?.expect(202);
        assert_eq!(put.json()["state"], "published", "{round}");
        assert!(put.json()["revision"].is_u64(), "{round}");
    }
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(1)?;
    let pending = || cluster.peer(0).status()["pending_publications"].as_u64();
    eventually("all to be made", PATIENCE, pending, |count| *count == Some(0))?;
    assert_eq!(send(&node, "GET /files/x", &[], b"")?.expect(200).body, b"new");
    Ok(())
}
