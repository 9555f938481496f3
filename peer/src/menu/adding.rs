//! Adding a file or a directory: the questions before it is published.

use std::path::PathBuf;

use proto::messages::control::Add;
use shared::collection::Rules;
use shared::model::{FragmentLength, NetworkDefaults};

use super::completion::Completes;
use super::preview::Looked;
use super::transfer::Work;
use super::{Menu, answer, preview};
use crate::terminal::exit::Failure;
use crate::terminal::paths::{file_to_add, name_of, off_thread};
use crate::words;

impl Menu<'_> {
    pub(super) async fn add(&mut self) -> Result<(), Failure> {
        let Some((path, looked, rules)) = self.ask_file().await? else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        let defaults = self.defaults().await;
        let Some(fragment_length) = self.ask_fragment_length(&looked, defaults).await else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        let own_name = name_of(&path).ok();
        let question = own_name
            .as_ref()
            .map_or_else(|| words::ask_name().to_owned(), words::ask_name_or);
        let read = |line: &str| answer::name(line, own_name.as_ref());
        let Some(name) = self.answered(&question, &Completes::Nothing, read).await else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        let default = self.options.replicas.unwrap_or(defaults.replicas);
        let read = |line: &str| match line.trim() {
            "" => Ok(None),
            line => answer::replicas(line, default).map(Some),
        };
        let question = words::ask_replicas(default);
        let Some(chosen) = self.answered(&question, &Completes::Nothing, read).await else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        // Where nothing is chosen, the name's present target stays, or the default of the moment of
        // publication is taken.
        let target = chosen.or(self.options.replicas);
        let add = Add {
            path,
            name,
            target,
            fragment_length,
            update: false,
            wait: false,
            selection: shared::collection::Selection::default(),
            rules,
        };
        self.transfer(Work::Add(add)).await;
        Ok(())
    }

    /// Asks for a path until there is a file or directory, and looks at it; none when the user declines. A
    /// person may leave out the entries of a directory that cannot be added.
    async fn ask_file(&mut self) -> Result<Option<(PathBuf, Looked, Rules)>, Failure> {
        let paths = Completes::Paths(self.home.clone());
        loop {
            let Some(line) = self.asked_for(words::ask_path(), paths.clone()).await else {
                return Ok(None);
            };
            let Some(path) = answer::path(&line, self.home.as_deref()) else {
                return Ok(None);
            };
            match self.look(path.clone(), Rules::default()).await {
                None => return Ok(None),
                Some(Ok(looked)) => return Ok(Some(looked)),
                Some(Err(failure)) => self.complain(&failure),
            }
            let skipping = Rules {
                skips_unsupported: true,
                ..Rules::default()
            };
            // Nobody is asked before it is known that the rest can be added.
            if path.is_dir()
                && self.console.is_terminal()
                && let Some(Ok(looked)) = self.look(path, skipping).await
                && self.confirmed(words::ask_leave_out()).await
            {
                return Ok(Some(looked));
            }
        }
    }

    /// Returns the defaults of the network, as far as the node knows them.
    async fn defaults(&self) -> NetworkDefaults {
        let status = self.client.status().await;
        status.map_or_else(|_| NetworkDefaults::default(), |status| status.defaults)
    }

    /// Looks at a file or directory; none when the user interrupts.
    async fn look(
        &mut self,
        path: PathBuf,
        rules: Rules,
    ) -> Option<Result<(PathBuf, Looked, Rules), Failure>> {
        let own = self.options.data_dir.clone();
        let looking = off_thread(move || {
            let path = file_to_add(&path)?;
            let looked = preview::look(&path, rules, &own)?;
            Ok::<_, Failure>((path, looked, rules))
        });
        // Counting a large directory takes a while.
        let looked = self.console.unless_interrupted(looking).await?;
        Some(looked.and_then(|looked| looked))
    }

    /// Shows the file and its fragments, and asks for the length of a fragment until the file can have it.
    /// The outer option is none when the user declines; the inner one leaves the length to the content.
    async fn ask_fragment_length(
        &mut self,
        looked: &Looked,
        defaults: NetworkDefaults,
    ) -> Option<Option<FragmentLength>> {
        // The one place where the default is chosen.
        let default = self.options.fragment_length.or(defaults.fragment_length);
        match looked.text(default) {
            Ok(text) | Err(text) => self.console.say(&text),
        }
        let shown = default.or_else(|| looked.default_fragment_length());
        let question = match shown {
            Some(length) => words::ask_fragment_length(length),
            None => words::ask_fragment_length(words::of_each_file()),
        };
        let read = |line: &str| {
            let chosen = answer::fragment_length(line, default)?;
            looked.text(chosen).map(|text| (chosen, text))
        };
        let (chosen, text) = self.answered(&question, &Completes::Nothing, read).await?;
        if chosen != default {
            self.console.say(&text);
        }
        Some(chosen)
    }
}
