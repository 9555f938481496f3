//! Ours: a tracker, a webserver, a node that shares the file, and a fresh node that gets it, all running.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};

use super::super::measure::{self, Ends, Sample};
use super::{Contestant, Course, Entrance};
use crate::Cluster;

struct Enjambre {
    cluster: Cluster,
    is_secured: bool,
}

/// Starts the programs and publishes the file.
pub(super) fn enter(course: &Course) -> Result<Entrance> {
    enter_as(course, false)
}

/// Does so in a secured network: by TLS.
pub(super) fn enter_by_tls(course: &Course) -> Result<Entrance> {
    enter_as(course, true)
}

fn enter_as(course: &Course, is_secured: bool) -> Result<Entrance> {
    // Timing as in production: short leases would only add traffic.
    let builder = Cluster::builder().timing("").peers(1);
    let builder = if is_secured {
        builder.secured()
    } else {
        builder.plain()
    };
    let cluster = builder.start()?;
    let file = course.file();
    let file = file.to_str().context("the file's path is not text")?;
    // One replica: receivers get it because they ask, not because they are ordered to.
    let added = cluster
        .peer(0)
        .run(["add", file, "--name", "file", "--replicas", "1", "--wait", "10m"]);
    anyhow::ensure!(
        added.code == 0,
        "cannot publish: {}{}",
        added.stdout,
        added.stderr
    );
    Ok(Ok(Box::new(Enjambre { cluster, is_secured })))
}

impl Contestant for Enjambre {
    fn name(&self) -> &'static str {
        match self.is_secured {
            false => "enjambre",
            true => "enjambre, TLS",
        }
    }

    fn verifies(&self) -> bool {
        true
    }

    fn commands(&self) -> Vec<String> {
        if self.is_secured {
            let line = "tracker init --data-dir T; then as before, with join lines".to_owned();
            return vec![line];
        }
        [
            "tracker --data-dir T --port P; webserver --tracker 127.0.0.1:P --port W",
            "peer serve --data-dir S --webserver 127.0.0.1:W --port 0   (sender)",
            "peer add FILE --name file --replicas 1 --data-dir S",
            "peer serve --data-dir R --webserver 127.0.0.1:W --port 0   (receiver, fresh in every run)",
            "peer get file --output OUT --quiet --data-dir R   (measured)",
        ]
        .map(str::to_owned)
        .into()
    }

    fn run(&mut self, output: &Path) -> Result<Sample> {
        // A node that has the file already would have nothing to do.
        let number = self.cluster.add_peer(None)?;
        let sender = self.cluster.peer(0).program.id();
        let receiver = self.cluster.peer(number);
        let ends = Ends {
            senders: sender.into_iter().collect(),
            receivers: receiver.program.id().into_iter().collect(),
        };
        let output = output.to_str().context("the output's path is not text")?;
        let mut get = receiver.command(["get", "file", "--quiet", "--output", output]);
        let sample = measure::command(ends, get.stdout(Stdio::null()))?;
        let receiver = self.cluster.peer_mut(number);
        receiver.program.kill();
        std::fs::remove_dir_all(receiver.data_dir()).context("remove the receiver's data")?;
        Ok(sample)
    }
}
