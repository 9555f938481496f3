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
use crate::inlet::Inlet;
use crate::store::{DiskStore, StagedUpload};

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
) -> Result<StagedUpload, Failure> {
    let declared = body.size_hint().exact();
    within(declared.unwrap_or(0), limit)?;
    let mut inlet = Inlet::open(store, declared).await.map_err(Failure::storing)?;
    let mut frames = body.into_data_stream();
    loop {
        let piece = gather(&mut frames).await?;
        if piece.is_empty() {
            return inlet.close().map_err(Failure::storing);
        }
        let length: usize = piece.iter().map(Bytes::len).sum();
        within(inlet.length() + length as u64, limit)?;
        inlet.append(piece).await.map_err(Failure::storing)?;
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
