//! The short options: connect, leave, lists, peers, status, forget, remove.

use proto::messages::Remove;
use proto::messages::control::LocalContent;
use shared::model::{ByteCount, ContentRef, Name};
use shared::security::JoinLine;
use shared::{Coded as _, ErrorCode};

use super::answer::Way;
use super::completion::Completes;
use super::{Menu, answer, screen};
use crate::node::JoinSource;
use crate::terminal::attach;
use crate::terminal::exit::Failure;
use crate::terminal::listing::locate;
use crate::terminal::output::one_line;
use crate::terminal::{listing, show};
use crate::words;

/// Contents of the user's list that are numbered; the others are chosen by name.
const MAX_NUMBERED: usize = 100;

impl Menu<'_> {
    pub(super) async fn ask_and_connect(&mut self) -> Result<(), Failure> {
        let question = words::ask_entry(answer::shown(&self.entry));
        let default = self.entry.clone();
        let read = |line: &str| answer::entry(line, &default);
        match self.answered(&question, &Completes::Nothing, read).await {
            Some(Way::Entry(entry)) => self.connect(entry).await,
            Some(Way::Join(line)) => self.join(line).await?,
            None => {}
        }
        Ok(())
    }

    /// Joins a secured network, and enters it.
    async fn join(&mut self, line: JoinLine) -> Result<(), Failure> {
        let (client, source) = (self.client.clone(), JoinSource::Line(line));
        let joining = attach::join(&client, &source);
        let Some(joined) = self.while_shown(words::joining(), joining).await else {
            return Ok(());
        };
        let entry = joined?;
        self.console.say(words::has_joined());
        self.connect(entry).await;
        Ok(())
    }

    pub(super) async fn leave(&mut self) -> Result<(), Failure> {
        if !self.is_own && !self.confirmed(words::ask_leave_network()).await {
            self.console.say(words::stays_in_network());
            return Ok(());
        }
        let left = self.client.disconnect().await;
        left.map_err(|error| Failure::of(words::leave_the_network(), &error))?;
        self.console.say(words::left_the_network());
        Ok(())
    }

    pub(super) async fn local_list(&mut self) -> Result<(), Failure> {
        let contents = self.held().await?;
        let columns = self.console.columns();
        self.console.say_as_it_is(&screen::my_list(&contents, columns));
        Ok(())
    }

    async fn held(&self) -> Result<Vec<LocalContent>, Failure> {
        let listed = self.client.local_list().await;
        listed.map_err(|error| Failure::of(words::list_held(), &error))
    }

    /// Takes something off the user's list: this peer drops its copy, and everything else stays.
    pub(super) async fn forget(&mut self) -> Result<(), Failure> {
        let contents = self.held().await?;
        let mine = screen::mine(&contents);
        if mine.is_empty() {
            self.console.say(words::holds_nothing());
            return Ok(());
        }
        let names: Vec<Vec<String>> = mine.iter().map(|content| screen::names_of(content)).collect();
        let (columns, most) = (self.console.columns(), names.len().min(MAX_NUMBERED));
        let told: Vec<String> = names.iter().map(|names| names.join(", ")).collect();
        let lines = mine.iter().zip(&told).take(most).map(|(content, name)| {
            let length = content.collection.map_or(content.length, |(length, _)| length);
            let length = ByteCount::new(length);
            // Its id tells an entry from another one with its name.
            let is_one_of_several = told.iter().filter(|other| *other == name).nth(1).is_some();
            let length = match is_one_of_several {
                true => format!("{length}  {}", content.content.short()),
                false => length.to_string(),
            };
            (name.as_str(), length)
        });
        self.console.say_as_it_is(&screen::numbered(lines, columns));
        let read = |line: &str| answer::chosen(line, &names, most);
        let completes = Completes::Names(names.concat());
        let chosen = self
            .answered(words::ask_to_forget(), &completes, read)
            .await
            .flatten();
        let Some(content) = chosen.and_then(|at| mine.get(at)) else {
            self.console.say(words::nothing_forgotten());
            return Ok(());
        };
        self.drop_copy(content).await
    }

    async fn drop_copy(&mut self, content: &LocalContent) -> Result<(), Failure> {
        let name = content
            .name
            .as_ref()
            .map_or_else(|| content.content.short(), ToString::to_string);
        let reference = ContentRef::Id(content.content);
        let client = self.client.clone();
        let mut forgotten = client.forget(&reference, false).await;
        // The tracker refuses when it is the last copy, and cannot be asked when it is away.
        if let Err(error) = &forgotten
            && error.code() == ErrorCode::FailedPrecondition
        {
            let told = Failure::of(words::forget(&name), error).to_string();
            // The flag is the command's; here is a question.
            let told: Vec<&str> = told.split("; ").filter(|part| !part.contains("--")).collect();
            self.console.say(&one_line(&told.join("; ")));
            // A script gives up no last copy.
            if !self.console.is_terminal() || !self.confirmed(&words::ask_forget_last(&name)).await {
                self.console.say(words::nothing_forgotten());
                return Ok(());
            }
            forgotten = client.forget(&reference, true).await;
        }
        let (_, freed) = forgotten.map_err(|error| Failure::of(words::forget(&name), &error))?;
        let line = match &content.path {
            Some(path) => words::forgotten_file_stays(&name, path.display()),
            None => words::forgotten(&name, ByteCount::new(freed)),
        };
        self.console.say(&line);
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
        let mode = listing::own_mode(&self.client, &status).await;
        self.console.say(&show::status(&status, mode, self.clock.now()));
        Ok(())
    }

    pub(super) async fn remove(&mut self) -> Result<(), Failure> {
        let names = self.names_to_complete().await;
        let read = |line: &str| match line.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|error| words::name_error(&error)),
        };
        let asked = self.answered(words::ask_name_to_remove(), &names, read).await;
        let name: Name = match asked {
            Some(Some(name)) => name,
            Some(None) | None => {
                let nothing = format!("{}; {}", words::nothing_removed(), words::five_lists_names());
                self.console.say(&nothing);
                return Ok(());
            }
        };
        if let Ok(location) = locate(&self.client, ContentRef::Name(name.clone()), 1).await {
            self.console.say(&screen::to_be_lost(&location));
        }
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
