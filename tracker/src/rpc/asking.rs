//! A request about an object: whether its caller may, and what came of it for the audit.

use std::fmt::Display;

use proto::accept::{Ends, Pass};
use proto::status::to_status;
use shared::Coded;
use shared::model::{ContentId, ContentRef};
use shared::security::authorization::{Action, Object};
use tonic::{Request, Status};

use super::refused;

use crate::audit_log::Outcome;
use crate::guardian::Guardian;
use crate::ledger::Ledger;

/// The caller of a request.
#[derive(Debug)]
pub(super) struct Asking {
    guardian: Guardian,
    pass: Pass,
    ends: Option<Ends>,
    call: &'static str,
}

impl Asking {
    /// Looks at a request by this call, which the audit names.
    pub(super) fn of<T>(guardian: &Guardian, request: &Request<T>, call: &'static str) -> Self {
        Self {
            guardian: guardian.clone(),
            pass: Pass::of(request.extensions()),
            ends: request.extensions().get::<Ends>().copied(),
            call,
        }
    }

    /// Decides whether the caller may do something to an object.
    pub(super) fn may(&self, action: Action, object: Object<'_>) -> Result<(), Status> {
        self.pass.may(action, object).map_err(|why| {
            let what = told(object);
            self.note(&what, (Outcome::Denied, &why.reason()));
            to_status(&why)
        })
    }

    /// Decides whether the caller may look at a content. The beginning of an id reads as a name, but is none.
    pub(super) async fn may_read(&self, ledger: &Ledger, what: &ContentRef) -> Result<(), Status> {
        match what {
            ContentRef::Name(name) if ContentId::beginning_with(name.as_str()).is_some() => {
                let (_, bound) = ledger.read(|state| state.head(name)).await.map_err(refused)?;
                let object = bound.map_or(Object::Network, |_| Object::Name(name.as_str()));
                self.may(Action::Read, object)
            }
            ContentRef::Name(name) => self.may(Action::Read, Object::Name(name.as_str())),
            ContentRef::Inside(path) => self.may(Action::Read, Object::Name(path.as_str())),
            ContentRef::Id(_) => self.may(Action::Read, Object::Network),
        }
    }

    /// Makes a change, and notes what came of it. A caller that goes away meanwhile is noted, too: the change
    /// may have been made.
    pub(super) async fn noted<T, E: Coded>(
        &self,
        object: impl Display + Send + Sync,
        change: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Status> {
        let mut pending = Pending {
            asking: self,
            object,
            outcome: (Outcome::Unknown, "the caller went away".to_owned()),
        };
        let changed = change.await;
        pending.outcome = match &changed {
            Ok(_) => (Outcome::Done, String::new()),
            Err(error) => (Outcome::Failed, error.code().to_string()),
        };
        changed.map_err(|error| to_status(&error))
    }

    fn note(&self, object: &dyn Display, outcome: (Outcome, &dyn Display)) {
        let caller = (self.pass.caller(), self.ends, self.call);
        self.guardian.note(caller, object, outcome);
    }
}

/// A change that is noted when this is dropped.
struct Pending<'a, D: Display> {
    asking: &'a Asking,
    object: D,
    outcome: (Outcome, String),
}

impl<D: Display> Drop for Pending<'_, D> {
    fn drop(&mut self) {
        let (outcome, reason) = &self.outcome;
        self.asking.note(&self.object, (*outcome, reason));
    }
}

fn told(object: Object<'_>) -> String {
    match object {
        Object::Unread => String::new(),
        Object::Network => "the network".to_owned(),
        Object::Name(name) => name.to_owned(),
        Object::Peer(peer) => peer.to_string(),
    }
}
