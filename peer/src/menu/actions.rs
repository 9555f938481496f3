//! The short options: connect, leave, lists, peers, status, remove.

use proto::messages::Remove;
use shared::model::Name;

use super::completion::Completes;
use super::{Menu, answer};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::{listing, show};
use crate::words;

impl Menu<'_> {
    pub(super) async fn ask_and_connect(&mut self) -> Result<(), Failure> {
        let question = words::ask_entry(answer::shown(&self.entry));
        let Some(line) = self.asked(&question).await else {
            return Ok(());
        };
        match answer::entry(&line, &self.entry) {
            Ok(entry) => self.connect(entry).await,
            Err(complaint) => self.console.say(&complaint),
        }
        Ok(())
    }

    pub(super) async fn leave(&mut self) -> Result<(), Failure> {
        let left = self.client.disconnect().await;
        left.map_err(|error| Failure::of(words::leave_the_network(), &error))?;
        self.console.say(words::left_the_network());
        Ok(())
    }

    pub(super) async fn local_list(&mut self) -> Result<(), Failure> {
        let listed = self.client.local_list().await;
        let contents = listed.map_err(|error| Failure::of(words::list_held(), &error))?;
        if contents.is_empty() {
            self.console.say(words::holds_nothing());
        } else {
            let columns = self.console.columns();
            self.console
                .say_as_it_is(&show::contents(&contents).render_within(columns));
        }
        Ok(())
    }

    pub(super) async fn network_list(&mut self) -> Result<(), Failure> {
        let names = listing::all_names(&self.client).await?;
        if names.is_empty() {
            self.console.say(words::network_is_empty());
        } else {
            let columns = self.console.columns();
            self.console
                .say_as_it_is(&show::names(&names).render_within(columns));
        }
        Ok(())
    }

    pub(super) async fn peers(&mut self) -> Result<(), Failure> {
        let mut view = listing::all_peers(&self.client).await?;
        view.peers.retain(|peer| !peer.is_gone_visitor());
        let columns = self.console.columns();
        self.console
            .say_as_it_is(&show::peers(&view.peers).render_within(columns));
        if view.in_safe_mode {
            self.console.say(words::safe_mode());
        }
        Ok(())
    }

    pub(super) async fn status(&mut self) -> Result<(), Failure> {
        let status = self.client.status().await;
        let status = status.map_err(|error| Failure::of(words::ask_for_status(), &error))?;
        self.console.say(&show::status(&status));
        Ok(())
    }

    pub(super) async fn remove(&mut self) -> Result<(), Failure> {
        let names = self.names_to_complete().await;
        let Some(line) = self.asked_for(words::ask_name_to_remove(), names).await else {
            return Ok(());
        };
        let text = line.trim();
        if text.is_empty() {
            let nothing = format!("{}; {}", words::nothing_removed(), words::five_lists_names());
            self.console.say(&nothing);
            return Ok(());
        }
        let name: Name = text.parse().map_err(|error| {
            let what = words::remove(format_args!("{text:?}"));
            Failure::new(Exit::Usage, words::cannot(what, words::name_error(&error)))
                .hint(words::five_lists_names())
        })?;
        if !self.confirmed(&words::ask_remove(&name)).await {
            self.console.say(words::nothing_removed());
            return Ok(());
        }
        let remove = Remove { name, expected: None };
        match self.client.remove(&remove).await {
            Ok(revision) => self.console.say(&show::removed(&remove.name, revision)),
            Err(error) => {
                let failure = Failure::of(words::remove(&remove.name), &error);
                self.complain(&failure.hint(words::five_lists_one_connects()));
            }
        }
        Ok(())
    }

    /// Returns the network's names for Tab; without a network there are none.
    pub(super) async fn names_to_complete(&mut self) -> Completes {
        if !self.console.completes() {
            return Completes::Nothing;
        }
        let client = self.client.clone();
        match self
            .console
            .unless_interrupted(listing::first_names(&client))
            .await
        {
            Some(Ok(names)) => Completes::Names(names),
            Some(Err(_)) | None => Completes::Nothing,
        }
    }
}
