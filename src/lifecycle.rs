//! The life of the process: tasks that must not die, signals, and what systemd is told.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::pulse::Pulse;

/// How long the delivery loop may be silent before systemd is no longer told that all is well.
const LONGEST_SILENCE: Duration = Duration::from_secs(15);

/// Tasks with names. One that ends before the stop, or panics, stops everything: a half-alive daemon looks alive to
/// everybody but the people who wait for their message.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Supervisor {
    /// A supervisor that stops everything through `stop`.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stop }
    }

    /// Starts a task.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            name
        });
    }

    /// Waits until every task has ended. Whether all of them ended because they were told to.
    pub async fn wait(mut self) -> bool {
        let mut orderly = true;
        while let Some(ended) = self.tasks.join_next().await {
            let told = self.stop.is_cancelled();
            match ended {
                Ok(name) if told => tracing::debug!(task = name, "stopped"),
                Ok(name) => tracing::error!(task = name, "a task ended by itself; stopping"),
                Err(error) => tracing::error!(%error, "a task panicked; stopping"),
            }
            orderly &= told;
            self.stop.cancel();
        }
        orderly
    }
}

/// Waits for SIGTERM or SIGINT and then stops everything; at each SIGHUP reloads. Ends with the stop.
pub async fn signals(stop: CancellationToken, mut reload: impl AsyncFnMut()) {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::error!("signals cannot be listened to");
        return;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return stopping(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                reloading();
                reload().await;
                tell(&[NotifyState::Ready]);
            }
        }
    }
    stopping();
    tracing::info!("stopping: what has left is awaited, the rest is given back");
    stop.cancel();
}

/// Lets the process open as many files as it may: each connection is one, and the usual limit is far below
/// `server.max_connections`. Returns how many that is.
#[must_use]
pub fn open_many_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it cannot be raised, the next connection after the last file is refused, and said so.
        _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// Tells systemd that the service does its work.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells systemd that the configuration is read again, and since when: `Type=notify-reload` insists on the time.
fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(since) => tell(&[NotifyState::Reloading, since]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Tells systemd that the service is about to end.
fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing what is in flight")]);
}

/// Tells systemd what the service is doing.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// Feeds systemd's watchdog for as long as the delivery loop beats. A hung loop stops the feeding, and systemd
/// restarts the service.
pub async fn watchdog(pulse: Arc<Pulse>, clock: Arc<dyn Clock>, done: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        done.cancelled().await;
        return;
    };
    feed(limit / 3, &pulse, clock.as_ref(), &done, |silence| {
        if silence < LONGEST_SILENCE {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(?silence, "the delivery loop is silent; systemd's watchdog is not fed");
        }
    })
    .await;
}

/// Feels the pulse again and again, and says how long the delivery loop has been silent.
async fn feed(
    every: Duration,
    pulse: &Pulse,
    clock: &dyn Clock,
    done: &CancellationToken,
    mut felt: impl FnMut(Duration),
) {
    while !done.is_cancelled() {
        felt(pulse.silence(clock.boot()));
        tokio::select! {
            () = done.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::time::Timestamp;

    #[tokio::test]
    async fn a_pulse_that_stands_still_is_felt() {
        let clock = ManualClock::at(Timestamp::from_ms(1_780_000_000_000));
        let (pulse, done) = (Pulse::default(), CancellationToken::new());
        clock.advance(Duration::from_mins(1));
        pulse.beat(clock.boot());
        let mut fed = Vec::new();
        let feeding = feed(Duration::from_millis(1), &pulse, &clock, &done, |silence| {
            fed.push(silence < LONGEST_SILENCE);
            match fed.len() {
                3 => clock.advance(Duration::from_millis(14_999)),
                4 => clock.advance(Duration::from_millis(1)),
                7 => pulse.beat(clock.boot()),
                8 => done.cancel(),
                _ => {}
            }
        });
        feeding.await;
        assert_eq!(fed, [true, true, true, true, false, false, false, true]);
    }
}
