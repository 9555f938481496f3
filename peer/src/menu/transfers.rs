//! The long options: add a file, find and fetch one. Ctrl-C cancels them.

use std::path::PathBuf;

use proto::messages::control::{Add, Get};
use shared::model::{Binding, ContentRef, Listing, Location, Name, NetworkDefaults, ReplicationTarget};
use shared::{Coded as _, ErrorCode};

use super::completion::Completes;
use super::{Menu, answer, preview, screen};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::getting::{Target, get_failure};
use crate::terminal::listing::{all_names, locate};
use crate::terminal::missing::explain;
use crate::terminal::paths::{destination, file_to_add, name_of, off_thread, place};
use crate::terminal::table::shortened;
use crate::terminal::{adding, getting};
use crate::words;

/// The most matches that are numbered; a longer part of the name finds fewer.
const MAX_MATCHES: usize = 20;

impl Menu<'_> {
    pub(super) async fn add(&mut self) -> Result<(), Failure> {
        let paths = Completes::Paths(self.home.clone());
        let Some(line) = self.asked_for(words::ask_path(), paths).await else {
            return Ok(());
        };
        let Some(path) = answer::path(&line, self.home.as_deref()) else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        let defaults = self.defaults().await;
        let own = self.options.data_dir.clone();
        let fragment_length = self.options.fragment_length.or(defaults.fragment_length);
        let looking = off_thread(move || {
            let path = file_to_add(&path)?;
            let preview = preview::of(&path, fragment_length, &own)?;
            Ok::<_, Failure>((path, preview))
        });
        // Counting a large directory takes a while.
        let Some(looked) = self.console.unless_interrupted(looking).await else {
            self.console.say(words::nothing_added());
            return Ok(());
        };
        let (path, preview) = looked??;
        self.console.say(&preview);
        let Some(name) = self.ask_name(name_of(&path).ok()).await? else {
            return Ok(());
        };
        let default = self.options.replicas.unwrap_or(defaults.replicas);
        let Some(chosen) = self.ask_target(default).await? else {
            return Ok(());
        };
        // The network's default is that of the moment of publication.
        let target = (chosen != default).then_some(chosen).or(self.options.replicas);
        let add = Add {
            path,
            name,
            target,
            fragment_length: self.options.fragment_length,
            update: false,
            wait: false,
            selection: shared::collection::Selection::default(),
        };
        match self.publish(add.clone()).await {
            Err(failure) if failure.exit() == Exit::Conflict && self.console.is_terminal() => {
                self.complain(&failure);
                if self.confirmed(&words::ask_rebind(&add.name)).await {
                    self.publish(Add { update: true, ..add }).await?;
                }
                Ok(())
            }
            result => result,
        }
    }

    async fn ask_name(&mut self, default: Option<Name>) -> Result<Option<Name>, Failure> {
        let question = default
            .as_ref()
            .map_or_else(|| words::ask_name().to_owned(), words::ask_name_or);
        let Some(line) = self.asked(&question).await else {
            return Ok(None);
        };
        match (line.trim(), default) {
            ("", Some(default)) => Ok(Some(default)),
            (text, _) => {
                let parsed = text.parse::<Name>().map(Some);
                parsed.map_err(|error| nothing_added(words::name_error(&error)))
            }
        }
    }

    /// Returns the defaults of the network, as far as the node knows them.
    async fn defaults(&self) -> NetworkDefaults {
        let status = self.client.status().await;
        status.map_or_else(|_| NetworkDefaults::default(), |status| status.defaults)
    }

    async fn ask_target(&mut self, default: ReplicationTarget) -> Result<Option<ReplicationTarget>, Failure> {
        let Some(line) = self.asked(&words::ask_replicas(default)).await else {
            return Ok(None);
        };
        match line.trim() {
            "" => Ok(Some(default)),
            text => {
                let parsed = text.parse().map(Some);
                parsed.map_err(|_| {
                    nothing_added(words::bad_replicas(shortened(text, 20), ReplicationTarget::MAX))
                })
            }
        }
    }

    async fn publish(&mut self, add: Add) -> Result<(), Failure> {
        let (out, clock, client) = (self.out, self.clock.clone(), self.client.clone());
        let (path, name) = (add.path.display().to_string(), add.name.clone());
        let work = async {
            let started = client.add(add).await;
            let mut events = started.map_err(|error| Failure::of(words::add(&path), &error))?;
            adding::follow(out, &clock, &mut events, &path, &name, None).await
        };
        match self.console.unless_interrupted(work).await {
            Some(added) => added.map(drop),
            None => {
                self.console.say(words::cancelled_plainly());
                Ok(())
            }
        }
    }

    pub(super) async fn find(&mut self) -> Result<(), Failure> {
        let names = self.names_to_complete().await;
        let Some(line) = self.asked_for(words::ask_what_to_find(), names).await else {
            return Ok(());
        };
        let text = line.trim().to_owned();
        if text.is_empty() {
            self.console.say(words::nothing_to_find());
            return Ok(());
        }
        let Some(location) = self.look_for(&text).await? else {
            return Ok(());
        };
        self.console.say(&screen::found(&location));
        let default = location.binding.name.file_name().to_owned();
        let question = words::ask_where_to_save(default);
        let paths = Completes::Paths(self.home.clone());
        let Some(line) = self.asked_for(&question, paths).await else {
            return Ok(());
        };
        let home = self.home.clone();
        let name = location.binding.name.clone();
        let (output, exists) = off_thread(move || {
            let typed = answer::path(&line, home.as_deref());
            let destination = destination(typed.as_deref())?;
            let output = place(&destination, Some(name.file_name()))
                .unwrap_or_else(|| PathBuf::from(name.file_name()));
            let exists = std::fs::symlink_metadata(&output).is_ok();
            Ok::<_, Failure>((output, exists))
        })
        .await??;
        let shown = output.display();
        if exists && !self.console.is_terminal() {
            return Err(Failure::new(Exit::Conflict, words::output_exists(shown)));
        }
        if exists && !self.confirmed(&words::ask_replace(shown)).await {
            self.console.say(words::nothing_fetched());
            return Ok(());
        }
        // By its id: the name may have been bound to another content since.
        let get = Get {
            content: ContentRef::Id(location.binding.content),
            output: output.clone(),
            overwrite: exists,
            selection: shared::collection::Selection::default(),
        };
        self.fetch(get, &location.binding.name).await
    }

    /// Finds a content by a name, an id or a part of a name; none when the user chooses none.
    async fn look_for(&mut self, text: &str) -> Result<Option<Location>, Failure> {
        let quoted = format!("{text:?}");
        let failed = |error| Failure::of(words::find(&quoted), &error).hint(words::one_connects());
        if let Ok(content) = text.parse::<ContentRef>() {
            match locate(&self.client, content.clone(), 1).await {
                // The menu fetches a directory as a whole.
                Ok(location) if is_inside(text, &location.binding.name) => {}
                Ok(location) => return Ok(Some(location)),
                Err(error)
                    if error.code() == ErrorCode::NotFound && matches!(content, ContentRef::Name(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let mut names = all_names(&self.client).await?;
        let part = text.to_lowercase();
        names.retain(|listing| listing.binding.name.as_str().to_lowercase().contains(&part));
        let Some(binding) = self.choose(text, names).await else {
            return Ok(None);
        };
        let located = locate(&self.client, ContentRef::Name(binding.name), 1).await;
        located.map(Some).map_err(failed)
    }

    /// Lets the user choose one of several names.
    async fn choose(&mut self, text: &str, mut names: Vec<Listing>) -> Option<Binding> {
        match names.len() {
            0 => {
                self.console.say(&words::no_match(format_args!("{text:?}")));
                None
            }
            1 => names.pop().map(|listing| listing.binding),
            found => {
                let shown = found.min(MAX_MATCHES);
                let columns = self.console.columns();
                self.console.say(&screen::matches(&names[..shown], columns));
                if shown < found {
                    self.console.say(&words::more_matches(found - shown));
                }
                let line = self.asked(&words::ask_which(shown)).await?;
                let picked = answer::pick(&line, shown).map(|at| names.swap_remove(at).binding);
                if picked.is_none() {
                    self.console.say(&words::choose_one(shown));
                }
                picked
            }
        }
    }

    async fn fetch(&mut self, get: Get, name: &Name) -> Result<(), Failure> {
        let (out, clock, client) = (self.out, self.clock.clone(), self.client.clone());
        let (content, output) = (get.content.clone(), get.output.clone());
        let reference = ContentRef::Name(name.clone());
        let work = async {
            let started = client.get(get).await;
            let mut events = started.map_err(|error| get_failure(&reference, &error))?;
            // The user sees a stalled fetch, and has Ctrl-C.
            let target = Target {
                content: &reference,
                output: Some(&output),
                patience: None,
            };
            getting::follow(out, &clock, &mut events, target, |_| {}).await
        };
        match self.console.unless_interrupted(work).await {
            Some(Err(failure)) if failure.exit() == Exit::Unreachable => {
                Err(explain(failure, &self.client, &content).await)
            }
            Some(fetched) => fetched,
            None => {
                self.console.say(words::fetch_cancelled());
                Ok(())
            }
        }
    }
}

/// Returns whether a text means something inside the directory of this name.
fn is_inside(text: &str, name: &Name) -> bool {
    let rest = text.strip_prefix(name.as_str());
    rest.is_some_and(|rest| rest.contains('/'))
}

fn nothing_added(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, words::nothing_added_because(error))
}
