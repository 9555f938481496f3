//! Bodies of answers: a request has its place and its account until the answer has been sent or given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Body of an answer that keeps something of its request until it ends.
#[derive(Debug)]
pub(super) struct Answer<T> {
    body: axum::body::Body,
    _kept: T,
}

impl<T> Answer<T> {
    pub(super) const fn new(body: axum::body::Body, kept: T) -> Self {
        Self { body, _kept: kept }
    }
}

impl<T: Unpin> Body for Answer<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
