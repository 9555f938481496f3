//! The program as a script sees it: its first line, its exit codes, its end.

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn webserver(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webserver"));
    command
        .args(flags)
        .env_remove("ENJAMBRE_TRACKER")
        .env_remove("ENJAMBRE_JOIN")
        // No membership of this machine.
        .env("XDG_DATA_HOME", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(flags: &[&str]) -> Output {
    let output = webserver(flags).output();
    timeout(PATIENCE, output)
        .await
        .expect("ends by itself")
        .expect("starts")
}

#[tokio::test]
async fn it_says_when_it_is_ready_and_ends_well_when_told_to() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = webserver(&["--tracker", "127.0.0.1:9", "--port", "0"])
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = timeout(PATIENCE, lines.next_line())
            .await
            .expect("says something")
            .expect("readable");
        let line = line.expect("a line");
        assert!(
            line.starts_with("webserver ready on 127.0.0.1:") && !line.ends_with(":0"),
            "{line}"
        );
        let id = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        kill_process(id.expect("it runs"), signal).expect("it is ours");
        let status = timeout(PATIENCE, child.wait())
            .await
            .expect("ends")
            .expect("has a status");
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_ends_it_with_one_line_and_the_code_for_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let empty = tempfile::tempdir().expect("a temporary directory");
    let missing = empty.path().join("webserver.toml");
    for (flags, code, says) in [
        (&[][..], 2, "--tracker HOST:PORT"),
        (&["--tracker", "127.0.0.1:9", "--port", &port], 5, &port),
        (
            &[
                "--tracker",
                "127.0.0.1:9",
                "--config",
                missing.to_str().expect("text"),
            ],
            2,
            "webserver.toml",
        ),
    ] {
        let output = run(flags).await;
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {text}");
        assert!(
            text.contains(says) && text.lines().count() == 1,
            "{flags:?}: {text}"
        );
        assert!(output.stdout.is_empty());
    }
    assert_eq!(run(&["--tracker", "nonsense"]).await.status.code(), Some(2));
}
