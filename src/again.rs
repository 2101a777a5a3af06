//! Floor 2: trying again, in this process, for a short time: connections at the start, alerts, probes.
//!
//! The one module that knows the crate `backoff`. It is unmaintained (RUSTSEC-2025-0012) and stays because the owner
//! named it; moving to its successor `backon` is a change of this file. The schedule of messages is not made here: it
//! must survive a restart, and is the domain's own.

use std::future::Future;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio_util::sync::CancellationToken;

/// How patiently to try again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// When to give up; `None` never does.
    pub at_most: Option<Duration>,
}

impl Patience {
    /// Until told to stop. Pauses are drawn up to half longer than they say: what is waited for is met at most 7.5 s
    /// after it is there.
    pub const ENDLESS: Self =
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(5), at_most: None };
}

/// Whether an error may go away by itself.
#[derive(Debug)]
pub enum Failure<E> {
    /// It may.
    Passing(E),
    /// It will not.
    Final(E),
}

/// Tries until it works, gives up, or is told to stop, which returns `None`. `on_failure` hears of every passing
/// failure and of the pause that follows it.
///
/// # Errors
/// The last failure.
pub async fn again<T, E, F>(
    patience: Patience,
    stop: &CancellationToken,
    mut attempt: impl FnMut() -> F,
    mut on_failure: impl FnMut(&E, Duration),
) -> Option<Result<T, E>>
where
    F: Future<Output = Result<T, Failure<E>>>,
{
    let mut pauses = ExponentialBackoff {
        initial_interval: patience.first,
        current_interval: patience.first,
        max_interval: patience.longest,
        max_elapsed_time: patience.at_most,
        ..ExponentialBackoff::default()
    };
    loop {
        let error = match attempt().await {
            Ok(value) => return Some(Ok(value)),
            Err(Failure::Final(error)) => return Some(Err(error)),
            Err(Failure::Passing(error)) => error,
        };
        let Some(pause) = pauses.next_backoff() else { return Some(Err(error)) };
        on_failure(&error, pause);
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Patience =
        Patience { first: Duration::from_millis(1), longest: Duration::from_millis(2), at_most: None };

    #[tokio::test]
    async fn passing_failures_pass_and_final_ones_end_it() {
        let stop = CancellationToken::new();
        let (mut tries, mut heard) = (0, 0);
        let result = again(
            QUICK,
            &stop,
            || {
                tries += 1;
                let result = if tries < 4 { Err(Failure::Passing("not yet")) } else { Ok(tries) };
                async move { result }
            },
            |_, _| heard += 1,
        );
        assert_eq!(result.await, Some(Ok(4)));
        assert_eq!(heard, 3);
        let end: Option<Result<(), _>> = again(QUICK, &stop, || async { Err(Failure::Final("no")) }, |_, _| ()).await;
        assert_eq!(end, Some(Err("no")));
    }

    #[tokio::test]
    async fn it_stops_when_told() {
        let stop = CancellationToken::new();
        stop.cancel();
        let patience = Patience { first: Duration::from_hours(1), ..QUICK };
        let never: Option<Result<(), _>> =
            again(patience, &stop, || async { Err(Failure::Passing("down")) }, |_, _| ()).await;
        assert_eq!(never, None);
    }
}
