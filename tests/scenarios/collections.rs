//! Directories: round trips, and liars whose entries stay inside the directory.

use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Result;
use harness::{Cluster, Peer};
use proto::RemoteError;
use proto::client::{CatalogClient, SessionClient};
use proto::credentials::Credentials;
use proto::messages::Publish;
use shared::collection::{Attributes, Builder, Data, File, Mode, ModifiedAt};
use shared::model::{ContentRef, Expectation, Hello, HostPort, Name, Parts, ReplicationTarget};

use crate::{MIB, all_below, text};

/// Returns the visible state of a tree: path, mode, time, bytes or target.
pub(crate) fn seen(root: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(path) = next.pop() {
        let metadata = fs::symlink_metadata(&path).expect("is there");
        let (mode, what) = if metadata.is_symlink() {
            (0, fs::read_link(&path).expect("a link").display().to_string())
        } else if metadata.is_dir() {
            next.extend(
                fs::read_dir(&path)
                    .expect("lists")
                    .map(|entry| entry.expect("lists").path()),
            );
            (metadata.mode(), String::new())
        } else {
            (
                metadata.mode(),
                harness::content::sha256(&path).expect("reads").to_string(),
            )
        };
        let path = path.strip_prefix(root).expect("inside").display().to_string();
        let time = (metadata.mtime(), metadata.mtime_nsec());
        all.push(format!("{path} {mode:o} {time:?} {what}"));
    }
    all.sort();
    all
}

fn received(peer: &Peer) -> u64 {
    peer.status()["bytes_received"].as_u64().expect("a number")
}

fn plant(root: &Path) -> Result<()> {
    for n in 0..300_u16 {
        let directory = root.join(format!("d{}", n % 7));
        fs::create_dir_all(&directory)?;
        fs::write(
            directory.join(format!("small {n}")),
            vec![n.to_le_bytes()[0]; usize::from(n) * 20],
        )?;
    }
    fs::create_dir(root.join("empty"))?;
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o555))?;
    symlink("../d1/small 1", root.join("d2/link"))?;
    symlink("nowhere", root.join("dangling"))?;
    harness::content::write(&root.join("large"), 3 * MIB + 5, 7)?;
    fs::set_permissions(root.join("large"), fs::Permissions::from_mode(0o640))?;
    let sparse = fs::File::create(root.join("sparse"))?;
    sparse.write_all_at(b"island", 5 * MIB)?;
    sparse.set_len(16 * MIB)?;
    Ok(())
}

#[test]
fn a_directory_comes_out_as_it_went_in_and_a_change_moves_only_itself() -> Result<()> {
    let cluster = Cluster::builder().peers(3).start()?;
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    plant(&tree)?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(2));
    let add = ["add", text(&tree), "--replicas", "2", "--wait", "60s"];
    drop(publisher.run(add).expect(0));
    // The directory is there, so the collection goes into it under its own name.
    let (parent, copy) = (cluster.path("parent"), cluster.path("parent/tree"));
    fs::create_dir(&parent)?;
    drop(reader.run(["get", "tree", "--output", text(&parent)]).expect(0));
    assert_eq!(seen(&copy), seen(&tree));
    let room = |path: &Path| fs::metadata(path.join("sparse")).map(|metadata| metadata.blocks() * 512);
    assert!(room(&copy)? < MIB, "its holes are holes");
    let listed = reader.run(["list", "tree", "--json"]).expect(0);
    assert_eq!(listed.stdout.lines().count(), seen(&tree).len() - 1);
    // One of them, by its path.
    let one = cluster.path("one");
    drop(
        reader
            .run(["get", "tree/d3/small 10", "--output", text(&one)])
            .expect(0),
    );
    assert_eq!(fs::read(&one)?, fs::read(tree.join("d3/small 10"))?);
    // A change brings the changed file, the catalog, and nothing else.
    fs::write(tree.join("d5/small 5"), b"changed")?;
    drop(
        publisher
            .run(["add", text(&tree), "--replicas", "2", "--update"])
            .expect(0),
    );
    let before = received(reader);
    drop(
        reader
            .run(["get", "tree", "--output", text(&parent), "--force"])
            .expect(0),
    );
    assert_eq!(seen(&copy), seen(&tree));
    let moved = received(reader) - before;
    assert!(moved < 64 << 10, "{moved} bytes were moved for a change of 7");
    drop(publisher.run(["remove", "tree"]).expect(0));
    assert_eq!(reader.run(["list", "tree"]).code, 3);
    Ok(())
}

fn attributes() -> Attributes {
    Attributes {
        mode: Mode::of(0o644),
        modified: ModifiedAt::new(1_700_000_000, 0).expect("no nanoseconds"),
    }
}

/// A catalog of four entries, whose bytes are then tampered with.
fn catalog() -> Vec<u8> {
    let empty = File {
        attributes: attributes(),
        length: 0,
        data: Data::Empty,
        holes: Vec::new(),
    };
    let mut builder = Builder::new(attributes());
    let mut build = || {
        builder.link("aaaaa", "lnk1", attributes().modified)?;
        builder.enter("bbbbb", attributes())?;
        builder.file("ccccc", empty.clone())?;
        builder.leave()?;
        builder.file("ddddd", empty.clone())
    };
    build().expect("a good catalog");
    builder
        .finish()
        .and_then(|catalog| catalog.encode())
        .expect("a good catalog")
}

fn with(replaced: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = catalog();
    for (from, to) in replaced {
        assert_eq!(from.len(), to.len());
        let at = bytes
            .windows(from.len())
            .position(|window| window == from.as_bytes());
        let at = at.expect("it is in there");
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Binds a name to a collection whose catalog is any bytes that a peer holds, as a member of its own.
fn lie(cluster: &Cluster, liar: &Peer, name: &str, catalog: &[u8]) -> Result<()> {
    let path = cluster.path(&format!("{name}.catalog"));
    fs::write(&path, catalog)?;
    let held = format!("{name}.held");
    drop(
        liar.run(["add", text(&path), "--name", &held, "--replicas", "1"])
            .expect(0),
    );
    let status = liar.status();
    let tracker: HostPort = status["tracker"].as_str().expect("connected").parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let member = cluster.member(&format!("{name}.member")).await?;
        let hello = Hello {
            peer: member.peer,
            ..harness::hello("127.0.0.1:9".parse()?)
        };
        let (publisher, incarnation) = (hello.peer, hello.incarnation);
        let session = SessionClient::new(&tracker, &member.tls)?
            .open(hello, member.key.as_deref())
            .await;
        let session = session.map_err(RemoteError::from)?;
        let tracker =
            CatalogClient::new(&tracker, &member.tls)?.speaking_with(Credentials::new(session.0.secret));
        let (_, manifest) = tracker.resolve(&ContentRef::Name(Name::new(held)?)).await?;
        let publish = Publish {
            name: Name::new(name)?,
            manifest,
            target: ReplicationTarget::new(1)?,
            expectation: Expectation::Unbound,
            publisher,
            incarnation,
            metadata: None,
            replaces_metadata: false,
            keeps_target: false,
            parts: Some(Parts::default()),
        };
        tracker.publish(&publish).await?;
        Ok(())
    })
}

#[test]
fn a_lying_publisher_writes_nothing_outside_of_the_directory() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let (liar, victim) = (cluster.peer(0), cluster.peer(1));
    let home = cluster.path("home");
    fs::create_dir(&home)?;
    lie(&cluster, liar, "honest", &catalog())?;
    let lies: [(&str, &[(&str, &str)]); 8] = [
        ("parent", &[("ddddd", "../dd")]),
        ("deep", &[("ccccc", "../..")]),
        ("absolute", &[("ddddd", "/tmp/")]),
        ("dots", &[("bbbbb", "\0\0..\0")]),
        ("link", &[("lnk1", "/etc")]),
        ("climbing", &[("lnk1", "..//")]),
        // The directory that a link of the same name would lead astray.
        ("twice", &[("bbbbb", "aaaaa")]),
        ("clash", &[("bbbbb", "AAAAA")]),
    ];
    for (name, lies) in lies {
        lie(&cluster, liar, name, &with(lies))?;
        let into = home.join(name);
        let get = victim.run(["get", name, "--output", text(&into), "--force"]);
        assert_eq!(get.code, 8, "{name}: {}", get.stderr);
        assert!(
            get.stderr.contains("cannot be in a collection") || get.stderr.contains("broken"),
            "{}",
            get.stderr
        );
        assert!(victim.run(["list", name]).code == 8, "{name}");
    }
    assert_eq!(
        all_below(&home),
        Vec::<PathBuf>::new(),
        "nothing was written at all"
    );
    drop(
        victim
            .run(["get", "honest", "--output", text(&home.join("honest"))])
            .expect(0),
    );
    assert_eq!(all_below(&home).len(), 5);
    // Existing entries lead out of the directory no more than restored ones do.
    let outside = cluster.path("outside");
    fs::create_dir(&outside)?;
    let trap = home.join("trap/honest");
    fs::create_dir_all(&trap)?;
    symlink(&outside, trap.join("bbbbb"))?;
    symlink(outside.join("x"), trap.join("ddddd"))?;
    let into = home.join("trap");
    let get = victim.run(["get", "honest", "--output", text(&into), "--force"]);
    assert_eq!(get.code, 5, "{}", get.stderr);
    assert!(get.stderr.contains("bbbbb"), "{}", get.stderr);
    assert_eq!(all_below(&outside), Vec::<PathBuf>::new());
    Ok(())
}

#[test]
fn the_same_get_again_refreshes_the_directory_that_it_made() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let tree = cluster.path("tree");
    fs::create_dir(&tree)?;
    plant(&tree)?;
    let (publisher, reader) = (cluster.peer(0), cluster.peer(1));
    drop(publisher.run(["add", text(&tree), "--replicas", "1"]).expect(0));
    let new = cluster.path("new");
    let get = ["get", "tree", "--output", text(&new), "--force"];
    let plan = reader
        .run(["get", "tree", "--output", text(&new), "--dry-run", "--json"])
        .expect(0)
        .json();
    let (written, free) = (plan["written"].as_u64(), plan["free"].as_u64());
    assert!(written.is_some_and(|written| written > 3 * MIB), "{plan}");
    assert!(free > written, "{plan}");
    drop(reader.run(get).expect(0));
    assert_eq!(seen(&new), seen(&tree));
    // Nothing has changed, then a file has, then one is missing.
    for change in [None, Some("d5/small 5"), Some("large")] {
        if let Some(path) = change {
            fs::write(tree.join(path), b"changed")?;
            let add = ["add", text(&tree), "--replicas", "1", "--update"];
            drop(publisher.run(add).expect(0));
            fs::remove_file(new.join("d1/small 1"))?;
        }
        let plan = reader.run(["get", "tree", "-o", text(&new), "--dry-run", "--json", "--force"]);
        assert_eq!(plan.expect(0).json()["output"], text(&new));
        let again = reader.run(get).expect(0);
        assert!(again.stdout.contains(text(&new)), "{}", again.stdout);
        assert_eq!(seen(&new), seen(&tree), "{change:?}");
    }
    // Another name, and a directory of the user's own: into it, as `cp` does.
    drop(publisher.run(["rename", "tree", "other"]).expect(0));
    drop(reader.run(["get", "other", "--output", text(&new)]).expect(0));
    assert_eq!(seen(&new.join("other")), seen(&tree));
    let own = cluster.path("own");
    fs::create_dir(&own)?;
    for _ in 0..2 {
        drop(reader.run(["get", "other", "--output", text(&own)]).expect(0));
        assert_eq!(seen(&own.join("other")), seen(&tree));
    }
    fs::remove_dir_all(&new)?;
    fs::create_dir(&new)?;
    drop(reader.run(["get", "other", "--output", text(&new)]).expect(0));
    assert_eq!(seen(&new.join("other")), seen(&tree));
    Ok(())
}
