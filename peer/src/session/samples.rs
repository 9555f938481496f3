//! Samples: this peer looks at the copies of others, at the tracker's request and before it drops its own;
//! and it remembers from whom it has received verified bytes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use proto::tls::Tls;
use rand::seq::IteratorRandom as _;
use shared::model::{Order, Received, Remaining, Report, Sample, SampleOutcome, Source};
use shared::runtime::{OnExit, Tasks};
use store::FragmentStore;
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;

use super::machine::Input;
use crate::blocking::blocking;
use crate::fetch::{Counters, read_sample};

/// Checks and looks at once; a tracker that wants more asks others.
const AT_ONCE: usize = 16;

/// Deliveries that wait for a heartbeat; the tracker has others look at copies that it does not hear of.
const DELIVERIES: usize = 4_096;

/// Reads samples; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    slots: Arc<Semaphore>,
    tls: Tls,
    reports: mpsc::Sender<Report>,
    store: Arc<dyn FragmentStore>,
    counters: Arc<Counters>,
    tasks: Tasks,
}

impl Samples {
    /// Makes a reader that puts what it finds for the tracker into `reports`.
    pub(super) fn new(
        tls: Tls,
        reports: mpsc::Sender<Report>,
        store: Arc<dyn FragmentStore>,
        counters: Arc<Counters>,
        tasks: Tasks,
    ) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            tls,
            reports,
            store,
            counters,
            tasks,
        }
    }

    /// Begins to read a sample. Without a free slot nothing happens: the tracker asks another peer.
    pub(super) fn check(&self, check: u64, holder: Source, sample: Sample) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return;
        };
        let (tls, reports) = (self.tls.clone(), self.reports.clone());
        let counters = Arc::clone(&self.counters);
        self.tasks.spawn("check", OnExit::Continue, async move {
            let outcome = read_sample(&tls, &holder, &sample, &counters).await;
            debug!(holder = %holder.address, content = %sample.content().short(), ?outcome, "looked at a copy for the tracker");
            // Without a session by then, the tracker asks another peer.
            drop(reports.send(Report::Checked { check, outcome }).await);
            drop(slot);
        });
    }

    /// Looks at the copies that remain when an eviction is obeyed, and answers with [`Input::Looked`].
    pub(super) fn look(&self, order: Order, answer: mpsc::Sender<Input>) {
        let Order::Evict {
            content, remaining, ..
        } = &order
        else {
            return;
        };
        let (content, remaining) = (*content, remaining.clone());
        let (slots, store) = (Arc::clone(&self.slots), Arc::clone(&self.store));
        let (tls, counters) = (self.tls.clone(), Arc::clone(&self.counters));
        self.tasks.spawn("look", OnExit::Continue, async move {
            // A wait for others to end: each takes a few seconds at most.
            let slot = slots.acquire().await;
            let chosen = blocking(move || {
                let entry = store.entry(content);
                entry.map(|entry| choose(&entry.held, &entry.manifest, &remaining))
            });
            let chosen = chosen.await.ok().flatten().unwrap_or_default();
            let (tls, counters) = (&tls, &*counters);
            let reading = chosen.into_iter().map(|(holder, sample)| async move {
                (holder.peer, read_sample(tls, &holder, &sample, counters).await)
            });
            let read = join_all(reading).await.into_iter();
            let unread = read
                .filter(|(_, outcome)| *outcome != SampleOutcome::Proved)
                .collect();
            drop(slot);
            drop(answer.send(Input::Looked { order, unread }).await);
        });
    }
}

/// Chooses a random block of every copy that remains, of the fragments that would go here.
fn choose(
    held: &shared::model::FragmentSet,
    manifest: &shared::model::Manifest,
    remaining: &[Remaining],
) -> Vec<(Source, Sample)> {
    let mut rng = rand::rng();
    let of = remaining.iter().filter_map(|copy| {
        let mut common = copy.fragments.clone();
        if common.capacity() != held.capacity() {
            return None;
        }
        common.intersect_with(held);
        let fragment = common.iter().choose(&mut rng)?;
        let sample = Sample::of(manifest, fragment, rand::random());
        Some((copy.holder.clone(), sample))
    });
    of.collect()
}

/// Holders that have delivered verified bytes since the last heartbeats; all clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries(Arc<Mutex<BTreeSet<Received>>>);

impl Deliveries {
    pub(super) fn note(&self, received: Received) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < DELIVERIES {
            all.insert(received);
        }
    }

    /// Takes as many as a heartbeat reports.
    pub(super) fn take(&self) -> Vec<Received> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < Received::MOST
            && let Some(one) = all.pop_first()
        {
            taken.push(one);
        }
        taken
    }
}
