//! Surroundings of a one-shot command: its options, its streams, and the work to do however the command ends.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::client::ControlClient;
use proto::messages::Remove;
use proto::messages::control::{EntryPoint, Hiding, SessionStatus, Status};
use shared::model::ContentRef;
use shared::model::Name;
use shared::runtime::{Clock, Tasks};

use crate::node::NodeHandle;
use crate::settings::Options;
use crate::terminal::adding::Passed;
use crate::terminal::attach::{self, Attached};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::output::Output;
use crate::words;

/// The time after which a command that waits says so.
const MOMENT: Duration = Duration::from_secs(1);

/// The longest that the end of a command waits for a name to be removed.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);

/// The surroundings of one command.
///
/// A command may be dropped at any point (interrupt, timeout). Its own node is therefore kept here and not in
/// the command, so that the node is stopped in any case.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The settings.
    pub(super) options: &'a Options,
    /// The output.
    pub(super) out: &'a Output,
    /// The clock.
    pub(super) clock: Clock,
    /// The owner of work that runs beside the command.
    pub(super) tasks: &'a Tasks,
    ending: Mutex<Ending>,
}

/// Work to do when the command ends.
#[derive(Debug, Default)]
struct Ending {
    /// The node that the command talks to.
    asked: Option<ControlClient>,
    /// A node of this process, to be stopped.
    own: Option<NodeHandle>,
    /// A name to be removed.
    removal: Option<(ControlClient, Remove)>,
    /// Words for a command that is ended from outside.
    last_words: Option<String>,
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
            ending: Mutex::default(),
        }
    }

    /// Returns the running node.
    ///
    /// # Errors
    /// When there is none or it does not answer.
    pub(super) async fn require(&self) -> Result<Attached, Failure> {
        let node = attach::require(self.options).await?;
        self.ending().asked = Some(node.client.clone());
        Ok(node)
    }

    /// Returns the running node, which goes on sharing `what` after the command.
    ///
    /// # Errors
    /// When there is none, or the network cannot be entered.
    pub(super) async fn require_sharing(&self, what: &impl fmt::Display) -> Result<Attached, Failure> {
        let Some(mut node) = attach::find(self.options).await? else {
            let why = words::no_node_to_share(self.options.data_dir.display());
            let message = words::cannot(words::add(what), why);
            return Err(Failure::new(Exit::Unreachable, message));
        };
        node.enter_if_offline(self.options.entry.as_ref(), self.options)
            .await?;
        Ok(node)
    }

    /// Returns the running node, or else runs one; in the network that the settings name, or the node's own.
    ///
    /// # Errors
    /// When the node does not answer, or the network cannot be entered.
    pub(super) async fn find_or_run(&self) -> Result<Attached, Failure> {
        self.find_or_run_in(self.options.entry.as_ref()).await
    }

    /// Returns the running node, or else runs one; in the network of `entry`, or the node's own.
    ///
    /// # Errors
    /// As [`Self::find_or_run`].
    pub(super) async fn find_or_run_in(&self, entry: Option<&EntryPoint>) -> Result<Attached, Failure> {
        if let Some(mut node) = attach::find(self.options).await? {
            node.enter_if_offline(entry, self.options).await?;
            self.ending().asked = Some(node.client.clone());
            return Ok(node);
        }
        let (node, client) = attach::run(self.options, true, self.tasks).await?;
        let entry = entry.or_else(|| node.joined()).cloned();
        // Before anything else is awaited: from now on the node is stopped however the command ends.
        self.ending().own = Some(node);
        let entry = entry.unwrap_or_else(|| attach::entry_or_default(self.options));
        attach::enter(&client, &entry, &attach::security(self.options).await).await?;
        let status = client.status().await;
        let status = status.map_err(|error| Failure::of(words::ask_for_status(), &error))?;
        Ok(Attached { client, status })
    }

    /// Whether the command talks to a node of this process.
    pub(super) fn runs_own_node(&self) -> bool {
        self.ending().own.is_some()
    }

    /// Says, when a node of this process publishes `name`, that its copy leaves with the command.
    pub(super) fn warn_of_leaving(&self, name: &Name) {
        if self.runs_own_node() {
            self.out.note(&words::copy_leaves(name));
        }
    }

    /// Notes how far the publication of `name` is, for a command that is ended from outside: one that ends
    /// before the content is shared leaves nothing.
    pub(super) fn note_passed(&self, name: &Name, point: Passed) {
        let words = match point {
            _ if self.runs_own_node() => words::copy_left(name),
            Passed::Shared => words::may_be_published(name),
            Passed::Published => words::stays_published(name),
        };
        self.set_last_words(words);
    }

    /// Adds to a failed wait for replicas that the copy of a node of this process left with the command.
    pub(super) fn explain_leaving(&self, failure: Failure, name: &Name) -> Failure {
        match self.runs_own_node() && failure.exit() == Exit::TargetNotMet {
            true => Failure::new(failure.exit(), format!("{failure}; {}", words::copy_left(name))),
            false => failure,
        }
    }

    /// Removes a name when the command ends.
    pub(super) fn remove_at_the_end(&self, client: ControlClient, remove: Remove) {
        self.ending().removal = Some((client, remove));
    }

    /// Tells when a name hides a path inside a directory that reads the same, and how to write that path. A
    /// node that cannot tell hides nothing that matters now.
    pub(super) async fn note_hidden(&self, client: &ControlClient, content: &ContentRef) {
        if content.splits().next().is_none() {
            return;
        }
        self.note_hidings(&client.hidings(content).await.unwrap_or_default());
    }

    /// Tells which names hide paths inside directories.
    pub(super) fn note_hidings(&self, hidings: &[Hiding]) {
        for hiding in hidings {
            self.out.note(&words::hides(&hiding.name, &hiding.inside));
        }
    }

    /// Says, of a command that takes longer than a moment, that its node waits for a tracker. Never ends.
    pub(super) async fn note_waiting(&self) -> Infallible {
        tokio::time::sleep(MOMENT).await;
        let asked = self.ending().asked.clone();
        if let Some(client) = asked
            && let Ok(Status {
                session: SessionStatus::Connecting { reason },
                ..
            }) = client.status().await
            && !reason.is_empty()
        {
            self.out.note(&words::waits_for_the_tracker(words::told(&reason)));
        }
        std::future::pending().await
    }

    /// Sets the words for a command that is ended from outside.
    pub(super) fn set_last_words(&self, words: String) {
        self.ending().last_words = Some(words);
    }

    /// Returns the words for a command that is ended from outside.
    pub(super) fn last_words(&self) -> Option<String> {
        self.ending().last_words.take()
    }

    /// Removes the name that is not to stay, and stops the node of this process.
    pub(super) async fn close(&self) {
        let Ending { own, removal, .. } = std::mem::take(&mut *self.ending());
        if let Some((client, remove)) = removal {
            let removed = tokio::time::timeout(REMOVAL_TIMEOUT, client.remove(&remove)).await;
            if !matches!(removed, Ok(Ok(_))) {
                self.out.note(&words::removal_failed(&remove.name));
            }
        }
        if let Some(node) = own {
            node.stop().await;
        }
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
