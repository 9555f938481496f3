//! Every task has a name, an owner and an end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, info_span, warn};

/// Meaning of a task's end for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// None: the task had an end of its own.
    Continue,
    /// The program cannot do without it: begin the shutdown.
    ShutDown,
}

/// The owner of all tasks of one service; cheap to clone.
///
/// [`Tasks::stop`] asks every task to end by cancelling [`Tasks::token`], waits a bounded time, and names
/// those that are still running.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    token: CancellationToken,
    tracker: TaskTracker,
    running: Arc<Mutex<BTreeMap<u64, &'static str>>>,
}

/// Ends the task inside when the task around it is dropped.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes the task off the list, however it ends.
struct Entry {
    id: u64,
    running: Arc<Mutex<BTreeMap<u64, &'static str>>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the service is to stop.
    #[must_use]
    pub const fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Starts a task under a name.
    ///
    /// The task should end soon after [`Tasks::token`] is cancelled. A panic is logged and, like any end of
    /// a task that the program cannot do without, begins the shutdown.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where tasks are spawned"
    )]
    pub fn spawn(
        &self,
        name: &'static str,
        on_exit: OnExit,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let entry = self.enter(name);
        let token = self.token.clone();
        self.tracker.spawn(
            async move {
                let _entry = entry;
                // A task inside a task: a panic ends here and is logged.
                let mut inner = AbortOnDrop(tokio::spawn(future.in_current_span()));
                let ended = (&mut inner.0).await;
                if let Err(failure) = &ended {
                    error!(task = name, %failure, "task failed");
                }
                if on_exit == OnExit::ShutDown && !token.is_cancelled() {
                    error!(
                        task = name,
                        "a task that the service cannot do without has ended; stopping"
                    );
                    token.cancel();
                }
            }
            .instrument(info_span!("task", name)),
        )
    }

    /// Starts a task that may outlive the service: the shutdown does not wait for it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where tasks are spawned"
    )]
    pub fn spawn_detached(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(future.instrument(info_span!("task", name))));
    }

    /// Asks every task to end and waits at most `grace`; true when all have ended.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.token.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_ok() {
            return true;
        }
        let running: Vec<_> = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .copied()
            .collect();
        warn!(running = running.join(", "), "these tasks did not end in time");
        false
    }

    fn enter(&self, name: &'static str) -> Entry {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let id = running.last_key_value().map_or(0, |(last, _)| last + 1);
        running.insert(id, name);
        Entry {
            id,
            running: Arc::clone(&self.running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_waits_for_tasks_and_names_none() {
        let tasks = Tasks::new();
        let token = tasks.token().clone();
        tasks.spawn("worker", OnExit::ShutDown, async move { token.cancelled().await });
        assert!(tasks.stop(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_panic_of_a_necessary_task_begins_the_shutdown() {
        let tasks = Tasks::new();
        tasks.spawn("fragile", OnExit::ShutDown, async { panic!("planted") });
        tasks.token().cancelled().await;
        assert!(tasks.stop(Duration::from_secs(10)).await);
    }
}
