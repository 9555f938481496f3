//! The options that ask the node one thing: connect, leave, lists, peers, status, remove.

use proto::convert::Remove;
use shared::model::Name;

use super::screen::COLUMNS;
use super::{Menu, answer};
use crate::cli::exit::{Exit, Failure};
use crate::cli::query::{self, SAFE_MODE};
use crate::cli::show;

impl Menu<'_> {
    pub(super) async fn ask_and_connect(&mut self) -> Result<(), Failure> {
        let question = format!(
            "webserver HOST:PORT, or tracker HOST:PORT [{}]: ",
            answer::shown(&self.entry)
        );
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
        left.map_err(|error| Failure::of("leave the network", &error))?;
        self.console
            .say("left the network; what this peer holds stays here");
        Ok(())
    }

    pub(super) async fn local_list(&mut self) -> Result<(), Failure> {
        let listed = self.client.local_list().await;
        let contents = listed.map_err(|error| Failure::of("list what this peer holds", &error))?;
        if contents.is_empty() {
            self.console
                .say("this peer holds nothing yet; 2 adds a file, 6 fetches one");
        } else {
            self.console
                .say(&show::contents(&contents).render_within(COLUMNS));
        }
        Ok(())
    }

    pub(super) async fn network_list(&mut self) -> Result<(), Failure> {
        let names = query::all_names(&self.client).await?;
        if names.is_empty() {
            self.console.say("the network has no files yet; 2 adds one");
        } else {
            self.console.say(&show::names(&names).render_within(COLUMNS));
        }
        Ok(())
    }

    pub(super) async fn peers(&mut self) -> Result<(), Failure> {
        let view = query::all_peers(&self.client).await?;
        self.console.say(&show::peers(&view.peers).render_within(COLUMNS));
        if view.in_safe_mode {
            self.console.say(SAFE_MODE);
        }
        Ok(())
    }

    pub(super) async fn status(&mut self) -> Result<(), Failure> {
        let status = self.client.status().await;
        let status = status.map_err(|error| Failure::of("ask the peer how it is", &error))?;
        self.console.say(&show::status(&status));
        Ok(())
    }

    pub(super) async fn remove(&mut self) -> Result<(), Failure> {
        let Some(line) = self.asked("name to remove: ").await else {
            return Ok(());
        };
        let text = line.trim();
        if text.is_empty() {
            self.console.say("nothing removed; 5 lists the names");
            return Ok(());
        }
        let name: Name = text.parse().map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("cannot remove {text:?}: {error}; 5 lists the names"),
            )
        })?;
        if !self.confirmed(&format!("remove {name} for everyone?")).await {
            self.console.say("nothing removed");
            return Ok(());
        }
        let remove = Remove { name, expected: None };
        match self.client.remove(&remove).await {
            Ok(revision) => self.console.say(&query::removed_line(&remove.name, revision)),
            Err(error) => {
                let failure = Failure::of(format_args!("remove {}", remove.name), &error);
                self.complain(&failure.hint("5 lists the network's names, 1 connects"));
            }
        }
        Ok(())
    }
}
