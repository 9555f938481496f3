//! The program as people start it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn command(data_dir: &Path, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracker"));
    command.args(["--port", port, "--data-dir"]).arg(data_dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for key in ["HOST", "PORT", "DATA_DIR", "CONFIG", "LOG"] {
        command.env_remove(format!("ENJAMBRE_{key}"));
    }
    command
}

/// Ends the program when the test does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the program and returns it with the address that its first line names.
fn start(data_dir: &Path) -> (Running, String) {
    let mut child = Running(command(data_dir, "0").spawn().expect("start"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let address = line
        .trim_end()
        .strip_prefix("tracker ready on ")
        .expect("the ready line")
        .to_owned();
    (child, address)
}

fn refusal(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("it ends by itself");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn it_says_where_it_listens_and_ends_cleanly_at_a_signal() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for signal in ["-INT", "-TERM"] {
        let (mut child, address) = start(dir.path());
        assert!(
            address.starts_with("127.0.0.1:") && !address.ends_with(":0"),
            "{address}"
        );
        let killed = Command::new("kill")
            .args([signal, &child.0.id().to_string()])
            .status()
            .expect("kill");
        assert!(killed.success());
        assert_eq!(child.0.wait().expect("it ends").code(), Some(0), "{signal}");
    }
}

#[test]
fn what_is_in_the_way_is_told_in_a_line() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (mut child, address) = start(dir.path());
    let port = address.rsplit_once(':').expect("an address").1;

    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let (code, told) = refusal(command(elsewhere.path(), port));
    assert_eq!(code, Some(5), "{told}");
    assert!(
        told.contains(&address) && told.contains("--port") && told.lines().count() == 1,
        "{told}"
    );

    let (code, told) = refusal(command(dir.path(), "0"));
    assert_eq!(code, Some(5), "{told}");
    assert!(
        told.contains("another tracker") && told.contains("--data-dir"),
        "{told}"
    );

    let file = elsewhere.path().join("file");
    std::fs::write(&file, "").expect("write");
    let (code, told) = refusal(command(&file.join("dir"), "0"));
    assert_ne!(code, Some(0), "{told}");
    assert!(
        told.contains("data directory") && told.lines().count() == 1,
        "{told}"
    );

    let mut unknown = command(elsewhere.path(), "0");
    unknown.args(["--config", "/does/not/exist.toml"]);
    assert_eq!(refusal(unknown).0, Some(2));

    std::fs::write(
        elsewhere.path().join("journal.sqlite"),
        "this is not a database".repeat(500),
    )
    .expect("write");
    let (code, told) = refusal(command(elsewhere.path(), "0"));
    assert_eq!(code, Some(8), "{told}");
    assert!(told.contains("damaged"), "{told}");

    drop(child.0.kill());
    let mut rest = String::new();
    child
        .0
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut rest)
        .expect("its log");
    assert!(!rest.contains("panicked"), "{rest}");
}

#[test]
fn help_warns_of_exposing_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut help = command(dir.path(), "0");
    let output = help.arg("--help").output().expect("help");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("EXPOSES THE TRACKER"),
        "{text}"
    );
}
