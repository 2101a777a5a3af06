//! Whether a database is still the one it was: a standby that took over without the last commits, or a backup that was
//! restored, has forgotten whom we wrote to.

use serde::{Deserialize, Serialize};

/// What a process remembers of the database it worked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The PostgreSQL cluster, or `sqlite`.
    pub system: String,
    /// The timeline; it changes when a standby takes over and when an archive is restored. 0 on SQLite.
    pub timeline: i64,
    /// How far its log was flushed, in bytes. 0 on SQLite.
    pub position: i64,
    /// The highest attempt that was committed.
    pub fence: i64,
    /// When an operator last accepted what a database had lost.
    pub accepted: i64,
    /// SQLite: a word that is changed at every start and stop.
    pub nonce: Option<String>,
    /// SQLite: what it is about to be changed to.
    pub next: Option<String>,
}

/// What the database is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// As in [`Seen`]; `fence` is the highest that may have been given.
    pub seen: Seen,
    /// The cluster the database was made in, or accepted in last.
    pub origin: Option<String>,
    /// The timeline it was last recognised on.
    pub known_timeline: Option<i64>,
}

/// Why the database is not the one it was, or has forgotten; `None` where it is and has not.
///
/// `synchronous`: a standby that takes over has every commit, so a later timeline of the same cluster is welcome.
#[must_use]
pub fn went_back(seen: Option<&Seen>, is: &Present, synchronous: bool) -> Option<String> {
    let now = &is.seen;
    if let Some(origin) = is.origin.as_ref().filter(|origin| **origin != now.system) {
        return Some(format!("it came from cluster {origin} and is now in cluster {}", now.system));
    }
    let welcome = |was: i64| was == now.timeline || (synchronous && was < now.timeline);
    if let Some(was) = is.known_timeline.filter(|was| !welcome(*was)) {
        return Some(format!("it was on timeline {was} and is now on timeline {}", now.timeline));
    }
    // What an operator has accepted since counts for more than what this process remembers.
    let seen = seen.filter(|seen| seen.accepted >= now.accepted)?;
    if seen.accepted > now.accepted {
        return Some("it has forgotten that an operator accepted what it had lost before".to_owned());
    }
    if seen.system != now.system {
        return Some(format!("it was cluster {} and is now cluster {}", seen.system, now.system));
    }
    if !welcome(seen.timeline) {
        return Some(format!("it was on timeline {} and is now on timeline {}", seen.timeline, now.timeline));
    }
    if seen.fence > now.fence {
        return Some(format!("attempt {} was made, and it knows only of {}", seen.fence, now.fence));
    }
    if seen.timeline == now.timeline && seen.position > now.position {
        return Some(format!("its log had {} bytes and has {}", seen.position, now.position));
    }
    let known = [&seen.nonce, &seen.next];
    if seen.nonce.is_some() && (now.nonce.is_none() || !known.contains(&&now.nonce)) {
        return Some("it is a copy from before it was last opened or closed here".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let nonce = Some("a".to_owned());
        Seen { system: "7".into(), timeline: 2, position: 100, fence: 10, accepted: 5, nonce, next: None }
    }

    fn present(change: impl FnOnce(&mut Seen)) -> Present {
        let mut now = seen();
        change(&mut now);
        Present { origin: Some("7".into()), known_timeline: Some(now.timeline), seen: now }
    }

    #[test]
    fn what_goes_on_is_recognised() {
        let later = present(|now| (now.position, now.fence) = (900, 12));
        assert_eq!(went_back(Some(&seen()), &later, false), None);
        assert_eq!(went_back(None, &later, false), None, "nothing is remembered: nothing is missed");
        let next = Seen { next: Some("b".into()), ..seen() };
        assert_eq!(went_back(Some(&next), &present(|now| now.nonce = Some("b".into())), false), None);
        let accepted = present(|now| (now.accepted, now.fence, now.position) = (6, 1, 1));
        assert_eq!(went_back(Some(&seen()), &accepted, false), None, "an operator accepted it");
    }

    #[test]
    fn every_step_back_is_told() {
        let told = |part: &str, is: &Present| {
            for synchronous in [false, true] {
                let why = went_back(Some(&seen()), is, synchronous).unwrap_or_default();
                assert!(why.contains(part), "{part}: {why:?}");
            }
        };
        told("cluster 8", &present(|now| now.system = "8".into()));
        told("attempt 10", &present(|now| now.fence = 9));
        told("100 bytes", &present(|now| now.position = 99));
        told("copy from before", &present(|now| now.nonce = Some("z".into())));
        told("copy from before", &present(|now| now.nonce = None));
        told("accepted", &present(|now| now.accepted = 4));
        told("timeline 1", &present(|now| now.timeline = 1));
        told("timeline 3", &Present { known_timeline: Some(3), ..present(|_| ()) });
    }

    #[test]
    fn a_synchronous_standby_may_take_over() {
        let mut promoted = present(|now| (now.timeline, now.position) = (3, 90));
        promoted.known_timeline = Some(2);
        assert!(went_back(Some(&seen()), &promoted, false).is_some_and(|why| why.contains("timeline 3")));
        assert_eq!(went_back(Some(&seen()), &promoted, true), None);
        promoted.seen.fence = 9;
        assert!(went_back(Some(&seen()), &promoted, true).is_some(), "it was not synchronous after all");
    }
}
