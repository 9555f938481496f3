//! `Fetch`, answered with a hand-written body: fragments go from the disk to the connection without a copy.
//!
//! tonic's encoder would copy every chunk into a buffer of its own. So this one method bypasses the generated
//! server; the bytes on the wire are the same, and the other methods stay there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::Frame;
use proto::frame::head_of;
use proto::v1;
use proto::v1::transfer_server::TransferServer;
use shared::ErrorCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codec::Codec as _;
use tonic::server::NamedService;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;
use tower::Service;

use super::upload::Sending;
use super::{TransferService, refusal};

/// Largest request: it has at most 64 ranges of at most 18 bytes each, and an id. With a few more it gets a
/// precise error.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// The `Transfer` service: the generated server, but for `Fetch`.
#[derive(Clone, Debug)]
pub struct TransferEndpoint {
    service: TransferService,
    others: TransferServer<TransferService>,
}

impl TransferEndpoint {
    pub(super) fn new(service: TransferService) -> Self {
        Self {
            others: TransferServer::new(service.clone()),
            service,
        }
    }
}

impl NamedService for TransferEndpoint {
    const NAME: &'static str = <TransferServer<TransferService> as NamedService>::NAME;
}

impl Service<Request<Body>> for TransferEndpoint {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_fetch = request
            .uri()
            .path()
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(Self::NAME))
            == Some("/Fetch");
        if !is_fetch {
            return self.others.call(request);
        }
        let service = self.service.clone();
        Box::pin(async move {
            Ok(match fetch(&service, request).await {
                Ok(chunks) => respond(Body::new(chunks)),
                Err(status) => status.into_http(),
            })
        })
    }
}

async fn fetch(service: &TransferService, request: Request<Body>) -> Result<Chunks, Status> {
    let decoder = ProstCodec::<v1::FetchChunk, v1::FetchRequest>::default().decoder();
    let mut messages = Streaming::new_request(decoder, request.into_body(), None, Some(MAX_REQUEST_BYTES));
    // Any defect of the request, above all its length, is the caller's mistake.
    let malformed = |status: Status| refusal(ErrorCode::InvalidArgument, status.message());
    let request = messages.message().await.map_err(malformed)?;
    let request = request.ok_or_else(|| refusal(ErrorCode::InvalidArgument, "there is no request"))?;
    let stream = service.open_upload(request).await?;
    Ok(Chunks {
        stream,
        data: None,
        is_over: false,
    })
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// A stream of chunks as the body of a gRPC response.
struct Chunks {
    stream: ReceiverStream<Result<Sending, Status>>,
    /// Data of a chunk whose head has been sent, and the memory that it takes.
    data: Option<(Bytes, OwnedSemaphorePermit)>,
    is_over: bool,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some((data, _memory)) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.stream).poll_next(context)) {
            Some(Ok(Sending { mut chunk, memory })) => {
                let head = head_of(&chunk);
                self.data = Some((std::mem::take(&mut chunk.data), memory));
                Frame::data(head)
            }
            ended => {
                self.is_over = true;
                let status = ended.map_or_else(
                    || Status::ok(""),
                    |failed| failed.err().unwrap_or_else(|| Status::ok("")),
                );
                Frame::trailers(trailers(&status))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // When the message cannot be a header, the code says enough.
        trailers.insert("grpc-status", HeaderValue::from(status.code() as i32));
    }
    trailers
}
