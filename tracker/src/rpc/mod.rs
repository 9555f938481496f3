//! gRPC border: decode, one call, encode. Decisions are made in the state.

mod catalog;
mod feed;
mod session;
mod upkeep;

use proto::status::to_status;
use tonic::Status;

use crate::ledger::LedgerError;

pub(crate) use catalog::CatalogService;
pub(crate) use session::SessionService;
pub(crate) use upkeep::UpkeepService;

#[expect(clippy::needless_pass_by_value, reason = "for use in map_err")]
fn refused(error: LedgerError) -> Status {
    to_status(&error)
}
