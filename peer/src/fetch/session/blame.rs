//! Names the sources that do harm, in the node's status and in its log.
//!
//! It decides nothing about whom to ask: the scheduler knows all of this already.

use shared::model::{FragmentIndex, Offence, PeerId};
use shared::runtime::OnExit;
use tracing::{debug, info, warn};

use super::Session;

impl Session {
    /// Status and log name a source that does harm.
    pub(super) fn blame(&self, source: PeerId, offence: Offence) {
        if let Some(linked) = self.sources.get(source) {
            let (rate, content) = (self.speeds.of(source), self.manifest.content());
            self.inner.blame(source, &linked.address, offence, rate, content);
        }
    }

    /// A source has lied: the log names it, and it is told, so that it can check its own copy.
    pub(super) fn expose(&mut self, source: PeerId, fragment: FragmentIndex) {
        let content = self.manifest.content();
        warn!(peer = %source, %content, %fragment, "a source sent bytes that do not match their hash");
        self.blame(source, Offence::Lied);
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

    /// The request of this number has brought the fragment although others were asked for it before.
    pub(super) fn blame_outrun(&self, number: u64, fragment: FragmentIndex) {
        for (source, sent_before) in self.running.outrun_by(number, fragment) {
            let linked = self.sources.get(source);
            let has_sent = linked.is_some_and(|linked| linked.meter.bytes() > sent_before);
            self.blame(source, if has_sent { Offence::Slow } else { Offence::Stalled });
        }
    }
}
