//! Who still waits, and how fast they are served.

use std::sync::Arc;
use std::time::Duration;

use crate::ground::{Ground, NOW, accepted, created, ended, later, new, opt_in, page};
use firstword::clock::{Clock, ManualClock};
use firstword::domain::alert::Kind;
use firstword::domain::budget::Budget;
use firstword::domain::ids::PageId;
use firstword::domain::optin::{Reason, State};
use firstword::domain::outcome::{Ending, Outcome, Then};
use firstword::domain::signal::{NewOptIn, Signal};
use firstword::domain::time::Timestamp;
use firstword::domain::window::Window;
use firstword::store::backlog::Recent;
use firstword::store::claim::Claim;
use firstword::watch::Watch;
use firstword::watch::foresight::{Foresight, PageForecast};

pub(crate) async fn who_can_still_be_missed_is_counted_in_buckets(ground: Ground) {
    let ago = |minutes| NOW.minus(Duration::from_mins(minutes));
    for (name, minutes) in [("a", 100), ("b", 100), ("c", 59), ("d", 1), ("old", 200)] {
        ground.apply(opt_in(name, ago(minutes))).await;
    }
    let other = PageId::new("77").unwrap();
    ground.apply(Signal::OptIn(NewOptIn { page: other.clone(), ..new("stranger", ago(100)) })).await;
    // One of page's people in every other state.
    for (state, minutes) in
        [("new", 100), ("retrying", 59), ("sending", 59), ("sent", 59), ("uncertain", 59), ("missed", 59)]
    {
        let id = created(ground.apply(opt_in(state, ago(minutes))).await);
        let again = if state == "retrying" { NOW.ms().to_string() } else { "NULL".into() };
        ground.sql(&format!("UPDATE optins SET state = '{state}', next_attempt_at = {again} WHERE id = {id}")).await;
    }
    let backlog = ground.store.backlog(&[page()], ago(120), NOW, Duration::from_hours(1)).await.unwrap();
    let counted = |page: &PageId| {
        let buckets = backlog.get(page).into_iter().flatten();
        buckets.map(|bucket| (bucket.from.ms(), bucket.to, bucket.people)).collect::<Vec<_>>()
    };
    let mut mine = counted(&page());
    // Those of one bucket may come from several sources.
    mine.sort_unstable_by_key(|(from, _, people)| (*from, *people));
    let (first, second) = (ago(120).ms() + 1, ago(60).ms() + 1);
    assert_eq!(
        mine,
        [(first, ago(60), 1), (first, ago(60), 2), (second, NOW, 1), (second, NOW, 1), (second, NOW, 2)],
        "new; two pending; retrying; sending; two pending"
    );
    assert_eq!(counted(&other), [(first, ago(60), 1)], "a page nobody sends for is found too");
    let longest = ground.store.longest_wait(&page(), ago(120)).await.unwrap();
    assert_eq!((longest, ground.store.longest_wait(&other, ago(120)).await.unwrap()), (Some(NOW), None));
}

pub(crate) async fn what_became_of_the_latest_attempts(ground: Ground) {
    for name in ["a", "b", "c", "d"] {
        ground.apply(opt_in(name, NOW)).await;
    }
    let first = ground.claim_at(1, NOW).await.remove(0);
    ground.record(ended(&first, accepted("m1"))).await;
    let rest = ground.claim_at(9, later(30)).await;
    ground.record(ended(&rest[0], accepted("m2"))).await;
    ground.record(ended(&rest[1], Outcome::Retry(Then::Again))).await;
    let recent = async |since| ground.store.recent_attempts(since).await.unwrap().get(&page()).copied();
    assert_eq!(recent(NOW).await, Some(Recent { ended: 3, accepted: 2, since: NOW }));
    assert_eq!(recent(later(30)).await, Some(Recent { ended: 2, accepted: 1, since: later(30) }));
    assert_eq!(recent(later(31)).await, None);
}

pub(crate) async fn the_variant_that_was_sent_is_kept(ground: Ground) {
    let with = |outcome, variant: &str| Ending { variant: Some(variant.to_owned()), ..Ending::bare(outcome) };
    let end =
        |claim: &Claim, ending| Signal::Attempt { optin: claim.optin, attempt: claim.attempt, ending: Some(ending) };
    let variant = async |claim: &Claim| ground.row(claim.optin).await.variant;
    // By the express, over the desk in company, and of unknown end.
    let express = ground.claimed("express").await;
    ground.record(end(&express, with(accepted("m1"), "warm"))).await;
    assert_eq!(variant(&express).await.as_deref(), Some("warm"));
    let (desk, doubt) = (ground.claimed("desk").await, ground.claimed("doubt").await);
    let uncertain = Outcome::Uncertain(Reason::Timeout);
    let both = vec![end(&desk, with(accepted("m2"), "short")), end(&doubt, with(uncertain, "warm"))];
    ground.store.record(both, NOW).await.unwrap();
    assert_eq!((variant(&desk).await.as_deref(), variant(&doubt).await.as_deref()), (Some("short"), Some("warm")));
    // Nobody was sent anything: there is no variant to speak of.
    let refused = ground.claimed("refused").await;
    ground.record(end(&refused, with(Outcome::Retry(Then::Again), "warm"))).await;
    assert_eq!(variant(&refused).await, None);
    // An acceptance that names none leaves what is known.
    let plain = ground.greeted("plain", "m3").await;
    assert_eq!(variant(&plain).await, None);
}

pub(crate) async fn what_a_day_brought_is_counted_by_variant(ground: Ground) {
    for name in ["a", "b", "c"] {
        ground.greeted(name, &format!("m-{name}")).await;
    }
    ground.somebody("waits").await;
    let old = created(ground.apply(opt_in("old", NOW.minus(Duration::from_hours(50)))).await);
    ground
        .sql("UPDATE optins SET variant = CASE login_id WHEN 'c' THEN 'short' ELSE 'warm' END WHERE sent_at > 0")
        .await;
    ground.sql("UPDATE optins SET replied_at = 5, state = 'answered' WHERE login_id = 'b'").await;
    assert_eq!(ground.row(old).await.state, State::Missed);
    let tallies = ground.store.tallies(NOW.minus(Duration::from_hours(24))).await.unwrap();
    let mut told: Vec<_> = tallies
        .iter()
        .map(|t| (t.variant.as_deref().unwrap_or("-"), t.opted_in, t.sent, t.answered, t.missed, t.waiting))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("-", 1, 0, 0, 1, 1), ("short", 1, 1, 0, 0, 0), ("warm", 2, 2, 1, 0, 0)]);
    let none = ground.store.tallies(later(1)).await.unwrap();
    assert!(none.iter().all(|tally| tally.sent == 0 && tally.answer_rate().is_none()));
    let warm = tallies.iter().find(|tally| tally.variant.as_deref() == Some("warm")).unwrap();
    assert!(warm.answer_rate().is_some_and(|rate| (rate - 0.5).abs() < 1e-9));
}

/// Looks ahead for the page, at a rate.
async fn foresee(ground: &Ground, rate: f64, now: Timestamp) -> Vec<PageForecast> {
    let budgets = move || vec![(page(), Budget::per_second(rate))];
    let foresight = Foresight::new(ground.store.clone(), Arc::new(budgets), false);
    foresight.look(now).await.unwrap().to_vec()
}

pub(crate) async fn a_forecast_knows_rates_holds_failures_and_strangers(ground: Ground) {
    let usable = Window::default().usable();
    // A hundred people have ten minutes left, to the minute.
    let opted_in = NOW.minus(usable).plus(Duration::from_mins(10));
    ground.store.apply((0..100).map(|n| opt_in(&format!("p{n}"), opted_in)).collect(), NOW).await.unwrap();
    let missing =
        async |rate, now| foresee(&ground, rate, now).await.iter().map(|page| page.forecast.will_miss).sum::<u64>();
    assert_eq!(missing(1.0, NOW).await, 0);
    let slow = foresee(&ground, 0.1, NOW).await.remove(0);
    assert!((40..=46).contains(&slow.forecast.will_miss) && slow.forecast.waiting == 100, "{slow:?}");
    let first = slow.forecast.first_miss.unwrap().since(NOW);
    assert!((Duration::from_mins(9)..=Duration::from_mins(10)).contains(&first), "{first:?}");
    // Under a hold that ends too late nobody is sent to.
    ground.sql(&format!("UPDATE pages SET held_since = 1, held_until = {}", later(600).ms())).await;
    let held = foresee(&ground, 1.0, NOW).await.remove(0);
    assert_eq!((held.forecast.will_miss, held.stopped_until), (100, Some(later(600))));
    ground.sql(&format!("UPDATE pages SET held_since = NULL, paused_until = {}", later(300).ms())).await;
    assert_eq!(missing(1.0, NOW).await, 0, "five minutes are left after the pause");
    assert!(missing(0.2, NOW).await > 40);
    ground.sql("UPDATE pages SET paused_until = 0").await;
    // Whose hard stop is over is missed already, and nobody sends for a page that is not configured.
    let other = NewOptIn { page: PageId::new("77").unwrap(), ..new("stranger", NOW) };
    ground.apply(Signal::OptIn(other)).await;
    assert_eq!(missing(1.0, NOW).await, 1);
    assert_eq!(missing(1.0, later(700)).await, 101);
}

/// A page near its allowance is foreseen as slowly as its claims are, and no longer than they are.
pub(crate) async fn a_forecast_heeds_what_a_page_has_used(ground: Ground) {
    let usable = Window::default().usable();
    let opted_in = NOW.minus(usable).plus(Duration::from_mins(10));
    ground.store.apply((0..200).map(|n| opt_in(&format!("p{n}"), opted_in)).collect(), NOW).await.unwrap();
    let told = async |now| foresee(&ground, 1.0, now).await.remove(0);
    assert_eq!(told(NOW).await.forecast.will_miss, 0, "six hundred could be sent to");
    let full = told(NOW).await.per_second;
    // 98 % used: a tenth, for half an hour.
    ground.store.note_usage(&page(), 98, None, NOW).await.unwrap();
    let slow = told(NOW).await;
    assert!((slow.per_second - full / 10.0).abs() < 1e-6, "{slow:?}");
    assert!((140..=146).contains(&slow.forecast.will_miss), "sixty can be sent to: {slow:?}");
    // Five minutes before nobody believes it any more: thirty, and then nearly three hundred.
    ground.store.note_usage(&page(), 98, None, NOW.minus(Duration::from_mins(25))).await.unwrap();
    assert_eq!(told(NOW).await.forecast.will_miss, 0);
    ground.store.note_usage(&page(), 98, None, NOW.minus(Duration::from_mins(21))).await.unwrap();
    let late = told(NOW).await;
    assert!((86..=146).contains(&late.forecast.will_miss), "{late:?}");
    ground.store.note_usage(&page(), 79, None, NOW).await.unwrap();
    assert_eq!(told(NOW).await.forecast.will_miss, 0);
}

/// What was seen to be sent bounds what is foreseen; what was slow for its allowance is not taken for slow for ever.
pub(crate) async fn a_forecast_goes_by_what_was_sent_of_late(ground: Ground) {
    let usable = Window::default().usable();
    let opted_in = NOW.minus(usable).plus(Duration::from_mins(40));
    ground.store.apply((0..200).map(|n| opt_in(&format!("p{n:03}"), opted_in)).collect(), NOW).await.unwrap();
    // Ten in twenty seconds, while all the others waited.
    for (second, claim) in (1..).zip(ground.claim_at(10, NOW).await) {
        let at = later(second * 2);
        ground.store.record(vec![ended(&claim, accepted(&format!("m{second}")))], at).await.unwrap();
    }
    let told = async |rate| foresee(&ground, rate, later(20)).await.remove(0);
    assert!((told(20.0).await.per_second - 0.5).abs() < 1e-6, "though it may send twenty a second");
    assert!((told(0.25).await.per_second - 0.25).abs() < 0.001, "the least of the two");
    // 98 % used, so that five in ten seconds were all it could send: it will be faster when that is over.
    ground.store.note_usage(&page(), 98, None, NOW.minus(Duration::from_mins(25))).await.unwrap();
    let allowed = told(5.0).await;
    assert!((allowed.per_second - 0.5).abs() < 0.001, "{allowed:?}");
    assert!(allowed.forecast.done_at.unwrap() < later(6 * 60), "{allowed:?}");
    // But not where it was slower than even that.
    let slow = told(20.0).await;
    assert!((slow.per_second - 0.5).abs() < 1e-6, "{slow:?}");
    assert!(slow.forecast.done_at.unwrap() > later(6 * 60), "{slow:?}");
}

pub(crate) async fn an_outage_is_foreseen_and_alerted_before_anybody_is_missed(ground: Ground) {
    let usable = Window::default().usable();
    let opted_in = NOW.minus(usable).plus(Duration::from_hours(3));
    ground.store.apply((0..20).map(|n| opt_in(&format!("p{n}"), opted_in)).collect(), NOW).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let watch = async || {
        // A new one each time: it keeps what it saw for a moment.
        let budgets = || vec![(page(), Budget::per_second(20.0))];
        let foresight = Foresight::new(ground.store.clone(), Arc::new(budgets), false);
        let (store, clock) = (ground.store.clone(), Arc::<ManualClock>::clone(&clock));
        let watch = Watch { store, clock, at_risk: Duration::from_hours(2), foresight };
        let report = watch.deadlines().await.unwrap();
        let open = ground.store.open_alerts().await.unwrap().into_iter().map(|alert| (alert.kind, alert.times));
        (report.counts["missed"], open.collect::<Vec<_>>())
    };
    assert_eq!(watch().await, (0, vec![]));
    // The platform is away: every attempt fails, and none succeeds.
    for claim in ground.claim_at(5, NOW).await {
        ground.record(ended(&claim, Outcome::Retry(Then::Again))).await;
    }
    clock.advance(Duration::from_secs(30));
    assert_eq!(watch().await, (0, vec![(Kind::Forecast, 20)]), "long before they are at risk");
    clock.advance(Duration::from_mins(70));
    assert_eq!(watch().await.1, [(Kind::AtRisk, 20)], "old attempts tell nothing of the present");
    // It is back: somebody is accepted, and what was foreseen is over.
    for claim in ground.claim_at(50, clock.now()).await {
        ground.store.record(vec![ended(&claim, accepted(&format!("m{}", claim.attempt)))], clock.now()).await.unwrap();
    }
    ground.sql("UPDATE optins SET state = 'cancelled' WHERE state IN ('pending', 'retrying')").await;
    assert_eq!(watch().await, (0, vec![]));
}
