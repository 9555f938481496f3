//! The program as users start it.

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

/// Guard that ends the program with the test.
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
    unknown.arg("--config").arg(elsewhere.path().join("missing.toml"));
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
        output.status.success() && text.contains("WHOEVER REACHES"),
        "{text}"
    );
}

/// Runs the program to its end; returns its exit code, output and errors.
fn outcome(data_dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(data_dir, "0");
    let output = command.args(arguments).output().expect("it ends by itself");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_running_tracker_is_backed_up_and_the_copy_is_sound_and_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = tempfile::tempdir().expect("a temporary directory");
    let target = copy.path().join("monday");
    let target_text = target.to_str().expect("UTF-8");
    let (mut child, _) = start(dir.path());

    let (code, said, complained) = outcome(dir.path(), &["backup", target_text]);
    assert_eq!(code, Some(0), "{complained}");
    assert!(said.contains("sound: epoch 1"), "{said}");
    assert_eq!(outcome(&target, &["check"]).0, Some(0));
    assert_eq!(
        outcome(dir.path(), &["backup", target_text]).0,
        Some(5),
        "it overwrites nothing"
    );
    let (code, _, complained) = outcome(dir.path(), &["check"]);
    assert_eq!(code, Some(5), "a tracker runs on it: {complained}");

    drop(child.0.kill());
    drop(child.0.wait());
    let (code, said, complained) = outcome(copy.path(), &["check", dir.path().to_str().expect("UTF-8")]);
    assert_eq!(code, Some(0), "{complained}");
    assert!(said.contains("epoch 1"), "{said}");
    let (_child, address) = start(&target);
    assert!(!address.is_empty(), "a tracker starts from the backup");
}

#[test]
fn a_check_says_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (code, _, told) = outcome(&dir.path().join("nothing"), &["check"]);
    assert_eq!(code, Some(3), "{told}");
    drop(start(dir.path()));
    let journal = dir.path().join("journal.sqlite");
    std::fs::remove_file(&journal).expect("remove");
    let (code, _, told) = outcome(dir.path(), &["check"]);
    assert_eq!(code, Some(8), "{told}");
    assert!(told.contains("gone") && told.contains("backup"), "{told}");
    assert_eq!(
        outcome(dir.path(), &[]).0,
        Some(8),
        "a tracker does not begin anew there either"
    );
}
