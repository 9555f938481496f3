//! The interactive menu: what `peer` does without a command.
//!
//! It runs a node for as long as it is open, or talks to the one that runs already on its data directory. What a line
//! means ([`choice`], [`answer`]) and what is shown ([`screen`]) is pure text; [`console`] talks, and the actions
//! ask the node for what the command line asks it for too.
//!
//! Input never ends it: only option 0, the end of the input, Ctrl-C at the prompt and SIGTERM do.

mod actions;
pub mod answer;
pub mod choice;
pub mod console;
pub mod screen;
mod transfers;

use std::path::PathBuf;
use std::time::Duration;

use proto::client::ControlClient;
use proto::control::{EntryPoint, SessionStatus, Status};
use shared::runtime::{Clock, Tasks};

use crate::cli::attach::{self, Attached};
use crate::cli::exit::Failure;
use crate::cli::output::{Output, one_line};
use crate::cli::settings::{Options, default_entry};
use crate::cli::show;
use choice::Choice;
use console::{Answer, Console};

/// Between two looks at publications that are being made.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Publications that take longer than this are reported as still waiting.
const PUBLISH_LOOKS: u32 = 50;

/// The menu of one node.
struct Menu<'a> {
    console: Console<'a>,
    out: &'a Output,
    clock: Clock,
    client: ControlClient,
    /// Whether the node ends with the menu.
    is_own: bool,
    options: &'a Options,
    /// Where `connect` goes when nothing is typed.
    entry: EntryPoint,
    /// What `~` means.
    home: Option<PathBuf>,
}

/// Runs the menu until its user leaves.
///
/// # Errors
/// When there is no node and none can be run.
pub async fn run(options: &Options, out: &Output, tasks: &Tasks) -> Result<(), Failure> {
    let console = Console::standard(out, tasks)?;
    let mut own = None;
    let client = match attach::find(options).await? {
        Some(Attached { client, .. }) => client,
        None => {
            let (node, client) = attach::run(options, tasks).await?;
            own = Some(node);
            client
        }
    };
    let mut menu = Menu::new(console, out, client, own.is_some(), options);
    let result = menu.talk().await;
    if let Some(node) = own {
        menu.console.say("stopping");
        // A second Ctrl-C does not wait for uploads to end.
        menu.console.unless_interrupted(node.stop()).await;
    }
    result
}

impl<'a> Menu<'a> {
    fn new(
        console: Console<'a>,
        out: &'a Output,
        client: ControlClient,
        is_own: bool,
        options: &'a Options,
    ) -> Self {
        Self {
            console,
            out,
            clock: Clock::system(),
            client,
            is_own,
            options,
            entry: options.entry.clone().unwrap_or_else(default_entry),
            home: std::env::home_dir(),
        }
    }

    /// Shows the banner, connects if a network was named, and answers until the user leaves.
    async fn talk(&mut self) -> Result<(), Failure> {
        let status = self.client.status().await;
        let status = status.map_err(|error| Failure::of("ask the peer how it is", &error))?;
        self.console.say(&screen::banner(&status, self.is_own));
        self.console.say("");
        if self.options.entry.is_some() && !is_connected(&status.session) {
            self.connect(self.entry.clone()).await;
        }
        while !self.console.is_over() {
            let session = self.client.status().await.ok().map(|status| status.session);
            let line = match self.console.ask(&screen::prompt(session.as_ref())).await {
                Answer::Line(line) => line,
                Answer::Interrupted | Answer::End => break,
            };
            match choice::parse(&line) {
                Ok(Choice::Exit) => {
                    if self.may_leave().await {
                        break;
                    }
                }
                Ok(choice) => self.carry_out(choice).await,
                Err(no_choice) => self.console.say(&no_choice.to_string()),
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, choice: Choice) {
        let result = match choice {
            Choice::Connect => self.ask_and_connect().await,
            Choice::Add => self.add().await,
            Choice::Remove => self.remove().await,
            Choice::LocalList => self.local_list().await,
            Choice::NetworkList => self.network_list().await,
            Choice::Find => self.find().await,
            Choice::Peers => self.peers().await,
            Choice::Status => self.status().await,
            Choice::Leave => self.leave().await,
            Choice::Exit | Choice::Help => {
                self.console.say(&screen::menu());
                Ok(())
            }
        };
        if let Err(failure) = result {
            self.complain(&failure);
        }
    }

    /// Says why something was not done; the menu goes on.
    fn complain(&self, failure: &Failure) {
        self.console.say(&one_line(&failure.to_string()));
    }

    /// Asks for a line; none when the user would rather not answer.
    async fn asked(&mut self, question: &str) -> Option<String> {
        match self.console.ask(question).await {
            Answer::Line(line) => Some(line),
            Answer::Interrupted | Answer::End => None,
        }
    }

    /// Asks whether to go on where a person can be asked; a script has said what it wants.
    async fn confirmed(&mut self, question: &str) -> bool {
        if !self.console.is_terminal() {
            return true;
        }
        let answer = self.asked(&format!("{question} [y/N] ")).await;
        answer.is_some_and(|line| answer::is_yes(&line))
    }

    /// Whether leaving ends no transfer that the user would miss.
    async fn may_leave(&mut self) -> bool {
        let Ok(status) = self.client.status().await else {
            return true;
        };
        let transfers = u64::from(status.active_fetches) + u64::from(status.active_uploads);
        if !self.is_own || transfers == 0 {
            return true;
        }
        let under_way = show::counted(transfers, "transfer");
        self.confirmed(&format!("{under_way} under way; leave all the same?"))
            .await
    }

    /// Enters a network and says what became of what waited for it.
    async fn connect(&mut self, entry: EntryPoint) {
        let before = self.client.status().await.ok();
        self.console
            .say(&format!("connecting to {}", attach::described(&entry)));
        let client = self.client.clone();
        match self.console.unless_interrupted(client.connect(&entry)).await {
            Some(Ok((tracker, epoch))) => {
                self.console
                    .say(&format!("connected to the tracker at {tracker}, epoch {epoch}"));
                self.entry = entry;
                self.tell_published(before.as_ref()).await;
            }
            Some(Err(error)) => {
                let what = format!("connect to {}", attach::described(&entry));
                let advice = "trying again in the background, 9 gives up";
                self.complain(&Failure::of(what, &error).hint(advice));
            }
            None => self.console.say("going on in the background; 9 gives up"),
        }
    }

    /// Looks, for a bounded time, at the publications that waited for a connection.
    async fn tell_published(&mut self, before: Option<&Status>) {
        let waited = before.map_or(0, |status| status.pending_publications);
        if waited == 0 {
            return;
        }
        let client = self.client.clone();
        let looking = async {
            let mut left = waited;
            for _ in 0..PUBLISH_LOOKS {
                left = client
                    .status()
                    .await
                    .map_or(left, |status| status.pending_publications);
                if left == 0 {
                    break;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            left
        };
        if let Some(left) = self.console.unless_interrupted(looking).await {
            self.console.say(&screen::published(waited, left));
        }
    }
}

const fn is_connected(session: &SessionStatus) -> bool {
    matches!(session, SessionStatus::Connected { .. })
}

#[cfg(test)]
mod tests;
