//! What a page can send, and when.

use std::time::Duration;

use super::time::Timestamp;

/// What a page can send, and when: piece by piece a rate, and nothing between the pieces.
///
/// It is the least of what may hold the page back: its rate and what the platform's usage headers leave of it
/// ([`super::allowance`], where it also stands why no number of a day is among them), what it was seen to send, holds and
/// pauses, and the ticks of a batch job.
#[derive(Debug, Clone, PartialEq)]
pub struct Capacity {
    /// In order, apart from each other.
    pieces: Vec<Piece>,
}

/// A span of time with one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    from: Timestamp,
    until: Timestamp,
    per_ms: f64,
}

impl Capacity {
    /// So many a second, at any time.
    #[must_use]
    pub fn per_second(rate: f64) -> Self {
        let piece = Piece { from: Timestamp::EARLIEST, until: Timestamp::LATEST, per_ms: per_ms(rate) };
        Self { pieces: vec![piece] }
    }

    /// No faster than so many a second, at any time.
    #[must_use]
    pub fn no_faster(self, rate: f64) -> Self {
        self.no_faster_until(rate, Timestamp::LATEST)
    }

    /// No faster than so many a second before a moment, and as fast as ever from then on.
    #[must_use]
    pub fn no_faster_until(mut self, rate: f64, moment: Timestamp) -> Self {
        let (mut pieces, slower) = (Vec::new(), per_ms(rate));
        for piece in self.pieces {
            let cut = piece.until.min(moment.max(piece.from));
            let parts = [Piece { until: cut, per_ms: piece.per_ms.min(slower), ..piece }, Piece { from: cut, ..piece }];
            pieces.extend(parts.into_iter().filter(|part| part.from < part.until));
        }
        self.pieces = pieces;
        self
    }

    /// Of each rate this share.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        for piece in &mut self.pieces {
            piece.per_ms *= share;
        }
        self
    }

    /// Nothing before a moment: a hold, or a pause the platform asked for.
    #[must_use]
    pub fn not_before(self, moment: Timestamp) -> Self {
        self.only(&[(moment, Timestamp::LATEST)])
    }

    /// Nothing outside these spans: the ticks of a batch job. They are in order, and may touch or overlap.
    #[must_use]
    pub fn only(mut self, spans: &[(Timestamp, Timestamp)]) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        for (from, until) in spans {
            for piece in &self.pieces {
                let begin = piece.from.max(*from).max(pieces.last().map_or(*from, |last| last.until));
                let end = piece.until.min(*until);
                if begin < end {
                    pieces.push(Piece { from: begin, until: end, ..*piece });
                }
            }
        }
        self.pieces = pieces;
        self
    }

    /// How many people can be sent to between two moments.
    #[must_use]
    pub fn people(&self, from: Timestamp, until: Timestamp) -> u64 {
        let sent = self.pieces.iter().map(|piece| {
            let span = piece.until.min(until).since(piece.from.max(from));
            real(span.as_millis()) * piece.per_ms
        });
        whole(sent.sum())
    }

    /// How many a second at a moment.
    #[must_use]
    pub fn rate_at(&self, moment: Timestamp) -> f64 {
        let piece = self.pieces.iter().find(|piece| piece.from <= moment && moment < piece.until);
        piece.map_or(0.0, |piece| piece.per_ms * 1000.0)
    }

    /// When so many are sent, if sending begins at a moment; `None` if never.
    pub(super) fn sent_at(&self, from: Timestamp, people: u64) -> Option<Timestamp> {
        let mut left = real(u128::from(people));
        for piece in self.pieces.iter().filter(|piece| piece.until > from) {
            let begin = piece.from.max(from);
            let here = real(piece.until.since(begin).as_millis()) * piece.per_ms;
            if here >= left {
                return Some(begin.plus(Duration::from_secs_f64((left / piece.per_ms / 1000.0).max(0.0))));
            }
            left -= here;
        }
        (left <= 0.0).then_some(from)
    }
}

fn per_ms(rate: f64) -> f64 {
    if rate.is_finite() { rate.max(0.0) / 1000.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds far below 2^52")]
fn real(number: u128) -> f64 {
    number as f64
}

/// Whole people; a hair below a whole one is a whole one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturating is meant")]
fn whole(people: f64) -> u64 {
    (people + 1e-6).floor().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn spans_that_overlap_are_counted_once() {
        let twice = Capacity::per_second(1.0).only(&[(after(0), after(10)), (after(5), after(20))]);
        assert_eq!(twice.people(NOW, after(100)), 20);
        assert_eq!(twice.sent_at(NOW, 15), Some(after(15)));
        assert_eq!(twice.sent_at(NOW, 21), None);
    }

    #[test]
    fn each_piece_has_its_rate() {
        let pieces = Capacity::per_second(10.0).no_faster_until(1.0, after(20)).share(0.5).not_before(after(10));
        let people =
            [(0, 10), (10, 20), (20, 30), (0, 30)].map(|(from, until)| pieces.people(after(from), after(until)));
        assert_eq!(people, [0, 5, 50, 55]);
        let rates = [(0, 0.0), (10, 0.5), (20, 5.0)];
        assert!(rates.iter().all(|(second, rate)| (pieces.rate_at(after(*second)) - rate).abs() < 1e-9), "{pieces:?}");
        assert_eq!((pieces.sent_at(NOW, 5), pieces.sent_at(NOW, 30)), (Some(after(20)), Some(after(25))));
        assert_eq!(pieces.clone().no_faster(2.0).people(NOW, after(30)), 25);
        assert_eq!(pieces.only(&[(after(15), after(22)), (after(21), after(24))]).people(NOW, after(99)), 22);
    }
}
