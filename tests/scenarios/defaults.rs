//! The defaults of a network: settings of its tracker, for contents whose publishers choose nothing.

use anyhow::Result;
use harness::{Cluster, Peer, content, eventually};

use crate::{MIB, PATIENCE};

/// Returns the target and the fragment length of a name.
fn shape(peer: &Peer, name: &str) -> (u64, u64) {
    let located = peer.locate(name);
    let number = |key: &str| {
        located[key]
            .as_u64()
            .unwrap_or_else(|| panic!("{key} in {located}"))
    };
    (number("target"), number("fragment_length"))
}

fn told(peer: &Peer) -> (Option<u64>, Option<u64>) {
    let defaults = &peer.status()["defaults"];
    (
        defaults["replicas"].as_u64(),
        defaults["fragment_length"].as_u64(),
    )
}

#[test]
fn what_nobody_chooses_is_as_the_tracker_says_at_that_moment() -> Result<()> {
    let timing = format!(
        "replicas = 1\nfragment_length = \"256KiB\"\n{}",
        harness::QUICK_TIMING
    );
    let mut cluster = Cluster::builder().timing(&timing).peers(2).start()?;
    let root = cluster.directory().to_owned();
    let path = |name: &str| root.join(name).to_str().expect("text").to_owned();
    let (file, other, directory) = (path("file.bin"), path("other.bin"), path("tree"));
    content::write(std::path::Path::new(&file), MIB, 1)?;
    content::write(std::path::Path::new(&other), MIB, 2)?;
    std::fs::create_dir(&directory)?;
    content::write(&std::path::Path::new(&directory).join("inside.bin"), 2 * MIB, 3)?;
    let peer = cluster.peer(0);
    let is_first = |told: &(Option<u64>, Option<u64>)| *told == (Some(1), Some(256 << 10));
    eventually("the first defaults", PATIENCE, || told(peer), is_first)?;

    for line in [
        vec!["add", &file],
        vec!["add", &directory],
        vec!["put", "key", "value"],
        vec!["send", &other, "--keep"],
    ] {
        let _published = peer.run(line).expect(0);
    }
    let put = std::process::Command::new("curl")
        .args(["-sf", "-T", &other, "-H"])
        .arg(format!("@{}", peer.data_dir().join("http-token").display()))
        .arg(format!("http://{}/files/by-http", peer.program.address()))
        .output()?;
    assert!(put.status.success(), "{put:?}");
    for name in ["file.bin", "tree", "values/key", "by-http"] {
        assert_eq!(shape(peer, name), (1, 256 << 10), "{name}");
    }
    let planned = peer.run(["add", &file, "--name", "planned", "--dry-run", "--json"]);
    let planned = planned.expect(0).json();
    assert_eq!(
        (planned["target"].as_u64(), planned["fragments"].as_u64()),
        (Some(1), Some(4))
    );

    // A publisher's own choice counts more.
    let third = path("third.bin");
    content::write(std::path::Path::new(&third), MIB, 4)?;
    let own = ["add", &third, "--replicas", "2", "--fragment-length", "64KiB"];
    let _published = peer.run(own).expect(0);
    assert_eq!(shape(peer, "third.bin"), (2, 64 << 10));
    // It stays, also where nothing is chosen the next time.
    let _again = peer.run(["add", &third]).expect(0);
    assert_eq!(shape(peer, "third.bin"), (2, 64 << 10));
    let planned = peer.run(["add", &third, "--dry-run", "--json"]).expect(0).json();
    assert_eq!(planned["target"], 2);

    // A change takes effect while everything runs.
    std::fs::write(root.join("tracker.toml"), timing.replacen('1', "2", 1))?;
    let now = |peer: &Peer| told(peer);
    eventually(
        "the peers to be told",
        PATIENCE,
        || now(peer),
        |told| *told == (Some(2), Some(256 << 10)),
    )?;

    // Without a connection a publication waits, and gets the default of the moment when it is made.
    cluster.tracker.kill();
    let waiting = path("waiting.bin");
    content::write(std::path::Path::new(&waiting), MIB, 5)?;
    let _shared = cluster.peer(0).run(["add", &waiting]).expect(0);
    std::fs::write(root.join("tracker.toml"), timing.replacen('1', "3", 1))?;
    cluster.tracker.restart()?;
    let peer = cluster.peer(0);
    let located = || peer.run(["locate", "waiting.bin", "--json"]);
    let located = eventually("the publication", PATIENCE, located, |located| located.code == 0)?.json();
    assert_eq!(located["target"].as_u64(), Some(3), "{located}");
    Ok(())
}
