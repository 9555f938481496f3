//! The interactive menu, which `peer` opens without a command.
//!
//! The menu runs a node for as long as it is open, or talks to the one that runs already on its data
//! directory. The meaning of a line ([`choice`], [`answer`]), the transfers ([`transfer`]) and the screens
//! ([`screen`], [`view`]) are pure; [`console`] reads and writes, and the actions ask the node as the
//! commands do. `editor` edits lines at a terminal, `completion` has the offers of Tab, `preview` shows a
//! file before it is added. Over a pipe the menu is the same, without Tab.
//!
//! Transfers run in the `background`, a task each; at a terminal the user can follow one of them, and leave
//! the view with Ctrl-C, while a script waits for each. A wrong answer is asked for again, and costs nothing
//! that was answered before.
//!
//! Four things end the menu: option 0, the end of the input, Ctrl-C twice or Ctrl-D at the prompt, and
//! SIGTERM. Before a transfer would be cut off, a person is asked.

mod actions;
mod adding;
pub mod answer;
mod background;
pub mod choice;
pub mod completion;
pub mod console;
mod editor;
mod finding;
mod preview;
pub mod screen;
pub mod transfer;
mod transfers;
pub mod view;

use std::path::PathBuf;
use std::time::Duration;

use proto::client::ControlClient;
use proto::messages::control::{EntryPoint, SessionStatus, Status};
use shared::model::Incarnation;
use shared::runtime::{Clock, Tasks};

use crate::node::NodeHandle;
use crate::settings::{Options, default_entry};
use crate::terminal::attach::{self, Attached};
use crate::terminal::exit::{Exit, Failure};
use crate::terminal::output::{Output, one_line};
use crate::terminal::show;
use crate::terminal::table::shortened;
use crate::words;
use background::Background;
use choice::Choice;
use completion::Completes;
use console::Console;
use editor::Answer;

/// The interval between two questions about waiting publications.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The number of such questions; publications that take longer are reported as still waiting.
const PUBLISH_LOOKS: u32 = 50;

/// The time within which a second Ctrl-C at the prompt leaves.
const SECOND_INTERRUPT: Duration = Duration::from_secs(5);

/// The interval at which a wait is shown to go on.
const WAIT_SHOWN: Duration = Duration::from_millis(250);

/// The menu of one node.
struct Menu<'a> {
    console: Console<'a>,
    clock: Clock,
    client: ControlClient,
    background: Background,
    /// Whether the node ends with the menu.
    is_own: bool,
    /// The run of the node that answered last.
    run: Option<Incarnation>,
    /// Whether the user knows that the node does not answer.
    is_lost: bool,
    /// Whether the user knows that other machines cannot reach the node.
    is_cut_off: bool,
    options: &'a Options,
    /// The default of `connect`.
    entry: EntryPoint,
    /// The network to be in at the beginning.
    named: Option<EntryPoint>,
    /// The directory that `~` stands for.
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
            let (node, client) = run_a_node(&console, options, tasks).await?;
            own = Some(node);
            client
        }
    };
    let joined = own.as_ref().and_then(NodeHandle::joined).cloned();
    let mut menu = Menu::new(console, client, own.is_some(), options, tasks);
    menu.named = options.entry.clone().or(joined);
    let result = menu.talk().await;
    menu.background.cancel_all();
    if let Some(node) = own {
        menu.tell_unpublished().await;
        menu.console.say(words::stopping());
        // A second Ctrl-C does not wait for uploads to end.
        menu.console.unless_interrupted(node.stop()).await;
    }
    result
}

/// Runs a node. One that cannot join because nobody answers runs all the same: the line can be typed again.
async fn run_a_node(
    console: &Console<'_>,
    options: &Options,
    tasks: &Tasks,
) -> Result<(NodeHandle, ControlClient), Failure> {
    match attach::run(options, false, tasks).await {
        Err(failure) if options.join.is_some() && failure.exit() == Exit::Unreachable => {
            console.say(&one_line(&failure.to_string()));
            let options = Options {
                join: None,
                ..options.clone()
            };
            attach::run(&options, false, tasks).await
        }
        outcome => outcome,
    }
}

impl<'a> Menu<'a> {
    fn new(
        console: Console<'a>,
        client: ControlClient,
        is_own: bool,
        options: &'a Options,
        tasks: &Tasks,
    ) -> Self {
        let clock = Clock::system();
        let background = Background::new(tasks.clone(), clock.clone(), console.notifier());
        Self {
            console,
            clock,
            client,
            background,
            is_own,
            run: None,
            is_lost: false,
            is_cut_off: false,
            options,
            entry: options.entry.clone().unwrap_or_else(default_entry),
            named: options.entry.clone(),
            home: std::env::home_dir(),
        }
    }

    /// Shows the banner, connects if a network was named, and answers until the user leaves.
    async fn talk(&mut self) -> Result<(), Failure> {
        let status = self.client.status().await;
        let status = status.map_err(|error| Failure::of(words::ask_for_status(), &error))?;
        self.run = Some(status.incarnation);
        let columns = self.console.columns();
        self.console.say(&screen::banner(&status, self.is_own, columns));
        self.console.say("");
        self.begin_in_network(&status).await;
        let is_offline = |status: &Status| status.session == SessionStatus::Offline;
        if self.current_status().await.as_ref().is_some_and(is_offline) {
            self.console.say(words::in_no_network());
        }
        let mut interrupted = None;
        while !self.console.is_over() {
            let status = self.current_status().await;
            let session = status.as_ref().map(|status| &status.session);
            let cut_off = status.as_ref().and_then(show::own_reach);
            let was_cut_off = std::mem::replace(&mut self.is_cut_off, cut_off.is_some());
            if let Some(why) = cut_off.filter(|_| !was_cut_off) {
                self.console.say(&why);
            }
            let prompt = screen::prompt(session, self.background.running(), self.console.columns());
            let answer = self.console.ask(&prompt).await;
            let now = self.clock.now();
            let is_second = interrupted.is_some_and(|first| now.since(first) < SECOND_INTERRUPT);
            interrupted = None;
            let choice = match answer {
                Answer::Line(line) => choice::parse(&line),
                Answer::Interrupted
                    if self.console.is_terminal() && !is_second && !self.console.is_over() =>
                {
                    interrupted = Some(now);
                    self.console.say(words::how_to_leave());
                    continue;
                }
                Answer::Interrupted | Answer::End => Ok(Choice::Exit),
            };
            match choice {
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

    /// Enters the network that the settings name; without one, offers a person the last one.
    async fn begin_in_network(&mut self, status: &Status) {
        let session = &status.session;
        let is_offline = *session == SessionStatus::Offline;
        // The node of this menu has tried it.
        if let Some(source) = &self.options.join
            && !self.is_own
            && status.security.is_none()
        {
            match attach::join(&self.client, source).await {
                Ok(entry) => self.named = Some(entry),
                Err(failure) => self.complain(&failure),
            }
        }
        match self.named.clone() {
            Some(entry) if !is_connected(session) => self.connect(entry).await,
            None if is_offline => {
                let Some(last) = attach::last_network(self.options) else {
                    return;
                };
                self.entry = last.clone();
                if !self.console.is_terminal() {
                    return;
                }
                let question = words::ask_last_network(answer::shown(&last));
                let answer = self.asked(&words::yes_unless_no(question)).await;
                if answer.is_some_and(|line| answer::is_yes_unless_told(&line)) {
                    self.connect(last).await;
                }
            }
            Some(_) | None => {}
        }
    }

    /// Returns the node's status; none when it does not answer. A restarted node has another token, and is
    /// found again.
    async fn current_status(&mut self) -> Option<Status> {
        let known = self.client.status().await.ok();
        if let Some(status) = known.filter(|status| self.run == Some(status.incarnation)) {
            self.is_lost = false;
            return Some(status);
        }
        if !self.is_own
            && let Ok(Some(Attached { client, status })) = attach::find(self.options).await
        {
            self.console.say(&words::found_peer(&status.address));
            (self.client, self.run, self.is_lost) = (client, Some(status.incarnation), false);
            return Some(status);
        }
        if !self.is_lost {
            self.console.say(words::lost_peer());
            self.is_lost = true;
        }
        None
    }

    async fn carry_out(&mut self, choice: Choice) {
        let result = match choice {
            Choice::Connect => self.ask_and_connect().await,
            Choice::Add => self.add().await,
            Choice::Forget => self.forget().await,
            Choice::Remove => self.remove().await,
            Choice::Transfers => self.transfers().await,
            Choice::LocalList => self.local_list().await,
            Choice::NetworkList => self.network_list().await,
            Choice::Find => self.find().await,
            Choice::Peers => self.peers().await,
            Choice::Status => self.status().await,
            Choice::Leave => self.leave().await,
            Choice::Exit | Choice::Help => {
                self.console.say(&screen::menu(self.console.columns()));
                Ok(())
            }
        };
        if let Err(failure) = result {
            self.complain(&failure);
        }
    }

    /// Shows a failure; the menu goes on.
    fn complain(&self, failure: &Failure) {
        self.console.say(&one_line(&failure.to_string()));
    }

    /// Asks for a line; none when the user declines to answer.
    async fn asked(&mut self, question: &str) -> Option<String> {
        self.asked_for(question, Completes::Nothing).await
    }

    /// Asks for a line with offers for Tab; none when the user declines to answer.
    async fn asked_for(&mut self, question: &str, completes: Completes) -> Option<String> {
        match self.console.ask_for(question, completes).await {
            Answer::Line(line) => Some(line),
            Answer::Interrupted | Answer::End => None,
        }
    }

    /// Asks until the answer can be used; none when the user declines to answer.
    async fn answered<T>(
        &mut self,
        question: &str,
        completes: &Completes,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        loop {
            let line = self.asked_for(question, completes.clone()).await?;
            match read(&line) {
                Ok(answer) => return Some(answer),
                Err(complaint) => self.console.say(&one_line(&complaint)),
            }
        }
    }

    /// Waits for work that Ctrl-C cancels, and shows at a terminal that it goes on; none when it was
    /// cancelled.
    async fn while_shown<T>(&mut self, label: &str, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let begun = self.clock.now();
        let done = loop {
            let waiting = tokio::time::timeout(WAIT_SHOWN, &mut work);
            match self.console.unless_interrupted(waiting).await {
                None => break None,
                Some(Ok(done)) => break Some(done),
                Some(Err(_)) => {
                    let elapsed = self.clock.now().since(begun).as_millis() / WAIT_SHOWN.as_millis();
                    let dots = ".".repeat(usize::try_from(elapsed % 4).unwrap_or(0));
                    let columns = self.console.columns().saturating_sub(1);
                    self.console
                        .draw(&[shortened(&format!("{label} {dots}"), columns)]);
                }
            }
        };
        self.console.draw(&[]);
        done
    }

    /// Asks a person whether to go on; a script goes on.
    async fn confirmed(&mut self, question: &str) -> bool {
        if !self.console.is_terminal() {
            return true;
        }
        let answer = self.asked(&words::yes_or_no(question)).await;
        answer.is_some_and(|line| answer::is_yes(&line))
    }

    /// Says what is still to be published when the node ends with the menu.
    async fn tell_unpublished(&self) {
        if let Ok(status) = self.client.status().await
            && status.pending_publications > 0
        {
            let waiting = words::still_to_publish(status.pending_publications.into());
            self.console.say(&waiting);
        }
    }

    /// Whether leaving ends no transfer that the user would miss.
    async fn may_leave(&mut self) -> bool {
        let Ok(status) = self.client.status().await else {
            return true;
        };
        // A node that goes on without the menu goes on with its other transfers too.
        let own = self.background.running() as u64;
        let transfers = match self.is_own {
            true => own.max(status.active_fetches.into()) + u64::from(status.active_uploads),
            false => own,
        };
        if transfers == 0 || !self.console.is_terminal() {
            return true;
        }
        let question = words::ask_leave(words::transfers(transfers));
        match self.console.ask(&words::yes_or_no(question)).await {
            Answer::Line(line) => answer::is_yes(&line),
            // Ctrl-C and Ctrl-D at the question mean yes.
            Answer::Interrupted | Answer::End => true,
        }
    }

    /// Enters a network and reports the publications that waited for it.
    async fn connect(&mut self, entry: EntryPoint) {
        let before = self.client.status().await.ok();
        let connecting = words::connecting_to(attach::described(&entry));
        self.console.say(&connecting);
        let client = self.client.clone();
        match self.while_shown(&connecting, client.connect(&entry)).await {
            Some(Ok((tracker, epoch))) => {
                self.console.say(&words::connected_to(tracker, epoch));
                self.entry = entry;
                self.tell_published(before.as_ref()).await;
            }
            Some(Err(error)) => {
                let failure =
                    attach::cannot_enter(&entry, &error, &attach::security(self.options).await).await;
                self.complain(&failure.hint(words::connects_in_background()));
            }
            None => self.console.say(words::connect_goes_on()),
        }
    }

    /// Waits, for a bounded time, for the publications that waited for a connection.
    async fn tell_published(&mut self, before: Option<&Status>) {
        let waited = before.map_or(0, |status| status.pending_publications);
        if waited == 0 {
            return;
        }
        let client = self.client.clone();
        let refused_before = before.map_or(0, |status| status.refused_publications);
        let looking = async {
            let (mut left, mut refused) = (waited, 0);
            for _ in 0..PUBLISH_LOOKS {
                if let Ok(status) = client.status().await {
                    left = status.pending_publications;
                    refused = status.refused_publications.saturating_sub(refused_before);
                }
                if left == 0 {
                    break;
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            (left, refused)
        };
        if let Some((left, refused)) = self.console.unless_interrupted(looking).await {
            self.console.say(&screen::published(waited, left, refused));
        }
    }
}

const fn is_connected(session: &SessionStatus) -> bool {
    matches!(session, SessionStatus::Connected { .. })
}

#[cfg(test)]
mod tests;
