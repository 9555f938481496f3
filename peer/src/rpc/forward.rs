//! Requests that a node passes on to its tracker, and replies that it passes back, neither of them decoded.
//!
//! Deadlines and retries are those of the node's own calls; a tracker that was there a moment ago is waited
//! for. A failure is told with its code and message, as if the node had met with it itself.

use proto::RemoteError;
use proto::status::to_status;
use proto::v1::catalog_client::CatalogClient;
use proto::v1::upkeep_client::UpkeepClient;
use shared::{Coded as _, ErrorCode};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::operations::Node;
use crate::session::Connection;

/// Passes a request on to the tracker's `Catalog` service.
pub(super) async fn to_catalog<R: Clone, T, F>(
    node: &Node,
    request: Request<R>,
    call: impl Fn(CatalogClient<Channel>, R) -> F,
) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let request = request.into_inner();
    let (request, call) = (&request, &call);
    pass_on(node, |now| async move {
        now.catalog.forward(request.clone(), call).await
    })
    .await
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
    let request = request.into_inner();
    let (request, call) = (&request, &call);
    pass_on(node, |now| async move {
        now.upkeep.forward(request.clone(), call).await
    })
    .await
}

/// Makes a call to the tracker, and again when the tracker goes away during it and is back in a moment: every
/// call may be repeated.
async fn pass_on<T, F>(node: &Node, call: impl Fn(Connection) -> F) -> Result<Response<T>, Status>
where
    F: Future<Output = Result<T, RemoteError>>,
{
    let refused = |error: RemoteError| to_status(&error);
    let network = &node.network;
    let connection = network.connection_back().await.map_err(refused)?;
    let reply = match call(connection.clone()).await {
        Err(error) if error.code() == ErrorCode::Unavailable && network.has_lost(&connection).await => {
            call(network.connection_back().await.map_err(refused)?).await
        }
        reply => reply,
    };
    reply.map(Response::new).map_err(refused)
}
