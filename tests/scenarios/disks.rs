//! Disks that are full, read-only or otherwise unwilling have the same exit codes everywhere, and none of
//! them is an internal error.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::{Cluster, Outcome, binaries};

use crate::{publish, run, text};

#[track_caller]
fn fills_the_output(mut command: Command) {
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let output = output
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the program is there");
    let outcome = Outcome::from(output);
    assert_eq!(outcome.code, 9, "{command:?}: {}", outcome.stderr);
    assert!(
        outcome.stderr.contains("standard output"),
        "{command:?}: {}",
        outcome.stderr
    );
}

#[test]
fn a_result_that_has_no_room_ends_every_command_with_nine() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "data", 1000, 1)?;
    let offline = cluster.path("offline");
    let tracker = run(
        "tracker",
        &[
            "backup",
            text(&offline),
            "--data-dir",
            text(&cluster.path("tracker")),
        ],
    );
    drop(tracker.expect(0));
    for (program, line) in [
        ("tracker", &["--help"][..]),
        ("tracker", &["--version"]),
        ("tracker", &["config", "show"]),
        ("tracker", &["completions", "bash"]),
        ("tracker", &["check", text(&offline)]),
        ("webserver", &["--help"]),
        ("webserver", &["--version"]),
        ("webserver", &["config", "show", "--json"]),
        ("peer", &["--help"]),
        ("peer", &["--version"]),
        ("peer", &["get", "--help"]),
        ("peer", &["config", "show"]),
        ("peer", &["completions", "zsh"]),
    ] {
        let mut command = Command::new(binaries::path(program));
        command.args(line);
        fills_the_output(command);
    }
    let copy = cluster.path("copy");
    for line in [
        &["list"][..],
        &["list", "--json"],
        &["status"],
        &["network"],
        &["history", "data"],
        &["locate", "data"],
        &["why", "data"],
        &["durability"],
        &["verify"],
        &["put", "key", "value"],
        &["value", "key"],
        &["get", "data", "--output", "-"],
        &["get", "data", "--output", text(&copy)],
        &["get", "data", "--dry-run"],
    ] {
        fills_the_output(cluster.peer(0).command(line));
    }
    Ok(())
}

#[test]
fn a_data_directory_that_is_none_has_the_same_code_for_all() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (file, around) = (directory.path().join("file"), directory.path().join("loop"));
    fs::write(&file, b"x")?;
    symlink(&around, &around)?;
    let (below, long) = (file.join("below"), directory.path().join("n".repeat(300)));
    let (nowhere, dangling) = (
        directory.path().join("nowhere"),
        directory.path().join("dangling"),
    );
    symlink(nowhere.join("file"), &dangling)?;
    let (proc, sys) = (Path::new("/proc/enjambre"), Path::new("/sys/enjambre"));
    for (path, code) in [
        (file.as_path(), 5),
        (&below, 2),
        (&around, 5),
        (&dangling, 5),
        (&long, 2),
        (proc, 2),
        (sys, 4),
    ] {
        for (program, serve) in [
            ("tracker", &["--port", "0", "--data-dir", text(path)][..]),
            ("peer", &["serve", "--port", "0", "--data-dir", text(path)]),
        ] {
            let outcome = run(program, serve);
            assert_eq!(outcome.code, code, "{program} {serve:?}: {}", outcome.stderr);
            assert!(!outcome.stderr.contains("internal"), "{}", outcome.stderr);
            // The place, the system's reason, and the remedy.
            for told in [text(path), "os error", "choose "] {
                assert!(
                    outcome.stderr.contains(told),
                    "{program} {path:?}: {}",
                    outcome.stderr
                );
            }
        }
        let pages = run("webserver", &["man", text(&path.join("pages"))]);
        assert!(matches!(pages.code, 2 | 4 | 5), "{path:?}: {}", pages.stderr);
    }
    Ok(())
}

#[test]
fn a_lock_that_leads_nowhere_is_followed_by_no_program() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nowhere = directory.path().join("nowhere").join("file");
    for (program, lock, code) in [("tracker", "tracker.lock", 2), ("peer", "lock", 5)] {
        let path = directory.path().join(program);
        fs::create_dir(&path)?;
        symlink(&nowhere, path.join(lock))?;
        let serve = (program == "peer").then_some("serve");
        let line = ["--port", "0", "--data-dir", text(&path)];
        let line: Vec<_> = serve.into_iter().chain(line).collect();
        let outcome = run(program, &line);
        assert_eq!(outcome.code, code, "{program}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("choose "),
            "{program}: {}",
            outcome.stderr
        );
        assert!(!nowhere.exists());
    }
    Ok(())
}

#[test]
fn files_that_the_system_refuses_have_their_codes() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "data", 1000, 1)?;
    let (around, file) = (cluster.path("loop"), cluster.path("data.bin"));
    symlink(&around, &around)?;
    let below = file.join("below");
    let long = cluster.path(&"n".repeat(300));
    for (line, code) in [
        (&["add", text(&around)][..], 2),
        (&["add", text(&around), "--dry-run"], 2),
        (&["add", text(&long)], 2),
        (&["add", "/proc/self/mem", "--name", "mem"], 2),
        (&["get", "data", "--output", text(&around)], 5),
        (&["get", "data", "--output", text(&below)], 2),
        (&["get", "data", "--output", text(&long)], 2),
        (&["get", "data", "--output", "/proc/enjambre"], 2),
        (&["get", "data", "--output", "/sys/enjambre"], 2),
    ] {
        let outcome = cluster.peer(0).run(line);
        assert_eq!(outcome.code, code, "{line:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("internal"), "{}", outcome.stderr);
    }
    Ok(())
}

/// Runs a program with a small disk at `disk`, in a mount namespace of its own; `before` is shell that
/// prepares the disk.
fn on_a_small_disk(disk: &Path, before: &str, program: &str, line: &[&str]) -> Outcome {
    let prepare = format!(
        "mount -t tmpfs -o size=1m none {0} && cd {0} && {before} && exec \"$@\"",
        text(disk)
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &prepare, "sh"]);
    let output = command.arg(binaries::path(program)).args(line).output();
    output.expect("util-linux is there").into()
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_start_on_a_full_or_read_only_disk_says_so() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let disk = directory.path().join("disk");
    fs::create_dir(&disk)?;
    let data = disk.join("data");
    // Nothing is left; a few pages are left, enough for some of the files; and nothing can be written.
    let full = "mkdir data && (dd if=/dev/zero of=fill bs=4k 2>/dev/null || true)";
    let nearly = "mkdir data && dd if=/dev/zero of=fill bs=4k count=248 2>/dev/null";
    let read_only = "mkdir data && mount -o remount,ro .";
    for (before, code) in [(full, 9), (nearly, 9), (read_only, 4)] {
        for (program, serve) in [
            ("tracker", &["--port", "0", "--data-dir", text(&data)][..]),
            (
                "peer",
                &[
                    "serve",
                    "--port",
                    "0",
                    "--data-dir",
                    text(&data),
                    "--tracker",
                    "127.0.0.1:9",
                ],
            ),
        ] {
            let outcome = on_a_small_disk(&disk, before, program, serve);
            assert_eq!(outcome.code, code, "{program}, {before}: {}", outcome.stderr);
            assert!(!outcome.stderr.contains("internal"), "{}", outcome.stderr);
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_directory_that_does_not_fit_is_refused_before_it_is_written() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    let (tree, disk) = (cluster.path("tree"), cluster.path("disk"));
    fs::create_dir(&tree)?;
    fs::create_dir(&disk)?;
    // The same bytes under many names: little to store and to fetch, and much to write.
    let (small, large) = (vec![7; 10_000], vec![9; 200_000]);
    for n in 0..40 {
        fs::write(tree.join(format!("small {n}")), &small)?;
    }
    for n in 0..4 {
        fs::write(tree.join(format!("large {n}")), &large)?;
    }
    drop(
        cluster
            .peer(0)
            .run(["add", text(&tree), "--replicas", "1"])
            .expect(0),
    );
    let mount = format!("mount -t tmpfs -o size=1m none {} && exec \"$@\"", text(&disk));
    let into = disk.join("out");
    // A node of its own, which sees the small disk, runs for this command alone.
    let data = cluster.path("transient");
    let line = |more: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &mount, "sh"]);
        command.arg(binaries::path("peer"));
        command.args(["get", "tree", "--output", text(&into), "--data-dir", text(&data)]);
        command.args(cluster.entry_by_tracker()).args(more);
        Outcome::from(command.output().expect("util-linux is there"))
    };
    for more in [&[][..], &["--dry-run"], &["--include", "large*"]] {
        let refused = line(more);
        let fits = more.first() == Some(&"--include");
        assert_eq!(
            refused.code,
            if fits { 0 } else { 9 },
            "{more:?}: {}",
            refused.stderr
        );
        assert!(!refused.stderr.contains("os error"), "{}", refused.stderr);
    }
    Ok(())
}

/// Has a node fetch a content onto a disk of its own, fills the disk, and forgets the content there. `room`
/// is shell that looks at the data directory before that.
fn forget_on_a_full_disk(size: &str, room: &str) -> Result<Outcome> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "data", 300_000, 1)?;
    let disk = cluster.path("disk");
    fs::create_dir(&disk)?;
    // The node, its commands and the disk are in one namespace of mounts.
    let script = r#"
        mount -t tmpfs -o size="$4" none "$1" && cd "$1" || exit 99
        "$2" serve --port 0 --data-dir data $3 > ready 2> log &
        node=$!
        until grep -q ready ready; do kill -0 $node || exit 98; done
        "$2" get data --output - --data-dir data > /dev/null || exit 97
        eval "$5" || exit 96
        dd if=/dev/zero of=fill bs=4k 2> /dev/null
        "$2" forget data --data-dir data
        code=$?
        kill $node
        wait $node
        exit $code"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "bash", "-c", script, "bash", text(&disk)]);
    command
        .arg(binaries::path("peer"))
        .arg(cluster.entry_by_tracker().join(" "));
    command.args([size, room]);
    Ok(command.output().expect("util-linux is there").into())
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn forgetting_on_a_disk_that_takes_nothing_says_so() -> Result<()> {
    // The disk is too small for room that is set aside.
    let forgotten = forget_on_a_full_disk("4m", "[ ! -e data/reserve ]")?;
    assert_eq!(forgotten.code, 9, "{}", forgotten.stderr);
    let told = "make room on the disk of the data directory";
    assert!(forgotten.stderr.contains(told), "{}", forgotten.stderr);
    assert!(!forgotten.stderr.contains("--force"), "{}", forgotten.stderr);
    Ok(())
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn the_room_that_is_set_aside_lets_a_full_disk_forget() -> Result<()> {
    let forgotten = forget_on_a_full_disk("64m", "[ -s data/reserve ]")?;
    assert_eq!(forgotten.code, 0, "{}", forgotten.stderr);
    Ok(())
}
