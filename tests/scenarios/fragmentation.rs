//! Contents of every awkward size arrive whole.

use anyhow::Result;
use harness::Cluster;

use crate::{assert_same, get, publish};

#[test]
fn sizes_around_every_border_arrive_whole() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    const BLOCK: u64 = 16 << 10;
    const FRAGMENT: u64 = 64 << 10;
    let borders = [BLOCK, FRAGMENT, 2 * FRAGMENT, 5 * FRAGMENT];
    let around = borders
        .into_iter()
        .flat_map(|border| [border - 1, border, border + 1]);
    for length in [0, 1].into_iter().chain(around) {
        let name = format!("size-{length}");
        let original = publish(&cluster, 0, &name, length, 1)?;
        let copy = get(&cluster, cluster.peer(1), &name);
        assert_same(&original, &copy);
        let located = cluster.peer(1).locate(&name);
        assert_eq!(located["length"], length);
        assert_eq!(
            located["fragments"].as_array().map(Vec::len),
            usize::try_from(length.div_ceil(FRAGMENT)).ok()
        );
    }
    Ok(())
}

#[test]
fn the_same_bytes_under_two_names_are_one_content() -> Result<()> {
    let cluster = Cluster::builder().peers(2).start()?;
    let original = publish(&cluster, 0, "one", 300_000, 1)?;
    let path = original.to_str().expect("text");
    let again = [
        "add",
        path,
        "--name",
        "two",
        "--replicas",
        "2",
        "--wait",
        "30s",
        "--fragment-length",
        "64KiB",
    ];
    assert_eq!(cluster.peer(0).run(again).expect(0).code, 0);
    let (one, two) = (cluster.peer(1).locate("one"), cluster.peer(1).locate("two"));
    assert_eq!(one["content"], two["content"]);
    assert_eq!(cluster.peer(0).run(["remove", "one"]).expect(0).code, 0);
    let copy = get(&cluster, cluster.peer(1), "two");
    assert_same(&original, &copy);
    Ok(())
}
