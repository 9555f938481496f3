//! A liar among the members: its copies count for nothing after a while, and no other copy goes because of
//! them.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use shared::model::PeerId;

use super::super::{ChaosRun, Host, locked};
use crate::{eventually, fewest, keepers};

/// Contents that the liar keeps, as it says.
const CLAIMS: usize = 40;

/// Shortest time for which it lies: a surplus is dropped after 5 s here.
const LIE: Duration = Duration::from_secs(8);

/// Longest time until nothing counts that it keeps: after a restart of the tracker all other copies are
/// looked at first.
const LIMIT: Duration = Duration::from_secs(60);

/// Digits of a content's id in logs.
const SHORT: usize = 10;

/// A content that the liar keeps, as it says, and its replicas before that, as far as they are wanted.
#[derive(Clone, Debug)]
struct Claim {
    name: String,
    content: String,
    fragments: u64,
    replicas: u64,
}

impl Claim {
    fn of(listed: &Value) -> Option<Self> {
        Some(Self {
            name: listed["name"].as_str()?.to_owned(),
            content: listed["content"].as_str()?.to_owned(),
            fragments: listed["fragments"].as_u64().filter(|count| *count > 0)?,
            replicas: listed["fewest"].as_u64()?.min(listed["target"].as_u64()?),
        })
    }

    /// Returns where its copies are, unless the name has been bound to something else since.
    fn located(&self, host: &Host) -> Option<Value> {
        let located = host.run(["locate", &self.name, "--json"]);
        let located = (located.code == 0).then(|| located.json());
        located.filter(|located| located["content"] == self.content.as_str())
    }
}

impl ChaosRun {
    /// Lets a member lie about some contents, in the network of `host`, and judges what becomes of them.
    pub(super) fn liar(&self, host: &Host, rng: &mut SmallRng) -> Result<()> {
        let names = || self.fleet.names().unwrap_or_default();
        let all = || names().iter().filter_map(Claim::of).collect::<Vec<_>>();
        let all = eventually("contents to lie about", LIMIT, all, |claims| !claims.is_empty())?;
        let claims: Vec<_> = all.sample(rng, CLAIMS).cloned().collect();
        let id = PeerId::random().to_string();
        let (ip, _) = host.address.rsplit_once(':').context("a host and a port")?;
        let tracker = locked(&self.fleet.tracker).address().to_owned();
        let program = std::env::current_exe().context("this program")?;
        let words = claims
            .iter()
            .map(|claim| format!("{}:{}", claim.content, claim.fragments));
        let mut liar = host
            .command_here(&program)
            .args(["stranger", "liar", &tracker, ip, &id])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .context("run a liar")?;
        let judged = self.judge_liar(host, &id, &claims);
        let ended = liar.try_wait().context("look at the liar")?;
        liar.kill().context("end the liar")?;
        let said = liar.wait_with_output().context("end the liar")?.stdout;
        let said = String::from_utf8_lossy(&said);
        ensure!(ended.is_none(), "the liar ended by itself: {said}");
        judged
    }

    fn judge_liar(&self, host: &Host, id: &str, claims: &[Claim]) -> Result<()> {
        let before = self.surplus();
        let holds = |located: Value| located["peers"].to_string().contains(id);
        let is_holder = || claims.iter().any(|claim| claim.located(host).is_some_and(holds));
        eventually("the liar to be a holder", LIMIT, is_holder, |is| *is)?;
        std::thread::sleep(LIE);
        let keeps = |located: Value| keepers(&located).iter().any(|ids| ids.contains(id));
        let believed = || -> Vec<_> {
            let believed = claims
                .iter()
                .filter(|claim| claim.located(host).is_some_and(keeps));
            believed.map(|claim| &claim.name).collect()
        };
        if let Err(error) = eventually("nobody to believe the liar", LIMIT, believed, Vec::is_empty) {
            self.violated(format_args!(
                "believed: a liar keeps what it does not have: {error:#}"
            ));
        }
        let after = self.surplus();
        let drops = |lines: &[String], claim: &Claim| {
            let is_of_it = |line: &&String| line.contains(&claim.content[..SHORT]);
            lines.iter().filter(is_of_it).count()
        };
        for claim in claims
            .iter()
            .filter(|claim| drops(&after, claim) > drops(&before, claim))
        {
            let left = claim.located(host).map(|located| fewest(&located) as u64);
            if left.is_some_and(|left| left < claim.replicas) {
                self.violated(format_args!(
                    "dropped: {left:?} copies are left beside a liar's: {claim:?}"
                ));
            }
        }
        Ok(())
    }

    /// Returns what peers have logged of the surplus copies that they dropped.
    fn surplus(&self) -> Vec<String> {
        self.fleet
            .logged(|line| line.contains("evicted") && line.contains("Surplus"))
    }
}
