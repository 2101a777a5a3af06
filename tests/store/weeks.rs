//! Weeks of virtual time over the real store: jobs on two nodes that die and come back, and batches against sending at
//! once.

#![expect(clippy::print_stdout, reason = "the figures of a simulation are part of its result")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, accepted, ended, opt_in, page};
use firstword::clock::{Clock, ManualClock};
use firstword::deliver::{self, Keeper, Reaches};
use firstword::domain::budget::Budget;
use firstword::domain::job::{Task, TaskReport};
use firstword::domain::message::Template;
use firstword::domain::policy::Policy;
use firstword::domain::reach::Reach;
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;
use firstword::jobs::{self, Call, Duty, Runner, Spec, Tasks};
use firstword::store::Store;
use firstword::store::claim::Wish;
use firstword::upkeep::Upkeep;

/// A throw of dice that can be thrown again: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const STEP: Duration = Duration::from_mins(5);
const JOBS: [(&str, &str, &str, &str); 4] = [
    ("gap", "30 2 * * *", "Europe/Berlin", "all"),
    ("early", "30 1 * * *", "Europe/Dublin", "latest"),
    ("late", "15 23 * * *", "America/New_York", "latest"),
    ("hourly", "0 * * * *", "Europe/Berlin", "all"),
];

/// What the clocks on the wall say, minute by minute, without any cron: a daily time is the first minute of the day at
/// or after it; an hourly one is every hour that passes.
fn expected(name: &str, zone: &str, from: Timestamp, until: Timestamp) -> BTreeSet<i64> {
    let zone: Tz = zone.parse().unwrap();
    let time = match name {
        "gap" => NaiveTime::from_hms_opt(2, 30, 0),
        "early" => NaiveTime::from_hms_opt(1, 30, 0),
        "late" => NaiveTime::from_hms_opt(23, 15, 0),
        _ => None,
    };
    let (mut ticks, mut days) = (BTreeSet::new(), HashSet::new());
    let mut minute = from.ms() - from.ms() % 60_000 - 86_400_000;
    while minute <= until.ms() {
        let local = zone.from_utc_datetime(&DateTime::<Utc>::from_timestamp_millis(minute).unwrap().naive_utc());
        let due = time.map_or(local.minute() == 0, |time| local.time() >= time && days.insert(local.date_naive()));
        if due && minute > from.ms() {
            ticks.insert(minute);
        }
        minute += 60_000;
    }
    ticks
}

/// What the jobs do: note the tick, or hang until their node dies.
#[derive(Default)]
struct Log {
    hang: AtomicBool,
    begun: Mutex<Vec<(String, Timestamp)>>,
    done: Mutex<Vec<(String, Timestamp)>>,
}

/// A node, and whether it is dead: an aborted task may still be at work on another thread for a moment.
type Node = (Duty, Arc<AtomicBool>);

fn node(store: &Store, clock: &Arc<ManualClock>, log: &Arc<Log>, name: String) -> Node {
    let files = JOBS.map(|(name, cron, zone, catch_up)| {
        let text = format!(
            "name = \"{name}\"\ntask = \"purge\"\nschedule = \"{cron}\"\ntimezone = \"{zone}\"\ncatch_up = \"{catch_up}\""
        );
        (format!("{name}.toml"), text)
    });
    let (log, dead) = (Arc::clone(log), Arc::new(AtomicBool::new(false)));
    let is_dead = Arc::clone(&dead);
    let task: jobs::Task = Arc::new(move |call: Call| {
        let (log, is_dead) = (Arc::clone(&log), Arc::clone(&is_dead));
        Box::pin(async move {
            let tick = (call.spec.name.clone(), call.tick);
            log.begun.lock().unwrap().push(tick.clone());
            if log.hang.load(Ordering::SeqCst) || is_dead.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            log.done.lock().unwrap().push(tick);
            Ok(TaskReport::default())
        })
    });
    let runner = Runner {
        store: store.clone(),
        clock: Arc::<ManualClock>::clone(clock),
        node: name,
        specs: jobs::parse(files).unwrap().into_iter().map(Arc::new).collect(),
        tasks: Arc::new(Tasks::from([(Task::Purge, task)])),
    };
    (Duty::new(runner, CancellationToken::new()), dead)
}

/// One week with a change of the clocks in it, from a seed.
async fn week(stores: [&Store; 2], begin: Timestamp, seed: u64) -> (usize, usize) {
    let clock = Arc::new(ManualClock::at(begin));
    let (log, mut dice) = (Arc::new(Log::default()), Dice(seed));
    let mut nodes: [Option<Node>; 2] = [None, None];
    let (mut lives, mut deaths, mut down_until) = (0, 0, [begin; 2]);
    let end = begin.plus(Duration::from_hours(7 * 24 + 1));
    while clock.now() < end {
        for (n, place) in nodes.iter_mut().enumerate() {
            if place.is_none() && clock.now() >= down_until[n] {
                lives += 1;
                *place = Some(node(stores[n], &clock, &log, format!("node-{n}-{lives}")));
            }
        }
        // Now and then, and oftener at the full hour, nodes die in the middle of what they do, and are away for hours.
        let full_hour = clock.now().ms() % 3_600_000 < 300_000;
        let hang = dice.below(if full_hour { 6 } else { 60 }) == 0;
        log.hang.store(hang, Ordering::SeqCst);
        let [one, two] = &mut nodes;
        let round = async |node: &mut Option<Node>| {
            if let Some((duty, _)) = node {
                duty.round().await;
            }
        };
        tokio::join!(round(one), round(two));
        if hang {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (n, place) in nodes.iter_mut().enumerate() {
            if hang || dice.below(100) == 0 {
                if let (false, Some((duty, _))) = (hang, place.as_mut()) {
                    // Between the end of the work and the note of it a death would have it done again: not meant here.
                    duty.idle().await;
                }
                if let Some((_, dead)) = place.take() {
                    dead.store(true, Ordering::SeqCst);
                    deaths += 1;
                }
                down_until[n] = clock.now().plus(STEP * u32::try_from(dice.below(36)).unwrap());
            }
        }
        log.hang.store(false, Ordering::SeqCst);
        for (duty, _) in nodes.iter_mut().flatten() {
            duty.idle().await;
        }
        clock.advance(STEP);
    }
    // Whatever the last deaths left behind.
    for (n, store) in stores.into_iter().enumerate() {
        clock.advance(STEP);
        let (mut last, _) = node(store, &clock, &log, format!("last-{n}"));
        last.round().await;
        last.idle().await;
    }
    check(stores[0], &log, begin, clock.now()).await;
    let ticks = log.done.lock().unwrap().len();
    (ticks, deaths)
}

async fn check(store: &Store, log: &Log, begin: Timestamp, end: Timestamp) {
    let mut done: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (name, tick) in log.done.lock().unwrap().iter() {
        done.entry(name.clone()).or_default().push(tick.ms());
    }
    for (name, _, zone, _) in JOBS {
        let expected: Vec<i64> = expected(name, zone, begin, end).into_iter().collect();
        let mut ran = done.remove(name).unwrap_or_default();
        ran.sort_unstable();
        assert_eq!(ran, expected, "{name}: every tick once, none lost, none made up");
        let runs = store.runs_of(name, 1000).await.unwrap();
        let kept: Vec<i64> = runs.iter().rev().map(|run| run.tick.ms()).filter(|tick| *tick > begin.ms()).collect();
        assert_eq!(kept, expected, "{name}: the history tells it");
        assert!(runs.iter().all(|run| run.result.as_deref() == Some("done")), "{name}: {runs:?}");
    }
}

/// Berlin and Dublin change their clocks on 2027-03-28 and on 2027-10-31.
pub(crate) async fn weeks_of_jobs_run_every_tick_once(ground: Ground) {
    let other = ground.node().await;
    for (begin, seed) in [("2027-03-25T00:00:30Z", 11), ("2027-10-28T00:00:30Z", 12)] {
        let (ticks, deaths) = week([&ground.store, &other], at(begin), seed).await;
        assert!(deaths > 10 && ticks > 180, "{ticks} ticks, {deaths} deaths");
        println!("week of {begin}: {ticks} ticks run once each, {deaths} nodes died");
        ground.sql("DELETE FROM job_runs").await;
        ground.sql("DELETE FROM jobs").await;
    }
}

// Batches.

/// One message a minute: 1440 a day at once, 550 in the ten hours of ticks.
const RATE: f64 = 1.0 / 60.0;
const MINUTE: Duration = Duration::from_mins(1);
const OPEN: Duration = Duration::from_mins(55);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    AtOnce,
    Batch,
    /// Batches without a look at hard stops: what the others are compared with.
    TicksOnly,
}

struct Played {
    missed: i64,
    sent: usize,
    outside: usize,
    latest: Duration,
}

/// Who opts in when, and how much later we hear of it: a day of visitors, an evening with a crowd, some webhooks that
/// come hours late.
fn arrivals(begin: Timestamp) -> Vec<(Timestamp, Timestamp, String)> {
    let mut dice = Dice(5);
    let mut people = Vec::new();
    let mut come = |heard: Timestamp, age: Duration| {
        people.push((heard, heard.minus(age), format!("p{}", people.len())));
    };
    for minute in 0..3 * 1440_u64 {
        let now = begin.plus(MINUTE * u32::try_from(minute).unwrap());
        if dice.below(5) == 0 {
            come(now, Duration::ZERO);
        }
        if minute == 19 * 60 + 30 {
            (0..700).for_each(|_| come(now, Duration::ZERO));
        }
        if dice.below(400) == 0 {
            come(now, Duration::from_hours(23));
        }
    }
    people
}

fn hours_of_berlin() -> Arc<Spec> {
    let text = "name = \"b\"\ntask = \"send-batch\"\nschedule = \"0 9-18 * * *\"\ntimezone = \"Europe/Berlin\"\ntimeout = \"55m\"";
    Arc::new(jobs::parse([("b.toml".to_owned(), text.to_owned())]).unwrap().remove(0))
}

fn keeper(store: &Store, clock: &Arc<ManualClock>, spec: &Arc<Spec>) -> Keeper {
    let (template, _) = Template::parse(include_str!("../../messages/welcome.json")).unwrap();
    let served = deliver::Page { id: page(), budget: Budget::per_second(RATE), template, credential: "0".into() };
    let spec = Arc::clone(spec);
    Keeper {
        store: store.clone(),
        clock: Arc::<ManualClock>::clone(clock),
        pages: tokio::sync::watch::channel(Arc::new(vec![served])).1,
        window: Window::default(),
        ticks: Arc::new(move |_, now| {
            spec.schedule.ticks_after(now).take(48).map(|tick| (tick, tick.plus(OPEN))).collect()
        }),
        at_risk: Duration::from_hours(2),
        poll_interval: Duration::from_secs(1),
        reaches: Arc::<Reaches>::default(),
    }
}

async fn play(store: &Store, mode: Mode) -> Played {
    let begin = at("2027-03-26T23:00:00Z");
    let (clock, spec) = (Arc::new(ManualClock::at(begin)), hours_of_berlin());
    let keeper = keeper(store, &clock, &spec);
    let (reaching, mut people) = (keeper.reaches.reaching(), arrivals(begin).into_iter().peekable());
    let upkeep = Upkeep {
        store: store.clone(),
        clock: Arc::<ManualClock>::clone(&clock),
        runs: Arc::new(|_| false),
        poll_interval: MINUTE,
    };
    let mut played = Played { missed: 0, sent: 0, outside: 0, latest: Duration::ZERO };
    let (mut open_until, mut up_to) = (begin, begin);
    let mut waiting: BTreeSet<(Timestamp, String)> = BTreeSet::new();
    for minute in 0..4 * 1440_u32 {
        let now = clock.now();
        let mut arrived = Vec::new();
        while let Some((_, opted_in_at, name)) = people.next_if(|(heard, ..)| *heard <= now) {
            arrived.push(opt_in(&name, opted_in_at));
            waiting.insert((opted_in_at, name));
        }
        let news = !arrived.is_empty();
        if news {
            store.apply(arrived, now).await.unwrap();
        }
        if spec.schedule.last_until(now) == Some(now) {
            (open_until, up_to) = (now.plus(OPEN), now);
            store.open_batch(vec![page()], now, open_until).await.unwrap();
        } else if now == open_until {
            store.close_batch(vec![page()], up_to, Window::default().cutoff(now), now).await.unwrap();
        }
        if mode == Mode::Batch && (news || minute % 5 == 0) {
            keeper.look().await.unwrap();
        }
        let reach = match mode {
            Mode::AtOnce => Reach::EVERYBODY,
            Mode::Batch => reaching(&page()),
            Mode::TicksOnly if now < open_until => Reach { fresh: up_to, tried: up_to },
            Mode::TicksOnly => Reach::NOBODY,
        };
        let wish = Wish { budget: Budget::per_second(RATE), reach, ..crate::ground::wish(5, now) };
        // A claim that would find nobody need not be made: this is a simulation of days.
        let worth_it = waiting.first().is_some_and(|(opted_in_at, _)| *opted_in_at <= reach.end());
        let claims = if worth_it { store.claim(wish).await.unwrap().claims } else { Vec::new() };
        for claim in claims {
            waiting.remove(&(claim.opted_in_at, claim.login.as_str().to_owned()));
            store.record(vec![ended(&claim, accepted(&format!("m{}", claim.attempt)))], now).await.unwrap();
            played.sent += 1;
            played.outside += usize::from(now >= open_until);
            played.latest = played.latest.max(now.since(claim.opted_in_at));
        }
        if minute % 10 == 0 {
            upkeep.miss(now).await.unwrap();
        }
        clock.advance(MINUTE);
    }
    let counts = store.counts().await.unwrap();
    let missed = counts.iter().filter(|count| count.state == firstword::domain::optin::State::Missed);
    played.missed = i64::try_from(missed.map(|count| count.count).sum::<u64>()).unwrap();
    played
}

/// From 9 to 18 hourly, in Berlin, over three days of which one is an hour short.
pub(crate) async fn batches_miss_nobody_whom_sending_at_once_would_reach(ground: Ground) {
    let url = ground.empty().await;
    let fresh = Store::open(&url).await.unwrap();
    fresh.govern(Policy::default(), [page()]).await.unwrap();
    let batch = play(&fresh, Mode::Batch).await;
    let at_once = play(&ground.store, Mode::AtOnce).await;
    for table in ["optins", "attempts", "batches"] {
        ground.sql(&format!("DELETE FROM {table}")).await;
    }
    ground.sql("UPDATE pages SET arrival_us = 0").await;
    let ticks_only = play(&ground.store, Mode::TicksOnly).await;
    assert_eq!((at_once.missed, batch.missed), (0, 0));
    assert_eq!(batch.sent, at_once.sent);
    assert!(batch.latest <= Window::default().usable());
    // The comparison can fail: without a look at hard stops many are missed.
    assert!(ticks_only.missed > 50, "{}", ticks_only.missed);
    assert!(batch.outside * 2 < at_once.outside, "{} against {}", batch.outside, at_once.outside);
    println!(
        "three days, {} people: at once {} outside 9-18; batches {} outside, {} missed, latest {:?}; ticks alone miss {}",
        batch.sent, at_once.outside, batch.outside, batch.missed, batch.latest, ticks_only.missed
    );
}

/// Whoever fits into the next tick waits for it; near its allowance the page can send to fewer, and nobody waits for what
/// it cannot send.
pub(crate) async fn a_batch_counts_on_no_more_than_a_page_may_send(ground: Ground) {
    let now = at("2027-03-30T10:50:00Z");
    let clock = Arc::new(ManualClock::at(now));
    let keeper = keeper(&ground.store, &clock, &hours_of_berlin());
    // Ten minutes of the next tick are left before their hard stop: at one a minute, less a fifth, seven can wait.
    let stop = at("2027-03-30T11:10:00Z");
    let opted_in = stop.minus(Window::default().usable());
    ground.store.apply((0..6).map(|n| opt_in(&format!("p{n}"), opted_in)).collect(), now).await.unwrap();
    let reach = async || {
        keeper.look().await.unwrap();
        keeper.reaches.reaching()(&page())
    };
    assert_eq!(reach().await, Reach::NOBODY);
    ground.store.note_usage(&page(), 81, None, now).await.unwrap();
    assert_eq!(reach().await, Reach::NOBODY, "a little slower");
    ground.store.note_usage(&page(), 90, None, now).await.unwrap();
    assert!(reach().await.fresh >= opted_in, "half as fast");
    // What was said so long ago holds no more when the tick comes.
    ground.store.note_usage(&page(), 90, None, now.minus(Duration::from_mins(21))).await.unwrap();
    assert_eq!(reach().await, Reach::NOBODY);
}
