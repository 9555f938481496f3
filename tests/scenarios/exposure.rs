//! Programs that are told to listen where other machines reach them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use harness::{Cluster, Outcome, binaries};

/// Runs a program until it ends.
fn run_program(program: &str, arguments: &[&str], data_dir: &Path) -> Outcome {
    let mut command = Command::new(binaries::path(program));
    command.args(arguments).arg("--data-dir").arg(data_dir);
    let output = command
        .env_remove("ENJAMBRE_INSECURE")
        .stdin(Stdio::null())
        .output();
    output.expect("the program is there").into()
}

/// Asserts that a program has refused to listen, and has said the ways out.
fn assert_refused(outcome: Outcome, ways: &[&str]) {
    let outcome = outcome.expect(2);
    assert!(
        outcome.stdout.is_empty(),
        "it was never ready: {}",
        outcome.stdout
    );
    for way in ways {
        assert!(outcome.stderr.contains(way), "{way}: {}", outcome.stderr);
    }
}

#[test]
fn no_program_listens_for_other_machines_without_security() -> Result<()> {
    let cluster = Cluster::builder().plain().start()?;
    let tracker = cluster.tracker.address().to_owned();
    let webserver = ["--host", "0.0.0.0", "--port", "0", "--tracker", &tracker];
    let ways = ["--insecure", "ENJAMBRE_INSECURE", "join"];
    assert_refused(
        run_program("webserver", &webserver, &cluster.path("front")),
        &ways,
    );
    let node = ["--host", "0.0.0.0", "--port", "0", "--advertise", "127.0.0.1:9"];
    let own = ["--tracker", &tracker];
    let file = cluster.path("a file");
    std::fs::write(&file, "text")?;
    let file = file.to_str().expect("text");
    for command in [&["serve"][..], &["get", "x"], &["add", file, "--wait", "5s"], &[]] {
        let arguments = [command, &node, &own].concat();
        assert_refused(run_program("peer", &arguments, &cluster.path("new")), &ways);
    }
    let spanish = [&["serve", "--lang", "es"][..], &node, &own].concat();
    assert_refused(
        run_program("peer", &spanish, &cluster.path("new")),
        &["protección"],
    );
    let listen = ["--host", "0.0.0.0", "--port", "0"];
    let refused = run_program("tracker", &listen, &cluster.path("new tracker"));
    assert_refused(refused, &["tracker init", "--insecure", "An existing network"]);
    Ok(())
}

#[test]
fn no_authority_is_used_where_security_is_off() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data_dir = dir.path().join("tracker");
    drop(run_program("tracker", &["init"], &data_dir).expect(0));
    let listen = ["--host", "0.0.0.0", "--port", "0", "--tls", "off"];
    assert_refused(run_program("tracker", &listen, &data_dir), &["--insecure"]);
    Ok(())
}

/// On a machine of their own, which a network namespace is.
#[cfg(feature = "lab")]
mod elsewhere {
    use harness::Program;
    use harness::lab::{Link, Network, Place};
    use harness::security::{Entry, Security};

    use super::*;

    #[test]
    #[ignore = "needs root, Linux and iproute2, for another machine"]
    fn who_accepts_it_or_is_joining_a_secured_network_may_listen() -> Result<()> {
        let network = Network::up(&[Link::both_ways(1_000_000_000)])?;
        let dir = tempfile::tempdir()?;
        let path = |name: &str| dir.path().join(name);
        let (switch, host) = (network.switch(), network.host(0));
        let start = |program: &'static str, arguments: &[&OsStr], at: &Place, address: &str| {
            let entry = Entry {
                arguments: arguments.iter().map(Into::into).collect(),
                environment: Vec::new(),
            };
            Program::start_by(
                program,
                entry,
                &path(&format!("{program}.log")),
                address,
                at.prefix(),
            )
        };
        let data_dir = path("tracker");
        let flags = ["--data-dir".as_ref(), data_dir.as_os_str(), "--insecure".as_ref()];
        let mut tracker = start("tracker", &flags, &switch, switch.address())?;
        // A visitor listens on loopback, and needs nothing.
        let visitor = path("visitor");
        let flags: [&OsStr; 5] = [
            "serve".as_ref(),
            "--tracker".as_ref(),
            tracker.address().as_ref(),
            "--data-dir".as_ref(),
            visitor.as_ref(),
        ];
        drop(start("peer", &flags, &host, "127.0.0.1")?);
        let refused = start("peer", &flags, &host, host.address()).expect_err("no security");
        assert!(refused.to_string().contains("--insecure"), "{refused:#}");
        assert_eq!(tracker.stop()?, 0);
        drop(Security::init(&data_dir)?);
        let flags = [
            "--data-dir".as_ref(),
            data_dir.as_os_str(),
            "--tls".as_ref(),
            "permissive".as_ref(),
        ];
        drop(start("tracker", &flags, &switch, switch.address())?);
        Ok(())
    }
}
