//! The body of a request on its way into the store: bounded in memory, room and time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body::Body as _;
use proto::http::HttpError;
use shared::ErrorCode;
use shared::model::ByteCount;
use tokio_stream::StreamExt as _;

use crate::operations::ingest::Ingest;
use store::{DiskStore, StagedUpload};

/// Bytes that are written together.
const PIECE: usize = 1 << 20;

/// Bytes that a client must send in [`LEAST_TIME`], unless the body ends: 1 KiB/s. A slower one would keep
/// its place for ever.
const LEAST: usize = 64 << 10;

/// The time for [`LEAST`] bytes.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// Takes a body in, of at most `limit` bytes if there is a limit.
pub(super) async fn receive(
    store: &Arc<DiskStore>,
    body: Body,
    limit: Option<u64>,
) -> Result<StagedUpload, HttpError> {
    let declared = body.size_hint().exact();
    within(declared.unwrap_or(0), limit)?;
    let mut ingest = Ingest::begin(store, declared).await.map_err(HttpError::storing)?;
    let mut frames = body.into_data_stream();
    loop {
        let piece = gather(&mut frames).await?;
        if piece.is_empty() {
            return ingest.finish().map_err(HttpError::storing);
        }
        let length: usize = piece.iter().map(Bytes::len).sum();
        within(ingest.length() + length as u64, limit)?;
        ingest.append(piece).await.map_err(HttpError::storing)?;
    }
}

fn within(length: u64, limit: Option<u64>) -> Result<(), HttpError> {
    match limit {
        Some(limit) if length > limit => {
            let limit = ByteCount::new(limit);
            Err(
                HttpError::invalid(format!("a value has at most {limit}; publish it as a file"))
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE),
            )
        }
        _ => Ok(()),
    }
}

/// Gathers the frames that come next: enough to be worth a write, or those of [`LEAST_TIME`]; none at the
/// end.
async fn gather(frames: &mut BodyDataStream) -> Result<Vec<Bytes>, HttpError> {
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
                return Err(HttpError::new(ErrorCode::DeadlineExceeded, slow).with_status(StatusCode::REQUEST_TIMEOUT));
            }
        };
        let Some(frame) = frame else { break };
        let broken = |error| HttpError::invalid(format!("the request broke off: {error}"));
        let frame = frame.map_err(broken)?;
        length += frame.len();
        if !frame.is_empty() {
            gathered.push(frame);
        }
    }
    Ok(gathered)
}
