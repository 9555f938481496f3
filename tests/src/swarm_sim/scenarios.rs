//! Simulations by name.

use std::time::Duration;

use peer::fetch::Limits;
use peer::fetch::scheduler::Bounds;
use peer::rpc::{DEFAULT_UPLOAD_SLOTS, UPLOADS_IN_LINE};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::model::FragmentLength;

use super::plan::{HostPlan, Plan, Role};

/// The names that [`scenario`] knows.
pub const NAMES: [&str; 10] = [
    "equal-15",
    "equal-100",
    "equal-1000",
    "mixed",
    "arrivals",
    "crowd",
    "source-leaves",
    "one-slow",
    "slow-source",
    "liars",
];

/// Neighbours in a large swarm.
const DEGREE: usize = 48;

/// Size of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// The content's length in bytes.
    pub content: u64,
    /// Receivers; none: as many as the scenario has by itself.
    pub receivers: Option<usize>,
    /// Bytes a second that the source and an ordinary receiver can send.
    pub up: u64,
    /// Bytes a second that each can receive.
    pub down: u64,
    /// Delay of every message between hosts, besides its time on their links.
    pub latency: Duration,
    /// Seed of all randomness.
    pub seed: u64,
}

/// The scenario of this name, if there is one.
#[must_use]
pub fn scenario(name: &str, size: Size) -> Option<Plan> {
    let usual = match name {
        "equal-15" | "arrivals" | "source-leaves" | "one-slow" | "slow-source" | "liars" => 15,
        "equal-100" | "mixed" | "crowd" => 100,
        "equal-1000" => 1000,
        _ => return None,
    };
    let mut rng = StdRng::seed_from_u64(size.seed);
    let host = |role| HostPlan {
        role,
        up: size.up,
        down: size.down,
        arrives: Duration::ZERO,
    };
    let mut receivers = vec![host(Role::Receiver); size.receivers.unwrap_or(usual)];
    let mut others = vec![host(Role::Source)];
    match name {
        "mixed" => receivers
            .iter_mut()
            .step_by(2)
            .for_each(|host| host.up = size.up / 5),
        // Evenly over 5 s, as in the lab.
        "arrivals" => {
            let count = u32::try_from(receivers.len()).unwrap_or(u32::MAX);
            for (receiver, at) in receivers.iter_mut().zip(0_u32..) {
                receiver.arrives = Duration::from_secs(5) * at / (count - 1).max(1);
            }
        }
        "crowd" => receivers
            .iter_mut()
            .for_each(|host| host.arrives = Duration::from_millis(rng.random_range(0..60_000))),
        "source-leaves" => others = vec![host(Role::LeavingSource)],
        "one-slow" => receivers
            .iter_mut()
            .take(1)
            .for_each(|host| host.up = size.up / 100),
        "slow-source" => others.push(HostPlan {
            up: size.up / 100,
            ..host(Role::Source)
        }),
        "liars" => others.extend([host(Role::Liar); 3]),
        _ => {}
    }
    others.extend(receivers);
    let fragment_length = FragmentLength::for_content(size.content);
    let limits = Limits::default();
    let fitting = limits.in_flight_bytes / u64::from(fragment_length.get());
    Some(Plan {
        content: size.content,
        fragment_length,
        hosts: others,
        latency: size.latency,
        discovery: Duration::from_millis(200),
        news_interval: Duration::from_millis(20),
        slots: DEFAULT_UPLOAD_SLOTS,
        line: UPLOADS_IN_LINE,
        degree: DEGREE,
        bounds: Bounds {
            per_source: limits.requests_per_source,
            in_all: u32::try_from(fitting).unwrap_or(u32::MAX).max(8),
        },
        seed: size.seed,
        at_most: Duration::from_secs(4 * 3600),
    })
}
