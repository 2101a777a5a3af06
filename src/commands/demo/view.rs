//! What the demo shows while it runs: on a terminal a picture that is redrawn, elsewhere a line now and then.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::DemoArgs;
use crate::commands::out;
use crate::domain::optin::State;
use crate::domain::policy::Policy;
use crate::domain::span;
use crate::domain::time::Timestamp;
use crate::sandbox::Report;
use crate::store::report::Count;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The states worth a column, in the order of a life.
const SHOWN: [State; 11] = [
    State::Pending,
    State::Retrying,
    State::Sending,
    State::Uncertain,
    State::Sent,
    State::Answered,
    State::Expired,
    State::OptedOut,
    State::Unavailable,
    State::Missed,
    State::New,
];

pub(super) struct View {
    bar: ProgressBar,
    plain: bool,
    last: Option<(Timestamp, u64)>,
    rate: f64,
    line_at: Timestamp,
}

impl View {
    pub(super) fn new(args: &DemoArgs, deadline: Duration) -> Self {
        let target = if args.plain || args.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(u64::from(args.people)), target);
        let template = "{msg}\n  settled [{wide_bar}] {pos}/{len}  {elapsed}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        let plain = bar.is_hidden() && !args.json;
        bar.set_message(format!("the demo takes {} at most", span::show(deadline)));
        Self { bar, plain, last: None, rate: 0.0, line_at: Timestamp::default() }
    }

    pub(super) fn draw(&mut self, counts: &[Count], report: &Report, now: Timestamp, policy: Policy) {
        let of =
            |state: State| counts.iter().filter(|count| count.state == state).map(|count| count.count).sum::<u64>();
        let settled: u64 = State::ALL.iter().filter(|state| state.is_final()).map(|state| of(*state)).sum();
        self.measure(report.requests, now);
        let waiting = counts.iter().filter(|count| matches!(count.state, State::Pending | State::Retrying));
        let next_stop = waiting.map(|count| policy.window.hard_stop(count.earliest)).min();
        let next = next_stop.map_or("nobody waits".to_owned(), |stop| {
            format!("next hard stop in {:.1} s", stop.since(now).as_secs_f64())
        });
        let violations = report.violations;
        let mut text = String::new();
        for state in SHOWN {
            _ = write!(
                text,
                "  {state:<12} {:>6}{}",
                of(state),
                if matches!(state, State::Uncertain | State::Expired | State::Missed) { "\n" } else { "" }
            );
        }
        _ = write!(
            text,
            "\n  {:.0} sends/s, {} in flight, {next}\n  platform: {} delivered, {} replied, {} faults; second {} late {} after stop {}",
            self.rate,
            report.in_flight,
            report.delivered,
            report.replied,
            report.faults.before + report.faults.after + report.faults.unavailable,
            violations.second,
            violations.late,
            violations.after_stop
        );
        self.bar.set_position(settled);
        if self.plain && now.since(self.line_at) >= LINE_EVERY {
            self.line_at = now;
            let line = format!("settled {settled}, {:.0} sends/s, {} delivered, {next}", self.rate, report.delivered);
            out::note(line);
        }
        self.bar.set_message(text);
    }

    fn measure(&mut self, requests: u64, now: Timestamp) {
        if let Some((at, before)) = self.last {
            let seconds = now.since(at).as_secs_f64();
            if seconds >= 1.0 {
                #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
                let sent = (requests - before) as f64;
                self.rate = sent / seconds;
                self.last = Some((now, requests));
            }
        } else {
            self.last = Some((now, requests));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
