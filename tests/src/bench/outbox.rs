//! A node with many published files: the cost of the next one, and of asking the node how it is.
//!
//! Files are added one by one to a running node over one connection, as a program would that has many. Both
//! figures must not depend on the number of files that are there already.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proto::client::ControlClient;
use proto::messages::control::Add;
use serde_json::{Value, json};
use shared::collection::Selection;
use shared::model::{Name, ReplicationTarget};

use super::report::{Table, median};
use crate::Stopwatch;
use crate::{Cluster, is_interrupted};

/// Points at which the node is asked, evenly spread over the files.
const STEPS: u32 = 10;

/// Questions at each point.
const QUESTIONS: u32 = 50;

/// Files in one directory on the disk.
const IN_ONE: u32 = 1_000;

/// Publishes `files` small files one by one.
///
/// # Errors
/// When one fails.
#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
pub fn run(files: u32) -> Result<(Table, Value)> {
    println!("    Control.Add of {files} files of 1 KiB, one after the other; Control.Status in between");
    let cluster = Cluster::builder().timing("").peers(1).start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(measure(&cluster, files))
}

#[expect(clippy::print_stdout, reason = "it talks to the person who started it")]
async fn measure(cluster: &Cluster, files: u32) -> Result<(Table, Value)> {
    let node = peer::find_running(cluster.peer(0).data_dir())?.context("the node runs")?;
    let client = ControlClient::new(&node.address, Some(&node.token))?;
    let mut table = Table::new(&["published", "ms each", "status ms"]);
    let mut points = Vec::new();
    let mut number = 0;
    for step in 1..=STEPS {
        let (until, began) = (files / STEPS * step, Stopwatch::start());
        let count = until - number;
        while number < until {
            ensure!(!is_interrupted(), "interrupted");
            publish(cluster, &client, number).await?;
            number += 1;
        }
        let each = began.elapsed() / count.max(1);
        let mut asked = Vec::new();
        for _ in 0..QUESTIONS {
            let asking = Stopwatch::start();
            let status = client.status().await?;
            asked.push(asking.elapsed());
            ensure!(status.contents == number, "{} contents", status.contents);
        }
        let status = median(asked).unwrap_or_default();
        println!(
            "{number} published: {} ms each, status {} ms",
            millis(each),
            millis(status)
        );
        table.row([number.to_string(), millis(each), millis(status)]);
        points.push(json!({
            "published": number,
            "each_ms": each.as_secs_f64() * 1e3,
            "status_ms": status.as_secs_f64() * 1e3,
        }));
    }
    Ok((table, json!({ "points": points })))
}

async fn publish(cluster: &Cluster, client: &ControlClient, number: u32) -> Result<()> {
    let directory = cluster.path(&format!("files/{}", number / IN_ONE));
    std::fs::create_dir_all(&directory).context("make a directory")?;
    let path = directory.join(number.to_string());
    std::fs::write(&path, number.to_string().repeat(200)).context("write a file")?;
    let add = Add {
        path,
        name: Name::new(format!("bench/{number}"))?,
        target: Some(ReplicationTarget::new(1)?),
        fragment_length: None,
        update: false,
        wait: false,
        selection: Selection::default(),
        rules: shared::collection::Rules::default(),
    };
    let mut events = client.add(add).await?;
    while events.next().await?.is_some() {}
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
