//! Names the sources that do harm, in the node's status and in its log.
//!
//! It decides nothing about whom to ask: the scheduler knows all of this already.

use shared::model::{ByteRate, FragmentIndex, Offence, PeerId};
use shared::runtime::OnExit;
use tracing::{debug, info, warn};

use super::super::culprits::{Pulled, judge};
use super::super::running::Made;
use super::Session;

impl Session {
    /// Status and log name a source that does harm.
    pub(super) fn blame(&self, source: PeerId, offence: Offence, rate: Option<ByteRate>) {
        if let Some(linked) = self.sources.get(source) {
            let content = self.manifest.content();
            self.inner.blame(source, &linked.address, offence, rate, content);
        }
    }

    /// A source has lied: the log names it, and it is told, so that it can check its own copy.
    pub(super) fn expose(&mut self, source: PeerId, fragment: FragmentIndex) {
        let content = self.manifest.content();
        warn!(peer = %source, %content, %fragment, "a source sent bytes that do not match their hash");
        self.blame(source, Offence::Lied, None);
        if let Some(linked) = self.sources.get(source) {
            let client = linked.client.clone();
            self.inner.tasks.spawn("dispute", OnExit::Continue, async move {
                match client.dispute(content, fragment).await {
                    Ok(true) => info!(peer = %source, %content, %fragment, "its copy was damaged; it has withdrawn it"),
                    Ok(false) => warn!(peer = %source, %content, %fragment, "it says that its copy is good"),
                    Err(error) => debug!(peer = %source, %error, "it cannot be told"),
                }
            });
        }
        self.sources.remove(source);
    }

    /// A request has brought its fragment although others were asked for it before.
    pub(super) fn blame_outrun(&self, number: u64, winner: &Made) {
        let now = self.inner.clock.now();
        let by = Pulled {
            bytes: self.manifest.len_of(winner.fragment).into(),
            within: now.since(winner.begun.at),
        };
        for (source, begun) in self.running.outrun_by(number, winner.fragment) {
            let sent = self.sources.get(source).map_or(0, |linked| linked.meter.bytes());
            let overtaken = Pulled {
                bytes: sent.saturating_sub(begun.sent),
                within: now.since(begun.at),
            };
            if let Some((offence, rate)) = judge(overtaken, by) {
                self.blame(source, offence, rate);
            }
        }
    }
}
