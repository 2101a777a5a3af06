//! Takes a request's body, bounded, exactly as it was on the wire. All bodies together have bounded room too: what many
//! slow or large ones could fill is not memory that the rest of the service needs.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutError;

use super::Intake;
use super::problem::Problem;

/// What bodies may hold together, in bytes; at least two of the largest fit.
const ROOM: usize = 64 << 20;
/// What one permit stands for, in bytes.
const UNIT: usize = 1024;

/// The room all bodies share.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn for_bodies_of(max: usize) -> Self {
        let permits = ROOM.max(max.saturating_mul(2)).div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }

    /// Room for so many bytes, if there is any.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(bytes.div_ceil(UNIT)).ok()?).ok()
    }
}

/// A body, and the room it takes until it is dropped.
pub(super) struct Taken {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Deref for Taken {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The raw bytes. A coded body is refused: the signature covers the bytes as sent, and a small one may unfold to any size.
pub(super) async fn read(intake: &Intake, headers: &HeaderMap, body: Body, max: usize) -> Result<Taken, Problem> {
    let identity = |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
        return Err(Problem::unsupported("encoded", "Send the body without a content coding."));
    }
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(too_large(max));
    }
    collect(&intake.room, body, max).await
}

async fn collect(room: &Room, mut body: Body, max: usize) -> Result<Taken, Problem> {
    let no_room = || Problem::busy("Too much is being read at once. Nothing was lost: send the same request again.");
    let mut held = room.take(0).ok_or_else(no_room)?;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > max {
            return Err(too_large(max));
        }
        let missing = length.div_ceil(UNIT).saturating_sub(held.num_permits()) * UNIT;
        held.merge(room.take(missing).ok_or_else(no_room)?);
        // The commonest body comes in one piece, and is not copied.
        if whole.is_empty() && body.is_end_stream() {
            return Ok(Taken { bytes: data, _room: held });
        }
        // Copied: a small piece may be all that keeps a large buffer alive.
        whole.extend_from_slice(&data);
    }
    Ok(Taken { bytes: whole.into(), _room: held })
}

fn broken(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<TimeoutError>() {
            return Problem::too_slow();
        }
        cause = error.source();
    }
    Problem::malformed("The body broke off.")
}

fn too_large(max: usize) -> Problem {
    Problem::too_large(format!("The body is longer than {max} bytes."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_bodies_together_have_bounded_room() {
        let room = Room(Arc::new(Semaphore::new(10)));
        let read = async |bytes: usize| collect(&room, Body::from(vec![b'x'; bytes]), 20 * UNIT).await;
        let (one, two) = (read(6 * UNIT).await.ok().unwrap(), read(3 * UNIT + 1).await.ok().unwrap());
        assert_eq!((one.len(), two.len(), room.0.available_permits()), (6 * UNIT, 3 * UNIT + 1, 0));
        assert_eq!(read(1).await.err().unwrap().kind(), "busy");
        assert!(read(0).await.is_ok(), "an empty one needs none");
        drop(one);
        assert!(read(6 * UNIT).await.is_ok());
        assert_eq!(room.0.available_permits(), 6, "what was read and dropped is free again");
    }
}
