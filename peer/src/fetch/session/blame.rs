//! Names the sources that do harm, in the node's status and in its log.
//!
//! It decides nothing about whom to ask: the scheduler knows all of this already.

use shared::model::{ByteRate, FaultKind, FragmentIndex, PeerId};
use shared::runtime::OnExit;
use tracing::{debug, info, warn};

use super::super::running::Made;
use super::super::source_faults::judge;
use super::Session;

impl Session {
    /// Status and log name a source that does harm.
    pub(super) fn blame(&self, source: PeerId, offence: FaultKind, rate: Option<ByteRate>) {
        if let Some(linked) = self.sources.get(source) {
            let content = self.manifest.content();
            self.inner.blame(source, &linked.address, offence, rate, content);
        }
    }

    /// A source has lied: the log names it, and it is told, so that it can check its own copy.
    pub(super) fn expose(&mut self, source: PeerId, fragment: FragmentIndex) {
        let content = self.manifest.content();
        warn!(peer = %source, %content, %fragment, "a source sent bytes that do not match their hash");
        self.blame(source, FaultKind::Lied, None);
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
        // Once may be the wire's fault: the scheduler says when it was too often.
        if self.scheduler.is_banned(source) {
            self.sources.remove(source);
        }
    }

    /// A fragment has come, perhaps after another source was overtaken.
    pub(super) fn blame_overtaken(&mut self, winner: &Made) {
        let Some((source, overtaken)) = self.running.arrived(winner.fragment) else {
            return;
        };
        let sent = self.sources.bytes_from(winner.source);
        let by = winner.begun.pulled(self.inner.clock.now(), sent);
        if let Some((offence, rate)) = judge(overtaken, by) {
            self.blame(source, offence, rate);
        }
    }
}
