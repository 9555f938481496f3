//! Requests that a node passes on to its tracker, and replies that it passes back, neither of them decoded.
//!
//! Deadlines and retries are those of the node's own calls. A failure is told with its code and message, as
//! if the node had met with it itself.

use proto::status::to_status;
use proto::v1::catalog_client::CatalogClient;
use proto::v1::upkeep_client::UpkeepClient;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::operations::Node;

/// Passes a request on to the tracker's `Catalog` service.
pub(super) async fn to_catalog<R: Clone, T, F>(
    node: &Node,
    request: Request<R>,
    call: impl Fn(CatalogClient<Channel>, R) -> F,
) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let catalog = node.catalog().await.map_err(|failure| to_status(&failure))?;
    let reply = catalog.forward(request.into_inner(), call).await;
    reply.map(Response::new).map_err(|failure| to_status(&failure))
}

/// Passes a request on to the tracker's `Upkeep` service.
pub(super) async fn to_upkeep<R: Clone, T, F>(
    node: &Node,
    request: Request<R>,
    call: impl Fn(UpkeepClient<Channel>, R) -> F,
) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let upkeep = node.upkeep().await.map_err(|failure| to_status(&failure))?;
    let reply = upkeep.forward(request.into_inner(), call).await;
    reply.map(Response::new).map_err(|failure| to_status(&failure))
}
