//! A stock gRPC client in another language, by reflection alone.

use std::process::Command;

use anyhow::{Context as _, Result};
use harness::{Cluster, Outcome};

use crate::{MIB, publish};

#[test]
#[ignore = "needs ENJAMBRE_PYTHON: a Python with the packages of tests/foreign/requirements.txt"]
fn a_python_client_reads_and_proves_a_content_by_reflection() -> Result<()> {
    let python = std::env::var_os("ENJAMBRE_PYTHON").context("ENJAMBRE_PYTHON names no Python")?;
    let cluster = Cluster::builder().plain().peers(2).start()?;
    for (name, length) in [("single", 50_000), ("several", MIB + 17)] {
        let original = publish(&cluster, 0, name, length, 2)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/read_fragment.py");
        let mut command = Command::new(&python);
        command
            .args([script, cluster.tracker.address(), name])
            .arg(&original);
        let outcome = Outcome::from(command.output()?).expect(0);
        assert!(outcome.stdout.contains("all proven"), "{}", outcome.stdout);
    }
    Ok(())
}

#[test]
#[ignore = "needs ENJAMBRE_PYTHON: a Python with the packages of tests/foreign/requirements.txt"]
fn a_python_client_proves_who_it_is_by_mutual_tls() -> Result<()> {
    let python = std::env::var_os("ENJAMBRE_PYTHON").context("ENJAMBRE_PYTHON names no Python")?;
    let cluster = Cluster::builder().secured().peers(1).start()?;
    let security = cluster.security.as_ref().context("secured")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/secured.py");
    let mut command = Command::new(&python);
    command
        .args([script, cluster.tracker.address(), security.cluster()])
        .arg(cluster.path("tracker/authority.pem"))
        .arg(cluster.peer(0).data_dir());
    let outcome = Outcome::from(command.output()?).expect(0);
    // A stranger on the tracker's own machine may read. No name is no request for a member.
    let wanted = [
        "member List ok",
        "member Remove INVALID_ARGUMENT",
        "member ListTokens PERMISSION_DENIED",
        "stranger List ok",
        "stranger Remove UNAUTHENTICATED",
        "stranger ListTokens UNAUTHENTICATED",
    ];
    assert_eq!(outcome.stdout.lines().collect::<Vec<_>>(), wanted);
    Ok(())
}
