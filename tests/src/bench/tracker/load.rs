//! Callers that call one after the other, as many at once as is wanted.

use std::time::Duration;

use anyhow::Result;
use proto::dial::{self, Server};
use shared::model::HostPort;
use shared::security::Role;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::Channel;

use super::super::report::median;
use crate::Stopwatch;
use crate::security::Member;

/// Connections that callers share: one is a bottleneck of its own, one for each is not how programs call.
pub(super) const CONNECTIONS: usize = 8;

/// Rates of several turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(Vec<f64>);

impl Rate {
    pub(super) fn push(&mut self, rate: f64) {
        self.0.push(rate);
    }

    pub(super) fn median(&self) -> f64 {
        median(self.0.iter().copied()).unwrap_or_default()
    }

    pub(super) fn all(&self) -> &[f64] {
        &self.0
    }
}

/// Opens several connections to the same address.
pub(super) fn channels(address: &HostPort) -> Result<Vec<Channel>> {
    let channels = (0..CONNECTIONS).map(|_| dial::channel(address));
    Ok(channels.collect::<Result<_, _>>()?)
}

/// Opens the connection of each member to the tracker.
pub(super) fn channels_of(members: &[Member], tracker: &HostPort) -> Result<Vec<Channel>> {
    let channel = |member: &Member| dial::secured(tracker, &member.tls, Server::Any(Role::Tracker));
    Ok(members.iter().map(channel).collect::<Result<_, _>>()?)
}

/// Lets `callers` call for a duration, each with one of the clients; every call has its own number, counted
/// from
/// 0. Calls a second.
pub(super) async fn rate<C, F>(
    callers: u32,
    time: Duration,
    clients: Vec<C>,
    call: impl Fn(C, u32) -> F + Clone + Send + 'static,
) -> Result<f64>
where
    C: Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let watch = Stopwatch::start();
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let (client, call) = (clients[caller as usize % clients.len()].clone(), call.clone());
        running.spawn(async move {
            let mut calls = 0_u32;
            while watch.elapsed() < time {
                call(client.clone(), caller + calls * callers).await?;
                calls += 1;
            }
            Ok::<_, Status>(calls)
        });
    }
    let mut calls = 0;
    while let Some(done) = running.join_next().await {
        calls += done??;
    }
    Ok(f64::from(calls) / watch.elapsed().as_secs_f64())
}

/// The call's number as one of `count`, all over.
pub(super) const fn spread(number: u32, count: u32) -> u32 {
    // A large odd stride visits every number, and none twice soon.
    number.wrapping_mul(2_654_435_761) % count
}

/// Lets `callers` call until no work is left.
pub(super) async fn all<F>(callers: u32, call: impl Fn() -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<bool>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for _ in 0..callers {
        let call = call.clone();
        running.spawn(async move {
            while call().await? {}
            anyhow::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}
