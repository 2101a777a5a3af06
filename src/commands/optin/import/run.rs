//! Lines sorted together, and cut into batches.
//!
//! People come in any order, and the store's unique index keeps them in its own. A batch as it was read would touch a
//! page of that index for nearly every line; one cut out of many sorted lines touches the few pages of its stretch.

use super::lines::Place;
use super::reader::{Bad, Batch};
use crate::domain::ids::PageId;
use crate::domain::signal::NewOptIn;

/// How many lines are sorted together, unless they are longer than [`BYTES`]: all of them are in memory.
const LINES: usize = 65_536;
const BYTES: u64 = 16 << 20;

/// Lines on their way into batches.
#[derive(Default)]
pub(super) struct Run {
    good: Vec<NewOptIn>,
    bad: Vec<Bad>,
    /// Where the first of these begins.
    start: Place,
}

impl Run {
    pub(super) fn starting(start: Place) -> Self {
        Self { start, ..Self::default() }
    }

    pub(super) fn take(&mut self, line: Result<NewOptIn, Bad>) {
        match line {
            Ok(optin) => self.good.push(optin),
            Err(bad) => self.bad.push(bad),
        }
    }

    /// Whether it is to be handed on, now that the input was read up to here.
    pub(super) fn is_full(&self, end: Place) -> bool {
        self.good.len() + self.bad.len() >= LINES || end.bytes.saturating_sub(self.start.bytes) >= BYTES
    }

    /// Batches of up to `size` good lines, in the order of the unique index. Lines about one person keep their order.
    /// Only the last batch is the end of anything in the input: before it, some line early in the run may be missing.
    pub(super) fn batches(mut self, size: usize, end: Place) -> impl Iterator<Item = Batch> {
        self.good.sort_by(|a, b| key(a).cmp(&key(b)));
        let count = self.good.len().div_ceil(size).max(usize::from(!self.bad.is_empty()));
        let mut good = self.good.into_iter();
        let mut bad = self.bad;
        (1..=count).map(move |nth| {
            let good: Vec<NewOptIn> = good.by_ref().take(size).collect();
            let bad = std::mem::take(&mut bad);
            let lines = (good.len() + bad.len()) as u64;
            let last_line = if nth == count { end.line } else { self.start.line };
            let bytes = self.start.bytes + (end.bytes - self.start.bytes) * nth as u64 / count as u64;
            Batch { good, bad, lines, last_line, bytes }
        })
    }
}

fn key(new: &NewOptIn) -> (&PageId, &str) {
    (&new.page, new.login.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::LoginId;
    use crate::domain::signal::Source;

    /// A word is a person and a reference, or `!` a bad line.
    fn line(word: &str) -> Result<NewOptIn, Bad> {
        let (login, reference) = word.split_at(1);
        if login == "!" {
            return Err(Bad { line: 12, reason: "is bad".into() });
        }
        let (page, login) = (PageId::new("1").unwrap(), LoginId::new(login).unwrap());
        let reference = Some(reference.to_owned());
        Ok(NewOptIn { page, login, at: None, locale: None, reference, source: Source::Operator })
    }

    fn cut(words: &str, size: usize) -> Vec<Batch> {
        let mut run = Run::starting(Place { line: 10, bytes: 100 });
        words.split(' ').for_each(|word| run.take(line(word)));
        run.batches(size, Place { line: 20, bytes: 200 }).collect()
    }

    #[test]
    fn batches_are_stretches_of_one_order() {
        let batches = cut("c1 !! a1 c2 b1 c3", 2);
        let names = |batch: &Batch| {
            let name = |new: &NewOptIn| format!("{}{}", new.login.as_str(), new.reference.as_deref().unwrap());
            batch.good.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(batches.iter().map(names).collect::<Vec<_>>(), ["a1 b1", "c1 c2", "c3"]);
        let counts: Vec<_> = batches.iter().map(|batch| (batch.bad.len(), batch.lines)).collect();
        assert_eq!(counts, [(1, 3), (0, 2), (0, 1)]);
    }

    #[test]
    fn a_line_counts_as_reached_once_everything_before_it_is_stored() {
        let reached = |batches: Vec<Batch>| batches.iter().map(|b| (b.last_line, b.bytes)).collect::<Vec<_>>();
        assert_eq!(reached(cut("c1 b1 a1", 1)), [(10, 133), (10, 166), (20, 200)]);
        assert_eq!(reached(cut("!! !!", 1)), [(20, 200)]);
        assert_eq!(reached(Run::default().batches(1, Place { line: 1, bytes: 1 }).collect()), []);
    }

    #[test]
    fn memory_has_a_bound() {
        let mut run = Run::starting(Place { line: 1, bytes: 5 });
        assert!(!run.is_full(Place { line: 2, bytes: BYTES + 4 }));
        assert!(run.is_full(Place { line: 2, bytes: BYTES + 5 }));
        (0..LINES).for_each(|_| run.take(line("!!")));
        assert!(run.is_full(Place { line: 2, bytes: 6 }));
    }
}
