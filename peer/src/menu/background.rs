//! Transfers in the background: a task for each, which feeds the list ([`super::transfer`]) and tells the
//! end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::client::ControlClient;
use shared::runtime::{Clock, OnExit, Tasks};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::transfer::{Transfer, Transfers, Work};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::missing::explain;
use crate::words;

/// The transfers of a menu, and the tasks that run them; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Background {
    tasks: Tasks,
    clock: Clock,
    notices: mpsc::Sender<String>,
    shared: Arc<Mutex<Shared>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shared {
    transfers: Transfers,
    /// Ends of the transfers that run.
    tokens: BTreeMap<u32, CancellationToken>,
}

impl Background {
    /// No transfers; `notices` takes the ends of those that nobody is looking at.
    pub(super) fn new(tasks: Tasks, clock: Clock, notices: mpsc::Sender<String>) -> Self {
        Self {
            tasks,
            clock,
            notices,
            shared: Arc::default(),
            changed: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a transfer and returns its number; none when too many run.
    pub(super) fn begin(&self, client: &ControlClient, work: Work) -> Option<u32> {
        let number = self.lock().transfers.begin(work.clone(), self.clock.now())?;
        self.run(client, number, work);
        Some(number)
    }

    /// Begins a transfer that has ended again; false when too many run.
    pub(super) fn begin_again(&self, client: &ControlClient, number: u32, work: Work) -> bool {
        let now = self.clock.now();
        let begins = self.lock().transfers.begin_again(number, work.clone(), now);
        if begins {
            self.run(client, number, work);
        }
        begins
    }

    fn run(&self, client: &ControlClient, number: u32, work: Work) {
        let token = self.tasks.token().child_token();
        self.lock().tokens.insert(number, token.clone());
        let (this, client) = (self.clone(), client.clone());
        self.tasks.spawn("menu transfer", OnExit::Continue, async move {
            let ended = tokio::select! {
                ended = this.carry_out(&client, number, work) => Some(ended),
                () = token.cancelled() => None,
            };
            let notice = {
                let mut shared = this.lock();
                shared.tokens.remove(&number);
                shared.transfers.end(number, ended)
            };
            if let Some(notice) = notice {
                // A user who reads none of many notices still has the list.
                drop(this.notices.try_send(notice));
            }
            this.changed.notify_waiters();
        });
    }

    async fn carry_out(&self, client: &ControlClient, number: u32, work: Work) -> Result<(), Failure> {
        match work {
            Work::Add(add) => {
                let path = add.path.display().to_string();
                let failed = |error| Failure::of(words::add(&path), &error);
                let mut events = client.add(add).await.map_err(failed)?;
                while let Some(event) = events.next().await.map_err(failed)? {
                    self.update(number, |transfer, now| transfer.published(event, now));
                }
                Ok(())
            }
            Work::Get(get, name) => {
                let content = get.content.clone();
                let fetching = async {
                    let failed = |error| Failure::of(words::get(&name), &error);
                    let mut events = client.get(get).await.map_err(failed)?;
                    while let Some(event) = events.next().await.map_err(failed)? {
                        self.update(number, |transfer, now| transfer.fetched(event, now));
                    }
                    Ok::<_, Failure>(())
                };
                match fetching.await {
                    Err(failure) if failure.exit() == Exit::Unreachable => {
                        Err(explain(failure, client, &content).await)
                    }
                    fetched => fetched,
                }
            }
        }
    }

    fn update(&self, number: u32, change: impl FnOnce(&mut Transfer, shared::model::Timestamp)) {
        let now = self.clock.now();
        if let Some(transfer) = self.lock().transfers.get_mut(number) {
            change(transfer, now);
        }
    }

    /// Cancels a transfer; false when it does not run.
    pub(super) fn cancel(&self, number: u32) -> bool {
        let token = self.lock().tokens.get(&number).cloned();
        token.inspect(CancellationToken::cancel).is_some()
    }

    /// Cancels all transfers.
    pub(super) fn cancel_all(&self) {
        self.lock().tokens.values().for_each(CancellationToken::cancel);
    }

    /// Number of transfers that run.
    pub(super) fn running(&self) -> usize {
        self.lock().transfers.running()
    }

    /// Returns the transfer with this number as it is now.
    pub(super) fn transfer(&self, number: u32) -> Option<Transfer> {
        self.lock().transfers.get(number).cloned()
    }

    /// Returns all transfers as they are now.
    pub(super) fn all(&self) -> Vec<Transfer> {
        self.lock().transfers.all().to_vec()
    }

    /// Notes which transfer the user is looking at.
    pub(super) fn follow(&self, number: Option<u32>) {
        self.lock().transfers.follow(number);
    }

    /// Waits until a transfer ends. Cancel-safe.
    pub(super) async fn ended(&self) {
        self.changed.notified().await;
    }
}
