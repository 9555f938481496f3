//! A liar among the members: its copies count for nothing after a while, so that others make those that are
//! wanted, and none of theirs goes because of them.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use serde_json::Value;
use shared::model::PeerId;

use super::super::{ChaosRun, Host, locked};
use crate::{eventually, keepers};

/// Contents that the liar keeps, as it says.
const CLAIMS: usize = 40;

/// Shortest time for which it lies: a surplus is dropped after 5 s here.
const LIE: Duration = Duration::from_secs(8);

/// Longest time until nothing counts that it keeps: after a restart of the tracker all other copies are
/// looked at first.
const LIMIT: Duration = Duration::from_secs(60);

/// Replicas that are wanted of the contents from then on: more than there were of most, and as many with the
/// liar's.
const WANTED: &str = "3";

/// A content that the liar keeps, as it says.
#[derive(Clone, Debug)]
struct Claim {
    name: String,
    content: String,
    fragments: u64,
}

impl Claim {
    fn of(listed: &Value) -> Option<Self> {
        Some(Self {
            name: listed["name"].as_str()?.to_owned(),
            content: listed["content"].as_str()?.to_owned(),
            fragments: listed["fragments"].as_u64().filter(|count| *count > 0)?,
        })
    }

    /// Returns where its copies are, unless the name has been bound to something else since.
    fn located(&self, host: &Host) -> Option<Value> {
        let located = host.run(["locate", &self.name, "--json"]);
        let located = (located.code == 0).then(|| located.json());
        located.filter(|located| located["content"] == self.content.as_str())
    }
}

/// Whether copies are wanting, or counted that are not there: those of others are what there is.
fn is_deceived(located: &Value, liar: &str) -> bool {
    let of_others = |ids: &BTreeSet<String>| ids.iter().filter(|id| *id != liar).count() as u64;
    let there = keepers(located).iter().map(of_others).min();
    there < located["target"].as_u64() || there < located["fewest"].as_u64()
}

impl ChaosRun {
    /// Lets a member lie about some contents, in the network of `host`, and judges what becomes of them.
    pub(super) fn liar(&self, host: &Host, rng: &mut SmallRng) -> Result<()> {
        let names = || self.fleet.names().unwrap_or_default();
        let all = || names().iter().filter_map(Claim::of).collect::<Vec<_>>();
        eventually("contents to lie about", LIMIT, all, |claims| {
            claims.len() > CLAIMS / 2
        })?;
        // Names stay as they are meanwhile; the readers are this one's own.
        let _no_load = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let claims: Vec<_> = all().sample(rng, CLAIMS).cloned().collect();
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
        let holds = |located: Value| located["peers"].to_string().contains(id);
        let is_holder = || claims.iter().any(|claim| claim.located(host).is_some_and(holds));
        eventually("the liar to be a holder", LIMIT, is_holder, |is| *is)?;
        for claim in claims {
            let wanted = host.run(["replicas", &claim.name, WANTED]);
            ensure!(wanted.code == 0, "cannot want more replicas: {}", wanted.stderr);
            self.get(host, &claim.name, false);
        }
        std::thread::sleep(LIE);
        let deceived = || -> Vec<_> {
            let located = claims.iter().filter_map(|claim| claim.located(host));
            located.filter(|located| is_deceived(located, id)).collect()
        };
        if let Err(error) = eventually("nobody to believe the liar", LIMIT, deceived, Vec::is_empty) {
            self.violated(format_args!("believed: a liar's copies count: {error:#}"));
        }
        Ok(())
    }
}
