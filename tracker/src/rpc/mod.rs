//! gRPC border: decode, one call, encode. Decisions are made in the state.

mod asking;
mod callers;
mod catalog;
mod feed;
mod security;
mod session;
mod upkeep;

use proto::accept::accounts::{Accounts, Held, Resource};
use proto::status::to_status;
use tonic::{Request, Status};

use crate::ledger::LedgerError;

pub(crate) use callers::Callers;
pub(crate) use catalog::CatalogService;
pub(crate) use security::SecurityService;
pub(crate) use session::SessionService;
pub(crate) use upkeep::UpkeepService;

#[expect(clippy::needless_pass_by_value, reason = "for use in map_err")]
fn refused(error: LedgerError) -> Status {
    to_status(&error)
}

/// Takes one of a resource for the caller of a request.
fn taken<T>(accounts: &Accounts, request: &Request<T>, resource: Resource) -> Result<Held, Status> {
    let caller = proto::accept::who(request.extensions());
    accounts.take(caller, resource).map_err(|why| to_status(&why))
}
