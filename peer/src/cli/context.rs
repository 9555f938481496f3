//! What a one-shot command runs in: its options, its streams, and what must be put in order however it ends.

use std::sync::{Mutex, PoisonError};

use proto::client::ControlClient;
use proto::control::EntryPoint;
use shared::runtime::{Clock, Tasks};

use super::attach;
use super::exit::Failure;
use super::output::Output;
use super::settings::Options;
use crate::node::Node;

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
    own: Mutex<Option<Node>>,
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
            last_words: Mutex::new(None),
        }
    }

    /// The running node that is meant, in the network that the settings name if it was in none; or else a node of
    /// ours, in that network or the default one.
    ///
    /// # Errors
    /// When neither answers, or the network cannot be entered.
    pub(super) async fn find_or_run(&self) -> Result<ControlClient, Failure> {
        if let Some(node) = attach::find(self.options).await? {
            attach::enter_if_offline(&node, self.options.entry.as_ref()).await?;
            return Ok(node.client);
        }
        let entry: EntryPoint = attach::entry_or_default(self.options);
        let (node, client) = attach::run(self.options, self.tasks).await?;
        // Before anything else is awaited: from now on it is stopped however the command ends.
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        attach::enter(&client, &entry).await?;
        Ok(client)
    }

    /// Stops the node of ours, if there is one.
    pub(super) async fn close(&self) {
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
