//! What kind of day a seed brings.

use std::time::Duration;

use firstword::domain::budget::Budget;
use firstword::domain::policy::{Policy, UncertainPolicy};
use firstword::domain::window::Window;

use crate::dice::Dice;

const HOUR: u64 = 3_600_000;

/// How an answer of the platform, or its absence, comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Accepted and answered.
    Accepts,
    /// Accepted late, and answered about when the time-out strikes.
    AcceptsSlowly,
    /// Accepted, but the connection breaks before the answer.
    AcceptsAndBreaks,
    /// Accepted, but no answer comes.
    AcceptsInSilence,
    /// Accepted, and told as an error (code 1, subcode 1357046).
    AcceptsWithAnError,
    /// Accepted, and answered without a message's id.
    AcceptsWithoutId,
    /// Not accepted, and the connection breaks.
    Breaks,
    /// Not accepted, and no answer comes.
    Silent,
    /// Not accepted, and answered with this status, code and subcode.
    Says(u16, i64, i64),
    /// Not accepted, and a proxy's page with this status.
    Html(u16),
    /// No connection.
    Unreachable,
}

/// When the platform is in another mood than usual.
#[derive(Debug, Clone)]
pub(crate) struct Spell {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) mood: Mood,
}

/// One seed's day.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) nodes: usize,
    pub(crate) pages: usize,
    pub(crate) people: usize,
    pub(crate) policy: Policy,
    pub(crate) budget: Budget,
    pub(crate) places: usize,
    /// How far the platform's clock is ahead.
    pub(crate) ahead: Duration,
    pub(crate) echoes: bool,
    pub(crate) moods: Vec<(f64, Mood)>,
    pub(crate) spells: Vec<Spell>,
    pub(crate) crash: f64,
    pub(crate) pause: f64,
    pub(crate) slow_store: f64,
    pub(crate) lost_stop: f64,
    pub(crate) repeated: f64,
    pub(crate) recorded_twice: f64,
    /// How often an outcome is recorded once more while the person's next attempt is out.
    pub(crate) reported_late: f64,
    pub(crate) slow_connection: f64,
    /// How often an operator acts.
    pub(crate) operator: f64,
    /// More people than the rate can serve, and nothing else that disturbs: lateness is judged.
    pub(crate) crowded: bool,
    /// How long opt-ins keep coming.
    pub(crate) rush: Duration,
}

const REFUSALS: &[Mood] = &[
    Mood::Says(503, 2, 0),
    Mood::Says(500, 1200, 0),
    Mood::Says(400, 100, 2_018_008),
    Mood::Says(403, 10, 2_018_300),
    Mood::Says(400, 4, 0),
    Mood::Html(429),
    Mood::Says(403, 551, 1_545_041),
    Mood::Says(400, 100, 33),
    Mood::Says(403, 10, 2_018_278),
    Mood::Says(401, 190, 463),
    Mood::Says(400, 368, 0),
    Mood::Says(400, 100, 2_018_109),
    Mood::Html(502),
    Mood::Breaks,
    Mood::Silent,
    Mood::Unreachable,
    Mood::Unreachable,
];

const DOUBTS: &[Mood] = &[
    Mood::AcceptsSlowly,
    Mood::AcceptsAndBreaks,
    Mood::AcceptsInSilence,
    Mood::AcceptsWithAnError,
    Mood::AcceptsWithoutId,
];

impl Scenario {
    pub(crate) fn of(dice: &mut Dice) -> Self {
        if dice.happens(0.06) { Self::crowd(dice) } else { Self::trouble(dice) }
    }

    fn trouble(dice: &mut Dice) -> Self {
        let level = *dice.one(&[0.0, 0.3, 1.0, 1.0, 2.5]);
        let mut moods = vec![(*dice.one(&[1.0, 4.0, 8.0]), Mood::Accepts)];
        moods.extend((0..dice.below(6)).map(|_| (0.3 * level, *dice.one(REFUSALS))));
        moods.extend((0..dice.below(4)).map(|_| (0.3 * level, *dice.one(DOUBTS))));
        let rate = *dice.one(&[0.002, 0.05, 1.0, 20.0, 20.0]);
        Self {
            nodes: *dice.one(&[1, 2, 2, 3]),
            pages: *dice.one(&[1, 1, 2]),
            people: 2 + dice.place(5),
            policy: Policy {
                retention: Duration::from_millis(*dice.one(&[2 * HOUR, 90 * 24 * HOUR])),
                uncertain: *dice.one(&[UncertainPolicy::Evidence, UncertainPolicy::Hold, UncertainPolicy::Resend]),
                ..Policy::default()
            },
            budget: Budget::per_second(rate),
            places: 1 + dice.place(4),
            ahead: *dice.one(&[Duration::ZERO, Duration::ZERO, Duration::from_millis(700), Duration::from_secs(45)]),
            echoes: dice.happens(0.4),
            moods,
            spells: spells(dice, level),
            crash: 0.02 * level,
            pause: 0.02 * level,
            slow_store: 0.04 * level,
            lost_stop: *dice.one(&[0.0, 0.3]),
            repeated: 0.15 * level,
            recorded_twice: 0.1 * level,
            reported_late: 0.3 * level,
            slow_connection: 0.08 * level,
            operator: *dice.one(&[0.0, 0.05, 0.3]),
            crowded: false,
            rush: Duration::from_millis(*dice.one(&[0, HOUR / 60, HOUR, 20 * HOUR])),
        }
    }

    /// A slow page, many people at once, and perhaps an outage: only urgency decides who is sent to in time.
    fn crowd(dice: &mut Dice) -> Self {
        let people = 12 + dice.place(12);
        let hours = 1 + dice.below(20);
        let outage = Spell {
            from: Duration::from_millis(HOUR / 4),
            to: Duration::from_millis(hours * HOUR),
            mood: Mood::Unreachable,
        };
        let minutes = dice.below(40) + 10;
        #[expect(clippy::cast_precision_loss, reason = "minutes are few")]
        let rate = 1.0 / (60.0 * minutes as f64);
        Self {
            people,
            pages: 1,
            nodes: 1 + dice.place(2),
            budget: Budget::per_second(rate.max(0.001)),
            places: 64,
            moods: vec![(1.0, Mood::Accepts)],
            spells: if dice.happens(0.5) { vec![outage] } else { Vec::new() },
            crash: 0.0,
            pause: 0.0,
            slow_store: 0.0,
            repeated: 0.0,
            recorded_twice: 0.0,
            reported_late: 0.0,
            slow_connection: 0.0,
            operator: 0.0,
            crowded: true,
            policy: Policy { retention: Duration::from_hours(90 * 24), ..Policy::default() },
            ahead: Duration::ZERO,
            rush: Duration::from_millis(*dice.one(&[0, HOUR, 4 * HOUR])),
            ..Self::trouble(dice)
        }
    }

    /// Many people through a day in which nothing is amiss but what the platform does for a while.
    pub(crate) fn spell(people: usize, pages: usize, rate: f64, spell: Spell) -> Self {
        Self {
            nodes: 1,
            people,
            pages,
            budget: Budget::per_second(rate),
            spells: vec![spell],
            rush: Duration::from_hours(24),
            echoes: false,
            lost_stop: 0.0,
            ..Self::crowd(&mut Dice::of(0))
        }
    }

    /// Whether rows are purged within the day, so that people come again of whom only a tombstone is left.
    pub(crate) fn forgets_soon(&self) -> bool {
        self.policy.retention < Duration::from_hours(24)
    }

    pub(crate) fn window(&self) -> Window {
        self.policy.window
    }
}

fn spells(dice: &mut Dice, level: f64) -> Vec<Spell> {
    let count = if dice.happens(0.3 * level) { 1 + dice.below(3) } else { 0 };
    let spell = |dice: &mut Dice| {
        let from = dice.ms(0, 20 * HOUR);
        let most = *dice.one(&[HOUR / 60, HOUR, 24 * HOUR]);
        let mood = if dice.happens(0.7) { *dice.one(REFUSALS) } else { *dice.one(DOUBTS) };
        Spell { from, to: from + dice.ms(1000, most), mood }
    };
    (0..count).map(|_| spell(dice)).collect()
}
