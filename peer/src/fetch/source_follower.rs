//! The follower of one source: reports what the source holds while the job wants it.

use std::time::Duration;

use proto::client::{Availability, TransferClient};
use shared::model::{Manifest, PeerId};
use shared::runtime::Backoff;
use shared::{Coded as _, ErrorCode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::report::Report;
use super::scheduler::Event;

/// Waits between attempts to follow a source.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Failures in a row after which a source makes room for others; it may be found again.
const MAX_FAILURES: u32 = 4;

/// Pause before a source with too many followers is asked again; until then requests are made without knowing
/// what it holds.
const BLIND: Duration = Duration::from_secs(30);

/// A follower of a source, with a connection of its own.
#[derive(Debug)]
pub(super) struct SourceFollower {
    pub(super) source: PeerId,
    /// Whether the source is in our zone.
    pub(super) is_near: bool,
    pub(super) client: TransferClient,
    pub(super) manifest: Manifest,
    pub(super) reports: mpsc::Sender<Report>,
}

impl SourceFollower {
    /// Reports what the source holds until `token` is cancelled or the source has been out of reach for too
    /// long.
    pub(super) async fn run(self, token: CancellationToken) {
        tokio::select! {
            () = self.follow() => {}
            () = token.cancelled() => {}
        }
    }

    async fn follow(&self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failures = 0;
        while failures < MAX_FAILURES {
            match self.client.follow(&self.manifest).await {
                Ok(mut following) => {
                    backoff.reset();
                    failures = 0;
                    self.report_joined().await;
                    loop {
                        match following.next().await {
                            Ok(Some(availability)) => self.report_availability(availability).await,
                            Ok(None) => break,
                            Err(error) => {
                                debug!(peer = %self.source, %error, "cannot follow a source any longer");
                                break;
                            }
                        }
                    }
                    self.report(Event::Left { source: self.source }).await;
                    failures += 1;
                }
                Err(error) if error.code() == ErrorCode::Exhausted => {
                    // Nothing is known of what the source holds: each request that it refuses says a little.
                    self.report_joined().await;
                    let (held, none) = (self.manifest.all_fragments(), self.manifest.no_fragments());
                    self.report_availability(Availability {
                        held,
                        coming: none.clone(),
                        handed_out: none,
                        is_full: false,
                    })
                    .await;
                    tokio::time::sleep(BLIND).await;
                }
                Err(error) => {
                    debug!(peer = %self.source, %error, "cannot follow a source");
                    if matches!(
                        error.code(),
                        ErrorCode::Unavailable | ErrorCode::DeadlineExceeded | ErrorCode::Unimplemented
                    ) {
                        self.send(Report::Unreached(self.source, error)).await;
                    }
                    self.report(Event::Left { source: self.source }).await;
                    failures += 1;
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
        self.send(Report::Disconnected(self.source)).await;
    }

    async fn report_joined(&self) {
        self.report(Event::Joined {
            source: self.source,
            is_near: self.is_near,
        })
        .await;
    }

    async fn report_availability(&self, availability: Availability) {
        let Availability {
            held,
            coming,
            handed_out,
            is_full,
        } = availability;
        let source = self.source;
        self.report(Event::Has {
            source,
            fragments: held,
            coming,
        })
        .await;
        self.report(Event::Serves {
            source,
            handed_out,
            is_full,
        })
        .await;
    }

    async fn report(&self, event: Event) {
        self.send(Report::Event(event)).await;
    }

    async fn send(&self, report: Report) {
        // A job that no longer listens has cancelled this connection.
        drop(self.reports.send(report).await);
    }
}
