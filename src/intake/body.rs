//! Takes a request's body, bounded, exactly as it was on the wire. All bodies together have bounded room too: what many
//! slow or large ones could fill is not memory that the rest of the service needs. Whoever sends them need not have
//! signed anything yet; so the beginnings of bodies have room of their own, and a few large ones keep no small one out.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::timeout::TimeoutError;

use super::Intake;
use super::problem::Problem;

/// What bodies may hold together beyond their beginnings, in bytes; at least two of the largest fit.
const ROOM: usize = 64 << 20;
/// What their beginnings may hold together, in bytes.
const BEGINNINGS: usize = 32 << 20;
/// How much of a body is its beginning, in bytes. Nearly every body is no more than that.
const BEGINNING: usize = 16 << 10;
/// What one permit stands for, in bytes.
const UNIT: usize = 1024;

/// The room all bodies share.
#[derive(Debug, Clone)]
pub(super) struct Room {
    beginnings: Arc<Semaphore>,
    rest: Arc<Semaphore>,
}

/// The room one body takes until it is dropped.
struct Held {
    beginning: OwnedSemaphorePermit,
    rest: OwnedSemaphorePermit,
}

impl Room {
    pub(super) fn for_bodies_of(max: usize) -> Self {
        Self::of(BEGINNINGS, ROOM.max(max.saturating_mul(2)))
    }

    fn of(beginnings: usize, rest: usize) -> Self {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes.div_ceil(UNIT).min(Semaphore::MAX_PERMITS)));
        Self { beginnings: room(beginnings), rest: room(rest) }
    }

    /// Room for a body of which nothing has come.
    fn enter(&self) -> Option<Held> {
        let none = |room: &Arc<Semaphore>| Arc::clone(room).try_acquire_many_owned(0).ok();
        Some(Held { beginning: none(&self.beginnings)?, rest: none(&self.rest)? })
    }
}

impl Held {
    /// Takes room for a body of which so many bytes have come, if there is any.
    fn grow(&mut self, room: &Room, length: usize) -> Option<()> {
        extend(&mut self.beginning, &room.beginnings, length.min(BEGINNING))?;
        extend(&mut self.rest, &room.rest, length.saturating_sub(BEGINNING))
    }
}

fn extend(held: &mut OwnedSemaphorePermit, room: &Arc<Semaphore>, bytes: usize) -> Option<()> {
    let missing = bytes.div_ceil(UNIT).saturating_sub(held.num_permits());
    held.merge(Arc::clone(room).try_acquire_many_owned(u32::try_from(missing).ok()?).ok()?);
    Some(())
}

/// A body, and the room it takes until it is dropped.
pub(super) struct Taken {
    bytes: Bytes,
    _room: Held,
}

impl Deref for Taken {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether the headers let a body be read. A coded one is refused: the signature covers the bytes as sent, and a small
/// one may unfold to any size.
pub(super) fn admit(headers: &HeaderMap, body: &Body, max: usize) -> Result<(), Problem> {
    let identity = |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
        return Err(Problem::unsupported("encoded", "Send the body without a content coding."));
    }
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(too_large(max));
    }
    Ok(())
}

/// The raw bytes.
pub(super) async fn read(intake: &Intake, headers: &HeaderMap, body: Body, max: usize) -> Result<Taken, Problem> {
    admit(headers, &body, max)?;
    collect(&intake.room, body, max).await
}

/// The raw bytes of a body that was admitted.
pub(super) async fn collect(room: &Room, mut body: Body, max: usize) -> Result<Taken, Problem> {
    let no_room = || Problem::busy("Too much is being read at once. Nothing was lost: send the same request again.");
    let mut held = room.enter().ok_or_else(no_room)?;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let length = whole.len() + data.len();
        if length > max {
            return Err(too_large(max));
        }
        held.grow(room, length).ok_or_else(no_room)?;
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
        let room = Room::of(3 * BEGINNING, 10 * UNIT);
        let read = async |beyond: usize| collect(&room, Body::from(vec![b'x'; BEGINNING + beyond]), usize::MAX).await;
        let (one, two) = (read(6 * UNIT).await.ok().unwrap(), read(3 * UNIT + 1).await.ok().unwrap());
        assert_eq!((one.len() - BEGINNING, two.len() - BEGINNING), (6 * UNIT, 3 * UNIT + 1));
        assert_eq!((room.beginnings.available_permits(), room.rest.available_permits()), (BEGINNING / UNIT, 0));
        assert_eq!(read(1).await.err().unwrap().kind(), "busy");
        drop(one);
        assert!(read(6 * UNIT).await.is_ok());
        let free = (room.beginnings.available_permits(), room.rest.available_permits());
        assert_eq!(free, (2 * BEGINNING / UNIT, 6), "what was read and dropped is free again");
    }

    #[tokio::test]
    async fn a_few_large_bodies_keep_no_small_one_out() {
        let room = Room::of(2 * BEGINNING + UNIT, UNIT);
        let read = async |bytes: usize| collect(&room, Body::from(vec![b'x'; bytes]), usize::MAX).await;
        let _large = read(BEGINNING + UNIT).await.ok().unwrap();
        assert_eq!(read(BEGINNING + 1).await.err().unwrap().kind(), "busy");
        let _small = read(BEGINNING).await.ok().unwrap();
        let _tiny = read(1).await.ok().unwrap();
        assert_eq!(read(1).await.err().unwrap().kind(), "busy", "the beginnings are bounded too");
        assert!(read(0).await.is_ok(), "an empty one needs none");
    }
}
