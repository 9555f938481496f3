//! Transfers as the user sees them: begun and followed, put into the background, listed, cancelled, resumed.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::messages::control::Get;
use shared::model::{FetchSourceState, PeerId};

use super::answer::{self, Wish};
use super::completion::Completes;
use super::transfer::{MAX_RUNNING, State, Transfer, Work};
use super::{Menu, view};
use crate::terminal::exit::Failure;
use crate::terminal::sources::asking;
use crate::words;

/// The interval at which a view is drawn again.
const FRAME: Duration = Duration::from_millis(150);

impl Menu<'_> {
    /// Begins a transfer and follows it. When something is in its way, a person is asked whether to replace
    /// that.
    pub(super) async fn transfer(&mut self, work: Work) {
        match self.background.begin(&self.client, work) {
            Some(number) => self.follow_to_the_end(number).await,
            None => self.console.say(&words::too_many_transfers(MAX_RUNNING)),
        }
    }

    async fn follow_to_the_end(&mut self, number: u32) {
        self.follow(number).await;
        let Some(transfer) = self.background.transfer(number) else {
            return;
        };
        if !transfer.may_replace || !self.console.is_terminal() {
            return;
        }
        let question = match &transfer.work {
            Work::Add(add) if !add.update => words::ask_rebind(&add.name),
            Work::Get(
                Get {
                    overwrite: false,
                    output,
                    ..
                },
                _,
            ) => words::ask_replace(output.display()),
            Work::Add(_) | Work::Get(..) => return,
        };
        if !self.confirmed(&question).await {
            let nothing = match &transfer.work {
                Work::Add(_) => words::nothing_added(),
                Work::Get(..) => words::nothing_fetched(),
            };
            return self.console.say(nothing);
        }
        let work = transfer.work.replacing();
        if self.background.begin_again(&self.client, number, work) {
            self.follow(number).await;
        }
    }

    /// Shows a transfer until it ends, or until Ctrl-C: at a terminal it then goes on in the background. A
    /// script waits for the end, and its Ctrl-C cancels.
    async fn follow(&mut self, number: u32) {
        self.background.follow(Some(number));
        let (mut told, mut asked) = (0, BTreeSet::new());
        while let Some(transfer) = self.background.transfer(number) {
            if transfer.told.len() > told || !transfer.is_running() {
                self.console.draw(&[]);
            }
            for line in transfer.told.iter().skip(told) {
                self.console.say(line);
            }
            told = transfer.told.len();
            if self.console.draws() {
                let columns = self.console.columns();
                if transfer.is_running() {
                    let lines = view::live(&transfer, columns, self.clock.now());
                    self.console.draw(&lines);
                }
            } else {
                self.tell_asked(&transfer, &mut asked);
            }
            if !transfer.is_running() {
                break;
            }
            let background = self.background.clone();
            let waiting = tokio::time::timeout(FRAME, background.ended());
            if self.console.unless_interrupted(waiting).await.is_none() {
                self.console.draw(&[]);
                self.leave_view(number).await;
                break;
            }
        }
        self.background.follow(None);
    }

    /// Tells each source once, when it is asked first: a transcript does not move.
    fn tell_asked(&self, transfer: &Transfer, asked: &mut BTreeSet<PeerId>) {
        let name = transfer.work.name();
        for source in &transfer.from {
            if source.state == FetchSourceState::Asked && asked.insert(source.peer) {
                self.console.say(&asking(source, name, usize::MAX));
            }
        }
    }

    async fn leave_view(&mut self, number: u32) {
        if self.console.is_terminal() && !self.console.is_over() {
            return self.console.say(&words::goes_on_in_background(number));
        }
        self.background.cancel(number);
        // The end of a cancelled transfer comes at once.
        while self
            .background
            .transfer(number)
            .is_some_and(|transfer| transfer.is_running())
        {
            drop(tokio::time::timeout(FRAME, self.background.ended()).await);
        }
        let ended = self.background.transfer(number);
        if let Some(result) = ended.as_ref().and_then(Transfer::result) {
            self.console.say(result);
        }
    }

    /// Shows the list of transfers, and does with one of them what the user wishes.
    pub(super) async fn transfers(&mut self) -> Result<(), Failure> {
        let all = self.background.all();
        if all.is_empty() {
            self.console.say(words::no_transfers());
            return Ok(());
        }
        let columns = self.console.columns();
        self.console.say_as_it_is(&view::list(&all, columns));
        let read = |line: &str| {
            let wish = answer::wish(line)?;
            let number = match wish {
                Wish::Back => return Ok(wish),
                Wish::Follow(number) | Wish::Cancel(number) | Wish::Resume(number) => number,
            };
            let is_listed = all.iter().any(|transfer| transfer.number == number);
            is_listed
                .then_some(wish)
                .ok_or_else(|| words::no_such_transfer(number))
        };
        let question = words::ask_transfer();
        match self.answered(question, &Completes::Nothing, read).await {
            None | Some(Wish::Back) => {}
            Some(Wish::Follow(number)) => self.follow_to_the_end(number).await,
            Some(Wish::Cancel(number)) => self.cancel(number).await,
            Some(Wish::Resume(number)) => self.resume(number).await,
        }
        Ok(())
    }

    async fn cancel(&mut self, number: u32) {
        // Its end is shown here, and is no notice as well.
        self.background.follow(Some(number));
        if !self.background.cancel(number) {
            self.background.follow(None);
            return self.console.say(&words::has_ended(number));
        }
        self.follow(number).await;
    }

    async fn resume(&mut self, number: u32) {
        let Some(transfer) = self.background.transfer(number) else {
            return;
        };
        if transfer.is_running() || transfer.state == State::Done {
            return self.follow_to_the_end(number).await;
        }
        if !self.background.begin_again(&self.client, number, transfer.work) {
            return self.console.say(&words::too_many_transfers(MAX_RUNNING));
        }
        self.follow_to_the_end(number).await;
    }
}
