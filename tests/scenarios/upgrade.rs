//! Data directories of older versions: today's programs start from them and lose nothing.

use std::path::Path;

use anyhow::Result;
use harness::{Cluster, eventually};
use proto::client::{NotWelcome, SessionClient};
use proto::tls::Tls;
use serde_json::Value;
use shared::model::Hello;
use shared::own_data::KEY_FILE;
use shared::{Coded as _, ErrorCode};

use crate::{PATIENCE, get, id_of};

/// The SHA-256 of `one.bin`, as `tests/fixtures/c2d455a/README.md` has it.
const ONE: &str = "facf641471972962e4707c8773c390c98c074f81b614ba91a22beb8adbc26be1";

#[test]
fn a_cluster_goes_on_from_the_data_of_c2d455a() -> Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/c2d455a");
    let mut cluster = Cluster::builder().data(&data).peers(2).start()?;
    let fresh = cluster.add_peer(None)?;
    cluster.wait_for_live_peers(3)?;

    let names = || cluster.peer(0).run(["list", "--json"]).expect(0).json();
    let is_whole = |listed: &Value| {
        let names = listed["names"].as_array().expect("names");
        names.len() == 5 && names.iter().all(|name| name["state"] == "replicated")
    };
    let listed = eventually("every name to be replicated", PATIENCE, names, is_whole)?;
    let listed = listed["names"].as_array().expect("names");
    let known: Vec<_> = listed
        .iter()
        .map(|name| (name["name"].as_str().expect("a name"), name["revision"].as_u64()))
        .collect();
    let expected = ["after", "one.bin", "revised", "tree", "values/setting"];
    let revisions = [1, 1, 2, 1, 1].map(Some);
    assert_eq!(known, expected.into_iter().zip(revisions).collect::<Vec<_>>());

    // The old peers have kept their ids, and got keys: without these nobody comes in with an id of theirs.
    let network = cluster.peer(0).run(["network", "--json"]).expect(0).json();
    assert_eq!(network["peers"].as_array().map(Vec::len), Some(3), "{network}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _guard = runtime.enter();
    for old in 0..2 {
        assert!(cluster.peer(old).data_dir().join(KEY_FILE).exists());
        let older = Hello {
            peer: id_of(cluster.peer(old)).parse()?,
            ..harness::hello("127.0.0.1:9".parse()?)
        };
        if cluster.security.is_some() {
            // Strangers are refused before that.
            continue;
        }
        let client = SessionClient::new(&cluster.tracker.address().parse()?, &Tls::default())?;
        let refused = runtime.block_on(client.open(older, None)).map(drop);
        let Err(NotWelcome::Failed(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.code(), ErrorCode::Unauthenticated, "{error}");
        assert!(error.to_string().contains("from an earlier version"), "{error}");
    }

    // A peer without old data reads everything from the others.
    let reader = cluster.peer(fresh);
    let one = get(&cluster, reader, "one.bin");
    assert_eq!(harness::content::sha256(&one)?, ONE);
    let tree = get(&cluster, reader, "tree");
    assert_eq!(std::fs::read_to_string(tree.join("hello.txt"))?, "hello\n");
    assert_eq!(std::fs::read_link(tree.join("link"))?, Path::new("hello.txt"));
    assert_eq!(
        std::fs::read(tree.join("sub/large.bin"))?,
        std::fs::read(&one)?[..70_000]
    );
    for (name, text) in [
        ("revised", "second\n"),
        ("revised@1", "first\n"),
        ("after", "moved\n"),
    ] {
        let read = reader.run(["get", name, "--output", "-"]).expect(0);
        assert_eq!(read.stdout, text, "{name}");
    }
    assert_eq!(reader.run(["value", "setting"]).expect(0).stdout.trim(), "42");
    for gone in ["gone", "before"] {
        assert_eq!(reader.run(["locate", gone]).code, 3, "{gone}");
    }
    Ok(())
}
