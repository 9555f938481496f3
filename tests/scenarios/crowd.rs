//! A crowd of false holders beside an honest reader.

use std::time::Duration;

use anyhow::Result;
use harness::{Cluster, Crowd, Stopwatch, eventually};
use proto::client::CatalogClient;
use proto::tls::Tls;
use shared::model::{ContentRef, HostPort, Name};
use tokio::runtime::Runtime;

use crate::{MIB, PATIENCE, assert_same, get, publish};

/// Length of the content that an honest reader gets.
const LENGTH: u64 = 28 * MIB;

/// Time that a busy machine may add.
const NOISE: Duration = Duration::from_secs(8);

#[test]
fn a_thousand_false_holders_do_not_hide_the_honest_one() -> Result<()> {
    const CROWD: usize = 1_000;
    let cluster = Cluster::builder().plain().timing("").peers(4).start()?;
    let original = publish(&cluster, 0, "data", LENGTH, 2)?;
    let keepers = crate::keepers_of_the_first(cluster.peer(0), "data");
    let readers: Vec<_> = (1..4)
        .map(|number| cluster.peer(number))
        .filter(|peer| !keepers.contains(&crate::id_of(peer)))
        .collect();
    let watch = Stopwatch::start();
    let copy = get(&cluster, readers[0], "data");
    let alone = watch.elapsed();
    assert_same(&original, &copy);

    let tracker: HostPort = cluster.tracker.address().parse()?;
    let manifest = Runtime::new()?.block_on(async {
        let catalog = CatalogClient::new(&tracker, &Tls::default())?;
        let (_, manifest) = catalog.resolve(&ContentRef::Name(Name::new("data")?)).await?;
        Ok::<_, anyhow::Error>(manifest)
    })?;
    let _crowd = Crowd::join(&tracker, &manifest, CROWD)?;
    let ask = || cluster.peer(0).locate("data")["holder_count"].as_u64();
    eventually("the crowd", PATIENCE, ask, |count| *count >= Some(CROWD as u64))?;
    let watch = Stopwatch::start();
    let copy = get(&cluster, readers[1], "data");
    let beside_a_crowd = watch.elapsed();
    assert_same(&original, &copy);
    // Seconds for the noise of a busy machine: without an order it is half a minute, and the benchmark of
    // floods has the ratio.
    let bound = 2 * alone + NOISE;
    assert!(beside_a_crowd <= bound, "{beside_a_crowd:?} instead of {alone:?}");
    Ok(())
}
