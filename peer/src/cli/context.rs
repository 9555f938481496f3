//! What a one-shot command runs in: its options, its streams, and what must be put in order however it ends.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::client::ControlClient;
use proto::messages::Remove;
use proto::messages::control::EntryPoint;
use shared::runtime::{Clock, Tasks};

use super::attach;
use super::exit::Failure;
use super::output::Output;
use super::settings::Options;
use crate::node::NodeHandle;
use crate::words;

/// Nobody who ends a command waits longer for a name to be removed.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The surroundings of one command.
///
/// A command may be dropped at any point (interrupt, timeout). A node of ours is therefore kept here and not in
/// the command: whoever drops the command stops the node.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// What was asked for.
    pub(super) options: &'a Options,
    /// Where results go.
    pub(super) out: &'a Output,
    /// Tells the time.
    pub(super) clock: Clock,
    tasks: &'a Tasks,
    own: Mutex<Option<NodeHandle>>,
    /// A name that is not to outlive the command.
    removal: Mutex<Option<(ControlClient, Remove)>>,
    last_words: Mutex<Option<String>>,
}

impl<'a> Context<'a> {
    /// Surroundings without a node yet.
    #[must_use]
    pub(super) fn new(options: &'a Options, out: &'a Output, tasks: &'a Tasks) -> Self {
        Self {
            options,
            out,
            clock: Clock::system(),
            tasks,
            own: Mutex::new(None),
            removal: Mutex::new(None),
            last_words: Mutex::new(None),
        }
    }

    /// The running node that is meant, in the network that the settings name if it was in none; or else a node of
    /// ours, in that network or the default one.
    ///
    /// # Errors
    /// When neither answers, or the network cannot be entered.
    pub(super) async fn find_or_run(&self) -> Result<ControlClient, Failure> {
        self.find_or_run_in(self.options.entry.as_ref()).await
    }

    /// The same in another network than that of the settings, if one is given.
    ///
    /// # Errors
    /// As [`Self::find_or_run`].
    pub(super) async fn find_or_run_in(&self, entry: Option<&EntryPoint>) -> Result<ControlClient, Failure> {
        if let Some(node) = attach::find(self.options).await? {
            attach::enter_if_offline(&node, entry).await?;
            return Ok(node.client);
        }
        let entry = entry
            .cloned()
            .unwrap_or_else(|| attach::entry_or_default(self.options));
        let (node, client) = attach::run(self.options, self.tasks).await?;
        // Before anything else is awaited: from now on it is stopped however the command ends.
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        attach::enter(&client, &entry).await?;
        Ok(client)
    }

    /// Owns what runs beside the command.
    pub(super) const fn tasks(&self) -> &Tasks {
        self.tasks
    }

    /// Whether the node that the command talks to is one of ours.
    pub(super) fn runs_own_node(&self) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Removes a name when the command ends, however it does.
    pub(super) fn remove_at_the_end(&self, client: ControlClient, remove: Remove) {
        *self.removal.lock().unwrap_or_else(PoisonError::into_inner) = Some((client, remove));
    }

    /// Removes what is not to stay, and stops the node of ours, if there is one.
    pub(super) async fn close(&self) {
        let removal = self.removal.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((client, remove)) = removal {
            let removed = tokio::time::timeout(REMOVAL_TIMEOUT, client.remove(&remove)).await;
            if !matches!(removed, Ok(Ok(_))) {
                let name = &remove.name;
                self.out.note(&words::removal_failed(name));
            }
        }
        let node = self.own.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(node) = node {
            node.stop().await;
        }
    }

    /// What to say when the command is ended from outside.
    pub(super) fn set_last_words(&self, words: String) {
        *self.last_words.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    /// What the command wanted to be said when it is ended from outside.
    pub(super) fn last_words(&self) -> Option<String> {
        self.last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
