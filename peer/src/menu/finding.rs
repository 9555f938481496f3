//! Finding a content, looking into a directory, and fetching.

use std::path::PathBuf;

use proto::messages::control::{EntryKind, Get, Listed};
use shared::model::{ByteCount, ContentRef, Listing, Location, Name};
use shared::{Coded as _, ErrorCode};

use super::completion::Completes;
use super::transfer::Work;
use super::{Menu, answer, screen};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::listing::{all_names, locate};
use crate::terminal::paths::{destination, off_thread, place, umask};
use crate::terminal::show;
use crate::words;

/// The most matches that are numbered; a longer part of the name finds fewer.
const MAX_MATCHES: usize = 20;

/// The most entries of a directory that are looked through.
const MAX_ENTRIES: usize = 100_000;

/// Something to be fetched.
struct Found {
    content: ContentRef,
    /// A name, or a path inside a directory.
    name: String,
}

impl Menu<'_> {
    pub(super) async fn find(&mut self) -> Result<(), Failure> {
        let names = self.names_to_complete().await;
        let found = loop {
            let asked = self.asked_for(words::ask_what_to_find(), names.clone()).await;
            let text = asked.unwrap_or_default().trim().to_owned();
            if text.is_empty() {
                self.console.say(words::nothing_to_find());
                return Ok(());
            }
            if let Some(found) = self.look_for(&text).await? {
                break found;
            }
        };
        let home = self.home.clone();
        let file_name = found.name.rsplit('/').next().unwrap_or_default().to_owned();
        let question = words::ask_where_to_save(&file_name);
        let paths = Completes::Paths(home.clone());
        let output = loop {
            let Some(line) = self.asked_for(&question, paths.clone()).await else {
                self.console.say(words::nothing_fetched());
                return Ok(());
            };
            let (home, name) = (home.clone(), file_name.clone());
            let placed = off_thread(move || {
                let typed = answer::path(&line, home.as_deref());
                let destination = destination(typed.as_deref())?;
                let output = place(&destination, Some(&name));
                Ok::<_, Failure>(output.unwrap_or_else(|| PathBuf::from(name)))
            });
            match placed.await? {
                Ok(output) => break output,
                Err(failure) => self.complain(&failure),
            }
        };
        let get = Get {
            content: found.content,
            output,
            overwrite: false,
            selection: shared::collection::Selection::default(),
            umask: umask(),
            directory: None,
        };
        self.transfer(Work::Get(get, found.name)).await;
        Ok(())
    }

    /// Finds a content by a name, an id, a part of a name, or a path in a directory; none when nothing was
    /// found, or the user chooses none.
    async fn look_for(&mut self, text: &str) -> Result<Option<Found>, Failure> {
        let quoted = format!("{text:?}");
        let failed = |error| Failure::of(words::find(&quoted), &error).hint(words::one_connects());
        if let Ok(content) = text.parse::<ContentRef>() {
            match locate(&self.client, content.clone(), 1).await {
                Ok(location) if is_inside(text, &location.binding.name) => {
                    let name = text.to_owned();
                    return Ok(Some(Found { content, name }));
                }
                Ok(location) => return self.look_at(location).await,
                Err(error)
                    if error.code() == ErrorCode::NotFound && matches!(content, ContentRef::Name(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let names = all_names(&self.client).await?;
        if let Some((directory, path)) = inside(text, &names) {
            return self.choose_inside(&directory, path).await;
        }
        let part = text.to_lowercase();
        let fits = |listing: &&Listing| listing.binding.name.as_str().to_lowercase().contains(&part);
        let fitting: Vec<&Listing> = names.iter().filter(fits).collect();
        let sizes = |listing: &&Listing| show::size(&listing.binding).to_string();
        let texts = |listing: &&Listing| listing.binding.name.to_string();
        let Some(at) = self.choose(text, &fitting, texts, sizes).await else {
            return Ok(None);
        };
        let Some(listing) = fitting.get(at) else {
            return Ok(None);
        };
        let name = listing.binding.name.clone();
        let located = locate(&self.client, ContentRef::Name(name), 1).await;
        self.look_at(located.map_err(failed)?).await
    }

    /// Shows a content, and lets the user choose a part of a directory.
    async fn look_at(&mut self, location: Location) -> Result<Option<Found>, Failure> {
        self.console.say(&screen::found(&location));
        let name = location.binding.name;
        if location.binding.collection.is_some() {
            let asked = self.asked(words::ask_inside()).await;
            match asked.as_deref().map(str::trim) {
                None => return Ok(None),
                Some("") => {}
                Some(part) => return self.choose_inside(&name, part).await,
            }
        }
        // By its id: the name may be bound to another content by the time of the fetch.
        let content = ContentRef::Id(location.binding.content);
        let name = name.to_string();
        Ok(Some(Found { content, name }))
    }

    /// Lets the user choose one of the entries of a directory of which the path contains a text; `?` stands
    /// for all of them.
    async fn choose_inside(&mut self, directory: &Name, part: &str) -> Result<Option<Found>, Failure> {
        let entries = self.entries(directory).await?;
        let wanted = if part == "?" { "" } else { part };
        let is_it = |entry: &&Listed| entry.path == wanted;
        let fits = |entry: &&Listed| entry.path.to_lowercase().contains(&wanted.to_lowercase());
        let mut fitting: Vec<&Listed> = entries.iter().filter(is_it).collect();
        if fitting.is_empty() {
            fitting = entries.iter().filter(fits).collect();
        }
        let size = |entry: &&Listed| match entry.kind {
            EntryKind::File(_, length) => ByteCount::new(length).to_string(),
            EntryKind::Directory(_) | EntryKind::Link(_) => String::new(),
        };
        let text = |entry: &&Listed| match entry.kind {
            EntryKind::Directory(_) => format!("{}/", entry.path),
            EntryKind::File(..) | EntryKind::Link(_) => entry.path.clone(),
        };
        let Some(at) = self.choose(part, &fitting, text, size).await else {
            return Ok(None);
        };
        let Some(entry) = fitting.get(at) else {
            return Ok(None);
        };
        let name = format!("{directory}/{}", entry.path);
        let content = name.parse().map_err(|error| {
            let why = words::cannot(words::find(&name), words::name_error(&error));
            Failure::new(Exit::Usage, why)
        })?;
        Ok(Some(Found { content, name }))
    }

    /// Returns the entries of a directory, for which the node may have to fetch its catalog.
    async fn entries(&mut self, directory: &Name) -> Result<Vec<Listed>, Failure> {
        let (client, content) = (self.client.clone(), ContentRef::Name(directory.clone()));
        let reading = async {
            let failed = |error| Failure::of(words::list(&content), &error);
            let mut pages = client.entries(&content).await.map_err(failed)?;
            let mut entries = Vec::new();
            while let Some(page) = pages.next().await.map_err(failed)? {
                entries.extend(page);
                if entries.len() >= MAX_ENTRIES {
                    break;
                }
            }
            Ok(entries)
        };
        let read = self.console.unless_interrupted(reading).await;
        read.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Lets the user choose one of several by its number; none when there is none, or the user declines.
    async fn choose<T>(
        &mut self,
        text: &str,
        found: &[T],
        shown: impl Fn(&T) -> String,
        size: impl Fn(&T) -> String,
    ) -> Option<usize> {
        match found {
            [] => {
                self.console.say(&words::no_match(format_args!("{text:?}")));
                None
            }
            [_] => Some(0),
            _ => {
                let most = found.len().min(MAX_MATCHES);
                let texts: Vec<_> = found
                    .iter()
                    .take(most)
                    .map(|one| (shown(one), size(one)))
                    .collect();
                let lines = texts.iter().map(|(text, size)| (text.as_str(), size.clone()));
                let columns = self.console.columns();
                self.console.say(&screen::numbered(lines, columns));
                if most < found.len() {
                    self.console.say(&words::more_matches(found.len() - most));
                }
                let read = |line: &str| match line.trim() {
                    "" => Ok(None),
                    line => answer::pick(line, most)
                        .map(Some)
                        .ok_or_else(|| words::choose_one(most)),
                };
                self.answered(&words::ask_which(most), &Completes::Nothing, read)
                    .await?
            }
        }
    }
}

/// Whether a text is a path inside the directory of that name.
fn is_inside(text: &str, name: &Name) -> bool {
    let rest = text.strip_prefix(name.as_str());
    rest.is_some_and(|rest| rest.contains('/'))
}

/// Returns the directory of the network that a path leads into, and the path in it.
fn inside<'t>(text: &'t str, names: &[Listing]) -> Option<(Name, &'t str)> {
    let directories = names
        .iter()
        .filter(|listing| listing.binding.collection.is_some());
    let found = directories.filter_map(|listing| {
        let name = &listing.binding.name;
        let path = text.strip_prefix(name.as_str())?.strip_prefix('/')?;
        (!path.is_empty()).then(|| (name.clone(), path))
    });
    found.max_by_key(|(name, _)| name.as_str().len())
}
