//! The body of a request on its way into the store: bounded in memory, room and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::Body as _;
use shared::ErrorCode;
use shared::model::ByteCount;
use tokio_stream::StreamExt as _;

use super::failure::Failure;
use crate::blocking::try_blocking;
use crate::store::{DiskStore, Inflow};

/// Written at a time.
const PIECE: usize = 1 << 20;

/// A client must send so much…
const LEAST: usize = 64 << 10;

/// …in this time, or the rest of the body: 1 KiB/s. Slower ones would keep their place for ever.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// Takes a body in, of at most `limit` bytes if there is a limit.
pub(super) async fn receive(
    store: &Arc<DiskStore>,
    body: Body,
    limit: Option<u64>,
) -> Result<Inflow, Failure> {
    let declared = body.size_hint().exact();
    within(declared.unwrap_or(0), limit)?;
    let store = Arc::clone(store);
    let taken = try_blocking(move || store.take_in(declared)).await;
    let mut waiting = Waiting(Some(taken.map_err(Failure::storing)?));
    let mut frames = body.into_data_stream();
    loop {
        let piece = gather(&mut frames).await?;
        let Some(mut inflow) = waiting.0.take() else {
            return Err(Failure::new(ErrorCode::Internal, "the bytes that came are lost"));
        };
        if piece.is_empty() {
            return Ok(inflow);
        }
        let length: usize = piece.iter().map(Bytes::len).sum();
        let length = inflow.length() + length as u64;
        let write = move || {
            let written = piece.iter().try_for_each(|bytes| inflow.append(bytes));
            written.map(|()| inflow)
        };
        within(length, limit)?;
        waiting.0 = Some(try_blocking(write).await.map_err(Failure::storing)?);
    }
}

/// What has come so far, while more is waited for. When the client goes away meanwhile it is let go of where the disk may be
/// waited for.
struct Waiting(Option<Inflow>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(inflow) = self.0.take() {
            drop(tokio::task::spawn_blocking(move || drop(inflow)));
        }
    }
}

fn within(length: u64, limit: Option<u64>) -> Result<(), Failure> {
    match limit {
        Some(limit) if length > limit => {
            let limit = ByteCount::new(limit);
            Err(
                Failure::invalid(format!("a value has at most {limit}; publish it as a file"))
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            )
        }
        _ => Ok(()),
    }
}

/// What comes next: enough to be worth a write, or what has come until the time is over; nothing at the end.
async fn gather(frames: &mut BodyDataStream) -> Result<Vec<Bytes>, Failure> {
    let (mut gathered, mut length) = (Vec::new(), 0);
    let late = tokio::time::sleep(LEAST_TIME);
    tokio::pin!(late);
    while length < PIECE {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = &mut late => {
                if length >= LEAST {
                    break;
                }
                let slow = format!("the request sent less than {LEAST} bytes in {}s", LEAST_TIME.as_secs());
                return Err(Failure::new(ErrorCode::DeadlineExceeded, slow).with_status(StatusCode::REQUEST_TIMEOUT));
            }
        };
        let Some(frame) = frame else { break };
        let broken = |error| Failure::invalid(format!("the request broke off: {error}"));
        let frame = frame.map_err(broken)?;
        length += frame.len();
        if !frame.is_empty() {
            gathered.push(frame);
        }
    }
    Ok(gathered)
}
