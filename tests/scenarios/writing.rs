//! Files and directories that are written: whole or not at all, with the modes of whoever asked for them, and
//! without leftovers.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::{Cluster, Outcome, Peer, binaries, content};

use crate::collections::seen;
use crate::{MIB, PATIENCE, all_below, publish, text};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("is there").mode() & 0o7777
}

fn leftovers(root: &Path) -> Vec<PathBuf> {
    let is_left = |path: &PathBuf| text(path).contains(".enjambre-part");
    all_below(root).into_iter().filter(is_left).collect()
}

fn plant(tree: &Path) -> Result<()> {
    fs::create_dir_all(tree.join("sub"))?;
    fs::write(tree.join("file"), b"a small file")?;
    fs::write(tree.join("sub/inner"), b"another")?;
    content::write(&tree.join("sub/large"), 2 * MIB, 3)?;
    symlink("file", tree.join("link"))?;
    Ok(())
}

fn add(peer: &Peer, tree: &Path) {
    let line = ["add", text(tree), "--name", "tree", "--replicas", "1", "--update"];
    drop(peer.run(line).expect(0));
}

/// Runs a command of a peer with a umask of its own.
fn with_umask(peer: &Peer, umask: &str, line: &[&str]) -> Outcome {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
    command.arg(binaries::path("peer")).args(line);
    let output = command.arg("--data-dir").arg(peer.data_dir()).output();
    output.expect("there is a shell").into()
}

#[test]
fn what_is_in_the_way_of_a_directory_is_said_before_anything_is_written() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (tree, copy) = (cluster.path("tree"), cluster.path("copy"));
    plant(&tree)?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    add(publisher, &tree);
    let force = ["get", "tree", "--output", text(&copy), "--force"];
    drop(reader.run(force).expect(0));
    // Files became directories, a directory a file, a link a directory.
    for turn in ["file", "sub", "link", "sub/large"] {
        let changed = cluster.path("changed");
        fs::create_dir(&changed)?;
        plant(&changed)?;
        fs::write(changed.join("fresh"), b"never written")?;
        let place = changed.join(turn);
        if place.is_dir() {
            fs::remove_dir_all(&place)?;
            fs::write(&place, b"a file now")?;
        } else {
            fs::remove_file(&place)?;
            fs::create_dir(&place)?;
        }
        add(publisher, &changed);
        let before = seen(&copy);
        // NAME goes into the directory that is there, under its own name; so does the first one.
        let into = cluster.path("into");
        fs::create_dir(&into)?;
        fs::rename(&copy, into.join("tree"))?;
        let refused = reader.run(["get", "tree", "--output", text(&into), "--force"]);
        fs::rename(into.join("tree"), &copy)?;
        fs::remove_dir(&into)?;
        assert!([2, 5].contains(&refused.code), "{turn}: {}", refused.stderr);
        assert!(refused.stderr.contains(turn), "{turn}: {}", refused.stderr);
        assert_eq!(seen(&copy), before, "{turn}: nothing is half applied");
        fs::remove_dir_all(&changed)?;
    }
    Ok(())
}

#[test]
fn what_is_written_has_the_modes_of_its_user() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    // Of bytes that were in no file, no modes are known.
    drop(cluster.peer(0).run(["put", "key", "value"]).expect(0));
    let mut stream = cluster
        .peer(0)
        .command(["add", "-", "--name", "empty", "--replicas", "1"]);
    assert!(stream.stdin(Stdio::null()).output()?.status.success());
    let tree = cluster.path("tree");
    plant(&tree)?;
    fs::set_permissions(tree.join("file"), Permissions::from_mode(0o4755))?;
    fs::set_permissions(tree.join("sub"), Permissions::from_mode(0o777))?;
    add(cluster.peer(0), &tree);
    let reader = cluster.peer(1);
    for (umask, file, small, directory) in [
        ("022", 0o644, 0o755, 0o755),
        ("077", 0o600, 0o700, 0o700),
        ("002", 0o664, 0o755, 0o775),
    ] {
        let (alone, all) = (
            cluster.path(&format!("alone{umask}")),
            cluster.path(&format!("all{umask}")),
        );
        for name in ["values/key", "empty"] {
            let get = ["get", name, "--output", text(&alone), "--force"];
            drop(with_umask(reader, umask, &get).expect(0));
            assert_eq!(mode(&alone), file, "{name}, umask {umask}");
            fs::remove_file(&alone)?;
        }
        drop(with_umask(reader, umask, &["get", "tree", "--output", text(&all)]).expect(0));
        // Set-id bits are not kept.
        assert_eq!(mode(&all.join("file")), small, "umask {umask}");
        assert_eq!(mode(&all.join("sub")), directory, "umask {umask}");
    }
    // A directory that hands its group on keeps doing so, in new directories too.
    let shared = cluster.path("shared");
    fs::create_dir(&shared)?;
    fs::set_permissions(&shared, Permissions::from_mode(0o2775))?;
    drop(reader.run(["get", "tree", "--output", text(&shared)]).expect(0));
    assert_eq!(mode(&shared.join("tree")) & 0o2000, 0o2000);
    assert_eq!(mode(&shared.join("tree/sub")) & 0o2000, 0o2000);
    assert_eq!(mode(&shared), 0o2775);
    Ok(())
}

#[test]
fn a_pipe_or_a_device_is_never_replaced() -> Result<()> {
    let cluster = Cluster::builder().peers(1).start()?;
    publish(&cluster, 0, "data", 1000, 1)?;
    let (pipe, device) = (cluster.path("pipe"), cluster.path("device"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU)?;
    symlink("/dev/null", &device)?;
    let stdout = PathBuf::from("/dev/stdout");
    for (place, why) in [
        (&pipe, "never replaced"),
        (&device, "`-o -`"),
        (&stdout, "`-o -`"),
    ] {
        for force in [&["--force"][..], &[]] {
            let get = ["get", "data", "--output", text(place)];
            let refused = cluster.peer(0).run(get.iter().chain(force));
            assert!(refused.stderr.contains(why), "{}", refused.stderr);
            assert!(!refused.stderr.contains("--force"), "{}", refused.stderr);
            drop(refused.expect(2));
        }
    }
    assert!(fs::symlink_metadata(&pipe)?.file_type().is_fifo());
    assert_eq!(fs::read_link(&device)?, Path::new("/dev/null"));
    Ok(())
}

#[test]
fn a_killed_get_leaves_nothing_that_stays_and_goes_on_in_its_directory() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let (tree, new) = (cluster.path("tree"), cluster.path("new"));
    fs::create_dir(&tree)?;
    for n in 0..3000_u32 {
        fs::write(tree.join(format!("small {n}")), n.to_le_bytes().repeat(100))?;
    }
    content::write(&tree.join("large"), 24 * MIB, 9)?;
    add(cluster.peer(0), &tree);
    let line = ["get", "tree", "--output", text(&new)];
    // However quick the machine, the large file is not there when the small ones are being written.
    drop(cluster.peer(1).run(["limit", "--download", "1MiB"]).expect(0));
    let mut command = cluster.peer(1).command(line).spawn()?;
    // It is killed together with its node while it writes.
    let begun = || fs::read_dir(&new).map_or(0, Iterator::count);
    harness::eventually("files", PATIENCE, begun, |files| *files > 20)?;
    cluster.peer_mut(1).program.kill();
    assert!(!command.wait()?.success());
    cluster.peer_mut(1).program.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_eq!(
        leftovers(&new),
        Vec::<PathBuf>::new(),
        "the next start removes them"
    );
    drop(cluster.peer(1).run(["limit", "--download", "none"]).expect(0));
    drop(cluster.peer(1).run(line).expect(0));
    assert!(!new.join("tree").exists(), "it goes on where it was");
    assert_eq!(fs::read_dir(&new)?.count(), 3001);
    // The same command again brings it up to date.
    fs::remove_file(new.join("small 7"))?;
    drop(cluster.peer(1).run(line).expect(0));
    assert!(!new.join("tree").exists() && new.join("small 7").exists());
    Ok(())
}

#[test]
fn an_output_that_was_given_up_does_not_come_back() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    publish(&cluster, 0, "data", 40 * MIB, 1)?;
    let reader = cluster.peer(1);
    drop(reader.run(["limit", "--download", "4MiB"]).expect(0));
    let (given_up, wanted) = (cluster.path("given-up"), cluster.path("wanted"));
    let line = ["get", "data", "--output", text(&given_up), "--timeout", "4s"];
    drop(reader.run(line).expect(124));
    drop(reader.run(["limit", "--download", "none"]).expect(0));
    drop(reader.run(["get", "data", "--output", text(&wanted)]).expect(0));
    assert!(!given_up.exists());
    crate::assert_same(&cluster.path("data.bin"), &wanted);
    assert_eq!(leftovers(cluster.directory()), Vec::<PathBuf>::new());
    cluster.peer_mut(1).program.kill();
    Ok(())
}

/// A node of the user `nobody`, whose files root made before.
#[test]
#[ignore = "needs root, to run a node as another user"]
fn a_user_may_update_a_directory_that_is_read_only() -> Result<()> {
    const NOBODY: u32 = 65534;
    let cluster = Cluster::builder().peers(1).start()?;
    let tree = cluster.path("tree");
    plant(&tree)?;
    let read_only = |yes: bool| {
        fs::set_permissions(
            tree.join("sub"),
            Permissions::from_mode(if yes { 0o555 } else { 0o755 }),
        )
    };
    read_only(true)?;
    add(cluster.peer(0), &tree);
    let home = tempfile::tempdir()?;
    fs::set_permissions(home.path(), Permissions::from_mode(0o755))?;
    let own = home.path().join("own");
    fs::create_dir(&own)?;
    std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY))?;
    // The programs of a checkout that only root may enter.
    let program = home.path().join("peer");
    fs::copy(binaries::path("peer"), &program)?;
    let (data, copy) = (own.join("data"), own.join("copy"));
    let [flag, entry] = cluster.entry();
    let serve = ["serve", "--port", "0", "--data-dir", text(&data), flag, entry];
    let as_nobody = |line: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&program).args(line);
        command
    };
    let mut node = as_nobody(&serve).stdout(std::process::Stdio::null()).spawn()?;
    let run = |line: &[&str]| -> Result<Outcome> {
        Ok(as_nobody(&[line, &["--data-dir", text(&data)]].concat())
            .output()?
            .into())
    };
    let is_up = || run(&["status"]).is_ok_and(|outcome| outcome.code == 0);
    harness::eventually("a node", PATIENCE, is_up, |up| *up)?;
    let get = ["get", "tree", "--output", text(&own), "--force"];
    let story = || -> Result<()> {
        drop(run(&["get", "tree", "--output", text(&copy)])?.expect(0));
        assert_eq!(mode(&copy.join("sub")), 0o555);
        fs::rename(&copy, own.join("tree"))?;
        read_only(false)?;
        fs::write(tree.join("sub/inner"), b"changed")?;
        content::write(&tree.join("sub/large"), 2 * MIB, 4)?;
        read_only(true)?;
        add(cluster.peer(0), &tree);
        drop(run(&get)?.expect(0));
        assert_eq!(fs::read(own.join("tree/sub/inner"))?, b"changed");
        assert_eq!(mode(&own.join("tree/sub")), 0o555);
        // Root's file in place of a directory: nothing changes, the mode neither.
        read_only(false)?;
        fs::create_dir(tree.join("sub/deep"))?;
        read_only(true)?;
        add(cluster.peer(0), &tree);
        fs::write(own.join("tree/sub/deep"), b"root's")?;
        assert_ne!(run(&get)?.code, 0);
        assert_eq!(mode(&own.join("tree/sub")), 0o555);
        Ok(())
    };
    let told = story();
    node.kill()?;
    node.wait()?;
    told
}

/// Mode that a name keeps for its file.
fn kept_mode(peer: &Peer, name: &str) -> Option<String> {
    peer.locate(name)["mode"].as_str().map(ToOwned::to_owned)
}

#[test]
fn a_file_keeps_mode_time_and_holes_with_its_revision() -> Result<()> {
    let mut cluster = Cluster::builder().peers(2).start()?;
    let (file, copy) = (cluster.path("file"), cluster.path("copy"));
    let planted = fs::File::create(&file)?;
    std::os::unix::fs::FileExt::write_all_at(&planted, b"island", 5 * MIB)?;
    planted.set_len(16 * MIB)?;
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
    planted.set_modified(time)?;
    fs::set_permissions(&file, Permissions::from_mode(0o4750))?;
    let add = ["add", text(&file), "--replicas", "1"];
    let keeps = "keeps its mode, time and holes; --update gives it those of";
    let added = cluster.peer(0).run(add).expect(0);
    assert!(!added.stderr.contains(keeps), "{}", added.stderr);
    let get = ["get", "file", "--output", text(&copy), "--force"];
    drop(with_umask(cluster.peer(1), "022", &get).expect(0));
    crate::assert_same(&file, &copy);
    let seen = fs::metadata(&copy)?;
    assert_eq!(
        (mode(&copy), seen.mtime(), seen.mtime_nsec()),
        (0o750, 1_600_000_000, 123_456_789)
    );
    assert!(seen.blocks() * 512 < MIB, "its holes are holes");
    let narrow = cluster.path("narrow");
    drop(
        with_umask(
            cluster.peer(1),
            "077",
            &["get", "file", "--output", text(&narrow)],
        )
        .expect(0),
    );
    assert_eq!(mode(&narrow), 0o700);
    // The same bytes are the same binding, whatever their metadata, until an update is asked for.
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    let added = cluster.peer(0).run(add).expect(0);
    assert!(added.stderr.contains(keeps), "{}", added.stderr);
    assert_eq!(kept_mode(cluster.peer(1), "file").as_deref(), Some("750"));
    drop(cluster.peer(0).run(add.into_iter().chain(["--update"])).expect(0));
    assert_eq!(kept_mode(cluster.peer(1), "file").as_deref(), Some("600"));
    let history = cluster.peer(1).run(["history", "file", "--json"]);
    let history = history.expect(0).json();
    assert_eq!(history["revisions"][0]["mode"], "600");
    assert_eq!(history["revisions"].as_array().map(Vec::len), Some(1));
    cluster.tracker.kill();
    cluster.tracker.restart()?;
    cluster.wait_for_live_peers(2)?;
    assert_eq!(kept_mode(cluster.peer(1), "file").as_deref(), Some("600"));
    drop(with_umask(cluster.peer(1), "022", &get).expect(0));
    assert_eq!(mode(&copy), 0o600, "an output that is to be overwritten changes");
    Ok(())
}

#[test]
fn the_same_get_again_brings_the_mode_and_time_that_the_name_has_now() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    let file = cluster.path("file");
    harness::content::write(&file, MIB, 3)?;
    let publish = |mode: u32, seconds: u32| -> Result<()> {
        fs::set_permissions(&file, Permissions::from_mode(mode))?;
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.into());
        fs::File::options().write(true).open(&file)?.set_modified(time)?;
        let add = ["add", text(&file), "--replicas", "1", "--update"];
        drop(publisher.run(add).expect(0));
        Ok(())
    };
    let seen = |path: &Path| (mode(path), fs::metadata(path).expect("is there").mtime());
    let (first, second, own) = (cluster.path("first"), cluster.path("second"), cluster.path("own"));
    fs::copy(&file, &own)?;
    fs::set_permissions(&own, Permissions::from_mode(0o640))?;
    let before = seen(&own);
    let get = |path: &Path| {
        let get = ["get", "file", "--output", text(path)];
        drop(with_umask(reader, "022", &get).expect(0));
    };
    for (mode, seconds) in [(0o600, 1_600_000_000), (0o755, 1_700_000_000)] {
        publish(mode, seconds)?;
        // The place of the content, a copy, and a file that no `get` made.
        for path in [&first, &second, &own] {
            get(path);
        }
        assert_eq!(seen(&first), (mode, i64::from(seconds)));
        assert_eq!(seen(&second), (mode, i64::from(seconds)));
        assert_eq!(seen(&own), before, "it is its user's");
    }
    // They are still the files that the node knows.
    drop(reader.run(["verify", "file"]).expect(0));
    // A file that its user changed since, or published, is the user's.
    let changed = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    fs::File::options()
        .write(true)
        .open(&second)?
        .set_modified(changed)?;
    publish(0o700, 1_800_000_000)?;
    get(&second);
    assert_eq!(seen(&second), (0o755, 5));
    drop(
        reader
            .run(["add", text(&first), "--name", "mine", "--replicas", "1"])
            .expect(0),
    );
    get(&first);
    assert_eq!(seen(&first), (0o755, 1_700_000_000));
    let force = ["get", "file", "--output", text(&first), "--force"];
    drop(with_umask(reader, "022", &force).expect(0));
    assert_eq!(seen(&first), (0o700, 1_800_000_000));
    Ok(())
}

#[test]
fn bytes_that_were_in_no_file_have_no_metadata() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    drop(publisher.run(["put", "key", "value"]).expect(0));
    let mut stream = publisher.command(["add", "-", "--name", "stream", "--replicas", "1"]);
    assert!(stream.stdin(Stdio::null()).output()?.status.success());
    for name in ["values/key", "stream"] {
        assert_eq!(kept_mode(reader, name), None, "{name}");
    }
    Ok(())
}
